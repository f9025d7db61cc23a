//! The hash table of one shard and database: extendible hashing over small segments.
//!
//! A hash has three parts: the low 12 bits choose the shard, 8 bits are the tag that a bucket keeps,
//! and the upper 44 bits are the *position*. Entries are kept in the order of their positions, to
//! the precision of a bucket: the directory maps the first bits to a segment, the next bits choose
//! the home bucket within it. A segment that is full grows a little; one at its largest size splits
//! in two. So no operation moves more than one segment's entries, and a position is a cursor that
//! stays valid whatever happens to the table.

use crate::entry::{Entry, Header, NewValue};
use crate::segment::{MAX_BUCKETS, MAX_DEPTH, POSITION_BITS, Place, Segment};
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use values::Prefetch;

/// Bits of a hash that are left to the choice of the shard.
pub(crate) const SHARD_BITS: u32 = 12;
const TAG_SHIFT: u32 = SHARD_BITS;
const POSITION_SHIFT: u32 = 64 - POSITION_BITS;
/// Attempts at hitting an occupied slot before `random` walks on from where it is.
const RANDOM_ATTEMPTS: usize = 32;

/// How keys are hashed. The table asks only when it splits; callers bring the hash with the key.
pub(crate) trait KeyHasher: Copy {
    fn hash(&self, key: &[u8]) -> u64;
}

pub(crate) struct Table<H> {
    /// By the first `depth` bits of the position: which segment. Empty until something is inserted.
    directory: Vec<u32>,
    segments: Vec<Segment>,
    depth: u8,
    len: usize,
    expires: usize,
    /// Where the next sweep begins.
    sweep_position: u64,
    /// Of entries past their deadline that have to stay: in the sweep under way, and in the last one.
    swept_due_bytes: usize,
    due_bytes: usize,
    sought: Cell<Sought>,
    hasher: H,
}

/// Where `seek` or `find_mut` found its last key. The key may have moved since.
#[derive(Clone, Copy, Default)]
struct Sought {
    hash: u64,
    index: usize,
    place: Place,
}

#[inline]
fn position_of(hash: u64) -> u64 {
    hash >> POSITION_SHIFT
}

/// Zero is a free slot's.
#[inline]
fn tag_of(hash: u64) -> u8 {
    ((hash >> TAG_SHIFT) as u8).max(1)
}

/// The first `depth` bits of a position.
#[inline]
fn prefix(position: u64, depth: u8) -> u64 {
    position >> (POSITION_BITS - u32::from(depth))
}

/// The first position after a segment.
fn end_of(position: u64, depth: u8) -> u64 {
    (prefix(position, depth) + 1) << (POSITION_BITS - u32::from(depth))
}

/// A key's place in the table: what `Table::slot` found.
pub(crate) enum Slot<'t, H> {
    Occupied(EntryMut<'t>),
    Vacant(Vacant<'t, H>),
}

pub(crate) struct Vacant<'t, H> {
    table: &'t mut Table<H>,
    hash: u64,
}

impl<'t, H: KeyHasher> Vacant<'t, H> {
    /// Inserts the entry of the key that was looked for.
    pub fn insert(self, entry: Entry) -> EntryMut<'t> {
        self.table.insert(self.hash, entry)
    }
}

/// An entry that may be changed; changes of its deadline reach the table's counters.
pub(crate) struct EntryMut<'t> {
    entry: &'t mut Entry,
    expires: &'t mut usize,
    earliest_deadline_ms: &'t mut u64,
}

impl Deref for EntryMut<'_> {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        self.entry
    }
}

impl DerefMut for EntryMut<'_> {
    fn deref_mut(&mut self) -> &mut Entry {
        self.entry
    }
}

impl<'t> EntryMut<'t> {
    pub fn set_deadline_ms(&mut self, deadline_ms: Option<u64>) {
        self.count(deadline_ms);
        self.entry.set_deadline_ms(deadline_ms);
    }

    pub fn overwrite(&mut self, value: NewValue<'_>, header: Header) {
        self.count(header.deadline_ms);
        self.entry.overwrite(value, header);
    }

    fn count(&mut self, deadline_ms: Option<u64>) {
        *self.expires = *self.expires - self.entry.has_deadline() as usize + deadline_ms.is_some() as usize;
        *self.earliest_deadline_ms = (*self.earliest_deadline_ms).min(deadline_ms.unwrap_or(u64::MAX));
    }
}

