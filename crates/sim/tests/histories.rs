//! Seeded histories, judged by the contract. A failing seed runs alone with
//! `FLUIDB_SIM_SEED=n cargo test -p sim`; `FLUIDB_SIM_HISTORIES` sets how many run (`cargo xtask soak` runs many).

use std::sync::atomic::{AtomicU64, Ordering};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn every_history_converges_to_the_contract() {
    if let Some(seed) = number("FLUIDB_SIM_SEED") {
        return sim::history::run(seed).unwrap_or_else(|divergence| panic!("{divergence}"));
    }
    let histories = number("FLUIDB_SIM_HISTORIES").unwrap_or(1000);
    let first = number("FLUIDB_SIM_FIRST").unwrap_or(0);
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + histories {
                        break;
                    }
                    if let Err(divergence) = sim::history::run(seed) {
                        panic!("{divergence}");
                    }
                }
            });
        }
    });
}
