//! A key is said anew (docs/decisions/0005-late-records.md), and what its author had not seen is said again by whoever wrote it.

use super::Txn;
use super::streams::fact;
use crate::Keyspace;
use crate::apply::apply_to_key;
use crate::codec;
use crate::elements::Elements;
use crate::entry::{Entry, ValueRef};
use crate::list::Run;
use crate::merge::cell::Action;
use crate::merge::version_of;
use crate::recent::{Field, Record};
use crate::shard::Database;
use crate::table::KeyHasher;
use crate::version::{OriginIndex, Version, put_stamp};
use effect::{Collection, Effect, EffectReader, EffectWriter, End, Items, ItemsWriter, ScoredItemsWriter, Stamp};
use std::collections::HashSet;
use std::sync::Arc;
use values::{Element, List};

/// What this node has written on a key and somebody has not seen who has said the key anew: it is to be said again.
#[derive(Clone, Debug)]
pub struct LostWrites {
    pub db: u32,
    pub key: Vec<u8>,
    /// The version of what was said anew.
    pub restated: Version,
    pub writes: Vec<OwnWrite>,
}

/// The effects that say again what a write of this node has left on a key.
#[derive(Clone, Debug)]
pub struct OwnWrite {
    pub stamp: Stamp,
    pub effects: Vec<u8>,
    /// It makes no difference how often it is done, or it is better to have it twice than not at all.
    pub may_repeat: bool,
}

impl OwnWrite {
    fn new(stamp: Stamp, effect: &Effect<'_>) -> OwnWrite {
        let mut effects = Vec::new();
        EffectWriter::new(&mut effects).push(effect);
        let may_repeat = matches!(
            effect,
            Effect::SetAdd { .. }
                | Effect::SetRemove { .. }
                | Effect::HashSet { .. }
                | Effect::HashDelete { .. }
                | Effect::SortedSetAdd { .. }
                | Effect::SortedSetRemove { .. }
                | Effect::StreamAdd { .. }
                | Effect::StreamGroupCreate { .. }
                | Effect::ListPush { .. }
        );
        OwnWrite { stamp, effects, may_repeat }
    }
}

/// Those on a key that is said anew.
#[derive(Clone, Debug)]
pub struct OwnWrites {
    pub writes: Vec<OwnWrite>,
    /// Nothing newer has replaced the key whole.
    pub wins: bool,
}

