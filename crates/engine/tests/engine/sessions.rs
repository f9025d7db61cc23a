//! What sessions do beyond single commands: batches, protocol errors, pauses, kills, WATCH, one commit
//! per transaction.

use crate::harness::{Client, Server};
use effect::{Collection, Deadline, Effect, EffectReader, EffectWriter, ItemsWriter, NodeId, Origin, Stamp};
use engine::{Config, Host, Next};
use keyspace::{Horizon, Keyspace, Row, Scope, Switches, Version};
use proptest::prelude::*;
use std::time::Duration;
use testkit::{Connection, Reply, request};

fn server() -> Server {
    Server::new(Config::default())
}

fn error(reply: &Reply) -> String {
    format!("{reply}")
}

#[test]
fn a_long_pipeline_is_answered_in_order() {
    let server = server();
    let mut client = server.client();
    let mut input = Vec::new();
    for number in 0..5000 {
        input.extend_from_slice(&request(&["SET", &format!("key:{number}"), &number.to_string()]));
        input.extend_from_slice(&request(&["GET", &format!("key:{number}")]));
    }
    client.send(&input).unwrap();
    for number in 0..5000 {
        assert!(!client.receive().unwrap().is_error());
        assert_eq!(client.receive().unwrap().bytes(), Some(number.to_string().as_bytes()));
    }
}

#[test]
fn a_pipeline_on_large_collections_is_answered_in_order() {
    // Elements are fetched ahead there, also of keys that come into being, change their form and go on the way.
    const ELEMENTS: usize = 2000;
    let mut client = server().client();
    let numbers = 0..ELEMENTS;
    let requests: Vec<u8> = numbers
        .flat_map(|n| {
            let (member, before) = (format!("member:{n}"), format!("member:{}", n / 2));
            let mut requests = request(&["SADD", "set", &member]);
            requests.extend(request(&["HSET", "hash", &member, "value"]));
            requests.extend(request(&["HGET", "hash", &before]));
            requests.extend(request(&["SREM", "set", &before]));
            requests
        })
        .collect();
    client.send(&requests).unwrap();
    for n in 0..ELEMENTS {
        assert_eq!(client.receive().unwrap(), Reply::Integer(1), "SADD {n}");
        assert_eq!(client.receive().unwrap(), Reply::Integer(1), "HSET {n}");
        assert_eq!(client.receive().unwrap(), Reply::Bulk(b"value".to_vec()), "HGET {n}");
        assert_eq!(client.receive().unwrap(), Reply::Integer(i64::from(n % 2 == 0)), "SREM {n}");
    }
    assert_eq!(client.words("SCARD set"), Reply::Integer(ELEMENTS as i64 / 2));
}

/// A server where nobody hears of changes.
fn alone() -> Server {
    let server = server();
    server.engine.keyspace.set_switches(Switches { recording: false, stamping: false, peers: false });
    server
}

/// Commands of every kind of handler, about two keys.
const RUNS: [&str; 34] = [
    "SET a text",
    "SET a 1 PX 1",
    "GETSET b 5",
    "GET a",
    "INCR b",
    "APPEND a more",
    "GETDEL a",
    "RPUSH a x y",
    "LPUSH b x",
    "LPOP a",
    "LRANGE b 0 -1",
    "LMPOP 1 b LEFT",
    "BLPOP a 0.001",
    "BLPOP b 0.001",
    "SADD a x y z",
    "SADD b 1",
    "SREM a x",
    "SPOP b",
    "SMEMBERS b",
    "HSET a field value",
    "HINCRBY a field 1",
    "HGETALL a",
    "ZADD b 1 one 2 two",
    "ZINCRBY b nonsense one",
    "ZRANGE b 0 -1 WITHSCORES",
    "ZPOPMIN b",
    "XADD b 1-1 field value",
    "XADD b * field",
    "EXPIRE a 100",
    "DEL a",
    "UNLINK b",
    "OBJECT ENCODING a",
    "CLIENT NO-TOUCH ON",
    "EXISTS b",
];

