//! The server as a whole.

use crate::arguments::{database_index, integer, is};
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::engine::FLUIDB_VERSION;
use crate::fault::Fault;
use crate::info;
use crate::services::Shutdown;
use crate::session::{Parked, Resume};
use keyspace::{Change, Scope, View};
use resp::{Args, Out};
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[&Command] =
    &[&DBSIZE, &FLUSHALL, &FLUSHDB, &INFO, &LASTSAVE, &LFENCE, &LOLWUT, &SHUTDOWN, &SWAPDB, &TIME];

pub(super) const SERVER: Command = Command { group: "server", ..Command::BASE };

const DBSIZE: Command = Command {
    name: "dbsize",
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    categories: &["keyspace"],
    summary: "How many keys the database has.",
    handler: Handler::Read(dbsize),
    ..SERVER
};

fn dbsize(view: &View<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.integer(view.db_size() as i64);
    Ok(())
}

const FLUSHALL: Command = Command {
    name: "flushall",
    arity: -1,
    flags: Flags::of(&[Flags::WRITE]),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    complexity: "O(N), N: keys",
    categories: &["keyspace", "dangerous"],
    summary: "Deletes everything.",
    arguments: &[Argument::one_of(
        "flush-type",
        &[Argument::word("async", "ASYNC").since("4.0.0"), Argument::word("sync", "SYNC").since("6.2.0")],
    )
    .optional()],
    handler: Handler::Session(flushall),
    ..SERVER
};

fn flushall(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    check_flush_mode(args)?;
    let garbage = context.with_scope(Scope::All, |txn| txn.flush_all());
    stdx::discard(garbage);
    out.ok();
    Ok(())
}

/// SYNC or ASYNC: memory is freed in the background either way.
fn check_flush_mode(args: Args<'_>) -> Result<(), Fault> {
    match args.len() {
        1 => Ok(()),
        2 if is(args.at(1), "SYNC") || is(args.at(1), "ASYNC") => Ok(()),
        _ => Err(Fault::Syntax),
    }
}

const FLUSHDB: Command = Command {
    name: "flushdb",
    arity: -1,
    flags: Flags::of(&[Flags::WRITE]),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    complexity: "O(N), N: keys",
    categories: &["keyspace", "dangerous"],
    summary: "Deletes everything in the selected database.",
    arguments: &[Argument::one_of(
        "flush-type",
        &[Argument::word("async", "ASYNC").since("4.0.0"), Argument::word("sync", "SYNC").since("6.2.0")],
    )
    .optional()],
    handler: Handler::Session(flushdb),
    ..SERVER
};

fn flushdb(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    check_flush_mode(args)?;
    let garbage = context.with_scope(Scope::All, |txn| txn.flush_db());
    stdx::discard(garbage);
    out.ok();
    Ok(())
}

const INFO: Command = Command {
    name: "info",
    arity: -1,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    categories: &["dangerous"],
    summary: "The state of the server as text.",
    arguments: &[Argument::string("section").optional().multiple()],
    handler: Handler::Session(info_command),
    ..SERVER
};

fn info_command(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    info::reply(context, args.from(1), out);
    Ok(())
}

const LASTSAVE: Command = Command {
    name: "lastsave",
    flags: Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]),
    tips: &["nondeterministic_output"],
    categories: &["admin", "dangerous"],
    summary: "When the data set was last saved, as a Unix time in seconds.",
    handler: Handler::Session(lastsave),
    ..SERVER
};

/// Without persistence: when the server started, as Redis says before its first save.
fn lastsave(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.integer(context.engine.started.unix_seconds() as i64);
    Ok(())
}

const LFENCE: Command = Command {
    name: "lfence",
    flags: Flags::of(&[Flags::READONLY, Flags::STALE]),
    since: "6.0.0",
    summary: "Answers when what came before is done, which here is always so.",
    handler: Handler::Session(lfence),
    ..SERVER
};

fn lfence(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.ok();
    Ok(())
}

const LOLWUT: Command = Command {
    name: "lolwut",
    arity: -1,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    since: "5.0.0",
    summary: "A picture, and the version.",
    arguments: &[Argument::integer("version").token("VERSION").optional()],
    handler: Handler::Session(lolwut),
    ..SERVER
};

