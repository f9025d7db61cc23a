//! A node that starts holds back what its clients write until somebody counts on it.

use crate::harness::{Cluster, active_replica};
use engine::Config;
use testkit::Reply;

const ARRIVAL_MS: u64 = 2_000;

/// A hub and two others, all with a list; then the hub has lost its memory.
fn hub_that_comes_back(are_others_there: bool) -> Cluster {
    let mut cluster = Cluster::linked(3, &[(0, 1), (0, 2)]);
    cluster.call(1, "RPUSH list old");
    cluster.run(1_500);
    if !are_others_there {
        cluster.cut(0, 1);
        cluster.cut(0, 2);
    }
    cluster.arrival_ms = ARRIVAL_MS;
    cluster.restart(0, 2);
    cluster
}

/// A client of the hub that has pushed something, and has to wait.
fn waiting_client(cluster: &mut Cluster) -> u64 {
    let client = cluster.client(0);
    cluster.send(0, client, "RPUSH list new");
    assert_eq!(cluster.reply(0, client), None);
    client
}

#[test]
fn writes_wait_until_the_node_has_joined() {
    let mut cluster = hub_that_comes_back(true);
    let client = waiting_client(&mut cluster);
    assert_eq!(cluster.text(0, "LLEN list"), "0", "reads do not wait");
    for node in [1, 2] {
        cluster.call(node, "RPUSH list meanwhile");
    }
    let started_ms = cluster.now_ms;
    while cluster.reply(0, client).is_none() {
        cluster.run(1);
        assert!(cluster.now_ms < started_ms + ARRIVAL_MS / 2);
    }
    cluster.run(3_000);
    assert_eq!(cluster.agree("LLEN list"), "4");
    let late: Vec<u64> = cluster.members.iter().map(|member| member.node.late_records()).collect();
    assert_eq!(late, [0, 0, 0]);
}

#[test]
fn who_is_alone_takes_writes_once_nobody_answers() {
    let mut cluster = hub_that_comes_back(false);
    let client = waiting_client(&mut cluster);
    cluster.run(2);
    assert_eq!(cluster.reply(0, client), Some(Reply::Integer(1)));
}

#[test]
fn a_pause_of_a_user_goes_on() {
    let mut cluster = hub_that_comes_back(false);
    cluster.call(0, &format!("CLIENT PAUSE {} WRITE", 2 * ARRIVAL_MS));
    let client = waiting_client(&mut cluster);
    cluster.run(ARRIVAL_MS);
    assert_eq!(cluster.reply(0, client), None);
    cluster.run(ARRIVAL_MS + 1);
    assert_eq!(cluster.reply(0, client), Some(Reply::Integer(1)));
}

#[test]
fn a_pause_of_a_user_ends_when_it_should() {
    for (mode, reads_wait) in [("ALL", true), ("WRITE", false)] {
        let mut cluster = hub_that_comes_back(true);
        cluster.silent = vec![1, 2];
        cluster.restart(0, 3);
        cluster.call(0, &format!("CLIENT PAUSE {} {mode}", ARRIVAL_MS / 2));
        let (writer, reader) = (waiting_client(&mut cluster), cluster.client(0));
        cluster.send(0, reader, "LLEN list");
        assert_eq!(cluster.reply(0, reader).is_none(), reads_wait);
        cluster.run(ARRIVAL_MS / 2 + 1);
        assert_eq!(cluster.reply(0, reader).is_some(), reads_wait);
        assert_eq!(cluster.reply(0, writer), None, "the masters may still answer");
        cluster.call(0, "CLIENT UNPAUSE");
        cluster.run(ARRIVAL_MS / 2 - 3);
        assert_eq!(cluster.reply(0, writer), None);
        cluster.run(3);
        assert_eq!(cluster.reply(0, writer), Some(Reply::Integer(1)));
    }
}

#[test]
fn who_has_arrived_leaves_a_pause_of_a_user_as_it_is() {
    let mut cluster = hub_that_comes_back(true);
    cluster.call(0, &format!("CLIENT PAUSE {} WRITE", ARRIVAL_MS / 2));
    let client = waiting_client(&mut cluster);
    cluster.run(ARRIVAL_MS / 2 - 1);
    assert_eq!(cluster.reply(0, client), None);
    cluster.run(2);
    assert_eq!(cluster.reply(0, client), Some(Reply::Integer(2)));
}

#[test]
fn nobody_waits_longer_as_the_clock_is_set_back() {
    let mut cluster = hub_that_comes_back(true);
    cluster.silent = vec![1, 2];
    cluster.restart(0, 3);
    let client = waiting_client(&mut cluster);
    cluster.set_clock_back(0, 3_600_000);
    cluster.run(ARRIVAL_MS + 1);
    assert_eq!(cluster.reply(0, client), Some(Reply::Integer(1)));
}

#[test]
fn who_gives_up_what_he_has_holds_nothing_back() {
    let mut classic = Config::default();
    classic.replica_read_only = false;
    for (config, waits) in [(classic, false), (active_replica(), true)] {
        let mut cluster = Cluster::new(vec![config, active_replica()]);
        cluster.replicate(0, 1);
        cluster.run(10);
        (cluster.arrival_ms, cluster.silent) = (ARRIVAL_MS, vec![1]);
        cluster.restart(0, 2);
        let client = cluster.client(0);
        cluster.send(0, client, "SET key value");
        assert_eq!(cluster.reply(0, client).is_none(), waits);
    }
}
