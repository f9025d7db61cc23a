//! Local writes to sorted sets.

use super::Txn;
use crate::entry::{Entry, ValueRef};
use crate::recent::KeyedHash;
use crate::{KeyType, ValueError};
use effect::{Collection, Effect, ItemsWriter, ScoredItemsWriter};
use std::collections::HashMap;
use values::{Inserted, SortedSet};

/// Which scores ZADD writes: all, unless something is said here.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScoreCondition {
    /// NX: only of members that are not there.
    pub new: bool,
    /// XX: only of members that are there.
    pub existing: bool,
    /// GT: of members that are there, only those that grow.
    pub greater: bool,
    /// LT: of members that are there, only those that shrink.
    pub less: bool,
}

/// What became of the members of a ZADD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScoresWritten {
    pub added: usize,
    pub changed: usize,
}

impl ScoreCondition {
    /// Whether a member that has the score `old`, if any, may get the score `new`.
    fn admits(self, old: Option<f64>, new: f64) -> bool {
        match old {
            None => !self.existing,
            Some(old) => !(self.new || (self.greater && new <= old) || (self.less && new >= old)),
        }
    }
}

impl Txn<'_> {
    pub fn sorted_set_add(
        &mut self,
        key: &[u8],
        pairs: &[(&[u8], f64)],
        condition: ScoreCondition,
    ) -> Result<ScoresWritten, ValueError> {
        if let Some(written) = self.sorted_set_add_at_once(key, pairs, condition) {
            return Ok(written);
        }
        let all = self.switches.peers;
        let set = self.writable_sorted_set(key)?;
        let mut items = ScoredItemsWriter::new();
        let mut written = ScoresWritten::default();
        // A member may be named twice.
        let mut before: HashMap<&[u8], f64, KeyedHash> = HashMap::default();
        if pairs.len() > 1 {
            before.reserve(pairs.len());
        }
        for &(member, score) in pairs {
            let known = if before.is_empty() { None } else { before.get(member).copied() };
            let old = known.or_else(|| set.and_then(|set| set.score(member)));
            if !condition.admits(old, score) {
                continue;
            }
            written.added += usize::from(old.is_none());
            written.changed += usize::from(old.is_some_and(|old| old != score));
            // With other writers, also what changes nothing here may win against something there.
            if all || old != Some(score) {
                items.push(member, score);
                if pairs.len() > 1 {
                    before.insert(member, score);
                }
            }
        }
        if !items.is_empty() {
            // A member that gets another score keeps its deadline.
            let kept = self.deadlines_of(key, items.items().iter().map(|(member, _)| member));
            let effect = Effect::SortedSetAdd { key, pairs: items.items() };
            self.merge(key, &effect, |merge| merge.sorted_set_add(items.items().iter()));
            if written == ScoresWritten::default() {
                self.unchanged();
            }
            self.restore_deadlines(key, Collection::SortedSet, kept);
        }
        Ok(written)
    }

    fn sorted_set_add_at_once(
        &mut self,
        key: &[u8],
        pairs: &[(&[u8], f64)],
        condition: ScoreCondition,
    ) -> Option<ScoresWritten> {
        let written = self.change_at_once(key, KeyType::SortedSet, |entry, limits| {
            let set = entry.sorted_set_mut()?;
            let mut written = ScoresWritten::default();
            for &(member, score) in pairs {
                match set.insert_if(member, score, limits, |old| condition.admits(old, score)) {
                    Inserted::New => written.added += 1,
                    Inserted::Score => written.changed += 1,
                    Inserted::Nothing => {}
                }
            }
            Some(written)
        });
        let written = written?;
        self.changes += u64::from(written != ScoresWritten::default());
        Some(written)
    }

    /// Returns the new score; `None` where the condition does not hold.
    pub fn sorted_set_increment(
        &mut self,
        key: &[u8],
        member: &[u8],
        delta: f64,
        condition: ScoreCondition,
    ) -> Result<Option<f64>, ValueError> {
        let all = self.switches.peers;
        self.prepare_member(key, Collection::SortedSet, member);
        let old = self.writable_sorted_set(key)?.and_then(|set| set.score(member));
        let sum = old.unwrap_or(0.0) + delta;
        if (old.is_some() && condition.new) || (old.is_none() && condition.existing) {
            return Ok(None);
        }
        if sum.is_nan() {
            return Err(ValueError::NanScore);
        }
        if !condition.admits(old, sum) {
            return Ok(None);
        }
        if all || old != Some(sum) {
            let effect = Effect::SortedSetIncrement { key, member, delta };
            self.merge(key, &effect, |merge| merge.sorted_set_increment(member, delta));
            if old == Some(sum) {
                self.unchanged();
            }
        }
        Ok(Some(sum))
    }

    /// Returns how many members were there. An empty sorted set is no key.
    pub fn sorted_set_remove<'a>(
        &mut self,
        key: &[u8],
        members: impl Iterator<Item = &'a [u8]>,
    ) -> Result<usize, ValueError> {
        let all = self.switches.peers;
        let set = self.writable_sorted_set(key)?;
        let mut items = ItemsWriter::new();
        let is_needed = |member: &&[u8]| all || set.is_some_and(|set| set.contains(member));
        members.filter(is_needed).for_each(|member| items.push(member));
        if items.is_empty() {
            return Ok(0);
        }
        let deadline_ms = self.view.find(key).and_then(Entry::deadline_ms);
        let effect = Effect::SortedSetRemove { key, members: items.items() };
        let removed = self.merge(key, &effect, |merge| merge.sorted_set_remove(items.items().iter()));
        if removed == 0 {
            self.unchanged();
        }
        self.persist_empty(key, deadline_ms);
        Ok(removed)
    }

    fn writable_sorted_set(&mut self, key: &[u8]) -> Result<Option<&SortedSet>, ValueError> {
        let entry = self.writable(key, |entry| entry.key_type() == KeyType::SortedSet)?;
        Ok(match entry.map(Entry::value) {
            Some(ValueRef::SortedSet(set)) => Some(set),
            _ => None,
        })
    }
}
