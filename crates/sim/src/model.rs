//! The contract, executed literally: the oracle that every simulated history is judged by.
//!
//! It shares nothing with the keyspace but the effects: all records of all origins are sorted by
//! (stamp, origin) and executed one after the other on the collections of the standard library.
//! Slow, simple, and meant to be read beside docs/decisions/0001-convergence.md.

mod list;
mod stream;

pub use stream::Stream;

use crate::clock::EPOCH_MS;
use effect::{Collection, Deadline, Effect, EffectReader, EntryId, Origin, Stamp, VersionVector};
use list::List;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use stdx::LongDouble;
use values::hyperloglog;

/// A record as its origin committed it: effects with consecutive stamps, and all that the origin had
/// applied of the others by then.
pub struct Record {
    pub origin: Origin,
    pub first: Stamp,
    pub context: VersionVector,
    /// Encoded effects.
    pub effects: Vec<u8>,
}

/// The messages in a record.
pub fn messages(record: &Record) -> impl Iterator<Item = String> {
    EffectReader::new(&record.effects).flatten().filter_map(|effect| match effect {
        Effect::Publish { payload, .. } => Some(String::from_utf8_lossy(payload).into_owned()),
        _ => None,
    })
}

/// The entries in a record whose ids its author has chosen: clients name only times before the history.
pub fn chosen_ids(record: &Record) -> impl Iterator<Item = (Vec<u8>, EntryId)> {
    EffectReader::new(&record.effects).flatten().filter_map(|effect| match effect {
        Effect::StreamAdd { key, id, .. } if id >> 64 >= EPOCH_MS.into() => Some((key.to_vec(), id)),
        _ => None,
    })
}

/// What a key holds in the end.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    String(Vec<u8>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    /// Scores as `score_text` gives them.
    SortedSet(BTreeMap<Vec<u8>, Vec<u8>>),
    Stream(Stream),
    List(Vec<Vec<u8>>),
}

/// A score as the model keeps it: text that reads back as the same number.
pub fn score_text(score: f64) -> Vec<u8> {
    format!("{score:?}").into_bytes()
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        match self {
            Value::String(value) => write!(f, "{:?}", text(value)),
            Value::List(elements) => f.debug_list().entries(elements.iter().map(text)).finish(),
            Value::Set(members) => f.debug_set().entries(members.iter().map(text)).finish(),
            Value::Stream(stream) => stream.fmt(f),
            Value::Hash(fields) | Value::SortedSet(fields) => {
                f.debug_map().entries(fields.iter().map(|(field, value)| (text(field), text(value)))).finish()
            }
        }
    }
}

/// Deadlines of elements (milliseconds since the Unix epoch).
pub type Lifetimes = BTreeMap<Vec<u8>, u64>;

/// The final state: (database, key) -> value, deadline, and deadlines of elements.
pub type State = BTreeMap<(u32, Vec<u8>), (Value, Option<u64>, Lifetimes)>;

/// An increment that no clear has cancelled yet, in the order of its stamp.
#[derive(Clone)]
struct Increment {
    origin: Origin,
    stamp: Stamp,
    delta: Delta,
    /// It is part of what a clear has said anew.
    is_restated: bool,
}

impl Increment {
    fn new(origin: Origin, stamp: Stamp, delta: Delta) -> Increment {
        Increment { origin, stamp, delta, is_restated: false }
    }
}

#[derive(Clone)]
enum Delta {
    Integer(i64),
    Float(Vec<u8>),
    Score(f64),
}

/// A clear of this record.
#[derive(Clone, Copy)]
struct Clear<'r> {
    record: &'r Record,
    /// It only says anew what its author had.
    restates: bool,
}

/// A string, a hash field or a score: a value, and the increments in it that a clear may still have to keep.
#[derive(Default, Clone)]
struct Cell {
    value: Option<Vec<u8>>,
    increments: Vec<Increment>,
    /// Those that went to sleep when the key expired: a clear that had not seen them wakes them up. And those that are part of a value
    /// which was said anew: only another clear that says it anew wakes them up.
    asleep: Vec<Increment>,
}

