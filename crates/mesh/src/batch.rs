//! Batches: many records in one frame, each little more than its effects. See docs/mesh-protocol.md.
//!
//! A batch is a sequence of items. An item begins with the varint `(index << 2 | flags) + 1`, a record of the
//! stream that has this index, or with `DEFINE`, which gives the next free index to a stream. Stamps are
//! differences to the previous one of the same stream in the batch, so that a batch can be read without
//! what came before it.

use crate::Record;
use crate::message::{put_origin, put_u64, take_origin, take_sized, take_u64};
use effect::{DecodeError, Origin, Stamp, put_varint, take_varint};

/// An item that names a stream: its origin, then the stamp that its differences start from.
const DEFINE: u64 = 0;
/// A context follows the stamp.
const HAS_CONTEXT: u64 = 1;
/// A count follows, else it is 1.
const HAS_COUNT: u64 = 2;

/// A stream's place in a batch.
struct Slot {
    origin: Origin,
    /// `last` of its latest record in the batch; at first, of the record before the batch.
    last: Stamp,
    /// Its latest stamp in a context.
    seen: Stamp,
}

/// Builds batches.
#[derive(Default)]
pub struct BatchWriter {
    buffer: Vec<u8>,
    slots: Vec<Slot>,
}

impl BatchWriter {
    pub fn push(&mut self, record: &Record<'_>) {
        let at = |slot: &Slot| slot.origin == record.origin && slot.last == record.previous;
        let index = self.slots.iter().position(at).unwrap_or_else(|| self.define(record.origin, record.previous));
        for (origin, stamp) in record.context.iter().chain(record.assumed) {
            self.context_slot(*origin, *stamp);
        }
        let has_context = !record.context.is_empty() || !record.assumed.is_empty();
        let context_flag = if has_context { HAS_CONTEXT } else { 0 };
        let count_flag = if record.count == 1 { 0 } else { HAS_COUNT };
        put_varint(&mut self.buffer, ((index as u64) << 2 | context_flag | count_flag) + 1);
        put_varint(&mut self.buffer, record.first.0.wrapping_sub(record.previous.0));
        if record.count != 1 {
            put_varint(&mut self.buffer, record.count);
        }
        if has_context {
            let assumed_flag = u64::from(!record.assumed.is_empty());
            put_varint(&mut self.buffer, (record.context.len() as u64) << 1 | assumed_flag);
            self.push_seen(record.context);
            if !record.assumed.is_empty() {
                put_varint(&mut self.buffer, record.assumed.len() as u64);
                self.push_seen(record.assumed);
            }
        }
        if record.count > 0 {
            put_varint(&mut self.buffer, record.effects.len() as u64);
            self.buffer.extend_from_slice(record.effects);
        }
        self.slots[index].last = record.last();
    }

    fn push_seen(&mut self, seen: &[(Origin, Stamp)]) {
        for (origin, stamp) in seen {
            let index = self.context_slot(*origin, *stamp);
            let slot = &mut self.slots[index];
            put_varint(&mut self.buffer, index as u64);
            put_varint(&mut self.buffer, zigzag(stamp.0.wrapping_sub(slot.seen.0) as i64));
            slot.seen = *stamp;
        }
    }

    /// Any place of `origin`, defined now if it has none.
    fn context_slot(&mut self, origin: Origin, base: Stamp) -> usize {
        let found = self.slots.iter().position(|slot| slot.origin == origin);
        found.unwrap_or_else(|| self.define(origin, base))
    }

    fn define(&mut self, origin: Origin, base: Stamp) -> usize {
        put_varint(&mut self.buffer, DEFINE);
        put_origin(&mut self.buffer, origin);
        put_u64(&mut self.buffer, base.0);
        self.slots.push(Slot { origin, last: base, seen: base });
        self.slots.len() - 1
    }

    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    pub fn clear(&mut self) {
        self.buffer.clear();
        self.slots.clear();
    }
}

/// Reads a batch back.
pub struct BatchReader<'a> {
    rest: &'a [u8],
    slots: Vec<Slot>,
    context: Vec<(Origin, Stamp)>,
    assumed: Vec<(Origin, Stamp)>,
}

impl<'a> BatchReader<'a> {
    pub fn new(batch: &'a [u8]) -> BatchReader<'a> {
        BatchReader { rest: batch, slots: Vec::new(), context: Vec::new(), assumed: Vec::new() }
    }

    /// The next record; `None` at the end. After an error there is nothing to read.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, DecodeError> {
        while !self.rest.is_empty() {
            match take_varint(&mut self.rest)? {
                DEFINE => {
                    let origin = take_origin(&mut self.rest)?;
                    let base = Stamp(take_u64(&mut self.rest)?);
                    self.slots.push(Slot { origin, last: base, seen: base });
                }
                head => return self.record(head - 1).map(Some),
            }
        }
        Ok(None)
    }

