//! LATENCY: how long commands take, and what took too long.

use super::help::help_of;
use super::server::SERVER;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::{Fault, printable};
use crate::latency;
use crate::table::{Entry, table};
use resp::{Args, Out};
use std::fmt::Write;

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

/// What to think of the samples, in plain words.
fn doctor(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let events = context.engine.latency.events();
    let mut text = String::new();
    if events.is_empty() {
        text.push_str(match context.config().latency_monitor_threshold {
            0 => "Events are not monitored: set latency-monitor-threshold to the number of milliseconds that is too many.\n",
            _ => "Nothing took longer than latency-monitor-threshold.\n",
        });
    }
    for (name, event) in events {
        let (samples, mean) = (event.samples.len(), event.mean_ms());
        let (last, max) = (event.last(), event.all_time_max_ms);
        let age = context.now.unix_seconds().saturating_sub(last.unix_seconds);
        let _ = writeln!(
            text,
            "{name}: {samples} samples, {mean} ms on average, at most {max} ms, the last one {age} seconds ago."
        );
        text.push_str(advice(name));
    }
    out.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn advice(event: &str) -> &'static str {
    match event {
        "command" => {
            "  SLOWLOG GET shows which commands. Those that look at many keys or elements are better taken in steps (SCAN).\n"
        }
        "fast-command" => {
            "  Such commands take microseconds: the machine itself was slow (swapping, other processes).\n"
        }
        "eviction-cycle" | "eviction-del" => {
            "  A larger maxmemory or a lower maxmemory-eviction-tenacity makes evicting shorter.\n"
        }
        "expire-cycle" => "  Many keys expired at once, or big ones: spread their deadlines.\n",
        _ => "",
    }
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

fn graph(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    const ROWS: usize = 4;
    let Some((name, event)) = context.engine.latency.event(args.at(2)) else {
        let event = printable(args.at(2), 128);
        return Err(Fault::Message(format!("ERR No samples available for event '{event}'")));
    };
    let (high, low, all_time) = (event.max_ms(), event.min_ms(), event.all_time_max_ms);
    let text = format!(
        "{name} - high {high} ms, low {low} ms (all time high {all_time} ms)\n{}\n{}",
        "-".repeat(80),
        latency::graph(&event, context.now, ROWS)
    );
    out.verbatim(b"txt", text.as_bytes());
    Ok(())
}

const HELP: Command = Command { since: "2.8.13", ..help_of(SERVER) };

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
        // A container stands for its subcommands.
        let named = args.from(2).iter().filter_map(|name| table().by_full_name(name));
        named.flat_map(|entry| std::iter::once(entry).chain(table().subcommands(entry))).collect()
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

fn history(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let samples = context.engine.latency.event(args.at(2)).map(|(_, event)| event.samples).unwrap_or_default();
    out.array(samples.len());
    for sample in samples {
        out.array(2);
        out.integer(sample.unix_seconds as i64);
        out.integer(sample.milliseconds as i64);
    }
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

fn latest(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let events = context.engine.latency.events();
    out.array(events.len());
    for (name, event) in events {
        out.array(4);
        out.bulk(name.as_bytes());
        out.integer(event.last().unix_seconds as i64);
        out.integer(event.last().milliseconds as i64);
        out.integer(event.all_time_max_ms as i64);
    }
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

fn reset(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let latency = &context.engine.latency;
    let forgotten = match args.len() {
        2 => latency.reset(None),
        _ => args.from(2).iter().map(|event| latency.reset(Some(event))).sum(),
    };
    out.integer(forgotten as i64);
    Ok(())
}
