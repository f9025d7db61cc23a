//! A stretch of the hash order: the buckets of all keys whose positions share their first bits.

use crate::bucket::{Bucket, SLOTS};
use crate::entry::Entry;
use stdx::prefetch;

/// Bits of a position: the part of a hash that orders the table.
pub(crate) const POSITION_BITS: u32 = 44;
const LABEL_BITS: u32 = 16;
/// Segments do not get deeper: the label's bits end here.
pub(crate) const MAX_DEPTH: u8 = (POSITION_BITS - LABEL_BITS) as u8;
/// Buckets of a segment before it splits, unless the hash is so bad that splitting does not help.
pub(crate) const MAX_BUCKETS: usize = 224;
/// How many buckets a walk that touches entries looks ahead.
const LOOK_AHEAD: usize = 4;

/// An entry's label holds 16 bits of its position. Where they begin moves with the depth in steps of
/// four, so that only every fourth split has to touch keys.
fn window(depth: u8) -> u32 {
    u32::from(depth & !3)
}

#[inline]
pub(crate) fn label(position: u64, depth: u8) -> u16 {
    (position >> (POSITION_BITS - LABEL_BITS - window(depth))) as u16
}

/// Where an entry stands: bucket and slot.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    pub bucket: usize,
    pub slot: usize,
}

pub(crate) struct Segment {
    /// At least one.
    buckets: Box<[Bucket]>,
    len: u32,
    /// How many leading bits of their positions all entries share.
    depth: u8,
    /// No entry has an earlier one.
    pub earliest_deadline_ms: u64,
}

impl Segment {
    pub fn new(depth: u8, buckets: usize) -> Segment {
        let buckets = (0..buckets).map(|_| Bucket::new()).collect();
        Segment { buckets, len: 0, depth, earliest_deadline_ms: u64::MAX }
    }

    /// With room for `len` entries and some more.
    pub fn with_room(depth: u8, len: usize) -> Segment {
        let mut buckets = 1;
        while capacity(buckets) < len + len / 8 {
            buckets = next_size(buckets);
        }
        Segment::new(depth, buckets)
    }

    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn depth(&self) -> u8 {
        self.depth
    }

    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    pub fn is_full(&self) -> bool {
        self.len() >= capacity(self.buckets.len())
    }

    /// Mostly empty: worth shrinking or merging.
    pub fn is_sparse(&self) -> bool {
        self.buckets.len() > 1 && self.len() * 4 < self.buckets.len() * SLOTS
    }

    #[inline]
    fn home(&self, label: u16) -> usize {
        let fraction = label << (self.depth & 3);
        (usize::from(fraction) * self.buckets.len()) >> LABEL_BITS
    }

    fn following(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() { 0 } else { bucket + 1 }
    }

    #[inline]
    pub fn find(&self, position: u64, tag: u8, key: &[u8]) -> Option<Place> {
        let label = label(position, self.depth);
        let home = self.home(label);
        let mut at = home;
        loop {
            let bucket = &self.buckets[at];
            for slot in bucket.matching(tag) {
                if bucket.get(slot).is_some_and(|entry| entry.label() == label && entry.is_key(key)) {
                    return Some(Place { bucket: at, slot });
                }
            }
            if !bucket.overflow() {
                return None;
            }
            at = self.following(at);
            if at == home {
                return None;
            }
        }
    }

    #[inline]
    pub fn get(&self, place: Place) -> Option<&Entry> {
        self.buckets[place.bucket].get(place.slot)
    }

    /// The same for a place that need not exist any more.
    #[inline]
    pub fn try_get(&self, place: Place) -> Option<&Entry> {
        self.buckets.get(place.bucket)?.get(place.slot)
    }

    #[inline]
    pub fn get_mut(&mut self, place: Place) -> Option<(&mut Entry, &mut u64)> {
        let entry = self.buckets[place.bucket].get_mut(place.slot)?;
        Some((entry, &mut self.earliest_deadline_ms))
    }

