//! Connections between nodes: bytes in order, with a delay; cut, stalled and refused by partitions.

use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::{BTreeSet, VecDeque};

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    /// (when it arrives, bytes)
    segments: VecDeque<(u64, Vec<u8>)>,
    /// The writer has closed; the reader learns it after the last segment.
    closed: bool,
}

/// A connection. Side 0 dialled, side 1 accepted.
pub struct Connection {
    pub nodes: [usize; 2],
    pipes: [Pipe; 2],
    latency_us: u64,
}

/// What the reader of one direction finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery {
    Bytes(Vec<u8>),
    Closed,
}

impl Connection {
    /// Bytes written and not yet read, in the direction from `side`.
    pub fn in_flight(&self, side: usize) -> usize {
        self.pipes[side].segments.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}

/// All connections, and who can reach whom.
#[derive(Default)]
pub struct Network {
    connections: Vec<Option<Connection>>,
    /// Pairs (smaller, larger) that cannot reach each other.
    blocked: BTreeSet<(usize, usize)>,
}

fn pair(first: usize, second: usize) -> (usize, usize) {
    (first.min(second), first.max(second))
}

impl Network {
    pub fn reachable(&self, first: usize, second: usize) -> bool {
        !self.blocked.contains(&pair(first, second))
    }

    /// Opens a connection from `from` to `to` and returns its number.
    pub fn connect(&mut self, from: usize, to: usize, rng: &mut SmallRng) -> usize {
        let latency_us =
            if rng.random_ratio(1, 4) { rng.random_range(0..150_000) } else { rng.random_range(0..10_000) };
        self.connections.push(Some(Connection { nodes: [from, to], pipes: Default::default(), latency_us }));
        self.connections.len() - 1
    }

    pub fn get(&self, connection: usize) -> Option<&Connection> {
        self.connections[connection].as_ref()
    }

    /// Writes on `side`; arrives after the latency and a jitter, in order.
    pub fn write(&mut self, connection: usize, side: usize, bytes: Vec<u8>, now_us: u64, rng: &mut SmallRng) {
        let Some(connection) = &mut self.connections[connection] else { return };
        let arrival_us = now_us + connection.latency_us + rng.random_range(0..2000);
        let pipe = &mut connection.pipes[side];
        let arrival_us = pipe.segments.back().map_or(arrival_us, |(last_us, _)| arrival_us.max(*last_us));
        pipe.segments.push_back((arrival_us, bytes));
    }

    /// Closes `side`'s direction after what it has written.
    pub fn close(&mut self, connection: usize, side: usize) {
        if let Some(connection) = &mut self.connections[connection] {
            connection.pipes[side].closed = true;
        }
    }

    /// What has arrived for `side` by `now_us`; nothing crosses a partition.
    pub fn read(&mut self, connection: usize, side: usize, now_us: u64) -> Option<Delivery> {
        let slot = &mut self.connections[connection];
        let Some(open) = slot else { return Some(Delivery::Closed) };
        if self.blocked.contains(&pair(open.nodes[0], open.nodes[1])) {
            return None;
        }
        let pipe = &mut open.pipes[1 - side];
        match pipe.segments.front() {
            Some((arrival_us, _)) if *arrival_us <= now_us => {
                pipe.segments.pop_front().map(|(_, bytes)| Delivery::Bytes(bytes))
            }
            Some(_) => None,
            None if pipe.closed => {
                *slot = None;
                Some(Delivery::Closed)
            }
            None => None,
        }
    }

    /// Resets a connection; what is in flight is lost.
    pub fn cut(&mut self, connection: usize) {
        self.connections[connection] = None;
    }

    /// Numbers of the open connections of a node.
    pub fn of(&self, node: usize) -> Vec<usize> {
        let touches =
            |connection: &Option<Connection>| connection.as_ref().is_some_and(|open| open.nodes.contains(&node));
        (0..self.connections.len()).filter(|index| touches(&self.connections[*index])).collect()
    }

    pub fn open_connections(&self) -> Vec<usize> {
        (0..self.connections.len()).filter(|index| self.connections[*index].is_some()).collect()
    }

    /// Separates two nodes: what is in flight waits.
    pub fn block(&mut self, first: usize, second: usize) {
        self.blocked.insert(pair(first, second));
    }

    /// Everybody reaches everybody again.
    pub fn heal(&mut self) {
        self.blocked.clear();
    }
}
