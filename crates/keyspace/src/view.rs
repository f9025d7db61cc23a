//! Reads.

use crate::access::Tracking;
use crate::entry::{Entry, LongString, ValueRef};
use crate::events::{EventClass, Events};
use crate::guard::Guard;
use crate::keyspace::{prefetch_in, prefetch_through};
use crate::shard::Shard;
use crate::{Collection, KeyHash, Keyspace, Statistics, ValueError};
use smallvec::SmallVec;
use std::cell::Cell;
use values::{Encoding, EncodingLimits, Hash, HashRef, List, Set, SetRef, SortedSet, Stream};

/// RANDOMKEY gives up after so many expired keys in a row.
const RANDOM_KEY_ATTEMPTS: usize = 100;
/// Bits of a SCAN cursor that choose the shard.
const SHARD_CURSOR_BITS: u32 = 12;

/// A string value: integers are kept as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringRef<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> StringRef<'a> {
    /// Calls `f` with the bytes that a client sees.
    #[inline]
    pub fn with_bytes<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            StringRef::Int(int) => f(itoa::Buffer::new().format(int).as_bytes()),
            StringRef::Bytes(bytes) => f(bytes),
        }
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// Length of the bytes that a client sees.
    pub fn byte_len(self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// The integer that this is, or whose printed form it has.
    pub fn as_integer(self) -> Option<i64> {
        match self {
            StringRef::Int(int) => Some(int),
            StringRef::Bytes(bytes) => stdx::parse_i64(bytes),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    String,
    Set,
    Hash,
    List,
    SortedSet,
    Stream,
}

impl KeyType {
    pub(crate) const ALL: [KeyType; 6] =
        [KeyType::String, KeyType::Set, KeyType::Hash, KeyType::List, KeyType::SortedSet, KeyType::Stream];
    pub(crate) const COUNT: usize = KeyType::ALL.len();

    /// The collection, where elements may have deadlines.
    pub fn collection(self) -> Option<Collection> {
        crate::lifetimes::COLLECTIONS.into_iter().find(|collection| KeyType::from(*collection) == self)
    }

    /// As TYPE prints it.
    pub fn name(self) -> &'static str {
        match self {
            KeyType::String => "string",
            KeyType::Set => "set",
            KeyType::Hash => "hash",
            KeyType::List => "list",
            KeyType::SortedSet => "zset",
            KeyType::Stream => "stream",
        }
    }
}

/// Reads within the locks of one command. What is past its deadline is not there.
pub struct View<'k> {
    pub(crate) keyspace: &'k Keyspace,
    pub(crate) guard: Guard<'k, Shard<KeyHash>>,
    /// The hash of the key, where there is only one.
    pub(crate) only_hash: Option<u64>,
    pub(crate) db: u32,
    pub(crate) now_ms: u64,
    /// Typed reads and writes are noted as accesses.
    pub(crate) touches: bool,
    /// Who reads will read again: that counts.
    pub(crate) is_peeking: Cell<bool>,
    pub(crate) events: Events,
}

impl<'k> View<'k> {
    pub fn db(&self) -> u32 {
        self.db
    }

    /// Milliseconds since the Unix epoch; with multi-master never behind the newest stamp.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Number of databases.
    pub fn databases(&self) -> u32 {
        self.keyspace.databases()
    }

    /// The hash of one of the keys for which locks were taken.
    #[inline]
    pub(crate) fn hash_of(&self, key: &[u8]) -> u64 {
        debug_assert!(self.only_hash.is_none_or(|hash| hash == self.keyspace.hash(key)), "a key that is not locked");
        self.only_hash.unwrap_or_else(|| self.keyspace.hash(key))
    }

