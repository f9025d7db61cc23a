//! Sets as they are read, wherever they live.

use super::{Form, Set};
use crate::table::{self, Prefetch, Table};
use crate::{Element, Encoding, Expiring, Packed, PackedIntset, listpack, sample};
use stdx::parse_i64;

/// A set, borrowed: an intset or a listpack that somebody else keeps, or a `Set`.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    Intset(&'a PackedIntset),
    Packed(&'a Packed),
    Whole(&'a Set),
}

enum FormRef<'a> {
    Intset(&'a PackedIntset),
    Listpack(&'a Packed),
    Table(&'a Table<false>),
}

impl<'a> SetRef<'a> {
    #[inline]
    fn form(self) -> FormRef<'a> {
        match self {
            SetRef::Intset(intset) => FormRef::Intset(intset),
            SetRef::Packed(packed) => FormRef::Listpack(packed),
            SetRef::Whole(set) => match &set.form {
                Form::Intset(intset) => FormRef::Intset(intset),
                Form::Listpack(listpack) => FormRef::Listpack(listpack),
                Form::Table(table) => FormRef::Table(table),
            },
        }
    }

    /// The same set, not only an equal one?
    pub fn is(self, other: SetRef<'_>) -> bool {
        match (self, other) {
            (SetRef::Intset(set), SetRef::Intset(other)) => std::ptr::eq(set, other),
            (SetRef::Packed(set), SetRef::Packed(other)) => std::ptr::eq(set, other),
            (SetRef::Whole(set), SetRef::Whole(other)) => std::ptr::eq(set, other),
            _ => false,
        }
    }

    /// Is `copy`, a clone, still what this set is?
    pub fn is_still(self, copy: &Set) -> bool {
        match (self.form(), copy.view().form()) {
            (FormRef::Table(table), FormRef::Table(copy)) => table.is(copy),
            (FormRef::Table(_), _) | (_, FormRef::Table(_)) => false,
            _ => self.len() == copy.len() && self.iter().eq(copy.view().iter()),
        }
    }

    /// All of it, deadlines included.
    pub fn to_set(self) -> Set {
        match self {
            SetRef::Whole(set) => set.clone(),
            _ => self.contents(),
        }
    }

    /// The deadlines of its members, where any have, or had.
    pub fn expiring(self) -> Option<&'a dyn Expiring> {
        match self {
            SetRef::Whole(set) if set.deadlines.is_some() => Some(set),
            _ => None,
        }
    }

    pub fn len(self) -> usize {
        match self.form() {
            FormRef::Intset(intset) => intset.len(),
            FormRef::Listpack(listpack) => listpack.len(),
            FormRef::Table(table) => table.len(),
        }
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        match self.form() {
            FormRef::Intset(intset) => intset.is_empty(),
            FormRef::Listpack(listpack) => listpack.is_empty(),
            FormRef::Table(table) => table.len() == 0,
        }
    }

    /// Starts to load what a lookup of `member` will touch, where the set is large. False where it is not.
    pub fn prefetch(self, member: &[u8], step: Prefetch) -> bool {
        let FormRef::Table(table) = self.form() else { return false };
        table.prefetch(member, step);
        true
    }

    pub fn contains(self, member: &[u8]) -> bool {
        match self.form() {
            FormRef::Intset(intset) => parse_i64(member).is_some_and(|value| intset.contains(value)),
            FormRef::Listpack(listpack) => listpack.find(member, 1).is_some(),
            FormRef::Table(table) => table.get(member).is_some(),
        }
    }

    /// `contains` for a member of another set: integers are not printed where that can be avoided.
    pub fn contains_element(self, member: Element<'_>) -> bool {
        match (self.form(), member) {
            (FormRef::Intset(intset), Element::Int(value)) => intset.contains(value),
            _ => member.with_bytes(|member| self.contains(member)),
        }
    }

    /// Members in the order that the encoding keeps (ascending for intset, by age for listpack).
    pub fn iter(self) -> SetIter<'a> {
        let iter = match self.form() {
            FormRef::Intset(intset) => FormIter::Intset(intset, 0),
            FormRef::Listpack(listpack) => FormIter::Listpack(listpack.iter()),
            FormRef::Table(table) => FormIter::Table(table.iter()),
        };
        SetIter { iter, remaining: self.len() }
    }

    /// The same; integers are formatted into the callback's argument.
    pub fn for_each(self, mut f: impl FnMut(&[u8])) {
        self.iter().for_each(|member| member.with_bytes(&mut f));
    }

    /// One member, uniformly at random. `dice(n)` returns a number below `n`.
    pub fn random<R>(self, mut dice: impl FnMut(usize) -> usize, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let member = match self.form() {
            FormRef::Intset(intset) => Element::Int(intset.at(dice(intset.len()))),
            FormRef::Listpack(listpack) => listpack.iter().nth(dice(listpack.len()))?,
            FormRef::Table(table) => Element::Bytes(table.random(dice)?.0),
        };
        Some(member.with_bytes(f))
    }

    /// `count` different members, every selection equally likely; all of them where there are not more.
    pub fn sample(self, count: usize, mut dice: impl FnMut(usize) -> usize, mut f: impl FnMut(Element<'_>)) {
        match self.form() {
            FormRef::Table(table) if sample::is_sparse(count, table.len()) => {
                let random = || Some(table.random(&mut dice)?.0);
                sample::draw(count, random, |member| f(Element::Bytes(member)));
            }
            _ => sample::select(self.iter(), self.len(), count, dice, f),
        }
    }

    /// SSCAN: calls `f` for at least `count` members where there are; returns the next cursor (0: done).
    /// A member present throughout is returned at least once, whatever happens between the calls.
    pub fn scan(self, cursor: u64, count: usize, mut f: impl FnMut(&[u8])) -> u64 {
        match self.form() {
            FormRef::Table(table) => table.scan(cursor, count, |member, _| f(member)),
            _ => {
                self.for_each(f);
                0
            }
        }
    }

    /// The members that are in sight, without deadlines: of a large set this costs next to nothing.
    pub fn contents(self) -> Set {
        let form = match self.form() {
            FormRef::Intset(intset) => Form::Intset(intset.into()),
            FormRef::Listpack(listpack) => Form::Listpack(listpack.into()),
            FormRef::Table(table) => Form::Table(Box::new(table.clone())),
        };
        Set { form, deadlines: None }
    }

    pub fn encoding(self) -> Encoding {
        match self.form() {
            FormRef::Intset(_) => Encoding::Intset,
            FormRef::Listpack(_) => Encoding::Listpack,
            FormRef::Table(_) => Encoding::Hashtable,
        }
    }
}

/// Members of a set.
#[derive(Clone, Debug)]
pub struct SetIter<'a> {
    iter: FormIter<'a>,
    remaining: usize,
}

#[derive(Clone, Debug)]
enum FormIter<'a> {
    Intset(&'a PackedIntset, usize),
    Listpack(listpack::Iter<'a>),
    Table(table::Iter<'a, false>),
}

impl<'a> Iterator for SetIter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        match &mut self.iter {
            FormIter::Intset(intset, next) => {
                *next += 1;
                Some(Element::Int(intset.at(*next - 1)))
            }
            FormIter::Listpack(iter) => iter.next(),
            FormIter::Table(iter) => iter.next().map(|(member, _)| Element::Bytes(member)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for SetIter<'_> {}

impl<'a> IntoIterator for SetRef<'a> {
    type Item = Element<'a>;
    type IntoIter = SetIter<'a>;
    fn into_iter(self) -> SetIter<'a> {
        self.iter()
    }
}
