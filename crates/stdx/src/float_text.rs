//! The grammar of floating-point numbers that C's strtod reads, common to doubles and long doubles.

/// A number as text, split into its parts. Redis refuses NaN and surrounding spaces, so they have no place here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FloatText<'a> {
    pub(crate) negative: bool,
    pub(crate) magnitude: Magnitude<'a>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Magnitude<'a> {
    Infinity,
    Decimal(Digits<'a>),
    Hexadecimal(Digits<'a>),
}

/// `whole.fraction`, times ten (hexadecimal: two) to the power of `exponent`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Digits<'a> {
    pub(crate) whole: &'a [u8],
    pub(crate) fraction: &'a [u8],
    /// Limited to what an i32 holds with room for arithmetic; far beyond any representable number.
    pub(crate) exponent: i32,
}

const EXPONENT_LIMIT: i32 = 1_000_000;

impl<'a> FloatText<'a> {
    pub(crate) fn split(text: &'a [u8]) -> Option<FloatText<'a>> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let magnitude = match rest {
            [b'0', b'x' | b'X', digits @ ..] => {
                Magnitude::Hexadecimal(Digits::split(digits, b'p', u8::is_ascii_hexdigit)?)
            }
            _ if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") => Magnitude::Infinity,
            digits => Magnitude::Decimal(Digits::split(digits, b'e', u8::is_ascii_digit)?),
        };
        Some(FloatText { negative, magnitude })
    }
}

impl<'a> Digits<'a> {
    fn split(text: &'a [u8], exponent_mark: u8, is_digit: fn(&u8) -> bool) -> Option<Digits<'a>> {
        let leading = |text: &'a [u8]| text.split_at(text.iter().take_while(|byte| is_digit(byte)).count());
        let (whole, rest) = leading(text);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => leading(rest),
            rest => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [mark, exponent @ ..] if mark.eq_ignore_ascii_case(&exponent_mark) => parse_exponent(exponent)?,
            _ => return None,
        };
        Some(Digits { whole, fraction, exponent })
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.all().all(|digit| digit == b'0')
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.whole.iter().chain(self.fraction).copied()
    }
}

fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut exponent = 0i32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        exponent = (exponent * 10 + i32::from(digit - b'0')).min(EXPONENT_LIMIT);
    }
    Some(if negative { -exponent } else { exponent })
}

/// A binary floating-point format.
pub(crate) struct Format {
    pub(crate) mantissa_bits: u32,
    /// The exponent of the last bit of subnormal numbers.
    pub(crate) min_exponent: i32,
    /// The exponent of the last bit of the greatest numbers.
    pub(crate) max_exponent: i32,
}

/// `mantissa * 2^exponent`. Unless it is zero or subnormal, the mantissa has its top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    pub(crate) mantissa: u64,
    pub(crate) exponent: i32,
}

impl Format {
    /// `mantissa * 2^exponent` (and a little more, if `sticky`) to the nearest number of the format, ties to even. None
    /// beyond the greatest.
    pub(crate) fn round(&self, mantissa: u128, exponent: i32, sticky: bool) -> Option<Binary> {
        if mantissa == 0 {
            return Some(Binary { mantissa: 0, exponent: self.min_exponent });
        }
        let bits = 128 - mantissa.leading_zeros();
        let target = (exponent + bits as i32 - self.mantissa_bits as i32).max(self.min_exponent);
        let dropped = target - exponent;
        if dropped <= 0 {
            // Fewer bits than the format has: exact, as callers give more where the rest is sticky.
            return (target <= self.max_exponent)
                .then(|| Binary { mantissa: (mantissa << -dropped) as u64, exponent: target });
        }
        let (kept, rest, half) = match dropped {
            1..=127 => (mantissa >> dropped, mantissa & ((1 << dropped) - 1), 1u128 << (dropped - 1)),
            128 => (0, mantissa, 1 << 127),
            _ => return Some(Binary { mantissa: 0, exponent: self.min_exponent }),
        };
        let round_up = rest > half || (rest == half && (sticky || kept & 1 == 1));
        let mut binary = Binary { mantissa: kept as u64, exponent: target };
        if round_up {
            let all_ones = u64::MAX >> (64 - self.mantissa_bits);
            binary = match binary.mantissa == all_ones {
                true => Binary { mantissa: 1 << (self.mantissa_bits - 1), exponent: target + 1 },
                false => Binary { mantissa: binary.mantissa + 1, exponent: target },
            };
        }
        (binary.exponent <= self.max_exponent).then_some(binary)
    }

    /// Hexadecimal digits with a binary exponent.
    pub(crate) fn round_hexadecimal(&self, digits: &Digits<'_>) -> Option<Binary> {
        let mut mantissa = 0u128;
        let mut exponent = digits.exponent - 4 * digits.fraction.len().min(EXPONENT_LIMIT as usize) as i32;
        let mut sticky = false;
        for digit in digits.all() {
            let value = (digit as char).to_digit(16).unwrap_or(0);
            if mantissa >> 124 == 0 {
                mantissa = mantissa << 4 | u128::from(value);
            } else {
                sticky |= value != 0;
                exponent += 4;
            }
        }
        self.round(mantissa, exponent, sticky)
    }
}