    #[inline]
    pub fn prefetch_bucket(&self, position: u64) {
        prefetch(&self.buckets[self.home(label(position, self.depth))]);
    }

    #[inline]
    pub fn prefetch_entry(&self, position: u64, tag: u8) {
        let label = label(position, self.depth);
        let home = self.home(label);
        // With full buckets one key in seven or so is in the line behind its home.
        for at in [home, self.following(home)] {
            let bucket = &self.buckets[at];
            for slot in bucket.matching(tag) {
                if let Some(entry) = bucket.get(slot)
                    && entry.label() == label
                {
                    prefetch(entry.address());
                    prefetch(entry.address().wrapping_add(32));
                    return;
                }
            }
            if !bucket.overflow() {
                return;
            }
        }
    }

    /// Adds an entry; the segment is not full.
    pub fn insert(&mut self, position: u64, tag: u8, mut entry: Entry) -> Place {
        entry.set_label(label(position, self.depth));
        if let Some(deadline_ms) = entry.deadline_ms() {
            self.earliest_deadline_ms = self.earliest_deadline_ms.min(deadline_ms);
        }
        self.place(tag, entry)
    }

    /// Adds an entry whose label is right and whose deadline is known.
    fn place(&mut self, tag: u8, entry: Entry) -> Place {
        self.len += 1;
        let mut at = self.home(entry.label());
        loop {
            if let Some(slot) = self.buckets[at].free_slot() {
                self.buckets[at].put(slot, tag, entry);
                return Place { bucket: at, slot };
            }
            self.buckets[at].pass_by();
            at = self.following(at);
        }
    }

    pub fn remove(&mut self, place: Place) -> Option<Entry> {
        let (_, entry) = self.buckets[place.bucket].take(place.slot)?;
        self.len -= 1;
        let mut at = self.home(entry.label());
        while at != place.bucket {
            self.buckets[at].unpass();
            at = self.following(at);
        }
        Some(entry)
    }

    /// Moves all entries to where `to` says, with their tags. Entries are not touched.
    fn drain(&mut self, mut to: impl FnMut(u8, Entry)) {
        self.len = 0;
        for bucket in &mut self.buckets {
            for slot in 0..SLOTS {
                if let Some((tag, entry)) = bucket.take(slot) {
                    to(tag, entry);
                }
            }
        }
    }

    fn move_into(mut self, mut target: Segment) -> Segment {
        target.earliest_deadline_ms = target.earliest_deadline_ms.min(self.earliest_deadline_ms);
        self.drain(|tag, entry| {
            target.place(tag, entry);
        });
        target
    }

    /// The same entries in the next larger size.
    pub fn grown(self) -> Segment {
        let target = Segment::new(self.depth, next_size(self.buckets.len()));
        self.move_into(target)
    }

    /// The same entries in the size that fits.
    pub fn fitted(self) -> Segment {
        let target = Segment::with_room(self.depth, self.len());
        self.move_into(target)
    }

    /// Two segments, one for each value of the next bit. `position` tells a key's; it is asked only
    /// where the labels' bits are used up.
    pub fn split(mut self, position: impl Fn(&[u8]) -> u64) -> (Segment, Segment) {
        let depth = self.depth + 1;
        let bit = 1 << (LABEL_BITS - 1 - u32::from(self.depth & 3));
        let labels_move = window(depth) != window(self.depth);
        let ones = self.entries().filter(|entry| entry.label() & bit != 0).count();
        let mut halves = (Segment::with_room(depth, self.len() - ones), Segment::with_room(depth, ones));
        halves.0.earliest_deadline_ms = self.earliest_deadline_ms;
        halves.1.earliest_deadline_ms = self.earliest_deadline_ms;
        for at in 0..self.buckets.len() {
            if labels_move {
                self.prefetch_ahead(at);
            }
            for slot in 0..SLOTS {
                let Some((tag, mut entry)) = self.buckets[at].take(slot) else { continue };
                let half = if entry.label() & bit == 0 { &mut halves.0 } else { &mut halves.1 };
                if labels_move {
                    entry.set_label(label(position(entry.key()), depth));
                }
                half.place(tag, entry);
            }
        }
        halves
    }

