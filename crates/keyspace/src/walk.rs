//! A walk over all keys of a database that stops between steps, and lets others work meanwhile.

use crate::entry::{Entry, ValueRef};
use crate::guard::Wanted;
use crate::view::is_expired;
use crate::{KeyType, Keyspace, View};

/// How far a walk has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    shard: usize,
    position: u64,
}

/// A key that was come by.
#[derive(Clone, Copy)]
pub struct Walked<'a>(&'a Entry);

impl<'a> Walked<'a> {
    pub fn key(self) -> &'a [u8] {
        self.0.key()
    }

    pub fn key_type(self) -> KeyType {
        self.0.key_type()
    }

    /// Bytes of a string, elements of a collection.
    pub fn value_len(self) -> usize {
        value_len(self.0)
    }
}

/// Bytes of a string, elements of a collection.
pub(crate) fn value_len(entry: &Entry) -> usize {
    match entry.value() {
        ValueRef::Int(int) => itoa::Buffer::new().format(int).len(),
        ValueRef::Bytes(bytes) => bytes.len(),
        ValueRef::Set(set) => set.len(),
        ValueRef::Hash(hash) => hash.len(),
        ValueRef::List(list) => list.len(),
        ValueRef::SortedSet(set) => set.len(),
        ValueRef::Stream(stream) => stream.len(),
    }
}

impl View<'_> {
    /// Every key of the selected database; all shards must be locked.
    pub fn for_each_key(&self, mut f: impl FnMut(Walked<'_>)) {
        let there = self.entries(self.db).filter(|entry| !is_expired(entry, self.now_ms));
        there.for_each(|entry| f(Walked(entry)));
    }
}

impl Keyspace {
    /// One step, of some thousand keys at most, under the lock of one shard. A key that is there throughout the walk is
    /// given to `f` exactly once. `None`: that was the last step.
    pub fn walk(&self, walk: Walk, db: u32, now_ms: u64, mut f: impl FnMut(Walked<'_>)) -> Option<Walk> {
        let now_ms = if self.switches().stamping { now_ms.max(self.last_stamp().ms()) } else { now_ms };
        let guard = self.shards.lock(Wanted::Hashes(&[walk.shard as u64]));
        let table = &guard.at(walk.shard).databases[db as usize].table;
        let next = table.walk(walk.position, |entry| {
            if !is_expired(entry, now_ms) {
                f(Walked(entry));
            }
        });
        match next {
            Some(position) => Some(Walk { position, ..walk }),
            None if walk.shard + 1 < guard.count() => Some(Walk { shard: walk.shard + 1, position: 0 }),
            None => None,
        }
    }
}