impl Cell {
    /// SET, DEL and their like: `value` replaces what is there; increments that the author of the
    /// clear had not seen stay on top of it.
    fn clear(&mut self, by: Clear<'_>, value: Option<Vec<u8>>) {
        self.increments.append(&mut self.asleep);
        self.increments.sort_by_key(|increment| (increment.stamp, increment.origin));
        let (mut seen, unseen): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.increments).into_iter().partition(|increment| {
                increment.origin == by.record.origin || by.record.context.covers(increment.origin, increment.stamp)
            });
        if by.restates {
            seen.iter_mut().for_each(|increment| increment.is_restated = true);
            (self.asleep, self.increments) = (seen, unseen);
        } else {
            (self.asleep, self.increments) = unseen.into_iter().partition(|increment| increment.is_restated);
        }
        self.value = value;
        for increment in &self.increments {
            add(&mut self.value, &increment.delta);
        }
    }

    fn expire(&mut self) {
        self.value = None;
        self.asleep.append(&mut self.increments);
    }

    fn increment(&mut self, increment: Increment) {
        add(&mut self.value, &increment.delta);
        self.increments.push(increment);
    }
}

/// One addition; what a server would refuse (not a number, overflow) changes nothing.
fn add(value: &mut Option<Vec<u8>>, delta: &Delta) {
    let current = value.as_deref().unwrap_or(b"0");
    let sum = match delta {
        Delta::Integer(delta) => stdx::parse_i64(current)
            .and_then(|current| current.checked_add(*delta))
            .map(|sum| sum.to_string().into_bytes()),
        Delta::Float(delta) => LongDouble::parse(current)
            .zip(LongDouble::parse(delta))
            .and_then(|(current, delta)| current.checked_add(delta))
            .map(|sum| sum.to_string().into_bytes()),
        Delta::Score(delta) => std::str::from_utf8(current)
            .ok()
            .and_then(|current| current.parse::<f64>().ok())
            .map(|current| current + delta)
            .filter(|sum| !sum.is_nan())
            .map(score_text),
    };
    if let Some(sum) = sum {
        *value = Some(sum);
    }
}

enum Content {
    String(Cell),
    Set(BTreeSet<Vec<u8>>),
    /// A deleted field stays as a cell without a value: increments that its deletion had not seen live on.
    Hash(BTreeMap<Vec<u8>, Cell>),
    /// The same for members.
    SortedSet(BTreeMap<Vec<u8>, Cell>),
    Stream(Stream),
    List(List),
}

/// A key of the model. The deadline is a register of its own: EXPIRE writes it whether or not the key
/// has a value at that moment.
#[derive(Default)]
struct Key {
    content: Option<Content>,
    deadline_ms: Option<u64>,
    /// The greatest id that was deleted in this life of the key while there was no stream.
    deleted_id: EntryId,
    /// Such registers for elements, by collection: written whether or not there is the element.
    lifetimes: BTreeMap<u8, Lifetimes>,
}

impl Key {
    fn set_lifetime(&mut self, collection: Collection, element: &[u8], deadline_ms: Option<u64>) {
        let lifetimes = self.lifetimes.entry(collection as u8).or_default();
        match deadline_ms {
            Some(deadline_ms) => lifetimes.insert(element.to_vec(), deadline_ms),
            None => lifetimes.remove(element),
        };
    }

    /// The key is of this kind now, so elements of other kinds are over.
    fn keep_lifetimes_of(&mut self, collection: Option<Collection>) {
        self.lifetimes.retain(|kind, _| collection.is_some_and(|collection| collection as u8 == *kind));
    }

    /// The string at this key; a value of another type gives way whole.
    fn string(&mut self) -> &mut Cell {
        self.deleted_id = 0;
        self.keep_lifetimes_of(None);
        if !matches!(self.content, Some(Content::String(_))) {
            self.content = Some(Content::String(Cell::default()));
        }
        match &mut self.content {
            Some(Content::String(cell)) => cell,
            _ => unreachable!(),
        }
    }

    fn set(&mut self) -> &mut BTreeSet<Vec<u8>> {
        self.deleted_id = 0;
        self.keep_lifetimes_of(Some(Collection::Set));
        if !matches!(self.content, Some(Content::Set(_))) {
            self.content = Some(Content::Set(BTreeSet::new()));
        }
        match &mut self.content {
            Some(Content::Set(set)) => set,
            _ => unreachable!(),
        }
    }

