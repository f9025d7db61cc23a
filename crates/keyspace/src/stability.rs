//! What time does: the side table forgets what is stable, keys past their deadline are removed.

use crate::deadlines::stamp_of;
use crate::guard::Wanted;
use crate::merge::operations::Horizon;
use crate::merge::{Author, Merge};
use crate::shard::Database;
use crate::table::KeyHasher;
use crate::version::{Row, Version};
use crate::{KeyHash, Keyspace};
use effect::Stamp;
use std::sync::atomic::Ordering;

impl Keyspace {
    /// Up to this stamp nothing can arrive any more.
    pub(crate) fn horizon(&self) -> Stamp {
        Stamp(self.horizon.load(Ordering::Relaxed))
    }

    pub(crate) fn known(&self) -> Vec<Stamp> {
        self.known.lock().clone()
    }

    /// Forgets what is stable, at most about `budget` keys per shard and database; one shard is locked at
    /// a time. True where everything was looked at. A horizon never goes back. `expired` is told, under the lock, of the
    /// keys that go because their time has come, with their database.
    pub fn stabilize(&self, horizon: &Horizon<'_>, budget: usize, mut expired: impl FnMut(u32, &[u8])) -> bool {
        self.horizon.fetch_max(horizon.clock.0, Ordering::Relaxed);
        *self.known.lock() = horizon.causal.iter().map(|mark| mark.stamp.min(horizon.clock)).collect();
        let mut done = true;
        for index in 0..self.shards.count() {
            let mut guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
            let shard = guard.at_mut(index);
            for (db, database) in shard.databases.iter_mut().enumerate() {
                // What is put back is not looked at twice.
                let due = database.recent.queue_len();
                for looked_at in 0.. {
                    if looked_at == due.min(budget) {
                        done &= due <= budget;
                        break;
                    }
                    let Some(key) = database.recent.pop_due(horizon) else { break };
                    let (author, hash) = (self.nobody(), KeyHash.hash(&key));
                    let mut merge = Merge { database, limits: &shard.limits, author, hash, key: &key };
                    let was_there = merge.is_there();
                    let stable = merge.stabilize(horizon);
                    if was_there && !merge.is_there() {
                        shard.counters.expired.set(shard.counters.expired.get() + 1);
                        expired(db as u32, &key);
                    }
                    if !stable {
                        database.recent.put_back(key);
                    }
                }
            }
        }
        done
    }

    /// Who does what follows from time alone.
    pub(crate) fn nobody(&self) -> Author<'_> {
        let switches = self.switches();
        Author {
            origins: &self.origins,
            version: Version::ZERO,
            row: Row::All,
            stamping: switches.stamping,
            peers: switches.peers,
            access: self.access(self.stamping.last().ms()),
        }
    }

    /// Removes keys past their deadline, looking at about `budget` keys per shard and database. With other
    /// writers only those about which nothing can arrive any more: the rest is hidden from reads already.
    /// Returns how many keys went, and whether there may be more. `expired`: as for `stabilize`.
    pub fn expire_due(&self, now_ms: u64, budget: usize, mut expired: impl FnMut(u32, &[u8])) -> (usize, bool) {
        let switches = self.switches();
        let now_ms = if switches.stamping { now_ms.max(self.stamping.last().ms()) } else { now_ms };
        let horizon = self.horizon();
        let (mut count, mut more) = (0, false);
        for index in 0..self.shards.count() {
            let mut guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
            let shard = guard.at_mut(index);
            let before = count;
            for (db, Database { table, .. }) in shard.databases.iter_mut().enumerate() {
                more |= !table.sweep_due(now_ms, budget, |entry| {
                    let deadline = entry.deadline_ms().map_or(Stamp::MAX, stamp_of);
                    let written = entry.version().map_or(Stamp::ZERO, |version| version.stamp);
                    let goes = !switches.peers || (!entry.has_recent() && deadline.max(written) <= horizon);
                    if goes {
                        count += 1;
                        expired(db as u32, entry.key());
                    }
                    goes
                });
            }
            shard.counters.expired.set(shard.counters.expired.get() + (count - before) as u64);
        }
        (count, more)
    }
}
