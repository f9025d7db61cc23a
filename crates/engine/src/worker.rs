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
    /// Lent to the turn that is running: a clone for each would be a cache line that all workers write.
    pub(crate) engine: Option<Arc<Engine>>,
    config: Arc<Config>,
    /// `CurrentConfig::changes` before `config` was loaded.
    config_changes: u64,
}

impl Worker {
    pub fn new(engine: &Arc<Engine>) -> Worker {
        Worker {
            stats: engine.stats.register(),
            batch: Batch::default(),
            engine: Some(engine.clone()),
            config_changes: engine.config.changes(),
            config: engine.config.load_full(),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Takes over what CONFIG SET has changed, on this thread or another.
    #[inline]
    pub(crate) fn refresh(&mut self, engine: &Engine) {
        let changes = engine.config.changes();
        if changes != self.config_changes {
            self.config_changes = changes;
            self.config = engine.config.load_full();
        }
    }
}
