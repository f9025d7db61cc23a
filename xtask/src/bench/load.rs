//! Load: redis-benchmark for requests per second, our own client to fill a data set.

use super::server::{LOAD_CORE, cpu_time, on_core};
use crate::process::find;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use testkit::{Connection, Reply, ServerProcess, request};

/// What one run of a workload cost.
#[derive(Clone, Copy)]
pub struct Cost {
    pub requests_per_second: f64,
    /// CPU time of the server per request.
    pub cpu_us: f64,
}

/// One command, with redis-benchmark's placeholder for random numbers.
pub struct Workload {
    pub name: &'static str,
    pub arguments: &'static [&'static str],
}

pub const SET: Workload =
    Workload { name: "SET", arguments: &["SET", "key:__rand_int__", "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"] };
pub const GET: Workload = Workload { name: "GET", arguments: &["GET", "key:__rand_int__"] };
pub const INCR: Workload = Workload { name: "INCR", arguments: &["INCR", "counter:__rand_int__"] };

/// Runs redis-benchmark from another core. 50 connections over a million keys. The server is done when `done` returns.
pub fn measure(
    server: &ServerProcess,
    workload: &Workload,
    pipeline: u32,
    requests: u32,
    done: impl Fn() -> io::Result<()>,
) -> Result<Cost, Box<dyn Error>> {
    let program = find("redis-benchmark").ok_or("redis-benchmark is not installed (package redis-tools)")?;
    let mut command = on_core(Some(LOAD_CORE), &program);
    command.args(["-h", "127.0.0.1", "-p", &server.address.port().to_string(), "-c", "50", "-r", "1000000", "--csv"]);
    command.args(["-n", &requests.to_string(), "-P", &pipeline.to_string()]).args(workload.arguments);
    let before = cpu_time(server)?;
    let output = command.output()?;
    done()?;
    let cpu = cpu_time(server)? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    // The last line: "name","requests per second",…
    let row = text.lines().rfind(|line| line.starts_with('"')).ok_or("redis-benchmark printed no result")?;
    let requests_per_second = row.split("\",\"").nth(1).and_then(|field| field.trim_matches('"').parse().ok());
    Ok(Cost {
        requests_per_second: requests_per_second.ok_or("redis-benchmark printed no figure")?,
        cpu_us: cpu.as_secs_f64() * 1e6 / f64::from(requests),
    })
}

/// Sets `count` keys of 16 bytes with values of 16 bytes.
pub fn fill(server: &ServerProcess, count: usize) -> Result<(), Box<dyn Error>> {
    send_all(server, count, |n| request(&["SET", &format!("key:{n:012}"), &format!("v{n:015}")]))
}

/// Sends requests number 0 to `count`, pipelined. None may fail.
pub fn send_all(
    server: &ServerProcess,
    count: usize,
    numbered: impl Fn(usize) -> Vec<u8>,
) -> Result<(), Box<dyn Error>> {
    const BATCH_BYTES: usize = 256 * 1024;
    let mut client = server.client()?;
    let (mut next, mut unanswered) = (0, 0);
    while next < count || unanswered > 0 {
        let (start, mut bytes) = (next, Vec::new());
        while next < count && bytes.len() < BATCH_BYTES {
            bytes.extend(numbered(next));
            next += 1;
        }
        // The server works on one batch while the next one is made.
        client.send(&bytes)?;
        for _ in 0..unanswered {
            if let Reply::Error(text) = client.receive()? {
                return Err(String::from_utf8_lossy(&text).into_owned().into());
            }
        }
        unanswered = next - start;
    }
    Ok(())
}

/// Time per request where the load costs next to nothing beside the server: prepared requests over many connections,
/// replies only counted. All have the same length.
pub fn measure_lightly(
    server: &ServerProcess,
    requests: u32,
    pipeline: u32,
    numbered: impl Fn(u32) -> Vec<u8>,
    reply_bytes: usize,
) -> Result<Duration, Box<dyn Error>> {
    const CONNECTIONS: u32 = 50;
    const PREPARED: u32 = 64;
    let batch = |batch: u32| (batch * pipeline..(batch + 1) * pipeline).flat_map(&numbered).collect();
    let batches: Vec<Vec<u8>> = (0..PREPARED * CONNECTIONS).map(batch).collect();
    let connect = |_| TcpStream::connect(server.address).inspect(|stream| _ = stream.set_nodelay(true));
    let mut streams = (0..CONNECTIONS).map(connect).collect::<Result<Vec<_>, _>>()?;
    let mut replies = vec![0; reply_bytes * pipeline as usize];
    let rounds = requests / (CONNECTIONS * pipeline);
    let started = Instant::now();
    for round in 0..rounds {
        let first = (round % PREPARED * CONNECTIONS) as usize;
        for (stream, batch) in streams.iter_mut().zip(&batches[first..]) {
            stream.write_all(batch)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut replies)?;
        }
    }
    Ok(started.elapsed() / (rounds * CONNECTIONS * pipeline))
}
