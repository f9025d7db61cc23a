//! Long commands that work on copies: they do what they would do at once, and see what others do meanwhile.

use crate::harness::{Client, Server};
use engine::Config;
use keyspace::Switches;
use testkit::Reply;

const COUNT: usize = 12_000;

/// `aside`: nobody keeps effects, and of each slice there is time for little.
fn server(aside: bool) -> Server {
    let server = Server::new(Config::default());
    if aside {
        server.engine.keyspace.set_switches(Switches { recording: false, stamping: false, peers: false });
        *server.host.reading_us.lock().unwrap() = 600;
    }
    server
}

/// The same where there are other nodes, which are told of everything.
fn server_among_others() -> Server {
    let server = server(true);
    server.engine.keyspace.set_switches(Switches { recording: true, stamping: true, peers: true });
    server
}

fn fill(client: &mut Client) {
    let of = |command: &str, key: &str, elements: &mut dyn Iterator<Item = String>| {
        [command.to_owned(), key.to_owned()].into_iter().chain(elements).collect::<Vec<_>>()
    };
    let members = |from: usize| (from..from + COUNT).map(|number| format!("member:{number}"));
    let scored = |from: usize| {
        (from..from + COUNT).flat_map(|number| [(number * 7919 % 1000).to_string(), format!("member:{number}")])
    };
    client.call(&of("SADD", "set", &mut members(0)));
    client.call(&of("SADD", "other:set", &mut members(COUNT / 2)));
    client.call(&of("ZADD", "zset", &mut scored(0)));
    client.call(&of("ZADD", "other:zset", &mut scored(COUNT / 2)));
    client.call(&of("RPUSH", "list", &mut (0..COUNT).map(|number| (number * 7919 % COUNT).to_string())));
    let weights =
        (0..COUNT).step_by(7).flat_map(|number| [format!("weight:{number}"), (number * 31 % 100).to_string()]);
    client.call(&std::iter::once("MSET".to_owned()).chain(weights).collect::<Vec<_>>());
    client.words("HSET hash:5 field five");
}

fn sorted(reply: Reply) -> Vec<String> {
    let mut elements: Vec<String> = reply.elements().unwrap_or_default().iter().map(Reply::to_string).collect();
    elements.sort();
    elements
}

/// All that is in the keys.
fn contents(client: &mut Client) -> Vec<Vec<String>> {
    let mut contents = Vec::new();
    for key in ["set", "other:set", "zset", "other:zset", "list", "result"] {
        let command = match client.words(&format!("TYPE {key}")).to_string().as_str() {
            "set" => format!("SMEMBERS {key}"),
            "zset" => format!("ZRANGE {key} 0 -1 WITHSCORES"),
            "list" => format!("LRANGE {key} 0 -1"),
            _ => continue,
        };
        let elements = client.words(&command);
        contents.push(if command.starts_with('S') { sorted(elements) } else { vec![elements.to_string()] });
        contents.push(vec![client.words(&format!("OBJECT ENCODING {key}")).to_string()]);
    }
    contents
}

const COMMANDS: &[&str] = &[
    "SUNIONSTORE result set other:set",
    "SINTERSTORE result set other:set",
    "SDIFFSTORE result set other:set",
    "SDIFFSTORE result set nothing set",
    "SPOP set 12000",
    "ZUNIONSTORE result 2 zset other:zset WEIGHTS 2 -3 AGGREGATE MAX",
    "ZUNIONSTORE result 3 zset set nothing",
    "ZINTERSTORE result 2 other:zset set",
    "ZDIFFSTORE result 2 zset other:set",
    "ZUNION 2 zset other:zset WITHSCORES",
    "ZINTER 2 zset other:zset AGGREGATE MIN WITHSCORES",
    "ZDIFF 2 zset other:zset",
    "ZRANGESTORE result zset 5 -3",
    "ZRANGESTORE result zset (900 -inf BYSCORE REV LIMIT 10 10500",
    "ZRANGESTORE zset zset 1 11000",
    "ZMPOP 3 nothing zset other:zset MIN COUNT 11000",
    "ZMPOP 1 zset MAX COUNT 11990",
    "ZPOPMIN zset 11000",
    "ZPOPMAX zset 11990",
    "ZREMRANGEBYRANK zset 10 -11",
    "ZREMRANGEBYSCORE zset (100 +inf",
    "ZREMRANGEBYLEX zset - +",
    "SORT list",
    "SORT list DESC LIMIT 11500 2000",
    "SORT list ALPHA STORE result",
    "SORT set ALPHA DESC STORE set",
    "SORT zset",
    "SORT_RO zset ALPHA LIMIT 5 10",
    "LPOP list 11000",
    "RPOP list 11000",
    "COPY zset result",
    "COPY list result REPLACE",
    "SORT list BY weight:* GET # GET weight:*",
    "SORT list BY weight:* DESC ALPHA LIMIT 700 10800",
    "SORT list BY hash:*->field ALPHA GET # STORE result",
    "SORT list BY nosort GET weight:* GET hash:*->field LIMIT 20 11000",
    "SORT list BY nosort GET weight:* STORE result",
    "SORT set BY nosort GET # STORE result",
    "SORT zset BY nosort LIMIT 5 11000 ALPHA",
    "SORT zset BY weight:* GET weight:*",
    "SORT_RO list BY weight:* DESC",
];

