//! The memory allocator, and what it knows about the memory in use.
//!
//! jemalloc counts for each thread what it has allocated and freed. The sum over all threads is what is in live
//! allocations, to the byte, without caches and at the cost of a few loads: maxmemory is held against it. So every thread
//! of this process has to publish its counters: workers do when they ask, the others when they end (`spawn`).

use crate::jemalloc::{Jemalloc, ThreadCounters};
use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::{io, thread};
use tikv_jemalloc_ctl::{epoch, epoch_mib, stats};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// As INFO and `--version` show it.
pub const NAME: &str = "jemalloc-5.3.0";

/// Names of jemalloc's statistics, looked up once.
struct Controls {
    epoch: epoch_mib,
    allocated: stats::allocated_mib,
    active: stats::active_mib,
    resident: stats::resident_mib,
}

static CONTROLS: LazyLock<Option<Controls>> = LazyLock::new(|| {
    Some(Controls {
        epoch: epoch::mib().ok()?,
        allocated: stats::allocated::mib().ok()?,
        active: stats::active::mib().ok()?,
        resident: stats::resident::mib().ok()?,
    })
});

/// Allocated less freed, of all threads as they last published it.
static USED: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// The caches of threads never hold so much: beyond it the sum of the threads' counters has gone astray.
const CACHES_BYTES: i64 = 64 << 20;

thread_local! {
    static COUNTERS: Cell<Option<ThreadCounters>> = const { Cell::new(None) };
    /// What this thread has published.
    static PUBLISHED: Cell<i64> = const { Cell::new(0) };
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// In live allocations.
    pub used: u64,
    /// The most that was ever seen in use.
    pub peak: u64,
    /// The same as jemalloc sees it: what its threads keep for later is allocated.
    pub allocated: u64,
    /// In pages with live allocations.
    pub active: u64,
    /// In pages that are mapped.
    pub resident: u64,
}

/// Bytes in live allocations.
#[inline]
pub fn used_bytes() -> u64 {
    let counters = COUNTERS.get().unwrap_or_else(|| {
        let counters = ThreadCounters::of_this_thread();
        COUNTERS.set(Some(counters));
        counters
    });
    let own = counters.allocated_less_freed();
    let used = match own - PUBLISHED.replace(own) {
        0 => USED.load(Relaxed),
        change => USED.fetch_add(change, Relaxed) + change,
    };
    u64::try_from(used).unwrap_or(0)
}

/// Takes note of a new peak of `used_bytes`.
pub fn note_peak() -> u64 {
    let used = used_bytes();
    PEAK.fetch_max(used, Relaxed).max(used)
}

/// Asks the allocator, which adds up its arenas: some microseconds.
pub fn usage() -> Usage {
    let (peak, used) = (note_peak(), used_bytes());
    let Some(controls) = &*CONTROLS else { return Usage { used, peak, ..Usage::default() } };
    // Advancing the epoch refreshes the statistics; it cannot fail for a name that was found.
    let _ = controls.epoch.advance();
    let allocated = controls.allocated.read().unwrap_or(0) as u64;
    let drift = allocated as i64 - used as i64;
    if drift.abs() > CACHES_BYTES {
        // The last breath of threads that have ended, many times over.
        USED.fetch_add(drift, Relaxed);
    }
    Usage {
        used,
        peak,
        allocated,
        active: controls.active.read().unwrap_or(0) as u64,
        resident: controls.resident.read().unwrap_or(0) as u64,
    }
}

/// A thread whose allocations are counted, also after its end.
pub fn spawn<R: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> R + Send + 'static,
) -> io::Result<thread::JoinHandle<R>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        let result = run();
        used_bytes();
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other tests allocate and free at the same time, so only what no other can account for is compared.
    #[test]
    fn a_large_allocation_shows_until_another_thread_frees_it() {
        const BLOCK_BYTES: usize = 256 << 20;
        assert!(usage().used < BLOCK_BYTES as u64);
        let block = vec![1u8; BLOCK_BYTES];
        let during = usage();
        assert!(during.used >= BLOCK_BYTES as u64 && during.active >= during.used, "{during:?}");
        assert!(during.allocated >= BLOCK_BYTES as u64 && used_bytes() >= BLOCK_BYTES as u64);
        spawn("free", move || drop(block)).unwrap().join().unwrap();
        let after = usage();
        assert!(after.used < BLOCK_BYTES as u64 && after.peak >= during.used, "{after:?}");
        assert!(crate::jemalloc::purge());
    }
}
