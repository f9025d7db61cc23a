//! Sorted sets against a model, in both encodings.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::{BTreeMap, HashSet};
use values::{Element, Encoding, EncodingLimits, SortedSet};

fn limits(entries: usize, value: usize) -> EncodingLimits {
    EncodingLimits { zset_max_listpack_entries: entries, zset_max_listpack_value: value, ..EncodingLimits::default() }
}

fn pair((member, score): (Element<'_>, f64)) -> (Vec<u8>, f64) {
    (member.to_vec(), score)
}

fn numbered(range: std::ops::Range<usize>, limits: &EncodingLimits) -> SortedSet {
    let mut set = SortedSet::new();
    range.for_each(|number| assert!(set.insert(format!("member:{number:08}").as_bytes(), number as f64, limits)));
    set
}

/// The rules of t_zset.c in Redis 7.2.
#[test]
fn encodings_are_those_of_redis() {
    let defaults = EncodingLimits::default();
    assert_eq!(SortedSet::new().encoding(), Encoding::Listpack);
    assert_eq!(numbered(0..128, &defaults).encoding(), Encoding::Listpack);
    assert_eq!(numbered(0..129, &defaults).encoding(), Encoding::Skiplist);
    assert_eq!(numbered(0..1, &limits(0, 64)).encoding(), Encoding::Skiplist);
    let of_len = |len: usize| {
        let mut set = SortedSet::new();
        set.insert(&vec![b'x'; len], 1.0, &defaults);
        set.encoding()
    };
    assert_eq!((of_len(64), of_len(65)), (Encoding::Listpack, Encoding::Skiplist));
    assert_eq!(SortedSet::for_members(128, 64, &defaults).encoding(), Encoding::Listpack);
    assert_eq!(SortedSet::for_members(129, 1, &defaults).encoding(), Encoding::Skiplist);
    assert_eq!(SortedSet::for_members(1, 65, &defaults).encoding(), Encoding::Skiplist);
}

#[test]
fn scores_keep_every_bit() {
    for limits in [limits(128, 64), limits(0, 0)] {
        let mut set = SortedSet::new();
        let scores = [f64::NEG_INFINITY, f64::MIN, -1.5, -1e-300, 0.0, 5e-324, 0.1, 1.0, 9e15, 1e300, f64::INFINITY];
        for (index, score) in scores.into_iter().enumerate().rev() {
            set.insert(index.to_string().as_bytes(), score, &limits);
        }
        assert!(set.iter().map(|(_, score)| score).eq(scores));
        set.insert(b"zero", -0.0, &limits);
        assert!(set.score(b"zero").is_some_and(|score| score.is_sign_positive()));
    }
}

#[test]
fn a_large_set_is_compact() {
    for order in [0, 1] {
        let mut rng = SmallRng::seed_from_u64(order);
        let mut set = SortedSet::new();
        for number in 0..100_000 {
            let score = if order == 0 { f64::from(number) } else { rng.random() };
            set.insert(format!("member:{number:08}").as_bytes(), score, &limits(0, 0));
        }
        assert!(set.heap_size() < 100_000 * 52, "{}", set.heap_size());
    }
}

/// A scan interrupted by inserts, removes and other scores still gives every member that stays.
#[test]
fn scan_gives_what_stays() {
    let limits = limits(0, 0);
    let mut rng = SmallRng::seed_from_u64(1);
    for round in 0..30 {
        let mut others = rng.random_range(0..5000);
        let mut set = numbered(0..others, &limits);
        let stay: HashSet<String> = (0..rng.random_range(1..600)).map(|index| format!("stay:{index}")).collect();
        stay.iter().for_each(|member| assert!(set.insert(member.as_bytes(), rng.random(), &limits)));
        let mut seen = HashSet::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, 10, |member, _| {
                seen.insert(String::from_utf8(member.to_vec()).unwrap());
            });
            if cursor == 0 {
                break;
            }
            let target = if rng.random_bool(0.5) { others + rng.random_range(0..400) } else { others * 2 / 3 };
            let name = |number: usize| format!("member:{number:08}");
            (others..target).for_each(|number| assert!(set.insert(name(number).as_bytes(), 0.5, &limits)));
            (target..others).for_each(|number| assert!(set.remove(name(number).as_bytes())));
            others = target;
            let moving = format!("stay:{}", rng.random_range(0..stay.len()));
            assert!(!set.insert(moving.as_bytes(), rng.random(), &limits));
        }
        assert!(stay.is_subset(&seen), "round {round}");
    }
}

