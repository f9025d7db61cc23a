//! Server CPU per request.

use super::load::{Cost, GET, INCR, SET, Workload, measure};
use super::server::{LOAD_CORE, MULTI_MASTER, Product, SERVER_CORE, connect_mesh, wait_for_replicas};
use super::table::{BESIDE_REDIS, Row, Table, Target, in_turns};
use std::error::Error;
use std::io;
use testkit::ServerProcess;

const ROUNDS: usize = 7;
/// Pipeline depth, requests, and the most that ours may cost relative to Redis.
const PIPELINES: [(u32, u32, f64); 3] = [(1, 200_000, 0.95), (16, 800_000, 0.55), (100, 1_600_000, 0.35)];

/// Writes about which more than a version has to be remembered for about the time of a round trip.
const WITH_REGISTERS: &[Workload] = &[
    Workload { name: "DEL", arguments: &["DEL", "key:__rand_int__"] },
    Workload { name: "HINCRBY", arguments: &["HINCRBY", "hash:__rand_int__", "field", "1"] },
    Workload { name: "LPUSH", arguments: &["LPUSH", "list", "element-of-16-by"] },
    Workload { name: "SADD", arguments: &["SADD", "set", "member:__rand_int__"] },
    Workload { name: "HSET", arguments: &["HSET", "hash", "field:__rand_int__", "value"] },
    Workload { name: "ZADD", arguments: &["ZADD", "zset", "__rand_int__", "member:__rand_int__"] },
];

/// One server on one core, at several pipeline depths.
pub fn alone() -> Result<Table, Box<dyn Error>> {
    let ours = Product::FluidB.start(Some(SERVER_CORE), &[])?;
    let redis = Product::Redis.start(Some(SERVER_CORE), &[])?;
    let mut rows = Vec::new();
    for (pipeline, requests, most) in PIPELINES {
        for workload in [SET, GET, INCR] {
            rows.extend(compare(&ours, &redis, &workload, pipeline, requests, Target::RatioAtMost(most))?);
        }
    }
    Ok(Table { columns: BESIDE_REDIS, rows })
}

/// The same with two active peers that take every write, against a Redis alone. What a write costs until they have it counts, and
/// each load begins when they have all.
pub fn with_peers() -> Result<Table, Box<dyn Error>> {
    let ours = Product::FluidB.start(Some(SERVER_CORE), MULTI_MASTER)?;
    let first_peer = Product::FluidB.start(Some(LOAD_CORE), MULTI_MASTER)?;
    let second_peer = Product::FluidB.start(Some(LOAD_CORE), MULTI_MASTER)?;
    connect_mesh(&[&ours, &first_peer, &second_peer])?;
    let redis = Product::Redis.start(Some(SERVER_CORE), &[])?;
    let in_sync = || wait_for_replicas(&ours, 2);
    let mut rows = compare_until(&ours, &redis, &SET, 16, 800_000, Target::RatioAtMost(0.9), in_sync)?;
    for workload in [INCR].iter().chain(WITH_REGISTERS) {
        rows.extend(compare_until(&ours, &redis, workload, 16, 400_000, Target::None, in_sync)?);
    }
    Ok(Table { columns: BESIDE_REDIS, rows })
}

/// Two rows: CPU per request, which is judged, and the throughput that the client saw.
pub fn compare(
    ours: &ServerProcess,
    redis: &ServerProcess,
    workload: &Workload,
    pipeline: u32,
    requests: u32,
    target: Target,
) -> Result<Vec<Row>, Box<dyn Error>> {
    compare_until(ours, redis, workload, pipeline, requests, target, || Ok(()))
}

/// The same where ours is done with the requests when `done` returns.
fn compare_until(
    ours: &ServerProcess,
    redis: &ServerProcess,
    workload: &Workload,
    pipeline: u32,
    requests: u32,
    target: Target,
    done: impl Fn() -> io::Result<()>,
) -> Result<Vec<Row>, Box<dyn Error>> {
    let costs = in_turns(
        ROUNDS,
        || measure(ours, workload, pipeline, requests, &done),
        || measure(redis, workload, pipeline, requests, || Ok(())),
    )?;
    let name = format!("{}, pipeline {pipeline}", workload.name);
    let row = |what: String, unit, figure: fn(&Cost) -> f64, target| {
        let rounds: Vec<_> = costs.iter().map(|(ours, redis)| (figure(ours), figure(redis))).collect();
        Row::of_rounds(what, unit, &rounds, target)
    };
    Ok(vec![
        row(format!("{name}: CPU"), "µs", |cost| cost.cpu_us, target),
        row(format!("{name}: throughput"), "k/s", |cost| cost.requests_per_second / 1000.0, Target::None),
    ])
}
