//! LATENCY: how long commands take. Events are not monitored.

use super::help::help;
use super::server::SERVER;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::{Fault, printable};
use crate::table::{Entry, table};
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&LATENCY];

const LATENCY: Command = Command {
    name: "latency",
    arity: -2,
    since: "2.8.13",
    complexity: "Depends on the subcommand",
    summary: "How long commands take.",
    subcommands: &[DOCTOR, GRAPH, HELP, HISTOGRAM, HISTORY, LATEST, RESET],
    ..SERVER
};

const DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    since: "2.8.13",
    summary: "What the samples say.",
    handler: Handler::Session(doctor),
    ..SERVER
};

fn doctor(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.verbatim(b"txt", b"Latency events are not monitored. LATENCY HISTOGRAM and INFO latencystats show commands.\n");
    Ok(())
}

const GRAPH: Command = Command {
    name: "graph",
    arity: 3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    since: "2.8.13",
    summary: "The samples of an event, drawn.",
    arguments: &[Argument::string("event")],
    handler: Handler::Session(graph),
    ..SERVER
};

fn graph(_: &mut SessionContext<'_>, args: Args<'_>, _: &mut Out) -> Reply {
    let event = printable(args.at(2), 128);
    Err(Fault::Message(format!("ERR No samples available for event '{event}'")))
}

const HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    since: "2.8.13",
    summary: "Lists the subcommands.",
    handler: Handler::Session(help),
    ..SERVER
};

const HISTOGRAM: Command = Command {
    name: "histogram",
    arity: -2,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    since: "7.0.0",
    complexity: "O(N), N: commands",
    summary: "How the durations of commands are distributed.",
    arguments: &[Argument::string("COMMAND").optional().multiple()],
    handler: Handler::Session(histogram),
    ..SERVER
};

fn histogram(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let entries: Vec<&Entry> = if args.len() == 2 {
        table().entries().iter().collect()
    } else {
        args.from(2).iter().filter_map(|name| table().by_full_name(name)).collect()
    };
    let map = out.defer();
    let mut shown = 0;
    for entry in entries {
        let totals = context.engine.stats.command(entry.id);
        let buckets = totals.latency.cumulative();
        if buckets.is_empty() {
            continue;
        }
        shown += 1;
        out.bulk(entry.full_name.as_bytes());
        out.map(2);
        out.bulk(b"calls");
        out.integer(totals.calls as i64);
        out.bulk(b"histogram_usec");
        out.map(buckets.len());
        for (upper_us, count) in buckets {
            out.integer(upper_us as i64);
            out.integer(count as i64);
        }
    }
    out.finish_map(map, shown);
    Ok(())
}

const HISTORY: Command = Command {
    name: "history",
    arity: 3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    since: "2.8.13",
    summary: "The samples of an event.",
    arguments: &[Argument::string("event")],
    handler: Handler::Session(history),
    ..SERVER
};

fn history(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.array(0);
    Ok(())
}

const LATEST: Command = Command {
    name: "latest",
    arity: 2,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    since: "2.8.13",
    summary: "The last sample of every event.",
    handler: Handler::Session(latest),
    ..SERVER
};

fn latest(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.array(0);
    Ok(())
}

const RESET: Command = Command {
    name: "reset",
    arity: -2,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    since: "2.8.13",
    summary: "Forgets the samples of events.",
    arguments: &[Argument::string("event").optional().multiple()],
    handler: Handler::Session(reset),
    ..SERVER
};

fn reset(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.integer(0);
    Ok(())
}
