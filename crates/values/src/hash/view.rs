//! Hashes as they are read, wherever they live.

use super::{Form, Hash};
use crate::table::{self, Prefetch, Table};
use crate::{Element, Encoding, Expiring, Packed, listpack, sample};

/// A hash, borrowed: fields and values in a listpack that somebody else keeps, or a `Hash`.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    Packed(&'a Packed),
    Whole(&'a Hash),
}

enum FormRef<'a> {
    Listpack(&'a Packed),
    Table(&'a Table<true>),
}

impl<'a> HashRef<'a> {
    #[inline]
    fn form(self) -> FormRef<'a> {
        match self {
            HashRef::Packed(packed) => FormRef::Listpack(packed),
            HashRef::Whole(Hash { form: Form::Listpack(listpack), .. }) => FormRef::Listpack(listpack),
            HashRef::Whole(Hash { form: Form::Table(table), .. }) => FormRef::Table(table),
        }
    }

    /// Is `copy`, a clone, still what this hash is?
    pub fn is_still(self, copy: &Hash) -> bool {
        match (self.form(), copy.view().form()) {
            (FormRef::Table(table), FormRef::Table(copy)) => table.is(copy),
            (FormRef::Table(_), _) | (_, FormRef::Table(_)) => false,
            _ => self.len() == copy.len() && self.iter().eq(copy.view().iter()),
        }
    }

    /// All of it, deadlines included.
    pub fn to_hash(self) -> Hash {
        match self {
            HashRef::Packed(packed) => packed.into(),
            HashRef::Whole(hash) => hash.clone(),
        }
    }

    /// The deadlines of its fields, where any have, or had.
    pub fn expiring(self) -> Option<&'a dyn Expiring> {
        match self {
            HashRef::Whole(hash) if hash.deadlines.is_some() => Some(hash),
            _ => None,
        }
    }

    pub fn deadline_ms(self, field: &[u8]) -> Option<u64> {
        self.expiring()?.deadline_ms(field)
    }

    #[inline]
    pub fn len(self) -> usize {
        match self.form() {
            FormRef::Listpack(listpack) => listpack.len() / 2,
            FormRef::Table(table) => table.len(),
        }
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        match self.form() {
            FormRef::Listpack(listpack) => listpack.is_empty(),
            FormRef::Table(table) => table.len() == 0,
        }
    }

    /// Starts to load what a lookup of `field` will touch, where the hash is large. False where it is not.
    pub fn prefetch(self, field: &[u8], step: Prefetch) -> bool {
        let FormRef::Table(table) = self.form() else { return false };
        table.prefetch(field, step);
        true
    }

    /// The value of `field`, as it is stored.
    pub fn value(self, field: &[u8]) -> Option<Element<'a>> {
        match self.form() {
            FormRef::Listpack(listpack) => listpack.get(listpack.next(listpack.find(field, 2)?)?),
            FormRef::Table(table) => table.get(field).map(Element::Bytes),
        }
    }

    /// Calls `f` with the value (integers in a listpack are formatted), `None` where the field is absent.
    pub fn get<R>(self, field: &[u8], f: impl FnOnce(Option<&[u8]>) -> R) -> R {
        match self.value(field) {
            Some(value) => value.with_bytes(|value| f(Some(value))),
            None => f(None),
        }
    }

    pub fn contains(self, field: &[u8]) -> bool {
        match self.form() {
            FormRef::Listpack(listpack) => listpack.find(field, 2).is_some(),
            FormRef::Table(table) => table.get(field).is_some(),
        }
    }

    /// Fields and values in turn, where the hash is small.
    pub fn packed(self) -> Option<listpack::Iter<'a>> {
        match self.form() {
            FormRef::Listpack(listpack) => Some(listpack.iter()),
            FormRef::Table(_) => None,
        }
    }

    /// Fields and values in the order that the encoding keeps (by age for listpack).
    pub fn iter(self) -> HashIter<'a> {
        let iter = match self.form() {
            FormRef::Listpack(listpack) => FormIter::Listpack(listpack.iter()),
            FormRef::Table(table) => FormIter::Table(table.iter()),
        };
        HashIter { iter, remaining: self.len() }
    }

    /// The same; integers are formatted into the callback's arguments.
    pub fn for_each(self, mut f: impl FnMut(&[u8], &[u8])) {
        for (field, value) in self.iter() {
            field.with_bytes(|field| value.with_bytes(|value| f(field, value)));
        }
    }

    /// One field and its value, uniformly at random. `dice(n)` returns a number below `n`.
    pub fn random<R>(self, mut dice: impl FnMut(usize) -> usize, f: impl FnOnce(&[u8], &[u8]) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        match self.form() {
            FormRef::Listpack(_) => {
                let (field, value) = self.iter().nth(dice(self.len()))?;
                Some(field.with_bytes(|field| value.with_bytes(|value| f(field, value))))
            }
            FormRef::Table(table) => table.random(dice).map(|(field, value)| f(field, value)),
        }
    }

    /// `count` different fields with their values, every selection equally likely; all of them where there
    /// are not more.
    pub fn sample(
        self,
        count: usize,
        mut dice: impl FnMut(usize) -> usize,
        mut f: impl FnMut(Element<'_>, Element<'_>),
    ) {
        match self.form() {
            FormRef::Table(table) if sample::is_sparse(count, table.len()) => sample::draw(
                count,
                || table.random(&mut dice),
                |(field, value)| f(Element::Bytes(field), Element::Bytes(value)),
            ),
            _ => sample::select(self.iter(), self.len(), count, dice, |(field, value)| f(field, value)),
        }
    }

    /// HSCAN: calls `f` for at least `count` fields where there are; returns the next cursor (0: done).
    /// A field present throughout is returned at least once, whatever happens between the calls.
    pub fn scan(self, cursor: u64, count: usize, f: impl FnMut(&[u8], &[u8])) -> u64 {
        match self.form() {
            FormRef::Table(table) => table.scan(cursor, count, f),
            FormRef::Listpack(_) => {
                self.for_each(f);
                0
            }
        }
    }

    /// The fields that are in sight, without deadlines: of a large hash this costs next to nothing.
    pub fn contents(self) -> Hash {
        let form = match self.form() {
            FormRef::Listpack(listpack) => Form::Listpack(listpack.into()),
            FormRef::Table(table) => Form::Table(Box::new(table.clone())),
        };
        Hash { form, deadlines: None }
    }

    pub fn encoding(self) -> Encoding {
        match self.form() {
            FormRef::Listpack(_) if self.expiring().is_some() => Encoding::ListpackEx,
            FormRef::Listpack(_) => Encoding::Listpack,
            FormRef::Table(_) => Encoding::Hashtable,
        }
    }
}

