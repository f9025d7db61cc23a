//! What concerns keys of any type: DEL, PUT, EXPIRE, FLUSH.

use super::operations::{Cause, Horizon};
use super::{Cut, Merge, Parts, version_of};
use crate::deadlines::Death;
use crate::entry::{Entry, NewValue, Value};
use crate::recent::{Brief, Record};
use crate::shard::Database;
use crate::table::{KeyHasher, Slot};
use crate::version::Row;
use crate::{KeyType, Version};
use std::sync::Arc;
use values::{Hash, SortedSet};

/// What has become of a key when what is stable about it was forgotten.
#[derive(Clone, Copy)]
pub(crate) struct Stabilized {
    /// Nothing is left that the entry itself does not say: the record is gone.
    pub(crate) is_stable: bool,
    /// A deadline of it has come into force for good.
    pub(crate) died: bool,
    /// Elements whose deadlines have, and that are not any more, to those who look, what they were.
    pub(crate) members_died: usize,
}

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// What is older than this effect goes. Returns what was there, for those who want to drop it elsewhere.
    pub(crate) fn delete(&mut self) -> Option<Entry> {
        if self.is_plain() {
            return self.database.table.remove(self.hash, self.key);
        }
        if self.is_below() {
            return self.bury();
        }
        self.with_record(|parts| {
            parts.clear(None);
            parts.restart_deadline(None);
        });
        None
    }

    /// Is nothing known of the key but what the entry says, if there is one, and all of that older than this effect?
    fn is_below(&self) -> bool {
        let Database { table, recent, flushed, .. } = &*self.database;
        let entry = table.seek(self.hash, self.key);
        // What these were made of is remembered one by one.
        let is_simple = |entry: &Entry| !matches!(entry.key_type(), KeyType::List | KeyType::Stream);
        entry.is_none_or(is_simple)
            && self.author.is_newer_than(entry.map_or(*flushed, version_of))
            && !recent.contains(self.hash, self.key)
    }

    /// A clear of such a key leaves nothing but itself.
    fn bury(&mut self) -> Option<Entry> {
        let Merge { hash, key, author, .. } = *self;
        let Database { table, recent, .. } = &mut *self.database;
        let entry = table.remove(hash, key);
        if author.restates.is_none() && !matches!(author.row, Row::Assuming(_)) {
            let of = entry.as_ref().map(|entry| (entry.key_type(), version_of(entry)));
            recent.insert_brief(hash, key, Brief::Delete { version: author.version, of });
            return entry;
        }
        let known = entry.as_ref().map(|entry| (entry.key_type(), version_of(entry), entry.deadline_ms()));
        let record = recent.entry(hash, key, author.version.stamp, || Record::tombstone(known, author.version));
        record.restated = author.restates.map(Arc::clone);
        record.operations.note_assumed(author.version, author.row);
        let grown = record.weigh();
        recent.note_growth(grown);
        entry
    }

    /// The key becomes this value whole.
    pub(crate) fn put(&mut self, mut value: Value, deadline_ms: Option<u64>) {
        if self.is_plain() {
            let header = self.author.header(deadline_ms);
            match self.database.table.slot(self.hash, self.key) {
                Slot::Occupied(mut entry) => entry.overwrite(value.as_new(), header),
                Slot::Vacant(vacant) => {
                    vacant.insert(Entry::new(self.key, value.as_new(), header));
                }
            }
            return self.note_deadlines();
        }
        self.with_record(|parts| {
            parts.clear(Some(value.as_new()));
            parts.restart_deadline(deadline_ms);
        });
        self.forget_if_described();
    }

    /// Writes the deadline register, whether or not there is a value.
    pub(crate) fn expire(&mut self, deadline_ms: Option<u64>) {
        if self.is_plain() {
            if let Some(mut entry) = self.entry_mut() {
                entry.set_deadline_ms(deadline_ms);
            }
            self.stamp();
            return;
        }
        self.with_record(|parts| {
            parts.record.deadlines.write(parts.author.origins, parts.author.version, deadline_ms);
        });
    }

    /// A clear that leaves the deadline alone, and the value that it left.
    pub(crate) fn clear_value(&mut self, mut value: Option<Value>) {
        self.with_record(|parts| parts.clear(value.as_mut().map(Value::as_new)));
    }

    /// That the key was made a `key_type`, without what it was given then.
    pub(crate) fn note_creation(&mut self, key_type: KeyType) {
        self.with_record(|parts| parts.create(key_type));
    }

    /// What a clear does to the deadline, without the clear.
    pub(crate) fn begin_life(&mut self, deadline_ms: Option<u64>) {
        self.with_record(|parts| parts.restart_deadline(deadline_ms));
    }

    /// Where the key came from nobody knew yet that a deadline had come into force.
    pub(crate) fn die(&mut self, death: Death) {
        self.with_record(|parts| {
            parts.die(death.at);
            parts.record.deadlines.die(parts.author.origins, death);
        });
    }

    /// The record came with a transfer of state, and the entry holds what is below its operations.
    pub(crate) fn redo_operations(&mut self) {
        self.with_record(|parts| parts.redo_operations());
    }

    /// Forgets what is stable about the key.
    pub(crate) fn stabilize(&mut self, horizon: &Horizon<'_>) -> Stabilized {
        let stabilized = self.with_record(|parts| parts.stabilize(horizon));
        if stabilized.is_stable {
            let list = self.database.recent.remove(self.hash, self.key).and_then(|record| record.list);
            if let Some(mut entry) = self.entry_mut() {
                let version = version_of(&entry);
                if let (Some(stored), Some(list)) = (entry.stored_list_mut(), list) {
                    let identities = list.sequence;
                    stored.identities = (!identities.is_whole(version)).then(|| Box::new(identities));
                }
                entry.set_has_recent(false);
                let written = version_of(&entry).stamp;
                self.database.newest_plain = self.database.newest_plain.max(written);
            }
        }
        stabilized
    }

    /// What a flush of the whole database does to a key that may be newer, or hold what is.
    pub(crate) fn flush(&mut self) {
        self.with_record(|parts| {
            parts.clear(None);
            parts.restart_deadline(None);
        });
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    /// Set, Put, Delete and Flush: what is older dies, but for increments that the author had not seen.
    /// One that loses against a newer clear still cancels what its author had seen.
    pub(super) fn clear(&mut self, base: Option<NewValue<'_>>) {
        if let Some(base) = &base {
            self.count_clash(base.key_type());
        }
        let won = self.author.is_newer_than(self.record.clear);
        if won {
            self.record.clear = self.author.version;
            self.record.is_at_rest = false;
            self.record.restated = self.author.restates.map(Arc::clone);
        }
        let is_alive = base.as_ref().is_none_or(|base| self.become_type(base.key_type()));
        let base = base.filter(|_| won && is_alive);
        let row = self.author.row;
        let sleep = won || self.record.restated.is_none();
        let cause = if self.author.restates.is_some() { Cause::Restate { row, sleep } } else { Cause::Clear(row) };
        let cut = Cut { at: self.author.version, cause, wins: won };
        self.cut(cut, base);
        self.record.operations.note_assumed(self.author.version, self.author.row);
    }

    fn redo_operations(&mut self) {
        let mut operations = std::mem::take(&mut self.record.operations);
        if let Some(operations) = operations.get_mut().filter(|operations| !operations.is_idle()) {
            operations.restart(&mut self.string_cell());
        }
        self.record.operations = operations;
        self.redo_increments::<Hash>();
        self.redo_increments::<SortedSet>();
    }

    /// What a clear does to the deadline: another life begins.
    pub(super) fn restart_deadline(&mut self, deadline_ms: Option<u64>) {
        self.record.deadlines.restart(self.author.origins, self.author.version, deadline_ms);
    }

    /// A deadline came into force at this point, which is that of the clear where it was past by then (SET … PXAT).
    fn die(&mut self, at: Version) {
        if !self.author.origins.newer(self.record.clear, at) {
            self.cut(Cut { at, cause: Cause::Expiry, wins: true }, None);
        }
    }

    /// Forgets what is stable.
    fn stabilize(&mut self, horizon: &Horizon<'_>) -> Stabilized {
        let origins = self.author.origins;
        let died = self.record.deadlines.settle(origins, horizon);
        died.into_iter().for_each(|at| self.die(at));
        let members_died = self.settle_members(horizon);
        let now_ms = self.author.access.now_ms;
        let elements = self.table.find(self.hash, self.key).and_then(Entry::expiring);
        self.record.hides = elements.is_some_and(|elements| !elements.due(now_ms).is_empty());
        let there = self.key_type();
        Stabilized { is_stable: self.record.stabilize(horizon, there), died: died.is_some(), members_died }
    }
}
