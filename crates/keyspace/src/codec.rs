//! Values <-> bytes, for `Effect::Put` and for the transfer of state: a type byte and the elements,
//! as varint length and bytes each. docs/mesh-protocol.md has it byte by byte.

mod assembly;
mod progress;
mod stream;

pub(crate) use assembly::Assembly;
pub(crate) use progress::Progress;
pub use stream::{EncodedStream, StreamPart};

use crate::KeyType;
use crate::entry::{Entry, NewValue, Value, ValueRef, Verbatim};
use effect::{DecodeError, Items, ScoredItems, put_varint, take_varint};
use values::{EncodingLimits, Expiring, Hash, List, Set, SortedSet};

/// First byte: what the rest is.
mod tag {
    /// The bytes of the string, to the end.
    pub(super) const STRING: u8 = 0;
    /// Members.
    pub(super) const SET: u8 = 1;
    /// Field, value, field, value, …
    pub(super) const HASH: u8 = 2;
    /// Elements from head to tail.
    pub(super) const LIST: u8 = 3;
    /// Member, score (a double, little endian), member, score, …
    pub(super) const SORTED_SET: u8 = 4;
    pub(super) const STREAM: u8 = 5;
    /// The bytes of a string that is no integer to OBJECT ENCODING, even where it looks like one.
    pub(super) const TEXT: u8 = 0x10;
    /// The same, and its encoding is raw, however short it is.
    pub(super) const RAW: u8 = 0x11;
    /// Beside the number of a collection: after each element comes its deadline, as a varint, or nothing for none.
    pub(super) const WITH_DEADLINES: u8 = 0x20;
    pub(super) const EXPIRING_SET: u8 = SET | WITH_DEADLINES;
    pub(super) const EXPIRING_HASH: u8 = HASH | WITH_DEADLINES;
    pub(super) const EXPIRING_SORTED_SET: u8 = SORTED_SET | WITH_DEADLINES;
}

fn push(output: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(output, bytes.len() as u64);
    output.extend_from_slice(bytes);
}

/// The encoding of an entry's value, with what OBJECT ENCODING says of a string.
pub(crate) fn encoded_entry(entry: &Entry) -> Vec<u8> {
    match entry.verbatim() {
        Some(text) => encoded_verbatim(text),
        None => encoded(entry.value()),
    }
}

pub(crate) fn encoded_verbatim(text: Verbatim<&[u8]>) -> Vec<u8> {
    let mut output = vec![if text.is_modified { tag::RAW } else { tag::TEXT }];
    output.extend_from_slice(text.bytes);
    output
}

/// The encoding of a value that is about to be put.
pub(crate) fn encoded_new(value: &NewValue<'_>) -> Vec<u8> {
    match value {
        NewValue::Verbatim(text) => encoded_verbatim(*text),
        value => encoded(value.view()),
    }
}

/// Begins a collection, where this is the first of it. Returns it where deadlines are to be written.
fn tagged<'c>(
    output: &mut Vec<u8>,
    is_first: bool,
    number: u8,
    collection: Option<&'c dyn Expiring>,
) -> Option<&'c dyn Expiring> {
    let deadlines = collection.filter(|collection| collection.earliest_deadline_ms().is_some());
    output.extend(is_first.then_some(if deadlines.is_some() { number | tag::WITH_DEADLINES } else { number }));
    deadlines
}

fn push_deadline(output: &mut Vec<u8>, deadlines: Option<&dyn Expiring>, element: &[u8]) {
    let Some(deadlines) = deadlines else { return };
    let mut varint = Vec::new();
    deadlines.deadline_ms(element).into_iter().for_each(|deadline_ms| put_varint(&mut varint, deadline_ms));
    push(output, &varint);
}

/// Reads what `push_deadline` wrote.
fn decode_deadline(bytes: &[u8]) -> Result<Option<u64>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut rest = bytes;
    let deadline_ms = take_varint(&mut rest)?;
    if rest.is_empty() { Ok(Some(deadline_ms)) } else { Err(DecodeError::BadNumber) }
}

/// The encoding of a value.
pub(crate) fn encoded(value: ValueRef<'_>) -> Vec<u8> {
    let mut output = Vec::new();
    let is_whole = Progress::default().go_on(value, usize::MAX, &mut output);
    debug_assert!(is_whole, "there is no limit");
    output
}

/// Field, value and deadline, where there is one.
type ExpiringField<'a> = (&'a [u8], &'a [u8], Option<u64>);

/// Elements with their values and deadlines.
fn decode_fields(encoded: &[u8]) -> Result<Vec<ExpiringField<'_>>, DecodeError> {
    let mut items = Items::new(encoded)?.iter();
    let mut fields = Vec::new();
    while let Some(field) = items.next() {
        let mut next = || items.next().ok_or(DecodeError::Truncated);
        let (value, deadline_ms) = (next()?, decode_deadline(next()?)?);
        fields.push((field, value, deadline_ms));
    }
    Ok(fields)
}

