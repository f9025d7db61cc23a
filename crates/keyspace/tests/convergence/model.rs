//! The contract, executed literally on the collections of the standard library: all effects of all
//! origins in (stamp, origin) order, one after the other. Shares only the effects with the keyspace.

#[path = "../../../sim/src/model/list.rs"]
mod list;
#[path = "../../../sim/src/model/stream.rs"]
mod stream;

use effect::{Collection, Deadline, Effect, EffectReader, EntryId, Origin, Stamp, VersionVector};
use keyspace::Decoded;
use list::List;
use std::collections::{BTreeMap, BTreeSet};
use stdx::LongDouble;
pub use stream::Stream;
use values::hyperloglog;

/// What an origin committed, and all that it had seen by then.
#[derive(Clone, Debug)]
pub struct Record {
    pub origin: Origin,
    pub first: Stamp,
    pub count: u64,
    pub context: VersionVector,
    pub effects: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    String(Vec<u8>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    /// Scores as text.
    SortedSet(BTreeMap<Vec<u8>, Vec<u8>>),
    Stream(Stream),
    List(Vec<Vec<u8>>),
}

/// Value, deadline of the key, deadlines of elements.
pub type State = BTreeMap<(u32, Vec<u8>), (Value, Option<u64>, BTreeMap<Vec<u8>, u64>)>;

#[derive(Clone)]
struct Increment {
    origin: Origin,
    stamp: Stamp,
    delta: Delta,
}

#[derive(Clone)]
enum Delta {
    Integer(i64),
    Float(Vec<u8>),
    Score(f64),
}

/// The text of a score, which reads back as the same number.
pub fn score_text(score: f64) -> Vec<u8> {
    format!("{score:?}").into_bytes()
}

fn score_of(text: &[u8]) -> f64 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// A string, a field or a score: its value, the increments in it that a clear may have to keep, and those that
/// went to sleep with an expiry.
#[derive(Default)]
struct Cell {
    value: Option<Vec<u8>>,
    increments: Vec<Increment>,
    asleep: Vec<Increment>,
}

impl Cell {
    fn clear(&mut self, author: &Record, value: Option<Vec<u8>>) {
        self.value = value;
        let mut increments = std::mem::take(&mut self.asleep);
        increments.append(&mut self.increments);
        for increment in increments {
            if increment.origin != author.origin && !author.context.covers(increment.origin, increment.stamp) {
                self.increment(increment);
            }
        }
    }

    fn expire(&mut self) {
        self.value = None;
        self.asleep.append(&mut self.increments);
    }

    fn increment(&mut self, increment: Increment) {
        let current = self.value.as_deref().unwrap_or(b"0");
        let sum = match &increment.delta {
            Delta::Integer(delta) => {
                stdx::parse_i64(current).and_then(|n| n.checked_add(*delta)).map(|n| n.to_string())
            }
            Delta::Float(delta) => LongDouble::parse(current)
                .and_then(|n| n.checked_add(LongDouble::parse(delta).unwrap()))
                .map(|n| n.to_string()),
            Delta::Score(delta) => {
                Some(score_of(current) + delta).filter(|sum| !sum.is_nan()).map(|sum| format!("{sum:?}"))
            }
        };
        if let Some(sum) = sum {
            self.value = Some(sum.into_bytes());
        }
        self.increments.push(increment);
    }
}

#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    String(Cell),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Cell>),
    SortedSet(BTreeMap<Vec<u8>, Cell>),
    Stream(Stream),
    List(List),
}

#[derive(Default)]
struct Key {
    content: Content,
    deadline_ms: Option<u64>,
    /// The greatest id that was deleted in this life of the key while there was no stream.
    deleted_id: EntryId,
    /// By collection: deadlines of elements, whether or not they are there.
    lifetimes: BTreeMap<u8, BTreeMap<Vec<u8>, u64>>,
}

impl Key {
    fn lifetimes(&mut self, collection: Collection) -> &mut BTreeMap<Vec<u8>, u64> {
        self.lifetimes.entry(collection as u8).or_default()
    }

    fn set_lifetime(&mut self, collection: Collection, member: &[u8], deadline_ms: Option<u64>) {
        match deadline_ms {
            Some(deadline_ms) => self.lifetimes(collection).insert(member.to_vec(), deadline_ms),
            None => self.lifetimes(collection).remove(member),
        };
    }

