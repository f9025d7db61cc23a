//! One seeded history from the first node to the verdict.

use crate::clock::EPOCH_MS;
use crate::model::{self, Record};
use crate::node::{Machine, Settings};
use crate::workload::{self, Workload};
use crate::world::{World, address};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Steps in which clients write and things break.
const BUSY_STEPS: u64 = 400;
/// Steps after which a healed mesh must be quiet, at the latest.
const QUIET_STEPS: u64 = 12_000;
/// After that every deadline is past that the workload sets in passing, and none that must stay.
const EXPIRY_US: u64 = 40_000_000;
/// So much longer for nodes to find what differs between them.
const MENDING_LEAPS: u64 = 3;

/// What may happen in a history, beside writes, partitions, cut connections and jumping clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scenario {
    /// Nodes lose all their memory and come back under the same name.
    pub crashes: bool,
    /// That happens once, and the node comes back under another name. (Who was where is known to its neighbours only: if those
    /// lose their memory, too, before they have told, nobody knows that the old name is over.)
    pub nameless: bool,
    /// New nodes join.
    pub joins: bool,
    /// Nodes take writes before they have received the data set of any master. Such writes may come late: where they
    /// do, the contract is asked for as of what the nodes said anew; with short logs only that all nodes are equal.
    pub eager: bool,
    /// Relay logs hold a few records: who was away comes back by merging data sets.
    pub short_logs: bool,
    /// Links carry little at a time: a data set comes in pieces, and what is written meanwhile meets some of it.
    pub narrow_links: bool,
    /// The mesh is older than it takes to tell who will never hear of whom, and was whole once.
    pub aged: bool,
    /// Nodes compare what they have every second. The rules have to do without.
    pub compares: bool,
}

impl Scenario {
    /// May a node write without the others counting on it?
    fn brings_strangers(self) -> bool {
        self.crashes || self.joins || self.eager
    }
}

/// Of a relay log that forgets.
const SHORT_LOG_BYTES: u64 = 3000;
/// What may lie in one direction of a connection before the writer has to wait.
const WINDOW_BYTES: usize = 64 << 10;
/// The same of narrow links.
const NARROW_WINDOW_BYTES: usize = 1000;
/// Steps in which links come up, where they do so first.
const SETTLING_STEPS: u64 = 600;
/// So old is a mesh that is not new.
const AGE_US: u64 = 15_000_000;

/// Why a history is not as the contract says.
#[derive(Debug)]
pub struct Divergence {
    pub seed: u64,
    pub what: String,
    /// The nodes' logs.
    pub log: Vec<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "history {} diverges: {}", self.seed, self.what)?;
        self.log.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Who replicates from whom. Every shape is strongly connected, so that all nodes must end up equal.
fn topology(rng: &mut SmallRng, nodes: usize) -> Vec<Vec<usize>> {
    let all = |index: usize| (0..nodes).filter(|other| *other != index).collect();
    let neighbours = |index: usize| {
        let mut ends = vec![];
        if index > 0 {
            ends.push(index - 1);
        }
        if index + 1 < nodes {
            ends.push(index + 1);
        }
        ends
    };
    match rng.random_range(0..5) {
        0 | 1 => (0..nodes).map(all).collect(),
        2 => (0..nodes).map(|index| vec![(index + 1) % nodes]).collect(),
        3 => (0..nodes).map(neighbours).collect(),
        _ => (0..nodes).map(|index| if index == 0 { all(0) } else { vec![0] }).collect(),
    }
}

