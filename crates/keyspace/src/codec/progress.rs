//! Values -> bytes, a little at a time.

use super::{push, push_deadline, stream, tag, tagged};
use crate::entry::ValueRef;
use effect::put_varint;
use values::{HashRef, List, SetRef, SortedSet, Stream, StreamId};

/// So many elements of a table are looked at in one go.
const SCAN_ELEMENTS: usize = 64;

/// How far a value is encoded, which does not change meanwhile. The default: nothing of it is.
#[derive(Default)]
pub(crate) struct Progress {
    has_begun: bool,
    /// Of a table what `scan` returned; else how many bytes or elements are done.
    cursor: u64,
    /// Of a stream the next entry.
    id: StreamId,
}

impl Progress {
    /// Appends about `budget` bytes more, whole elements where there are elements. True when nothing is left.
    pub(crate) fn go_on(&mut self, value: ValueRef<'_>, budget: usize, output: &mut Vec<u8>) -> bool {
        let full = output.len().saturating_add(budget);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        match value {
            ValueRef::Int(int) => {
                output.push(tag::STRING);
                output.extend_from_slice(itoa::Buffer::new().format(int).as_bytes());
                true
            }
            ValueRef::Bytes(bytes) => {
                output.extend(is_first.then_some(tag::STRING));
                let rest = &bytes[self.cursor as usize..];
                let part = &rest[..rest.len().min(budget)];
                output.extend_from_slice(part);
                self.cursor += part.len() as u64;
                part.len() == rest.len()
            }
            ValueRef::Set(set) => self.set(set, is_first, full, output),
            ValueRef::Hash(hash) => self.hash(hash, is_first, full, output),
            ValueRef::List(list) => self.list(list, is_first, full, output),
            ValueRef::SortedSet(set) => self.sorted_set(set, is_first, full, output),
            ValueRef::Stream(stream) => self.stream(stream, is_first, full, output),
        }
    }

    fn set(&mut self, set: SetRef<'_>, is_first: bool, full: usize, output: &mut Vec<u8>) -> bool {
        let deadlines = tagged(output, is_first, tag::SET, set.expiring());
        loop {
            self.cursor = set.scan(self.cursor, SCAN_ELEMENTS, |member| {
                push(output, member);
                push_deadline(output, deadlines, member);
            });
            if self.cursor == 0 || output.len() >= full {
                return self.cursor == 0;
            }
        }
    }

    fn hash(&mut self, hash: HashRef<'_>, is_first: bool, full: usize, output: &mut Vec<u8>) -> bool {
        let deadlines = tagged(output, is_first, tag::HASH, hash.expiring());
        loop {
            self.cursor = hash.scan(self.cursor, SCAN_ELEMENTS, |field, value| {
                push(output, field);
                push(output, value);
                push_deadline(output, deadlines, field);
            });
            if self.cursor == 0 || output.len() >= full {
                return self.cursor == 0;
            }
        }
    }

    fn list(&mut self, list: &List, is_first: bool, full: usize, output: &mut Vec<u8>) -> bool {
        output.extend(is_first.then_some(tag::LIST));
        for element in list.iter_from(self.cursor as usize) {
            element.with_bytes(|bytes| push(output, bytes));
            self.cursor += 1;
            if output.len() >= full {
                break;
            }
        }
        self.cursor == list.len() as u64
    }

    fn sorted_set(&mut self, set: &SortedSet, is_first: bool, full: usize, output: &mut Vec<u8>) -> bool {
        let deadlines = tagged(output, is_first, tag::SORTED_SET, Some(set));
        for (member, score) in set.range(self.cursor as usize..set.len()) {
            member.with_bytes(|member| {
                push(output, member);
                // Beside a deadline the score is an item like others.
                deadlines.is_some().then(|| put_varint(output, size_of_val(&score) as u64));
                output.extend_from_slice(&score.to_le_bytes());
                push_deadline(output, deadlines, member);
            });
            self.cursor += 1;
            if output.len() >= full {
                break;
            }
        }
        self.cursor == set.len() as u64
    }

    /// The groups come with the last entry.
    fn stream(&mut self, stream: &Stream, is_first: bool, full: usize, output: &mut Vec<u8>) -> bool {
        if is_first {
            output.push(tag::STREAM);
            stream::encode_head(stream, output);
        }
        for entry in stream.range(self.id, StreamId::MAX) {
            if output.len() >= full {
                self.id = entry.id;
                return false;
            }
            stream::encode_entry(entry, output);
        }
        stream::encode_groups(stream, output);
        true
    }
}
