//! Local writes to streams.

use super::Txn;
use crate::entry::{Entry, ValueRef};
use crate::version::{Row, Version};
use crate::{KeyType, ValueError};
use effect::{DeliveriesWriter, Delivery, Effect, GroupPosition, ItemsWriter};
use smallvec::SmallVec;
use values::{Element, Position, Stream, StreamId, Trim};

/// The id that an entry is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// The next one by the clock.
    Automatic,
    /// The next one of this millisecond.
    Within(u64),
    Exactly(StreamId),
}

/// With other writers, the lower half of an automatic sequence number tells who gave it.
const SLOT_BITS: u32 = 32;

/// Why no entry was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// There is no stream, and none was to be made.
    NoStream,
    /// There is no id above the last one.
    Exhausted,
    /// The id is not above the last one.
    TooSmall,
}

impl Txn<'_> {
    /// Adds an entry; items are field, value, field, value … `creates`: also where there is no stream.
    pub fn stream_add<'a>(
        &mut self,
        key: &[u8],
        id: NewId,
        creates: bool,
        mut items: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<Result<StreamId, NotAdded>, ValueError> {
        let last_id = match self.writable_stream(key)? {
            Some(stream) if stream.last_id == StreamId::MAX => return Ok(Err(NotAdded::Exhausted)),
            Some(stream) => stream.last_id,
            None if !creates => return Ok(Err(NotAdded::NoStream)),
            None => StreamId::MIN,
        };
        let Some(id) = self.next_stream_id(last_id, id) else { return Ok(Err(NotAdded::TooSmall)) };
        let mut recorded = ItemsWriter::new();
        if self.switches.recording {
            items.clone().for_each(|item| recorded.push(item));
        }
        let mut fields = SmallVec::<[_; 8]>::new();
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            fields.push((Element::Bytes(name), Element::Bytes(value)));
        }
        let effect = Effect::StreamAdd { key, id: id.0, fields: recorded.items() };
        self.merge(key, &effect, |merge| merge.stream_add(id, &fields));
        Ok(Ok(id))
    }

    fn next_stream_id(&self, last: StreamId, wanted: NewId) -> Option<StreamId> {
        let slot = self.switches.peers.then(|| self.stream_slot());
        // The next id of the last one's millisecond.
        let next = || match slot {
            None => last.sequence().checked_add(1),
            Some(slot) => {
                let sequence = last.sequence() >> SLOT_BITS << SLOT_BITS | slot;
                if sequence > last.sequence() { Some(sequence) } else { sequence.checked_add(1 << SLOT_BITS) }
            }
        };
        let first = |ms| StreamId::new(ms, slot.unwrap_or(0));
        let within = |ms| if ms == last.ms() { next().map(|next| StreamId::new(ms, next)) } else { Some(first(ms)) };
        let id = match wanted {
            NewId::Exactly(id) => Some(id),
            NewId::Within(ms) => within(ms),
            NewId::Automatic => {
                let ms = self.view.now_ms.max(last.ms());
                within(ms).or_else(|| ms.checked_add(1).map(first))
            }
        };
        id.filter(|id| *id > last)
    }

    /// Unlike that of any other node, but for a chance of one to four milliards.
    fn stream_slot(&self) -> u64 {
        let keyspace = self.view.keyspace;
        let origin = keyspace.origin(keyspace.stamping.own());
        let (node, incarnation) = origin.map_or((0, 0), |origin| (origin.node.0, origin.incarnation));
        stdx::hash::portable(node, &incarnation.to_le_bytes()) >> SLOT_BITS
    }

    /// Returns how many entries were there.
    pub fn stream_delete(&mut self, key: &[u8], ids: impl Iterator<Item = StreamId>) -> Result<usize, ValueError> {
        let all = self.switches.peers;
        let stream = self.writable_stream(key)?;
        let (mut list, mut max_deleted_id) = (DeliveriesWriter::new(), StreamId::MIN);
        for id in ids {
            let is_there = stream.is_some_and(|stream| stream.contains(id));
            // With other writers, also what changes nothing here may win against something there.
            if all || is_there {
                list.push_id(id.0);
            }
            if is_there {
                max_deleted_id = max_deleted_id.max(id);
            }
        }
        if list.is_empty() {
            return Ok(0);
        }
        let effect = Effect::StreamDelete { key, ids: list.ids(), max_deleted_id: max_deleted_id.0 };
        let removed = self.stream_effect(key, &effect);
        if removed == 0 {
            self.unchanged();
        }
        Ok(removed)
    }

    /// See `Stream::trim_point`. Returns how many entries went.
    pub fn stream_trim(
        &mut self,
        key: &[u8],
        trim: Trim,
        approximate: bool,
        limit: usize,
    ) -> Result<usize, ValueError> {
        let stream = self.writable_stream(key)?;
        match stream.and_then(|stream| stream.trim_point(trim, approximate, limit)) {
            Some(through) => Ok(self.stream_effect(key, &Effect::StreamTrim { key, through: through.0 })),
            None => Ok(0),
        }
    }

    /// The stream may be new. `max_deleted_id`: 0 where it stays.
    pub fn stream_set_id(
        &mut self,
        key: &[u8],
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: StreamId,
    ) -> Result<(), ValueError> {
        let (last_id, max_deleted_id) = (last_id.0, max_deleted_id.0);
        self.group_effect(key, &Effect::StreamSetId { key, last_id, entries_added, max_deleted_id })?;
        Ok(())
    }

    /// Makes a group; the stream may be new.
    pub fn stream_group_create(&mut self, key: &[u8], group: &[u8], position: Position) -> Result<(), ValueError> {
        self.group_effect(key, &Effect::StreamGroupCreate { key, group, position: fact(position) })
    }

    /// Sets how far a group has read.
    pub fn stream_group_set(&mut self, key: &[u8], group: &[u8], position: Position) -> Result<(), ValueError> {
        self.group_effect(key, &Effect::StreamGroupSet { key, group, position: fact(position) })
    }

    /// True where the group was there.
    pub fn stream_group_destroy(&mut self, key: &[u8], group: &[u8]) -> Result<bool, ValueError> {
        let all = self.switches.peers;
        let is_there = self.writable_stream(key)?.is_some_and(|stream| stream.group(group).is_some());
        if is_there || all {
            self.stream_effect(key, &Effect::StreamGroupDestroy { key, group });
            if !is_there {
                self.unchanged();
            }
        }
        Ok(is_there)
    }

    /// Entries become pending at a consumer of a group, which has read up to `position` by that. Consumer and group may
    /// be new.
    pub fn stream_deliver(
        &mut self,
        key: &[u8],
        group: &[u8],
        consumer: &[u8],
        position: Option<Position>,
        deliveries: &[Delivery],
    ) -> Result<(), ValueError> {
        let is_new_consumer = position.is_none() && deliveries.is_empty();
        let mut list = DeliveriesWriter::new();
        deliveries.iter().for_each(|delivery| list.push(*delivery));
        let (position, deliveries) = (position.map(fact), list.deliveries());
        self.group_effect(key, &Effect::StreamDeliver { key, group, consumer, position, deliveries })?;
        if is_new_consumer {
            self.unchanged();
        }
        Ok(())
    }

    /// The same where they are done with at once (NOACK).
    pub fn stream_give(
        &mut self,
        key: &[u8],
        group: &[u8],
        consumer: &[u8],
        position: Position,
        given: &[Delivery],
    ) -> Result<(), ValueError> {
        let peers = self.switches.peers;
        let found = self.writable_stream(key)?.and_then(|stream| stream.group(group));
        if !peers && found.is_none_or(|group| group.skipped().len() == 0) {
            return self.stream_deliver(key, group, consumer, Some(position), &[]);
        }
        // Other nodes have to know what was given to somebody, and what has been skipped.
        self.stream_deliver(key, group, consumer, Some(position), given)?;
        self.stream_acknowledge(key, group, given.iter().map(|delivery| StreamId(delivery.id)))?;
        Ok(())
    }

    /// Notes that a consumer tried to read; `active`: it got something. Each node knows that for itself.
    pub fn stream_see_consumer(&mut self, key: &[u8], group: &[u8], consumer: &[u8], active: bool) {
        let now_ms = self.view.now_ms;
        self.merge_as(key, Version::ZERO, Row::All, |merge| merge.see_consumer(group, consumer, now_ms, active));
    }

    /// Returns how many entries were pending there.
    pub fn stream_consumer_delete(&mut self, key: &[u8], group: &[u8], consumer: &[u8]) -> Result<usize, ValueError> {
        let all = self.switches.peers;
        let found = self.writable_stream(key)?.and_then(|stream| stream.group(group));
        let is_there = found.is_some_and(|group| group.consumer(consumer).is_some());
        if !all && !is_there {
            return Ok(0);
        }
        let pending = self.stream_effect(key, &Effect::StreamConsumerDelete { key, group, consumer });
        if !is_there {
            self.unchanged();
        }
        Ok(pending)
    }

    /// Returns how many entries were pending.
    pub fn stream_acknowledge(
        &mut self,
        key: &[u8],
        group: &[u8],
        ids: impl Iterator<Item = StreamId>,
    ) -> Result<usize, ValueError> {
        let all = self.switches.peers;
        let Some(found) = self.writable_stream(key)?.and_then(|stream| stream.group(group)) else { return Ok(0) };
        let mut list = DeliveriesWriter::new();
        ids.filter(|id| all || found.pending_of(*id).is_some()).for_each(|id| list.push_id(id.0));
        if list.is_empty() {
            return Ok(0);
        }
        let acknowledged = self.stream_effect(key, &Effect::StreamAcknowledge { key, group, ids: list.ids() });
        if acknowledged == 0 {
            self.unchanged();
        }
        Ok(acknowledged)
    }

    /// One that may make the stream; if it is there already, only groups change, or the last id.
    fn group_effect(&mut self, key: &[u8], effect: &Effect<'_>) -> Result<(), ValueError> {
        let existed = self.writable_stream(key)?.is_some();
        self.stream_effect(key, effect);
        if existed {
            self.groups_only.push(self.count - 1);
        }
        Ok(())
    }

    fn stream_effect(&mut self, key: &[u8], effect: &Effect<'_>) -> usize {
        self.merge(key, effect, |merge| merge.stream_effect(effect))
    }

    fn writable_stream(&mut self, key: &[u8]) -> Result<Option<&Stream>, ValueError> {
        let entry = self.writable(key, |entry| entry.key_type() == KeyType::Stream)?;
        Ok(match entry.map(Entry::value) {
            Some(ValueRef::Stream(stream)) => Some(stream),
            _ => None,
        })
    }
}

pub(super) fn fact(position: Position) -> GroupPosition {
    GroupPosition { last_id: position.last_id.0, entries_read: position.entries_read }
}
