//! `cargo xtask bench`: our server beside redis-server, in one run on one machine.
//! Servers run on one core each and load on another, where there are two; medians of several rounds.

mod collections;
mod idle;
mod join;
mod load;
mod memory;
mod requests;
mod server;
mod stalls;
mod table;
mod workers;

use crate::Outcome;
use crate::process::{cargo, run as run_program};
use table::Table;

/// A group of measurements.
struct Group {
    name: &'static str,
    run: fn() -> Result<Table, Box<dyn std::error::Error>>,
}

const GROUPS: &[Group] = &[
    Group { name: "requests", run: requests::alone },
    Group { name: "collections", run: collections::requests },
    Group { name: "elements", run: collections::bytes_per_element },
    Group { name: "mesh", run: requests::with_peers },
    Group { name: "memory", run: memory::per_key },
    Group { name: "idle", run: idle::cpu },
    Group { name: "join", run: join::whole_state },
    Group { name: "stalls", run: stalls::of_large_requests },
    Group { name: "stalls-multi-master", run: stalls::of_large_requests_with_multi_master },
    Group { name: "stalls-join", run: stalls::of_joins },
    Group { name: "workers", run: workers::two_against_one },
];

pub fn run(names: &[String]) -> Outcome {
    if let Some(unknown) = names.iter().find(|name| GROUPS.iter().all(|group| group.name != name.as_str())) {
        let known: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
        return Err(format!("no group {unknown}; there are: {}", known.join(" ")).into());
    }
    run_program(&mut cargo(&["build", "--release", "--locked", "--package", "server"]))?;
    let mut missed = 0;
    for group in GROUPS.iter().filter(|group| names.is_empty() || names.iter().any(|name| name == group.name)) {
        let table = (group.run)().map_err(|error| format!("{}: {error}", group.name))?;
        println!("\n{}\n\n{table}", group.name);
        missed += table.missed();
    }
    if missed > 0 {
        println!("{missed} targets missed (marked !)");
    }
    Ok(())
}
