//! For how long one client's large request keeps another one waiting.

mod cases;

use super::server::{MULTI_MASTER, Product, SERVER_CORE};
use super::table::{BESIDE_REDIS, Row, Table, Target, beside_redis};
use cases::{Before, Case, DATA_SETS, DataSet, call};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::{ServerProcess, request};

/// Of several measurements the least counts: whatever else the machine does only adds to it. The first that is good enough
/// is the last.
const ROUNDS: usize = 3;
const MOST_MS: f64 = 5.0;
/// The other client goes on after the reply: what is freed then may hurt, too.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// The longest that the GET of another client waited.
pub fn of_large_requests() -> Result<Table, Box<dyn Error>> {
    let cases = DATA_SETS.iter().flat_map(|set| set.cases);
    let rows = beside_redis("ms", cases.map(|case| (case.what, TARGET)), |product| {
        waits(product, &[], if product == Product::Redis { 1 } else { ROUNDS }, |_| true)
    })?;
    Ok(Table { columns: BESIDE_REDIS, rows })
}

/// The same where effects are kept for other nodes.
pub fn of_large_requests_with_multi_master() -> Result<Table, Box<dyn Error>> {
    let [multi, alone] = [MULTI_MASTER, &[]].map(|arguments| waits(Product::FluidB, arguments, ROUNDS, Case::is_write));
    let cases = DATA_SETS.iter().flat_map(|set| set.cases).filter(|case| case.is_write());
    let row = |(case, (ours, other)): (&Case, (f64, f64))| Row {
        what: case.what.into(),
        unit: "ms",
        ours,
        other,
        target: TARGET,
    };
    let rows = cases.zip(multi?.into_iter().zip(alone?)).map(row).collect();
    Ok(Table { columns: ["multi", "alone"], rows })
}

const TARGET: Target = Target::AtMost(MOST_MS);

/// For each case that is wanted the longest wait, in milliseconds.
fn waits(
    product: Product,
    arguments: &[&str],
    rounds: usize,
    is_wanted: fn(&Case) -> bool,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut waits = Vec::new();
    for set in DATA_SETS.iter().filter(|set| set.cases.iter().any(is_wanted)) {
        let server = product.start(Some(SERVER_CORE), arguments)?;
        (set.fill)(&server)?;
        for case in set.cases.iter().filter(|&case| is_wanted(case)) {
            let wait = least(&server, set, case, rounds).map_err(|error| format!("{}: {error}", case.what))?;
            // Who breaks off has these.
            eprintln!("{}: {wait:.2} ms", case.what);
            waits.push(wait);
        }
    }
    Ok(waits)
}

fn least(server: &ServerProcess, set: &DataSet, case: &Case, rounds: usize) -> Result<f64, Box<dyn Error>> {
    let (mut least, request) = (f64::INFINITY, (case.request)());
    for round in 0..rounds {
        match case.before {
            Before::Fill if round > 0 => (set.fill)(server)?,
            Before::Call(line) => call(server, line)?,
            _ => {}
        }
        least = least.min(longest_wait(server, &request)?.as_secs_f64() * 1000.0);
        if least <= MOST_MS {
            break;
        }
    }
    Ok(least)
}

fn longest_wait(server: &ServerProcess, request: &[u8]) -> io::Result<Duration> {
    let mut other = server.client()?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let probes = scope.spawn(|| -> io::Result<Duration> {
            let mut longest = Duration::ZERO;
            while !over.load(Relaxed) {
                let asked = Instant::now();
                other.call(&["GET", "nothing"])?;
                longest = longest.max(asked.elapsed());
                sleep(Duration::from_micros(200));
            }
            Ok(longest)
        });
        let done = exchange(server, request);
        sleep(AFTERWARDS);
        over.store(true, Relaxed);
        done.and(probes.join().unwrap_or_else(|_| Err(io::Error::other("the other client broke off"))))
    })
}

/// Sends a request and takes its reply, without a look at more than its beginning: up to that of the PING behind it.
fn exchange(server: &ServerProcess, long: &[u8]) -> io::Result<()> {
    const LAST: &[u8] = b"+PONG\r\n";
    let mut stream = TcpStream::connect(server.address)?;
    stream.write_all(long)?;
    stream.write_all(&request(&["PING"]))?;
    let (mut chunk, mut end) = (vec![0; 1 << 20], Vec::new());
    let mut is_first = true;
    while !end.ends_with(LAST) {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if std::mem::take(&mut is_first) && chunk[0] == b'-' {
            return Err(io::Error::other(String::from_utf8_lossy(&chunk[..count]).into_owned()));
        }
        end.extend_from_slice(&chunk[count.saturating_sub(LAST.len())..count]);
        end.drain(..end.len().saturating_sub(LAST.len()));
    }
    Ok(())
}