    fn hash(&mut self) -> &mut BTreeMap<Vec<u8>, Cell> {
        self.deleted_id = 0;
        self.keep_lifetimes_of(Some(Collection::Hash));
        if !matches!(self.content, Some(Content::Hash(_))) {
            self.content = Some(Content::Hash(BTreeMap::new()));
        }
        match &mut self.content {
            Some(Content::Hash(hash)) => hash,
            _ => unreachable!(),
        }
    }

    fn sorted_set(&mut self) -> &mut BTreeMap<Vec<u8>, Cell> {
        self.deleted_id = 0;
        self.keep_lifetimes_of(Some(Collection::SortedSet));
        if !matches!(self.content, Some(Content::SortedSet(_))) {
            self.content = Some(Content::SortedSet(BTreeMap::new()));
        }
        match &mut self.content {
            Some(Content::SortedSet(scores)) => scores,
            _ => unreachable!(),
        }
    }

    fn stream(&mut self) -> &mut Stream {
        if !matches!(self.content, Some(Content::Stream(_))) {
            self.content = Some(Content::Stream(Stream::new(std::mem::take(&mut self.deleted_id))));
        }
        match &mut self.content {
            Some(Content::Stream(stream)) => stream,
            _ => unreachable!(),
        }
    }

    fn list(&mut self) -> &mut List {
        self.deleted_id = 0;
        self.keep_lifetimes_of(None);
        if !matches!(self.content, Some(Content::List(_))) {
            self.content = Some(Content::List(List::default()));
        }
        match &mut self.content {
            Some(Content::List(list)) => list,
            _ => unreachable!(),
        }
    }

    /// Removes the key's value, but for increments that the author had not seen.
    fn clear(&mut self, by: Clear<'_>) {
        self.deleted_id = 0;
        self.lifetimes.clear();
        match &mut self.content {
            Some(Content::String(cell)) => cell.clear(by, None),
            Some(Content::Hash(fields) | Content::SortedSet(fields)) => {
                fields.values_mut().for_each(|cell| cell.clear(by, None));
            }
            Some(Content::Set(_) | Content::List(_) | Content::Stream(_)) | None => self.content = None,
        }
    }

    fn put(&mut self, by: Clear<'_>, stamp: Stamp, (value, lifetimes): (Value, Lifetimes)) {
        self.lifetimes.clear();
        match value {
            Value::List(elements) => *self.list() = List::new(elements, by.record.origin, stamp),
            Value::String(value) => self.string().clear(by, Some(value)),
            Value::Set(members) => *self.set() = members,
            Value::Stream(stream) => {
                self.deleted_id = 0;
                *self.stream() = stream;
            }
            Value::Hash(fields) => {
                self.clear(by);
                let cells = self.hash();
                for (field, value) in fields {
                    cells.entry(field).or_default().clear(by, Some(value));
                }
            }
            Value::SortedSet(scores) => {
                self.clear(by);
                let cells = self.sorted_set();
                for (member, score) in scores {
                    cells.entry(member).or_default().clear(by, Some(score));
                }
            }
        }
        if let Some(collection) = self.collection().filter(|_| !lifetimes.is_empty()) {
            self.lifetimes.insert(collection as u8, lifetimes);
        }
    }

    fn collection(&self) -> Option<Collection> {
        match self.content {
            Some(Content::Set(_)) => Some(Collection::Set),
            Some(Content::Hash(_)) => Some(Collection::Hash),
            Some(Content::SortedSet(_)) => Some(Collection::SortedSet),
            Some(Content::String(_) | Content::List(_) | Content::Stream(_)) | None => None,
        }
    }

    fn execute_on_stream(&mut self, effect: &Effect<'_>) {
        if stream::creates(effect) {
            self.keep_lifetimes_of(None);
        }
        match (&mut self.content, effect) {
            (Some(Content::Stream(stream)), _) => stream.execute(effect),
            _ if stream::creates(effect) => self.stream().execute(effect),
            (_, Effect::StreamDelete { max_deleted_id, .. }) => self.deleted_id = self.deleted_id.max(*max_deleted_id),
            _ => assert!(stream::concerns(effect)),
        }
    }

