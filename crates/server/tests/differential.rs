//! Random streams against the built server and a real Redis side by side.
//! DIFFERENTIAL_SEED and DIFFERENTIAL_SECONDS choose other streams and longer runs (`cargo xtask soak`).

use std::path::Path;
use std::time::Duration;
use testkit::differential::{self, Settings};
use testkit::{ServerProcess, redis_server, script};

const SECONDS: u64 = 45;
/// Fewer than this mean that something is badly slow.
const LEAST_OPERATIONS: usize = 20_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn agrees_with_redis() {
    let Some(redis) = redis_server() else { return };
    let redis = ServerProcess::start(&redis, script::SERVER_ARGUMENTS).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_fluidB-server"));
    let ours = ServerProcess::start(program, script::SERVER_ARGUMENTS).unwrap();
    let seconds = setting("DIFFERENTIAL_SECONDS");
    let settings = Settings {
        seed: setting("DIFFERENTIAL_SEED").unwrap_or(1),
        operations: if seconds.is_some() { usize::MAX } else { 4 * LEAST_OPERATIONS },
        duration: Duration::from_secs(seconds.unwrap_or(SECONDS)),
    };
    match differential::run(&redis, &ours, settings).unwrap() {
        Ok(tally) => {
            eprintln!("{} operations in {} streams, no difference", tally.operations, tally.streams);
            assert!(seconds.is_some() || tally.operations >= LEAST_OPERATIONS);
        }
        Err(difference) => panic!("{difference}"),
    }
}
