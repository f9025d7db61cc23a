//! Random commands from the recipes, by seed.

use super::recipes::{ANY_KEY, FAMILIES, WAITING};
use crate::grammar::{Node, Source, parse};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::time::{SystemTime, UNIX_EPOCH};

/// Whose keys there are.
const KEY_KINDS: [&str; 9] = ["string", "counter", "bytes", "hyperloglog", "hash", "set", "zset", "list", "stream"];

pub(super) type Command = Vec<Vec<u8>>;

struct Recipe {
    family: &'static str,
    weight: u32,
    line: Node,
}

/// What one client sends.
pub(super) struct Commands {
    recipes: Vec<Recipe>,
    waiting: Vec<(u32, Node)>,
    /// Families, all where there are none.
    only: Vec<String>,
    arguments: Arguments,
}

struct Arguments {
    random: SmallRng,
    keys_per_kind: usize,
    /// The kinds of the keys in the command that is being made.
    kinds: Vec<&'static str>,
}

impl Commands {
    pub(super) fn new(seed: u64, only: &[String], keys_per_kind: usize) -> Commands {
        let recipes = FAMILIES.iter().flat_map(|family| {
            let recipe = |(weight, line): &(u32, &'static str)| Recipe {
                family: family.name,
                weight: *weight,
                line: parse(line),
            };
            family.recipes.iter().map(recipe)
        });
        Commands {
            recipes: recipes.collect(),
            waiting: WAITING.iter().map(|(weight, line)| (*weight, parse(line))).collect(),
            only: only.to_vec(),
            arguments: Arguments { random: SmallRng::seed_from_u64(seed), keys_per_kind, kinds: Vec::new() },
        }
    }

    pub(super) fn random(&mut self) -> &mut SmallRng {
        &mut self.arguments.random
    }

    /// A command that waits for nothing.
    pub(super) fn next(&mut self) -> Command {
        loop {
            let recipe = self.recipes.choose_weighted(&mut self.arguments.random, |recipe| recipe.weight);
            let recipe = recipe.expect("there are recipes");
            let mut words = Vec::new();
            self.arguments.kinds.clear();
            recipe.line.expand(&mut self.arguments, &mut words);
            let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
            let about_wanted = || self.arguments.kinds.iter().any(|kind| wanted(kind));
            if wanted(recipe.family) || recipe.family == ANY_KEY && about_wanted() {
                return words;
            }
        }
    }

    /// One that waits, a third of a second at most.
    pub(super) fn next_waiting(&mut self) -> Command {
        let line = self.waiting.choose_weighted(&mut self.arguments.random, |(weight, _)| *weight);
        let mut words = Vec::new();
        line.expect("there are some").1.expand(&mut self.arguments, &mut words);
        words
    }
}

impl Arguments {
    fn key(&mut self, kind: &'static str) -> String {
        self.kinds.push(kind);
        format!("{kind}{}", self.random.random_range(0..self.keys_per_kind))
    }

    /// A Unix time in milliseconds, sometimes past.
    fn moment_ms(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_millis() as u64 + self.random.random_range(0..3000) - 1000
    }
}

impl Source for Arguments {
    fn random(&mut self) -> &mut SmallRng {
        &mut self.random
    }

    fn argument(&mut self, kind: &'static str) -> Vec<u8> {
        let text = match kind {
            "key" => {
                let kind = KEY_KINDS.choose(&mut self.random).expect("there are some");
                self.key(kind)
            }
            _ if KEY_KINDS.contains(&kind) => self.key(kind),
            "nested" => format!("{}.{}", self.key("hash"), self.random.random_range(0..3)),
            "element" => ["a", "b", "c", "d", "e", "f", "g", "h"].choose(&mut self.random).expect("some").to_string(),
            "value" => self.random.random_range(0..1000).to_string(),
            "delta" => self.random.random_range(-50..50).to_string(),
            "quarter" => (f64::from(self.random.random_range(0..50)) / 4.0).to_string(),
            "small" => self.random.random_range(1..4).to_string(),
            "offset" => self.random.random_range(0..60).to_string(),
            "bit" => self.random.random_range(0..400).to_string(),
            "width" => "u8".to_owned(),
            "from" => "[b".to_owned(),
            "to" => "(d".to_owned(),
            "seconds" => self.random.random_range(0..3).to_string(),
            "lifetime" => self.random.random_range(1..3).to_string(),
            "milliseconds" => self.random.random_range(1..2000).to_string(),
            "at" => (self.moment_ms() / 1000).to_string(),
            "at_ms" => self.moment_ms().to_string(),
            "channel" => "news".to_owned(),
            _ => unreachable!("no such argument in the grammar: {kind}"),
        };
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<String> {
        let only: Vec<String> = only.iter().map(|name| name.to_string()).collect();
        let mut commands = Commands::new(1, &only, 10);
        (0..5000).map(|_| String::from_utf8(commands.next()[0].clone()).unwrap()).collect()
    }

    #[test]
    fn families_can_be_chosen() {
        let chosen = names(&["hash"]);
        for present in ["HINCRBY", "HPEXPIRE", "RENAME", "PEXPIRE", "DEL"] {
            assert!(chosen.iter().any(|name| name == present), "{present}");
        }
        for absent in ["SET", "RPUSH", "FLUSHDB", "PUBLISH"] {
            assert!(chosen.iter().all(|name| name != absent), "{absent}");
        }
        assert!(names(&[]).iter().any(|name| name == "RPUSH"));
    }

    #[test]
    fn a_seed_gives_the_same_commands() {
        assert_eq!(names(&["list"]), names(&["list"]));
    }
}
