//! Lists, sets, hashes, sorted sets, streams: server CPU per request, and memory per element.

use super::load::{Workload, send_all};
use super::requests::compare;
use super::server::{Product, SERVER_CORE, resident};
use super::table::{BESIDE_REDIS, Table, Target, beside_redis};
use std::error::Error;
use testkit::{ServerProcess, request};

const PIPELINE: u32 = 16;
const REQUESTS: u32 = 400_000;

/// What is measured, and the most that ours may cost relative to Redis.
const WORKLOADS: &[(Workload, f64)] = &[
    (Workload { name: "LPUSH", arguments: &["LPUSH", "list", "element-of-16-by"] }, 0.65),
    (Workload { name: "RPUSH", arguments: &["RPUSH", "list", "element-of-16-by"] }, 0.65),
    (Workload { name: "LPOP", arguments: &["LPOP", "list"] }, 0.65),
    (Workload { name: "SADD", arguments: &["SADD", "set", "member:__rand_int__"] }, 0.65),
    (Workload { name: "HSET", arguments: &["HSET", "hash", "field:__rand_int__", "value"] }, 0.65),
    (Workload { name: "ZADD", arguments: &["ZADD", "zset", "__rand_int__", "member:__rand_int__"] }, 0.65),
    (Workload { name: "XADD", arguments: &["XADD", "stream", "*", "field", "value"] }, 0.65),
    (Workload { name: "ZRANGE 0 9", arguments: &["ZRANGE", "small:zset", "0", "9"] }, 0.6),
    (Workload { name: "ZRANGEBYSCORE", arguments: &["ZRANGEBYSCORE", "small:zset", "10", "19"] }, 0.6),
    (Workload { name: "HGETALL of 5", arguments: &["HGETALL", "small:hash"] }, 0.6),
    (Workload { name: "LRANGE_100", arguments: &["LRANGE", "small:list", "0", "99"] }, 0.6),
    (
        Workload {
            name: "MSET of 10",
            arguments: &[
                "MSET",
                "a:__rand_int__",
                "value",
                "b:__rand_int__",
                "value",
                "c:__rand_int__",
                "value",
                "d:__rand_int__",
                "value",
                "e:__rand_int__",
                "value",
                "f:__rand_int__",
                "value",
                "g:__rand_int__",
                "value",
                "h:__rand_int__",
                "value",
                "i:__rand_int__",
                "value",
                "j:__rand_int__",
                "value",
            ],
        },
        0.5,
    ),
];

/// One server on one core.
pub fn requests() -> Result<Table, Box<dyn Error>> {
    let ours = Product::FluidB.start(Some(SERVER_CORE), &[])?;
    let redis = Product::Redis.start(Some(SERVER_CORE), &[])?;
    for server in [&ours, &redis] {
        send_all(server, 100, |n| request(&["ZADD", "small:zset", &n.to_string(), &format!("member:{n:08}")]))?;
        send_all(server, 5, |n| request(&["HSET", "small:hash", &format!("field:{n}"), &format!("value:{n}")]))?;
        send_all(server, 100, |n| request(&["RPUSH", "small:list", &format!("element:{n:08}")]))?;
    }
    let mut rows = Vec::new();
    for (workload, most) in WORKLOADS {
        rows.extend(compare(&ours, &redis, workload, PIPELINE, REQUESTS, Target::RatioAtMost(*most))?);
    }
    Ok(Table { columns: BESIDE_REDIS, rows })
}

/// A data set of elements.
struct DataSet {
    name: &'static str,
    elements: usize,
    /// The request that adds element number `n`.
    add: fn(usize) -> Vec<u8>,
    target: Target,
}

const MILLION: usize = 1_000_000;

const DATA_SETS: &[DataSet] = &[
    DataSet {
        name: "sorted set, members of 15 B",
        elements: MILLION,
        add: |n| request(&["ZADD", "zset", &n.to_string(), &format!("member:{n:08}")]),
        target: Target::AtMost(60.0),
    },
    DataSet {
        name: "hash, fields of 12 B, values of 8 B",
        elements: MILLION,
        add: |n| request(&["HSET", "hash", &format!("f:{n:010}"), &format!("{n:08x}")]),
        target: Target::AtMost(50.0),
    },
    DataSet {
        name: "set, members of 15 B",
        elements: MILLION,
        add: |n| request(&["SADD", "set", &format!("member:{n:08}")]),
        target: Target::AtMost(45.0),
    },
    DataSet {
        name: "list, elements of 16 B",
        elements: MILLION,
        add: |n| request(&["RPUSH", "list", &format!("element:{n:08}")]),
        target: Target::RatioAtMost(1.05),
    },
    DataSet {
        name: "stream, two fields",
        elements: MILLION,
        add: |n| request(&["XADD", "stream", &format!("{}-0", n + 1), "name", &format!("{n:08}"), "kind", "reading"]),
        target: Target::RatioAtMost(1.0),
    },
    DataSet {
        name: "small hashes of 5 fields, per hash",
        elements: 200_000,
        add: |n| {
            let key = format!("hash:{n:011}");
            request(&["HSET", &key, "a", "value-1", "b", "value-2", "c", "value-3", "d", "value-4", "e", "value-5"])
        },
        target: Target::RatioAtMost(0.75),
    },
    DataSet {
        name: "small sets of 10 members, per set",
        elements: 200_000,
        add: |n| {
            let members = (0..10).map(|member| format!("m-{member}"));
            let words: Vec<String> = ["SADD".into(), format!("set:{n:012}")].into_iter().chain(members).collect();
            request(&words.iter().map(String::as_str).collect::<Vec<_>>())
        },
        target: Target::RatioAtMost(0.75),
    },
];

/// So many elements are there before we look: the first ones bring the code of their command into memory (which is the
/// program's, and is shared), and the connection's buffers.
const FIRST: usize = 1000;

/// What an element takes with everything around it.
pub fn bytes_per_element() -> Result<Table, Box<dyn Error>> {
    let subjects = DATA_SETS.iter().map(|set| (set.name, set.target));
    let rows =
        beside_redis("bytes", subjects, |product| DATA_SETS.iter().map(|set| per_element(product, set)).collect())?;
    Ok(Table { columns: BESIDE_REDIS, rows })
}

fn per_element(product: Product, set: &DataSet) -> Result<f64, Box<dyn Error>> {
    let server: ServerProcess = product.start(None, &[])?;
    send_all(&server, FIRST, set.add)?;
    let before = resident(&server)?;
    let others = set.elements - FIRST;
    send_all(&server, others, |n| (set.add)(FIRST + n))?;
    Ok((resident(&server)? - before) / others as f64)
}
