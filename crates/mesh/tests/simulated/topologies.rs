//! Topologies: everything arrives, once.

use crate::network::{Network, options};

fn linked(count: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Network {
    let mut network = Network::new(count, options());
    for (one, other) in pairs {
        network.both(one, other);
    }
    network.run(500);
    network
}

fn full_mesh(count: usize) -> Network {
    linked(count, (0..count).flat_map(|one| (0..one).map(move |other| (one, other))))
}

fn ring(count: usize) -> Network {
    linked(count, (0..count).map(|node| (node, (node + 1) % count)))
}

/// Every node writes; all have it, and each effect came to each other node exactly once.
fn check(mut network: Network, writes: usize) {
    let count = network.nodes.len();
    let before = network.totals();
    for round in 0..writes {
        for node in 0..count {
            network.set(node, &[(&format!("{node}:{round}"), "value")]);
        }
        network.run(1);
    }
    network.settle(5_000);
    network.run(3_000);
    assert_eq!(network.nodes[0].store.values.len(), writes * count);
    let (sent, applied, duplicates) = network.totals();
    let once = (writes * count * (count - 1)) as u64;
    assert_eq!(applied - before.1, once);
    assert_eq!(sent - before.0, once, "each effect crosses each node once");
    assert_eq!(duplicates - before.2, 0);
}

#[test]
fn pair() {
    check(linked(2, [(0, 1)]), 200);
}

#[test]
fn chain() {
    check(linked(4, [(0, 1), (1, 2), (2, 3)]), 200);
}

#[test]
fn star() {
    check(linked(5, [(0, 1), (0, 2), (0, 3), (0, 4)]), 200);
}

#[test]
fn ring_of_five() {
    check(ring(5), 200);
}

#[test]
fn mesh_of_four() {
    check(full_mesh(4), 200);
}

#[test]
fn mesh_of_four_where_records_are_prepared() {
    let mut network = full_mesh(4);
    for (node, preparations) in network.nodes.iter_mut().zip([0, 1, 2, 3]) {
        node.store.preparations = preparations;
    }
    check(network, 200);
}

#[test]
fn one_way() {
    let mut network = Network::new(3, options());
    network.replicate(1, 0);
    network.replicate(2, 1);
    network.run(500);
    network.set(0, &[("a", "0")]);
    network.set(1, &[("b", "1")]);
    network.run(200);
    assert_eq!(network.value(2, "a").as_deref(), Some("0"));
    assert_eq!(network.value(2, "b").as_deref(), Some("1"));
    assert_eq!(network.value(0, "b"), None);
}

#[test]
fn a_busy_link_carries_a_small_set_in_45_bytes() {
    let mut network = linked(2, [(0, 1)]);
    let before = network.bytes_carried;
    let writes = 2_000;
    for round in 0..writes {
        // About 10,000 a second.
        if round % 10 == 0 {
            network.run(1);
        }
        network.set(0, &[(&format!("key:{round:012}"), "0123456789abcdef")]);
    }
    network.settle(1_000);
    let per_set = (network.bytes_carried - before) as f64 / f64::from(writes);
    assert!(per_set <= 45.0, "{per_set} bytes per SET, acknowledgements included");
}

#[test]
fn an_idle_mesh_is_nearly_silent() {
    let mut network = full_mesh(3);
    network.run(2_000);
    let before = network.bytes_carried;
    network.run(10_000);
    let per_link_and_second = (network.bytes_carried - before) as f64 / 6.0 / 10.0;
    assert!(per_link_and_second <= 150.0, "{per_link_and_second} bytes, both directions");
}

#[test]
fn a_ring_that_breaks_and_heals_loses_nothing() {
    let mut network = ring(5);
    for round in 0..6 {
        let (one, other) = (round % 5, (round + 1) % 5);
        network.cut(one, other);
        for node in 0..5 {
            network.set(node, &[(&format!("{node}:{round}"), "cut")]);
        }
        network.settle(5_000);
        network.heal();
        network.set(one, &[("healed", &round.to_string())]);
        network.settle(5_000);
    }
}

#[test]
fn partition_of_a_mesh() {
    let mut network = full_mesh(4);
    for one in [0, 1] {
        for other in [2, 3] {
            network.cut(one, other);
        }
    }
    for round in 0..50 {
        for node in 0..4 {
            network.set(node, &[(&format!("{node}:{round}"), "split"), ("same", &format!("{node}:{round}"))]);
        }
        network.run(7);
    }
    assert!(!network.is_settled());
    network.heal();
    network.settle(20_000);
    assert_eq!(network.nodes[0].store.values.len(), 201);
    assert_eq!(network.nodes[0].mesh.counters().state_imports, 0, "served from the log");
}

#[test]
fn a_feeder_that_goes_is_replaced_by_another_neighbour() {
    // 0 writes; 2 hears it from 0 and, once that link is cut, through 1.
    let mut network = full_mesh(3);
    network.set(0, &[("a", "1")]);
    network.settle(1_000);
    network.cut(0, 2);
    network.set(0, &[("a", "2")]);
    network.settle(2_000);
    network.heal();
    network.run(10_000);
    let before = network.totals();
    network.set(0, &[("a", "3")]);
    network.settle(1_000);
    network.run(1_000);
    let (sent, _, duplicates) = network.totals();
    assert_eq!(sent - before.0, 2, "the direct way again, once each");
    assert_eq!(duplicates, before.2);
}

#[test]
fn a_stalled_feeder_is_replaced() {
    let mut network = full_mesh(3);
    // Node 0 holds its records back from node 2 although the link is up: as if it hung.
    network.stall = Some((0, 2));
    network.set(0, &[("a", "1")]);
    network.settle(3_000);
    assert!(network.nodes[2].mesh.counters().feeder_switches >= 1);
}
