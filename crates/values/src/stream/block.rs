//! A block of entries with neighbouring ids, in the bytes that RDB files hold: a listpack that begins with how many
//! entries are alive, how many are marked as deleted, the number of field names of the first entry, the names, and 0.
//!
//! An entry is its flags, its id less the block's (milliseconds and sequence), the number of fields and the fields with
//! their values (only the values where the names are those at the beginning), and how many elements that was.

use super::StreamId;
use crate::listpack::{self, Listpack, Run};
use crate::{Element, EncodingLimits};

/// Entries and their names may take this many bytes in one block.
pub(super) const MAX_BYTES: usize = 1 << 30;

mod flag {
    pub(super) const DELETED: i64 = 1;
    pub(super) const SAME_NAMES: i64 = 2;
}

#[derive(Clone, Debug)]
pub(super) struct Block {
    listpack: Listpack,
}

/// An entry in its block.
pub(super) struct Placed<'a> {
    pub(super) id: StreamId,
    pub(super) fields: Fields<'a>,
    offset: usize,
    /// Where the next one begins.
    end: usize,
    flags: i64,
}

/// Fields of an entry with their values.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// Where the entry does not repeat them.
    names: Option<listpack::Iter<'a>>,
    elements: listpack::Iter<'a>,
    remaining: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<(Element<'a>, Element<'a>)> {
        self.remaining = self.remaining.checked_sub(1)?;
        let name = self.names.as_mut().unwrap_or(&mut self.elements).next()?;
        Some((name, self.elements.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl Placed<'_> {
    pub(super) fn is_deleted(&self) -> bool {
        self.flags & flag::DELETED != 0
    }
}

impl Block {
    /// A block for entries with these names, without any.
    fn new<'f>(names: impl ExactSizeIterator<Item = Element<'f>>) -> Block {
        let mut run = Run::default();
        [0, 0, names.len() as i64].into_iter().for_each(|number| run.push(Element::Int(number)));
        names.for_each(|name| run.push(name));
        run.push(Element::Int(0));
        let mut listpack = Listpack::new();
        listpack.insert_run(listpack.end(), &run);
        Block { listpack }
    }

    /// A block with one entry, whose id is the block's.
    pub(super) fn with_entry(id: StreamId, fields: &[(Element<'_>, Element<'_>)]) -> Block {
        let mut block = Block::new(fields.iter().map(|(name, _)| *name));
        block.insert_at(block.listpack.end(), id, id, fields);
        block
    }

    pub(super) fn heap_size(&self) -> usize {
        self.listpack.heap_size()
    }

    /// How many entries are alive.
    pub(super) fn len(&self) -> usize {
        self.number(0)
    }

    fn number(&self, index: usize) -> usize {
        self.listpack.iter().nth(index).and_then(Element::as_integer).map_or(0, |number| number as usize)
    }

    /// No room for `additional` more bytes of fields and values, as Redis sees it.
    pub(super) fn is_full_for(&self, additional: usize, limits: &EncodingLimits) -> bool {
        let max_bytes = match limits.stream_node_max_bytes {
            0 => MAX_BYTES,
            bytes => bytes.min(MAX_BYTES),
        };
        let max_entries = limits.stream_node_max_entries;
        self.listpack.as_bytes().len() + additional >= max_bytes
            || (max_entries > 0 && self.number(0) + self.number(1) >= max_entries)
    }

    /// Puts an entry behind all others. `base`: the block's id.
    pub(super) fn push(&mut self, base: StreamId, id: StreamId, fields: &[(Element<'_>, Element<'_>)]) {
        self.insert_at(self.listpack.end(), base, id, fields);
    }

    /// Puts an entry in its place.
    pub(super) fn insert(&mut self, base: StreamId, id: StreamId, fields: &[(Element<'_>, Element<'_>)]) {
        self.insert_at(self.first_from(base, id), base, id, fields);
    }

    fn insert_at(&mut self, at: usize, base: StreamId, id: StreamId, fields: &[(Element<'_>, Element<'_>)]) {
        let same_names = self.has_names(fields);
        let mut run =
            Run::with_capacity(32 + fields.iter().map(|(name, value)| name.size() + value.size()).sum::<usize>());
        run.push(Element::Int(if same_names { flag::SAME_NAMES } else { 0 }));
        run.push(Element::Int(id.ms().wrapping_sub(base.ms()) as i64));
        run.push(Element::Int(id.sequence().wrapping_sub(base.sequence()) as i64));
        if !same_names {
            run.push(Element::Int(fields.len() as i64));
        }
        for (name, value) in fields {
            if !same_names {
                run.push(*name);
            }
            run.push(*value);
        }
        run.push(Element::Int(run.len() as i64));
        self.listpack.insert_run(at, &run);
        self.add(0, 1);
    }

    fn has_names(&self, fields: &[(Element<'_>, Element<'_>)]) -> bool {
        let (names, count) = self.names();
        count == fields.len() && names.zip(fields).all(|(name, (wanted, _))| name.equals(*wanted))
    }

    /// The names at the beginning, and how many there are.
    fn names(&self) -> (listpack::Iter<'_>, usize) {
        let mut iter = self.listpack.iter();
        let count = iter.nth(2).and_then(Element::as_integer).unwrap_or(0);
        (iter, count as usize)
    }

    /// Where the first entry begins.
    fn entries_at(&self) -> usize {
        let (mut names, count) = self.names();
        names.nth(count);
        names.offset()
    }

    /// Where the first entry that is not below `id` begins.
    fn first_from(&self, base: StreamId, id: StreamId) -> usize {
        self.iter(base).find(|entry| entry.id >= id).map_or(self.listpack.end(), |entry| entry.offset)
    }

    /// Adds to one of the two numbers at the beginning.
    fn add(&mut self, index: usize, change: isize) {
        let number = self.number(index).saturating_add_signed(change);
        if let Some(offset) = self.listpack.offset_of(index) {
            self.listpack.replace_integer(offset, number as i64);
        }
    }

    /// Marks an entry that is alive as deleted. False where there is none.
    pub(super) fn remove(&mut self, base: StreamId, id: StreamId) -> bool {
        let found = self.iter(base).skip_while(|entry| entry.id < id).take_while(|entry| entry.id == id);
        let Some((offset, flags)) =
            found.filter(|entry| !entry.is_deleted()).map(|entry| (entry.offset, entry.flags)).next()
        else {
            return false;
        };
        self.listpack.replace_integer(offset, flags | flag::DELETED);
        self.add(0, -1);
        self.add(1, 1);
        true
    }

    /// Takes the entries above `id` out, into a block of their own.
    pub(super) fn split_off(&mut self, base: StreamId, id: StreamId) -> Option<(StreamId, Block)> {
        let mut split: Option<(StreamId, Block)> = None;
        for entry in self.iter(base).filter(|entry| entry.id > id && !entry.is_deleted()) {
            let fields: Vec<_> = entry.fields.collect();
            match &mut split {
                Some((base, block)) => block.push(*base, entry.id, &fields),
                None => split = Some((entry.id, Block::with_entry(entry.id, &fields))),
            }
        }
        let at = id.next().map_or(self.listpack.end(), |next| self.first_from(base, next));
        let alive = split.as_ref().map_or(0, |(_, block)| block.len());
        let deleted = self.iter(base).filter(|entry| entry.offset >= at && entry.is_deleted()).count();
        self.listpack.truncate(at);
        self.add(0, -(alive as isize));
        self.add(1, -(deleted as isize));
        split
    }

    /// Entries in order, the deleted ones among them.
    pub(super) fn iter(&self, base: StreamId) -> impl Iterator<Item = Placed<'_>> {
        let mut at = self.entries_at();
        std::iter::from_fn(move || {
            let entry = self.entry(base, at)?;
            at = entry.end;
            Some(entry)
        })
    }

    /// The same, from the last one.
    pub(super) fn iter_backwards(&self, base: StreamId) -> impl Iterator<Item = Placed<'_>> {
        let (first, mut end) = (self.entries_at(), self.listpack.end());
        std::iter::from_fn(move || {
            if end <= first {
                return None;
            }
            let mut at = self.listpack.previous(end)?;
            for _ in 0..self.listpack.get(at)?.as_integer()? {
                at = self.listpack.previous(at)?;
            }
            end = at;
            self.entry(base, at)
        })
    }

    fn entry(&self, base: StreamId, offset: usize) -> Option<Placed<'_>> {
        let mut iter = self.listpack.iter_from(offset);
        let mut number = || iter.next()?.as_integer();
        let (flags, ms, sequence) = (number()?, number()?, number()?);
        let id = StreamId::new(base.ms().wrapping_add(ms as u64), base.sequence().wrapping_add(sequence as u64));
        let (names, count) = self.names();
        let fields = if flags & flag::SAME_NAMES != 0 {
            Fields { names: Some(names), elements: iter.clone(), remaining: count }
        } else {
            let count = iter.next()?.as_integer()? as usize;
            Fields { names: None, elements: iter.clone(), remaining: count }
        };
        let elements = if fields.names.is_some() { fields.remaining } else { 2 * fields.remaining };
        iter.nth(elements)?;
        Some(Placed { id, fields, offset, end: iter.offset(), flags })
    }
}
