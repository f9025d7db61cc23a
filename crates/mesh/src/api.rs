//! What goes into the state machine and what comes out of it.

use std::fmt;

/// One reading of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, milliseconds since the Unix epoch; may jump.
    pub unix_ms: u64,
    /// Milliseconds since some fixed point; never goes back.
    pub monotonic_ms: u64,
}

/// One connection to another node, dialled or accepted. Never used twice within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What happened to a link.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The connection asked for by `Action::Dial` stands.
    Connected,
    /// It could not be made, or not in time (name resolution included). `reason` is for the log and for INFO.
    ConnectFailed { reason: &'a str },
    /// Bytes in the order of the stream, cut anywhere.
    Received { bytes: &'a [u8] },
    /// The connection is gone, whoever ended it. Not reported after `Action::Close`.
    Closed { reason: &'a str },
}

/// What the outside has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Resolve `host` (again each time, off the data path) and connect; answer with `Input::Connected` or
    /// `Input::ConnectFailed`.
    Dial { link: LinkId, host: String, port: u16 },
    /// Write what `transmit` still has for this link, then close it and forget it.
    Close { link: LinkId },
    /// A line for the log.
    Log { severity: Severity, text: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Verbose,
    Notice,
    Warning,
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
