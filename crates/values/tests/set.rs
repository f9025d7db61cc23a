//! Sets against a model, in all encodings.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::{BTreeMap, HashSet};
use values::{Element, Encoding, EncodingLimits, Set};

fn limits(intset: usize, listpack: usize, value: usize) -> EncodingLimits {
    EncodingLimits {
        set_max_intset_entries: intset,
        set_max_listpack_entries: listpack,
        set_max_listpack_value: value,
        ..EncodingLimits::default()
    }
}

fn set_of<T: AsRef<[u8]>>(members: impl IntoIterator<Item = T>, limits: &EncodingLimits) -> Set {
    let mut set = Set::new();
    for member in members {
        set.insert(member.as_ref(), limits);
    }
    set
}

fn numbered(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|index| format!("member:{index}"))
}

fn members(set: &Set) -> Vec<Vec<u8>> {
    set.iter().map(Element::to_vec).collect()
}

/// The rules of t_set.c in Redis 7.2.
#[test]
fn encodings_are_those_of_redis() {
    let defaults = EncodingLimits::default();
    let encoding = |members: &[&str], limits: &EncodingLimits| set_of(members, limits).view().encoding();
    assert_eq!(encoding(&["1", "2"], &defaults), Encoding::Intset);
    assert_eq!(encoding(&["1", "a"], &defaults), Encoding::Listpack);
    assert_eq!(encoding(&["a", "1"], &defaults), Encoding::Listpack);
    assert_eq!(encoding(&["01"], &defaults), Encoding::Listpack);
    assert_eq!(encoding(&[&"x".repeat(64)], &defaults), Encoding::Listpack);
    assert_eq!(encoding(&[&"x".repeat(65)], &defaults), Encoding::Hashtable);
    assert_eq!(encoding(&["1"], &limits(0, 128, 64)), Encoding::Listpack);
    assert_eq!(encoding(&["1"], &limits(0, 0, 64)), Encoding::Hashtable);
    assert_eq!(encoding(&["a"], &limits(512, 0, 64)), Encoding::Hashtable);
    assert_eq!(encoding(&["12345", "a"], &limits(512, 128, 4)), Encoding::Hashtable);
    assert_eq!(set_of((0..512).map(|value| value.to_string()), &defaults).view().encoding(), Encoding::Intset);
    assert_eq!(set_of((0..513).map(|value| value.to_string()), &defaults).view().encoding(), Encoding::Hashtable);
    assert_eq!(set_of(numbered(0..128), &defaults).view().encoding(), Encoding::Listpack);
    assert_eq!(set_of(numbered(0..129), &defaults).view().encoding(), Encoding::Hashtable);

    let mut integers = set_of((0..128).map(|value| value.to_string()), &defaults);
    integers.insert(b"a", &defaults);
    assert_eq!(integers.view().encoding(), Encoding::Hashtable);
    assert_eq!(integers.len(), 129);
}

#[test]
fn intsets_are_ascending_and_listpacks_keep_their_age() {
    let defaults = EncodingLimits::default();
    assert_eq!(members(&set_of(["3", "-1", "2"], &defaults)), [&b"-1"[..], b"2", b"3"]);
    assert_eq!(members(&set_of(["c", "a", "1", "b"], &defaults)), [&b"c"[..], b"a", b"1", b"b"]);
}

/// A scan interrupted by inserts and removes still gives every member that stays.
#[test]
fn scan_gives_what_stays_while_the_table_grows_and_shrinks() {
    let limits = limits(0, 0, 0);
    let mut rng = SmallRng::seed_from_u64(1);
    for round in 0..60 {
        let stay: HashSet<String> = (0..rng.random_range(1..600)).map(|index| format!("stay:{index}")).collect();
        let mut others = rng.random_range(0..5000);
        let mut set = set_of(numbered(0..others), &limits);
        stay.iter().for_each(|member| assert!(set.insert(member.as_bytes(), &limits)));

        let mut seen = HashSet::new();
        let mut cursor = 0;
        loop {
            cursor = set.view().scan(cursor, 10, |member| {
                seen.insert(String::from_utf8(member.to_vec()).unwrap());
            });
            if cursor == 0 {
                break;
            }
            let target = if rng.random_bool(0.5) { others + rng.random_range(0..400) } else { others * 2 / 3 };
            numbered(others..target).for_each(|member| assert!(set.insert(member.as_bytes(), &limits)));
            numbered(target..others).for_each(|member| assert!(set.remove(member.as_bytes())));
            others = target;
        }
        assert!(stay.is_subset(&seen), "round {round}");
    }
}

