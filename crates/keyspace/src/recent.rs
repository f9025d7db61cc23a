//! The side table of a shard: what has to be known, beside the entries themselves, about keys that
//! were written in about the last round trip (docs/decisions/0001-convergence.md).

mod brief;
pub(crate) mod creations;
pub(crate) mod stream;

use crate::KeyType;
use crate::deadlines::Deadlines;
use crate::elements::{Elements, Name};
use crate::lifetimes::Lifetimes;
use crate::list::ListRegisters;
use crate::merge::operations::{Horizon, LazyOperations, Operation, Operations};
use crate::version::Version;
pub(crate) use brief::Brief;
use creations::Creations;
use effect::{Collection, Stamp};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use stream::StreamRecord;

/// The registers of one key. A key without a record is as if it had been Put whole at its version.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Its part of `Recent::bytes`.
    weighed: usize,
    /// Increments that were added in elements, at most so many more than there are.
    pub(crate) element_increments: usize,
    /// The newest effect on the key.
    pub(crate) newest: Version,
    /// The newest Set, Delete, Put or Flush.
    pub(crate) clear: Version,
    /// There may have been none: it says only that the key was as it is at that version.
    pub(crate) is_at_rest: bool,
    /// It only says anew what the key was (`Effect::Restate`) by somebody who had seen so much of each origin.
    pub(crate) restated: Option<Arc<[Version]>>,
    pub(crate) creations: Creations,
    /// The entry, where there is one, has the newest of them.
    pub(crate) deadlines: Deadlines,
    /// On the string.
    pub(crate) operations: LazyOperations,
    /// Newest effect on each member of the set; those that are not in the set were removed.
    pub(crate) members: Elements<Version>,
    pub(crate) fields: Elements<Field>,
    /// Of the members of the sorted set.
    pub(crate) scores: Elements<Field>,
    /// Where something of the stream is not stable.
    pub(crate) stream: Option<Box<StreamRecord>>,
    /// Once an effect has changed the list.
    pub(crate) list: Option<Box<ListRegisters>>,
    /// Of elements.
    pub(crate) lifetimes: Lifetimes,
    /// Elements of the collection are past their deadline and out of sight.
    pub(crate) hides: bool,
}

/// The registers of one hash field, or of one member of a sorted set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    /// The newest effect that gave it a value, or took it away.
    pub(crate) version: Option<Version>,
    pub(crate) increments: LazyOperations,
}

/// The table's hash, for the maps here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyedHash;

pub(crate) struct KeyedHasher(u64);

impl BuildHasher for KeyedHash {
    type Hasher = KeyedHasher;
    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher(0)
    }
}

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= stdx::hash::hash(bytes);
    }
    fn write_usize(&mut self, length: usize) {
        self.0 = self.0.wrapping_add(length as u64);
    }
}

impl Record {
    /// The record of a key that had none. `entry`: its type, version and deadline where it is there.
    /// `flushed`: the newest flush of the database.
    pub(crate) fn new(entry: Option<(KeyType, Version, Option<u64>)>, flushed: Version) -> Record {
        let clear = entry.map_or(flushed, |(_, version, _)| version);
        Record {
            weighed: 0,
            element_increments: 0,
            newest: clear,
            clear,
            is_at_rest: entry.is_some(),
            restated: None,
            creations: entry
                .map_or_else(Creations::default, |(key_type, version, _)| Creations::One(key_type, version)),
            deadlines: Deadlines::new(clear, entry.and_then(|(_, _, deadline_ms)| deadline_ms)),
            operations: LazyOperations::default(),
            members: Elements::default(),
            fields: Elements::default(),
            scores: Elements::default(),
            stream: None,
            list: None,
            lifetimes: Lifetimes::default(),
            hides: false,
        }
    }

    /// What is left of a key that had none where a clear, newer than all of it, leaves nothing.
    pub(crate) fn tombstone(entry: Option<(KeyType, Version, Option<u64>)>, version: Version) -> Record {
        let clear = Record { newest: version, clear: version, is_at_rest: false, ..Record::new(entry, version) };
        Record { deadlines: Deadlines::new(version, None), ..clear }
    }

