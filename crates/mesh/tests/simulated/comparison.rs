//! Nodes find what differs between them.

use crate::causes::{begin_data_set, vector};
use crate::hostile::{frames_of, is_closed, open_link, send};
use crate::network::{EPOCH_MS, Network, Node, ToyStore, options, origin};
use effect::{Stamp, VersionVector};
use mesh::{BatchWriter, FrameDecoder, LinkId, Mesh, Message, Now, Options, Record};

const COMPARE_MS: u64 = 2_000;

fn ring(nodes: usize) -> Network {
    let mut network = Network::new(nodes, Options { compare_ms: COMPARE_MS, ..options() });
    for node in 0..nodes {
        network.replicate(node, (node + 1) % nodes);
    }
    network.run(500);
    for node in 0..nodes {
        for key in 0..100 {
            network.set(node, &[(&format!("{node}:{key}"), "value")]);
        }
    }
    network.settle(5_000);
    network
}

fn doubted(network: &Network) -> Vec<Vec<String>> {
    let of_node = |node: &Node| {
        let mut keys: Vec<String> =
            node.store.doubted.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        keys.sort();
        keys.dedup();
        keys
    };
    network.nodes.iter().map(of_node).collect()
}

fn bytes_sent(network: &Network) -> u64 {
    let now = network.now(0);
    let statuses = network.nodes.iter().map(|node| node.mesh.status(now));
    statuses.flat_map(|status| status.masters.into_iter().map(|master| master.bytes_sent)).sum()
}

#[test]
fn equal_nodes_doubt_nothing_and_then_compare_no_more() {
    let mut network = ring(3);
    network.run(20_000);
    assert_eq!(doubted(&network), vec![Vec::<String>::new(); 3]);
    let before = bytes_sent(&network);
    network.run(10 * COMPARE_MS);
    let of_ticks = bytes_sent(&network) - before;
    // Sums are 512 bytes at least, 10 times from 3 nodes.
    assert!(of_ticks < 10_000, "{of_ticks}");
}

#[test]
fn what_differs_is_doubted_by_who_has_it() {
    let mut network = ring(3);
    network.nodes[1].store.values.get_mut(&b"0:7"[..]).unwrap().2 = b"flipped".to_vec();
    network.nodes[2].store.values.remove(&b"1:8"[..]);
    // Something has to change for them to look.
    network.set(0, &[("0:0", "value")]);
    network.run(20_000);
    // 0 follows 1, 1 follows 2, 2 follows 0.
    assert_eq!(doubted(&network), [vec!["0:7"], vec!["0:7", "1:8"], vec![]]);
}

#[test]
fn what_is_written_meanwhile_is_no_difference() {
    let mut network = ring(3);
    for round in 0..3_000 {
        network.set(round % 3, &[(&format!("{}:{}", round % 3, round % 7), &round.to_string())]);
        network.run(10);
    }
    assert_eq!(doubted(&network), vec![Vec::<String>::new(); 3]);
}

#[test]
fn a_strange_number_of_sums_closes_the_link() {
    for (count, closes) in [(64, false), (0, true), (3, true), (1 << 17, true)] {
        let (mut mesh, mut store, link) = open_link(false);
        send(&mut mesh, &mut store, link, &Message::Compare { start: u64::MAX, sums: vec![1; count] });
        assert_eq!(is_closed(&mut mesh), closes, "{count}");
    }
}

#[test]
fn nobody_is_answered_while_a_data_set_comes_and_nothing_is_due_for_it() {
    let now = |monotonic_ms| Now { unix_ms: EPOCH_MS, monotonic_ms };
    let mut node = open_link(true);
    let replica =
        node.0.accept(&["2", "0000000000000003", "1", "multi-master", "0000000000000033"], "other", 2, now(1));
    begin_data_set(&mut node, &vector(&[(1, 5), (2, 7)]), vec![]);
    let (mesh, store, _) = &mut node;
    let vector = VersionVector::new();
    let hello = Message::Hello { origin: origin(2, 1), unix_ms: EPOCH_MS, newest: Stamp::ZERO, vector };
    send(mesh, store, replica, &hello);
    send(mesh, store, replica, &Message::Compare { start: 0, sums: vec![0; 64] });
    for ms in [500, 501] {
        if mesh.wants_tick(now(ms)) {
            mesh.commit(Stamp(ms), 0, store.context, &[], now(ms));
        }
        mesh.turn(store, now(ms));
    }
    assert!(mesh.deadline_ms().unwrap() > 501);
}

