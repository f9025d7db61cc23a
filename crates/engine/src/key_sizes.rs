//! How large values are: counts by powers of two, for INFO keysizes.

use crate::context::SessionContext;
use crate::slices::Sliced;
use keyspace::{KeyType, Txn, Walk, Walked};
use resp::Out;
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

#[derive(Clone)]
pub(crate) struct KeySizes {
    counts: [[u64; BINS]; LINES.len()],
}

impl Default for KeySizes {
    fn default() -> KeySizes {
        KeySizes { counts: [[0; BINS]; LINES.len()] }
    }
}

/// Counts database by database, under the lock of one shard at a time.
pub(crate) struct Counting<F> {
    /// Of the databases that were gone through, and of the one that is.
    sizes: Vec<KeySizes>,
    walk: Option<Walk>,
    /// What is said of them.
    reply: F,
}

impl<F: FnMut(&mut SessionContext<'_>, &[KeySizes], &mut Out)> Counting<F> {
    pub(crate) fn new(reply: F) -> Counting<F> {
        Counting { sizes: vec![KeySizes::default()], walk: Some(Walk::default()), reply }
    }
}

impl<F: FnMut(&mut SessionContext<'_>, &[KeySizes], &mut Out) + Send> Sliced for Counting<F> {
    fn step(&mut self, context: &mut SessionContext<'_>) -> bool {
        let (keyspace, db) = (&context.engine.keyspace, self.sizes.len() as u32 - 1);
        if let (Some(walk), Some(sizes)) = (self.walk, self.sizes.last_mut()) {
            self.walk = keyspace.walk(walk, db, context.now.unix_ms(), |walked| sizes.count(walked));
        }
        if self.walk.is_none() && db + 1 < keyspace.databases() {
            self.sizes.push(KeySizes::default());
            self.walk = Some(Walk::default());
        }
        self.walk.is_none()
    }

    fn reply(&mut self, context: &mut SessionContext<'_>, out: &mut Out) -> bool {
        (self.reply)(context, &self.sizes, out);
        true
    }
}

impl KeySizes {
    /// Of each database, under the locks of a transaction.
    pub(crate) fn of_all(group: &mut Txn<'_>) -> Vec<KeySizes> {
        let home = group.db();
        let sizes = (0..group.databases()).map(|db| {
            let mut sizes = KeySizes::default();
            group.select(db);
            group.for_each_key(|walked| sizes.count(walked));
            sizes
        });
        let sizes = sizes.collect();
        group.select(home);
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