impl Txn<'_> {
    /// Says anew what the key is, by a Put or a Delete: what everybody makes of it from now on does not depend on what
    /// came before.
    /// `seen`: what this node has seen, by `OriginIndex`. Returns how many bytes that took to say.
    pub fn restate(&mut self, key: &[u8], seen: &[Stamp]) -> usize {
        self.record(&Effect::Restate { key });
        self.restates = Some(by_origin(seen));
        match self.encoded(key) {
            Some((value, deadline_ms)) => {
                self.put(key, &value, deadline_ms);
                key.len() + value.len()
            }
            None => {
                self.remove(key);
                key.len()
            }
        }
    }

    /// What this node has written on the key that goes where somebody says it anew at this version, and not everybody may have seen.
    pub fn own_writes(&self, key: &[u8], restated: Version) -> OwnWrites {
        let hash = self.view.hash_of(key);
        let database = &self.view.guard.shard(hash).databases[self.view.db as usize];
        own_writes(self.view.keyspace, database, (hash, key), restated)
    }

    /// Says this again, but for what was written since. Returns what did not need to be, as it is there from somebody else: who says the
    /// key anew next may not have it.
    pub fn say_again(&mut self, lost: &LostWrites) -> Vec<OwnWrite> {
        // Whoever has said the list anew may have had a push all the same: from somebody who had said it anew before.
        let (mut there, mut unneeded) = (None, Vec::new());
        let effects = lost.writes.iter().flat_map(|write| {
            let effects = EffectReader::new(&write.effects).map_while(Result::ok);
            effects.map(|effect| (write.stamp, effect))
        });
        for (stamp, effect) in effects {
            let Some(key) = effect.key() else { continue };
            if self.is_written_since(key, &effect, lost.restated) {
                continue;
            }
            match effect {
                Effect::Put { value, deadline_ms, .. } => self.put(key, value, deadline_ms),
                Effect::ListPush { end, elements, .. } => {
                    let there = there.get_or_insert_with(|| self.elements_of(key));
                    let (had, missing): (Vec<&[u8]>, Vec<&[u8]>) =
                        elements.iter().partition(|element| there.contains(*element));
                    if !had.is_empty() {
                        unneeded.push(push_of(key, end, stamp, &had));
                    }
                    if !missing.is_empty() {
                        let _ = self.list_push(key, end, missing.into_iter());
                    }
                }
                effect => self.merge(key, &effect, |merge| apply_to_key(merge, &effect)),
            }
        }
        unneeded
    }

    /// What is in a list; nothing where that would be too much.
    fn elements_of(&self, key: &[u8]) -> HashSet<Vec<u8>> {
        const MOST: usize = 100_000;
        let list = self.list(key).ok().flatten().filter(|list| list.len() <= MOST);
        list.into_iter().flat_map(|list| list.iter()).map(Element::to_vec).collect()
    }

    fn is_written_since(&self, key: &[u8], effect: &Effect<'_>, restated: Version) -> bool {
        let hash = self.view.hash_of(key);
        let database = &self.view.guard.shard(hash).databases[self.view.db as usize];
        let is_newer = |version: Version| self.view.keyspace.origins.newer(version, restated);
        let Some(record) = database.recent.get(hash, key) else {
            // Of single elements nothing is known any more: it is better to have them than to lose them.
            let is_whole = matches!(effect, Effect::Put { .. } | Effect::Delete { .. });
            return is_whole && database.table.find(hash, key).is_some_and(|entry| is_newer(version_of(entry)));
        };
        let is_element_newer = |collection, elements: Items<'_>| {
            elements.iter().next().and_then(|element| record.written(collection, element)).is_some_and(is_newer)
        };
        let since = match effect {
            Effect::SetAdd { members, .. } | Effect::SetRemove { members, .. } => {
                is_element_newer(Collection::Set, *members)
            }
            Effect::HashSet { pairs: items, .. } | Effect::HashDelete { fields: items, .. } => {
                is_element_newer(Collection::Hash, *items)
            }
            Effect::SortedSetRemove { members, .. } => is_element_newer(Collection::SortedSet, *members),
            Effect::SortedSetAdd { pairs, .. } => {
                let written = pairs.iter().next().and_then(|(member, _)| record.written(Collection::SortedSet, member));
                written.is_some_and(is_newer)
            }
            Effect::Expire { .. } => is_newer(record.deadlines.newest().version),
            // Another one who has said it anew had not seen it, either.
            Effect::Put { .. } | Effect::Delete { .. } => is_newer(record.newest) && !record.says_anew(record.newest),
            _ => false,
        };
        since || is_newer(record.clear) && !record.is_at_rest && !record.says_anew(record.clear)
    }
}

/// See `Txn::own_writes`. Increments are not among them, as they live on; neither are what took elements of a list away or changed
/// them, and deliveries and acknowledgements of a stream: they were about what somebody else had put there.
pub(crate) fn own_writes<H: KeyHasher>(
    keyspace: &Keyspace,
    database: &Database<H>,
    (hash, key): (u64, &[u8]),
    restated: Version,
) -> OwnWrites {
    let own = keyspace.stamping.own();
    let known = keyspace.known_of(own);
    let is_older = |version: Version| keyspace.origins.newer(restated, version);
    let (entry, record) = (database.table.find(hash, key), database.recent.get(hash, key));
    // Who has said it anew himself has not written what was there: elements of a list have that as their version.
    let says_anew = |version: Version| record.is_some_and(|record| record.says_anew(version));
    let is_meant =
        |version: Version| version.origin == own && version.stamp > known && is_older(version) && !says_anew(version);
    let wins = record.is_none_or(|record| record.is_at_rest || is_older(record.clear));
    let mut writes = Writes { key, writes: Vec::new(), is_meant };
    match record {
        Some(record) if is_meant(record.clear) => writes.whole(entry, record.clear),
        Some(record) => writes.parts(entry, record),
        None => {
            let version = entry.map_or(Version::ZERO, version_of);
            if is_meant(version) {
                writes.whole(entry, version);
            }
        }
    }
    OwnWrites { writes: writes.writes, wins }
}

