//! Effects that come from elsewhere: other nodes, a file, a replica's master.

use crate::codec;
use crate::garbage::Garbage;
use crate::list::Selection;
use crate::merge::cell::Action;
use crate::txn::restate::by_origin;
use crate::version::{Row, Version};
use crate::{KeyHash, Keyspace, Txn, merge::Merge};
use effect::{DecodeError, Effect, EffectReader, Identities};
use std::fmt;

/// Why a record of another node has no place here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectsError {
    Decode(DecodeError),
    /// It acts on a database that this node does not have.
    NoDatabase(u32),
    /// A key is said anew (`Effect::Restate`), but not what it is.
    NothingRestated,
}

impl fmt::Display for EffectsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EffectsError::Decode(error) => error.fmt(f),
            EffectsError::NoDatabase(db) => {
                write!(f, "there is no database {db} here: 'databases' has to be the same on every node")
            }
            EffectsError::NothingRestated => f.write_str("a key is said anew without what it is"),
        }
    }
}

impl std::error::Error for EffectsError {}

impl From<DecodeError> for EffectsError {
    fn from(error: DecodeError) -> EffectsError {
        EffectsError::Decode(error)
    }
}

/// What a record's effects are, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many of them have a stamp.
    pub count: u64,
    /// They act on whole databases, which needs all shards.
    pub whole_databases: bool,
    /// There are messages among them.
    pub publishes: bool,
}

impl Keyspace {
    /// Checks a record's effects, so that `Txn::apply` cannot fail half-way, and calls `key` for the keys that
    /// they act on.
    pub fn check_effects<'e>(&self, effects: &'e [u8], mut key: impl FnMut(&'e [u8])) -> Result<Checked, EffectsError> {
        let mut checked = Checked::default();
        // What it is comes next: so its key is among those that are locked, and nothing else is taken for it.
        let mut restated = None;
        for effect in EffectReader::new(effects) {
            let effect = effect?;
            let is_said = |name| matches!(effect, Effect::Put { key, .. } | Effect::Delete { key } if key == name);
            if restated.take().is_some_and(|name| !is_said(name)) {
                return Err(EffectsError::NothingRestated);
            }
            match effect {
                Effect::Restate { key: name } => restated = Some(name),
                Effect::Select { db } if db >= self.databases() => return Err(EffectsError::NoDatabase(db)),
                Effect::Select { .. } => continue,
                Effect::FlushDb | Effect::FlushAll => checked.whole_databases = true,
                Effect::Publish { .. } => checked.publishes = true,
                Effect::Put { key: name, value, .. } => {
                    codec::decode(value)?;
                    key(name);
                }
                effect => effect.key().into_iter().for_each(&mut key),
            }
            checked.count += 1;
        }
        if restated.is_some() { Err(EffectsError::NothingRestated) } else { Ok(checked) }
    }
}

impl Txn<'_> {
    /// Does one effect of another origin. `version`: its stamp and origin; `row`: what its author had seen.
    /// The caller has applied everything that `row` covers before. Effects of one record are applied in
    /// one transaction, under the locks of all their keys, which `commit_applied` ends.
    ///
    /// Fails, with nothing done, where the value of a Put cannot be decoded.
    pub fn apply(&mut self, effect: &Effect<'_>, version: Version, row: Row<'_>) -> Result<Garbage, DecodeError> {
        self.observe(version.stamp);
        match *effect {
            Effect::Select { db } => {
                self.select(db);
                return Ok(Garbage::default());
            }
            // A database that this node does not have: `check_effects` refuses the record before.
            _ if self.db() >= self.databases() => return Ok(Garbage::default()),
            Effect::FlushDb => return Ok(self.flush(self.db()..self.db() + 1, version, row)),
            Effect::FlushAll => return Ok(self.flush(0..self.databases(), version, row)),
            _ => {}
        }
        if let (Effect::Restate { .. }, Row::Seen(seen)) = (effect, row) {
            self.restates = Some(by_origin(seen));
        }
        let Some(key) = effect.key() else { return Ok(Garbage::default()) };
        if let Effect::Put { value, deadline_ms, .. } = *effect {
            if let Some(value) = self.prepared.take(value) {
                self.merge_as(key, version, row, |merge| merge.put(value, deadline_ms));
            } else {
                let decoded = codec::decode(value)?;
                self.merge_as(key, version, row, |merge| merge.put(decoded.build(merge.limits), deadline_ms));
            }
        } else {
            self.merge_as(key, version, row, |merge| apply_to_key(merge, effect));
        }
        self.count_change();
        Ok(Garbage::default())
    }
}

