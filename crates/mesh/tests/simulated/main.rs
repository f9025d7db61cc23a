//! Meshes over a simulated network: what arrives, how often, and what it costs.

mod causes;
mod comparison;
mod failures;
mod hostile;
mod network;
mod topologies;
