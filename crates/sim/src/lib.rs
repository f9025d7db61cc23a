//! Whole nodes in one thread, on a seeded clock and network, judged by the contract.
//!
//! A *history* (`history.rs`) starts a few nodes in some topology, lets clients write, breaks things
//! (partitions, crashes that lose all memory, clocks that jump, joins, leaves), heals everything, waits until the
//! nodes are quiet, and then asks: are they all equal, and equal to what `model.rs` makes of all effects?

pub mod client;
pub mod clock;
pub mod history;
pub mod model;
pub mod network;
pub mod node;
pub mod witness;
pub mod workload;
pub mod world;
