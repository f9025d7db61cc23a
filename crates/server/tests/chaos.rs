//! The chaos check, for a moment: `cargo xtask chaos` runs it for long, `cargo xtask soak` with new seeds.

mod support;

use engine::command::Flags;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use testkit::Topology;
use testkit::chaos::{self, Plan, Settings};

#[test]
fn nodes_that_know_each_other_are_equal_in_the_end_and_lose_nothing() {
    let plan = Plan::draw(Settings {
        program: support::program().to_owned(),
        seed: 1,
        duration: Duration::from_secs(4),
        nodes: Some(3),
        topology: Some(Topology::Mesh),
        kill: Some(false),
        slow_links: Some(true),
        log_size_bytes: Some(1 << 20),
        only: Vec::new(),
        keys: 60,
    });
    let verdict = chaos::run(plan, &AtomicBool::new(false)).unwrap();
    assert!(verdict.complaints.is_empty(), "{verdict}");
    eprintln!("{verdict}");
}

/// It would take what the keepers have added.
const LEFT_OUT: &[&str] = &["flushall"];

#[test]
fn every_other_write_command_is_sent() {
    let sent: BTreeSet<String> = chaos::commands().collect();
    let entries = engine::table::table().entries().iter();
    let writes = entries.filter(|entry| entry.has(Flags::WRITE) && entry.command.subcommands.is_empty());
    let missing: Vec<&str> =
        writes.map(|entry| entry.full_name.as_str()).filter(|name| !sent.contains(*name)).collect();
    assert_eq!(missing, LEFT_OUT);
}
