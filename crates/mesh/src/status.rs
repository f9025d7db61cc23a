//! What INFO, ROLE, WAIT and MESH show.

use crate::handshake::Introduction;
use crate::link::{Link, Phase};
use crate::{Counters, LinkId, Mesh, Mode, Now, Watermarks};
use effect::{NodeId, Origin, Stamp, VersionVector};
use std::collections::BTreeSet;

/// The mesh as this node sees it.
#[derive(Clone, Debug)]
pub struct Status {
    pub own: Origin,
    pub mode: Mode,
    pub active: bool,
    /// See `Mesh::has_joined`.
    pub joined: bool,
    /// As configured, in this order.
    pub masters: Vec<MasterStatus>,
    /// Accepted links, in the order of arrival.
    pub replicas: Vec<ReplicaStatus>,
    pub vector: VersionVector,
    /// Nodes that will not come back, as far as known.
    pub departed: BTreeSet<NodeId>,
    pub watermarks: Watermarks,
    pub counters: Counters,
    /// Bytes of records held for those who reconnect, and at most.
    pub log_bytes: usize,
    pub log_limit: usize,
    /// Bytes of memory that they take.
    pub log_memory: usize,
    /// Bytes ever logged.
    pub log_offset: u64,
    /// Bytes of records that wait for their causes.
    pub held_bytes: usize,
    pub clock_outlier: bool,
}

/// How far a dialled link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MasterState {
    /// No connection; the next attempt comes.
    Connect,
    /// Under way.
    Connecting,
    /// Receives the data set.
    Sync,
    /// Up.
    Connected,
}

#[derive(Clone, Debug)]
pub struct MasterStatus {
    pub host: String,
    pub port: u16,
    pub link: Option<LinkId>,
    pub state: MasterState,
    pub peer: Option<Introduction>,
    /// It is this very node, and not dialled again.
    pub is_myself: bool,
    /// Why there is no link.
    pub last_error: Option<String>,
    /// Since the last byte; of a link that is down, since it went.
    pub silent_ms: u64,
    /// How much older what we have is than what it has, by the stamps.
    pub lag_ms: u64,
    /// Origins of which it has more than we do.
    pub origins_behind: usize,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub rtt_ms: u64,
    /// How many origins it feeds.
    pub feeds: usize,
}

#[derive(Clone, Debug)]
pub struct ReplicaStatus {
    pub host: String,
    pub port: u16,
    pub link: LinkId,
    pub peer: Option<Introduction>,
    /// The data set is on its way.
    pub syncing: bool,
    pub open: bool,
    /// `log_offset` of what it was sent.
    pub offset: u64,
    /// What it acknowledged.
    pub acknowledged: VersionVector,
    pub silent_ms: u64,
    /// How much older what it has is than what we have, by the stamps.
    pub lag_ms: u64,
    /// Origins of which we have more than it does.
    pub origins_behind: usize,
    /// Bytes of the log that it was not sent yet.
    pub lag_bytes: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
}

impl Status {
    /// Who is at the other end of a link that is up.
    pub fn linked_peers(&self) -> impl Iterator<Item = Origin> {
        let is_up = |state| matches!(state, MasterState::Connected | MasterState::Sync);
        let masters = self.masters.iter().filter(move |master| is_up(master.state)).filter_map(|master| master.peer);
        let replicas = self.replicas.iter().filter(|replica| replica.open).filter_map(|replica| replica.peer);
        masters.chain(replicas).map(|peer| peer.origin)
    }
}

impl Mesh {
    /// Bytes of memory that the relay log takes.
    pub fn log_memory(&self) -> usize {
        self.log.memory()
    }

    /// What a commit at this moment has seen: what is here, and what it takes for that.
    pub fn seen(&self) -> VersionVector {
        let mut seen = self.vector.clone();
        self.assumptions.current().for_each(|(origin, stamp)| seen.advance(origin, stamp));
        seen
    }

