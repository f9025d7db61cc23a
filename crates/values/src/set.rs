//! Sets: intset, listpack or hash table.

use crate::expiring::{Deadlines, Elements};
use crate::table::{self, Prefetch, Table};
use crate::{Element, Encoding, EncodingLimits, Intset, Listpack, listpack, sample};
use stdx::parse_i64;

/// A set of byte strings. Where it lives is decided as Redis 7.2 does: integers in an intset, few
/// and short members in a listpack, everything else in a hash table; never back.
/// Members may have deadlines (`Expiring`).
#[derive(Clone, Debug)]
pub struct Set {
    form: Form,
    deadlines: Option<Box<Deadlines<()>>>,
}

#[derive(Clone, Debug)]
enum Form {
    Intset(Intset),
    Listpack(Listpack),
    Table(Box<Table<false>>),
}

impl Default for Set {
    fn default() -> Set {
        Set::new()
    }
}

impl Set {
    pub fn new() -> Set {
        Set { form: Form::Intset(Intset::new()), deadlines: None }
    }

    pub fn len(&self) -> usize {
        match &self.form {
            Form::Intset(intset) => intset.len(),
            Form::Listpack(listpack) => listpack.len(),
            Form::Table(table) => table.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.form {
            Form::Intset(intset) => intset.is_empty(),
            Form::Listpack(listpack) => listpack.is_empty(),
            Form::Table(table) => table.len() == 0,
        }
    }

    /// Starts to load what a lookup of `member` will touch, where the set is large. False where it is not.
    pub fn prefetch(&self, member: &[u8], step: Prefetch) -> bool {
        let Form::Table(table) = &self.form else { return false };
        table.prefetch(member, step);
        true
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.form {
            Form::Intset(intset) => parse_i64(member).is_some_and(|value| intset.contains(value)),
            Form::Listpack(listpack) => listpack.find(member, 1).is_some(),
            Form::Table(table) => table.get(member).is_some(),
        }
    }

    /// `contains` for a member of another set: integers are not printed where that can be avoided.
    pub fn contains_element(&self, member: Element<'_>) -> bool {
        match (&self.form, member) {
            (Form::Intset(intset), Element::Int(value)) => intset.contains(value),
            _ => member.with_bytes(|member| self.contains(member)),
        }
    }

    /// True where the member is new.
    pub fn insert(&mut self, member: &[u8], limits: &EncodingLimits) -> bool {
        if let Form::Intset(intset) = &self.form
            && intset.is_empty()
        {
            self.form = Form::for_first(member, limits);
        }
        match &mut self.form {
            Form::Intset(intset) => match parse_i64(member) {
                Some(value) => {
                    let is_new = intset.insert(value);
                    if intset.len() > limits.set_max_intset_entries {
                        self.convert_to_table(0);
                    }
                    is_new
                }
                None => {
                    self.leave_intset(member, limits);
                    self.insert(member, limits)
                }
            },
            Form::Listpack(listpack) => {
                if listpack.find(member, 1).is_some() {
                    return false;
                }
                if listpack.len() < limits.set_max_listpack_entries
                    && member.len() <= limits.set_max_listpack_value
                    && listpack.has_room_for(member.len())
                {
                    listpack.push(member);
                    return true;
                }
                self.convert_to_table(1);
                self.insert(member, limits)
            }
            Form::Table(table) => table.insert(member, &[]),
        }
    }

    /// True where the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.forget(member);
        }
        self.remove_from_form(member)
    }

    fn remove_from_form(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            Form::Intset(intset) => parse_i64(member).is_some_and(|value| intset.remove(value)),
            Form::Listpack(listpack) => {
                let found = listpack.find(member, 1);
                if let Some(offset) = found {
                    listpack.remove(offset, 1);
                }
                found.is_some()
            }
            Form::Table(table) => table.remove(member),
        }
    }

    /// A member that is no integer comes into an intset: it becomes a listpack where everything fits
    /// into one, or else a table.
    fn leave_intset(&mut self, member: &[u8], limits: &EncodingLimits) {
        let Form::Intset(intset) = &self.form else { return };
        let longest = [0, intset.len().saturating_sub(1)].map(|index| Element::Int(intset.at(index)).byte_len());
        if intset.len() < limits.set_max_listpack_entries
            && member.len().max(longest[0]).max(longest[1]) <= limits.set_max_listpack_value
        {
            let mut listpack = Listpack::new();
            for value in intset.iter() {
                Element::Int(value).with_bytes(|member| listpack.push(member));
            }
            self.form = Form::Listpack(listpack);
        } else {
            self.convert_to_table(1);
        }
    }

    fn convert_to_table(&mut self, additional: usize) {
        let mut table = Table::with_capacity(self.len() + additional);
        for member in self.iter() {
            member.with_bytes(|member| table.insert(member, &[]));
        }
        self.form = Form::Table(Box::new(table));
    }

    /// Members in the order that the encoding keeps (ascending for intset, by age for listpack).
    pub fn iter(&self) -> SetIter<'_> {
        let iter = match &self.form {
            Form::Intset(intset) => FormIter::Intset(intset, 0),
            Form::Listpack(listpack) => FormIter::Listpack(listpack.iter()),
            Form::Table(table) => FormIter::Table(table.iter()),
        };
        SetIter { iter, remaining: self.len() }
    }

    /// The same; integers are formatted into the callback's argument.
    pub fn for_each(&self, mut f: impl FnMut(&[u8])) {
        self.iter().for_each(|member| member.with_bytes(&mut f));
    }

    /// One member, uniformly at random. `dice(n)` returns a number below `n`.
    pub fn random<R>(&self, mut dice: impl FnMut(usize) -> usize, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let member = match &self.form {
            Form::Intset(intset) => Element::Int(intset.at(dice(intset.len()))),
            Form::Listpack(listpack) => listpack.iter().nth(dice(listpack.len()))?,
            Form::Table(table) => Element::Bytes(table.random(dice)?.0),
        };
        Some(member.with_bytes(f))
    }

    /// `count` different members, every selection equally likely; all of them where there are not more.
    pub fn sample(&self, count: usize, mut dice: impl FnMut(usize) -> usize, mut f: impl FnMut(Element<'_>)) {
        match &self.form {
            Form::Table(table) if sample::is_sparse(count, table.len()) => {
                let random = || Some(table.random(&mut dice)?.0);
                sample::draw(count, random, |member| f(Element::Bytes(member)));
            }
            _ => sample::select(self.iter(), self.len(), count, dice, f),
        }
    }

    /// SSCAN: calls `f` for at least `count` members where there are; returns the next cursor (0: done).
    /// A member present throughout is returned at least once, whatever happens between the calls.
    pub fn scan(&self, cursor: u64, count: usize, mut f: impl FnMut(&[u8])) -> u64 {
        match &self.form {
            Form::Table(table) => table.scan(cursor, count, |member, _| f(member)),
            _ => {
                self.for_each(f);
                0
            }
        }
    }

    /// The members that are in sight, without deadlines: of a large set this costs next to nothing.
    pub fn contents(&self) -> Set {
        Set { form: self.form.clone(), deadlines: None }
    }

    /// Copies one part of what clones share, as the first write to it would. False where there is no such part.
    pub fn unshare(&mut self, part: usize) -> bool {
        let Form::Table(table) = &mut self.form else { return false };
        table.unshare(part)
    }

    /// Is `copy`, a clone, still what this set is? One that is small may be said to have changed where it has not.
    pub fn is(&self, copy: &Set) -> bool {
        match (&self.form, &copy.form) {
            (Form::Table(own), Form::Table(copy)) => own.is(copy),
            (Form::Intset(own), Form::Intset(copy)) => own == copy,
            (Form::Listpack(own), Form::Listpack(copy)) => own == copy,
            _ => false,
        }
    }

    /// Has the set the encoding of a large one, and would it have, however it were made?
    pub fn is_large(&self, limits: &EncodingLimits) -> bool {
        let small = limits.set_max_listpack_entries.max(limits.set_max_intset_entries);
        matches!(self.form, Form::Table(_)) && self.len() > small
    }

    pub fn encoding(&self) -> Encoding {
        match self.form {
            Form::Intset(_) => Encoding::Intset,
            Form::Listpack(_) => Encoding::Listpack,
            Form::Table(_) => Encoding::Hashtable,
        }
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        let form = match &self.form {
            Form::Intset(intset) => intset.heap_size(),
            Form::Listpack(listpack) => listpack.heap_size(),
            Form::Table(table) => size_of::<Table<false>>() + table.heap_size(),
        };
        form + self.deadlines.as_ref().map_or(0, |deadlines| deadlines.heap_size())
    }
}