fn lolwut(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    // One picture for all versions.
    if let (Some(word), Some(version)) = (args.get(1), args.get(2))
        && is(word, "VERSION")
    {
        integer(version)?;
    }
    const PICTURE: &str = "        A\n       / \\\n      /   \\\n     B-----C\n\nThe last operation wins.\n";
    out.verbatim(b"txt", format!("{PICTURE}fluidB ver. {FLUIDB_VERSION}\n").as_bytes());
    Ok(())
}

const SHUTDOWN: Command = Command {
    name: "shutdown",
    arity: -1,
    flags: Flags::of(&[
        Flags::ADMIN,
        Flags::NOSCRIPT,
        Flags::LOADING,
        Flags::STALE,
        Flags::NO_MULTI,
        Flags::ALLOW_BUSY,
    ]),
    complexity: "O(N), N: keys to save",
    summary: "Ends the server.",
    arguments: &[Argument::one_of(
        "abort-selector",
        &[
            Argument::block(
                "save-selector-block",
                &[
                    Argument::one_of(
                        "save-selector",
                        &[Argument::word("nosave", "NOSAVE"), Argument::word("save", "SAVE")],
                    )
                    .optional(),
                    Argument::word("now", "NOW").since("7.0.0").optional(),
                    Argument::word("force", "FORCE").since("7.0.0").optional(),
                ],
            ),
            Argument::word("abort", "ABORT").since("7.0.0"),
        ],
    )
    .optional()],
    handler: Handler::Session(shutdown),
    ..SERVER
};

fn shutdown(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let mut request = Shutdown::default();
    let mut abort = false;
    for word in args.from(1).iter() {
        match () {
            () if is(word, "NOSAVE") && request.save != Some(true) => request.save = Some(false),
            () if is(word, "SAVE") && request.save != Some(false) => request.save = Some(true),
            () if is(word, "NOW") => request.now = true,
            () if is(word, "FORCE") => request.force = true,
            // KeyDB's: clients get their replies in any case.
            () if is(word, "SOFT") => {}
            () if is(word, "ABORT") => abort = true,
            () => return Err(Fault::Syntax),
        }
    }
    if !abort {
        context.engine.host.shutdown(request)?;
        // No reply: the connection ends with the server.
        context.park(Box::new(WaitingForTheEnd), None);
        return Ok(());
    }
    if request != Shutdown::default() {
        return Err(Fault::Syntax);
    }
    context.engine.host.abort_shutdown()?;
    let waiting = context.engine.clients.all();
    waiting.iter().filter(|client| client.blocked.load(Relaxed)).for_each(|client| context.engine.host.wake(client));
    out.ok();
    Ok(())
}

/// Has asked for a shutdown.
struct WaitingForTheEnd;

impl Parked for WaitingForTheEnd {
    fn resume(&mut self, context: &mut SessionContext<'_>, out: &mut Out, _: Resume) -> bool {
        let is_called_off = !context.engine.host.is_shutting_down();
        if is_called_off {
            Fault::Text("ERR Errors trying to SHUTDOWN. Check logs.").render(out);
        }
        is_called_off
    }
}

const SWAPDB: Command = Command {
    name: "swapdb",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    since: "4.0.0",
    complexity: "O(N), N: keys of both",
    categories: &["keyspace", "dangerous"],
    summary: "Exchanges two databases.",
    arguments: &[Argument::integer("index1"), Argument::integer("index2")],
    handler: Handler::Session(swapdb),
    ..SERVER
};

fn swapdb(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let engine = context.engine;
    let databases = engine.keyspace.databases();
    for (index, text) in [(1, "ERR invalid first DB index"), (2, "ERR invalid second DB index")] {
        let number = integer(args.at(index)).ok().and_then(|number| i32::try_from(number).ok());
        number.ok_or(Fault::Text(text))?;
    }
    let (first, second) = (database_index(args.at(1), databases)?, database_index(args.at(2), databases)?);
    if first != second {
        context.with_scope(Scope::All, |txn| {
            engine.watched.observe_swap(txn, first, second);
            engine.long_reads.observe(&[first, second].map(|db| Change::Database { db }));
            txn.swap_db(first, second);
            engine.blocked.note_all();
        });
    }
    out.ok();
    Ok(())
}

const TIME: Command = Command {
    name: "time",
    flags: Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]),
    tips: &["nondeterministic_output"],
    since: "2.6.0",
    summary: "The wall clock: Unix seconds, and microseconds.",
    handler: Handler::Session(time),
    ..SERVER
};

fn time(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.array(2);
    out.bulk_integer(context.now.unix_seconds() as i64);
    out.bulk_integer((context.now.unix_us % 1_000_000) as i64);
    Ok(())
}
