//! Directives: their values as the engine reads them.

/// A snapshot of all directives; replaced whole by CONFIG SET.
#[derive(Clone, Debug)]
pub struct Config {
    /// Empty: no password needed.
    pub requirepass: String,
    /// Bytes; 0: no limit.
    pub maxmemory: u64,
    pub maxmemory_policy: String,
    pub maxclients: u64,
    pub port: u16,
    pub databases: u32,
    pub proto_max_bulk_len: u64,
    pub replica_read_only: bool,
    pub replica_serve_stale_data: bool,
    /// Microseconds; negative: off.
    pub slowlog_log_slower_than: i64,
    pub slowlog_max_len: usize,
    pub hz: u32,
    /// "no", "local" or "yes".
    pub enable_debug_command: String,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            requirepass: String::new(),
            maxmemory: 0,
            maxmemory_policy: "noeviction".into(),
            maxclients: 10000,
            port: 6379,
            databases: 16,
            proto_max_bulk_len: 512 << 20,
            replica_read_only: true,
            replica_serve_stale_data: true,
            slowlog_log_slower_than: 10_000,
            slowlog_max_len: 128,
            hz: 10,
            enable_debug_command: "yes".into(),
        }
    }
}
