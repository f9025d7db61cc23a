//! All databases of a node, split over shards behind locks.

use crate::Txn;
use crate::access::{Access, Tracking};
use crate::events::EventClass;
use crate::guard::{Shards, Wanted, default_shards};
use crate::shard::{Database, Shard};
use crate::stamping::{Stamping, Switches};
use crate::table::{KeyHasher, Table};
use crate::version::{OriginIndex, Origins};
use effect::{Origin, Stamp};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use values::{EncodingLimits, Prefetch};

/// Tables with fewer keys are in the processor's cache, where prefetching only costs.
const PREFETCH_MIN_KEYS: usize = 512;

/// Which locks a command needs. Keys come from the command table.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// The shards of these keys' hashes.
    Keys(&'a [u64]),
    /// Every shard.
    All,
}

/// How a keyspace is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of databases (SELECT 0..databases).
    pub databases: u32,
    /// Only the thread that makes it is to enter, as far as one knows: it does without locks from the beginning.
    pub single_threaded: bool,
    /// Secret of the key hash (HashDoS); from the operating system's randomness in the server.
    pub hash_secret: u64,
    /// Seed of all other randomness (RANDOMKEY, SPOP …).
    pub seed: u64,
}

/// The keyed hash of keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHash;

impl KeyHasher for KeyHash {
    fn hash(&self, key: &[u8]) -> u64 {
        stdx::hash::hash(key)
    }
}

/// All databases of a node, split over shards; see ARCHITECTURE.md.
pub struct Keyspace {
    pub(crate) shards: Shards<Shard<KeyHash>>,
    databases: u32,
    pub(crate) stamping: Stamping,
    pub(crate) origins: Origins,
    /// The clock of the newest horizon.
    pub(crate) horizon: AtomicU64,
    /// By `OriginIndex`: up to where the newest horizon said that everybody has seen it.
    pub(crate) known: Mutex<Vec<Stamp>>,
    /// See `Keyspace::decided`; by `OriginIndex`.
    pub(crate) decided: Mutex<Vec<Stamp>>,
    random: AtomicU64,
    /// See `Tracking::to_word`.
    tracking: AtomicU64,
}

/// Counted since the start or the last `reset_statistics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub hits: u64,
    pub misses: u64,
    /// Keys that were removed because their time had come.
    pub expired: u64,
    /// Keys that were removed to make room.
    pub evicted: u64,
    /// The same for elements of collections.
    pub expired_members: u64,
}

impl Keyspace {
    pub fn new(options: Options) -> Keyspace {
        stdx::hash::set_secret(options.hash_secret);
        let shards = Shards::new(default_shards(options.single_threaded), |_| Shard::new(options.databases, KeyHash));
        if options.single_threaded {
            shards.favour();
        }
        Keyspace {
            shards,
            databases: options.databases,
            stamping: Stamping::new(),
            origins: Origins::new(),
            horizon: AtomicU64::new(0),
            known: Mutex::new(Vec::new()),
            decided: Mutex::new(Vec::new()),
            random: AtomicU64::new(options.seed),
            tracking: AtomicU64::new(Tracking::default().to_word()),
        }
    }

    /// This thread enters nearly always: it does without locks until another one comes.
    pub fn favour_this_thread(&self) {
        self.shards.favour();
    }

