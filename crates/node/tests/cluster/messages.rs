//! What is pushed to clients because of other nodes: messages, keyspace events, invalidations.

use crate::harness::{Cluster, active_replica};
use std::iter;

/// Everything that was pushed to a client, and its replies, as text.
fn received(cluster: &mut Cluster, node: usize, client: u64) -> Vec<String> {
    iter::from_fn(|| cluster.reply(node, client)).map(|reply| reply.to_string()).collect()
}

/// A client that speaks RESP3 and has had replies to these commands.
fn client(cluster: &mut Cluster, node: usize, commands: &[&str]) -> u64 {
    let client = cluster.client(node);
    for words in iter::once(&"HELLO 3").chain(commands) {
        cluster.send(node, client, words);
    }
    received(cluster, node, client);
    client
}

fn message(text: &str) -> String {
    format!("push[\"message\", \"news\", \"{text}\"]")
}

/// Every node publishes; every node's subscribers get each message once, and each publisher's in its order.
fn everybody_hears_everybody_once(mut cluster: Cluster, drawn: &str) {
    let nodes = cluster.members.len();
    let listeners: Vec<u64> = (0..nodes).map(|node| client(&mut cluster, node, &["SUBSCRIBE news"])).collect();
    for round in 0..5 {
        for node in 0..nodes {
            assert_eq!(cluster.text(node, &format!("PUBLISH news {node}-{round}")), "1");
        }
        cluster.run(7);
    }
    cluster.run(500);
    let expected: Vec<String> =
        (0..nodes).flat_map(|node| (0..5).map(move |round| message(&format!("{node}-{round}")))).collect();
    for (node, listener) in listeners.into_iter().enumerate() {
        let heard = received(&mut cluster, node, listener);
        let in_order = |publisher: usize| {
            let of_one = |text: &&String| text.contains(&format!("\"{publisher}-"));
            heard.iter().filter(of_one).is_sorted()
        };
        assert!((0..nodes).all(in_order), "{drawn}, node {node}: {heard:?}");
        let mut sorted = heard.clone();
        sorted.sort();
        assert_eq!(sorted, expected, "{drawn}, node {node}");
    }
    assert_eq!(cluster.agree("DBSIZE"), "0");
}

#[test]
fn each_message_arrives_once_in_every_topology() {
    everybody_hears_everybody_once(Cluster::full_mesh(2), "a pair");
    everybody_hears_everybody_once(Cluster::linked(4, &[(0, 1), (1, 2), (2, 3)]), "a chain");
    everybody_hears_everybody_once(Cluster::linked(5, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]), "a ring");
    everybody_hears_everybody_once(Cluster::linked(4, &[(0, 1), (0, 2), (0, 3)]), "a star");
    everybody_hears_everybody_once(Cluster::full_mesh(4), "a mesh");
}

#[test]
fn messages_wait_for_the_end_of_a_partition() {
    let mut cluster = Cluster::linked(5, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]);
    let listener = client(&mut cluster, 2, &["SUBSCRIBE news"]);
    cluster.cut(2, 1);
    cluster.text(0, "PUBLISH news round-the-other-way");
    cluster.run(200);
    cluster.cut(2, 3);
    cluster.text(0, "PUBLISH news late");
    cluster.run(3_000);
    assert_eq!(received(&mut cluster, 2, listener), [message("round-the-other-way")]);
    cluster.cuts.clear();
    cluster.run(12_000);
    assert_eq!(received(&mut cluster, 2, listener), [message("late")]);
}

#[test]
fn a_message_comes_after_what_was_written_before_it() {
    let mut cluster = Cluster::full_mesh(2);
    let listener = client(&mut cluster, 1, &["SUBSCRIBE news", "PSUBSCRIBE n*", "SSUBSCRIBE news"]);
    let writer = cluster.client(0);
    for words in ["MULTI", "SET k v", "PUBLISH news k", "SPUBLISH news k", "EXEC"] {
        cluster.send(0, writer, words);
    }
    cluster.run(1);
    while received(&mut cluster, 1, listener).is_empty() {
        assert_eq!(cluster.text(1, "GET k"), "Null");
        cluster.run(1);
    }
    assert_eq!(cluster.text(1, "GET k"), "v");
    assert_eq!(cluster.text(0, "PUBLISH other-news x"), "0");
    cluster.run(50);
    assert_eq!(received(&mut cluster, 1, listener), Vec::<String>::new());
}

#[test]
fn a_classic_replica_hears_its_master() {
    let mut cluster = Cluster::new(vec![Default::default(), Default::default(), active_replica()]);
    cluster.replicate(1, 0);
    cluster.run(1_500);
    let listener = client(&mut cluster, 1, &["SUBSCRIBE news"]);
    cluster.text(0, "PUBLISH news x");
    cluster.run(50);
    assert_eq!(received(&mut cluster, 1, listener), [message("x")]);
}

