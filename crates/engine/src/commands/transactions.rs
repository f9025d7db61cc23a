//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::multi::{self, Queue};
use crate::watch::WatchedKey;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&DISCARD, &EXEC, &MULTI, &UNWATCH, &WATCH];

const TRANSACTION: Command = Command { group: "transactions", categories: &["transaction"], ..Command::BASE };

const DISCARD: Command = Command {
    name: "discard",
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::ALLOW_BUSY]),
    since: "2.0.0",
    complexity: "O(N), N: queued commands",
    summary: "Forgets the queued commands and what is watched.",
    handler: Handler::Session(discard),
    ..TRANSACTION
};

fn discard(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    if context.session.queue.is_none() {
        return Err(Fault::Text("ERR DISCARD without MULTI"));
    }
    context.session.discard();
    out.ok();
    Ok(())
}

const EXEC: Command = Command {
    name: "exec",
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::SKIP_SLOWLOG]),
    since: "1.2.0",
    complexity: "That of the queued commands",
    summary: "Executes the queued commands as one.",
    handler: Handler::Session(exec),
    ..TRANSACTION
};

fn exec(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    multi::exec(context, out)
}

const MULTI: Command = Command {
    name: "multi",
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::ALLOW_BUSY]),
    since: "1.2.0",
    summary: "Begins a transaction: what follows is queued.",
    handler: Handler::Session(begin),
    ..TRANSACTION
};

fn begin(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    if context.session.queue.is_some() {
        return Err(Fault::Text("ERR MULTI calls can not be nested"));
    }
    context.session.queue = Some(Queue::new());
    out.ok();
    Ok(())
}

const UNWATCH: Command = Command {
    name: "unwatch",
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::ALLOW_BUSY]),
    since: "2.2.0",
    summary: "Forgets what is watched.",
    handler: Handler::Session(unwatch),
    ..TRANSACTION
};

fn unwatch(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    context.session.unwatch();
    out.ok();
    Ok(())
}

const WATCH: Command = Command {
    name: "watch",
    arity: -2,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::ALLOW_BUSY]),
    keys: &[KeySpec::from(1, &["RO"])],
    since: "2.2.0",
    complexity: "O(1) for every key",
    summary: "Makes the next EXEC fail if one of these keys changes before it.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::Session(watch),
    ..TRANSACTION
};

fn watch(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if context.session.queue.is_some() {
        return Err(Fault::Text("ERR WATCH inside MULTI is not allowed"));
    }
    let (engine, db) = (context.engine, context.session.db);
    for key in args.from(1).iter() {
        if context.session.watching.contains(db, key) {
            continue;
        }
        let client = context.session.client.clone();
        let existed = context.with_key(key, |txn| {
            let existed = txn.exists(key);
            engine.watched.watch(&engine.keyspace, &client, db, key, existed);
            existed
        });
        context.session.watching.push(WatchedKey { db, key: key.to_vec(), existed });
    }
    out.ok();
    Ok(())
}
