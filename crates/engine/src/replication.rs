//! The other nodes, as commands see them. Implemented by `node`.

use crate::Fault;
use crate::clients::Client;
use crate::services::Now;
use effect::Stamp;
use std::sync::Arc;

/// What kind of node this is, as ROLE and INFO say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Master,
    /// Takes writes and has masters.
    ActiveReplica,
    /// A classic, read-only replica.
    Replica,
}

/// A configured master, for ROLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    pub host: String,
    pub port: u16,
    /// "connect", "connecting", "sync" or "connected".
    pub state: &'static str,
    /// Bytes received; -1 before the link was up.
    pub offset: i64,
}

/// A node that replicates from this one, for ROLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    pub host: String,
    pub port: u16,
    pub offset: u64,
}

/// One value of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Text(String),
    Integer(i64),
}

/// Names and values, in the order in which they are shown.
pub type Fields = Vec<(&'static str, Field)>;

/// What MESH shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// One entry per node heard of.
    Nodes,
    /// One entry per link.
    Links,
    /// One entry per link: how far behind its receiving end is.
    Lag,
    /// One entry: what the links did about writes that did not know of each other.
    Conflicts,
}

/// The other nodes. The defaults are those of a node that is alone and stays so.
pub trait Replication: Send + Sync {
    fn role(&self) -> Role;
    /// False while a classic replica has no link to its master (replica-serve-stale-data).
    fn master_link_up(&self) -> bool;
    /// Appends the lines of `INFO replication`, the header excluded, each ended by CRLF.
    fn info(&self, now: Now, text: &mut String);
    /// How many peers have every effect of this node up to `stamp` (WAIT).
    fn acknowledged(&self, stamp: Stamp) -> usize;
    /// How many of the nodes that are connected to this one lack some of its effects, and how many there are.
    fn lagging_replicas(&self) -> (usize, usize) {
        (0, 0)
    }
    /// Bytes kept for peers that are away (INFO memory: mem_replication_backlog).
    fn backlog_bytes(&self) -> u64;

    /// Why writes are refused at the moment, if they are.
    fn write_refusal(&self) -> Option<Fault> {
        None
    }
    /// Are writes of clients welcome? `read_only`: not at a replica.
    fn takes_writes(&self, read_only: bool) -> bool {
        !(read_only && self.role() == Role::Replica) && self.write_refusal().is_none()
    }
    /// Another master (multi-master), or this one instead of the present one. False where it is one already.
    fn add_master(&self, host: &str, port: u16) -> Result<bool, Fault> {
        let _ = (host, port);
        Err(Fault::Text("ERR this node does not replicate"))
    }
    /// False where there is no such master.
    fn remove_master(&self, host: &str, port: u16) -> bool {
        let _ = (host, port);
        false
    }
    fn remove_masters(&self) {}
    fn masters(&self) -> Vec<Master> {
        Vec::new()
    }
    fn replicas(&self) -> Vec<Replica> {
        Vec::new()
    }
    /// Bytes of effects logged so far (ROLE).
    fn offset(&self) -> u64 {
        0
    }
    /// 36 characters, as REPLCONF uuid exchanges them.
    fn uuid(&self) -> String {
        String::new()
    }
    fn report(&self, report: Report) -> Vec<Fields> {
        let _ = report;
        Vec::new()
    }
    /// Nothing waits any more for a node (as `Report::Nodes` names it) that is not there.
    fn forget_node(&self, node: &str) -> Result<(), Fault> {
        let _ = node;
        Err(Fault::Text("ERR this node does not replicate"))
    }
    /// What this node, and a session that wrote last at `last_write`, have seen; see `has_reached`.
    fn token(&self, last_write: Stamp) -> String {
        let _ = last_write;
        String::new()
    }
    /// Is everything here that was there where `token` was taken? `None`: that is no token.
    fn has_reached(&self, token: &str) -> Option<bool> {
        let _ = token;
        None
    }
    /// `Host::wake` for this client, once, when `acknowledged` or `has_reached` may answer otherwise.
    fn wake_on_progress(&self, client: &Arc<Client>) {
        let _ = client;
    }
}
