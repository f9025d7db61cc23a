//! Sorted sets: each member is a register with increments of its score on top of it (`fields`).

use super::Merge;
use super::cell::{Action, ScoreCell};
use super::fields::Fields;
use crate::KeyType;
use crate::elements::Elements;
use crate::entry::CollectionMut;
use crate::recent::{Field, Record};
use crate::table::{EntryMut, KeyHasher};
use effect::Collection;
use values::{EncodingLimits, Prefetch, SortedSet};

impl Fields for SortedSet {
    const KEY_TYPE: KeyType = KeyType::SortedSet;
    const COLLECTION: Collection = Collection::SortedSet;
    type Value<'v> = f64;
    type Cell<'c> = ScoreCell<'c>;

    fn registers(record: &mut Record) -> &mut Elements<Field> {
        &mut record.scores
    }

    fn registers_of(record: &Record) -> &Elements<Field> {
        &record.scores
    }

    fn of<'e>(entry: &'e mut EntryMut<'_>) -> Option<CollectionMut<'e, SortedSet>> {
        entry.sorted_set_mut().map(CollectionMut::Boxed)
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn contains(&self, name: &[u8]) -> bool {
        self.contains(name)
    }

    fn prefetch(&self, name: &[u8], step: Prefetch) -> bool {
        self.prefetch(name, step)
    }

    fn insert(&mut self, name: &[u8], score: f64, limits: &EncodingLimits) -> bool {
        self.insert(name, score, limits)
    }

    fn remove(&mut self, name: &[u8]) -> bool {
        self.remove(name)
    }

    fn with_value<R>(&self, name: &[u8], f: impl FnOnce(Option<f64>) -> R) -> R {
        f(self.score(name))
    }

    fn cell<'c>(&'c mut self, name: &'c [u8], limits: &'c EncodingLimits) -> ScoreCell<'c> {
        ScoreCell { set: self, member: name, limits }
    }
}

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// Members get scores. Returns how many are new. `new`: how many there are, and the length of the longest.
    pub(crate) fn sorted_set_add<'m>(&mut self, pairs: impl Iterator<Item = (&'m [u8], f64)> + Clone) -> usize {
        let members = pairs.clone().map(|(member, _)| member);
        self.fields_set(pairs, |limits| {
            let (len, longest) = members.fold((0, 0), |(len, longest), member| (len + 1, longest.max(member.len())));
            SortedSet::for_members(len, longest, limits)
        })
    }

    /// Members go. Returns how many were there.
    pub(crate) fn sorted_set_remove<'m>(&mut self, members: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        self.fields_delete::<SortedSet>(members)
    }

    /// The score of a member moves; who is not there begins at 0.
    pub(crate) fn sorted_set_increment(&mut self, member: &[u8], delta: f64) {
        self.fields_operation::<SortedSet>(member, Action::AddScore(delta));
    }
}
