//! How large values are: counts by powers of two, for INFO keysizes.

use crate::context::SessionContext;
use keyspace::{KeyType, Walk, Walked};
use std::fmt::Write;

/// The types that are counted, each with the name of its line.
const LINES: [(KeyType, &str); 5] = [
    (KeyType::String, "strings_sizes"),
    (KeyType::List, "lists_items"),
    (KeyType::Set, "sets_items"),
    (KeyType::SortedSet, "zsets_items"),
    (KeyType::Hash, "hashes_items"),
];
/// Empty values, then those from 2^0, 2^1 … on.
const BINS: usize = 1 + usize::BITS as usize;

#[derive(Clone, Copy)]
pub(crate) struct KeySizes {
    counts: [[u64; BINS]; LINES.len()],
}

impl KeySizes {
    /// Of a database. Looks at every key, which takes a while; one shard is locked at a time.
    pub(crate) fn of(context: &mut SessionContext<'_>, db: u32) -> KeySizes {
        let mut sizes = KeySizes { counts: [[0; BINS]; LINES.len()] };
        if let Some(group) = &mut context.group {
            let home = group.db();
            group.select(db);
            group.for_each_key(|walked| sizes.count(walked));
            group.select(home);
            return sizes;
        }
        let mut walk = Some(Walk::default());
        while let Some(from) = walk {
            walk = context.engine.keyspace.walk(from, db, context.now.unix_ms(), |walked| sizes.count(walked));
        }
        sizes
    }

    fn count(&mut self, walked: Walked<'_>) {
        let line = LINES.iter().position(|(key_type, _)| *key_type == walked.key_type());
        if let Some(line) = line {
            let bin = walked.value_len().checked_ilog2().map_or(0, |power| power as usize + 1);
            self.counts[line][bin] += 1;
        }
    }

    /// Name and value of each line that says something: "strings_sizes", "1=4,2=1,1K=7".
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'static str, String)> {
        LINES.iter().zip(&self.counts).filter_map(|((_, name), counts)| {
            let mut text = String::new();
            for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let _ = write!(text, "{}{}={count}", if text.is_empty() { "" } else { "," }, bin_name(bin));
            }
            (!text.is_empty()).then_some((*name, text))
        })
    }
}

/// The least size in a bin.
fn bin_name(bin: usize) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    match bin.checked_sub(1) {
        None => "0".into(),
        Some(power) => format!("{}{}", 1u64 << (power % 10), UNITS[power / 10]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_powers_of_two() {
        assert_eq!([0, 1, 2, 11, 12, 64].map(bin_name), ["0", "1", "2", "1K", "2K", "8E"]);
    }
}