#[test]
fn in_a_run_whoever_has_to_be_told_is_told_of_every_command() {
    let server = alone();
    let (mut client, mut listener, mut monitor) = (server.client(), server.client(), server.client());
    client.words("CONFIG SET notify-keyspace-events Kl");
    listener.words("PSUBSCRIBE __keyspace@0__:*");
    monitor.words("MONITOR");
    let run = request(&["RPUSH", "key", "element"]).repeat(3);
    client.send(&run).unwrap();
    for number in 1..=3 {
        assert_eq!(client.poll(), Some(Reply::Integer(number)));
        assert!(error(&listener.poll().unwrap()).contains("rpush"));
        assert!(error(&monitor.poll().unwrap()).contains("RPUSH"));
    }
    client.words("CONFIG SET notify-keyspace-events \"\"");
    listener.words("PUNSUBSCRIBE");
    listener.words("WATCH key");
    client.send(&run).unwrap();
    assert!(!executes(&mut listener));
}

#[test]
fn requests_before_a_protocol_error_are_executed() {
    let server = server();
    let mut client = server.client();
    let mut input = request(&["SET", "a", "1"]);
    input.extend_from_slice(b"*1\r\nx");
    input.extend_from_slice(b"\r\n");
    client.send(&input).unwrap();
    assert!(!client.receive().unwrap().is_error());
    assert!(error(&client.receive().unwrap()).contains("Protocol error: expected '$', got 'x'"));
    assert!(client.is_closed());
}

#[test]
fn where_modules_may_be_loaded_it_fails() {
    let mut config = Config::default();
    config.enable_module_command = "yes";
    let mut client = Server::new(config).client();
    let reply = client.words("MODULE LOAD /nowhere.so");
    assert_eq!(error(&reply), "-ERR Error loading the extension. Please check the server logs.");
    let reply = client.words("MODULE UNLOAD it");
    assert_eq!(error(&reply), "-ERR Error unloading module: no such module with that name");
}

#[test]
fn what_follows_a_quit_is_not_executed() {
    let server = server();
    let (mut client, mut other) = (server.client(), server.client());
    let mut input = request(&["QUIT"]);
    input.extend_from_slice(&request(&["SET", "a", "1"]));
    client.send(&input).unwrap();
    assert!(client.is_closed());
    assert_eq!(other.words("EXISTS a").integer(), Some(0));
}

#[test]
fn a_pause_holds_writes_back_and_keeps_their_order() {
    let server = server();
    let (mut writer, mut admin) = (server.client(), server.client());
    admin.words("CLIENT PAUSE 100000 WRITE");
    let mut input = request(&["GET", "a"]);
    input.extend_from_slice(b"SET a \"x y\"\r\n");
    input.extend_from_slice(&request(&["GET", "a"]));
    writer.send(&input).unwrap();
    assert!(writer.poll().is_some_and(|reply| reply.bytes().is_none()));
    assert!(writer.poll().is_none());
    assert!(matches!(writer.next(), Next::Blocked { deadline_us: Some(_) }));
    assert!(error(&admin.words("CLIENT LIST")).contains("flags=b"));
    admin.words("CLIENT UNPAUSE");
    assert!(!writer.receive().unwrap().is_error());
    assert_eq!(writer.receive().unwrap().bytes(), Some(&b"x y"[..]));
}

#[test]
fn a_pause_ends_by_itself() {
    let server = server();
    let (mut client, mut admin) = (server.client(), server.client());
    admin.words("CLIENT PAUSE 500");
    client.send(&request(&["PING"])).unwrap();
    server.advance(Duration::from_millis(499));
    assert!(client.poll().is_none());
    server.advance(Duration::from_millis(2));
    assert!(client.poll().is_some());
}

#[test]
fn a_pause_may_be_meant_for_ever() {
    let server = server();
    let (mut client, mut admin) = (server.client(), server.client());
    admin.words("CLIENT PAUSE 9223372036854775807");
    client.send(&request(&["PING"])).unwrap();
    assert!(client.poll().is_none());
    server.advance(Duration::from_secs(1_000_000));
    assert!(client.poll().is_none());
    admin.words("CLIENT UNPAUSE");
    assert!(client.poll().is_some());
}