impl<H: KeyHasher> Table<H> {
    pub fn new(hasher: H) -> Table<H> {
        Table {
            directory: Vec::new(),
            segments: Vec::new(),
            depth: 0,
            len: 0,
            expires: 0,
            sweep_position: 0,
            swept_due_bytes: 0,
            due_bytes: 0,
            sought: Default::default(),
            hasher,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries have a deadline.
    pub fn expires_len(&self) -> usize {
        self.expires
    }

    #[inline]
    fn segment_index(&self, position: u64) -> Option<usize> {
        self.directory.get(prefix(position, self.depth) as usize).map(|&index| index as usize)
    }

    #[inline]
    fn segment(&self, position: u64) -> Option<&Segment> {
        Some(&self.segments[self.segment_index(position)?])
    }

    /// Segment and place of a key.
    #[inline]
    fn locate(&self, hash: u64, key: &[u8]) -> Option<(usize, Place)> {
        let position = position_of(hash);
        let index = self.segment_index(position)?;
        Some((index, self.segments[index].find(position, tag_of(hash), key)?))
    }

    /// The same; at once where it was found just before.
    #[inline]
    fn locate_again(&self, hash: u64, key: &[u8]) -> Option<(usize, Place)> {
        let Sought { hash: sought, index, place } = self.sought.get();
        let is_it = || self.segments.get(index)?.try_get(place).map(|entry| entry.is_key(key));
        if sought == hash && is_it() == Some(true) { Some((index, place)) } else { self.locate(hash, key) }
    }

    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        let (index, place) = self.locate(hash, key)?;
        self.segments[index].get(place)
    }

    /// The same for who will ask for the key again, or change it: that will cost no other search.
    #[inline]
    pub fn seek(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        let (index, place) = self.locate_again(hash, key)?;
        self.sought.set(Sought { hash, index, place });
        self.segments[index].get(place)
    }

    #[inline]
    pub fn find_mut(&mut self, hash: u64, key: &[u8]) -> Option<EntryMut<'_>> {
        let (index, place) = self.locate_again(hash, key)?;
        self.sought.set(Sought { hash, index, place });
        self.entry_mut(index, place)
    }

