//! Nodes find what differs between them.

use crate::causes::{begin_data_set, vector};
use crate::hostile::{is_closed, open_link, send};
use crate::network::{EPOCH_MS, Network, Node, options, origin};
use effect::{Stamp, VersionVector};
use mesh::{Message, Now, Options};

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
    let replica = node.0.accept(&["1", "0000000000000003", "1", "multi-master"], "other", 2, now(1));
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