#[test]
fn a_killed_client_is_closed_and_gone_from_the_list() {
    let server = server();
    let (mut victim, mut admin) = (server.client(), server.client());
    victim.words("CLIENT SETNAME victim");
    let id = victim.id.to_string();
    assert_eq!(admin.call(&["CLIENT", "KILL", "ID", &id]).integer(), Some(1));
    assert!(victim.is_closed());
    assert!(!error(&admin.words("CLIENT LIST")).contains("name=victim"));
    assert_eq!(admin.call(&["CLIENT", "KILL", "ID", &id]).integer(), Some(0));
}

#[test]
fn replies_are_switched_off_skipped_and_on_again() {
    let server = server();
    let mut client = server.client();
    let mut input = Vec::new();
    for words in ["CLIENT REPLY SKIP", "PING first", "PING second", "CLIENT REPLY OFF", "PING third", "CLIENT REPLY ON"]
    {
        input.extend_from_slice(format!("{words}\r\n").as_bytes());
    }
    client.send(&input).unwrap();
    assert_eq!(client.receive().unwrap().bytes(), Some(&b"second"[..]));
    assert_eq!(format!("{}", client.receive().unwrap()), "OK");
    assert!(client.poll().is_none());
}

/// The reply of a command that waits comes later, and is still the one that is not wanted.
#[test]
fn the_reply_of_a_command_that_waits_is_skipped_too() {
    let server = server();
    let (mut waiting, mut other) = (server.client(), server.client());
    waiting.send(b"CLIENT REPLY SKIP\r\nBLPOP list 0\r\nPING after\r\n").unwrap();
    assert!(waiting.poll().is_none());
    other.words("RPUSH list a");
    assert_eq!(waiting.poll().unwrap().bytes(), Some(&b"after"[..]));
    waiting.send(b"CLIENT REPLY OFF\r\nBLPOP list 0\r\nCLIENT REPLY ON\r\n").unwrap();
    other.call(&["CLIENT", "UNBLOCK", &waiting.id.to_string(), "ERROR"]);
    assert_eq!(error(&waiting.poll().unwrap()), "OK");
    assert!(waiting.poll().is_none());
}

#[test]
fn what_was_refused_or_only_queued_counts_as_refused_not_as_executed() {
    let server = server();
    let mut client = server.client();
    client.words("CONFIG RESETSTAT");
    for words in ["GET a b", "NOSUCH a", "MULTI", "GET a", "GET b", "EXEC", "GET c"] {
        client.words(words);
    }
    let info = format!("{}", client.words("INFO commandstats"));
    assert!(info.contains("cmdstat_get:calls=3,") && info.contains("rejected_calls=1,failed_calls=0"), "{info}");
    let histogram = client.words("LATENCY HISTOGRAM get");
    assert_eq!(histogram.elements().unwrap()[1].elements().unwrap()[1].integer(), Some(3), "{histogram}");
    // CONFIG RESETSTAT itself, MULTI, EXEC, three GET, INFO, LATENCY HISTOGRAM.
    let stats = format!("{}", client.words("INFO stats"));
    assert!(stats.contains("total_commands_processed:8\\r"), "{stats}");
}

#[test]
fn what_needs_every_lock_runs_within_a_transaction() {
    let server = server();
    let mut client = server.client();
    for words in ["MULTI", "SET a 1", "CONFIG SET set-max-intset-entries 1", "SADD s 1 2", "OBJECT ENCODING s"] {
        client.words(words);
    }
    for words in ["MESH CONFLICTS", "INFO everything", "CONFIG RESETSTAT", "MEMORY STATS", "ROLE", "DBSIZE"] {
        client.words(words);
    }
    let replies = client.words("EXEC");
    let replies = replies.elements().unwrap();
    assert_eq!(replies.len(), 10);
    assert!(replies.iter().all(|reply| !reply.is_error()), "{replies:?}");
    // The new limit holds for what follows it.
    assert_ne!(replies[3].bytes(), Some(&b"intset"[..]));
}

fn keys_of(effects: &[u8]) -> Vec<String> {
    let key = |effect: Effect<'_>| effect.key().map(|key| String::from_utf8_lossy(key).into_owned());
    EffectReader::new(effects).filter_map(|effect| key(effect.unwrap())).collect()
}

