//! The node's own commits on their way from the sessions to the mesh.

use effect::Stamp;
use keyspace::Commit;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stdx::vector_bytes;

/// Commits in the order of their stamps: the keyspace hands them over one at a time, in this order.
pub(crate) struct Journal {
    active: AtomicBool,
    pending: Mutex<Commits>,
    observer: Option<Arc<dyn engine::Journal>>,
}

/// Commits, encoded one after the other.
#[derive(Default)]
pub(crate) struct Commits {
    heads: Vec<Head>,
    effects: Vec<u8>,
}

struct Head {
    first: Stamp,
    count: u64,
    context: u64,
    effects_end: usize,
}

/// Buffers that outgrew this are given back.
const KEPT_BYTES: usize = 1 << 20;

impl Journal {
    pub(crate) fn new(observer: Option<Arc<dyn engine::Journal>>) -> Journal {
        Journal { active: AtomicBool::new(false), pending: Mutex::default(), observer }
    }

    /// Somebody wants to see all commits, kept or not.
    pub(crate) fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    /// From now on commits are kept.
    pub(crate) fn activate(&self) {
        self.active.store(true, Ordering::Release);
    }

    pub(crate) fn has_commits(&self) -> bool {
        self.active.load(Ordering::Acquire) && !self.pending.lock().heads.is_empty()
    }

    /// Bytes of memory of what waits.
    pub(crate) fn bytes(&self) -> usize {
        let pending = self.pending.lock();
        vector_bytes(&pending.effects) + vector_bytes(&pending.heads)
    }

    /// Moves what is there into `commits`, which is empty.
    pub(crate) fn take(&self, commits: &mut Commits) {
        std::mem::swap(&mut *self.pending.lock(), commits);
    }
}

impl engine::Journal for Journal {
    #[inline]
    fn commit(&self, commit: &Commit<'_>) {
        if let Some(observer) = &self.observer {
            observer.commit(commit);
        }
        if !self.active.load(Ordering::Acquire) {
            return;
        }
        let mut pending = self.pending.lock();
        pending.effects.extend_from_slice(commit.effects);
        let effects_end = pending.effects.len();
        pending.heads.push(Head { first: commit.first, count: commit.count, context: commit.context, effects_end });
    }
}

impl Commits {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Commit<'_>> {
        let mut start = 0;
        self.heads.iter().map(move |head| {
            let effects = &self.effects[start..head.effects_end];
            start = head.effects_end;
            Commit {
                first: head.first,
                count: head.count,
                context: head.context,
                effects,
                silent: &[],
                groups_only: &[],
            }
        })
    }

    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.effects.clear();
        self.effects.shrink_to(KEPT_BYTES);
    }
}
