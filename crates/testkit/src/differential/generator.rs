//! Random operations from the recipes, reproducible by seed.

use super::recipes::{LISTENING, RECIPES, Recipe};
use super::{Comparison, Operation};
use crate::grammar::{Node, Source, parse};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Those that read and write.
pub(super) const CONNECTIONS: usize = 2;
/// The one that subscribes.
pub(super) const LISTENER: usize = CONNECTIONS;
/// Keys of each type's own; commands mostly meet the type that they want.
const KEYS_PER_TYPE: usize = 6;
/// In the year 3021: no clock of a test comes near.
const FAR_AWAY_SECONDS: u64 = 33_177_117_420;

/// What no command expects.
const GARBAGE: &[&[u8]] =
    &[b"", b"abc", b"-1", b"0", b"1.5", b" 1", b"9223372036854775807", b"9223372036854775808", b"\x00\xff", b"NX"];

/// Redis before 7.2 answers for an absent key without a look at the other arguments.
const KEY_FIRST: &[&[u8]] = &[b"BITCOUNT", b"BITPOS"];

/// KeyDB gives them an argument more.
const LONGER: &[&[u8]] = &[b"PERSIST", b"TTL", b"PTTL"];

/// Redis before 7.2 calls too long a time negative.
const WAITING: &[&[u8]] =
    &[b"BLPOP", b"BRPOP", b"BRPOPLPUSH", b"BLMOVE", b"BLMPOP", b"BZMPOP", b"BZPOPMAX", b"BZPOPMIN"];

/// Redis before 7.2 finds other words for what is wrong with them.
const REWORDED: &[&[u8]] = &[b"XREAD", b"XREADGROUP", b"XSETID"];

pub(super) struct Generator {
    random: SmallRng,
    recipes: Vec<(u32, Node, Comparison)>,
    listening: Vec<(u32, Node, Comparison)>,
    in_multi: [bool; CONNECTIONS],
}

impl Generator {
    pub(super) fn new(seed: u64) -> Generator {
        let parsed =
            |recipes: &[Recipe]| recipes.iter().map(|(weight, line, kind)| (*weight, parse(line), *kind)).collect();
        Generator {
            random: SmallRng::seed_from_u64(seed),
            recipes: parsed(RECIPES),
            listening: parsed(LISTENING),
            in_multi: [false; CONNECTIONS],
        }
    }

    /// The next operation of this connection.
    pub(super) fn next(&mut self, connection: usize) -> Operation {
        if connection == LISTENER {
            let (arguments, comparison) = self.instance(|generator| &mut generator.listening);
            return Operation { connection, arguments, comparison, rest_ms: 0 };
        }
        loop {
            let (mut arguments, comparison) = self.instance(|generator| &mut generator.recipes);
            if self.in_multi[connection] && is_random(comparison) {
                continue;
            }
            let mut rest_ms = 0;
            // A cursor that no server gave means nothing.
            let is_spoilable = !matches!(comparison, Comparison::Iteration(_))
                && ![KEY_FIRST, LONGER, WAITING, REWORDED].concat().contains(&&*arguments[0]);
            // Where scores differ, ranges of members mean nothing either.
            let is_spoilable = is_spoilable && !arguments.get(1).is_some_and(|key| key.starts_with(b"lexical"));
            if is_spoilable && self.chance(3) {
                self.spoil(&mut arguments);
            } else if arguments[0] == b"PEXPIRE" && !self.in_multi[connection] && self.chance(20) {
                arguments[2] = b"2".to_vec();
                rest_ms = 15;
            }
            self.follow(connection, &arguments);
            return Operation { connection, arguments, comparison, rest_ms };
        }
    }

    fn instance(&mut self, of: fn(&mut Generator) -> &mut Vec<(u32, Node, Comparison)>) -> (Vec<Vec<u8>>, Comparison) {
        let recipes = std::mem::take(of(self));
        let mut left = self.random.random_range(0..recipes.iter().map(|(weight, ..)| weight).sum());
        let picked = recipes.iter().find(|(weight, ..)| {
            let here = left < *weight;
            left = left.wrapping_sub(*weight);
            here
        });
        let (_, node, comparison) = picked.expect("left is below the sum of all weights");
        let mut arguments = Vec::new();
        node.expand(self, &mut arguments);
        let comparison = *comparison;
        *of(self) = recipes;
        (arguments, comparison)
    }