/// A value, decoded, but not yet built.
#[derive(Clone, Debug)]
pub enum Decoded<'a> {
    String(&'a [u8]),
    /// Not to be held as an integer; as if `modified` in place.
    Verbatim {
        bytes: &'a [u8],
        modified: bool,
    },
    Set(Items<'a>),
    Hash(Items<'a>),
    List(Items<'a>),
    SortedSet(ScoredItems<'a>),
    Stream(EncodedStream<'a>),
    /// Member and deadline, where there is one.
    ExpiringSet(Vec<(&'a [u8], Option<u64>)>),
    /// Field, value and deadline.
    ExpiringHash(Vec<ExpiringField<'a>>),
    /// Member, score and deadline.
    ExpiringSortedSet(Vec<(&'a [u8], f64, Option<u64>)>),
}

/// Reads the encoding of a value.
pub fn decode(encoded: &[u8]) -> Result<Decoded<'_>, DecodeError> {
    let (&tag, rest) = encoded.split_first().ok_or(DecodeError::Truncated)?;
    match tag {
        tag::STRING => Ok(Decoded::String(rest)),
        tag::TEXT | tag::RAW => Ok(Decoded::Verbatim { bytes: rest, modified: tag == tag::RAW }),
        tag::SET => Ok(Decoded::Set(Items::new(rest)?)),
        tag::HASH => {
            let items = Items::new(rest)?;
            if items.iter().count() % 2 == 0 { Ok(Decoded::Hash(items)) } else { Err(DecodeError::Truncated) }
        }
        tag::LIST => Ok(Decoded::List(Items::new(rest)?)),
        tag::SORTED_SET => Ok(Decoded::SortedSet(ScoredItems::new(rest)?)),
        tag::STREAM => Ok(Decoded::Stream(EncodedStream::new(rest)?)),
        tag::EXPIRING_SET => {
            let mut items = Items::new(rest)?.iter();
            let mut members = Vec::new();
            while let Some(member) = items.next() {
                members.push((member, decode_deadline(items.next().ok_or(DecodeError::Truncated)?)?));
            }
            Ok(Decoded::ExpiringSet(members))
        }
        tag::EXPIRING_HASH => Ok(Decoded::ExpiringHash(decode_fields(rest)?)),
        tag::EXPIRING_SORTED_SET => {
            let members = decode_fields(rest)?.into_iter().map(|(member, score, deadline_ms)| {
                let score = f64::from_le_bytes(score.try_into().map_err(|_| DecodeError::BadNumber)?);
                if score.is_nan() { Err(DecodeError::BadNumber) } else { Ok((member, score, deadline_ms)) }
            });
            Ok(Decoded::ExpiringSortedSet(members.collect::<Result<_, _>>()?))
        }
        unknown => Err(DecodeError::UnknownTag(unknown)),
    }
}

impl Decoded<'_> {
    pub(crate) fn build(&self, limits: &EncodingLimits) -> Value {
        match self {
            Decoded::String(bytes) => Value::Bytes(bytes.to_vec()),
            Decoded::Verbatim { bytes, modified } => {
                Value::Verbatim(Verbatim { bytes: bytes.to_vec(), is_modified: *modified })
            }
            Decoded::Set(members) => {
                let mut set = Set::new();
                for member in members.iter() {
                    set.insert(member, limits);
                }
                Value::Set(set)
            }
            Decoded::Hash(pairs) => {
                let mut hash = Hash::new();
                for (field, value) in pairs.pairs() {
                    hash.insert(field, value, limits);
                }
                Value::Hash(hash)
            }
            Decoded::List(elements) => Value::List(List::from_elements(elements.iter(), limits)),
            Decoded::SortedSet(pairs) => {
                let mut set = SortedSet::new();
                for (member, score) in pairs.iter() {
                    set.insert(member, score, limits);
                }
                Value::SortedSet(set)
            }
            Decoded::Stream(stream) => Value::Stream(stream.build(limits)),
            Decoded::ExpiringSet(members) => {
                let mut set = Set::new();
                for (member, deadline_ms) in members {
                    set.insert(member, limits);
                    set.set_deadline_ms(member, *deadline_ms);
                }
                Value::Set(set)
            }
            Decoded::ExpiringHash(fields) => {
                let mut hash = Hash::new();
                for (field, value, deadline_ms) in fields {
                    hash.insert(field, value, limits);
                    hash.set_deadline_ms(field, *deadline_ms);
                }
                Value::Hash(hash)
            }
            Decoded::ExpiringSortedSet(members) => {
                let mut set = SortedSet::new();
                for (member, score, deadline_ms) in members {
                    set.insert(member, *score, limits);
                    set.set_deadline_ms(member, *deadline_ms);
                }
                Value::SortedSet(set)
            }
        }
    }
}

impl NewValue<'_> {
    pub(crate) fn key_type(&self) -> KeyType {
        match self {
            NewValue::Int(_) | NewValue::Bytes(_) | NewValue::Verbatim(_) | NewValue::Long(_) => KeyType::String,
            NewValue::Set(_) => KeyType::Set,
            NewValue::Hash(_) => KeyType::Hash,
            NewValue::List(_) => KeyType::List,
            NewValue::SortedSet(_) => KeyType::SortedSet,
            NewValue::Stream(_) => KeyType::Stream,
        }
    }
}
