//! Hashes: each field is a register with increments on top of it.

use super::cell::{Action, FieldCell};
use super::operations::Cause;
use super::{Author, Cut, Merge, Parts};
use crate::KeyType;
use crate::entry::{Entry, NewValue};
use crate::recent::Field;
use crate::table::{KeyHasher, Slot};
use crate::version::Origins;
use values::{EncodingLimits, Hash};

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// Fields get values. Returns how many are new.
    pub(crate) fn hash_set<'m>(&mut self, pairs: impl Iterator<Item = (&'m [u8], &'m [u8])>) -> usize {
        if !self.is_plain() {
            return self.with_record(|parts| parts.hash_set(pairs));
        }
        self.plain_hash(|hash, limits| pairs.filter(|(field, value)| hash.insert(field, value, limits)).count())
    }

    /// Fields go. Returns how many were there. An empty hash is no key.
    pub(crate) fn hash_delete<'m>(&mut self, fields: impl Iterator<Item = &'m [u8]>) -> usize {
        if !self.is_plain() {
            return self.with_record(|parts| parts.hash_delete(fields));
        }
        let Some(mut entry) = self.entry_mut() else { return 0 };
        let Some(hash) = entry.hash_mut() else { return 0 };
        let removed = fields.filter(|field| hash.remove(field)).count();
        if hash.is_empty() {
            self.database.table.remove(self.hash, self.key);
        } else {
            self.stamp();
        }
        removed
    }

    /// An increment in a field.
    pub(crate) fn hash_operation(&mut self, field: &[u8], action: Action) {
        if !self.is_plain() {
            return self.with_record(|parts| parts.hash_operation(field, action));
        }
        self.plain_hash(|hash, limits| {
            action.apply(&mut FieldCell { hash, field, limits });
        });
    }

    /// Changes the hash where nothing can be late; it may be new.
    fn plain_hash<R>(&mut self, f: impl FnOnce(&mut Hash, &EncodingLimits) -> R) -> R {
        if self.entry().is_some_and(|entry| entry.key_type() != KeyType::Hash) {
            self.database.table.remove(self.hash, self.key);
        }
        let header = self.author.header(None);
        let result = match self.database.table.slot(self.hash, self.key) {
            Slot::Occupied(mut entry) => f(entry.hash_mut().expect("other types are gone"), self.limits),
            Slot::Vacant(vacant) => {
                let mut hash = Hash::new();
                let result = f(&mut hash, self.limits);
                vacant.insert(Entry::new(self.key, NewValue::Hash(hash), header));
                result
            }
        };
        self.stamp();
        result
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    fn hash_set<'m>(&mut self, pairs: impl Iterator<Item = (&'m [u8], &'m [u8])>) -> usize {
        let is_alive = self.create(KeyType::Hash) && self.author.is_newer_than(self.record.clear);
        let added = pairs.filter(|(field, value)| self.write_field(field, Some(value), is_alive)).count();
        self.drop_empty();
        added
    }

    fn hash_delete<'m>(&mut self, fields: impl Iterator<Item = &'m [u8]>) -> usize {
        let dead = self.record.newest_of_others(KeyType::Hash, self.author.origins);
        let is_alive = self.author.is_newer_than(self.record.clear) && self.author.is_newer_than(dead);
        let removed = fields.filter(|field| self.write_field(field, None, is_alive)).count();
        self.drop_empty();
        removed
    }

    /// Writes the register of a field; one that loses still cancels the increments that its author had
    /// seen. True where the field has come (`value`) or gone (none).
    fn write_field(&mut self, field: &[u8], value: Option<&[u8]>, is_alive: bool) -> bool {
        let (author, limits) = (self.author, self.limits);
        if !is_alive && !self.record.fields.contains_key(field) {
            return false;
        }
        if !self.is_hash() && (!is_alive || value.is_none()) {
            // Nothing to change; what is older and late must find the register.
            if is_alive {
                self.record.fields.entry(field.into()).or_default().raise(author);
            }
            return false;
        }
        if !self.record.fields.contains_key(field) {
            self.record.fields.insert(field.into(), Field::default());
        }
        let register = self.record.fields.get_mut(field).expect("there, or just inserted");
        let mut register = std::mem::take(register);
        let clear = Cause::Clear(author.row);
        let changed = self.with_hash(|hash| {
            let was_there = hash.contains(field);
            let mut cell = FieldCell { hash, field, limits };
            if is_alive && register.raise(author) {
                register.increments.cut(author.origins, author.version, clear);
                match value {
                    Some(value) => cell.hash.insert(field, value, limits),
                    None => cell.hash.remove(field),
                };
                register.increments.restart(&mut cell);
            } else {
                register.increments.thin(author.origins, author.version, clear, &mut cell);
            }
            was_there != hash.contains(field)
        });
        self.record.fields.insert(field.into(), register);
        changed
    }

    fn hash_operation(&mut self, field: &[u8], action: Action) {
        if !self.create(KeyType::Hash) {
            return;
        }
        let (author, limits) = (self.author, self.limits);
        let mut register = self.record.fields.remove(field).unwrap_or_default();
        self.with_hash(|hash| {
            let mut cell = FieldCell { hash, field, limits };
            register.increments.insert(author.origins, author.version, action, &mut cell);
        });
        self.record.fields.insert(field.into(), register);
        self.drop_empty();
    }

    pub(super) fn redo_increments(&mut self) {
        let limits = self.limits;
        let mut fields = std::mem::take(&mut self.record.fields);
        for (name, field) in fields.iter_mut().filter(|(_, field)| !field.increments.is_empty()) {
            self.with_hash(|hash| field.increments.restart(&mut FieldCell { hash, field: name, limits }));
        }
        self.record.fields = fields;
        self.drop_empty();
    }

    fn is_hash(&self) -> bool {
        self.table.find(self.hash, self.key).is_some_and(|entry| entry.key_type() == KeyType::Hash)
    }

    /// The hash at the key, which may be new and empty.
    fn with_hash<R>(&mut self, f: impl FnOnce(&mut Hash) -> R) -> R {
        if let Some(mut entry) = self.table.find_mut(self.hash, self.key)
            && let Some(hash) = entry.hash_mut()
        {
            return f(hash);
        }
        let mut hash = Hash::new();
        let result = f(&mut hash);
        self.insert(NewValue::Hash(hash));
        result
    }

    /// A cut's part in the hash. `base`: what the hash is now, but for fields that newer effects touched
    /// and increments that live on.
    pub(super) fn cut_hash(&mut self, cut: Cut<'_>, base: Option<Hash>) {
        let (origins, limits) = (self.author.origins, self.limits);
        let mut fields = std::mem::take(&mut self.record.fields);
        if !self.is_hash() && base.is_none() && fields.values().all(|field| field.increments.is_empty()) {
            fields.retain(|_, field| !cut.wins || field.is_newer(cut, origins));
        } else if cut.wins {
            let mut new = base.unwrap_or_default();
            self.with_hash(|hash| {
                fields.retain(|name, field| field.cut(name, cut, hash, &mut new, origins, limits));
                *hash = new;
            });
        } else {
            self.with_hash(|hash| {
                for (name, field) in &mut fields {
                    field.increments.thin(origins, cut.at, cut.cause, &mut FieldCell { hash, field: name, limits });
                }
            });
        }
        self.record.fields = fields;
        self.drop_empty();
    }
}

