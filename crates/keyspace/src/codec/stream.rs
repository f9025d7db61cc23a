//! Streams <-> bytes.

use super::assembly::take_bytes;
use effect::{DecodeError, put_varint, take_varint};
use values::{Element, EncodingLimits, Group, Position, Stream, StreamEntry, StreamId};

/// A piece of a stream as its encoding gives it, in this order; what belongs to a group follows it.
#[derive(Debug)]
pub enum StreamPart<'p> {
    Head {
        last_id: StreamId,
        max_deleted_id: StreamId,
        entries_added: u64,
    },
    Entry {
        id: StreamId,
        fields: &'p [(Element<'p>, Element<'p>)],
    },
    Group {
        name: &'p [u8],
        position: Position,
    },
    Consumer {
        name: &'p [u8],
        seen_ms: u64,
        active_ms: Option<u64>,
    },
    Pending {
        id: StreamId,
        consumer: &'p [u8],
        delivered_ms: u64,
        deliveries: u64,
    },
    /// See `Group::skipped`.
    Skipped {
        id: StreamId,
    },
}

/// The encoding of a stream, checked.
#[derive(Clone, Copy, Debug)]
pub struct EncodedStream<'a> {
    encoded: &'a [u8],
}

pub(super) fn encode_head(stream: &Stream, output: &mut Vec<u8>) {
    put_id(output, stream.last_id);
    put_id(output, stream.max_deleted_id);
    put_varint(output, stream.entries_added);
    put_varint(output, stream.len() as u64);
}

pub(super) fn encode_entry(entry: StreamEntry<'_>, output: &mut Vec<u8>) {
    put_id(output, entry.id);
    put_varint(output, entry.fields.len() as u64);
    for (name, value) in entry.fields {
        name.with_bytes(|name| super::push(output, name));
        value.with_bytes(|value| super::push(output, value));
    }
}

pub(super) fn encode_groups(stream: &Stream, output: &mut Vec<u8>) {
    put_varint(output, stream.groups().len() as u64);
    for (name, group) in stream.groups() {
        encode_group(name, group, output);
    }
}

fn encode_group(name: &[u8], group: &Group, output: &mut Vec<u8>) {
    super::push(output, name);
    put_id(output, group.position.last_id);
    put_optional(output, group.position.entries_read);
    put_varint(output, group.consumers().len() as u64);
    for (name, consumer) in group.consumers() {
        super::push(output, name);
        put_varint(output, consumer.seen_ms);
        put_optional(output, consumer.active_ms);
        put_varint(output, consumer.pending_count() as u64);
        for (id, pending) in group.pending_at(consumer, StreamId::MIN..=StreamId::MAX) {
            put_id(output, id);
            put_varint(output, pending.delivered_ms);
            put_varint(output, pending.deliveries);
        }
    }
    put_varint(output, group.skipped().len() as u64);
    group.skipped().for_each(|id| put_id(output, id));
}

fn put_id(output: &mut Vec<u8>, id: StreamId) {
    put_varint(output, id.ms());
    put_varint(output, id.sequence());
}

/// None is 0.
fn put_optional(output: &mut Vec<u8>, value: Option<u64>) {
    put_varint(output, value.map_or(0, |value| value.saturating_add(1)));
}

fn take_id(rest: &mut &[u8]) -> Result<StreamId, DecodeError> {
    Ok(StreamId::new(take_varint(rest)?, take_varint(rest)?))
}

fn take_optional(rest: &mut &[u8]) -> Result<Option<u64>, DecodeError> {
    Ok(take_varint(rest)?.checked_sub(1))
}