    /// Time has come to `stamp`: a key past its deadline begins a new life.
    fn expire(&mut self, stamp: Stamp) {
        if self.deadline_ms.is_some_and(|deadline_ms| Stamp::from_ms(deadline_ms) <= stamp) {
            self.deleted_id = 0;
            match &mut self.content {
                Some(Content::String(cell)) => cell.expire(),
                Some(Content::Hash(fields) | Content::SortedSet(fields)) => {
                    fields.values_mut().for_each(Cell::expire);
                }
                Some(Content::Set(_) | Content::List(_) | Content::Stream(_)) | None => self.content = None,
            }
            self.deadline_ms = None;
            self.lifetimes.clear();
        }
        let this_kind = self.collection().map(|collection| collection as u8);
        for (kind, lifetimes) in &mut self.lifetimes {
            let mut due = Vec::new();
            lifetimes.retain(|element, deadline_ms| {
                let is_due = Stamp::from_ms(*deadline_ms) <= stamp;
                due.extend(is_due.then(|| element.clone()));
                !is_due
            });
            match &mut self.content {
                _ if Some(*kind) != this_kind => {}
                Some(Content::Set(set)) => set.retain(|member| !due.contains(member)),
                Some(Content::Hash(fields) | Content::SortedSet(fields)) => {
                    fields.iter_mut().filter(|(field, _)| due.contains(field)).for_each(|(_, cell)| cell.expire());
                }
                _ => {}
            }
        }
    }

    /// Of the elements that are there.
    fn take_lifetimes(&mut self) -> Lifetimes {
        let Some(collection) = self.collection() else { return Lifetimes::new() };
        let mut lifetimes = self.lifetimes.remove(&(collection as u8)).unwrap_or_default();
        lifetimes.retain(|element, _| match &self.content {
            Some(Content::Set(set)) => set.contains(element),
            Some(Content::Hash(fields) | Content::SortedSet(fields)) => {
                fields.get(element).is_some_and(|cell| cell.value.is_some())
            }
            Some(Content::String(_) | Content::List(_) | Content::Stream(_)) | None => false,
        });
        lifetimes
    }

    fn into_value(self) -> Option<Value> {
        match self.content? {
            Content::String(cell) => cell.value.map(Value::String),
            Content::Set(set) => (!set.is_empty()).then_some(Value::Set(set)),
            Content::List(list) => Some(list.into_values()).filter(|values| !values.is_empty()).map(Value::List),
            Content::Hash(fields) => values(fields).map(Value::Hash),
            Content::SortedSet(scores) => values(scores).map(Value::SortedSet),
            Content::Stream(stream) => Some(Value::Stream(stream)),
        }
    }
}

/// What the cells hold; `None` where that is nothing.
fn values(cells: BTreeMap<Vec<u8>, Cell>) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let values: BTreeMap<_, _> = cells.into_iter().filter_map(|(name, cell)| Some((name, cell.value?))).collect();
    (!values.is_empty()).then_some(values)
}

