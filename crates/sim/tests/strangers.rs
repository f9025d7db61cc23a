//! A node that writes before it is known to anybody makes others say keys anew. What those who are away at that time write on
//! these keys is not lost by it.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sim::node::Settings;
use sim::world::{World, address};

const HISTORIES: u64 = 20;
const SETTLING_STEPS: u64 = 600;
const APART_STEPS: u64 = 600;
const BUSY_STEPS: u64 = 1_500;
/// Where assertions are on, long values are put together two elements a step.
const QUIET_STEPS: u64 = 10_000;
/// The hub, one that stays, one that is away for a while, and the stranger.
const HUB: usize = 0;
const AWAY: usize = 2;
const STRANGER: usize = 3;

/// What reads the keys in the end; each of them has to show what everybody has added.
const READS: [&str; 6] =
    ["SMEMBERS set", "HGETALL hash", "ZRANGE sorted 0 -1", "LRANGE list 0 -1", "XRANGE stream - +", "HGETALL fields"];

fn words(line: &str) -> Vec<Vec<String>> {
    vec![line.split(' ').map(str::to_owned).collect()]
}

/// Something that nobody takes away again.
fn add(world: &mut World, host: usize, number: u64) {
    for command in [
        format!("SADD set v{number};"),
        format!("HSET hash v{number}; 1"),
        format!("ZADD sorted {number} v{number};"),
        format!("{} list v{number};", ["RPUSH", "LPUSH"][number as usize % 2]),
        format!("XADD stream * field v{number};"),
        format!("HSET fields f{number} v{number};"),
        "INCR counter".to_owned(),
        "HINCRBY counts f 1".to_owned(),
        "ZINCRBY scores 1 m".to_owned(),
    ] {
        world.command(host, &words(&command));
    }
}

fn late_records(world: &mut World) -> bool {
    (0..world.hosts.len()).any(|host| {
        let reply = String::from_utf8_lossy(&world.command(host, &words("MESH CONFLICTS"))).into_owned();
        let mut lines = reply.lines().skip_while(|line| *line != "late-records");
        lines.nth(1).is_some_and(|number| number != ":0")
    })
}

/// What became of the pushes on a list.
#[derive(Default)]
struct Pushes {
    made: u64,
    lost_or_twice: u64,
}

/// True where there were late records at all.
fn run(seed: u64, pushes: &mut Pushes) -> bool {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut world = World::new(SmallRng::seed_from_u64(rng.random()), Settings::default(), 64 << 10);
    world.add_host(vec![1, AWAY]);
    (1..STRANGER).for_each(|_| _ = world.add_host(vec![HUB]));
    (0..SETTLING_STEPS).for_each(|_| world.step());
    let mut number = 0;
    let mut write = |world: &mut World, rng: &mut SmallRng, hosts: &[usize]| {
        for host in hosts.iter().filter(|_| rng.random_ratio(1, 20)).collect::<Vec<_>>() {
            add(world, *host, number);
            number += 1;
        }
        world.step();
    };
    world.command(HUB, &words("SET left there"));
    (0..SETTLING_STEPS).for_each(|_| write(&mut world, &mut rng, &[HUB, 1, AWAY]));

    world.network.block(HUB, AWAY);
    world.network.block(HUB, STRANGER);
    world.add_host(vec![HUB]);
    (0..APART_STEPS).for_each(|_| write(&mut world, &mut rng, &[HUB, 1, AWAY, STRANGER]));
    world.command(AWAY, &words("DEL left"));
    world.command(STRANGER, &words("EXPIRE left 100000"));
    world.network.heal();
    world.network.block(HUB, AWAY);
    world.replicaof(HUB, &format!("{} 6379", address(STRANGER)));
    (0..BUSY_STEPS).for_each(|_| write(&mut world, &mut rng, &[HUB, 1, AWAY, STRANGER]));
    world.network.heal();
    (0..QUIET_STEPS).for_each(|_| world.step());

    for read in READS {
        let text = String::from_utf8_lossy(&world.command(HUB, &words(read))).into_owned();
        let count = |number: &u64| text.matches(&format!("v{number};")).count();
        let lost: Vec<u64> = (0..number).filter(|number| count(number) == 0).collect();
        let twice = (0..number).filter(|number| count(number) > 1).count() as u64;
        // Where several nodes say a list anew in turn, a push of one that was away may be lost or doubled: it has another name each time.
        // In single histories that are up to 7 % lost and 14 % twice; in all of 400 together 0.1 and 0.2 %.
        let is_list = read.starts_with("LRANGE");
        let (may_be_lost, may_be_twice) = if is_list { (number / 10, number / 6) } else { (0, 0) };
        assert!(lost.len() as u64 <= may_be_lost, "history {seed}: {read} lacks {lost:?} of {number}");
        assert!(twice <= may_be_twice, "history {seed}: {read} has {twice} of {number} twice");
        if is_list {
            pushes.made += number;
            pushes.lost_or_twice += lost.len() as u64 + twice;
        }
    }
    for read in ["GET counter", "HGET counts f", "ZSCORE scores m"] {
        let text = String::from_utf8_lossy(&world.command(HUB, &words(read))).into_owned();
        let count = text.lines().nth(1).and_then(|count| count.parse::<u64>().ok());
        assert_eq!(count, Some(number), "history {seed}: {read}");
    }
    assert_eq!(world.command(HUB, &words("EXISTS left")), b":0\r\n", "history {seed}: what was deleted came back");
    let digests: Vec<Vec<u8>> = (0..world.hosts.len()).map(|host| world.command(host, &words("MESH DIGEST"))).collect();
    assert!(digests.iter().all(|digest| *digest == digests[HUB]), "history {seed}: nodes differ");
    late_records(&mut world)
}

#[test]
fn what_others_write_while_keys_are_said_anew_is_not_lost() {
    let mut pushes = Pushes::default();
    let late = (0..HISTORIES).filter(|seed| run(*seed, &mut pushes)).count() as u64;
    let Pushes { made, lost_or_twice } = pushes;
    assert!(lost_or_twice <= made / 100, "of {made} pushes {lost_or_twice} were lost or doubled");
    assert!(late > HISTORIES / 2, "of {HISTORIES} only {late} had late records");
}
