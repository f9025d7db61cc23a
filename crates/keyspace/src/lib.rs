//! Keys and values: the table, the shards and their locks, reads (`View`), the only writer (`Txn`)
//! and the conflict rules by which effects of other nodes are merged.

mod bucket;
mod entry;
mod guard;
mod prefetch;
mod segment;
mod shard;
mod table;
mod txn;
mod version;
mod view;

pub use txn::{Commit, SetDeadline, Txn};
pub use version::{OriginIndex, Version};
pub use view::{KeyType, StringRef, View};

use std::fmt;

/// Why a value refuses an operation. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// The key holds another type.
    WrongType,
    /// The string (or hash field) is not an integer of 64 bits.
    NotInteger,
    /// The result of an increment would not fit into 64 bits.
    Overflow,
    /// The string is not a number.
    NotFloat,
    /// The result would be NaN or infinite.
    NanOrInfinity,
    /// The string would exceed the limit (proto-max-bulk-len).
    TooLong,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for ValueError {}

/// Which locks a command needs. Keys come from the command table.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// The shards of these keys' hashes.
    Keys(&'a [u64]),
    /// Every shard.
    All,
}

/// All databases of a node, split over shards; see ARCHITECTURE.md.
pub struct Keyspace {}

/// How a keyspace is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of databases (SELECT 0..databases).
    pub databases: u32,
    /// Locks are elided where only one thread ever enters.
    pub single_threaded: bool,
    /// Secret of the key hash (HashDoS); from the operating system's randomness in the server.
    pub hash_secret: u64,
    /// Seed of all other randomness (RANDOMKEY, SPOP …).
    pub seed: u64,
}

impl Keyspace {
    pub fn new(options: Options) -> Keyspace {
        let _ = options;
        todo!()
    }
    /// The hash that picks shard and bucket.
    pub fn hash(&self, key: &[u8]) -> u64 {
        let _ = key;
        todo!()
    }
    /// Starts to load the cache lines that a lookup of `hash` will touch.
    pub fn prefetch(&self, db: u32, hash: u64) {
        let _ = (db, hash);
        todo!()
    }
    /// Locks `scope` for reading and writing. `now_ms`: wall clock; what is past its deadline is absent.
    pub fn begin(&self, scope: Scope<'_>, db: u32, now_ms: u64) -> Txn<'_> {
        let _ = (scope, db, now_ms);
        todo!()
    }
    pub fn databases(&self) -> u32 {
        todo!()
    }
}
