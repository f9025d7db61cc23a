//! For how long one client's large request keeps another one waiting.

mod cases;

use super::server::{LOAD_CORE, MULTI_MASTER, Product, SERVER_CORE, connect_mesh, wait_for};
use super::table::{BESIDE_REDIS, Row, Table, Target, beside_redis};
use cases::{Before, Case, DATA_SETS, DataSet, JOINS, call};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::{Reply, ServerProcess, request};

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
        let rounds = if product == Product::Redis { 1 } else { ROUNDS };
        let start = || Ok(vec![product.start(Some(SERVER_CORE), &[])?]);
        Ok(waits(start, rounds, |_| true)?.into_iter().flatten().collect())
    })?;
    Ok(Table { columns: BESIDE_REDIS, rows })
}

/// The same where there is another node: at the one that is asked, and at the other one, which does it after it.
pub fn of_large_requests_with_multi_master() -> Result<Table, Box<dyn Error>> {
    let start = || {
        let nodes = two_nodes()?;
        connect_mesh(&nodes.iter().collect::<Vec<_>>())?;
        Ok(nodes)
    };
    let cases = DATA_SETS.iter().flat_map(|set| set.cases).filter(|case| case.is_write());
    let row = |(case, waits): (&Case, Vec<f64>)| Row::new(case.what.into(), "ms", waits[0], waits[1], TARGET);
    let rows = cases.zip(waits(start, 1, Case::is_write)?).map(row).collect();
    Ok(Table { columns: ["here", "there"], rows })
}

/// The same while another node takes the data set: at the one that has it, and at the new one.
pub fn of_joins() -> Result<Table, Box<dyn Error>> {
    let mut rows = Vec::new();
    for (what, fill, keys) in JOINS {
        let nodes = two_nodes()?;
        fill(&nodes[0])?;
        let waits = longest_waits(&nodes, || {
            let mut client = nodes[1].client()?;
            client.call(&["REPLICAOF", "127.0.0.1", &nodes[0].address.port().to_string()])?;
            wait_for("the new node", || Ok(client.call(&["DBSIZE"])? == Reply::Integer(*keys))).map(drop)
        })?;
        let [ours, other] = [waits[0], waits[1]].map(|wait| wait.as_secs_f64() * 1000.0);
        rows.push(Row::new((*what).into(), "ms", ours, other, TARGET));
    }
    Ok(Table { columns: ["source", "new node"], rows })
}

/// Not linked yet.
fn two_nodes() -> io::Result<Vec<ServerProcess>> {
    [SERVER_CORE, LOAD_CORE].into_iter().map(|core| Product::FluidB.start(Some(core), MULTI_MASTER)).collect()
}

const TARGET: Target = Target::AtMost(MOST_MS);

/// For each case that is wanted the longest wait at each node, in milliseconds.
fn waits(
    start: impl Fn() -> io::Result<Vec<ServerProcess>>,
    rounds: usize,
    is_wanted: fn(&Case) -> bool,
) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let mut waits = Vec::new();
    for set in DATA_SETS.iter().filter(|set| set.cases.iter().any(is_wanted)) {
        let nodes = start()?;
        fill(&nodes, set)?;
        for case in set.cases.iter().filter(|&case| is_wanted(case)) {
            let of_case = least(&nodes, set, case, rounds).map_err(|error| format!("{}: {error}", case.what))?;
            // Who breaks off has these.
            eprintln!("{}: {of_case:.2?} ms", case.what);
            waits.push(of_case);
        }
    }
    Ok(waits)
}

fn fill(nodes: &[ServerProcess], set: &DataSet) -> Result<(), Box<dyn Error>> {
    (set.fill)(&nodes[0])?;
    settle(nodes)
}

/// Waits until all nodes have everything, and nobody has to remember how it came about.
fn settle(nodes: &[ServerProcess]) -> Result<(), Box<dyn Error>> {
    const FORGETTING: Duration = Duration::from_millis(300);
    if nodes.len() > 1 {
        exchange(nodes, &request(&["SET", "settled", "yes"]))?;
        sleep(FORGETTING);
    }
    Ok(())
}

fn least(nodes: &[ServerProcess], set: &DataSet, case: &Case, rounds: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let (mut least, request) = (vec![f64::INFINITY; nodes.len()], (case.request)());
    for round in 0..rounds {
        match case.before {
            Before::Fill if round > 0 => fill(nodes, set)?,
            Before::Call(line) => {
                call(&nodes[0], line)?;
                settle(nodes)?;
            }
            _ => {}
        }
        for (least, wait) in least.iter_mut().zip(longest_waits(nodes, || exchange(nodes, &request))?) {
            *least = least.min(wait.as_secs_f64() * 1000.0);
        }
        if least[0] <= MOST_MS {
            break;
        }
    }
    Ok(least)
}

/// The longest wait at each node while something is done.
fn longest_waits(nodes: &[ServerProcess], work: impl FnOnce() -> io::Result<()>) -> io::Result<Vec<Duration>> {
    let over = AtomicBool::new(false);
    let probe = |node: &ServerProcess| -> io::Result<Duration> {
        let (mut other, mut longest) = (node.client()?, Duration::ZERO);
        while !over.load(Relaxed) {
            let asked = Instant::now();
            other.call(&["GET", "nothing"])?;
            longest = longest.max(asked.elapsed());
            sleep(Duration::from_micros(200));
        }
        Ok(longest)
    };
    std::thread::scope(|scope| {
        let probes: Vec<_> = nodes.iter().map(|node| scope.spawn(|| probe(node))).collect();
        let done = work();
        sleep(AFTERWARDS);
        over.store(true, Relaxed);
        done?;
        let joined = probes.into_iter().map(|probe| probe.join());
        joined.map(|longest| longest.unwrap_or_else(|_| Err(io::Error::other("another client broke off")))).collect()
    })
}

/// Sends a request to the first node and takes its reply, without a look at more than its beginning: up to that of the PING
/// behind it, which comes when all nodes have done it.
fn exchange(nodes: &[ServerProcess], long: &[u8]) -> io::Result<()> {
    const LAST: &[u8] = b"+PONG\r\n";
    let mut stream = TcpStream::connect(nodes[0].address)?;
    stream.write_all(long)?;
    stream.write_all(&request(&["WAIT", &(nodes.len() - 1).to_string(), "60000"]))?;
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