/// Runs the history of this seed. Returns how many keys were different until the nodes found that out (docs/decisions/0010-comparison.md),
/// which only strangers may cause whose writes come with data sets.
pub fn run(scenario: Scenario, seed: u64) -> Result<u64, Divergence> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let nodes = rng.random_range(3..7);
    let topology = topology(&mut rng, nodes);
    let window_bytes = if scenario.narrow_links { NARROW_WINDOW_BYTES } else { WINDOW_BYTES };
    let log_bytes = scenario.short_logs.then_some(SHORT_LOG_BYTES);
    let settings = Settings { log_bytes, compares: scenario.compares };
    let mut world = World::new(SmallRng::seed_from_u64(rng.random()), settings, window_bytes);
    world.nameless = scenario.nameless;
    for masters in topology {
        world.add_host(masters);
    }
    if !scenario.eager || scenario.aged {
        (0..SETTLING_STEPS).for_each(|_| world.step());
    }
    if scenario.aged {
        world.leap(AGE_US);
    }
    let lived = live(&mut world, scenario, &mut rng);
    lived.and_then(|()| judge(&mut world, scenario)).map_err(|what| Divergence {
        seed,
        what,
        log: std::mem::take(&mut world.log),
    })
}

/// Clients write, things break.
fn live(world: &mut World, scenario: Scenario, rng: &mut SmallRng) -> Result<(), String> {
    let calm = rng.random_ratio(1, 4);
    let workload = Workload::random(rng);
    for tag in 0..BUSY_STEPS {
        for index in world.alive() {
            let takes_writes = scenario.eager || world.hosts[index].machine.as_ref().is_some_and(Machine::has_joined);
            if rng.random_ratio(1, 6) && takes_writes {
                world.command(index, &workload.next(rng, tag * 8 + index as u64));
            }
            if rng.random_ratio(1, 40) && takes_writes {
                world.wait(index, workload::blocking(rng));
            }
            if rng.random_ratio(1, 12) {
                world.examine(index, workload::any_key(rng))?;
            }
        }
        if !calm && rng.random_ratio(1, 25) {
            trouble(world, scenario, rng);
        }
        world.step();
    }
    Ok(())
}

/// Something breaks, or comes back.
fn trouble(world: &mut World, scenario: Scenario, rng: &mut SmallRng) {
    let count = world.hosts.len();
    let (first, second) = (rng.random_range(0..count), rng.random_range(0..count));
    match rng.random_range(0..12) {
        0..3 if first != second => world.network.block(first, second),
        3 | 4 => world.network.heal(),
        5 | 6 => {
            let open = world.network.open_connections();
            if !open.is_empty() {
                world.network.cut(open[rng.random_range(0..open.len())]);
            }
        }
        7 => world.hosts[first].clock.jump(rng),
        8 if scenario.crashes
            && world.alive().len() > 2
            && world.hosts[first].machine.is_some()
            && !(scenario.nameless && world.has_crashed) =>
        {
            world.crash(first);
        }
        9 | 10 => {
            if let Some(index) = (0..count).find(|index| world.hosts[*index].machine.is_none()) {
                world.start(index);
            }
        }
        // A node joins, with a link in each direction.
        11 if scenario.joins && count < 7 => {
            let joiner = world.add_host(vec![first]);
            if world.hosts[first].machine.is_some() {
                world.replicaof(first, &format!("{} 6379", address(joiner)));
            }
            world.hosts[first].masters.push(joiner);
        }
        _ => {}
    }
}

