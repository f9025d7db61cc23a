//! SLOWLOG: commands that took long.

use super::help::help_of;
use super::server::SERVER;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&SLOWLOG];

const SLOWLOG: Command = Command {
    name: "slowlog",
    arity: -2,
    since: "2.2.12",
    complexity: "Depends on the subcommand",
    summary: "The commands that took long.",
    subcommands: &[GET, HELP, LEN, RESET],
    ..SERVER
};

const GET: Command = Command {
    name: "get",
    arity: -2,
    flags: Flags::of(&[Flags::ADMIN, Flags::LOADING, Flags::STALE]),
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    since: "2.2.12",
    complexity: "O(N), N: entries",
    summary: "The last slow commands, newest first.",
    arguments: &[Argument::integer("count").optional()],
    handler: Handler::Session(get),
    ..SERVER
};

fn get(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    const DEFAULT: i64 = 10;
    let count = args.get(2).map_or(Some(DEFAULT), stdx::parse_i64).filter(|&count| count >= -1);
    let count = count.ok_or(Fault::Text("ERR count should be greater than or equal to -1"))?;
    let entries = context.engine.slow_log.newest(usize::try_from(count).unwrap_or(usize::MAX));
    out.array(entries.len());
    for entry in entries {
        out.array(6);
        out.integer(entry.id as i64);
        out.integer(entry.unix_seconds as i64);
        out.integer(entry.duration_us as i64);
        out.array(entry.arguments.len());
        entry.arguments.iter().for_each(|argument| out.bulk(argument));
        out.bulk(entry.client_address.as_bytes());
        out.bulk(entry.client_name.as_bytes());
    }
    Ok(())
}

const HELP: Command = Command { since: "6.2.0", ..help_of(SERVER) };

const LEN: Command = Command {
    name: "len",
    arity: 2,
    flags: Flags::of(&[Flags::ADMIN, Flags::LOADING, Flags::STALE]),
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    since: "2.2.12",
    summary: "How many slow commands are kept.",
    handler: Handler::Session(len),
    ..SERVER
};

fn len(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.integer(context.engine.slow_log.len() as i64);
    Ok(())
}

const RESET: Command = Command {
    name: "reset",
    arity: 2,
    flags: Flags::of(&[Flags::ADMIN, Flags::LOADING, Flags::STALE]),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    since: "2.2.12",
    complexity: "O(N), N: entries",
    summary: "Forgets the slow commands.",
    handler: Handler::Session(reset),
    ..SERVER
};

fn reset(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    context.engine.slow_log.reset();
    out.ok();
    Ok(())
}
