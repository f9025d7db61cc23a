//! INFO replication as KeyDB prints it, with the lag of each link, and what MESH reports.

use crate::store::LateRecords;
use effect::{Origin, Stamp};
use engine::Role;
use engine::replication::{Field, Fields};
use mesh::{MasterState, MasterStatus, Mode, ReplicaStatus, Status};
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

/// Directives that INFO shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) replica_priority: u32,
    pub(crate) replica_read_only: bool,
    pub(crate) replica_announced: bool,
    pub(crate) replica_quorum: i64,
}

pub(crate) fn state_name(state: MasterState) -> &'static str {
    match state {
        MasterState::Connect => "connect",
        MasterState::Connecting => "connecting",
        MasterState::Sync => "sync",
        MasterState::Connected => "connected",
    }
}

/// A node's name in the form of a UUID.
pub(crate) fn uuid(origin: Origin) -> String {
    let node = format!("{:016x}", origin.node.0);
    format!(
        "{}-{}-{}-{:04x}-{:012x}",
        &node[..8],
        &node[8..12],
        &node[12..],
        origin.incarnation >> 16,
        origin.incarnation & 0xffff
    )
}

/// 40 hexadecimal digits: what Redis's tools expect of a replication id.
fn replication_id(origin: Origin) -> String {
    format!("{0:016x}{1:08x}{0:016x}", origin.node.0, origin.incarnation)
}

fn is_up(master: &MasterStatus) -> bool {
    matches!(master.state, MasterState::Connected | MasterState::Sync)
}

/// Appends the lines of the section.
pub(crate) fn write(status: &Status, role: Role, settings: &Settings, text: &mut String) {
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(text, "{name}:{value}\r\n");
    };
    let role_name = match role {
        Role::Master => "master",
        Role::ActiveReplica => "active-replica",
        Role::Replica => "slave",
    };
    line("role", &role_name);
    if role != Role::Master {
        let up = status.masters.iter().filter(|master| is_up(master)).count();
        // One file for all nodes may name each node itself among its masters.
        let others = status.masters.iter().filter(|master| !master.is_myself).count();
        let wanted = usize::try_from(settings.replica_quorum).unwrap_or(others);
        line("master_global_link_status", &if up >= wanted { "up" } else { "down" });
        line("connected_masters", &up);
        for (index, master) in status.masters.iter().enumerate() {
            let prefix = if index == 0 { "master".to_owned() } else { format!("master_{index}") };
            master_lines(&prefix, master, &mut line);
        }
        line("slave_priority", &settings.replica_priority);
        line("slave_read_only", &u8::from(settings.replica_read_only));
        line("replica_announced", &u8::from(settings.replica_announced));
    }
    let replicas: Vec<&ReplicaStatus> = status.replicas.iter().filter(|replica| replica.open).collect();
    line("connected_slaves", &replicas.len());
    for (index, replica) in replicas.iter().enumerate() {
        let state = if replica.syncing { "send_bulk" } else { "online" };
        let ReplicaStatus { host, port, offset, silent_ms, lag_ms, lag_bytes, .. } = replica;
        let lag_s = silent_ms / 1000;
        let value = format!(
            "ip={host},port={port},state={state},offset={offset},lag={lag_s},lag_ms={lag_ms},lag_bytes={lag_bytes}"
        );
        line(&format!("slave{index}"), &value);
    }
    line("master_failover_state", &"no-failover");
    line("master_replid", &replication_id(status.own));
    line("master_replid2", &"0".repeat(40));
    line("master_repl_offset", &status.log_offset);
    line("second_repl_offset", &-1);
    line("repl_backlog_active", &u8::from(status.active));
    line("repl_backlog_size", &status.log_limit);
    line("repl_backlog_first_byte_offset", &(status.log_offset - status.log_bytes as u64 + u64::from(status.active)));
    line("repl_backlog_histlen", &status.log_bytes);
    line("mesh_joined", &u8::from(status.joined));
    line("mesh_clock_outlier", &u8::from(status.clock_outlier));
}

fn master_lines(prefix: &str, master: &MasterStatus, line: &mut impl FnMut(&str, &dyn std::fmt::Display)) {
    let mut field = |name: &str, value: &dyn std::fmt::Display| line(&format!("{prefix}_{name}"), value);
    field("host", &master.host);
    field("port", &master.port);
    field("link_status", &if is_up(master) { "up" } else { "down" });
    let silent_s = (master.silent_ms / 1000) as i64;
    field("last_io_seconds_ago", &if is_up(master) { silent_s } else { -1 });
    field("sync_in_progress", &u8::from(master.state == MasterState::Sync));
    field("lag_ms", &master.lag_ms);
    if !is_up(master) {
        field("link_down_since_seconds", &silent_s);
        if let Some(error) = &master.last_error {
            field("link_error", error);
        }
    }
    if prefix == "master" {
        line("slave_read_repl_offset", &master.bytes_received);
        line("slave_repl_offset", &master.bytes_received);
    }
}

fn text(value: impl ToString) -> Field {
    Field::Text(value.to_string())
}

