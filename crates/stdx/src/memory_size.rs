//! Amounts of memory as configuration files write them.

use crate::parse_u64;

/// Reads `100`, `5k` (5000), `5kb` (5120), likewise `m`, `mb`, `g`, `gb`, and `b`; letters of either case. Bytes.
pub fn parse_memory_size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let multiplier: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1000 * 1000,
        b"mb" => 1 << 20,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let significant = number.iter().take_while(|byte| **byte == b'0').count().min(number.len().saturating_sub(1));
    parse_u64(&number[significant..])?.checked_mul(multiplier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_decimal_without_b_and_binary_with_it() {
        for (text, bytes) in [
            ("0", 0),
            ("007", 7),
            ("1024", 1024),
            ("12b", 12),
            ("5k", 5000),
            ("5KB", 5120),
            ("1m", 1_000_000),
            ("64Mb", 67_108_864),
            ("1g", 1_000_000_000),
            ("1gb", 1_073_741_824),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_memory_size(text.as_bytes()), Some(bytes), "{text}");
        }
    }

    #[test]
    fn nonsense_and_overflow_are_refused() {
        for text in ["", "k", "gb", "-1", "1 gb", "1tb", "1.5gb", "1gbx", "18446744073709551615k"] {
            assert_eq!(parse_memory_size(text.as_bytes()), None, "{text:?}");
        }
    }
}
