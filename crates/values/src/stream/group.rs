//! Consumer groups: how far each has read, and what was delivered and not acknowledged yet.

use super::StreamId;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// How far a group has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The last id that was delivered.
    pub last_id: StreamId,
    /// How many entries that were, where it is known.
    pub entries_read: Option<u64>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub consumer: Arc<[u8]>,
    pub delivered_ms: u64,
    pub deliveries: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Consumer {
    /// When it last tried to read or claim, and when it last got something.
    pub seen_ms: u64,
    pub active_ms: Option<u64>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// How many entries are pending at this consumer.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub position: Position,
    pending: BTreeMap<StreamId, Pending>,
    consumers: BTreeMap<Arc<[u8]>, Consumer>,
    /// Entries that came in, from other nodes, below where the group had read to: still to be delivered.
    skipped: BTreeSet<StreamId>,
}

impl Group {
    pub fn new(position: Position) -> Group {
        Group { position, ..Group::default() }
    }

    /// Consumers by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (&[u8], &Consumer)> {
        self.consumers.iter().map(|(name, consumer)| (&**name, consumer))
    }

    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get(name)
    }

    pub fn consumer_mut(&mut self, name: &[u8]) -> Option<&mut Consumer> {
        self.consumers.get_mut(name)
    }

    /// Makes a consumer where there is none. True where it is new.
    pub fn add_consumer(&mut self, name: &[u8], now_ms: u64) -> bool {
        let is_new = !self.consumers.contains_key(name);
        if is_new {
            self.consumers.insert(name.into(), Consumer { seen_ms: now_ms, ..Consumer::default() });
        }
        is_new
    }

    /// Removes the consumer with all that is pending there; returns how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Entries up to the position that have never been delivered, by id.
    pub fn skipped(&self) -> impl ExactSizeIterator<Item = StreamId> {
        self.skipped.iter().copied()
    }

    /// The position is past this entry, which nobody was given.
    pub fn skip(&mut self, id: StreamId) {
        self.skipped.insert(id);
    }

    /// Only these entries were skipped.
    pub fn retain_skipped(&mut self, keep: impl FnMut(&StreamId) -> bool) {
        self.skipped.retain(keep);
    }

    /// The entry is pending at this consumer, which may be new, and nowhere else.
    pub fn deliver(&mut self, id: StreamId, consumer: &[u8], delivered_ms: u64, deliveries: u64) {
        self.skipped.remove(&id);
        self.add_consumer(consumer, delivered_ms);
        let Some((name, _)) = self.consumers.get_key_value(consumer) else { return };
        let pending = Pending { consumer: name.clone(), delivered_ms, deliveries };
        let previous = self.pending.insert(id, pending);
        if previous.as_ref().is_some_and(|previous| &*previous.consumer == consumer) {
            return;
        }
        if let Some(previous) = previous {
            self.take_from(&previous.consumer, id);
        }
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            consumer.pending.insert(id);
        }
    }

    fn take_from(&mut self, consumer: &[u8], id: StreamId) {
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            consumer.pending.remove(&id);
        }
    }

    /// The entry is not pending any more. True where it was.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        self.skipped.remove(&id);
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.take_from(&pending.consumer, id);
        true
    }

    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    pub fn pending_of(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// What is pending, by id.
    pub fn pending(&self, ids: RangeInclusive<StreamId>) -> impl DoubleEndedIterator<Item = (StreamId, &Pending)> {
        let ids = (!ids.is_empty()).then_some(ids);
        ids.into_iter().flat_map(|ids| self.pending.range(ids).map(|(id, pending)| (*id, pending)))
    }

    /// What is pending at one consumer, by id.
    pub fn pending_at<'g>(
        &'g self,
        consumer: &'g Consumer,
        ids: RangeInclusive<StreamId>,
    ) -> impl Iterator<Item = (StreamId, &'g Pending)> {
        let ids = (!ids.is_empty()).then_some(ids);
        let ids = ids.into_iter().flat_map(|ids| consumer.pending.range(ids));
        ids.filter_map(|id| Some((*id, self.pending.get(id)?)))
    }

    /// Bytes on the heap, about.
    pub(super) fn heap_size(&self) -> usize {
        const FILL: usize = 4;
        let pending = self.pending.len() * (size_of::<(StreamId, Pending)>() + size_of::<StreamId>());
        let consumers = self.consumers.keys().map(|name| name.len() + size_of::<(Arc<[u8]>, Consumer)>());
        let skipped = self.skipped.len() * size_of::<StreamId>();
        (pending + consumers.sum::<usize>() + skipped) * FILL / 3
    }
}