#[test]
fn without_others_a_message_is_in_no_log() {
    let mut cluster = Cluster::full_mesh(1);
    cluster.text(0, "PUBLISH news x");
    cluster.run(200);
    assert_eq!(cluster.members[0].node.status().log_bytes, 0);
}

#[test]
fn publishing_changes_nothing() {
    let mut cluster = Cluster::full_mesh(2);
    let watcher = cluster.client(1);
    cluster.call(0, "SET k v");
    cluster.run(50);
    let dirty = cluster.text(1, "INFO persistence");
    cluster.send(1, watcher, "WATCH k");
    cluster.call(0, "PUBLISH k v");
    cluster.call(1, "PUBLISH k v");
    cluster.run(50);
    assert_eq!(cluster.text(1, "INFO persistence"), dirty);
    for words in ["MULTI", "GET k", "EXEC"] {
        cluster.send(1, watcher, words);
    }
    assert_eq!(received(&mut cluster, 1, watcher), ["OK", "OK", "QUEUED", "[\"v\"]"]);
    let digests = [cluster.text(0, "MESH DIGEST"), cluster.text(1, "MESH DIGEST")];
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn events_tell_what_other_nodes_did() {
    let mut cluster = Cluster::full_mesh(2);
    cluster.text(1, "CONFIG SET notify-keyspace-events EA");
    let listener = client(&mut cluster, 1, &["PSUBSCRIBE __keyevent@*"]);
    for words in ["SET k v EX 100", "INCR n", "SADD s a b", "SREM s a b", "HSET h f 1", "DEL h", "PERSIST k"] {
        cluster.call(0, words);
    }
    cluster.run(50);
    let events: Vec<String> = received(&mut cluster, 1, listener)
        .into_iter()
        .map(|event| {
            event.replace("push[\"pmessage\", \"__keyevent@*\", \"__keyevent@0__:", "").replace(['"', ']'], "")
        })
        .collect();
    let expected =
        ["set, k", "expire, k", "incrby, n", "sadd, s", "srem, s", "del, s", "hset, h", "del, h", "persist, k"];
    assert_eq!(events, expected);
    cluster.call(0, "SET brief v PX 20");
    cluster.run(5_000);
    let events = received(&mut cluster, 1, listener);
    let expired = "push[\"pmessage\", \"__keyevent@*\", \"__keyevent@0__:expired\", \"brief\"]";
    assert_eq!(events.iter().filter(|event| *event == expired).count(), 1, "{events:?}");
}

#[test]
fn what_other_nodes_change_is_invalidated() {
    let mut cluster = Cluster::full_mesh(2);
    cluster.call(1, "SET k v");
    cluster.run(50);
    let cache = client(&mut cluster, 1, &["CLIENT TRACKING ON", "GET k", "GET other"]);
    cluster.call(0, "SET k w");
    cluster.run(50);
    assert_eq!(received(&mut cluster, 1, cache), ["push[\"invalidate\", [\"k\"]]"]);
    cluster.call(0, "FLUSHALL");
    cluster.run(50);
    assert_eq!(received(&mut cluster, 1, cache), ["push[\"invalidate\", null]"]);
}

#[test]
fn a_write_that_changes_nothing_here_spoils_no_transaction() {
    let mut cluster = Cluster::full_mesh(2);
    for words in ["SADD s a", "HSET h f 1", "ZADD z 1 a", "SETBIT b 7 1", "XADD x 1-1 f v", "PFADD p a"] {
        cluster.call(0, words);
    }
    cluster.run(50);
    let watcher = client(&mut cluster, 0, &["WATCH s h z b x p none"]);
    let before = cluster.text(0, "INFO persistence");
    let writes =
        "SADD s a,SREM s b,HDEL h g,DEL none,ZADD z 1 a,ZREM z b,ZINCRBY z 0 a,SETBIT b 7 1,XDEL x 9-9,PFADD p a";
    writes.split(',').for_each(|words| drop(cluster.call(0, words)));
    assert_eq!(cluster.text(0, "INFO persistence"), before);
    for words in ["MULTI", "PING", "EXEC"] {
        cluster.send(0, watcher, words);
    }
    assert_eq!(received(&mut cluster, 0, watcher), ["OK", "QUEUED", "[PONG]"]);
}

#[test]
fn a_data_set_that_comes_in_spoils_transactions() {
    let mut cluster = Cluster::new(vec![crate::harness::multi_master(), crate::harness::multi_master()]);
    cluster.call(0, "SET k v");
    let watcher = client(&mut cluster, 1, &["WATCH k"]);
    let bystander = client(&mut cluster, 1, &["WATCH other"]);
    cluster.replicate(1, 0);
    cluster.run(1_500);
    assert_eq!(cluster.text(1, "GET k"), "v");
    for (client, expected) in [(watcher, "null"), (bystander, "[PONG]")] {
        for words in ["MULTI", "PING", "EXEC"] {
            cluster.send(1, client, words);
        }
        assert_eq!(received(&mut cluster, 1, client), ["OK", "QUEUED", expected]);
    }
}
