//! The ids of entries.

use std::fmt;

/// Milliseconds and a sequence number within them, in one number that orders as ids do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u128);

impl StreamId {
    pub const MIN: StreamId = StreamId(0);
    pub const MAX: StreamId = StreamId(u128::MAX);

    pub const fn new(ms: u64, sequence: u64) -> StreamId {
        StreamId((ms as u128) << 64 | sequence as u128)
    }

    pub const fn ms(self) -> u64 {
        (self.0 >> 64) as u64
    }

    pub const fn sequence(self) -> u64 {
        self.0 as u64
    }

    /// `None` after the last one.
    pub fn next(self) -> Option<StreamId> {
        self.0.checked_add(1).map(StreamId)
    }

    /// `None` before the first one.
    pub fn previous(self) -> Option<StreamId> {
        self.0.checked_sub(1).map(StreamId)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms(), self.sequence())
    }
}
