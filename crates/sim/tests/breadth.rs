//! Is everything in the workload? Each write command of the table must have changed something in it, and each kind of
//! effect must have come of it: what is added to the server and forgotten here fails.

use effect::{DecodeError, Effect, EffectReader, EffectWriter, NodeId, Origin};
use engine::command::Flags;
use engine::table::table;
use mesh::Now;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use sim::node::{Machine, Settings, Tape};
use sim::workload::{self, Workload};
use std::collections::BTreeSet;

/// Enough for every command of the workload to meet a key that it can change.
const COMMANDS: u64 = 20_000;
const STEP_MS: u64 = 20;

/// The words at the beginning of a command that name it in the table.
fn name(command: &[String]) -> String {
    let entry = table().command(command[0].as_bytes()).expect("a command");
    match table().subcommands(entry) {
        [] => entry.full_name.clone(),
        _ => format!("{}|{}", entry.full_name, command[1].to_lowercase()),
    }
}

#[test]
fn every_write_command_and_every_effect() {
    let tape = Tape::default();
    let (mut now, mut rng) = (Now { unix_ms: sim::clock::EPOCH_MS, monotonic_ms: 0 }, SmallRng::seed_from_u64(1));
    let origin = Origin { node: NodeId(1), incarnation: 1 };
    let mut machine = Machine::start(origin, &["other".to_owned()], 1, Settings::default(), tape.clone(), now);
    let mut done = BTreeSet::new();
    for tag in 0..COMMANDS {
        now = Now { unix_ms: now.unix_ms + STEP_MS, monotonic_ms: now.monotonic_ms + STEP_MS };
        let before = tape.count();
        let mut commands = Workload::whole().next(&mut rng, tag);
        if tag % 10 == 0 {
            commands = vec![workload::blocking(&mut rng)];
            machine.wait(commands[0].clone(), now);
        } else {
            machine.command(&commands, now);
        }
        if tape.count() > before {
            done.extend(commands.iter().map(|command| name(command)));
        }
        machine.turn(now);
    }
    let writes = table().entries().iter().filter(|entry| entry.has(Flags::WRITE) && entry.subcommands.is_empty());
    let missing: Vec<&str> =
        writes.map(|entry| entry.full_name.as_str()).filter(|name| !done.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "write commands that change nothing in the workload");

    let records = tape.records(&tape.last_commits());
    let mut tags = BTreeSet::new();
    for effect in records.iter().flat_map(|record| EffectReader::new(&record.effects)) {
        let mut encoded = Vec::new();
        EffectWriter::new(&mut encoded).push(&effect.expect("written by a node"));
        tags.insert(encoded[0]);
    }
    let is_effect = |tag: &u8| EffectReader::new(&[*tag]).next() != Some(Err(DecodeError::UnknownTag(*tag)));
    // No command says a key anew; see `strangers.rs`.
    let mut restate = Vec::new();
    EffectWriter::new(&mut restate).push(&Effect::Restate { key: b"" });
    tags.insert(restate[0]);
    let missing: Vec<String> =
        (0..=255).filter(is_effect).filter(|tag| !tags.contains(tag)).map(|tag| format!("{tag:#x}")).collect();
    assert_eq!(missing, Vec::<String>::new(), "tags of effects that the workload does not have");
}
