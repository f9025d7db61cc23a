//! Restarts, slow links, missing logs, clocks, wrong passwords: what the mesh does when things go wrong.

use crate::network::{Network, options, origin, with_password};
use mesh::{MasterState, Mode, Options, Severity};

fn fill(network: &mut Network, node: usize, keys: usize, len: usize) {
    let value = "x".repeat(len);
    for key in 0..keys {
        network.set(node, &[(&format!("{node}:{key}"), &value)]);
    }
}

#[test]
fn a_new_node_gets_the_data_set_while_writes_go_on() {
    let mut network = Network::new(3, options());
    network.nodes[2].up = false;
    fill(&mut network, 0, 5_000, 100);
    network.both(0, 1);
    network.settle(5_000);
    assert_eq!(network.nodes[1].mesh.counters().state_imports, 1, "written before there were peers: not in the log");
    // A third one joins while both write, over a link that needs many turns for the data set.
    network.bandwidth = 20_000;
    network.nodes[2].up = true;
    network.nodes.iter_mut().for_each(|node| node.store.has_late_joiners = true);
    network.set(2, &[("own", "of the new one")]);
    network.both(2, 1);
    for round in 0..200 {
        network.set(0, &[("busy", &round.to_string())]);
        network.set(1, &[(&format!("during:{round}"), "1")]);
        network.set(2, &[(&format!("new:{round}"), "2")]);
        network.run(1);
    }
    network.settle(10_000);
    assert_eq!(network.nodes[2].mesh.counters().state_imports, 1);
    assert_eq!(network.nodes[2].store.values.len(), 5_000 + 1 + 400 + 1);
    assert_eq!(network.value(0, "own").as_deref(), Some("of the new one"));
}

#[test]
fn nothing_newer_becomes_stable_while_a_data_set_is_under_way() {
    let mut network = Network::new(2, options());
    fill(&mut network, 0, 20_000, 100);
    network.bandwidth = 3_000;
    network.replicate(1, 0);
    network.run(100);
    assert_eq!(network.nodes[0].mesh.counters().state_exports, 1);
    let before = network.nodes[0].mesh.watermarks().clock;
    for round in 0..50 {
        network.set(0, &[("a", &round.to_string())]);
        network.run(10);
    }
    assert!(!network.is_settled(), "still under way");
    assert_eq!(network.nodes[0].mesh.watermarks().clock, before);
    network.bandwidth = usize::MAX;
    network.settle(5_000);
    // Nobody hears of the receiver itself: after a while it does not count.
    network.run(15_000);
    assert!(network.nodes[0].mesh.watermarks().clock > before);
}

#[test]
fn everybody_waits_for_a_joiner() {
    // 2 joins through 1; 0 hears of it before anything newer than what 2 gets could become stable.
    let mut network = Network::new(3, options());
    network.nodes[2].up = false;
    network.nodes.iter_mut().for_each(|node| node.store.has_late_joiners = true);
    fill(&mut network, 1, 20_000, 100);
    network.both(0, 1);
    network.settle(5_000);
    network.run(6_000);
    network.bandwidth = 3_000;
    network.nodes[2].up = true;
    network.both(2, 1);
    network.run(150);
    assert!(!network.nodes[2].mesh.has_joined());
    let before = network.nodes[0].mesh.watermarks().clone();
    for round in 0..50 {
        network.set(0, &[("a", &round.to_string())]);
        network.run(10);
    }
    assert!(!network.is_settled(), "still under way");
    assert_eq!(*network.nodes[0].mesh.watermarks(), before);
    network.bandwidth = usize::MAX;
    network.settle(5_000);
    network.run(10_000);
    assert!(network.nodes[0].mesh.watermarks().clock > before.clock);
    assert!(network.nodes[2].mesh.has_joined());
}

