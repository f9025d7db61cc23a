//! How a command is declared: one `const` beside its function.

use crate::Fault;
use bitflags::bitflags;
use keyspace::{Txn, View};
use resp::{Args, Out};

pub type Reply = Result<(), Fault>;

/// What runs, by what it needs.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Reads the keyspace under the locks of the command's keys (all shards where it names none).
    Read(fn(&View<'_>, Args<'_>, &mut Out) -> Reply),
    /// The same, and writes.
    Write(fn(&mut Txn<'_>, Args<'_>, &mut Out) -> Reply),
    /// Works on the session and the engine: connection, transactions, administration.
    Session(fn(&mut crate::SessionContext<'_>, Args<'_>, &mut Out) -> Reply),
    /// Only a container of subcommands.
    Container,
}

bitflags! {
    /// As COMMAND INFO prints them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        const WRITE = 1;
        const READONLY = 1 << 1;
        const DENYOOM = 1 << 2;
        const ADMIN = 1 << 3;
        const PUBSUB = 1 << 4;
        const NOSCRIPT = 1 << 5;
        const BLOCKING = 1 << 6;
        const LOADING = 1 << 7;
        const STALE = 1 << 8;
        const SKIP_MONITOR = 1 << 9;
        const SKIP_SLOWLOG = 1 << 10;
        const ASKING = 1 << 11;
        const FAST = 1 << 12;
        const NO_AUTH = 1 << 13;
        const MAY_REPLICATE = 1 << 14;
        const NO_ASYNC_LOADING = 1 << 15;
        const NO_MULTI = 1 << 16;
        const ALLOW_BUSY = 1 << 17;
        const MOVABLE_KEYS = 1 << 18;
    }
}

/// Where keys stand among the arguments (Redis 7 key specifications).
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// "RO access" and the like, as COMMAND INFO prints them.
    pub flags: &'static [&'static str],
    pub begin: Begin,
    pub find: Find,
}

#[derive(Clone, Copy, Debug)]
pub enum Begin {
    Index(usize),
    /// After this keyword, searched from an index (negative: from the end).
    Keyword(&'static str, isize),
}

#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// `last`: relative to the first key, negative from the end; `limit` as in Redis.
    Range { last: isize, step: usize, limit: usize },
    /// A count at `count`, keys from `first`, both relative to the beginning.
    Count { count: usize, first: usize, step: usize },
}

/// One command, or one subcommand.
pub struct Command {
    /// Lower case; of a subcommand only its own word.
    pub name: &'static str,
    /// Arguments with the name (of a subcommand: both names); negative: at least.
    pub arity: i32,
    pub flags: Flags,
    /// Categories beyond those that follow from the flags, e.g. "string".
    pub categories: &'static [&'static str],
    pub keys: &'static [KeySpec],
    pub tips: &'static [&'static str],
    pub group: &'static str,
    pub since: &'static str,
    pub complexity: &'static str,
    /// One sentence in our own words.
    pub summary: &'static str,
    pub arguments: &'static [Argument],
    pub subcommands: &'static [Command],
    pub handler: Handler,
}

/// An argument as COMMAND DOCS describes it.
pub struct Argument {
    pub name: &'static str,
    /// "key", "string", "integer", "double", "pattern", "unix-time", "pure-token", "oneof", "block".
    pub kind: &'static str,
    pub token: Option<&'static str>,
    pub optional: bool,
    pub multiple: bool,
    pub multiple_token: bool,
    pub arguments: &'static [Argument],
}