    /// An effect of this kind: whatever other kinds had is over.
    fn forget_other_lifetimes(&mut self, collection: Option<Collection>) {
        self.lifetimes.retain(|kind, _| collection.is_some_and(|collection| collection as u8 == *kind));
    }

    fn string(&mut self) -> &mut Cell {
        self.deleted_id = 0;
        self.forget_other_lifetimes(None);
        if !matches!(self.content, Content::String(_)) {
            self.content = Content::String(Cell::default());
        }
        let Content::String(cell) = &mut self.content else { unreachable!() };
        cell
    }

    fn set(&mut self) -> &mut BTreeSet<Vec<u8>> {
        self.deleted_id = 0;
        self.forget_other_lifetimes(Some(Collection::Set));
        if !matches!(self.content, Content::Set(_)) {
            self.content = Content::Set(BTreeSet::new());
        }
        let Content::Set(set) = &mut self.content else { unreachable!() };
        set
    }

    fn hash(&mut self) -> &mut BTreeMap<Vec<u8>, Cell> {
        self.deleted_id = 0;
        self.forget_other_lifetimes(Some(Collection::Hash));
        if !matches!(self.content, Content::Hash(_)) {
            self.content = Content::Hash(BTreeMap::new());
        }
        let Content::Hash(hash) = &mut self.content else { unreachable!() };
        hash
    }

    fn sorted_set(&mut self) -> &mut BTreeMap<Vec<u8>, Cell> {
        self.deleted_id = 0;
        self.forget_other_lifetimes(Some(Collection::SortedSet));
        if !matches!(self.content, Content::SortedSet(_)) {
            self.content = Content::SortedSet(BTreeMap::new());
        }
        let Content::SortedSet(scores) = &mut self.content else { unreachable!() };
        scores
    }

    fn list(&mut self) -> &mut List {
        self.deleted_id = 0;
        self.forget_other_lifetimes(None);
        if !matches!(self.content, Content::List(_)) {
            self.content = Content::List(List::default());
        }
        let Content::List(list) = &mut self.content else { unreachable!() };
        list
    }

    fn stream(&mut self) -> &mut Stream {
        self.forget_other_lifetimes(None);
        if !matches!(self.content, Content::Stream(_)) {
            self.content = Content::Stream(Stream::new(std::mem::take(&mut self.deleted_id)));
        }
        let Content::Stream(stream) = &mut self.content else { unreachable!() };
        stream
    }

    fn clear(&mut self, author: &Record) {
        self.deleted_id = 0;
        match &mut self.content {
            Content::String(cell) => cell.clear(author, None),
            Content::Hash(fields) | Content::SortedSet(fields) => {
                fields.values_mut().for_each(|cell| cell.clear(author, None))
            }
            Content::Set(_) | Content::List(_) | Content::Stream(_) | Content::Nothing => {
                self.content = Content::Nothing;
            }
        }
        self.deadline_ms = None;
        self.lifetimes.clear();
    }

    fn pass_time(&mut self, stamp: Stamp) {
        if self.deadline_ms.is_some_and(|deadline_ms| Stamp::from_ms(deadline_ms) <= stamp) {
            self.deleted_id = 0;
            match &mut self.content {
                Content::String(cell) => cell.expire(),
                Content::Hash(fields) | Content::SortedSet(fields) => fields.values_mut().for_each(Cell::expire),
                Content::Set(_) | Content::List(_) | Content::Stream(_) | Content::Nothing => {
                    self.content = Content::Nothing;
                }
            }
            self.deadline_ms = None;
            self.lifetimes.clear();
        }
        let this_kind = match self.content {
            Content::SortedSet(_) => Collection::SortedSet as u8,
            _ => Collection::Hash as u8,
        };
        for (kind, lifetimes) in &mut self.lifetimes {
            let mut due = Vec::new();
            lifetimes.retain(|member, deadline_ms| {
                let is_due = Stamp::from_ms(*deadline_ms) <= stamp;
                due.extend(is_due.then(|| member.clone()));
                !is_due
            });
            match &mut self.content {
                Content::Set(set) if *kind == Collection::Set as u8 => set.retain(|member| !due.contains(member)),
                Content::Hash(fields) | Content::SortedSet(fields) if *kind == this_kind => {
                    fields.iter_mut().filter(|(name, _)| due.contains(name)).for_each(|(_, cell)| cell.expire());
                }
                _ => {}
            }
        }
    }