    pub fn status(&self, now: Now) -> Status {
        Status {
            own: self.own,
            mode: self.options.mode,
            active: self.is_active(),
            joined: self.has_joined(),
            masters: self.masters.iter().map(|master| self.master_status(master, now)).collect(),
            replicas: self.links.values().filter_map(|link| self.replica_status(link, now)).collect(),
            vector: self.vector.clone(),
            departed: self.rows.departed().collect(),
            watermarks: self.watermarks().clone(),
            counters: self.counters,
            log_bytes: self.log.bytes(),
            log_memory: self.log.memory(),
            log_limit: self.log.limit(),
            log_offset: self.log.appended(),
            held_bytes: self.held_bytes,
            clock_outlier: self.is_clock_outlier(now),
        }
    }

    fn master_status(&self, master: &crate::master::Master, now: Now) -> MasterStatus {
        let link = master.link.and_then(|id| self.links.get(&id));
        let syncing = self.import.as_ref().is_some_and(|import| Some(import.link) == master.link);
        let state = match link {
            None => MasterState::Connect,
            Some(_) if syncing => MasterState::Sync,
            Some(link) if link.is_open() => MasterState::Connected,
            Some(_) => MasterState::Connecting,
        };
        let heard_ms = link.map_or(master.down_since_ms, |link| link.heard_ms);
        MasterStatus {
            host: master.host.clone(),
            port: master.port,
            link: master.link,
            state,
            peer: link.and_then(|link| link.peer),
            is_myself: master.never,
            last_error: master.last_error.clone(),
            silent_ms: now.monotonic_ms.saturating_sub(heard_ms),
            lag_ms: link.map_or(0, |link| lag_ms(&link.announced, &self.vector, now)),
            origins_behind: link.map_or(0, |link| missing(&link.announced, &self.vector).count()),
            bytes_received: link.map_or(0, |link| link.bytes_received),
            bytes_sent: link.map_or(0, |link| link.bytes_sent),
            rtt_ms: link.and_then(|link| link.upstream()).map_or(0, |upstream| upstream.rtt_ms),
            feeds: self
                .inflows
                .values()
                .filter(|inflow| inflow.feeder.is_some() && inflow.feeder == master.link)
                .count(),
        }
    }

    fn replica_status(&self, link: &Link, now: Now) -> Option<ReplicaStatus> {
        let downstream = link.downstream()?;
        if matches!(link.phase, Phase::Closing) {
            return None;
        }
        let offset = self.log.offset(downstream.position);
        let idle = downstream.subscriptions.is_empty();
        Some(ReplicaStatus {
            host: link.host.clone(),
            port: link.port,
            link: link.id,
            peer: link.peer,
            syncing: downstream.is_sending(),
            open: link.is_open(),
            offset: if idle { self.log.appended() } else { offset },
            acknowledged: link.announced.clone(),
            silent_ms: now.monotonic_ms.saturating_sub(link.heard_ms),
            lag_ms: lag_ms(&self.last_effects, &link.announced, now),
            origins_behind: missing(&self.last_effects, &link.announced).count(),
            lag_bytes: if idle { 0 } else { self.log.appended() - offset },
            bytes_received: link.bytes_received,
            bytes_sent: link.bytes_sent,
        })
    }

    /// How many replicas have everything of this node up to `stamp`.
    pub fn acknowledged(&self, stamp: Stamp) -> usize {
        self.links
            .values()
            .filter(|link| link.is_open() && link.downstream().is_some() && link.announced.covers(self.own, stamp))
            .count()
    }
}

/// What one has and the other has not.
fn missing(ahead: &VersionVector, behind: &VersionVector) -> impl Iterator<Item = (Origin, Stamp)> {
    ahead.iter().filter(|(origin, stamp)| !behind.covers(*origin, *stamp))
}

/// How long ago, at most, was made what one has and the other has not, by the stamps?
fn lag_ms(ahead: &VersionVector, behind: &VersionVector, now: Now) -> u64 {
    let has_ms =
        |origin: Origin, stamp: Stamp| if behind.get(origin) > Stamp::ZERO { behind.get(origin) } else { stamp };
    missing(ahead, behind)
        .map(|(origin, stamp)| now.unix_ms.saturating_sub(has_ms(origin, stamp).ms()))
        .max()
        .unwrap_or(0)
}
