//! A walk over all keys of a database that stops between steps, and lets others work meanwhile.

use crate::guard::Wanted;
use crate::view::is_expired;
use crate::{KeyType, Keyspace};

/// How far a walk has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    shard: usize,
    position: u64,
}

impl Keyspace {
    /// One step, of some thousand keys at most, under the lock of one shard. A key that is there throughout the walk is
    /// given to `f` exactly once. `None`: that was the last step.
    pub fn walk(&self, walk: Walk, db: u32, now_ms: u64, mut f: impl FnMut(&[u8], KeyType)) -> Option<Walk> {
        let now_ms = if self.switches().stamping { now_ms.max(self.last_stamp().ms()) } else { now_ms };
        let guard = self.shards.lock(Wanted::Hashes(&[walk.shard as u64]));
        let table = &guard.at(walk.shard).databases[db as usize].table;
        let next = table.walk(walk.position, |entry| {
            if !is_expired(entry, now_ms) {
                f(entry.key(), entry.key_type());
            }
        });
        match next {
            Some(position) => Some(Walk { position, ..walk }),
            None if walk.shard + 1 < guard.count() => Some(Walk { shard: walk.shard + 1, position: 0 }),
            None => None,
        }
    }
}
