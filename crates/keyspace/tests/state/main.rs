//! Transfer of state beyond what the convergence test draws: deletions, bytes that are no state, digests.

mod import;
mod late;
mod restated;

use effect::{Delivery, Effect, EffectReader, EffectWriter, ItemsWriter, NodeId, Origin, Stamp, VersionVector};
use keyspace::{
    CausalMark, Export, Horizon, Import, Keyspace, NewId, Options, Row, Scope, SetDeadline, Switches, Txn, Version,
};
use proptest::prelude::*;
use values::{Position, StreamId};

const NOW_MS: u64 = 1_700_000_000_000;

fn origin(node: u64) -> Origin {
    Origin { node: NodeId(node), incarnation: 1 }
}

fn keyspace(node: u64) -> Keyspace {
    let keyspace = Keyspace::new(Options { databases: 2, single_threaded: true, hash_secret: 1, seed: 1 });
    keyspace.set_origin(origin(node));
    keyspace.set_switches(Switches { recording: true, stamping: true, peers: true });
    keyspace
}

/// Runs a transaction; returns the stamp of its first effect and the effects.
fn commit(keyspace: &Keyspace, now_ms: u64, f: impl FnOnce(&mut Txn<'_>)) -> (Stamp, Vec<u8>) {
    let mut txn = keyspace.begin(Scope::All, 0, now_ms);
    f(&mut txn);
    txn.commit(|commit| (commit.first, commit.effects.to_vec())).expect("effects")
}

fn apply(keyspace: &Keyspace, from: Origin, (first, effects): &(Stamp, Vec<u8>), row: &[Stamp]) {
    let origin = keyspace.origin_index(from).unwrap();
    let mut txn = keyspace.begin(Scope::All, 0, first.ms());
    for (index, effect) in EffectReader::new(effects).map(Result::unwrap).enumerate() {
        assert!(!matches!(effect, Effect::Select { .. }));
        let version = Version { stamp: first.plus(index as u64), origin };
        let _ = txn.apply(&effect, version, Row::Seen(row)).unwrap();
    }
    txn.commit_applied(|_| ());
}

fn chunks(keyspace: &Keyspace) -> Vec<Vec<u8>> {
    let (mut chunks, mut export, mut has_more) = (Vec::new(), Export::new(), true);
    while has_more {
        let mut chunk = Vec::new();
        has_more = export.go_on(keyspace, 100, &mut chunk);
        chunks.push(chunk);
    }
    chunks
}

fn transfer(from: &Keyspace, to: &Keyspace, theirs: &VersionVector, ours: &VersionVector) {
    let mut import = Import::begin(to, theirs, &from.decided(), ours, false).unwrap();
    for chunk in chunks(from) {
        import.merge(to, &chunk, Stamp::MAX, |_| ()).unwrap();
    }
    import.end(to, true, |_| ());
}

fn read(keyspace: &Keyspace, key: &[u8]) -> Option<Vec<u8>> {
    keyspace.begin(Scope::All, 0, NOW_MS).string(key).unwrap().map(|value| value.to_vec())
}

#[test]
fn a_key_that_went_there_goes_here_unless_they_had_not_seen_it() {
    let (there, here) = (keyspace(1), keyspace(2));
    let old = commit(&here, NOW_MS, |txn| txn.string_set(b"old", b"1", SetDeadline::Clear));
    let new = commit(&here, NOW_MS, |txn| txn.string_set(b"new", b"2", SetDeadline::Clear));
    let kept = commit(&there, NOW_MS, |txn| txn.string_set(b"kept", b"3", SetDeadline::Clear));
    let (mut theirs, mut ours) = (VersionVector::new(), VersionVector::new());
    theirs.advance(origin(1), kept.0);
    theirs.advance(origin(2), old.0);
    ours.advance(origin(2), new.0);
    transfer(&there, &here, &theirs, &ours);
    assert_eq!(read(&here, b"old"), None);
    assert_eq!(read(&here, b"new").as_deref(), Some(&b"2"[..]));
    assert_eq!(read(&here, b"kept").as_deref(), Some(&b"3"[..]));
}

#[test]
fn what_is_remembered_of_many_keys_comes_in_small_pieces() {
    let (there, here) = (keyspace(1), keyspace(2));
    let keys: Vec<Vec<u8>> = (0..20_000).map(|n| format!("key:{n}").into_bytes()).collect();
    let old = commit(&here, NOW_MS, |txn| {
        keys.iter().for_each(|key| txn.string_set(key, b"old", SetDeadline::Clear));
    });
    apply(&there, origin(2), &old, &[]);
    let (first, effects) = commit(&there, NOW_MS + 1, |txn| keys.iter().for_each(|key| assert!(txn.delete(key))));
    let count = EffectReader::new(&effects).count() as u64;
    let longest = chunks(&there).iter().map(Vec::len).max();
    assert!(longest < Some(30_000), "{longest:?} bytes under one lock");
    let (mut theirs, mut ours) = (VersionVector::new(), VersionVector::new());
    theirs.advance(origin(1), first.plus(count));
    theirs.advance(origin(2), old.0.plus(keys.len() as u64));
    ours.advance(origin(2), Stamp::MAX);
    transfer(&there, &here, &theirs, &ours);
    assert_eq!(here.begin(Scope::All, 0, NOW_MS + 1).db_size(), 0);
}

#[test]
fn entries_of_a_stream_are_in_order_whatever_a_master_says() {
    let replica = keyspace(2);
    replica.set_switches(Switches { recording: false, stamping: false, peers: false });
    let id = |ms| StreamId::new(ms, 0).0;
    let mut effects = Vec::new();
    let mut writer = EffectWriter::new(&mut effects);
    for ms in [5, 9, 7] {
        let mut fields = ItemsWriter::new();
        [b"field", b"value"].into_iter().for_each(|item| fields.push(item));
        writer.push(&Effect::StreamAdd { key: b"s", id: id(ms), fields: fields.items() });
        let last_id = id(ms - 4);
        writer.push(&Effect::StreamSetId { key: b"s", last_id, entries_added: None, max_deleted_id: 0 });
    }
    apply(&replica, origin(1), &(Stamp::from_ms(NOW_MS), effects), &[]);
    let txn = replica.begin(Scope::All, 0, NOW_MS);
    let stream = txn.stream(b"s").unwrap().unwrap();
    let ids: Vec<u64> = stream.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id.ms()).collect();
    assert_eq!((ids, stream.last_id.ms()), (vec![5, 7, 9], 9));
}

