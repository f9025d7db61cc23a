//! Sets: intset, listpack or hash table.

use crate::{EncodingLimits, Encoding};

/// A set of byte strings.
#[derive(Debug, Clone)]
pub struct Set {}

impl Set {
    pub fn new() -> Set { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { self.len() == 0 }
    pub fn contains(&self, member: &[u8]) -> bool { let _ = member; todo!() }
    /// True where the member is new.
    pub fn insert(&mut self, member: &[u8], limits: &EncodingLimits) -> bool { let _ = (member, limits); todo!() }
    /// True where the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool { let _ = member; todo!() }
    /// Members in the order that the encoding keeps (ascending for intset).
    /// Members of an intset are formatted into the callback's argument.
    pub fn for_each(&self, f: impl FnMut(&[u8])) { let _ = f; todo!() }
    /// One member, uniformly at random. `dice(n)` returns a number below `n`.
    pub fn random<R>(&self, dice: impl FnMut(usize) -> usize, f: impl FnOnce(&[u8]) -> R) -> Option<R> { let _ = (dice, f); todo!() }
    /// SSCAN: calls `f` for at least `count` members where there are; returns the next cursor (0: done).
    /// A member present throughout is returned at least once, whatever happens between the calls.
    pub fn scan(&self, cursor: u64, count: usize, f: impl FnMut(&[u8])) -> u64 { let _ = (cursor, count, f); todo!() }
    pub fn encoding(&self) -> Encoding { todo!() }
    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize { todo!() }
}