#[test]
fn a_data_set_that_breaks_off_is_asked_for_again() {
    let mut network = Network::new(2, options());
    fill(&mut network, 0, 20_000, 100);
    network.bandwidth = 10_000;
    network.replicate(1, 0);
    network.run(150);
    assert!(network.nodes[1].store.imported_keys > 0 && !network.is_settled());
    network.cut_connections(|_| true);
    network.bandwidth = usize::MAX;
    network.settle(10_000);
    assert_eq!(network.nodes[1].mesh.counters().state_imports, 1, "one was complete");
    assert_eq!(network.nodes[0].mesh.counters().state_exports, 2);
}

#[test]
fn who_joins_one_that_is_joining_has_joined_when_it_has_all_of_it() {
    let mut network = Network::new(3, Options { log_bytes: 64 * 1024, ..options() });
    fill(&mut network, 0, 5_000, 100);
    network.bandwidth = 300;
    network.replicate(1, 0);
    network.run(150);
    assert!(network.nodes[1].store.imported_keys > 0 && !network.nodes[1].mesh.has_joined());
    network.replicate(2, 1);
    for _ in 0..20_000 {
        network.run(1);
        if network.nodes[2].mesh.has_joined() {
            break;
        }
    }
    assert_eq!(network.nodes[2].store.values.len(), network.nodes[0].store.values.len());
}

#[test]
fn who_was_away_beyond_the_log_comes_back_by_state() {
    let mut network = Network::new(3, Options { log_bytes: 64 * 1024, ..options() });
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        network.both(one, other);
    }
    network.run(500);
    network.set(0, &[("before", "1")]);
    network.run(3_000);
    network.cut(0, 2);
    network.cut(1, 2);
    network.run(1_000);
    let before = network.nodes[0].mesh.watermarks().clock;
    fill(&mut network, 0, 5_000, 100);
    network.set(2, &[("alone", "kept")]);
    network.run(1_000);
    assert_eq!(network.nodes[0].mesh.watermarks().clock, before, "nothing is forgotten that it has not seen");
    network.heal();
    network.settle(20_000);
    assert!(network.nodes[0].mesh.watermarks().clock > before);
    assert_eq!(network.nodes[2].mesh.counters().state_imports, 1);
    assert_eq!(network.nodes[0].mesh.counters().state_imports, 0, "who stayed needs nothing but the log");
    assert_eq!(network.value(1, "alone").as_deref(), Some("kept"));
}

#[test]
fn who_is_away_beyond_the_log_is_given_up_where_that_takes_too_much_memory() {
    let mut network = Network::new(3, Options { log_bytes: 64 * 1024, away_bytes: 1_000, ..options() });
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        network.both(one, other);
    }
    network.nodes.iter_mut().for_each(|node| node.store.has_late_joiners = true);
    network.set(0, &[("before", "1")]);
    network.run(3_000);
    network.cut(0, 2);
    network.cut(1, 2);
    network.run(1_000);
    let clock = |network: &Network| network.nodes[0].mesh.watermarks().clock;
    let before = clock(&network);
    fill(&mut network, 0, 100, 100);
    network.nodes[0].store.remembered_bytes = 1_001;
    network.run(3_000);
    assert_eq!(clock(&network), before, "within the log memory does not matter");
    network.nodes[0].store.remembered_bytes = 1_000;
    fill(&mut network, 0, 5_000, 100);
    network.run(3_000);
    assert_eq!(clock(&network), before);
    network.nodes[0].store.remembered_bytes = 1_001;
    network.run(3_000);
    let given_up = clock(&network);
    assert!(given_up > before);
    network.heal();
    network.settle(20_000);
    network.run(3_000);
    network.cut(0, 2);
    network.cut(1, 2);
    network.run(1_000);
    let again = clock(&network);
    assert!(again > given_up);
    network.run(3_000);
    assert_eq!(clock(&network), again, "once it is back it counts again");
}

#[test]
fn in_a_ring_a_data_set_goes_round_once() {
    // 1 follows 0, 2 follows 1 … and 0 the last one.
    let count = 5;
    let mut network = Network::new(count, Options { log_bytes: 64 * 1024, ..options() });
    (0..count).for_each(|node| network.replicate(node, (node + count - 1) % count));
    network.nodes.iter_mut().for_each(|node| node.store.has_late_joiners = true);
    network.run(1_500);
    network.cut(0, 1);
    fill(&mut network, 0, 5_000, 100);
    network.run(1_000);
    network.heal();
    network.bandwidth = 1_000;
    network.settle(60_000);
    network.run(10_000);
    let before = imports(&network);
    network.run(60_000);
    assert_eq!(imports(&network), before, "ticks are not worth a data set");
}

