//! What SCAN, SSCAN, HSCAN and ZSCAN share: cursor, options, reply.

use crate::arguments::{Cursor, integer, is};
use crate::command::Argument;
use crate::fault::Fault;
use resp::Out;

/// What a SCAN command walks through: decides which options there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    Keys,
    Members,
    Fields,
    Scores,
}

/// The options of SCAN, SSCAN and HSCAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanOptions<'a> {
    pub(super) count: usize,
    pattern: Pattern<'a>,
    pub(super) type_name: Option<&'a [u8]>,
    pub(super) no_values: bool,
}

pub(super) const MATCH_ARGUMENT: Argument = Argument::new("pattern", "pattern").token("MATCH").optional();
pub(super) const COUNT_ARGUMENT: Argument = Argument::integer("count").token("COUNT").optional();

impl<'a> ScanOptions<'a> {
    /// `words`: what follows the cursor.
    pub(super) fn parse(mut words: Cursor<'a>, scanned: Scanned) -> Result<ScanOptions<'a>, Fault> {
        let mut options = ScanOptions { count: 10, pattern: Pattern::ALL, type_name: None, no_values: false };
        while let Some(word) = words.next() {
            if scanned == Scanned::Scores && is(word, "NOSCORES") {
                options.no_values = true;
                continue;
            }
            if is(word, "NOVALUES") {
                if scanned != Scanned::Fields {
                    return Err(Fault::Text("ERR NOVALUES option can only be used in HSCAN"));
                }
                options.no_values = true;
                continue;
            }
            if is(word, "COUNT") {
                let count = integer(words.value()?)?;
                options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(Fault::Syntax)?;
            } else if is(word, "MATCH") {
                options.pattern = Pattern::new(words.value()?);
            } else if is(word, "TYPE") && scanned == Scanned::Keys {
                options.type_name = Some(words.value()?);
            } else {
                return Err(Fault::Syntax);
            }
        }
        Ok(options)
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.pattern.matches(text)
    }
}

/// The pattern of KEYS and of MATCH. Only here a star alone matches the empty string, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern<'a>(Option<&'a [u8]>);

impl<'a> Pattern<'a> {
    const ALL: Pattern<'a> = Pattern(None);

    pub(super) fn new(pattern: &'a [u8]) -> Pattern<'a> {
        if pattern == b"*" { Pattern::ALL } else { Pattern(Some(pattern)) }
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.0.is_none_or(|pattern| stdx::glob::matches(pattern, text))
    }
}

/// Reads a cursor as C's strtoul does, without leading space: a sign is allowed, and nothing at all is 0.
pub(super) fn scan_cursor(text: &[u8]) -> Result<u64, Fault> {
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
    let mut elements = out.part();
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
            assert_eq!(scan_cursor(text.as_bytes()), Ok(cursor), "{text:?}");
        }
        for text in ["a", "1a", "-", "+", " 1", "18446744073709551616", "99999999999999999999999"] {
            assert!(scan_cursor(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn scan_options_come_in_any_order_and_the_last_one_wins() {
        let args: OwnedArgs = ["count", "5", "MATCH", "a*", "novalues", "COUNT", "7"].into_iter().collect();
        let options = ScanOptions::parse(Cursor::new(args.args(), 0), Scanned::Fields).unwrap();
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
            assert_eq!(ScanOptions::parse(Cursor::new(args.args(), 0), Scanned::Members), Err(fault), "{words:?}");
        }
    }
}