impl<'a> EncodedStream<'a> {
    /// Checks all of it.
    pub(super) fn new(encoded: &'a [u8]) -> Result<EncodedStream<'a>, DecodeError> {
        read(encoded, &mut |_| ())?;
        Ok(EncodedStream { encoded })
    }

    /// Calls `part` for every piece.
    pub fn read(&self, mut part: impl FnMut(StreamPart<'_>)) {
        read(self.encoded, &mut part).expect("checked by EncodedStream::new");
    }

    pub(super) fn build(&self, limits: &EncodingLimits) -> Stream {
        let mut builder = Builder::default();
        self.read(|part| builder.add(part, limits));
        builder.finish()
    }
}

/// A stream, as far as its parts have come.
#[derive(Default)]
pub(super) struct Builder {
    stream: Stream,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    group: Option<(Vec<u8>, Group)>,
}

impl Builder {
    pub(super) fn add(&mut self, part: StreamPart<'_>, limits: &EncodingLimits) {
        match part {
            StreamPart::Head { last_id, max_deleted_id, entries_added } => {
                (self.last_id, self.max_deleted_id, self.entries_added) = (last_id, max_deleted_id, entries_added);
            }
            // While the last id is that of the entry before, this one goes to the end.
            StreamPart::Entry { id, fields } => _ = self.stream.insert(id, fields, limits),
            StreamPart::Group { name, position } => {
                self.end_group();
                self.group = Some((name.to_vec(), Group::new(position)));
            }
            part => self.group.iter_mut().for_each(|(_, group)| add_to_group(group, &part)),
        }
    }

    fn end_group(&mut self) {
        if let Some((name, group)) = self.group.take() {
            self.stream.insert_group(&name, group);
        }
    }

    pub(super) fn finish(mut self) -> Stream {
        self.end_group();
        let Builder { mut stream, last_id, max_deleted_id, entries_added, .. } = self;
        stream.last_id = stream.last_id.max(last_id);
        (stream.max_deleted_id, stream.entries_added) = (max_deleted_id, entries_added);
        stream
    }
}

fn add_to_group(group: &mut Group, part: &StreamPart<'_>) {
    match *part {
        StreamPart::Consumer { name, seen_ms, active_ms } => {
            group.add_consumer(name, seen_ms);
            if let Some(consumer) = group.consumer_mut(name) {
                consumer.active_ms = active_ms;
            }
        }
        StreamPart::Pending { id, consumer, delivered_ms, deliveries } => {
            group.deliver(id, consumer, delivered_ms, deliveries);
        }
        StreamPart::Skipped { id } => group.skip(id),
        StreamPart::Head { .. } | StreamPart::Entry { .. } | StreamPart::Group { .. } => {}
    }
}

/// How far an encoding is read.
#[derive(Default)]
pub(super) struct Reader {
    /// How many entries follow; `None` before the head.
    entries: Option<u64>,
}

fn read(encoded: &[u8], part: &mut impl FnMut(StreamPart<'_>)) -> Result<(), DecodeError> {
    let is_whole = Reader::default().go_on(&mut &*encoded, usize::MAX, part)?;
    if is_whole { Ok(()) } else { Err(DecodeError::Truncated) }
}

impl Reader {
    /// Takes up to `count` entries off the front of `rest`, as far as there are, and behind the last one what remains. True at
    /// the end.
    pub(super) fn go_on(
        &mut self,
        rest: &mut &[u8],
        count: usize,
        part: &mut impl FnMut(StreamPart<'_>),
    ) -> Result<bool, DecodeError> {
        let mut entries = match self.entries {
            Some(entries) => entries,
            None => read_head(rest, part)?,
        };
        let mut fields = Vec::new();
        for _ in 0..entries.min(count as u64) {
            if rest.is_empty() {
                break;
            }
            let id = take_id(rest)?;
            fields.clear();
            for _ in 0..take_varint(rest)? {
                fields.push((Element::Bytes(take_bytes(rest)?), Element::Bytes(take_bytes(rest)?)));
            }
            part(StreamPart::Entry { id, fields: &fields });
            entries -= 1;
        }
        if entries == 0 {
            read_groups(rest, part)?;
        }
        self.entries = Some(entries);
        Ok(entries == 0)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.entries == Some(0)
    }
}

/// Returns how many entries follow.
fn read_head(rest: &mut &[u8], part: &mut impl FnMut(StreamPart<'_>)) -> Result<u64, DecodeError> {
    part(StreamPart::Head {
        last_id: take_id(rest)?,
        max_deleted_id: take_id(rest)?,
        entries_added: take_varint(rest)?,
    });
    take_varint(rest)
}

fn read_groups(rest: &mut &[u8], part: &mut impl FnMut(StreamPart<'_>)) -> Result<(), DecodeError> {
    for _ in 0..take_varint(rest)? {
        let name = take_bytes(rest)?;
        let position = Position { last_id: take_id(rest)?, entries_read: take_optional(rest)? };
        part(StreamPart::Group { name, position });
        for _ in 0..take_varint(rest)? {
            let consumer = take_bytes(rest)?;
            let (seen_ms, active_ms) = (take_varint(rest)?, take_optional(rest)?);
            part(StreamPart::Consumer { name: consumer, seen_ms, active_ms });
            for _ in 0..take_varint(rest)? {
                let id = take_id(rest)?;
                let (delivered_ms, deliveries) = (take_varint(rest)?, take_varint(rest)?);
                part(StreamPart::Pending { id, consumer, delivered_ms, deliveries });
            }
        }
        for _ in 0..take_varint(rest)? {
            part(StreamPart::Skipped { id: take_id(rest)? });
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(DecodeError::BadNumber) }
}
