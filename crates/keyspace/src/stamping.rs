//! Where stamps come from: one clock and one context counter behind one lock, so that the pairs
//! (stamp, context) of all commits are monotone, and commits reach the effect log in stamp order.

use effect::{Clock, Stamp};
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};

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

pub(crate) struct Sequence {
    pub(crate) clock: Clock,
    /// Counts the remote records that were applied.
    pub(crate) context: u64,
}

pub(crate) struct Stamping {
    sequence: Mutex<Sequence>,
    /// The clock's last stamp, readable without the lock: expiry never runs behind the stamps.
    last: AtomicU64,
    own: AtomicU16,
    recording: AtomicBool,
    /// How many readers within this process want the effects, too.
    observers: AtomicUsize,
    stamping: AtomicBool,
    peers: AtomicBool,
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
            sequence: Mutex::new(Sequence { clock: Clock::new(), context: 0 }),
            last: AtomicU64::new(0),
            own: AtomicU16::new(0),
            recording: AtomicBool::new(true),
            observers: AtomicUsize::new(0),
            stamping: AtomicBool::new(false),
            peers: AtomicBool::new(false),
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
        Switches {
            recording: self.recording.load(Ordering::Relaxed) | (self.observers.load(Ordering::Relaxed) > 0),
            stamping: self.stamping.load(Ordering::Relaxed),
            peers: self.peers.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn add_observer(&self) {
        self.observers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove_observer(&self) {
        let before = self.observers.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "who leaves has come");
    }

    #[inline]
    pub(crate) fn wanted_events(&self) -> EventClass {
        EventClass::from_bits_truncate(self.wanted_events.load(Ordering::Relaxed))
    }

    pub(crate) fn set_wanted_events(&self, classes: EventClass) {
        self.wanted_events.store(classes.bits(), Ordering::Relaxed);
    }

    pub(crate) fn set_switches(&self, switches: Switches) {
        self.recording.store(switches.recording, Ordering::Relaxed);
        self.stamping.store(switches.stamping || switches.peers, Ordering::Relaxed);
        self.peers.store(switches.peers, Ordering::Relaxed);
    }
}
