//! Making room: beyond maxmemory keys go until what is left fits, by the rules of maxmemory-policy.

use crate::config::Config;
use crate::engine::{Author, Engine};
use crate::replication::Role;
use crate::services::{LogLevel, Now};
use keyspace::{EvictionOrder, EvictionPolicy, EvictionPool, Victim};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The clock is read, and others may have their turn, after so many keys.
const KEYS_PER_CLOCK: usize = 16;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Memory is within its limit, or the limit does not count now.
    Enough,
    /// It is not yet, but keys go: try again soon. Writes are welcome meanwhile.
    Soon,
    /// It is not, and there is nothing to evict.
    None,
}

/// For how long what remembers evicted keys is taken to last: a little more than it takes idle nodes to say what they
/// have seen.
const TOMBSTONES_US: u64 = 2_000_000;

/// Bytes that evictions themselves have taken lately, so that nothing is evicted for these.
#[derive(Default)]
struct Tombstones {
    /// When the present stretch of time began (`Now::monotonic_us`).
    since_us: AtomicU64,
    bytes: AtomicU64,
    /// In the stretch before.
    bytes_before: AtomicU64,
}

impl Tombstones {
    fn add(&self, bytes: u64, now: Now) {
        if bytes > 0 {
            self.turn(now);
            self.bytes.fetch_add(bytes, Relaxed);
        }
    }

    fn bytes(&self, now: Now) -> u64 {
        self.turn(now);
        self.bytes.load(Relaxed) + self.bytes_before.load(Relaxed)
    }

    fn turn(&self, now: Now) {
        let since_us = self.since_us.load(Relaxed);
        let elapsed_us = now.monotonic_us.saturating_sub(since_us);
        if elapsed_us >= TOMBSTONES_US
            && self.since_us.compare_exchange(since_us, now.monotonic_us, Relaxed, Relaxed).is_ok()
        {
            let bytes = self.bytes.swap(0, Relaxed);
            self.bytes_before.store(if elapsed_us < 2 * TOMBSTONES_US { bytes } else { 0 }, Relaxed);
        }
    }
}

/// What a value of so many bytes took may not be free yet when it has been evicted: large ones are freed elsewhere.
const LARGE_BYTES: usize = 1 << 20;
/// Then this long is waited for it.
const PATIENCE_US: u64 = 1_000_000;

/// A large value was evicted, and is being freed.
#[derive(Clone, Copy)]
struct Freeing {
    until_us: u64,
    /// Down to this use of memory at least.
    goal_bytes: u64,
}

/// What is remembered between evictions.
#[derive(Default)]
pub(crate) struct Evictor {
    tombstones: Tombstones,
    /// Whoever holds it evicts; the others need not.
    pool: Mutex<EvictionPool>,
    freeing: Mutex<Option<Freeing>>,
    /// Since when memory is beyond its limit (`Now::monotonic_us`); 0: it is not.
    exceeded_since_us: AtomicU64,
    exceeded_total_us: AtomicU64,
}

impl Evictor {
    /// True while a large value that was evicted is not yet free.
    fn is_freeing(&self, used_bytes: u64, now: Now) -> bool {
        let mut freeing = self.freeing.lock();
        *freeing = freeing.filter(|freeing| used_bytes > freeing.goal_bytes && now.monotonic_us < freeing.until_us);
        freeing.is_some()
    }

    fn note(&self, is_exceeded: bool, now: Now) {
        if is_exceeded {
            let _ = self.exceeded_since_us.compare_exchange(0, now.monotonic_us.max(1), Relaxed, Relaxed);
            return;
        }
        if self.exceeded_since_us.load(Relaxed) != 0 {
            let elapsed_us = self.exceeded_now_us(now);
            self.exceeded_since_us.store(0, Relaxed);
            self.exceeded_total_us.fetch_add(elapsed_us, Relaxed);
        }
    }

    /// For how long memory has been beyond its limit this time.
    pub(crate) fn exceeded_now_us(&self, now: Now) -> u64 {
        match self.exceeded_since_us.load(Relaxed) {
            0 => 0,
            since_us => now.monotonic_us.saturating_sub(since_us),
        }
    }

    /// For how long it was altogether.
    pub(crate) fn exceeded_total_us(&self, now: Now) -> u64 {
        self.exceeded_total_us.load(Relaxed) + self.exceeded_now_us(now)
    }

    pub(crate) fn reset_statistics(&self) {
        self.exceeded_total_us.store(0, Relaxed);
    }
}

impl Engine {
    /// Evicts keys until memory is within maxmemory, for as long as maxmemory-eviction-tenacity allows. No locks of keys
    /// may be held.
    #[inline]
    pub fn make_room(&self, config: &Config, now: Now) -> Room {
        if config.maxmemory == 0 || self.host.used_memory() <= config.maxmemory {
            return Room::Enough;
        }
        self.evict(config, now)
    }

    /// True where memory is beyond maxmemory. What waits for other nodes does not count: evicting makes it more.
    fn is_over_limit(&self, config: &Config, now: Now) -> bool {
        self.host.used_memory().saturating_sub(self.bytes_not_counted(now)) > config.maxmemory
    }

