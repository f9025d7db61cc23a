//! A handful of entries of a hash table in one allocation.
//!
//! An entry is a byte of its hash (the tag), its key and, in maps, its value. A string of up to 127
//! bytes stands inline behind its length; a longer one has an allocation of its own, so that it is
//! not moved about when its neighbours change.

use crate::buffer;
use stdx::prefetch;

/// Beyond these the processor notices by itself that lines are read one after the other.
const MAX_PREFETCHED_LINES: usize = 4;
const MAX_INLINE_LEN: usize = 0x7f;
/// In the place of a length: the string is the next one of `large`.
const LARGE: u8 = 0x80;

/// Entries of a set (`VALUED = false`, values are empty) or of a map.
#[derive(Debug, Default)]
pub(crate) struct Bucket<const VALUED: bool> {
    entries: Vec<u8>,
    large: Option<Box<Large>>,
}

/// A clone takes as much memory, since the table keeps account of it.
impl<const VALUED: bool> Clone for Bucket<VALUED> {
    fn clone(&self) -> Bucket<VALUED> {
        let mut entries = Vec::with_capacity(self.entries.capacity());
        entries.extend_from_slice(&self.entries);
        Bucket { entries, large: self.large.clone() }
    }
}

/// The long strings of a bucket, in the order of the entries that they belong to.
#[derive(Debug, Default)]
struct Large(Vec<Box<[u8]>>);

impl Clone for Large {
    fn clone(&self) -> Large {
        let mut strings = Vec::with_capacity(self.0.capacity());
        strings.extend_from_slice(&self.0);
        Large(strings)
    }
}

/// Where an entry begins: its place in `entries`, and how many strings of `large` come before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    entry: usize,
    large: usize,
}

/// An entry as it stands in its bucket.
pub(crate) struct Entry<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub tag: u8,
    /// Where its value begins.
    value_at: Position,
    /// Where the next entry begins.
    pub next: Position,
}

impl<const VALUED: bool> Bucket<VALUED> {
    /// An empty bucket with room for half of this one.
    pub fn half(&self) -> Bucket<VALUED> {
        let mut half = Bucket::default();
        buffer::reserve(&mut half.entries, self.entries.len() / 2);
        half
    }

    /// The entry at `at`; `None` at the end.
    #[inline]
    pub fn entry(&self, at: Position) -> Option<Entry<'_>> {
        let tag = *self.entries.get(at.entry)?;
        let (key, value_at) = self.string(Position { entry: at.entry + 1, large: at.large });
        let (value, next) = if VALUED { self.string(value_at) } else { (&[][..], value_at) };
        Some(Entry { key, value, tag, value_at, next })
    }

    /// The string at `at` and where the next thing begins.
    #[inline]
    fn string(&self, at: Position) -> (&[u8], Position) {
        let (len, start) = (self.entries[at.entry], at.entry + 1);
        if len != LARGE {
            let end = start + usize::from(len);
            return (&self.entries[start..end], Position { entry: end, large: at.large });
        }
        (&self.large_strings()[at.large], Position { entry: start, large: at.large + 1 })
    }

    fn large_strings(&self) -> &[Box<[u8]>] {
        self.large.as_ref().map_or(&[], |large| &large.0)
    }

    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut at = Position::default();
        std::iter::from_fn(move || {
            let entry = self.entry(at)?;
            at = entry.next;
            Some(entry)
        })
    }

    /// Starts to load the entries.
    #[inline]
    pub fn prefetch_entries(&self) {
        const CACHE_LINE: usize = 64;
        self.entries.chunks(CACHE_LINE).take(MAX_PREFETCHED_LINES).for_each(|line| prefetch(line.as_ptr()));
    }

    /// Where the entry of `key` is, or how many entries there are.
    #[inline]
    pub fn find(&self, tag: u8, key: &[u8]) -> Result<(Position, Entry<'_>), usize> {
        let mut at = Position::default();
        let mut count = 0;
        while let Some(entry) = self.entry(at) {
            if entry.tag == tag && entry.key == key {
                return Ok((at, entry));
            }
            at = entry.next;
            count += 1;
        }
        Err(count)
    }

    /// Appends an entry whose key is not here.
    pub fn push(&mut self, tag: u8, key: &[u8], value: &[u8]) {
        let values_len = if VALUED { inline_len(value) } else { 0 };
        let needed = 1 + inline_len(key) + values_len;
        if self.entries.capacity() - self.entries.len() < needed {
            // A quarter more, so that not every entry moves the ones before it.
            let slack = self.entries.len() / 4;
            buffer::reserve(&mut self.entries, needed + slack);
        }
        self.entries.push(tag);
        self.push_string(key);
        if VALUED {
            self.push_string(value);
        }
    }

    fn push_string(&mut self, string: &[u8]) {
        if string.len() <= MAX_INLINE_LEN {
            self.entries.push(string.len() as u8);
            self.entries.extend_from_slice(string);
        } else {
            self.entries.push(LARGE);
            self.large.get_or_insert_default().0.push(string.into());
        }
    }

    /// The entry that begins at `at` goes.
    pub fn remove(&mut self, at: Position) {
        let Some(next) = self.entry(at).map(|entry| entry.next) else { return };
        buffer::resize_range(&mut self.entries, at.entry, next.entry - at.entry, 0);
        self.remove_large(at.large..next.large);
    }

    /// The entry that begins at `at` gets another value.
    pub fn replace_value(&mut self, at: Position, value: &[u8]) {
        let Some(Entry { value_at, next, .. }) = self.entry(at) else { return };
        buffer::resize_range(&mut self.entries, value_at.entry, next.entry - value_at.entry, inline_len(value));
        self.remove_large(value_at.large..next.large);
        if value.len() <= MAX_INLINE_LEN {
            self.entries[value_at.entry] = value.len() as u8;
            self.entries[value_at.entry + 1..][..value.len()].copy_from_slice(value);
        } else {
            self.entries[value_at.entry] = LARGE;
            self.large.get_or_insert_default().0.insert(value_at.large, value.into());
        }
    }

    fn remove_large(&mut self, range: std::ops::Range<usize>) {
        if let Some(large) = &mut self.large
            && !range.is_empty()
        {
            large.0.drain(range);
            if large.0.is_empty() {
                self.large = None;
            }
        }
    }

    /// Bytes on the heap.
    #[inline]
    pub fn heap_size(&self) -> usize {
        let large = self.large.as_ref().map_or(0, |large| {
            let strings: usize = large.0.iter().map(|string| string.len()).sum();
            size_of::<Large>() + large.0.capacity() * size_of::<Box<[u8]>>() + strings
        });
        self.entries.capacity() + large
    }
}

/// How many bytes of `entries` a string takes.
fn inline_len(string: &[u8]) -> usize {
    if string.len() <= MAX_INLINE_LEN { 1 + string.len() } else { 1 }
}
