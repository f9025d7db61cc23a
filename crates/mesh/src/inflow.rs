//! One origin's stream, as it arrives here.

use crate::record::OwnedRecord;
use crate::{LinkId, Record};
use effect::{Origin, Stamp};
use std::collections::VecDeque;

/// A feeder is given up when it is that far behind another source and delivers nothing, in milliseconds.
pub(crate) const STALL_MS: u64 = 200;
/// Where nobody whose log reaches back has more than is here, a data set is asked for after so long, in milliseconds.
const STUCK_MS: u64 = 3000;
/// How long a feeder that stalled is not chosen again, in milliseconds.
const AVOID_MS: u64 = 5000;

#[derive(Default)]
pub(crate) struct Inflow {
    /// The link that was asked to send this origin's records.
    pub(crate) feeder: Option<LinkId>,
    /// A link that stalled, and until when it is not chosen.
    avoid: Option<(LinkId, u64)>,
    /// The last stamp received: applied, or waiting in `held`.
    pub(crate) received: Stamp,
    /// Records whose causes are not here yet, in order.
    pub(crate) held: VecDeque<OwnedRecord>,
    /// What the first of them waits for.
    pub(crate) waits_for: Option<Cause>,
    /// Ticks told of this, which is not here yet: its next effects wait for it.
    pub(crate) owed: Vec<(Origin, Stamp)>,
    /// Records that waited were dropped for lack of room; fetch them when this is here.
    pub(crate) suspended: Option<Cause>,
    /// Ask the feeder again from `received` on, but not too often: what it sent meanwhile may be under way.
    pub(crate) resubscribe: bool,
    pub(crate) subscribed_ms: u64,
    /// The newest stamp that somebody says exists, while `received` is behind it, and since when.
    target: Stamp,
    behind_since_ms: Option<u64>,
    progress_ms: u64,
    checked_ms: u64,
}

/// Why a record has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It was made by someone who had seen this.
    Missing(Origin, Stamp),
    /// Its stamp is too far in the future: until then, in milliseconds since the Unix epoch.
    Clock(u64),
    /// What can be done about it before it is applied is not done yet.
    Preparation,
}

impl Inflow {
    /// Records up to `stamp` are here.
    pub(crate) fn progress(&mut self, stamp: Stamp, now_ms: u64) {
        self.received = self.received.max(stamp);
        self.progress_ms = now_ms;
        if self.received >= self.target {
            self.behind_since_ms = None;
        }
    }

    /// Somebody has, or depends on, `stamp`.
    pub(crate) fn expect(&mut self, stamp: Stamp, now_ms: u64) {
        if stamp > self.received {
            self.target = self.target.max(stamp);
            self.behind_since_ms.get_or_insert(now_ms);
        }
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.behind_since_ms.is_some()
    }

    /// Is the feeder behind what others have, and silent?
    pub(crate) fn is_stalled(&self, now_ms: u64) -> bool {
        self.stalls_ms().is_some_and(|stalls_ms| now_ms >= stalls_ms)
    }

    fn stalls_ms(&self) -> Option<u64> {
        self.behind_since_ms.map(|since_ms| since_ms.max(self.progress_ms).max(self.checked_ms) + STALL_MS)
    }

    /// Has nothing come for so long that somebody has, that nobody will send it?
    pub(crate) fn is_stuck(&self, now_ms: u64) -> bool {
        self.behind_since_ms.is_some_and(|since_ms| now_ms >= since_ms.max(self.progress_ms) + STUCK_MS)
    }

    /// Whether the feeder stalls was looked at.
    pub(crate) fn checked(&mut self, now_ms: u64) {
        if self.is_stalled(now_ms) {
            self.checked_ms = now_ms;
        }
    }

    /// Is it time to ask the feeder again?
    pub(crate) fn wants_again(&self, now_ms: u64) -> bool {
        self.resubscribe && now_ms >= self.subscribed_ms + STALL_MS
    }

    /// When to look at it again: whether the feeder stalls, or has to be asked again.
    pub(crate) fn check_ms(&self) -> Option<u64> {
        let again_ms = (self.resubscribe && self.feeder.is_some()).then_some(self.subscribed_ms + STALL_MS);
        self.stalls_ms().into_iter().chain(again_ms).min()
    }

    pub(crate) fn avoid(&mut self, link: LinkId, now_ms: u64) {
        self.avoid = Some((link, now_ms + AVOID_MS));
    }

    pub(crate) fn avoids(&self, link: LinkId, now_ms: u64) -> bool {
        self.avoid.is_some_and(|(avoided, until_ms)| avoided == link && now_ms < until_ms)
    }

    pub(crate) fn hold(&mut self, record: &Record<'_>, cause: Cause) {
        if self.held.is_empty() {
            self.waits_for = Some(cause);
        }
        self.held.push_back(record.to_owned());
    }

    pub(crate) fn is_preparing(&self) -> bool {
        self.waits_for == Some(Cause::Preparation)
    }

    /// A tick has told of something that is not here.
    pub(crate) fn owe(&mut self, origin: Origin, stamp: Stamp) {
        match self.owed.iter_mut().find(|(of, _)| *of == origin) {
            Some((_, owed)) => *owed = stamp.max(*owed),
            None => self.owed.push((origin, stamp)),
        }
    }

    /// Gives up what waits. Returns how many bytes that frees.
    pub(crate) fn drop_held(&mut self, applied: Stamp) -> usize {
        let bytes = self.held_bytes();
        self.held.clear();
        self.waits_for = None;
        self.received = applied;
        bytes
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.held.iter().map(|record| held_size(&record.borrow())).sum()
    }
}

/// Bytes that a waiting record takes.
pub(crate) fn held_size(record: &Record<'_>) -> usize {
    size_of::<OwnedRecord>() + record.size()
}
