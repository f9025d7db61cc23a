//! A block of entries with neighbouring ids, in the bytes that RDB files hold: a listpack that begins with how many
//! entries are alive, how many are marked as deleted, the number of field names of the first entry, the names, and 0.
//!
//! An entry is its flags, its id less the block's (milliseconds and sequence), the number of fields and the fields with
//! their values (only the values where the names are those at the beginning), and how many elements that was.

use super::{StreamEntry, StreamId};
use crate::listpack::{self, Listpack};
use crate::{Element, EncodingLimits};
use smallvec::SmallVec;

/// Entries and their names may take this many bytes in one block.
pub(super) const MAX_BYTES: usize = 1 << 30;

mod flag {
    pub(super) const DELETED: i64 = 1;
    pub(super) const SAME_NAMES: i64 = 2;
}

#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The id of its first entry, or of one that was that.
    base_ms: u64,
    base_sequence: u64,
    listpack: Listpack,
}

/// What a block begins with.
struct Head<'a> {
    alive: usize,
    deleted: usize,
    name_count: usize,
    names: listpack::Iter<'a>,
}

/// A name with its value.
type Field<'a> = (Element<'a>, Element<'a>);

/// What is to be written: of most entries it needs no allocation.
type Elements<'a> = SmallVec<[Element<'a>; 16]>;

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

impl Head<'_> {
    fn has_names(&self, fields: &[Field<'_>]) -> bool {
        self.name_count == fields.len()
            && self.names.clone().zip(fields).all(|(name, (wanted, _))| name.equals(*wanted))
    }
}

impl<'a> Placed<'a> {
    pub(super) fn is_deleted(&self) -> bool {
        self.flags & flag::DELETED != 0
    }

    /// Unless it is deleted.
    pub(super) fn alive(self) -> Option<StreamEntry<'a>> {
        (!self.is_deleted()).then_some(StreamEntry { id: self.id, fields: self.fields })
    }
}

