//! An element as its encoding keeps it: the compact encodings store integers as such.

/// A member, field or value, borrowed from a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// Calls `f` with the bytes that a client sees.
    #[inline]
    pub fn with_bytes<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Element::Int(value) => f(itoa::Buffer::new().format(value).as_bytes()),
            Element::Bytes(bytes) => f(bytes),
        }
    }

    /// Length of the bytes that a client sees.
    pub fn byte_len(self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// The integer that this is, or that its bytes spell in exactly the way in which integers are printed.
    #[inline]
    pub fn as_integer(self) -> Option<i64> {
        match self {
            Element::Int(value) => Some(value),
            Element::Bytes(bytes) => parse_integer(bytes),
        }
    }
}

/// The integer that `bytes` spell canonically: no plus sign, no leading zeros, no "-0", no spaces.
/// So the integer prints as the same bytes again.
#[inline]
pub(crate) fn parse_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude = 0u64; // 19 digits always fit
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_canonical_integers_parse() {
        for text in ["0", "1", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_integer(text.as_bytes()).map(|value| value.to_string()).as_deref(), Some(text));
        }
        for text in ["", "-", "-0", "00", "01", "+1", " 1", "1 ", "1a", "9223372036854775808", "-9223372036854775809"] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_integer(b"99999999999999999999"), None);
    }

    proptest! {
        #[test]
        fn parses_what_it_prints(value: i64) {
            prop_assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
    }
}
