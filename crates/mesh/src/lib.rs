//! The multi-master protocol as a pure state machine: no sockets, no clock, no threads, no dice.

mod api;

pub use api::{Action, Input, LinkId, Now, Severity};
