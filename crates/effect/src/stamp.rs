//! Stamps and origins: when, and by whom, a change was made.

use std::fmt;

/// A hybrid logical clock reading: `milliseconds since the Unix epoch << 20 | counter`.
///
/// Strictly increasing per origin and merged on every receipt (Kulkarni et al., "Logical Physical
/// Clocks", 2014), so an effect that has seen another one always has the larger stamp. The layout is
/// the one KeyDB uses for `mvcc-tstamp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(pub u64);

impl Stamp {
    /// Older than everything: the stamp of data that came without one.
    pub const ZERO: Stamp = Stamp(0);
    pub const MAX: Stamp = Stamp(u64::MAX);
    const COUNTER_BITS: u32 = 20;

    /// The first stamp of a millisecond.
    pub const fn from_ms(unix_ms: u64) -> Stamp {
        Stamp(unix_ms << Self::COUNTER_BITS)
    }

    /// The last stamp of a millisecond; the last one of all where there is no such time.
    pub const fn last_of_ms(unix_ms: u64) -> Stamp {
        match unix_ms.checked_add(1) {
            Some(next_ms) if next_ms <= Self::MAX.ms() => Stamp((next_ms << Self::COUNTER_BITS) - 1),
            _ => Self::MAX,
        }
    }

    /// The physical part, in milliseconds since the Unix epoch.
    pub const fn ms(self) -> u64 {
        self.0 >> Self::COUNTER_BITS
    }

    /// The stamp `n` steps later.
    pub const fn plus(self, n: u64) -> Stamp {
        Stamp(self.0 + n)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ms(), self.0 & ((1 << Self::COUNTER_BITS) - 1))
    }
}

/// A node's name for life: random, never zero, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One uninterrupted life of a node. A node that lost the tail of its memory starts a new
/// incarnation, so that no (origin, stamp) pair is ever used twice. The order breaks ties between
/// equal stamps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub node: NodeId,
    pub incarnation: u32,
}

impl Origin {
    /// No life of the node: where it is named, there will be none any more under this name.
    pub fn departure(node: NodeId) -> Origin {
        Origin { node, incarnation: u32::MAX }
    }

    pub fn is_departure(self) -> bool {
        self.incarnation == u32::MAX
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.node, self.incarnation)
    }
}
