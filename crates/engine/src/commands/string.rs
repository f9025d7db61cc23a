//! Strings.

use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use keyspace::{SetDeadline, StringRef, Txn, View};
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&GET, &SET];

const STRING: Command = Command { group: "string", categories: &["string"], ..Command::BASE };

const GET: Command = Command {
    name: "get",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    summary: "The string at a key.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(get),
    ..STRING
};

fn get(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    match view.string(args.at(1))? {
        None => out.null(),
        Some(StringRef::Int(value)) => out.bulk_integer(value),
        Some(StringRef::Bytes(bytes)) => out.bulk(bytes),
    }
    Ok(())
}

const SET: Command = Command {
    name: "set",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "access", "update", "variable_flags"])],
    summary: "Sets the string at a key.",
    arguments: &[Argument::key("key", 0), Argument::string("value")],
    handler: Handler::Write(set),
    ..STRING
};

fn set(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    txn.string_set(args.at(1), args.at(2), SetDeadline::Clear);
    out.ok();
    Ok(())
}
