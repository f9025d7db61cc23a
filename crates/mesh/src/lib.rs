//! The multi-master protocol as a pure state machine: no sockets, no clock, no threads, no dice but what
//! arguments bring. docs/mesh-protocol.md has the bytes, docs/decisions/0001-convergence.md the why.
//!
//! [`Mesh`] is driven by `handle` (what happened on a link), `commit` (what this node wrote) and `turn`
//! (timers); it answers through `transmit` (bytes for a link), `poll_action` (dial, close, log) and
//! `deadline_ms`. What it needs of the data set comes as a [`Store`].

mod api;
mod assumptions;
mod batch;
mod compare;
mod departures;
mod feeders;
mod frame;
mod handshake;
mod inflow;
mod joining;
mod link;
mod log;
mod master;
mod mesh;
mod message;
mod receive;
mod record;
mod rows;
mod serve;
mod status;
mod store;

pub use api::{Action, Input, LinkId, Now, Severity};
pub use batch::{BatchReader, BatchWriter};
pub use frame::{FrameDecoder, FrameError, MAX_PAYLOAD};
pub use handshake::{Credentials, Handshake, HandshakeError, Introduction, Mode};
pub use log::{Position, RelayLog};
pub use mesh::{Counters, Mesh, Options};
pub use message::{Message, PROTOCOL_VERSION};
pub use record::{OwnedRecord, Record};
pub use rows::{CausalWatermark, Pin, Rows, Watermarks};
pub use status::{MasterState, MasterStatus, ReplicaStatus, Status};
pub use store::{Cursor, Export, Rest, Sighting, Store};
