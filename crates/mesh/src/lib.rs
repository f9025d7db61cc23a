//! The multi-master protocol as a pure state machine: no sockets, no clock, no threads, no dice.

mod api;
mod batch;
mod frame;
mod log;
mod message;
mod record;

pub use api::{Action, Input, LinkId, Now, Severity};
pub use batch::{BatchReader, BatchWriter};
pub use frame::{FrameDecoder, FrameError, MAX_PAYLOAD};
pub use log::{Position, RelayLog};
pub use message::{Message, PROTOCOL_VERSION};
pub use record::{OwnedRecord, Record};