impl Elements for Set {
    type Value = ();

    fn deadlines(&self) -> Option<&Deadlines<()>> {
        self.deadlines.as_deref()
    }

    fn deadlines_mut(&mut self) -> &mut Option<Box<Deadlines<()>>> {
        &mut self.deadlines
    }

    fn has(&self, member: &[u8]) -> bool {
        self.contains(member)
    }

    fn take(&mut self, member: &[u8]) -> Option<()> {
        self.remove_from_form(member).then_some(())
    }

    fn put_back(&mut self, member: &[u8], (): (), limits: &EncodingLimits) {
        self.insert(member, limits);
    }
}

impl Form {
    /// The empty form for a set whose first member this will be.
    fn for_first(member: &[u8], limits: &EncodingLimits) -> Form {
        if limits.set_max_intset_entries > 0 && parse_i64(member).is_some() {
            Form::Intset(Intset::new())
        } else if limits.set_max_listpack_entries > 0 {
            Form::Listpack(Listpack::new())
        } else {
            Form::Table(Box::new(Table::with_capacity(1)))
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
    Intset(&'a Intset, usize),
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

impl<'a> IntoIterator for &'a Set {
    type Item = Element<'a>;
    type IntoIter = SetIter<'a>;
    fn into_iter(self) -> SetIter<'a> {
        self.iter()
    }
}
