//! Bytes -> keys and their registers. Nothing that is read is trusted.

use super::{action, flag, item};
use crate::KeyType;
use crate::codec::{self, Assembly};
use crate::deadlines::{Deadlines, Death, Write};
use crate::elements::Elements;
use crate::entry::Value;
use crate::lifetimes::COLLECTIONS;
use crate::list::{Anchor, Identity, ListRegisters, Run, Sequence};
use crate::merge::cell::Action;
use crate::merge::operations::{Cancellation, Operation, Operations};
use crate::recent::stream::{GroupRecord, Presence, Raises, StreamRecord};
use crate::recent::{Field, Record};
use crate::version::{OriginIndex, Origins, Version};
use effect::{DecodeError, End, NodeId, Origin, Stamp, Step, take_varint};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use values::{EncodingLimits, Position, StreamId};

/// So many effects are looked at for one run of identities, and no more.
const MAX_EFFECTS: u32 = 1 << 28;

/// Why bytes are not a piece of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// They are cut off, or a number is out of range.
    Malformed(DecodeError),
    /// An origin that the chunk does not list.
    UnknownOrigin,
    /// A key in a database that this node does not have.
    NoDatabase(u32),
    /// More origins than this process can tell apart.
    TooManyOrigins,
    /// Something that is to be in the future.
    TooLate(Stamp),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Malformed(error) => write!(f, "malformed state: {error}"),
            ImportError::UnknownOrigin => write!(f, "malformed state: an origin that is not listed"),
            ImportError::NoDatabase(db) => crate::EffectsError::NoDatabase(*db).fmt(f),
            ImportError::TooManyOrigins => write!(f, "too many origins"),
            ImportError::TooLate(stamp) => {
                write!(f, "an effect of {} ms since 1970, which is too far ahead", stamp.ms())
            }
        }
    }
}

impl std::error::Error for ImportError {}

impl From<DecodeError> for ImportError {
    fn from(error: DecodeError) -> ImportError {
        ImportError::Malformed(error)
    }
}

pub(super) enum Item<'a> {
    Flush { db: u32, flushed: Version },
    Key(Box<KeyItem<'a>>),
}

/// A key as it is at another node.
pub(super) struct KeyItem<'a> {
    pub(super) db: u32,
    pub(super) key: &'a [u8],
    /// Below the operations of the record.
    pub(super) value: Option<Value>,
    pub(super) version: Option<Version>,
    pub(super) deadline_ms: Option<u64>,
    pub(super) record: Option<Record>,
    /// Of a list; where there is a record, it has them.
    pub(super) identities: Option<Box<Sequence>>,
}

pub(super) struct Reader<'a, 'o> {
    rest: &'a [u8],
    origins: &'o Origins,
    /// By the number that the chunk uses.
    indexes: Vec<OriginIndex>,
    /// No stamp is later.
    latest: Stamp,
    limits: &'o EncodingLimits,
    /// The value of the next key, as far as it has come.
    assembly: &'o mut Option<Assembly>,
}

impl<'a, 'o> Reader<'a, 'o> {
    pub(super) fn new(
        chunk: &'a [u8],
        origins: &'o Origins,
        latest: Stamp,
        limits: &'o EncodingLimits,
        assembly: &'o mut Option<Assembly>,
    ) -> Result<Reader<'a, 'o>, ImportError> {
        let mut reader = Reader { rest: chunk, origins, indexes: Vec::new(), latest, limits, assembly };
        if chunk.is_empty() {
            return Ok(reader);
        }
        for _ in 0..reader.number()? {
            let Some((node, rest)) = reader.rest.split_first_chunk() else { return Err(DecodeError::Truncated.into()) };
            reader.rest = rest;
            let incarnation = u32::try_from(reader.number()?).map_err(|_| DecodeError::BadNumber)?;
            let index = match u64::from_le_bytes(*node) {
                0 => OriginIndex::NONE,
                node => {
                    let origin = Origin { node: NodeId(node), incarnation };
                    origins.intern_mentioned(origin).ok_or(ImportError::TooManyOrigins)?
                }
            };
            reader.indexes.push(index);
        }
        Ok(reader)
    }

