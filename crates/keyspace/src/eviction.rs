//! Eviction: which keys go when memory is full.
//!
//! Nothing is kept in order for it. A few keys are looked at, at random, and the best of them are remembered in a small
//! pool from one time to the next, so that the pool soon holds keys that are among the best of all.

use crate::access::{Access, Tracking};
use crate::entry::Entry;
use crate::guard::Wanted;
use crate::recent::Recent;
use crate::view::is_expired;
use crate::{EventClass, Keyspace, Scope, Txn};

/// Which key goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionOrder {
    /// The one that was not used for longest (lru).
    Recency,
    /// The one that is used least (lfu).
    Frequency,
    /// The one that expires first (ttl).
    Deadline,
    Random,
}

/// What maxmemory-policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionPolicy {
    pub order: EvictionOrder,
    /// Only keys with a deadline.
    pub volatile: bool,
}

/// A key that may be evicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    pub db: u32,
    pub key: Box<[u8]>,
    /// The greater, the sooner it goes.
    rank: u64,
}

/// The best keys of those that were looked at.
#[derive(Debug, Default)]
pub struct EvictionPool {
    /// Ascending by rank.
    victims: Vec<Victim>,
    policy: Option<EvictionPolicy>,
}

impl EvictionPool {
    const CAPACITY: usize = 16;

    /// Forgets what was found under another policy.
    fn follow(&mut self, policy: EvictionPolicy) {
        if self.policy.replace(policy) != Some(policy) {
            self.victims.clear();
        }
    }

    fn offer(&mut self, db: u32, key: &[u8], rank: u64) {
        let is_full = self.victims.len() == EvictionPool::CAPACITY;
        if is_full && rank <= self.victims[0].rank
            || self.victims.iter().any(|victim| victim.db == db && *victim.key == *key)
        {
            return;
        }
        if is_full {
            self.victims.remove(0);
        }
        let at = self.victims.partition_point(|victim| victim.rank < rank);
        self.victims.insert(at, Victim { db, key: key.into(), rank });
    }
}

impl EvictionOrder {
    fn rank(self, entry: &Entry, access: Access) -> u64 {
        if is_expired(entry, access.now_ms) {
            return u64::MAX;
        }
        match (self, access.tracking) {
            (EvictionOrder::Recency, Tracking::Recency) => access.idle_seconds(entry.access()),
            (EvictionOrder::Frequency, Tracking::Frequency { .. }) => {
                u64::from(u8::MAX - access.frequency(entry.access()))
            }
            (EvictionOrder::Deadline, _) => u64::MAX - 1 - entry.deadline_ms().unwrap_or(u64::MAX - 1),
            // The policy was changed a moment ago: what accesses left behind says nothing.
            _ => 0,
        }
    }
}

impl Keyspace {
    /// A key that should go, after a look at about `samples` more; `None`: there is none that may. It can be gone already
    /// when it comes to `Txn::evict`.
    pub fn victim(
        &self,
        policy: EvictionPolicy,
        samples: usize,
        pool: &mut EvictionPool,
        now_ms: u64,
    ) -> Option<Victim> {
        pool.follow(policy);
        let access = self.access(now_ms);
        let is_random = policy.order == EvictionOrder::Random;
        let (shards, databases) = (self.shards.count(), self.databases() as usize);
        let (first_shard, first_db) = (self.dice(shards), self.dice(databases));
        let (mut found, wanted) = (0, if is_random { 1 } else { samples });
        for shard in (0..shards).map(|turn| (first_shard + turn) % shards) {
            let guard = self.shards.lock(Wanted::Hashes(&[shard as u64]));
            for db in (0..databases).map(|turn| (first_db + turn) % databases) {
                let table = &guard.at(shard).databases[db].table;
                let offer = |entry: &Entry| pool.offer(db as u32, entry.key(), policy.order.rank(entry, access));
                found += table.sample(wanted, policy.volatile, |n| self.dice(n), offer);
                if is_random && found > 0 {
                    break;
                }
            }
            if found >= wanted {
                break;
            }
        }
        pool.victims.pop()
    }

    /// Bytes that are taken for about a round trip to remember that a key was evicted.
    pub fn tombstone_bytes(&self, victim: &Victim) -> usize {
        if self.switches().peers { Recent::tombstone_bytes(&victim.key) } else { 0 }
    }

    /// Locks what evicting this key needs.
    pub fn begin_evicting(&self, victim: &Victim, now_ms: u64) -> Txn<'_> {
        self.begin(Scope::Keys(&[self.hash(&victim.key)]), victim.db, now_ms)
    }
}

impl Txn<'_> {
    /// Removes a key to make room: a Delete like any other, so that the nodes stay equal and what is newer survives.
    /// The bytes that it took; `None` where the key is gone, or no longer may go.
    pub fn evict(&mut self, key: &[u8], policy: EvictionPolicy) -> Option<usize> {
        let hash = self.hash_of(key);
        let shard = self.guard.shard(hash);
        let entry = shard.databases[self.db() as usize].table.find(hash, key);
        let bytes = entry.filter(|entry| entry.has_deadline() || !policy.volatile)?.heap_size();
        shard.counters.evicted.set(shard.counters.evicted.get() + 1);
        self.remove(key);
        self.notify(EventClass::EVICTED, "evicted", key);
        Some(bytes)
    }
}
