//! Measurements, not tests: `cargo test --release -p keyspace speed -- --ignored --nocapture`.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use super::*;
use crate::entry::ValueRef;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::hint::black_box;
use std::time::Instant;

const SHARDS: u64 = 64;

#[derive(Clone, Copy)]
struct Hasher;

impl KeyHasher for Hasher {
    fn hash(&self, key: &[u8]) -> u64 {
        stdx::hash::hash(key)
    }
}

type Tables = Vec<Table<Hasher>>;

fn key(number: usize) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let text = number.to_string();
    key[16 - text.len()..].copy_from_slice(text.as_bytes());
    key
}

fn set(tables: &mut Tables, key: &[u8], value: &[u8]) {
    let hash = Hasher.hash(key);
    match tables[(hash % SHARDS) as usize].slot(hash, key) {
        Slot::Occupied(mut entry) => entry.overwrite(NewValue::Bytes(value), Header::default()),
        Slot::Vacant(vacant) => {
            vacant.insert(Entry::new(key, NewValue::Bytes(value), Header::default()));
        }
    }
}

fn value_len(tables: &Tables, hash: u64, key: &[u8]) -> usize {
    match tables[(hash % SHARDS) as usize].find(hash, key).map(Entry::value) {
        Some(ValueRef::Bytes(bytes)) => bytes.len(),
        _ => 0,
    }
}

/// The best of five rounds: the others were disturbed.
fn measure(what: &str, operations: usize, mut f: impl FnMut()) {
    let round = |_| {
        let start = Instant::now();
        f();
        start.elapsed().as_nanos() as f64 / operations as f64
    };
    println!("{what:32} {:7.1} ns", (0..5).map(round).fold(f64::MAX, f64::min));
}

/// As a pipeline is run: buckets of the whole batch are fetched, then entries, then each is used.
fn batches(keys: &[[u8; 16]], batch: usize, tables: &mut Tables, mut f: impl FnMut(&mut Tables, u64, &[u8; 16])) {
    let mut hashes = Vec::with_capacity(batch);
    for keys in keys.chunks(batch) {
        hashes.clear();
        hashes.extend(keys.iter().map(|key| Hasher.hash(key)));
        hashes.iter().for_each(|&hash| tables[(hash % SHARDS) as usize].prefetch(hash, Prefetch::Bucket));
        hashes.iter().for_each(|&hash| tables[(hash % SHARDS) as usize].prefetch(hash, Prefetch::Entries));
        keys.iter().zip(&hashes).for_each(|(key, &hash)| f(tables, hash, key));
    }
}

fn filled(keys: &[[u8; 16]]) -> Tables {
    let mut tables: Tables = (0..SHARDS).map(|_| Table::new(Hasher)).collect();
    keys.iter().for_each(|key| set(&mut tables, key, b"value-of-16bytes"));
    tables
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let mut keys: Vec<_> = (0..1_000_000).map(key).collect();
    let count = keys.len();
    let mut random = SmallRng::seed_from_u64(1);
    let mut tables: Tables = Vec::new();
    measure("insert (and drop)", count, || tables = filled(&keys));
    keys.shuffle(&mut random);
    measure("find", count, || {
        keys.iter().for_each(|key| {
            black_box(value_len(&tables, Hasher.hash(key), key));
        });
    });
    for batch in [8, 16, 32, 64] {
        measure(&format!("find, batches of {batch}"), count, || {
            batches(&keys, batch, &mut tables, |tables, hash, key| {
                black_box(value_len(tables, hash, key));
            });
        });
    }
    for batch in [16, 64] {
        measure(&format!("overwrite, batches of {batch}"), count, || {
            batches(&keys, batch, &mut tables, |tables, _, key| set(tables, key, b"batched-16-bytes"));
        });
    }
    measure("find, absent", count, || {
        for _ in 0..count {
            let key = key(random.random_range(count..100 * count));
            black_box(value_len(&tables, Hasher.hash(&key), &key));
        }
    });
    measure("overwrite", count, || keys.iter().for_each(|key| set(&mut tables, key, b"another-16-bytes")));
    let hot: Vec<_> = keys.iter().take(1000).cycle().take(count).collect();
    measure("find, 1000 hot keys", count, || {
        hot.iter().for_each(|key| {
            black_box(value_len(&tables, Hasher.hash(*key), *key));
        });
    });
    measure("overwrite, 1000 hot keys", count, || {
        hot.iter().for_each(|key| set(&mut tables, *key, b"another-16-bytes"))
    });
}

/// The longest that one insert takes, splits included.
#[test]
#[ignore = "a measurement"]
fn pauses() {
    let mut tables: Tables = vec![Table::new(Hasher)];
    let mut longest = [0; 1000];
    for number in 0..2_000_000 {
        let entry = Entry::new(&key(number), NewValue::Bytes(b"value-of-16bytes"), Header::default());
        let hash = Hasher.hash(entry.key());
        let start = Instant::now();
        tables[0].insert(hash, entry);
        let elapsed_ns = start.elapsed().as_nanos();
        if elapsed_ns > longest[0] {
            longest[0] = elapsed_ns;
            longest.sort_unstable();
        }
    }
    for rank in [1, 10, 100, 1000] {
        println!("pause number {rank:4} of 2,000,000 inserts: {:6.1} us", longest[1000 - rank] as f64 / 1000.0);
    }
}

#[test]
#[ignore = "a measurement"]
fn bytes_per_key() {
    for count in
        [1000, 10_000, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 700_000, 800_000, 1_000_000, 1_300_000]
    {
        let keys: Vec<_> = (0..count).map(key).collect();
        let tables = filled(&keys);
        let table: usize = tables.iter().map(Table::heap_size).sum();
        let entries: usize = tables.iter().flat_map(Table::iter).map(Entry::heap_size).sum();
        let per_key = |bytes: usize| bytes as f64 / count as f64;
        println!(
            "{count:8} keys: table {:5.2}, over key and value {:5.2}",
            per_key(table),
            per_key(table + entries) - 32.0
        );
    }
}
