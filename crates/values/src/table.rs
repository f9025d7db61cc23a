//! The large form of sets and hashes: linear hashing of the entries themselves.

use crate::bucket::{Bucket, Position};
use crate::linear::Buckets;
use stdx::hash::hash;
use stdx::prefetch;

/// A scan looks at no more than this many buckets per entry that it was asked for.
pub(crate) const SCAN_BUCKETS_PER_ENTRY: usize = 10;
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
    buckets: Buckets<Bucket<VALUED>>,
    len: usize,
    /// No bucket has more entries.
    max_bucket_len: usize,
    /// Bytes that the buckets hold on the heap.
    bucket_bytes: usize,
}

impl<const VALUED: bool> Table<VALUED> {
    pub fn with_capacity(capacity: usize) -> Table<VALUED> {
        Table { buckets: Buckets::with_capacity(capacity), len: 0, max_bucket_len: 0, bucket_bytes: 0 }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Changes a bucket and keeps account of its memory.
    #[inline]
    fn update<R>(&mut self, address: usize, change: impl FnOnce(&mut Bucket<VALUED>) -> R) -> R {
        let bucket = self.buckets.at_mut(address);
        let before = bucket.heap_size();
        let result = change(bucket);
        self.bucket_bytes = self.bucket_bytes + bucket.heap_size() - before;
        result
    }

    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let hash = hash(key);
        let (_, entry) = self.buckets.at(self.buckets.address(hash)).find(tag(hash), key).ok()?;
        Some(entry.value)
    }

    /// Starts to load what a lookup of `key` will touch. In two steps, each for many keys: the second one needs what
    /// the first one has brought.
    pub fn prefetch(&self, key: &[u8], step: Prefetch) {
        let bucket = self.buckets.at(self.buckets.address(hash(key)));
        match step {
            Prefetch::Bucket => prefetch(bucket),
            Prefetch::Entries => bucket.prefetch_entries(),
        }
    }

    /// True where the key is new.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> bool {
        let hash = hash(key);
        let address = self.buckets.address(hash);
        match self.buckets.at(address).find(tag(hash), key) {
            Ok((_, entry)) if entry.value == value => false,
            Ok((at, _)) => {
                self.update(address, |bucket| bucket.replace_value(at, value));
                false
            }
            Err(bucket_len) => {
                self.update(address, |bucket| bucket.push(tag(hash), key, value));
                self.max_bucket_len = self.max_bucket_len.max(bucket_len + 1);
                self.len += 1;
                if self.buckets.is_crowded(self.len) {
                    self.split();
                }
                true
            }
        }
    }

    /// True where the key was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let hash = hash(key);
        let address = self.buckets.address(hash);
        let Ok((at, _)) = self.buckets.at(address).find(tag(hash), key) else { return false };
        self.update(address, |bucket| bucket.remove(at));
        self.len -= 1;
        if self.buckets.is_sparse(self.len) {
            self.merge();
        }
        true
    }

    /// Adds one bucket and gives it those entries of its buddy that have the next bit set.
    fn split(&mut self) {
        let (address, bit) = self.buckets.next_split();
        let whole = self.buckets.at(address);
        let (mut stay, mut go) = (whole.half(), whole.half());
        for entry in whole.iter() {
            let half = if hash(entry.key) as usize & bit == 0 { &mut stay } else { &mut go };
            half.push(entry.tag, entry.key, entry.value);
        }
        self.update(address, |bucket| *bucket = stay);
        self.bucket_bytes += go.heap_size();
        self.buckets.push(go);
    }

    /// Takes the last bucket away and gives its entries back to its buddy.
    fn merge(&mut self) {
        let Some((last, address)) = self.buckets.pop() else { return };
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
            let address = dice(self.buckets.len());
            let index = dice(self.max_bucket_len);
            if let Some(entry) = self.buckets.at(address).iter().nth(index) {
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
            let address = self.buckets.address(cursor);
            for entry in self.buckets.at(address).iter() {
                f(entry.key, entry.value);
                given += 1;
            }
            cursor = self.buckets.next_cursor(address);
            if cursor == 0 || given >= count {
                break;
            }
        }
        cursor
    }

    /// Are both clones of the same, and has neither been changed since?
    pub fn is(&self, other: &Table<VALUED>) -> bool {
        self.buckets.is(&other.buckets)
    }

    /// Copies one part of what clones share. False where there is no such part.
    pub fn unshare(&mut self, part: usize) -> bool {
        let segments = self.buckets.segments();
        let is_there = part < segments.count();
        if is_there {
            segments.unshare(part);
        }
        is_there
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        self.buckets.heap_size() + self.bucket_bytes
    }
}

/// The part of the hash that entries keep; buckets are addressed by the other end.
#[inline]
fn tag(hash: u64) -> u8 {
    (hash >> 56) as u8
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
        while self.address < self.table.buckets.len() {
            if let Some(entry) = self.table.buckets.at(self.address).entry(self.at) {
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
