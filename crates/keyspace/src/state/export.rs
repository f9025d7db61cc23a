//! The walk over the data set.

use super::encode::Chunk;
use crate::Keyspace;
use crate::guard::Wanted;
use crate::version::Version;

/// A place in a walk over the data set. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub db: u32,
    /// Opaque.
    pub position: u64,
}

/// The lower bits of a position choose the shard.
const SHARD_BITS: u32 = 12;

impl Cursor {
    /// The shard, and the bucket in it. `None`: that was the last one of this database.
    pub(crate) fn place(self, keyspace: &Keyspace) -> Option<(usize, u64)> {
        let index = (self.position & ((1 << SHARD_BITS) - 1)) as usize;
        let is_there = self.db < keyspace.databases() && index < keyspace.shards.count();
        is_there.then_some((index, self.position >> SHARD_BITS))
    }

    pub(crate) fn next_database(self, keyspace: &Keyspace) -> Option<Cursor> {
        (self.db < keyspace.databases()).then_some(Cursor { db: self.db + 1, position: 0 })
    }

    /// `bucket`: the next one in this shard; 0 where there is none.
    pub(crate) fn after(self, index: usize, bucket: u64) -> Cursor {
        let index = if bucket == 0 { index + 1 } else { index };
        Cursor { position: bucket << SHARD_BITS | index as u64, ..self }
    }
}

impl Keyspace {
    /// Appends a chunk of about `budget` bytes of the data set, from `cursor` on, with all registers.
    /// `None`: that was the end. A key that is there throughout is given at least once; one shard is locked
    /// at a time.
    pub fn export(&self, cursor: Cursor, budget: usize, output: &mut Vec<u8>) -> Option<Cursor> {
        let mut chunk = Chunk::default();
        let mut next = Some(cursor);
        while let Some(cursor) = next {
            if chunk.len() >= budget {
                break;
            }
            next = self.export_bucket(cursor, &mut chunk);
        }
        chunk.finish(&self.origins, output);
        next
    }

    /// The keys of one bucket; at the beginning of a shard those that have a record and no entry, too.
    fn export_bucket(&self, cursor: Cursor, chunk: &mut Chunk) -> Option<Cursor> {
        let db = cursor.db;
        let Some((index, mut bucket)) = cursor.place(self) else { return cursor.next_database(self) };
        let guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
        let shard = guard.at(index);
        let database = &shard.databases[db as usize];
        if bucket == 0 {
            if database.flushed != Version::ZERO {
                chunk.flush(db, database.flushed);
            }
            for (key, record) in database.recent.iter() {
                if database.table.find(self.hash(key), key).is_none() {
                    chunk.key(db, key, None, Some(record), &shard.limits);
                }
            }
        }
        bucket = database.table.scan(bucket, |entry| {
            let record =
                if entry.has_recent() { database.recent.get(self.hash(entry.key()), entry.key()) } else { None };
            chunk.key(db, entry.key(), Some(entry), record, &shard.limits);
        });
        Some(cursor.after(index, bucket))
    }
}
