//! Writes on several nodes end in the same state everywhere.

use crate::harness::Cluster;
use testkit::Reply;

#[test]
fn two_masters_see_each_others_writes() {
    let mut cluster = Cluster::full_mesh(2);
    cluster.call(0, "SET a 1");
    cluster.call(1, "SET b 2");
    cluster.run(20);
    assert_eq!(cluster.agree("GET a"), "1");
    assert_eq!(cluster.agree("GET b"), "2");
}

#[test]
fn the_last_of_concurrent_writes_wins() {
    let mut cluster = Cluster::full_mesh(3);
    for node in 0..3 {
        cluster.call(node, &format!("SET same {node}"));
        cluster.call(node, &format!("HSET hash field {node} own{node} 1"));
        cluster.call(node, &format!("SADD set {node}"));
    }
    cluster.run(50);
    cluster.agree("GET same");
    cluster.agree("HGET hash field");
    assert_eq!(cluster.agree("HLEN hash"), "4");
    assert_eq!(cluster.agree("SCARD set"), "3");
}

#[test]
fn no_increment_is_lost_in_a_partition() {
    let mut cluster = Cluster::full_mesh(3);
    cluster.call(0, "SET counter 100");
    cluster.run(50);
    cluster.cut(0, 1);
    cluster.cut(0, 2);
    for _ in 0..10 {
        for node in 0..3 {
            cluster.call(node, "INCR counter");
            cluster.call(node, "HINCRBY hash field 2");
            cluster.run(3);
        }
    }
    cluster.run(3_000);
    cluster.cuts.clear();
    cluster.run(12_000);
    assert_eq!(cluster.agree("GET counter"), "130");
    assert_eq!(cluster.agree("HGET hash field"), "60");
}

#[test]
fn a_delete_is_not_undone_by_what_it_had_seen() {
    let mut cluster = Cluster::linked(4, &[(0, 1), (1, 2), (2, 3)]);
    cluster.call(0, "SET key 1");
    cluster.call(0, "INCR key");
    cluster.run(50);
    cluster.call(3, "DEL key");
    cluster.run(50);
    assert_eq!(cluster.agree("EXISTS key"), "0");
    cluster.run(5_000);
    assert_eq!(cluster.agree("DBSIZE"), "0");
}

#[test]
fn transactions_arrive_whole() {
    let mut cluster = Cluster::full_mesh(2);
    let client = cluster.client(0);
    for words in ["MULTI", "SET a 1", "SELECT 3", "SET b 2", "EXPIRE b 100", "EXEC"] {
        cluster.send(0, client, words);
    }
    cluster.run(20);
    assert_eq!(cluster.agree("GET a"), "1");
    let there = cluster.client(1);
    cluster.send(1, there, "SELECT 3");
    cluster.send(1, there, "PTTL b");
    cluster.reply(1, there);
    let ttl_ms = cluster.reply(1, there).unwrap();
    assert_eq!(ttl_ms, testkit::Reply::Integer(100_000 - 20));
}

#[test]
fn flushall_reaches_everybody() {
    let mut cluster = Cluster::full_mesh(3);
    cluster.call(0, "MSET a 1 b 2 c 3");
    cluster.run(20);
    cluster.call(1, "FLUSHALL");
    cluster.run(20);
    assert_eq!(cluster.agree("DBSIZE"), "0");
}

#[test]
fn watch_sees_remote_writes() {
    let mut cluster = Cluster::full_mesh(2);
    let client = cluster.client(0);
    for words in ["WATCH key", "MULTI", "SET key mine"] {
        cluster.send(0, client, words);
    }
    cluster.call(1, "SET key theirs");
    cluster.run(20);
    cluster.send(0, client, "EXEC");
    for _ in 0..3 {
        cluster.reply(0, client);
    }
    assert_eq!(cluster.reply(0, client), Some(testkit::Reply::NullArray));
}

#[test]
fn a_node_that_lost_its_memory_gets_it_back() {
    let mut cluster = Cluster::full_mesh(3);
    cluster.call(2, "SET before 1");
    cluster.call(2, "INCRBY counter 5");
    cluster.run(100);
    cluster.restart(2, 2);
    cluster.run(10_000);
    assert_eq!(cluster.agree("GET before"), "1");
    cluster.call(2, "INCR counter");
    cluster.run(100);
    assert_eq!(cluster.agree("GET counter"), "6");
}

#[test]
fn keys_past_their_deadline_are_gone_everywhere() {
    let mut cluster = Cluster::full_mesh(2);
    cluster.call(0, "SET key v PX 100");
    cluster.run(50);
    assert_eq!(cluster.agree("EXISTS key"), "1");
    cluster.run(100);
    assert_eq!(cluster.agree("EXISTS key"), "0");
}

#[test]
fn a_push_elsewhere_wakes_who_waits_here() {
    let mut cluster = Cluster::full_mesh(2);
    let waiting = cluster.client(1);
    cluster.send(1, waiting, "BLPOP queue 0");
    assert_eq!(cluster.reply(1, waiting), None);
    cluster.call(0, "RPUSH queue job1 job2");
    cluster.run(50);
    let popped = [b"queue".to_vec(), b"job1".to_vec()].map(Reply::Bulk).to_vec();
    assert_eq!(cluster.reply(1, waiting), Some(Reply::Array(popped)));
    cluster.run(50);
    assert_eq!(cluster.agree("LINDEX queue 0"), "job2");
    assert_eq!(cluster.agree("LLEN queue"), "1");
}

#[test]
fn concurrent_pushes_are_kept_in_one_order() {
    let mut cluster = Cluster::full_mesh(3);
    for node in 0..3 {
        cluster.call(node, &format!("RPUSH list a{node} b{node}"));
        cluster.call(node, &format!("LPUSH list head{node}"));
    }
    cluster.run(50);
    assert_eq!(cluster.agree("LLEN list"), "9");
    for index in 0..9 {
        cluster.agree(&format!("LINDEX list {index}"));
    }
    for node in 0..3 {
        cluster.call(node, "LPOP list");
    }
    cluster.run(2_000);
    assert_eq!(cluster.agree("LLEN list"), "8", "all have popped the same element");
    cluster.agree("LINDEX list 0");
}
