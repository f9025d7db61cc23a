//! The data types, as pure data structures, in Redis's compact encodings where they are small.
//! Nothing here knows of keys, stamps, time or clients.

pub mod bitmap;
mod bucket;
mod buffer;
mod element;
mod expiring;
pub mod geo;
mod hash;
pub mod hyperloglog;
mod intset;
mod linear;
mod list;
mod listpack;
mod sample;
mod segments;
mod set;
mod shared;
mod sliding;
mod sorted_set;
mod stream;
mod table;

pub use element::{Element, Wanted};
pub use expiring::Expiring;
pub use hash::{Hash, HashIter, HashRef};
pub use intset::{Intset, PackedIntset};
pub use list::{List, ListIter, ListIterBack};
pub use listpack::{Listpack, Packed};
pub use set::{PackedSet, Set, SetIter, SetRef};
pub use sorted_set::{Inserted, SortedSet, SortedSetIter};
pub use stream::{Consumer, Fields, Group, Pending, Position, Stream, StreamEntry, StreamId, StreamPart, Trim};
pub use table::Prefetch;

use std::fmt;

/// When a small collection gives up its compact encoding (`*-max-listpack-*`, `set-max-intset-entries`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingLimits {
    pub hash_max_listpack_entries: usize,
    pub hash_max_listpack_value: usize,
    pub set_max_intset_entries: usize,
    pub set_max_listpack_entries: usize,
    pub set_max_listpack_value: usize,
    /// For one block of a stream; 0: no limit.
    pub stream_node_max_bytes: usize,
    pub stream_node_max_entries: usize,
    pub zset_max_listpack_entries: usize,
    pub zset_max_listpack_value: usize,
    /// As the directive has it: elements, or (negative) a class of bytes, in one node of a list.
    pub list_max_listpack_size: i32,
    /// An element of this length is a node by itself, whatever the size allows (0: not so; for tests).
    pub list_packed_threshold: usize,
}

impl Default for EncodingLimits {
    fn default() -> EncodingLimits {
        EncodingLimits {
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            list_max_listpack_size: -2,
            list_packed_threshold: 0,
        }
    }
}

/// The name that OBJECT ENCODING gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Int,
    Embstr,
    Raw,
    Listpack,
    /// A listpack with deadlines of fields.
    ListpackEx,
    Intset,
    Hashtable,
    Quicklist,
    Skiplist,
    Stream,
}

impl Encoding {
    /// As OBJECT ENCODING prints it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
            Encoding::Listpack => "listpack",
            Encoding::ListpackEx => "listpackex",
            Encoding::Intset => "intset",
            Encoding::Hashtable => "hashtable",
            Encoding::Quicklist => "quicklist",
            Encoding::Skiplist => "skiplist",
            Encoding::Stream => "stream",
        }
    }
}

/// Bytes that are not a listpack or an intset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed compact encoding")
    }
}

impl std::error::Error for Malformed {}
