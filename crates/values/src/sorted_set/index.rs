//! In which leaf of the tree a member is: half of its hash, and the number of the leaf, in a linear hash table.

use crate::linear::Buckets;
use crate::segments::Segments;
use crate::table::SCAN_BUCKETS_PER_ENTRY;
use crate::{Prefetch, buffer};
use stdx::prefetch;

/// Entries are the low half of a hash (above) and a leaf (below); some may be equal.
#[derive(Clone, Debug)]
pub(super) struct MemberIndex {
    buckets: Buckets<Vec<u64>>,
    len: usize,
}

fn entry(hash: u64, leaf: u32) -> u64 {
    hash << 32 | u64::from(leaf)
}

impl MemberIndex {
    pub fn with_capacity(capacity: usize) -> MemberIndex {
        MemberIndex { buckets: Buckets::with_capacity(capacity), len: 0 }
    }

    #[inline]
    fn bucket_mut(&mut self, hash: u64) -> &mut Vec<u64> {
        // Only the half of the hash that entries keep.
        self.buckets.at_mut(self.buckets.address(hash & u64::from(u32::MAX)))
    }

    /// The leaves in which a member with this hash may be.
    #[inline]
    pub fn leaves(&self, hash: u64) -> impl Iterator<Item = u32> {
        let bucket = self.buckets.at(self.buckets.address(hash & u64::from(u32::MAX)));
        bucket.iter().filter(move |entry| **entry >> 32 == hash & u64::from(u32::MAX)).map(|entry| *entry as u32)
    }

    /// Starts to load what `leaves` will read.
    pub fn prefetch(&self, hash: u64, step: Prefetch) {
        let bucket = self.buckets.at(self.buckets.address(hash & u64::from(u32::MAX)));
        match step {
            Prefetch::Bucket => prefetch(bucket),
            Prefetch::Entries => prefetch(bucket.as_ptr()),
        }
    }

    pub fn insert(&mut self, hash: u64, leaf: u32) {
        push(self.bucket_mut(hash), entry(hash, leaf));
        self.len += 1;
        if self.buckets.is_crowded(self.len) {
            self.split();
        }
    }

    pub fn remove(&mut self, hash: u64, leaf: u32) {
        let bucket = self.bucket_mut(hash);
        if let Some(at) = bucket.iter().position(|there| *there == entry(hash, leaf)) {
            bucket.swap_remove(at);
            self.len -= 1;
            if self.buckets.is_sparse(self.len) {
                self.merge();
            }
        }
    }

    /// A member has moved to another leaf.
    #[inline]
    pub fn relocate(&mut self, hash: u64, from: u32, to: u32) {
        if let Some(there) = self.bucket_mut(hash).iter_mut().find(|there| **there == entry(hash, from)) {
            *there = entry(hash, to);
        }
    }

    fn split(&mut self) {
        let (address, bit) = self.buckets.next_split();
        let goes = |entry: &u64| (entry >> 32) as usize & bit != 0;
        let stay = self.buckets.at_mut(address);
        let count = stay.iter().filter(|entry| goes(entry)).count();
        let mut new = Vec::new();
        buffer::reserve(&mut new, count + 1);
        new.extend(stay.iter().filter(|entry| goes(entry)));
        stay.retain(|entry| !goes(entry));
        buffer::shrink(stay);
        self.buckets.push(new);
    }

    fn merge(&mut self) {
        if let Some((last, address)) = self.buckets.pop() {
            last.into_iter().for_each(|entry| push(self.buckets.at_mut(address), entry));
        }
    }

    /// Calls `f` with the hash halves and leaves of the buckets from `cursor` on until there were `count`; returns
    /// where to go on, 0 at the end.
    pub fn scan(&self, cursor: u64, count: usize, mut f: impl FnMut(u32, u32)) -> u64 {
        let mut cursor = cursor;
        let mut given = 0;
        for _ in 0..count.saturating_mul(SCAN_BUCKETS_PER_ENTRY).max(1) {
            let address = self.buckets.address(cursor);
            let bucket = self.buckets.at(address);
            for (index, entry) in bucket.iter().enumerate() {
                given += 1;
                if !bucket[..index].contains(entry) {
                    f((entry >> 32) as u32, *entry as u32);
                }
            }
            cursor = self.buckets.next_cursor(address);
            if cursor == 0 || given >= count {
                break;
            }
        }
        cursor
    }

    pub fn segments(&mut self) -> &mut Segments<Vec<u64>> {
        self.buckets.segments()
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        let entries: usize = self.buckets.iter().map(Vec::capacity).sum();
        self.buckets.heap_size() + entries * size_of::<u64>()
    }
}

/// Appends with some room for the next ones, so that not every entry moves those before it.
fn push(bucket: &mut Vec<u64>, entry: u64) {
    if bucket.len() == bucket.capacity() {
        buffer::reserve(bucket, 2 + bucket.len() / 4);
    }
    bucket.push(entry);
}
