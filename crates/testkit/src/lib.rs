//! What tests of several crates share: a RESP client, server processes, nodes and what is between them, golden scripts, the
//! differential runner, and the chaos check.

mod client;
mod decode;
mod grammar;
mod node;
mod process;
mod proxy;
mod reply;
mod target;
mod topology;

pub mod chaos;
pub mod differential;
pub mod dump;
pub mod fuzz;
pub mod script;

pub use client::{Client, request};
pub use decode::{Malformed, decode};
pub use node::{Node, PASSWORD, connect, masters_up};
pub use process::{ServerProcess, free_ports, redis_server, signal};
pub use proxy::{Damage, Proxy};
pub use reply::{Reply, quote};
pub use target::{Connection, Product, Remote, Target};
pub use topology::Topology;
