//! The data types, as pure data structures, in Redis's compact encodings where they are small.
//! Nothing here knows of keys, stamps, time or clients.

mod hash;
mod set;

pub use hash::Hash;
pub use set::Set;

/// When a small collection gives up its compact encoding (`*-max-listpack-*`, `set-max-intset-entries`).
#[derive(Clone, Debug)]
pub struct EncodingLimits {
    pub hash_max_listpack_entries: usize,
    pub hash_max_listpack_value: usize,
    pub set_max_intset_entries: usize,
    pub set_max_listpack_entries: usize,
    pub set_max_listpack_value: usize,
}

impl Default for EncodingLimits {
    fn default() -> EncodingLimits {
        EncodingLimits {
            hash_max_listpack_entries: 128,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
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
    Intset,
    Hashtable,
}
