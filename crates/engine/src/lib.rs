//! Commands: their declarations, the pipeline from request bytes to reply bytes, sessions.
//! Nothing here knows of sockets, files or the wall clock.

pub mod command;
pub mod fault;

pub use command::Command;
/// What a session command works on.
pub struct SessionContext<'a> {
    _engine: &'a (),
}

pub use fault::Fault;