    /// One segment of two neighbours of equal depth; `prefix` is that of `low`: the bits of the
    /// position that its entries share.
    pub fn merged(mut low: Segment, mut high: Segment, prefix: u64) -> Segment {
        let depth = low.depth - 1;
        let labels_move = window(depth) != window(low.depth);
        let mut target = Segment::with_room(depth, low.len() + high.len());
        target.earliest_deadline_ms = low.earliest_deadline_ms.min(high.earliest_deadline_ms);
        for (segment, prefix) in [(&mut low, prefix), (&mut high, prefix | 1)] {
            segment.drain(|tag, mut entry| {
                if labels_move {
                    entry.set_label((prefix << 12) as u16 | entry.label() >> 4);
                }
                target.place(tag, entry);
            });
        }
        target
    }

    /// Calls `f` for each entry whose home is the bucket of `position`; returns the position where the
    /// next bucket begins, counted from the segment's first.
    pub fn scan(&self, position: u64, mut f: impl FnMut(&Entry)) -> u64 {
        let home = self.home(label(position, self.depth));
        let mut at = home;
        loop {
            let bucket = &self.buckets[at];
            bucket.entries().filter(|entry| self.home(entry.label()) == home).for_each(&mut f);
            if !bucket.overflow() {
                break;
            }
            at = self.following(at);
            if at == home {
                break;
            }
        }
        // The smallest fraction whose home is the next bucket, in the label's resolution.
        let fraction = ((home as u64 + 1) << LABEL_BITS).div_ceil(self.buckets.len() as u64);
        fraction.next_multiple_of(1 << (self.depth & 3)) << (POSITION_BITS - LABEL_BITS - u32::from(self.depth))
    }

    /// Removes the entries for which `keep` is false, and hands them over; the bound of the deadlines
    /// becomes exact.
    pub fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool, mut removed: impl FnMut(Entry)) {
        self.earliest_deadline_ms = u64::MAX;
        for bucket in 0..self.buckets.len() {
            self.prefetch_ahead(bucket);
            for slot in 0..SLOTS {
                let place = Place { bucket, slot };
                let Some(entry) = self.get(place) else { continue };
                if keep(entry) {
                    self.earliest_deadline_ms = self.earliest_deadline_ms.min(entry.deadline_ms().unwrap_or(u64::MAX));
                } else if let Some(entry) = self.remove(place) {
                    removed(entry);
                }
            }
        }
    }

    fn prefetch_ahead(&self, bucket: usize) {
        if let Some(bucket) = self.buckets.get(bucket + LOOK_AHEAD) {
            bucket.entries().for_each(|entry| prefetch(entry.address()));
        }
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(Bucket::entries)
    }

    /// All entries, those of the bucket at `first` first.
    pub fn entries_from(&self, first: usize) -> impl Iterator<Item = &Entry> {
        let (before, from) = self.buckets.split_at(first);
        from.iter().chain(before).flat_map(Bucket::entries)
    }

    /// The entries of one bucket, by position in memory.
    pub fn bucket(&self, index: usize) -> &Bucket {
        &self.buckets[index]
    }

    pub fn heap_size(&self) -> usize {
        size_of_val(&*self.buckets)
    }
}

/// Entries that so many buckets take: nine tenths of the slots.
fn capacity(buckets: usize) -> usize {
    let slots = buckets * SLOTS;
    slots - slots / 10
}

/// Sizes grow in steps of a fifth or so, which are the allocator's size classes.
fn next_size(buckets: usize) -> usize {
    if buckets < 8 { buckets + 1 } else { buckets + (1 << (buckets.ilog2() - 2)) }
}
