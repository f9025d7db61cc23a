//! Bits of byte strings. Bit 0 is the most significant one of the first byte; beyond the end there are zeros.

use std::ops::RangeInclusive;

/// Operations on several strings, bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    And,
    Or,
    Xor,
}

const WORD: usize = size_of::<u64>();

/// The bytes from `at` on as a word, zero-padded at the end.
fn word_at(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(word) => u64::from_be_bytes(*word),
        None => rest.iter().enumerate().fold(0, |word, (index, byte)| word | u64::from(*byte) << (56 - 8 * index)),
    }
}

/// How many bits are set.
pub fn count_ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let words = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum::<u64>();
    words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// The same for the bits of a range, which may reach beyond the end.
pub fn count_ones_in(bytes: &[u8], range: RangeInclusive<u64>) -> u64 {
    let last = (*range.end()).min((bytes.len() as u64 * 8).saturating_sub(1));
    if bytes.is_empty() || *range.start() > last {
        return 0;
    }
    let (from, to) = ((range.start() / 8) as usize, (last / 8) as usize);
    let before = bytes[from] & !(0xff >> (range.start() % 8));
    let behind = bytes[to] & !(0xff << (7 - last % 8));
    count_ones(&bytes[from..=to]) - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// The first bit of a range that has this value.
pub fn find(bytes: &[u8], bit: bool, range: RangeInclusive<u64>) -> Option<u64> {
    let last = (*range.end()).min((bytes.len() as u64 * 8).checked_sub(1)?);
    let unwanted = if bit { 0 } else { u64::MAX };
    let mut at = (range.start() / 8) as usize;
    // What stands before the range is not wanted.
    let mut word = (word_at(bytes, at) ^ unwanted) & (u64::MAX >> (range.start() % 8));
    while at as u64 * 8 <= last {
        if word != 0 {
            let found = at as u64 * 8 + u64::from(word.leading_zeros());
            return (found <= last).then_some(found);
        }
        at += WORD;
        word = word_at(bytes, at) ^ unwanted;
    }
    None
}

/// As long as the longest of the sources; the others are zero-padded.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let longest = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let mut result = first.to_vec();
    result.resize(longest, 0);
    for source in others {
        let (common, rest) = result.split_at_mut(source.len());
        match operation {
            Operation::And => {
                apply(common, source, |left, right| left & right);
                rest.fill(0);
            }
            Operation::Or => apply(common, source, |left, right| left | right),
            Operation::Xor => apply(common, source, |left, right| left ^ right),
        }
    }
    result
}

/// Word by word; both are equally long.
fn apply(target: &mut [u8], source: &[u8], operation: impl Fn(u64, u64) -> u64) {
    let (words, rest) = target.as_chunks_mut::<WORD>();
    let (source_words, source_rest) = source.as_chunks::<WORD>();
    for (word, source) in words.iter_mut().zip(source_words) {
        *word = operation(u64::from_ne_bytes(*word), u64::from_ne_bytes(*source)).to_ne_bytes();
    }
    for (byte, source) in rest.iter_mut().zip(source_rest) {
        *byte = operation(u64::from(*byte), u64::from(*source)) as u8;
    }
}

/// Every bit the other way round.
pub fn invert(source: &[u8]) -> Vec<u8> {
    source.iter().map(|byte| !byte).collect()
}

/// How long the result of `shift` is.
pub fn shifted_len(len: usize, by: i64) -> u64 {
    let bytes = by.unsigned_abs();
    if by >= 0 { (len as u64).saturating_add(bytes.div_ceil(8)) } else { (len as u64).saturating_sub(bytes / 8) }
}

/// The string as a number whose least significant byte stands first, shifted to the left (negative: to the right).
/// It grows and shrinks by whole bytes.
pub fn shift(source: &[u8], by: i64) -> Vec<u8> {
    let mut result = vec![0; shifted_len(source.len(), by) as usize];
    let bits = (by.unsigned_abs() % 8) as u32;
    let bytes = (by.unsigned_abs() / 8) as usize;
    if by >= 0 {
        for (index, &byte) in source.iter().enumerate() {
            let [low, high] = (u16::from(byte) << bits).to_le_bytes();
            result[bytes + index] |= low;
            if bits > 0 {
                result[bytes + index + 1] = high;
            }
        }
    } else {
        let kept = source.get(bytes..).unwrap_or_default();
        for (index, byte) in result.iter_mut().enumerate() {
            let pair = [kept[index], kept.get(index + 1).copied().unwrap_or(0)];
            *byte = (u16::from_le_bytes(pair) >> bits) as u8;
        }
    }
    result
}