#[test]
fn pieces_of_a_value_must_be_whole_and_belong_to_the_next_key() {
    let (piece_tag, key_tag, whole, pieces) = (3, 1, 1, 32);
    let key = |flags: u8, value: &[u8]| [&[key_tag, flags, 0, 1, b'k'], value].concat();
    let members: [&[u8]; 2] = [b"\x01\x01a", b"\x01b"];
    let piece = |bytes: &[u8]| [&[piece_tag, bytes.len() as u8], bytes].concat();
    let set = piece(members[0]);
    let rest_of_set = piece(members[1]);
    // The head of a stream with one entry, which does not come.
    let stream = piece(&[5, 0, 0, 0, 0, 0, 1]);
    let text = key(whole, b"\x02\0v");
    for (items, is_refused) in [
        (vec![&set, &rest_of_set, &key(pieces, &[])], false),
        (vec![&set, &key(pieces, &[]), &text], false),
        (vec![&key(pieces, &[])], true),
        (vec![&set, &key(pieces, &[]), &key(pieces, &[])], true),
        (vec![&set, &text], true),
        (vec![&set, &key(0, &[])], true),
        (vec![&set, &key(pieces | whole, b"\x02\0v")], true),
        (vec![&stream, &key(pieces, &[])], true),
        (vec![&piece(b"\x01\x05abc")], true),
        (vec![&piece(b"\xeeabc")], true),
        (vec![&piece(b"")], true),
    ] {
        let here = keyspace(2);
        let nothing = VersionVector::new();
        let mut import = Import::begin(&here, &nothing, &nothing, &nothing, false).unwrap();
        // Each in a chunk of its own, without origins.
        let merged: Result<Vec<()>, _> = items
            .iter()
            .map(|item| import.merge(&here, &[&[0], item.as_slice()].concat(), Stamp::MAX, |_| ()))
            .collect();
        assert_eq!(merged.is_err(), is_refused, "{items:?}");
        import.end(&here, !is_refused, |_| ());
    }
}

