//! Every connected client, as the other clients see it: what CLIENT LIST prints, kill requests,
//! the pause. The session itself belongs to one worker; this is its shared face.

use crate::mailbox::Mailbox;
use crate::services::Now;
use crate::stats::Counter;
use crate::table::table;
use parking_lot::Mutex;
use resp::Protocol;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence};

/// How a connection came in; fixed for its life.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// "ip:port", "[v6]:port" or "path:0" for a unix socket.
    pub address: String,
    pub local_address: String,
    pub file_descriptor: i32,
    pub unix_socket: bool,
    /// Which worker took it in; `Client::worker` has it now.
    pub worker: usize,
    /// From this machine: loopback or a unix socket (protected-mode, enable-debug-command).
    pub local: bool,
}

/// What the connection is, as CLIENT KILL TYPE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ClientKind {
    Normal,
    /// A link over which this node receives.
    Master,
    /// A link over which this node sends.
    Replica,
    PubSub,
}

impl ClientKind {
    fn from_u8(kind: u8) -> ClientKind {
        match kind {
            1 => ClientKind::Master,
            2 => ClientKind::Replica,
            3 => ClientKind::PubSub,
            _ => ClientKind::Normal,
        }
    }
}

/// What a client calls itself.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub name: String,
    pub library: String,
    pub library_version: String,
    pub user: String,
}

/// How CLIENT UNBLOCK ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    /// As if the time had run out.
    Timeout,
    /// With an error.
    Error,
}

const UNBLOCK_NONE: u8 = 0;
const UNBLOCK_TIMEOUT: u8 = 1;
const UNBLOCK_ERROR: u8 = 2;

/// The shared face of one session. Numbers are published by the session once per turn.
pub struct Client {
    pub id: u64,
    pub connection: Connection,
    pub connected_ms: u64,
    pub names: Mutex<Names>,
    worker: AtomicUsize,
    kind: AtomicU8,
    killed: AtomicBool,
    unblock: AtomicU8,
    /// Parked in a blocking command (CLIENT UNBLOCK can end it).
    pub blocked: AtomicBool,
    /// Held back by CLIENT PAUSE.
    pub postponed: AtomicBool,
    pub no_evict: AtomicBool,
    pub no_touch: AtomicBool,
    /// Sees all commands (MONITOR).
    pub monitor: AtomicBool,
    pub resp3: AtomicBool,
    pub db: AtomicU32,
    /// Commands queued by MULTI; -1 outside of it.
    pub queued: AtomicI64,
    pub queued_bytes: AtomicU64,
    pub watched: AtomicU64,
    /// Of what it watches, is subscribed to, and tracks.
    pub registered_bytes: AtomicU64,
    /// Of the arguments of a request that is not complete yet, or waits.
    pub argument_bytes: AtomicU64,
    /// EXEC will fail: a watched key changed.
    pub dirty: AtomicBool,
    pub last_interaction_ms: AtomicU64,
    /// `Entry::id` of the last command; `NO_COMMAND` before the first, and where there is no such command.
    last_command: AtomicU32,
    /// Bytes of its output that wait to be sent, or are yet to be made; published by the server.
    pub output_bytes: AtomicU64,
    pub output_capacity: AtomicU64,
    /// Bytes received that are not looked at yet.
    pub input_bytes: AtomicU64,
    /// Bytes received that are arguments of a request which is not complete.
    pub understood_bytes: AtomicU64,
    pub input_capacity: AtomicU64,
    /// These are counted by the client's own thread.
    pub net_input_bytes: Counter,
    pub net_output_bytes: Counter,
    pub commands: Counter,
    /// Its share in `Clients::memory_bytes`.
    accounted_bytes: AtomicU64,
    /// Its share in `Clients::dying_bytes`.
    dying_bytes: AtomicU64,
    /// What is pushed to it.
    pub(crate) mailbox: Mailbox,
    /// What it subscribes to: channels, patterns, shard channels.
    pub channels: AtomicU64,
    pub patterns: AtomicU64,
    pub shard_channels: AtomicU64,
    /// Id of the client that gets its invalidations, 0: itself; -1: it does not track.
    pub redirect: AtomicI64,
    /// That client is gone.
    pub redirection_broken: AtomicBool,
    /// It tracks prefixes, not what it reads.
    pub broadcast: AtomicBool,
}

const NO_COMMAND: u32 = u32::MAX;