    /// Is this the version of a clear that only says anew what the key was?
    pub(crate) fn says_anew(&self, version: Version) -> bool {
        self.restated.is_some() && version == self.clear
    }

    /// Is something known of single parts of what the key is as a `key_type`?
    pub(crate) fn has_registers(&self, key_type: KeyType) -> bool {
        let has_lifetimes = |collection| self.lifetimes.len(collection) > 0;
        match key_type {
            KeyType::String => !self.operations.is_empty(),
            KeyType::Set => !self.members.is_empty() || has_lifetimes(Collection::Set),
            KeyType::Hash => !self.fields.is_empty() || has_lifetimes(Collection::Hash),
            KeyType::SortedSet => !self.scores.is_empty() || has_lifetimes(Collection::SortedSet),
            KeyType::Stream => self.stream.is_some(),
            KeyType::List => self.list.as_ref().is_some_and(|list| !list.is_empty()),
        }
    }

    /// Operations of a type that the key does not have cannot be; a record from elsewhere may still claim so.
    pub(crate) fn keep_operations_of(&mut self, there: Option<KeyType>) {
        let is_claimed = |registers: &Elements<Field>| registers.values().any(|field| !field.increments.is_idle());
        let claimed = || match self {
            Record { operations, .. } if !operations.is_idle() => KeyType::String,
            Record { fields, .. } if is_claimed(fields) => KeyType::Hash,
            _ => KeyType::SortedSet,
        };
        let kept = there.unwrap_or_else(claimed);
        if kept != KeyType::String {
            self.operations.get_mut().into_iter().for_each(Operations::clear);
        }
        for (key_type, registers) in [(KeyType::Hash, &mut self.fields), (KeyType::SortedSet, &mut self.scores)] {
            if kept != key_type {
                registers.values_mut().filter_map(|field| field.increments.get_mut()).for_each(Operations::clear);
            }
        }
    }

    /// The versions of all increments that are kept apart.
    pub(crate) fn increments(&self) -> Vec<Version> {
        let in_fields = self.elements().flat_map(|field| field.increments.iter());
        self.operations.iter().chain(in_fields).map(|operation| operation.version).collect()
    }

    /// Registers with increments on top, of fields and members.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Field> {
        self.fields.values().chain(self.scores.values())
    }

    /// The newest effect that gave an element a value, or took it away, as far as known.
    pub(crate) fn written(&self, collection: Collection, element: &[u8]) -> Option<Version> {
        match collection {
            Collection::Set => self.members.get(element).copied(),
            Collection::Hash => self.fields.get(element)?.version,
            Collection::SortedSet => self.scores.get(element)?.version,
        }
    }

    pub(crate) fn has_deadline(&self) -> bool {
        self.deadlines.current().is_some()
    }

    /// About how many bytes it takes, names of elements not counted.
    fn weight(&self) -> usize {
        const PER_ELEMENT: usize = 64;
        let elements = self.members.len() + self.fields.len() + self.scores.len() + self.lifetimes.total();
        let stream = self.stream.as_ref().map_or(0, |stream| stream.len());
        let list = self.list.as_ref().map_or(0, |list| list.len());
        let deadlines = size_of_val(self.deadlines.writes());
        let fields = (self.fields.len() + self.scores.len()) * size_of::<Field>();
        let operations = (self.operations.len() + self.element_increments) * size_of::<Operation>();
        size_of::<Record>() + (elements + stream + list) * PER_ELEMENT + fields + operations + deadlines
    }

    /// By how many bytes it has grown since it was last weighed: `Recent::note_growth` wants to know.
    pub(crate) fn weigh(&mut self) -> isize {
        let weight = self.weight();
        weight as isize - std::mem::replace(&mut self.weighed, weight) as isize
    }

    /// Drops what nothing can touch any more and everybody knows. True where nothing is left that the
    /// entry itself does not say. `there`: the type of the entry.
    pub(crate) fn stabilize(&mut self, horizon: &Horizon<'_>, there: Option<KeyType>) -> bool {
        // Below a clear that is not stable itself, another may arrive that cancels what it had seen; and
        // what becomes part of a base must be known wherever the base is.
        let clear = horizon.known(self.clear);
        let settle = |operations: &mut Operations, clear: bool| {
            operations.fold(|operation| {
                if operation.action.is_increment() {
                    clear && horizon.settled(operation.version)
                } else {
                    clear && horizon.known(operation.version)
                }
            });
            operations.condense(|operation| clear && horizon.known(operation.version));
            operations.forget_cancelled(|by| horizon.known(by));
        };
        self.operations.get_mut().into_iter().for_each(|operations| settle(operations, clear));
        self.members.forget(|version| horizon.known(*version));
        for registers in [&mut self.fields, &mut self.scores] {
            let is_written = |field: &Field| field.version.is_none_or(|version| horizon.known(version));
            for field in registers.values_mut() {
                let written = is_written(field);
                field.increments.get_mut().into_iter().for_each(|increments| settle(increments, clear && written));
            }
            registers.forget(|field| field.increments.is_empty() && is_written(field));
        }
        self.element_increments = self.elements().map(|field| field.increments.len()).sum();
        self.stream.take_if(|stream| stream.settle(horizon, clear, there != Some(KeyType::Stream)));
        let whole = self.is_known(horizon);
        if let Some(list) = &mut self.list {
            list.settle(|version| horizon.known(version), whole);
        }
        self.is_settled(horizon, there)
    }

    /// Is all known that says what the key is as a whole?
    fn is_known(&self, horizon: &Horizon<'_>) -> bool {
        self.creations.all(|version| horizon.known(version)) && horizon.known(self.clear) && horizon.known(self.newest)
    }

    /// Is nothing left that the entry itself does not say?
    pub(crate) fn is_settled(&self, horizon: &Horizon<'_>, there: Option<KeyType>) -> bool {
        // A deadline without a key lies in wait for the next one.
        let orphan = there.is_none() && self.has_deadline();
        self.is_known(horizon)
            && self.deadlines.is_stable(horizon)
            && KeyType::ALL.into_iter().all(|key_type| !self.has_registers(key_type))
            && !self.hides
            && !orphan
    }
}

