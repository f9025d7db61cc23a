//! Replies of many elements are given in slices: other clients are served in between, and what they do meanwhile shows in
//! none of it.

mod support;

use std::io::{Read, Write};
use std::time::Duration;
use support::{PATIENCE, call, eventually, raw, start};
use testkit::{Client, Connection, Reply, ServerProcess, request};

const ELEMENTS: usize = 50_000;
const ENTRIES: usize = 12_000;

fn member(number: usize) -> String {
    format!("member:{number:06}")
}

/// Collections that are long enough, each with the same elements.
fn filled() -> (ServerProcess, Client) {
    let server = start(&[]);
    let mut client = server.client().unwrap();
    for first in (0..ELEMENTS).step_by(1000) {
        let members: Vec<String> = (first..first + 1000).map(member).collect();
        let mut words = vec!["ZADD".to_owned(), "zset".to_owned()];
        for (number, member) in (first..).zip(&members) {
            words.extend([number.to_string(), member.clone()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(call(&mut client, &words), Reply::Integer(1000));
        let mut add = |command: &[&'static str], elements: &mut dyn Iterator<Item = &str>| {
            call(&mut client, &command.iter().copied().chain(elements).collect::<Vec<_>>())
        };
        let members = members.iter().map(String::as_str);
        assert_eq!(add(&["RPUSH", "list"], &mut members.clone()), Reply::Integer(first as i64 + 1000));
        assert_eq!(add(&["SADD", "set"], &mut members.clone()), Reply::Integer(1000));
        assert_eq!(add(&["HSET", "hash"], &mut members.flat_map(|member| [member, "value"])), Reply::Integer(1000));
    }
    (server, client)
}

fn texts(reply: Reply) -> Vec<String> {
    let Reply::Array(elements) = reply else { panic!("an array: {reply}") };
    elements.iter().map(|element| String::from_utf8_lossy(element.bytes().expect("a bulk")).into_owned()).collect()
}

#[test]
fn long_replies_are_complete_in_order_and_followed_by_the_next_reply() {
    let (_server, mut client) = filled();
    let all: Vec<String> = (0..ELEMENTS).map(member).collect();
    assert_eq!(texts(call(&mut client, &["ZRANGE", "zset", "0", "-1"])), all);
    let reversed: Vec<String> = all.iter().rev().take(30_000).cloned().collect();
    assert_eq!(texts(call(&mut client, &["ZREVRANGE", "zset", "0", "29999"])), reversed);
    assert_eq!(texts(call(&mut client, &["LRANGE", "list", "0", "-1"])), all);
    assert_eq!(texts(call(&mut client, &["LRANGE", "list", "5", "40004"])), all[5..40_005]);
    for (command, key) in [("SMEMBERS", "set"), ("HKEYS", "hash")] {
        let mut elements = texts(call(&mut client, &[command, key]));
        elements.sort();
        assert!(elements == all, "{command}");
    }
    assert_eq!(texts(call(&mut client, &["HVALS", "hash"])), vec!["value"; ELEMENTS]);
    let pairs = texts(call(&mut client, &["HGETALL", "hash"]));
    assert!(pairs.iter().skip(1).step_by(2).all(|value| value == "value"));
    let mut fields: Vec<String> = pairs.into_iter().step_by(2).collect();
    fields.sort();
    assert!(fields == all, "HGETALL");
    let mut pipeline = request(&["ZRANGE", "zset", "0", "-1"]);
    pipeline.extend(request(&["PING"]));
    pipeline.extend(request(&["ZRANGEBYSCORE", "zset", "10", "20010", "WITHSCORES"]));
    pipeline.extend(request(&["PING"]));
    client.send(&pipeline).unwrap();
    assert_eq!(texts(client.receive().unwrap()), all);
    assert_eq!(client.receive().unwrap(), Reply::Status(b"PONG".to_vec()));
    let with_scores = texts(client.receive().unwrap());
    assert_eq!((with_scores.len(), &with_scores[..2]), (40_002, &[member(10), "10".to_owned()][..]));
    assert_eq!(client.receive().unwrap(), Reply::Status(b"PONG".to_vec()));
}

/// Two streams of `ENTRIES` entries each.
fn with_streams() -> (ServerProcess, Client) {
    let server = start(&[]);
    let mut client = server.client().unwrap();
    for first in (1..=ENTRIES).step_by(1000) {
        let add = |number: usize, key| request(&["XADD", key, &format!("{number}-0"), "field", &member(number)]);
        let pipeline: Vec<u8> =
            (first..first + 1000).flat_map(|number| [add(number, "a"), add(number, "b")].concat()).collect();
        client.send(&pipeline).unwrap();
        (0..2000).for_each(|_| drop(client.receive().unwrap()));
    }
    (server, client)
}

/// The ids of entries, whose fields have to be those that were added.
fn ids(entries: &Reply) -> Vec<usize> {
    let Reply::Array(entries) = entries else { panic!("an array: {entries}") };
    let id = |entry: &Reply| {
        let Reply::Array(parts) = entry else { panic!("an entry: {entry}") };
        let id = String::from_utf8_lossy(parts[0].bytes().unwrap()).strip_suffix("-0").unwrap().parse().unwrap();
        assert_eq!(texts(parts[1].clone()), ["field".to_owned(), member(id)]);
        id
    };
    entries.iter().map(id).collect()
}

#[test]
fn long_replies_of_streams_are_complete_too() {
    let (_server, mut client) = with_streams();
    let all: Vec<usize> = (1..=ENTRIES).collect();
    assert_eq!(call(&mut client, &["XDEL", "a", "6000-0"]), Reply::Integer(1));
    let mut of_a = all.clone();
    of_a.retain(|number| *number != 6_000);
    let mut asked = |words: &[&str]| ids(&call(&mut client, words));
    assert_eq!(asked(&["XRANGE", "a", "-", "+"]), of_a);
    assert_eq!(asked(&["XREVRANGE", "a", "+", "-"]), of_a.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(asked(&["XRANGE", "b", "(7", "11507", "COUNT", "11000"]), all[7..11_007]);
    assert_eq!(asked(&["XREVRANGE", "b", "11507", "7", "COUNT", "11000"])[10_999], 508);
    let mut pipeline = request(&["XREAD", "STREAMS", "a", "none", "b", "0", "0", "100"]);
    pipeline.extend(request(&["PING"]));
    client.send(&pipeline).unwrap();
    let Reply::Array(streams) = client.receive().unwrap() else { panic!("an array") };
    let streams = streams.into_iter().map(|stream| {
        let Reply::Array(parts) = stream else { panic!("a stream: {stream}") };
        (parts[0].bytes().unwrap().to_vec(), ids(&parts[1]))
    });
    let expected = [(b"a".to_vec(), of_a), (b"b".to_vec(), all[100..].to_vec())];
    assert!(streams.eq(expected));
    assert_eq!(client.receive().unwrap(), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn who_waits_for_a_stream_gets_a_long_one_whole() {
    let (server, mut client) = with_streams();
    let mut waiting = server.client().unwrap();
    waiting.send(&request(&["XREAD", "BLOCK", "0", "STREAMS", "later", "0"])).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    call(&mut client, &["RENAME", "a", "later"]);
    let Reply::Array(streams) = waiting.receive().unwrap() else { panic!("an array") };
    let Reply::Array(parts) = &streams[0] else { panic!("a stream") };
    assert_eq!(ids(&parts[1]).len(), ENTRIES);
}

#[test]
fn a_transaction_gives_them_whole() {
    let (_server, mut client) = filled();
    call(&mut client, &["MULTI"]);
    call(&mut client, &["ZRANGE", "zset", "0", "-1"]);
    call(&mut client, &["ZCARD", "zset"]);
    let Reply::Array(replies) = call(&mut client, &["EXEC"]) else { panic!("an array") };
    assert_eq!(texts(replies[0].clone()).len(), ELEMENTS);
    assert_eq!(replies[1], Reply::Integer(ELEMENTS as i64));
}

#[test]
fn what_others_write_meanwhile_is_not_in_it_and_nobody_waits_for_a_reader_that_does_not_read() {
    let (server, mut other) = filled();
    // More than the sockets hold, so that the first reply is stuck half-way while the set changes.
    let mut slow = raw(&server);
    std::io::Write::write_all(&mut slow, &request(&["ZRANGE", "zset", "0", "-1", "WITHSCORES"]).repeat(20)).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(call(&mut other, &["DEL", "zset"]), Reply::Integer(1));
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let one: Vec<u8> = {
        let mut expected = format!("*{}\r\n", ELEMENTS * 2).into_bytes();
        for number in 0..ELEMENTS {
            let (member, score) = (member(number), number.to_string());
            expected.extend(format!("${}\r\n{member}\r\n${}\r\n{score}\r\n", member.len(), score.len()).into_bytes());
        }
        expected
    };
    let mut received = vec![0; one.len()];
    slow.read_exact(&mut received).unwrap();
    assert!(received == one, "the reply that was under way is whole");
    assert_eq!(call(&mut other, &["PING"]), Reply::Status(b"PONG".to_vec()));
}

#[test]
fn what_is_published_comes_between_replies() {
    let (server, mut publisher) = filled();
    let mut client = server.client().unwrap();
    call(&mut client, &["HELLO", "3"]);
    call(&mut client, &["SUBSCRIBE", "channel"]);
    client.send(&request(&["ZRANGE", "zset", "0", "-1"]).repeat(3)).unwrap();
    for _ in 0..50 {
        assert_eq!(call(&mut publisher, &["PUBLISH", "channel", "hello"]), Reply::Integer(1));
    }
    let (mut arrays, mut messages) = (0, 0);
    while arrays < 3 || messages < 50 {
        match client.receive().unwrap() {
            Reply::Array(elements) => {
                assert_eq!(elements.len(), ELEMENTS);
                arrays += 1;
            }
            Reply::Push(_) => messages += 1,
            other => panic!("{other}"),
        }
    }
}

/// More than a piece of KEYS' reply holds, and freed elsewhere.
#[test]
fn keys_gives_every_key_and_large_values_are_freed_by_another_thread() {
    let server = start(&["--enable-debug-command", "yes"]);
    let mut client = server.client().unwrap();
    call(&mut client, &["DEBUG", "POPULATE", "40000", "a-name-of-some-length"]);
    let mut pipeline = request(&["KEYS", "*:1*"]);
    pipeline.extend(request(&["PING"]));
    client.send(&pipeline).unwrap();
    let mut keys = texts(client.receive().unwrap());
    assert_eq!(client.receive().unwrap(), Reply::Status(b"PONG".to_vec()));
    let numbers = (0..40_000).map(|number| number.to_string()).filter(|number| number.starts_with('1'));
    let mut expected: Vec<String> = numbers.map(|number| format!("a-name-of-some-length:{number}")).collect();
    keys.sort();
    expected.sort();
    assert!(keys == expected, "{} keys", keys.len());

    call(&mut client, &["CONFIG", "SET", "stream-node-max-entries", "5"]);
    for id in 1..1000 {
        call(&mut client, &["XADD", "stream", &id.to_string(), "field", "value"]);
    }
    call(&mut client, &["CONFIG", "RESETSTAT"]);
    assert_eq!(call(&mut client, &["DEL", "stream"]), Reply::Integer(1));
    eventually("the stream is freed", || {
        client.info("memory").unwrap().contains(&("lazyfreed_objects".into(), "1".into()))
    });
}

#[test]
fn keys_beyond_the_limit_of_output_closes_the_connection() {
    let server = start(&["--enable-debug-command", "yes", "--client-output-buffer-limit", "normal", "1mb", "0", "0"]);
    let mut client = server.client().unwrap();
    call(&mut client, &["DEBUG", "POPULATE", "50000", "a-name-of-some-length"]);
    client.send(&request(&["KEYS", "*"])).unwrap();
    assert!(client.receive().is_err());
    call(&mut server.client().unwrap(), &["CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0"]);
    let mut client = server.client().unwrap();
    client.send(&request(&["KEYS", "*:12*"])).unwrap();
    assert!(client.receive().is_ok());
    client.send(&request(&["KEYS", "*:[12]*"])).unwrap();
    assert!(client.receive().is_err());
    let info = server.client().unwrap().info("stats").unwrap();
    assert!(info.contains(&("client_output_buffer_limit_disconnections".into(), "2".into())), "{info:?}");
    let mut client = server.client().unwrap();
    assert_eq!(texts(call(&mut client, &["KEYS", "*:1234"])).len(), 1);
    let sizes = client.info("keysizes").unwrap();
    assert!(sizes.contains(&("db0_distrib_strings_sizes".into(), "4=10,8=49990".into())), "{sizes:?}");
}

#[test]
fn random_elements_beyond_the_limit_of_output_close_the_connection_before_any_is_sent() {
    let server = start(&["--client-output-buffer-limit", "normal", "100000", "0", "0"]);
    let mut client = server.client().unwrap();
    call(&mut client, &["HSET", "hash", "field", "value"]);
    client.send(&request(&["HRANDFIELD", "hash", "-999999999"])).unwrap();
    assert!(client.is_closed());
}

/// They would lie in an output buffer whole, if they were not made as the socket takes them.
#[test]
fn long_replies_beyond_the_limit_of_output_close_the_connection_before_any_is_sent() {
    let (server, mut client) = filled();
    call(&mut client, &["SETRANGE", "string", "9999999", "x"]);
    call(&mut client, &["CONFIG", "SET", "client-output-buffer-limit", "normal 600000 0 0"]);
    for words in [
        &["GET", "string"][..],
        &["GETRANGE", "string", "5", "-6"],
        &["LRANGE", "list", "0", "-1"],
        &["SMEMBERS", "set"],
    ] {
        let mut client = server.client().unwrap();
        client.send(&request(words)).unwrap();
        assert!(client.is_closed(), "{words:?}");
    }
    let mut client = server.client().unwrap();
    assert_eq!(texts(call(&mut client, &["LRANGE", "list", "0", "11000"])).len(), 11_001);
}

fn field(line: &str, name: &str) -> u64 {
    let value = line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    value.expect("a field of CLIENT LIST").parse().unwrap()
}

/// What is promised is kept, also when the key is gone.
#[test]
fn what_a_long_reply_still_has_to_give_is_output_of_the_client() {
    const LEN: u64 = 64 << 20;
    let server = start(&[]);
    let mut client = server.client().unwrap();
    call(&mut client, &["SETRANGE", "string", &(LEN - 1).to_string(), "x"]);
    let slow = || {
        let mut slow = raw(&server);
        slow.write_all(&request(&["CLIENT", "SETNAME", "slow"])).unwrap();
        slow.write_all(&request(&["GET", "string"]).repeat(3)).unwrap();
        slow
    };
    let owes = |client: &mut Client| {
        let list = String::from_utf8(call(client, &["CLIENT", "LIST"]).bytes().unwrap().to_vec()).unwrap();
        let line = list.lines().find(|line| line.contains("name=slow ")).map(str::to_owned);
        line.map(|line| (field(&line, "omem"), field(&line, "tot-mem")))
    };
    let reader = slow();
    eventually("most of it waits", || owes(&mut client).is_some_and(|(output, all)| output > LEN / 2 && all >= output));
    // Whoever reads gets it, however little at once.
    reader.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::copy(&mut (&reader).take(3 * LEN), &mut std::io::sink()).unwrap();
    eventually("nothing waits", || owes(&mut client).is_some_and(|(output, _)| output == 0));
    drop(reader);
    // The soft limit of output, and the limit of what all clients may take.
    call(&mut client, &["CONFIG", "SET", "client-output-buffer-limit", "normal 0 8mb 1"]);
    let mut limited = slow();
    let closed = ("client_output_buffer_limit_disconnections".to_owned(), "1".to_owned());
    eventually("it is closed", || client.info("stats").unwrap().contains(&closed));
    assert!(std::io::copy(&mut limited, &mut std::io::sink()).is_ok_and(|bytes| bytes < LEN), "not all is sent");
    call(&mut client, &["CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0"]);
    let _evicted = slow();
    eventually("most of it waits", || owes(&mut client).is_some_and(|(output, _)| output > LEN / 2));
    call(&mut client, &["DEL", "string"]);
    assert!(owes(&mut client).is_some_and(|(output, _)| output > LEN / 2));
    call(&mut client, &["CONFIG", "SET", "maxmemory-clients", "16mb"]);
    eventually("it is evicted", || owes(&mut client).is_none());
}

#[test]
fn sets_are_compared_slice_by_slice() {
    let (_server, mut client) = filled();
    for first in (0..ELEMENTS).step_by(1000) {
        let half = (first..first + 1000).filter(|number| number % 2 == 0).map(member);
        let words: Vec<String> = ["SADD".into(), "half".into()].into_iter().chain(half).collect();
        call(&mut client, &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    call(&mut client, &["SADD", "half", "another"]);
    call(&mut client, &["SADD", "few", "another", "one more", &member(4), &member(5)]);
    let mut sorted = |words: &[&str]| {
        let mut members = texts(call(&mut client, words));
        members.sort();
        members
    };
    let numbers = |step: usize, first: usize| (first..ELEMENTS).step_by(step).map(member);
    assert!(sorted(&["SINTER", "set", "half"]) == numbers(2, 0).collect::<Vec<_>>());
    assert!(sorted(&["SINTER", "set", "half", "few"]) == [member(4)]);
    assert!(sorted(&["SDIFF", "set", "half", "missing"]) == numbers(2, 1).collect::<Vec<_>>());
    assert!(sorted(&["SDIFF", "set", "set", "few"]).is_empty());
    let mut all: Vec<String> = numbers(1, 0).chain(["another".into(), "one more".into()]).collect();
    all.sort();
    assert!(sorted(&["SUNION", "missing", "half", "set", "few", "set"]) == all);
    assert!(sorted(&["SINTER", "set", "missing"]).is_empty());
    let mut everything = texts(call(&mut client, &["SRANDMEMBER", "set", "60000"]));
    everything.sort();
    assert!(everything == numbers(1, 0).collect::<Vec<_>>());
    assert_eq!(call(&mut client, &["SINTERCARD", "2", "set", "half"]), Reply::Integer(ELEMENTS as i64 / 2));
}
