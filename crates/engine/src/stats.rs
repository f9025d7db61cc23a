//! Counters. Each worker writes its own without contention; INFO adds them up.

use crate::histogram::{Histogram, LatencyTotals};
use crate::services::Now;
use crate::table::table;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter that one thread writes and any thread reads.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Only for the owning thread: a plain load and store, no locked instruction.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// The same for the greatest value seen.
    #[inline]
    pub fn raise(&self, value: u64) {
        if value > self.get() {
            self.0.store(value, Relaxed);
        }
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// Of one command, in one worker.
#[derive(Default)]
pub struct CommandCounters {
    pub calls: Counter,
    pub nanoseconds: Counter,
    pub latency: Histogram,
    /// Refused before it ran.
    pub rejected: Counter,
    /// Ran and answered with an error.
    pub failed: Counter,
}

impl CommandCounters {
    /// So many calls, each of which took so long.
    #[inline]
    pub(crate) fn record(&self, calls: u64, nanoseconds: u64, histogram: bool) {
        self.calls.add(calls);
        self.nanoseconds.add(calls * nanoseconds);
        if histogram {
            self.latency.record(calls, nanoseconds);
        }
    }
}

/// What one worker counts.
pub struct WorkerStats {
    pub commands: Box<[CommandCounters]>,
    pub commands_processed: Counter,
    pub net_input_bytes: Counter,
    pub net_output_bytes: Counter,
    pub reads: Counter,
    pub writes: Counter,
    /// Changes of the data set.
    pub dirty: Counter,
    /// Turns of the event loop, and how long they took.
    pub cycles: Counter,
    pub cycle_microseconds: Counter,
    /// Of the longest turn.
    pub cycle_microseconds_max: Counter,
    pub cycle_commands_max: Counter,
    /// In work that is done now and then.
    pub cron_microseconds: Counter,
}

impl WorkerStats {
    fn new() -> WorkerStats {
        WorkerStats {
            commands: table().entries().iter().map(|_| CommandCounters::default()).collect(),
            commands_processed: Counter::default(),
            net_input_bytes: Counter::default(),
            net_output_bytes: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            dirty: Counter::default(),
            cycles: Counter::default(),
            cycle_microseconds: Counter::default(),
            cycle_microseconds_max: Counter::default(),
            cycle_commands_max: Counter::default(),
            cron_microseconds: Counter::default(),
        }
    }
}

/// What is counted rarely enough to be shared.
#[derive(Default)]
pub struct SharedCounters {
    pub connections_received: AtomicU64,
    pub rejected_connections: AtomicU64,
    pub error_replies: AtomicU64,
    pub auth_failures: AtomicU64,
    /// Clients disconnected because all of them took too much memory.
    pub evicted_clients: AtomicU64,
    pub output_limit_disconnections: AtomicU64,
    pub query_limit_disconnections: AtomicU64,
    /// Records of changes that came from other nodes.
    pub remote_dirty: AtomicU64,
    /// Changes by commands that had waited.
    pub served_dirty: AtomicU64,
}

/// How many error codes are told apart; a client can make up no more than that.
const ERROR_CODES_MAX: usize = 128;

/// What all the others are counted as.
const OTHER_ERRORS: &str = "ERRORSTATS_OVERFLOW";

/// How many samples the rates are taken from.
const SAMPLES: usize = 16;
const SAMPLE_INTERVAL_US: u64 = 100_000;

/// All counters of an engine.
#[derive(Default)]
pub struct Stats {
    workers: Mutex<Vec<Arc<WorkerStats>>>,
    errors: Mutex<BTreeMap<String, u64>>,
    samples: Mutex<VecDeque<(u64, Totals)>>,
    pub shared: SharedCounters,
}

/// Sums over the workers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub commands_processed: u64,
    pub net_input_bytes: u64,
    pub net_output_bytes: u64,
    pub reads: u64,
    pub writes: u64,
    /// Changes of the data set, those from other nodes excluded.
    pub dirty: u64,
    pub cycles: u64,
    pub cycle_microseconds: u64,
    pub cycle_microseconds_max: u64,
    pub cycle_commands_max: u64,
    pub cron_microseconds: u64,
}

/// How fast things go at present.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    pub commands_per_second: u64,
    pub input_bytes_per_second: f64,
    pub output_bytes_per_second: f64,
    pub cycles_per_second: u64,
    pub microseconds_per_cycle: u64,
}

/// Sums of one command over the workers.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandTotals {
    pub calls: u64,
    pub nanoseconds: u64,
    pub latency: LatencyTotals,
    pub rejected: u64,
    pub failed: u64,
}

impl Stats {
    /// Counters for one more worker.
    pub fn register(&self) -> Arc<WorkerStats> {
        let stats = Arc::new(WorkerStats::new());
        self.workers.lock().push(stats.clone());
        stats
    }

