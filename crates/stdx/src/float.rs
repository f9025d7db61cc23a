//! Doubles as Redis reads and prints them.

use crate::float_text::{FloatText, Format, Magnitude};

const DOUBLE: Format = Format { mantissa_bits: 53, min_exponent: -1074, max_exponent: 971 };

/// Reads what C's strtod reads: decimal, hexadecimal, `inf`. Refused: NaN, spaces, anything behind the number, and
/// numbers too great or too small to be told from infinity or zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    parse_short_integer(text).or_else(|| parse_any_f64(text))
}

/// Most numbers are nothing but a few digits, of which a double holds fifteen exactly.
#[inline]
fn parse_short_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let value = text.iter().try_fold(0u64, |value, byte| Some(value * 10 + char::from(*byte).to_digit(10)? as u64))?;
    Some(value as f64)
}

fn parse_any_f64(text: &[u8]) -> Option<f64> {
    let FloatText { negative, magnitude } = FloatText::split(text)?;
    let value = match magnitude {
        Magnitude::Infinity => f64::INFINITY,
        Magnitude::Decimal(digits) => {
            let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
            let value: f64 = std::str::from_utf8(unsigned).ok()?.parse().ok()?;
            if value.is_infinite() || (value == 0.0 && !digits.is_zero()) {
                return None;
            }
            value
        }
        Magnitude::Hexadecimal(digits) => {
            let binary = DOUBLE.round_hexadecimal(&digits)?;
            if binary.mantissa == 0 && !digits.is_zero() {
                return None;
            }
            let implicit_bit = 1 << (DOUBLE.mantissa_bits - 1);
            // The biased exponent of the format is 1 for the smallest normal numbers and 0 below them.
            let biased =
                if binary.mantissa < implicit_bit { 0 } else { (binary.exponent - DOUBLE.min_exponent + 1) as u64 };
            f64::from_bits(biased << 52 | (binary.mantissa & (implicit_bit - 1)))
        }
    };
    Some(if negative { -value } else { value })
}

/// How doubles are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatFormat {
    /// As Redis does since 7.2, and Valkey: see `FloatBuffer`.
    #[default]
    Shortest,
    /// As Redis 7.0 and KeyDB do: C's `%.17g`.
    SeventeenDigits,
}

/// Prints doubles as Redis 7.2 does: the shortest digits that read back as the same number, integers without a point up
/// to 2^62, an exponent where the number is long.
#[derive(Default)]
pub struct FloatBuffer {
    bytes: [u8; 32],
    len: usize,
}

impl FloatBuffer {
    pub fn new() -> FloatBuffer {
        FloatBuffer::default()
    }

    pub fn format(&mut self, value: f64) -> &[u8] {
        const INTEGER_LIMIT: f64 = (1u64 << 62) as f64;
        self.len = 0;
        if value.is_nan() {
            self.put(b"nan");
        } else if value.is_infinite() {
            self.put(if value < 0.0 { b"-inf" } else { b"inf" });
        } else if value == 0.0 {
            self.put(if value.is_sign_negative() { b"-0" } else { b"0" });
        } else if value.abs() <= INTEGER_LIMIT && value.trunc() == value {
            self.put(itoa::Buffer::new().format(value as i64).as_bytes());
        } else {
            if value < 0.0 {
                self.put(b"-");
            }
            self.put_shortest(value.abs());
        }
        &self.bytes[..self.len]
    }

