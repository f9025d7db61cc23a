//! Memory per key.

use super::load::fill;
use super::server::{MULTI_MASTER, Product, resident};
use super::table::{BESIDE_REDIS, Row, Table, Target};
use std::error::Error;

const KEYS: usize = 1_000_000;
const KEY_AND_VALUE_BYTES: f64 = 32.0;

/// What a key of 16 bytes with a value of 16 bytes takes beyond these 32.
pub fn per_key() -> Result<Table, Box<dyn Error>> {
    let redis = overhead(Product::Redis, &[])?;
    let mut rows = Vec::new();
    for (what, arguments, most) in
        [("overhead per key", &[] as &[&str], 22.0), ("the same, multi-master on", MULTI_MASTER, 32.0)]
    {
        let ours = overhead(Product::FluidB, arguments)?;
        rows.push(Row::new(what.into(), "bytes", ours, redis, Target::AtMost(most)));
    }
    Ok(Table { columns: BESIDE_REDIS, rows })
}

fn overhead(product: Product, arguments: &[&str]) -> Result<f64, Box<dyn Error>> {
    let server = product.start(None, arguments)?;
    // One key first: buffers of the connection are there before we look.
    fill(&server, 1)?;
    let before = resident(&server)?;
    fill(&server, KEYS)?;
    Ok((resident(&server)? - before) / KEYS as f64 - KEY_AND_VALUE_BYTES)
}
