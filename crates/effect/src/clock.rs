//! The hybrid logical clock of one node.

use crate::Stamp;

/// Hands out strictly increasing stamps and never falls behind a stamp that it was shown.
#[derive(Debug, Default, Clone)]
pub struct Clock {
    last: Stamp,
}

impl Clock {
    pub fn new() -> Clock {
        Clock::default()
    }

    /// Reserves `count` consecutive stamps and returns the first of them. `now_ms`: wall clock,
    /// milliseconds since the Unix epoch; it may jump either way.
    pub fn next(&mut self, now_ms: u64, count: u64) -> Stamp {
        debug_assert!(count > 0);
        let first = Stamp::from_ms(now_ms).max(self.last.plus(1));
        self.last = first.plus(count - 1);
        first
    }

    /// Merges a stamp received from elsewhere.
    pub fn observe(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp);
    }

    /// The last stamp handed out or observed.
    pub fn last(&self) -> Stamp {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_increase_even_when_the_wall_clock_goes_back() {
        let mut clock = Clock::new();
        let first = clock.next(1000, 3);
        let second = clock.next(400, 1);
        assert_eq!(first, Stamp::from_ms(1000));
        assert_eq!(second, first.plus(3));
        clock.observe(Stamp::from_ms(5000));
        assert!(clock.next(2000, 1) > Stamp::from_ms(5000));
    }
}