#[test]
fn what_they_lack_is_done_again_on_top_of_what_they_have_forgotten() {
    let (there, here) = (keyspace(1), keyspace(2));
    let increment = |keyspace: &Keyspace, delta| {
        commit(keyspace, NOW_MS, |txn| assert_eq!(txn.string_increment(b"n", delta), Ok(delta)))
    };
    let (one, two) = (increment(&there, 1), increment(&here, 2));
    // Nobody counts on us there, so theirs is part of the base.
    let mut causal = vec![CausalMark::default(); 2];
    causal[usize::from(there.origin_index(origin(1)).unwrap().0)].stamp = one.0;
    there.stabilize(NOW_MS, &Horizon { clock: one.0, causal: &causal }, 10, |_| ());
    let (mut theirs, mut ours) = (VersionVector::new(), VersionVector::new());
    theirs.advance(origin(1), one.0);
    ours.advance(origin(2), two.0);
    assert!(there.decided().dominates(&theirs));
    transfer(&there, &here, &theirs, &ours);
    assert_eq!(read(&here, b"n").as_deref(), Some(&b"3"[..]));
}

#[test]
fn a_group_delivers_what_a_data_set_brings_below_its_position_unless_it_was_delivered_there() {
    let id = |ms| StreamId::new(ms, 0);
    let read_up_to = |txn: &mut Txn<'_>, ms, given: &[u64]| {
        let position = Some(Position { last_id: id(ms), entries_read: None });
        let given = given.iter().map(|ms| Delivery { id: id(*ms).0, delivered_ms: NOW_MS, deliveries: 1 });
        txn.stream_deliver(b"s", b"g", b"reader", position, &given.collect::<Vec<_>>()).unwrap();
    };
    let add = |txn: &mut Txn<'_>, ms| {
        txn.stream_add(b"s", NewId::Exactly(id(ms)), true, [&b"f"[..], b"v"].into_iter()).unwrap().unwrap();
    };
    let (there, here) = (keyspace(1), keyspace(2));
    let begun = commit(&here, NOW_MS, |txn| {
        add(txn, 1);
        txn.stream_group_create(b"s", b"g", Position::default()).unwrap();
    });
    apply(&there, origin(2), &begun, &[]);
    let theirs_last = commit(&there, NOW_MS + 1, |txn| {
        add(txn, 3);
        add(txn, 4);
        read_up_to(txn, 3, &[1, 3]);
        txn.stream_acknowledge(b"s", b"g", [id(1), id(3)].into_iter()).unwrap();
    });
    let ours_last = commit(&here, NOW_MS + 1, |txn| {
        add(txn, 5);
        read_up_to(txn, 5, &[1, 5]);
    });
    let (mut theirs, mut ours) = (VersionVector::new(), VersionVector::new());
    theirs.advance(origin(1), theirs_last.0.plus(10));
    theirs.advance(origin(2), begun.0.plus(1));
    ours.advance(origin(2), ours_last.0.plus(10));
    transfer(&there, &here, &theirs, &ours);
    let view = here.begin(Scope::All, 0, NOW_MS);
    let stream = view.stream(b"s").unwrap().unwrap();
    assert_eq!(stream.len(), 4);
    assert_eq!(stream.group(b"g").unwrap().skipped().collect::<Vec<_>>(), [id(4)]);
}

#[test]
fn data_without_stamps_fills_gaps_and_the_larger_value_stays_at_both() {
    let nodes = [keyspace(1), keyspace(2)];
    for (keyspace, values) in nodes.iter().zip([[&b"1"[..], b"b"], [b"2", b"a"]]) {
        keyspace.set_switches(Switches { recording: true, stamping: false, peers: false });
        commit(keyspace, NOW_MS, |txn| {
            txn.string_set(b"x", values[0], SetDeadline::Clear);
            txn.string_set(b"y", values[1], SetDeadline::Clear);
        });
        keyspace.set_switches(Switches { recording: true, stamping: true, peers: true });
    }
    commit(&nodes[0], NOW_MS, |txn| txn.string_set(b"z", b"stamped", SetDeadline::Clear));
    let vector = VersionVector::new();
    transfer(&nodes[0], &nodes[1], &vector, &vector);
    transfer(&nodes[1], &nodes[0], &vector, &vector);
    for keyspace in &nodes {
        assert_eq!(read(keyspace, b"x").as_deref(), Some(&b"2"[..]));
        assert_eq!(read(keyspace, b"y").as_deref(), Some(&b"b"[..]));
        assert_eq!(read(keyspace, b"z").as_deref(), Some(&b"stamped"[..]));
    }
    assert_eq!(nodes[0].digest(NOW_MS), nodes[1].digest(NOW_MS));
}