#[test]
fn a_quiet_scan_gives_everything_once_in_small_steps() {
    let set = set_of(numbered(0..10_000), &limits(0, 0, 0));
    let (mut cursor, mut given, mut largest_step) = (0, Vec::new(), 0);
    loop {
        let before = given.len();
        cursor = set.view().scan(cursor, 10, |member| given.push(member.to_vec()));
        largest_step = largest_step.max(given.len() - before);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(given.len(), 10_000);
    assert_eq!(given.into_iter().collect::<HashSet<_>>().len(), 10_000);
    assert!(largest_step < 60, "{largest_step}");
}

/// Chi-square over many draws stays within what chance allows (mean: n - 1, deviation: sqrt(2n)).
#[test]
fn random_members_are_uniform() {
    let mut rng = SmallRng::seed_from_u64(2);
    for (limits, len) in
        [(limits(512, 128, 64), 100), (limits(0, 128, 64), 100), (limits(0, 0, 0), 100), (limits(0, 0, 0), 777)]
    {
        let set = set_of((0..len).map(|value| value.to_string()), &limits);
        let mut drawn = BTreeMap::<Vec<u8>, f64>::new();
        let mut sampled = BTreeMap::<Vec<u8>, f64>::new();
        for _ in 0..len * 100 {
            let member = set.view().random(|n| rng.random_range(0..n), <[u8]>::to_vec).unwrap();
            *drawn.entry(member).or_default() += 1.0;
        }
        for _ in 0..len * 10 {
            set.view().sample(
                10,
                |n| rng.random_range(0..n),
                |member| *sampled.entry(member.to_vec()).or_default() += 1.0,
            );
        }
        for counts in [drawn, sampled] {
            assert_eq!(counts.len(), len);
            let chi_square: f64 = counts.values().map(|count| (count - 100.0).powi(2) / 100.0).sum();
            let len = len as f64;
            assert!(
                (chi_square - len).abs() < 6.0 * (2.0 * len).sqrt(),
                "{chi_square} for {len}, {:?}",
                set.view().encoding()
            );
        }
    }
}

#[test]
fn a_sample_is_of_different_members() {
    let mut rng = SmallRng::seed_from_u64(3);
    for limits in [limits(512, 128, 64), limits(0, 0, 0)] {
        let set = set_of((0..90).map(|value| value.to_string()), &limits);
        for count in [0, 1, 10, 29, 30, 31, 89, 90, 91, 1000] {
            let mut sample = HashSet::new();
            set.view().sample(count, |n| rng.random_range(0..n), |member| assert!(sample.insert(member.to_vec())));
            assert_eq!(sample.len(), count.min(90));
            assert!(sample.iter().all(|member| set.contains(member)));
        }
    }
}

/// So that a large value can be dropped on another thread.
#[test]
fn collections_can_be_sent_to_another_thread() {
    fn assert_send<T: Send + Sync>() {}
    assert_send::<Set>();
    assert_send::<values::Hash>();
}

/// The figures of the design: what one member costs beyond its own bytes.
#[test]
fn a_large_set_is_compact() {
    let limits = limits(0, 0, 0);
    let mut set = Set::new();
    for index in 0..200_000 {
        set.insert(format!("member:{index:08}").as_bytes(), &limits);
        if index > 1000 && index % 1000 == 0 {
            assert!(set.heap_size() < index * 30, "{} bytes for {index} members", set.heap_size());
        }
    }
    for index in 0..199_000 {
        set.remove(format!("member:{index:08}").as_bytes());
    }
    assert_eq!(set.len(), 1000);
    assert!(set.heap_size() < 1000 * 100, "{}", set.heap_size());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>),
    Remove(Vec<u8>),
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0u16..400).prop_map(|value| value.to_string().into_bytes()),
        2 => prop::collection::vec(b'a'..b'e', 0..4),
        1 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        1 => (0u8..6, 60usize..300).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => member().prop_map(Step::Insert), 1 => member().prop_map(Step::Remove)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn behaves_as_a_set(
        limits in (0usize..40, 0usize..40, 0usize..100).prop_map(|(intset, listpack, value)| limits(intset, listpack, value)),
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let (mut set, mut model) = (Set::new(), HashSet::new());
        for step in steps {
            match step {
                Step::Insert(member) => prop_assert_eq!(set.insert(&member, &limits), model.insert(member)),
                Step::Remove(member) => prop_assert_eq!(set.remove(&member), model.remove(&member)),
            }
            prop_assert_eq!(set.len(), model.len());
        }
        prop_assert!(model.iter().all(|member| set.contains(member)));
        prop_assert!(set.iter().all(|member| set.view().contains_element(member)));
        let contents = members(&set);
        prop_assert_eq!(contents.len(), model.len());
        prop_assert_eq!(contents.into_iter().collect::<HashSet<_>>(), model);
        prop_assert_eq!(members(&set.clone()), members(&set));
    }
}

#[test]
fn a_clone_of_a_large_set_is_not_touched_by_what_happens_to_the_other() {
    const MEMBERS: usize = 40_000;
    let limits = EncodingLimits::default();
    let member = |number: usize| format!("member:{number}").into_bytes();
    let mut set = Set::new();
    for number in 0..MEMBERS {
        assert!(set.insert(&member(number), &limits));
    }
    let clone = set.clone();
    for number in 0..MEMBERS {
        assert!(set.remove(&member(number)), "{number}");
        if number % 2 == 0 {
            assert!(set.insert(&member(MEMBERS + number), &limits));
        }
    }
    assert_eq!((set.len(), clone.len()), (MEMBERS / 2, MEMBERS));
    assert!((0..MEMBERS).all(|number| clone.contains(&member(number)) && !set.contains(&member(number))));
    let mut found: Vec<Vec<u8>> = clone.iter().map(|member| member.to_vec()).collect();
    found.sort();
    let mut all: Vec<Vec<u8>> = (0..MEMBERS).map(member).collect();
    all.sort();
    assert_eq!(found, all);
    (0..MEMBERS).step_by(2).for_each(|number| assert!(set.remove(&member(MEMBERS + number))));
    assert!(set.is_empty() && set.heap_size() < 1024);
}
