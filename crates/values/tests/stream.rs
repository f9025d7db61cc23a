//! Streams against a model.

use proptest::prelude::*;
use std::collections::BTreeMap;
use values::{Element, EncodingLimits, Group, Position, Stream, StreamEntry, StreamId, Trim};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn id(number: u64) -> StreamId {
    StreamId::new(1_000 + number / 4, number % 4)
}

fn insert(stream: &mut Stream, id: StreamId, fields: &Fields, limits: &EncodingLimits) -> bool {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (Element::Bytes(name), Element::Bytes(value))).collect();
    stream.insert(id, &fields, limits)
}

fn owned(entry: StreamEntry<'_>) -> (StreamId, Fields) {
    (entry.id, entry.fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64, Fields),
    Insert(u64, Fields),
    Remove(u64),
    Trim(u64),
    MaxLen(u64),
    Range(u64, u64),
}

fn fields() -> impl Strategy<Value = Fields> {
    let text = prop_oneof![
        3 => prop::sample::select(vec![&b"temperature"[..], b"a", b"b", b"17", b"", b"007"]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
    ];
    let names = prop::sample::select(vec![b"temperature".to_vec(), b"17".to_vec(), b"x".to_vec()]);
    prop::collection::vec((names, text), 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4u64, fields()).prop_map(|(gap, fields)| Step::Add(gap, fields)),
        3 => (0..400u64, fields()).prop_map(|(at, fields)| Step::Insert(at, fields)),
        3 => (0..400u64).prop_map(Step::Remove),
        1 => (0..400u64).prop_map(Step::Trim),
        1 => (0..100u64).prop_map(Step::MaxLen),
        2 => (0..400u64, 0..400u64).prop_map(|(from, to)| Step::Range(from, to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn behaves_as_a_map(
        (max_bytes, max_entries) in (0usize..400, 0usize..12),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let limits = EncodingLimits {
            stream_node_max_bytes: max_bytes,
            stream_node_max_entries: max_entries,
            ..EncodingLimits::default()
        };
        let (mut stream, mut model, mut next) = (Stream::new(), BTreeMap::new(), 0);
        let mut parts = Vec::new();
        for step in steps {
            match step {
                Step::Add(gap, fields) => {
                    next += gap;
                    let id = id(next).max(stream.last_id.next().unwrap());
                    insert(&mut stream, id, &fields, &limits);
                    model.insert(id, fields);
                }
                Step::Insert(at, fields) => {
                    let is_new = model.insert(id(at), fields.clone()).is_none();
                    prop_assert_eq!(insert(&mut stream, id(at), &fields, &limits), is_new);
                }
                Step::Remove(at) => prop_assert_eq!(stream.remove(id(at)), model.remove(&id(at)).is_some()),
                Step::Trim(at) => {
                    if let Some(point) = stream.trim_point(Trim::MinId(id(at)), false, 0) {
                        stream.remove_through(point);
                    }
                    model.retain(|other, _| *other >= id(at));
                }
                Step::MaxLen(len) => {
                    if let Some(point) = stream.trim_point(Trim::MaxLen(len), false, 0) {
                        stream.remove_through(point);
                    }
                    while model.len() as u64 > len {
                        model.pop_first();
                    }
                }
                Step::Range(from, to) => {
                    let (from, to) = (id(from), id(to));
                    let expected: Vec<_> = model.iter().filter(|(id, _)| (from..=to).contains(id)).map(|(id, fields)| (*id, fields.clone())).collect();
                    prop_assert_eq!(&stream.range(from, to).map(owned).collect::<Vec<_>>(), &expected);
                    prop_assert_eq!(stream.count(from, to), expected.len());
                    parts.push((stream.part(from, to), from, to, expected.clone()));
                    prop_assert!(stream.range_backwards(from, to).map(owned).eq(expected.into_iter().rev()));
                }
            }
            prop_assert_eq!(stream.len(), model.len());
        }
        prop_assert_eq!(stream.first().map(|entry| entry.id), model.keys().next().copied());
        prop_assert_eq!(stream.last().map(|entry| entry.id), model.keys().next_back().copied());
        prop_assert!(stream.range(StreamId::MIN, StreamId::MAX).map(owned).eq(model));
        for (part, from, to, expected) in parts {
            prop_assert!(part.range_backwards(from, to).map(owned).eq(expected.iter().rev().cloned()));
            prop_assert!(part.range(from, to).map(owned).eq(expected));
        }
    }
}

/// So many blocks that they are in several chunks.
fn of_many_blocks() -> (Stream, BTreeMap<StreamId, Fields>, EncodingLimits) {
    let limits = EncodingLimits { stream_node_max_entries: 2, ..EncodingLimits::default() };
    let (mut stream, mut model) = (Stream::new(), BTreeMap::new());
    for number in 0..2000 {
        let fields = vec![(b"a".to_vec(), number.to_string().into_bytes())];
        insert(&mut stream, id(2 * number), &fields, &limits);
        model.insert(id(2 * number), fields);
    }
    (stream, model, limits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn behaves_as_a_map_with_many_blocks(
        edits in prop::collection::vec((0..4000u64, any::<bool>(), 1..120u64), 0..60),
        ends in prop::collection::vec((0..4000u64, 0..4000u64), 20),
        trim in 0..4000u64,
    ) {
        let (mut stream, mut model, limits) = of_many_blocks();
        let (before, model_before) = (stream.part(StreamId::MIN, StreamId::MAX), model.clone());
        for (first, adds, count) in edits {
            for number in first..first + count {
                if adds {
                    let fields = vec![(b"b".to_vec(), b"x".to_vec())];
                    let is_new = model.insert(id(number), fields.clone()).is_none();
                    prop_assert_eq!(insert(&mut stream, id(number), &fields, &limits), is_new);
                } else {
                    prop_assert_eq!(stream.remove(id(number)), model.remove(&id(number)).is_some());
                }
            }
        }
        let removed = stream.remove_through(id(trim));
        prop_assert_eq!(removed, model.range(..=id(trim)).count());
        model.retain(|other, _| *other > id(trim));
        for (from, to) in ends {
            let (from, to) = (id(from.min(to)), id(from.max(to)));
            let expected = || model.range(from..=to).map(|(id, fields)| (*id, fields.clone()));
            prop_assert_eq!(stream.count(from, to), expected().count());
            prop_assert!(stream.range(from, to).map(owned).eq(expected()));
            prop_assert!(stream.part(from, to).range_backwards(from, to).map(owned).eq(expected().rev()));
        }
        prop_assert!(stream.range(StreamId::MIN, StreamId::MAX).map(owned).eq(model));
        prop_assert!(before.range(StreamId::MIN, StreamId::MAX).map(owned).eq(model_before));
    }
}

#[test]
fn an_approximate_trim_takes_whole_blocks() {
    let limits = EncodingLimits { stream_node_max_entries: 10, ..EncodingLimits::default() };
    let mut stream = Stream::new();
    for number in 0..55 {
        insert(&mut stream, id(number), &vec![(b"a".to_vec(), b"b".to_vec())], &limits);
    }
    assert_eq!(stream.block_count(), 6);
    assert_eq!(stream.trim_point(Trim::MaxLen(12), true, 0), Some(id(39)));
    assert_eq!(stream.trim_point(Trim::MaxLen(12), true, 25), Some(id(19)));
    assert_eq!(stream.trim_point(Trim::MaxLen(12), false, 0), Some(id(42)));
    assert_eq!(stream.trim_point(Trim::MinId(id(20)), true, 0), Some(id(19)));
    assert_eq!(stream.trim_point(Trim::MinId(id(19)), true, 0), Some(id(9)));
    assert_eq!(stream.remove_through(id(42)), 43);
    assert_eq!((stream.len(), stream.block_count()), (12, 2));
}

#[test]
fn a_stream_is_compact() {
    let limits = EncodingLimits::default();
    let mut stream = Stream::new();
    for number in 0..100_000 {
        let value = format!("{number:010}");
        insert(&mut stream, id(number), &vec![(b"sensor".to_vec(), value.into_bytes())], &limits);
    }
    assert!(stream.heap_size() < 100_000 * 24, "{}", stream.heap_size());
}

#[test]
fn what_is_pending_belongs_to_one_consumer() {
    let mut group = Group::new(Position::default());
    group.deliver(id(1), b"a", 5, 1);
    group.deliver(id(2), b"a", 5, 1);
    group.deliver(id(2), b"b", 7, 2);
    let pending = |group: &Group, name: &[u8]| group.consumer(name).map(|consumer| consumer.pending_count());
    assert_eq!((pending(&group, b"a"), pending(&group, b"b")), (Some(1), Some(1)));
    assert_eq!(group.pending_of(id(2)).map(|pending| (pending.deliveries, pending.delivered_ms)), Some((2, 7)));
    assert!(group.acknowledge(id(1)) && !group.acknowledge(id(1)));
    assert_eq!(group.remove_consumer(b"b"), Some(1));
    assert_eq!((group.pending_count(), group.consumers().len()), (0, 1));
}
