//! What happens to nodes and links.

use super::cluster::Cluster;
use super::plan::Link;
use crate::Damage;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use std::fmt;
use std::io;
use std::time::Duration;

/// Each ends before the next one begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    kind: Kind,
    /// The node that it happens to.
    node: usize,
    /// The link that it happens to, and the one back.
    link: Link,
    lasts: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The process stands still, and goes on.
    Stop,
    /// Two nodes are told not to be masters of each other, and that they are again.
    Part,
    /// The same for a node and all others.
    Leave,
    /// A node closes its links to masters, or to those who have it as a master.
    Kick(&'static str),
    /// As `kill -9` does; it comes back with nothing.
    Kill,
    /// The proxy between two nodes does not let anything pass.
    Wire(Damage),
    /// The proxies around a node close everything.
    Isolate,
}

impl Event {
    /// Everything is drawn always, so that the draws of one kind do not hang on another one.
    pub(super) fn draw(random: &mut SmallRng, nodes: usize, link: Link, kill: bool, has_proxies: bool) -> Event {
        let whose = *["master", "replica"].choose(random).expect("not empty");
        let mut kinds = vec![Kind::Stop, Kind::Part, Kind::Part, Kind::Leave, Kind::Kick(whose)];
        if kill {
            kinds.extend([Kind::Kill; 2]);
        }
        if has_proxies {
            let wires =
                [Kind::Wire(Damage::Cut), Kind::Wire(Damage::Stall), Kind::Wire(Damage::HalfClose), Kind::Isolate];
            kinds.extend(wires.into_iter().chain(wires));
        }
        let kind = *kinds.choose(random).expect("not empty");
        let node = random.random_range(0..nodes);
        let seconds: f64 = random.random_range(0.0..1.0);
        let (least, most) = match kind {
            Kind::Stop => (0.1, 3.0),
            Kind::Part => (0.1, 4.0),
            Kind::Leave => (0.5, 6.0),
            Kind::Kick(_) => (0.0, 0.0),
            Kind::Kill => (0.0, 3.0),
            Kind::Wire(_) => (0.1, 5.0),
            Kind::Isolate => (0.5, 7.0),
        };
        Event { kind, node, link, lasts: Duration::from_secs_f64(least + seconds * (most - least)) }
    }

    /// True for the links that it is about.
    fn concerns(&self, link: &Link) -> bool {
        let (node, master) = (self.link.node, self.link.master);
        match self.kind {
            Kind::Part | Kind::Wire(_) => [(node, master), (master, node)].contains(&(link.node, link.master)),
            Kind::Leave | Kind::Isolate => link.node == self.node || link.master == self.node,
            Kind::Stop | Kind::Kick(_) | Kind::Kill => false,
        }
    }

    /// Does it, waits, and undoes it.
    pub(super) fn happen(&self, cluster: &mut Cluster, rest: &dyn Fn(Duration)) -> io::Result<()> {
        let concerned = |link: &Link| self.concerns(link);
        match self.kind {
            Kind::Stop => {
                cluster.nodes[self.node].signal("STOP");
                rest(self.lasts);
                cluster.nodes[self.node].signal("CONT");
            }
            Kind::Part | Kind::Leave => {
                cluster.replicaof(&["REMOVE"], concerned)?;
                rest(self.lasts);
                cluster.replicaof(&[], concerned)?;
            }
            Kind::Kick(whose) => _ = cluster.nodes[self.node].client()?.call(&["CLIENT", "KILL", "TYPE", whose])?,
            Kind::Kill => {
                let node = &mut cluster.nodes[self.node];
                if let Some(status) = node.exit_status() {
                    return Err(io::Error::other(format!("it had ended: {status}")));
                }
                node.kill();
                cluster.killed[self.node] = true;
                rest(self.lasts);
                cluster.nodes[self.node].start()?;
            }
            Kind::Wire(damage) => {
                cluster.damage(damage, concerned);
                rest(self.lasts);
                cluster.damage(Damage::None, concerned);
            }
            Kind::Isolate => {
                cluster.damage(Damage::Cut, concerned);
                rest(self.lasts);
                cluster.damage(Damage::None, concerned);
            }
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { node, link: Link { node: from, master, .. }, lasts, .. } = self;
        let lasts = lasts.as_secs_f64();
        match self.kind {
            Kind::Stop => write!(f, "node {node} stands still for {lasts:.1} s"),
            Kind::Part => write!(f, "nodes {from} and {master} are not each other's masters for {lasts:.1} s"),
            Kind::Leave => write!(f, "node {node} is nobody's master and has none for {lasts:.1} s"),
            Kind::Kick(whose) => write!(f, "node {node} closes its connections of type {whose}"),
            Kind::Kill => write!(f, "node {node} is killed and back after {lasts:.1} s"),
            Kind::Wire(damage) => write!(f, "between nodes {from} and {master}: {damage:?} for {lasts:.1} s"),
            Kind::Isolate => write!(f, "all links of node {node} are cut for {lasts:.1} s"),
        }
    }
}