    /// The entry of a key that is not past its deadline.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<&Entry> {
        let hash = self.hash_of(key);
        let entry = self.guard.shard(hash).databases[self.db as usize].table.seek(hash, key)?;
        (!is_expired(entry, self.now_ms)).then_some(entry)
    }

    /// The same, counted as a hit or a miss.
    #[inline]
    fn read(&self, key: &[u8]) -> Option<&Entry> {
        let hash = self.hash_of(key);
        let shard = self.guard.shard(hash);
        // Pipelines often ask for one key again and again.
        let entry = shard.databases[self.db as usize].table.seek(hash, key);
        let entry = entry.filter(|entry| self.is_alive(entry));
        if self.is_peeking.get() {
            return entry;
        }
        let counter = if entry.is_some() { &shard.counters.hits } else { &shard.counters.misses };
        counter.set(counter.get() + 1);
        if entry.is_none() {
            self.notify(EventClass::MISS, "keymiss", key);
        }
        entry
    }

    #[inline]
    fn is_alive(&self, entry: &Entry) -> bool {
        let is_alive = !is_expired(entry, self.now_ms);
        if !is_alive {
            self.note_expired(entry.key());
        }
        is_alive
    }

    /// The same, with its access noted.
    #[inline]
    fn access(&self, key: &[u8]) -> Option<&Entry> {
        let entry = self.read(key)?;
        self.note_access(entry);
        Some(entry)
    }

    #[inline]
    pub(crate) fn note_access(&self, entry: &Entry) {
        if self.touches && !self.is_peeking.get() {
            entry.set_access(self.keyspace.access(self.now_ms).next(entry.access()));
        }
    }

    /// Reads that do not count.
    pub fn peek<R>(&self, read: impl FnOnce() -> R) -> R {
        self.is_peeking.set(true);
        let result = read();
        self.is_peeking.set(false);
        result
    }

    pub fn tracking(&self) -> Tracking {
        self.keyspace.tracking()
    }

    /// The string at `key`; counts a hit or a miss and touches the access time, as every typed read does.
    pub fn string(&self, key: &[u8]) -> Result<Option<StringRef<'_>>, ValueError> {
        match self.access(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::Int(int)) => Ok(Some(StringRef::Int(int))),
            Some(ValueRef::Bytes(bytes)) => Ok(Some(StringRef::Bytes(bytes))),
            Some(_) => Err(ValueError::WrongType),
        }
    }

    /// The same, where it is very long, for those who need much time with it. Counts nothing.
    pub fn long_string(&self, key: &[u8]) -> Option<LongString> {
        self.find(key)?.long_string().cloned()
    }

    pub fn set(&self, key: &[u8]) -> Result<Option<SetRef<'_>>, ValueError> {
        match self.access(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::Set(set)) => Ok(Some(set)),
            Some(_) => Err(ValueError::WrongType),
        }
    }

    pub fn hash(&self, key: &[u8]) -> Result<Option<HashRef<'_>>, ValueError> {
        match self.access(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::Hash(hash)) => Ok(Some(hash)),
            Some(_) => Err(ValueError::WrongType),
        }
    }

    pub fn list(&self, key: &[u8]) -> Result<Option<&List>, ValueError> {
        match self.access(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::List(list)) => Ok(Some(list)),
            Some(_) => Err(ValueError::WrongType),
        }
    }

    pub fn sorted_set(&self, key: &[u8]) -> Result<Option<&SortedSet>, ValueError> {
        match self.access(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::SortedSet(set)) => Ok(Some(set)),
            Some(_) => Err(ValueError::WrongType),
        }
    }

    pub fn stream(&self, key: &[u8]) -> Result<Option<&Stream>, ValueError> {
        match self.access(key).map(Entry::value) {
            None => Ok(None),
            Some(ValueRef::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(ValueError::WrongType),
        }
    }

    /// Is the set at `key` still the one of which `copy` is a clone? `None`: there was none.
    pub fn is_set(&self, key: &[u8], copy: Option<&Set>) -> bool {
        match (self.access(key).map(Entry::value), copy) {
            (None, None) => true,
            (Some(ValueRef::Set(set)), Some(copy)) => set.is_still(copy),
            _ => false,
        }
    }

    /// The same for a hash.
    pub fn is_hash(&self, key: &[u8], copy: Option<&Hash>) -> bool {
        match (self.access(key).map(Entry::value), copy) {
            (None, None) => true,
            (Some(ValueRef::Hash(hash)), Some(copy)) => hash.is_still(copy),
            _ => false,
        }
    }

    /// The same for a list.
    pub fn is_list(&self, key: &[u8], copy: Option<&List>) -> bool {
        match (self.access(key).map(Entry::value), copy) {
            (None, None) => true,
            (Some(ValueRef::List(list)), Some(copy)) => list.is(copy),
            _ => false,
        }
    }

    /// The same for a sorted set.
    pub fn is_sorted_set(&self, key: &[u8], copy: Option<&SortedSet>) -> bool {
        match (self.access(key).map(Entry::value), copy) {
            (None, None) => true,
            (Some(ValueRef::SortedSet(set)), Some(copy)) => set.is(copy),
            _ => false,
        }
    }

    /// Starts to load what lookups of these keys will touch, as `Keyspace::prefetch` does. Not very many at a time.
    pub fn prefetch<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) {
        let hashes: SmallVec<[u64; 64]> = keys.map(|key| self.hash_of(key)).collect();
        self.prefetch_hashes(&hashes);
    }

    /// The same for keys whose hashes are known.
    pub fn prefetch_hashes(&self, hashes: &[u64]) {
        prefetch_through(hashes.iter().copied(), |hash, step| {
            prefetch_in(&self.guard.shard(hash).databases[self.db as usize].table, hash, step)
        });
    }

    /// When collections give up their compact encodings.
    pub fn encoding_limits(&self) -> &EncodingLimits {
        &self.guard.at(self.guard.held().next().expect("a view holds at least one shard")).limits
    }

    pub fn exists(&self, key: &[u8]) -> bool {
        self.read(key).is_some()
    }

    pub fn type_of(&self, key: &[u8]) -> Option<KeyType> {
        self.read(key).map(Entry::key_type)
    }

    /// The type, for those who only look whether a key is worth their while.
    pub fn peek_type(&self, key: &[u8]) -> Option<KeyType> {
        self.find(key).map(Entry::key_type)
    }

    pub fn encoding(&self, key: &[u8]) -> Option<Encoding> {
        self.find(key).map(Entry::encoding)
    }

    /// Bytes on the heap for key and value (MEMORY USAGE, DEBUG OBJECT).
    pub fn heap_size(&self, key: &[u8]) -> Option<usize> {
        self.find(key).map(Entry::heap_size)
    }

    /// `None`: no such key. `Some(None)`: no deadline.
    pub fn deadline_ms(&self, key: &[u8]) -> Option<Option<u64>> {
        self.read(key).map(Entry::deadline_ms)
    }

    /// The deadline of an element of a set, a hash or a sorted set.
    pub fn member_deadline_ms(&self, key: &[u8], member: &[u8]) -> Option<u64> {
        self.find(key)?.expiring()?.deadline_ms(member)
    }

    /// Have elements of the key deadlines?
    pub fn has_member_deadlines(&self, key: &[u8]) -> bool {
        self.find(key).and_then(Entry::expiring).is_some_and(|elements| elements.has_deadlines())
    }

    /// Seconds since the last access (OBJECT IDLETIME); does not touch it.
    pub fn idle_seconds(&self, key: &[u8]) -> Option<u64> {
        Some(self.keyspace.access(self.now_ms).idle_seconds(self.find(key)?.access()))
    }

    /// How often the key is used, as a logarithmic counter (OBJECT FREQ); does not touch it.
    pub fn frequency(&self, key: &[u8]) -> Option<u8> {
        Some(self.keyspace.access(self.now_ms).frequency(self.find(key)?.access()))
    }

    /// When the key was last written, in milliseconds since the Unix epoch; `Some(None)` where it is there, but
    /// has no stamp.
    pub fn modified_ms(&self, key: &[u8]) -> Option<Option<u64>> {
        Some(self.find(key)?.version().map(|version| version.stamp.ms()))
    }

    /// Notes an access, whatever `Txn::set_touches` said (TOUCH).
    pub fn touch(&self, key: &[u8]) -> bool {
        let entry = self.read(key);
        if let Some(entry) = entry {
            entry.set_access(self.keyspace.access(self.now_ms).next(entry.access()));
        }
        entry.is_some()
    }

    /// Keys of the selected database, expired ones not yet removed included (as Redis counts).
    pub fn db_size(&self) -> usize {
        self.tables().map(|shard| shard.databases[self.db as usize].table.len()).sum()
    }

    /// All keys of a database in the shards that are held, those past their deadline included.
    pub fn keys_of(&self, db: u32) -> impl Iterator<Item = &[u8]> {
        self.tables().flat_map(move |shard| shard.databases[db as usize].table.iter()).map(Entry::key)
    }

    /// Keys with a deadline.
    pub fn expires_size(&self) -> usize {
        self.tables().map(|shard| shard.databases[self.db as usize].table.expires_len()).sum()
    }

    /// Bytes of the tables of the selected database, without what they hold.
    pub fn table_bytes(&self) -> usize {
        self.tables().map(|shard| shard.databases[self.db as usize].table.heap_size()).sum()
    }

    fn tables(&self) -> impl Iterator<Item = &Shard<KeyHash>> {
        self.guard.held().map(|index| self.guard.at(index))
    }

    /// A key, close to uniformly at random.
    pub fn random_key(&self) -> Option<Vec<u8>> {
        (0..RANDOM_KEY_ATTEMPTS).find_map(|_| {
            let mut left = self.dice(self.db_size().max(1));
            let table = self.tables().map(|shard| &shard.databases[self.db as usize].table).find(|table| {
                let found = left < table.len();
                left -= left.min(table.len());
                found
            })?;
            let entry = table.random(|n| self.dice(n))?;
            self.is_alive(entry).then(|| entry.key().to_vec())
        })
    }

    /// SCAN: calls `f` for the keys of at least one bucket and about `count` keys; returns the next
    /// cursor, 0 when done. A key that is present throughout is given at least once.
    pub fn scan(&self, cursor: u64, count: usize, f: impl FnMut(&[u8], KeyType)) -> u64 {
        self.scan_of_type(cursor, count, |_| true, f)
    }

    /// The same for keys of the types that `is_wanted` accepts.
    pub fn scan_of_type(
        &self,
        cursor: u64,
        count: usize,
        is_wanted: impl Fn(KeyType) -> bool,
        mut f: impl FnMut(&[u8], KeyType),
    ) -> u64 {
        let mut index = (cursor & ((1 << SHARD_CURSOR_BITS) - 1)) as usize;
        let mut position = cursor >> SHARD_CURSOR_BITS;
        let mut given = 0;
        // Empty buckets are work too.
        for _ in 0..count.saturating_mul(10).max(1) {
            if index >= self.guard.count() {
                return 0;
            }
            let table = &self.guard.at(index).databases[self.db as usize].table;
            position = table.scan(position, |entry| {
                if is_wanted(entry.key_type()) && self.is_alive(entry) {
                    f(entry.key(), entry.key_type());
                }
                given += 1;
            });
            if position == 0 {
                index += 1;
            }
            if given >= count {
                break;
            }
        }
        if index >= self.guard.count() { 0 } else { position << SHARD_CURSOR_BITS | index as u64 }
    }

    /// Sums over all shards, all of which must be locked.
    pub fn statistics(&self) -> Statistics {
        (0..self.guard.count()).map(|index| &self.guard.at(index).counters).fold(
            Statistics::default(),
            |sum, counters| Statistics {
                hits: sum.hits + counters.hits.get(),
                misses: sum.misses + counters.misses.get(),
                expired: sum.expired + counters.expired.get(),
                evicted: sum.evicted + counters.evicted.get(),
                expired_members: sum.expired_members + counters.expired_members.get(),
            },
        )
    }

    /// Keys that two nodes made something of different type without knowing of each other, as far as they were decided here
    /// since the start; all shards must be locked.
    pub fn type_clashes(&self) -> u64 {
        self.tables().flat_map(|shard| &shard.databases).map(|database| database.type_clashes).sum()
    }

    /// Back to zero; all shards must be locked.
    pub fn reset_statistics(&self) {
        for index in 0..self.guard.count() {
            self.guard.at(index).counters.reset();
        }
    }

    /// A random number below `n`.
    pub fn dice(&self, n: usize) -> usize {
        self.keyspace.dice(n)
    }
}

#[inline]
pub(crate) fn is_expired(entry: &Entry, now_ms: u64) -> bool {
    (entry.has_deadline() && entry.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms)) || entry.is_hollow()
}
