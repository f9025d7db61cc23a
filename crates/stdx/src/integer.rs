//! Decimal integers as Redis reads them: no `+`, no leading zeros, no spaces, nothing after the last digit.

/// Reads a signed 64-bit integer. Only the text that printing the number would give is accepted.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = parse_u64(digits)?;
    match negative {
        false => i64::try_from(magnitude).ok(),
        true if magnitude == 0 => None,
        true => 0i64.checked_sub_unsigned(magnitude),
    }
}

/// Reads an unsigned 64-bit integer, with the same strictness.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    // 19 digits cannot overflow, so only the twentieth needs a check.
    const SAFE_DIGITS: usize = 19;
    match text {
        [b'0'] => return Some(0),
        [b'1'..=b'9', ..] if text.len() <= SAFE_DIGITS + 1 => {}
        _ => return None,
    }
    let mut value = 0u64;
    for &byte in &text[..text.len().min(SAFE_DIGITS)] {
        value = value * 10 + digit(byte)?;
    }
    match text.get(SAFE_DIGITS) {
        None => Some(value),
        Some(&byte) => value.checked_mul(10)?.checked_add(digit(byte)?),
    }
}

#[inline]
fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_canonical_text_is_an_integer() {
        for refused in ["", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1a", "a", "0x1", "1.0", "--1"] {
            assert_eq!(parse_i64(refused.as_bytes()), None, "{refused:?}");
        }
        for accepted in [0, 1, -1, 9, 10, i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1] {
            assert_eq!(parse_i64(accepted.to_string().as_bytes()), Some(accepted));
        }
    }

    #[test]
    fn the_limits_are_exact() {
        assert_eq!(parse_i64(b"9223372036854775808"), None);
        assert_eq!(parse_i64(b"-9223372036854775809"), None);
        assert_eq!(parse_i64(b"99999999999999999999999"), None);
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"99999999999999999999"), None);
    }

    proptest! {
        #[test]
        fn printed_integers_come_back(number: i64, unsigned: u64) {
            prop_assert_eq!(parse_i64(number.to_string().as_bytes()), Some(number));
            prop_assert_eq!(parse_u64(unsigned.to_string().as_bytes()), Some(unsigned));
        }

        #[test]
        fn what_is_accepted_prints_as_it_was(text in "-?[0-9]{0,21}") {
            if let Some(number) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(number.to_string(), text);
            }
        }
    }
}