impl Block {
    /// A block for entries with these names, without any.
    fn new<'f>(base: StreamId, names: impl ExactSizeIterator<Item = Element<'f>>) -> Block {
        let mut elements: Elements<'_> = [0, 0, names.len() as i64].into_iter().map(Element::Int).collect();
        elements.extend(names);
        elements.push(Element::Int(0));
        let mut listpack = Listpack::new();
        listpack.insert_all(listpack.end(), &mut elements);
        Block { base_ms: base.ms(), base_sequence: base.sequence(), listpack }
    }

    /// A block with one entry, whose id is the block's.
    pub(super) fn with_entry(id: StreamId, fields: &[Field<'_>]) -> Block {
        let mut block = Block::new(id, fields.iter().map(|(name, _)| *name));
        block.push(id, fields);
        block
    }

    #[inline]
    pub(super) fn base(&self) -> StreamId {
        StreamId::new(self.base_ms, self.base_sequence)
    }

    pub(super) fn heap_size(&self) -> usize {
        self.listpack.heap_size()
    }

    /// How many entries are alive.
    pub(super) fn len(&self) -> usize {
        self.listpack.get(self.listpack.start()).and_then(Element::as_integer).map_or(0, |number| number as usize)
    }

    #[inline]
    fn head(&self) -> Head<'_> {
        let mut names = self.listpack.iter();
        let mut number = || names.next().and_then(Element::as_integer).map_or(0, |number| number as usize);
        Head { alive: number(), deleted: number(), name_count: number(), names }
    }

    /// No room for `additional` more bytes of fields and values, as Redis sees it.
    fn is_full(&self, head: &Head<'_>, additional: usize, limits: &EncodingLimits) -> bool {
        let max_bytes = match limits.stream_node_max_bytes {
            0 => MAX_BYTES,
            bytes => bytes.min(MAX_BYTES),
        };
        let max_entries = limits.stream_node_max_entries;
        self.listpack.as_bytes().len() + additional >= max_bytes
            || (max_entries > 0 && head.alive + head.deleted >= max_entries)
    }

    /// Puts an entry behind all others.
    fn push(&mut self, id: StreamId, fields: &[Field<'_>]) {
        let head = self.head();
        let (same_names, alive) = (head.has_names(fields), head.alive);
        self.write(self.listpack.end(), id, fields, same_names, alive);
    }

    /// Puts an entry in its place. False where the block is full.
    pub(super) fn insert(
        &mut self,
        id: StreamId,
        fields: &[Field<'_>],
        is_newest: bool,
        limits: &EncodingLimits,
    ) -> bool {
        let head = self.head();
        let additional = fields.iter().map(|(name, value)| name.byte_len() + value.byte_len()).sum();
        if self.is_full(&head, additional, limits) {
            return false;
        }
        let (same_names, alive) = (head.has_names(fields), head.alive);
        let at = if is_newest { self.listpack.end() } else { self.first_from(id) };
        self.write(at, id, fields, same_names, alive);
        true
    }

    fn write(&mut self, at: usize, id: StreamId, fields: &[Field<'_>], same_names: bool, alive: usize) {
        let mut elements = Elements::new();
        elements.push(Element::Int(if same_names { flag::SAME_NAMES } else { 0 }));
        elements.push(Element::Int(id.ms().wrapping_sub(self.base_ms) as i64));
        elements.push(Element::Int(id.sequence().wrapping_sub(self.base_sequence) as i64));
        if same_names {
            fields.iter().for_each(|(_, value)| elements.push(*value));
        } else {
            elements.push(Element::Int(fields.len() as i64));
            fields.iter().for_each(|(name, value)| elements.extend([*name, *value]));
        }
        elements.push(Element::Int(elements.len() as i64));
        self.listpack.insert_all(at, &mut elements);
        self.set_alive(alive + 1);
    }

    fn set_alive(&mut self, alive: usize) {
        self.listpack.replace_element(self.listpack.start(), Element::Int(alive as i64));
    }

    fn set_deleted(&mut self, deleted: usize) {
        if let Some(offset) = self.listpack.next(self.listpack.start()) {
            self.listpack.replace_element(offset, Element::Int(deleted as i64));
        }
    }

    /// Where the first entry begins.
    fn entries_at(&self) -> usize {
        let Head { name_count, mut names, .. } = self.head();
        names.nth(name_count);
        names.offset()
    }

    /// Where the first entry that is not below `id` begins.
    fn first_from(&self, id: StreamId) -> usize {
        self.iter().find(|entry| entry.id >= id).map_or(self.listpack.end(), |entry| entry.offset)
    }

    /// Marks an entry that is alive as deleted. False where there is none.
    pub(super) fn remove(&mut self, id: StreamId) -> bool {
        let found = self.iter().skip_while(|entry| entry.id < id).take_while(|entry| entry.id == id);
        let Some((offset, flags)) =
            found.filter(|entry| !entry.is_deleted()).map(|entry| (entry.offset, entry.flags)).next()
        else {
            return false;
        };
        let Head { alive, deleted, .. } = self.head();
        self.listpack.replace_element(offset, Element::Int(flags | flag::DELETED));
        self.set_alive(alive - 1);
        self.set_deleted(deleted + 1);
        true
    }

    /// Takes the entries above `id` out, into a block of their own.
    pub(super) fn split_off(&mut self, id: StreamId) -> Option<Block> {
        let mut split: Option<Block> = None;
        for entry in self.iter().filter(|entry| entry.id > id && !entry.is_deleted()) {
            let fields: Vec<_> = entry.fields.collect();
            match &mut split {
                Some(block) => block.push(entry.id, &fields),
                None => split = Some(Block::with_entry(entry.id, &fields)),
            }
        }
        let at = id.next().map_or(self.listpack.end(), |next| self.first_from(next));
        let gone = split.as_ref().map_or(0, Block::len);
        let gone_before = self.iter().filter(|entry| entry.offset >= at && entry.is_deleted()).count();
        let Head { alive, deleted, .. } = self.head();
        self.listpack.truncate(at);
        self.set_alive(alive - gone);
        self.set_deleted(deleted - gone_before);
        split
    }

    /// Entries in order, the deleted ones among them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Placed<'_>> {
        let mut at = self.entries_at();
        std::iter::from_fn(move || {
            let entry = self.entry(at)?;
            at = entry.end;
            Some(entry)
        })
    }

    /// The same, from the last one.
    pub(super) fn iter_backwards(&self) -> impl Iterator<Item = Placed<'_>> {
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
            self.entry(at)
        })
    }

    fn entry(&self, offset: usize) -> Option<Placed<'_>> {
        let mut iter = self.listpack.iter_from(offset);
        let mut number = || iter.next()?.as_integer();
        let (flags, ms, sequence) = (number()?, number()?, number()?);
        let id = StreamId::new(self.base_ms.wrapping_add(ms as u64), self.base_sequence.wrapping_add(sequence as u64));
        let fields = if flags & flag::SAME_NAMES != 0 {
            let Head { name_count, names, .. } = self.head();
            Fields { names: Some(names), elements: iter.clone(), remaining: name_count }
        } else {
            let count = iter.next()?.as_integer()? as usize;
            Fields { names: None, elements: iter.clone(), remaining: count }
        };
        let elements = if fields.names.is_some() { fields.remaining } else { 2 * fields.remaining };
        iter.nth(elements)?;
        Some(Placed { id, fields, offset, end: iter.offset(), flags })
    }
}