/// A record in its place.
pub(crate) struct Remembered {
    hash: u64,
    key: Name,
    /// The stamp with which it stands in the queue.
    queued: Stamp,
    /// While this is all that there is to know.
    brief: Option<Brief>,
    /// What is known at length: once somebody has asked for it.
    record: OnceCell<Box<Record>>,
}

impl Remembered {
    /// The table's, of the key.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// See `Recent::peek`.
    pub(crate) fn peek(&self) -> Cow<'_, Record> {
        match &self.brief {
            Some(brief) if self.record.get().is_none() => Cow::Owned(brief.to_record()),
            _ => Cow::Borrowed(self.record()),
        }
    }

    fn record(&self) -> &Record {
        self.record.get_or_init(|| Box::new(self.brief.as_ref().expect("one of the two is there").to_record()))
    }

    /// To be changed: from then on there is more to know.
    fn record_mut(&mut self) -> &mut Record {
        self.record();
        self.brief = None;
        self.record.get_mut().expect("made if it was not there")
    }
}

/// Records by key, and the order in which they are looked at again. Every `hash` is the table's, of the key.
#[derive(Default)]
pub(crate) struct Recent {
    records: HashTable<Box<Remembered>>,
    /// Hashes of keys: each record once, and some that are gone or were made anew. About ascending: by the newest stamp at the time.
    queue: VecDeque<(Stamp, u64)>,
    /// How many have left the queue.
    popped: u64,
    /// About how much memory all of it takes.
    bytes: usize,
}

