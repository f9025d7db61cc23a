//! What tests of several crates share: a RESP client, server processes, golden scripts, and the differential runner.

mod client;
mod decode;
mod process;
mod reply;
mod target;

pub mod differential;
pub mod fuzz;
pub mod script;

pub use client::{Client, request};
pub use decode::{Malformed, decode};
pub use process::{ServerProcess, redis_server};
pub use reply::{Reply, quote};
pub use target::{Connection, Product, Remote, Target};
