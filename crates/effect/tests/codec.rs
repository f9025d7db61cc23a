//! The codec: what is written is read back, and no bytes make it panic.

use effect::{
    Collection, Creator, Deadline, DecodeError, DeliveriesWriter, Delivery, Effect, EffectReader, EffectWriter, End,
    EntryId, GroupPosition, Identities, IdentitiesWriter, IdentityRun, Items, ItemsWriter, NodeId, Origin,
    ScoredItemsWriter, Stamp, Step, put_varint, take_varint,
};
use proptest::prelude::*;

type Bytes = Vec<u8>;

/// An effect that owns what it says, and its form as the codec sees it.
#[derive(Clone, Debug)]
enum Owned {
    Select(u32),
    Set(Bytes, Bytes, Deadline),
    Increment(Bytes, i64),
    IncrementFloat(Bytes, Bytes),
    Append(Bytes, Bytes),
    SetRange(Bytes, u64, Bytes),
    SetBits(Bytes, u64, u8, u64),
    RaiseRegisters(Bytes, u64, Bytes),
    Delete(Bytes),
    Expire(Bytes, Option<u64>),
    ExpireMembers(Bytes, Collection, Vec<Bytes>, Option<u64>),
    Put(Bytes, Bytes, Option<u64>),
    SetAdd(Bytes, Vec<Bytes>),
    SetRemove(Bytes, Vec<Bytes>),
    HashSet(Bytes, Vec<Bytes>),
    HashDelete(Bytes, Vec<Bytes>),
    HashIncrement(Bytes, Bytes, i64),
    HashIncrementFloat(Bytes, Bytes, Bytes),
    SortedSetAdd(Bytes, Vec<(Bytes, f64)>),
    SortedSetRemove(Bytes, Vec<Bytes>),
    SortedSetIncrement(Bytes, Bytes, f64),
    StreamAdd(Bytes, EntryId, Vec<Bytes>),
    StreamDelete(Bytes, Vec<EntryId>, EntryId),
    StreamTrim(Bytes, EntryId),
    StreamSetId(Bytes, EntryId, Option<u64>, EntryId),
    StreamGroupCreate(Bytes, Bytes, GroupPosition),
    StreamGroupSet(Bytes, Bytes, GroupPosition),
    StreamGroupDestroy(Bytes, Bytes),
    StreamDeliver(Bytes, Bytes, Option<GroupPosition>, Vec<Delivery>),
    StreamConsumerDelete(Bytes, Bytes, Bytes),
    StreamAcknowledge(Bytes, Bytes, Vec<EntryId>),
    ListPush(Bytes, End, Vec<Bytes>),
    ListInsert(Bytes, IdentityRun, End, Bytes),
    ListRemove(Bytes, Vec<IdentityRun>),
    ListSet(Bytes, IdentityRun, Bytes),
    FlushDb,
    FlushAll,
    Publish(Bytes, Bytes, bool),
}

