//! The walk over the data set.

use super::encode::{Chunk, LargeKey};
use crate::Keyspace;
use crate::guard::Wanted;
use crate::shard::{Database, Shard};
use crate::version::Version;
use std::collections::VecDeque;

/// A place in a walk over the data set. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub db: u32,
    /// Opaque.
    pub position: u64,
}

/// The lower bits of a position choose the shard.
const SHARD_BITS: u32 = 12;
/// Where it goes on is a bucket of the table.
const IN_TABLE: u64 = 1 << 63;
/// So many keys without an entry are looked at under one lock.
pub(crate) const RECENT_STEP: usize = 256;

/// Where a walk goes on in a shard: first come the keys of which something is remembered, then all that are in the table.
pub(crate) enum Place {
    Recent(u64),
    Bucket(u64),
}

impl Cursor {
    /// The shard, and the place in it. `None`: that was the last one of this database.
    pub(crate) fn place(self, keyspace: &Keyspace) -> Option<(usize, Place)> {
        let index = (self.position & ((1 << SHARD_BITS) - 1)) as usize;
        let within = (self.position & !IN_TABLE) >> SHARD_BITS;
        let place = if self.position & IN_TABLE == 0 { Place::Recent(within) } else { Place::Bucket(within) };
        let is_there = self.db < keyspace.databases() && index < keyspace.shards.count();
        is_there.then_some((index, place))
    }

    pub(crate) fn next_database(self, keyspace: &Keyspace) -> Option<Cursor> {
        (self.db < keyspace.databases()).then_some(Cursor { db: self.db + 1, position: 0 })
    }

    /// `next`: what `Recent::walk` returned in this shard.
    pub(crate) fn after_recent(self, index: usize, next: Option<u64>) -> Cursor {
        let within = next.map_or(IN_TABLE, |position| position << SHARD_BITS);
        Cursor { position: within | index as u64, ..self }
    }

    /// `bucket`: the next one in this shard; 0 where there is none.
    pub(crate) fn after_bucket(self, index: usize, bucket: u64) -> Cursor {
        let position = if bucket == 0 { index as u64 + 1 } else { IN_TABLE | bucket << SHARD_BITS | index as u64 };
        Cursor { position, ..self }
    }
}

/// A walk over the data set that writes it down, as far as it has come.
pub struct Export {
    /// `None`: the walk is at its end.
    cursor: Option<Cursor>,
    /// Keys that it came by last, and that are yet to be written.
    large: VecDeque<LargeKey>,
}

impl Export {
    /// Nothing is written yet.
    #[expect(clippy::new_without_default, reason = "a walk is begun")]
    pub fn new() -> Export {
        Export { cursor: Some(Cursor::default()), large: VecDeque::new() }
    }

    /// Appends a chunk of about `budget` bytes, or nothing where there is none at the moment, with all registers. False: that
    /// was the end. A key that is there throughout is given at least once; one shard is locked at a time, and not for long.
    pub fn go_on(&mut self, keyspace: &Keyspace, budget: usize, output: &mut Vec<u8>) -> bool {
        let mut chunk = Chunk::default();
        while chunk.len() < budget {
            if let Some(large) = self.large.front_mut() {
                if large.go_on(&mut chunk) {
                    self.large.pop_front();
                }
            } else if let Some(cursor) = self.cursor {
                self.cursor = self.step(keyspace, cursor, &mut chunk);
            } else {
                break;
            }
        }
        chunk.finish(&keyspace.origins, output);
        self.cursor.is_some() || !self.large.is_empty()
    }

    /// The keys of a bucket, or some that have a record and no entry.
    fn step(&mut self, keyspace: &Keyspace, cursor: Cursor, chunk: &mut Chunk) -> Option<Cursor> {
        let db = cursor.db;
        let Some((index, place)) = cursor.place(keyspace) else { return cursor.next_database(keyspace) };
        let guard = keyspace.shards.lock(Wanted::Hashes(&[index as u64]));
        let Shard { databases, limits, .. } = guard.at(index);
        let Database { table, recent, flushed, .. } = &databases[db as usize];
        match place {
            Place::Recent(position) => {
                if position == 0 && *flushed != Version::ZERO {
                    chunk.flush(db, *flushed);
                }
                let next = recent.walk(position, RECENT_STEP, |remembered| {
                    if table.find(remembered.hash(), remembered.key()).is_none() {
                        chunk.key(db, remembered.key(), None, Some(&remembered.peek()), limits);
                    }
                });
                Some(cursor.after_recent(index, next))
            }
            Place::Bucket(bucket) => {
                let next = table.scan(bucket, |entry| {
                    let record =
                        if entry.has_recent() { recent.peek(keyspace.hash(entry.key()), entry.key()) } else { None };
                    match LargeKey::of(db, entry, record.as_deref(), limits) {
                        Some(large) => self.large.push_back(large),
                        None => chunk.key(db, entry.key(), Some(entry), record.as_deref(), limits),
                    }
                });
                Some(cursor.after_bucket(index, next))
            }
        }
    }
}