    fn put(&mut self, author: &Record, stamp: Stamp, value: &[u8]) {
        self.lifetimes.clear();
        match keyspace::decode(value).unwrap() {
            Decoded::String(bytes) | Decoded::Verbatim { bytes, .. } => {
                self.string().clear(author, Some(bytes.to_vec()))
            }
            Decoded::Set(members) => *self.set() = members.iter().map(<[u8]>::to_vec).collect(),
            Decoded::Hash(pairs) => {
                let hash = self.hash();
                hash.values_mut().for_each(|cell| cell.clear(author, None));
                for (field, value) in pairs.pairs() {
                    // On top of it what has survived: `clear` a second time would be the same.
                    hash.entry(field.to_vec()).or_default().clear(author, Some(value.to_vec()));
                }
            }
            Decoded::SortedSet(pairs) => {
                let scores = self.sorted_set();
                scores.values_mut().for_each(|cell| cell.clear(author, None));
                for (member, score) in pairs.iter() {
                    scores.entry(member.to_vec()).or_default().clear(author, Some(score_text(score)));
                }
            }
            Decoded::List(elements) => {
                let values = elements.iter().map(<[u8]>::to_vec).collect();
                self.content = Content::List(List::new(values, author.origin, stamp));
            }
            Decoded::Stream(stream) => {
                self.deleted_id = 0;
                self.content = Content::Stream(Stream::decode(&stream));
            }
            Decoded::ExpiringSet(members) => {
                *self.set() = members.iter().map(|(member, _)| member.to_vec()).collect();
                for (member, deadline_ms) in members {
                    self.set_lifetime(Collection::Set, member, deadline_ms);
                }
            }
            Decoded::ExpiringSortedSet(members) => {
                self.sorted_set().values_mut().for_each(|cell| cell.clear(author, None));
                for (member, score, deadline_ms) in members {
                    self.sorted_set().entry(member.to_vec()).or_default().clear(author, Some(score_text(score)));
                    self.set_lifetime(Collection::SortedSet, member, deadline_ms);
                }
            }
            Decoded::ExpiringHash(fields) => {
                self.hash().values_mut().for_each(|cell| cell.clear(author, None));
                for (field, value, deadline_ms) in fields {
                    self.hash().entry(field.to_vec()).or_default().clear(author, Some(value.to_vec()));
                    self.set_lifetime(Collection::Hash, field, deadline_ms);
                }
            }
        }
    }

    fn value(self) -> Option<Value> {
        match self.content {
            Content::Nothing => None,
            Content::String(cell) => cell.value.map(Value::String),
            Content::Set(set) => (!set.is_empty()).then_some(Value::Set(set)),
            Content::Hash(fields) => values(fields).map(Value::Hash),
            Content::SortedSet(scores) => values(scores).map(Value::SortedSet),
            Content::List(list) => Some(list.into_values()).filter(|values| !values.is_empty()).map(Value::List),
            Content::Stream(stream) => Some(Value::Stream(stream)),
        }
    }
}

fn values(cells: BTreeMap<Vec<u8>, Cell>) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let values: BTreeMap<_, _> = cells.into_iter().filter_map(|(name, cell)| Some((name, cell.value?))).collect();
    (!values.is_empty()).then_some(values)
}

