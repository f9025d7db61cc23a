//! The directives that the process around the engine reads.

use engine::clients::ClientKind;

/// More output than this, for a class of clients, closes the connection (client-output-buffer-limit).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which it is closed at once; 0: no limit.
    pub hard: u64,
    /// Bytes at which it is closed after `soft_seconds`; 0: no limit.
    pub soft: u64,
    pub soft_seconds: u64,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub bind: Vec<String>,
    pub port: u16,
    pub unixsocket: String,
    pub unixsocketperm: u32,
    pub tcp_backlog: i32,
    pub timeout_s: u64,
    pub tcp_keepalive_s: u64,
    pub protected_mode: bool,
    pub server_threads: usize,
    pub maxclients: u64,
    pub client_query_buffer_limit: u64,
    pub output_limit_normal: OutputLimit,
    pub output_limit_replica: OutputLimit,
    pub output_limit_pubsub: OutputLimit,
}

impl Settings {
    pub fn output_limit(&self, kind: ClientKind) -> OutputLimit {
        match kind {
            ClientKind::Normal => self.output_limit_normal,
            ClientKind::Master | ClientKind::Replica => self.output_limit_replica,
            ClientKind::PubSub => self.output_limit_pubsub,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            bind: vec!["*".into(), "-::*".into()],
            port: 6379,
            unixsocket: String::new(),
            unixsocketperm: 0,
            tcp_backlog: 511,
            timeout_s: 0,
            tcp_keepalive_s: 300,
            protected_mode: true,
            server_threads: 1,
            maxclients: 10000,
            client_query_buffer_limit: 1 << 30,
            output_limit_normal: OutputLimit::default(),
            output_limit_replica: OutputLimit { hard: 256 << 20, soft: 64 << 20, soft_seconds: 60 },
            output_limit_pubsub: OutputLimit { hard: 32 << 20, soft: 8 << 20, soft_seconds: 60 },
        }
    }
}
