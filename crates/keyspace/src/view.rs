//! Reads.

use crate::ValueError;
use values::{Encoding, Hash, Set};

/// A string value: integers are kept as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringRef<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    String,
    Set,
    Hash,
}

impl KeyType {
    /// As TYPE prints it.
    pub fn name(self) -> &'static str {
        match self {
            KeyType::String => "string",
            KeyType::Set => "set",
            KeyType::Hash => "hash",
        }
    }
}

/// Reads within the locks of one command. What is past its deadline is not there.
pub struct View<'k> {
    pub(crate) keyspace: &'k crate::Keyspace,
}

impl<'k> View<'k> {
    pub fn db(&self) -> u32 {
        todo!()
    }
    pub fn now_ms(&self) -> u64 {
        todo!()
    }
    /// Number of databases.
    pub fn databases(&self) -> u32 {
        self.keyspace.databases()
    }
    /// The string at `key`; counts a hit or a miss and touches the access time, as every typed read does.
    pub fn string(&self, key: &[u8]) -> Result<Option<StringRef<'_>>, ValueError> {
        let _ = key;
        todo!()
    }
    pub fn set(&self, key: &[u8]) -> Result<Option<&Set>, ValueError> {
        let _ = key;
        todo!()
    }
    pub fn hash(&self, key: &[u8]) -> Result<Option<&Hash>, ValueError> {
        let _ = key;
        todo!()
    }
    pub fn exists(&self, key: &[u8]) -> bool {
        let _ = key;
        todo!()
    }
    pub fn type_of(&self, key: &[u8]) -> Option<KeyType> {
        let _ = key;
        todo!()
    }
    pub fn encoding(&self, key: &[u8]) -> Option<Encoding> {
        let _ = key;
        todo!()
    }
    /// `None`: no such key. `Some(None)`: no deadline.
    pub fn deadline_ms(&self, key: &[u8]) -> Option<Option<u64>> {
        let _ = key;
        todo!()
    }
    /// Seconds since the last access (OBJECT IDLETIME); does not touch it.
    pub fn idle_seconds(&self, key: &[u8]) -> Option<u64> {
        let _ = key;
        todo!()
    }
    /// Marks an access (TOUCH).
    pub fn touch(&self, key: &[u8]) -> bool {
        let _ = key;
        todo!()
    }
    /// Keys of the selected database, expired ones not yet removed included (as Redis counts).
    pub fn db_size(&self) -> usize {
        todo!()
    }
    /// Keys with a deadline.
    pub fn expires_size(&self) -> usize {
        todo!()
    }
    pub fn random_key(&self) -> Option<Vec<u8>> {
        todo!()
    }
    /// SCAN: calls `f` for the keys of at least one bucket and about `count` keys; returns the next
    /// cursor, 0 when done. A key that is present throughout is given at least once.
    pub fn scan(&self, cursor: u64, count: usize, f: impl FnMut(&[u8], KeyType)) -> u64 {
        let _ = (cursor, count, f);
        todo!()
    }
    /// A random number below `n`.
    pub fn dice(&self, n: usize) -> usize {
        let _ = n;
        let _ = self.keyspace;
        todo!()
    }
}
