//! Nodes that talk to each other: what clients see.

mod arrival;
mod commands;
mod comparison;
mod convergence;
mod harness;
mod messages;
mod state;