#[test]
fn an_increment_sleeps_through_an_expiry_and_a_set_that_had_not_seen_it_wakes_it() {
    let (a, b) = (keyspace(1), keyspace(2));
    let increment = commit(&a, NOW_MS, |txn| assert_eq!(txn.string_increment(b"n", 5), Ok(5)));
    let expire = commit(&a, NOW_MS, |txn| txn.expire(b"n", Some(NOW_MS + 10)));
    let set = commit(&b, NOW_MS + 20, |txn| txn.string_set(b"n", b"100", SetDeadline::Clear));
    // One node sees the expiry through before the SET arrives, the other has it the other way round.
    let horizon = keyspace::Horizon { clock: Stamp::from_ms(NOW_MS + 15), causal: &[] };
    assert!(a.stabilize(NOW_MS, &horizon, 10, |_| ()));
    assert_eq!(a.begin(Scope::All, 0, NOW_MS).db_size(), 0);
    apply(&a, origin(2), &set, &[]);
    apply(&b, origin(1), &increment, &[]);
    apply(&b, origin(1), &expire, &[]);
    assert_eq!(read(&a, b"n").as_deref(), Some(&b"105"[..]));
    assert_eq!(read(&b, b"n").as_deref(), Some(&b"105"[..]));
}

#[test]
fn the_debug_digest_is_that_of_redis() {
    // From Redis 7.0.15: SET s v; SADD set a 1 b; HSET h f v g 2; SELECT 1; SET n 12; EXPIRE n 1000; DEBUG DIGEST.
    let keyspace = keyspace(1);
    let hex = |digest: [u8; 20]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(keyspace.begin(Scope::All, 0, NOW_MS).debug_digest()), "0".repeat(40));
    commit(&keyspace, NOW_MS, |txn| {
        txn.string_set(b"s", b"v", SetDeadline::Clear);
        txn.set_add(b"set", [&b"a"[..], b"1", b"b"].into_iter()).unwrap();
        txn.hash_set(b"h", [(&b"f"[..], &b"v"[..]), (b"g", b"2")].into_iter()).unwrap();
        txn.select(1);
        txn.string_set(b"n", b"12", SetDeadline::At(NOW_MS + 1_000_000));
    });
    let txn = keyspace.begin(Scope::All, 0, NOW_MS);
    assert_eq!(hex(txn.debug_digest()), "e1bae87d1f2b459642fafed5313765f9cad3d0d4");
    assert_eq!(hex(txn.debug_digest_value(b"h")), "9dc7e1ed596e8ccab4b91d04b8317fc85b68294a");
}

proptest! {
    #[test]
    fn bytes_that_are_no_state_are_refused_or_harmless(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0..400usize,
        flip in any::<(usize, u8)>(),
    ) {
        let there = keyspace(1);
        commit(&there, NOW_MS, |txn| {
            txn.string_increment(b"n", 3).unwrap();
            txn.string_append(b"s", b"text", 100).unwrap();
            txn.string_set_bits(b"s", 9, 3, 5).unwrap();
            txn.set_add(b"set", [&b"a"[..], b"b"].into_iter()).unwrap();
            txn.hash_increment(b"h", b"f", 2).unwrap();
            txn.expire(b"h", Some(NOW_MS + 100));
        });
        let vector = VersionVector::new();
        for mut chunk in chunks(&there).into_iter().filter(|chunk| !chunk.is_empty()).chain([bytes]) {
            let at = flip.0 % chunk.len().max(1);
            if let Some(byte) = chunk.get_mut(at) {
                *byte ^= flip.1;
            }
            chunk.truncate(cut.max(1));
            let here = keyspace(2);
            commit(&here, NOW_MS, |txn| txn.string_set(b"n", b"1", SetDeadline::Clear));
            let mut import = Import::begin(&here, &vector, &vector, &vector, false).unwrap();
            let _ = import.merge(&here, &chunk, Stamp::from_ms(NOW_MS + 1000), |_| ());
            import.end(&here, false, |_| ());
            here.digest(NOW_MS);
        }
    }
}

#[test]
fn a_flush_remembers_what_types_there_were() {
    let (a, b) = (keyspace(1), keyspace(2));
    let increment = commit(&b, NOW_MS, |txn| assert_eq!(txn.hash_increment(b"k", b"f", 1), Ok(1)));
    let set = commit(&a, NOW_MS + 10, |txn| txn.string_set(b"k", b"v", SetDeadline::Clear));
    let flush = commit(&a, NOW_MS + 20, |txn| drop(txn.flush_all()));
    // The SET made the key a string: no flush brings the older counter back, wherever it was seen last.
    apply(&a, origin(2), &increment, &[]);
    apply(&b, origin(1), &set, &[]);
    apply(&b, origin(1), &flush, &[]);
    for keyspace in [&a, &b] {
        assert_eq!(keyspace.begin(Scope::All, 0, NOW_MS + 30).db_size(), 0);
    }
}
