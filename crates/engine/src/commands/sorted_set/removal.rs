//! Very many neighbours leave a sorted set: what is left is made slice by slice of a copy.

use super::range::reply_long_range;
use super::reply_pairs_head;
use crate::aside::Work;
use crate::commands::collection::{SLICE_ELEMENTS, is_long};
use keyspace::{EventClass, Txn};
use resp::{Args, Out};
use std::ops::Range;
use values::{Expiring, SortedSet};

/// Such work, as far as it has come.
pub(super) struct Removing {
    before: SortedSet,
    rest: SortedSet,
    /// What leaves, of `before`.
    ranks: Range<usize>,
    /// Parts of `rest` that nobody shares any more: one after the other, as the first removals would touch them all.
    parts: usize,
    /// How many have left `rest`.
    removed: usize,
    /// With the members that have left, from the highest one down or from the lowest one up; else only how many.
    reply_reversed: Option<bool>,
    event: &'static str,
}

impl Removing {
    /// `ranks`: what leaves. `None` where that is not much.
    pub(super) fn begin(
        txn: &Txn<'_>,
        key: &[u8],
        ranks: impl FnOnce(&SortedSet) -> Range<usize>,
        reply_reversed: Option<bool>,
        event: &'static str,
    ) -> Option<Box<dyn Work>> {
        let set = txn.sorted_set(key).ok()??;
        let ranks = ranks(set);
        if txn.keeps_effects() || set.has_deadlines() || !is_long(ranks.len()) {
            return None;
        }
        Some(Box::new(Removing {
            before: set.clone(),
            rest: set.clone(),
            ranks,
            parts: 0,
            removed: 0,
            reply_reversed,
            event,
        }))
    }
}

impl Work for Removing {
    fn step(&mut self, _: &dyn Fn(usize) -> usize) -> bool {
        if self.rest.unshare(self.parts) {
            self.parts += 1;
            return false;
        }
        // Each has to be searched for.
        let start = self.ranks.start + self.removed;
        let slice = start..(start + SLICE_ELEMENTS / 4).min(self.ranks.end);
        self.removed += slice.len();
        for (member, _) in self.before.range(slice) {
            member.with_bytes(|member| self.rest.remove(member));
        }
        self.removed == self.ranks.len()
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        let key = args.at(1);
        if txn.keeps_effects() || !txn.is_sorted_set(key, Some(&self.before)) {
            return false;
        }
        txn.keep_of_sorted_set(key, std::mem::take(&mut self.rest));
        txn.notify_removal(EventClass::SORTED_SET, self.event, key);
        let (before, ranks) = (std::mem::take(&mut self.before), self.ranks.clone());
        match self.reply_reversed {
            None => out.integer(ranks.len() as i64),
            Some(reversed) => {
                reply_pairs_head(out, ranks.len(), true);
                reply_long_range(before, ranks, reversed, true, out);
            }
        }
        true
    }
}