/// Fields and values of a hash.
#[derive(Clone, Debug)]
pub struct HashIter<'a> {
    iter: FormIter<'a>,
    remaining: usize,
}

#[derive(Clone, Debug)]
enum FormIter<'a> {
    Listpack(listpack::Iter<'a>),
    Table(table::Iter<'a, true>),
}

impl<'a> Iterator for HashIter<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<(Element<'a>, Element<'a>)> {
        self.remaining = self.remaining.checked_sub(1)?;
        match &mut self.iter {
            FormIter::Listpack(iter) => Some((iter.next()?, iter.next()?)),
            FormIter::Table(iter) => iter.next().map(|(field, value)| (Element::Bytes(field), Element::Bytes(value))),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }

    /// Asks only once which form it is (`for_each` comes here, too).
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut f: F) -> B {
        match self.iter {
            FormIter::Listpack(mut iter) => {
                let mut result = init;
                while let (Some(field), Some(value)) = (iter.next(), iter.next()) {
                    result = f(result, (field, value));
                }
                result
            }
            FormIter::Table(iter) => {
                iter.fold(init, |result, (field, value)| f(result, (Element::Bytes(field), Element::Bytes(value))))
            }
        }
    }
}

impl ExactSizeIterator for HashIter<'_> {}

impl<'a> IntoIterator for HashRef<'a> {
    type Item = (Element<'a>, Element<'a>);
    type IntoIter = HashIter<'a>;
    fn into_iter(self) -> HashIter<'a> {
        self.iter()
    }
}