fn integer(value: u64) -> Field {
    Field::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// One entry per node heard of that is still counted on; its newest life.
pub(crate) fn nodes(status: &Status) -> Vec<Fields> {
    let is_newest = |origin: Origin| {
        !status.vector.iter().any(|(other, _)| other.node == origin.node && other.incarnation > origin.incarnation)
    };
    let newest = status.vector.newest();
    let counts = |origin: Origin| origin != status.own && !status.departed.contains(&origin.node);
    let known = status.vector.iter().filter(|(origin, _)| is_newest(*origin) && counts(*origin));
    let own = (status.own, status.vector.get(status.own));
    std::iter::once(own).chain(known).map(|(origin, stamp)| node(status, origin, stamp, newest)).collect()
}

fn node(status: &Status, origin: Origin, stamp: Stamp, newest: Stamp) -> Fields {
    let peer = |peer: Option<mesh::Introduction>| peer.is_some_and(|peer| peer.origin == origin);
    let master = status.masters.iter().find(|master| peer(master.peer) && is_up(master));
    let replica = status.replicas.iter().find(|replica| peer(replica.peer) && replica.open);
    let address =
        master.map(|master| (&master.host, master.port)).or(replica.map(|replica| (&replica.host, replica.port)));
    let causal = status.watermarks.causal.iter().find(|causal| causal.origin == origin);
    vec![
        ("node", text(origin.node)),
        ("incarnation", integer(u64::from(origin.incarnation))),
        ("self", integer(u64::from(origin == status.own))),
        ("address", text(address.map_or(String::new(), |(host, port)| format!("{host}:{port}")))),
        ("feeds-us", integer(u64::from(master.is_some()))),
        ("fed-by-us", integer(u64::from(replica.is_some()))),
        ("last-stamp-ms", integer(stamp.ms())),
        ("behind-newest-ms", integer(newest.ms().saturating_sub(stamp.ms()))),
        ("seen-by-all-ms", integer(causal.map_or(0, |causal| causal.stamp.ms()))),
    ]
}

/// One entry per link: masters first.
pub(crate) fn links(status: &Status) -> Vec<Fields> {
    let masters = status.masters.iter().map(|master| {
        vec![
            ("direction", text("from-master")),
            ("address", text(format!("{}:{}", master.host, master.port))),
            ("node", text(master.peer.map_or(String::new(), |peer| peer.origin.node.to_string()))),
            ("mode", text(master.peer.map_or("", |peer| peer.mode.name()))),
            ("state", text(state_name(master.state))),
            ("silent-ms", integer(master.silent_ms)),
            ("lag-ms", integer(master.lag_ms)),
            ("rtt-ms", integer(master.rtt_ms)),
            ("origins-fed", integer(master.feeds as u64)),
            ("bytes-received", integer(master.bytes_received)),
            ("bytes-sent", integer(master.bytes_sent)),
            ("error", text(master.last_error.as_deref().unwrap_or(""))),
        ]
    });
    let replicas = status.replicas.iter().map(|replica| {
        let state = match (replica.open, replica.syncing) {
            (false, _) => "connecting",
            (true, true) => "sync",
            (true, false) => "connected",
        };
        vec![
            ("direction", text("to-replica")),
            ("address", text(format!("{}:{}", replica.host, replica.port))),
            ("node", text(replica.peer.map_or(String::new(), |peer| peer.origin.node.to_string()))),
            ("mode", text(replica.peer.map_or("", |peer| peer.mode.name()))),
            ("state", text(state)),
            ("silent-ms", integer(replica.silent_ms)),
            ("lag-ms", integer(replica.lag_ms)),
            ("lag-bytes", integer(replica.lag_bytes)),
            ("bytes-received", integer(replica.bytes_received)),
            ("bytes-sent", integer(replica.bytes_sent)),
        ]
    });
    masters.chain(replicas).collect()
}

/// One entry per link: how far behind its receiving end is.
pub(crate) fn lag(status: &Status) -> Vec<Fields> {
    let entry = |direction: &str, address: String, peer: Option<mesh::Introduction>, lag_ms: u64, origins: usize| {
        vec![
            ("direction", text(direction)),
            ("address", text(address)),
            ("node", text(peer.map_or(String::new(), |peer| peer.origin.node.to_string()))),
            ("lag-ms", integer(lag_ms)),
            ("origins-behind", integer(origins as u64)),
        ]
    };
    let masters = status.masters.iter().map(|master| {
        let address = format!("{}:{}", master.host, master.port);
        entry("from-master", address, master.peer, master.lag_ms, master.origins_behind)
    });
    let replicas = status.replicas.iter().map(|replica| {
        let address = format!("{}:{}", replica.host, replica.port);
        let mut fields = entry("to-replica", address, replica.peer, replica.lag_ms, replica.origins_behind);
        // Only the sender knows its log.
        fields.push(("lag-bytes", integer(replica.lag_bytes)));
        fields
    });
    masters.chain(replicas).collect()
}

/// What the links did about order.
pub(crate) fn conflicts(status: &Status, late: &LateRecords) -> Fields {
    vec![
        ("records-applied", integer(status.counters.records_applied)),
        ("records-held-back", integer(status.counters.held_back)),
        ("held-back-bytes", integer(status.held_bytes as u64)),
        ("duplicates-dropped", integer(status.counters.duplicates)),
        ("feeder-switches", integer(status.counters.feeder_switches)),
        ("data-sets-merged", integer(status.counters.state_imports)),
        ("late-records", integer(late.applied.load(Relaxed))),
        ("keys-restated", integer(late.keys_restated.load(Relaxed))),
        ("keys-different", integer(status.counters.keys_different)),
    ]
}

/// The mode that a configuration asks for.
pub(crate) fn mode(config: &engine::Config) -> Mode {
    match (config.multi_master, config.active_replica) {
        (true, _) => Mode::MultiMaster,
        (false, true) => Mode::Active,
        (false, false) => Mode::Classic,
    }
}