#[test]
fn a_transaction_is_one_commit() {
    let server = server();
    let mut client = server.client();
    client.words("SET before 1");
    for words in ["MULTI", "SET a 1", "SELECT 3", "INCR b", "SADD c x", "EXEC"] {
        client.words(words);
    }
    let commits = server.recorder.commits.lock().unwrap();
    assert_eq!(commits.len(), 2);
    assert_eq!(keys_of(&commits[1]), ["a", "b", "c"]);
    let databases: Vec<u32> = EffectReader::new(&commits[1])
        .filter_map(|effect| if let Effect::Select { db } = effect.unwrap() { Some(db) } else { None })
        .collect();
    assert_eq!(databases, [3]);
}

#[test]
fn reads_and_refused_writes_commit_nothing() {
    let server = server();
    let mut client = server.client();
    client.words("SET a 1");
    let before = server.recorder.commits.lock().unwrap().len();
    for words in ["GET a", "SADD a x", "SET a 2 NX", "EXPIRE missing 10", "LPUSH", "SETRANGE a -1 x"] {
        client.words(words);
    }
    assert_eq!(server.recorder.commits.lock().unwrap().len(), before);
}

fn exec_result(setup: &[&str], watch: &str, meanwhile: &[&str]) -> bool {
    let server = server();
    let (mut client, mut other) = (server.client(), server.client());
    for words in setup {
        other.words(words);
    }
    client.words(watch);
    for words in meanwhile {
        other.words(words);
    }
    executes(&mut client)
}

#[test]
fn who_watches_a_stream_is_told_of_entries_and_not_of_groups() {
    let setup = ["XADD s 1-1 a b", "XGROUP CREATE s g 0", "XREADGROUP GROUP g c STREAMS s >", "XADD s 2-2 a b"];
    for words in [
        "XGROUP CREATE s h 0",
        "XGROUP SETID s g 0",
        "XGROUP DESTROY s g",
        "XGROUP CREATECONSUMER s g d",
        "XGROUP DELCONSUMER s g c",
        "XREADGROUP GROUP g c STREAMS s >",
        "XREADGROUP GROUP g c NOACK STREAMS s >",
        "XACK s g 1-1",
        "XCLAIM s g d 0 1-1",
        "XAUTOCLAIM s g d 0 0",
        "XSETID s 9-9",
    ] {
        assert!(exec_result(&setup, "WATCH s", &[words]), "{words}");
    }
    for words in ["XADD s 3-3 a b", "XDEL s 2-2", "XTRIM s MAXLEN 1"] {
        assert!(!exec_result(&setup, "WATCH s", &[words]), "{words}");
    }
    assert!(!exec_result(&[], "WATCH s", &["XGROUP CREATE s g 0 MKSTREAM"]));
}

/// Does a transaction of this client go through?
fn executes(client: &mut Client) -> bool {
    client.words("MULTI");
    client.words("PING");
    client.words("EXEC").elements().is_some()
}

#[test]
fn exec_fails_after_a_watched_key_changed() {
    assert!(exec_result(&["SET a 1"], "WATCH a", &[]));
    assert!(exec_result(&["SET a 1"], "WATCH a", &["GET a", "SET b 1", "SELECT 1", "SET a 2"]));
    assert!(!exec_result(&["SET a 1"], "WATCH a", &["SET a 1"]));
    assert!(!exec_result(&["SET a 1"], "WATCH b a", &["DEL a"]));
    assert!(!exec_result(&["SET a 1"], "WATCH a", &["EXPIRE a 100"]));
    assert!(!exec_result(&[], "WATCH a", &["SADD a x"]));
    assert!(!exec_result(&["SET a 1"], "WATCH a", &["FLUSHALL"]));
    assert!(exec_result(&["SET b 1"], "WATCH a", &["FLUSHALL"]));
    assert!(exec_result(&[], "WATCH a", &["DEL a"]));
    assert!(!exec_result(&["SET a 1"], "WATCH a", &["RENAME a b"]));
    assert!(!exec_result(&["SELECT 1", "SET a 1", "SELECT 0"], "WATCH a", &["SWAPDB 0 1"]));
}

fn origin(node: u64) -> Origin {
    Origin { node: NodeId(node), incarnation: 1 }
}

fn begin_mesh(keyspace: &Keyspace) {
    keyspace.set_origin(origin(1));
    keyspace.set_switches(Switches { recording: true, stamping: true, peers: true });
}

