//! Local writes to hashes.

use super::Txn;
use super::strings::checked_float_sum;
use crate::entry::{Entry, ValueRef};
use crate::merge::cell::Action;
use crate::{KeyType, ValueError};
use effect::{Collection, Effect, ItemsWriter};
use values::HashRef;

impl Txn<'_> {
    /// Returns how many fields are new.
    pub fn hash_set<'a>(
        &mut self,
        key: &[u8],
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Result<usize, ValueError> {
        self.writable_hash(key)?;
        let mut items = ItemsWriter::new();
        for (field, value) in pairs {
            items.push(field);
            items.push(value);
        }
        if items.is_empty() {
            return Ok(0);
        }
        let effect = Effect::HashSet { key, pairs: items.items() };
        Ok(self.merge(key, &effect, |merge| merge.hash_set(items.items().pairs())))
    }

    /// Returns how many fields were there. An empty hash is no key.
    pub fn hash_delete<'a>(
        &mut self,
        key: &[u8],
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, ValueError> {
        let all = self.switches.peers;
        let hash = self.writable_hash(key)?;
        let mut items = ItemsWriter::new();
        let is_needed = |field: &&[u8]| all || hash.is_some_and(|hash| hash.contains(field));
        fields.filter(is_needed).for_each(|field| items.push(field));
        if items.is_empty() {
            return Ok(0);
        }
        let deadline_ms = self.view.find(key).and_then(Entry::deadline_ms);
        let effect = Effect::HashDelete { key, fields: items.items() };
        let removed = self.merge(key, &effect, |merge| merge.hash_delete(items.items().iter()));
        if removed == 0 {
            self.unchanged();
        }
        self.persist_empty(key, deadline_ms);
        Ok(removed)
    }

    /// Returns the new value.
    pub fn hash_increment(&mut self, key: &[u8], field: &[u8], delta: i64) -> Result<i64, ValueError> {
        self.prepare_member(key, Collection::Hash, field);
        let current = match self.writable_hash(key)?.and_then(|hash| hash.value(field)) {
            Some(value) => value.as_integer().ok_or(ValueError::NotInteger)?,
            None => 0,
        };
        let sum = current.checked_add(delta).ok_or(ValueError::Overflow)?;
        let effect = Effect::HashIncrement { key, field, delta };
        self.merge(key, &effect, |merge| merge.hash_operation(field, Action::Add(delta)));
        Ok(sum)
    }

    /// Returns the new value, as Redis prints it.
    pub fn hash_increment_float(&mut self, key: &[u8], field: &[u8], delta: &[u8]) -> Result<Vec<u8>, ValueError> {
        self.prepare_member(key, Collection::Hash, field);
        let value = self.writable_hash(key)?.and_then(|hash| hash.value(field));
        let current = value.map_or_else(|| b"0".to_vec(), |value| value.to_vec());
        let sum = checked_float_sum(&current, delta)?;
        let effect = Effect::HashIncrementFloat { key, field, delta };
        self.merge(key, &effect, |merge| merge.hash_operation(field, Action::AddFloat(delta.into())));
        Ok(sum.into_bytes())
    }

    fn writable_hash(&mut self, key: &[u8]) -> Result<Option<HashRef<'_>>, ValueError> {
        let entry = self.writable(key, |entry| entry.key_type() == KeyType::Hash)?;
        Ok(match entry.map(Entry::value) {
            Some(ValueRef::Hash(hash)) => Some(hash),
            _ => None,
        })
    }
}
