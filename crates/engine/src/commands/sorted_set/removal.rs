//! Very many neighbours leave a sorted set: what is left is made slice by slice of a copy.

use super::pop::{End, reply_nested};
use super::range::reply_long_range;
use super::{reply_pair, reply_pairs_head};
use crate::aside::Work;
use crate::commands::collection::{SLICE_ELEMENTS, is_long};
use crate::commands::copied::{Copied, Remainder};
use crate::context::SessionContext;
use keyspace::{EventClass, Txn};
use resp::{Args, Out};
use std::ops::Range;
use values::SortedSet;

/// What the reply says of the members that have left.
#[derive(Clone, Copy)]
pub(super) enum Removed {
    /// How many they are.
    Counted,
    /// All of them, from this end on.
    Given { end: End },
    /// The same with the key. There is nothing in the keys before it, of which this is where the first one stands.
    GivenWithKey { end: End, first: usize },
}

/// Such work, as far as it has come.
pub(super) struct Removing {
    set: Remainder,
    /// Where the key stands.
    key_at: usize,
    /// What leaves.
    ranks: Range<usize>,
    /// How many have left.
    removed: usize,
    reply: Removed,
    event: &'static str,
}

impl Removing {
    /// `ranks`: what leaves. `None` where that is not much.
    pub(super) fn begin(
        txn: &Txn<'_>,
        args: Args<'_>,
        key_at: usize,
        ranks: impl FnOnce(&SortedSet) -> Range<usize>,
        reply: Removed,
        event: &'static str,
    ) -> Option<Box<dyn Work>> {
        let key = args.at(key_at);
        let ranks = ranks(txn.sorted_set(key).ok()??);
        if !is_long(ranks.len()) {
            return None;
        }
        let set = Remainder::of(txn, key)?;
        Some(Box::new(Removing { set, key_at, ranks, removed: 0, reply, event }))
    }

    fn reply(&mut self, key: &[u8], out: &mut Out) {
        let ranks = self.ranks.clone();
        let Copied::SortedSet(before) = std::mem::replace(&mut self.set.before, Copied::Nothing) else { return };
        match self.reply {
            Removed::Counted => out.integer(ranks.len() as i64),
            Removed::Given { end } => {
                reply_pairs_head(out, ranks.len(), true);
                reply_long_range(before, ranks, end == End::Highest, out, |out, pair| reply_pair(out, pair, true));
            }
            Removed::GivenWithKey { end, .. } => {
                out.array(2);
                out.bulk(key);
                out.array(ranks.len());
                reply_long_range(before, ranks, end == End::Highest, out, |out, (member, score)| {
                    member.with_bytes(|member| reply_nested(out, member, score));
                });
            }
        }
    }
}

impl Work for Removing {
    fn step(&mut self, _: Args<'_>, _: &mut SessionContext<'_>) -> bool {
        if self.set.unshare() {
            return false;
        }
        // Each has to be searched for.
        let count = (self.ranks.len() - self.removed).min(SLICE_ELEMENTS / 4);
        self.set.take_some((self.ranks.start + self.removed) as u64, count, |_| true);
        self.removed += count;
        self.removed == self.ranks.len()
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        let key = args.at(self.key_at);
        let first = if let Removed::GivenWithKey { first, .. } = self.reply { first } else { self.key_at };
        let is_first = args.from(first).iter().take(self.key_at - first).all(|key| txn.peek_type(key).is_none());
        let is_done = is_first && self.set.put_in_place(txn, key);
        if is_done {
            txn.notify_removal(EventClass::SORTED_SET, self.event, key);
            self.reply(key, out);
        }
        is_done
    }
}