/// A ring in which node 1 follows 0, 2 follows 1 … and 0 the last one.
fn busy_ring(count: usize) -> Network {
    let mut network = Network::new(count, Options { log_bytes: 256 * 1024, ..options() });
    network.nodes.iter_mut().for_each(|node| node.store.has_late_joiners = true);
    (0..count).for_each(|node| network.replicate(node, (node + count - 1) % count));
    keep_writing(&mut network, 5_000);
    network
}

/// One write in a millisecond, each at another node.
fn keep_writing(network: &mut Network, for_ms: usize) {
    for ms in 0..for_ms {
        network.set(ms % network.nodes.len(), &[(&format!("busy:{}", ms % 100), &ms.to_string())]);
        network.run(1);
    }
}

fn imports(network: &Network) -> Vec<u64> {
    network.nodes.iter().map(|node| node.mesh.counters().state_imports).collect()
}

#[test]
fn in_a_ring_data_sets_come_to_rest_while_writes_go_on() {
    let mut network = busy_ring(5);
    network.cut(0, 1);
    fill(&mut network, 0, 5_000, 100);
    keep_writing(&mut network, 200);
    network.heal();
    network.bandwidth = 1_000;
    keep_writing(&mut network, 15_000);
    // What is written while a data set comes goes before it in the log, and is pushed out by what comes with it: once more for some.
    let before = imports(&network);
    assert!(before.iter().all(|count| *count <= 2), "{before:?}");
    keep_writing(&mut network, 15_000);
    assert_eq!(imports(&network), before);
    network.settle(5_000);
}

#[test]
fn in_a_ring_one_who_lost_its_memory_takes_a_data_set_and_nobody_else() {
    let mut network = busy_ring(5);
    network.bandwidth = 1_000;
    network.restart(2, 2);
    keep_writing(&mut network, 10_000);
    assert_eq!(imports(&network), [0, 0, 1, 0, 0], "its log reaches back as far as what is under way");
    network.settle(5_000);
}

#[test]
fn a_slow_replica_neither_piles_up_nor_delays_others() {
    let mut network = Network::new(3, Options { log_bytes: 256 * 1024, ..options() });
    network.replicate(1, 0);
    network.replicate(2, 0);
    network.run(500);
    network.stall = Some((0, 2));
    for round in 0..300 {
        fill(&mut network, 0, 50, 200);
        network.run(1);
        network.set(0, &[("last", &round.to_string())]);
    }
    network.run(10);
    assert_eq!(network.value(1, "last").as_deref(), Some("299"));
    assert_ne!(network.value(2, "last").as_deref(), Some("299"));
    network.stall = None;
    network.settle(20_000);
}

#[test]
fn a_restarted_node_with_a_new_incarnation_takes_over() {
    let mut network = Network::new(3, options());
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        network.both(one, other);
    }
    network.run(500);
    network.set(2, &[("before", "1")]);
    network.settle(2_000);
    network.restart(2, 2);
    network.settle(20_000);
    assert_eq!(
        network.nodes[2].mesh.counters().state_imports,
        1,
        "who has nothing does not need to know how it came about"
    );
    // It says what it has, ticks included, in a tick: stores hear of effects only.
    network.run(200);
    network.set(2, &[("after", "2")]);
    network.settle(2_000);
    assert_eq!(network.value(2, "before").as_deref(), Some("1"), "fetched back from the others");
    network.run(5_000);
    // The ended life holds nothing back.
    let (old, marks) = (origin(2, 1), network.nodes[0].mesh.watermarks());
    assert!(marks.clock > network.nodes[0].mesh.vector().get(old));
}

