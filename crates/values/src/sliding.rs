//! Bytes that grow and shrink at both ends at the cost of what comes or goes there.

use std::ops::{Deref, DerefMut};
use stdx::size_class;

/// A buffer with unused room before and behind what it holds. Its size is one of the allocator's size classes.
pub(crate) struct Sliding {
    buffer: Box<[u8]>,
    start: u32,
    len: u32,
}

/// An end of the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Front,
    Back,
}

impl Sliding {
    /// Bytes on the heap.
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// A copy that has room for `additional` bytes at its end.
    pub(crate) fn copy(bytes: &[u8], additional: usize) -> Sliding {
        let capacity = size_class(bytes.len() + additional);
        let mut buffer = Vec::with_capacity(capacity);
        buffer.extend_from_slice(bytes);
        buffer.resize(capacity, 0);
        Sliding { start: 0, len: bytes.len() as u32, buffer: buffer.into_boxed_slice() }
    }

    #[inline]
    fn room(&self, side: Side) -> usize {
        match side {
            Side::Front => self.start as usize,
            Side::Back => self.buffer.len() - self.start as usize - self.len(),
        }
    }

    /// Makes the `old_len` bytes at `at` into `new_len` bytes, moving what is before or behind them, whichever is less.
    /// What the range holds afterwards is for the caller to write.
    pub(crate) fn resize_range(&mut self, at: usize, old_len: usize, new_len: usize) {
        if old_len == new_len {
            return;
        }
        let behind = self.len() - at - old_len;
        let side = if at < behind { Side::Front } else { Side::Back };
        if new_len > old_len && self.room(side) < new_len - old_len {
            self.make_room(side, new_len - old_len);
        }
        let start = self.start as usize;
        let new_start = if side == Side::Front { start + old_len - new_len } else { start };
        match side {
            Side::Front => self.buffer.copy_within(start..start + at, new_start),
            Side::Back => {
                let from = start + at + old_len;
                self.buffer.copy_within(from..from + behind, start + at + new_len);
            }
        }
        self.start = new_start as u32;
        self.len = (at + new_len + behind) as u32;
        if new_len < old_len {
            self.shrink();
        }
    }

    /// Adds `additional` bytes at one side, for the caller to write.
    #[inline]
    pub(crate) fn extend(&mut self, side: Side, additional: usize) {
        if self.room(side) < additional {
            self.make_room(side, additional);
        }
        if side == Side::Front {
            self.start -= additional as u32;
        }
        self.len += additional as u32;
    }

    /// Makes room for `additional` bytes at one side, and for many more: for what is expected to grow.
    #[inline]
    pub(crate) fn reserve(&mut self, side: Side, additional: usize) {
        if self.room(side) < additional {
            self.grow(side, additional);
        }
    }

    #[cold]
    fn grow(&mut self, side: Side, additional: usize) {
        let (len, capacity) = (self.len(), self.buffer.len());
        let suffices = capacity - len >= additional.max(len / 4);
        // Less than twice as much, or the next removal would give it back.
        self.slide(side, if suffices { capacity } else { size_class(len + additional.max(len / 2)) });
    }

    /// Gives back the unused room.
    pub(crate) fn fit(&mut self) {
        let wanted = size_class(self.len());
        if self.buffer.len() > wanted {
            self.slide(Side::Back, wanted);
        }
    }

    /// All unused room comes to one side, so that there are `additional` bytes.
    #[cold]
    fn make_room(&mut self, side: Side, additional: usize) {
        // With less room than that everything would soon be moved again, and again.
        let worthwhile = additional.max(self.len() / 16);
        let capacity = match self.buffer.len() - self.len() {
            unused if unused >= worthwhile => self.buffer.len(),
            unused if unused >= additional => size_class(self.len() + worthwhile),
            _ => size_class(self.len() + additional),
        };
        self.slide(side, capacity);
    }

    /// Gives memory back where more than half of it is unused.
    fn shrink(&mut self) {
        let wanted = size_class(self.len());
        if self.buffer.len() > 64 && self.buffer.len() >= 2 * wanted {
            self.slide(Side::Back, wanted);
        }
    }

