//! What one thread needs to execute requests: buffers that are reused, counters, the current
//! configuration.

use crate::batch::Batch;
use crate::config::Config;
use crate::engine::Engine;
use crate::stats::WorkerStats;
use std::sync::Arc;

/// One per thread.
pub struct Worker {
    pub stats: Arc<WorkerStats>,
    pub(crate) batch: Batch,
    config: Arc<Config>,
}

impl Worker {
    pub fn new(engine: &Engine) -> Worker {
        Worker { stats: engine.stats.register(), batch: Batch::default(), config: engine.config.load_full() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Takes over what CONFIG SET has changed, on this thread or another.
    pub(crate) fn refresh(&mut self, engine: &Engine) {
        let current = engine.config.load();
        if !Arc::ptr_eq(&self.config, &current) {
            self.config = Arc::clone(&current);
        }
    }
}
