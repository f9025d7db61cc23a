//! Hashes: listpack or hash table.

use crate::{EncodingLimits, Encoding};

/// A map of byte strings to byte strings.
#[derive(Debug, Clone)]
pub struct Hash {}

impl Hash {
    pub fn new() -> Hash { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { self.len() == 0 }
    /// Calls `f` with the value (integers in a listpack are formatted), `None` where the field is absent.
    pub fn get<R>(&self, field: &[u8], f: impl FnOnce(Option<&[u8]>) -> R) -> R { let _ = (field, f); todo!() }
    pub fn contains(&self, field: &[u8]) -> bool { let _ = field; todo!() }
    /// True where the field is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8], limits: &EncodingLimits) -> bool { let _ = (field, value, limits); todo!() }
    pub fn remove(&mut self, field: &[u8]) -> bool { let _ = field; todo!() }
    pub fn for_each(&self, f: impl FnMut(&[u8], &[u8])) { let _ = f; todo!() }
    pub fn random<R>(&self, dice: impl FnMut(usize) -> usize, f: impl FnOnce(&[u8], &[u8]) -> R) -> Option<R> { let _ = (dice, f); todo!() }
    pub fn scan(&self, cursor: u64, count: usize, f: impl FnMut(&[u8], &[u8])) -> u64 { let _ = (cursor, count, f); todo!() }
    pub fn encoding(&self) -> Encoding { todo!() }
    pub fn heap_size(&self) -> usize { todo!() }
}
