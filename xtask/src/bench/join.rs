//! How long a new node takes to have everything.

use super::load::fill;
use super::server::{LOAD_CORE, MULTI_MASTER, Product, SERVER_CORE, wait_for};
use super::table::{BESIDE_REDIS, Row, Table, Target};
use std::error::Error;
use testkit::Reply;

const KEYS: usize = 1_000_000;

/// A state of a million keys: our join against Redis's full synchronisation.
pub fn whole_state() -> Result<Table, Box<dyn Error>> {
    let ours = join(Product::FluidB, MULTI_MASTER)?;
    let redis = join(Product::Redis, &["--repl-diskless-sync-delay", "0"])?;
    let row = Row::new("a node joins, 1,000,000 keys".into(), "s", ours, redis, Target::RatioAtMost(1.0));
    Ok(Table { columns: BESIDE_REDIS, rows: vec![row] })
}

fn join(product: Product, arguments: &[&str]) -> Result<f64, Box<dyn Error>> {
    let full = product.start(Some(SERVER_CORE), arguments)?;
    fill(&full, KEYS)?;
    let new = product.start(Some(LOAD_CORE), arguments)?;
    let mut client = new.client()?;
    client.call(&["REPLICAOF", "127.0.0.1", &full.address.port().to_string()])?;
    // Redis answers LOADING meanwhile.
    let took = wait_for("the new node", || Ok(client.call(&["DBSIZE"])? == Reply::Integer(KEYS as i64)))?;
    Ok(took.as_secs_f64())
}