impl Owned {
    /// Calls `f` with the borrowed form.
    fn with<R>(&self, f: impl FnOnce(&Effect<'_>) -> R) -> R {
        let mut writer = ItemsWriter::new();
        if let Owned::SetAdd(_, items)
        | Owned::SetRemove(_, items)
        | Owned::HashSet(_, items)
        | Owned::HashDelete(_, items)
        | Owned::SortedSetRemove(_, items)
        | Owned::StreamAdd(_, _, items)
        | Owned::ListPush(_, _, items)
        | Owned::ExpireMembers(_, _, items, _) = self
        {
            items.iter().for_each(|item| writer.push(item));
        }
        let mut scored = ScoredItemsWriter::new();
        if let Owned::SortedSetAdd(_, pairs) = self {
            pairs.iter().for_each(|(member, score)| scored.push(member, *score));
        }
        let items = writer.items();
        let mut writer = DeliveriesWriter::new();
        match self {
            Owned::StreamDelete(_, ids, _) | Owned::StreamAcknowledge(_, _, ids) => {
                ids.iter().for_each(|id| writer.push_id(*id));
            }
            Owned::StreamDeliver(_, _, _, deliveries) => deliveries.iter().for_each(|delivery| writer.push(*delivery)),
            _ => {}
        }
        let (ids, deliveries) = (writer.ids(), writer.deliveries());
        let mut identities = IdentitiesWriter::new();
        match self {
            Owned::ListRemove(_, runs) => runs.iter().for_each(|run| identities.push(run)),
            Owned::ListInsert(_, run, ..) | Owned::ListSet(_, run, _) => identities.push(run),
            _ => {}
        }
        let identities = identities.identities();
        f(&match self {
            Owned::Select(db) => Effect::Select { db: *db },
            Owned::Set(key, value, deadline) => Effect::Set { key, value, deadline: *deadline },
            Owned::Increment(key, delta) => Effect::Increment { key, delta: *delta },
            Owned::IncrementFloat(key, delta) => Effect::IncrementFloat { key, delta },
            Owned::Append(key, bytes) => Effect::Append { key, bytes },
            Owned::SetRange(key, offset, bytes) => Effect::SetRange { key, offset: *offset, bytes },
            Owned::SetBits(key, bit_offset, width, value) => {
                Effect::SetBits { key, bit_offset: *bit_offset, width: *width, value: *value }
            }
            Owned::RaiseRegisters(key, sparse_max, registers) => {
                Effect::RaiseRegisters { key, sparse_max: *sparse_max, registers }
            }
            Owned::Delete(key) => Effect::Delete { key },
            Owned::Expire(key, deadline_ms) => Effect::Expire { key, deadline_ms: *deadline_ms },
            Owned::ExpireMembers(key, collection, _, deadline_ms) => {
                Effect::ExpireMembers { key, collection: *collection, members: items, deadline_ms: *deadline_ms }
            }
            Owned::Put(key, value, deadline_ms) => Effect::Put { key, value, deadline_ms: *deadline_ms },
            Owned::SetAdd(key, _) => Effect::SetAdd { key, members: items },
            Owned::SetRemove(key, _) => Effect::SetRemove { key, members: items },
            Owned::HashSet(key, _) => Effect::HashSet { key, pairs: items },
            Owned::HashDelete(key, _) => Effect::HashDelete { key, fields: items },
            Owned::HashIncrement(key, field, delta) => Effect::HashIncrement { key, field, delta: *delta },
            Owned::HashIncrementFloat(key, field, delta) => Effect::HashIncrementFloat { key, field, delta },
            Owned::SortedSetAdd(key, _) => Effect::SortedSetAdd { key, pairs: scored.items() },
            Owned::SortedSetRemove(key, _) => Effect::SortedSetRemove { key, members: items },
            Owned::SortedSetIncrement(key, member, delta) => Effect::SortedSetIncrement { key, member, delta: *delta },
            Owned::StreamAdd(key, id, _) => Effect::StreamAdd { key, id: *id, fields: items },
            Owned::StreamDelete(key, _, max) => Effect::StreamDelete { key, ids, max_deleted_id: *max },
            Owned::StreamTrim(key, through) => Effect::StreamTrim { key, through: *through },
            Owned::StreamSetId(key, last_id, entries_added, max_deleted_id) => Effect::StreamSetId {
                key,
                last_id: *last_id,
                entries_added: *entries_added,
                max_deleted_id: *max_deleted_id,
            },
            Owned::StreamGroupCreate(key, group, position) => {
                Effect::StreamGroupCreate { key, group, position: *position }
            }
            Owned::StreamGroupSet(key, group, position) => Effect::StreamGroupSet { key, group, position: *position },
            Owned::StreamGroupDestroy(key, group) => Effect::StreamGroupDestroy { key, group },
            Owned::StreamDeliver(key, name, position, _) => {
                Effect::StreamDeliver { key, group: name, consumer: name, position: *position, deliveries }
            }
            Owned::StreamConsumerDelete(key, group, consumer) => Effect::StreamConsumerDelete { key, group, consumer },
            Owned::StreamAcknowledge(key, group, _) => Effect::StreamAcknowledge { key, group, ids },
            Owned::ListPush(key, end, _) => Effect::ListPush { key, end: *end, elements: items },
            Owned::ListInsert(key, _, toward, element) => {
                Effect::ListInsert { key, anchor: identities, toward: *toward, element }
            }
            Owned::ListRemove(key, _) => Effect::ListRemove { key, elements: identities },
            Owned::ListSet(key, _, value) => Effect::ListSet { key, element: identities, value },
            Owned::FlushDb => Effect::FlushDb,
            Owned::FlushAll => Effect::FlushAll,
            Owned::Publish(channel, payload, sharded) => Effect::Publish { channel, payload, sharded: *sharded },
        })
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn items() -> impl Strategy<Value = Vec<Bytes>> {
    prop::collection::vec(bytes(), 0..6)
}

fn score() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("a number", |score| !score.is_nan())
}

fn deadlines() -> impl Strategy<Value = Deadline> {
    prop_oneof![Just(Deadline::Clear), Just(Deadline::Keep), any::<u64>().prop_map(Deadline::At)]
}

fn positions() -> impl Strategy<Value = GroupPosition> {
    let read = prop::option::of(0..u64::MAX);
    (any::<EntryId>(), read).prop_map(|(last_id, entries_read)| GroupPosition { last_id, entries_read })
}

fn ids() -> impl Strategy<Value = Vec<EntryId>> {
    prop::collection::vec(any::<EntryId>(), 0..6)
}

fn deliveries() -> impl Strategy<Value = Vec<Delivery>> {
    let delivery = (any::<EntryId>(), any::<u64>(), any::<u64>());
    let delivery = delivery.prop_map(|(id, delivered_ms, deliveries)| Delivery { id, delivered_ms, deliveries });
    prop::collection::vec(delivery, 0..6)
}

fn stream_effects() -> impl Strategy<Value = Owned> {
    prop_oneof![
        (bytes(), any::<EntryId>(), items()).prop_map(|(key, id, fields)| Owned::StreamAdd(key, id, fields)),
        (bytes(), ids(), any::<EntryId>()).prop_map(|(key, ids, max)| Owned::StreamDelete(key, ids, max)),
        (bytes(), any::<EntryId>()).prop_map(|(key, through)| Owned::StreamTrim(key, through)),
        (bytes(), any::<EntryId>(), prop::option::of(0..u64::MAX), any::<EntryId>())
            .prop_map(|(key, last, added, max)| Owned::StreamSetId(key, last, added, max)),
        (bytes(), bytes(), positions()).prop_map(|(key, group, at)| Owned::StreamGroupCreate(key, group, at)),
        (bytes(), bytes(), positions()).prop_map(|(key, group, at)| Owned::StreamGroupSet(key, group, at)),
        (bytes(), bytes()).prop_map(|(key, group)| Owned::StreamGroupDestroy(key, group)),
        (bytes(), bytes(), prop::option::of(positions()), deliveries())
            .prop_map(|(key, name, at, deliveries)| Owned::StreamDeliver(key, name, at, deliveries)),
        (bytes(), bytes(), bytes()).prop_map(|(key, group, name)| Owned::StreamConsumerDelete(key, group, name)),
        (bytes(), bytes(), ids()).prop_map(|(key, group, ids)| Owned::StreamAcknowledge(key, group, ids)),
    ]
}

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Head), Just(End::Tail)]
}

