//! The large form of sets and hashes: linear hashing.
//!
//! The table has any number of buckets, not only powers of two, and grows by splitting one bucket
//! at a time (shrinks by merging one), whenever the average leaves its bounds. So no insert ever pauses for
//! long, memory is proportional to the contents at every moment, and a cursor that walks the buckets
//! in the order of their reversed addresses sees every entry that stays, whatever happens in between.
//! W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980.

use crate::bucket::{Bucket, Position};
use stdx::hash::hash;
use stdx::prefetch;

/// The table splits a bucket above this average of entries per bucket …
const MAX_AVERAGE_LEN: usize = 8;
/// … and merges two below this one.
const MIN_AVERAGE_LEN: usize = 5;
/// Buckets live in segments of this many, so that more of them never moves those that are there.
const SEGMENT_LEN: usize = 1024;
/// A scan looks at no more than this many buckets per entry that it was asked for.
const SCAN_BUCKETS_PER_ENTRY: usize = 10;
/// After so many misses a random choice takes the nearest entry.
const MAX_RANDOM_TRIES: usize = 1000;

/// The steps in which memory is fetched ahead of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefetch {
    Bucket,
    Entries,
}

/// A map of byte strings (`VALUED`), or a set of them.
#[derive(Clone, Debug)]
pub(crate) struct Table<const VALUED: bool> {
    segments: Vec<Vec<Bucket<VALUED>>>,
    bucket_count: usize,
    len: usize,
    /// No bucket has more entries.
    max_bucket_len: usize,
    /// Bytes that the buckets hold on the heap.
    bucket_bytes: usize,
}

impl<const VALUED: bool> Table<VALUED> {
    pub fn with_capacity(capacity: usize) -> Table<VALUED> {
        let bucket_count = capacity.div_ceil(MAX_AVERAGE_LEN).max(1);
        let mut table = Table { segments: Vec::new(), bucket_count: 0, len: 0, max_bucket_len: 0, bucket_bytes: 0 };
        for _ in 0..bucket_count {
            table.push_bucket(Bucket::default());
        }
        table
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn bucket(&self, address: usize) -> &Bucket<VALUED> {
        &self.segments[address / SEGMENT_LEN][address % SEGMENT_LEN]
    }

    /// Changes a bucket and keeps account of its memory.
    #[inline]
    fn update<R>(&mut self, address: usize, change: impl FnOnce(&mut Bucket<VALUED>) -> R) -> R {
        let bucket = &mut self.segments[address / SEGMENT_LEN][address % SEGMENT_LEN];
        let before = bucket.heap_size();
        let result = change(bucket);
        self.bucket_bytes = self.bucket_bytes + bucket.heap_size() - before;
        result
    }

    /// How many low bits of the hash address a bucket that has been split in this round.
    fn depth(&self) -> u32 {
        usize::BITS - (self.bucket_count - 1).leading_zeros()
    }

    /// The bucket of `hash`: as many low bits as lead to a bucket that exists.
    #[inline]
    fn address(&self, hash: u64) -> usize {
        let mask = (1usize << self.depth()) - 1;
        let address = hash as usize & mask;
        if address < self.bucket_count { address } else { address & (mask >> 1) }
    }

    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let hash = hash(key);
        let (_, entry) = self.bucket(self.address(hash)).find(tag(hash), key).ok()?;
        Some(entry.value)
    }

    /// Starts to load what a lookup of `key` will touch. In two steps, each for many keys: the second one needs what
    /// the first one has brought.
    pub fn prefetch(&self, key: &[u8], step: Prefetch) {
        let bucket = self.bucket(self.address(hash(key)));
        match step {
            Prefetch::Bucket => prefetch(bucket),
            Prefetch::Entries => bucket.prefetch_entries(),
        }
    }