impl Client {
    fn new(id: u64, connection: Connection, mailbox: Mailbox, now: Now) -> Client {
        Client {
            id,
            worker: AtomicUsize::new(connection.worker),
            connection,
            connected_ms: now.unix_ms(),
            names: Mutex::new(Names { user: "default".into(), ..Names::default() }),
            kind: AtomicU8::new(ClientKind::Normal as u8),
            killed: AtomicBool::new(false),
            unblock: AtomicU8::new(UNBLOCK_NONE),
            blocked: AtomicBool::new(false),
            postponed: AtomicBool::new(false),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            monitor: AtomicBool::new(false),
            resp3: AtomicBool::new(false),
            db: AtomicU32::new(0),
            queued: AtomicI64::new(-1),
            queued_bytes: AtomicU64::new(0),
            watched: AtomicU64::new(0),
            registered_bytes: AtomicU64::new(0),
            argument_bytes: AtomicU64::new(0),
            dirty: AtomicBool::new(false),
            last_interaction_ms: AtomicU64::new(now.unix_ms()),
            last_command: AtomicU32::new(NO_COMMAND),
            output_bytes: AtomicU64::new(0),
            output_capacity: AtomicU64::new(0),
            input_bytes: AtomicU64::new(0),
            understood_bytes: AtomicU64::new(0),
            input_capacity: AtomicU64::new(0),
            net_input_bytes: Counter::default(),
            net_output_bytes: Counter::default(),
            commands: Counter::default(),
            accounted_bytes: AtomicU64::new(0),
            dying_bytes: AtomicU64::new(0),
            mailbox,
            channels: AtomicU64::new(0),
            patterns: AtomicU64::new(0),
            shard_channels: AtomicU64::new(0),
            redirect: AtomicI64::new(-1),
            redirection_broken: AtomicBool::new(false),
            broadcast: AtomicBool::new(false),
        }
    }

    /// Which worker to wake for it. What it is woken for must be there before: if the client is just moving, its new worker
    /// sees that when it has arrived, whoever was woken.
    pub fn worker(&self) -> usize {
        fence(SeqCst);
        self.worker.load(Relaxed)
    }

    /// Its worker gives it to another one.
    pub fn move_to(&self, worker: usize) {
        self.worker.store(worker, Relaxed);
    }

    /// The worker that it was given to has it. To be followed by `Session::resume`.
    pub fn arrive(&self) {
        fence(SeqCst);
    }

    pub fn kind(&self) -> ClientKind {
        ClientKind::from_u8(self.kind.load(Relaxed))
    }

    pub fn set_kind(&self, kind: ClientKind) {
        self.kind.store(kind as u8, Relaxed);
    }

    pub(crate) fn set_last_command(&self, id: Option<usize>) {
        self.last_command.store(id.map_or(NO_COMMAND, |id| id as u32), Relaxed);
    }

    /// Asks the session to close; wake its worker afterwards.
    pub fn kill(&self) {
        self.killed.store(true, Relaxed);
    }

    pub fn killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    /// Asks the session to end its wait; wake its worker afterwards.
    pub fn ask_unblock(&self, how: Unblock) {
        self.unblock.store(if how == Unblock::Error { UNBLOCK_ERROR } else { UNBLOCK_TIMEOUT }, Relaxed);
    }

    pub(crate) fn take_unblock(&self) -> Option<Unblock> {
        match self.unblock.swap(UNBLOCK_NONE, Relaxed) {
            UNBLOCK_TIMEOUT => Some(Unblock::Timeout),
            UNBLOCK_ERROR => Some(Unblock::Error),
            _ => None,
        }
    }

