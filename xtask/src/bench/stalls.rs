//! For how long one client's large request keeps another one waiting.

use super::load::{fill, send_all};
use super::server::{Product, SERVER_CORE};
use super::table::{BESIDE_REDIS, Row, Table, Target};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::{ServerProcess, request};

const MILLION: usize = 1_000_000;
/// Of several measurements the least counts: whatever else the machine does only adds to it.
const ROUNDS: usize = 5;
/// Where each needs a data set of its own.
const DESTRUCTIVE_ROUNDS: usize = 2;
const MOST_MS: f64 = 5.0;
/// Pings go on after the reply: what is freed then may hurt, too.
const AFTERWARDS: Duration = Duration::from_millis(300);

struct Case {
    what: &'static str,
    fill: fn(&ServerProcess) -> Result<(), Box<dyn Error>>,
    command: &'static [&'static str],
    /// Nothing is left of what was filled in.
    destroys: bool,
    target: Target,
}

impl Case {
    const fn read(
        what: &'static str,
        fill: fn(&ServerProcess) -> Result<(), Box<dyn Error>>,
        command: &'static [&'static str],
    ) -> Case {
        Case { what, fill, command, destroys: false, target: Target::AtMost(MOST_MS) }
    }

    const fn write(
        what: &'static str,
        fill: fn(&ServerProcess) -> Result<(), Box<dyn Error>>,
        command: &'static [&'static str],
    ) -> Case {
        Case { destroys: true, ..Case::read(what, fill, command) }
    }

    const fn delete(what: &'static str, fill: fn(&ServerProcess) -> Result<(), Box<dyn Error>>) -> Case {
        Case::write(what, fill, &["DEL", "k"])
    }
}

const CASES: &[Case] = &[
    Case::delete("DEL of a set of 10M", |server| set(server, 10 * MILLION)),
    Case::delete("DEL of a sorted set of 10M", |server| sorted_set(server, 10 * MILLION)),
    Case::delete("DEL of a hash of 10M", |server| hash(server, 10 * MILLION)),
    Case::delete("DEL of a list of 10M", |server| list(server, 10 * MILLION)),
    Case::read("KEYS * over 5M", |server| fill(server, 5 * MILLION), &["KEYS", "*"]),
    Case::read("INFO keysizes over 5M", |server| fill(server, 5 * MILLION), &["INFO", "keysizes"]),
    Case::write("FLUSHALL of 5M keys", |server| fill(server, 5 * MILLION), &["FLUSHALL", "ASYNC"]),
    Case::read("SMEMBERS of 1M", |server| set(server, MILLION), &["SMEMBERS", "k"]),
    Case::read("HGETALL of 1M", |server| hash(server, MILLION), &["HGETALL", "k"]),
    Case::read("LRANGE of 1M", |server| list(server, MILLION), &["LRANGE", "k", "0", "-1"]),
    Case::read("ZRANGE of 1M", |server| sorted_set(server, MILLION), &["ZRANGE", "k", "0", "-1", "WITHSCORES"]),
    Case::read("SORT of 1M", |server| list(server, MILLION), &["SORT", "k", "ALPHA"]),
    Case::read("COPY of 1M", |server| set(server, MILLION), &["COPY", "k", "l", "REPLACE"]),
    Case::read("SUNION of 1M", |server| set(server, MILLION), &["SUNION", "k", "k"]),
    Case::read("SUNIONSTORE of 1M", |server| set(server, MILLION), &["SUNIONSTORE", "l", "k", "k"]),
    Case::read("ZUNIONSTORE of 1M", |server| sorted_set(server, MILLION), &["ZUNIONSTORE", "l", "2", "k", "k"]),
    Case::write("SPOP of 500k", |server| set(server, MILLION), &["SPOP", "k", "500000"]),
    Case::write("ZPOPMIN of 500k", |server| sorted_set(server, MILLION), &["ZPOPMIN", "k", "500000"]),
    Case::write(
        "ZREMRANGEBYRANK of 500k",
        |server| sorted_set(server, MILLION),
        &["ZREMRANGEBYRANK", "k", "0", "499999"],
    ),
    Case::write("LPOP of 500k", |server| list(server, MILLION), &["LPOP", "k", "500000"]),
];

