//! A vector that grows without moving what is there.

use std::ops::{Index, IndexMut};

const SEGMENT_LEN: usize = 1024;

/// Elements in segments of the same length; only the first one may be smaller while it is alone.
#[derive(Clone, Debug)]
pub(crate) struct Segments<T> {
    segments: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Segments<T> {
    fn default() -> Segments<T> {
        Segments { segments: Vec::new(), len: 0 }
    }
}

impl<T> Segments<T> {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn push(&mut self, element: T) {
        if self.len.is_multiple_of(SEGMENT_LEN) {
            // The first segment may stay small; the later ones get full in any case.
            let capacity = if self.segments.is_empty() { 1 } else { SEGMENT_LEN };
            self.segments.push(Vec::with_capacity(capacity));
        }
        self.len += 1;
        if let Some(segment) = self.segments.last_mut() {
            segment.push(element);
        }
    }

    pub fn pop(&mut self) -> Option<T> {
        let last = self.segments.last_mut()?.pop()?;
        self.len -= 1;
        if self.len.is_multiple_of(SEGMENT_LEN) {
            self.segments.pop();
        }
        Some(last)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().flatten()
    }

    /// Bytes on the heap for the elements themselves.
    pub fn heap_size(&self) -> usize {
        let elements = match &self.segments[..] {
            [only] => only.capacity(),
            segments => segments.len() * SEGMENT_LEN,
        };
        self.segments.capacity() * size_of::<Vec<T>>() + elements * size_of::<T>()
    }
}

impl<T> Index<usize> for Segments<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.segments[index / SEGMENT_LEN][index % SEGMENT_LEN]
    }
}

impl<T> IndexMut<usize> for Segments<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.segments[index / SEGMENT_LEN][index % SEGMENT_LEN]
    }
}
