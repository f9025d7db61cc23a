//! Where large things are dropped: freeing millions of allocations takes long, and nobody has to wait for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

type Disposal = fn(Box<dyn Send>);

static DISPOSAL: OnceLock<Disposal> = OnceLock::new();
/// What waits to be dropped, and what was.
static PENDING: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Garbage that is pending until it is dropped.
struct Pending<T>(Option<T>);

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        drop(self.0.take());
        PENDING.fetch_sub(1, Relaxed);
        DROPPED.fetch_add(1, Relaxed);
    }
}

/// From now on `disposal` drops what is discarded, on another thread for instance. Only the first call counts.
pub fn set_disposal(disposal: Disposal) {
    let _ = DISPOSAL.set(disposal);
}

/// Drops something large where that keeps nobody waiting; here and now unless the process knows better.
pub fn discard<T: Send + 'static>(garbage: T) {
    match DISPOSAL.get() {
        Some(disposal) => {
            PENDING.fetch_add(1, Relaxed);
            disposal(Box::new(Pending(Some(garbage))));
        }
        None => drop(garbage),
    }
}

/// How many things wait to be dropped elsewhere, and how many were, since the start or `reset_disposed`.
pub fn disposed() -> (u64, u64) {
    (PENDING.load(Relaxed), DROPPED.load(Relaxed))
}

pub fn reset_disposed() {
    DROPPED.store(0, Relaxed);
}
