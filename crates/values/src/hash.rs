//! Hashes: listpack or hash table.

mod view;

pub use view::{HashIter, HashRef};

use crate::expiring::{Deadlines, Elements};
use crate::table::Table;
use crate::{Element, EncodingLimits, Listpack, Packed};

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
    pub fn view(&self) -> HashRef<'_> {
        HashRef::Whole(self)
    }

    /// The listpack that is all there is to the hash, where there is no more to it, and it has at most `max_len` bytes.
    pub fn into_packed(self, max_len: usize) -> Result<Listpack, Hash> {
        match self {
            Hash { form: Form::Listpack(listpack), deadlines: None } if listpack.as_bytes().len() <= max_len => {
                Ok(listpack)
            }
            hash => Err(hash),
        }
    }

    pub fn len(&self) -> usize {
        self.view().len()
    }

    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// The value of `field`, as it is stored.
    pub fn value(&self, field: &[u8]) -> Option<Element<'_>> {
        self.view().value(field)
    }

    pub fn contains(&self, field: &[u8]) -> bool {
        self.view().contains(field)
    }

    pub fn iter(&self) -> HashIter<'_> {
        self.view().iter()
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
                listpack.insert_all(listpack.end(), &mut [Element::Bytes(field), Element::Bytes(value)]);
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
        self.view().for_each(|field, value| {
            table.insert(field, value);
        });
        self.form = Form::Table(Box::new(table));
    }

    /// Copies one part of what clones share, as the first write to it would. False where there is no such part.
    pub fn unshare(&mut self, part: usize) -> bool {
        let Form::Table(table) = &mut self.form else { return false };
        table.unshare(part)
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

/// Fields and values, which lie somewhere else.
impl From<&Packed> for Hash {
    fn from(packed: &Packed) -> Hash {
        Hash { form: Form::Listpack(packed.into()), deadlines: None }
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