/// The longest that a PING waited.
pub fn of_large_requests() -> Result<Table, Box<dyn Error>> {
    let mut rows = Vec::new();
    for case in CASES {
        let [ours, other] = [Product::FluidB, Product::Redis].map(|product| least(product, case));
        rows.push(Row { what: case.what.into(), unit: "ms", ours: ours?, other: other?, target: case.target });
    }
    Ok(Table { columns: BESIDE_REDIS, rows })
}

fn least(product: Product, case: &Case) -> Result<f64, Box<dyn Error>> {
    let server = product.start(Some(SERVER_CORE), &[])?;
    let mut least = f64::INFINITY;
    for round in 0..if case.destroys { DESTRUCTIVE_ROUNDS } else { ROUNDS } {
        if round == 0 || case.destroys {
            (case.fill)(&server)?;
        }
        least = least.min(longest_wait(&server, case.command)?.as_secs_f64() * 1000.0);
    }
    Ok(least)
}

fn longest_wait(server: &ServerProcess, command: &[&str]) -> io::Result<Duration> {
    let mut pinger = server.client()?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pings = scope.spawn(|| -> io::Result<Duration> {
            let mut longest = Duration::ZERO;
            while !over.load(Relaxed) {
                let asked = Instant::now();
                pinger.call(&["PING"])?;
                longest = longest.max(asked.elapsed());
                sleep(Duration::from_micros(200));
            }
            Ok(longest)
        });
        let done = exchange(server, command);
        sleep(AFTERWARDS);
        over.store(true, Relaxed);
        done.and(pings.join().unwrap_or_else(|_| Err(io::Error::other("the pings broke off"))))
    })
}

/// Sends a request and takes its reply, without a look at it: up to that of the PING behind it.
fn exchange(server: &ServerProcess, command: &[&str]) -> io::Result<()> {
    const LAST: &[u8] = b"+PONG\r\n";
    let mut stream = TcpStream::connect(server.address)?;
    stream.write_all(&[request(command), request(&["PING"])].concat())?;
    let (mut chunk, mut end) = (vec![0; 1 << 20], Vec::new());
    while !end.ends_with(LAST) {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        end.extend_from_slice(&chunk[count.saturating_sub(LAST.len())..count]);
        end.drain(..end.len().saturating_sub(LAST.len()));
    }
    Ok(())
}

/// `count` elements by requests of a thousand.
fn add(
    server: &ServerProcess,
    command: &'static str,
    count: usize,
    element: impl Fn(usize) -> Vec<String>,
) -> Result<(), Box<dyn Error>> {
    const BATCH: usize = 1000;
    send_all(server, count / BATCH, |batch| {
        let elements = (batch * BATCH..(batch + 1) * BATCH).flat_map(&element);
        request(&[command.to_owned(), "k".into()].into_iter().chain(elements).collect::<Vec<_>>())
    })
}

fn set(server: &ServerProcess, count: usize) -> Result<(), Box<dyn Error>> {
    add(server, "SADD", count, |n| vec![format!("member:{n:08}")])
}

fn sorted_set(server: &ServerProcess, count: usize) -> Result<(), Box<dyn Error>> {
    add(server, "ZADD", count, |n| vec![n.to_string(), format!("member:{n:08}")])
}

fn hash(server: &ServerProcess, count: usize) -> Result<(), Box<dyn Error>> {
    add(server, "HSET", count, |n| vec![format!("f:{n:010}"), format!("{n:08x}")])
}

fn list(server: &ServerProcess, count: usize) -> Result<(), Box<dyn Error>> {
    add(server, "RPUSH", count, |n| vec![format!("element:{n:08}")])
}
