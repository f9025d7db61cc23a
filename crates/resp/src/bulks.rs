//! Short bulk strings, which most elements of replies are.

use crate::Out;
use std::ops::RangeInclusive;

/// A short bulk string takes no more than this, its head and its end included.
pub(crate) const SHORT_LEN: usize = 40;
/// So much room is made at once.
const ROOM_LEN: usize = 12 * SHORT_LEN;

/// The heads of bulk strings of up to 32 bytes, by their lengths.
const HEADS: [[u8; 8]; 33] = {
    let mut heads = [*b"$0\r\n\0\0\0\0"; 33];
    let mut len = 1;
    while len < heads.len() {
        let (tens, ones) = (b'0' + len as u8 / 10, b'0' + len as u8 % 10);
        heads[len] =
            if len < 10 { [b'$', ones, b'\r', b'\n', 0, 0, 0, 0] } else { [b'$', tens, ones, b'\r', b'\n', 0, 0, 0] };
        len += 1;
    }
    heads
};

/// The lengths that `write_short` takes.
pub(crate) const SHORT: RangeInclusive<usize> = 1..=32;

/// Writes a bulk string of one of those lengths. Returns how long it is with its head and its end.
#[inline]
pub(crate) fn write_short(place: &mut [u8; SHORT_LEN], bytes: &[u8]) -> usize {
    match bytes.len() {
        8..=16 => write_halves::<8>(place, bytes),
        17.. => write_halves::<16>(place, bytes),
        4..8 => write_halves::<4>(place, bytes),
        2..4 => write_halves::<2>(place, bytes),
        _ => write_halves::<1>(place, bytes),
    }
}

/// The same for `N` to `2 * N` bytes: the first and the last `N`, which overlap.
#[inline]
fn write_halves<const N: usize>(place: &mut [u8; SHORT_LEN], bytes: &[u8]) -> usize {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else { return 0 };
    let len = bytes.len().min(2 * N);
    let start = if len < 10 { 4 } else { 5 };
    place[..8].copy_from_slice(&HEADS[len]);
    place[start..start + N].copy_from_slice(first);
    place[start + len - N..start + len].copy_from_slice(last);
    place[start + len..start + len + 2].copy_from_slice(b"\r\n");
    start + len + 2
}

/// Appends many bulk strings. The buffer is made longer for several of them, and each short one is put into its place.
pub struct Bulks<'o> {
    out: &'o mut Out,
    /// Where the next one begins; behind it is room.
    end: usize,
}

impl<'o> Bulks<'o> {
    #[inline]
    pub(crate) fn new(out: &'o mut Out) -> Bulks<'o> {
        let end = out.buffer.len();
        Bulks { out, end }
    }

    // Long replies are made of this.
    #[inline(always)]
    pub fn push(&mut self, bytes: &[u8]) {
        if !SHORT.contains(&bytes.len()) {
            return self.push_long(bytes);
        }
        if self.out.buffer.len() - self.end < SHORT_LEN {
            self.make_room();
        }
        if let Some(place) = self.out.buffer[self.end..].first_chunk_mut() {
            self.end += write_short(place, bytes);
        }
    }

    #[cold]
    fn make_room(&mut self) {
        self.out.buffer.resize(self.end + ROOM_LEN, 0);
    }

    /// A number as a bulk string.
    #[inline(never)]
    pub fn push_integer(&mut self, value: i64) {
        self.push(itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline(never)]
    fn push_long(&mut self, bytes: &[u8]) {
        self.out.buffer.truncate(self.end);
        self.out.bulk(bytes);
        self.end = self.out.buffer.len();
    }
}

impl Drop for Bulks<'_> {
    #[inline]
    fn drop(&mut self) {
        self.out.buffer.truncate(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_what_each_is() {
        let letters = "abcdefghijklmnopqrstuvwxyz".repeat(4);
        let (mut together, mut alone) = (Out::default(), Out::default());
        together.array(3);
        alone.array(3);
        let mut bulks = together.bulks();
        for number in [0, -7, 1234567, i64::MIN] {
            bulks.push_integer(number);
            alone.bulk_integer(number);
        }
        for len in (0..=100).chain((0..500).map(|number| number * 7 % 40)) {
            bulks.push(&letters.as_bytes()[..len]);
            alone.bulk(&letters.as_bytes()[..len]);
        }
        drop(bulks);
        assert_eq!(together.buffer, alone.buffer);
    }
}
