//! Where stamps come from: one clock and one context counter behind one lock, so that the pairs
//! (stamp, context) of all commits are monotone, and commits reach the effect log in stamp order.

use effect::{Clock, Stamp};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::{EventClass, OriginIndex};

/// How much of the multi-master machinery runs; each level needs the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Effects are encoded and handed out at commit.
    pub recording: bool,
    /// Entries carry versions.
    pub stamping: bool,
    /// There are other writers, so what their late effects may need is kept (the side table).
    pub peers: bool,
}

const RECORDING: u64 = 1;
const STAMPING: u64 = 1 << 1;
const PEERS: u64 = 1 << 2;
/// One of them, in a count.
const OBSERVER: u64 = 1 << 3;

pub(crate) struct Sequence {
    pub(crate) clock: Clock,
    /// Counts the remote records that were applied.
    pub(crate) context: u64,
    /// What own commits take for seen, as a data set is on its way that has it, by `OriginIndex`.
    assumed: Option<Arc<[Stamp]>>,
}

pub(crate) struct Stamping {
    sequence: Mutex<Sequence>,
    /// The clock's last stamp, readable without the lock: expiry never runs behind the stamps.
    last: AtomicU64,
    own: AtomicU16,
    /// The switches, a bit each, and above them how many readers within this process want the effects, too: one load says all.
    switches: AtomicU64,
    /// Bits of `EventClass`.
    wanted_events: AtomicU16,
}

/// The right to give out stamps, held by a transaction from its first write to its commit.
pub(crate) struct Ticket<'k> {
    sequence: MutexGuard<'k, Sequence>,
    last: &'k AtomicU64,
}

impl Ticket<'_> {
    /// One more stamp, next to the one before it in the same transaction.
    pub(crate) fn next(&mut self, now_ms: u64) -> Stamp {
        let stamp = self.sequence.clock.next(now_ms, 1);
        self.last.store(stamp.0, Ordering::Release);
        stamp
    }

    pub(crate) fn observe(&mut self, stamp: Stamp) {
        self.sequence.clock.observe(stamp);
        self.last.store(self.sequence.clock.last().0, Ordering::Release);
    }

    pub(crate) fn assumed(&self) -> Option<Arc<[Stamp]>> {
        self.sequence.assumed.clone()
    }

    /// From now on commits take this for seen, too.
    pub(crate) fn assume(&mut self, seen: &[Stamp]) {
        let known = self.sequence.assumed.take().unwrap_or_default();
        let at = |stamps: &[Stamp], index: usize| stamps.get(index).copied().unwrap_or(Stamp::ZERO);
        let all = (0..known.len().max(seen.len())).map(|index| at(&known, index).max(at(seen, index)));
        self.sequence.assumed = Some(all.collect());
    }

    /// What was assumed is here.
    pub(crate) fn end_assumptions(&mut self) {
        self.sequence.assumed = None;
    }

    pub(crate) fn context(&self) -> u64 {
        self.sequence.context
    }

    pub(crate) fn raise_context(&mut self) -> u64 {
        self.sequence.context += 1;
        self.sequence.context
    }
}

impl Stamping {
    pub(crate) fn new() -> Stamping {
        Stamping {
            sequence: Mutex::new(Sequence { clock: Clock::new(), context: 0, assumed: None }),
            last: AtomicU64::new(0),
            own: AtomicU16::new(0),
            switches: AtomicU64::new(RECORDING),
            wanted_events: AtomicU16::new(0),
        }
    }

    pub(crate) fn take(&self) -> Ticket<'_> {
        Ticket { sequence: self.sequence.lock(), last: &self.last }
    }

    pub(crate) fn last(&self) -> Stamp {
        Stamp(self.last.load(Ordering::Acquire))
    }

    pub(crate) fn own(&self) -> OriginIndex {
        OriginIndex(self.own.load(Ordering::Relaxed))
    }

    pub(crate) fn set_own(&self, own: OriginIndex) {
        self.own.store(own.0, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn switches(&self) -> Switches {
        let word = self.switches.load(Ordering::Relaxed);
        Switches {
            recording: word & !(STAMPING | PEERS) != 0,
            stamping: word & STAMPING != 0,
            peers: word & PEERS != 0,
        }
    }

    /// Does anybody read more of effects than which keys they change?
    #[inline]
    pub(crate) fn keeps_effects(&self) -> bool {
        self.switches.load(Ordering::Relaxed) & (RECORDING | PEERS) != 0
    }

    pub(crate) fn add_observer(&self) {
        self.switches.fetch_add(OBSERVER, Ordering::Relaxed);
    }

    pub(crate) fn remove_observer(&self) {
        let before = self.switches.fetch_sub(OBSERVER, Ordering::Relaxed);
        debug_assert!(before >= OBSERVER, "who leaves has come");
    }

    #[inline]
    pub(crate) fn wanted_events(&self) -> EventClass {
        EventClass::from_bits_truncate(self.wanted_events.load(Ordering::Relaxed))
    }

    pub(crate) fn set_wanted_events(&self, classes: EventClass) {
        self.wanted_events.store(classes.bits(), Ordering::Relaxed);
    }

    pub(crate) fn set_switches(&self, switches: Switches) {
        let bit = |on: bool, bit: u64| if on { bit } else { 0 };
        let bits = bit(switches.recording, RECORDING)
            | bit(switches.stamping || switches.peers, STAMPING)
            | bit(switches.peers, PEERS);
        // Observers come and go meanwhile.
        let _ = self
            .switches
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| Some(word & !(OBSERVER - 1) | bits));
    }
}
