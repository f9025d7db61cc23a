//! What is large, and what is asked of it.

use crate::bench::load::send_all;
use std::error::Error;
use testkit::{Reply, ServerProcess, request};

/// Data for several cases. Requests name it by its type: `set`, `hash`, `list`, `zset`, `stream`, `text`.
pub(super) struct DataSet {
    pub(super) fill: Fill,
    pub(super) cases: &'static [Case],
}

type Fill = fn(&ServerProcess) -> Result<(), Box<dyn Error>>;

/// What comes before each round.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// The request only reads.
    Nothing,
    /// It leaves nothing: the data set is made anew.
    Fill,
    /// It works on what this leaves.
    Call(&'static str),
}

pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) before: Before,
    pub(super) request: fn() -> Vec<u8>,
}

impl Case {
    const fn read(what: &'static str, request: fn() -> Vec<u8>) -> Case {
        Case { what, before: Before::Nothing, request }
    }

    const fn write(what: &'static str, before: &'static str, request: fn() -> Vec<u8>) -> Case {
        Case { what, before: Before::Call(before), request }
    }

    const fn last(what: &'static str, request: fn() -> Vec<u8>) -> Case {
        Case { what, before: Before::Fill, request }
    }

    pub(super) fn is_write(&self) -> bool {
        self.before != Before::Nothing
    }
}

const MILLION: usize = 1_000_000;
/// Of the commands that name keys or elements one by one.
const NAMED: usize = 100_000;

pub(super) const DATA_SETS: &[DataSet] = &[
    DataSet {
        fill: |server| add_members(server, "SADD set", 10 * MILLION),
        cases: &[Case::last("DEL of a set of 10M", || words("DEL set"))],
    },
    DataSet {
        fill: |server| add_scores(server, "ZADD zset", 10 * MILLION),
        cases: &[Case::last("DEL of a sorted set of 10M", || words("DEL zset"))],
    },
    DataSet {
        fill: |server| add_fields(server, "HSET hash", 10 * MILLION),
        cases: &[Case::last("DEL of a hash of 10M", || words("DEL hash"))],
    },
    DataSet {
        fill: |server| add_members(server, "RPUSH list", 10 * MILLION),
        cases: &[Case::last("DEL of a list of 10M", || words("DEL list"))],
    },
    DataSet { fill: |server| add_keys(server, 5 * MILLION), cases: KEYS },
    DataSet { fill: collections, cases: COLLECTIONS },
    DataSet { fill: strings, cases: STRINGS },
];

/// What a node that joins takes, and how many keys that is.
pub(super) const JOINS: &[(&str, Fill, i64)] = &[
    ("a node joins, a set of 1M", |server| add_members(server, "SADD set", MILLION), 1),
    ("a node joins, a hash of 1M", |server| add_fields(server, "HSET hash", MILLION), 1),
    ("a node joins, a sorted set of 1M", |server| add_scores(server, "ZADD zset", MILLION), 1),
    ("a node joins, a list of 1M", |server| add_members(server, "RPUSH list", MILLION), 1),
    ("a node joins, 1M keys", |server| add_keys(server, MILLION), MILLION as i64),
];

const KEYS: &[Case] = &[
    Case::read("KEYS * over 5M", || words("KEYS *")),
    Case::read("INFO keysizes over 5M", || words("INFO keysizes")),
    Case::read("SCAN of 1M", || words("SCAN 0 COUNT 1000000")),
    Case::read("MGET of 100k", || naming("MGET", key)),
    Case::read("EXISTS of 100k", || naming("EXISTS", key)),
    Case::write("MSET of 100k", "PING", || naming("MSET", |n| format!("{} value", key(n)))),
    Case::write("DEL of 100k", "PING", || naming("DEL", key)),
    Case::last("FLUSHALL of 5M", || words("FLUSHALL")),
];

