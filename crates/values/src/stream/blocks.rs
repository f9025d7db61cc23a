//! The blocks of a stream, in the order of their ids.

use super::block::{Block, Placed};
use super::{StreamEntry, StreamId};
use crate::shared::Shared;
use std::collections::VecDeque;

const CHUNK_LEN: usize = 128;
/// What has more chunks is not dropped where somebody waits.
const MAX_DROPPED_CHUNKS: usize = 16;

/// All but the newest block are in chunks, which clones share: the first write to one of them copies it. So whoever needs
/// much time with the contents of a large stream takes a clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    chunks: VecDeque<Shared<Chunk>>,
    /// Where new entries come in. `None` where there are no blocks at all.
    newest: Option<Block>,
}

/// Never without blocks.
#[derive(Clone, Debug)]
struct Chunk {
    blocks: Vec<Block>,
    /// How many entries are alive.
    entries: usize,
}

/// Where a block is: the newest one is in the chunk after the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    chunk: usize,
    index: usize,
}

impl Chunk {
    fn new(blocks: Vec<Block>) -> Chunk {
        let entries = blocks.iter().map(Block::len).sum();
        Chunk { blocks, entries }
    }

    fn base(&self) -> StreamId {
        self.blocks.first().map_or(StreamId::MIN, Block::base)
    }
}

impl Blocks {
    pub(super) fn len(&self) -> usize {
        (0..=self.chunks.len()).map(|chunk| self.chunk(chunk).len()).sum()
    }

    /// Bytes on the heap.
    pub(super) fn heap_size(&self) -> usize {
        const COUNTERS_BYTES: usize = 2 * size_of::<usize>();
        let of_chunk =
            |chunk: &Shared<Chunk>| COUNTERS_BYTES + size_of::<Chunk>() + chunk.blocks.capacity() * size_of::<Block>();
        self.chunks.capacity() * size_of::<Shared<Chunk>>()
            + self.chunks.iter().map(of_chunk).sum::<usize>()
            + self.iter_from(StreamId::MIN).map(Block::heap_size).sum::<usize>()
    }

    /// The blocks of a chunk.
    fn chunk(&self, chunk: usize) -> &[Block] {
        self.chunks.get(chunk).map_or(self.newest.as_slice(), |chunk| &chunk.blocks)
    }

    /// Where new entries come in.
    #[inline]
    pub(super) fn newest_mut(&mut self) -> Option<&mut Block> {
        self.newest.as_mut()
    }

    /// The last block whose id is not above `id`.
    pub(super) fn place_of(&self, id: StreamId) -> Option<Place> {
        if self.newest.as_ref().is_some_and(|newest| newest.base() <= id) {
            return Some(Place { chunk: self.chunks.len(), index: 0 });
        }
        let chunk = self.chunks.partition_point(|chunk| chunk.base() <= id).checked_sub(1)?;
        let index = self.chunk(chunk).partition_point(|block| block.base() <= id).checked_sub(1)?;
        Some(Place { chunk, index })
    }

    /// Changes a block, which goes where nothing in it is alive any more.
    pub(super) fn edit<R>(&mut self, place: Place, f: impl FnOnce(&mut Block) -> R) -> Option<R> {
        let Some(chunk) = self.chunks.get_mut(place.chunk) else {
            let newest = self.newest.as_mut()?;
            let result = f(newest);
            if newest.len() == 0 {
                self.reopen();
            }
            return Some(result);
        };
        let chunk = chunk.make_mut();
        let block = chunk.blocks.get_mut(place.index)?;
        let before = block.len();
        let result = f(block);
        chunk.entries = chunk.entries - before + block.len();
        if block.len() == 0 {
            chunk.blocks.remove(place.index);
        }
        if chunk.blocks.is_empty() {
            self.chunks.remove(place.chunk);
        }
        Some(result)
    }

    /// The block before takes the place of the newest one.
    fn reopen(&mut self) {
        self.newest = self.chunks.back_mut().and_then(|chunk| {
            let chunk = chunk.make_mut();
            let block = chunk.blocks.pop()?;
            chunk.entries -= block.len();
            Some(block)
        });
        if self.chunks.back().is_some_and(|chunk| chunk.blocks.is_empty()) {
            self.chunks.pop_back();
        }
    }

