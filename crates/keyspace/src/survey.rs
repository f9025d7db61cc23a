//! A walk over all keys that tells what they are, for another node to compare with its own
//! (docs/decisions/0010-comparison.md).

use crate::digest::entry_digest;
use crate::entry::Entry;
use crate::guard::Wanted;
use crate::stability::is_known;
use crate::state::{Cursor, Place, RECENT_STEP};
use crate::version::{OriginIndex, Version};
use crate::view::is_expired;
use crate::walk::value_len;
use crate::{KeyType, Keyspace};
use effect::Stamp;

/// Of longer strings (in bytes) and collections (in elements) only the length counts: the key is locked meanwhile.
const MAX_STRING: usize = 1 << 20;
const MAX_COLLECTION: usize = 10_000;
/// So many bytes of a string, or elements of a collection, take about as long as a small key (0.4 µs).
const BYTES_PER_KEY: usize = 4096;
const ELEMENTS_PER_KEY: usize = 8;
/// A key whose deadline is that near, in milliseconds, is not at rest.
const DEADLINE_MS: u64 = 1_000;

/// A key that was come by.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    pub db: u32,
    pub key: &'a [u8],
    /// The same on every node.
    pub hash: u64,
    /// What it is. `None`: it is not at rest, as not everybody has seen all of it, or its time is coming. Then it need not be there.
    pub rest: Option<Rest>,
    /// Who wrote it last, where that is known.
    pub author: Option<OriginIndex>,
    /// How long it took to look at it: as long as so many small keys.
    pub work: usize,
}

/// A key at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Equal on all nodes where the value is, deadlines included.
    pub digest: u64,
    /// Of the newest effect; zero where there is none.
    pub stamp: Stamp,
}

impl Keyspace {
    /// One step, of some keys, under the lock of one shard. A key that is there throughout is given at least once. `known`: see
    /// there. `None`: that was the last step.
    pub fn survey(
        &self,
        cursor: Cursor,
        known: &[Stamp],
        now_ms: u64,
        mut see: impl FnMut(Sighting<'_>),
    ) -> Option<Cursor> {
        let Some((index, place)) = cursor.place(self) else { return cursor.next_database(self) };
        let db = cursor.db;
        let guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
        let database = &guard.at(index).databases[db as usize];
        let hash_of = |key: &[u8]| stdx::hash::portable(u64::from(db), key);
        let bucket = match place {
            Place::Bucket(bucket) => bucket,
            Place::Recent(position) => {
                let next = database.recent.walk(position, RECENT_STEP, |remembered| {
                    let key = remembered.key();
                    if database.table.find(remembered.hash(), key).is_none() {
                        see(Sighting { db, key, hash: hash_of(key), rest: None, author: None, work: 1 });
                    }
                });
                return Some(cursor.after_recent(index, next));
            }
        };
        let soon_ms = now_ms.max(self.stamping.last().ms()) + DEADLINE_MS;
        let bucket = database.table.scan(bucket, |entry| {
            let version = entry.version().filter(|version| *version != Version::ZERO);
            let is_at_rest = !entry.has_recent() && is_known(version, known) && !is_expired(entry, soon_ms);
            let mut work = 1;
            let rest = is_at_rest.then(|| Rest {
                digest: bounded_digest(db, entry, &mut work),
                stamp: version.map_or(Stamp::ZERO, |version| version.stamp),
            });
            let author = version.map(|version| version.origin);
            see(Sighting { db, key: entry.key(), hash: hash_of(entry.key()), rest, author, work });
        });
        Some(cursor.after_bucket(index, bucket))
    }
}

fn bounded_digest(db: u32, entry: &Entry, work: &mut usize) -> u64 {
    let len = value_len(entry);
    let is_string = entry.key_type() == KeyType::String;
    let is_long = len > if is_string { MAX_STRING } else { MAX_COLLECTION };
    if !is_long {
        *work += len / if is_string { BYTES_PER_KEY } else { ELEMENTS_PER_KEY };
        return entry_digest(db, entry);
    }
    let hash = |sum, number: u64| stdx::hash::portable(sum, &number.to_le_bytes());
    hash(hash(entry.key_type() as u64, len as u64), entry.deadline_ms().unwrap_or(0))
}