fn runs(count: u64) -> impl Strategy<Value = IdentityRun> {
    let creator = prop_oneof![
        Just(Creator::Author),
        Just(Creator::Nobody),
        Just(Creator::Position),
        (any::<u64>(), any::<u32>())
            .prop_map(|(node, incarnation)| Creator::Origin(Origin { node: NodeId(node), incarnation })),
    ];
    let step = prop_oneof![Just(Step::Index), Just(Step::Later), Just(Step::Earlier)];
    (creator, 1000..u64::MAX / 2, -1000..1000i64, 1..=count, step).prop_map(|(creator, stamp, index, count, step)| {
        IdentityRun { creator, stamp: Stamp(stamp), index, count, step }
    })
}

fn effects() -> impl Strategy<Value = Owned> {
    prop_oneof![
        any::<u32>().prop_map(Owned::Select),
        (bytes(), bytes(), deadlines()).prop_map(|(key, value, deadline)| Owned::Set(key, value, deadline)),
        (bytes(), any::<i64>()).prop_map(|(key, delta)| Owned::Increment(key, delta)),
        (bytes(), bytes()).prop_map(|(key, delta)| Owned::IncrementFloat(key, delta)),
        (bytes(), bytes()).prop_map(|(key, bytes)| Owned::Append(key, bytes)),
        (bytes(), any::<u64>(), bytes()).prop_map(|(key, offset, bytes)| Owned::SetRange(key, offset, bytes)),
        (bytes(), any::<u64>(), 1u8..=64, any::<u64>())
            .prop_map(|(key, offset, width, value)| Owned::SetBits(key, offset, width, value)),
        (bytes(), any::<u64>(), bytes()).prop_map(|(key, max, registers)| Owned::RaiseRegisters(key, max, registers)),
        bytes().prop_map(Owned::Delete),
        (bytes(), any::<Option<u64>>()).prop_map(|(key, deadline_ms)| Owned::Expire(key, deadline_ms)),
        (bytes(), 0..3usize, items(), any::<Option<u64>>()).prop_map(|(key, kind, items, at)| {
            let collection = [Collection::Set, Collection::Hash, Collection::SortedSet][kind];
            Owned::ExpireMembers(key, collection, items, at)
        }),
        (bytes(), bytes(), any::<Option<u64>>()).prop_map(|(key, value, at)| Owned::Put(key, value, at)),
        (bytes(), items()).prop_map(|(key, items)| Owned::SetAdd(key, items)),
        (bytes(), items()).prop_map(|(key, items)| Owned::SetRemove(key, items)),
        (bytes(), items()).prop_map(|(key, items)| Owned::HashSet(key, items)),
        (bytes(), items()).prop_map(|(key, items)| Owned::HashDelete(key, items)),
        (bytes(), bytes(), any::<i64>()).prop_map(|(key, field, delta)| Owned::HashIncrement(key, field, delta)),
        (bytes(), bytes(), bytes()).prop_map(|(key, field, delta)| Owned::HashIncrementFloat(key, field, delta)),
        (bytes(), prop::collection::vec((bytes(), score()), 0..6))
            .prop_map(|(key, pairs)| Owned::SortedSetAdd(key, pairs)),
        (bytes(), items()).prop_map(|(key, items)| Owned::SortedSetRemove(key, items)),
        (bytes(), bytes(), score()).prop_map(|(key, member, delta)| Owned::SortedSetIncrement(key, member, delta)),
        stream_effects(),
        (bytes(), ends(), items()).prop_map(|(key, end, items)| Owned::ListPush(key, end, items)),
        (bytes(), runs(1), ends(), bytes()).prop_map(|(key, run, end, item)| Owned::ListInsert(key, run, end, item)),
        (bytes(), prop::collection::vec(runs(1000), 0..5)).prop_map(|(key, runs)| Owned::ListRemove(key, runs)),
        (bytes(), runs(1), bytes()).prop_map(|(key, run, value)| Owned::ListSet(key, run, value)),
        Just(Owned::FlushDb),
        Just(Owned::FlushAll),
        (bytes(), bytes(), any::<bool>())
            .prop_map(|(channel, payload, sharded)| Owned::Publish(channel, payload, sharded)),
    ]
}

