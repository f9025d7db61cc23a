//! Consumer groups while nodes are apart: every entry, whichever node added it, is given to a consumer of the group, and
//! no node gives one twice.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sim::node::{Machine, Settings};
use sim::world::{World, address};
use std::collections::BTreeSet;

const HISTORIES: u64 = 20;
const HOSTS: usize = 3;
const SETTLING_STEPS: u64 = 600;
const BUSY_STEPS: u64 = 300;
const QUIET_STEPS: u64 = 2_000;

fn words(line: &str) -> Vec<Vec<String>> {
    vec![line.split(' ').map(str::to_owned).collect()]
}

/// Values of entries in a reply: `v<number>;`.
fn values(reply: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(reply);
    let ends = text.split(';').filter_map(|part| part.rsplit_once('v'));
    ends.filter_map(|(_, number)| number.parse().ok()).collect()
}

/// Ids of entries in a reply: `<ms>-<sequence>`.
fn ids(reply: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(reply);
    text.lines().filter(|line| line.starts_with("17") || line.starts_with("18")).map(str::to_owned).collect()
}

/// What the consumers of one node were given.
struct Readers {
    given: Vec<BTreeSet<u64>>,
}

impl Readers {
    /// False where there was nothing.
    fn read(&mut self, world: &mut World, host: usize, options: &str, acknowledges: bool) -> bool {
        let read = words(&format!("XREADGROUP GROUP g c{host} {options} STREAMS s >").replace("  ", " "));
        let reply = world.command(host, &read);
        for value in values(&reply) {
            assert!(self.given[host].insert(value), "host{host} gives {value} once more");
        }
        if acknowledges && !ids(&reply).is_empty() {
            world.command(host, &words(&format!("XACK s g {}", ids(&reply).join(" "))));
        }
        !values(&reply).is_empty()
    }
}

/// `joins`: another node comes in meanwhile, and gets the data set.
fn run(seed: u64, joins: bool) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut world = World::new(SmallRng::seed_from_u64(rng.random()), Settings::default(), 64 << 10);
    for host in 0..HOSTS {
        world.add_host((0..HOSTS).filter(|other| *other != host).collect());
    }
    (0..SETTLING_STEPS).for_each(|_| world.step());
    world.command(0, &words("XGROUP CREATE s g 0 MKSTREAM"));
    (0..SETTLING_STEPS).for_each(|_| world.step());

    let (mut added, mut readers) = (0, Readers { given: vec![BTreeSet::new(); HOSTS + 1] });
    for step in 0..BUSY_STEPS {
        if joins && step == BUSY_STEPS / 3 {
            let joiner = world.add_host(vec![0]);
            world.replicaof(0, &format!("{} 6379", address(joiner)));
            world.hosts[0].masters.push(joiner);
        }
        for host in 0..world.hosts.len() {
            if !world.hosts[host].machine.as_ref().is_some_and(Machine::has_joined) {
                continue;
            }
            if rng.random_ratio(1, 5) {
                world.command(host, &words(&format!("XADD s * field v{added};")));
                added += 1;
            }
            if rng.random_ratio(1, 8) {
                let options = ["COUNT 1", "COUNT 3 NOACK", "NOACK", ""][rng.random_range(0..4)];
                let acknowledges = rng.random_ratio(1, 2);
                readers.read(&mut world, host, options, acknowledges);
            }
        }
        match rng.random_range(0..60) {
            0 => world.network.block(rng.random_range(0..HOSTS), rng.random_range(0..HOSTS)),
            1 => world.network.heal(),
            _ => {}
        }
        world.step();
    }
    world.network.heal();
    (0..QUIET_STEPS).for_each(|_| world.step());
    // Whoever reads now gets all that is left.
    let count = world.hosts.len();
    let host = rng.random_range(0..count);
    while readers.read(&mut world, host, "COUNT 7", true) {}
    let given: BTreeSet<u64> = readers.given.iter().flatten().copied().collect();
    let lost: Vec<u64> = (0..added).filter(|value| !given.contains(value)).collect();
    assert!(lost.is_empty(), "history {seed}: nobody was given {lost:?} of {added}");
    // The others know what was given.
    (0..QUIET_STEPS).for_each(|_| world.step());
    for other in 0..count {
        assert!(!readers.read(&mut world, other, "", false), "history {seed}: host{other} has some left");
    }
}

#[test]
fn every_entry_is_given_to_somebody() {
    (0..HISTORIES).for_each(|seed| run(seed, false));
}

#[test]
fn every_entry_is_given_to_somebody_while_a_node_joins() {
    (0..HISTORIES).for_each(|seed| run(seed, true));
}
