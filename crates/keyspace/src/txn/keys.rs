//! Local writes to keys of any type, and to whole databases.

use super::Txn;
use crate::codec;
use crate::entry::{Entry, LongString, NewValue, ValueRef, Verbatim};
use crate::garbage::Garbage;
use crate::merge::flush;
use crate::table::Slot;
use crate::version::{Row, Version, row_of};
use crate::{EventClass, KeyType};
use effect::Effect;
use std::ops::Range;
use values::{Hash, Set, SortedSet};

impl Txn<'_> {
    /// True where the key was there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let was_there = self.view.find(key).is_some();
        let is_leftover = !was_there && self.has_expired(key);
        if was_there || is_leftover || self.switches.peers {
            self.remove(key);
        }
        if is_leftover {
            self.notify(EventClass::EXPIRED, "expired", key);
        } else if !was_there && self.switches.peers {
            self.unchanged();
        }
        was_there
    }

    /// True where the key is there, but past its deadline.
    fn has_expired(&self, key: &[u8]) -> bool {
        let hash = self.view.hash_of(key);
        self.view.guard.shard(hash).databases[self.view.db as usize].table.seek(hash, key).is_some()
    }

    /// `None` is PERSIST. Nothing happens where there is no key. A deadline in the past deletes.
    pub fn expire(&mut self, key: &[u8], deadline_ms: Option<u64>) {
        if self.view.find(key).is_none() {
            return;
        }
        if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.view.now_ms) {
            self.remove(key);
            return;
        }
        self.merge(key, &Effect::Expire { key, deadline_ms }, |merge| merge.expire(deadline_ms));
    }

    /// `destination` becomes a copy of `source` in database `db`, deadline included; replaces what was there.
    pub fn copy(&mut self, source: &[u8], destination: &[u8], db: u32) {
        let selected = self.view.db;
        if let Some((clone, deadline_ms)) = self.shared(source) {
            self.view.db = db;
            self.put_value(destination, clone, deadline_ms);
        } else if let Some((value, deadline_ms)) = self.encoded(source) {
            self.view.db = db;
            self.put(destination, &value, deadline_ms);
        }
        self.view.db = selected;
    }

    /// Does anybody read more of effects than which keys they change? Where not, values may be exchanged whole, without a
    /// word about what they are.
    pub fn keeps_effects(&self) -> bool {
        self.view.keyspace.stamping.keeps_effects()
    }

    /// A copy of what is at a key, and its deadline, where it can be shared.
    fn shared(&self, key: &[u8]) -> Option<(NewValue<'static>, Option<u64>)> {
        let entry = self.view.find(key)?;
        // What hides there, and what groups know of entries, is not told to others.
        let is_told = !matches!(entry.key_type(), KeyType::Stream)
            && entry.expiring().is_none_or(|elements| !elements.has_deadlines() && !elements.has_hidden());
        if is_told || !self.keeps_effects() { Some((entry.clone_shared()?, entry.deadline_ms())) } else { None }
    }

    /// Puts a value as it is. Who keeps effects is told what it is.
    pub(super) fn put_value(&mut self, key: &[u8], value: NewValue<'_>, deadline_ms: Option<u64>) {
        let encoded = if self.keeps_effects() { codec::encoded_new(&value) } else { Vec::new() };
        self.merge(key, &Effect::Put { key, value: &encoded, deadline_ms }, |merge| {
            if merge.author.peers {
                return merge.put(value.into(), deadline_ms);
            }
            let header = merge.author.header(deadline_ms);
            match merge.database.table.slot(merge.hash, key) {
                Slot::Occupied(mut entry) => entry.overwrite(value, header),
                Slot::Vacant(vacant) => _ = vacant.insert(Entry::new(key, value, header)),
            }
            merge.note_deadlines();
        });
    }

    pub fn rename(&mut self, source: &[u8], destination: &[u8]) {
        if !self.switches.recording {
            return self.rename_in_place(source, destination);
        }
        if let Some((value, deadline_ms)) = self.shared(source) {
            self.remove(source);
            self.put_value(destination, value, deadline_ms);
        } else if let Some((value, deadline_ms)) = self.encoded(source) {
            self.remove(source);
            self.put(destination, &value, deadline_ms);
        }
    }

    /// Where nobody is told, the value itself moves, however large it is.
    fn rename_in_place(&mut self, source: &[u8], destination: &[u8]) {
        if self.view.find(source).is_none() {
            return;
        }
        let (hash, db) = (self.view.hash_of(source), self.view.db as usize);
        let _ = self.record(&Effect::Delete { key: source });
        let Some(entry) = self.view.guard.shard_mut(hash).databases[db].table.remove(hash, source) else { return };
        let deadline_ms = entry.deadline_ms();
        match entry.long_string().cloned() {
            Some(text) => self.put_value(destination, NewValue::Long(text), deadline_ms),
            None => self.put_value(destination, entry.into_value().as_new(), deadline_ms),
        }
    }

    /// Replaces `key` by a set of these members (SINTERSTORE …); deletes it where there are none.
    pub fn store_set(&mut self, key: &[u8], members: Set) {
        if members.is_empty() {
            self.delete(key);
        } else if members.is_large(self.view.encoding_limits()) {
            self.put_value(key, NewValue::Set(members), None);
        } else {
            self.put(key, &codec::encoded(ValueRef::Set(members.view())), None);
        }
    }

    /// The same for a sorted set (ZUNIONSTORE …).
    pub fn store_sorted_set(&mut self, key: &[u8], set: SortedSet) {
        if set.is_empty() {
            self.delete(key);
        } else if set.is_large(self.view.encoding_limits()) {
            self.put_value(key, NewValue::SortedSet(set), None);
        } else {
            self.put(key, &codec::encoded(ValueRef::SortedSet(&set)), None);
        }
    }

    /// The set at a key becomes what is left of it, made aside; nobody keeps effects.
    pub fn keep_of_set(&mut self, key: &[u8], rest: Set) {
        if rest.is_empty() {
            self.delete(key);
        } else {
            self.keep(key, NewValue::Set(rest));
        }
    }

    /// The same for a hash.
    pub fn keep_of_hash(&mut self, key: &[u8], rest: Hash) {
        if rest.is_empty() {
            self.delete(key);
        } else {
            self.keep(key, NewValue::Hash(rest));
        }
    }

    /// The same for a sorted set.
    pub fn keep_of_sorted_set(&mut self, key: &[u8], rest: SortedSet) {
        if rest.is_empty() {
            self.delete(key);
        } else {
            self.keep(key, NewValue::SortedSet(rest));
        }
    }

    fn keep(&mut self, key: &[u8], rest: NewValue<'_>) {
        debug_assert!(!self.keeps_effects());
        let deadline_ms = self.view.find(key).and_then(Entry::deadline_ms);
        self.put_value(key, rest, deadline_ms);
    }

    /// Replaces `key` by this string (BITOP). OBJECT ENCODING calls it raw.
    pub fn store_string(&mut self, key: &[u8], bytes: Vec<u8>) {
        match LongString::of(bytes) {
            Ok(text) => self.put_value(key, NewValue::Long(text), None),
            Err(bytes) => {
                self.put(key, &codec::encoded_verbatim(Verbatim { bytes: &bytes, is_modified: true }), None);
            }
        }
    }

    /// The value of a key as `Put` carries it, and its deadline.
    pub(super) fn encoded(&self, key: &[u8]) -> Option<(Vec<u8>, Option<u64>)> {
        let entry = self.view.find(key)?;
        Some((codec::encoded_entry(entry), entry.deadline_ms()))
    }

    /// `encoded`: made by `codec`.
    pub(super) fn put(&mut self, key: &[u8], encoded: &[u8], deadline_ms: Option<u64>) {
        let hash = self.view.hash_of(key);
        let value = codec::decode(encoded).expect("what codec wrote").build(&self.view.guard.shard(hash).limits);
        self.merge(key, &Effect::Put { key, value: encoded, deadline_ms }, |merge| merge.put(value, deadline_ms));
    }

    /// Empties the selected database. Needs all shards. What was in it is returned, to be dropped where
    /// that does not hurt.
    pub fn flush_db(&mut self) -> Garbage {
        let version = self.record(&Effect::FlushDb);
        let assumed = self.assumed.clone();
        self.flush(self.view.db..self.view.db + 1, version, row_of(assumed.as_deref()))
    }

    /// Empties all databases; as `flush_db`.
    pub fn flush_all(&mut self) -> Garbage {
        let version = self.record(&Effect::FlushAll);
        let assumed = self.assumed.clone();
        self.flush(0..self.view.databases(), version, row_of(assumed.as_deref()))
    }

    pub(crate) fn flush(&mut self, databases: Range<u32>, version: Version, row: Row<'_>) -> Garbage {
        let author = self.author(version, row);
        let horizon = self.view.keyspace.horizon();
        let mut garbage = Garbage::default();
        for index in 0..self.view.guard.count() {
            let shard = self.view.guard.at_mut(index);
            for db in databases.clone() {
                flush::flush(&mut shard.databases[db as usize], &shard.limits, author, horizon, &mut garbage);
            }
        }
        garbage
    }

    /// Exchanges two databases. Needs all shards. Where effects have stamps and somebody is told, it is a flush of both,
    /// and the values of both; else only the tables change places, and no effect is recorded.
    pub fn swap_db(&mut self, first: u32, second: u32) {
        if first == second {
            return;
        }
        if self.switches.stamping && self.switches.recording {
            return self.swap_by_value(first, second);
        }
        for index in 0..self.view.guard.count() {
            self.view.guard.at_mut(index).databases.swap(first as usize, second as usize);
        }
        self.changes += 1;
    }

    fn swap_by_value(&mut self, first: u32, second: u32) {
        let selected = self.view.db;
        let contents = [first, second].map(|db| {
            self.view.db = db;
            self.contents()
        });
        for (db, contents) in [second, first].into_iter().zip(contents) {
            self.view.db = db;
            drop(self.flush_db());
            for (key, value, deadline_ms) in contents {
                self.put(&key, &value, deadline_ms);
            }
        }
        self.view.db = selected;
    }

    /// Keys, encoded values and deadlines of the selected database.
    fn contents(&self) -> Vec<(Vec<u8>, Vec<u8>, Option<u64>)> {
        let entries = self.view.entries(self.view.db);
        entries.map(|entry| (entry.key().to_vec(), codec::encoded_entry(entry), entry.deadline_ms())).collect()
    }
}
