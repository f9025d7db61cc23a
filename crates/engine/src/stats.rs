//! Counters. Each worker writes its own without contention; INFO adds them up.

use crate::table::table;
use parking_lot::Mutex;
use std::collections::BTreeMap;
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
    /// Refused before it ran.
    pub rejected: Counter,
    /// Ran and answered with an error.
    pub failed: Counter,
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
        }
    }
}

/// What is counted rarely enough to be shared.
#[derive(Default)]
pub struct SharedCounters {
    pub connections_received: AtomicU64,
    pub rejected_connections: AtomicU64,
    pub error_replies: AtomicU64,
    pub unexpected_error_replies: AtomicU64,
    pub auth_failures: AtomicU64,
    /// Changes that came from other nodes.
    pub remote_dirty: AtomicU64,
}

/// How many error codes are told apart; a client can make up no more than that.
const ERROR_CODES_MAX: usize = 128;

/// All counters of an engine.
#[derive(Default)]
pub struct Stats {
    workers: Mutex<Vec<Arc<WorkerStats>>>,
    errors: Mutex<BTreeMap<String, u64>>,
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
}

/// Sums of one command over the workers.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandTotals {
    pub calls: u64,
    pub nanoseconds: u64,
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
        if let Some(count) = errors.get_mut(&code) {
            *count += 1;
        } else if errors.len() < ERROR_CODES_MAX {
            errors.insert(code, 1);
        }
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
        })
    }

    /// `id`: `Entry::id`.
    pub fn command(&self, id: usize) -> CommandTotals {
        self.workers.lock().iter().map(|worker| &worker.commands[id]).fold(CommandTotals::default(), |sum, counters| {
            CommandTotals {
                calls: sum.calls + counters.calls.get(),
                nanoseconds: sum.nanoseconds + counters.nanoseconds.get(),
                rejected: sum.rejected + counters.rejected.get(),
                failed: sum.failed + counters.failed.get(),
            }
        })
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for worker in self.workers.lock().iter() {
            for counters in &worker.commands {
                counters.calls.reset();
                counters.nanoseconds.reset();
                counters.rejected.reset();
                counters.failed.reset();
            }
            worker.commands_processed.reset();
            worker.net_input_bytes.reset();
            worker.net_output_bytes.reset();
            worker.reads.reset();
            worker.writes.reset();
        }
        self.errors.lock().clear();
        self.shared.connections_received.store(0, Relaxed);
        self.shared.rejected_connections.store(0, Relaxed);
        self.shared.error_replies.store(0, Relaxed);
        self.shared.unexpected_error_replies.store(0, Relaxed);
        self.shared.auth_failures.store(0, Relaxed);
    }
}
