use crate::config::directive::*;
use crate::config::special;

const NO_FULL_COPY: &str = "nodes exchange what the other lacks, not snapshot files";

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::bool(
        "multi-master",
        false,
        |config, on| config.multi_master = on,
        "Follow several masters at once and merge with them; implies active-replica.",
    ),
    Directive::bool(
        "active-replica",
        false,
        |config, on| config.active_replica = on,
        "Take writes while following a master, and merge with it.",
    )
    .immutable(),
    Directive::other(
        "replicaof",
        Kind::Special(special::REPLICAOF),
        "",
        "A master to follow: host and port; with multi-master one line for each.",
    )
    .alias(&["slaveof"])
    .immutable(),
    Directive::bool("multi-master-no-forward", false, no_bool, "Do not hand on what came from another master.")
        .without_effect("every effect crosses each node once anyway"),
    Directive::integer(
        "replica-quorum",
        (-1, i32::MAX as i64),
        "-1",
        |config, count| config.replica_quorum = count,
        "Masters that must be reachable for master_global_link_status to be up, -1 for all.",
    ),
    Directive::text(
        "masterauth",
        "",
        |config, password| config.masterauth = password.into(),
        "Password for the masters.",
    )
    .alias(&["primaryauth"])
    .sensitive(),
    Directive::text("masteruser", "", |config, user| config.masteruser = user.into(), "User name for the masters.")
        .alias(&["primaryuser"])
        .sensitive(),
    Directive::bool(
        "replica-serve-stale-data",
        true,
        |config, on| config.replica_serve_stale_data = on,
        "Answer reads while the link to the master is down.",
    )
    .alias(&["slave-serve-stale-data"]),
    Directive::bool(
        "replica-read-only",
        true,
        |config, on| config.replica_read_only = on,
        "Refuse writes on a replica that is not active.",
    )
    .alias(&["slave-read-only"]),
    Directive::integer(
        "replica-priority",
        (0, i32::MAX as i64),
        "100",
        |config, priority| config.replica_priority = priority as u32,
        "Rank for a promotion, 0 for never.",
    )
    .alias(&["slave-priority"]),
    Directive::bool(
        "replica-announced",
        true,
        |config, on| config.replica_announced = on,
        "Show this replica to those who look for replicas.",
    ),
    Directive::text("replica-announce-ip", "", no_text, "Address that a replica reports.")
        .alias(&["slave-announce-ip"])
        .without_effect("other nodes see the address that a link comes from"),
    Directive::integer(
        "replica-announce-port",
        (0, 65535),
        "0",
        |config, port| config.replica_announce_port = port as u16,
        "Port that a replica reports.",
    )
    .alias(&["slave-announce-port"]),
    Directive::integer(
        "repl-timeout",
        (1, i32::MAX as i64),
        "60",
        |config, seconds| config.repl_timeout = seconds as u64,
        "Seconds of silence after which a link is given up.",
    ),
    Directive::integer(
        "repl-ping-replica-period",
        (1, i32::MAX as i64),
        "10",
        no_number,
        "Seconds between signs of life on a link.",
    )
    .alias(&["repl-ping-slave-period"])
    .without_effect("links choose how often they show that they live"),
    Directive::memory(
        "repl-backlog-size",
        1,
        "1mb",
        |config, bytes| config.repl_backlog_size = bytes,
        "Bytes of effects that are kept for nodes that are away.",
    ),
    Directive::integer(
        "repl-backlog-ttl",
        (0, i64::MAX),
        "3600",
        no_number,
        "Seconds after which the backlog is dropped without replicas.",
    )
    .without_effect("the backlog is kept, so that any node may come back"),
    Directive::text("repl-backlog-disk-reserve", "0", no_text, "Disk for KeyDB's backlog.")
        .without_effect("the backlog lives in memory"),
    Directive::bool("repl-disable-tcp-nodelay", false, no_bool, "Collect small packets on links.")
        .without_effect("links collect small records themselves"),
    Directive::bool("repl-diskless-sync", true, no_bool, "Send snapshots without a file.").without_effect(NO_FULL_COPY),
    Directive::integer(
        "repl-diskless-sync-delay",
        (0, i32::MAX as i64),
        "5",
        no_number,
        "Seconds to wait for more replicas.",
    )
    .without_effect(NO_FULL_COPY),
    Directive::integer(
        "repl-diskless-sync-max-replicas",
        (0, i32::MAX as i64),
        "0",
        no_number,
        "Replicas for which not to wait longer.",
    )
    .without_effect(NO_FULL_COPY),
    Directive::choice(
        "repl-diskless-load",
        &["disabled", "on-empty-db", "swapdb", "flush-before-load"],
        "disabled",
        no_choice,
        "How a snapshot is loaded from the network.",
    )
    .without_effect(NO_FULL_COPY),
    Directive::bool(
        "dual-channel-replication-enabled",
        false,
        no_bool,
        "Send snapshot and backlog at once, in Valkey.",
    )
    .without_effect(NO_FULL_COPY),
    Directive::bool("enable-keydb-fastsync", false, no_bool, "KeyDB's faster form of a full copy.")
        .without_effect(NO_FULL_COPY),
    Directive::bool("replica-lazy-flush", false, no_bool, "Free the old data set in the background.")
        .alias(&["slave-lazy-flush"])
        .without_effect("it is always freed in the background"),
    Directive::bool(
        "replica-ignore-disk-write-errors",
        false,
        no_bool,
        "Go on where a replica cannot write its files.",
    )
    .without_effect("persistence comes with a later version"),
    Directive::choice(
        "propagation-error-behavior",
        &["ignore", "panic", "panic-on-replicas"],
        "ignore",
        no_choice,
        "What to do with a replicated command that fails.",
    )
    .without_effect("effects cannot fail; a link that brings nonsense is stopped"),
    Directive::integer(
        "min-replicas-to-write",
        (0, i32::MAX as i64),
        "0",
        |config, count| config.min_replicas_to_write = count as usize,
        "Connected replicas without which writes are refused.",
    )
    .alias(&["min-slaves-to-write"]),
    Directive::integer(
        "min-replicas-max-lag",
        (0, i32::MAX as i64),
        "10",
        no_number,
        "Seconds of silence after which a replica does not count.",
    )
    .alias(&["min-slaves-max-lag"])
    .without_effect("a replica counts while its link is up"),
    Directive::integer(
        "mesh-clock-skew-max",
        (1, i64::MAX),
        "60000",
        |config, ms| config.mesh_clock_skew_max_ms = ms as u64,
        "Milliseconds that another node's clock may be ahead before it is stalled.",
    ),
    Directive::integer(
        "mesh-compare-interval",
        (0, 1 << 32),
        "60",
        |config, seconds| config.mesh_compare_interval = seconds as u64,
        "Seconds after which a node compares what has changed with what its masters have; 0: never.",
    ),
    Directive::memory(
        "mesh-log-size",
        1,
        "64mb",
        |config, bytes| config.mesh_log_size = bytes,
        "Bytes of effects that are kept for nodes that are away, if more than repl-backlog-size.",
    ),
    Directive::memory(
        "mesh-away-size",
        0,
        "256mb",
        |config, bytes| config.mesh_away_size = bytes,
        "Bytes that may be remembered for nodes that are away beyond the log: until then they are merged exactly.",
    ),
];
