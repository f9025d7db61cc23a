//! The memory allocator, and what it knows about the memory in use.

use crate::jemalloc::Jemalloc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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

static USED: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// Bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// In live allocations.
    pub used: u64,
    /// The most that was ever seen in use.
    pub peak: u64,
    /// In pages with live allocations.
    pub active: u64,
    /// In pages that are mapped.
    pub resident: u64,
}

/// Bytes in live allocations, as of the last `usage`. Costs one load.
pub fn used_bytes() -> u64 {
    USED.load(Relaxed)
}

/// Asks the allocator, which adds up its arenas: some microseconds.
pub fn usage() -> Usage {
    let Some(controls) = &*CONTROLS else { return Usage::default() };
    // Advancing the epoch refreshes the statistics; it cannot fail for a name that was found.
    let _ = controls.epoch.advance();
    let used = controls.allocated.read().unwrap_or(0) as u64;
    USED.store(used, Relaxed);
    let peak = PEAK.fetch_max(used, Relaxed).max(used);
    Usage {
        used,
        peak,
        active: controls.active.read().unwrap_or(0) as u64,
        resident: controls.resident.read().unwrap_or(0) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other tests allocate and free at the same time, so only what no other can account for is compared.
    #[test]
    fn a_large_allocation_shows() {
        const BLOCK_BYTES: usize = 256 << 20;
        assert!(usage().used < BLOCK_BYTES as u64);
        let block = vec![1u8; BLOCK_BYTES];
        let during = usage();
        assert!(during.used >= BLOCK_BYTES as u64 && during.active >= during.used, "{during:?}");
        assert!(used_bytes() >= BLOCK_BYTES as u64);
        drop(block);
        let after = usage();
        assert!(after.used < BLOCK_BYTES as u64 && after.peak >= during.used, "{after:?}");
        assert!(crate::jemalloc::purge());
    }
}
