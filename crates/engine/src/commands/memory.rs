//! MEMORY: where the memory goes.

use super::help::help_of;
use super::server::SERVER;
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use keyspace::{Scope, View};
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&MEMORY];

const MEMORY: Command = Command {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    complexity: "Depends on the subcommand",
    summary: "Where the memory goes.",
    subcommands: &[DOCTOR, HELP, MALLOC_STATS, PURGE, STATS, USAGE],
    ..SERVER
};

const DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    since: "4.0.0",
    summary: "What to think of the use of memory.",
    handler: Handler::Session(doctor),
    ..SERVER
};

fn doctor(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let memory = context.engine.host.memory();
    let advice = if memory.resident > memory.used + memory.used / 2 && memory.used > 64 << 20 {
        "Much more memory is resident than used: MEMORY PURGE gives it back to the operating system.\n"
    } else {
        "Nothing is wrong with the use of memory.\n"
    };
    out.verbatim(b"txt", advice.as_bytes());
    Ok(())
}

const HELP: Command = Command { since: "4.0.0", ..help_of(SERVER) };

const MALLOC_STATS: Command = Command {
    name: "malloc-stats",
    arity: 2,
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    since: "4.0.0",
    complexity: "Depends on how much memory is allocated, could be slow",
    summary: "What the allocator says of itself.",
    handler: Handler::Session(malloc_stats),
    ..SERVER
};

fn malloc_stats(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let memory = context.engine.host.memory();
    let allocator = context.engine.host.process().allocator;
    let text = format!(
        "{allocator}: allocated {}, active {}, resident {}\n",
        memory.used, memory.allocator_active, memory.allocator_resident
    );
    out.verbatim(b"txt", text.as_bytes());
    Ok(())
}

const PURGE: Command = Command {
    name: "purge",
    arity: 2,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    since: "4.0.0",
    complexity: "Depends on how much memory is allocated, could be slow",
    summary: "Gives unused memory back to the operating system.",
    handler: Handler::Session(purge),
    ..SERVER
};

fn purge(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    context.engine.host.purge_memory();
    out.ok();
    Ok(())
}

const STATS: Command = Command {
    name: "stats",
    arity: 2,
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    since: "4.0.0",
    summary: "The use of memory in numbers.",
    handler: Handler::Session(stats),
    ..SERVER
};

/// Of each database that is not empty: its number, keys, and bytes of its tables.
fn databases(context: &mut SessionContext<'_>) -> Vec<(u32, u64, u64)> {
    let home = context.session.db;
    context.with_scope(Scope::All, |txn| {
        let databases = (0..txn.databases()).map(|db| {
            txn.select(db);
            (db, txn.db_size() as u64, txn.table_bytes() as u64)
        });
        let databases = databases.filter(|(_, keys, _)| *keys > 0).collect();
        txn.select(home);
        databases
    })
}

fn stats(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let memory = context.engine.host.memory();
    let clients: u64 = context.engine.clients.all().iter().map(|client| client.total_memory()).sum();
    let backlog = context.engine.replication.backlog_bytes();
    let databases = databases(context);
    let keys: u64 = databases.iter().map(|(_, keys, _)| keys).sum();
    let tables: u64 = databases.iter().map(|(.., bytes)| bytes).sum();
    let overhead = memory.startup + clients + backlog + tables;
    let dataset = memory.used.saturating_sub(overhead);
    let integers = [
        ("peak.allocated", memory.peak),
        ("total.allocated", memory.used),
        ("startup.allocated", memory.startup),
        ("replication.backlog", backlog),
        ("clients.slaves", 0),
        ("clients.normal", clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
        ("overhead.db.hashtable.lut", tables),
        ("overhead.db.hashtable.rehashing", 0),
        ("db.dict.rehashing.count", 0),
        ("overhead.total", overhead),
        ("keys.count", keys),
        ("keys.bytes-per-key", memory.used.saturating_sub(memory.startup).checked_div(keys).unwrap_or(0)),
        ("dataset.bytes", dataset),
        ("allocator.allocated", memory.allocator_allocated),
        ("allocator.active", memory.allocator_active),
        ("allocator.resident", memory.allocator_resident),
        ("allocator.muzzy", 0),
    ];
    let waste = |whole: u64, part: u64| whole as i64 - part as i64;
    let wasted = [
        ("allocator-fragmentation.bytes", waste(memory.allocator_active, memory.allocator_allocated)),
        ("allocator-rss.bytes", waste(memory.allocator_resident, memory.allocator_active)),
        ("rss-overhead.bytes", waste(memory.resident, memory.allocator_resident)),
        ("fragmentation.bytes", waste(memory.resident, memory.used)),
    ];
    let ratio = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let ratios = [
        ("dataset.percentage", 100.0 * ratio(dataset, memory.used.saturating_sub(memory.startup))),
        ("peak.percentage", 100.0 * ratio(memory.used, memory.peak)),
        ("allocator-fragmentation.ratio", ratio(memory.allocator_active, memory.allocator_allocated)),
        ("allocator-rss.ratio", ratio(memory.allocator_resident, memory.allocator_active)),
        ("rss-overhead.ratio", ratio(memory.resident, memory.allocator_resident)),
        ("fragmentation", ratio(memory.resident, memory.used)),
    ];
    out.map(databases.len() + integers.len() + wasted.len() + ratios.len());
    for (db, _, bytes) in databases {
        out.bulk(format!("db.{db}").as_bytes());
        out.map(2);
        out.bulk(b"overhead.hashtable.main");
        out.integer(bytes as i64);
        // Deadlines are in the entries.
        out.bulk(b"overhead.hashtable.expires");
        out.integer(0);
    }
    let integers = integers.into_iter().map(|(name, value)| (name, value as i64)).chain(wasted);
    for (name, value) in integers {
        out.bulk(name.as_bytes());
        out.integer(value);
    }
    for (name, value) in ratios {
        out.bulk(name.as_bytes());
        out.double(value);
    }
    Ok(())
}

const USAGE: Command = Command {
    name: "usage",
    arity: -3,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::one(2, &["RO"])],
    since: "4.0.0",
    summary: "How many bytes a key and its value take.",
    arguments: &[Argument::key("key", 0), Argument::integer("count").token("SAMPLES").optional()],
    handler: Handler::Read(usage),
    ..SERVER
};

/// Exact, so the number of samples does not matter.
fn usage(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let mut words = Cursor::new(args, 3);
    while let Some(word) = words.next() {
        if !is(word, "SAMPLES") || integer(words.value()?)? < 0 {
            return Err(Fault::Syntax);
        }
    }
    match view.heap_size(args.at(2)) {
        Some(bytes) => out.integer(bytes as i64),
        None => out.null(),
    }
    Ok(())
}
