//! Comparisons of short byte strings.

/// Whether both are the same. Lengths of 2 to 32 are compared as words, without a call.
#[inline]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    match left.len() {
        8..=16 => ends_equal::<8>(left, right),
        17..=32 => ends_equal::<16>(left, right),
        4..8 => ends_equal::<4>(left, right),
        2..4 => ends_equal::<2>(left, right),
        _ => left == right,
    }
}

/// Whether the first and the last `N` bytes of both are the same.
#[inline]
fn ends_equal<const N: usize>(left: &[u8], right: &[u8]) -> bool {
    left.first_chunk::<N>() == right.first_chunk::<N>() && left.last_chunk::<N>() == right.last_chunk::<N>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts_at_every_length() {
        for len in 0..=70 {
            let text: Vec<u8> = (0..len).collect();
            assert!(equal(&text, &text.clone()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 1;
                assert!(!equal(&text, &other), "{len} {at}");
            }
            assert!(!equal(&text, &[&text[..], b"x"].concat()));
        }
    }
}
