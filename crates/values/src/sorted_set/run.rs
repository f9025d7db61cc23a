//! Scores and members in their order, in three buffers: a leaf of the tree, or what separates the children of a node.

use crate::buffer;
use stdx::prefetch;

/// Of each buffer so many lines are loaded ahead: a search touches them here and there.
const PREFETCHED_LINES: usize = 8;

/// Ascending by score, members of the same score by their bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    scores: Vec<f64>,
    /// Where each member ends in `bytes`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

/// A pair of a run. Its member is looked up only when somebody asks: most questions are answered by the score.
#[derive(Clone, Copy)]
pub(super) struct Pair<'r> {
    run: &'r Run,
    index: usize,
}

impl<'r> Pair<'r> {
    #[inline]
    pub fn score(self) -> f64 {
        self.run.scores[self.index]
    }

    #[inline]
    pub fn member(self) -> &'r [u8] {
        self.run.member(self.index)
    }
}

impl Run {
    #[inline]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Of all members.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize }
    }

    #[inline]
    pub fn score(&self, index: usize) -> f64 {
        self.scores[index]
    }

    #[inline]
    pub fn pair(&self, index: usize) -> Pair<'_> {
        Pair { run: self, index }
    }

    #[inline]
    pub fn member(&self, index: usize) -> &[u8] {
        &self.bytes[self.start(index)..self.ends[index] as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (f64, &[u8])> {
        (0..self.len()).map(|index| (self.score(index), self.member(index)))
    }

    /// Starts to load what a search will touch.
    #[inline]
    pub fn prefetch(&self) {
        const LINE: usize = 64;
        let lines = |bytes: usize| (0..bytes.min(PREFETCHED_LINES * LINE)).step_by(LINE);
        lines(self.scores.len() * size_of::<f64>()).for_each(|at| prefetch(self.scores.as_ptr().wrapping_byte_add(at)));
        lines(self.ends.len() * size_of::<u32>()).for_each(|at| prefetch(self.ends.as_ptr().wrapping_byte_add(at)));
        lines(self.bytes.len()).for_each(|at| prefetch(self.bytes.as_ptr().wrapping_add(at)));
    }

    /// How many pairs at the beginning are before a point in the order.
    #[inline]
    pub fn partition_point(&self, is_before: &impl Fn(Pair<'_>) -> bool) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = (from + to) / 2;
            if is_before(self.pair(middle)) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// Where `member` is, whatever its score.
    pub fn find(&self, member: &[u8]) -> Option<usize> {
        let mut start = 0;
        let last = last_word(member);
        self.ends.iter().position(|&end| {
            let candidate = &self.bytes[start..end as usize];
            start = end as usize;
            candidate.len() == member.len() && last_word(candidate) == last && candidate == member
        })
    }

    pub fn set_score(&mut self, index: usize, score: f64) {
        self.scores[index] = score;
    }

    pub fn insert(&mut self, index: usize, score: f64, member: &[u8]) {
        let start = self.start(index);
        buffer::resize_range(&mut self.bytes, start, 0, member.len());
        self.bytes[start..start + member.len()].copy_from_slice(member);
        buffer::reserve(&mut self.scores, 1);
        self.scores.insert(index, score);
        buffer::reserve(&mut self.ends, 1);
        self.ends.insert(index, start as u32);
        self.ends[index..].iter_mut().for_each(|end| *end += member.len() as u32);
    }

    pub fn remove(&mut self, index: usize) {
        let (start, len) = (self.start(index), self.member(index).len());
        buffer::resize_range(&mut self.bytes, start, len, 0);
        self.scores.remove(index);
        buffer::shrink(&mut self.scores);
        self.ends.remove(index);
        self.ends[index..].iter_mut().for_each(|end| *end -= len as u32);
        buffer::shrink(&mut self.ends);
    }

    /// What is at `index` and behind goes into a run of its own.
    pub fn split_off(&mut self, index: usize) -> Run {
        let start = self.start(index);
        let mut right = Run {
            scores: self.scores.split_off(index),
            ends: self.ends.split_off(index),
            bytes: self.bytes.split_off(start),
        };
        right.ends.iter_mut().for_each(|end| *end -= start as u32);
        buffer::shrink(&mut self.scores);
        buffer::shrink(&mut self.ends);
        buffer::shrink(&mut self.bytes);
        right
    }

    /// Appends what comes behind all that is here.
    pub fn append(&mut self, right: &Run) {
        let len = self.bytes.len() as u32;
        buffer::reserve(&mut self.scores, right.len());
        self.scores.extend_from_slice(&right.scores);
        buffer::reserve(&mut self.ends, right.len());
        self.ends.extend(right.ends.iter().map(|end| end + len));
        buffer::reserve(&mut self.bytes, right.byte_len());
        self.bytes.extend_from_slice(&right.bytes);
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        self.scores.capacity() * size_of::<f64>() + self.ends.capacity() * size_of::<u32>() + self.bytes.capacity()
    }
}

/// The last bytes of a member, which differ more often than the first ones; 0 where there are less than eight.
#[inline]
fn last_word(member: &[u8]) -> u64 {
    member.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