    /// The same in a format of choice.
    pub fn format_as(&mut self, value: f64, format: FloatFormat) -> &[u8] {
        if format == FloatFormat::Shortest || !value.is_finite() || value == 0.0 {
            return self.format(value);
        }
        self.len = 0;
        if value < 0.0 {
            self.put(b"-");
        }
        let text = format!("{:.16e}", value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: Vec<u8> = mantissa.bytes().filter(|byte| *byte != b'.').collect();
        let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
        self.put_general(&digits[..kept], exponent.parse().unwrap_or(0));
        &self.bytes[..self.len]
    }

    /// The layout rules of C's `%g` with seventeen digits. `exponent`: of the first digit.
    fn put_general(&mut self, digits: &[u8], exponent: i32) {
        const DIGITS: i32 = 17;
        if !(-4..DIGITS).contains(&exponent) {
            self.put(&digits[..1]);
            if digits.len() > 1 {
                self.put(b".");
                self.put(&digits[1..]);
            }
            self.put(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.abs() < 10 {
                self.put(b"0");
            }
            self.put(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
            return;
        }
        if exponent < 0 {
            self.put(b"0.");
            self.put_zeros((-exponent - 1) as usize);
            self.put(digits);
            return;
        }
        let whole = exponent as usize + 1;
        self.put(&digits[..whole.min(digits.len())]);
        self.put_zeros(whole.saturating_sub(digits.len()));
        if digits.len() > whole {
            self.put(b".");
            self.put(&digits[whole..]);
        }
    }

    /// The layout rules of the fpconv library, which Redis uses since 7.2.
    fn put_shortest(&mut self, value: f64) {
        let mut digit_buffer = [0; 20];
        let (digits, power) = shortest_digits(value, &mut digit_buffer);
        // Of the first digit.
        let exponent = power + digits.len() as i32 - 1;
        if power >= 0 && exponent < digits.len() as i32 + 7 {
            self.put(digits);
            self.put_zeros(power as usize);
        } else if power < 0 && (power > -7 || exponent.abs() < 4) {
            match usize::try_from(exponent) {
                Ok(exponent) => {
                    self.put(&digits[..=exponent]);
                    self.put(b".");
                    self.put(&digits[exponent + 1..]);
                }
                Err(_) => {
                    self.put(b"0.");
                    self.put_zeros((-exponent - 1) as usize);
                    self.put(digits);
                }
            }
        } else {
            self.put(&digits[..1]);
            if digits.len() > 1 {
                self.put(b".");
                self.put(&digits[1..]);
            }
            self.put(if exponent < 0 { b"e-" } else { b"e+" });
            self.put(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        }
    }

    fn put(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    fn put_zeros(&mut self, count: usize) {
        self.bytes[self.len..self.len + count].fill(b'0');
        self.len += count;
    }
}

/// The fewest digits that identify a positive finite number, and the power of ten of the last one.
fn shortest_digits(value: f64, digits: &mut [u8; 20]) -> (&[u8], i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut power = exponent.parse::<i32>().unwrap_or(0) - fraction.len() as i32;
    let mut len = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if len > 0 || digit != b'0' {
            digits[len] = digit;
            len += 1;
        }
    }
    while len > 1 && digits[len - 1] == b'0' {
        len -= 1;
        power += 1;
    }
    (&digits[..len], power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn print(value: f64) -> String {
        String::from_utf8(FloatBuffer::new().format(value).to_vec()).unwrap()
    }

    #[test]
    fn prints_seventeen_digits_as_c_does() {
        for (value, expected) in [
            (0.1, "0.10000000000000001"),
            (3.0, "3"),
            (-2.5, "-2.5"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e100, "1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-f64::MIN_POSITIVE, "-2.2250738585072014e-308"),
            (5e-324, "4.9406564584124654e-324"),
            (-0.0, "-0"),
            (f64::INFINITY, "inf"),
        ] {
            let printed = FloatBuffer::new().format_as(value, FloatFormat::SeventeenDigits).to_vec();
            assert_eq!(String::from_utf8(printed).unwrap(), expected);
        }
    }

    #[test]
    fn reads_what_strtod_reads() {
        for (text, expected) in [
            ("3.0e3", 3000.0),
            ("+1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-0", 0.0),
            ("0e999999999999", 0.0),
            ("inf", f64::INFINITY),
            ("+Infinity", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("0X1.8p1", 3.0),
            ("-0x.8", -0.5),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1p-1074", 5e-324),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000000000000000000001p0", 1.0 + f64::EPSILON),
            ("5e-324", 5e-324),
            ("1.7976931348623157e308", f64::MAX),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_redis_refuses() {
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "-nan",
            "NaN",
            "1e",
            "1e+",
            "e5",
            ".",
            "-",
            "+-1",
            "1.2.3",
            "1,5",
            "0x",
            "0xp1",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1p-1080",
            "infin",
            "1\0",
            "1_000",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
    }

    /// Expected values: what a Redis 7.2 replies to ZSCORE.
    #[test]
    fn prints_as_redis_does() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (-2.625e-3, "-0.002625"),
            (1e20, "1e+20"),
            (12345678901234567000.0, "12345678901234567000"),
            (4611686018427387904.0, "4611686018427387904"),
            (9.5e18, "9.5e+18"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-7, "1e-7"),
            (0.000001, "0.000001"),
            (1.25e-10, "1.25e-10"),
            (0.0012345678901234567, "0.0012345678901234567"),
            (0.00012345678901234567, "1.2345678901234567e-4"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(print(value), expected);
        }
    }

    proptest! {
        #[test]
        fn printed_numbers_come_back(value in any::<f64>().prop_filter("a number", |value| !value.is_nan())) {
            let text = print(value);
            prop_assert_eq!(parse_f64(text.as_bytes()), Some(value), "{}", text);
        }

        #[test]
        fn hexadecimal_integers(value in 0u64..1 << 53) {
            prop_assert_eq!(parse_f64(format!("{value:#x}").as_bytes()), Some(value as f64));
        }

        #[test]
        fn digits_with_and_without_leading_zeros(text in "[0-9]{1,20}") {
            prop_assert_eq!(parse_f64(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn arbitrary_bytes_never_panic(text: Vec<u8>) {
            parse_f64(&text);
        }
    }
}
