//! What clients of a Redis Cluster say: here there is none, as in a Redis without cluster mode.

use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&ASKING, &CLUSTER, &READONLY, &READWRITE];

const GROUP: Command =
    Command { group: "cluster", since: "3.0.0", handler: Handler::Session(disabled), ..Command::BASE };
const OF_CONNECTION: Command = Command { categories: &["connection"], ..GROUP };

const ASKING: Command = Command {
    name: "asking",
    flags: Flags::FAST,
    summary: "Of cluster mode, which there is none of: an error.",
    ..OF_CONNECTION
};

const READONLY: Command = Command {
    name: "readonly",
    flags: Flags::of(&[Flags::FAST, Flags::LOADING, Flags::STALE]),
    summary: "Of cluster mode, which there is none of: an error.",
    ..OF_CONNECTION
};

const READWRITE: Command = Command { name: "readwrite", ..READONLY };

const CLUSTER: Command = Command {
    name: "cluster",
    arity: -2,
    summary: "All about clusters: an error, as in every server that is part of none.",
    arguments: &[Argument::string("subcommand"), Argument::string("argument").optional().multiple()],
    ..GROUP
};

fn disabled(_: &mut SessionContext<'_>, _: Args<'_>, _: &mut Out) -> Reply {
    Err(Fault::Text("ERR This instance has cluster support disabled"))
}
