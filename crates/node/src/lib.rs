//! One node without its IO: engine, keyspace and mesh, wired together.
//!
//! The process around it (the server's reactor, or the simulator) drives it like this:
//!
//! - Client bytes go to sessions of `engine()`; any worker thread may run them. What they commit
//!   lands in the journal.
//! - All links belong to one thread, the *mesh owner*. Once per iteration of its event loop, and
//!   whenever `deadline_ms` has come or another worker's `has_work` said true, it calls `turn`, which drains
//!   the journal and runs the timers, and then for every link whose output buffer is short `transmit`,
//!   and last `poll_action` until it is empty.
//! - What happens on a link's socket is told with `handle`. A client session that turned out to be
//!   another node asking for our stream (`MESH LINK`) becomes a link with `accept`; what its socket delivers
//!   from then on goes to `handle`.
//!
//! ```text
//! loop {
//!     wait for sockets, at most until node.deadline_ms();
//!     for each readable link { node.handle(link, Input::Received { bytes }, now) }
//!     run the sessions of this thread;
//!     node.turn(now);
//!     for each link { if its output holds less than 64 KiB { node.transmit(link, &mut output, 64 KiB, now) } }
//!     while let Some(action) = node.poll_action() { dial, close, log }
//! }
//! ```
//!
//! `Action::Close` is answered with a last `transmit` of that link.

mod doubts;
mod info;
mod journal;
mod machine;
mod rewrites;
mod shared;
mod store;
mod token;

pub use mesh::{Action, Input, LinkId, Now, Severity};

use effect::{Origin, Stamp, VersionVector};
use engine::{Config, Engine, Host, Services};
use journal::Journal;
use keyspace::{ByTime, Keyspace, Switches};
use machine::Machine;
use mesh::{Credentials, Mesh, Mode};
use shared::{Request, Shared};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{KeyspaceStore, LateRecords};

/// How often the snapshot for those who cannot wait is renewed, in milliseconds.
const SNAPSHOT_MS: u64 = 100;
/// How often keys past their deadline are looked for, in milliseconds; seldom where no key has a deadline.
const EXPIRE_MS: u64 = 100;
const EXPIRE_IDLE_MS: u64 = 1000;
/// How many keys of a shard and database are looked at in one go.
const EXPIRE_KEYS: usize = 200;

/// What a session that becomes a link says about itself: the arguments of its `MESH LINK` and the
/// REPLCONFs before it.
#[derive(Clone, Debug, Default)]
pub struct LinkRequest {
    /// The arguments after `MESH LINK`.
    pub arguments: Vec<Vec<u8>>,
    /// The peer's address as its socket has it, without the port.
    pub peer_host: String,
    /// REPLCONF listening-port; 0 where it said nothing.
    pub listening_port: u16,
}

/// What a node is made of.
pub struct Options {
    /// Who this is: never used before by another node, nor by another life of this one.
    pub identity: Origin,
    pub keyspace: Arc<Keyspace>,
    pub config: Config,
    pub host: Arc<dyn Host>,
    /// Of all randomness here, which is jitter.
    pub seed: u64,
    pub now: Now,
    /// How long writes of clients wait for what the masters have, at most, in milliseconds. What is written before nobody has counted on
    /// (docs/decisions/0005-late-records.md).
    pub arrival_ms: u64,
    /// Sees every commit of this node, too.
    pub observer: Option<Arc<dyn engine::Journal>>,
}

/// See the module's documentation. All methods may be called from any thread, but those about links
/// are meant for the mesh owner.
pub struct Node {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    owner: parking_lot::Mutex<Owner>,
}

/// What only the mesh owner needs.
#[derive(Default)]
struct Owner {
    /// The configuration that is in force here.
    config: Option<Arc<Config>>,
    snapshot_ms: u64,
    expire_ms: u64,
    /// What sessions that wait were told about last: (records applied, data sets, acknowledged stamps).
    progress: (u64, u64, u64),
}

impl Node {
    pub fn new(options: Options) -> Node {
        let Options { identity, keyspace, config, host, seed, now, arrival_ms, observer } = options;
        keyspace.set_origin(identity);
        let mesh = Mesh::new(identity, mesh_options(&config), seed, now);
        let journal = Arc::new(Journal::new(observer));
        let late = Arc::new(LateRecords::default());
        let store = KeyspaceStore::new(identity, keyspace.clone(), late.clone());
        let snapshot = mesh.status(now);
        let machine = Machine::new(mesh, store, keyspace.clone(), journal.clone(), now);
        let shared = Arc::new(Shared::new(identity, keyspace.clone(), journal.clone(), machine, snapshot, late));
        let services = Services { host, replication: shared.clone(), journal };
        let masters = config.replicaof.clone();
        let engine = Engine::new(keyspace, config, services);
        shared.machine.lock().store_mut().observe_with(&engine);
        let node = Node { engine, shared, owner: Default::default() };
        node.follow_config(&mut node.owner.lock());
        let merges = info::mode(&node.engine.config.load()) != Mode::Classic;
        if !masters.is_empty() && arrival_ms > 0 && merges {
            node.hold_writes(arrival_ms);
        }
        for master in masters {
            // Only a node that cannot replicate refuses.
            let _ = engine::Replication::add_master(&*node.shared, &master.host, master.port);
        }
        node
    }

