//! Latencies of a command, counted in buckets whose width grows with the value.

use crate::stats::Counter;

/// Each power of two is cut into this many buckets (as a power of two itself).
const SUB_BITS: u32 = 2;
const SUB: usize = 1 << SUB_BITS;
/// Up to about 2^26 microseconds, a minute.
const BUCKETS: usize = 25 * SUB;

/// Written by one thread.
pub struct Histogram {
    buckets: [Counter; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: std::array::from_fn(|_| Counter::default()) }
    }
}

fn bucket(microseconds: u64) -> usize {
    if microseconds < SUB as u64 {
        return microseconds as usize;
    }
    let exponent = microseconds.ilog2() - SUB_BITS;
    let index = (exponent as usize + 1) * SUB + (microseconds >> exponent) as usize - SUB;
    index.min(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn upper_us(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let exponent = bucket / SUB - 1;
    (((bucket % SUB + SUB + 1) as u64) << exponent) - 1
}

impl Histogram {
    #[inline]
    pub fn record(&self, calls: u64, nanoseconds: u64) {
        self.buckets[bucket(nanoseconds / 1000)].add(calls);
    }

    pub fn reset(&self) {
        self.buckets.iter().for_each(Counter::reset);
    }
}

/// Histograms of several threads, added up.
#[derive(Clone, Copy, Debug)]
pub struct LatencyTotals {
    counts: [u64; BUCKETS],
}

impl Default for LatencyTotals {
    fn default() -> LatencyTotals {
        LatencyTotals { counts: [0; BUCKETS] }
    }
}

impl LatencyTotals {
    pub fn add(&mut self, histogram: &Histogram) {
        for (count, bucket) in self.counts.iter_mut().zip(&histogram.buckets) {
            *count += bucket.get();
        }
    }

    /// Powers of two in microseconds, each with the number of calls that took no longer; up to the
    /// slowest call.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let Some(last) = self.counts.iter().rposition(|&count| count > 0) else { return Vec::new() };
        let mut rows: Vec<(u64, u64)> = Vec::new();
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            let row = upper_us(index).next_power_of_two().max(1);
            match rows.last_mut() {
                Some((upper, total)) if *upper == row => *total = seen,
                _ if index > last => break,
                _ => rows.push((row, seen)),
            }
        }
        rows.retain(|&(_, total)| total > 0);
        rows
    }

    /// An upper bound of the latency that `fraction` of the calls stay within.
    pub fn percentile_us(&self, fraction: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let wanted = (total as f64 * fraction).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_us(index) as f64;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_its_bucket_and_buckets_are_narrow() {
        for value in (0..5000).chain([1 << 20, (1 << 20) + 17, 50_000_000]) {
            let index = bucket(value);
            assert!(value <= upper_us(index), "{value}");
            assert!(index == 0 || upper_us(index - 1) < value, "{value}");
            assert!(upper_us(index) - value <= value / SUB as u64, "{value}");
        }
    }

    #[test]
    fn percentiles() {
        let histogram = Histogram::default();
        for microseconds in 1..=100 {
            histogram.record(1, microseconds * 1000);
        }
        let mut totals = LatencyTotals::default();
        totals.add(&histogram);
        let median = totals.percentile_us(0.5);
        assert!((50.0..63.0).contains(&median), "{median}");
        assert!(totals.percentile_us(0.99) >= 99.0);
    }
}