struct Writes<'k, F> {
    key: &'k [u8],
    writes: Vec<OwnWrite>,
    is_meant: F,
}

impl<F: Fn(Version) -> bool> Writes<'_, F> {
    fn push(&mut self, version: Version, effect: &Effect<'_>) {
        self.writes.push(OwnWrite::new(version.stamp, effect));
    }

    fn whole(&mut self, entry: Option<&Entry>, version: Version) {
        let key = self.key;
        match entry {
            Some(entry) => {
                let value = codec::encoded_entry(entry);
                self.push(version, &Effect::Put { key, value: &value, deadline_ms: entry.deadline_ms() });
            }
            None => self.push(version, &Effect::Delete { key }),
        }
    }

    /// One effect for each element: some of them may be written until it is said again.
    fn parts(&mut self, entry: Option<&Entry>, record: &Record) {
        let key = self.key;
        self.operations(record);
        self.members(entry, record);
        self.fields(entry, record);
        self.scores(entry, record);
        if let (Some(registers), Some(ValueRef::List(list))) = (&record.list, entry.map(Entry::value)) {
            registers.sequence.runs().flat_map(Run::by_effect).fold(0, |start, run| self.elements(list, start, &run));
        }
        self.stream(entry, record);
        let deadline = record.deadlines.newest();
        if (self.is_meant)(deadline.version) {
            self.push(deadline.version, &Effect::Expire { key, deadline_ms: deadline.deadline_ms });
        }
        for (collection, member, register) in record.lifetimes.iter() {
            let newest = register.newest();
            if (self.is_meant)(newest.version) {
                let (members, deadline_ms) = (one(member), newest.deadline_ms);
                self.push(
                    newest.version,
                    &Effect::ExpireMembers { key, collection, members: members.items(), deadline_ms },
                );
            }
        }
    }

    fn operations(&mut self, record: &Record) {
        let key = self.key;
        for operation in record.operations.iter() {
            if !(self.is_meant)(operation.version) {
                continue;
            }
            let effect = match &operation.action {
                Action::Add(_) | Action::AddFloat(_) | Action::AddScore(_) => continue,
                Action::Append(bytes) => Effect::Append { key, bytes },
                Action::SetRange { offset, bytes } => Effect::SetRange { key, offset: *offset, bytes },
                Action::SetBits { bit_offset, width, value } => {
                    Effect::SetBits { key, bit_offset: *bit_offset, width: *width, value: *value }
                }
                Action::RaiseRegisters { sparse_max, registers } => {
                    Effect::RaiseRegisters { key, sparse_max: *sparse_max, registers }
                }
            };
            self.push(operation.version, &effect);
        }
    }

    fn members(&mut self, entry: Option<&Entry>, record: &Record) {
        let key = self.key;
        for (member, version) in record.members.iter() {
            if !(self.is_meant)(*version) {
                continue;
            }
            let members = one(member);
            let is_there = matches!(entry.map(Entry::value), Some(ValueRef::Set(set)) if set.contains(member));
            let members = members.items();
            let effect = if is_there { Effect::SetAdd { key, members } } else { Effect::SetRemove { key, members } };
            self.push(*version, &effect);
        }
    }

    fn meant<'r>(&self, registers: &'r Elements<Field>) -> Vec<(&'r [u8], Version)> {
        let written = registers.iter().filter_map(|(name, field)| Some((name, field.version?)));
        written.filter(|(_, version)| (self.is_meant)(*version)).collect()
    }

    fn fields(&mut self, entry: Option<&Entry>, record: &Record) {
        let key = self.key;
        for (field, version) in self.meant(&record.fields) {
            let mut items = one(field);
            let is_there = match entry.map(Entry::value) {
                Some(ValueRef::Hash(hash)) => hash.get(field, |value| value.map(|value| items.push(value)).is_some()),
                _ => false,
            };
            let effect = if is_there {
                Effect::HashSet { key, pairs: items.items() }
            } else {
                Effect::HashDelete { key, fields: items.items() }
            };
            self.push(version, &effect);
        }
    }

    fn scores(&mut self, entry: Option<&Entry>, record: &Record) {
        let key = self.key;
        for (member, version) in self.meant(&record.scores) {
            let score = match entry.map(Entry::value) {
                Some(ValueRef::SortedSet(set)) => set.score(member),
                _ => None,
            };
            match score {
                Some(score) => {
                    let mut pairs = ScoredItemsWriter::new();
                    pairs.push(member, score);
                    self.push(version, &Effect::SortedSetAdd { key, pairs: pairs.items() });
                }
                None => self.push(version, &Effect::SortedSetRemove { key, members: one(member).items() }),
            }
        }
    }

    /// Of a list, what is left of one effect, from the place `start` on. Returns where the next one starts.
    fn elements(&mut self, list: &List, start: usize, run: &Run) -> usize {
        let identity = run.identity(0);
        if run.live() > 0 && (self.is_meant)(identity.version) {
            // Those that go to the head one after the other stand there the other way round.
            let (mut elements, end) = (ItemsWriter::new(), if identity.index < 0 { End::Head } else { End::Tail });
            let mut push =
                |index| list.get(index).into_iter().for_each(|element| element.with_bytes(|it| elements.push(it)));
            let places = start..start + run.live();
            if end == End::Head {
                places.rev().for_each(&mut push)
            } else {
                places.for_each(&mut push)
            }
            self.push(identity.version, &Effect::ListPush { key: self.key, end, elements: elements.items() });
        }
        start + run.live()
    }

    fn stream(&mut self, entry: Option<&Entry>, record: &Record) {
        let (Some(registers), Some(ValueRef::Stream(stream))) = (&record.stream, entry.map(Entry::value)) else {
            return;
        };
        let key = self.key;
        for (id, version) in &registers.ids {
            let Some(entry) = stream.get(*id).filter(|_| (self.is_meant)(*version)) else { continue };
            let mut fields = ItemsWriter::new();
            entry.fields.for_each(|(name, value)| {
                [name, value].into_iter().for_each(|item| item.with_bytes(|item| fields.push(item)));
            });
            self.push(*version, &Effect::StreamAdd { key, id: id.0, fields: fields.items() });
        }
        for (name, register) in &registers.groups {
            let Some(group) = stream.group(name).filter(|_| (self.is_meant)(register.created)) else { continue };
            let effect = Effect::StreamGroupCreate { key, group: name, position: fact(group.position) };
            self.push(register.created, &effect);
        }
    }
}

/// What somebody has seen of each origin.
pub(crate) fn by_origin(seen: &[Stamp]) -> Arc<[Version]> {
    let of = |(index, stamp): (usize, &Stamp)| Version { stamp: *stamp, origin: OriginIndex(index as u16) };
    seen.iter().enumerate().map(of).filter(|seen| seen.stamp > Stamp::ZERO).collect()
}

/// The opposite: by `OriginIndex`.
pub(crate) fn stamps_of(seen: &[Version]) -> Vec<Stamp> {
    let mut stamps = Vec::new();
    seen.iter().for_each(|seen| put_stamp(&mut stamps, seen.origin, seen.stamp));
    stamps
}

/// A push of these elements.
fn push_of(key: &[u8], end: End, stamp: Stamp, elements: &[&[u8]]) -> OwnWrite {
    let mut items = ItemsWriter::new();
    elements.iter().for_each(|element| items.push(element));
    OwnWrite::new(stamp, &Effect::ListPush { key, end, elements: items.items() })
}

fn one(item: &[u8]) -> ItemsWriter {
    let mut items = ItemsWriter::new();
    items.push(item);
    items
}
