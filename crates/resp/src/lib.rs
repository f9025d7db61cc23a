//! The Redis serialization protocol, versions 2 and 3: requests in, replies out.
//! https://redis.io/docs/latest/develop/reference/protocol-spec/

mod args;
mod out;
mod request;

pub use args::{Args, OwnedArgs, Span};
pub use out::{Out, Protocol};
pub use request::{Limits, ProtocolError, Request, RequestDecoder};