impl Recent {
    /// About how many bytes a record of this key takes that remembers no more than a Delete.
    pub(crate) fn tombstone_bytes(key: &[u8]) -> usize {
        const PLACES: usize = 2 * size_of::<Box<Remembered>>() + size_of::<(Stamp, u64)>();
        size_of::<Remembered>() + key.len() + PLACES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn contains(&self, hash: u64, key: &[u8]) -> bool {
        self.records.find(hash, is_of(hash, key)).is_some()
    }

    pub(crate) fn get(&self, hash: u64, key: &[u8]) -> Option<&Record> {
        Some(self.records.find(hash, is_of(hash, key))?.record())
    }

    /// The record of `key`; a new one is looked at when `stamp` is stable.
    pub(crate) fn entry(&mut self, hash: u64, key: &[u8], stamp: Stamp, new: impl FnOnce() -> Record) -> &mut Record {
        let place = match self.records.entry(hash, is_of(hash, key), |remembered| remembered.hash) {
            Entry::Occupied(place) => place,
            Entry::Vacant(place) => {
                self.bytes += Self::tombstone_bytes(key);
                self.queue.push_back((stamp, hash));
                let record = OnceCell::from(Box::new(Record { weighed: 0, ..new() }));
                place.insert(Box::new(Remembered {
                    hash,
                    key: Name::from_slice(key),
                    queued: stamp,
                    brief: None,
                    record,
                }))
            }
        };
        place.into_mut().record_mut()
    }

    /// Remembers a key that has no record.
    pub(crate) fn insert_brief(&mut self, hash: u64, key: &[u8], brief: Brief) {
        debug_assert!(!self.contains(hash, key), "a key has one record");
        let queued = brief.version().stamp;
        self.bytes += Self::tombstone_bytes(key);
        self.queue.push_back((queued, hash));
        let remembered =
            Remembered { hash, key: Name::from_slice(key), queued, brief: Some(brief), record: OnceCell::new() };
        self.records.insert_unique(hash, Box::new(remembered), |remembered| remembered.hash);
    }

    pub(crate) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Record> {
        let (mut remembered, _) = self.records.find_entry(hash, is_of(hash, key)).ok()?.remove();
        self.bytes -= Self::tombstone_bytes(key);
        remembered.record_mut();
        let record = *remembered.record.into_inner()?;
        self.bytes -= record.weighed;
        Some(record)
    }

    /// Forgets what is known of a key if that is brief and stable, and returns it. An error where it is brief, and stays.
    pub(crate) fn settle_brief(&mut self, hash: u64, key: &[u8], horizon: &Horizon<'_>) -> Option<Result<Brief, ()>> {
        let place = self.records.find_entry(hash, is_of(hash, key)).ok()?;
        if !place.get().brief.as_ref()?.is_stable(horizon) {
            return Some(Err(()));
        }
        self.bytes -= Self::tombstone_bytes(key);
        let (remembered, _) = place.remove();
        remembered.brief.map(Ok)
    }

    /// A record grew by so many bytes, as its `weigh` says.
    pub(crate) fn note_growth(&mut self, grown: isize) {
        self.bytes = self.bytes.saturating_add_signed(grown);
    }

    /// About how much memory all of it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is known of a key. Where that is brief, no record is made that stays.
    pub(crate) fn peek(&self, hash: u64, key: &[u8]) -> Option<Cow<'_, Record>> {
        Some(self.records.find(hash, is_of(hash, key))?.peek())
    }

    /// Gives what is remembered of at most `count` keys to `f`, from `position` on (0: the first), and returns where it goes on;
    /// `None` after the last. However records come and go between calls, one that is there throughout is given at least once.
    pub(crate) fn walk(&self, position: u64, count: usize, mut f: impl FnMut(&Remembered)) -> Option<u64> {
        let start = position.saturating_sub(self.popped) as usize;
        let end = self.queue.len().min(start + count);
        for (stamp, hash) in self.queue.range(start.min(end)..end) {
            let of_hash = self.records.iter_hash(*hash);
            let queued = of_hash.filter(|remembered| remembered.hash == *hash && remembered.queued == *stamp);
            queued.for_each(|remembered| f(remembered));
        }
        (end < self.queue.len()).then_some(self.popped + end as u64)
    }