/// An effect of another node, which had seen nothing.
fn apply_remote(server: &Server, stamp_ms: u64, effect: &Effect<'_>) {
    let keyspace = &server.engine.keyspace;
    let mut effects = Vec::new();
    EffectWriter::new(&mut effects).push(effect);
    let version = Version { stamp: Stamp::from_ms(stamp_ms), origin: keyspace.origin_index(origin(2)).unwrap() };
    let mut txn = keyspace.begin(Scope::All, 0, server.host.now().unix_us / 1000);
    let _ = txn.apply(effect, version, Row::Seen(&[])).unwrap();
    server.engine.observe_remote(&mut txn, &effects, keyspace.check_effects(&effects, |_| ()).unwrap());
    txn.commit_applied(|_| ());
    server.engine.serve_blocked();
}

#[test]
fn exec_fails_after_the_time_of_a_watched_element_came_while_a_waiter_was_looked_at() {
    let server = server();
    begin_mesh(&server.engine.keyspace);
    let (mut client, mut other, mut waiter) = (server.client(), server.client(), server.client());
    other.words("HSET h f 1 g 2");
    other.words("HPEXPIRE h 500 FIELDS 1 f");
    client.words("WATCH h");
    // So many keys that the one that is watched lies beside one of them.
    let lists: Vec<String> = (0..64).map(|number| format!("l{number}")).collect();
    let wait: Vec<&str> = ["BLPOP"].into_iter().chain(lists.iter().map(String::as_str)).chain(["0"]).collect();
    waiter.send(&request(&wait)).unwrap();
    assert!(waiter.poll().is_none());
    // A clock that is ahead sets ours; what has come is nothing for who waits.
    let ahead_ms = server.host.now().unix_us / 1000 + 1000;
    apply_remote(&server, ahead_ms, &Effect::Set { key: b"l0", value: b"v", deadline: Deadline::Clear });
    assert_eq!(other.words("HLEN h"), Reply::Integer(1));
    assert!(!executes(&mut client));
}

#[test]
fn exec_fails_after_a_late_removal_brought_a_watched_key_to_light() {
    let server = server();
    let keyspace = &server.engine.keyspace;
    begin_mesh(keyspace);
    let (mut client, mut other) = (server.client(), server.client());
    other.words("INCRBY n 5");
    other.words("PEXPIRE n 10");
    server.advance(Duration::from_millis(20));
    // The increment sleeps now.
    let now_ms = server.host.now().unix_us / 1000;
    keyspace.stabilize(now_ms, &Horizon { clock: Stamp::from_ms(now_ms - 1), causal: &[] }, 10, |_| ());
    client.words("WATCH n");
    // Who removes the key elsewhere had not seen it.
    apply_remote(&server, now_ms, &Effect::Delete { key: b"n" });
    assert_eq!(other.words("GET n"), Reply::Bulk(b"5".to_vec()));
    assert!(!executes(&mut client));
}

#[test]
fn exec_fails_after_a_watched_key_expired() {
    let server = server();
    let mut client = server.client();
    client.words("SET a 1 PX 10");
    client.words("WATCH a");
    server.advance(Duration::from_millis(20));
    assert!(!executes(&mut client));
}

#[test]
fn a_session_that_is_dropped_watches_nothing() {
    let server = server();
    let mut client = server.client();
    client.words("WATCH a b c");
    let mut admin = server.client();
    assert!(error(&admin.words("INFO clients")).contains("total_watched_keys:3"));
    drop(client);
    assert!(error(&admin.words("INFO clients")).contains("total_watched_keys:0"));
}

#[test]
fn inside_exec_info_and_flushes_run_under_the_locks_of_the_group() {
    let server = server();
    let mut client = server.client();
    for words in ["MULTI", "SET a 1", "INFO everything", "DBSIZE", "FLUSHALL", "MEMORY STATS", "KEYS *"] {
        client.words(words);
    }
    let replies = client.words("EXEC");
    let replies = replies.elements().unwrap();
    assert_eq!(replies[2].integer(), Some(1));
    assert_eq!(replies.len(), 6);
    assert!(replies.iter().all(|reply| !reply.is_error()));
}