const COLLECTIONS: &[Case] = &[
    Case::read("SMEMBERS of 1M", || words("SMEMBERS set")),
    Case::read("HGETALL of 1M", || words("HGETALL hash")),
    Case::read("LRANGE of 1M", || words("LRANGE list 0 -1")),
    Case::read("ZRANGE of 1M", || words("ZRANGE zset 0 -1 WITHSCORES")),
    Case::read("XRANGE of 1M", || words("XRANGE stream - +")),
    Case::read("XREAD of 1M", || words("XREAD STREAMS stream 0")),
    Case::read("HRANDFIELD of 500k", || words("HRANDFIELD hash 500000 WITHVALUES")),
    Case::read("SRANDMEMBER of 500k", || words("SRANDMEMBER set 500000")),
    Case::read("SRANDMEMBER of 1M with repeats", || words("SRANDMEMBER set -1000000")),
    Case::read("ZRANDMEMBER of 500k", || words("ZRANDMEMBER zset 500000")),
    Case::read("SSCAN of 1M", || words("SSCAN set 0 COUNT 1000000")),
    Case::read("HSCAN of 1M", || words("HSCAN hash 0 COUNT 1000000")),
    Case::read("ZSCAN of 1M", || words("ZSCAN zset 0 COUNT 1000000")),
    Case::read("SINTERCARD of 1M", || words("SINTERCARD 2 set other:set")),
    Case::read("SUNION of 1M", || words("SUNION set other:set")),
    Case::read("ZINTERCARD of 1M", || words("ZINTERCARD 2 zset other:zset")),
    Case::read("LPOS over 1M", || words("LPOS list none COUNT 0")),
    Case::read("SORT of 1M", || words("SORT list ALPHA")),
    Case::read("SORT BY GET of 1M", || words("SORT list BY weight:* GET weight:* ALPHA")),
    Case::read("MEMORY USAGE of 1M", || words("MEMORY USAGE hash SAMPLES 0")),
    Case::read("SMISMEMBER of 100k", || naming("SMISMEMBER set", member)),
    Case::read("HMGET of 100k", || naming("HMGET hash", field)),
    Case::write("SADD of 100k", "DEL work", || naming("SADD work", member)),
    Case::write("HSET of 100k", "DEL work", || naming("HSET work", |n| format!("{} value", field(n)))),
    Case::write("ZADD of 100k", "DEL work", || naming("ZADD work", |n| format!("{n} {}", member(n)))),
    Case::write("RPUSH of 100k", "DEL work", || naming("RPUSH work", member)),
    Case::write("SREM of 100k", "SUNIONSTORE work set", || naming("SREM work", member)),
    Case::write("HDEL of 100k", "COPY hash work REPLACE", || naming("HDEL work", field)),
    Case::write("ZREM of 100k", "ZRANGESTORE work zset 0 -1", || naming("ZREM work", member)),
    Case::write("COPY of 1M", "DEL work", || words("COPY set work REPLACE")),
    Case::write("RENAME over 1M", "COPY set work REPLACE", || words("RENAME work work:2")),
    Case::write("SUNIONSTORE of 1M", "DEL work", || words("SUNIONSTORE work set other:set")),
    Case::write("ZUNIONSTORE of 1M", "DEL work", || words("ZUNIONSTORE work 2 zset other:zset")),
    Case::write("ZRANGESTORE of 1M", "DEL work", || words("ZRANGESTORE work zset 0 -1")),
    Case::write("SORT STORE of 1M", "DEL work", || words("SORT list ALPHA STORE work")),
    Case::write("SPOP of 500k", "COPY set work REPLACE", || words("SPOP work 500000")),
    Case::write("ZPOPMIN of 500k", "COPY zset work REPLACE", || words("ZPOPMIN work 500000")),
    Case::write("ZMPOP of 500k", "COPY zset work REPLACE", || words("ZMPOP 1 work MIN COUNT 500000")),
    Case::write("ZREMRANGEBYRANK of 500k", "COPY zset work REPLACE", || words("ZREMRANGEBYRANK work 0 499999")),
    Case::write("LPOP of 500k", "COPY list work REPLACE", || words("LPOP work 500000")),
    Case::write("LMPOP of 500k", "COPY list work REPLACE", || words("LMPOP 1 work LEFT COUNT 500000")),
    Case::write("LTRIM of 500k", "COPY list work REPLACE", || words("LTRIM work 500000 -1")),
    Case::write("LREM over 1M", "COPY list work REPLACE", || words("LREM work 0 none")),
    Case::write("LINSERT into 1M", "COPY list work REPLACE", || words("LINSERT work BEFORE member:00999999 new")),
    Case::write("XTRIM of 500k", "COPY stream work REPLACE", || words("XTRIM work MAXLEN 500000")),
    Case::write("XREADGROUP of 1M", "COPY stream:group work REPLACE", || {
        words("XREADGROUP GROUP group consumer STREAMS work >")
    }),
];

