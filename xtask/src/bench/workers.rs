//! Two threads against one, on all cores, of which the load takes as little as it can; and where it takes next to nothing.

use super::load::{measure_lightly, send_all};
use super::server::Product;
use super::table::{Row, Table, Target, in_turns};
use std::error::Error;
use testkit::{ServerProcess, request};

const ROUNDS: usize = 5;
const KEYS: u32 = 100_000;
/// Pipeline depth and requests. At depth 1 the system's work for the load is as much as that for the server: on two cores there
/// is nothing to gain.
const PIPELINES: [(u32, u32); 3] = [(1, 200_000), (16, 1_600_000), (100, 3_200_000)];
/// "Never slower", as far as that can be measured.
const NO_SLOWER: Target = Target::RatioAtMost(1.05);
/// Where the load leaves the cores to the server.
const FASTER: Target = Target::RatioAtMost(0.6);
const SORTS: u32 = 30_000;
const LISTS: u32 = 100;
const LIST_ELEMENTS: u32 = 1000;
const VALUE: &str = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv";

struct Load {
    name: &'static str,
    numbered: fn(u32) -> Vec<u8>,
    reply_bytes: usize,
}

const LOADS: [Load; 2] = [
    Load { name: "SET", numbered: |number| request(&["SET", &key(number), VALUE]), reply_bytes: "+OK\r\n".len() },
    Load {
        name: "GET",
        numbered: |number| request(&["GET", &key(number)]),
        reply_bytes: "$32\r\n\r\n".len() + VALUE.len(),
    },
];

/// Some 60 µs of the server, next to nothing of the load.
const SORT: Load = Load {
    name: "SORT of 1,000 elements",
    numbered: |number| request(&["SORT", &list(number), "LIMIT", "0", "1"]),
    reply_bytes: "*1\r\n$6\r\n\r\n".len() + 6,
};

fn list(number: u32) -> String {
    format!("list:{:02}", number % LISTS)
}

/// All of them, in no order.
fn key(number: u32) -> String {
    format!("key:{:06}", number.wrapping_mul(2_654_435_761) % KEYS)
}

/// Time per request that the clients see.
pub fn two_against_one() -> Result<Table, Box<dyn Error>> {
    let start = |threads| Product::FluidB.start(None, &["--server-threads", threads]);
    let servers = [start("2")?, start("1")?];
    for server in &servers {
        send_all(server, KEYS as usize, |number| request(&["SET", &format!("key:{number:06}"), VALUE]))?;
    }
    for server in &servers {
        let element = |number| number as u32 / LISTS * 7919 % LIST_ELEMENTS;
        send_all(server, (LISTS * LIST_ELEMENTS) as usize, |number| {
            request(&["RPUSH", &list(number as u32), &format!("{:06}", element(number))])
        })?;
    }
    let mut rows = Vec::new();
    for load in &LOADS {
        for (pipeline, requests) in PIPELINES {
            rows.push(compare(&servers, load, pipeline, requests, NO_SLOWER)?);
        }
    }
    rows.push(compare(&servers, &SORT, 1, SORTS, FASTER)?);
    Ok(Table { columns: ["two", "one"], rows })
}

fn compare(
    servers: &[ServerProcess; 2],
    load: &Load,
    pipeline: u32,
    requests: u32,
    target: Target,
) -> Result<Row, Box<dyn Error>> {
    let time_us = |server| -> Result<f64, Box<dyn Error>> {
        let time = measure_lightly(server, requests, pipeline, load.numbered, load.reply_bytes)?;
        Ok(time.as_secs_f64() * 1e6)
    };
    let rounds = in_turns(ROUNDS, || time_us(&servers[0]), || time_us(&servers[1]))?;
    Ok(Row::of_rounds(format!("{}, pipeline {pipeline}", load.name), "µs", &rounds, target))
}
