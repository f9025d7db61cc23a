//! What a run is like: drawn from its seed, and from what was asked for.

use super::event::Event;
use crate::Topology;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const NODES: [usize; 4] = [3, 3, 4, 5];
const THREADS_MAX: usize = 3;
/// Nodes that are apart for some seconds are beyond the first one, often beyond the second one, never beyond the last one.
const LOG_SIZES_BYTES: [u64; 3] = [64 << 10, 1 << 20, 64 << 20];
const DELAYS_MS: [u64; 4] = [1, 5, 20, 60];

/// What is asked for; what is `None` is drawn.
#[derive(Clone, Debug)]
pub struct Settings {
    pub program: PathBuf,
    pub seed: u64,
    /// How long clients write and events happen.
    pub duration: Duration,
    pub nodes: Option<usize>,
    pub topology: Option<Topology>,
    /// Whether nodes are killed, and come back with nothing.
    pub kill: Option<bool>,
    /// Whether links go through proxies that delay, cut and stall.
    pub slow_links: Option<bool>,
    pub log_size_bytes: Option<u64>,
    /// Families of commands (`families`); all where there are none.
    pub only: Vec<String>,
    /// Keys of each type.
    pub keys: usize,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub settings: Settings,
    pub(super) nodes: usize,
    topology: Topology,
    pub(super) kill: bool,
    pub(super) log_size_bytes: u64,
    /// Of each node.
    pub(super) threads: Vec<usize>,
    pub(super) links: Vec<Link>,
    pub(super) has_proxies: bool,
    random: SmallRng,
}

/// A node and one of its masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub node: usize,
    pub master: usize,
    pub delay: Duration,
}

impl Plan {
    /// Everything is drawn, also what was asked for: a seed means the same with other settings, as far as it can.
    pub fn draw(settings: Settings) -> Plan {
        let mut random = SmallRng::seed_from_u64(settings.seed);
        let drawn = *NODES.choose(&mut random).expect("not empty");
        let nodes = settings.nodes.unwrap_or(drawn);
        let drawn = *Topology::ALL.choose(&mut random).expect("not empty");
        let topology = settings.topology.unwrap_or(drawn);
        let drawn = *LOG_SIZES_BYTES.choose(&mut random).expect("not empty");
        let log_size_bytes = settings.log_size_bytes.unwrap_or(drawn);
        let drawn = random.random();
        let kill = settings.kill.unwrap_or(drawn);
        let drawn = random.random();
        let has_proxies = settings.slow_links.unwrap_or(drawn);
        let threads = (0..nodes).map(|_| random.random_range(1..=THREADS_MAX)).collect();
        let pairs = (0..nodes).flat_map(|node| topology.masters(node, nodes).into_iter().map(move |of| (node, of)));
        let links = pairs.map(|(node, master)| {
            let delay = Duration::from_millis(*DELAYS_MS.choose(&mut random).expect("not empty"));
            Link { node, master, delay }
        });
        let links = links.collect();
        Plan { settings, nodes, topology, kill, log_size_bytes, threads, links, has_proxies, random }
    }

    pub(super) fn next_event(&mut self) -> (Duration, Event) {
        let rest = Duration::from_millis(self.random.random_range(200..2000));
        let link = *self.links.choose(&mut self.random).expect("nodes have masters");
        (rest, Event::draw(&mut self.random, self.nodes, link, self.kill, self.has_proxies))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { settings, nodes, threads, log_size_bytes, .. } = self;
        let (seed, topology) = (settings.seed, self.topology.name());
        write!(f, "seed {seed}: {nodes} nodes, {topology}, threads {threads:?}, log {} KB", log_size_bytes >> 10)?;
        f.write_str(if self.has_proxies { ", slow links" } else { "" })?;
        f.write_str(if self.kill { ", kills" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(seed: u64) -> Settings {
        let (program, duration) = (PathBuf::new(), Duration::ZERO);
        let (nodes, topology, kill, slow_links, log_size_bytes) = (None, None, None, None, None);
        let only = Vec::new();
        Settings { program, seed, duration, nodes, topology, kill, slow_links, log_size_bytes, only, keys: 60 }
    }

    #[test]
    fn a_seed_gives_the_same_run() {
        let draw = |seed| {
            let mut plan = Plan::draw(settings(seed));
            let events: Vec<String> = (0..20).map(|_| format!("{:?}", plan.next_event())).collect();
            format!("{plan} {events:?}")
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn what_was_asked_for_changes_nothing_else() {
        let drawn = Plan::draw(settings(3));
        let asked = Plan::draw(Settings { log_size_bytes: Some(1), kill: Some(true), ..settings(3) });
        assert_eq!((asked.log_size_bytes, asked.kill), (1, true));
        assert_eq!((asked.nodes, asked.threads, asked.links), (drawn.nodes, drawn.threads, drawn.links));
    }
}