    pub fn protocol(&self) -> Protocol {
        if self.resp3.load(Relaxed) { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// One letter per state, as CLIENT LIST prints them; "N" where there is none.
    fn flags(&self) -> String {
        let mut flags = String::new();
        match self.kind() {
            ClientKind::Replica => flags.push('S'),
            ClientKind::Master => flags.push('M'),
            ClientKind::PubSub => flags.push('P'),
            ClientKind::Normal => {}
        }
        let letters = [
            (self.monitor.load(Relaxed), 'O'),
            (self.queued.load(Relaxed) >= 0, 'x'),
            (self.blocked.load(Relaxed) || self.postponed.load(Relaxed), 'b'),
            (self.redirect.load(Relaxed) >= 0, 't'),
            (self.redirection_broken.load(Relaxed), 'R'),
            (self.broadcast.load(Relaxed), 'B'),
            (self.dirty.load(Relaxed), 'd'),
            (self.killed(), 'A'),
            (self.connection.unix_socket, 'U'),
            (self.no_evict.load(Relaxed), 'e'),
            (self.no_touch.load(Relaxed), 'T'),
        ];
        flags.extend(letters.iter().filter(|(set, _)| *set).map(|(_, letter)| letter));
        if flags.is_empty() { "N".into() } else { flags }
    }

    /// Bytes that this client costs, roughly.
    pub fn total_memory(&self) -> u64 {
        size_of::<Client>() as u64
            + self.input_capacity.load(Relaxed)
            + self.output_capacity.load(Relaxed)
            + self.mailbox.bytes()
            + self.queued_bytes.load(Relaxed)
            + self.registered_bytes.load(Relaxed)
            + self.argument_bytes.load(Relaxed)
    }

    /// May be disconnected for the memory that it takes (maxmemory-clients).
    fn is_evictable(&self) -> bool {
        matches!(self.kind(), ClientKind::Normal | ClientKind::PubSub) && !self.no_evict.load(Relaxed)
    }

    /// The line of CLIENT LIST and CLIENT INFO, without its end.
    pub fn describe(&self, now: Now) -> String {
        let names = self.names.lock().clone();
        let seconds_since = |then_ms: u64| now.unix_ms().saturating_sub(then_ms) / 1000;
        let last_command = self.last_command.load(Relaxed);
        let command = table().entries().get(last_command as usize).map_or("NULL", |entry| entry.full_name.as_str());
        let (input_bytes, understood) = (self.input_bytes.load(Relaxed), self.understood_bytes.load(Relaxed));
        // Redis has a buffer of this size for the first replies, and a list for the rest.
        const FIRST_REPLIES_BYTES: u64 = 16 * 1024;
        let output_bytes = self.output_bytes.load(Relaxed);
        let output_capacity = self.output_capacity.load(Relaxed);
        let listed_bytes = match output_bytes > FIRST_REPLIES_BYTES {
            true => output_capacity.max(output_bytes) - FIRST_REPLIES_BYTES,
            false => 0,
        };
        let mut line = String::with_capacity(400);
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} watch={} \
             qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs={} rbp={} obl={} oll={} omem={listed_bytes} tot-mem={} events={} cmd={} \
             user={} redir={} resp={} lib-name={} lib-ver={} tot-net-in={} tot-net-out={} tot-cmds={}",
            self.id,
            self.connection.address,
            self.connection.local_address,
            self.connection.file_descriptor,
            names.name,
            seconds_since(self.connected_ms),
            seconds_since(self.last_interaction_ms.load(Relaxed)),
            self.flags(),
            self.db.load(Relaxed),
            self.channels.load(Relaxed),
            self.patterns.load(Relaxed),
            self.shard_channels.load(Relaxed),
            self.queued.load(Relaxed),
            self.watched.load(Relaxed),
            input_bytes,
            self.input_capacity.load(Relaxed).saturating_sub(input_bytes + understood),
            self.argument_bytes.load(Relaxed) + understood,
            self.queued_bytes.load(Relaxed),
            output_capacity.min(FIRST_REPLIES_BYTES),
            output_capacity.min(FIRST_REPLIES_BYTES),
            output_bytes.min(FIRST_REPLIES_BYTES),
            u8::from(listed_bytes > 0),
            self.total_memory(),
            if output_bytes > 0 { "rw" } else { "r" },
            command,
            names.user,
            self.redirect.load(Relaxed),
            if self.resp3.load(Relaxed) { 3 } else { 2 },
            names.library,
            names.library_version,
            self.net_input_bytes.get(),
            self.net_output_bytes.get(),
            self.commands.get(),
        );
        line
    }
}

/// Which commands CLIENT PAUSE holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseMode {
    Write,
    All,
}

/// All clients of an engine.
#[derive(Default)]
pub struct Clients {
    next_id: AtomicU64,
    by_id: Mutex<BTreeMap<u64, Arc<Client>>>,
    /// Of all that may be evicted.
    memory_bytes: AtomicU64,
    /// Of those that were killed and that their workers have not closed yet.
    dying_bytes: AtomicU64,
    /// What is pushed to clients and not yet among their replies.
    mail_bytes: Arc<AtomicU64>,
    /// Unix milliseconds at which the pause ends; 0: none.
    pause_until_ms: AtomicU64,
    pause_all: AtomicBool,
    /// See `hold_writes`; by the monotonic clock, in microseconds.
    writes_held_until_us: AtomicU64,
}