const STRINGS: &[Case] = &[
    Case::read("GET of 500 MB", || words("GET text")),
    Case::read("BITCOUNT of 500 MB", || words("BITCOUNT text")),
    Case::read("BITPOS over 500 MB", || words("BITPOS text 1")),
    Case::read("LCS of 2 x 10 KB", || words("LCS first second")),
    Case::read("PFCOUNT of 1000", || {
        request(&["PFCOUNT".into()].into_iter().chain((0..1000).map(log)).collect::<Vec<_>>())
    }),
    Case::write("APPEND to 500 MB", "PING", || words("APPEND text x")),
    Case::write("SETRANGE in 500 MB", "PING", || words("SETRANGE text 7 x")),
    Case::write("BITOP of 500 MB", "DEL work", || words("BITOP NOT work text")),
    Case::write("COPY of 500 MB", "DEL work", || words("COPY text work")),
    Case::write("DEL of 500 MB", "COPY text work REPLACE", || words("DEL work")),
];

/// A request as it would be typed.
fn words(line: &str) -> Vec<u8> {
    request(&line.split(' ').collect::<Vec<_>>())
}

/// A command that names very many.
fn naming(command: &str, argument: fn(usize) -> String) -> Vec<u8> {
    let arguments = (0..NAMED).map(argument).collect::<Vec<_>>().join(" ");
    words(&format!("{command} {arguments}"))
}

fn key(n: usize) -> String {
    format!("key:{n}")
}

fn member(n: usize) -> String {
    format!("member:{n:08}")
}

fn field(n: usize) -> String {
    format!("f:{n:010}")
}

fn log(n: usize) -> String {
    format!("log:{n}")
}

type Filled = Result<(), Box<dyn Error>>;

/// `count` elements by requests of a thousand.
fn add(server: &ServerProcess, command: &str, numbers: std::ops::Range<usize>, element: fn(usize) -> String) -> Filled {
    const BATCH: usize = 1000;
    let first = numbers.start;
    send_all(server, numbers.len() / BATCH, |batch| {
        let start = first + batch * BATCH;
        let elements = (start..start + BATCH).map(element).collect::<Vec<_>>().join(" ");
        words(&format!("{command} {elements}"))
    })
}

fn add_members(server: &ServerProcess, command: &str, count: usize) -> Filled {
    add(server, command, 0..count, member)
}

fn add_scores(server: &ServerProcess, command: &str, count: usize) -> Filled {
    add(server, command, 0..count, |n| format!("{n} {}", member(n)))
}

fn add_fields(server: &ServerProcess, command: &str, count: usize) -> Filled {
    add(server, command, 0..count, |n| format!("{} {n:08x}", field(n)))
}

fn add_keys(server: &ServerProcess, count: usize) -> Filled {
    call(server, &format!("DEBUG POPULATE {count} key 16"))
}

fn collections(server: &ServerProcess) -> Filled {
    add_members(server, "SADD set", MILLION)?;
    add(server, "SADD other:set", MILLION / 2..MILLION * 3 / 2, member)?;
    add_scores(server, "ZADD zset", MILLION)?;
    add(server, "ZADD other:zset", MILLION / 2..MILLION * 3 / 2, |n| format!("{n} {}", member(n)))?;
    add_fields(server, "HSET hash", MILLION)?;
    add_members(server, "RPUSH list", MILLION)?;
    send_all(server, MILLION, |n| words(&format!("XADD stream {}-0 name {n:08}", n + 1)))?;
    call(server, "COPY stream stream:group")?;
    call(server, "XGROUP CREATE stream:group group 0")
}

fn strings(server: &ServerProcess) -> Filled {
    call(server, "SETRANGE text 499999999 x")?;
    call(server, &format!("SET first {}", "abcdefghij".repeat(1000)))?;
    call(server, &format!("SET second {}", "jhgfedcbai".repeat(1000)))?;
    send_all(server, 1000, |n| words(&format!("PFADD {} {n} {}", log(n), n + 7)))
}

pub(super) fn call(server: &ServerProcess, line: &str) -> Filled {
    match server.client()?.call(&line.split(' ').collect::<Vec<_>>())? {
        Reply::Error(text) => Err(String::from_utf8_lossy(&text).into_owned().into()),
        _ => Ok(()),
    }
}
