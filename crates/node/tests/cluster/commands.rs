//! REPLICAOF, ROLE, INFO replication, WAIT and MESH.

use crate::harness::{Cluster, active_replica, multi_master};
use effect::{NodeId, Origin};
use engine::Config;
use testkit::Reply;

fn info(cluster: &mut Cluster, node: usize) -> Vec<(String, String)> {
    let text = cluster.text(node, "INFO replication");
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn field(cluster: &mut Cluster, node: usize, name: &str) -> String {
    let fields = info(cluster, node);
    fields.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} in {fields:?}")).1.clone()
}

#[test]
fn replicaof_appends_in_multi_master() {
    let mut cluster = Cluster::new(vec![multi_master(); 3]);
    assert_eq!(cluster.text(0, "REPLICAOF n1 1"), "OK");
    assert_eq!(cluster.text(0, "REPLICAOF n1 1"), "OK Already connected to specified master");
    assert_eq!(cluster.text(0, "SLAVEOF n2 1"), "OK");
    cluster.run(1_000);
    assert_eq!(field(&mut cluster, 0, "connected_masters"), "2");
    assert_eq!(cluster.text(0, "REPLICAOF REMOVE n9 1"), "ERR Master not found");
    assert_eq!(cluster.text(0, "REPLICAOF REMOVE n1 1"), "OK");
    cluster.run(20);
    assert_eq!(field(&mut cluster, 0, "master_host"), "n2");
    assert_eq!(cluster.text(0, "REPLICAOF NO ONE"), "OK");
    cluster.run(20);
    assert_eq!(field(&mut cluster, 0, "role"), "master");
    assert_eq!(cluster.text(0, "REPLICAOF n1 notaport"), "ERR Invalid master port");
}

#[test]
fn replicaof_replaces_otherwise() {
    let mut cluster = Cluster::new(vec![active_replica(); 3]);
    cluster.replicate(0, 1);
    cluster.run(500);
    cluster.replicate(0, 2);
    cluster.run(500);
    assert_eq!(field(&mut cluster, 0, "connected_masters"), "1");
    assert_eq!(field(&mut cluster, 0, "master_host"), "n2");
    let configured = [b"replicaof".to_vec(), b"n2 1".to_vec()].map(Reply::Bulk).to_vec();
    assert_eq!(cluster.call(0, "CONFIG GET replicaof"), Reply::Array(configured));
}

#[test]
fn the_last_master_stays_when_multi_master_is_switched_off() {
    let mut cluster = Cluster::new(vec![multi_master(); 3]);
    cluster.replicate(0, 1);
    cluster.replicate(0, 2);
    cluster.run(1_000);
    assert_eq!(field(&mut cluster, 0, "connected_masters"), "2");
    assert_eq!(cluster.call(0, "CONFIG SET multi-master no"), Reply::Status(b"OK".to_vec()));
    cluster.run(1_000);
    assert_eq!(field(&mut cluster, 0, "connected_masters"), "1");
    assert_eq!(field(&mut cluster, 0, "master_host"), "n2");
    let configured = [b"replicaof".to_vec(), b"n2 1".to_vec()].map(Reply::Bulk).to_vec();
    assert_eq!(cluster.call(0, "CONFIG GET replicaof"), Reply::Array(configured));
}

#[test]
fn a_link_to_oneself_is_refused() {
    let mut cluster = Cluster::new(vec![multi_master(); 1]);
    cluster.replicate(0, 0);
    cluster.run(2_000);
    assert_eq!(field(&mut cluster, 0, "master_link_status"), "down");
    assert_eq!(field(&mut cluster, 0, "master_link_error"), "Can't replicate from myself");
    // One file for all nodes may name each node itself: that is nothing to alarm anybody.
    assert_eq!(field(&mut cluster, 0, "master_global_link_status"), "up");
}

/// The order in which KeyDB 6.3.4 prints them (an active replica with one master and one replica).
#[test]
fn info_has_keydbs_fields_in_keydbs_order() {
    let mut cluster = Cluster::full_mesh(2);
    let names: Vec<String> = info(&mut cluster, 0).into_iter().map(|(name, _)| name).collect();
    let keydb = [
        "role",
        "master_global_link_status",
        "connected_masters",
        "master_host",
        "master_port",
        "master_link_status",
        "master_last_io_seconds_ago",
        "master_sync_in_progress",
        "slave_read_repl_offset",
        "slave_repl_offset",
        "slave_priority",
        "slave_read_only",
        "replica_announced",
        "connected_slaves",
        "slave0",
        "master_failover_state",
        "master_replid",
        "master_replid2",
        "master_repl_offset",
        "second_repl_offset",
        "repl_backlog_active",
        "repl_backlog_size",
        "repl_backlog_first_byte_offset",
        "repl_backlog_histlen",
    ];
    let found: Vec<&str> = names.iter().map(String::as_str).filter(|name| keydb.contains(name)).collect();
    assert_eq!(found, keydb);
    assert_eq!(field(&mut cluster, 0, "role"), "active-replica");
    assert_eq!(field(&mut cluster, 0, "master_global_link_status"), "up");
    let replica = field(&mut cluster, 0, "slave0");
    assert!(replica.starts_with("ip=n1,port=6379,state=online,offset="), "{replica}");
}

