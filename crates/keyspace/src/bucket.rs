//! One cache line of the table: seven entries with a byte of their hashes each.

use crate::entry::Entry;

/// Entries per bucket.
pub(crate) const SLOTS: usize = 7;
const OVERFLOW: usize = SLOTS;

const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
/// The high bit of each tag byte, not of the overflow counter (the last byte).
const TAG_MATCHES: u64 = 0x0080_8080_8080_8080;

/// Seven slots, a tag byte for each (0: free), and in the eighth byte how many entries were placed
/// beyond this bucket because it was full (Bronson and Shi, "F14", 2019): where it is zero a search
/// ends. 255 stays 255 until the segment is rebuilt.
#[repr(C, align(64))]
pub(crate) struct Bucket {
    bytes: [u8; 8],
    slots: [Option<Entry>; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    pub fn new() -> Bucket {
        Bucket { bytes: [0; 8], slots: [const { None }; SLOTS] }
    }

    /// The slots whose tag is `tag`.
    #[inline]
    pub fn matching(&self, tag: u8) -> Slots {
        let difference = u64::from_le_bytes(self.bytes) ^ (u64::from(tag) * 0x0101_0101_0101_0101);
        // The high bit of each byte of `difference` that is zero; exact, no borrow crosses a byte.
        let nonzero = ((difference & LOW_BITS) + LOW_BITS) | difference | LOW_BITS;
        Slots(!nonzero & TAG_MATCHES)
    }

    #[inline]
    pub fn overflow(&self) -> bool {
        self.bytes[OVERFLOW] != 0
    }

    pub fn pass_by(&mut self) {
        self.bytes[OVERFLOW] = self.bytes[OVERFLOW].saturating_add(1);
    }

    /// Takes back a `pass_by`.
    pub fn unpass(&mut self) {
        if self.bytes[OVERFLOW] != u8::MAX {
            self.bytes[OVERFLOW] -= 1;
        }
    }

    pub fn free_slot(&self) -> Option<usize> {
        self.matching(0).next()
    }

    pub fn put(&mut self, slot: usize, tag: u8, entry: Entry) {
        self.bytes[slot] = tag;
        self.slots[slot] = Some(entry);
    }

    pub fn take(&mut self, slot: usize) -> Option<(u8, Entry)> {
        let entry = self.slots[slot].take()?;
        Some((std::mem::take(&mut self.bytes[slot]), entry))
    }

    #[inline]
    pub fn get(&self, slot: usize) -> Option<&Entry> {
        self.slots[slot].as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Entry> {
        self.slots[slot].as_mut()
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }
}

/// A set of slots, ascending.
pub(crate) struct Slots(u64);

impl Iterator for Slots {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0 - 1;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_is_exact() {
        let mut bucket = Bucket::new();
        bucket.bytes = [1, 0, 0x80, 0x81, 0xff, 1, 0x7f, 1];
        assert_eq!(bucket.matching(1).collect::<Vec<_>>(), [0, 5]);
        assert_eq!(bucket.matching(0).collect::<Vec<_>>(), [1]);
        assert_eq!(bucket.matching(0x80).collect::<Vec<_>>(), [2]);
        assert_eq!(bucket.matching(0x81).collect::<Vec<_>>(), [3]);
        assert_eq!(bucket.matching(0xff).collect::<Vec<_>>(), [4]);
        assert_eq!(bucket.matching(0x7f).collect::<Vec<_>>(), [6]);
        assert_eq!(bucket.matching(2).count(), 0);
    }

    #[test]
    fn a_saturated_overflow_counter_stays() {
        let mut bucket = Bucket::new();
        for _ in 0..300 {
            bucket.pass_by();
        }
        for _ in 0..300 {
            bucket.unpass();
        }
        assert!(bucket.overflow());
    }
}
