//! Effects <-> bytes. The layout, byte by byte, is in docs/mesh-protocol.md.
//!
//! Lengths and counts are LEB128 varints; a decoder never allocates and never trusts a length beyond
//! the bytes that it holds.

use crate::scored::take_score;
use crate::stream::{put_id, put_optional, take_id, take_optional};
use crate::{Collection, Deadline, Deliveries, Effect, End, EntryId, GroupPosition, Identities, Ids, ScoredItems};
use std::fmt;

/// A list of byte strings, still encoded: (varint length, bytes)*.
#[derive(Clone, Copy, PartialEq)]
pub struct Items<'a> {
    encoded: &'a [u8],
}

/// Makes room for an item of a list and, where that takes an allocation, for a few more.
#[inline]
pub(crate) fn reserve_item(buffer: &mut Vec<u8>, len: usize) {
    const HEAD_AND_SCORE: usize = 18;
    const ROOM: usize = 64;
    if buffer.capacity() - buffer.len() < len + HEAD_AND_SCORE {
        buffer.reserve(len + ROOM);
    }
}

/// Builds the encoding that [`Items`] reads.
#[derive(Default)]
pub struct ItemsWriter {
    buffer: Vec<u8>,
}

/// Appends effects to a buffer.
pub struct EffectWriter<'b> {
    buffer: &'b mut Vec<u8>,
}

/// Reads effects back, one after the other.
pub struct EffectReader<'a> {
    rest: &'a [u8],
}

/// Why bytes are not an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end inside an effect.
    Truncated,
    /// No effect has this tag.
    UnknownTag(u8),
    /// A varint longer than ten bytes, or a value outside its range.
    BadNumber,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Truncated => write!(f, "truncated effect"),
            DecodeError::UnknownTag(tag) => write!(f, "unknown effect tag {tag:#04x}"),
            DecodeError::BadNumber => write!(f, "number out of range"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Appends a LEB128 varint.
pub fn put_varint(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

/// Takes a LEB128 varint off the front of `rest`.
pub fn take_varint(rest: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0u64;
    for (index, &byte) in rest.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return Err(DecodeError::BadNumber);
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return Ok(value);
        }
    }
    if rest.len() >= 10 { Err(DecodeError::BadNumber) } else { Err(DecodeError::Truncated) }
}

pub(crate) fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(buffer, bytes.len() as u64);
    buffer.extend_from_slice(bytes);
}

pub(crate) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = take_varint(rest)?;
    if length > rest.len() as u64 {
        return Err(DecodeError::Truncated);
    }
    let (bytes, tail) = rest.split_at(length as usize);
    *rest = tail;
    Ok(bytes)
}

fn take_collection(rest: &mut &[u8]) -> Result<Collection, DecodeError> {
    let (&number, tail) = rest.split_first().ok_or(DecodeError::Truncated)?;
    *rest = tail;
    Collection::from_number(number).ok_or(DecodeError::BadNumber)
}

pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

impl<'a> Items<'a> {
    /// Checks `encoded` once, so that iterating cannot fail.
    pub fn new(encoded: &'a [u8]) -> Result<Items<'a>, DecodeError> {
        let mut rest = encoded;
        while !rest.is_empty() {
            take_bytes(&mut rest)?;
        }
        Ok(Items { encoded })
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut rest = self.encoded;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            Some(take_bytes(&mut rest).expect("checked by Items::new or written by ItemsWriter"))
        })
    }

    /// Items two by two; an odd one at the end is left out.
    pub fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let mut items = self.iter();
        std::iter::from_fn(move || Some((items.next()?, items.next()?)))
    }

    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// As `new` takes it.
    pub fn encoded(&self) -> &'a [u8] {
        self.encoded
    }
}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(String::from_utf8_lossy)).finish()
    }
}

impl ItemsWriter {
    pub fn new() -> ItemsWriter {
        ItemsWriter::default()
    }

    pub fn push(&mut self, item: &[u8]) {
        reserve_item(&mut self.buffer, item.len());
        put_bytes(&mut self.buffer, item);
    }

    pub fn items(&self) -> Items<'_> {
        Items { encoded: &self.buffer }
    }

    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// First byte of each effect.
