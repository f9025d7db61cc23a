//! Hashes against a model, in both encodings.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::HashMap;
use values::{Encoding, EncodingLimits, Hash};

fn limits(entries: usize, value: usize) -> EncodingLimits {
    EncodingLimits { hash_max_listpack_entries: entries, hash_max_listpack_value: value, ..EncodingLimits::default() }
}

fn contents(hash: &Hash) -> Vec<(Vec<u8>, Vec<u8>)> {
    hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
}

#[test]
fn encodings_are_those_of_redis() {
    let encoding = |pairs: &[(&str, &str)], limits: &EncodingLimits| {
        let mut hash = Hash::new();
        for (field, value) in pairs {
            hash.insert(field.as_bytes(), value.as_bytes(), limits);
        }
        hash.view().encoding()
    };
    let limits = limits(2, 4);
    assert_eq!(encoding(&[("a", "1234"), ("b", "2")], &limits), Encoding::Listpack);
    assert_eq!(encoding(&[("a", "1"), ("b", "2"), ("c", "3")], &limits), Encoding::Hashtable);
    assert_eq!(encoding(&[("a", "12345")], &limits), Encoding::Hashtable);
    assert_eq!(encoding(&[("abcde", "1")], &limits), Encoding::Hashtable);
}

#[test]
fn a_listpack_keeps_the_order_of_its_fields() {
    let limits = EncodingLimits::default();
    let mut hash = Hash::new();
    for (field, value) in [("b", "1"), ("a", "b"), ("b", "2")] {
        hash.insert(field.as_bytes(), value.as_bytes(), &limits);
    }
    assert_eq!(contents(&hash), [(b"b".to_vec(), b"2".to_vec()), (b"a".to_vec(), b"b".to_vec())]);
    // A value is never taken for a field.
    assert!(!hash.contains(b"2"));
    assert_eq!(hash.view().get(b"a", |value| value.map(<[u8]>::to_vec)), Some(b"b".to_vec()));
}

#[test]
fn random_fields_come_with_their_values() {
    let mut rng = SmallRng::seed_from_u64(1);
    for limits in [limits(128, 64), limits(0, 0)] {
        let mut hash = Hash::new();
        (0..100).for_each(|index| {
            assert!(hash.insert(format!("f{index}").as_bytes(), format!("v{index}").as_bytes(), &limits))
        });
        let mut drawn = HashMap::<Vec<u8>, u32>::new();
        for _ in 0..5_000 {
            let (field, value) = hash
                .view()
                .random(|n| rng.random_range(0..n), |field, value| (field.to_vec(), value.to_vec()))
                .unwrap();
            assert_eq!(field[1..], value[1..]);
            *drawn.entry(field).or_default() += 1;
        }
        assert_eq!(drawn.len(), 100);
        assert!(drawn.values().all(|&count| (10..120).contains(&count)), "{drawn:?}");
        for count in [5, 60, 100] {
            let mut sample = HashMap::new();
            hash.view().sample(
                count,
                |n| rng.random_range(0..n),
                |field, value| assert!(sample.insert(field.to_vec(), value.to_vec()).is_none()),
            );
            assert_eq!(sample.len(), count);
        }
    }
}

#[test]
fn a_large_hash_is_compact() {
    let limits = limits(0, 0);
    let mut hash = Hash::new();
    for index in 0..200_000 {
        hash.insert(format!("field:{index:06}").as_bytes(), format!("{index:08}").as_bytes(), &limits);
    }
    assert!(hash.heap_size() < 200_000 * 36, "{}", hash.heap_size());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

fn string() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0u16..300).prop_map(|value| value.to_string().into_bytes()),
        2 => prop::collection::vec(b'a'..b'e', 0..4),
        1 => (0u8..6, 100usize..300).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => (string(), string()).prop_map(|(field, value)| Step::Insert(field, value)), 1 => string().prop_map(Step::Remove)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn behaves_as_a_map(
        limits in (0usize..60, 0usize..200).prop_map(|(entries, value)| limits(entries, value)),
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let (mut hash, mut model) = (Hash::new(), HashMap::new());
        for step in steps {
            match step {
                Step::Insert(field, value) => {
                    prop_assert_eq!(hash.insert(&field, &value, &limits), model.insert(field, value).is_none());
                }
                Step::Remove(field) => prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
            }
            prop_assert_eq!(hash.len(), model.len());
        }
        for (field, value) in &model {
            prop_assert_eq!(hash.value(field).map(|value| value.to_vec()), Some(value.clone()));
        }
        let mut scanned = HashMap::new();
        let mut cursor = 0;
        loop {
            cursor = hash.view().scan(cursor, 10, |field, value| { scanned.insert(field.to_vec(), value.to_vec()); });
            if cursor == 0 { break; }
        }
        prop_assert_eq!(&scanned, &model);
        let contents = contents(&hash);
        prop_assert_eq!(contents.len(), model.len());
        prop_assert_eq!(contents.into_iter().collect::<HashMap<_, _>>(), model);
    }
}