#[test]
fn random_members_are_different_and_all_come() {
    let mut rng = SmallRng::seed_from_u64(2);
    for limits in [limits(1000, 64), limits(0, 0)] {
        let set = numbered(0..300, &limits);
        let mut drawn = HashSet::new();
        for _ in 0..5_000 {
            drawn.insert(set.random(|n| rng.random_range(0..n)).map(pair).unwrap().0);
        }
        assert_eq!(drawn.len(), 300);
        for count in [1, 50, 299, 300, 400] {
            let mut sample = HashSet::new();
            set.sample(count, |n| rng.random_range(0..n), |member, _| assert!(sample.insert(member.to_vec())));
            assert_eq!(sample.len(), count.min(300));
        }
    }
    assert!(SortedSet::new().random(|_| 0).is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, i8),
    Remove(Vec<u8>),
    /// So many members in a row get the same score.
    Fill(u16, i8),
    /// The first of them go.
    Drain(u16),
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0u16..600).prop_map(|number| format!("{number}").into_bytes()),
        4 => prop::collection::vec(0u8..3, 0..4),
        1 => (0usize..3, 0u8..3).prop_map(|(thousands, byte)| vec![byte; thousands * 3000]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (member(), any::<i8>()).prop_map(|(member, score)| Step::Insert(member, score)),
        6 => member().prop_map(Step::Remove),
        1 => (0u16..300, -2i8..2).prop_map(|(count, score)| Step::Fill(count, score)),
        1 => (0u16..300).prop_map(Step::Drain),
    ]
}

fn expected(model: &BTreeMap<Vec<u8>, f64>) -> Vec<(Vec<u8>, f64)> {
    let mut pairs: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    pairs.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    pairs
}

fn check(set: &SortedSet, model: &BTreeMap<Vec<u8>, f64>) {
    let expected = expected(model);
    assert_eq!(set.len(), expected.len());
    assert!(set.iter().map(pair).eq(expected.iter().cloned()));
    assert!(set.iter().rev().map(pair).eq(expected.iter().rev().cloned()));
    for (rank, (member, score)) in expected.iter().enumerate() {
        assert_eq!((set.rank(member), set.score(member)), (Some(rank), Some(*score)));
    }
    for from in [0, 1, expected.len() / 2, expected.len().saturating_sub(3)] {
        for to in [0, expected.len() / 2 + 1, expected.len(), expected.len() + 5] {
            let slice = expected.get(from..to.min(expected.len())).unwrap_or_default();
            assert!(set.range(from..to).map(pair).eq(slice.iter().cloned()));
            assert!(set.range(from..to).rev().map(pair).eq(slice.iter().rev().cloned()));
            let mut members = Vec::new();
            match set.range(from..to).packed_members() {
                Some(packed) => members.extend(packed.map(|member| member.to_vec())),
                None => members.extend(set.range(from..to).map(|(member, _)| member.to_vec())),
            }
            assert!(members.iter().eq(slice.iter().map(|(member, _)| member)));
        }
    }
    for bound in [-200.0, -1.0, 0.0, 1.0, 50.0, 200.0] {
        let below = |bound| expected.iter().filter(|(_, score)| *score < bound).count();
        let between = set.ranks_between(|score, _| score < bound, |score, _| score < bound + 20.0);
        assert_eq!(between, below(bound)..below(bound + 20.0));
    }
    let mut scanned = BTreeMap::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, 10, |member, score| assert!(scanned.insert(member.to_vec(), score).is_none()));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(&scanned, model);
}

proptest! {
    #[test]
    fn behaves_as_a_sorted_map(
        steps in prop::collection::vec(step(), 0..150),
        entries in prop_oneof![Just(0usize), Just(16), Just(10_000)],
    ) {
        let limits = limits(entries, if entries == 16 { 64 } else { 100_000 });
        let (mut set, mut model) = (SortedSet::new(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Insert(member, score) => {
                    let score = f64::from(score) / 4.0;
                    prop_assert_eq!(set.insert(&member, score, &limits), model.insert(member, score).is_none());
                }
                Step::Remove(member) => prop_assert_eq!(set.remove(&member), model.remove(&member).is_some()),
                Step::Fill(count, score) => for number in 0..count {
                    set.insert(number.to_string().as_bytes(), score.into(), &limits);
                    model.insert(number.to_string().into_bytes(), score.into());
                },
                Step::Drain(count) => {
                    for (member, _) in expected(&model).into_iter().take(count.into()) {
                        prop_assert!(set.remove(&member));
                        model.remove(&member);
                    }
                }
            }
        }
        check(&set, &model);
        check(&set.clone(), &model);
    }
}
