//! Nodes find and mend what differs between them, whatever it comes from.

use crate::commands::conflicts;
use crate::harness::{Cluster, first_life, multi_master};
use effect::{Deadline, Effect};
use keyspace::{Row, Scope, Version};
use testkit::Reply;

/// Three in a ring, each with the next one as its master, that compare what they have every second.
fn ring() -> Cluster {
    let mut config = multi_master();
    config.mesh_compare_interval = 1;
    let mut cluster = Cluster::new(vec![config; 3]);
    (0..3).for_each(|node| cluster.replicate(node, (node + 1) % 3));
    cluster.run(1_500);
    for key in 0..100 {
        cluster.call(key % 3, &format!("SET key:{key} {key}"));
        cluster.call(key % 3, &format!("RPUSH list {key}"));
    }
    cluster.run(5_000);
    cluster
}

/// Does something at a node of which nobody hears.
fn damage(cluster: &Cluster, node: usize, effect: &Effect<'_>) {
    let keyspace = &cluster.members[node].node.engine().keyspace;
    let hash = keyspace.hash(effect.key().unwrap());
    let mut txn = keyspace.begin(Scope::Keys(&[hash]), 0, 0);
    let origin = keyspace.origin_index(first_life(0)).unwrap();
    // The last effect that everybody has seen is another one.
    let stamp = keyspace.known()[usize::from(origin.0)].plus(1);
    drop(txn.apply(effect, Version { stamp, origin }, Row::All).unwrap());
    txn.commit_applied(|_| ());
}

fn different(cluster: &Cluster) -> u64 {
    cluster.members.iter().map(|member| member.node.status().counters.keys_different).sum()
}

#[test]
fn what_a_node_has_wrongly_is_found_and_mended() {
    for effect in [
        Effect::Set { key: b"key:1", value: b"flipped", deadline: Deadline::Clear },
        Effect::Delete { key: b"key:1" },
        Effect::Delete { key: b"list" },
        Effect::Set { key: b"new", value: b"value", deadline: Deadline::Clear },
    ] {
        for node in 0..3 {
            let mut cluster = ring();
            damage(&cluster, node, &effect);
            let digests: Vec<String> = (0..3).map(|node| cluster.text(node, "MESH DIGEST")).collect();
            assert_ne!(digests[node], digests[(node + 1) % 3], "{effect:?} does damage");
            // Something happens, so they look.
            cluster.call(0, "INCR counter");
            cluster.run(20_000);
            cluster.agree("MESH DIGEST");
            assert!(different(&cluster) > 0);
        }
    }
}

#[test]
fn equal_nodes_at_work_find_nothing() {
    let mut cluster = ring();
    for round in 0..5_000 {
        let node = round % 3;
        cluster.call(node, &format!("SET key:{} {round}", round % 100));
        cluster.call(node, "RPUSH list element");
        cluster.call(node, "LPOP list");
        cluster.call(node, &format!("SET lock:{node} taken"));
        cluster.run(3);
        cluster.call(node, &format!("DEL lock:{node}"));
    }
    assert_eq!(different(&cluster), 0);
}

#[test]
fn large_keys_are_said_anew_a_few_at_a_time() {
    let mut cluster = ring();
    let keys: Vec<String> = (0..20).map(|key| format!("large:{key}")).collect();
    keys.iter().for_each(|key| drop(cluster.call(0, &format!("SET {key} {}", "x".repeat(50_000)))));
    cluster.run(5_000);
    keys.iter().for_each(|key| damage(&cluster, 1, &Effect::Delete { key: key.as_bytes() }));
    let restated = |cluster: &mut Cluster| match conflicts(cluster, 0, "keys-restated") {
        Reply::Integer(number) => number,
        other => panic!("{other:?}"),
    };
    cluster.call(0, "INCR counter");
    let mut before = restated(&mut cluster);
    for _ in 0..20_000 {
        cluster.run(1);
        let after = restated(&mut cluster);
        assert!(after - before <= 2, "{before} {after}");
        before = after;
    }
    assert_eq!(before, 20);
    cluster.agree("MESH DIGEST");
}
