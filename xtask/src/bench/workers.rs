//! Two threads against one.

use super::load::{GET, SET, measure};
use super::server::Product;
use super::table::{Row, Table, Target, median};
use std::error::Error;

const ROUNDS: usize = 3;
const REQUESTS: u32 = 800_000;

/// Time per request that the clients see.
pub fn two_against_one() -> Result<Table, Box<dyn Error>> {
    let one = Product::FluidB.start(None, &["--server-threads", "1"])?;
    let two = Product::FluidB.start(None, &["--server-threads", "2"])?;
    let mut rows = Vec::new();
    for workload in [SET, GET] {
        for pipeline in [1, 16] {
            let (mut with_one, mut with_two) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let requests = if pipeline == 1 { REQUESTS / 8 } else { REQUESTS };
                with_one.push(1e6 / measure(&one, &workload, pipeline, requests)?.requests_per_second);
                with_two.push(1e6 / measure(&two, &workload, pipeline, requests)?.requests_per_second);
            }
            rows.push(Row {
                what: format!("{}, pipeline {pipeline}", workload.name),
                unit: "µs",
                ours: median(with_two),
                other: median(with_one),
                target: Target::RatioAtMost(1.0),
            });
        }
    }
    Ok(Table { columns: ["two", "one"], rows })
}
