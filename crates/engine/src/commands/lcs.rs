//! LCS: the longest common subsequence, by the classic table of lengths of all pairs of prefixes.

use crate::arguments::{Cursor, bytes, integer, is};
use crate::command::Reply;
use crate::fault::Fault;
use keyspace::View;
use resp::{Args, Out, Rest};

struct Options {
    length_only: bool,
    ranges: bool,
    with_lengths: bool,
    shortest: u32,
}

/// A run of equal bytes: where it starts in either string, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    first: u32,
    second: u32,
    len: u32,
}

/// `table_bytes_max`: how much memory the table of lengths may take.
pub(super) fn lcs(view: &View<'_>, args: Args<'_>, table_bytes_max: usize, out: &mut Out) -> Reply {
    let not_strings = |_| Fault::Text("ERR The specified keys must contain string values");
    let (mut digits, mut other_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let first = view.string(args.at(1)).map_err(not_strings)?.map_or(&[][..], |value| bytes(value, &mut digits));
    let second = view.string(args.at(2)).map_err(not_strings)?.map_or(&[][..], |value| bytes(value, &mut other_digits));
    let options = parse(Cursor::new(args, 3))?;
    let table_bytes = (first.len() + 1).saturating_mul(second.len() + 1).saturating_mul(size_of::<u32>());
    if table_bytes > table_bytes_max {
        return Err(Fault::Text("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
    }
    let mut table = Table::new(first, second);
    if first.len() * second.len() > SLICE_CELLS {
        out.continue_with(Replying { table, options });
    } else {
        table.fill(usize::MAX);
        table.reply(&options, out);
    }
    Ok(())
}

/// Of a large table so many cells are filled at a time.
const SLICE_CELLS: usize = 200_000;

/// A reply for which the table has still to be filled.
struct Replying {
    table: Table,
    options: Options,
}

impl Rest for Replying {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        let goes_on = self.table.fill(SLICE_CELLS);
        if !goes_on {
            self.table.reply(&self.options, out);
            stdx::discard(std::mem::take(&mut self.table.lengths));
        }
        goes_on
    }
}

fn parse(mut words: Cursor<'_>) -> Result<Options, Fault> {
    let mut options = Options { length_only: false, ranges: false, with_lengths: false, shortest: 0 };
    while let Some(word) = words.next() {
        if is(word, "IDX") {
            options.ranges = true;
        } else if is(word, "LEN") {
            options.length_only = true;
        } else if is(word, "WITHMATCHLEN") {
            options.with_lengths = true;
        } else if is(word, "MINMATCHLEN") {
            options.shortest = integer(words.value()?)?.clamp(0, i64::from(u32::MAX)) as u32;
        } else {
            return Err(Fault::Syntax);
        }
    }
    if options.length_only && options.ranges {
        return Err(Fault::Text("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(options)
}

/// The last run comes first.
fn reply_ranges(matches: &[Match], length: i64, options: &Options, out: &mut Out) {
    let shown: Vec<&Match> = matches.iter().filter(|run| run.len >= options.shortest).collect();
    out.map(2);
    out.bulk(b"matches");
    out.array(shown.len());
    for run in shown {
        out.array(if options.with_lengths { 3 } else { 2 });
        for start in [run.first, run.second] {
            out.array(2);
            out.integer(i64::from(start));
            out.integer(i64::from(start + run.len - 1));
        }
        if options.with_lengths {
            out.integer(i64::from(run.len));
        }
    }
    out.bulk(b"len");
    out.integer(length);
}

/// Lengths of the longest common subsequences of all pairs of prefixes.
struct Table {
    first: Vec<u8>,
    second: Vec<u8>,
    lengths: Vec<u32>,
    /// How many rows are filled, one for each byte of the first string.
    rows: usize,
}

impl Table {
    fn new(first: &[u8], second: &[u8]) -> Table {
        let lengths = vec![0u32; (second.len() + 1) * (first.len() + 1)];
        Table { first: first.to_vec(), second: second.to_vec(), lengths, rows: 0 }
    }

    fn width(&self) -> usize {
        self.second.len() + 1
    }

    /// Fills about so many cells. False where none is left.
    fn fill(&mut self, cells: usize) -> bool {
        let width = self.width();
        let end = self.first.len().min((self.rows + 1).saturating_add(cells / width));
        for row in self.rows..end {
            let byte = self.first[row];
            let (above, current) = self.lengths[row * width..(row + 2) * width].split_at_mut(width);
            for (column, &other) in self.second.iter().enumerate() {
                current[column + 1] =
                    if byte == other { above[column] + 1 } else { above[column + 1].max(current[column]) };
            }
        }
        self.rows = end;
        self.rows < self.first.len()
    }

    /// All rows are filled.
    fn reply(&self, options: &Options, out: &mut Out) {
        let length = i64::from(self.length(self.first.len(), self.second.len()));
        if options.ranges {
            reply_ranges(&self.matches(), length, options, out);
        } else if options.length_only {
            out.integer(length);
        } else {
            let matches = self.matches();
            let common = matches.iter().rev().flat_map(|run| &self.first[run.first as usize..][..run.len as usize]);
            out.bulk(&common.copied().collect::<Vec<u8>>());
        }
    }

    fn length(&self, first: usize, second: usize) -> u32 {
        self.lengths[first * self.width() + second]
    }

    /// The runs of one longest common subsequence, from the last to the first.
    fn matches(&self) -> Vec<Match> {
        let (first, second) = (&self.first, &self.second);
        let mut matches: Vec<Match> = Vec::new();
        let (mut i, mut j) = (first.len(), second.len());
        while i > 0 && j > 0 {
            if first[i - 1] != second[j - 1] {
                if self.length(i - 1, j) > self.length(i, j - 1) {
                    i -= 1
                } else {
                    j -= 1
                }
                continue;
            }
            match matches.last_mut() {
                Some(run) if run.first as usize == i && run.second as usize == j => {
                    *run = Match { first: run.first - 1, second: run.second - 1, len: run.len + 1 };
                }
                _ => matches.push(Match { first: i as u32 - 1, second: j as u32 - 1, len: 1 }),
            }
            (i, j) = (i - 1, j - 1);
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Redis's documentation.
    #[test]
    fn ohmytext_and_mynewtext() {
        let (first, second) = (b"ohmytext", b"mynewtext");
        let mut table = Table::new(first, second);
        assert!(table.fill(20), "three rows of eight");
        assert!(!table.fill(1000));
        assert_eq!(table.length(first.len(), second.len()), 6);
        let expected = [Match { first: 4, second: 5, len: 4 }, Match { first: 2, second: 0, len: 2 }];
        assert_eq!(table.matches(), expected);
    }

    #[test]
    fn nothing_in_common() {
        for first in [&b"abc"[..], b""] {
            let mut table = Table::new(first, b"xyz");
            assert!(!table.fill(1000));
            assert_eq!(table.matches(), []);
        }
    }
}