    /// The hash that picks shard and bucket.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        stdx::hash::hash(key)
    }

    /// Starts to load the cache lines that lookups of these keys' hashes will touch: all buckets, then
    /// all entries, so that the memory works on many at a time: the less is done in between, the more. Shards that are
    /// in use are left out, tables that are small enough to be in the cache anyway, too.
    pub fn prefetch(&self, db: u32, hashes: impl Iterator<Item = u64> + Clone) {
        // Often a whole pipeline is about one key.
        let mut last = None;
        let hashes = hashes.filter(move |hash| last.replace(*hash) != Some(*hash));
        match self.shards.unshared() {
            Some(guard) => prefetch_through(hashes, |hash, step| {
                prefetch_in(&guard.shard(hash).databases[db as usize].table, hash, step)
            }),
            None => prefetch_through(hashes, |hash, step| {
                self.shards
                    .try_lock(hash)
                    .is_some_and(|guard| prefetch_in(&guard.shard(hash).databases[db as usize].table, hash, step))
            }),
        }
    }

    /// Locks `scope` for reading and writing. `now_ms`: wall clock; what is past its deadline is absent.
    /// Where entries have stamps, time is never behind the newest of them.
    #[inline]
    pub fn begin(&self, scope: Scope<'_>, db: u32, now_ms: u64) -> Txn<'_> {
        let mut txn = self.idle();
        txn.begin(scope, db, now_ms);
        txn
    }

    /// A transaction that has not begun, for who makes many, one after the other (`Txn::begin`, `Txn::end`).
    #[inline]
    pub fn idle(&self) -> Txn<'_> {
        Txn::idle(self)
    }

    /// The same for elements of large collections, once their keys have been fetched: (hash of the key, key, element).
    pub fn prefetch_elements<'e>(&self, db: u32, elements: impl Iterator<Item = (u64, &'e [u8], &'e [u8])> + Clone) {
        for step in [Prefetch::Bucket, Prefetch::Entries] {
            let mut is_any_large = false;
            let mut elements = elements.clone().peekable();
            while let Some((hash, key, element)) = elements.next() {
                if let Some(guard) = self.shards.try_lock(hash)
                    && let Some(entry) = guard.shard(hash).databases[db as usize].table.find(hash, key)
                    && entry.value().prefetch_element(element, step)
                {
                    is_any_large = true;
                    // Often a whole pipeline is about one key.
                    let of_same_key = |next: &(u64, &[u8], &[u8])| next.0 == hash && next.1 == key;
                    while let Some((_, _, element)) = elements.next_if(of_same_key) {
                        entry.value().prefetch_element(element, step);
                    }
                }
            }
            if !is_any_large {
                break;
            }
        }
    }

    pub fn databases(&self) -> u32 {
        self.databases
    }

    /// What is noted of accesses from now on; what was noted until now is taken for the same.
    pub fn set_tracking(&self, tracking: Tracking) {
        self.tracking.store(tracking.to_word(), Ordering::Relaxed);
    }

    pub fn tracking(&self) -> Tracking {
        Tracking::from_word(self.tracking.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn access(&self, now_ms: u64) -> Access {
        let tracking = self.tracking();
        let random = if tracking == Tracking::Recency { 0 } else { self.random() };
        Access { tracking, now_ms, random }
    }

    pub fn switches(&self) -> Switches {
        self.stamping.switches()
    }

    /// Takes all locks: no transaction sees the change half-way.
    pub fn set_switches(&self, switches: Switches) {
        let _guard = self.shards.lock(Wanted::All);
        self.stamping.set_switches(switches);
    }

    /// Effects are recorded, from now on, for a reader within this process even where `Switches::recording` is off. Whoever
    /// locks a key afterwards can rely on every later commit of that key.
    pub fn add_observer(&self) {
        self.stamping.add_observer();
    }

    pub fn remove_observer(&self) {
        self.stamping.remove_observer();
    }

    /// Which keyspace events transactions collect from now on.
    pub fn set_wanted_events(&self, classes: EventClass) {
        self.stamping.set_wanted_events(classes);
    }

    /// The origin of this node's own effects.
    pub fn set_origin(&self, origin: Origin) {
        self.stamping.set_own(self.origin_index(origin).expect("the first one has an index"));
    }

    /// The index of an origin, which stays the same for the life of the process; `None` for the 65536th.
    pub fn origin_index(&self, origin: Origin) -> Option<OriginIndex> {
        self.origins.intern(origin)
    }

    /// The index of this node's own origin.
    pub fn own_index(&self) -> usize {
        usize::from(self.stamping.own().0)
    }

    pub fn origin(&self, index: OriginIndex) -> Option<Origin> {
        self.origins.origin(index)
    }

    /// The newest stamp that was given out or seen.
    pub fn last_stamp(&self) -> Stamp {
        self.stamping.last()
    }

    /// Stamps given out from now on are above this one.
    pub fn observe(&self, stamp: Stamp) {
        self.stamping.take().observe(stamp);
    }

    /// A stamp for a record without effects, and the context that goes with it.
    pub fn tick(&self, now_ms: u64) -> (Stamp, u64) {
        let mut ticket = self.stamping.take();
        (ticket.next(now_ms), ticket.context())
    }

    /// How many remote records have been applied: `Commit::context` says which of them a commit had seen.
    pub fn context_version(&self) -> u64 {
        self.stamping.take().context()
    }

    /// Has a data set begun that is not all here yet?
    pub fn is_half_imported(&self) -> bool {
        self.stamping.take().assumed().is_some()
    }

    /// Is there nothing at all, not even something to remember?
    pub fn is_empty(&self) -> bool {
        let guard = self.shards.lock(Wanted::All);
        let mut databases = (0..guard.count()).flat_map(|index| &guard.at(index).databases);
        databases.all(|database| database.table.is_empty() && database.recent.is_empty())
    }

    /// Keys of all databases, one shard after the other: whatever is written meanwhile may be counted or not.
    pub fn key_count(&self) -> usize {
        let count = |index| {
            let guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
            guard.at(index).databases.iter().map(|database| database.table.len()).sum::<usize>()
        };
        (0..self.shards.count()).map(count).sum()
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let mut guard = self.shards.lock(Wanted::All);
        for index in 0..guard.count() {
            for database in &mut guard.at_mut(index).databases {
                *database = Database::new(KeyHash);
            }
        }
    }

    /// The same in all shards.
    pub(crate) fn encoding_limits(&self) -> EncodingLimits {
        self.shards.lock(Wanted::Hashes(&[0])).at(0).limits.clone()
    }

    /// Takes all locks; who holds them asks its `Txn`.
    pub fn set_encoding_limits(&self, limits: &EncodingLimits) {
        self.begin(Scope::All, 0, 0).set_encoding_limits(limits);
    }

    /// Takes all locks; who holds some asks its `View`.
    pub fn statistics(&self) -> Statistics {
        self.begin(Scope::All, 0, 0).statistics()
    }

    /// A random number below `n`.
    pub fn dice(&self, n: usize) -> usize {
        ((u128::from(self.random()) * n as u128) >> 64) as usize
    }

    /// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
    pub(crate) fn random(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.random.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// `visit` says of each hash whether its table is a large one.
#[inline(always)]
pub(crate) fn prefetch_through(hashes: impl Iterator<Item = u64> + Clone, visit: impl Fn(u64, Prefetch) -> bool) {
    let large = hashes.clone().filter(|hash| visit(*hash, Prefetch::Bucket)).count();
    if large > 0 {
        hashes.for_each(|hash| _ = visit(hash, Prefetch::Entries));
    }
}

#[inline(always)]
pub(crate) fn prefetch_in(table: &Table<KeyHash>, hash: u64, step: Prefetch) -> bool {
    let is_large = table.len() >= PREFETCH_MIN_KEYS;
    if is_large {
        table.prefetch(hash, step);
    }
    is_large
}
