//! Keys and their registers -> bytes.

use super::{action, flag, item};
use crate::KeyType;
use crate::codec::{self, Progress};
use crate::deadlines::Deadlines;
use crate::elements::Elements;
use crate::entry::{Entry, Value, ValueRef};
use crate::lifetimes::COLLECTIONS;
use crate::list::{Identity, ListRegisters, Sequence};
use crate::merge::cell::{Action, Cell, string_of};
use crate::merge::fields::{Fields, take_back};
use crate::merge::operations::Operations;
use crate::recent::stream::{Raises, StreamRecord};
use crate::recent::{Field, Record};
use crate::version::{OriginIndex, Origins, Version};
use crate::view::StringRef;
use crate::walk::value_len;
use effect::{End, put_varint};
use std::collections::BTreeMap;
use values::{EncodingLimits, Expiring, StreamId};

/// A value of more elements, or bytes, is written piece by piece. Where assertions are on that are few, so that all tests try it.
const LARGE_ELEMENTS: usize = if cfg!(debug_assertions) { 4 } else { 1024 };
const LARGE_BYTES: usize = if cfg!(debug_assertions) { 64 } else { 64 * 1024 };
/// About as many bytes are a piece: about a millisecond for who merges it.
const PIECE_BYTES: usize = if cfg!(debug_assertions) { 24 } else { 32 * 1024 };

/// A chunk under construction: its items, and the origins that occur in them.
#[derive(Default)]
pub(super) struct Chunk {
    items: Vec<u8>,
    origins: Vec<OriginIndex>,
}

/// What a key's item says beside its value.
struct Registers<'a> {
    version: Option<Version>,
    deadline_ms: Option<u64>,
    record: Option<&'a Record>,
    identities: Option<&'a Sequence>,
}

/// How an item has its value.
enum Part<'v> {
    Nothing,
    Whole(&'v [u8]),
    /// It came before.
    Pieces,
}

/// A key with a value that takes long to write, as it was when the walk came by. What is large is shared with the entry until
/// that is changed, and written when nothing is locked.
pub(super) struct LargeKey {
    db: u32,
    key: Box<[u8]>,
    /// `None`: nothing is left below the operations of the record.
    value: Option<Value>,
    progress: Progress,
    version: Option<Version>,
    deadline_ms: Option<u64>,
    record: Option<Record>,
    identities: Option<Sequence>,
}

impl LargeKey {
    /// `None` where it is small.
    pub(super) fn of(db: u32, entry: &Entry, record: Option<&Record>, limits: &EncodingLimits) -> Option<LargeKey> {
        let has_many = entry.key_type() != KeyType::String && value_len(entry) > LARGE_ELEMENTS;
        if !has_many && entry.heap_size() <= LARGE_BYTES {
            return None;
        }
        let value = match changed_base(entry, record, limits) {
            Some(base) => base,
            // What has no allocation of its own is small.
            None => Some(entry.clone_shared()?.into()),
        };
        Some(LargeKey {
            db,
            key: entry.key().into(),
            value,
            progress: Progress::default(),
            version: entry.version(),
            deadline_ms: entry.deadline_ms(),
            record: record.cloned(),
            identities: sequence_of(Some(entry), record).cloned(),
        })
    }

    /// Appends a piece of its value, or the rest of what there is to say. True where nothing is left.
    pub(super) fn go_on(&mut self, chunk: &mut Chunk) -> bool {
        let mut is_written = true;
        if let Some(value) = &self.value {
            let mut piece = Vec::new();
            is_written = self.progress.go_on(value.view(), PIECE_BYTES, &mut piece);
            chunk.items.push(item::PIECE);
            chunk.bytes(&piece);
        }
        if is_written {
            let registers = Registers {
                version: self.version,
                deadline_ms: self.deadline_ms,
                record: self.record.as_ref(),
                identities: self.identities.as_ref(),
            };
            let value = if self.value.is_some() { Part::Pieces } else { Part::Nothing };
            chunk.item(self.db, &self.key, value, registers);
        }
        is_written
    }
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

    /// A key whose value is small enough to be written while it is locked.
    pub(super) fn key(
        &mut self,
        db: u32,
        key: &[u8],
        entry: Option<&Entry>,
        record: Option<&Record>,
        limits: &EncodingLimits,
    ) {
        let value = entry.and_then(|entry| match changed_base(entry, record, limits) {
            Some(base) => base.map(|base| codec::encoded(base.view())),
            None => Some(codec::encoded_entry(entry)),
        });
        let registers = Registers {
            version: entry.and_then(Entry::version),
            deadline_ms: entry.and_then(Entry::deadline_ms),
            record,
            identities: sequence_of(entry, record),
        };
        self.item(db, key, value.as_deref().map_or(Part::Nothing, Part::Whole), registers);
    }

    fn item(&mut self, db: u32, key: &[u8], value: Part<'_>, registers: Registers<'_>) {
        let Registers { version, deadline_ms, record, identities } = registers;
        let flags = (flag::VALUE * u8::from(matches!(value, Part::Whole(_))))
            | (flag::PIECES * u8::from(matches!(value, Part::Pieces)))
            | (flag::VERSION * u8::from(version.is_some()))
            | (flag::DEADLINE * u8::from(deadline_ms.is_some()))
            | (flag::RECORD * u8::from(record.is_some()))
            | (flag::IDENTITIES * u8::from(identities.is_some()));
        self.items.extend_from_slice(&[item::KEY, flags]);
        self.number(u64::from(db));
        self.bytes(key);
        if let Part::Whole(value) = value {
            self.bytes(value);
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

/// The value below all operations that are kept apart, where it is not that of the entry; there may be none.
fn changed_base(entry: &Entry, record: Option<&Record>, limits: &EncodingLimits) -> Option<Option<Value>> {
    let value = entry.value();
    match (value, record) {
        (ValueRef::Int(_) | ValueRef::Bytes(_), Some(record)) if !record.operations.is_idle() => {
            let mut cell = OwnedCell { value: string_of(value).map(StringRef::to_vec) };
            record.operations.take_back(&mut cell);
            Some(cell.value.map(Value::Bytes))
        }
        (ValueRef::Hash(hash), Some(record)) => {
            Some(base_fields(hash.to_hash(), &record.fields, limits).map(Value::Hash))
        }
        (ValueRef::SortedSet(set), Some(record)) => {
            Some(base_fields(set.clone(), &record.scores, limits).map(Value::SortedSet))
        }
        (ValueRef::Set(set), _) if set.expiring().is_some_and(Expiring::has_hidden) => {
            let mut set = set.to_set();
            set.reveal(limits);
            Some(Some(Value::Set(set)))
        }
        _ => None,
    }
}

/// Where each element of a list comes from: in the record, if it has that.
fn sequence_of<'a>(entry: Option<&'a Entry>, record: Option<&'a Record>) -> Option<&'a Sequence> {
    let own = entry.and_then(Entry::stored_list).and_then(|stored| stored.identities.as_deref());
    record.and_then(|record| record.list.as_ref()).map(|list| &list.sequence).or(own)
}

/// `None` where nothing is left.
fn base_fields<F: Fields>(mut base: F, registers: &Elements<Field>, limits: &EncodingLimits) -> Option<F> {
    base.reveal(limits);
    take_back(&mut base, registers, limits);
    (!base.is_empty()).then_some(base)
}
