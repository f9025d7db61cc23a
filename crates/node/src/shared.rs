//! What sessions see and ask of the other nodes, from any thread.

use crate::info;
use crate::journal::Journal;
use crate::machine::Machine;
use crate::store::LateRecords;
use crate::token::Token;
use effect::{NodeId, Origin, Stamp};
use engine::replication::{Fields, Master, Replica, Replication, Report, Role};
use engine::{Client, Fault, Now};
use keyspace::Keyspace;
use mesh::{MasterState, Mode, Status};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// What a session asked for; done on the next turn of the mesh owner.
pub(crate) enum Request {
    AddMaster { host: String, port: u16 },
    RemoveMaster { host: String, port: u16 },
    Forget { node: NodeId },
}

/// The half of a node that the engine knows.
pub(crate) struct Shared {
    pub(crate) own: Origin,
    pub(crate) keyspace: Arc<Keyspace>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) machine: Mutex<Machine>,
    /// As of the last turns, for those who cannot have the machine at once: a session that holds locks
    /// of keys must not wait for it.
    pub(crate) snapshot: Mutex<Status>,
    pub(crate) requests: Mutex<Vec<Request>>,
    /// The masters as they will be when `requests` are done.
    pub(crate) masters: Mutex<Vec<(String, u16)>>,
    /// Woken when something arrived or was acknowledged.
    pub(crate) waiting: Mutex<Vec<Arc<Client>>>,
    role: AtomicU8,
    pub(crate) multi_master: AtomicBool,
    pub(crate) master_link_up: AtomicBool,
    pub(crate) clock_outlier: AtomicBool,
    pub(crate) settings: Mutex<info::Settings>,
    pub(crate) late: Arc<LateRecords>,
}

impl Shared {
    pub(crate) fn new(
        own: Origin,
        keyspace: Arc<Keyspace>,
        journal: Arc<Journal>,
        machine: Machine,
        snapshot: Status,
        late: Arc<LateRecords>,
    ) -> Shared {
        Shared {
            own,
            keyspace,
            journal,
            machine: Mutex::new(machine),
            snapshot: Mutex::new(snapshot),
            requests: Mutex::default(),
            masters: Mutex::default(),
            waiting: Mutex::default(),
            role: AtomicU8::new(0),
            multi_master: AtomicBool::new(false),
            master_link_up: AtomicBool::new(false),
            clock_outlier: AtomicBool::new(false),
            settings: Mutex::default(),
            late,
        }
    }

    /// The links as they stand; a little older where the mesh owner is busy.
    pub(crate) fn status(&self) -> Status {
        match self.machine.try_lock() {
            Some(machine) => machine.status(),
            None => self.snapshot.lock().clone(),
        }
    }

    /// Without multi-master there is one master, the last one that was named.
    pub(crate) fn keep_one_master(&self) {
        let mut masters = self.masters.lock();
        let surplus = masters.len().saturating_sub(1);
        let removed = masters.drain(..surplus).map(|(host, port)| Request::RemoveMaster { host, port });
        self.requests.lock().extend(removed);
    }

    /// What follows from the masters and the mode.
    pub(crate) fn set_role(&self, mode: Mode) {
        let role = match (self.masters.lock().is_empty(), mode) {
            (true, _) => Role::Master,
            (false, Mode::Classic) => Role::Replica,
            (false, _) => Role::ActiveReplica,
        };
        self.multi_master.store(mode == Mode::MultiMaster, Ordering::Relaxed);
        self.role.store(role as u8, Ordering::Relaxed);
    }
}

impl Replication for Shared {
    fn role(&self) -> Role {
        match self.role.load(Ordering::Relaxed) {
            role if role == Role::ActiveReplica as u8 => Role::ActiveReplica,
            role if role == Role::Replica as u8 => Role::Replica,
            _ => Role::Master,
        }
    }

    fn master_link_up(&self) -> bool {
        self.master_link_up.load(Ordering::Relaxed)
    }

    fn info(&self, _: Now, text: &mut String) {
        info::write(&self.status(), self.role(), &self.settings.lock(), text);
    }

    fn acknowledged(&self, stamp: Stamp) -> usize {
        let status = self.status();
        let has = |replica: &&mesh::ReplicaStatus| replica.open && replica.acknowledged.covers(self.own, stamp);
        status.replicas.iter().filter(has).count()
    }

    fn lagging_replicas(&self) -> (usize, usize) {
        let status = self.status();
        let newest = status.vector.get(self.own);
        let open = || status.replicas.iter().filter(|replica| replica.open);
        let lagging = open().filter(|replica| !replica.acknowledged.covers(self.own, newest)).count();
        (lagging, open().count())
    }