#[test]
fn what_is_done_aside_is_what_is_done_at_once() {
    for command in COMMANDS {
        let [expected, aside, among_others] = [server(false), server(true), server_among_others()].map(|server| {
            let mut client = server.client();
            fill(&mut client);
            let reply = client.words(command);
            let is_any_order = command.starts_with("SPOP");
            let reply = if is_any_order { sorted(reply) } else { vec![reply.to_string()] };
            (reply, contents(&mut client))
        });
        assert!(expected == aside, "{command}");
        assert!(expected == among_others, "{command} among others");
    }
}

#[test]
fn very_many_elements_come_and_leave_in_slices() {
    let several = |template: &str, count: usize| {
        let (command, element) = template.split_once(' ').unwrap();
        let (key, element) = element.split_once(' ').unwrap();
        let elements = (0..count).flat_map(|number| {
            element.replace('#', &number.to_string()).split(' ').map(str::to_owned).collect::<Vec<_>>()
        });
        [command.to_owned(), key.to_owned()].into_iter().chain(elements).collect::<Vec<_>>()
    };
    let [at_once, aside] = [false, true].map(|aside| {
        let server = server(aside);
        let (mut client, mut other) = (server.client(), server.client());
        fill(&mut client);
        let mut replies = Vec::new();
        for (template, count) in [
            ("SADD result member:#", COUNT),
            ("SADD result member:#", 3 * COUNT),
            ("SADD result member:#", COUNT),
            ("SREM set member:#", COUNT - 7),
            ("SREM other:set member:#", 2 * COUNT),
            ("SREM nothing member:#", COUNT),
            ("SADD list member:#", COUNT),
            ("HSET hash field:# value:#", COUNT),
            ("HMSET hash field:# new", COUNT),
            ("HSET hash field:# value:# odd", COUNT),
            ("HDEL hash field:#", COUNT - 3),
            ("ZADD zset 17 member:#", COUNT + 5),
            ("ZADD zset x member:#", COUNT),
            ("ZADD new:zset # same", COUNT),
            ("ZREM zset member:#", 2 * COUNT),
        ] {
            let before = client.turns();
            let reply = client.call(&several(template, count));
            let is_refused = matches!(reply, Reply::Error(_));
            assert!(
                !aside || is_refused || client.turns() > before + 2,
                "{template}: {} turns",
                client.turns() - before
            );
            replies.push(reply.to_string());
        }
        other.queue("SADD result new");
        replies.push(client.call(&several("SADD result other:#", COUNT)).to_string());
        replies.push(other.poll().expect("a reply").to_string());
        other.queue("SET result text");
        let is_late = matches!(client.call(&several("SADD result last:#", COUNT)), Reply::Error(_));
        assert_eq!(is_late, aside, "it comes after what others did meanwhile");
        replies.push(other.poll().expect("a reply").to_string());
        replies.extend(["HGETALL hash", "ZSCORE new:zset same"].map(|line| client.words(line).to_string()));
        (replies, contents(&mut client))
    });
    assert_eq!(at_once.0[..15], aside.0[..15]);
    assert!(at_once == aside);
}