    /// Adds a block whose id is above all that are there.
    pub(super) fn push(&mut self, block: Block) {
        let Some(closed) = self.newest.replace(block) else { return };
        match self.chunks.back_mut() {
            Some(last) if last.blocks.len() < CHUNK_LEN => {
                let last = last.make_mut();
                last.entries += closed.len();
                last.blocks.push(closed);
            }
            last => {
                // A small stream stays small.
                let mut blocks = Vec::with_capacity(if last.is_none() { 1 } else { CHUNK_LEN });
                blocks.push(closed);
                self.chunks.push_back(Shared::new(Chunk::new(blocks)));
            }
        }
    }

    /// Adds a block, wherever it belongs.
    pub(super) fn insert(&mut self, block: Block) {
        let place = self.place_of(block.base());
        let (at, index) = place.map_or((0, 0), |place| (place.chunk, place.index + 1));
        let Some(chunk) = self.chunks.get_mut(at) else {
            if place.is_none() && self.newest.is_some() {
                self.chunks.push_back(Shared::new(Chunk::new(vec![block])));
            } else {
                self.push(block);
            }
            return;
        };
        let chunk = chunk.make_mut();
        chunk.entries += block.len();
        chunk.blocks.insert(index, block);
        if chunk.blocks.len() > CHUNK_LEN {
            let upper = Chunk::new(chunk.blocks.split_off(CHUNK_LEN / 2));
            chunk.entries -= upper.entries;
            self.chunks.insert(at + 1, Shared::new(upper));
        }
    }

    /// From the block that may hold `id` on.
    pub(super) fn iter_from(&self, id: StreamId) -> impl Iterator<Item = &Block> {
        let Place { chunk, index } = self.place_of(id).unwrap_or_default();
        let others = (chunk + 1..=self.chunks.len()).flat_map(|chunk| self.chunk(chunk));
        self.chunk(chunk).iter().skip(index).chain(others)
    }

    /// From the block that may hold `id` back to the first.
    pub(super) fn iter_back_from(&self, id: StreamId) -> impl Iterator<Item = &Block> {
        let place = self.place_of(id);
        let (chunk, len) = place.map_or((0, 0), |place| (place.chunk, place.index + 1));
        let others = (0..chunk).rev().flat_map(|chunk| self.chunk(chunk).iter().rev());
        self.chunk(chunk)[..len].iter().rev().chain(others)
    }

    /// Entries in order; both ends belong to the range.
    pub(super) fn range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamEntry<'_>> {
        let entries = self.iter_from(from).flat_map(Block::iter);
        let entries = entries.skip_while(move |entry| entry.id < from).take_while(move |entry| entry.id <= to);
        entries.filter_map(Placed::alive)
    }

    /// The same, from the last one.
    pub(super) fn range_backwards(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = StreamEntry<'_>> {
        let entries = self.iter_back_from(to).flat_map(Block::iter_backwards);
        let entries = entries.skip_while(move |entry| entry.id > to).take_while(move |entry| entry.id >= from);
        entries.filter_map(Placed::alive)
    }

    /// The blocks that may hold ids of this range, and a few others.
    pub(super) fn part(&self, from: StreamId, to: StreamId) -> Blocks {
        let first = self.place_of(from).unwrap_or_default().chunk;
        let end = self.chunks.partition_point(|chunk| chunk.base() <= to).max(first);
        let newest = self.newest.as_ref().filter(|newest| newest.base() <= to);
        Blocks { chunks: self.chunks.range(first..end).cloned().collect(), newest: newest.cloned() }
    }

    /// How many entries there are in the blocks before the one that may hold `id`.
    pub(super) fn entries_before(&self, id: StreamId) -> usize {
        let Place { chunk, index } = self.place_of(id).unwrap_or_default();
        let chunks: usize = self.chunks.range(..chunk).map(|chunk| chunk.entries).sum();
        chunks + self.chunk(chunk)[..index].iter().map(Block::len).sum::<usize>()
    }

    /// Takes the first block out where all of it is to go.
    pub(super) fn pop_first_if(&mut self, goes: impl FnOnce(&Block) -> bool) -> Option<Block> {
        let Some(chunk) = self.chunks.front_mut() else { return self.newest.take_if(|newest| goes(newest)) };
        if !chunk.blocks.first().is_some_and(goes) {
            return None;
        }
        let chunk = chunk.make_mut();
        let block = chunk.blocks.remove(0);
        chunk.entries -= block.len();
        if chunk.blocks.is_empty() {
            self.chunks.pop_front();
        }
        Some(block)
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        if self.chunks.len() > MAX_DROPPED_CHUNKS {
            stdx::discard(std::mem::take(&mut self.chunks));
        }
    }
}