/// `width` (1..=64) bits from `offset` on.
pub fn read(bytes: &[u8], offset: u64, width: u8) -> u64 {
    let first = usize::try_from(offset / 8).unwrap_or(usize::MAX);
    let ninth = first.checked_add(WORD).and_then(|at| bytes.get(at)).copied().unwrap_or(0);
    let window = u128::from(word_at(bytes, first)) << 8 | u128::from(ninth);
    (window >> (72 - offset % 8 - u64::from(width))) as u64 & mask(width)
}

/// Overwrites `width` (1..=64) bits, which lie within the bytes.
pub fn write(bytes: &mut [u8], offset: u64, width: u8, value: u64) {
    let end = offset + u64::from(width);
    let (first, last) = ((offset / 8) as usize, (end.div_ceil(8)) as usize);
    let below = last as u64 * 8 - end;
    let (mut value, mut mask) = (u128::from(value & mask(width)) << below, u128::from(mask(width)) << below);
    for byte in bytes[first..last].iter_mut().rev() {
        *byte = *byte & !(mask as u8) | value as u8;
        value >>= 8;
        mask >>= 8;
    }
}

fn mask(width: u8) -> u64 {
    u64::MAX >> (64 - width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn bits(bytes: &[u8]) -> Vec<bool> {
        bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1)).collect()
    }

    /// Long runs of the same byte, so that words are skipped.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        vec((prop_oneof![Just(0), Just(0xff), any::<u8>()], 1..20usize), 0..6)
            .prop_map(|runs| runs.into_iter().flat_map(|(byte, len)| vec![byte; len]).collect())
    }

    proptest! {
        #[test]
        fn counting_and_finding(text in text(), bit: bool, first in 0..400u64, len in 0..400u64) {
            let last = first + len;
            let range = || bits(&text).into_iter().enumerate().skip(first as usize).take(len as usize + 1);
            prop_assert_eq!(count_ones(&text), bits(&text).into_iter().filter(|bit| *bit).count() as u64);
            prop_assert_eq!(count_ones_in(&text, first..=last), range().filter(|(_, bit)| *bit).count() as u64);
            let found = range().find(|(_, there)| *there == bit).map(|(index, _)| index as u64);
            prop_assert_eq!(find(&text, bit, first..=last), found);
        }

        #[test]
        fn combining(sources in vec(text(), 1..5)) {
            let sources: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let longest = sources.iter().map(|source| source.len()).max().unwrap();
            for (operation, naive) in [
                (Operation::And, (|a, b| a & b) as fn(u8, u8) -> u8),
                (Operation::Or, |a, b| a | b),
                (Operation::Xor, |a, b| a ^ b),
            ] {
                let expected: Vec<u8> = (0..longest)
                    .map(|at| sources.iter().map(|source| source.get(at).copied().unwrap_or(0)).reduce(naive).unwrap())
                    .collect();
                prop_assert_eq!(combine(operation, &sources), expected);
            }
        }

        #[test]
        fn shifting(bytes in vec(any::<u8>(), 0..12), by in -40..20i64) {
            let number = bytes.iter().rev().fold(0u128, |number, byte| number << 8 | u128::from(*byte));
            let expected = if by < 0 { number >> -by } else { number << by };
            let result = shift(&bytes, by);
            prop_assert_eq!(result.len() as u64, shifted_len(bytes.len(), by));
            prop_assert_eq!(result.iter().rev().fold(0u128, |number, byte| number << 8 | u128::from(*byte)), expected);
        }

        #[test]
        fn reading_and_writing(text in text(), offset in 0..600u64, width in 1..=64u8, value: u64) {
            let naive = |text: &[u8], at: u64| bits(text).get(at as usize).copied().unwrap_or(false);
            let expected = (0..u64::from(width)).fold(0, |sum, at| sum << 1 | u64::from(naive(&text, offset + at)));
            prop_assert_eq!(read(&text, offset, width), expected);
            let mut written = text.clone();
            written.resize(written.len().max(100), 0);
            let before = bits(&written);
            write(&mut written, offset, width, value);
            prop_assert_eq!(read(&written, offset, width), value & mask(width));
            let outside = |at: &usize| (*at as u64) < offset || *at as u64 >= offset + u64::from(width);
            prop_assert!((0..before.len()).filter(outside).all(|at| bits(&written)[at] == before[at]));
        }
    }

    #[test]
    fn offsets_far_beyond_the_end() {
        assert_eq!(read(b"abc", u64::MAX - 64, 64), 0);
        assert_eq!(shift(b"abc", i64::MIN), b"");
        assert_eq!(shifted_len(3, i64::MAX), 3 + (1 << 60));
    }
}
