//! Chaos: some real nodes in a random topology, clients of all kinds at each of them, and things that happen to nodes and links.
//! In the end all nodes have to be equal, and everything has to be there that was acknowledged and that nobody took away.
//!
//! A seed draws the nodes, the events and what each client sends, so a run can be repeated; how it interleaves cannot be. So who looks
//! for what failed once repeats its seed some times.

mod client;
mod cluster;
mod commands;
mod event;
mod keeper;
mod plan;
mod recipes;
mod report;

pub use plan::{Plan, Settings};
pub use recipes::commands;

use crate::{Client, Node};
use client::{Sent, Worker};
use cluster::Cluster;
use commands::Commands;
use keeper::Ledger;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// How long nodes may take to become equal once nobody writes and nothing happens.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nodes count as equal if they still are after so long: keys that are said anew are said by then.
const EQUAL_FOR: Duration = Duration::from_millis(1200);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Clients at a node that write.
const WRITERS: [&str; 2] = ["writer 0", "writer 1"];

/// Complaints that are shown at once; the report has all.
const SHOWN_MAX: usize = 8;

/// What a log must not say.
const ALARMS: [&str; 3] = ["panicked", "assertion", "BUG REPORT START"];

/// How a run ended.
pub struct Verdict {
    /// What is wrong.
    pub complaints: Vec<String>,
    /// Where the logs and a report are, if something is.
    pub folder: Option<PathBuf>,
    events: usize,
    commands: usize,
    acknowledged: usize,
    judged_in: Duration,
}

/// What happened in a run.
struct Record {
    plan: Plan,
    events: Vec<String>,
    history: Vec<Sent>,
    ledgers: Vec<Ledger>,
    complaints: Vec<String>,
}

/// The families of commands that a run may be about.
pub fn families() -> Vec<&'static str> {
    recipes::FAMILIES.iter().map(|family| family.name).collect()
}

/// Runs it; nothing is judged where `stop` was set meanwhile. Fails where nodes do not start.
pub fn run(plan: Plan, stop: &AtomicBool) -> io::Result<Verdict> {
    let folder = std::env::temp_dir().join(format!("fluidB-chaos-{}-{}", std::process::id(), plan.settings.seed));
    let mut cluster = Cluster::start(&plan, &folder)?;
    let mut record = disturb(plan, &mut cluster, stop);
    let quiet = Instant::now();
    if !stop.load(Relaxed)
        && let Err(error) = judge(&mut record, &mut cluster, stop)
    {
        record.complaints.push(format!("a node does not answer: {error}"));
    }
    let judged_in = quiet.elapsed();
    let is_good = record.complaints.is_empty() || stop.load(Relaxed);
    if !is_good {
        report::write(&folder.join("report"), &mut record, &mut cluster)?;
    }
    drop(cluster);
    if is_good {
        fs::remove_dir_all(&folder)?;
    }
    Ok(Verdict {
        folder: (!is_good).then_some(folder),
        events: record.events.len(),
        commands: record.history.iter().map(|sent| sent.commands.len()).sum(),
        acknowledged: record.ledgers.iter().map(Ledger::acknowledged).sum(),
        judged_in,
        complaints: record.complaints,
    })
}

/// Clients write and events happen, for as long as is planned.
fn disturb(mut plan: Plan, cluster: &mut Cluster, stop: &AtomicBool) -> Record {
    let (began, ended) = (Instant::now(), AtomicBool::new(false));
    let settings = plan.settings.clone();
    let (mut events, mut complaints) = (Vec::new(), Vec::new());
    let (history, ledgers) = thread::scope(|scope| {
        let (mut clients, mut keepers) = (Vec::new(), Vec::new());
        for (node, port) in cluster.ports().into_iter().enumerate() {
            let worker = |client| Worker { node, client, port, began, ended: &ended };
            let seed = |client: usize| settings.seed.wrapping_mul(1000) + (node * 10 + client) as u64;
            let commands = |client| Commands::new(seed(client), &settings.only, settings.keys);
            for (index, name) in WRITERS.into_iter().enumerate() {
                let (worker, commands) = (worker(name), commands(index));
                clients.push(scope.spawn(move || worker.write(commands)));
            }
            let (waiting, keeping) = (worker("waiter"), worker("keeper"));
            let (commands, seed) = (commands(WRITERS.len()), seed(WRITERS.len() + 1));
            clients.push(scope.spawn(move || waiting.wait(commands)));
            keepers.push(scope.spawn(move || keeper::keep(&keeping, seed)));
        }
        while began.elapsed() < settings.duration && !stop.load(Relaxed) {
            let (pause, event) = plan.next_event();
            rest(pause, stop);
            events.push(format!("{:8.3}  {event}", began.elapsed().as_secs_f64()));
            let happened = event.happen(cluster, &|time| rest(time, stop));
            complaints.extend(happened.err().map(|error| format!("{event}: {error}")));
        }
        ended.store(true, Relaxed);
        let history = clients.into_iter().flat_map(|client| client.join().expect("clients do not panic"));
        let ledgers = keepers.into_iter().map(|keeper| keeper.join().expect("keepers do not panic"));
        (history.collect(), ledgers.collect())
    });
    Record { plan, events, history, ledgers, complaints }
}

