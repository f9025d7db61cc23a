//! The latency monitor: what took longer than latency-monitor-threshold, by kind of event.

use crate::services::Now;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};

/// How many samples of an event are kept.
const SAMPLES: usize = 160;

/// Of all that happened within one second, the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub unix_seconds: u64,
    pub milliseconds: u64,
}

/// The samples of one kind of event, oldest first; never empty.
#[derive(Clone, Debug, Default)]
pub struct Event {
    pub samples: VecDeque<Sample>,
    pub all_time_max_ms: u64,
}

impl Event {
    fn add(&mut self, sample: Sample) {
        self.all_time_max_ms = self.all_time_max_ms.max(sample.milliseconds);
        match self.samples.back_mut() {
            Some(last) if last.unix_seconds == sample.unix_seconds => {
                last.milliseconds = last.milliseconds.max(sample.milliseconds);
            }
            _ => {
                if self.samples.len() == SAMPLES {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }

    pub fn last(&self) -> Sample {
        self.samples[self.samples.len() - 1]
    }

    pub fn max_ms(&self) -> u64 {
        self.samples.iter().map(|sample| sample.milliseconds).max().unwrap_or(0)
    }

    pub fn min_ms(&self) -> u64 {
        self.samples.iter().map(|sample| sample.milliseconds).min().unwrap_or(0)
    }

    pub fn mean_ms(&self) -> u64 {
        self.samples.iter().map(|sample| sample.milliseconds).sum::<u64>() / self.samples.len().max(1) as u64
    }
}

/// Shared by all workers; what is fast enough never gets here.
#[derive(Default)]
pub struct LatencyMonitor {
    events: Mutex<BTreeMap<&'static str, Event>>,
}

impl LatencyMonitor {
    pub(crate) fn add(&self, event: &'static str, milliseconds: u64, now: Now) {
        let sample = Sample { unix_seconds: now.unix_seconds(), milliseconds };
        self.events.lock().entry(event).or_default().add(sample);
    }

    /// By name.
    pub fn events(&self) -> BTreeMap<&'static str, Event> {
        self.events.lock().clone()
    }

    pub fn event(&self, name: &[u8]) -> Option<(&'static str, Event)> {
        let events = self.events.lock();
        let (name, event) = events.iter().find(|(known, _)| known.as_bytes() == name)?;
        Some((name, event.clone()))
    }

    /// Forgets one event, or all; returns how many.
    pub fn reset(&self, name: Option<&[u8]>) -> usize {
        let mut events = self.events.lock();
        let before = events.len();
        events.retain(|known, _| name.is_some_and(|name| known.as_bytes() != name));
        before - events.len()
    }
}

/// Samples as columns of characters, `rows` high, with their ages below, from top to bottom.
pub fn graph(event: &Event, now: Now, rows: usize) -> String {
    let (min, max) = (event.min_ms(), event.max_ms());
    let steps = 3 * rows as u64 - 1;
    let heights: Vec<u64> = event
        .samples
        .iter()
        .map(|sample| ((sample.milliseconds - min) * steps).checked_div(max - min).unwrap_or(0))
        .collect();
    let mut lines: Vec<String> = (0..rows as u64)
        .rev()
        .map(|row| {
            let cell = |height: &u64| match height.checked_sub(3 * row) {
                None => ' ',
                Some(0) => '_',
                Some(1) => 'o',
                Some(2) => '#',
                Some(_) => '|',
            };
            heights.iter().map(cell).collect()
        })
        .collect();
    lines.push(String::new());
    let ages: Vec<Vec<char>> = event
        .samples
        .iter()
        .map(|sample| age(now.unix_seconds().saturating_sub(sample.unix_seconds)).chars().collect())
        .collect();
    for row in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        lines.push(ages.iter().map(|age| age.get(row).copied().unwrap_or(' ')).collect());
    }
    lines.join("\n") + "\n"
}

/// "3s", "5m"
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(seconds: u64) -> Now {
        Now { unix_us: seconds * 1_000_000, monotonic_us: 0 }
    }

    #[test]
    fn the_longest_of_a_second_and_the_last_seconds_are_kept() {
        let monitor = LatencyMonitor::default();
        for second in 0..2 * SAMPLES as u64 {
            monitor.add("command", 10 + second, now(second));
            monitor.add("command", 5, now(second));
        }
        let (_, event) = monitor.event(b"command").unwrap();
        assert_eq!(event.samples.len(), SAMPLES);
        assert_eq!((event.last().milliseconds, event.min_ms()), (10 + 319, 10 + 160));
        assert_eq!(monitor.reset(Some(b"other")), 0);
        assert_eq!(monitor.reset(None), 1);
    }

    #[test]
    fn a_graph_has_a_column_per_sample() {
        let monitor = LatencyMonitor::default();
        for (second, ms) in [(1, 100), (2, 200), (70, 300)] {
            monitor.add("command", ms, now(second));
        }
        let (_, event) = monitor.event(b"command").unwrap();
        assert_eq!(graph(&event, now(130), 2), "  #\n_#|\n\n221\nmmm\n");
    }
}
