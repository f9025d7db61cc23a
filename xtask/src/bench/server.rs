//! Measured servers: ours and Redis's, each on one core, and what the kernel knows about them.

use crate::process::{built_server, find};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::{Reply, ServerProcess, masters_up, redis_server};

/// The core of the server under load, and the one of everything else.
pub const SERVER_CORE: &str = "0";
pub const LOAD_CORE: &str = "1";

/// What makes a server one of several masters.
pub const MULTI_MASTER: &[&str] = &["--multi-master", "yes", "--active-replica", "yes"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Product {
    FluidB,
    Redis,
}

impl Product {
    fn program(self) -> io::Result<PathBuf> {
        match self {
            Product::FluidB => Ok(built_server(false)),
            Product::Redis => redis_server().ok_or_else(|| io::Error::other("redis-server is not installed")),
        }
    }

    /// Starts a server; `core`: where it runs.
    pub fn start(self, core: Option<&str>, arguments: &[&str]) -> io::Result<ServerProcess> {
        let mut command = on_core(core, &self.program()?);
        command.args(["--appendonly", "no", "--enable-debug-command", "yes"]).args(arguments);
        ServerProcess::start_command(command)
    }
}

/// A command on one core, where taskset is installed.
pub fn on_core(core: Option<&str>, program: &std::path::Path) -> Command {
    match (core, find("taskset")) {
        (Some(core), Some(taskset)) if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) => {
            let mut command = Command::new(taskset);
            command.args(["-c", core]).arg(program);
            command
        }
        _ => Command::new(program),
    }
}

/// CPU time of the process so far, user and system: of all threads that there are, in nanoseconds and not in ticks.
pub fn cpu_time(server: &ServerProcess) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{}/task", server.pid()))? {
        // One that has ended since is not worth a failure.
        let Ok(schedstat) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let nanoseconds = schedstat.split_whitespace().next().and_then(|field| field.parse().ok());
        total += Duration::from_nanos(nanoseconds.ok_or_else(|| io::Error::other("no time in schedstat"))?);
    }
    Ok(total)
}

/// Resident memory, in bytes.
pub fn resident(server: &ServerProcess) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kilobytes: f64 = line.split_whitespace().nth(1).and_then(|field| field.parse().ok()).unwrap_or_default();
    Ok(kilobytes * 1024.0)
}

/// Sets up links in both directions between every two of them, and waits until all are up.
pub fn connect_mesh(nodes: &[&ServerProcess]) -> io::Result<()> {
    for node in nodes {
        for other in nodes.iter().filter(|other| other.address != node.address) {
            node.client()?.call(&["REPLICAOF", "127.0.0.1", &other.address.port().to_string()])?;
        }
    }
    for node in nodes {
        wait_for("the links", || Ok(masters_up(&mut node.client()?)? == nodes.len() - 1))?;
    }
    Ok(())
}

/// Until so many replicas have everything that was written so far.
pub fn wait_for_replicas(server: &ServerProcess, count: i64) -> io::Result<()> {
    let mut client = server.client()?;
    client.call(&["SET", "last", "write"])?;
    wait_for("the replicas", || Ok(client.call(&["WAIT", &count.to_string(), "1000"])? == Reply::Integer(count)))?;
    Ok(())
}

/// Polls until it holds; two minutes at most.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> io::Result<bool>) -> io::Result<Duration> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(120) {
        if holds()? {
            return Ok(started.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(io::Error::other(format!("waited too long for {what}")))
}