/// The state that a single server reaches. What is past its deadline at `now_ms` is gone.
pub fn execute(records: &[Record], now_ms: u64) -> State {
    let mut effects = Vec::new();
    for record in records {
        let (mut db, mut stamp) = (0, record.first);
        for effect in EffectReader::new(&record.effects).map(Result::unwrap) {
            match effect {
                Effect::Select { db: selected } => db = selected,
                effect => {
                    effects.push((stamp, record.origin, db, effect, record));
                    stamp = stamp.plus(1);
                }
            }
        }
        assert_eq!(stamp, record.first.plus(record.count));
    }
    effects.sort_by_key(|(stamp, origin, ..)| (*stamp, *origin));
    let mut keys: Keys = BTreeMap::new();
    for (stamp, origin, db, effect, record) in effects {
        keys.values_mut().for_each(|key| key.pass_time(stamp));
        execute_one(&mut keys, db, &effect, (stamp, record), |delta| Increment { origin, stamp, delta });
    }
    keys.values_mut().for_each(|key| key.pass_time(Stamp::from_ms(now_ms)));
    keys.into_iter()
        .filter_map(|(name, mut key)| {
            let deadline_ms = key.deadline_ms;
            let mut lifetimes = std::mem::take(&mut key.lifetimes);
            let value = key.value()?;
            let mut of_elements = BTreeMap::new();
            match &value {
                Value::Set(set) => {
                    of_elements.append(lifetimes.entry(Collection::Set as u8).or_default());
                    of_elements.retain(|member, _| set.contains(member));
                }
                Value::Hash(fields) => {
                    of_elements.append(lifetimes.entry(Collection::Hash as u8).or_default());
                    of_elements.retain(|field, _| fields.contains_key(field));
                }
                Value::SortedSet(scores) => {
                    of_elements.append(lifetimes.entry(Collection::SortedSet as u8).or_default());
                    of_elements.retain(|member, _| scores.contains_key(member));
                }
                Value::String(_) | Value::List(_) | Value::Stream(_) => {}
            }
            Some((name, (value, deadline_ms, of_elements)))
        })
        .collect()
}

type Keys = BTreeMap<(u32, Vec<u8>), Key>;

fn at<'k>(keys: &'k mut Keys, db: u32, name: &[u8]) -> &'k mut Key {
    keys.entry((db, name.to_vec())).or_default()
}

