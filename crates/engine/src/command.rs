//! How a command is declared: one `const` beside its function.

use crate::aside::Aside;
use crate::each_key::EachKey;
use crate::{Blocking, Fault, SessionContext};
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
    /// Works on the session and the engine: connection, transactions, administration. Reaches keys
    /// through `SessionContext::keys`.
    Session(fn(&mut SessionContext<'_>, Args<'_>, &mut Out) -> Reply),
    /// The same as `Write`; what takes long is done aside.
    Aside(Aside),
    /// Reads the same of each key that it names: all its arguments are keys.
    EachKey(EachKey),
    /// Works on its keys, or waits until it can.
    Blocking(Blocking),
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
    }
}

impl Flags {
    /// WRITE | DENYOOM | FAST and the like in a `const`.
    pub const fn of(flags: &[Flags]) -> Flags {
        let mut union = Flags::empty();
        let mut index = 0;
        while index < flags.len() {
            union = union.union(flags[index]);
            index += 1;
        }
        union
    }
}

/// Where keys stand among the arguments (Redis 7 key specifications).
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// "RO", "access" and the like, as COMMAND INFO prints them.
    pub flags: &'static [&'static str],
    pub begin: Begin,
    pub find: Find,
}

#[derive(Clone, Copy, Debug)]
pub enum Begin {
    Index(usize),
    /// After this keyword, searched from an index (negative: from the end).
    Keyword(&'static str, isize),
    /// By no rule that clients know: after the last of this word, or anywhere.
    Unknown {
        last_word: Option<&'static str>,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// `last`: relative to the first key, negative from the end; `limit` as in Redis.
    Range { last: isize, step: usize, limit: usize },
    /// A count at `count`, keys from `first`, both relative to the beginning.
    Count { count: usize, first: usize, step: usize },
}

impl KeySpec {
    /// One key at `index`.
    pub const fn one(index: usize, flags: &'static [&'static str]) -> KeySpec {
        KeySpec::range(index, 0, 1, flags)
    }

    /// Keys from `index` to the last argument.
    pub const fn from(index: usize, flags: &'static [&'static str]) -> KeySpec {
        KeySpec::range(index, -1, 1, flags)
    }

    /// Keys from `index`, `step` apart, to `last` (relative to the first; negative: from the end).
    pub const fn range(index: usize, last: isize, step: usize, flags: &'static [&'static str]) -> KeySpec {
        KeySpec { flags, begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 } }
    }

    /// A count at `index`, the keys right after it.
    pub const fn counted(index: usize, flags: &'static [&'static str]) -> KeySpec {
        KeySpec { flags, begin: Begin::Index(index), find: Find::Count { count: 0, first: 1, step: 1 } }
    }
}

/// One command, or one subcommand. Declared as `Command { name: …, ..Command::BASE }`.
pub struct Command {
    /// Lower case; of a subcommand only its own word.
    pub name: &'static str,
    /// Arguments with the name (of a subcommand: both names); negative: at least.
    pub arity: i32,
    pub flags: Flags,
    /// Categories beyond those that follow from the flags, e.g. "string".
    pub categories: &'static [&'static str],
    pub keys: &'static [KeySpec],
    /// The index of an argument that names an element of the key's collection: it is fetched ahead in pipelines.
    pub element: Option<usize>,
    /// It takes about as long as its reply is: where that is short, the command was, too.
    pub time_is_reply: bool,
    /// It takes about as long as it has arguments.
    pub time_is_arguments: bool,
    pub tips: &'static [&'static str],
    pub group: &'static str,
    pub since: &'static str,
    pub complexity: &'static str,
    /// One sentence in our own words.
    pub summary: &'static str,
    /// Since when the command is out of favour, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    pub arguments: &'static [Argument],
    pub subcommands: &'static [Command],
    pub handler: Handler,
}

impl Command {
    /// What most declarations leave out.
    pub const BASE: Command = Command {
        name: "",
        arity: 1,
        flags: Flags::empty(),
        categories: &[],
        keys: &[],
        element: None,
        time_is_reply: false,
        time_is_arguments: false,
        tips: &[],
        group: "",
        since: "1.0.0",
        complexity: "O(1)",
        summary: "",
        deprecated: None,
        arguments: &[],
        subcommands: &[],
        handler: Handler::Container,
    };

    /// True where `count` arguments (names included) are allowed.
    #[inline]
    pub fn accepts(&self, count: usize) -> bool {
        if self.arity >= 0 { count == self.arity as usize } else { count >= self.arity.unsigned_abs() as usize }
    }
}

/// An argument as COMMAND DOCS describes it.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    pub name: &'static str,
    /// "key", "string", "integer", "double", "pattern", "unix-time", "pure-token", "oneof", "block".
    pub kind: &'static str,
    pub token: Option<&'static str>,
    /// Which of the command's key specifications finds it.
    pub key_spec: Option<usize>,
    pub since: Option<&'static str>,
    pub optional: bool,
    pub multiple: bool,
    pub multiple_token: bool,
    pub arguments: &'static [Argument],
}

impl Argument {
    pub const fn new(name: &'static str, kind: &'static str) -> Argument {
        Argument {
            name,
            kind,
            token: None,
            key_spec: None,
            since: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            arguments: &[],
        }
    }

    /// A key found by key specification `key_spec`.
    pub const fn key(name: &'static str, key_spec: usize) -> Argument {
        let mut argument = Argument::new(name, "key");
        argument.key_spec = Some(key_spec);
        argument
    }

    pub const fn string(name: &'static str) -> Argument {
        Argument::new(name, "string")
    }

    pub const fn integer(name: &'static str) -> Argument {
        Argument::new(name, "integer")
    }

    /// Only a word.
    pub const fn word(name: &'static str, token: &'static str) -> Argument {
        Argument::new(name, "pure-token").token(token)
    }

    pub const fn one_of(name: &'static str, arguments: &'static [Argument]) -> Argument {
        let mut argument = Argument::new(name, "oneof");
        argument.arguments = arguments;
        argument
    }

    pub const fn block(name: &'static str, arguments: &'static [Argument]) -> Argument {
        let mut argument = Argument::new(name, "block");
        argument.arguments = arguments;
        argument
    }

    /// The word that stands before it.
    pub const fn token(mut self, token: &'static str) -> Argument {
        self.token = Some(token);
        self
    }

    pub const fn since(mut self, version: &'static str) -> Argument {
        self.since = Some(version);
        self
    }

    pub const fn optional(mut self) -> Argument {
        self.optional = true;
        self
    }

    pub const fn multiple(mut self) -> Argument {
        self.multiple = true;
        self
    }

    /// May be repeated together with its token.
    pub const fn multiple_token(mut self) -> Argument {
        self.multiple = true;
        self.multiple_token = true;
        self
    }
}
