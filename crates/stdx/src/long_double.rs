//! The 80-bit floating-point numbers of x87, which INCRBYFLOAT and HINCRBYFLOAT compute with in Redis on x86: a mantissa
//! of 64 bits, every operation rounded to the nearest number, ties to even. Computed with integers, so that each node of
//! a mesh gets the same digits whatever its processor is.

use crate::float_text::{Binary, Digits, FloatText, Format, Magnitude};
use std::cmp::Ordering;
use std::fmt;

const EXTENDED: Format = Format { mantissa_bits: 64, min_exponent: -16445, max_exponent: 16320 };

/// Longer texts are not numbers to Redis.
const MAX_TEXT_LEN: usize = 5 * 1024 - 1;

/// A number or an infinity, never NaN. Displays as Redis prints the result of INCRBYFLOAT: without an exponent, 17
/// digits after the point at most, no trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    /// None is infinity.
    magnitude: Option<Binary>,
}

impl LongDouble {
    /// Reads what C's strtold reads, except NaN, spaces, and numbers beyond the range.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > MAX_TEXT_LEN {
            return None;
        }
        let FloatText { negative, magnitude } = FloatText::split(text)?;
        let (binary, digits) = match magnitude {
            Magnitude::Infinity => return Some(LongDouble { negative, magnitude: None }),
            Magnitude::Decimal(digits) => (decimal(&digits)?, digits),
            Magnitude::Hexadecimal(digits) => (EXTENDED.round_hexadecimal(&digits)?, digits),
        };
        (binary.mantissa != 0 || digits.is_zero()).then_some(LongDouble { negative, magnitude: Some(binary) })
    }

    pub fn is_finite(&self) -> bool {
        self.magnitude.is_some()
    }

    /// The sum; None where it is no finite number ("increment would produce NaN or Infinity").
    pub fn checked_add(self, other: LongDouble) -> Option<LongDouble> {
        let (mut great, mut small) = ((self.negative, self.magnitude?), (other.negative, other.magnitude?));
        // Numbers with a greater exponent are greater, as only those with the smallest may lack the top bit.
        if small.1.mantissa != 0 && (great.1.mantissa == 0 || small.1.exponent > great.1.exponent) {
            std::mem::swap(&mut great, &mut small);
        }
        const GUARD_BITS: i32 = 63;
        let high = u128::from(great.1.mantissa) << GUARD_BITS;
        let exponent = great.1.exponent - GUARD_BITS;
        let unshifted = u128::from(small.1.mantissa) << GUARD_BITS;
        let distance = if small.1.mantissa == 0 { 0 } else { (great.1.exponent - small.1.exponent) as u32 };
        let low = unshifted.checked_shr(distance).unwrap_or(0);
        let sticky = distance >= 128 || low << distance != unshifted;
        let (negative, sum) = if great.0 == small.0 {
            (great.0, high + low)
        } else if high >= low {
            // With bits lost, the true difference lies just above the one without them.
            (great.0, high - low - u128::from(sticky))
        } else {
            (small.0, low - high)
        };
        let magnitude = EXTENDED.round(sum, exponent, sticky)?;
        Some(LongDouble { negative, magnitude: Some(magnitude) })
    }
}

/// The nearest number to decimal digits; None beyond the greatest.
fn decimal(digits: &Digits<'_>) -> Option<Binary> {
    let leading_zeros = digits.all().take_while(|digit| *digit == b'0').count();
    let count = (digits.whole.len() + digits.fraction.len() - leading_zeros) as i32;
    if count == 0 {
        return EXTENDED.round(0, 0, false);
    }
    let power = digits.exponent - digits.fraction.len() as i32;
    if count <= 19 && (-27..=27).contains(&power) {
        let number = digits.all().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        return decimal_small(number, power);
    }
    // The greatest number is 1.2e4932, the smallest 3.6e-4951.
    match count + power {
        4934.. => return None,
        ..-4951 => return EXTENDED.round(0, 0, false),
        _ => {}
    }
    let mut number = Natural::default();
    for digit in digits.all().skip(leading_zeros) {
        number.multiply_add(10, u64::from(digit - b'0'));
    }
    if power >= 0 {
        for _ in 0..power {
            number.multiply_add(10, 0);
        }
        let (top, exponent, sticky) = number.top();
        EXTENDED.round(top, exponent, sticky)
    } else {
        let mut divisor = Natural::from(1);
        for _ in power..0 {
            divisor.multiply_add(10, 0);
        }
        let (quotient, exponent, sticky) = number.divide(divisor);
        EXTENDED.round(quotient, exponent, sticky)
    }
}

/// `number * 10^power` for -27 <= power <= 27: 5^27 fits 63 bits, so 128 bits are enough.
fn decimal_small(number: u64, power: i32) -> Option<Binary> {
    let five = 5u64.pow(power.unsigned_abs());
    if power >= 0 {
        return EXTENDED.round(u128::from(number) * u128::from(five), power, false);
    }
    let shift = 64 + number.leading_zeros() as i32;
    let numerator = u128::from(number) << shift;
    let (quotient, rest) = (numerator / u128::from(five), numerator % u128::from(five));
    EXTENDED.round(quotient, power - shift, rest != 0)
}

