//! Hashes: listpack or hash table.

use crate::expiring::{Deadlines, Elements};
use crate::table::{self, Prefetch, Table};
use crate::{Element, Encoding, EncodingLimits, Listpack, listpack, sample};

/// A map of byte strings to byte strings. Few and short fields live in a listpack (field, value, field,
/// value …), everything else in a hash table; never back. Fields may have deadlines (`Expiring`): a value that is
/// replaced keeps that of its field.
#[derive(Clone, Debug)]
pub struct Hash {
    form: Form,
    deadlines: Option<Box<Deadlines<Box<[u8]>>>>,
}

#[derive(Clone, Debug)]
enum Form {
    Listpack(Listpack),
    Table(Box<Table<true>>),
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}

impl Hash {
    pub fn new() -> Hash {
        Hash { form: Form::Listpack(Listpack::new()), deadlines: None }
    }

    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Listpack(listpack) => listpack.len() / 2,
            Form::Table(table) => table.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.form {
            Form::Listpack(listpack) => listpack.is_empty(),
            Form::Table(table) => table.len() == 0,
        }
    }

    /// Starts to load what a lookup of `field` will touch, where the hash is large. False where it is not.
    pub fn prefetch(&self, field: &[u8], step: Prefetch) -> bool {
        let Form::Table(table) = &self.form else { return false };
        table.prefetch(field, step);
        true
    }

    /// The value of `field`, as it is stored.
    pub fn value(&self, field: &[u8]) -> Option<Element<'_>> {
        match &self.form {
            Form::Listpack(listpack) => listpack.get(listpack.next(listpack.find(field, 2)?)?),
            Form::Table(table) => table.get(field).map(Element::Bytes),
        }
    }

    /// Calls `f` with the value (integers in a listpack are formatted), `None` where the field is absent.
    pub fn get<R>(&self, field: &[u8], f: impl FnOnce(Option<&[u8]>) -> R) -> R {
        match self.value(field) {
            Some(value) => value.with_bytes(|value| f(Some(value))),
            None => f(None),
        }
    }

    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.form {
            Form::Listpack(listpack) => listpack.find(field, 2).is_some(),
            Form::Table(table) => table.get(field).is_some(),
        }
    }

    /// True where the field is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8], limits: &EncodingLimits) -> bool {
        if let Form::Listpack(listpack) = &self.form
            && (field.len().max(value.len()) > limits.hash_max_listpack_value
                || !listpack.has_room_for(field.len() + value.len()))
        {
            self.convert_to_table(1);
        }
        match &mut self.form {
            Form::Listpack(listpack) => {
                if let Some(offset) = listpack.find(field, 2).and_then(|offset| listpack.next(offset)) {
                    listpack.replace(offset, value);
                    return false;
                }
                listpack.push(field);
                listpack.push(value);
                if listpack.len() / 2 > limits.hash_max_listpack_entries {
                    self.convert_to_table(0);
                }
                true
            }
            Form::Table(table) => table.insert(field, value),
        }
    }

    /// True where the field was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.forget(field);
        }
        self.remove_from_form(field)
    }

    fn remove_from_form(&mut self, field: &[u8]) -> bool {
        match &mut self.form {
            Form::Listpack(listpack) => {
                let found = listpack.find(field, 2);
                if let Some(offset) = found {
                    listpack.remove(offset, 2);
                }
                found.is_some()
            }
            Form::Table(table) => table.remove(field),
        }
    }

    fn convert_to_table(&mut self, additional: usize) {
        let mut table = Table::with_capacity(self.len() + additional);
        self.for_each(|field, value| {
            table.insert(field, value);
        });
        self.form = Form::Table(Box::new(table));
    }

    /// Fields and values in the order that the encoding keeps (by age for listpack).
    pub fn iter(&self) -> HashIter<'_> {
        let iter = match &self.form {
            Form::Listpack(listpack) => FormIter::Listpack(listpack.iter()),
            Form::Table(table) => FormIter::Table(table.iter()),
        };
        HashIter { iter, remaining: self.len() }
    }

    /// The same; integers are formatted into the callback's arguments.
    pub fn for_each(&self, mut f: impl FnMut(&[u8], &[u8])) {
        for (field, value) in self.iter() {
            field.with_bytes(|field| value.with_bytes(|value| f(field, value)));
        }
    }

    /// One field and its value, uniformly at random. `dice(n)` returns a number below `n`.
    pub fn random<R>(&self, mut dice: impl FnMut(usize) -> usize, f: impl FnOnce(&[u8], &[u8]) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        match &self.form {
            Form::Listpack(_) => {
                let (field, value) = self.iter().nth(dice(self.len()))?;
                Some(field.with_bytes(|field| value.with_bytes(|value| f(field, value))))
            }
            Form::Table(table) => table.random(dice).map(|(field, value)| f(field, value)),
        }
    }

    /// `count` different fields with their values, every selection equally likely; all of them where there
    /// are not more.
    pub fn sample(
        &self,
        count: usize,
        mut dice: impl FnMut(usize) -> usize,
        mut f: impl FnMut(Element<'_>, Element<'_>),
    ) {
        match &self.form {
            Form::Table(table) if sample::is_sparse(count, table.len()) => sample::draw(
                count,
                || table.random(&mut dice),
                |(field, value)| f(Element::Bytes(field), Element::Bytes(value)),
            ),
            _ => sample::select(self.iter(), self.len(), count, dice, |(field, value)| f(field, value)),
        }
    }

    /// HSCAN: calls `f` for at least `count` fields where there are; returns the next cursor (0: done).
    /// A field present throughout is returned at least once, whatever happens between the calls.
    pub fn scan(&self, cursor: u64, count: usize, f: impl FnMut(&[u8], &[u8])) -> u64 {
        match &self.form {
            Form::Table(table) => table.scan(cursor, count, f),
            Form::Listpack(_) => {
                self.for_each(f);
                0
            }
        }
    }

    /// The fields that are in sight, without deadlines: of a large hash this costs next to nothing.
    pub fn contents(&self) -> Hash {
        Hash { form: self.form.clone(), deadlines: None }
    }

    pub fn encoding(&self) -> Encoding {
        match self.form {
            Form::Listpack(_) if self.deadlines.is_some() => Encoding::ListpackEx,
            Form::Listpack(_) => Encoding::Listpack,
            Form::Table(_) => Encoding::Hashtable,
        }
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        let form = match &self.form {
            Form::Listpack(listpack) => listpack.heap_size(),
            Form::Table(table) => size_of::<Table<true>>() + table.heap_size(),
        };
        form + self.deadlines.as_ref().map_or(0, |deadlines| deadlines.heap_size())
    }
}

impl Elements for Hash {
    type Value = Box<[u8]>;

    fn deadlines(&self) -> Option<&Deadlines<Box<[u8]>>> {
        self.deadlines.as_deref()
    }

    fn deadlines_mut(&mut self) -> &mut Option<Box<Deadlines<Box<[u8]>>>> {
        &mut self.deadlines
    }

    fn has(&self, field: &[u8]) -> bool {
        self.contains(field)
    }

    fn take(&mut self, field: &[u8]) -> Option<Box<[u8]>> {
        let value = self.value(field)?.to_vec().into_boxed_slice();
        self.remove_from_form(field);
        Some(value)
    }

    fn put_back(&mut self, field: &[u8], value: Box<[u8]>, limits: &EncodingLimits) {
        self.insert(field, &value, limits);
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

impl<'a> IntoIterator for &'a Hash {
    type Item = (Element<'a>, Element<'a>);
    type IntoIter = HashIter<'a>;
    fn into_iter(self) -> HashIter<'a> {
        self.iter()
    }
}
