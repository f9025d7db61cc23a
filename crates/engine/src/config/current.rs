//! The configuration in force, replaced whole.

use super::Config;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Threads look at it at any time; those who look very often ask first whether it has changed.
pub struct CurrentConfig {
    config: ArcSwap<Config>,
    changes: AtomicU64,
}

impl CurrentConfig {
    pub fn new(config: Config) -> CurrentConfig {
        CurrentConfig { config: ArcSwap::from_pointee(config), changes: AtomicU64::new(0) }
    }

    /// For a short look.
    pub fn load(&self) -> Guard<Arc<Config>> {
        self.config.load()
    }

    pub fn load_full(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// How often it was replaced. Whoever loads it afterwards has that one, or a later one.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Replaces it by what `change` makes of it, which may be asked several times.
    pub fn replace(&self, change: impl FnMut(&Arc<Config>) -> Config) {
        self.config.rcu(change);
        self.changes.fetch_add(1, Ordering::Release);
    }
}