/// Heals everything, waits for quiet, and compares.
fn judge(world: &mut World, scenario: Scenario) -> Result<u64, String> {
    world.network.heal();
    for index in 0..world.hosts.len() {
        if world.hosts[index].machine.is_none() {
            world.start(index);
        }
    }
    if !(0..QUIET_STEPS).any(|_| {
        world.step();
        is_quiet(world)
    }) {
        let applied = world.machines().map(|machine| format!("{:?}", machine.applied())).collect::<Vec<_>>();
        return Err(format!("not quiet, applied: {}", applied.join("\n")));
    }
    world.leap(EXPIRY_US);
    let late: u64 = world.machines().map(|machine| machine.node.late_records()).sum();
    if late > 0 && !scenario.brings_strangers() {
        return Err(format!("{late} records were late, where all nodes knew of each other"));
    }
    // What strangers have written and taken away again before a data set told of it is in no log, so nobody can place it.
    let is_told = !(scenario.eager && scenario.short_logs);
    let different: u64 = world.machines().map(|machine| machine.node.status().counters.keys_different).sum();
    if different > 0 && is_told {
        return Err(format!("{different} keys were found to differ, or wrongly so"));
    }
    if !is_told && scenario.compares {
        (0..MENDING_LEAPS).for_each(|_| world.leap(EXPIRY_US));
    }
    let applied = world.machines().next().expect("started").applied().clone();
    let records = world.tape.records(&applied);
    let now_ms = EPOCH_MS + world.now_us / 1000;
    let expected = match world.machines().next() {
        Some(first) if !is_told => first.state(now_ms),
        _ => model::execute(&records, now_ms, crate::node::decode_value),
    };
    for (index, machine) in world.machines().enumerate() {
        let state = machine.state(now_ms);
        if let Some((db, key)) = first_difference(&expected, &state) {
            let (place, expectation) = ((db, key.clone()), expected.get(&(db, key.clone())));
            let nodes = world.machines().map(|machine| format!("{:?}", machine.state(now_ms).get(&place)));
            let nodes: String = nodes.map(|node| format!("\n  node     {node}")).collect();
            let tale = model::tale(&records, db, &key).join("\n  ");
            let name = String::from_utf8_lossy(&key);
            return Err(format!("host{index} db {db} {name}\n  expected {expectation:?}{nodes}\n  {tale}"));
        }
    }
    judge_memory(world, &records)?;
    judge_stream_ids(&records)?;
    judge_messages(world, scenario, &records)?;
    Ok(different)
}

/// Once all is known everywhere, every node knows it, and nothing holds it up in forgetting how it came about.
fn judge_memory(world: &World, records: &[Record]) -> Result<(), String> {
    let newest = records.iter().map(|record| record.first).max().unwrap_or_default();
    for (index, machine) in world.machines().enumerate() {
        let (joined, stable) = (machine.node.status().joined, machine.node.status().watermarks.clock);
        if !joined || stable < newest {
            return Err(format!(
                "host{index} still waits for others: joined {joined}, stable {stable:?} of {newest:?}, {:?}",
                machine.node.status().vector
            ));
        }
    }
    Ok(())
}

/// No two nodes may have chosen the same id for an entry.
fn judge_stream_ids(records: &[Record]) -> Result<(), String> {
    let mut chosen = BTreeMap::new();
    for record in records {
        for (key, id) in model::chosen_ids(record) {
            let other = *chosen.entry((key.clone(), id)).or_insert(record.origin);
            if other != record.origin {
                return Err(format!("{other:?} and {:?} have both added {id:x} to {key:?}", record.origin));
            }
        }
    }
    Ok(())
}

/// No node may have heard a message twice; those that were there all the time have heard each.
fn judge_messages(world: &mut World, scenario: Scenario, records: &[Record]) -> Result<(), String> {
    let published: BTreeSet<String> = records.iter().flat_map(model::messages).collect();
    for (index, heard) in world.heard().into_iter().enumerate() {
        let distinct: BTreeSet<String> = heard.iter().cloned().collect();
        if distinct.len() < heard.len() {
            return Err(format!("host{index} has heard a message twice: {heard:?}"));
        }
        if !scenario.brings_strangers() && !scenario.short_logs && distinct != published {
            let missing: Vec<_> = published.symmetric_difference(&distinct).collect();
            return Err(format!("host{index} has not heard what was published: {missing:?}"));
        }
    }
    Ok(())
}

/// Has every node applied every commit that anybody has?
fn is_quiet(world: &World) -> bool {
    let last = world.tape.last_commits();
    last.iter().all(|(origin, stamp)| {
        let mut applied = world.machines().map(|machine| machine.applied().get(origin));
        if world.is_live(origin) {
            applied.all(|applied| applied >= stamp)
        } else {
            let first = applied.next();
            applied.all(|other| Some(other) == first)
        }
    })
}

/// The first key in which two states differ.
fn first_difference(expected: &model::State, state: &model::State) -> Option<(u32, Vec<u8>)> {
    let keys: std::collections::BTreeSet<_> = expected.keys().chain(state.keys()).collect();
    keys.into_iter().find(|key| expected.get(*key) != state.get(*key)).cloned()
}