impl fmt::Display for LongDouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(binary) = self.magnitude else {
            return formatter.write_str(if self.negative { "-inf" } else { "inf" });
        };
        const FRACTION_DIGITS: usize = 17;
        const ONE: u128 = 10u128.pow(FRACTION_DIGITS as u32);
        let (whole, fraction) = match binary.exponent {
            0.. => (Natural::from(binary.mantissa).shifted(binary.exponent as u32).to_string(), 0),
            exponent => {
                let point = -exponent as u32;
                let whole = binary.mantissa.checked_shr(point).unwrap_or(0);
                let fraction = binary.mantissa - whole.checked_shl(point).unwrap_or(0);
                match divide_to_nearest(u128::from(fraction) * ONE, point) {
                    ONE => ((u128::from(whole) + 1).to_string(), 0),
                    fraction => (whole.to_string(), fraction),
                }
            }
        };
        if self.negative && (whole != "0" || fraction != 0) {
            formatter.write_str("-")?;
        }
        formatter.write_str(&whole)?;
        if fraction != 0 {
            let digits = format!("{fraction:0FRACTION_DIGITS$}");
            write!(formatter, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

/// `number / 2^shift`, to the nearest, ties to even. The number has less than 122 bits.
fn divide_to_nearest(number: u128, shift: u32) -> u128 {
    if shift > 122 {
        return 0;
    }
    let (quotient, rest, half) = (number >> shift, number & ((1 << shift) - 1), 1 << (shift - 1));
    quotient + u128::from(rest > half || (rest == half && quotient & 1 == 1))
}

/// A natural number of any size, least significant limb first, no zero limbs at the top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Natural {
    limbs: Vec<u64>,
}

impl From<u64> for Natural {
    fn from(number: u64) -> Natural {
        Natural { limbs: if number == 0 { Vec::new() } else { vec![number] } }
    }
}

impl Natural {
    fn bits(&self) -> u32 {
        self.limbs.last().map_or(0, |top| self.limbs.len() as u32 * 64 - top.leading_zeros())
    }

    fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = summand;
        for limb in &mut self.limbs {
            let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
    }

    fn shifted(mut self, bits: u32) -> Natural {
        if !self.limbs.is_empty() {
            self.multiply_add(1 << (bits % 64), 0);
            self.limbs.splice(0..0, std::iter::repeat_n(0, bits as usize / 64));
        }
        self
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for limb in self.limbs.iter_mut().rev() {
            (*limb, carry) = (*limb >> 1 | carry, *limb << 63);
        }
        self.trim();
    }

    fn compare(&self, other: &Natural) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    /// `other` must not be greater.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let (difference, first) = limb.overflowing_sub(other.limbs.get(index).copied().unwrap_or(0));
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            *limb = difference;
            borrow = first || second;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    /// The most significant bits (65 at least, if there are so many), their exponent, and whether others are set.
    fn top(&self) -> (u128, i32, bool) {
        let skipped = self.limbs.len().saturating_sub(2);
        let top = self.limbs[skipped..].iter().rev().fold(0, |top, limb| top << 64 | u128::from(*limb));
        (top, 64 * skipped as i32, self.limbs[..skipped].iter().any(|limb| *limb != 0))
    }

    /// The quotient with 66 significant bits at least, its exponent, and whether there is a rest.
    fn divide(self, divisor: Natural) -> (u128, i32, bool) {
        const QUOTIENT_BITS: u32 = 67;
        let shift = divisor.bits() as i32 - self.bits() as i32 + QUOTIENT_BITS as i32;
        let mut rest = self.shifted(shift.max(0) as u32);
        let mut divisor = divisor.shifted((-shift).max(0) as u32 + QUOTIENT_BITS);
        let mut quotient = 0u128;
        for _ in 0..=QUOTIENT_BITS {
            quotient <<= 1;
            if rest.compare(&divisor) != Ordering::Less {
                rest.subtract(&divisor);
                quotient |= 1;
            }
            divisor.halve();
        }
        (quotient, -shift, !rest.limbs.is_empty())
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHUNK: u64 = 10u64.pow(19);
        let mut number = self.clone();
        let mut chunks = Vec::new();
        while !number.limbs.is_empty() {
            let mut rest = 0u128;
            for limb in number.limbs.iter_mut().rev() {
                let dividend = rest << 64 | u128::from(*limb);
                *limb = (dividend / u128::from(CHUNK)) as u64;
                rest = dividend % u128::from(CHUNK);
            }
            number.trim();
            chunks.push(rest as u64);
        }
        write!(formatter, "{}", chunks.pop().unwrap_or(0))?;
        chunks.iter().rev().try_for_each(|chunk| write!(formatter, "{chunk:019}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn add(left: &str, right: &str) -> Option<String> {
        LongDouble::parse(left.as_bytes())?.checked_add(LongDouble::parse(right.as_bytes())?).map(|sum| sum.to_string())
    }

    fn print(text: &str) -> Option<String> {
        LongDouble::parse(text.as_bytes()).map(|number| number.to_string())
    }

    #[test]
    fn not_every_text_is_a_number() {
        for text in ["", " 1", "1 ", "nan", "1e5000", "1e-5000", "1e", "abc", "1.2.3", "0x1p16384", "1\0"] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; 5120]), None);
        assert!(!LongDouble::parse(b"-inf").unwrap().is_finite());
    }

    /// Recorded from INCRBYFLOAT of Redis 7.0.15 on x86-64.
    #[test]
    fn sums_have_the_digits_of_redis() {
        for (left, right, sum) in [
            ("10.5", "0.1", "10.6"),
            ("3", "1.000000000000000005", "4.00000000000000001"),
            ("5.0e3", "2.0e2", "5200"),
            ("-1234567.891", "0.0000000001", "-1234567.89099999989991829"),
            ("9007199254740993", "0.3", "9007199254740993.2998046875"),
            ("0x1.8p4", "-0x.1", "23.9375"),
            ("123456789012345678901234567890", "0.5", "123456789012345678899921813504"),
            ("17179869184.7", "-17179869184.1", "0.59999999962747097"),
            ("1.1", "-1.1", "0"),
            ("-0.1", "-0.2", "-0.3"),
            ("1e-20", "1", "1"),
            ("18446744073709551615", "1.5", "18446744073709551616"),
            ("987654321.123456789", "0.000000000987654321", "987654321.12345678999554366"),
            ("-99999999.00000001", "1e8", "0.99999999000283424"),
        ] {
            assert_eq!(add(left, right).as_deref(), Some(sum), "{left} + {right}");
        }
        let long = add("1e4900", "1e4882").unwrap();
        assert!(long.len() == 4901 && long.starts_with("100000000000000000106054163777161193824438167134961706366637"));
    }

    #[test]
    fn infinite_sums_are_refused() {
        assert_eq!(add("inf", "1"), None);
        assert_eq!(add("1", "-inf"), None);
        assert_eq!(add("1.1e4932", "1.1e4932"), None);
    }

    #[test]
    fn one_less_than_the_next_power_of_two_rounds_to_even() {
        // 2^64 - 1 is the last odd number with 64 bits of mantissa.
        assert_eq!(print("18446744073709551615").unwrap(), "18446744073709551615");
        assert_eq!(print("18446744073709551617").unwrap(), "18446744073709551616");
        assert_eq!(print("18446744073709551619").unwrap(), "18446744073709551620");
        assert_eq!(add("18446744073709551615", "0.5").unwrap(), "18446744073709551616");
        assert_eq!(add("18446744073709551614", "0.5").unwrap(), "18446744073709551614");
    }

    #[test]
    fn seventeen_digits_after_the_point() {
        assert_eq!(print("0.000000000000000006").unwrap(), "0.00000000000000001");
        assert_eq!(print("0.000000000000000004").unwrap(), "0");
        assert_eq!(print("-0.000000000000000004").unwrap(), "0");
        assert_eq!(print("0.999999999999999999").unwrap(), "1");
        assert_eq!(print("1e-4940").unwrap(), "0");
        // Exactly half of the last digit: ties to even.
        assert_eq!(print("0x1p-18").unwrap(), "0.00000381469726562");
    }

    proptest! {
        /// Below 64 the last bit is worth less than half of the 17th digit.
        #[test]
        fn short_decimals_print_as_they_were(whole in 0u32..64, hundredths in 1u32..100) {
            let text = format!("{whole}.{hundredths:02}");
            prop_assert_eq!(print(&text).unwrap(), text.trim_end_matches('0'));
        }

        #[test]
        fn integers_add_exactly(left: i64, right: i64) {
            let sum = i128::from(left) + i128::from(right);
            prop_assert_eq!(add(&left.to_string(), &right.to_string()).unwrap(), sum.to_string());
        }

        /// The direct way for few digits and the general one agree.
        #[test]
        fn both_ways_to_read_agree(number: u64, power in -27i32..=27) {
            let short = LongDouble::parse(format!("{}e{power}", number % 10u64.pow(19)).as_bytes());
            let long = LongDouble::parse(format!("{}.{}e{power}", number % 10u64.pow(19), "0".repeat(40)).as_bytes());
            prop_assert_eq!(short, long);
        }

        #[test]
        fn arbitrary_bytes_never_panic(text: Vec<u8>, digits in "[0-9.e+-]{0,40}") {
            let _ = LongDouble::parse(&text).map(|number| number.to_string());
            let _ = LongDouble::parse(digits.as_bytes()).map(|number| number.to_string());
        }
    }
}
