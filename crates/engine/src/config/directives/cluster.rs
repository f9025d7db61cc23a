use crate::config::directive::*;

const WHY: &str = "there is no cluster mode; masters are connected with replicaof";

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::bool("cluster-enabled", false, no_bool, "Run as a node of a Redis cluster.")
        .immutable()
        .without_effect(WHY),
    Directive::text("cluster-config-file", "nodes.conf", no_text, "File of the cluster's state.")
        .immutable()
        .without_effect(WHY),
    Directive::integer(
        "cluster-node-timeout",
        (0, i64::MAX),
        "15000",
        no_number,
        "Milliseconds after which a node counts as failed.",
    )
    .without_effect(WHY),
    Directive::integer("cluster-ping-interval", (0, i64::MAX), "0", no_number, "Milliseconds between signs of life.")
        .hidden()
        .without_effect(WHY),
    Directive::integer("cluster-port", (0, 65535), "0", no_number, "Port of the cluster's bus.")
        .immutable()
        .without_effect(WHY),
    Directive::text("cluster-announce-ip", "", no_text, "Address that the cluster announces.").without_effect(WHY),
    Directive::text("cluster-announce-client-ipv4", "", no_text, "Address for clients in Valkey's cluster.")
        .without_effect(WHY),
    Directive::text("cluster-announce-client-ipv6", "", no_text, "Address for clients in Valkey's cluster.")
        .without_effect(WHY),
    Directive::integer("cluster-announce-port", (0, 65535), "0", no_number, "Port that the cluster announces.")
        .without_effect(WHY),
    Directive::integer("cluster-announce-tls-port", (0, 65535), "0", no_number, "TLS port that the cluster announces.")
        .without_effect(WHY),
    Directive::integer(
        "cluster-announce-bus-port",
        (0, 65535),
        "0",
        no_number,
        "Port of the bus that the cluster announces.",
    )
    .without_effect(WHY),
    Directive::text("cluster-announce-hostname", "", no_text, "Host name that the cluster announces.")
        .without_effect(WHY),
    Directive::text("cluster-announce-human-nodename", "", no_text, "Name of the node for people.").without_effect(WHY),
    Directive::choice(
        "cluster-preferred-endpoint-type",
        &["ip", "hostname", "unknown-endpoint"],
        "ip",
        no_choice,
        "What clients of a cluster are sent to.",
    )
    .without_effect(WHY),
    Directive::integer(
        "cluster-replica-validity-factor",
        (0, i32::MAX as i64),
        "10",
        no_number,
        "How stale a replica may be for a failover.",
    )
    .alias(&["cluster-slave-validity-factor"])
    .without_effect(WHY),
    Directive::bool("cluster-replica-no-failover", false, no_bool, "Never promote this replica.")
        .alias(&["cluster-slave-no-failover"])
        .without_effect(WHY),
    Directive::integer(
        "cluster-migration-barrier",
        (0, i32::MAX as i64),
        "1",
        no_number,
        "Replicas that a master keeps.",
    )
    .without_effect(WHY),
    Directive::bool("cluster-allow-replica-migration", true, no_bool, "Let replicas move to other masters.")
        .without_effect(WHY),
    Directive::bool("cluster-require-full-coverage", true, no_bool, "Refuse requests while slots are missing.")
        .without_effect(WHY),
    Directive::bool("cluster-allow-reads-when-down", false, no_bool, "Answer reads while the cluster is down.")
        .without_effect(WHY),
    Directive::bool(
        "cluster-allow-pubsubshard-when-down",
        true,
        no_bool,
        "Deliver messages while the cluster is down.",
    )
    .without_effect(WHY),
    Directive::memory("cluster-link-sendbuf-limit", 0, "0", no_memory, "Bytes that may wait on a link of the bus.")
        .without_effect(WHY),
    Directive::integer(
        "cluster-blacklist-ttl",
        (0, i64::MAX),
        "60",
        no_number,
        "Seconds for which a forgotten node stays away.",
    )
    .without_effect(WHY),
    Directive::bool("cluster-slot-stats-enabled", false, no_bool, "Count per slot in Valkey.").without_effect(WHY),
    Directive::memory(
        "slot-migration-max-failover-repl-bytes",
        0,
        "0",
        no_memory,
        "Bytes left at which Valkey hands a slot over.",
    )
    .without_effect(WHY),
];
