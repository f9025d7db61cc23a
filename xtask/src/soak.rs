//! `cargo xtask soak [MINUTES]`: what `test` runs shortly, for long and with new seeds. First of all, whether every rule
//! can still be broken on purpose.

use crate::process::{cargo, run as run_program};
use crate::{Outcome, falsify};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DEFAULT_MINUTES: u64 = 60;
/// One turn of each kind; then the next kind has its turn.
const TURN_SECONDS: u64 = 300;

/// One run of `cargo xtask chaos`, all in.
const CHAOS_RUN_SECONDS: u64 = 25;

/// As many histories as the simulator should have shown right before a release.
const HISTORIES: u64 = 100_000;
/// The simulator's share of a turn, in histories.
const HISTORIES_PER_TURN: u64 = 5_000;

/// A test and the variables that give it another seed and more time.
struct Run {
    package: &'static str,
    test: &'static str,
    environment: fn(seed: u64, seconds: u64) -> [(&'static str, u64); 2],
}

fn fuzz(seed: u64, seconds: u64) -> [(&'static str, u64); 2] {
    [("FUZZ_SEED", seed), ("FUZZ_SECONDS", seconds / 4)]
}

const RUNS: &[Run] = &[
    Run {
        package: "sim",
        test: "histories",
        environment: |seed, _| [("FLUIDB_SIM_FIRST", seed), ("FLUIDB_SIM_HISTORIES", HISTORIES_PER_TURN)],
    },
    Run {
        package: "server",
        test: "differential",
        environment: |seed, seconds| [("DIFFERENTIAL_SEED", seed), ("DIFFERENTIAL_SECONDS", seconds)],
    },
    Run { package: "resp", test: "fuzz", environment: fuzz },
    Run { package: "engine", test: "fuzz", environment: fuzz },
    Run { package: "mesh", test: "fuzz", environment: fuzz },
    Run { package: "values", test: "fuzz", environment: fuzz },
    Run { package: "sim", test: "hostile", environment: fuzz },
];

pub fn run(arguments: &[String]) -> Outcome {
    let minutes = match arguments {
        [] => DEFAULT_MINUTES,
        [minutes] => minutes.parse().map_err(|_| format!("not a number of minutes: {minutes}"))?,
        _ => return Err("one argument at most: minutes".into()),
    };
    falsify::check()?;
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut histories = 0;
    while Instant::now() < end {
        for run in RUNS {
            let left = time_left(end).as_secs();
            eprintln!("{} {}: seed {seed}", run.package, run.test);
            let test = ["--package", run.package, "--test", run.test, "--", "--nocapture"];
            let mut command = cargo(&["test", "--release", "--locked"]);
            command.args(test);
            for (name, value) in (run.environment)(seed, left) {
                command.env(name, value.to_string());
            }
            run_program(&mut command)?;
            // Streams count up from the seed: the next run must not repeat any.
            seed += 1_000_000;
        }
        let runs = (time_left(end).as_secs() / CHAOS_RUN_SECONDS).max(1);
        let arguments = ["chaos", "--seed", &seed.to_string(), "--runs", &runs.to_string()];
        run_program(Command::new(std::env::current_exe()?).args(arguments))?;
        seed += 1_000_000;
        histories += HISTORIES_PER_TURN;
    }
    println!("{histories} simulated histories, none diverged; a release wants {HISTORIES}");
    Ok(())
}

/// What is left of a turn: something always, so that every kind has its turn once.
fn time_left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now()).clamp(Duration::from_secs(4), Duration::from_secs(TURN_SECONDS))
}