    fn key(&mut self, kind: &str) -> Vec<u8> {
        let number = self.random.random_range(0..KEYS_PER_TYPE);
        format!("{kind}{number}").into_bytes()
    }

    /// Not a HyperLogLog: into one whose end is spoilt Redis adds all the same, as long as it does not get there.
    fn any_key(&mut self) -> Vec<u8> {
        match self.random.random_range(0..12) {
            0 => b"bin\x00\xff\r\n".to_vec(),
            1 => Vec::new(),
            n => self.key(["string", "set", "hash", "zset", "list", "stream"][n % 6]),
        }
    }

    /// A member or a field: from few enough that commands meet again.
    fn element(&mut self) -> Vec<u8> {
        match self.random.random_range(0..20) {
            0 => self.value(),
            1..=9 => self.random.random_range(-20..100_i32).to_string().into_bytes(),
            _ => format!("m{}", self.random.random_range(0..60)).into_bytes(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.random.random_range(0..16) {
            0..=4 => self.integer(),
            5 => self.float(),
            6 => Vec::new(),
            7 => (0..self.random.random_range(1..20)).map(|_| self.random.random()).collect(),
            8 => b"x".repeat(self.random.random_range(40..70)),
            9 => b"long".repeat(self.random.random_range(1..1000)),
            10 => self.pick(&["007", "+1", "-0", " 5", "5 ", "0x1f", "1e3", "nan", "inf", "1_000"]),
            _ => format!("value{}", self.random.random_range(0..1000)).into_bytes(),
        }
    }

    fn integer(&mut self) -> Vec<u8> {
        let value = match self.random.random_range(0..12) {
            0 => *[i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1].choose(&mut self.random).expect("not empty"),
            1 => self.random.random(),
            2 => i64::from(self.random.random::<i32>()),
            _ => self.random.random_range(-100..1000),
        };
        value.to_string().into_bytes()
    }

    /// Few digits: long doubles of the platform may differ in the last ones.
    fn float(&mut self) -> Vec<u8> {
        let value: i32 = self.random.random_range(-10_000..10_000);
        match self.random.random_range(0..4) {
            0 => format!("{}.{:02}", value / 100, (value % 100).abs()),
            1 => format!("{value}e{}", self.random.random_range(-3..5)),
            2 => format!("{value}.5"),
            _ => value.to_string(),
        }
        .into_bytes()
    }

    /// Few digits of the binary kind, too: older versions print scores in another way.
    fn score(&mut self) -> Vec<u8> {
        match self.random.random_range(0..20) {
            0 => self.pick(&["inf", "-inf"]),
            1..=4 => format!("{}.25", self.random.random_range(-20..20)).into_bytes(),
            _ => self.random.random_range(-20..60).to_string().into_bytes(),
        }
    }

    /// Makes a command wrong, or odd.
    fn spoil(&mut self, arguments: &mut Vec<Vec<u8>>) {
        let index = self.random.random_range(0..arguments.len());
        let mut garbage = GARBAGE.choose(&mut self.random).expect("not empty").to_vec();
        if arguments[0].starts_with(b"Z") || arguments[0].starts_with(b"GEO") {
            // As a score it would be printed with other digits since 7.2.
            garbage.truncate(10);
        }
        match self.random.random_range(0..4) {
            0 if arguments.len() > 1 => drop(arguments.pop()),
            // Redis 7.2 allows one argument more there.
            1 if !matches!(&arguments[0][..], b"ZRANK" | b"ZREVRANK") => arguments.push(garbage),
            2 if index > 0 => arguments[index] = garbage,
            _ => arguments[0].make_ascii_lowercase(),
        }
    }

    /// Keeps track of which connection queues.
    fn follow(&mut self, connection: usize, arguments: &[Vec<u8>]) {
        match (arguments[0].to_ascii_uppercase().as_slice(), arguments.len()) {
            (b"MULTI", 1) => self.in_multi[connection] = true,
            (b"EXEC" | b"DISCARD", 1) => self.in_multi[connection] = false,
            _ => {}
        }
    }

    fn pick(&mut self, choices: &[&str]) -> Vec<u8> {
        choices.choose(&mut self.random).expect("not empty").as_bytes().to_vec()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// How many commands go out together.
    pub(super) fn batch(&mut self) -> (usize, usize) {
        if self.chance(10) {
            return (LISTENER, 1);
        }
        let len = if self.chance(20) { self.random.random_range(1..100) } else { self.random.random_range(1..10) };
        (self.random.random_range(0..CONNECTIONS), len)
    }
}

impl Source for Generator {
    fn random(&mut self) -> &mut SmallRng {
        &mut self.random
    }

    fn argument(&mut self, kind: &'static str) -> Vec<u8> {
        let number = |value: i64| value.to_string().into_bytes();
        match kind {
            "key" => self.any_key(),
            "string" | "hll" | "set" | "hash" | "zset" | "list" | "geo" | "stream" if self.chance(4) => self.any_key(),
            "string" | "hll" | "set" | "hash" | "zset" | "lexical" | "list" | "geo" | "stream" => self.key(kind),
            // Ids that meet again; what is added within the last millisecond always comes in.
            "entry" => format!("{}-{}", self.random.random_range(0..8), self.random.random_range(0..30)).into_bytes(),
            "next" => self.pick(&["7-*", "7-*", "7-*", "6-*", "7-9", "7-40", "3-2"]),
            "from" => self.pick(&["-", "(7-2", "7", "5-3", "(6-0", "0"]),
            "to" => self.pick(&["+", "+", "(7-9", "7", "6-5"]),
            "group" => self.pick(&["g", "h"]),
            "consumer" => self.pick(&["alice", "bob"]),
            "value" => self.value(),
            "member" | "field" => self.element(),
            "integer" => self.integer(),
            "float" => self.float(),
            "score" => self.score(),
            // Not at the same place twice: what is equally near may come in any order.
            "longitude" => format!("{:.6}", self.random.random_range(-180.0..180.0)).into_bytes(),
            "latitude" => format!("{:.6}", self.random.random_range(-85.0..85.0)).into_bytes(),
            "radius" => number(*[1, 100, 3000, 8000, 30_000].choose(&mut self.random).expect("not empty")),
            // Zero is not to become negative: a tree of ours knows but one zero.
            "weight" => self.pick(&["1", "2", "0.5", "3.25", "inf"]),
            "bound" => [self.pick(&["", "", "("]), self.score()].concat(),
            "edge" if self.chance(20) => self.pick(&["-", "+"]),
            "edge" => [self.pick(&["[", "("]), self.element()].concat(),
            "small" => number(self.random.random_range(0..12)),
            "bit" => number(self.random.random_range(0..2000)),
            "count" => number(self.random.random_range(1..50)),
            "index" => number(self.random.random_range(-30..30)),
            "db" => number(self.random.random_range(0..3)),
            // Far from now, so that no key expires on one side only.
            "seconds" => number(*[5000, 100_000, 0, -1].choose(&mut self.random).expect("not empty")),
            "milliseconds" => number(*[5_000_000, 99_999_999, 0, -5].choose(&mut self.random).expect("not empty")),
            "at" => number((FAR_AWAY_SECONDS + self.random.random_range(0..4)) as i64),
            "at_ms" => number((FAR_AWAY_SECONDS * 1000 + self.random.random_range(0..4000)) as i64),
            "width" => self.pick(&["u1", "u2", "u8", "u16", "u63", "i1", "i3", "i5", "i64"]),
            "channel" => self.pick(&["news", "sport", "s1", "__keyspace@0__:s1"]),
            "channels" => self.pick(&["*", "s*", "n?ws", "__keyevent*", "__key*"]),
            "pattern" => self.pick(&["*", "s*", "*1", "?[12]", "[^s]*", "m?", "nothing"]),
            "type" => self.pick(&["string", "set", "hash", "list", "zset", "stream"]),
            _ => unreachable!("no such argument in the grammar: {kind}"),
        }
    }
}

/// Whether the reply within EXEC could not be compared.
fn is_random(comparison: Comparison) -> bool {
    use Comparison::{Iteration, Pop, RandomKey, Sample};
    matches!(comparison, Pop | Sample | RandomKey | Iteration(_))
}
