//! The configuration: one table of directives (`directives/`), a snapshot of their values (`Config`), and where these
//! come from and go to (`file`, `command_line`, `rewrite`). CONFIG itself is in `commands/config.rs`.
//!
//! Nothing here reads or writes files: whoever does passes texts.

mod command_line;
mod current;
mod directive;
mod directives;
mod file;
mod rewrite;
mod special;
#[cfg(test)]
mod tests;
mod title;

pub use command_line::CommandLine;
pub use current::CurrentConfig;
pub use directive::{Directive, DirectiveFlags, Kind};
pub(crate) use directives::names as directive_names;
pub use directives::{all as directives, find as find_directive};
pub use file::{ConfigError, ConfigSource, Loaded, load};
pub use rewrite::{Appended, rewrite};

use crate::clients::ClientKind;
use crate::services::LogLevel;
use keyspace::EventClass;
use keyspace::Tracking;
use std::fmt;
use std::sync::LazyLock;
use stdx::FloatFormat;
use values::EncodingLimits;

/// A snapshot of all directives, replaced whole by CONFIG SET. Fields are named like their directives; those that only
/// have a text are reached with `get`.
#[derive(Clone, Debug)]
pub struct Config {
    // Network
    /// Addresses to listen on; one with a leading `-` may be missing.
    pub bind: Vec<String>,
    /// Where links to other nodes leave from; empty: the system chooses.
    pub bind_source_addr: String,
    /// 0: no TCP port.
    pub port: u16,
    pub tcp_backlog: u32,
    /// Path; empty: none.
    pub unixsocket: String,
    /// 0: as the umask has it.
    pub unixsocketperm: u32,
    /// Seconds; 0: never.
    pub timeout: u64,
    /// Seconds; 0: off.
    pub tcp_keepalive: u32,
    pub protected_mode: bool,
    pub float_format: FloatFormat,
    pub maxclients: u64,

    // The process
    pub daemonize: bool,
    pub supervised: &'static str,
    pub pidfile: String,
    pub dir: String,
    pub loglevel: LogLevel,
    /// Path; empty: standard output.
    pub logfile: String,
    pub server_threads: u32,
    pub databases: u32,
    /// Runs of the periodic work per second.
    pub hz: u32,
    pub set_proc_title: bool,
    pub proc_title_template: String,
    /// Seconds that a shutdown waits for nodes that lack something.
    pub shutdown_timeout: u64,
    pub oom_score_adj_values: [i64; 3],

    // Access
    /// Empty: no password needed.
    pub requirepass: String,
    /// What links to masters authenticate with; empty: not at all.
    pub masterauth: String,
    /// Empty: the default user.
    pub masteruser: String,
    /// "no", "yes" or "local".
    pub enable_debug_command: &'static str,
    pub enable_module_command: &'static str,
    pub enable_protected_configs: &'static str,
    pub users: Vec<Vec<String>>,
    pub rename_command: Vec<Vec<String>>,
    pub loadmodule: Vec<Vec<String>>,

    // Replication
    pub multi_master: bool,
    pub active_replica: bool,
    pub replicaof: Vec<Master>,
    pub replica_read_only: bool,
    pub replica_serve_stale_data: bool,
    /// Writes are refused while fewer replicas are connected.
    pub min_replicas_to_write: usize,
    pub replica_priority: u32,
    pub replica_announced: bool,
    pub replica_announce_port: u16,
    /// How many masters must be reachable for the global link to count as up; negative: all.
    pub replica_quorum: i64,
    /// Seconds.
    pub repl_timeout: u64,
    /// Bytes of effects kept for peers that are away.
    pub repl_backlog_size: u64,
    /// How far ahead a peer's clock may be, in milliseconds.
    pub mesh_clock_skew_max_ms: u64,
    /// Bytes of effects kept for peers that are away, where `repl_backlog_size` is less.
    pub mesh_log_size: u64,
    pub mesh_away_size: u64,
    pub mesh_compare_interval: u64,