    /// Of which keys there is something to know.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.records.iter().map(|remembered| &*remembered.key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Record)> {
        self.records.iter().map(|remembered| (&*remembered.key, remembered.record()))
    }

    /// The hash of the next record that may have become stable, and in `key` its key; it is to be given to `put_back` or `remove`.
    pub(crate) fn pop_due(&mut self, horizon: &Horizon<'_>, key: &mut Vec<u8>) -> Option<u64> {
        while self.queue.front().is_some_and(|(stamp, _)| *stamp <= horizon.clock) {
            let (queued, hash) = self.queue.pop_front()?;
            self.popped += 1;
            let found = self.records.find(hash, |place| place.hash == hash && place.queued == queued);
            if let Some(remembered) = found {
                key.clear();
                key.extend_from_slice(&remembered.key);
                return Some(hash);
            }
        }
        None
    }

    /// To be looked at again when what is in the record now is stable.
    pub(crate) fn put_back(&mut self, hash: u64, key: &[u8]) {
        if let Some(remembered) = self.records.find_mut(hash, is_of(hash, key)) {
            remembered.queued = match &remembered.brief {
                Some(brief) => brief.version().stamp,
                None => remembered.record().newest.stamp,
            };
            self.queue.push_back((remembered.queued, hash));
        }
    }

    /// Hashes of the next keys that `pop_due` may give.
    pub(crate) fn upcoming(&self, horizon: &Horizon<'_>, count: usize) -> impl Iterator<Item = u64> + Clone {
        let due = self.queue.iter().take_while(move |(stamp, _)| *stamp <= horizon.clock);
        due.take(count).map(|(_, hash)| *hash)
    }

    /// Starts to load records: first where they are, then what belongs to them.
    pub(crate) fn prefetch(&self, hashes: impl Iterator<Item = u64> + Clone) {
        // To look whether it is the right one would mean to wait for it.
        let likely = hashes.filter_map(|hash| self.records.find(hash, |_| true));
        likely.clone().for_each(|remembered| prefetch_whole(&**remembered));
        likely.map(Box::as_ref).for_each(|Remembered { key, record, .. }| {
            stdx::prefetch(key.as_ptr());
            record.get().into_iter().for_each(|record| prefetch_whole(&**record));
        });
    }

    pub(crate) fn queue_len(&self) -> usize {
        self.queue.len()
    }
}

fn prefetch_whole<T>(value: *const T) {
    const LINE: usize = 64;
    (0..size_of::<T>()).step_by(LINE).for_each(|at| stdx::prefetch(value.wrapping_byte_add(at)));
}

fn is_of(hash: u64, key: &[u8]) -> impl Fn(&Box<Remembered>) -> bool {
    move |remembered| remembered.hash == hash && *remembered.key == *key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::OriginIndex;

    fn remember(recent: &mut Recent, number: u64) {
        let version = Version { stamp: Stamp(number), origin: OriginIndex(1) };
        recent.insert_brief(number % 7, &number.to_le_bytes(), Brief::Delete { version, of: None });
    }

    #[test]
    fn a_walk_gives_what_stays_whatever_comes_goes_and_is_looked_at_meanwhile() {
        let mut recent = Recent::default();
        (1..=100).for_each(|number| remember(&mut recent, number));
        let (mut seen, mut next, mut key) = (Vec::new(), Some(0), Vec::new());
        for round in 1.. {
            let Some(position) = next else { break };
            next = recent.walk(position, 7, |remembered| {
                let number = u64::from_le_bytes(remembered.key().try_into().unwrap());
                assert_eq!(remembered.hash(), number % 7);
                seen.push(number);
            });
            let horizon = Horizon { clock: Stamp(round * 3), causal: &[] };
            for turn in 0..3 {
                let Some(hash) = recent.pop_due(&horizon, &mut key) else { break };
                if turn == 0 { drop(recent.remove(hash, &key)) } else { recent.put_back(hash, &key) }
            }
            if round < 10 {
                remember(&mut recent, 1000 + round);
            }
        }
        let stayed: Vec<u64> = recent.keys().map(|key| u64::from_le_bytes(key.try_into().unwrap())).collect();
        assert!(stayed.len() > 80, "{} of 100 and some", stayed.len());
        assert!(stayed.iter().filter(|number| **number <= 100).all(|number| seen.contains(number)));
        assert!(seen.len() < 160, "each once, and again where it was looked at meanwhile: {}", seen.len());
    }

    #[test]
    fn a_look_at_what_is_brief_leaves_it_brief() {
        let mut recent = Recent::default();
        remember(&mut recent, 5);
        let key = 5u64.to_le_bytes();
        assert_eq!(recent.peek(5, &key).unwrap().newest.stamp, Stamp(5));
        let horizon = Horizon { clock: Stamp(9), causal: &[] };
        assert!(recent.settle_brief(5, &key, &horizon).is_some(), "it is brief");
        assert!(recent.records.iter().all(|remembered| remembered.record.get().is_none()));
    }
}
