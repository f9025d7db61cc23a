//! MODULE: there are none, and none can be loaded. Clients ask for the list.

use super::help::help_of;
use super::server::SERVER;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::{Fault, printable};
use crate::services::LogLevel;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&MODULE];

const MODULE: Command = Command {
    name: "module",
    arity: -2,
    since: "4.0.0",
    complexity: "Depends on the subcommand",
    summary: "Extensions of the server: there are none.",
    subcommands: &[HELP, LIST, LOAD, LOADEX, UNLOAD],
    ..SERVER
};

const HELP: Command = Command { since: "5.0.0", ..help_of(SERVER) };

const LIST: Command = Command {
    name: "list",
    arity: 2,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT]),
    tips: &["nondeterministic_output_order"],
    since: "4.0.0",
    summary: "The modules that are loaded: none.",
    handler: Handler::Session(list),
    ..SERVER
};

fn list(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.array(0);
    Ok(())
}

const LOADING: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::NO_ASYNC_LOADING]),
    since: "4.0.0",
    handler: Handler::Session(load),
    ..SERVER
};

const LOAD: Command = Command {
    name: "load",
    summary: "Fails: modules for Redis cannot be loaded.",
    arguments: &[Argument::string("path"), Argument::string("arg").optional().multiple()],
    ..LOADING
};

const LOADEX: Command = Command {
    name: "loadex",
    since: "7.0.0",
    summary: "Fails: modules for Redis cannot be loaded.",
    arguments: &[
        Argument::string("path"),
        Argument::block("configs", &[Argument::string("name"), Argument::string("value")])
            .token("CONFIG")
            .optional()
            .multiple_token(),
        Argument::string("args").token("ARGS").optional().multiple(),
    ],
    ..LOADING
};

fn load(context: &mut SessionContext<'_>, args: Args<'_>, _: &mut Out) -> Reply {
    let path = printable(args.at(2), 1024);
    context.engine.host.log(LogLevel::Warning, format_args!("Module {path} not loaded: modules for Redis cannot be"));
    Err(Fault::Text("ERR Error loading the extension. Please check the server logs."))
}

const UNLOAD: Command = Command {
    name: "unload",
    arity: 3,
    summary: "Fails: there are no modules.",
    arguments: &[Argument::string("name")],
    handler: Handler::Session(unload),
    ..LOADING
};

fn unload(_: &mut SessionContext<'_>, _: Args<'_>, _: &mut Out) -> Reply {
    Err(Fault::Text("ERR Error unloading module: no such module with that name"))
}
