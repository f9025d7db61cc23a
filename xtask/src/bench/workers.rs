//! Two threads against one, on all cores, of which the load takes as little as it can.

use super::load::{measure_lightly, send_all};
use super::server::Product;
use super::table::{Row, Table, Target, median};
use std::error::Error;
use testkit::request;

const ROUNDS: usize = 5;
const KEYS: u32 = 100_000;
/// Pipeline depth, requests, and the most that two may take relative to one. At depth 1 the system's work for the load is as
/// much as that for the server: on two cores there is nothing to gain.
const PIPELINES: [(u32, u32, Target); 3] =
    [(1, 200_000, Target::None), (16, 1_600_000, Target::RatioAtMost(1.0)), (100, 3_200_000, Target::RatioAtMost(1.0))];
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
    let mut rows = Vec::new();
    for Load { name, numbered, reply_bytes } in LOADS {
        for (pipeline, requests, target) in PIPELINES {
            let mut times_us = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                for (server, times_us) in servers.iter().zip(&mut times_us) {
                    let time = measure_lightly(server, requests, pipeline, numbered, reply_bytes)?;
                    times_us.push(time.as_secs_f64() * 1e6);
                }
            }
            let [ours, other] = times_us.map(median);
            rows.push(Row { what: format!("{name}, pipeline {pipeline}"), unit: "µs", ours, other, target });
        }
    }
    Ok(Table { columns: ["two", "one"], rows })
}