    fn backlog_bytes(&self) -> u64 {
        let log_memory = match self.machine.try_lock() {
            Some(machine) => machine.mesh.log_memory(),
            None => self.snapshot.lock().log_memory,
        };
        (log_memory + self.journal.bytes()) as u64
    }

    fn write_refusal(&self) -> Option<Fault> {
        let outlier = self.clock_outlier.load(Ordering::Relaxed);
        outlier.then_some(Fault::Text("MISCONF the clock of this node is ahead of most others: set it right"))
    }

    fn add_master(&self, host: &str, port: u16) -> Result<bool, Fault> {
        let address = (host.to_owned(), port);
        let mut masters = self.masters.lock();
        if masters.iter().any(|(known, known_port)| known.eq_ignore_ascii_case(host) && *known_port == port) {
            return Ok(false);
        }
        let mut requests = self.requests.lock();
        if !self.multi_master.load(Ordering::Relaxed) {
            requests.extend(masters.drain(..).map(|(host, port)| Request::RemoveMaster { host, port }));
        }
        requests.push(Request::AddMaster { host: address.0.clone(), port });
        masters.push(address);
        Ok(true)
    }

    fn remove_master(&self, host: &str, port: u16) -> bool {
        let mut masters = self.masters.lock();
        let is_it = |(known, known_port): &(String, u16)| known.eq_ignore_ascii_case(host) && *known_port == port;
        let Some(index) = masters.iter().position(is_it) else { return false };
        let (host, port) = masters.remove(index);
        self.requests.lock().push(Request::RemoveMaster { host, port });
        true
    }

    fn remove_masters(&self) {
        let removed =
            self.masters.lock().drain(..).map(|(host, port)| Request::RemoveMaster { host, port }).collect::<Vec<_>>();
        self.requests.lock().extend(removed);
    }

    fn masters(&self) -> Vec<Master> {
        let status = self.status();
        let known = status.masters.iter().map(|master| Master {
            host: master.host.clone(),
            port: master.port,
            state: info::state_name(master.state),
            offset: if master.state == MasterState::Connected { master.bytes_received as i64 } else { -1 },
        });
        let coming = self.masters.lock().clone();
        let is_known =
            |host: &str, port: u16| status.masters.iter().any(|known| known.host == host && known.port == port);
        let new = coming.iter().filter(|(host, port)| !is_known(host, *port)).map(|(host, port)| Master {
            host: host.clone(),
            port: *port,
            state: "connect",
            offset: -1,
        });
        let stays = |master: &Master| coming.iter().any(|(host, port)| *host == master.host && *port == master.port);
        known.filter(stays).chain(new).collect()
    }

    fn replicas(&self) -> Vec<Replica> {
        let replicas = self.status().replicas.into_iter();
        replicas
            .filter(|replica| replica.open)
            .map(|replica| Replica { host: replica.host, port: replica.port, offset: replica.offset })
            .collect()
    }

    fn offset(&self) -> u64 {
        self.status().log_offset
    }

    fn uuid(&self) -> String {
        info::uuid(self.own)
    }

    fn report(&self, report: Report) -> Vec<Fields> {
        match report {
            Report::Nodes => info::nodes(&self.status()),
            Report::Links => info::links(&self.status()),
            Report::Lag => info::lag(&self.status()),
            Report::Conflicts => vec![info::conflicts(&self.status(), &self.late)],
        }
    }

    fn forget_node(&self, node: &str) -> Result<(), Fault> {
        let node = u64::from_str_radix(node, 16).map(NodeId).ok();
        let status = self.status();
        let is_it = |origin: Origin| Some(origin.node) == node;
        let linked = status.linked_peers().any(is_it);
        let Some(node) = node.filter(|_| status.vector.iter().any(|(origin, _)| is_it(origin))) else {
            return Err(Fault::Text("ERR there is no such node, see MESH NODES"));
        };
        if node == self.own.node {
            return Err(Fault::Text("ERR a node cannot forget itself"));
        }
        if linked {
            return Err(Fault::Text("ERR this node is connected: it is there"));
        }
        self.requests.lock().push(Request::Forget { node });
        Ok(())
    }

    fn token(&self, last_write: Stamp) -> String {
        let mut vector = self.status().vector;
        if last_write > Stamp::ZERO {
            vector.advance(self.own, last_write);
        }
        Token(vector).to_string()
    }

    fn has_reached(&self, token: &str) -> Option<bool> {
        let Token(wanted) = token.parse().ok()?;
        Some(self.status().vector.dominates(&wanted))
    }

    fn wake_on_progress(&self, client: &Arc<Client>) {
        let mut waiting = self.waiting.lock();
        if !waiting.iter().any(|known| Arc::ptr_eq(known, client)) {
            waiting.push(client.clone());
        }
    }
}