mod tag {
    pub(super) const SELECT: u8 = 0x01;
    pub(super) const FLUSH_DB: u8 = 0x02;
    pub(super) const FLUSH_ALL: u8 = 0x03;
    pub(super) const DELETE: u8 = 0x04;
    pub(super) const PERSIST: u8 = 0x05;
    pub(super) const EXPIRE: u8 = 0x06;
    pub(super) const PUT: u8 = 0x07;
    pub(super) const PUT_WITH_DEADLINE: u8 = 0x08;
    pub(super) const PERSIST_MEMBERS: u8 = 0x09;
    pub(super) const EXPIRE_MEMBERS: u8 = 0x0a;
    pub(super) const RESTATE: u8 = 0x0b;
    pub(super) const PUBLISH: u8 = 0x0e;
    pub(super) const PUBLISH_SHARDED: u8 = 0x0f;
    pub(super) const SET: u8 = 0x10;
    pub(super) const SET_KEEP_DEADLINE: u8 = 0x11;
    pub(super) const SET_WITH_DEADLINE: u8 = 0x12;
    pub(super) const INCREMENT: u8 = 0x13;
    pub(super) const INCREMENT_FLOAT: u8 = 0x14;
    pub(super) const APPEND: u8 = 0x15;
    pub(super) const SET_RANGE: u8 = 0x16;
    pub(super) const SET_BITS: u8 = 0x17;
    pub(super) const RAISE_REGISTERS: u8 = 0x18;
    pub(super) const SET_ADD: u8 = 0x20;
    pub(super) const SET_REMOVE: u8 = 0x21;
    pub(super) const HASH_SET: u8 = 0x28;
    pub(super) const HASH_DELETE: u8 = 0x29;
    pub(super) const HASH_INCREMENT: u8 = 0x2a;
    pub(super) const HASH_INCREMENT_FLOAT: u8 = 0x2b;
    pub(super) const SORTED_SET_ADD: u8 = 0x38;
    pub(super) const SORTED_SET_REMOVE: u8 = 0x39;
    pub(super) const SORTED_SET_INCREMENT: u8 = 0x3a;
    pub(super) const STREAM_ADD: u8 = 0x40;
    pub(super) const STREAM_DELETE: u8 = 0x41;
    pub(super) const STREAM_TRIM: u8 = 0x42;
    pub(super) const STREAM_SET_ID: u8 = 0x43;
    pub(super) const STREAM_GROUP_CREATE: u8 = 0x44;
    pub(super) const STREAM_GROUP_SET: u8 = 0x45;
    pub(super) const STREAM_GROUP_DESTROY: u8 = 0x46;
    pub(super) const STREAM_DELIVER: u8 = 0x47;
    pub(super) const STREAM_DELIVER_NEW: u8 = 0x48;
    pub(super) const STREAM_CONSUMER_DELETE: u8 = 0x49;
    pub(super) const STREAM_ACKNOWLEDGE: u8 = 0x4a;
    pub(super) const LIST_PUSH_HEAD: u8 = 0x30;
    pub(super) const LIST_PUSH_TAIL: u8 = 0x31;
    pub(super) const LIST_INSERT_BEFORE: u8 = 0x32;
    pub(super) const LIST_INSERT_AFTER: u8 = 0x33;
    pub(super) const LIST_REMOVE: u8 = 0x34;
    pub(super) const LIST_SET: u8 = 0x35;
}

