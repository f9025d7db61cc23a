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
];

#[test]
fn what_is_done_aside_is_what_is_done_at_once() {
    for command in COMMANDS {
        let [expected, found] = [false, true].map(|aside| {
            let server = server(aside);
            let mut client = server.client();
            fill(&mut client);
            let reply = client.words(command);
            let is_any_order = command.starts_with("SPOP");
            let reply = if is_any_order { sorted(reply) } else { vec![reply.to_string()] };
            (reply, contents(&mut client))
        });
        assert!(expected == found, "{command}");
    }
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
        ("ZADD zset -5 new", "ZREMRANGEBYSCORE zset 0 +inf", "12000"),
        ("RPUSH list 17", "SORT list STORE result", "12001"),
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