/// A node with a master that it has joined, and of which it has everything. Its clock goes on in steps of 10 ms.
struct Replica {
    mesh: Mesh,
    store: ToyStore,
    link: LinkId,
    now_ms: u64,
}

impl Replica {
    fn new(keys: u64, value: &[u8]) -> Replica {
        let (mut mesh, mut store, link) = open_link(true);
        let mut batch = BatchWriter::default();
        let (previous, first) = (Stamp::ZERO, Stamp(5));
        batch.push(&Record {
            origin: origin(1, 1),
            previous,
            first,
            count: 0,
            context: &[],
            assumed: &[],
            effects: b"",
        });
        send(&mut mesh, &mut store, link, &Message::Records { batch: batch.bytes() });
        mesh.set_options(Options { compare_ms: COMPARE_MS, timeout_ms: u64::MAX / 2, ..options() });
        for key in 0..keys {
            store.values.insert(key.to_le_bytes().to_vec(), (Stamp::ZERO, origin(1, 1), value.to_vec()));
        }
        // The first comparison comes as late as was said when the link was made.
        Replica { mesh, store, link, now_ms: Options::default().compare_ms }
    }

    /// What a step makes it ask, and how many keys it looks at.
    fn step(&mut self) -> (Option<u64>, usize) {
        let before = self.store.surveyed;
        self.now_ms += 10;
        let now = Now { unix_ms: EPOCH_MS, monotonic_ms: self.now_ms };
        self.mesh.turn(&mut self.store, now);
        let (mut output, mut decoder, mut asked) = (Vec::new(), FrameDecoder::default(), None);
        self.mesh.transmit(self.link, &mut output, 1 << 20, now);
        decoder.feed(frames_of(&output));
        while let Some((kind, payload)) = decoder.next_message(|_| usize::MAX).unwrap() {
            if let Ok(Message::Compare { sums, .. }) = Message::decode(kind, payload) {
                asked = Some(sums.len() as u64);
            }
        }
        (asked, self.store.surveyed - before)
    }

    fn asked(&mut self, within_ms: u64) -> Option<u64> {
        (0..within_ms / 10).find_map(|_| self.step().0)
    }

    /// The master has none of the keys.
    fn answer(&mut self, buckets: u64) {
        let effects = VersionVector::new();
        let buckets: Vec<u64> = (0..buckets).collect();
        let message = Message::Compared { effects, differing: 1, moving: 0, buckets, keys: vec![] };
        send(&mut self.mesh, &mut self.store, self.link, &message);
    }
}

#[test]
fn who_is_not_answered_asks_again() {
    let mut replica = Replica::new(10, b"value");
    assert!(replica.asked(COMPARE_MS).is_some());
    assert_eq!(replica.asked(60_000), None, "it takes a while where there are many keys");
    assert!(replica.asked(16 * 60_000).is_some());
}

#[test]
fn keys_that_take_long_are_looked_at_a_few_at_a_time() {
    for (value, most) in [(10, 1_000), (10_000, 10)] {
        let mut replica = Replica::new(200, &vec![0; value]);
        let looked_at: Vec<usize> = (0..1_000).map(|_| replica.step().1).collect();
        assert_eq!(looked_at.iter().sum::<usize>(), 200);
        assert!(looked_at.iter().all(|keys| *keys <= most), "{value}: {looked_at:?}");
    }
}

#[test]
fn a_key_that_stays_different_is_said_anew_more_and_more_seldom() {
    let mut replica = Replica::new(1, b"value");
    let mut said_ms = Vec::new();
    while replica.now_ms < 200 * COMPARE_MS {
        let buckets = replica.asked(3 * COMPARE_MS).expect("compares");
        replica.answer(buckets);
        replica.step();
        while replica.store.doubted.pop().is_some() {
            said_ms.push(replica.now_ms);
        }
    }
    let pauses: Vec<u64> = said_ms.windows(2).map(|said| (said[1] - said[0]) / COMPARE_MS).collect();
    assert!(pauses.len() > 4 && pauses.len() < 8, "{pauses:?}");
    assert!(pauses.iter().zip(1..).all(|(pause, doubled)| *pause >= 1 << doubled), "{pauses:?}");
}