/// Commands that read, or write no more than a few keys, and how many elements their replies have at least.
const SLICED: &[(&str, usize)] = &[
    ("SCAN 0 COUNT 20000", 12_000),
    ("SCAN 0 MATCH *7* COUNT 20000 TYPE string", 1_000),
    ("SSCAN set 0 COUNT 20000", 12_000),
    ("SSCAN set 0 MATCH *77* COUNT 20000", 300),
    ("HSCAN hash 0 COUNT 20000", 24_000),
    ("HSCAN hash 0 NOVALUES COUNT 20000", 12_000),
    ("ZSCAN zset 0 COUNT 20000", 24_000),
    ("SRANDMEMBER set 11000", 11_000),
    ("SRANDMEMBER set -20000", 20_000),
    ("SRANDMEMBER large:set 10001", 10_001),
    ("HRANDFIELD hash 11000 WITHVALUES", 22_000),
    ("HRANDFIELD hash -20000", 20_000),
    ("ZRANDMEMBER zset 11000", 11_000),
    ("ZRANDMEMBER zset -20000 WITHSCORES", 40_000),
    ("SINTERCARD 2 set other:set", 0),
    ("ZINTERCARD 2 zset other:zset", 0),
    ("ZRANGESTORE result zset 0 -1", 0),
    ("ZMPOP 1 other:zset MAX COUNT 11000", 0),
];

fn elements(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Array(elements) => elements.iter().flat_map(self::elements).collect(),
        other => vec![other.to_string()],
    }
}

#[test]
fn others_have_turns_while_it_takes_long() {
    let server = server(true);
    let mut client = server.client();
    fill(&mut client);
    let all = |command: &str, elements: &mut dyn Iterator<Item = String>| {
        command.split(' ').map(str::to_owned).chain(elements).collect::<Vec<_>>()
    };
    client.call(&all("HSET hash", &mut (0..2 * COUNT).map(|number| format!("{}:{}", number % 2, number / 2))));
    client.call(&all("SADD large:set", &mut (0..3 * COUNT + 30).map(|number| format!("{number}"))));
    client.call(&all("MSET", &mut (0..2 * COUNT).map(|number| format!("key:{number}"))));
    for (command, least) in SLICED {
        let before = client.turns();
        let reply = client.words(command);
        assert!(client.turns() > before + 2, "{command}: {} turns", client.turns() - before);
        assert!(elements(&reply).len() >= *least, "{command}: {} elements", elements(&reply).len());
    }
}

#[test]
fn to_very_many_questions_the_answers_come_in_slices() {
    let server = server(true);
    let mut client = server.client();
    fill(&mut client);
    client.words("HSET hash member:7 seven");
    let members: Vec<String> = (0..2 * COUNT).map(|number| format!("member:{number}")).collect();
    for (command, position, answer) in
        [("SMISMEMBER set", COUNT - 1, "1"), ("ZMSCORE zset", 3, "757"), ("HMGET hash", 7, "seven")]
    {
        let request: Vec<&str> = command.split(' ').chain(members.iter().map(String::as_str)).collect();
        let before = client.turns();
        let answers = elements(&client.call(&request));
        assert!(client.turns() > before + 2, "{command}: {} turns", client.turns() - before);
        assert_eq!(answers.len(), members.len());
        assert!(answers[position].contains(answer), "{command}: {}", answers[position]);
        assert!(!answers[2 * COUNT - 1].contains(answer), "{command}");
    }
}

#[test]
fn a_scan_or_a_choice_of_very_many_gives_each_once() {
    let server = server(true);
    let mut client = server.client();
    fill(&mut client);
    let all = sorted(client.words("SMEMBERS set"));
    let reply = client.words("SSCAN set 0 COUNT 100000");
    let [cursor, members] = reply.elements().unwrap() else { panic!("a cursor and members") };
    assert_eq!((cursor.to_string().as_str(), sorted(members.clone())), ("\"0\"", all.clone()));
    for command in ["SRANDMEMBER set 11999", "ZRANDMEMBER zset 11999"] {
        let mut chosen = sorted(client.words(command));
        chosen.dedup();
        assert_eq!(chosen.len(), 11_999, "{command}");
        assert!(chosen.iter().all(|member| all.binary_search(member).is_ok()));
    }
}

#[test]
fn a_scan_goes_on_where_it_has_ended() {
    let server = server(true);
    let mut client = server.client();
    fill(&mut client);
    let (mut cursor, mut found, mut calls) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let reply = client.words(&format!("ZSCAN zset {cursor} COUNT 10500 NOSCORES"));
        let [next, members] = reply.elements().unwrap() else { panic!("a cursor and members") };
        found.extend(sorted(members.clone()));
        calls += 1;
        cursor = next.to_string().trim_matches('"').to_owned();
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!((found.len(), calls), (COUNT, 2));
}

