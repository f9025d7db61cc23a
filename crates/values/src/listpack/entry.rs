//! One entry of a listpack: its encoding, its data, and the length of both.

use crate::Element;
use stdx::parse_i64;

/// What an entry takes beside its bytes, at most.
pub(super) const MAX_OVERHEAD: usize = 10;

/// An element as it is to be stored: as an integer where its bytes spell one canonically.
#[inline]
pub(super) fn canonical(element: Element<'_>) -> Element<'_> {
    match element {
        Element::Bytes(bytes) => parse_i64(bytes).map_or(element, Element::Int),
        Element::Int(_) => element,
    }
}

/// How many bytes a canonical element takes.
#[inline]
pub(super) fn size(element: Element<'_>) -> usize {
    let len = match element {
        Element::Int(value) => integer_len(value),
        Element::Bytes(bytes) => head_len(bytes.len()) + bytes.len(),
    };
    len + back_len_width(len)
}

/// Writes a canonical element to the front of `to`; returns how many bytes that were.
#[inline]
pub(super) fn write(element: Element<'_>, to: &mut [u8]) -> usize {
    let len = match element {
        Element::Int(value) => write_integer(value, to),
        Element::Bytes(bytes) => {
            let (start, len) = (head_len(bytes.len()), bytes.len());
            match start {
                1 => to[0] = 0x80 | len as u8,
                2 => to[..2].copy_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
                _ => {
                    to[0] = 0xf0;
                    to[1..5].copy_from_slice(&(len as u32).to_le_bytes());
                }
            }
            to[start..start + len].copy_from_slice(bytes);
            start + len
        }
    };
    len + write_back_len(len, &mut to[len..])
}

/// What comes before a string of that length.
#[inline]
fn head_len(len: usize) -> usize {
    match len {
        0..64 => 1,
        64..4096 => 2,
        _ => 5,
    }
}

#[inline]
fn integer_len(value: i64) -> usize {
    match value {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..=0x7fff => 3,
        -0x80_0000..=0x7f_ffff => 4,
        -0x8000_0000..=0x7fff_ffff => 5,
        _ => 9,
    }
}

#[inline]
fn write_integer(value: i64, to: &mut [u8]) -> usize {
    let bytes = value.to_le_bytes();
    let len = integer_len(value);
    match len {
        1 => to[0] = bytes[0],
        2 => to[..2].copy_from_slice(&[0xc0 | bytes[1] & 0x1f, bytes[0]]),
        3 => to[..3].copy_from_slice(&[0xf1, bytes[0], bytes[1]]),
        4 => to[..4].copy_from_slice(&[0xf2, bytes[0], bytes[1], bytes[2]]),
        5 => to[..5].copy_from_slice(&[0xf3, bytes[0], bytes[1], bytes[2], bytes[3]]),
        _ => {
            to[0] = 0xf4;
            to[1..9].copy_from_slice(&bytes);
        }
    }
    len
}

/// The first element in `bytes` and the length of its encoding and data. `None` where there is none.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let first = *bytes.first()?;
    let string = |head_len: usize, len: usize| {
        let end = head_len.checked_add(len)?;
        Some((Element::Bytes(bytes.get(head_len..end)?), end))
    };
    let integer = |width: usize| {
        let mut word = [0; 8];
        word[8 - width..].copy_from_slice(bytes.get(1..1 + width)?);
        Some((Element::Int(i64::from_le_bytes(word) >> (64 - 8 * width)), 1 + width))
    };
    let low_bits = usize::from(first & 0x0f);
    match first {
        0x00..=0x7f => Some((Element::Int(first.into()), 1)),
        0x80..=0xbf => string(1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let value = i16::from_be_bytes([first & 0x1f, *bytes.get(1)?]);
            Some((Element::Int((value << 3 >> 3).into()), 2))
        }
        0xe0..=0xef => string(2, low_bits << 8 | usize::from(*bytes.get(1)?)),
        0xf0 => {
            let len = u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?);
            string(5, len as usize)
        }
        0xf1 => integer(2),
        0xf2 => integer(3),
        0xf3 => integer(4),
        0xf4 => integer(8),
        _ => None,
    }
}

/// Writes `len` in groups of seven bits, the highest first; all but the first byte have the top bit set, so that it can be
/// read from the end. The borders are Redis's (one less than the bits would hold). Returns how many bytes that were.
#[inline]
pub(super) fn write_back_len(len: usize, to: &mut [u8]) -> usize {
    let width = back_len_width(len);
    if width == 1 {
        to[0] = len as u8;
        return 1;
    }
    for (index, byte) in to[..width].iter_mut().enumerate() {
        let group = (len >> (7 * (width - 1 - index))) as u8;
        *byte = if index == 0 { group } else { group & 0x7f | 0x80 };
    }
    width
}

/// How many bytes the length behind an entry takes.
#[inline]
pub(super) fn back_len_width(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16383 => 2,
        16383..2097151 => 3,
        2097151..268435455 => 4,
        _ => 5,
    }
}

/// The length at the end of `bytes`.
pub(super) fn decode_back_len(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    for (index, &byte) in bytes.iter().rev().take(5).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(len);
        }
    }
    None
}