    /// True where the key is new.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> bool {
        let hash = hash(key);
        let address = self.address(hash);
        match self.bucket(address).find(tag(hash), key) {
            Ok((_, entry)) if entry.value == value => false,
            Ok((at, _)) => {
                self.update(address, |bucket| bucket.replace_value(at, value));
                false
            }
            Err(bucket_len) => {
                self.update(address, |bucket| bucket.push(tag(hash), key, value));
                self.max_bucket_len = self.max_bucket_len.max(bucket_len + 1);
                self.len += 1;
                if self.len > self.bucket_count * MAX_AVERAGE_LEN {
                    self.split();
                }
                true
            }
        }
    }

    /// True where the key was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let hash = hash(key);
        let address = self.address(hash);
        let Ok((at, _)) = self.bucket(address).find(tag(hash), key) else { return false };
        self.update(address, |bucket| bucket.remove(at));
        self.len -= 1;
        if self.len < self.bucket_count * MIN_AVERAGE_LEN && self.bucket_count > 1 {
            self.merge();
        }
        true
    }

    fn push_bucket(&mut self, bucket: Bucket<VALUED>) {
        if self.bucket_count.is_multiple_of(SEGMENT_LEN) {
            // The first segment may stay small; the later ones get full in any case.
            let capacity = if self.segments.is_empty() { 1 } else { SEGMENT_LEN };
            self.segments.push(Vec::with_capacity(capacity));
        }
        self.bucket_bytes += bucket.heap_size();
        self.bucket_count += 1;
        if let Some(segment) = self.segments.last_mut() {
            segment.push(bucket);
        }
    }

    /// Adds one bucket and gives it those entries of its buddy that have the next bit set.
    fn split(&mut self) {
        let bit = 1usize << self.bucket_count.ilog2();
        let address = self.bucket_count - bit;
        let whole = self.bucket(address);
        let (mut stay, mut go) = (whole.half(), whole.half());
        for entry in whole.iter() {
            let half = if hash(entry.key) as usize & bit == 0 { &mut stay } else { &mut go };
            half.push(entry.tag, entry.key, entry.value);
        }
        self.update(address, |bucket| *bucket = stay);
        self.push_bucket(go);
    }

    /// Takes the last bucket away and gives its entries back to its buddy.
    fn merge(&mut self) {
        self.bucket_count -= 1;
        let address = self.bucket_count - (1usize << self.bucket_count.ilog2());
        let Some(last) = self.segments.last_mut().and_then(Vec::pop) else { return };
        if self.bucket_count.is_multiple_of(SEGMENT_LEN) {
            self.segments.pop();
        }
        self.bucket_bytes -= last.heap_size();
        let len = self.update(address, |bucket| {
            last.iter().for_each(|entry| bucket.push(entry.tag, entry.key, entry.value));
            bucket.iter().count()
        });
        self.max_bucket_len = self.max_bucket_len.max(len);
    }

    pub fn iter(&self) -> Iter<'_, VALUED> {
        Iter { table: self, address: 0, at: Position::default(), remaining: self.len }
    }

    /// One entry, uniformly at random: a random place in a random bucket, again until somebody is there.
    pub fn random(&self, mut dice: impl FnMut(usize) -> usize) -> Option<(&[u8], &[u8])> {
        if self.len == 0 {
            return None;
        }
        for _ in 0..MAX_RANDOM_TRIES {
            let address = dice(self.bucket_count);
            let index = dice(self.max_bucket_len);
            if let Some(entry) = self.bucket(address).iter().nth(index) {
                return Some((entry.key, entry.value));
            }
        }
        self.iter().next()
    }

    /// Calls `f` for the entries of the buckets from `cursor` on until there were `count`; returns where to
    /// go on, 0 at the end. An entry present throughout is given at least once: buckets are walked in the order
    /// of their reversed addresses, where a split bucket's halves stand in the place of the whole.
    pub fn scan(&self, cursor: u64, count: usize, mut f: impl FnMut(&[u8], &[u8])) -> u64 {
        let mut cursor = cursor;
        let mut given = 0;
        for _ in 0..count.saturating_mul(SCAN_BUCKETS_PER_ENTRY).max(1) {
            let address = self.address(cursor);
            for entry in self.bucket(address).iter() {
                f(entry.key, entry.value);
                given += 1;
            }
            cursor = next_cursor(address, self.depth_of(address));
            if cursor == 0 || given >= count {
                break;
            }
        }
        cursor
    }

    /// How many low bits of a hash lead to this bucket.
    fn depth_of(&self, address: usize) -> u32 {
        let depth = self.depth();
        if depth == 0 {
            return 0;
        }
        let half = 1usize << (depth - 1);
        if address < half && address + half >= self.bucket_count { depth - 1 } else { depth }
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        let buckets: usize = match &self.segments[..] {
            [only] => only.capacity(),
            segments => segments.len() * SEGMENT_LEN,
        };
        self.segments.capacity() * size_of::<Vec<Bucket<VALUED>>>()
            + buckets * size_of::<Bucket<VALUED>>()
            + self.bucket_bytes
    }
}

/// The part of the hash that entries keep; buckets are addressed by the other end.
#[inline]
fn tag(hash: u64) -> u8 {
    (hash >> 56) as u8
}

/// The address after `address` in the order of reversed addresses of `depth` bits; 0 at the end.
fn next_cursor(address: usize, depth: u32) -> u64 {
    let below = u64::MAX.checked_shl(depth).unwrap_or(0);
    (address as u64 | below).reverse_bits().wrapping_add(1).reverse_bits()
}

/// Entries of a table in the order of the buckets.
#[derive(Clone, Debug)]
pub(crate) struct Iter<'a, const VALUED: bool> {
    table: &'a Table<VALUED>,
    address: usize,
    at: Position,
    remaining: usize,
}

impl<'a, const VALUED: bool> Iterator for Iter<'a, VALUED> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        while self.address < self.table.bucket_count {
            if let Some(entry) = self.table.bucket(self.address).entry(self.at) {
                self.at = entry.next;
                self.remaining -= 1;
                return Some((entry.key, entry.value));
            }
            self.address += 1;
            self.at = Position::default();
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}
