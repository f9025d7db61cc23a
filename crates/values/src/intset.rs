//! Sorted sets of integers in Redis's intset format: two little-endian 32-bit words (bytes per
//! integer: 2, 4 or 8; number of integers), then the integers, ascending, little-endian.

use crate::{Malformed, buffer};
use std::ops::Deref;

const HEADER_LEN: usize = 8;

/// A set of integers, in the bytes that RDB files hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intset {
    bytes: Vec<u8>,
}

/// The bytes of an intset: to `Intset` what `str` is to `String`.
#[derive(Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct PackedIntset([u8]);

impl Deref for Intset {
    type Target = PackedIntset;
    #[inline]
    fn deref(&self) -> &PackedIntset {
        PackedIntset::of(&self.bytes)
    }
}

/// A copy to be changed: one more integer needs no other buffer.
impl From<&PackedIntset> for Intset {
    fn from(packed: &PackedIntset) -> Intset {
        let mut bytes = Vec::new();
        buffer::reserve(&mut bytes, packed.0.len() + size_of::<i64>());
        bytes.extend_from_slice(&packed.0);
        Intset { bytes }
    }
}

impl Default for Intset {
    fn default() -> Intset {
        Intset::new()
    }
}

impl Intset {
    pub fn new() -> Intset {
        Intset { bytes: vec![2, 0, 0, 0, 0, 0, 0, 0] }
    }

    /// Takes bytes from outside, after checking that they are what this type would have written.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Intset, Malformed> {
        if bytes.len() < HEADER_LEN || !matches!(bytes[..4], [2 | 4 | 8, 0, 0, 0]) {
            return Err(Malformed);
        }
        let intset = Intset { bytes };
        let count = u32::from_le_bytes([intset.bytes[4], intset.bytes[5], intset.bytes[6], intset.bytes[7]]) as usize;
        if (intset.bytes.len() - HEADER_LEN) / intset.width() != count
            || !(intset.bytes.len() - HEADER_LEN).is_multiple_of(intset.width())
            || !intset.iter().is_sorted_by(|a, b| a < b)
        {
            return Err(Malformed);
        }
        Ok(intset)
    }

    /// True where the value is new.
    pub fn insert(&mut self, value: i64) -> bool {
        let Err(index) = self.position(value) else { return false };
        if width_of(value) > self.width() {
            self.widen(width_of(value));
        }
        let width = self.width();
        let at = HEADER_LEN + index * width;
        buffer::resize_range(&mut self.bytes, at, 0, width);
        write(&mut self.bytes[at..at + width], value);
        self.write_len();
        true
    }

    /// True where the value was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.position(value) else { return false };
        let width = self.width();
        buffer::resize_range(&mut self.bytes, HEADER_LEN + index * width, width, 0);
        self.write_len();
        true
    }

    fn widen(&mut self, width: usize) {
        let old_width = self.width();
        let len = self.len();
        buffer::reserve(&mut self.bytes, (len + 1) * width - len * old_width);
        self.bytes.resize(HEADER_LEN + len * width, 0);
        for index in (0..len).rev() {
            let value = read(&self.bytes[HEADER_LEN + index * old_width..][..old_width]);
            write(&mut self.bytes[HEADER_LEN + index * width..][..width], value);
        }
        self.bytes[0] = width as u8;
    }

    fn write_len(&mut self) {
        let len = self.len() as u32;
        self.bytes[4..HEADER_LEN].copy_from_slice(&len.to_le_bytes());
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        self.bytes.capacity()
    }
}

impl PackedIntset {
    /// Bytes that are an intset's.
    #[inline]
    pub fn of(bytes: &[u8]) -> &PackedIntset {
        assert!(bytes.len() >= HEADER_LEN, "an intset has a header");
        // SAFETY: `PackedIntset` is `repr(transparent)` over `[u8]`, so the reference means the same bytes with the same
        // length, and every byte is a valid one of either type.
        unsafe { &*(std::ptr::from_ref(bytes) as *const PackedIntset) }
    }

