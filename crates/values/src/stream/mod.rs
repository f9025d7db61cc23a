//! Streams: entries by id, and the groups that read them.

mod block;
mod blocks;
mod group;
mod id;

pub use block::Fields;
pub use group::{Consumer, Group, Pending, Position};
pub use id::StreamId;

use crate::{Element, Encoding, EncodingLimits};
use block::Block;
use blocks::Blocks;
use std::collections::BTreeMap;

/// What has more blocks and pending entries is not dropped where somebody waits.
const MAX_DROPPED_PARTS: usize = 128;

/// Entries by id, and the groups that read them. An empty stream is a key all the same.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    blocks: Blocks,
    len: usize,
    /// Not below the id of any entry, nor any that was there.
    pub last_id: StreamId,
    /// The greatest id that XDEL has removed.
    pub max_deleted_id: StreamId,
    /// How many entries there ever were.
    pub entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
}

/// An entry, borrowed.
#[derive(Clone, Debug)]
pub struct StreamEntry<'a> {
    pub id: StreamId,
    pub fields: Fields<'a>,
}

/// Entries of a stream, shared with it until one of the two is written.
#[derive(Clone, Debug)]
pub struct StreamPart {
    blocks: Blocks,
}

impl StreamPart {
    /// As of a stream.
    pub fn range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamEntry<'_>> {
        self.blocks.range(from, to)
    }

    /// As of a stream.
    pub fn range_backwards(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamEntry<'_>> {
        self.blocks.range_backwards(from, to)
    }
}

/// What XTRIM leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// At most this many entries.
    MaxLen(u64),
    /// No entry below this id.
    MinId(StreamId),
}

impl Drop for Stream {
    fn drop(&mut self) {
        let pending = self.groups.values().map(Group::pending_count);
        if self.blocks.len() + pending.sum::<usize>() > MAX_DROPPED_PARTS {
            stdx::discard((std::mem::take(&mut self.blocks), std::mem::take(&mut self.groups)));
        }
    }
}

