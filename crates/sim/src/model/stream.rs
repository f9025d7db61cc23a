//! Streams of the model: what a server does with each effect, on maps of the standard library.

use effect::{Effect, EntryId, GroupPosition};
use keyspace::{EncodedStream, StreamPart};
use std::collections::{BTreeMap, BTreeSet};
use values::StreamId;

type Bytes = Vec<u8>;

/// A stream as it is in the end, or on the way there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    pub entries: BTreeMap<EntryId, Vec<(Bytes, Bytes)>>,
    last_id: EntryId,
    max_deleted_id: EntryId,
    entries_added: u64,
    groups: BTreeMap<Bytes, Group>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    position: (EntryId, Option<u64>),
    consumers: BTreeSet<Bytes>,
    /// By id: consumer, time, count.
    pending: BTreeMap<EntryId, (Bytes, u64, u64)>,
}

/// Does the effect make the key a stream?
pub fn creates(effect: &Effect<'_>) -> bool {
    matches!(
        effect,
        Effect::StreamAdd { .. }
            | Effect::StreamSetId { .. }
            | Effect::StreamGroupCreate { .. }
            | Effect::StreamGroupSet { .. }
            | Effect::StreamDeliver { .. }
    )
}

/// Is it an effect on streams?
pub fn concerns(effect: &Effect<'_>) -> bool {
    creates(effect)
        || matches!(
            effect,
            Effect::StreamDelete { .. }
                | Effect::StreamTrim { .. }
                | Effect::StreamGroupDestroy { .. }
                | Effect::StreamConsumerDelete { .. }
                | Effect::StreamAcknowledge { .. }
        )
}

impl Stream {
    /// A stream without entries. `max_deleted_id`: of what was deleted before.
    pub fn new(max_deleted_id: EntryId) -> Stream {
        Stream { max_deleted_id, ..Stream::default() }
    }

    pub fn execute(&mut self, effect: &Effect<'_>) {
        match *effect {
            Effect::StreamAdd { id, fields, .. } => {
                let fields = fields.pairs().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                self.entries.insert(id, fields);
                self.last_id = self.last_id.max(id);
                self.entries_added += 1;
            }
            Effect::StreamDelete { ids, max_deleted_id, .. } => {
                ids.iter().for_each(|id| drop(self.entries.remove(&id)));
                self.max_deleted_id = self.max_deleted_id.max(max_deleted_id);
            }
            Effect::StreamTrim { through, .. } => self.entries.retain(|id, _| *id > through),
            Effect::StreamSetId { last_id, entries_added, max_deleted_id, .. } => {
                self.last_id = self.last_id.max(last_id);
                self.max_deleted_id = self.max_deleted_id.max(max_deleted_id);
                self.entries_added = entries_added.unwrap_or(self.entries_added);
            }
            Effect::StreamGroupDestroy { group, .. } => drop(self.groups.remove(group)),
            Effect::StreamConsumerDelete { group, consumer, .. } => {
                if let Some(group) = self.groups.get_mut(group) {
                    group.consumers.remove(consumer);
                    group.pending.retain(|_, (name, ..)| name != consumer);
                }
            }
            Effect::StreamAcknowledge { group, ids, .. } => {
                if let Some(group) = self.groups.get_mut(group) {
                    ids.iter().for_each(|id| drop(group.pending.remove(&id)));
                }
            }
            Effect::StreamGroupCreate { group, position, .. } => self.group(group).raise(position),
            Effect::StreamGroupSet { group, position, .. } => {
                self.group(group).position = (position.last_id, position.entries_read);
            }
            Effect::StreamDeliver { group, consumer, position, deliveries, .. } => {
                let group = self.group(group);
                position.into_iter().for_each(|position| group.raise(position));
                group.consumers.insert(consumer.to_vec());
                for delivery in deliveries.iter() {
                    let pending = (consumer.to_vec(), delivery.delivered_ms, delivery.deliveries);
                    group.pending.insert(delivery.id, pending);
                }
            }
            _ => unreachable!("not an effect on streams"),
        }
    }

    fn group(&mut self, name: &[u8]) -> &mut Group {
        self.groups.entry(name.to_vec()).or_default()
    }

    /// The value of a Put.
    pub fn decode(encoded: &EncodedStream<'_>) -> Stream {
        let mut stream = Stream::default();
        let mut last_group = Bytes::new();
        encoded.read(|part| match part {
            StreamPart::Head { last_id, max_deleted_id, entries_added } => {
                (stream.last_id, stream.max_deleted_id) = (last_id.0, max_deleted_id.0);
                stream.entries_added = entries_added;
            }
            StreamPart::Entry { id, fields } => {
                let fields = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                stream.entries.insert(id.0, fields);
            }
            StreamPart::Group { name, position } => {
                stream.group(name).position = (position.last_id.0, position.entries_read);
                last_group = name.to_vec();
            }
            StreamPart::Consumer { name, .. } => drop(stream.group(&last_group).consumers.insert(name.to_vec())),
            StreamPart::Pending { id, consumer, delivered_ms, deliveries } => {
                let pending = (consumer.to_vec(), delivered_ms, deliveries);
                stream.group(&last_group).pending.insert(id.0, pending);
            }
            StreamPart::Skipped { .. } => {}
        });
        stream
    }

    /// What a node holds.
    pub fn read(found: &values::Stream) -> Stream {
        let entry = |entry: values::StreamEntry<'_>| {
            (entry.id.0, entry.fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
        };
        let group = |(name, group): (&[u8], &values::Group)| {
            let pending = group.pending(StreamId::MIN..=StreamId::MAX);
            let pending = pending
                .map(|(id, pending)| (id.0, (pending.consumer.to_vec(), pending.delivered_ms, pending.deliveries)));
            let position = (group.position.last_id.0, group.position.entries_read);
            let consumers = group.consumers().map(|(name, _)| name.to_vec()).collect();
            (name.to_vec(), Group { position, consumers, pending: pending.collect() })
        };
        Stream {
            entries: found.range(StreamId::MIN, StreamId::MAX).map(entry).collect(),
            last_id: found.last_id.0,
            max_deleted_id: found.max_deleted_id.0,
            entries_added: found.entries_added,
            groups: found.groups().map(group).collect(),
        }
    }
}

impl Group {
    fn raise(&mut self, position: GroupPosition) {
        self.position = self.position.max((position.last_id, position.entries_read));
    }
}
