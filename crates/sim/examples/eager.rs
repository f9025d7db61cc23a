//! How many histories end unequal where nodes take writes before they have caught up with the mesh: a limit
//! that README names. `cargo run -p sim --example eager -- HISTORIES`

use sim::history::{Scenario, run};

fn main() {
    let histories = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(400);
    let scenario = Scenario { crashes: true, joins: true, eager: true };
    let unequal: Vec<u64> = (0..histories).filter(|seed| run(scenario, *seed).is_err()).collect();
    println!("{} of {histories} histories: {unequal:?}", unequal.len());
}