#[test]
fn nobody_waits_for_what_was_lost_with_a_life() {
    // 1 says what it has, and loses it before anything of it has arrived at 0.
    let mut network = Network::new(3, options());
    fill(&mut network, 1, 5_000, 100);
    network.bandwidth = 300;
    for (one, other) in [(0, 1), (0, 2)] {
        network.both(one, other);
    }
    network.run(100);
    network.restart(1, 2);
    network.bandwidth = usize::MAX;
    network.run(5_000);
    assert!(network.nodes.iter().all(|node| node.mesh.has_joined()));
    network.set(2, &[("after", "1")]);
    network.settle(2_000);
    let written = network.nodes[2].mesh.vector().get(origin(2, 1));
    network.run(10_000);
    assert!(network.nodes.iter().all(|node| node.mesh.watermarks().clock > written), "it holds nothing back");
}

#[test]
fn an_effect_waits_for_its_cause() {
    // 2 hears 0 over a slow way and 1 over a fast one: what 1 writes after reading 0 has to wait.
    let mut network = Network::new(3, options());
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        network.both(one, other);
    }
    network.run(1_500);
    network.stall = Some((0, 2));
    network.set(0, &[("cause", "1")]);
    network.run(5);
    assert_eq!(network.value(1, "cause").as_deref(), Some("1"));
    network.set(1, &[("consequence", "2")]);
    network.run(20);
    assert_eq!(network.value(2, "consequence"), None);
    assert_eq!(network.nodes[2].mesh.counters().held_back, 1);
    // The cause is fetched from where its consequence came from.
    network.settle(2_000);
    assert_eq!(network.value(2, "consequence").as_deref(), Some("2"));
}

#[test]
fn what_is_prepared_keeps_its_place_and_nobody_else() {
    let mut network = Network::new(3, options());
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        network.both(one, other);
    }
    network.run(1_500);
    network.nodes[2].store.preparations = 100;
    network.set(0, &[("long", "1")]);
    network.set(0, &[("behind", "1")]);
    network.run(50);
    network.set(1, &[("other", "1")]);
    network.run(20);
    assert_eq!((network.value(2, "long"), network.value(2, "behind")), (None, None));
    assert_eq!(network.value(2, "other"), None, "whoever wrote it had seen the long one");
    network.settle(1_000);
    assert_eq!(network.value(2, "behind").as_deref(), Some("1"));
    assert_eq!(network.value(2, "other").as_deref(), Some("1"));
}

#[test]
fn what_takes_too_much_room_is_not_prepared_any_longer() {
    let mut network = Network::new(2, options());
    network.both(0, 1);
    network.run(500);
    network.nodes[1].store.preparations = 10_000;
    let large = "y".repeat(3 << 20);
    for n in 0..15 {
        network.set(0, &[(&format!("large:{n}"), &large)]);
    }
    network.run(1_000);
    assert!(network.value(1, "large:3").is_some(), "there was no room for all to wait");
    network.nodes[1].store.preparations = 10;
    network.settle(2_000);
}

#[test]
fn a_clock_far_ahead_is_stalled_and_knows_it() {
    let mut network = Network::new(3, Options { clock_skew_max_ms: 10_000, ..options() });
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        network.both(one, other);
    }
    network.nodes[2].skew_ms = 60_000;
    network.run(2_000);
    network.set(2, &[("future", "1")]);
    network.set(0, &[("present", "1")]);
    network.run(2_000);
    assert_eq!(network.value(0, "future"), None);
    assert_eq!(network.value(1, "present").as_deref(), Some("1"));
    assert!(network.nodes[2].mesh.is_clock_outlier(network.now(2)));
    assert!(!network.nodes[0].mesh.is_clock_outlier(network.now(0)));
    assert!(
        network.nodes[0].lines.iter().any(|(severity, text)| *severity == Severity::Warning && text.contains("CLOCK"))
    );
    // Its clock is set right: what it wrote comes when its time has come.
    network.nodes[2].skew_ms = 0;
    network.run(55_000);
    network.settle(10_000);
    assert_eq!(network.value(0, "future").as_deref(), Some("1"));
}

