//! Sorted sets.

use crate::Encoding;
use std::collections::BTreeMap;

/// Members with scores.
#[derive(Clone, Debug, Default)]
pub struct SortedSet {
    scores: BTreeMap<Box<[u8]>, f64>,
}

impl SortedSet {
    pub fn new() -> SortedSet {
        SortedSet::default()
    }

    pub fn len(&self) -> usize {
        self.scores.len()
    }

    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// True where the member is new.
    pub fn insert(&mut self, member: &[u8], score: f64) -> bool {
        self.scores.insert(member.into(), score).is_none()
    }

    /// True where the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.scores.remove(member).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        self.scores.iter().map(|(member, score)| (&**member, *score))
    }

    pub fn encoding(&self) -> Encoding {
        Encoding::Listpack
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        self.scores.keys().map(|member| member.len() + size_of::<f64>()).sum()
    }
}
