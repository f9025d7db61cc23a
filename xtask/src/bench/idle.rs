//! CPU of a server that has nothing to do.

use super::server::{MULTI_MASTER, Product, connect_mesh, cpu_time};
use super::table::{BESIDE_REDIS, Row, Table, Target};
use std::error::Error;
use std::thread::sleep;
use std::time::Duration;
use testkit::ServerProcess;

const WATCHED: Duration = Duration::from_secs(20);

pub fn cpu() -> Result<Table, Box<dyn Error>> {
    let ours = Product::FluidB.start(None, &[])?;
    let redis = Product::Redis.start(None, &[])?;
    let peers = [Product::FluidB.start(None, MULTI_MASTER)?, Product::FluidB.start(None, MULTI_MASTER)?];
    connect_mesh(&[&peers[0], &peers[1]])?;
    let watched = [&ours, &redis, &peers[0]];
    let mut before = Vec::new();
    for server in watched {
        before.push(cpu_time(server)?);
    }
    sleep(WATCHED);
    let share = |server: &ServerProcess, before: Duration| -> Result<f64, Box<dyn Error>> {
        Ok((cpu_time(server)? - before).as_secs_f64() * 1000.0 / WATCHED.as_secs_f64())
    };
    let other = share(watched[1], before[1])?;
    let row = |what: &str, ours| Row::new(what.into(), "ms/s", ours, other, Target::AtMost(1.0));
    Ok(Table {
        columns: BESIDE_REDIS,
        rows: vec![row("idle", share(watched[0], before[0])?), row("idle with a peer", share(watched[2], before[2])?)],
    })
}