/// Finds what is wrong.
fn judge(record: &mut Record, cluster: &mut Cluster, stop: &AtomicBool) -> io::Result<()> {
    let complaints = &mut record.complaints;
    for (index, node) in cluster.nodes.iter_mut().enumerate() {
        complaints.extend(node.exit_status().map(|status| format!("node {index} ended: {status}")));
        let log = node.log();
        let alarms = log.lines().filter(|line| ALARMS.iter().any(|alarm| line.contains(alarm)));
        complaints.extend(alarms.map(|line| format!("node {index} says: {line}")));
    }
    if !complaints.is_empty() {
        return Ok(());
    }
    let mut clients = cluster.nodes.iter().map(Node::client).collect::<io::Result<Vec<_>>>()?;
    if !become_equal(&mut clients, stop)? {
        complaints.push(format!("the nodes are not equal after {} s", PATIENCE.as_secs()));
    }
    complaints.extend(keeper::complaints(&mut clients[0], &record.ledgers, &cluster.killed)?);
    if !cluster.killed.contains(&true) {
        for (index, client) in clients.iter_mut().enumerate() {
            let late = late_records(client)?;
            complaints
                .extend((late > 0).then(|| format!("node {index} got {late} late records of nodes that it knew")));
        }
    }
    Ok(())
}

/// Records that came too late to be placed (docs/decisions/0005-late-records.md).
fn late_records(client: &mut Client) -> io::Result<i64> {
    let conflicts = client.call(&["MESH", "CONFLICTS"])?;
    let mut fields = conflicts.elements().unwrap_or_default().chunks(2);
    let late = fields.find(|field| field[0].bytes() == Some(b"late-records")).and_then(|field| field[1].integer());
    late.ok_or_else(|| io::Error::other(format!("MESH CONFLICTS gives {conflicts}")))
}

/// True once all nodes have one digest, and keep it.
fn become_equal(clients: &mut [Client], stop: &AtomicBool) -> io::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    let mut were_equal = false;
    while Instant::now() < deadline && !stop.load(Relaxed) {
        let digests =
            clients.iter_mut().map(|client| client.call(&["MESH", "DIGEST"])).collect::<io::Result<Vec<_>>>()?;
        let are_equal = digests.iter().all(|digest| *digest == digests[0]);
        if are_equal && were_equal {
            return Ok(true);
        }
        were_equal = are_equal;
        rest(if are_equal { EQUAL_FOR } else { 10 * POLL_INTERVAL }, stop);
    }
    Ok(false)
}

/// Sleeps, but not on when it is to stop.
fn rest(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while Instant::now() < until && !stop.load(Relaxed) {
        thread::sleep(POLL_INTERVAL.min(until.saturating_duration_since(Instant::now())));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { events, commands, acknowledged, .. } = self;
        let seconds = self.judged_in.as_secs_f64();
        write!(f, "{events} events, {commands} commands, {acknowledged} additions, ")?;
        let Some(folder) = &self.folder else { return write!(f, "judged in {seconds:.1} s: good") };
        write!(f, "judged in {seconds:.1} s: BAD, see {}", folder.display())?;
        self.complaints.iter().take(SHOWN_MAX).try_for_each(|complaint| write!(f, "\n  {complaint}"))?;
        let more = self.complaints.len().saturating_sub(SHOWN_MAX);
        if more > 0 { write!(f, "\n  and {more} more") } else { Ok(()) }
    }
}