#[test]
fn role_of_each_kind() {
    let mut cluster = Cluster::full_mesh(3);
    let Reply::Array(masters) = cluster.call(0, "ROLE") else { panic!("an array") };
    assert_eq!(masters.len(), 2);
    let Reply::Array(first) = &masters[0] else { panic!("of arrays") };
    assert_eq!(first[0], Reply::Bulk(b"active-replica".to_vec()));
    assert_eq!(first[1..3], [Reply::Bulk(b"n1".to_vec()), Reply::Integer(1)]);
    assert_eq!(first[3], Reply::Bulk(b"connected".to_vec()));

    let mut pair = Cluster::full_mesh(2);
    let Reply::Array(one) = pair.call(0, "ROLE") else { panic!("an array") };
    assert_eq!((one.len(), &one[0]), (5, &Reply::Bulk(b"active-replica".to_vec())));

    let mut classic = Cluster::new(vec![Config::default(); 2]);
    classic.replicate(1, 0);
    classic.run(1_000);
    let Reply::Array(master) = classic.call(0, "ROLE") else { panic!("an array") };
    assert_eq!((master.len(), &master[0]), (3, &Reply::Bulk(b"master".to_vec())));
    let Reply::Array(replica) = classic.call(1, "ROLE") else { panic!("an array") };
    assert_eq!((replica.len(), &replica[0]), (5, &Reply::Bulk(b"slave".to_vec())));
}

#[test]
fn wait_counts_who_has_it() {
    let mut cluster = Cluster::full_mesh(3);
    let client = cluster.client(0);
    cluster.send(0, client, "SET a 1");
    cluster.send(0, client, "WAIT 2 1000");
    assert_eq!(cluster.reply(0, client), Some(Reply::Status(b"OK".to_vec())));
    assert_eq!(cluster.reply(0, client), None, "waits");
    cluster.run(200);
    assert_eq!(cluster.reply(0, client), Some(Reply::Integer(2)));

    cluster.cut(0, 2);
    cluster.send(0, client, "SET a 2");
    cluster.send(0, client, "WAIT 2 1000");
    cluster.run(900);
    assert_eq!(cluster.reply(0, client), Some(Reply::Status(b"OK".to_vec())));
    assert_eq!(cluster.reply(0, client), None);
    cluster.run(200);
    assert_eq!(cluster.reply(0, client), Some(Reply::Integer(1)), "the timeout");
    assert_eq!(cluster.text(0, "WAIT 0 0"), "1");
    assert_eq!(cluster.text(0, "WAIT 1 -1"), "ERR timeout is negative");
}

#[test]
fn a_token_makes_another_node_wait_for_what_was_written() {
    let mut cluster = Cluster::full_mesh(2);
    cluster.cut(0, 1);
    let writer = cluster.client(0);
    cluster.send(0, writer, "SET a 1");
    cluster.send(0, writer, "MESH TOKEN");
    cluster.reply(0, writer);
    let Some(Reply::Bulk(token)) = cluster.reply(0, writer) else { panic!("a token") };
    let token = String::from_utf8(token).unwrap();
    let reader = cluster.client(1);
    cluster.send(1, reader, &format!("MESH WAIT {token} 100"));
    cluster.run(150);
    assert_eq!(cluster.reply(1, reader), Some(Reply::Integer(0)), "not there yet");
    cluster.send(1, reader, &format!("MESH WAIT {token} 0"));
    cluster.cuts.clear();
    cluster.run(10_000);
    assert_eq!(cluster.reply(1, reader), Some(Reply::Integer(1)));
    assert_eq!(cluster.text(1, "GET a"), "1");
    assert_eq!(cluster.text(1, &format!("MESH WAIT {token} 0")), "1", "at once");
    assert_eq!(cluster.text(1, "MESH WAIT nonsense 0"), "ERR invalid token");
}

#[test]
fn mesh_reports() {
    let mut cluster = Cluster::full_mesh(3);
    let Reply::Array(nodes) = cluster.call(0, "MESH NODES") else { panic!("an array") };
    assert_eq!(nodes.len(), 3);
    let Reply::Array(links) = cluster.call(0, "MESH LINKS") else { panic!("an array") };
    assert_eq!(links.len(), 4, "two masters, two replicas");
    let Reply::Array(conflicts) = cluster.call(0, "MESH CONFLICTS") else { panic!("an array") };
    assert!(conflicts.contains(&Reply::Bulk(b"type-clashes".to_vec())));
    cluster.call(1, "SADD set a b");
    cluster.run(20);
    let digest = cluster.agree("MESH DIGEST");
    cluster.call(2, "SREM set a");
    cluster.run(20);
    assert_ne!(cluster.agree("MESH DIGEST"), digest);
}