/// The engine of these tests uses one megabyte and has no replicas.
#[test]
fn refused_writes_abort_the_transaction_that_holds_them() {
    for (limit, code) in [("maxmemory 1", "OOM"), ("min-replicas-to-write 1", "NOREPLICAS")] {
        let server = server();
        let (mut client, mut admin) = (server.client(), server.client());
        for words in ["MULTI", "SET a 1", "GET a"] {
            client.words(words);
        }
        admin.words(&format!("CONFIG SET {limit}"));
        let reply = error(&client.words("EXEC"));
        assert!(reply.contains(&format!("EXECABORT Transaction discarded because of: {code} ")), "{reply}");
        assert!(error(&client.words("SET a 1")).contains(code));
        assert!(!client.words("GET a").is_error());
        // What is queued takes memory, whatever it is.
        client.words("MULTI");
        assert_eq!(client.words("GET a").is_error(), code == "OOM");
        assert_eq!(client.words("EXEC").is_error(), code == "OOM");
    }
}

#[test]
fn a_short_threshold_puts_commands_into_the_slow_log() {
    let server = Server::new({
        let mut config = Config::default();
        config.enable_debug_command = "yes";
        config
    });
    let mut client = server.client();
    client.words("CONFIG SET slowlog-log-slower-than 10000");
    client.words("DEBUG SLEEP 0.009");
    client.words("DEBUG SLEEP 0.02");
    let entries = client.words("SLOWLOG GET");
    let entries = entries.elements().unwrap();
    assert_eq!(entries.len(), 1);
    let entry = entries[0].elements().unwrap();
    assert_eq!(entry[2].integer(), Some(20_000));
    assert_eq!(
        error(&entry[3]),
        error(&Reply::Array(["DEBUG", "SLEEP", "0.02"].map(|word| Reply::Bulk(word.into())).to_vec()))
    );
    client.words("SLOWLOG RESET");
    assert_eq!(client.words("SLOWLOG LEN").integer(), Some(0));
}

/// Short replies share a reading of the clock; the time of a long one is its own.
#[test]
fn a_long_reply_ends_a_run_of_short_commands() {
    let server = Server::new(Config::default());
    let mut client = server.client();
    client.words("HSET small field value");
    for number in 0..300 {
        client.words(&format!("HSET large field:{number} value-of-some-length"));
    }
    client.words("CONFIG SET slowlog-log-slower-than 1000");
    *server.host.reading_us.lock().unwrap() = 1000;
    let pipeline = ["HGETALL small", "HGETALL small", "HGETALL large", "HGETALL small", "HGETALL small"];
    let input = pipeline.iter().flat_map(|line| request(&line.split(' ').collect::<Vec<_>>())).collect::<Vec<u8>>();
    client.send(&input).unwrap();
    pipeline.iter().for_each(|_| drop(client.receive().unwrap()));
    *server.host.reading_us.lock().unwrap() = 0;
    let entries = client.words("SLOWLOG GET");
    let entries = entries.elements().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].elements().unwrap()[3].elements().unwrap()[1].bytes(), Some(&b"large"[..]));
}

/// What is done to few elements is short, to many it is not; whatever shares a reading is counted for each command.
#[test]
fn commands_with_few_elements_share_a_reading_of_the_clock() {
    let server = Server::new(Config::default());
    let mut client = server.client();
    client.words("CONFIG SET slowlog-log-slower-than 1000");
    *server.host.reading_us.lock().unwrap() = 1000;
    let many = (0..100).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
    let many = format!("SADD many {many}");
    let pipeline = ["SADD few a b c", "SADD few d", "MSET a 1 b 2", &many, "RPUSH list a b", "SADD few e f"];
    let input = pipeline.iter().flat_map(|line| request(&line.split(' ').collect::<Vec<_>>())).collect::<Vec<u8>>();
    client.send(&input).unwrap();
    pipeline.iter().for_each(|_| drop(client.receive().unwrap()));
    *server.host.reading_us.lock().unwrap() = 0;
    let entries = client.words("SLOWLOG GET");
    let entries = entries.elements().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].elements().unwrap()[3].elements().unwrap()[1].bytes(), Some(&b"many"[..]));
    let statistics = client.words("INFO commandstats");
    let statistics = String::from_utf8_lossy(statistics.bytes().unwrap()).into_owned();
    for calls in ["cmdstat_sadd:calls=4,", "cmdstat_mset:calls=1,", "cmdstat_rpush:calls=1,"] {
        assert!(statistics.contains(calls), "{statistics}");
    }
}