pub(crate) fn apply_to_key(merge: &mut Merge<'_, '_, KeyHash>, effect: &Effect<'_>) {
    match *effect {
        Effect::Set { value, deadline, .. } => merge.string_set(value, deadline),
        Effect::Increment { delta, .. } => merge.string_operation(Action::Add(delta)),
        Effect::IncrementFloat { delta, .. } => merge.string_operation(Action::AddFloat(delta.into())),
        Effect::Append { bytes, .. } => merge.string_operation(Action::Append(bytes.into())),
        Effect::SetRange { offset, bytes, .. } => {
            merge.string_operation(Action::SetRange { offset, bytes: bytes.into() });
        }
        Effect::SetBits { bit_offset, width, value, .. } => {
            merge.string_operation(Action::SetBits { bit_offset, width, value });
        }
        Effect::RaiseRegisters { sparse_max, registers, .. } => {
            merge.string_operation(Action::RaiseRegisters { sparse_max, registers: registers.into() });
        }
        Effect::Delete { .. } => drop(merge.delete()),
        Effect::Expire { deadline_ms, .. } => merge.expire(deadline_ms),
        Effect::ExpireMembers { collection, members, deadline_ms, .. } => {
            merge.expire_members(collection, members.iter(), deadline_ms);
        }
        Effect::SetAdd { members, .. } => {
            merge.set_add(members.iter());
        }
        Effect::SetRemove { members, .. } => {
            merge.set_remove(members.iter());
        }
        Effect::HashSet { pairs, .. } => {
            merge.hash_set(pairs.pairs());
        }
        Effect::HashDelete { fields, .. } => {
            merge.hash_delete(fields.iter());
        }
        Effect::HashIncrement { field, delta, .. } => merge.hash_operation(field, Action::Add(delta)),
        Effect::HashIncrementFloat { field, delta, .. } => {
            merge.hash_operation(field, Action::AddFloat(delta.into()));
        }
        Effect::SortedSetAdd { pairs, .. } => {
            merge.sorted_set_add(pairs.iter());
        }
        Effect::SortedSetRemove { members, .. } => {
            merge.sorted_set_remove(members.iter());
        }
        Effect::SortedSetIncrement { member, delta, .. } => merge.sorted_set_increment(member, delta),
        Effect::StreamAdd { .. }
        | Effect::StreamDelete { .. }
        | Effect::StreamTrim { .. }
        | Effect::StreamSetId { .. }
        | Effect::StreamGroupCreate { .. }
        | Effect::StreamGroupSet { .. }
        | Effect::StreamGroupDestroy { .. }
        | Effect::StreamDeliver { .. }
        | Effect::StreamConsumerDelete { .. }
        | Effect::StreamAcknowledge { .. } => {
            merge.stream_effect(effect);
        }
        Effect::ListPush { end, elements, .. } => {
            merge.list_push(end, elements.iter());
        }
        Effect::ListInsert { anchor, toward, element, .. } => {
            merge.list_insert(&named(merge, &anchor), toward, element);
        }
        Effect::ListRemove { elements, .. } => merge.list_remove(&named(merge, &elements)),
        Effect::ListSet { element, value, .. } => merge.list_set(&named(merge, &element), value),
        Effect::Select { .. }
        | Effect::Put { .. }
        | Effect::FlushDb
        | Effect::FlushAll
        | Effect::Publish { .. }
        | Effect::Restate { .. } => {}
    }
}

/// The elements of a list that an effect names.
fn named(merge: &Merge<'_, '_, KeyHash>, elements: &Identities<'_>) -> Selection {
    Selection::new(elements, merge.author.origins, merge.author.version.origin)
}
