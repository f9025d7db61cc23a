//! Deadlines of elements against a plain map.

use proptest::prelude::*;
use std::collections::BTreeMap;
use values::{Encoding, EncodingLimits, Expiring, Hash, Set, SortedSet};

/// What both kinds of collections are asked to do.
#[derive(Clone, Debug)]
enum Step {
    Insert(u8),
    Remove(u8),
    Deadline(u8, Option<u64>),
    Hide(u64),
    Reveal,
    RemoveDue(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..12u8;
    prop_oneof![
        3 => name.clone().prop_map(Step::Insert),
        1 => name.clone().prop_map(Step::Remove),
        3 => (name, prop::option::weighted(0.8, 0..100u64)).prop_map(|(name, deadline_ms)| Step::Deadline(name, deadline_ms)),
        1 => (0..100u64).prop_map(Step::Hide),
        1 => Just(Step::Reveal),
        1 => (0..100u64).prop_map(Step::RemoveDue),
    ]
}

trait Collection: Expiring {
    fn insert(&mut self, name: &[u8], limits: &EncodingLimits);
    fn remove(&mut self, name: &[u8]);
    fn names(&self) -> Vec<Vec<u8>>;
}

impl Collection for Hash {
    fn insert(&mut self, name: &[u8], limits: &EncodingLimits) {
        Hash::insert(self, name, name, limits);
    }
    fn remove(&mut self, name: &[u8]) {
        Hash::remove(self, name);
    }
    fn names(&self) -> Vec<Vec<u8>> {
        self.iter()
            .map(|(field, value)| {
                assert_eq!(field, value);
                field.to_vec()
            })
            .collect()
    }
}

impl Collection for Set {
    fn insert(&mut self, name: &[u8], limits: &EncodingLimits) {
        Set::insert(self, name, limits);
    }
    fn remove(&mut self, name: &[u8]) {
        Set::remove(self, name);
    }
    fn names(&self) -> Vec<Vec<u8>> {
        self.iter().map(|member| member.to_vec()).collect()
    }
}

impl Collection for SortedSet {
    fn insert(&mut self, name: &[u8], limits: &EncodingLimits) {
        SortedSet::insert(self, name, name.len() as f64, limits);
    }
    fn remove(&mut self, name: &[u8]) {
        SortedSet::remove(self, name);
    }
    fn names(&self) -> Vec<Vec<u8>> {
        let name_of = |(member, score): (values::Element<'_>, f64)| {
            assert_eq!(member.byte_len() as f64, score);
            member.to_vec()
        };
        self.iter().map(name_of).collect()
    }
}

fn run(mut collection: impl Collection, steps: &[Step], limits: &EncodingLimits) {
    // Name -> deadline and whether it is in sight.
    let mut model: BTreeMap<Vec<u8>, (Option<u64>, bool)> = BTreeMap::new();
    let is_due = |deadline_ms: Option<u64>, now_ms| deadline_ms.is_some_and(|at| at <= now_ms);
    let name_of =
        |name: u8| if name.is_multiple_of(2) { name.to_string().into_bytes() } else { format!("n{name}").into_bytes() };
    for step in steps {
        match *step {
            // What is hidden is brought to light before it is written.
            Step::Insert(name) => {
                let name = name_of(name);
                if model.get(&name).is_none_or(|(_, in_sight)| *in_sight) {
                    collection.insert(&name, limits);
                    model.entry(name).or_insert((None, true));
                }
            }
            Step::Remove(name) => {
                let name = name_of(name);
                if model.get(&name).is_none_or(|(_, in_sight)| *in_sight) {
                    collection.remove(&name);
                    model.remove(&name);
                }
            }
            Step::Deadline(name, deadline_ms) => {
                let name = name_of(name);
                collection.set_deadline_ms(&name, deadline_ms);
                if let Some(entry) = model.get_mut(&name) {
                    entry.0 = deadline_ms;
                }
            }
            Step::Hide(now_ms) => {
                let due =
                    model.values_mut().filter(|(deadline_ms, in_sight)| *in_sight && is_due(*deadline_ms, now_ms));
                let hidden = due.map(|entry| entry.1 = false).count();
                assert_eq!(collection.hide_due(now_ms), hidden);
            }
            Step::Reveal => {
                collection.reveal(limits);
                model.values_mut().for_each(|entry| entry.1 = true);
            }
            Step::RemoveDue(now_ms) => {
                let before = model.values().filter(|(_, in_sight)| *in_sight).count();
                model.retain(|_, (deadline_ms, in_sight)| *in_sight && !is_due(*deadline_ms, now_ms));
                assert_eq!(collection.remove_due(now_ms), before - model.len());
            }
        }
        let mut names = collection.names();
        names.sort();
        let in_sight = model.iter().filter(|(_, (_, in_sight))| *in_sight);
        assert_eq!(names, in_sight.clone().map(|(name, _)| name.clone()).collect::<Vec<_>>());
        assert_eq!(collection.earliest_deadline_ms(), in_sight.filter_map(|(_, (deadline_ms, _))| *deadline_ms).min());
        assert_eq!(collection.has_hidden(), model.values().any(|(_, in_sight)| !in_sight));
        let hidden = model.values().filter(|(_, in_sight)| !in_sight);
        assert_eq!(collection.latest_hidden_ms(), hidden.map(|(deadline_ms, _)| deadline_ms.unwrap_or(0)).max());
        for (name, (deadline_ms, _)) in &model {
            assert_eq!(collection.deadline_ms(name), *deadline_ms);
        }
        let mut due = collection.due(50);
        due.sort();
        let expected = model
            .iter()
            .filter(|(_, (deadline_ms, _))| is_due(*deadline_ms, 50))
            .map(|(name, _)| name.clone().into_boxed_slice());
        assert_eq!(due, expected.collect::<Vec<_>>());
    }
}

proptest! {
    #[test]
    fn behaves_as_a_map_of_deadlines(entries in 0usize..12, steps in prop::collection::vec(step(), 0..80)) {
        let limits = EncodingLimits {
            hash_max_listpack_entries: entries,
            set_max_intset_entries: entries / 2,
            set_max_listpack_entries: entries,
            zset_max_listpack_entries: entries,
            ..EncodingLimits::default()
        };
        run(Hash::new(), &steps, &limits);
        run(Set::new(), &steps, &limits);
        run(SortedSet::new(), &steps, &limits);
    }
}

#[test]
fn a_listpack_with_deadlines_has_a_name_of_its_own() {
    let limits = EncodingLimits::default();
    let mut hash = Hash::new();
    hash.insert(b"f", b"v", &limits);
    hash.set_deadline_ms(b"g", Some(5));
    assert_eq!(hash.view().encoding(), Encoding::Listpack);
    hash.set_deadline_ms(b"f", Some(5));
    hash.set_deadline_ms(b"f", None);
    assert_eq!(hash.view().encoding(), Encoding::ListpackEx);
}
