//! The Redis serialization protocol, versions 2 and 3: requests in, replies out.
//! https://redis.io/docs/latest/develop/reference/protocol-spec/

mod args;
mod bulks;
mod out;
mod request;
mod value;

pub use args::{Args, OwnedArgs, Span};
pub use bulks::Bulks;
pub use out::{Deferred, Out, Protocol, Rest, counted_for_limit};
pub use request::{Limits, ProtocolError, Request, RequestDecoder};
pub use value::{ReplyError, Value};