#[test]
fn what_others_do_meanwhile_is_part_of_the_result() {
    let server = server(true);
    let (mut client, mut other) = (server.client(), server.client());
    fill(&mut client);
    for (meanwhile, command, expected) in [
        ("SADD set new", "SUNIONSTORE result set other:set", "18001"),
        ("SREM other:set member:10000", "SINTERSTORE result other:set set", "5999"),
        ("ZADD zset 5 new", "ZUNIONSTORE result 2 zset other:zset", "18001"),
        ("ZADD zset 6 newer", "ZRANGESTORE result zset 0 -1", "12002"),
        ("ZADD zset 6 newest", "ZRANGESTORE result other:zset 0 -1", "12000"),
        ("ZADD zset -5 new", "ZREMRANGEBYSCORE zset 0 +inf", "12002"),
        ("RPUSH list 17", "SORT list STORE result", "12001"),
        ("SET weight:17 here", "SORT list BY nosort GET weight:*", "here"),
        ("SET weight:17 1e9", "SORT list BY weight:* DESC LIMIT 0 1", "17"),
        ("SET weight:17 text", "SORT list BY weight:*", "can't be converted"),
        ("DEL list", "SORT list STORE result", "0"),
        ("SET set text", "SUNIONSTORE result set other:set", "WRONGTYPE"),
    ] {
        other.queue(meanwhile);
        let reply = client.words(command).to_string();
        assert!(reply.contains(expected), "{command}: {reply}");
        assert!(other.poll().is_some());
    }
}

#[test]
fn very_many_keys_are_read_as_they_are_at_one_moment() {
    let server = server(true);
    let (mut client, mut other) = (server.client(), server.client());
    let keys = (0..2 * COUNT).map(|number| format!("key:{number}"));
    let mut fill: Vec<String> = vec!["MSET".into()];
    fill.extend(keys.clone().flat_map(|key| [key, "old".into()]));
    for (meanwhile, command, old) in [
        ("GET key:1", "MGET", 2 * COUNT),
        ("MSET key:0 new key:9000 new key:23999 new", "MGET", 2 * COUNT - 3),
        ("DEL key:0 key:23999", "EXISTS", 2 * COUNT - 2),
        ("RENAME key:0 key:1", "TOUCH", 2 * COUNT - 1),
        ("SELECT 1", "KEYDB.MEXISTS", 2 * COUNT),
        ("SET key:0 new", "MGET", 2 * COUNT),
        ("SWAPDB 0 1", "EXISTS", 1),
        ("FLUSHALL", "EXISTS", 0),
    ] {
        client.call(&fill);
        other.queue(meanwhile);
        let request: Vec<String> = std::iter::once(command.to_owned()).chain(keys.clone()).collect();
        let before = client.turns();
        let reply = client.call(&request);
        assert!(client.turns() > before + 2, "{command}: {} turns", client.turns() - before);
        let found = match &reply {
            Reply::Integer(count) => *count as usize,
            reply => elements(reply).iter().filter(|element| element.contains("old") || element.contains('1')).count(),
        };
        assert_eq!(found, old, "{command} while {meanwhile}");
        assert!(other.poll().is_some());
    }
}

#[test]
fn random_members_leave_a_set_once_each() {
    let server = server(true);
    let (mut client, mut other) = (server.client(), server.client());
    fill(&mut client);
    other.queue("SREM set member:1");
    let popped = sorted(client.words("SPOP set 11000"));
    let left = sorted(client.words("SMEMBERS set"));
    let mut all: Vec<String> = popped.iter().chain(&left).cloned().collect();
    all.sort();
    all.dedup();
    assert_eq!((popped.len(), left.len(), all.len()), (11_000, 999, 11_999));
    assert_eq!(client.words("OBJECT ENCODING set").to_string(), "\"hashtable\"");
}

#[test]
fn what_is_read_of_a_string_of_megabytes_comes_in_slices() {
    const LEN: usize = 9_000_001;
    let server = server(true);
    let mut client = server.client();
    client.words(&format!("SETRANGE text {} x", LEN - 1));
    client.words("SETBIT text 50000003 1");
    for (command, expected) in [
        ("BITCOUNT text", "5"),
        ("BITCOUNT text 0 -2", "1"),
        ("BITCOUNT text 50000003 50000004 BIT", "1"),
        ("BITPOS text 1", "50000003"),
        ("BITPOS text 1 6250001", "72000001"),
        ("BITPOS text 1 0 6250000", "50000003"),
        ("BITPOS text 1 50000004 72000000 BIT", "-1"),
        ("BITPOS text 0 -1", "72000000"),
        ("GETRANGE text -1 -1", "x"),
        ("STRLEN text", "9000001"),
    ] {
        let reply = client.words(command).to_string();
        assert_eq!(reply.trim_matches(|c| c == '"' || c == ':'), expected, "{command}");
    }
    for (command, len) in [("GET text", LEN), ("GETRANGE text 1 -2", LEN - 2), ("GETDEL text", LEN)] {
        let before = client.turns();
        let Reply::Bulk(text) = client.words(command) else { panic!("{command}: no string") };
        assert_eq!(text.len(), len, "{command}");
        assert_eq!(text.iter().filter(|byte| **byte != 0).count(), 1 + usize::from(text.ends_with(b"x")), "{command}");
        assert!(client.turns() > before + 2, "{command}: {} turns", client.turns() - before);
    }
    assert_eq!(client.words("EXISTS text").to_string(), "0");
}