    /// Bytes that maxmemory does not mean. Messages on their way are there for a moment, and evicting makes more of them.
    pub(crate) fn bytes_not_counted(&self, now: Now) -> u64 {
        let clients = self.clients.dying_bytes() + self.clients.mail_bytes();
        self.replication.backlog_bytes() + self.evictor.tombstones.bytes(now) + clients
    }

    #[cold]
    fn evict(&self, config: &Config, now: Now) -> Room {
        // Clients that take too much go before keys do.
        self.evict_clients(config, now);
        let is_exceeded = self.is_over_limit(config, now);
        self.evictor.note(is_exceeded, now);
        let counts = self.replication.role() != Role::Replica || !config.replica_ignore_maxmemory;
        if !is_exceeded || !counts || self.loading.load(Relaxed) || self.clients.paused(now).is_some() {
            return Room::Enough;
        }
        let Some(policy) = policy(config) else { return Room::None };
        if self.evictor.is_freeing(self.host.used_memory(), now) {
            return Room::Soon;
        }
        let Some(mut pool) = self.evictor.pool.try_lock() else { return Room::Soon };
        let started_ns = self.host.monotonic_ns();
        let room = self.evict_until(config, policy, &mut pool, now);
        self.note_latency("eviction-cycle", self.host.monotonic_ns() - started_ns, now);
        room
    }

    fn evict_until(&self, config: &Config, policy: EvictionPolicy, pool: &mut EvictionPool, now: Now) -> Room {
        let (started_ns, limit_ns) = (self.host.monotonic_ns(), limit_ns(config.maxmemory_eviction_tenacity));
        for count in 1.. {
            let Some(victim) = self.keyspace.victim(policy, config.maxmemory_samples, pool, now.unix_ms()) else {
                return Room::None;
            };
            let used_bytes = self.host.used_memory();
            let bytes = self.evict_one(&victim, policy, now);
            if !self.is_over_limit(config, now) {
                break;
            }
            let goal_bytes = used_bytes.saturating_sub(bytes as u64 / 2);
            if bytes >= LARGE_BYTES && self.host.used_memory() > goal_bytes {
                *self.evictor.freeing.lock() = Some(Freeing { until_us: now.monotonic_us + PATIENCE_US, goal_bytes });
                return Room::Soon;
            }
            let is_late = count % KEYS_PER_CLOCK == 0 && self.host.monotonic_ns() - started_ns > limit_ns;
            if is_late {
                return Room::Soon;
            }
        }
        self.evictor.note(false, now);
        Room::Enough
    }

    /// Disconnects clients, the most expensive first, until what they all cost is within maxmemory-clients.
    #[inline]
    pub fn evict_clients(&self, config: &Config, now: Now) {
        /// With less nobody could say any more that it is too little.
        const LEAST_BYTES: u64 = 128 * 1024;
        let limit = config.maxmemory_clients.of(config.maxmemory);
        while limit > 0 && self.clients.memory_bytes() > limit.max(LEAST_BYTES) {
            let Some(client) = self.clients.most_expensive() else { return };
            self.host.log(LogLevel::Notice, format_args!("Evicting client: {}", client.describe(now)));
            self.stats.shared.evicted_clients.fetch_add(1, Relaxed);
            self.kill(&client);
        }
    }

    /// Returns the bytes that it took.
    fn evict_one(&self, victim: &Victim, policy: EvictionPolicy, now: Now) -> usize {
        let mut txn = self.keyspace.begin_evicting(victim, now.unix_ms());
        let bytes = txn.evict(&victim.key, policy);
        if bytes.is_some() {
            self.evictor.tombstones.add(self.keyspace.tombstone_bytes(victim) as u64, now);
            self.commit(&mut txn, Author::default());
        }
        bytes.unwrap_or(0)
    }
}

/// `None`: noeviction.
fn policy(config: &Config) -> Option<EvictionPolicy> {
    let (keys, order) = config.maxmemory_policy.split_once('-')?;
    let order = match order {
        "lru" => EvictionOrder::Recency,
        "lfu" => EvictionOrder::Frequency,
        "ttl" => EvictionOrder::Deadline,
        _ => EvictionOrder::Random,
    };
    Some(EvictionPolicy { order, volatile: keys == "volatile" })
}

/// For how long to go on at a time: up to a tenacity of 10 in steps of 50 microseconds, beyond that a little more with
/// each step, two minutes at 99; 100 is for as long as it takes.
fn limit_ns(tenacity: u32) -> u64 {
    const STEP_NS: u64 = 50_000;
    match tenacity {
        0..=10 => STEP_NS * u64::from(tenacity),
        11..=99 => (10.0 * STEP_NS as f64 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity_is_patience() {
        assert_eq!(limit_ns(0), 0);
        assert_eq!(limit_ns(10), 500_000);
        assert!((120_000_000_000..180_000_000_000).contains(&limit_ns(99)));
        assert_eq!(limit_ns(100), u64::MAX);
    }
}
