//! What the engine needs from outside, as small traits: the process around it (`Host`) and the reader
//! of its committed effects (`Journal`). The other nodes are in `replication.rs`.

use crate::{Client, Config, Fault};
use keyspace::Commit;
use std::time::Duration;
use std::{fmt, io};

/// One reading of the clocks; taken once per turn of the event loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, microseconds since the Unix epoch; may jump.
    pub unix_us: u64,
    /// Microseconds since some fixed point; never goes back.
    pub monotonic_us: u64,
}

impl Now {
    pub fn unix_ms(self) -> u64 {
        self.unix_us / 1000
    }

    pub fn unix_seconds(self) -> u64 {
        self.unix_us / 1_000_000
    }

    pub fn monotonic_ms(self) -> u64 {
        self.monotonic_us / 1000
    }
}

/// The allocator's and the kernel's view of this process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub used: u64,
    pub peak: u64,
    pub resident: u64,
    pub allocator_allocated: u64,
    pub allocator_active: u64,
    pub allocator_resident: u64,
    /// Memory of the machine.
    pub total_system: u64,
    /// Used before the first key was there.
    pub startup: u64,
}

/// CPU time, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    pub system_us: u64,
    pub user_us: u64,
    pub main_thread_system_us: u64,
    pub main_thread_user_us: u64,
}

/// Facts about the process that never change.
#[derive(Clone, Debug, Default)]
pub struct Process {
    pub id: u32,
    pub executable: String,
    pub config_file: String,
    /// "Linux 6.1.0 x86_64"
    pub operating_system: String,
    /// 40 hexadecimal digits, new at every start.
    pub run_id: String,
    pub multiplexing: &'static str,
    pub allocator: &'static str,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// `Some(true)`: SAVE, `Some(false)`: NOSAVE.
    pub save: Option<bool>,
    /// Do not wait for lagging replicas.
    pub now: bool,
    /// Go on where saving fails.
    pub force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
    /// No line is of this level: it silences all.
    Nothing,
}

/// The process around the engine.
pub trait Host: Send + Sync {
    fn now(&self) -> Now;
    /// For the duration of commands, in nanoseconds since some fixed point.
    fn monotonic_ns(&self) -> u64;
    /// Bytes in live allocations, cheap to ask. Exact but for what other threads are doing at the moment.
    fn used_memory(&self) -> u64;
    fn memory(&self) -> Memory;
    fn cpu_time(&self) -> CpuTime;
    fn process(&self) -> &Process;
    /// The thread that owns this client's session calls `Session::resume` soon. Called with locks
    /// held and from any thread: it must only enqueue.
    fn wake(&self, client: &Client);
    /// How many workers serve clients now.
    fn active_workers(&self) -> usize {
        1
    }
    /// So many workers serve clients from now on, whatever they have to do (DEBUG WORKERS).
    fn fix_workers(&self, count: usize) {
        let _ = count;
    }
    /// Another worker serves this client soon, unless replies to it wait to be sent (DEBUG CLIENT-WORKER).
    fn move_client(&self, client: &Client, worker: usize) {
        let _ = (client, worker);
    }
    /// Blocks the calling thread (DEBUG SLEEP).
    fn sleep(&self, duration: Duration);
    /// Begins an orderly shutdown; `Err` where it cannot be done.
    fn shutdown(&self, shutdown: Shutdown) -> Result<(), Fault>;
    /// Calls off a shutdown that waits for replicas.
    fn abort_shutdown(&self) -> Result<(), Fault>;
    /// True from `shutdown` on, until it is called off.
    fn is_shutting_down(&self) -> bool {
        true
    }
    /// While a shutdown waits for replicas: for how long at most (milliseconds).
    fn shutdown_in_ms(&self) -> Option<u64> {
        None
    }
    fn log(&self, level: LogLevel, text: fmt::Arguments<'_>);
    /// Returns memory to the operating system (MEMORY PURGE).
    fn purge_memory(&self);
    /// What the allocator has under a name (DEBUG MALLCTL); the error says why it has nothing.
    fn allocator_number(&self, name: &str) -> Result<i64, &'static str> {
        let _ = name;
        Err("No such file or directory")
    }
    /// Lets the allocator do what a name stands for (DEBUG MALLCTL-STR).
    fn run_allocator(&self, name: &str) -> Result<(), &'static str> {
        let _ = name;
        Err("No such file or directory")
    }
    /// The configuration file as it stands (CONFIG REWRITE keeps its comments and order).
    fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Replaces a file: after a crash it holds either the old bytes or the new ones.
    fn replace_file(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let _ = (path, bytes);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// CONFIG SET is about to replace the configuration: the process follows (listeners, log, limits), or refuses. The
    /// error is the directive that cannot be followed, and what completes "CONFIG SET failed … - ".
    fn reconfigure(&self, before: &Config, after: &Config) -> Result<(), (&'static str, String)> {
        let _ = (before, after);
        Ok(())
    }
}

/// Receives every commit, in order per key, under the locks of its keys.
pub trait Journal: Send + Sync {
    fn commit(&self, commit: &Commit<'_>);
}