impl Clients {
    pub fn register(&self, connection: Connection, now: Now) -> Arc<Client> {
        let id = self.next_id.fetch_add(1, Relaxed) + 1;
        let client = Arc::new(Client::new(id, connection, Mailbox::new(self.mail_bytes.clone()), now));
        self.by_id.lock().insert(id, client.clone());
        client
    }

    /// A client was killed: what it costs will be free soon.
    pub(crate) fn bury(&self, client: &Client) {
        self.remove(client);
        let bytes = client.total_memory();
        client.dying_bytes.store(bytes, Relaxed);
        self.dying_bytes.fetch_add(bytes, Relaxed);
    }

    /// Its session has ended.
    pub(crate) fn forget(&self, client: &Client) {
        self.remove(client);
        self.dying_bytes.fetch_sub(client.dying_bytes.swap(0, Relaxed), Relaxed);
    }

    fn remove(&self, client: &Client) {
        self.by_id.lock().remove(&client.id);
        self.memory_bytes.fetch_sub(client.accounted_bytes.swap(0, Relaxed), Relaxed);
    }

    pub(crate) fn dying_bytes(&self) -> u64 {
        self.dying_bytes.load(Relaxed)
    }

    /// For what counts itself in `mail_bytes`.
    pub(crate) fn mail_counter(&self) -> Arc<AtomicU64> {
        self.mail_bytes.clone()
    }

    pub(crate) fn mail_bytes(&self) -> u64 {
        self.mail_bytes.load(Relaxed)
    }

    /// Takes note of what a client costs now. To be called by its worker.
    pub fn account(&self, client: &Client) {
        let bytes = if client.is_evictable() && !client.killed() { client.total_memory() } else { 0 };
        if bytes != client.accounted_bytes.load(Relaxed) {
            // Whoever kills the client takes its share out at the same time.
            let before = client.accounted_bytes.swap(bytes, Relaxed);
            self.memory_bytes.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }

    /// What all clients that may be evicted cost.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Relaxed)
    }

    /// The one that costs most of those that may be evicted.
    pub(crate) fn most_expensive(&self) -> Option<Arc<Client>> {
        let clients = self.by_id.lock();
        let evictable = clients.values().filter(|client| client.is_evictable() && !client.killed());
        evictable.max_by_key(|client| client.accounted_bytes.load(Relaxed)).cloned()
    }

    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.by_id.lock().get(&id).cloned()
    }

    /// In the order of their ids.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.by_id.lock().values().cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.by_id.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A pause never gets shorter or weaker by a second one.
    pub fn pause(&self, mode: PauseMode, until_ms: u64, now: Now) {
        let running = self.paused(now);
        let all = mode == PauseMode::All || running.is_some_and(|(mode, _)| mode == PauseMode::All);
        self.pause_all.store(all, Relaxed);
        self.pause_until_ms.fetch_max(until_ms, Relaxed);
    }

    /// Ends the pause; wake the postponed clients afterwards.
    pub fn unpause(&self) {
        self.pause_until_ms.store(0, Relaxed);
        self.pause_all.store(false, Relaxed);
        // Whoever does not see that yet is seen to wait.
        fence(SeqCst);
    }

    /// Writes wait besides, until then at most by the monotonic clock, whatever pauses begin and end meanwhile.
    pub fn hold_writes(&self, until_us: u64) {
        self.writes_held_until_us.store(until_us, Relaxed);
    }

    /// They go on; wake the postponed clients afterwards.
    pub fn release_writes(&self) {
        self.writes_held_until_us.store(0, Relaxed);
        fence(SeqCst);
    }

    /// What is held back now, and until when (Unix milliseconds).
    #[inline]
    pub fn paused(&self, now: Now) -> Option<(PauseMode, u64)> {
        let until_ms = self.pause_until_ms.load(Relaxed);
        let held_us = self.writes_held_until_us.load(Relaxed).saturating_sub(now.monotonic_us);
        let is_paused = until_ms > now.unix_ms();
        if !is_paused && held_us == 0 {
            return None;
        }
        if is_paused && self.pause_all.load(Relaxed) {
            return Some((PauseMode::All, until_ms));
        }
        let held_until_ms = now.unix_ms() + held_us.div_ceil(1000);
        Some((PauseMode::Write, if is_paused { until_ms.max(held_until_ms) } else { held_until_ms }))
    }
}