/// The number after this name in `MESH CONFLICTS`.
pub fn conflicts(cluster: &mut Cluster, node: usize, name: &str) -> Reply {
    let Reply::Array(fields) = cluster.call(node, "MESH CONFLICTS") else { panic!("an array") };
    let at = fields.iter().position(|field| *field == Reply::Bulk(name.into())).expect("a field");
    fields[at + 1].clone()
}

#[test]
fn a_type_clash_is_counted_where_it_is_decided() {
    let mut cluster = Cluster::full_mesh(2);
    cluster.cut(0, 1);
    cluster.call(0, "SET seen 1");
    cluster.call(0, "SET clash 1");
    cluster.run(5);
    cluster.call(1, "SADD clash a");
    cluster.call(1, "SADD clash b");
    assert_eq!(conflicts(&mut cluster, 0, "type-clashes"), Reply::Integer(0));
    cluster.cuts.clear();
    cluster.run(10_000);
    assert_eq!(cluster.agree("TYPE clash"), "set");
    cluster.call(1, "DEL seen");
    cluster.call(1, "SADD seen a");
    cluster.run(100);
    for node in 0..2 {
        assert_eq!(conflicts(&mut cluster, node, "type-clashes"), Reply::Integer(1), "node {node}");
    }
}

#[test]
fn mesh_lag_tells_how_far_behind_a_link_is() {
    let mut cluster = Cluster::full_mesh(2);
    let Reply::Array(links) = cluster.call(0, "MESH LAG") else { panic!("an array") };
    let names = |link: &Reply| match link {
        Reply::Array(fields) => fields.iter().step_by(2).cloned().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let common = ["direction", "address", "node", "lag-ms", "origins-behind"].map(|name| Reply::Bulk(name.into()));
    assert_eq!(names(&links[0]), common);
    assert_eq!(names(&links[1])[..5], common);
    assert_eq!(names(&links[1])[5], Reply::Bulk("lag-bytes".into()));
}

#[test]
fn a_node_that_will_not_come_back_is_forgotten_until_it_does() {
    let mut cluster = Cluster::full_mesh(3);
    let third = format!("{:016x}", 3);
    assert_eq!(cluster.text(0, "MESH FORGET 99"), "ERR there is no such node, see MESH NODES");
    assert_eq!(cluster.text(0, "MESH FORGET nonsense"), "ERR there is no such node, see MESH NODES");
    assert_eq!(cluster.text(0, "MESH FORGET 1"), "ERR a node cannot forget itself");
    assert_eq!(cluster.text(0, &format!("MESH FORGET {third}")), "ERR this node is connected: it is there");
    cluster.cut(0, 2);
    cluster.cut(1, 2);
    cluster.run(20);
    let watermark = |cluster: &Cluster| cluster.members[0].node.status().watermarks.clock;
    let before = watermark(&cluster);
    cluster.run(5_000);
    assert!(watermark(&cluster).ms() < before.ms() + 2_000, "it may come back");
    assert_eq!(cluster.text(0, &format!("MESH FORGET {third}")), "OK");
    cluster.run(5_000);
    assert!(watermark(&cluster).ms() > before.ms() + 5_000);
    let nodes = |cluster: &mut Cluster| match cluster.call(0, "MESH NODES") {
        Reply::Array(nodes) => nodes.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(nodes(&mut cluster), 2);
    cluster.call(2, "SET a 1");
    cluster.cuts.clear();
    cluster.run(20_000);
    assert_eq!(cluster.agree("GET a"), "1");
    assert_eq!(nodes(&mut cluster), 3);
}

#[test]
fn a_node_that_comes_back_under_another_name_does_not_hold_the_others() {
    let mut cluster = Cluster::full_mesh(3);
    cluster.call(2, "SET a 1");
    cluster.run(2_000);
    let before = cluster.members[0].node.status().watermarks.clock;
    cluster.restart_as(2, Origin { node: NodeId(77), incarnation: 1 });
    cluster.run(15_000);
    assert_eq!(cluster.agree("GET a"), "1");
    assert!(cluster.members[0].node.status().watermarks.clock.ms() > before.ms() + 5_000);
}

#[test]
fn what_replicas_say_first() {
    let mut cluster = Cluster::full_mesh(2);
    assert_eq!(cluster.text(0, "REPLPING"), "PONG");
    assert_eq!(cluster.text(0, "REPLCONF capa eof capa psync2"), "OK");
    assert_eq!(cluster.text(0, "REPLCONF uuid 11de648b-4e20-4f79-861c-8e57631a02a4"), "OK active-replica");
    assert!(cluster.text(0, "REPLCONF nonsense 1").starts_with("ERR Unrecognized REPLCONF option"));
    assert!(cluster.text(0, "PSYNC ? -1").starts_with("ERR "));
}
