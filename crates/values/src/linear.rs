//! Linear hashing: any number of buckets, not only powers of two.
//!
//! Buckets are added by splitting one and taken away by merging two, in an order that is fixed. So no insert ever
//! pauses for long, memory is proportional to the contents at every moment, and a cursor that walks the buckets
//! in the order of their reversed addresses sees every entry that stays, whatever happens in between.
//! W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980.

use crate::segments::{Part, Segments};

/// Buckets split above this average of entries per bucket …
pub(crate) const MAX_AVERAGE_LEN: usize = 8;
/// … and merge below this one.
pub(crate) const MIN_AVERAGE_LEN: usize = 5;

/// The buckets of a table, at least one.
#[derive(Clone, Debug)]
pub(crate) struct Buckets<B: Part> {
    buckets: Segments<B>,
}

impl<B: Part> Buckets<B> {
    /// Buckets for `entries_len` entries.
    pub fn with_capacity(entries_len: usize) -> Buckets<B> {
        let mut buckets = Segments::default();
        for _ in 0..entries_len.div_ceil(MAX_AVERAGE_LEN).max(1) {
            buckets.push(B::default());
        }
        Buckets { buckets }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    #[inline]
    pub fn at(&self, address: usize) -> &B {
        &self.buckets[address]
    }

    #[inline]
    pub fn at_mut(&mut self, address: usize) -> &mut B {
        &mut self.buckets[address]
    }

    /// Are both clones of the same, and has neither been changed since?
    pub fn is(&self, other: &Buckets<B>) -> bool {
        self.buckets.is(&other.buckets)
    }

    pub fn segments(&mut self) -> &mut Segments<B> {
        &mut self.buckets
    }

    pub fn iter(&self) -> impl Iterator<Item = &B> {
        self.buckets.iter()
    }

    /// How many low bits of the hash address a bucket that has been split in this round.
    fn depth(&self) -> u32 {
        usize::BITS - (self.len() - 1).leading_zeros()
    }

    /// The bucket of `hash`: as many low bits as lead to a bucket that exists.
    #[inline]
    pub fn address(&self, hash: u64) -> usize {
        let mask = (1usize << self.depth()) - 1;
        let address = hash as usize & mask;
        if address < self.len() { address } else { address & (mask >> 1) }
    }

    pub fn is_crowded(&self, entries_len: usize) -> bool {
        entries_len > self.len() * MAX_AVERAGE_LEN
    }

    pub fn is_sparse(&self, entries_len: usize) -> bool {
        entries_len < self.len() * MIN_AVERAGE_LEN && self.len() > 1
    }

    /// The bucket that is to be split next, and the bit of their hashes that says which of its entries go to the
    /// new one, which is then to be pushed.
    pub fn next_split(&self) -> (usize, usize) {
        let bit = 1usize << self.len().ilog2();
        (self.len() - bit, bit)
    }

    pub fn push(&mut self, bucket: B) {
        self.buckets.push(bucket);
    }

    /// Takes the last of several buckets away; its entries belong to the bucket at the address given.
    pub fn pop(&mut self) -> Option<(B, usize)> {
        let last = self.buckets.pop()?;
        Some((last, self.next_split().0))
    }

    /// The cursor behind the bucket at `address`, 0 at the end of the walk. A split bucket's halves stand in the place
    /// of the whole.
    pub fn next_cursor(&self, address: usize) -> u64 {
        let below = u64::MAX.checked_shl(self.depth_of(address)).unwrap_or(0);
        (address as u64 | below).reverse_bits().wrapping_add(1).reverse_bits()
    }

    /// How many low bits of a hash lead to this bucket.
    fn depth_of(&self, address: usize) -> u32 {
        let depth = self.depth();
        if depth == 0 {
            return 0;
        }
        let half = 1usize << (depth - 1);
        if address < half && address + half >= self.len() { depth - 1 } else { depth }
    }

    /// Bytes on the heap, without what the buckets hold.
    pub fn heap_size(&self) -> usize {
        self.buckets.heap_size()
    }
}
