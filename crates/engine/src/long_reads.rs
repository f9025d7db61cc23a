//! Reads that go on over several slices. What changes meanwhile is noted, so that in the end they can read that once more: then
//! all was read at one moment.

use crate::engine::Engine;
use keyspace::Change;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// After so many changes it is as well to read everything once more.
const MAX_CHANGES: usize = 100_000;

/// Those that are under way: a reader of the stream of effects.
#[derive(Default)]
pub(crate) struct LongReads {
    /// Checked before anything else.
    count: AtomicUsize,
    reads: Mutex<Vec<Arc<Noted>>>,
}

struct Noted {
    db: u32,
    changed: Mutex<Changed>,
}

/// What has changed in a database since a read began.
#[derive(Default)]
pub(crate) struct Changed {
    everything: bool,
    /// Of the keys.
    hashes: HashSet<u64>,
}

impl Changed {
    /// Is one of them among it?
    pub(crate) fn concerns(&self, hashes: &[u64]) -> bool {
        self.everything || !self.hashes.is_empty() && hashes.iter().any(|hash| self.hashes.contains(hash))
    }

    /// The same for very many.
    pub(crate) fn concerns_any_of(&self, hashes: &HashSet<u64>) -> bool {
        self.everything || self.hashes.iter().any(|hash| hashes.contains(hash))
    }

    fn note(&mut self, db: u32, change: Change<'_>) {
        match change {
            Change::Key { db: changed, key, .. } if changed == db => _ = self.hashes.insert(stdx::hash::hash(key)),
            Change::Database { db: changed } if changed == db => self.everything = true,
            Change::Everything => self.everything = true,
            Change::Key { .. } | Change::Database { .. } | Change::Groups { .. } => {}
        }
        self.everything |= self.hashes.len() > MAX_CHANGES;
    }
}

impl LongReads {
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    pub(crate) fn observe(&self, changes: &[Change<'_>]) {
        if self.is_idle() {
            return;
        }
        for read in self.reads.lock().iter() {
            let mut changed = read.changed.lock();
            changes.iter().for_each(|change| changed.note(read.db, *change));
        }
    }
}

/// Such a read, until it is dropped.
pub(crate) struct LongRead {
    engine: Arc<Engine>,
    noted: Arc<Noted>,
}

impl LongRead {
    /// Call before the first key is locked.
    pub(crate) fn begin(engine: &Arc<Engine>, db: u32) -> LongRead {
        let noted = Arc::new(Noted { db, changed: Mutex::default() });
        let LongReads { count, reads } = &engine.long_reads;
        let mut reads = reads.lock();
        reads.push(noted.clone());
        count.store(reads.len(), Relaxed);
        engine.keyspace.add_observer();
        LongRead { engine: engine.clone(), noted }
    }

    /// What has changed of the keys whose locks are held, or of others.
    pub(crate) fn take_changed(&self) -> Changed {
        std::mem::take(&mut self.noted.changed.lock())
    }
}

impl Drop for LongRead {
    fn drop(&mut self) {
        let LongReads { count, reads } = &self.engine.long_reads;
        let mut reads = reads.lock();
        reads.retain(|read| !Arc::ptr_eq(read, &self.noted));
        count.store(reads.len(), Relaxed);
        self.engine.keyspace.remove_observer();
    }
}
