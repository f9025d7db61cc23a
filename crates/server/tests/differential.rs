//! Random streams against the built server and a real Redis side by side.
//! DIFFERENTIAL_SEED and DIFFERENTIAL_SECONDS choose other streams and longer runs (`cargo xtask soak`).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use testkit::differential::{self, Settings};
use testkit::{ServerProcess, redis_server, script};

const SECONDS: u64 = 45;
/// Fewer than this mean that something is badly slow.
const LEAST_OPERATIONS: usize = 20_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn agrees_with_redis() {
    let Some(redis) = redis_server() else { return };
    let redis = ServerProcess::start(&redis, script::SERVER_ARGUMENTS).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_fluidB-server"));
    let ours = ServerProcess::start(program, script::SERVER_ARGUMENTS).unwrap();
    let seconds = setting("DIFFERENTIAL_SECONDS");
    let settings = Settings {
        seed: setting("DIFFERENTIAL_SEED").unwrap_or(1),
        operations: if seconds.is_some() { usize::MAX } else { 4 * LEAST_OPERATIONS },
        duration: Duration::from_secs(seconds.unwrap_or(SECONDS)),
    };
    match differential::run(&redis, &ours, settings).unwrap() {
        Ok(tally) => {
            eprintln!("{} operations in {} streams, no difference", tally.operations, tally.streams);
            assert!(seconds.is_some() || tally.operations >= LEAST_OPERATIONS);
        }
        Err(difference) => panic!("{difference}"),
    }
}

/// Commands that random streams leave out, and why. Scripts have all of them.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "Redis 7.0, which is what is installed, does not have them",
        &[
            "client|no-touch",
            "client|setinfo",
            "expdel",
            "expiremember",
            "expirememberat",
            "hexpire",
            "hexpireat",
            "hexpiretime",
            "hgetdel",
            "hgetex",
            "hpersist",
            "hpexpire",
            "hpexpireat",
            "hpexpiretime",
            "hpttl",
            "hsetex",
            "httl",
            "keydb.hrename",
            "keydb.mexists",
            "keydb.nhget",
            "keydb.nhset",
            "lfence",
            "mesh|conflicts",
            "mesh|digest",
            "mesh|forget",
            "mesh|help",
            "mesh|lag",
            "mesh|link",
            "mesh|links",
            "mesh|nodes",
            "mesh|token",
            "mesh|wait",
            "object|lastmodified",
            "pexpirememberat",
            "replping",
        ],
    ),
    (
        "times, sizes, numbers and statistics of each server's own",
        &[
            "client|id",
            "client|info",
            "client|list",
            "info",
            "lastsave",
            "latency|doctor",
            "latency|graph",
            "latency|histogram",
            "latency|history",
            "latency|latest",
            "latency|reset",
            "memory|doctor",
            "memory|malloc-stats",
            "memory|purge",
            "memory|stats",
            "memory|usage",
            "object|idletime",
            "object|refcount",
            "role",
            "slowlog|get",
            "slowlog|len",
            "slowlog|reset",
            "time",
            "xinfo|consumers",
            "xinfo|stream",
        ],
    ),
    (
        "words and facts of each server's own, which other tests compare",
        &[
            "client|help",
            "command|count",
            "command|docs",
            "command|help",
            "command|info",
            "command|list",
            "config|help",
            "latency|help",
            "lolwut",
            "memory|help",
            "module|help",
            "object|help",
            "pubsub|help",
            "slowlog|help",
            "xgroup|help",
            "xinfo|help",
        ],
    ),
    (
        "they end the conversation, or change its form",
        &[
            "client|caching",
            "client|getredir",
            "client|reply",
            "client|tracking",
            "client|trackinginfo",
            "hello",
            "monitor",
            "psync",
            "quit",
            "replconf",
            "reset",
            "sync",
        ],
    ),
    (
        "they act on the server, or on other clients",
        &[
            "client|kill",
            "client|pause",
            "client|unblock",
            "client|unpause",
            "config|get",
            "config|resetstat",
            "config|rewrite",
            "config|set",
            "debug",
            "module|load",
            "module|loadex",
            "module|unload",
            "replicaof",
            "shutdown",
            "slaveof",
        ],
    ),
    ("it is read with the state at the end of each stream", &["xinfo|groups"]),
    ("since 7.2 XREADGROUP and XCLAIM make consumers that get nothing", &["xgroup|createconsumer"]),
    ("it takes seconds", &["pfselftest"]),
    (
        "errors all, without cluster mode",
        &[
            "cluster|addslots",
            "cluster|addslotsrange",
            "cluster|bumpepoch",
            "cluster|count-failure-reports",
            "cluster|countkeysinslot",
            "cluster|delslots",
            "cluster|delslotsrange",
            "cluster|failover",
            "cluster|flushslots",
            "cluster|forget",
            "cluster|getkeysinslot",
            "cluster|help",
            "cluster|info",
            "cluster|keyslot",
            "cluster|links",
            "cluster|meet",
            "cluster|myid",
            "cluster|myshardid",
            "cluster|nodes",
            "cluster|replicas",
            "cluster|replicate",
            "cluster|reset",
            "cluster|saveconfig",
            "cluster|set-config-epoch",
            "cluster|setslot",
            "cluster|shards",
            "cluster|slaves",
            "cluster|slots",
        ],
    ),
];

#[test]
fn every_command_is_in_the_streams_or_left_out_for_a_reason() {
    let generated: BTreeSet<String> = differential::commands().collect();
    let left_out: BTreeSet<&str> = LEFT_OUT.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let names = engine::table::table().entries().iter().filter(|entry| entry.command.subcommands.is_empty());
    let names: BTreeSet<&str> = names.map(|entry| entry.full_name.as_str()).collect();
    let missing: Vec<_> =
        names.iter().filter(|name| !generated.contains(**name) && !left_out.contains(**name)).collect();
    assert!(missing.is_empty(), "neither generated nor left out: {missing:?}");
    let needless: Vec<_> =
        left_out.iter().filter(|name| generated.contains(**name) || !names.contains(**name)).collect();
    assert!(needless.is_empty(), "left out, but generated or no commands: {needless:?}");
}