    // Memory and limits
    /// Bytes; 0: no limit.
    pub maxmemory: u64,
    pub maxmemory_policy: &'static str,
    pub maxmemory_samples: usize,
    pub maxmemory_eviction_tenacity: u32,
    pub replica_ignore_maxmemory: bool,
    /// Whether what lies in full pages of 4 KB moves to pages of 2 MB.
    pub huge_pages: bool,
    pub maxmemory_clients: MemoryShare,
    pub lfu_log_factor: u32,
    /// Minutes.
    pub lfu_decay_time: u32,
    pub client_output_buffer_limit: BufferLimits,
    /// Bytes.
    pub client_query_buffer_limit: u64,
    /// Bytes.
    pub proto_max_bulk_len: u64,

    // Encodings
    pub hash_max_listpack_entries: usize,
    pub hash_max_listpack_value: usize,
    pub set_max_intset_entries: usize,
    pub set_max_listpack_entries: usize,
    pub set_max_listpack_value: usize,
    pub hll_sparse_max_bytes: usize,
    pub stream_node_max_bytes: usize,
    pub stream_node_max_entries: usize,
    pub zset_max_listpack_entries: usize,
    pub zset_max_listpack_value: usize,
    pub list_max_listpack_size: i32,

    // Observation
    /// Microseconds; negative: off.
    pub slowlog_log_slower_than: i64,
    pub slowlog_max_len: usize,
    /// Milliseconds; 0: off.
    pub latency_monitor_threshold: u64,
    pub latency_tracking: bool,
    pub latency_tracking_info_percentiles: Vec<f64>,
    pub notify_keyspace_events: EventClass,
    /// Keys of which is known who may hold them; 0: no limit.
    pub tracking_table_max_keys: usize,

    // Persistence
    pub save: Vec<SavePoint>,

    /// Of every directive that is not special, in the order of `directives()`, as CONFIG GET prints it.
    values: Vec<String>,
}

/// A master to follow (`replicaof`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Address or name.
    pub host: String,
    pub port: u16,
}

/// An amount of memory, or a part of maxmemory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryShare {
    Bytes(u64),
    Percent(u64),
}

impl MemoryShare {
    /// In bytes.
    pub fn of(self, maxmemory: u64) -> u64 {
        match self {
            MemoryShare::Bytes(bytes) => bytes,
            MemoryShare::Percent(percent) => (u128::from(maxmemory) * u128::from(percent) / 100) as u64,
        }
    }
}

impl fmt::Display for MemoryShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryShare::Bytes(bytes) => write!(f, "{bytes}"),
            MemoryShare::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Save after so many seconds if there were so many changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

/// When a client that does not read its replies is disconnected. Bytes; 0: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferLimit {
    pub hard: u64,
    /// For longer than `soft_seconds`.
    pub soft: u64,
    pub soft_seconds: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferLimits {
    pub normal: BufferLimit,
    pub replica: BufferLimit,
    pub pubsub: BufferLimit,
}

/// Why CONFIG SET changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    Unknown(String),
    /// The argument, and what is wrong with it.
    Refused {
        name: String,
        reason: String,
    },
}

/// The defaults that the table declares.
static DEFAULTS: LazyLock<Config> = LazyLock::new(|| {
    let mut config = Config::unset();
    for directive in directives() {
        let assigned = config.assign(directive, &split_default(directive), true);
        debug_assert_eq!(assigned, Ok(()), "default of {}", directive.name);
    }
    config
});

impl Default for Config {
    fn default() -> Config {
        DEFAULTS.clone()
    }
}

/// The words of a default.
fn split_default(directive: &Directive) -> Vec<String> {
    match directive.kind {
        Kind::Special(_) => directive.default.split(' ').map(str::to_string).collect(),
        _ => vec![directive.default.to_string()],
    }
}

impl Config {
    /// The value of any directive, by any of its names, as CONFIG GET prints it.
    pub fn get(&self, name: &str) -> Option<String> {
        find_directive(name).map(|(index, directive)| self.value(index, directive))
    }

    pub(crate) fn value(&self, index: usize, directive: &Directive) -> String {
        match &directive.kind {
            Kind::Special(special) => self.special_value(special),
            _ => self.values[index].clone(),
        }
    }

