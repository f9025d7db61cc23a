//! Local writes to sets.

use super::Txn;
use crate::entry::{Entry, ValueRef};
use crate::{KeyType, ValueError};
use effect::{Collection, Effect, ItemsWriter};
use values::SetRef;

impl Txn<'_> {
    /// Returns how many members are new.
    pub fn set_add<'a>(
        &mut self,
        key: &[u8],
        members: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, ValueError> {
        let all = self.switches.peers;
        let set = self.writable_set(key)?;
        let mut items = ItemsWriter::new();
        // With other writers, also what changes nothing here may win against something there.
        let is_needed = |member: &&[u8]| all || set.is_none_or(|set| !set.contains(member));
        members.filter(is_needed).for_each(|member| items.push(member));
        if items.is_empty() {
            return Ok(0);
        }
        // A member that joins once more keeps its deadline.
        let kept = self.deadlines_of(key, items.items().iter());
        let effect = Effect::SetAdd { key, members: items.items() };
        let added = self.merge(key, &effect, |merge| merge.set_add(items.items().iter()));
        if added == 0 {
            self.unchanged();
        }
        self.restore_deadlines(key, Collection::Set, kept);
        Ok(added)
    }

    /// Returns how many members were there. An empty set is no key.
    pub fn set_remove<'a>(
        &mut self,
        key: &[u8],
        members: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, ValueError> {
        let all = self.switches.peers;
        let set = self.writable_set(key)?;
        let mut items = ItemsWriter::new();
        let is_needed = |member: &&[u8]| all || set.is_some_and(|set| set.contains(member));
        members.filter(is_needed).for_each(|member| items.push(member));
        if items.is_empty() {
            return Ok(0);
        }
        let deadline_ms = self.view.find(key).and_then(Entry::deadline_ms);
        let effect = Effect::SetRemove { key, members: items.items() };
        let removed = self.merge(key, &effect, |merge| merge.set_remove(items.items().iter()));
        if removed == 0 {
            self.unchanged();
        }
        self.persist_empty(key, deadline_ms);
        Ok(removed)
    }

    fn writable_set(&mut self, key: &[u8]) -> Result<Option<SetRef<'_>>, ValueError> {
        let entry = self.writable(key, |entry| entry.key_type() == KeyType::Set)?;
        Ok(match entry.map(Entry::value) {
            Some(ValueRef::Set(set)) => Some(set),
            _ => None,
        })
    }
}