#[test]
fn passwords() {
    let mut network = Network::new(2, with_password(&options(), "secret"));
    network.nodes[0].password = Some("secret".into());
    network.nodes[1].password = Some("another".into());
    network.both(0, 1);
    network.run(3_000);
    let state = |network: &Network, node: usize| network.nodes[node].mesh.status(network.now(node)).masters[0].clone();
    assert_eq!(state(&network, 1).state, MasterState::Connected);
    let refused = state(&network, 0);
    assert_eq!(refused.state, MasterState::Connect);
    let error = refused.last_error.unwrap();
    assert!(error.contains("WRONGPASS") && !error.contains("secret"), "{error}");
    // The password is mended, and the link comes up by itself.
    network.nodes[1].password = Some("secret".into());
    network.run(10_000);
    assert_eq!(state(&network, 0).state, MasterState::Connected);
}

#[test]
fn a_link_to_oneself_is_refused_once_and_for_all() {
    let mut network = Network::new(1, options());
    network.replicate(0, 0);
    network.run(30_000);
    let status = network.nodes[0].mesh.status(network.now(0));
    assert_eq!(status.masters[0].last_error.as_deref(), Some("Can't replicate from myself"));
    let lost = network.nodes[0].lines.iter().filter(|(_, text)| text.contains("Can't replicate from myself")).count();
    assert_eq!(lost, 1, "not tried again");
}

#[test]
fn a_classic_replica_takes_its_masters_data_set_and_gives_up_its_own() {
    let mut network = Network::new(3, Options { mode: Mode::Classic, ..options() });
    network.set(0, &[("master", "1")]);
    network.set(1, &[("replica", "1")]);
    network.replicate(1, 0);
    network.replicate(2, 1);
    network.settle(3_000);
    assert_eq!(network.value(1, "replica"), None);
    network.set(0, &[("master", "2")]);
    network.settle(1_000);
    // A short break costs what was missed, not the data set.
    network.cut(0, 1);
    network.set(0, &[("master", "3")]);
    network.run(500);
    network.heal();
    network.settle(10_000);
    assert_eq!(network.value(2, "master").as_deref(), Some("3"));
    assert_eq!(network.nodes[1].mesh.counters().state_imports, 1);
}

#[test]
fn an_active_pair_converges() {
    let mut network = Network::new(2, Options { mode: Mode::Active, ..options() });
    network.set(0, &[("a", "0"), ("both", "0")]);
    network.run(5);
    network.set(1, &[("b", "1"), ("both", "1")]);
    network.both(0, 1);
    network.settle(5_000);
    assert_eq!(network.value(0, "both").as_deref(), Some("1"), "the newer one");
    assert_eq!(network.nodes[0].store.values.len(), 3);
}

#[test]
fn acknowledgements_are_counted() {
    let mut network = Network::new(3, options());
    network.replicate(1, 0);
    network.replicate(2, 0);
    network.run(500);
    let stamp = network.set(0, &[("a", "1")]);
    assert_eq!(network.nodes[0].mesh.acknowledged(stamp), 0);
    network.run(100);
    assert_eq!(network.nodes[0].mesh.acknowledged(stamp), 2);
    network.stall = Some((0, 2));
    let stamp = network.set(0, &[("a", "2")]);
    network.run(100);
    assert_eq!(network.nodes[0].mesh.acknowledged(stamp), 1);
}

#[test]
fn a_silent_link_is_given_up_and_dialled_again() {
    let mut network = Network::new(2, options());
    network.both(0, 1);
    network.run(500);
    network.stall = Some((0, 1));
    network.run(7_000);
    let status = network.nodes[1].mesh.status(network.now(1));
    assert_ne!(status.masters[0].state, MasterState::Connected);
    network.stall = None;
    network.set(0, &[("a", "1")]);
    network.settle(20_000);
}

#[test]
fn a_record_larger_than_a_frame() {
    let mut network = Network::new(2, options());
    network.both(0, 1);
    network.run(500);
    let large = "y".repeat(3 << 20);
    network.set(0, &[("large", &large)]);
    network.settle(1_000);
    assert_eq!(network.value(1, "large").unwrap().len(), 3 << 20);
}