    /// A copy with several directives changed, or none: the checks of CONFIG SET; and sentences for the log. `protected`:
    /// whether protected directives may be changed.
    pub fn with(&self, pairs: &[(String, String)], protected: bool) -> Result<(Config, Vec<String>), SetError> {
        let mut found: Vec<(&'static Directive, String)> = Vec::new();
        let mut refused = None;
        for (name, value) in pairs {
            let Some((_, directive)) = find_directive(name) else { return Err(SetError::Unknown(name.clone())) };
            let reason = if directive.flags.contains(DirectiveFlags::IMMUTABLE) {
                Some("can't set immutable config")
            } else if directive.flags.contains(DirectiveFlags::PROTECTED) && !protected {
                Some("can't set protected config")
            } else if found.iter().any(|(known, _)| known.name == directive.name) {
                Some("duplicate parameter")
            } else if directive.flags.contains(DirectiveFlags::UNAVAILABLE) && value.eq_ignore_ascii_case("yes") {
                directive.without_effect
            } else {
                None
            };
            let name = name.to_ascii_lowercase();
            if let (Some(reason), None) = (reason, &refused) {
                refused = Some(SetError::Refused { name: name.clone(), reason: reason.to_string() });
            }
            found.push((directive, name));
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        let mut config = self.clone();
        for ((directive, name), (_, value)) in found.into_iter().zip(pairs) {
            config
                .assign(directive, std::slice::from_ref(value), true)
                .map_err(|reason| SetError::Refused { name, reason })?;
        }
        let mut notices = config.settle();
        let changed = pairs.iter().filter_map(|(name, _)| find_directive(name));
        notices.extend(changed.filter_map(|(index, directive)| config.without_effect(index, directive)));
        Ok((config, notices))
    }

    /// Of a directive that asks for something, other than the default, and does not get it: a sentence that says so.
    fn without_effect(&self, index: usize, directive: &Directive) -> Option<String> {
        let why = directive.without_effect?;
        let value = self.value(index, directive);
        let asks = !value.is_empty() && value != DEFAULTS.value(index, directive);
        asks.then(|| format!("{} has no effect here: {why}", directive.name))
    }

    /// Draws the conclusions that hang on several directives, whatever order they came in; says which.
    fn settle(&mut self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.multi_master && !self.active_replica {
            self.imply("active-replica", "yes");
            notices.push("multi-master yes implies active-replica yes: writes are taken here".to_string());
        }
        if self.active_replica && self.replica_read_only {
            self.imply("replica-read-only", "no");
        }
        if !self.multi_master && self.replicaof.len() > 1 {
            let dropped = self.replicaof.len() - 1;
            self.replicaof.drain(..dropped);
            let Master { host, port } = &self.replicaof[0];
            notices.push(format!(
                "without multi-master there is one master only: the last replicaof counts, {host} {port}"
            ));
        }
        notices
    }

    /// Changes one directive, whether or not CONFIG SET may: for whoever builds a configuration.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SetError> {
        let (_, directive) = find_directive(name).ok_or_else(|| SetError::Unknown(name.to_string()))?;
        self.assign(directive, &[value.to_string()], true)
            .map_err(|reason| SetError::Refused { name: name.to_string(), reason })
    }

    fn imply(&mut self, name: &str, value: &str) {
        let set = self.set(name, value);
        debug_assert_eq!(set, Ok(()));
    }

    /// What is noted of accesses, for eviction.
    pub fn tracking(&self) -> Tracking {
        if self.maxmemory_policy.ends_with("-lfu") {
            Tracking::Frequency { log_factor: self.lfu_log_factor, decay_minutes: self.lfu_decay_time }
        } else {
            Tracking::Recency
        }
    }

    /// How many bytes of replies a client of this kind may leave unread.
    pub fn output_limit(&self, kind: ClientKind) -> BufferLimit {
        let limits = &self.client_output_buffer_limit;
        match kind {
            ClientKind::Normal => limits.normal,
            ClientKind::Master | ClientKind::Replica => limits.replica,
            ClientKind::PubSub => limits.pubsub,
        }
    }

    /// When collections give up their compact encodings.
    pub fn encoding_limits(&self) -> EncodingLimits {
        EncodingLimits {
            hash_max_listpack_entries: self.hash_max_listpack_entries,
            hash_max_listpack_value: self.hash_max_listpack_value,
            set_max_intset_entries: self.set_max_intset_entries,
            set_max_listpack_entries: self.set_max_listpack_entries,
            set_max_listpack_value: self.set_max_listpack_value,
            stream_node_max_bytes: self.stream_node_max_bytes,
            stream_node_max_entries: self.stream_node_max_entries,
            zset_max_listpack_entries: self.zset_max_listpack_entries,
            zset_max_listpack_value: self.zset_max_listpack_value,
            list_max_listpack_size: self.list_max_listpack_size,
            list_packed_threshold: 0,
        }
    }

    /// Stores the words of one line.
    fn assign(&mut self, directive: &Directive, words: &[String], first: bool) -> Result<(), String> {
        if let Some(value) = directive.assign(self, words, first)? {
            let index = directives::index_of(directive);
            self.values[index] = value;
        }
        Ok(())
    }

    /// Before the defaults are read.
    fn unset() -> Config {
        Config {
            bind: Vec::new(),
            bind_source_addr: String::new(),
            port: 0,
            tcp_backlog: 0,
            unixsocket: String::new(),
            unixsocketperm: 0,
            timeout: 0,
            tcp_keepalive: 0,
            protected_mode: false,
            float_format: FloatFormat::default(),
            maxclients: 0,
            daemonize: false,
            supervised: "",
            pidfile: String::new(),
            dir: String::new(),
            loglevel: LogLevel::Notice,
            logfile: String::new(),
            server_threads: 0,
            databases: 0,
            hz: 0,
            set_proc_title: false,
            proc_title_template: String::new(),
            shutdown_timeout: 0,
            oom_score_adj_values: [0; 3],
            requirepass: String::new(),
            masterauth: String::new(),
            masteruser: String::new(),
            enable_debug_command: "",
            enable_module_command: "",
            enable_protected_configs: "",
            users: Vec::new(),
            rename_command: Vec::new(),
            loadmodule: Vec::new(),
            multi_master: false,
            active_replica: false,
            replicaof: Vec::new(),
            replica_read_only: false,
            replica_serve_stale_data: false,
            min_replicas_to_write: 0,
            replica_priority: 0,
            replica_announced: false,
            replica_announce_port: 0,
            replica_quorum: 0,
            repl_timeout: 0,
            repl_backlog_size: 0,
            mesh_clock_skew_max_ms: 0,
            mesh_log_size: 0,
            mesh_away_size: 0,
            mesh_compare_interval: 0,
            maxmemory: 0,
            maxmemory_policy: "",
            maxmemory_samples: 0,
            maxmemory_eviction_tenacity: 0,
            replica_ignore_maxmemory: false,
            huge_pages: false,
            maxmemory_clients: MemoryShare::Bytes(0),
            lfu_log_factor: 0,
            lfu_decay_time: 0,
            client_output_buffer_limit: BufferLimits::default(),
            client_query_buffer_limit: 0,
            proto_max_bulk_len: 0,
            hash_max_listpack_entries: 0,
            hash_max_listpack_value: 0,
            set_max_intset_entries: 0,
            set_max_listpack_entries: 0,
            set_max_listpack_value: 0,
            hll_sparse_max_bytes: 0,
            stream_node_max_bytes: 0,
            stream_node_max_entries: 0,
            zset_max_listpack_entries: 0,
            zset_max_listpack_value: 0,
            list_max_listpack_size: 0,
            slowlog_log_slower_than: 0,
            slowlog_max_len: 0,
            latency_monitor_threshold: 0,
            latency_tracking: false,
            latency_tracking_info_percentiles: Vec::new(),
            notify_keyspace_events: EventClass::empty(),
            tracking_table_max_keys: 0,
            save: Vec::new(),
            values: vec![String::new(); directives().len()],
        }
    }
}