    /// How many bytes an intset with this header has.
    #[inline]
    pub fn byte_len(header: [u8; HEADER_LEN]) -> usize {
        let count = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        HEADER_LEN + usize::from(header[0]) * count as usize
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    pub fn len(&self) -> usize {
        (self.0.len() - HEADER_LEN) / self.width()
    }

    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER_LEN
    }

    /// Bytes per integer.
    #[inline]
    fn width(&self) -> usize {
        usize::from(self.0[0])
    }

    /// The integer at `index`, in ascending order. Panics where `index >= len`.
    #[inline]
    pub fn at(&self, index: usize) -> i64 {
        let width = self.width();
        read(&self.0[HEADER_LEN + index * width..][..width])
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + '_ {
        self.0[HEADER_LEN..].chunks_exact(self.width()).map(read)
    }

    /// Where `value` is (`Ok`) or belongs (`Err`).
    fn position(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        if high > 0 && value > self.at(high - 1) {
            return Err(high); // ascending inserts are common
        }
        while low < high {
            let middle = (low + high) / 2;
            match self.at(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    pub fn contains(&self, value: i64) -> bool {
        self.position(value).is_ok()
    }
}

fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

#[inline]
fn read(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
        _ => bytes.try_into().map_or(0, i64::from_le_bytes),
    }
}

#[inline]
fn write(bytes: &mut [u8], value: i64) {
    let width = bytes.len();
    bytes.copy_from_slice(&value.to_le_bytes()[..width]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_format_is_that_of_redis() {
        let mut intset = Intset::new();
        for value in [5, -1, 300] {
            assert!(intset.insert(value));
        }
        assert!(!intset.insert(5));
        assert_eq!(intset.as_bytes(), [2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 5, 0, 0x2c, 1]);
        intset.insert(65536);
        assert_eq!(intset.as_bytes()[..12], [4, 0, 0, 0, 4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        intset.insert(i64::MIN);
        assert_eq!(intset.as_bytes()[..16], [8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]);
        assert_eq!(intset.iter().collect::<Vec<_>>(), [i64::MIN, -1, 5, 300, 65536]);
    }

    #[test]
    fn malformed_bytes_are_refused() {
        let refused: [&[u8]; 6] = [
            &[],
            &[2, 0, 0, 0, 1, 0, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0],
        ];
        for bytes in refused {
            assert_eq!(Intset::from_bytes(bytes.to_vec()), Err(Malformed), "{bytes:?}");
        }
    }

    fn integer() -> impl Strategy<Value = i64> {
        prop_oneof![-5i64..5, any::<i16>().prop_map(i64::from), any::<i32>().prop_map(i64::from), any::<i64>()]
    }

    proptest! {
        #[test]
        fn behaves_as_an_ordered_set(operations in prop::collection::vec((any::<bool>(), integer()), 0..200)) {
            let (mut intset, mut model) = (Intset::new(), BTreeSet::new());
            for (insert, value) in operations {
                if insert {
                    prop_assert_eq!(intset.insert(value), model.insert(value));
                } else {
                    prop_assert_eq!(intset.remove(value), model.remove(&value));
                }
                prop_assert_eq!(intset.contains(value), model.contains(&value));
                prop_assert_eq!(intset.len(), model.len());
            }
            prop_assert!(intset.iter().eq(model.iter().copied()));
            prop_assert_eq!(Intset::from_bytes(intset.as_bytes().to_vec()), Ok(intset));
        }

        #[test]
        fn any_bytes_are_refused_or_usable(width in prop_oneof![Just(2u8), Just(4), Just(8), any::<u8>()], count in 0u8..6, tail in prop::collection::vec(any::<u8>(), 0..50)) {
            let mut bytes = vec![width, 0, 0, 0, count, 0, 0, 0];
            bytes.extend(tail);
            if let Ok(mut intset) = Intset::from_bytes(bytes) {
                prop_assert_eq!(intset.iter().count(), usize::from(count));
                intset.insert(7);
                prop_assert!(intset.contains(7));
            }
        }
    }
}