    /// A buffer of `capacity` bytes, which is enough, with the unused ones on one side.
    fn slide(&mut self, side: Side, capacity: usize) {
        let (start, len) = (self.start as usize, self.len());
        let new_start = if side == Side::Front { capacity - len } else { 0 };
        if capacity == self.buffer.len() {
            self.buffer.copy_within(start..start + len, new_start);
        } else if start == new_start && capacity > self.buffer.len() {
            // The allocator may have more room where the bytes are.
            let mut buffer = std::mem::take(&mut self.buffer).into_vec();
            buffer.reserve_exact(capacity - buffer.len());
            buffer.resize(capacity, 0);
            self.buffer = buffer.into_boxed_slice();
        } else {
            let mut buffer = vec![0; capacity].into_boxed_slice();
            buffer[new_start..new_start + len].copy_from_slice(self);
            self.buffer = buffer;
        }
        self.start = new_start as u32;
    }
}

impl From<Vec<u8>> for Sliding {
    /// Not more bytes than 32 bits can count.
    fn from(bytes: Vec<u8>) -> Sliding {
        let buffer = bytes.into_boxed_slice();
        Sliding { start: 0, len: buffer.len() as u32, buffer }
    }
}

impl Deref for Sliding {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.buffer[self.start as usize..][..self.len as usize]
    }
}

impl DerefMut for Sliding {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start as usize..][..self.len as usize]
    }
}

impl Clone for Sliding {
    fn clone(&self) -> Sliding {
        Sliding::copy(self, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A place, how many bytes there are replaced by how many.
    fn edit() -> impl Strategy<Value = (usize, usize, usize)> {
        let place = prop_oneof![Just(0), Just(usize::MAX), any::<usize>()];
        (place, prop_oneof![3 => Just(0), 1 => 0..400usize], prop_oneof![1 => Just(0), 2 => 0..60usize])
    }

    proptest! {
        #[test]
        fn behaves_as_a_vector(edits in prop::collection::vec(edit(), 0..200)) {
            let mut bytes = Sliding::from(Vec::new());
            let mut model: Vec<u8> = Vec::new();
            for (number, (place, old_len, new_len)) in edits.into_iter().enumerate() {
                let at = if place == usize::MAX { model.len() } else { place % (model.len() + 1) };
                let old_len = old_len.min(model.len() - at);
                let new = vec![number as u8; new_len];
                bytes.resize_range(at, old_len, new_len);
                bytes[at..at + new_len].copy_from_slice(&new);
                model.splice(at..at + old_len, new);
                prop_assert_eq!(&*bytes, &*model);
                prop_assert_eq!(&*bytes.clone(), &*model);
                prop_assert!(bytes.capacity() <= 64.max(2 * size_class(model.len())));
            }
        }
    }

    #[test]
    fn what_comes_and_goes_at_an_end_moves_the_rest_rarely() {
        for at_front in [false, true] {
            let mut bytes = Sliding::from(vec![0; 6]);
            let mut moves = 0;
            for _ in 0..1000 {
                let (start, capacity) = (bytes.start, bytes.capacity());
                let at = if at_front { 3 } else { bytes.len() - 1 };
                bytes.resize_range(at, 0, 8);
                let expected = if at_front { start.wrapping_sub(8) } else { start };
                moves += usize::from(bytes.start != expected || bytes.capacity() != capacity);
            }
            assert!(moves < 50, "{moves}");
        }
    }

    #[test]
    fn what_is_expected_to_grow_moves_less_often_and_can_be_fitted() {
        for side in [Side::Front, Side::Back] {
            let mut bytes = Sliding::from(vec![0; 6]);
            let mut moves = 0;
            for number in 0..1000u16 {
                moves += usize::from(bytes.room(side) < 8);
                bytes.reserve(side, 8);
                bytes.extend(side, 8);
                let at = if side == Side::Front { 0 } else { bytes.len() - 8 };
                bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
                // The last one goes and comes again.
                let capacity = bytes.capacity();
                bytes.resize_range(at, 8, 0);
                assert!(number < 8 || bytes.capacity() == capacity, "{number}");
                bytes.resize_range(if side == Side::Front { 0 } else { bytes.len() }, 0, 8);
            }
            assert!(moves < 25, "{moves}");
            assert_eq!(bytes.len(), 8006);
            bytes.fit();
            assert_eq!((bytes.len(), bytes.capacity()), (8006, 8192));
        }
    }

    #[test]
    fn a_queue_does_not_move_with_every_element() {
        let mut bytes = Sliding::from(vec![0; 1000]);
        let mut slides = 0;
        for _ in 0..1000 {
            bytes.resize_range(3, 16, 0);
            slides += usize::from(bytes.room(Side::Back) < 16);
            bytes.resize_range(bytes.len() - 1, 0, 16);
        }
        assert!(slides < 150, "{slides}");
        assert!(bytes.capacity() <= 1280);
    }
}