impl Field {
    /// Notes a write. False where a newer one is known.
    fn raise(&mut self, author: Author<'_>) -> bool {
        let loses = self.version.is_some_and(|newest| author.is_older_than(newest));
        if !loses {
            self.version = Some(author.version);
        }
        !loses
    }

    fn is_newer(&self, cut: Cut<'_>, origins: &Origins) -> bool {
        self.version.is_some_and(|version| origins.newer(version, cut.at))
    }

    /// What becomes of this field on the way from the `old` hash to the `new` one, which holds the base.
    /// False where nothing is left to remember.
    fn cut(
        &mut self,
        name: &[u8],
        cut: Cut<'_>,
        old: &mut Hash,
        new: &mut Hash,
        origins: &Origins,
        limits: &EncodingLimits,
    ) -> bool {
        if self.is_newer(cut, origins) {
            self.increments.thin(origins, cut.at, cut.cause, &mut FieldCell { hash: old, field: name, limits });
            match old.value(name) {
                Some(value) => {
                    value.with_bytes(|value| new.insert(name, value, limits));
                }
                None => {
                    new.remove(name);
                }
            }
            return true;
        }
        self.version = None;
        self.increments.cut(origins, cut.at, cut.cause);
        self.increments.restart(&mut FieldCell { hash: new, field: name, limits });
        !self.increments.is_empty()
    }
}
