//! Version vectors: for each origin, the last stamp that was applied.

use crate::{Origin, Stamp};
use std::collections::BTreeMap;
use std::ops::Bound;

/// What a node has applied. Streams are FIFO per origin, so one stamp per origin says it all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionVector {
    entries: BTreeMap<Origin, Stamp>,
}

impl VersionVector {
    pub fn new() -> VersionVector {
        VersionVector::default()
    }

    /// The last stamp of `origin` applied here; `Stamp::ZERO` where none was.
    pub fn get(&self, origin: Origin) -> Stamp {
        self.entries.get(&origin).copied().unwrap_or(Stamp::ZERO)
    }

    /// Was the effect (`origin`, `stamp`) applied here?
    pub fn covers(&self, origin: Origin, stamp: Stamp) -> bool {
        self.get(origin) >= stamp
    }

    /// Raises the entry of `origin`; a smaller stamp changes nothing.
    pub fn advance(&mut self, origin: Origin, stamp: Stamp) {
        let entry = self.entries.entry(origin).or_insert(stamp);
        *entry = (*entry).max(stamp);
    }

    /// Raises every entry to the larger of the two.
    pub fn merge(&mut self, other: &VersionVector) {
        for (origin, stamp) in other.iter() {
            self.advance(origin, stamp);
        }
    }

    /// Does this vector cover all of `other`?
    pub fn dominates(&self, other: &VersionVector) -> bool {
        other.iter().all(|(origin, stamp)| self.covers(origin, stamp))
    }

    /// What both of them cover.
    pub fn common(&self, other: &VersionVector) -> VersionVector {
        let both = self.iter().filter(|(origin, _)| other.contains(*origin));
        VersionVector { entries: both.map(|(origin, stamp)| (origin, stamp.min(other.get(origin)))).collect() }
    }

    pub fn remove(&mut self, origin: Origin) {
        self.entries.remove(&origin);
    }

    pub fn contains(&self, origin: Origin) -> bool {
        self.entries.contains_key(&origin)
    }

    /// Is there an entry of a later life of the same node?
    pub fn has_later_life(&self, origin: Origin) -> bool {
        let last = Origin { incarnation: u32::MAX, ..origin };
        self.entries.range((Bound::Excluded(origin), Bound::Unbounded)).next().is_some_and(|(next, _)| *next <= last)
    }

    /// Entries in origin order.
    pub fn iter(&self) -> impl Iterator<Item = (Origin, Stamp)> + '_ {
        self.entries.iter().map(|(origin, stamp)| (*origin, *stamp))
    }

    /// The newest stamp of any origin.
    pub fn newest(&self) -> Stamp {
        self.entries.values().copied().max().unwrap_or(Stamp::ZERO)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