    pub fn count_error(&self, code: String) {
        self.shared.error_replies.fetch_add(1, Relaxed);
        let mut errors = self.errors.lock();
        let is_known = errors.contains_key(&code) || errors.len() < ERROR_CODES_MAX;
        *errors.entry(if is_known { code } else { OTHER_ERRORS.into() }).or_default() += 1;
    }

    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().clone()
    }

    pub fn totals(&self) -> Totals {
        self.workers.lock().iter().fold(Totals::default(), |sum, worker| Totals {
            commands_processed: sum.commands_processed + worker.commands_processed.get(),
            net_input_bytes: sum.net_input_bytes + worker.net_input_bytes.get(),
            net_output_bytes: sum.net_output_bytes + worker.net_output_bytes.get(),
            reads: sum.reads + worker.reads.get(),
            writes: sum.writes + worker.writes.get(),
            dirty: sum.dirty + worker.dirty.get(),
            cycles: sum.cycles + worker.cycles.get(),
            cycle_microseconds: sum.cycle_microseconds + worker.cycle_microseconds.get(),
            cycle_microseconds_max: sum.cycle_microseconds_max.max(worker.cycle_microseconds_max.get()),
            cycle_commands_max: sum.cycle_commands_max.max(worker.cycle_commands_max.get()),
            cron_microseconds: sum.cron_microseconds + worker.cron_microseconds.get(),
        })
    }

    /// What all commands together have taken.
    pub fn command_nanoseconds(&self) -> u64 {
        let workers = self.workers.lock();
        workers.iter().flat_map(|worker| &worker.commands).map(|counters| counters.nanoseconds.get()).sum()
    }

    /// `id`: `Entry::id`.
    pub fn command(&self, id: usize) -> CommandTotals {
        let mut totals = CommandTotals::default();
        for worker in self.workers.lock().iter() {
            let counters = &worker.commands[id];
            totals.calls += counters.calls.get();
            totals.nanoseconds += counters.nanoseconds.get();
            totals.latency.add(&counters.latency);
            totals.rejected += counters.rejected.get();
            totals.failed += counters.failed.get();
        }
        totals
    }

    /// Takes a sample for `rates`, unless the last one is fresh.
    pub fn sample(&self, now: Now) {
        let mut samples = self.samples.lock();
        if samples.back().is_some_and(|(last_us, _)| now.monotonic_us < last_us + SAMPLE_INTERVAL_US) {
            return;
        }
        let totals = self.totals();
        samples.push_back((now.monotonic_us, totals));
        if samples.len() > SAMPLES {
            samples.pop_front();
        }
    }

    /// Over the time of the samples.
    pub fn rates(&self) -> Rates {
        let samples = self.samples.lock();
        let (Some((first_us, first)), Some((last_us, last))) = (samples.front(), samples.back()) else {
            return Rates::default();
        };
        let seconds = (last_us - first_us) as f64 / 1e6;
        if seconds <= 0.0 {
            return Rates::default();
        }
        let per_second = |first: u64, last: u64| last.saturating_sub(first) as f64 / seconds;
        Rates {
            commands_per_second: per_second(first.commands_processed, last.commands_processed) as u64,
            input_bytes_per_second: per_second(first.net_input_bytes, last.net_input_bytes),
            output_bytes_per_second: per_second(first.net_output_bytes, last.net_output_bytes),
            cycles_per_second: per_second(first.cycles, last.cycles).ceil() as u64,
            microseconds_per_cycle: last
                .cycle_microseconds
                .saturating_sub(first.cycle_microseconds)
                .checked_div(last.cycles.saturating_sub(first.cycles))
                .unwrap_or(0),
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for worker in self.workers.lock().iter() {
            for counters in &worker.commands {
                counters.calls.reset();
                counters.nanoseconds.reset();
                counters.latency.reset();
                counters.rejected.reset();
                counters.failed.reset();
            }
            let counters = [
                &worker.commands_processed,
                &worker.net_input_bytes,
                &worker.net_output_bytes,
                &worker.reads,
                &worker.writes,
                &worker.cycles,
                &worker.cycle_microseconds,
                &worker.cycle_microseconds_max,
                &worker.cycle_commands_max,
                &worker.cron_microseconds,
            ];
            counters.iter().for_each(|counter| counter.reset());
        }
        self.errors.lock().clear();
        self.samples.lock().clear();
        let shared = &self.shared;
        let counters = [
            &shared.connections_received,
            &shared.rejected_connections,
            &shared.error_replies,
            &shared.auth_failures,
            &shared.evicted_clients,
            &shared.output_limit_disconnections,
            &shared.query_limit_disconnections,
        ];
        counters.iter().for_each(|counter| counter.store(0, Relaxed));
    }
}
