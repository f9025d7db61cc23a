//! What the commands of all collections share: elements in replies, counts of random elements, SCAN
//! and its relatives.

use crate::command::{Argument, Reply};
use crate::fault::Fault;
use resp::{Args, Out};
use values::Element;

/// Random elements may be asked for any number of times; the reply still has to fit into memory.
const MAX_REPLY_BYTES: usize = 1 << 30;

pub(super) fn reply_element(out: &mut Out, element: Element<'_>) {
    match element {
        Element::Int(value) => out.bulk_integer(value),
        Element::Bytes(bytes) => out.bulk(bytes),
    }
}

/// How many random elements a command is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RandomCount {
    /// So many different ones, or all.
    Distinct(usize),
    /// Exactly so many, each drawn from all.
    WithRepeats(usize),
}

impl RandomCount {
    /// A negative number allows repeats.
    pub(super) fn parse(text: &[u8]) -> Result<RandomCount, Fault> {
        let count = stdx::parse_i64(text).ok_or(Fault::NotInteger)?;
        if count == i64::MIN {
            return Err(Fault::Text(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ));
        }
        let magnitude = count.unsigned_abs() as usize;
        Ok(if count < 0 { RandomCount::WithRepeats(magnitude) } else { RandomCount::Distinct(magnitude) })
    }
}

/// Calls `draw`, which appends one element to `out`, `count` times.
pub(super) fn repeat_draws(out: &mut Out, count: usize, mut draw: impl FnMut(&mut Out)) -> Reply {
    let start = out.buffer.len();
    for _ in 0..count {
        draw(out);
        if out.buffer.len() - start > MAX_REPLY_BYTES {
            return Err(Fault::OutOfRange);
        }
    }
    Ok(())
}

/// What a SCAN command walks through: decides which options there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    Keys,
    Members,
    Fields,
}

/// The options of SCAN, SSCAN and HSCAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanOptions<'a> {
    pub(super) count: usize,
    pattern: Option<&'a [u8]>,
    pub(super) type_name: Option<&'a [u8]>,
    pub(super) no_values: bool,
}

pub(super) const MATCH_ARGUMENT: Argument = Argument::new("pattern", "pattern").token("MATCH").optional();
pub(super) const COUNT_ARGUMENT: Argument = Argument::integer("count").token("COUNT").optional();

impl<'a> ScanOptions<'a> {
    /// `args`: what follows the cursor.
    pub(super) fn parse(args: Args<'a>, scanned: Scanned) -> Result<ScanOptions<'a>, Fault> {
        let mut options = ScanOptions { count: 10, pattern: None, type_name: None, no_values: false };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"NOVALUES") {
                if scanned != Scanned::Fields {
                    return Err(Fault::Text("ERR NOVALUES option can only be used in HSCAN"));
                }
                options.no_values = true;
                continue;
            }
            let value = words.next().ok_or(Fault::Syntax)?;
            if word.eq_ignore_ascii_case(b"COUNT") {
                let count = stdx::parse_i64(value).ok_or(Fault::NotInteger)?;
                options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(Fault::Syntax)?;
            } else if word.eq_ignore_ascii_case(b"MATCH") {
                options.pattern = Some(value);
            } else if word.eq_ignore_ascii_case(b"TYPE") && scanned == Scanned::Keys {
                options.type_name = Some(value);
            } else {
                return Err(Fault::Syntax);
            }
        }
        Ok(options)
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| stdx::glob::matches(pattern, text))
    }
}

/// Reads a cursor as C's strtoul does, without leading space: a sign is allowed, and nothing at all is 0.
pub(super) fn parse_cursor(text: &[u8]) -> Result<u64, Fault> {
    const INVALID: Fault = Fault::Text("ERR invalid cursor");
    let (negative, digits) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let significant = &digits[digits.iter().take_while(|&&digit| digit == b'0').count()..];
    if digits.is_empty() {
        return Err(INVALID);
    }
    let magnitude = if significant.is_empty() { 0 } else { stdx::parse_u64(significant).ok_or(INVALID)? };
    Ok(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// The reply of SCAN and its relatives. `scan` appends the elements, counts them, and returns the next cursor.
pub(super) fn reply_scan(out: &mut Out, scan: impl FnOnce(&mut Out, &mut usize) -> u64) {
    let mut elements = Out::new(out.protocol);
    let mut count = 0;
    let cursor = scan(&mut elements, &mut count);
    out.array(2);
    out.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    out.array(count);
    out.buffer.append(&mut elements.buffer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use resp::OwnedArgs;

    #[test]
    fn cursors_are_read_as_strtoul_does() {
        for (text, cursor) in
            [("", 0), ("0", 0), ("+7", 7), ("007", 7), ("-1", u64::MAX), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(parse_cursor(text.as_bytes()), Ok(cursor), "{text:?}");
        }
        for text in ["a", "1a", "-", "+", " 1", "18446744073709551616", "99999999999999999999999"] {
            assert!(parse_cursor(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn scan_options_come_in_any_order_and_the_last_one_wins() {
        let args: OwnedArgs = ["count", "5", "MATCH", "a*", "novalues", "COUNT", "7"].into_iter().collect();
        let options = ScanOptions::parse(args.args(), Scanned::Fields).unwrap();
        assert_eq!((options.count, options.no_values), (7, true));
        assert!(options.matches(b"abc") && !options.matches(b"b"));
        for (words, fault) in [
            (&["count", "0"][..], Fault::Syntax),
            (&["count", "x"], Fault::NotInteger),
            (&["count"], Fault::Syntax),
            (&["type", "set"], Fault::Syntax),
            (&["what", "ever"], Fault::Syntax),
        ] {
            let args: OwnedArgs = words.iter().collect();
            assert_eq!(ScanOptions::parse(args.args(), Scanned::Members), Err(fault), "{words:?}");
        }
    }

    #[test]
    fn a_negative_count_allows_repeats() {
        assert_eq!(RandomCount::parse(b"3"), Ok(RandomCount::Distinct(3)));
        assert_eq!(RandomCount::parse(b"-3"), Ok(RandomCount::WithRepeats(3)));
        assert_eq!(RandomCount::parse(b"x"), Err(Fault::NotInteger));
        assert!(RandomCount::parse(b"-9223372036854775808").is_err());
    }
}
