//! Fuzzing that needs nothing but the stable compiler: inputs are mutations of a corpus, reproducible by seed.
//! FUZZ_SEED and FUZZ_SECONDS choose other inputs and longer runs (`cargo xtask soak`).

use crate::quote;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

/// How many inputs an everyday run tries.
const INPUTS: u64 = 50_000;
const MAX_LEN: usize = 4096;

/// What parsers get wrong: ends of ranges, signs, separators.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff",
    b"0",
    b"-1",
    b"-0",
    b"+1",
    b"00",
    b"1048577",
    b"2147483647",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\"",
    b"'",
    b"\\x",
    b" ",
    b"*",
    b"$",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
];

/// Calls `check` with mutations of the corpus; it panics where the input is handled wrongly, and the input is shown.
pub fn run(corpus: &[&[u8]], mut check: impl FnMut(&[u8])) {
    let setting = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = setting("FUZZ_SEED").unwrap_or(1);
    let end = setting("FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut random = SmallRng::seed_from_u64(seed);
    let mut tried = 0;
    while end.map_or(tried < INPUTS, |end| Instant::now() < end) {
        let input = mutated(corpus, &mut random);
        let _shown = ShownOnPanic(&input);
        check(&input);
        tried += 1;
    }
}

struct ShownOnPanic<'a>(&'a [u8]);

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("input: {}", quote(self.0));
        }
    }
}

fn mutated(corpus: &[&[u8]], random: &mut SmallRng) -> Vec<u8> {
    let mut input = corpus.choose(random).expect("a corpus is not empty").to_vec();
    for _ in 0..random.random_range(0..6) {
        mutate(&mut input, corpus, random);
        input.truncate(MAX_LEN);
    }
    input
}

fn mutate(input: &mut Vec<u8>, corpus: &[&[u8]], random: &mut SmallRng) {
    let at = random.random_range(0..=input.len());
    let end = random.random_range(at..=input.len().min(at + 16));
    match random.random_range(0..7) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = random.random(),
        2 => drop(input.drain(at..end)),
        3 => drop(input.splice(at..end, PIECES.choose(random).expect("not empty").iter().copied())),
        4 => {
            let copy = input[at..end].to_vec();
            input.splice(at..at, copy);
        }
        5 => {
            let other = corpus.choose(random).expect("a corpus is not empty");
            input.truncate(at);
            input.extend_from_slice(&other[random.random_range(0..=other.len())..]);
        }
        _ => input.truncate(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn inputs_differ_and_reach_the_bad_one() {
        let mut seen = BTreeSet::new();
        let mut has_reached = false;
        run(&[b"*1\r\n$4\r\nPING\r\n"], |input| {
            has_reached |= input.starts_with(b"*-1\r\n");
            seen.insert(input.to_vec());
        });
        assert!(has_reached);
        assert!(seen.len() > 10_000, "{}", seen.len());
    }
}