proptest! {
    /// However the bytes of a pipeline are cut, the replies are the same.
    #[test]
    fn replies_do_not_depend_on_how_the_input_is_cut(cuts in proptest::collection::vec(1usize..40, 1..60)) {
        let mut input = Vec::new();
        for number in 0..20 {
            input.extend_from_slice(&request(&["APPEND", "text", &number.to_string()]));
            input.extend_from_slice(b"INCR \"co\\x75nter\"\r\n\r\n");
            input.extend_from_slice(&request(&["MULTI"]));
            input.extend_from_slice(&request(&["GETRANGE", "text", "0", "-1"]));
            input.extend_from_slice(&request(&["EXEC"]));
        }
        let replies = |pieces: &mut dyn Iterator<Item = usize>| {
            let server = server();
            let mut client = server.client();
            let mut rest = &input[..];
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(pieces.next().unwrap_or(rest.len()).min(rest.len()));
                client.send(piece).unwrap();
                rest = tail;
            }
            std::iter::from_fn(|| client.poll()).map(|reply| reply.to_string()).collect::<Vec<_>>()
        };
        let whole = replies(&mut std::iter::empty());
        prop_assert_eq!(whole.len(), 100);
        prop_assert_eq!(replies(&mut cuts.into_iter()), whole);
    }

    /// Commands about one key, one behind the other, share their locks: their replies are those that they have alone.
    #[test]
    fn replies_of_a_run_are_those_of_its_commands(
        runs in proptest::collection::vec((0..RUNS.len(), 1usize..5), 1..30),
        has_observer in any::<bool>(),
    ) {
        let lines: Vec<&str> = runs.into_iter().flat_map(|(line, times)| std::iter::repeat_n(RUNS[line], times)).collect();
        let replies = |is_pipeline: bool| {
            let server = alone();
            let mut client = server.client();
            let mut observer = server.client();
            if has_observer {
                observer.words("WATCH a b");
            }
            let requests = lines.iter().map(|line| request(&line.split(' ').collect::<Vec<_>>()));
            if is_pipeline {
                client.send(&requests.collect::<Vec<_>>().concat()).unwrap();
            } else {
                requests.for_each(|request| client.send(&request).unwrap());
            }
            let replies = std::iter::from_fn(|| client.receive().ok()).map(|reply| reply.to_string()).collect::<Vec<_>>();
            let statistics = observer.words("INFO commandstats");
            let statistics = String::from_utf8_lossy(statistics.bytes().unwrap()).into_owned();
            let calls = statistics.lines().filter_map(|line| line.split(',').next());
            (replies, calls.map(str::to_owned).collect::<Vec<_>>())
        };
        prop_assert_eq!(replies(true), replies(false));
    }

    /// Whatever a client sends: no panic, and consistent framing of what comes back.
    #[test]
    fn any_bytes_are_survived(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        let server = server();
        let mut client = server.client();
        client.send(&input).unwrap();
        while client.poll().is_some() {}
    }
}

#[test]
fn what_is_pushed_to_a_client_is_sent_without_a_request() {
    let server = server();
    let (mut watcher, mut other) = (server.client(), server.client());
    watcher.words("MONITOR");
    assert!(error(&other.words("CLIENT LIST")).contains("flags=O"));
    other.words("SET a 1");
    assert!(watcher.poll().is_some_and(|line| error(&line).contains("\"SET\" \"a\" \"1\"")));
    assert!(watcher.poll().is_none());
    drop(watcher);
    other.words("SET a 2");
}

