//! A vector that grows without moving what is there, and that can be cloned in no time.

use crate::shared::Shared;
use std::ops::{Index, IndexMut};

const SEGMENT_LEN: usize = 1024;
/// What has more segments is not dropped where somebody waits.
const MAX_DROPPED_SEGMENTS: usize = 16;

/// What segments hold.
pub(crate) trait Part: Clone + Default + Send + Sync + 'static {}
impl<T: Clone + Default + Send + Sync + 'static> Part for T {}

/// Elements in segments of the same length; only the first one may be smaller while it is alone.
///
/// A clone shares the segments, and the first write to one of them copies it: so whoever needs much time with the contents
/// of a large collection takes a clone.
#[derive(Clone, Debug)]
pub(crate) struct Segments<T: Part> {
    /// What is beyond `len` in the last one is as by default.
    segments: Vec<Shared<[T]>>,
    len: usize,
}

impl<T: Part> Default for Segments<T> {
    fn default() -> Segments<T> {
        Segments { segments: Vec::new(), len: 0 }
    }
}

impl<T: Part> Segments<T> {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, element: T) {
        match &self.segments[..] {
            // The first segment may stay small; the later ones get full in any case.
            [] => self.segments.push(defaults(1).collect()),
            [first] if first.len() == self.len && self.len < SEGMENT_LEN => self.resize_first(self.len * 2),
            segments if segments.len() * SEGMENT_LEN == self.len => self.segments.push(defaults(SEGMENT_LEN).collect()),
            _ => {}
        }
        self.len += 1;
        let last = self.len - 1;
        self[last] = element;
    }

    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        let element = std::mem::take(&mut self[last]);
        self.len = last;
        match self.len {
            len if len.is_multiple_of(SEGMENT_LEN) => drop(self.segments.pop()),
            len if len < SEGMENT_LEN && len * 4 <= self.segments[0].len() => {
                self.resize_first(self.segments[0].len() / 2);
            }
            _ => {}
        }
        Some(element)
    }

    /// `len`: a power of two up to `SEGMENT_LEN`. Beyond it there is nothing.
    fn resize_first(&mut self, len: usize) {
        let elements = self.segments[0].make_mut_slice().iter_mut().map(std::mem::take);
        self.segments[0] = elements.chain(defaults(len)).take(len).collect();
    }

    /// Are both clones of the same, and has neither been changed since?
    pub fn is(&self, other: &Segments<T>) -> bool {
        let same = |(own, other): (&Shared<[T]>, &Shared<[T]>)| own.is(other);
        self.len == other.len && self.segments.iter().zip(&other.segments).all(same)
    }

    pub fn count(&self) -> usize {
        self.segments.len()
    }

    /// Copies a segment that is shared, before somebody has to.
    pub fn unshare(&mut self, segment: usize) {
        self.segments[segment].make_mut_slice();
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().flat_map(|segment| segment.iter()).take(self.len)
    }

    /// Bytes on the heap for the elements themselves.
    pub fn heap_size(&self) -> usize {
        const COUNTERS_BYTES: usize = 2 * size_of::<usize>();
        let elements: usize = self.segments.iter().map(|segment| segment.len()).sum();
        self.segments.capacity() * size_of::<Shared<[T]>>()
            + self.segments.len() * COUNTERS_BYTES
            + elements * size_of::<T>()
    }
}

fn defaults<T: Default>(count: usize) -> impl ExactSizeIterator<Item = T> {
    std::iter::repeat_with(T::default).take(count)
}

impl<T: Part> Drop for Segments<T> {
    fn drop(&mut self) {
        if self.segments.len() > MAX_DROPPED_SEGMENTS {
            stdx::discard(std::mem::take(&mut self.segments));
        }
    }
}

impl<T: Part> Index<usize> for Segments<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.segments[index / SEGMENT_LEN][index % SEGMENT_LEN]
    }
}

impl<T: Part> IndexMut<usize> for Segments<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.segments[index / SEGMENT_LEN].make_mut_slice()[index % SEGMENT_LEN]
    }
}
