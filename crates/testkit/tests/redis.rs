//! The golden scripts say what a real Redis says.

use std::time::Duration;
use testkit::differential::{self, Settings};
use testkit::{ServerProcess, redis_server, script};

#[test]
fn golden_scripts() {
    let Some(program) = redis_server() else { return };
    let server = ServerProcess::start(&program, script::SERVER_ARGUMENTS).unwrap();
    let report = script::run_folder(script::folder(), &mut server.target().unwrap()).unwrap();
    report.assert_passed();
    assert!(report.commands > 0);
}

/// A stream's replies and final state are foreseeable: a server agrees with another of its kind.
#[test]
fn redis_agrees_with_itself() {
    let Some(program) = redis_server() else { return };
    let start = || ServerProcess::start(&program, script::SERVER_ARGUMENTS).unwrap();
    let settings = Settings { seed: 1, operations: 6000, duration: Duration::from_secs(60) };
    match differential::run(&start(), &start(), settings).unwrap() {
        Ok(tally) => assert!(tally.operations >= settings.operations),
        Err(difference) => panic!("{difference}"),
    }
}

/// One database less is noticed, and reduced to the commands that show it.
#[test]
fn a_difference_is_found_and_minimised() {
    let Some(program) = redis_server() else { return };
    let whole = ServerProcess::start(&program, &[]).unwrap();
    let lesser = ServerProcess::start(&program, &["--databases", "2"]).unwrap();
    let settings = Settings { seed: 1, operations: 6000, duration: Duration::from_secs(60) };
    let difference = differential::run(&whole, &lesser, settings).unwrap().unwrap_err();
    assert!(difference.operations.len() <= 3, "{difference}");
    assert!(difference.what.contains("ERR DB index is out of range"), "{difference}");
}
