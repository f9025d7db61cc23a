//! The side table of a shard: what has to be known, beside the entries themselves, about keys that
//! were written in about the last round trip (docs/decisions/0001-convergence.md).

pub(crate) mod stream;

use crate::KeyType;
use crate::deadlines::Deadlines;
use crate::lifetimes::Lifetimes;
use crate::list::ListRegisters;
use crate::merge::operations::{Horizon, LazyOperations, Operation, Operations};
use crate::version::{Origins, Version};
use effect::{Collection, Stamp};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use stream::StreamRecord;

/// The registers of one key. A key without a record is as if it had been Put whole at its version.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The stamp with which it stands in the queue.
    queued: Stamp,
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
    /// By `KeyType`: the newest effect that makes the key one of this type.
    pub(crate) creations: [Version; KeyType::COUNT],
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

pub(crate) type Elements<V> = HashMap<Box<[u8]>, V, KeyedHash>;

/// Drops the registers of which nothing is to be known any more; very many of them, where none stays, elsewhere.
pub(crate) fn forget<V: Send + 'static>(registers: &mut Elements<V>, is_forgotten: impl Fn(&V) -> bool) {
    const MANY: usize = 1000;
    if registers.len() >= MANY && registers.values().all(&is_forgotten) {
        stdx::discard(std::mem::take(registers));
    } else {
        registers.retain(|_, register| !is_forgotten(register));
    }
}

/// Registers of so many elements will come: where none is there yet they get their places at once.
pub(crate) fn reserve<V>(registers: &mut Elements<V>, elements: &(impl Iterator + Clone)) {
    if registers.is_empty() {
        registers.reserve(elements.clone().count());
    }
}

/// The register of an element, which may be new.
pub(crate) fn register_of<'r, V: Default>(registers: &'r mut Elements<V>, element: &[u8]) -> &'r mut V {
    // Most are new, and the name is copied only then.
    if !registers.contains_key(element) {
        return registers.entry(element.into()).or_default();
    }
    registers.get_mut(element).expect("there, as was just seen")
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
        let mut creations = [Version::ZERO; KeyType::COUNT];
        if let Some((key_type, version, _)) = entry {
            creations[key_type as usize] = version;
        }
        Record {
            queued: Stamp::ZERO,
            weighed: 0,
            element_increments: 0,
            newest: clear,
            clear,
            is_at_rest: entry.is_some(),
            creations,
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

    /// The newest creation as any type but `key_type`: what is older is dead for it.
    pub(crate) fn newest_of_others(&self, key_type: KeyType, origins: &Origins) -> Version {
        let others = self.creations.iter().enumerate().filter(|(index, _)| *index != key_type as usize);
        others.fold(Version::ZERO, |newest, (_, version)| origins.newest(newest, *version))
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
        forget(&mut self.members, |version| horizon.known(*version));
        for registers in [&mut self.fields, &mut self.scores] {
            let is_written = |field: &Field| field.version.is_none_or(|version| horizon.known(version));
            for field in registers.values_mut() {
                let written = is_written(field);
                field.increments.get_mut().into_iter().for_each(|increments| settle(increments, clear && written));
            }
            forget(registers, |field| field.increments.is_empty() && is_written(field));
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
        self.creations.iter().chain([&self.clear, &self.newest]).all(|version| horizon.known(*version))
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

/// Records by key, and the order in which they are looked at again.
#[derive(Default)]
pub(crate) struct Recent {
    records: HashMap<Arc<[u8]>, Box<Record>, KeyedHash>,
    /// Each record once, and some that are gone or were made anew. About ascending: by the newest stamp at the time.
    queue: VecDeque<(Stamp, Arc<[u8]>)>,
    /// About how much memory all of it takes.
    bytes: usize,
}

impl Recent {
    /// About how many bytes a record of this key takes that remembers no more than a Delete.
    pub(crate) fn tombstone_bytes(key: &[u8]) -> usize {
        size_of::<Record>() + Self::place_bytes(key)
    }

    /// The same without the record.
    fn place_bytes(key: &[u8]) -> usize {
        const PLACES: usize = 3 * size_of::<(Stamp, Arc<[u8]>)>();
        2 * size_of::<usize>() + key.len() + PLACES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Record> {
        if self.records.is_empty() {
            return None;
        }
        self.records.get(key).map(|record| &**record)
    }

    /// The record of `key`; a new one is looked at when `stamp` is stable.
    pub(crate) fn entry(&mut self, key: &[u8], stamp: Stamp, new: impl FnOnce() -> Record) -> &mut Record {
        if !self.records.contains_key(key) {
            let key: Arc<[u8]> = key.into();
            self.bytes += Self::place_bytes(&key);
            self.queue.push_back((stamp, key.clone()));
            return self.records.entry(key).or_insert_with(|| Box::new(Record { queued: stamp, weighed: 0, ..new() }));
        }
        self.records.get_mut(key).expect("there, as was just seen")
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Box<Record>> {
        let record = self.records.remove(key)?;
        self.bytes -= record.weighed + Self::place_bytes(key);
        Some(record)
    }

    /// A record grew by so many bytes, as its `weigh` says.
    pub(crate) fn note_growth(&mut self, grown: isize) {
        self.bytes = self.bytes.saturating_add_signed(grown);
    }

    /// About how much memory all of it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        self.records.keys()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Record)> {
        self.records.iter().map(|(key, record)| (&**key, &**record))
    }

    /// The key of the next record that may have become stable; it is to be given to `put_back` or `remove`.
    pub(crate) fn pop_due(&mut self, horizon: &Horizon<'_>) -> Option<Arc<[u8]>> {
        while self.queue.front().is_some_and(|(stamp, _)| *stamp <= horizon.clock) {
            let (queued, key) = self.queue.pop_front()?;
            if self.records.get(&key).is_some_and(|record| record.queued == queued) {
                return Some(key);
            }
        }
        None
    }

    /// To be looked at again when what is in the record now is stable.
    pub(crate) fn put_back(&mut self, key: Arc<[u8]>) {
        if let Some(record) = self.records.get_mut(&key) {
            record.queued = record.newest.stamp;
            self.queue.push_back((record.queued, key));
        }
    }

    pub(crate) fn queue_len(&self) -> usize {
        self.queue.len()
    }
}