impl Stream {
    pub fn new() -> Stream {
        Stream::default()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Has it no entries?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many blocks there are (XINFO STREAM calls them keys of a radix tree).
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    pub fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        let groups = self.groups.iter().map(|(name, group)| name.len() + size_of::<Group>() + group.heap_size());
        self.blocks.heap_size() + groups.sum::<usize>()
    }

    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    pub fn get(&self, id: StreamId) -> Option<StreamEntry<'_>> {
        self.range(id, id).next()
    }

    pub fn first(&self) -> Option<StreamEntry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next()
    }

    pub fn last(&self) -> Option<StreamEntry<'_>> {
        self.range_backwards(StreamId::MIN, StreamId::MAX).next()
    }

    /// Entries in order; both ends belong to the range.
    pub fn range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamEntry<'_>> {
        self.blocks.range(from, to)
    }

    /// The same, from the last one.
    pub fn range_backwards(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamEntry<'_>> {
        self.blocks.range_backwards(from, to)
    }

    /// How many entries there are in a range, in no time.
    pub fn count(&self, from: StreamId, to: StreamId) -> usize {
        let before = |id: StreamId| {
            let block = self.blocks.iter_from(id).take(1).flat_map(Block::iter);
            let entries = block.take_while(|entry| entry.id < id).filter(|entry| !entry.is_deleted());
            self.blocks.entries_before(id) + entries.count()
        };
        to.next().map_or(self.len, before).saturating_sub(before(from))
    }

    /// The entries of a range as they are now, for whoever needs much time with them.
    pub fn part(&self, from: StreamId, to: StreamId) -> StreamPart {
        StreamPart { blocks: self.blocks.part(from, to) }
    }

    /// Puts an entry in its place; one with the same id gives way. True where the id is new.
    pub fn insert(&mut self, id: StreamId, fields: &[(Element<'_>, Element<'_>)], limits: &EncodingLimits) -> bool {
        if id > self.last_id {
            self.last_id = id;
            self.len += 1;
            if !self.blocks.newest_mut().is_some_and(|block| block.insert(id, fields, true, limits)) {
                self.blocks.push(Block::with_entry(id, fields));
            }
            return true;
        }
        let is_new = !self.remove(id);
        self.len += 1;
        let place = self.blocks.place_of(id);
        let insert = |block: &mut Block| block.insert(id, fields, false, limits);
        if place.and_then(|place| self.blocks.edit(place, insert)) != Some(true) {
            let rest = place.and_then(|place| self.blocks.edit(place, |block| block.split_off(id)));
            self.blocks.insert(Block::with_entry(id, fields));
            rest.flatten().into_iter().for_each(|block| self.blocks.insert(block));
        }
        is_new
    }

    /// True where the entry was there.
    pub fn remove(&mut self, id: StreamId) -> bool {
        let Some(place) = self.blocks.place_of(id) else { return false };
        let removed = self.blocks.edit(place, |block| block.remove(id)).unwrap_or(false);
        self.len -= usize::from(removed);
        self.retain_skipped(|skipped| *skipped != id);
        removed
    }

    /// Removes all entries up to and with this id; returns how many there were.
    pub fn remove_through(&mut self, id: StreamId) -> usize {
        let before = self.len;
        let last = |block: &Block| block.iter_backwards().find(|entry| !entry.is_deleted()).map(|entry| entry.id);
        while let Some(block) = self.blocks.pop_first_if(|block| last(block).is_none_or(|last| last <= id)) {
            self.len -= block.len();
        }
        let ids: Vec<StreamId> = self.range(StreamId::MIN, id).map(|entry| entry.id).collect();
        for id in ids {
            self.remove(id);
        }
        self.retain_skipped(|skipped| *skipped > id);
        before - self.len
    }

    /// Groups need not deliver what is not there any more.
    pub fn forget_skipped(&mut self) {
        let Stream { blocks, groups, .. } = self;
        let is_there = |id: &StreamId| blocks.range(*id, *id).next().is_some();
        groups.values_mut().for_each(|group| group.retain_skipped(is_there));
    }

    fn retain_skipped(&mut self, keep: impl Fn(&StreamId) -> bool) {
        let skipping = self.groups.values_mut().filter(|group| group.skipped().len() > 0);
        skipping.for_each(|group| group.retain_skipped(&keep));
    }

    /// The last entry that a trim removes. `approximate`: whole blocks only, and not more than `limit`
    /// entries where that is not 0.
    pub fn trim_point(&self, trim: Trim, approximate: bool, limit: usize) -> Option<StreamId> {
        let (mut point, mut gone) = (None, 0);
        for block in self.blocks.iter_from(StreamId::MIN) {
            if limit > 0 && gone + block.len() > limit {
                break;
            }
            let last = block.iter_backwards().find(|entry| !entry.is_deleted())?.id;
            let goes_whole = match trim {
                Trim::MaxLen(len) => (self.len - gone).saturating_sub(block.len()) as u64 >= len,
                Trim::MinId(id) => last < id,
            };
            if goes_whole {
                gone += block.len();
                point = Some(last);
                continue;
            }
            if !approximate {
                let excess = match trim {
                    Trim::MaxLen(len) => ((self.len - gone) as u64).saturating_sub(len),
                    Trim::MinId(_) => u64::MAX,
                };
                let alive = block.iter().filter(|entry| !entry.is_deleted()).map(|entry| entry.id);
                let below = |id: &StreamId| !matches!(trim, Trim::MinId(min) if *id >= min);
                point = alive.take_while(below).take(excess.min(usize::MAX as u64) as usize).last().or(point);
            }
            break;
        }
        point
    }

    /// Groups by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// The same, to be changed.
    pub fn groups_mut(&mut self) -> impl ExactSizeIterator<Item = (&[u8], &mut Group)> {
        self.groups.iter_mut().map(|(name, group)| (&**name, group))
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// Another group of this name gives way.
    pub fn insert_group(&mut self, name: &[u8], group: Group) {
        self.groups.insert(name.into(), group);
    }

    pub fn remove_group(&mut self, name: &[u8]) -> Option<Group> {
        self.groups.remove(name)
    }

    /// How many entries were added up to this id, where that can be told.
    pub fn entries_through(&self, id: StreamId) -> Option<u64> {
        let all = self.entries_added;
        if all == 0 || (self.is_empty() && id <= self.last_id) || id == self.last_id {
            return Some(all);
        }
        let first = self.first().map_or(StreamId::MIN, |first| first.id);
        if id > self.last_id || self.max_deleted_id >= first && self.max_deleted_id > StreamId::MIN || id > first {
            return None;
        }
        Some(all.wrapping_sub(self.len as u64) + u64::from(id == first))
    }

    /// Has XDEL made a hole above this id, as far as is known?
    pub fn has_hole_above(&self, id: StreamId) -> bool {
        let hole = self.max_deleted_id;
        let first = self.first().map(|first| first.id);
        hole > StreamId::MIN && hole >= id && first.is_some_and(|first| first <= hole)
    }

    /// How many entries a group has yet to read, where that can be told.
    pub fn lag(&self, position: Position) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = position.entries_read.filter(|_| !self.has_hole_above(position.last_id));
        read.or_else(|| self.entries_through(position.last_id)).map(|read| self.entries_added.wrapping_sub(read))
    }
}