    fn entry_mut(&mut self, index: usize, place: Place) -> Option<EntryMut<'_>> {
        let (entry, earliest_deadline_ms) = self.segments[index].get_mut(place)?;
        Some(EntryMut { entry, expires: &mut self.expires, earliest_deadline_ms })
    }

    /// Finds a key or the right to insert it.
    pub fn slot(&mut self, hash: u64, key: &[u8]) -> Slot<'_, H> {
        let found = self.locate_again(hash, key);
        match found {
            Some((index, place)) => match self.segments[index].get_mut(place) {
                Some((entry, earliest_deadline_ms)) => {
                    Slot::Occupied(EntryMut { entry, expires: &mut self.expires, earliest_deadline_ms })
                }
                None => unreachable!("a place that was found is occupied"),
            },
            None => Slot::Vacant(Vacant { table: self, hash }),
        }
    }

    /// Adds an entry whose key is not in the table.
    pub fn insert(&mut self, hash: u64, entry: Entry) -> EntryMut<'_> {
        debug_assert!(self.find(hash, entry.key()).is_none(), "a key has one entry");
        let position = position_of(hash);
        if self.directory.is_empty() {
            self.segments.push(Segment::new(0, 1));
            self.directory.push(0);
        }
        let index = self.make_room(position);
        self.len += 1;
        self.expires += entry.has_deadline() as usize;
        let place = self.segments[index].insert(position, tag_of(hash), entry);
        self.entry_mut(index, place).expect("the place that was just filled")
    }

    /// The segment of `position`, which is not full.
    fn make_room(&mut self, position: u64) -> usize {
        loop {
            let index = prefix(position, self.depth) as usize;
            let index = self.directory[index] as usize;
            let segment = &self.segments[index];
            if !segment.is_full() {
                return index;
            }
            if segment.buckets() >= MAX_BUCKETS && self.may_split(segment) {
                self.split(position, index);
            } else {
                let segment = self.take_segment(index);
                self.segments[index] = segment.grown();
            }
        }
    }

    /// Whether splitting helps. With a sane hash it always does; else the directory must not grow far
    /// beyond the segments that it points to.
    fn may_split(&self, segment: &Segment) -> bool {
        segment.depth() < MAX_DEPTH && (segment.depth() < self.depth || self.directory.len() <= 4 * self.segments.len())
    }

    fn take_segment(&mut self, index: usize) -> Segment {
        std::mem::replace(&mut self.segments[index], Segment::new(0, 0))
    }

    fn split(&mut self, position: u64, index: usize) {
        if self.segments[index].depth() == self.depth {
            self.directory = self.directory.iter().flat_map(|&index| [index, index]).collect();
            self.depth += 1;
        }
        let hasher = self.hasher;
        let (low, high) = self.take_segment(index).split(|key| position_of(hasher.hash(key)));
        let new = self.segments.len() as u32;
        let depth = low.depth();
        let span = 1usize << (self.depth - depth);
        let start = (prefix(position, depth) | 1) as usize * span;
        self.directory[start..start + span].fill(new);
        self.segments[index] = low;
        self.segments.push(high);
    }

    pub fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let (index, place) = self.locate_again(hash, key)?;
        let entry = self.segments[index].remove(place)?;
        self.len -= 1;
        self.expires -= entry.has_deadline() as usize;
        if self.segments[index].is_sparse() {
            self.shrink(position_of(hash), index);
        }
        Some(entry)
    }

    /// Makes a sparse segment smaller, by merging it with its neighbour where both are.
    fn shrink(&mut self, position: u64, index: usize) {
        let depth = self.segments[index].depth();
        if self.len == 0 {
            self.directory = Vec::new();
            self.segments = Vec::new();
            self.depth = 0;
        } else if let Some(buddy) = self.buddy(position, depth)
            && (self.segments[index].len() + self.segments[buddy].len()) * 3 < MAX_BUCKETS * crate::bucket::SLOTS
        {
            self.merge(position, depth);
        } else {
            let segment = self.take_segment(index);
            self.segments[index] = segment.fitted();
        }
    }

    /// The segment that a segment of `depth` was split from, where that was not split further.
    fn buddy(&self, position: u64, depth: u8) -> Option<usize> {
        if depth == 0 {
            return None;
        }
        let other = position ^ 1 << (POSITION_BITS - u32::from(depth));
        let buddy = self.segment_index(other)?;
        (self.segments[buddy].depth() == depth).then_some(buddy)
    }

    fn merge(&mut self, position: u64, depth: u8) {
        let low_prefix = prefix(position, depth) & !1;
        let span = 1usize << (self.depth - depth);
        let start = low_prefix as usize * span;
        let (low, high) = (self.directory[start] as usize, self.directory[start + span] as usize);
        let merged = Segment::merged(self.take_segment(low), self.take_segment(high), low_prefix);
        self.segments[low] = merged;
        self.directory[start..start + 2 * span].fill(low as u32);
        self.segments.swap_remove(high);
        let moved = self.segments.len() as u32;
        self.directory.iter_mut().filter(|index| **index == moved).for_each(|index| *index = high as u32);
        if self.segments.iter().all(|segment| segment.depth() < self.depth) {
            self.directory = self.directory.iter().copied().step_by(2).collect();
            self.depth -= 1;
            self.segments.shrink_to(2 * self.segments.len());
        }
    }

    /// Starts to load the bucket of a hash; once that is there, the entry.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64, step: Prefetch) {
        let position = position_of(hash);
        if let Some(segment) = self.segment(position) {
            match step {
                Prefetch::Bucket => segment.prefetch_bucket(position),
                Prefetch::Entries => segment.prefetch_entry(position, tag_of(hash)),
            }
        }
    }

    /// Calls `f` for the entries of the bucket at `cursor` (0: the first), which may be none, and
    /// returns the cursor of the next; 0 after the last. An entry that is there throughout a
    /// complete scan is given at least once. Cursors are below 2^44.
    pub fn scan(&self, cursor: u64, f: impl FnMut(&Entry)) -> u64 {
        let cursor = cursor & ((1 << POSITION_BITS) - 1);
        let Some(segment) = self.segment(cursor) else { return 0 };
        let end = end_of(cursor, segment.depth());
        let start = end - (1 << (POSITION_BITS - u32::from(segment.depth())));
        let next = (start + segment.scan(cursor, f)).min(end);
        if next >> POSITION_BITS != 0 { 0 } else { next }
    }

    /// Calls `f` for the entries of the segment at `position` (0: the first) which are not before it, and returns where the
    /// next one begins; `None` after the last. However the table changes between calls, an entry that is there throughout
    /// is given exactly once.
    pub fn walk(&self, position: u64, mut f: impl FnMut(&Entry)) -> Option<u64> {
        let segment = self.segment(position)?;
        let end = end_of(position, segment.depth());
        let is_whole = end - (1 << (POSITION_BITS - u32::from(segment.depth()))) == position;
        let entries = segment.entries();
        entries.filter(|entry| is_whole || position_of(self.hasher.hash(entry.key())) >= position).for_each(&mut f);
        (end >> POSITION_BITS == 0).then_some(end)
    }

    /// An entry, close to uniformly at random. `dice(n)` returns a number below `n`.
    pub fn random(&self, mut dice: impl FnMut(usize) -> usize) -> Option<&Entry> {
        if self.is_empty() {
            return None;
        }
        for _ in 0..RANDOM_ATTEMPTS {
            let segment = &self.segments[self.directory[dice(self.directory.len())] as usize];
            let bucket = segment.bucket(dice(segment.buckets()));
            if let Some(entry) = bucket.get(dice(crate::bucket::SLOTS)) {
                return Some(entry);
            }
        }
        let start = dice(self.segments.len());
        let (before, from) = self.segments.split_at(start);
        from.iter().chain(before).flat_map(Segment::entries).next()
    }

    /// Calls `f` for up to `count` entries from random places; returns how many there were. `volatile`: only those that
    /// have a deadline, which are neighbours.
    pub fn sample(
        &self,
        count: usize,
        volatile: bool,
        mut dice: impl FnMut(usize) -> usize,
        f: impl FnMut(&Entry),
    ) -> usize {
        if !volatile {
            let count = count.min(self.len());
            return (0..count).filter_map(|_| self.random(&mut dice)).map(f).count();
        }
        if self.expires == 0 {
            return 0;
        }
        let (before, from) = self.segments.split_at(dice(self.segments.len()));
        let segments = from.iter().chain(before).filter(|segment| segment.earliest_deadline_ms < u64::MAX);
        let entries = segments.flat_map(|segment| segment.entries_from(dice(segment.buckets())));
        entries.filter(|entry| entry.has_deadline()).take(count).map(f).count()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.segments.iter().flat_map(Segment::entries)
    }

    /// Removes the entries of a segment for which `keep` is false; returns the position behind it.
    fn retain_segment(&mut self, position: u64, keep: impl FnMut(&Entry) -> bool) -> u64 {
        let Some(index) = self.segment_index(position) else { return 1 << POSITION_BITS };
        let (len, expires) = (&mut self.len, &mut self.expires);
        let segment = &mut self.segments[index];
        segment.retain(keep, |entry| {
            *len -= 1;
            *expires -= entry.has_deadline() as usize;
        });
        let end = end_of(position, segment.depth());
        if segment.is_sparse() {
            self.shrink(position, index);
        }
        end
    }

    /// Asks `remove` about the entries whose deadline is at or before `now_ms`, and removes those
    /// where it says so. Looks only into segments that may have some, at about `budget` entries per
    /// call, and goes on at the next call. True when it came round: nothing is due any more.
    pub fn sweep_due(&mut self, now_ms: u64, budget: usize, mut remove: impl FnMut(&Entry) -> bool) -> bool {
        let mut budget = budget;
        let mut segments = self.segments.len();
        while segments > 0 && self.expires > 0 {
            if self.sweep_position == 0 {
                self.due_bytes = std::mem::take(&mut self.swept_due_bytes);
            }
            let position = self.sweep_position;
            let Some(segment) = self.segment(position) else { return true };
            let (len, due) = (segment.len(), segment.earliest_deadline_ms <= now_ms);
            if due && budget == 0 {
                return false;
            }
            let end = if due {
                budget = budget.saturating_sub(len);
                let mut stays = 0;
                let end = self.retain_segment(position, |entry| {
                    let is_due = entry.deadline_ms().is_some_and(|at| at <= now_ms);
                    let goes = is_due && remove(entry);
                    stays += if is_due && !goes { entry.heap_size() } else { 0 };
                    !goes
                });
                self.swept_due_bytes += stays;
                end
            } else {
                end_of(position, segment.depth())
            };
            self.sweep_position = if end >> POSITION_BITS == 0 { end } else { 0 };
            segments -= 1;
        }
        true
    }

    /// Bytes of entries past their deadline that have to stay, as of the last whole sweep.
    pub fn due_bytes(&self) -> usize {
        if self.expires > 0 { self.due_bytes } else { 0 }
    }

    /// Empties the table. What was in it is returned, to be dropped where that does not hurt.
    pub fn take(&mut self) -> Table<H> {
        std::mem::replace(self, Table::new(self.hasher))
    }

    /// Bytes of the table itself, without its entries.
    pub fn heap_size(&self) -> usize {
        self.directory.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment>()
            + self.segments.iter().map(Segment::heap_size).sum::<usize>()
    }
}

#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
