//! Ids and entries in replies. Very many entries are given in slices.

use crate::commands::collection::{is_long, reply_element};
use resp::{Out, Rest};
use std::collections::VecDeque;
use values::{Stream, StreamEntry, StreamId, StreamPart};

/// What a slice of a long reply has, and one entry more.
const SLICE_BYTES: usize = 64 * 1024;

pub(super) fn reply_id(out: &mut Out, id: StreamId) {
    let (mut ms, mut sequence) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (ms, sequence) = (ms.format(id.ms()).as_bytes(), sequence.format(id.sequence()).as_bytes());
    let mut text = [0; 41];
    let len = ms.len() + 1 + sequence.len();
    text[..ms.len()].copy_from_slice(ms);
    text[ms.len()] = b'-';
    text[ms.len() + 1..len].copy_from_slice(sequence);
    out.bulk(&text[..len]);
}

pub(super) fn reply_entry(out: &mut Out, entry: StreamEntry<'_>) {
    out.array(2);
    reply_id(out, entry.id);
    out.array(2 * entry.fields.len());
    for (name, value) in entry.fields {
        reply_element(out, name);
        reply_element(out, value);
    }
}

/// Replies with as many entries as there are, or `count` of them.
pub(super) fn reply_entries<'s>(out: &mut Out, entries: impl Iterator<Item = StreamEntry<'s>>, count: usize) {
    let deferred = out.defer();
    let mut len = 0;
    for entry in entries.take(count) {
        reply_entry(out, entry);
        len += 1;
    }
    out.finish_array(deferred, len);
}

/// Entries that are asked for.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) from: StreamId,
    pub(super) to: StreamId,
    /// From the last one.
    pub(super) backwards: bool,
    /// At most so many.
    pub(super) count: usize,
}

impl Range {
    /// How many entries that is, where it is worth a thought.
    fn long_len(&self, stream: &Stream) -> usize {
        let most = stream.len().min(self.count);
        if is_long(most) { stream.count(self.from, self.to).min(self.count) } else { most }
    }
}

/// Replies with the entries of one range.
pub(super) fn reply_range(out: &mut Out, stream: &Stream, range: Range) {
    let len = range.long_len(stream);
    if is_long(len) {
        let mut reply = LongReply::default();
        reply.push(out.part(), stream, range, len);
        out.continue_with(reply);
    } else if range.backwards {
        reply_entries(out, stream.range_backwards(range.from, range.to), range.count);
    } else {
        reply_entries(out, stream.range(range.from, range.to), range.count);
    }
}

/// Replies with the entries of ranges of several streams; `begin` writes what is before each.
pub(super) fn reply_ranges<K: Copy>(out: &mut Out, ranges: &[(K, &Stream, Range)], begin: impl Fn(&mut Out, K)) {
    let is_long = is_long(ranges.iter().map(|(_, stream, range)| range.long_len(stream)).sum());
    let mut reply = LongReply::default();
    for &(key, stream, range) in ranges {
        if is_long {
            let mut head = out.part();
            begin(&mut head, key);
            reply.push(head, stream, range, stream.count(range.from, range.to).min(range.count));
        } else {
            begin(out, key);
            reply_range(out, stream, range);
        }
    }
    if is_long {
        out.continue_with(reply);
    }
}

/// What is left of the entries of one or several streams.
#[derive(Default)]
struct LongReply {
    parts: VecDeque<Part>,
    /// How many entries were given, of how many bytes.
    given: usize,
    given_bytes: usize,
}

struct Part {
    /// What has to be said before the entries.
    head: Vec<u8>,
    entries: StreamPart,
    /// The ones that are left: exactly `count`.
    range: Range,
}

impl LongReply {
    fn push(&mut self, mut head: Out, stream: &Stream, range: Range, len: usize) {
        head.array(len);
        let entries = stream.part(range.from, range.to);
        self.parts.push_back(Part { head: head.buffer, entries, range: Range { count: len, ..range } });
    }
}

impl Rest for LongReply {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        let start = out.buffer.len();
        let end = start + SLICE_BYTES;
        while out.buffer.len() < end
            && let Some(part) = self.parts.front_mut()
        {
            self.given += part.append_slice(out, end);
            if part.range.count == 0 {
                self.parts.pop_front();
            }
        }
        self.given_bytes += out.buffer.len() - start;
        !self.parts.is_empty()
    }

    /// As if all entries were like those that were given.
    fn promised_bytes(&self) -> usize {
        let left: usize = self.parts.iter().map(|part| part.range.count).sum();
        self.given_bytes / self.given.max(1) * left
    }
}

impl Part {
    /// Appends entries until the buffer is that long. Returns how many.
    fn append_slice(&mut self, out: &mut Out, end: usize) -> usize {
        out.buffer.append(&mut self.head);
        let Range { from, to, backwards, count } = self.range;
        let (given, last_id) = if backwards {
            reply_until(out, self.entries.range_backwards(from, to).take(count), end)
        } else {
            reply_until(out, self.entries.range(from, to).take(count), end)
        };
        self.range.count -= given;
        match backwards {
            true => self.range.to = last_id.previous().unwrap_or(StreamId::MIN),
            false => self.range.from = last_id.next().unwrap_or(StreamId::MAX),
        }
        given
    }
}

/// Appends entries until the buffer is that long: how many, and the id of the last one.
fn reply_until<'s>(out: &mut Out, entries: impl Iterator<Item = StreamEntry<'s>>, end: usize) -> (usize, StreamId) {
    let (mut given, mut last_id) = (0, StreamId::MIN);
    for entry in entries {
        (given, last_id) = (given + 1, entry.id);
        reply_entry(out, entry);
        if out.buffer.len() >= end {
            break;
        }
    }
    (given, last_id)
}
