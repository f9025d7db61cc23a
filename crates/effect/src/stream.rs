//! Parts of the effects on streams: ids, and lists of them, in few bytes.
//!
//! An id in a list is its milliseconds less those of the one before (of 0 at first; zigzag), and its sequence number.

use crate::codec::{DecodeError, put_varint, take_varint, unzigzag, zigzag};
use std::fmt;

/// The id of an entry: milliseconds << 64 | sequence number.
pub type EntryId = u128;

/// How far a group has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupPosition {
    pub last_id: EntryId,
    pub entries_read: Option<u64>,
}

/// An entry that is pending at a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    pub id: EntryId,
    pub delivered_ms: u64,
    pub deliveries: u64,
}

/// A list of ids, still encoded.
#[derive(Clone, Copy, PartialEq)]
pub struct Ids<'a> {
    pub(crate) encoded: &'a [u8],
}

/// A list of deliveries, still encoded: id, time less that of the one before (zigzag), count.
#[derive(Clone, Copy, PartialEq)]
pub struct Deliveries<'a> {
    pub(crate) encoded: &'a [u8],
}

/// Builds what [`Ids`] and [`Deliveries`] read.
#[derive(Default)]
pub struct DeliveriesWriter {
    buffer: Vec<u8>,
    last_ms: u64,
    last_delivered_ms: u64,
}

pub(crate) fn put_id(buffer: &mut Vec<u8>, id: EntryId) {
    put_varint(buffer, (id >> 64) as u64);
    put_varint(buffer, id as u64);
}

pub(crate) fn take_id(rest: &mut &[u8]) -> Result<EntryId, DecodeError> {
    let ms = take_varint(rest)?;
    Ok(u128::from(ms) << 64 | u128::from(take_varint(rest)?))
}

/// None is 0.
pub(crate) fn put_optional(buffer: &mut Vec<u8>, value: Option<u64>) {
    put_varint(buffer, value.map_or(0, |value| value.saturating_add(1)));
}

pub(crate) fn take_optional(rest: &mut &[u8]) -> Result<Option<u64>, DecodeError> {
    Ok(take_varint(rest)?.checked_sub(1))
}

/// Reads a list: the ids that were read so far are told by their milliseconds.
struct ListReader<'a> {
    rest: &'a [u8],
    last_ms: u64,
    last_delivered_ms: u64,
}

impl<'a> ListReader<'a> {
    fn new(encoded: &'a [u8]) -> ListReader<'a> {
        ListReader { rest: encoded, last_ms: 0, last_delivered_ms: 0 }
    }

    fn id(&mut self) -> Result<EntryId, DecodeError> {
        self.last_ms = self.last_ms.wrapping_add(unzigzag(take_varint(&mut self.rest)?) as u64);
        Ok(u128::from(self.last_ms) << 64 | u128::from(take_varint(&mut self.rest)?))
    }

    fn delivery(&mut self) -> Result<Delivery, DecodeError> {
        let id = self.id()?;
        let later = unzigzag(take_varint(&mut self.rest)?) as u64;
        self.last_delivered_ms = self.last_delivered_ms.wrapping_add(later);
        Ok(Delivery { id, delivered_ms: self.last_delivered_ms, deliveries: take_varint(&mut self.rest)? })
    }
}

impl<'a> Ids<'a> {
    /// Checks `encoded` once, so that iterating cannot fail.
    pub fn new(encoded: &'a [u8]) -> Result<Ids<'a>, DecodeError> {
        let mut reader = ListReader::new(encoded);
        while !reader.rest.is_empty() {
            reader.id()?;
        }
        Ok(Ids { encoded })
    }

    pub fn iter(&self) -> impl Iterator<Item = EntryId> + use<'a> {
        let mut reader = ListReader::new(self.encoded);
        std::iter::from_fn(move || {
            (!reader.rest.is_empty()).then(|| reader.id().expect("checked by Ids::new or written by DeliveriesWriter"))
        })
    }

    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }
}

impl<'a> Deliveries<'a> {
    /// Checks `encoded` once, so that iterating cannot fail.
    pub fn new(encoded: &'a [u8]) -> Result<Deliveries<'a>, DecodeError> {
        let mut reader = ListReader::new(encoded);
        while !reader.rest.is_empty() {
            reader.delivery()?;
        }
        Ok(Deliveries { encoded })
    }

    pub fn iter(&self) -> impl Iterator<Item = Delivery> + use<'a> {
        let mut reader = ListReader::new(self.encoded);
        std::iter::from_fn(move || {
            (!reader.rest.is_empty())
                .then(|| reader.delivery().expect("checked by Deliveries::new or written by DeliveriesWriter"))
        })
    }

    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }
}

impl DeliveriesWriter {
    pub fn new() -> DeliveriesWriter {
        DeliveriesWriter::default()
    }

    /// For a list of ids.
    pub fn push_id(&mut self, id: EntryId) {
        let ms = (id >> 64) as u64;
        put_varint(&mut self.buffer, zigzag(ms.wrapping_sub(self.last_ms) as i64));
        put_varint(&mut self.buffer, id as u64);
        self.last_ms = ms;
    }

    /// For a list of deliveries.
    pub fn push(&mut self, delivery: Delivery) {
        self.push_id(delivery.id);
        put_varint(&mut self.buffer, zigzag(delivery.delivered_ms.wrapping_sub(self.last_delivered_ms) as i64));
        put_varint(&mut self.buffer, delivery.deliveries);
        self.last_delivered_ms = delivery.delivered_ms;
    }

    /// Where only ids were pushed.
    pub fn ids(&self) -> Ids<'_> {
        Ids { encoded: &self.buffer }
    }

    /// Where only deliveries were pushed.
    pub fn deliveries(&self) -> Deliveries<'_> {
        Deliveries { encoded: &self.buffer }
    }

    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl fmt::Debug for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|id| format!("{}-{}", id >> 64, id as u64))).finish()
    }
}

impl fmt::Debug for Deliveries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
