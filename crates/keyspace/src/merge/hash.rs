//! Hashes: each field is a register with increments on top of it (`fields`).

use super::Merge;
use super::cell::{Action, FieldCell};
use super::fields::Fields;
use crate::KeyType;
use crate::elements::Elements;
use crate::entry::CollectionMut;
use crate::recent::{Field, Record};
use crate::table::{EntryMut, KeyHasher};
use effect::Collection;
use values::{EncodingLimits, Hash, Prefetch};

impl Fields for Hash {
    const KEY_TYPE: KeyType = KeyType::Hash;
    const COLLECTION: Collection = Collection::Hash;
    type Value<'v> = &'v [u8];
    type Cell<'c> = FieldCell<'c>;

    fn registers(record: &mut Record) -> &mut Elements<Field> {
        &mut record.fields
    }

    fn registers_of(record: &Record) -> &Elements<Field> {
        &record.fields
    }

    fn of<'e>(entry: &'e mut EntryMut<'_>) -> Option<CollectionMut<'e, Hash>> {
        entry.hash_mut()
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn contains(&self, name: &[u8]) -> bool {
        self.contains(name)
    }

    fn prefetch(&self, name: &[u8], step: Prefetch) -> bool {
        self.view().prefetch(name, step)
    }

    fn insert(&mut self, name: &[u8], value: &[u8], limits: &EncodingLimits) -> bool {
        self.insert(name, value, limits)
    }

    fn remove(&mut self, name: &[u8]) -> bool {
        self.remove(name)
    }

    fn with_value<R>(&self, name: &[u8], f: impl FnOnce(Option<&[u8]>) -> R) -> R {
        self.view().get(name, f)
    }

    fn cell<'c>(&'c mut self, name: &'c [u8], limits: &'c EncodingLimits) -> FieldCell<'c> {
        FieldCell { hash: self, field: name, limits }
    }
}

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// Fields get values. Returns how many are new.
    pub(crate) fn hash_set<'m>(&mut self, pairs: impl Iterator<Item = (&'m [u8], &'m [u8])> + Clone) -> usize {
        self.fields_set(pairs, |_| Hash::new())
    }

    /// Fields go. Returns how many were there.
    pub(crate) fn hash_delete<'m>(&mut self, fields: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        self.fields_delete::<Hash>(fields)
    }

    /// An increment in a field.
    pub(crate) fn hash_operation(&mut self, field: &[u8], action: Action) {
        if self.is_plain() || !matches!(action, Action::Add(delta) if self.add_to_field(field, delta)) {
            self.fields_operation::<Hash>(field, action);
        }
    }
}
