//! `cargo xtask soak [MINUTES]`: what `test` runs shortly, for long and with new seeds.

use crate::Outcome;
use crate::process::{cargo, run as run_program};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DEFAULT_MINUTES: u64 = 60;
/// One turn of each kind; then the next kind has its turn.
const TURN_SECONDS: u64 = 300;

/// A kind of run: its crate, the test, and the prefix of the variables that it reads (`_SEED`, `_SECONDS`).
const RUNS: &[(&str, &str, &str)] = &[
    ("sim", "convergence", "SIM"),
    ("server", "differential", "DIFFERENTIAL"),
    ("resp", "fuzz", "FUZZ"),
    ("engine", "fuzz", "FUZZ"),
    ("values", "fuzz", "FUZZ"),
    ("mesh", "fuzz", "FUZZ"),
];

pub fn run(arguments: &[String]) -> Outcome {
    let minutes = match arguments {
        [] => DEFAULT_MINUTES,
        [minutes] => minutes.parse().map_err(|_| format!("not a number of minutes: {minutes}"))?,
        _ => return Err("one argument at most: minutes".into()),
    };
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    while Instant::now() < end {
        for (package, test, prefix) in RUNS {
            let left = end.saturating_duration_since(Instant::now()).as_secs().clamp(1, TURN_SECONDS);
            eprintln!("{test}: seed {seed}, {left} s");
            let mut command =
                cargo(&["test", "--release", "--locked", "--package", package, "--test", test, "--", "--nocapture"]);
            command.env(format!("{prefix}_SEED"), seed.to_string()).env(format!("{prefix}_SECONDS"), left.to_string());
            run_program(&mut command)?;
            // Streams count up from the seed: the next run must not repeat any.
            seed += 1_000_000;
        }
    }
    Ok(())
}
