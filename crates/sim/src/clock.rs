//! A node's idea of the time: off by a skew, running at its own pace, jumping now and then.

use rand::Rng;
use rand::rngs::SmallRng;

/// The true time at which a history begins, milliseconds since the Unix epoch.
pub const EPOCH_MS: u64 = 1_800_000_000_000;

pub struct SkewedClock {
    skew_us: i64,
    /// Parts per million that the clock runs fast.
    drift_ppm: i64,
}

impl SkewedClock {
    /// Up to two seconds off either way.
    pub fn random(rng: &mut SmallRng) -> SkewedClock {
        SkewedClock { skew_us: rng.random_range(-2_000_000..2_000_000), drift_ppm: rng.random_range(-20_000..20_000) }
    }

    /// An administrator, or NTP, sets the clock.
    pub fn jump(&mut self, rng: &mut SmallRng) {
        self.skew_us = rng.random_range(-3_000_000..3_000_000);
    }

    /// The wall clock in microseconds since the Unix epoch, `true_us` after the beginning.
    pub fn unix_us(&self, true_us: u64) -> u64 {
        let elapsed_us = true_us as i64 + true_us as i64 * self.drift_ppm / 1_000_000;
        (EPOCH_MS as i64 * 1000 + elapsed_us + self.skew_us) as u64
    }
}