    /// The next item; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item<'a>>, ImportError> {
        while let Some((&tag, rest)) = self.rest.split_first() {
            self.rest = rest;
            match tag {
                item::FLUSH => return Ok(Some(Item::Flush { db: self.db()?, flushed: self.version()? })),
                item::KEY => return Ok(Some(Item::Key(Box::new(self.key()?)))),
                item::PIECE => self.piece()?,
                unknown => return Err(DecodeError::UnknownTag(unknown).into()),
            }
        }
        Ok(None)
    }

    fn piece(&mut self) -> Result<(), ImportError> {
        let piece = self.bytes()?;
        let begun = self.assembly.take().or_else(|| Assembly::of_pieces(piece));
        let assembly = self.assembly.insert(begun.ok_or(DecodeError::BadNumber)?);
        Ok(assembly.add_piece(piece, self.limits)?)
    }

    /// The value whose pieces have come.
    fn assembled(&mut self) -> Result<Value, ImportError> {
        let assembly = self.assembly.take().filter(Assembly::is_whole).ok_or(DecodeError::Truncated)?;
        Ok(assembly.finish(self.limits))
    }

    fn key(&mut self) -> Result<KeyItem<'a>, ImportError> {
        let flags = self.byte()?;
        let has = |flag: u8| flags & flag != 0;
        let (db, key) = (self.db()?, self.bytes()?);
        let value = match (has(flag::VALUE), has(flag::PIECES)) {
            (true, false) => Some(codec::decode(self.bytes()?)?.build(self.limits)),
            (false, true) => Some(self.assembled()?),
            (false, false) => None,
            (true, true) => return Err(DecodeError::BadNumber.into()),
        };
        if self.assembly.is_some() {
            return Err(DecodeError::BadNumber.into());
        }
        let version = if has(flag::VERSION) { Some(self.version()?) } else { None };
        let deadline_ms = if has(flag::DEADLINE) { Some(self.number()?) } else { None };
        let mut record = if has(flag::RECORD) { Some(self.record()?) } else { None };
        let mut identities = if has(flag::IDENTITIES) { Some(Box::new(self.sequence()?)) } else { None };
        let elements = if let Some(Value::List(list)) = &value { Some(list.len()) } else { None };
        let live = identities.as_ref().map(|identities| identities.live());
        if live.is_some_and(|live| live != elements.unwrap_or(0)) {
            return Err(DecodeError::BadNumber.into());
        }
        if let (Some(record), true) = (&mut record, identities.is_some() || elements.is_some()) {
            let whole = || Sequence::whole(version.unwrap_or(Version::ZERO), elements.unwrap_or(0));
            let sequence = identities.take().map_or_else(whole, |identities| *identities);
            record.list.get_or_insert_default().set_sequence(sequence);
        }
        Ok(KeyItem { db, key, value, version, deadline_ms, record, identities })
    }

    fn record(&mut self) -> Result<Record, ImportError> {
        let mut record = Record::new(None, Version::ZERO);
        record.newest = self.version()?;
        record.clear = self.version()?;
        record.restated = self.seen()?;
        for key_type in KeyType::ALL {
            let version = self.version()?;
            if version != Version::ZERO {
                record.creations.set(key_type, version);
            }
        }
        record.deadlines = self.deadlines()?;
        record.operations = self.operations()?.into();
        record.members = Elements::default();
        for _ in 0..self.number()? {
            let member = self.bytes()?;
            record.members.insert(member, self.version()?);
        }
        record.fields = self.fields()?;
        record.scores = self.fields()?;
        record.list = self.list()?;
        if self.number()? != 0 {
            record.stream = Some(Box::new(self.stream()?));
        }
        for collection in COLLECTIONS {
            for _ in 0..self.number()? {
                let element = self.bytes()?;
                record.lifetimes.insert(collection, element, self.deadlines()?);
            }
        }
        Ok(record)
    }

    fn fields(&mut self) -> Result<Elements<Field>, ImportError> {
        let mut fields = Elements::default();
        for _ in 0..self.number()? {
            let name = self.bytes()?;
            let version = if self.number()? == 0 { None } else { Some(self.version()?) };
            let increments = self.operations()?.into();
            fields.insert(name, Field { version, increments });
        }
        Ok(fields)
    }

    fn stream(&mut self) -> Result<StreamRecord, ImportError> {
        let mut record = StreamRecord { ids: self.ids()?, trims: self.raises(Reader::id)?, ..StreamRecord::default() };
        for _ in 0..self.number()? {
            let version = self.version()?;
            record.note_added(self.origins, version);
        }
        record.added_set = self.version()?;
        record.last_id = self.raises(Reader::id)?;
        record.max_deleted_id = self.raises(Reader::id)?;
        for _ in 0..self.number()? {
            let name = self.bytes()?;
            let group = self.group()?;
            record.groups.insert(name.into(), group);
        }
        Ok(record)
    }

    fn group(&mut self) -> Result<GroupRecord, ImportError> {
        let mut group = GroupRecord {
            created: self.version()?,
            destroyed: self.version()?,
            position_set: self.version()?,
            position: self.raises(|reader| {
                Ok(Position { last_id: reader.id()?, entries_read: reader.number()?.checked_sub(1) })
            })?,
            ..GroupRecord::default()
        };
        for _ in 0..self.number()? {
            let name = self.bytes()?;
            let presence = Presence { created: self.version()?, deleted: self.version()? };
            group.consumers.insert(name.into(), presence);
        }
        group.pending = self.ids()?;
        Ok(group)
    }

    fn ids(&mut self) -> Result<BTreeMap<StreamId, Version>, ImportError> {
        let mut ids = BTreeMap::new();
        for _ in 0..self.number()? {
            ids.insert(self.id()?, self.version()?);
        }
        Ok(ids)
    }

    fn raises<T: Copy + Ord>(
        &mut self,
        value: impl Fn(&mut Self) -> Result<T, ImportError>,
    ) -> Result<Raises<T>, ImportError> {
        let mut raises = Raises::default();
        for _ in 0..self.number()? {
            let version = self.version()?;
            raises.raise(self.origins, version, value(self)?);
        }
        Ok(raises)
    }

    fn id(&mut self) -> Result<StreamId, ImportError> {
        Ok(StreamId::new(self.number()?, self.number()?))
    }

    fn sequence(&mut self) -> Result<Sequence, ImportError> {
        let mut runs = Vec::new();
        for _ in 0..self.number()? {
            let Identity { version, index } = self.identity()?;
            let count = u32::try_from(self.number()?).map_err(|_| DecodeError::BadNumber)?;
            let kind = self.number()?;
            let step = match kind >> 1 {
                0 => Step::Index,
                1 => Step::Later,
                2 => Step::Earlier,
                _ => return Err(DecodeError::BadNumber.into()),
            };
            let run = Run::new(version.stamp, version.origin, index, count, step).ok_or(DecodeError::BadNumber)?;
            if step != Step::Index && count > MAX_EFFECTS {
                return Err(DecodeError::BadNumber.into());
            }
            runs.push(if kind & 1 == 0 { run } else { run.removed(self.version()?) });
        }
        Ok(Sequence::from_runs(runs.into_iter()))
    }

    fn identity(&mut self) -> Result<Identity, ImportError> {
        let version = self.version()?;
        let zigzag = self.number()?;
        let index = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        Ok(Identity { version, index: i32::try_from(index).map_err(|_| DecodeError::BadNumber)? })
    }

    /// All but the sequence.
    fn list(&mut self) -> Result<Option<Box<ListRegisters>>, ImportError> {
        let mut list = ListRegisters::default();
        for _ in 0..self.number()? {
            let identity = self.identity()?;
            let kind = self.number()?;
            let toward = if kind & 1 == 0 { End::Head } else { End::Tail };
            let beside = if kind & 2 == 0 { None } else { Some(self.identity()?) };
            list.anchors.insert(identity, Anchor { beside, toward });
        }
        for _ in 0..self.number()? {
            let identity = self.identity()?;
            list.values.insert(identity, self.version()?);
        }
        Ok((!list.is_empty()).then(|| Box::new(list)))
    }

    fn deadlines(&mut self) -> Result<Deadlines, ImportError> {
        let mut writes = Vec::new();
        for _ in 0..self.number()? {
            let version = self.version()?;
            writes.push(Write { version, deadline_ms: Some(self.number()?).filter(|deadline_ms| *deadline_ms > 0) });
        }
        let has_died = self.number()? != 0;
        let death = if has_died { Some(Death { at: self.version()?, cause: self.version()? }) } else { None };
        Ok(Deadlines::from_parts(writes, death, self.origins).ok_or(DecodeError::BadNumber)?)
    }

    fn operations(&mut self) -> Result<Operations, ImportError> {
        let (asleep, awake) = (self.number()?, self.number()?);
        let mut list = Vec::new();
        for _ in 0..asleep {
            list.push(self.operation()?);
        }
        let asleep = std::mem::take(&mut list);
        for _ in 0..awake {
            list.push(self.operation()?);
        }
        let mut cancelled = Vec::new();
        for _ in 0..self.number()? {
            cancelled.push(Cancellation { newest: self.version()?, by: self.version()? });
        }
        Ok(Operations::from_parts(asleep, list, cancelled, self.origins))
    }

    fn operation(&mut self) -> Result<Operation, ImportError> {
        let version = self.version()?;
        let is_restated = self.number()? != 0;
        let action = match self.byte()? {
            action::ADD => {
                let zigzag = self.number()?;
                Action::Add((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
            }
            action::ADD_FLOAT => Action::AddFloat(self.bytes()?.into()),
            action::ADD_SCORE => Action::AddScore(self.score()?),
            action::APPEND => Action::Append(self.bytes()?.into()),
            action::SET_RANGE => Action::SetRange { offset: self.number()?, bytes: self.bytes()?.into() },
            action::SET_BITS => {
                let bit_offset = self.number()?;
                let width = match self.number()? {
                    width @ 1..=64 => width as u8,
                    _ => return Err(DecodeError::BadNumber.into()),
                };
                Action::SetBits { bit_offset, width, value: self.number()? }
            }
            action::RAISE_REGISTERS => {
                Action::RaiseRegisters { sparse_max: self.number()?, registers: self.bytes()?.into() }
            }
            unknown => return Err(DecodeError::UnknownTag(unknown).into()),
        };
        let mut operation = Operation::new(version, action);
        operation.is_restated = is_restated;
        Ok(operation)
    }

    fn seen(&mut self) -> Result<Option<Arc<[Version]>>, ImportError> {
        let mut seen = Vec::new();
        for _ in 0..self.number()? {
            seen.push(self.version()?);
        }
        Ok((!seen.is_empty()).then(|| seen.into()))
    }

    fn version(&mut self) -> Result<Version, ImportError> {
        let stamp = Stamp(self.number()?);
        if stamp > self.latest {
            return Err(ImportError::TooLate(stamp));
        }
        let index = self.number()?;
        let origin = usize::try_from(index).ok().and_then(|index| self.indexes.get(index));
        Ok(Version { stamp, origin: *origin.ok_or(ImportError::UnknownOrigin)? })
    }

    fn score(&mut self) -> Result<f64, ImportError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        let score = f64::from_le_bytes(*bytes);
        if score.is_nan() { Err(DecodeError::BadNumber.into()) } else { Ok(score) }
    }

    fn db(&mut self) -> Result<u32, ImportError> {
        Ok(u32::try_from(self.number()?).map_err(|_| DecodeError::BadNumber)?)
    }

    fn byte(&mut self) -> Result<u8, ImportError> {
        let (&byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, ImportError> {
        Ok(take_varint(&mut self.rest)?)
    }

    fn bytes(&mut self) -> Result<&'a [u8], ImportError> {
        let len = usize::try_from(self.number()?).map_err(|_| DecodeError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}
