//! What nodes tell each other (effects, and whole data sets), mutated: a hostile or broken peer gets an error, or changes
//! what it may change anyway; nothing panics, and nothing is left that cannot be told to the next node.

use effect::{Effect, EffectReader, NodeId, Origin, Stamp, VersionVector};
use keyspace::{Export, Import, Keyspace, Options, Row, Scope, Switches, Version};
use mesh::Now;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use sim::node::{Machine, Settings, Tape};
use sim::workload::Workload;

const UNIX_MS: u64 = 1_700_000_000_000;
/// Enough for every command of the workload.
const COMMANDS: u64 = 1500;

fn origin(node: u64) -> Origin {
    Origin { node: NodeId(node), incarnation: 1 }
}

fn keyspace(peers: bool) -> Keyspace {
    let keyspace = Keyspace::new(Options { databases: 2, single_threaded: true, hash_secret: 1, seed: 1 });
    keyspace.set_origin(origin(9));
    keyspace.set_switches(Switches { recording: true, stamping: peers, peers });
    keyspace
}

/// A node that clients have written to, and what it has committed.
fn written() -> (Machine, Vec<Vec<u8>>) {
    let now = Now { unix_ms: UNIX_MS, monotonic_ms: 0 };
    let tape = Tape::default();
    let mut machine = Machine::start(origin(1), &["other".to_owned()], 1, Settings::default(), tape.clone(), now);
    let mut rng = SmallRng::seed_from_u64(1);
    for tag in 0..COMMANDS {
        machine.command(&Workload::whole().next(&mut rng, tag), now);
    }
    let records = tape.records(&tape.last_commits());
    assert!(records.len() as u64 > COMMANDS / 3, "most commands write");
    let mut effects: Vec<Vec<u8>> = records.into_iter().map(|record| record.effects).collect();
    effects.extend(restated(machine.keyspace()));
    // Something on top of what was said anew.
    for tag in COMMANDS..2 * COMMANDS {
        machine.command(&Workload::whole().next(&mut rng, tag), now);
    }
    (machine, effects)
}

/// Every other key is said anew.
fn restated(keyspace: &Keyspace) -> Vec<Vec<u8>> {
    let seen = [Stamp::ZERO, Stamp::from_ms(UNIX_MS), Stamp(7)];
    let mut effects = Vec::new();
    for db in 0..keyspace.databases() {
        let txn = keyspace.begin(Scope::All, db, UNIX_MS);
        let keys: Vec<Vec<u8>> = txn.keys_of(db).map(<[u8]>::to_vec).step_by(2).collect();
        drop(txn);
        for key in keys {
            let mut txn = keyspace.begin(Scope::Keys(&[keyspace.hash(&key)]), db, UNIX_MS);
            txn.restate(&key, &seen);
            effects.extend(txn.commit(|commit| commit.effects.to_vec()));
        }
    }
    assert!(effects.len() > 10);
    effects
}

fn chunks(keyspace: &Keyspace) -> Vec<Vec<u8>> {
    let (mut chunks, mut export, mut has_more) = (Vec::new(), Export::new(), true);
    while has_more {
        let mut chunk = Vec::new();
        has_more = export.go_on(keyspace, 64, &mut chunk);
        chunks.push(chunk);
    }
    chunks.retain(|chunk| !chunk.is_empty());
    chunks
}

/// Whatever is here now can be read, told and understood.
fn check(keyspace: &Keyspace) {
    keyspace.digest(UNIX_MS);
    let other = self::keyspace(true);
    let vector = VersionVector::new();
    let mut import = Import::begin(&other, &vector, &vector, &vector, false).unwrap();
    for chunk in chunks(keyspace) {
        import.merge(&other, &chunk, Stamp::MAX, |_| ()).expect("what a node says is understood");
    }
    import.end(&other, true, |_| ());
    other.digest(UNIX_MS);
}

#[test]
fn mutated_effects() {
    let (_machine, corpus) = written();
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    let mut tried = 0u64;
    let mut here = [keyspace(true), keyspace(false)];
    testkit::fuzz::run(&corpus, |input| {
        tried += 1;
        for (peers, keyspace) in [true, false].into_iter().zip(&mut here) {
            if tried.is_multiple_of(1000) {
                check(keyspace);
                *keyspace = self::keyspace(peers);
            }
            if keyspace.check_effects(input, |_| ()).is_err() {
                continue;
            }
            // Of two authors by turns, who have seen each other or not; late ones, too.
            let author = keyspace.origin_index(origin(1 + tried % 2)).expect("few origins");
            let mut stamp = Stamp::from_ms(UNIX_MS + tried * 7919 % 1000);
            let seen = vec![stamp; if tried.is_multiple_of(3) { 4 } else { 0 }];
            let mut txn = keyspace.begin(Scope::All, 0, UNIX_MS);
            for effect in EffectReader::new(input) {
                let effect = effect.expect("checked");
                let version = Version { stamp, origin: author };
                if let Effect::Restate { key } = effect {
                    txn.own_writes(key, Version { stamp: stamp.plus(1), ..version });
                }
                drop(txn.apply(&effect, version, Row::Seen(&seen)).expect("checked"));
                if !matches!(effect, Effect::Select { .. }) {
                    stamp = stamp.plus(1);
                }
            }
            txn.commit_applied(|_| ());
        }
    });
}

#[test]
fn mutated_data_sets() {
    let (machine, _) = written();
    let corpus = chunks(machine.keyspace());
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    assert!(corpus.len() > 10, "the data set comes in pieces");
    let vector = VersionVector::new();
    let (mut tried, mut here) = (0u64, keyspace(true));
    testkit::fuzz::run(&corpus, |input| {
        tried += 1;
        if tried.is_multiple_of(1000) {
            check(&here);
            here = keyspace(!tried.is_multiple_of(4000));
        }
        let mut import = Import::begin(&here, &vector, &vector, &vector, false).unwrap();
        let understood = import.merge(&here, input, Stamp::from_ms(1 << 41), |_| ()).is_ok();
        import.end(&here, understood, |_| ());
    });
}
