//! Keys and their registers -> bytes.

use super::{action, flag, item};
use crate::codec;
use crate::deadlines::Deadlines;
use crate::elements::Elements;
use crate::entry::{Entry, ValueRef};
use crate::lifetimes::COLLECTIONS;
use crate::list::{Identity, ListRegisters, Sequence};
use crate::merge::cell::{Action, Cell, string_of};
use crate::merge::fields::{Fields, take_back};
use crate::merge::operations::Operations;
use crate::recent::stream::{Raises, StreamRecord};
use crate::recent::{Field, Record};
use crate::version::{OriginIndex, Origins, Version};
use crate::view::StringRef;
use effect::{End, put_varint};
use std::collections::BTreeMap;
use values::{EncodingLimits, Expiring, StreamId};

/// A chunk under construction: its items, and the origins that occur in them.
#[derive(Default)]
pub(super) struct Chunk {
    items: Vec<u8>,
    origins: Vec<OriginIndex>,
}

/// A string by itself, to take operations back on a copy.
struct OwnedCell {
    value: Option<Vec<u8>>,
}

impl Cell for OwnedCell {
    fn read<R>(&self, f: impl FnOnce(Option<StringRef<'_>>) -> R) -> R {
        f(self.value.as_deref().map(StringRef::Bytes))
    }
    fn write(&mut self, value: StringRef<'_>) {
        self.value = Some(value.to_vec());
    }
    fn remove(&mut self) {
        self.value = None;
    }
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Appends the chunk to `output`: the origins, then the items. Nothing where there are none.
    pub(super) fn finish(self, origins: &Origins, output: &mut Vec<u8>) {
        if self.items.is_empty() {
            return;
        }
        put_varint(output, self.origins.len() as u64);
        for index in self.origins {
            let (node, incarnation) =
                origins.origin(index).map_or((0, 0), |origin| (origin.node.0, origin.incarnation));
            output.extend_from_slice(&node.to_le_bytes());
            put_varint(output, u64::from(incarnation));
        }
        output.extend_from_slice(&self.items);
    }

    pub(super) fn flush(&mut self, db: u32, flushed: Version) {
        self.items.push(item::FLUSH);
        self.number(u64::from(db));
        self.version(flushed);
    }

    pub(super) fn key(
        &mut self,
        db: u32,
        key: &[u8],
        entry: Option<&Entry>,
        record: Option<&Record>,
        limits: &EncodingLimits,
    ) {
        let version = entry.and_then(Entry::version);
        let deadline_ms = entry.and_then(Entry::deadline_ms);
        let value = base_value(entry, record, limits);
        let own = entry.and_then(Entry::stored_list).and_then(|stored| stored.identities.as_deref());
        let identities = record.and_then(|record| record.list.as_ref()).map(|list| &list.sequence).or(own);
        let flags = (flag::VALUE * u8::from(value.is_some()))
            | (flag::VERSION * u8::from(version.is_some()))
            | (flag::DEADLINE * u8::from(deadline_ms.is_some()))
            | (flag::RECORD * u8::from(record.is_some()))
            | (flag::IDENTITIES * u8::from(identities.is_some()));
        self.items.extend_from_slice(&[item::KEY, flags]);
        self.number(u64::from(db));
        self.bytes(key);
        if let Some(value) = value {
            self.bytes(&value);
        }
        if let Some(version) = version {
            self.version(version);
        }
        if let Some(deadline_ms) = deadline_ms {
            self.number(deadline_ms);
        }
        if let Some(record) = record {
            self.record(record);
        }
        if let Some(identities) = identities {
            self.sequence(identities);
        }
    }

    fn sequence(&mut self, sequence: &Sequence) {
        self.number(sequence.runs().len() as u64);
        for run in sequence.runs() {
            self.identity(run.identity(0));
            self.number(u64::from(run.count));
            self.number((run.step as u64) << 1 | u64::from(run.is_removed()));
            if let Some(removal) = run.removal() {
                self.version(removal);
            }
        }
    }

    fn identity(&mut self, identity: Identity) {
        self.version(identity.version);
        let index = i64::from(identity.index);
        self.number((index << 1 ^ index >> 63) as u64);
    }

    fn list(&mut self, list: &ListRegisters) {
        self.number(list.anchors.len() as u64);
        for (identity, anchor) in &list.anchors {
            self.identity(*identity);
            self.number(u64::from(anchor.beside.is_some()) << 1 | u64::from(anchor.toward == End::Tail));
            if let Some(beside) = anchor.beside {
                self.identity(beside);
            }
        }
        self.number(list.values.len() as u64);
        for (identity, version) in &list.values {
            self.identity(*identity);
            self.version(*version);
        }
    }

    fn record(&mut self, record: &Record) {
        self.version(record.newest);
        self.version(record.clear);
        self.seen(record.restated.as_deref());
        record.creations.iter().for_each(|(_, version)| self.version(version));
        self.deadlines(&record.deadlines);
        self.operations(&record.operations);
        self.number(record.members.len() as u64);
        for (member, version) in record.members.iter() {
            self.bytes(member);
            self.version(*version);
        }
        self.fields(&record.fields);
        self.fields(&record.scores);
        match &record.list {
            Some(list) => self.list(list),
            None => self.list(&ListRegisters::default()),
        }
        self.number(u64::from(record.stream.is_some()));
        if let Some(stream) = &record.stream {
            self.stream(stream);
        }
        for collection in COLLECTIONS {
            self.number(record.lifetimes.len(collection) as u64);
            for (element, register) in record.lifetimes.of(collection) {
                self.bytes(element);
                self.deadlines(register);
            }
        }
    }

    fn fields(&mut self, registers: &Elements<Field>) {
        self.number(registers.len() as u64);
        for (name, field) in registers.iter() {
            self.bytes(name);
            self.number(u64::from(field.version.is_some()));
            if let Some(version) = field.version {
                self.version(version);
            }
            self.operations(&field.increments);
        }
    }

    fn stream(&mut self, record: &StreamRecord) {
        self.ids(&record.ids);
        self.raises(&record.trims, |chunk, id| chunk.id(id));
        self.number(record.added.len() as u64);
        record.added.iter().for_each(|version| self.version(*version));
        self.version(record.added_set);
        self.raises(&record.last_id, |chunk, id| chunk.id(id));
        self.raises(&record.max_deleted_id, |chunk, id| chunk.id(id));
        self.number(record.groups.len() as u64);
        for (name, group) in &record.groups {
            self.bytes(name);
            [group.created, group.destroyed, group.position_set].into_iter().for_each(|version| self.version(version));
            self.raises(&group.position, |chunk, position| {
                chunk.id(position.last_id);
                chunk.number(position.entries_read.map_or(0, |read| read.saturating_add(1)));
            });
            self.number(group.consumers.len() as u64);
            for (name, presence) in &group.consumers {
                self.bytes(name);
                self.version(presence.created);
                self.version(presence.deleted);
            }
            self.ids(&group.pending);
        }
    }

    fn ids(&mut self, ids: &BTreeMap<StreamId, Version>) {
        self.number(ids.len() as u64);
        for (id, version) in ids {
            self.id(*id);
            self.version(*version);
        }
    }

    fn raises<T: Copy>(&mut self, raises: &Raises<T>, value: impl Fn(&mut Chunk, T)) {
        self.number(raises.writes.len() as u64);
        for (version, written) in &raises.writes {
            self.version(*version);
            value(self, *written);
        }
    }

    fn id(&mut self, id: StreamId) {
        self.number(id.ms()).number(id.sequence());
    }

    fn deadlines(&mut self, register: &Deadlines) {
        self.number(register.writes().len() as u64);
        for write in register.writes() {
            self.version(write.version);
            // None is 0, which no deadline is: it would have deleted.
            self.number(write.deadline_ms.map_or(0, |deadline_ms| deadline_ms.max(1)));
        }
        self.number(u64::from(register.death().is_some()));
        if let Some(death) = register.death() {
            self.version(death.at);
            self.version(death.cause);
        }
    }

    fn operations(&mut self, operations: &Operations) {
        let (asleep, awake) = operations.counts();
        self.number(asleep as u64);
        self.number(awake as u64);
        for operation in operations.iter() {
            self.version(operation.version);
            self.number(u64::from(operation.is_restated));
            match &operation.action {
                Action::Add(delta) => self.tagged(action::ADD).number((delta << 1 ^ delta >> 63) as u64),
                Action::AddFloat(delta) => self.tagged(action::ADD_FLOAT).bytes(delta),
                Action::AddScore(delta) => self.tagged(action::ADD_SCORE).score(*delta),
                Action::Append(bytes) => self.tagged(action::APPEND).bytes(bytes),
                Action::SetRange { offset, bytes } => self.tagged(action::SET_RANGE).number(*offset).bytes(bytes),
                Action::RaiseRegisters { sparse_max, registers } => {
                    self.tagged(action::RAISE_REGISTERS).number(*sparse_max).bytes(registers)
                }
                Action::SetBits { bit_offset, width, value } => {
                    self.tagged(action::SET_BITS).number(*bit_offset).number(u64::from(*width)).number(*value)
                }
            };
        }
        self.number(operations.cancelled().len() as u64);
        for cancellation in operations.cancelled() {
            self.version(cancellation.newest);
            self.version(cancellation.by);
        }
    }

    /// Of a clear that only says anew what the key was: what its author had seen. Nothing where it is none.
    fn seen(&mut self, seen: Option<&[Version]>) {
        let seen = seen.unwrap_or_default();
        self.number(seen.len() as u64);
        seen.iter().for_each(|version| self.version(*version));
    }

    fn version(&mut self, version: Version) {
        let index = self.origins.iter().position(|origin| *origin == version.origin).unwrap_or_else(|| {
            self.origins.push(version.origin);
            self.origins.len() - 1
        });
        self.number(version.stamp.0);
        self.number(index as u64);
    }

    fn tagged(&mut self, tag: u8) -> &mut Chunk {
        self.items.push(tag);
        self
    }

    fn number(&mut self, number: u64) -> &mut Chunk {
        put_varint(&mut self.items, number);
        self
    }

    fn score(&mut self, score: f64) -> &mut Chunk {
        self.items.extend_from_slice(&score.to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Chunk {
        self.number(bytes.len() as u64);
        self.items.extend_from_slice(bytes);
        self
    }
}

/// The encoded value below all operations that are kept apart.
fn base_value(entry: Option<&Entry>, record: Option<&Record>, limits: &EncodingLimits) -> Option<Vec<u8>> {
    let value = entry?.value();
    match (value, record) {
        (ValueRef::Int(_) | ValueRef::Bytes(_), Some(record)) if !record.operations.is_idle() => {
            let mut cell = OwnedCell { value: string_of(value).map(StringRef::to_vec) };
            record.operations.take_back(&mut cell);
            cell.value.map(|bytes| codec::encoded(ValueRef::Bytes(&bytes)))
        }
        (ValueRef::Hash(hash), Some(record)) => {
            let base = base_fields(hash.to_hash(), &record.fields, limits)?;
            Some(codec::encoded(ValueRef::Hash(base.view())))
        }
        (ValueRef::SortedSet(set), Some(record)) => {
            let base = base_fields(set.clone(), &record.scores, limits)?;
            Some(codec::encoded(ValueRef::SortedSet(&base)))
        }
        (ValueRef::Set(set), _) if set.expiring().is_some_and(Expiring::has_hidden) => {
            let mut set = set.to_set();
            set.reveal(limits);
            Some(codec::encoded(ValueRef::Set(set.view())))
        }
        _ => entry.map(codec::encoded_entry),
    }
}

/// `None` where nothing is left.
fn base_fields<F: Fields>(mut base: F, registers: &Elements<Field>, limits: &EncodingLimits) -> Option<F> {
    base.reveal(limits);
    take_back(&mut base, registers, limits);
    (!base.is_empty()).then_some(base)
}