/// The clock of these tests stands still, so one slice is enough: what a walk in steps gives is `keyspace`'s to test.
#[test]
fn keys_are_given_once_each_also_in_a_long_reply() {
    let server = server();
    let mut client = server.client();
    let names: Vec<String> = (0..3000).map(|number| format!("key:{number}")).collect();
    for name in &names {
        client.call(&["SET", name, "x"]);
    }
    let reply = client.words("KEYS *");
    let mut found: Vec<Vec<u8>> = reply.elements().unwrap().iter().map(|key| key.bytes().unwrap().to_vec()).collect();
    found.sort();
    let mut expected: Vec<Vec<u8>> = names.iter().map(|name| name.clone().into_bytes()).collect();
    expected.sort();
    assert!(found == expected);
    client.words("MULTI");
    client.words("KEYS key:1?");
    let replies = client.words("EXEC");
    assert_eq!(replies.elements().unwrap()[0].elements().unwrap().len(), 10);
}

#[test]
fn within_a_transaction_what_was_read_after_its_change_is_not_invalidated() {
    let server = server();
    let mut client = server.client();
    client.words("HELLO 3");
    client.words("CLIENT TRACKING ON");
    for words in ["MULTI", "SET a 1", "GET a", "SET b 1", "GET b", "SET b 2"] {
        client.words(words);
    }
    assert_eq!(client.words("EXEC").to_string(), "[OK, \"1\", OK, \"1\", OK]");
    assert_eq!(client.poll().unwrap().to_string(), "push[\"invalidate\", [\"b\"]]");
    assert_eq!(client.poll(), None);
}

#[test]
fn a_read_that_finds_a_key_past_its_deadline_says_so() {
    let server = server();
    let mut client = server.client();
    client.words("HELLO 3");
    client.words("CLIENT TRACKING ON");
    client.words("CONFIG SET notify-keyspace-events Ex");
    client.words("PSUBSCRIBE *");
    client.words("SET k v PX 10");
    client.words("GET k");
    server.advance(Duration::from_millis(11));
    assert_eq!(client.words("MGET k x").to_string(), "[null, null]");
    let pushed = [client.poll().unwrap().to_string(), client.poll().unwrap().to_string()];
    assert_eq!(pushed[0], "push[\"pmessage\", \"*\", \"__keyevent@0__:expired\", \"k\"]");
    assert_eq!(pushed[1], "push[\"invalidate\", [\"k\"]]");
    assert_eq!(client.words("DBSIZE").to_string(), "0");
    client.words("GET k");
    assert_eq!(client.poll(), None);
}

#[test]
fn an_element_that_a_later_deadline_could_not_save_raises_its_event() {
    let server = server();
    let keyspace = &server.engine.keyspace;
    begin_mesh(keyspace);
    let mut client = server.client();
    client.words("HELLO 3");
    client.words("SADD s a b");
    let now_ms = server.host.now().unix_us / 1000;
    let mut members = ItemsWriter::new();
    members.push(b"a");
    let expire = |deadline_ms| Effect::ExpireMembers {
        key: b"s",
        collection: Collection::Set,
        members: members.items(),
        deadline_ms,
    };
    apply_remote(&server, now_ms + 10, &expire(Some(now_ms + 50)));
    apply_remote(&server, now_ms + 60, &expire(None));
    assert_eq!(client.words("SMISMEMBER s a b").to_string(), "[1, 1]", "something may still come between the two");
    client.words("CONFIG SET notify-keyspace-events EA");
    client.words("PSUBSCRIBE *");
    let horizon = Horizon { clock: Stamp::from_ms(now_ms + 60), causal: &[] };
    keyspace.stabilize(now_ms, &horizon, 10, |what| server.engine.observe_time(what));
    assert_eq!(client.poll().unwrap().to_string(), "push[\"pmessage\", \"*\", \"__keyevent@0__:srem\", \"s\"]");
    assert_eq!(client.poll(), None);
    assert_eq!(client.words("SMISMEMBER s a b").to_string(), "[0, 1]");
}

#[test]
fn who_does_not_read_its_messages_is_disconnected() {
    let mut config = Config::default();
    config.client_output_buffer_limit.pubsub.hard = 10_000;
    let server = Server::new(config);
    let mut listener = server.client();
    listener.words("SUBSCRIBE news");
    let mut publisher = server.client();
    let message = "x".repeat(3_000);
    let requests = testkit::request(&["PUBLISH", "news", &message]).repeat(10);
    publisher.send(&requests).unwrap();
    assert!(listener.is_closed());
    let reached: Vec<String> = (0..10).map(|_| publisher.poll().unwrap().to_string()).collect();
    assert_eq!(reached[0], "1");
}