    fn record(&mut self, head: u64) -> Result<Record<'_>, DecodeError> {
        let rest = &mut self.rest;
        let step = take_varint(rest)?;
        let count = if head & HAS_COUNT != 0 { take_varint(rest)? } else { 1 };
        self.context.clear();
        self.assumed.clear();
        if head & HAS_CONTEXT != 0 {
            let entries = take_varint(rest)?;
            take_seen(rest, entries >> 1, &mut self.slots, &mut self.context)?;
            if entries & 1 != 0 {
                let entries = take_varint(rest)?;
                take_seen(rest, entries, &mut self.slots, &mut self.assumed)?;
            }
        }
        let effects = if count > 0 { take_sized(rest)? } else { &[] };
        let slot = slot(&mut self.slots, head >> 2)?;
        let previous = slot.last;
        // A stream moves forward, and no stamp of the record may pass the end of the number range.
        let first = previous.0.checked_add(step).filter(|_| step > 0).ok_or(DecodeError::BadNumber)?;
        let last = first.checked_add(count.saturating_sub(1)).ok_or(DecodeError::BadNumber)?;
        slot.last = Stamp(last);
        let (context, assumed) = (&self.context, &self.assumed);
        Ok(Record { origin: slot.origin, previous, first: Stamp(first), count, context, assumed, effects })
    }
}

fn take_seen(
    rest: &mut &[u8],
    entries: u64,
    slots: &mut [Slot],
    seen: &mut Vec<(Origin, Stamp)>,
) -> Result<(), DecodeError> {
    for _ in 0..entries {
        let slot = slot(slots, take_varint(rest)?)?;
        slot.seen = Stamp(slot.seen.0.wrapping_add(unzigzag(take_varint(rest)?) as u64));
        seen.push((slot.origin, slot.seen));
    }
    Ok(())
}

fn slot(slots: &mut [Slot], index: u64) -> Result<&mut Slot, DecodeError> {
    usize::try_from(index).ok().and_then(|index| slots.get_mut(index)).ok_or(DecodeError::BadNumber)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::OwnedRecord;
    use effect::{Deadline, Effect, EffectWriter, NodeId};
    use proptest::prelude::*;

    fn origin(node: u64) -> Origin {
        Origin { node: NodeId(node), incarnation: 1 }
    }

    fn read_all(batch: &[u8]) -> Result<Vec<OwnedRecord>, DecodeError> {
        let mut reader = BatchReader::new(batch);
        let mut records = Vec::new();
        while let Some(record) = reader.next_record()? {
            records.push(record.to_owned());
        }
        Ok(records)
    }

    #[test]
    fn a_busy_stream_of_small_sets_costs_four_bytes_over_its_effects() {
        let mut batch = BatchWriter::default();
        let mut effects = Vec::new();
        EffectWriter::new(&mut effects).push(&Effect::Set {
            key: &[b'k'; 16],
            value: &[b'v'; 16],
            deadline: Deadline::Clear,
        });
        let start = Stamp::from_ms(1_795_000_000_000);
        let mut previous = start;
        for n in 1..=100 {
            let record = Record {
                origin: origin(1),
                previous,
                first: start.plus(n),
                count: 1,
                context: &[],
                assumed: &[],
                effects: &effects,
            };
            batch.push(&record);
            previous = record.last();
        }
        assert_eq!(effects.len(), 35);
        assert_eq!(batch.len(), 18 + 100 * (35 + 3));
    }

    #[test]
    fn a_stream_that_stands_still_is_refused() {
        let mut batch = vec![DEFINE as u8];
        put_origin(&mut batch, origin(1));
        put_u64(&mut batch, 7);
        batch.extend_from_slice(&[HAS_COUNT as u8 + 1, 0, 0]);
        assert_eq!(read_all(&batch).unwrap_err(), DecodeError::BadNumber);
    }

    /// Streams of three origins, interleaved, each without a hole.
    fn streams() -> impl Strategy<Value = Vec<OwnedRecord>> {
        let context = prop::collection::vec((1u64..6, any::<u64>()), 0..4);
        let effects = prop::collection::vec(any::<u8>(), 0..20);
        prop::collection::vec((1u64..4, 1u64..1 << 40, 0u64..5, context, effects), 0..40).prop_map(|steps| {
            let mut last = [Stamp(5); 4];
            steps
                .into_iter()
                .map(|(node, step, count, context, effects)| {
                    let context: Vec<_> =
                        context.into_iter().map(|(node, stamp)| (origin(node), Stamp(stamp))).collect();
                    let previous = last[node as usize];
                    let record = Record {
                        origin: origin(node),
                        previous,
                        first: previous.plus(step),
                        count,
                        context: &context,
                        assumed: &[],
                        effects: if count == 0 { &[] } else { &effects },
                    };
                    last[node as usize] = record.last();
                    record.to_owned()
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn batches_round_trip(records in streams()) {
            let mut batch = BatchWriter::default();
            for record in &records {
                batch.push(&record.borrow());
            }
            let read = read_all(batch.bytes()).unwrap();
            prop_assert_eq!(read.len(), records.len());
            for (read, record) in read.iter().zip(&records) {
                prop_assert_eq!(read.borrow(), record.borrow());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_all(&bytes);
        }

        #[test]
        fn damaged_batches_never_panic(records in streams(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut batch = BatchWriter::default();
            for record in &records {
                batch.push(&record.borrow());
            }
            let mut bytes = batch.bytes().to_vec();
            if !bytes.is_empty() {
                let index = at.index(bytes.len());
                bytes[index] = byte;
                let _ = read_all(&bytes);
            }
        }
    }
}