/// Executes all records in (stamp, origin) order. Keys whose deadline is at or before `now_ms` are gone.
pub fn execute(records: &[Record], now_ms: u64, decode: impl Fn(&[u8]) -> (Value, Lifetimes)) -> State {
    let mut effects = Vec::new();
    for record in records {
        let (mut db, mut stamp, mut restates) = (0, record.first, false);
        for effect in effect::EffectReader::new(&record.effects) {
            match effect.expect("written by a node") {
                Effect::Select { db: selected } => db = selected,
                effect => {
                    effects.push((stamp, record.origin, db, effect, Clear { record, restates }));
                    stamp = stamp.plus(1);
                    restates = matches!(effect, Effect::Restate { .. });
                }
            }
        }
    }
    effects.sort_by_key(|(stamp, origin, ..)| (*stamp, *origin));
    let mut keys: BTreeMap<(u32, Vec<u8>), Key> = BTreeMap::new();
    for (stamp, origin, db, effect, by) in effects {
        let key = |key: &[u8]| (db, key.to_vec());
        for key in keys.values_mut() {
            key.expire(stamp);
        }
        match effect {
            Effect::Select { .. } => unreachable!("resolved above"),
            Effect::Publish { .. } | Effect::Restate { .. } => {}
            Effect::FlushDb | Effect::FlushAll => {
                for ((key_db, _), key) in &mut keys {
                    if matches!(effect, Effect::FlushAll) || *key_db == db {
                        key.clear(by);
                        key.deadline_ms = None;
                    }
                }
            }
            Effect::Delete { key: name } => {
                let key = keys.entry(key(name)).or_default();
                key.clear(by);
                key.deadline_ms = None;
            }
            Effect::ExpireMembers { key: name, collection, members, deadline_ms } => {
                let key = keys.entry(key(name)).or_default();
                members.iter().for_each(|member| key.set_lifetime(collection, member, deadline_ms));
            }
            Effect::Expire { key: name, deadline_ms } => keys.entry(key(name)).or_default().deadline_ms = deadline_ms,
            Effect::Put { key: name, value, deadline_ms } => {
                let key = keys.entry(key(name)).or_default();
                key.put(by, stamp, decode(value));
                key.deadline_ms = deadline_ms;
            }
            Effect::Set { key: name, value, deadline } => {
                let key = keys.entry(key(name)).or_default();
                key.string().clear(by, Some(value.to_vec()));
                match deadline {
                    Deadline::Clear => key.deadline_ms = None,
                    Deadline::Keep => {}
                    Deadline::At(ms) => key.deadline_ms = Some(ms),
                }
            }
            Effect::Increment { key: name, delta } => keys
                .entry(key(name))
                .or_default()
                .string()
                .increment(Increment::new(origin, stamp, Delta::Integer(delta))),
            Effect::IncrementFloat { key: name, delta } => keys
                .entry(key(name))
                .or_default()
                .string()
                .increment(Increment::new(origin, stamp, Delta::Float(delta.to_vec()))),
            Effect::Append { key: name, bytes } => {
                let cell = keys.entry(key(name)).or_default().string();
                cell.value.get_or_insert_default().extend_from_slice(bytes);
            }
            Effect::SetRange { key: name, offset, bytes } => {
                let value = keys.entry(key(name)).or_default().string().value.get_or_insert_default();
                patch(value, offset as usize, bytes);
            }
            Effect::SetBits { key: name, bit_offset, width, value: bits } => {
                let value = keys.entry(key(name)).or_default().string().value.get_or_insert_default();
                for index in 0..u64::from(width) {
                    let (byte, mask) = ((bit_offset + index) / 8, 0x80u8 >> ((bit_offset + index) % 8));
                    if value.len() <= byte as usize {
                        value.resize(byte as usize + 1, 0);
                    }
                    if bits >> (u64::from(width) - 1 - index) & 1 == 1 {
                        value[byte as usize] |= mask;
                    } else {
                        value[byte as usize] &= !mask;
                    }
                }
            }
            Effect::RaiseRegisters { key: name, sparse_max, registers } => {
                let value = &mut keys.entry(key(name)).or_default().string().value;
                let mut bytes = value.clone().unwrap_or_else(hyperloglog::empty);
                let raised = hyperloglog::decode_raised(registers);
                if hyperloglog::raise(&mut bytes, raised, sparse_max as usize).is_ok() {
                    *value = Some(bytes);
                }
            }
            Effect::SetAdd { key: name, members } => {
                let key = keys.entry(key(name)).or_default();
                key.set().extend(members.iter().map(<[u8]>::to_vec));
                members.iter().for_each(|member| key.set_lifetime(Collection::Set, member, None));
            }
            Effect::SetRemove { key: name, members } => {
                let entry = keys.entry(key(name)).or_default();
                members.iter().for_each(|member| entry.set_lifetime(Collection::Set, member, None));
                if let Some(Content::Set(set)) = &mut keys.entry(key(name)).or_default().content {
                    members.iter().for_each(|member| {
                        set.remove(member);
                    });
                }
            }
            Effect::HashSet { key: name, pairs } => {
                let key = keys.entry(key(name)).or_default();
                for (field, value) in pairs.pairs() {
                    key.hash().entry(field.to_vec()).or_default().clear(by, Some(value.to_vec()));
                    key.set_lifetime(Collection::Hash, field, None);
                }
            }
            Effect::HashDelete { key: name, fields } => {
                let entry = keys.entry(key(name)).or_default();
                fields.iter().for_each(|field| entry.set_lifetime(Collection::Hash, field, None));
                if let Some(Content::Hash(hash)) = &mut keys.entry(key(name)).or_default().content {
                    for field in fields.iter() {
                        hash.entry(field.to_vec()).or_default().clear(by, None);
                    }
                }
            }
            Effect::HashIncrement { key: name, field, delta } => {
                let cell = keys.entry(key(name)).or_default().hash().entry(field.to_vec()).or_default();
                cell.increment(Increment::new(origin, stamp, Delta::Integer(delta)));
            }
            Effect::HashIncrementFloat { key: name, field, delta } => {
                let cell = keys.entry(key(name)).or_default().hash().entry(field.to_vec()).or_default();
                cell.increment(Increment::new(origin, stamp, Delta::Float(delta.to_vec())));
            }
            Effect::ListPush { key: name, end, elements } => {
                keys.entry(key(name)).or_default().list().push(end, &elements, origin, stamp);
            }
            Effect::ListInsert { key: name, anchor, toward, element } => {
                keys.entry(key(name)).or_default().list().insert(&anchor, toward, element, origin, stamp);
            }
            Effect::ListRemove { key: name, elements } => {
                if let Some(Content::List(list)) = &mut keys.entry(key(name)).or_default().content {
                    list.remove(&elements, origin);
                }
            }
            Effect::ListSet { key: name, element, value } => {
                if let Some(Content::List(list)) = &mut keys.entry(key(name)).or_default().content {
                    list.set(&element, value, origin);
                }
            }
            Effect::SortedSetAdd { key: name, pairs } => {
                let key = keys.entry(key(name)).or_default();
                for (member, score) in pairs.iter() {
                    key.sorted_set().entry(member.to_vec()).or_default().clear(by, Some(score_text(score)));
                    key.set_lifetime(Collection::SortedSet, member, None);
                }
            }
            Effect::SortedSetRemove { key: name, members } => {
                let entry = keys.entry(key(name)).or_default();
                members.iter().for_each(|member| entry.set_lifetime(Collection::SortedSet, member, None));
                if let Some(Content::SortedSet(scores)) = &mut keys.entry(key(name)).or_default().content {
                    for member in members.iter() {
                        scores.entry(member.to_vec()).or_default().clear(by, None);
                    }
                }
            }
            Effect::SortedSetIncrement { key: name, member, delta } => {
                let cell = keys.entry(key(name)).or_default().sorted_set().entry(member.to_vec()).or_default();
                cell.increment(Increment::new(origin, stamp, Delta::Score(delta)));
            }
            ref effect => {
                let Some(name) = effect.key() else { unreachable!("resolved above") };
                keys.entry(key(name)).or_default().execute_on_stream(effect);
            }
        }
    }
    keys.into_iter()
        .filter_map(|(name, mut key)| {
            key.expire(Stamp::from_ms(now_ms));
            let (deadline_ms, lifetimes) = (key.deadline_ms, key.take_lifetimes());
            Some((name, (key.into_value()?, deadline_ms, lifetimes)))
        })
        .collect()
}

/// The effects on one key in the order of the contract, a line each: what a failing history shows.
pub fn tale(records: &[Record], db: u32, key: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for record in records {
        let (mut selected, mut stamp) = (0, record.first);
        for effect in effect::EffectReader::new(&record.effects).flatten() {
            if let Effect::Select { db } = effect {
                selected = db;
                continue;
            }
            let flushes = matches!(effect, Effect::FlushAll) || (matches!(effect, Effect::FlushDb) && selected == db);
            if flushes || (selected == db && effect.key() == Some(key)) {
                let context: Vec<_> = record.context.iter().collect();
                lines.push((
                    stamp,
                    record.origin,
                    format!("{stamp:?} {:?} {effect:?} had seen {context:?}", record.origin),
                ));
            }
            stamp = stamp.plus(1);
        }
    }
    lines.sort();
    lines.into_iter().map(|(.., line)| line).collect()
}

/// Overwrites `value` at `offset`, zero-padded.
fn patch(value: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if value.len() < offset + bytes.len() {
        value.resize(offset + bytes.len(), 0);
    }
    value[offset..offset + bytes.len()].copy_from_slice(bytes);
}
