//! What a record waits for beyond its own context: what was told with a data set, and what its author took for seen.

use crate::hostile::{open_link, send};
use crate::network::{EPOCH_MS, ToyStore, origin};
use effect::{Deadline, Effect, EffectReader, EffectWriter, Origin, Stamp, VersionVector};
use mesh::{BatchReader, BatchWriter, FrameDecoder, LinkId, Mesh, Message, Now, Record};

const NOW: Now = Now { unix_ms: EPOCH_MS, monotonic_ms: 1 };

pub fn vector(entries: &[(usize, u64)]) -> VersionVector {
    let mut vector = VersionVector::new();
    entries.iter().for_each(|(node, stamp)| vector.advance(origin(*node, 1), Stamp(*stamp)));
    vector
}

fn set(key: &[u8]) -> Vec<u8> {
    let mut effects = Vec::new();
    EffectWriter::new(&mut effects).push(&Effect::Set { key, value: b"1", deadline: Deadline::Clear });
    assert_eq!(EffectReader::new(&effects).count(), 1);
    effects
}

/// A record of one SET by `node`.
fn send_set(
    (mesh, store, link): &mut (Mesh, ToyStore, LinkId),
    node: usize,
    [previous, first]: [u64; 2],
    assumed: &[(Origin, Stamp)],
) {
    let (previous, first, effects) = (Stamp(previous), Stamp(first), set(b"k"));
    let mut batch = BatchWriter::default();
    batch.push(&Record {
        origin: origin(node, 1),
        previous,
        first,
        count: 1,
        context: &[],
        assumed,
        effects: &effects,
    });
    send(mesh, store, *link, &Message::Records { batch: batch.bytes() });
}

pub fn begin_data_set(
    (mesh, store, link): &mut (Mesh, ToyStore, LinkId),
    theirs: &VersionVector,
    rows: Vec<(Origin, VersionVector)>,
) {
    send(mesh, store, *link, &Message::Gap { floors: theirs.clone() });
    let begin = Message::StateBegin {
        vector: theirs.clone(),
        effects: theirs.clone(),
        decided: VersionVector::new(),
        assumed: vec![],
        rows,
    };
    send(mesh, store, *link, &begin);
}

#[test]
fn what_ticks_of_a_data_set_had_told_of_comes_first() {
    let mut node = open_link(true);
    // Node 1 has told in a tick that it has 9 of node 2, which the sender of the data set lacks.
    begin_data_set(&mut node, &vector(&[(1, 5), (2, 7)]), vec![(origin(1, 1), vector(&[(2, 9)]))]);
    let (mesh, store, link) = &mut node;
    send(mesh, store, *link, &Message::StateEnd);
    assert_eq!(mesh.vector().get(origin(2, 1)), Stamp(7));
    send_set(&mut node, 1, [5, 10], &[]);
    assert_eq!(node.0.vector().get(origin(1, 1)), Stamp(5), "it waits");
    send_set(&mut node, 2, [7, 9], &[]);
    assert_eq!(node.0.vector().get(origin(2, 1)), Stamp(9));
    assert_eq!(node.0.vector().get(origin(1, 1)), Stamp(10));
}

#[test]
fn what_an_author_took_for_seen_comes_first_and_does_not_count_as_seen() {
    let mut node = open_link(true);
    send_set(&mut node, 1, [0, 5], &[]);
    send_set(&mut node, 1, [5, 10], &[(origin(2, 1), Stamp(7))]);
    assert_eq!(node.0.vector().get(origin(1, 1)), Stamp(5), "it waits");
    send_set(&mut node, 2, [0, 7], &[]);
    assert_eq!(node.0.vector().get(origin(1, 1)), Stamp(10));
    // What it still lacks it may not have seen for the others to forget.
    let now = Now { unix_ms: EPOCH_MS + 6000, monotonic_ms: 6001 };
    let (mesh, store, _) = &mut node;
    mesh.commit(Stamp(20), 0, 2, &[], now);
    mesh.turn(store, now);
    let causal = mesh.watermarks().causal.iter().find(|of| of.origin == origin(2, 1)).map(|of| of.stamp);
    assert_eq!(causal, Some(Stamp::ZERO));
}

#[test]
fn commits_say_what_they_take_for_seen_until_the_data_set_is_here() {
    let mut node = open_link(true);
    let (source, served) =
        (node.2, node.0.accept(&["2", "0000000000000003", "1", "multi-master", "0000000000000033"], "other", 2, NOW));
    begin_data_set(&mut node, &vector(&[(1, 5), (2, 7)]), vec![]);
    let (mesh, store, _) = &mut node;
    mesh.commit(Stamp(8), 1, store.context, &set(b"a"), NOW);
    mesh.commit(Stamp(9), 0, store.context, &[], NOW);
    send(mesh, store, source, &Message::StateEnd);
    mesh.commit(Stamp(10), 1, store.context, &set(b"b"), NOW);
    send(
        mesh,
        store,
        served,
        &Message::Hello { origin: origin(2, 1), unix_ms: EPOCH_MS, newest: Stamp::ZERO, vector: VersionVector::new() },
    );
    send(mesh, store, served, &Message::Subscribe { after: vector(&[(0, 0)]) });
    let mut output = Vec::new();
    while mesh.transmit(served, &mut output, 1 << 20, NOW) {}
    let frames = output.iter().position(|byte| *byte == b'\n').expect("the reply") + 1;
    let mut decoder = FrameDecoder::default();
    decoder.feed(&output[frames..]);
    let mut assumed = Vec::new();
    while let Some((kind, payload)) = decoder.next_message(|_| usize::MAX).unwrap() {
        if let Message::Records { batch } = Message::decode(kind, payload).unwrap() {
            let mut reader = BatchReader::new(batch);
            while let Some(record) = reader.next_record().unwrap() {
                assumed.push((record.first.0, record.assumed.to_vec()));
            }
        }
    }
    let expected = [(origin(1, 1), Stamp(5)), (origin(2, 1), Stamp(7))];
    assert_eq!(assumed, [(8, expected.to_vec()), (9, vec![]), (10, vec![])]);
}
