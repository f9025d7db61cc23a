//! What happens beyond maxmemory. A key takes a kilobyte here, whatever is in it.

use crate::harness::{Client, Server};
use engine::{Config, Room};
use keyspace::Switches;
use std::time::Duration;
use testkit::{Connection, request};

const KEY_BYTES: u64 = 1024;

/// A server whose memory is its keys, and room for ten of them.
fn server(policy: &str) -> Server {
    let server = Server::new(Config::default());
    let keyspace = server.engine.keyspace.clone();
    *server.host.used_memory.lock().unwrap() = Some(Box::new(move || keyspace.key_count() as u64 * KEY_BYTES));
    let mut admin = server.client();
    admin.call(&["CONFIG", "SET", "maxmemory", &(10 * KEY_BYTES).to_string(), "maxmemory-policy", policy]);
    server
}

fn fill(client: &mut Client, count: usize) {
    for number in 0..count {
        assert!(!client.call(&["SET", &format!("key:{number}"), "x"]).is_error(), "{number}");
    }
}

fn size(client: &mut Client) -> i64 {
    client.words("DBSIZE").integer().unwrap()
}

fn is_refused(client: &mut Client, words: &str) -> bool {
    format!("{}", client.words(words)).contains("OOM command not allowed")
}

#[test]
fn without_eviction_writes_are_refused_and_reads_are_not() {
    let server = server("noeviction");
    let mut client = server.client();
    fill(&mut client, 11);
    assert!(is_refused(&mut client, "SET another x"));
    assert!(!client.words("GET key:1").is_error());
    client.words("MULTI");
    assert!(is_refused(&mut client, "GET key:1"));
    assert!(format!("{}", client.words("EXEC")).contains("EXECABORT"));
    assert_eq!(client.words("DEL key:1").integer(), Some(1));
    assert!(!client.words("SET another x").is_error());
}

#[test]
fn in_a_run_about_one_key_each_write_needs_room() {
    let server = server("noeviction");
    server.engine.keyspace.set_switches(Switches { recording: false, stamping: false, peers: false });
    let mut client = server.client();
    fill(&mut client, 10);
    client.send(&request(&["APPEND", "key", "x"]).repeat(3)).unwrap();
    assert_eq!(client.poll().unwrap().integer(), Some(1));
    assert!(client.poll().unwrap().is_error());
    assert!(client.poll().unwrap().is_error());
}

#[test]
fn every_policy_for_all_keys_makes_room() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let server = server(policy);
        let mut client = server.client();
        fill(&mut client, 100);
        assert_eq!(size(&mut client), 11, "{policy}");
        assert!(format!("{}", client.words("INFO stats")).contains("evicted_keys:89"), "{policy}");
    }
}

#[test]
fn volatile_policies_leave_the_other_keys_alone() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let server = server(policy);
        let mut client = server.client();
        fill(&mut client, 5);
        for number in 0..50 {
            assert!(!client.call(&["SET", &format!("volatile:{number}"), "x", "EX", "1000"]).is_error());
        }
        assert_eq!(size(&mut client), 11, "{policy}");
        assert_eq!(client.words("EXISTS key:0 key:1 key:2 key:3 key:4").integer(), Some(5), "{policy}");
        for number in 5..12 {
            client.call(&["SET", &format!("key:{number}"), "x"]);
        }
        assert!(is_refused(&mut client, "SET another x"), "{policy}");
    }
}

#[test]
fn what_was_used_lately_stays() {
    let server = server("allkeys-lru");
    let mut client = server.client();
    fill(&mut client, 10);
    server.advance(Duration::from_secs(100));
    client.words("MGET key:0 key:1 key:2 key:3 key:4");
    client.words("CONFIG SET maxmemory-samples 64 maxmemory 5120");
    client.words("SET another x");
    assert_eq!(client.words("EXISTS key:0 key:1 key:2 key:3 key:4").integer(), Some(5));
    assert_eq!(client.words("EXISTS key:5 key:6 key:7 key:8 key:9").integer(), Some(0));
}

#[test]
fn what_expires_first_goes_first() {
    let server = server("volatile-ttl");
    let mut client = server.client();
    for number in 0..10 {
        client.call(&["SET", &format!("key:{number}"), "x", "EX", &(100 + number).to_string()]);
    }
    client.words("CONFIG SET maxmemory-samples 64 maxmemory 5120");
    client.words("SET another x");
    assert_eq!(client.words("EXISTS key:5 key:6 key:7 key:8 key:9").integer(), Some(5));
}

#[test]
fn nothing_is_evicted_while_clients_are_paused() {
    let server = server("allkeys-random");
    let mut client = server.client();
    fill(&mut client, 10);
    client.words("CLIENT PAUSE 1000 WRITE");
    client.words("CONFIG SET maxmemory 1");
    let make_room = || server.engine.make_room(&server.engine.config.load(), engine::Host::now(&*server.host));
    assert_eq!(make_room(), Room::Enough);
    assert_eq!(size(&mut client), 10);
    client.words("CLIENT UNPAUSE");
    assert_eq!(make_room(), Room::Enough);
    assert_eq!(size(&mut client), 0);
}

/// Each key that goes makes ten messages, which share its name.
#[test]
fn what_is_on_its_way_to_clients_is_not_evicted_for() {
    let server = server("allkeys-random");
    let (keyspace, engine) = (server.engine.keyspace.clone(), server.engine.clone());
    *server.host.used_memory.lock().unwrap() = Some(Box::new(move || {
        let messages: u64 = engine.clients.all().iter().map(|client| client.total_memory()).sum();
        keyspace.key_count() as u64 * KEY_BYTES + messages / 10
    }));
    let mut trackers: Vec<Client> = (0..10).map(|_| server.client()).collect();
    trackers[0].words("CONFIG SET maxmemory 0");
    for tracker in &mut trackers {
        tracker.words("HELLO 3");
        tracker.words("CLIENT TRACKING ON");
    }
    let names: Vec<String> = (0..100).map(|number| format!("{}:{number}", "k".repeat(500))).collect();
    for name in &names {
        trackers[0].call(&["SET", name, "x"]);
        trackers.iter_mut().for_each(|tracker| drop(tracker.call(&["GET", name])));
    }
    let used = engine::Host::used_memory(&*server.host);
    let mut config = Config::default();
    config.maxmemory = used - 20 * KEY_BYTES;
    config.maxmemory_policy = "allkeys-random";
    let now = engine::Host::now(&*server.host);
    assert_eq!(server.engine.make_room(&config, now), Room::Enough);
    let evicted = 100 - server.engine.keyspace.key_count();
    // What is shared is not taken off for each of the ten: or a key or two would seem to be enough for now.
    assert!((10..=20).contains(&evicted), "{evicted}");
    for tracker in &mut trackers {
        assert_eq!(std::iter::from_fn(|| tracker.poll()).count(), evicted);
    }
    assert_eq!(server.engine.make_room(&config, now), Room::Enough);
    // The clients themselves take a little less by now.
    assert!((80..=84).contains(&server.engine.keyspace.key_count()), "{}", server.engine.keyspace.key_count());
}