impl<'b> EffectWriter<'b> {
    pub fn new(buffer: &'b mut Vec<u8>) -> EffectWriter<'b> {
        EffectWriter { buffer }
    }

    /// Appends one effect.
    pub fn push(&mut self, effect: &Effect<'_>) {
        match *effect {
            Effect::Select { db } => self.tagged(tag::SELECT).number(u64::from(db)),
            Effect::FlushDb => self.tagged(tag::FLUSH_DB),
            Effect::FlushAll => self.tagged(tag::FLUSH_ALL),
            Effect::Delete { key } => self.tagged(tag::DELETE).bytes(key),
            Effect::Restate { key } => self.tagged(tag::RESTATE).bytes(key),
            Effect::Expire { key, deadline_ms: None } => self.tagged(tag::PERSIST).bytes(key),
            Effect::Expire { key, deadline_ms: Some(ms) } => self.tagged(tag::EXPIRE).bytes(key).number(ms),
            Effect::Publish { channel, payload, sharded } => {
                self.tagged(if sharded { tag::PUBLISH_SHARDED } else { tag::PUBLISH }).bytes(channel).bytes(payload)
            }
            Effect::ExpireMembers { key, collection, members, deadline_ms: None } => {
                self.tagged(tag::PERSIST_MEMBERS).bytes(key).tagged(collection as u8).bytes(members.encoded)
            }
            Effect::ExpireMembers { key, collection, members, deadline_ms: Some(ms) } => {
                self.tagged(tag::EXPIRE_MEMBERS).bytes(key).tagged(collection as u8).bytes(members.encoded).number(ms)
            }
            Effect::Put { key, value, deadline_ms: None } => self.tagged(tag::PUT).bytes(key).bytes(value),
            Effect::Put { key, value, deadline_ms: Some(ms) } => {
                self.tagged(tag::PUT_WITH_DEADLINE).bytes(key).bytes(value).number(ms)
            }
            Effect::Set { key, value, deadline: Deadline::Clear } => self.tagged(tag::SET).bytes(key).bytes(value),
            Effect::Set { key, value, deadline: Deadline::Keep } => {
                self.tagged(tag::SET_KEEP_DEADLINE).bytes(key).bytes(value)
            }
            Effect::Set { key, value, deadline: Deadline::At(ms) } => {
                self.tagged(tag::SET_WITH_DEADLINE).bytes(key).bytes(value).number(ms)
            }
            Effect::Increment { key, delta } => self.tagged(tag::INCREMENT).bytes(key).number(zigzag(delta)),
            Effect::IncrementFloat { key, delta } => self.tagged(tag::INCREMENT_FLOAT).bytes(key).bytes(delta),
            Effect::Append { key, bytes } => self.tagged(tag::APPEND).bytes(key).bytes(bytes),
            Effect::SetRange { key, offset, bytes } => {
                self.tagged(tag::SET_RANGE).bytes(key).number(offset).bytes(bytes)
            }
            Effect::SetBits { key, bit_offset, width, value } => {
                self.tagged(tag::SET_BITS).bytes(key).number(bit_offset).number(u64::from(width)).number(value)
            }
            Effect::RaiseRegisters { key, sparse_max, registers } => {
                self.tagged(tag::RAISE_REGISTERS).bytes(key).number(sparse_max).bytes(registers)
            }
            Effect::SetAdd { key, members } => self.tagged(tag::SET_ADD).bytes(key).bytes(members.encoded),
            Effect::SetRemove { key, members } => self.tagged(tag::SET_REMOVE).bytes(key).bytes(members.encoded),
            Effect::HashSet { key, pairs } => self.tagged(tag::HASH_SET).bytes(key).bytes(pairs.encoded),
            Effect::HashDelete { key, fields } => self.tagged(tag::HASH_DELETE).bytes(key).bytes(fields.encoded),
            Effect::HashIncrement { key, field, delta } => {
                self.tagged(tag::HASH_INCREMENT).bytes(key).bytes(field).number(zigzag(delta))
            }
            Effect::HashIncrementFloat { key, field, delta } => {
                self.tagged(tag::HASH_INCREMENT_FLOAT).bytes(key).bytes(field).bytes(delta)
            }
            Effect::SortedSetAdd { key, pairs } => self.tagged(tag::SORTED_SET_ADD).bytes(key).bytes(pairs.as_bytes()),
            Effect::SortedSetRemove { key, members } => {
                self.tagged(tag::SORTED_SET_REMOVE).bytes(key).bytes(members.encoded)
            }
            Effect::SortedSetIncrement { key, member, delta } => {
                self.tagged(tag::SORTED_SET_INCREMENT).bytes(key).bytes(member).score(delta)
            }
            Effect::StreamAdd { key, id, fields } => {
                self.tagged(tag::STREAM_ADD).bytes(key).id(id).bytes(fields.encoded)
            }
            Effect::StreamDelete { key, ids, max_deleted_id } => {
                self.tagged(tag::STREAM_DELETE).bytes(key).bytes(ids.encoded).id(max_deleted_id)
            }
            Effect::StreamTrim { key, through } => self.tagged(tag::STREAM_TRIM).bytes(key).id(through),
            Effect::StreamSetId { key, last_id, entries_added, max_deleted_id } => {
                self.tagged(tag::STREAM_SET_ID).bytes(key).id(last_id).optional(entries_added).id(max_deleted_id)
            }
            Effect::StreamGroupCreate { key, group, position } => {
                self.tagged(tag::STREAM_GROUP_CREATE).bytes(key).bytes(group).position(position)
            }
            Effect::StreamGroupSet { key, group, position } => {
                self.tagged(tag::STREAM_GROUP_SET).bytes(key).bytes(group).position(position)
            }
            Effect::StreamGroupDestroy { key, group } => self.tagged(tag::STREAM_GROUP_DESTROY).bytes(key).bytes(group),
            Effect::StreamDeliver { key, group, consumer, position: None, deliveries } => {
                self.tagged(tag::STREAM_DELIVER).bytes(key).bytes(group).bytes(consumer).bytes(deliveries.encoded)
            }
            Effect::StreamDeliver { key, group, consumer, position: Some(position), deliveries } => self
                .tagged(tag::STREAM_DELIVER_NEW)
                .bytes(key)
                .bytes(group)
                .bytes(consumer)
                .position(position)
                .bytes(deliveries.encoded),
            Effect::StreamConsumerDelete { key, group, consumer } => {
                self.tagged(tag::STREAM_CONSUMER_DELETE).bytes(key).bytes(group).bytes(consumer)
            }
            Effect::StreamAcknowledge { key, group, ids } => {
                self.tagged(tag::STREAM_ACKNOWLEDGE).bytes(key).bytes(group).bytes(ids.encoded)
            }
            Effect::ListPush { key, end, elements } => {
                let tag = if end == End::Head { tag::LIST_PUSH_HEAD } else { tag::LIST_PUSH_TAIL };
                self.tagged(tag).bytes(key).bytes(elements.encoded)
            }
            Effect::ListInsert { key, anchor, toward, element } => {
                let tag = if toward == End::Head { tag::LIST_INSERT_BEFORE } else { tag::LIST_INSERT_AFTER };
                self.tagged(tag).bytes(key).bytes(anchor.encoded).bytes(element)
            }
            Effect::ListRemove { key, elements } => self.tagged(tag::LIST_REMOVE).bytes(key).bytes(elements.encoded),
            Effect::ListSet { key, element, value } => {
                self.tagged(tag::LIST_SET).bytes(key).bytes(element.encoded).bytes(value)
            }
        };
    }

    fn tagged(&mut self, tag: u8) -> &mut Self {
        self.buffer.push(tag);
        self
    }

    fn number(&mut self, value: u64) -> &mut Self {
        put_varint(self.buffer, value);
        self
    }

    fn score(&mut self, score: f64) -> &mut Self {
        self.buffer.extend_from_slice(&score.to_le_bytes());
        self
    }

    fn id(&mut self, id: EntryId) -> &mut Self {
        put_id(self.buffer, id);
        self
    }

    fn optional(&mut self, value: Option<u64>) -> &mut Self {
        put_optional(self.buffer, value);
        self
    }

    fn position(&mut self, position: GroupPosition) -> &mut Self {
        self.id(position.last_id).optional(position.entries_read)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        put_bytes(self.buffer, bytes);
        self
    }
}

impl<'a> EffectReader<'a> {
    pub fn new(encoded: &'a [u8]) -> EffectReader<'a> {
        EffectReader { rest: encoded }
    }

    fn read(&mut self) -> Result<Effect<'a>, DecodeError> {
        let rest = &mut self.rest;
        let (&tag, tail) = rest.split_first().ok_or(DecodeError::Truncated)?;
        *rest = tail;
        Ok(match tag {
            tag::SELECT => {
                let db = u32::try_from(take_varint(rest)?).map_err(|_| DecodeError::BadNumber)?;
                Effect::Select { db }
            }
            tag::FLUSH_DB => Effect::FlushDb,
            tag::FLUSH_ALL => Effect::FlushAll,
            tag::DELETE => Effect::Delete { key: take_bytes(rest)? },
            tag::RESTATE => Effect::Restate { key: take_bytes(rest)? },
            tag::PERSIST => Effect::Expire { key: take_bytes(rest)?, deadline_ms: None },
            tag::EXPIRE => Effect::Expire { key: take_bytes(rest)?, deadline_ms: Some(take_varint(rest)?) },
            tag::PERSIST_MEMBERS => Effect::ExpireMembers {
                key: take_bytes(rest)?,
                collection: take_collection(rest)?,
                members: Items::new(take_bytes(rest)?)?,
                deadline_ms: None,
            },
            tag::EXPIRE_MEMBERS => Effect::ExpireMembers {
                key: take_bytes(rest)?,
                collection: take_collection(rest)?,
                members: Items::new(take_bytes(rest)?)?,
                deadline_ms: Some(take_varint(rest)?),
            },
            tag::PUT => Effect::Put { key: take_bytes(rest)?, value: take_bytes(rest)?, deadline_ms: None },
            tag::PUT_WITH_DEADLINE => {
                Effect::Put { key: take_bytes(rest)?, value: take_bytes(rest)?, deadline_ms: Some(take_varint(rest)?) }
            }
            tag::PUBLISH | tag::PUBLISH_SHARDED => {
                let sharded = tag == tag::PUBLISH_SHARDED;
                Effect::Publish { channel: take_bytes(rest)?, payload: take_bytes(rest)?, sharded }
            }
            tag::SET => Effect::Set { key: take_bytes(rest)?, value: take_bytes(rest)?, deadline: Deadline::Clear },
            tag::SET_KEEP_DEADLINE => {
                Effect::Set { key: take_bytes(rest)?, value: take_bytes(rest)?, deadline: Deadline::Keep }
            }
            tag::SET_WITH_DEADLINE => Effect::Set {
                key: take_bytes(rest)?,
                value: take_bytes(rest)?,
                deadline: Deadline::At(take_varint(rest)?),
            },
            tag::INCREMENT => Effect::Increment { key: take_bytes(rest)?, delta: unzigzag(take_varint(rest)?) },
            tag::INCREMENT_FLOAT => Effect::IncrementFloat { key: take_bytes(rest)?, delta: take_bytes(rest)? },
            tag::APPEND => Effect::Append { key: take_bytes(rest)?, bytes: take_bytes(rest)? },
            tag::SET_RANGE => {
                Effect::SetRange { key: take_bytes(rest)?, offset: take_varint(rest)?, bytes: take_bytes(rest)? }
            }
            tag::SET_BITS => {
                let (key, bit_offset) = (take_bytes(rest)?, take_varint(rest)?);
                let width = match take_varint(rest)? {
                    width @ 1..=64 => width as u8,
                    _ => return Err(DecodeError::BadNumber),
                };
                Effect::SetBits { key, bit_offset, width, value: take_varint(rest)? }
            }
            tag::RAISE_REGISTERS => Effect::RaiseRegisters {
                key: take_bytes(rest)?,
                sparse_max: take_varint(rest)?,
                registers: take_bytes(rest)?,
            },
            tag::SET_ADD => Effect::SetAdd { key: take_bytes(rest)?, members: Items::new(take_bytes(rest)?)? },
            tag::SET_REMOVE => Effect::SetRemove { key: take_bytes(rest)?, members: Items::new(take_bytes(rest)?)? },
            tag::HASH_SET => Effect::HashSet { key: take_bytes(rest)?, pairs: Items::new(take_bytes(rest)?)? },
            tag::HASH_DELETE => Effect::HashDelete { key: take_bytes(rest)?, fields: Items::new(take_bytes(rest)?)? },
            tag::HASH_INCREMENT => Effect::HashIncrement {
                key: take_bytes(rest)?,
                field: take_bytes(rest)?,
                delta: unzigzag(take_varint(rest)?),
            },
            tag::HASH_INCREMENT_FLOAT => Effect::HashIncrementFloat {
                key: take_bytes(rest)?,
                field: take_bytes(rest)?,
                delta: take_bytes(rest)?,
            },
            tag::SORTED_SET_ADD => {
                Effect::SortedSetAdd { key: take_bytes(rest)?, pairs: ScoredItems::new(take_bytes(rest)?)? }
            }
            tag::SORTED_SET_REMOVE => {
                Effect::SortedSetRemove { key: take_bytes(rest)?, members: Items::new(take_bytes(rest)?)? }
            }
            tag::SORTED_SET_INCREMENT => Effect::SortedSetIncrement {
                key: take_bytes(rest)?,
                member: take_bytes(rest)?,
                delta: take_score(rest)?,
            },
            tag::LIST_PUSH_HEAD | tag::LIST_PUSH_TAIL => Effect::ListPush {
                key: take_bytes(rest)?,
                end: if tag == tag::LIST_PUSH_HEAD { End::Head } else { End::Tail },
                elements: Items::new(take_bytes(rest)?)?,
            },
            tag::LIST_INSERT_BEFORE | tag::LIST_INSERT_AFTER => Effect::ListInsert {
                key: take_bytes(rest)?,
                anchor: Identities::one(take_bytes(rest)?)?,
                toward: if tag == tag::LIST_INSERT_BEFORE { End::Head } else { End::Tail },
                element: take_bytes(rest)?,
            },
            tag::LIST_REMOVE => {
                Effect::ListRemove { key: take_bytes(rest)?, elements: Identities::new(take_bytes(rest)?)? }
            }
            tag::LIST_SET => Effect::ListSet {
                key: take_bytes(rest)?,
                element: Identities::one(take_bytes(rest)?)?,
                value: take_bytes(rest)?,
            },
            tag => return read_stream(tag, rest),
        })
    }
}

/// The rest of an effect on a stream.
fn read_stream<'a>(tag: u8, rest: &mut &'a [u8]) -> Result<Effect<'a>, DecodeError> {
    let position = |rest: &mut &[u8]| {
        Ok::<_, DecodeError>(GroupPosition { last_id: take_id(rest)?, entries_read: take_optional(rest)? })
    };
    Ok(match tag {
        tag::STREAM_ADD => {
            Effect::StreamAdd { key: take_bytes(rest)?, id: take_id(rest)?, fields: Items::new(take_bytes(rest)?)? }
        }
        tag::STREAM_DELETE => Effect::StreamDelete {
            key: take_bytes(rest)?,
            ids: Ids::new(take_bytes(rest)?)?,
            max_deleted_id: take_id(rest)?,
        },
        tag::STREAM_TRIM => Effect::StreamTrim { key: take_bytes(rest)?, through: take_id(rest)? },
        tag::STREAM_SET_ID => Effect::StreamSetId {
            key: take_bytes(rest)?,
            last_id: take_id(rest)?,
            entries_added: take_optional(rest)?,
            max_deleted_id: take_id(rest)?,
        },
        tag::STREAM_GROUP_CREATE => {
            Effect::StreamGroupCreate { key: take_bytes(rest)?, group: take_bytes(rest)?, position: position(rest)? }
        }
        tag::STREAM_GROUP_SET => {
            Effect::StreamGroupSet { key: take_bytes(rest)?, group: take_bytes(rest)?, position: position(rest)? }
        }
        tag::STREAM_GROUP_DESTROY => Effect::StreamGroupDestroy { key: take_bytes(rest)?, group: take_bytes(rest)? },
        tag::STREAM_DELIVER | tag::STREAM_DELIVER_NEW => Effect::StreamDeliver {
            key: take_bytes(rest)?,
            group: take_bytes(rest)?,
            consumer: take_bytes(rest)?,
            position: if tag == tag::STREAM_DELIVER_NEW { Some(position(rest)?) } else { None },
            deliveries: Deliveries::new(take_bytes(rest)?)?,
        },
        tag::STREAM_CONSUMER_DELETE => Effect::StreamConsumerDelete {
            key: take_bytes(rest)?,
            group: take_bytes(rest)?,
            consumer: take_bytes(rest)?,
        },
        tag::STREAM_ACKNOWLEDGE => Effect::StreamAcknowledge {
            key: take_bytes(rest)?,
            group: take_bytes(rest)?,
            ids: Ids::new(take_bytes(rest)?)?,
        },
        unknown => return Err(DecodeError::UnknownTag(unknown)),
    })
}

impl<'a> Iterator for EffectReader<'a> {
    type Item = Result<Effect<'a>, DecodeError>;

    /// The next effect; after an error there are no more.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let effect = self.read();
        if effect.is_err() {
            self.rest = &[];
        }
        Some(effect)
    }
}
