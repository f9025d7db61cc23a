//! What SCAN, SSCAN, HSCAN and ZSCAN share: cursor, options, reply.

use super::collection::{Gathered, SLICE_ELEMENTS, is_long, reply_element};
use super::copied::{Beside, Elements};
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Reply};
use crate::fault::Fault;
use keyspace::ValueError;
use resp::{Args, Out, Rest};

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
    pub(super) pattern: Pattern<'a>,
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
}

/// The pattern of KEYS and of MATCH. Only here a star alone matches the empty string, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern<'a>(Option<&'a [u8]>);

impl<'a> Pattern<'a> {
    const ALL: Pattern<'a> = Pattern(None);

    pub(super) fn new(pattern: &'a [u8]) -> Pattern<'a> {
        if pattern == b"*" { Pattern::ALL } else { Pattern(Some(pattern)) }
    }

    /// Its text, for `new`.
    pub(super) fn text(self) -> Vec<u8> {
        self.0.unwrap_or(b"*").to_vec()
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

/// The reply of SCAN and its relatives. `scan` gives the elements, and returns the next cursor.
pub(super) fn reply_scan(out: &mut Out, scan: impl FnOnce(&mut Gathered) -> u64) {
    let mut found = Gathered::new(out);
    let cursor = scan(&mut found);
    reply_scan_head(out, cursor, found.len());
    found.append_to(out);
}

fn reply_scan_head(out: &mut Out, cursor: u64, len: usize) {
    out.array(2);
    out.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    out.array(len);
}

/// SSCAN, HSCAN and ZSCAN. `find`: what is at a key.
pub(super) fn scan_elements<'v>(
    args: Args<'_>,
    scanned: Scanned,
    out: &mut Out,
    find: impl FnOnce(&[u8]) -> Result<Option<Elements<'v>>, ValueError>,
) -> Reply {
    let cursor = scan_cursor(args.at(2))?;
    let Some(elements) = find(args.at(1))? else {
        reply_scan(out, |_| 0);
        return Ok(());
    };
    let ScanOptions { count, pattern, no_values, .. } = ScanOptions::parse(Cursor::new(args, 3), scanned)?;
    let scan = move |elements: Elements<'_>, cursor, count, pattern: Pattern<'_>, found: &mut Gathered| {
        elements.scan(cursor, count, |element, beside| {
            if !pattern.matches(element) {
                return;
            }
            found.bulk(element);
            match beside {
                _ if no_values => {}
                Beside::Nothing => {}
                Beside::Value(value) => found.element(|out| reply_element(out, value)),
                // Text in RESP3, too.
                Beside::Score(score) => found.element(|out| out.bulk_double(score)),
            }
        })
    };
    if is_long(count.min(elements.len())) {
        let (copy, pattern) = (elements.to_copy(), pattern.text());
        let step = move |cursor, count, found: &mut Gathered| {
            copy.elements().map_or(0, |elements| scan(elements, cursor, count, Pattern::new(&pattern), found))
        };
        out.continue_with(InSlices { scan: LongScan::new(out, cursor, count), step });
    } else {
        reply_scan(out, |found| scan(elements, cursor, count, pattern, found));
    }
    Ok(())
}

/// Such a scan, as far as it has come.
pub(super) struct LongScan {
    cursor: u64,
    /// How many are still to be looked at.
    left: usize,
    found: Gathered,
}

impl LongScan {
    pub(super) fn new(out: &Out, cursor: u64, count: usize) -> LongScan {
        LongScan { cursor, left: count, found: Gathered::new(out) }
    }

    /// Does a little more. True at the end.
    pub(super) fn advance(&mut self, step: impl FnOnce(u64, usize, &mut Gathered) -> u64) -> bool {
        let count = self.left.min(SLICE_ELEMENTS / 4);
        self.left -= count;
        self.cursor = step(self.cursor, count, &mut self.found);
        self.cursor == 0 || self.left == 0
    }

    pub(super) fn reply(&mut self, out: &mut Out) {
        reply_scan_head(out, self.cursor, self.found.len());
        self.found.reply(out);
    }
}

struct InSlices<F> {
    scan: LongScan,
    step: F,
}

impl<F: FnMut(u64, usize, &mut Gathered) -> u64 + Send> Rest for InSlices<F> {
    fn promised_bytes(&self) -> usize {
        self.scan.found.bytes()
    }

    fn append_slice(&mut self, out: &mut Out) -> bool {
        let is_over = self.scan.advance(&mut self.step);
        if is_over {
            self.scan.reply(out);
        }
        !is_over
    }
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
        assert!(options.pattern.matches(b"abc") && !options.pattern.matches(b"b"));
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
