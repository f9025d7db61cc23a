//! The 24 bits of an entry that say how much the key is used: the clock of its last access, or, where keys are
//! evicted by frequency (`maxmemory-policy *-lfu`), a logarithmic counter with the minute of its last decay.

/// Bits of the clock of the last access, in seconds.
const CLOCK_MASK: u32 = (1 << 24) - 1;
/// What a new key's counter begins with, so that it has a chance to be used before it is evicted.
const FIRST_COUNT: u8 = 5;
const MINUTES_MASK: u32 = 0xffff;

/// What is noted of accesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracking {
    /// When the last one was.
    #[default]
    Recency,
    /// About how many there were lately.
    Frequency {
        /// How slowly counters grow (lfu-log-factor).
        log_factor: u32,
        /// After how many minutes a counter goes down by one; 0: never (lfu-decay-time).
        decay_minutes: u32,
    },
}

impl Tracking {
    const FREQUENCY: u64 = 1 << 63;
    const FIELD_BITS: u32 = 31;
    const FIELD_MAX: u32 = (1 << Tracking::FIELD_BITS) - 1;

    /// In one word, to be shared by threads.
    pub(crate) fn to_word(self) -> u64 {
        match self {
            Tracking::Recency => 0,
            Tracking::Frequency { log_factor, decay_minutes } => {
                let field = |value: u32| u64::from(value.min(Tracking::FIELD_MAX));
                Tracking::FREQUENCY | field(log_factor) << Tracking::FIELD_BITS | field(decay_minutes)
            }
        }
    }

    pub(crate) fn from_word(word: u64) -> Tracking {
        if word & Tracking::FREQUENCY == 0 {
            return Tracking::Recency;
        }
        let field = |shift: u32| (word >> shift) as u32 & Tracking::FIELD_MAX;
        Tracking::Frequency { log_factor: field(Tracking::FIELD_BITS), decay_minutes: field(0) }
    }
}

/// One access, about to be noted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) tracking: Tracking,
    pub(crate) now_ms: u64,
    /// Decides whether a counter grows.
    pub(crate) random: u64,
}

impl Access {
    /// The bits of an entry that is new.
    pub(crate) fn first(self) -> u32 {
        match self.tracking {
            Tracking::Recency => self.clock(),
            Tracking::Frequency { .. } => self.counter(FIRST_COUNT),
        }
    }

    /// The bits after this access.
    #[inline]
    pub(crate) fn next(self, bits: u32) -> u32 {
        match self.tracking {
            Tracking::Recency => self.clock(),
            Tracking::Frequency { log_factor, .. } => self.counter(self.increased(self.frequency(bits), log_factor)),
        }
    }

    /// Seconds since the last access; only under `Tracking::Recency`.
    pub(crate) fn idle_seconds(self, bits: u32) -> u64 {
        u64::from(self.clock().wrapping_sub(bits) & CLOCK_MASK)
    }

    /// The counter as it has decayed until now; only under `Tracking::Frequency`.
    pub(crate) fn frequency(self, bits: u32) -> u8 {
        let count = bits as u8;
        let decay_minutes = match self.tracking {
            Tracking::Frequency { decay_minutes, .. } if decay_minutes > 0 => decay_minutes,
            _ => return count,
        };
        let minutes = self.minutes().wrapping_sub(bits >> 8) & MINUTES_MASK;
        count.saturating_sub(u8::try_from(minutes / decay_minutes).unwrap_or(u8::MAX))
    }

    fn clock(self) -> u32 {
        (self.now_ms / 1000) as u32 & CLOCK_MASK
    }

    fn minutes(self) -> u32 {
        (self.now_ms / 60_000) as u32 & MINUTES_MASK
    }

    fn counter(self, count: u8) -> u32 {
        self.minutes() << 8 | u32::from(count)
    }

    /// Grows by one with a probability that falls with what it has beyond its first value.
    fn increased(self, count: u8, log_factor: u32) -> u8 {
        let odds = u64::from(count.saturating_sub(FIRST_COUNT)) * u64::from(log_factor) + 1;
        count.saturating_add(u8::from(self.random <= u64::MAX / odds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn access(log_factor: u32, decay_minutes: u32, now_ms: u64, random: u64) -> Access {
        Access { tracking: Tracking::Frequency { log_factor, decay_minutes }, now_ms, random }
    }

    #[test]
    fn one_word_holds_it() {
        let largest = Tracking::Frequency { log_factor: i32::MAX as u32, decay_minutes: i32::MAX as u32 };
        for tracking in [Tracking::Recency, largest, Tracking::Frequency { log_factor: 10, decay_minutes: 1 }] {
            assert_eq!(Tracking::from_word(tracking.to_word()), tracking);
        }
    }

    #[test]
    fn the_clock_wraps() {
        let at = |seconds: u64| Access { tracking: Tracking::Recency, now_ms: seconds * 1000, random: 0 };
        let bits = at((1 << 24) - 3).first();
        assert_eq!(at((1 << 24) + 4).idle_seconds(bits), 7);
    }

    #[test]
    fn a_counter_grows_as_its_odds_say() {
        let bits = access(10, 1, 0, 0).first();
        assert_eq!(access(10, 1, 0, 0).frequency(bits), 5);
        // The first step is certain, the next has one chance in eleven.
        let six = access(10, 1, 0, u64::MAX).next(bits);
        assert_eq!(access(10, 1, 0, 0).frequency(six), 6);
        assert_eq!(access(10, 1, 0, u64::MAX / 11 + 1).next(six), six);
        assert_eq!(access(10, 1, 0, 0).frequency(access(10, 1, 0, u64::MAX / 11).next(six)), 7);
        assert_eq!(access(0, 0, 0, u64::MAX).next(255), 255);
    }

    #[test]
    fn a_counter_decays() {
        let bits = access(10, 1, 0, 0).counter(9);
        assert_eq!(access(10, 1, 3 * MINUTE_MS, 0).frequency(bits), 6);
        assert_eq!(access(10, 2, 3 * MINUTE_MS, 0).frequency(bits), 8);
        assert_eq!(access(10, 1, 300 * MINUTE_MS, 0).frequency(bits), 0);
        assert_eq!(access(10, 0, 300 * MINUTE_MS, 0).frequency(bits), 9);
    }
}