#[test]
fn strings_of_megabytes_are_combined_in_slices() {
    const LEN: usize = 3_000_001;
    let [at_once, in_slices] = [false, true].map(|aside| {
        let server = server(aside);
        let (mut client, mut other) = (server.client(), server.client());
        for (key, len, bit) in [("first", LEN, 7), ("second", LEN / 2, 9_000_003)] {
            client.words(&format!("SETRANGE {key} {} x", len - 1));
            client.words(&format!("SETBIT {key} {bit} 1"));
        }
        client.words("SET short abc");
        let mut results = Vec::new();
        for operation in [
            "NOT result first",
            "AND result first second",
            "OR result short second first nothing",
            "XOR first first first",
        ] {
            let before = client.turns();
            results.push(client.words(&format!("BITOP {operation}")));
            assert!(!aside || client.turns() > before + 2, "{operation}: {} turns", client.turns() - before);
            results.push(client.words("GETRANGE result 0 -1"));
        }
        other.queue("SETBIT second 1 1");
        results.push(client.words("BITOP OR result second second"));
        results.push(other.poll().expect("a reply"));
        results.push(client.words("COPY second copy"));
        results.push(client.words("RENAME copy result"));
        client.words("SETBIT second 2 1");
        results.extend(
            ["GETRANGE result 0 -1", "GETRANGE second 0 -1", "EXISTS copy"].map(|command| client.words(command)),
        );
        results
    });
    assert!(at_once == in_slices);
}

#[test]
fn in_a_long_list_is_searched_in_slices() {
    const PERIOD: usize = 1000;
    let server = server(true);
    let mut client = server.client();
    let some: Vec<String> =
        ["RPUSH", "long"].into_iter().map(str::to_owned).chain((0..PERIOD).map(|number| number.to_string())).collect();
    (0..120).for_each(|_| _ = client.call(&some));
    let places = |numbers: std::ops::Range<usize>| numbers.map(|number| PERIOD * number + 7).collect::<Vec<_>>();
    for (command, expected) in [
        ("LPOS long 7", places(0..1)),
        ("LPOS long 7 RANK 100", places(99..100)),
        ("LPOS long 7 COUNT 0", places(0..120)),
        ("LPOS long 7 COUNT 2 RANK 3", places(2..4)),
        ("LPOS long 7 COUNT 0 MAXLEN 60008", places(0..61)),
        ("LPOS long 7 RANK -1", places(119..120)),
        ("LPOS long 7 RANK 121 COUNT 1", places(0..0)),
    ] {
        let found: Vec<usize> = match client.words(command) {
            Reply::Integer(place) => vec![place as usize],
            reply => elements(&reply).iter().map(|place| place.trim_start_matches(':').parse().unwrap()).collect(),
        };
        assert_eq!(found, expected, "{command}");
    }
    assert_eq!(client.words("LPOS long none"), Reply::Null);
    let before = client.turns();
    client.words("LPOS long none COUNT 1");
    assert!(client.turns() > before + 1, "{} turns", client.turns() - before);
}

#[test]
fn who_caches_what_it_reads_has_the_reply_before_it_hears_of_a_change() {
    let server = server(true);
    let (mut client, mut other) = (server.client(), server.client());
    fill(&mut client);
    client.words("HELLO 3");
    client.words("CLIENT TRACKING ON");
    other.queue("ZADD zset 5 new");
    let before = client.turns();
    let count = elements(&client.words("ZUNION 2 zset other:zset")).len();
    assert!(client.turns() > before + 2);
    assert_eq!(count, COUNT + COUNT / 2, "the reply is of before");
    assert!(other.poll().is_some());
    assert_eq!(client.poll().unwrap().to_string(), "push[\"invalidate\", [\"zset\"]]");
}