    /// Writes of clients wait until this node has joined the mesh, or nobody answers, but for no longer than that.
    fn hold_writes(&self, arrival_ms: u64) {
        self.engine.clients.hold_writes(self.engine.host.now().monotonic_us + arrival_ms * 1000);
        self.shared.machine.lock().holds_writes = true;
    }

    fn arrive(&self, machine: &mut Machine) {
        if machine.holds_writes && !machine.mesh.is_arriving() {
            machine.holds_writes = false;
            self.engine.release_writes();
        }
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// A client session turned into a link. What the session had received after `MESH LINK` is to be
    /// handed to `handle` next.
    pub fn accept(&self, request: LinkRequest, now: Now) -> LinkId {
        let mut machine = self.shared.machine.lock();
        self.activate(&mut machine, now);
        let words: Vec<_> = request.arguments.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        machine.mesh.accept(&words, &request.peer_host, request.listening_port, now)
    }

    /// Something happened on a link.
    pub fn handle(&self, link: LinkId, input: Input<'_>, now: Now) {
        let mut machine = self.shared.machine.lock();
        machine.handle(link, input, now);
        self.arrive(&mut machine);
        drop(machine);
        self.engine.serve_blocked();
    }

    /// Takes over what sessions have committed and asked for, and runs the timers that are due.
    pub fn turn(&self, now: Now) {
        let mut owner = self.owner.lock();
        self.follow_config(&mut owner);
        self.expire(&mut owner, now);
        let mut machine = self.shared.machine.lock();
        let requests = std::mem::take(&mut *self.shared.requests.lock());
        if !requests.is_empty() {
            self.note_masters();
        }
        for request in requests {
            match request {
                Request::AddMaster { host, port } => {
                    self.activate(&mut machine, now);
                    machine.mesh.add_master(&host, port, now);
                }
                Request::RemoveMaster { host, port } => machine.remove_master(&host, port, now),
                Request::Forget { node } => machine.mesh.forget(node, now),
            }
            self.shared.set_role(machine.mesh.options().mode);
        }
        machine.turn(now);
        self.arrive(&mut machine);
        self.publish(&mut owner, &machine, now);
        drop(machine);
        self.engine.serve_blocked();
    }

    /// Appends what the link has to say to `output`, about `budget` bytes at most. True while there is more.
    pub fn transmit(&self, link: LinkId, output: &mut Vec<u8>, budget: usize, now: Now) -> bool {
        self.shared.machine.lock().transmit(link, output, budget, now)
    }

    /// What the outside has to do; ask until `None`.
    pub fn poll_action(&self) -> Option<Action> {
        self.shared.machine.lock().poll_action()
    }

    /// When `turn` has to be called at the latest, in `Now::monotonic_ms`.
    pub fn deadline_ms(&self) -> Option<u64> {
        let expire_ms = self.owner.lock().expire_ms;
        self.shared.machine.lock().deadline_ms().into_iter().chain([expire_ms]).min()
    }

    /// Has a session left something for `turn`? A worker that is not the mesh owner asks after each of its
    /// turns and wakes the owner.
    pub fn has_work(&self) -> bool {
        self.shared.journal.has_commits() || !self.shared.requests.lock().is_empty()
    }

    /// The links as they stand.
    pub fn status(&self) -> mesh::Status {
        self.shared.status()
    }

    /// What a commit at this moment has seen.
    pub fn seen(&self) -> VersionVector {
        self.shared.machine.lock().seen()
    }

    /// How many records have come too late to be placed exactly; see `doubts`.
    pub fn late_records(&self) -> u64 {
        self.shared.late.applied.load(Ordering::Relaxed)
    }

    /// There are others from now on: commits are kept for them.
    fn activate(&self, machine: &mut Machine, now: Now) {
        if machine.mesh.is_active() {
            return;
        }
        let peers = machine.mesh.options().mode != Mode::Classic;
        self.shared.keyspace.set_switches(Switches { recording: true, stamping: true, peers });
        self.shared.journal.activate();
        // What is here without a stamp (written while there was no need for any) is as old as the first one.
        if !self.shared.keyspace.is_empty() {
            self.shared.keyspace.tick(now.unix_ms);
        }
        machine.mesh.activate(self.shared.keyspace.last_stamp());
    }

    /// The masters as sessions want them go into the configuration, for CONFIG GET and REWRITE.
    fn note_masters(&self) {
        let masters = self.shared.masters.lock().clone();
        let masters: Vec<_> = masters.into_iter().map(|(host, port)| engine::config::Master { host, port }).collect();
        if self.engine.config.load().replicaof != masters {
            self.engine.config.replace(|config| {
                let mut config = Config::clone(config);
                config.replicaof.clone_from(&masters);
                config
            });
        }
    }

    /// Adopts the configuration where CONFIG SET has changed it.
    fn follow_config(&self, owner: &mut Owner) {
        let config = self.engine.config.load();
        if owner.config.as_ref().is_some_and(|known| Arc::ptr_eq(known, &config)) {
            return;
        }
        owner.config = Some(config.clone());
        let mut machine = self.shared.machine.lock();
        machine.mesh.set_options(mesh_options(&config));
        let mode = machine.mesh.options().mode;
        let active = machine.mesh.is_active();
        let merging = mode != Mode::Classic;
        self.shared.keyspace.set_switches(Switches {
            recording: active || self.shared.journal.is_observed(),
            stamping: active || merging,
            peers: active && merging,
        });
        if mode != Mode::MultiMaster {
            self.shared.keep_one_master();
        }
        self.shared.set_role(mode);
        *self.shared.settings.lock() = info::Settings {
            replica_priority: config.replica_priority,
            replica_read_only: config.replica_read_only,
            replica_announced: config.replica_announced,
            replica_quorum: config.replica_quorum,
        };
        owner.snapshot_ms = 0;
    }

    /// Removes keys past their deadline, a few at a time.
    fn expire(&self, owner: &mut Owner, now: Now) {
        if now.monotonic_ms < owner.expire_ms {
            return;
        }
        let clock = engine::Now { unix_us: now.unix_ms * 1000, monotonic_us: now.monotonic_ms * 1000 };
        let is_off = !self.engine.active_expire() || self.engine.clients.paused(clock).is_some();
        let pause_ms = if is_off || !self.shared.keyspace.has_deadlines() {
            EXPIRE_IDLE_MS
        } else {
            let started_ns = self.engine.host.monotonic_ns();
            let tell = |what: ByTime<'_>| self.engine.observe_time(what);
            let (count, more) = self.shared.keyspace.expire_due(now.unix_ms, EXPIRE_KEYS, tell);
            self.engine.note_latency("expire-cycle", self.engine.host.monotonic_ns() - started_ns, clock);
            // What has to stay does not keep anybody busy.
            if more && count > 0 { 1 } else { EXPIRE_MS }
        };
        owner.expire_ms = now.monotonic_ms + pause_ms;
    }

    /// Tells the sessions what has changed.
    fn publish(&self, owner: &mut Owner, machine: &Machine, now: Now) {
        let counters = machine.mesh.counters();
        let progress = (counters.records_applied, counters.state_imports, machine.mesh.acknowledgements());
        if progress != owner.progress {
            owner.progress = progress;
            let waiting = std::mem::take(&mut *self.shared.waiting.lock());
            waiting.iter().for_each(|client| self.engine.host.wake(client));
        }
        if now.monotonic_ms < owner.snapshot_ms {
            return;
        }
        owner.snapshot_ms = now.monotonic_ms + SNAPSHOT_MS;
        let status = machine.status();
        let up = status.masters.iter().any(|master| master.state == mesh::MasterState::Connected);
        self.shared.master_link_up.store(up, Ordering::Relaxed);
        self.shared.clock_outlier.store(status.clock_outlier, Ordering::Relaxed);
        *self.shared.snapshot.lock() = status;
    }

    /// The newest stamp that was given out or seen here.
    pub fn last_stamp(&self) -> Stamp {
        self.shared.keyspace.last_stamp()
    }
}

fn mesh_options(config: &Config) -> mesh::Options {
    let set = |text: &String| (!text.is_empty()).then(|| stdx::bytes_of(text).into_owned());
    let announced = config.replica_announce_port;
    mesh::Options {
        mode: info::mode(config),
        credentials: Credentials { user: set(&config.masteruser), password: set(&config.masterauth) },
        listening_port: if announced == 0 { config.port } else { announced },
        log_bytes: config.mesh_log_size.max(config.repl_backlog_size) as usize,
        away_bytes: config.mesh_away_size as usize,
        timeout_ms: config.repl_timeout.saturating_mul(1000),
        compare_ms: config.mesh_compare_interval.saturating_mul(1000),
        clock_skew_max_ms: config.mesh_clock_skew_max_ms,
    }
}