fn encode(effects: &[Owned]) -> Vec<u8> {
    let mut buffer = Vec::new();
    for effect in effects {
        effect.with(|effect| EffectWriter::new(&mut buffer).push(effect));
    }
    buffer
}

proptest! {
    #[test]
    fn effects_round_trip(effects in prop::collection::vec(effects(), 0..12)) {
        let encoded = encode(&effects);
        let mut read = EffectReader::new(&encoded);
        for effect in &effects {
            let found = read.next().unwrap().unwrap();
            effect.with(|expected| assert_eq!(&found, expected));
        }
        prop_assert_eq!(read.next(), None);
    }

    #[test]
    fn a_cut_is_noticed(effect in effects(), cut in any::<prop::sample::Index>()) {
        let encoded = encode(&[effect]);
        let cut = cut.index(encoded.len());
        let read: Vec<_> = EffectReader::new(&encoded[..cut]).collect();
        prop_assert!(cut == 0 && read.is_empty() || read == [Err(DecodeError::Truncated)]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut seen = 0;
        for effect in EffectReader::new(&bytes) {
            match effect {
                Ok(Effect::SetAdd { members: items, .. } | Effect::HashSet { pairs: items, .. }) => {
                    seen += items.iter().count() + items.pairs().count();
                }
                Ok(Effect::ListRemove { elements, .. }) => seen += elements.iter().count(),
                Ok(_) => {}
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
        prop_assert!(seen <= 2 * bytes.len());
    }

    #[test]
    fn damaged_effects_never_panic(effects in prop::collection::vec(effects(), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut encoded = encode(&effects);
        let index = at.index(encoded.len());
        encoded[index] = byte;
        EffectReader::new(&encoded).for_each(drop);
    }

    #[test]
    fn varints_round_trip(value in any::<u64>(), tail in bytes()) {
        let mut buffer = Vec::new();
        put_varint(&mut buffer, value);
        prop_assert!(buffer.len() <= 10);
        buffer.extend_from_slice(&tail);
        let mut rest = buffer.as_slice();
        prop_assert_eq!(take_varint(&mut rest), Ok(value));
        prop_assert_eq!(rest, &tail[..]);
    }

    #[test]
    fn items_hold_what_was_pushed(items in items()) {
        let mut writer = ItemsWriter::new();
        items.iter().for_each(|item| writer.push(item));
        let read: Vec<&[u8]> = writer.items().iter().collect();
        prop_assert_eq!(&read, &items);
        prop_assert_eq!(writer.items().pairs().count(), items.len() / 2);
    }
}

#[test]
fn runs_of_identities_round_trip() {
    let origin = |node| Creator::Origin(Origin { node: NodeId(node), incarnation: 7 });
    let run = |creator, stamp, index, count, step| IdentityRun { creator, stamp: Stamp(stamp), index, count, step };
    let runs = [
        run(origin(1), 1000, -3, 2, Step::Index),
        run(Creator::Author, 10, 0, 5, Step::Later),
        run(origin(2), 1001, 0, 1000, Step::Earlier),
        run(origin(1), 1000, -1, 1, Step::Index),
        run(Creator::Nobody, 0, 0, 1 << 40, Step::Index),
    ];
    let mut writer = IdentitiesWriter::new();
    runs.iter().for_each(|run| writer.push(run));
    assert!(writer.identities().iter().eq(runs));
    assert!(Identities::new(&[0, 0, 2, 0, 0]).is_err(), "a run of none");
    assert!(Identities::new(&[0, 12, 2, 0, 1]).is_err(), "an origin that is not listed");
    assert!(Identities::new(&[0, 2, 8, 0, 5]).is_err(), "before the beginning of time");
}

/// LEB128 as the DWARF standard gives it.
#[test]
fn varints_are_leb128() {
    for (value, bytes) in [(2, &[2][..]), (127, &[127]), (128, &[0x80, 1]), (129, &[0x81, 1]), (12857, &[0xb9, 0x64])] {
        let mut buffer = Vec::new();
        put_varint(&mut buffer, value);
        assert_eq!(buffer, bytes);
    }
    let overlong = [0xff; 11];
    assert_eq!(take_varint(&mut &overlong[..]), Err(DecodeError::BadNumber));
    let beyond_64_bits = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
    assert_eq!(take_varint(&mut &beyond_64_bits[..]), Err(DecodeError::BadNumber));
    assert_eq!(take_varint(&mut &[0x80, 0x80][..]), Err(DecodeError::Truncated));
}

/// The bytes of docs/mesh-protocol.md.
#[test]
fn a_small_set_takes_three_bytes_beside_key_and_value() {
    let effect = Owned::Set(b"key".to_vec(), b"value".to_vec(), Deadline::Clear);
    assert_eq!(encode(&[effect]), b"\x10\x03key\x05value");
    let expire = Owned::Expire(b"k".to_vec(), Some(300));
    assert_eq!(encode(&[expire]), b"\x06\x01k\xac\x02");
    let decrement = Owned::Increment(b"k".to_vec(), -3);
    assert_eq!(encode(&[decrement]), b"\x13\x01k\x05", "zigzag: -3 is 5");
}

#[test]
fn nonsense_is_named() {
    let read = |bytes: &'static [u8]| EffectReader::new(bytes).next().unwrap();
    assert_eq!(read(b"\xee"), Err(DecodeError::UnknownTag(0xee)));
    assert_eq!(read(b"\x04\x05key"), Err(DecodeError::Truncated));
    assert_eq!(read(b"\x17\x01k\x00\x41\x00"), Err(DecodeError::BadNumber), "65 bits at once");
    assert_eq!(read(b"\x20\x01k\x02\x05a"), Err(DecodeError::Truncated), "an item longer than the list");
    assert!(Items::new(b"\x01a\x02").is_err());
}
