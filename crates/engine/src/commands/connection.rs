//! The connection itself.

use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&ECHO, &PING];

const CONNECTION: Command = Command { group: "connection", categories: &["connection"], ..Command::BASE };

const ECHO: Command = Command {
    name: "echo",
    arity: 2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]),
    summary: "Answers with its argument.",
    arguments: &[Argument::string("message")],
    handler: Handler::Session(echo),
    ..CONNECTION
};

fn echo(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    out.bulk(args.at(1));
    Ok(())
}

const PING: Command = Command {
    name: "ping",
    arity: -1,
    flags: Flags::of(&[Flags::FAST]),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    summary: "Answers, so that the client knows that the server is there.",
    arguments: &[Argument::string("message").optional()],
    handler: Handler::Session(ping),
    ..CONNECTION
};

fn ping(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    match args.len() {
        1 => out.status("PONG"),
        2 => out.bulk(args.at(1)),
        _ => return Err(Fault::wrong_arity("ping")),
    }
    Ok(())
}