fn execute_one(
    keys: &mut Keys,
    db: u32,
    effect: &Effect<'_>,
    (stamp, author): (Stamp, &Record),
    increment: impl Fn(Delta) -> Increment,
) {
    match *effect {
        Effect::Select { .. } | Effect::Publish { .. } => unreachable!(),
        Effect::FlushDb => keys.iter_mut().filter(|((of, _), _)| *of == db).for_each(|(_, key)| key.clear(author)),
        Effect::FlushAll => keys.values_mut().for_each(|key| key.clear(author)),
        Effect::Delete { key } => at(keys, db, key).clear(author),
        Effect::Expire { key, deadline_ms } => at(keys, db, key).deadline_ms = deadline_ms,
        Effect::Put { key, value, deadline_ms } => {
            at(keys, db, key).put(author, stamp, value);
            at(keys, db, key).deadline_ms = deadline_ms;
        }
        Effect::Set { key, value, deadline } => {
            at(keys, db, key).string().clear(author, Some(value.to_vec()));
            match deadline {
                Deadline::Clear => at(keys, db, key).deadline_ms = None,
                Deadline::Keep => {}
                Deadline::At(ms) => at(keys, db, key).deadline_ms = Some(ms),
            }
        }
        Effect::Increment { key, delta } => at(keys, db, key).string().increment(increment(Delta::Integer(delta))),
        Effect::IncrementFloat { key, delta } => {
            at(keys, db, key).string().increment(increment(Delta::Float(delta.to_vec())))
        }
        Effect::Append { key, bytes } => {
            at(keys, db, key).string().value.get_or_insert_default().extend_from_slice(bytes)
        }
        Effect::SetRange { key, offset, bytes } => {
            let value = at(keys, db, key).string().value.get_or_insert_default();
            let (start, end) = (offset as usize, offset as usize + bytes.len());
            value.resize(value.len().max(end), 0);
            value[start..end].copy_from_slice(bytes);
        }
        Effect::SetBits { key, bit_offset, width, value: bits } => {
            let value = at(keys, db, key).string().value.get_or_insert_default();
            for index in 0..u64::from(width) {
                let (byte, bit) = (((bit_offset + index) / 8) as usize, 7 - (bit_offset + index) % 8);
                value.resize(value.len().max(byte + 1), 0);
                value[byte] &= !(1 << bit);
                value[byte] |= ((bits >> (u64::from(width) - 1 - index) & 1) as u8) << bit;
            }
        }
        Effect::RaiseRegisters { key, sparse_max, registers } => {
            let value = &mut at(keys, db, key).string().value;
            let mut bytes = value.clone().unwrap_or_else(hyperloglog::empty);
            if hyperloglog::raise(&mut bytes, hyperloglog::decode_raised(registers), sparse_max as usize).is_ok() {
                *value = Some(bytes);
            }
        }
        Effect::ExpireMembers { key, collection, members, deadline_ms } => {
            members.iter().for_each(|member| at(keys, db, key).set_lifetime(collection, member, deadline_ms));
        }
        Effect::SetAdd { key, members } => {
            at(keys, db, key).set().extend(members.iter().map(<[u8]>::to_vec));
            members.iter().for_each(|member| at(keys, db, key).set_lifetime(Collection::Set, member, None));
        }
        Effect::SetRemove { key, members } => {
            members.iter().for_each(|member| at(keys, db, key).set_lifetime(Collection::Set, member, None));
            if let Content::Set(set) = &mut at(keys, db, key).content {
                set.retain(|member| !members.iter().any(|gone| gone == member));
            }
        }
        Effect::HashSet { key, pairs } => {
            for (field, value) in pairs.pairs() {
                at(keys, db, key).hash().entry(field.to_vec()).or_default().clear(author, Some(value.to_vec()));
                at(keys, db, key).set_lifetime(Collection::Hash, field, None);
            }
        }
        Effect::HashDelete { key, fields } => {
            fields.iter().for_each(|field| at(keys, db, key).set_lifetime(Collection::Hash, field, None));
            if let Content::Hash(hash) = &mut at(keys, db, key).content {
                fields.iter().for_each(|field| hash.entry(field.to_vec()).or_default().clear(author, None));
            }
        }
        Effect::HashIncrement { key, field, delta } => {
            at(keys, db, key).hash().entry(field.to_vec()).or_default().increment(increment(Delta::Integer(delta)));
        }
        Effect::ListPush { key, end, elements } => {
            at(keys, db, key).list().push(end, &elements, author.origin, stamp);
        }
        Effect::ListInsert { key, anchor, toward, element } => {
            at(keys, db, key).list().insert(&anchor, toward, element, author.origin, stamp);
        }
        Effect::ListRemove { key, elements } => {
            if let Content::List(list) = &mut at(keys, db, key).content {
                list.remove(&elements, author.origin);
            }
        }
        Effect::ListSet { key, element, value } => {
            if let Content::List(list) = &mut at(keys, db, key).content {
                list.set(&element, value, author.origin);
            }
        }
        Effect::HashIncrementFloat { key, field, delta } => {
            at(keys, db, key)
                .hash()
                .entry(field.to_vec())
                .or_default()
                .increment(increment(Delta::Float(delta.to_vec())));
        }
        Effect::SortedSetAdd { key, pairs } => {
            for (member, score) in pairs.iter() {
                let cell = at(keys, db, key).sorted_set().entry(member.to_vec()).or_default();
                cell.clear(author, Some(score_text(score)));
                at(keys, db, key).set_lifetime(Collection::SortedSet, member, None);
            }
        }
        Effect::SortedSetRemove { key, members } => {
            members.iter().for_each(|member| at(keys, db, key).set_lifetime(Collection::SortedSet, member, None));
            if let Content::SortedSet(scores) = &mut at(keys, db, key).content {
                members.iter().for_each(|member| scores.entry(member.to_vec()).or_default().clear(author, None));
            }
        }
        Effect::SortedSetIncrement { key, member, delta } => {
            at(keys, db, key)
                .sorted_set()
                .entry(member.to_vec())
                .or_default()
                .increment(increment(Delta::Score(delta)));
        }
        ref effect => {
            let key = at(keys, db, effect.key().unwrap());
            match (&mut key.content, effect) {
                (Content::Stream(stream), _) if !stream::creates(effect) => stream.execute(effect),
                _ if stream::creates(effect) => key.stream().execute(effect),
                (_, Effect::StreamDelete { max_deleted_id, .. }) => {
                    key.deleted_id = key.deleted_id.max(*max_deleted_id)
                }
                _ => assert!(stream::concerns(effect)),
            }
        }
    }
}
