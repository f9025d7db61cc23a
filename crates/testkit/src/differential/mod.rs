//! Random command streams against two targets side by side: every reply and the final state must be equal.

mod compare;
mod generator;
mod listener;
mod minimise;
mod recipes;
mod run;

pub(crate) use compare::sorted;
pub use recipes::commands;
pub use run::{Difference, Settings, Tally, run};

/// How the replies of one command are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Exact,
    /// The order of elements is not defined.
    Unordered,
    /// An unordered flat array of pairs, or a map.
    Pairs,
    /// A time: the two servers read their clocks a moment apart. In the unit of the reply.
    Near(i64),
    /// OBJECT ENCODING: small sets of strings are listpacks since 7.2.
    Encoding,
    /// Random elements of the key at argument 1: as many on both sides, all of them members.
    Sample,
    /// Random elements leave the key at argument 1. The rest is compared, then the key is deleted on both sides.
    Pop,
    /// RANDOMKEY: a key that exists.
    RandomKey,
    /// The cursor at this argument is followed to its end; what all calls gave together is compared.
    Iteration(usize),
    /// The replies of the queued commands, each compared in its own way.
    Exec,
    /// Of the connection that subscribes: the replies, and what was published since it was last looked at.
    Heard,
}

/// One command of a stream.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Which of the connections sends it.
    pub connection: usize,
    pub arguments: Vec<Vec<u8>>,
    pub comparison: Comparison,
    /// How long both sides rest afterwards, so that a short deadline has passed on both.
    pub rest_ms: u64,
}

impl Operation {
    /// Whether it can be sent together with others: its comparison asks nothing more of the servers.
    fn is_plain(&self) -> bool {
        use Comparison::{Encoding, Exact, Exec, Near, Pairs, Unordered};
        self.rest_ms == 0 && matches!(self.comparison, Exact | Unordered | Pairs | Near(_) | Encoding | Exec)
    }
}
