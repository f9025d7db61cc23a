//! Seeded histories, judged by the contract. A failing seed runs alone with
//! `FLUIDB_SIM_FIRST=n FLUIDB_SIM_HISTORIES=1 cargo test -p sim`; `cargo xtask soak` runs many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::history::{Scenario, run};

/// Histories of each scenario in an everyday run.
const HISTORIES: u64 = 400;
/// In so many of a thousand, and one, keys may be different until nodes find that out; only strangers may cause that.
const MENDED: u64 = 5;
/// Divergences that are written out whole.
const SHOWN: usize = 3;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Runs histories on all cores.
fn converge(scenario: Scenario) {
    let first = number("FLUIDB_SIM_FIRST").unwrap_or(0);
    let histories = number("FLUIDB_SIM_HISTORIES").unwrap_or(HISTORIES);
    let next = AtomicU64::new(first);
    let (divergences, mended) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + histories {
                        break;
                    }
                    match run(scenario, seed) {
                        Ok(0) => {}
                        Ok(_) => mended.lock().unwrap().push(seed),
                        Err(divergence) => divergences.lock().unwrap().push(divergence),
                    }
                }
            });
        }
    });
    let divergences = divergences.into_inner().unwrap();
    let seeds: Vec<u64> = divergences.iter().map(|divergence| divergence.seed).collect();
    let shown: String = divergences.iter().take(SHOWN).map(|divergence| divergence.to_string()).collect();
    assert!(divergences.is_empty(), "{} of {histories} histories diverge: {seeds:?}\n{shown}", seeds.len());
    let mended = mended.into_inner().unwrap();
    let (count, most) = (mended.len(), histories * MENDED / 1000 + 1);
    if count > 0 {
        println!("{count} of {histories} histories diverge until they are mended: {mended:?}");
    }
    assert!(count as u64 <= most, "{count} of {histories} histories diverge until they are mended: {mended:?}");
}

#[test]
fn partitions_delays_and_jumping_clocks() {
    converge(Scenario::default());
}

#[test]
fn crashes_that_lose_all_memory() {
    converge(Scenario { crashes: true, ..Scenario::default() });
}

#[test]
fn joining_nodes() {
    converge(Scenario { joins: true, ..Scenario::default() });
}

#[test]
fn everything_at_once() {
    converge(Scenario { crashes: true, joins: true, ..Scenario::default() });
}

#[test]
fn nodes_that_write_before_they_are_known() {
    converge(Scenario { crashes: true, joins: true, eager: true, ..Scenario::default() });
}

#[test]
fn nodes_that_were_away_beyond_the_log() {
    converge(Scenario { short_logs: true, ..Scenario::default() });
}

#[test]
fn data_sets_that_come_in_pieces() {
    converge(Scenario { short_logs: true, narrow_links: true, ..Scenario::default() });
}

#[test]
fn a_mesh_that_is_not_new() {
    converge(Scenario { crashes: true, joins: true, short_logs: true, aged: true, ..Scenario::default() });
}

#[test]
fn strangers_whose_writes_come_with_data_sets() {
    let strangers =
        Scenario { crashes: true, joins: true, eager: true, short_logs: true, aged: true, ..Scenario::default() };
    converge(Scenario { compares: true, ..strangers });
}

#[test]
fn nodes_that_compare_what_they_have_find_nothing() {
    converge(Scenario {
        crashes: true,
        joins: true,
        short_logs: true,
        aged: true,
        compares: true,
        ..Scenario::default()
    });
}

#[test]
fn a_node_that_comes_back_under_another_name() {
    converge(Scenario { crashes: true, nameless: true, short_logs: true, aged: true, ..Scenario::default() });
}

/// Increments that slept, deadlines written before those that the source had forgotten, list elements that came after the
/// source's vector, ticks that waited for each other, deaths without a register of which somebody lacked the cause; ticks that told of
/// what the source lacked, anchors of elements left to the log, increments asleep in nothing, deadlines that had been written over, elements
/// that came past their deadline with a Put; in pieces, operations left to the log, and clears that met half of a data set.
#[test]
fn data_sets_that_once_lost_something() {
    let short_logs = Scenario { short_logs: true, ..Scenario::default() };
    let in_pieces = Scenario { narrow_links: true, ..short_logs };
    let seeds =
        [7002681, 7004742, 7001520, 7000281, 7007688, 7007867, 7009892, 7020884, 9000192, 9002109, 9200098, 60201822];
    let seeds_in_pieces = [2642, 3048, 3751, 5254, 7698, 8614, 8808, 9759, 21605, 13000203, 13002407];
    let histories = seeds.map(|seed| (short_logs, seed)).into_iter();
    for (scenario, seed) in histories.chain(seeds_in_pieces.map(|seed| (in_pieces, seed))) {
        let result = run(scenario, seed);
        assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}

/// A newcomer that was sure of what it had written before its first data set, a joiner that was announced before a data set was sent, a record
/// that had not seen what was forgotten before somebody new counted; first effects of an origin that had been idle.
#[test]
fn strangers_and_idle_nodes_that_once_diverged() {
    let aged = Scenario { crashes: true, short_logs: true, aged: true, ..Scenario::default() };
    let strangers = Scenario { joins: true, eager: true, ..aged };
    let nameless = Scenario { nameless: true, ..aged };
    // A joiner of whom the sender of a data set had nothing yet, so that who got it did not wait for what he wrote; a node that had lost
    // everything and was compared with before it had its master's data set.
    let compared = Scenario { joins: true, compares: true, ..aged };
    // An increment that was alive at some nodes only when the key was said anew, and then SET by who had not seen it.
    let eager = Scenario { crashes: true, joins: true, eager: true, ..Scenario::default() };
    let histories = [1131, 1228, 4311].map(|seed| (strangers, seed)).into_iter();
    let others = [(compared, 30004518), (compared, 91200868), (eager, 90100844)];
    for (scenario, seed) in histories.chain([31, 641].map(|seed| (nameless, seed))).chain(others) {
        let result = run(scenario, seed);
        assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}

/// A member of a set was past its deadline by the stamp of what another node wrote on the set, and went out of sight
/// without a word to who hears events.
#[test]
fn an_element_whose_time_comes_with_an_effect() {
    let result = run(Scenario { crashes: true, ..Scenario::default() }, 6002128);
    assert!(result.is_ok(), "{}", result.unwrap_err());
}

/// The newcomer's only master was one itself: it counted as joined, and wrote below what the others had forgotten.
#[test]
fn a_newcomer_that_joins_through_a_newcomer() {
    let result = run(Scenario { joins: true, ..Scenario::default() }, 516);
    assert!(result.is_ok(), "{}", result.unwrap_err());
}
