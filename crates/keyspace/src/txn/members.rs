//! Deadlines of elements of collections.

use super::Txn;
use crate::KeyHash;
use crate::entry::Entry;
use crate::version::{Row, Version};
use effect::{Collection, Effect, Items, ItemsWriter};

impl Txn<'_> {
    /// Before anybody looks: what is past its deadline goes out of sight, in the selected database and the shards that
    /// are locked. Nearly always there is nothing to do.
    #[inline]
    pub(crate) fn hide_due(&mut self) {
        let (db, now_ms) = (self.view.db as usize, self.view.now_ms);
        let is_busy = |database: &crate::shard::Database<KeyHash>| !database.agenda.is_idle(now_ms);
        if self.view.guard.any_held(|shard| shard.databases.get(db).is_some_and(is_busy)) {
            self.hide_all_due();
        }
    }

    #[cold]
    fn hide_all_due(&mut self) {
        let author = self.author(Version::ZERO, Row::All);
        let held: Vec<usize> = self.view.guard.held().collect();
        for index in held {
            let events = self.view.guard.at_mut(index).hide_due(self.view.db, author);
            self.expired_members.extend(events);
        }
    }

    /// Elements that are there get a deadline, or lose theirs. One in the past removes them.
    pub fn expire_members<'a>(
        &mut self,
        key: &[u8],
        collection: Collection,
        members: impl Iterator<Item = &'a [u8]>,
        deadline_ms: Option<u64>,
    ) {
        let mut items = ItemsWriter::new();
        members.for_each(|member| items.push(member));
        if items.is_empty() {
            return;
        }
        if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.view.now_ms) {
            self.remove_members(key, collection, items.items());
        } else {
            let members = items.items();
            let effect = Effect::ExpireMembers { key, collection, members, deadline_ms };
            self.merge(key, &effect, |merge| merge.expire_members(collection, members.iter(), deadline_ms));
        }
    }

    /// The deadlines of those elements that have one, to be restored once they are written.
    pub(super) fn deadlines_of<'a>(&self, key: &[u8], members: impl Iterator<Item = &'a [u8]>) -> Vec<(u64, Vec<u8>)> {
        let elements = self.view.find(key).and_then(Entry::expiring).filter(|elements| elements.has_deadlines());
        let Some(elements) = elements else { return Vec::new() };
        members.filter_map(|member| Some((elements.deadline_ms(member)?, member.to_vec()))).collect()
    }

    pub(super) fn restore_deadlines(&mut self, key: &[u8], collection: Collection, kept: Vec<(u64, Vec<u8>)>) {
        for (deadline_ms, member) in kept {
            self.expire_members(key, collection, std::iter::once(&member[..]), Some(deadline_ms));
        }
    }

    fn remove_members(&mut self, key: &[u8], collection: Collection, members: Items<'_>) {
        let members: Vec<&[u8]> = members.iter().collect();
        let members = members.iter().copied();
        // What is of another type is not there.
        let _ = match collection {
            Collection::Set => self.set_remove(key, members),
            Collection::Hash => self.hash_delete(key, members),
            Collection::SortedSet => self.sorted_set_remove(key, members),
        };
    }
}
