//! XINFO.

use super::reply::{reply_entries, reply_entry, reply_id};
use super::{COUNT, GROUP, KEY, STREAM, no_such_group, wrong_subcommand};
use crate::arguments::{integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::help::help_of;
use crate::fault::Fault;
use keyspace::View;
use resp::{Args, Out};
use values::{Group, Stream, StreamId};

pub(super) const XINFO: Command = Command {
    name: "xinfo",
    arity: -2,
    complexity: "Depends on the subcommand",
    summary: "Looks into a stream and its groups.",
    subcommands: &[CONSUMERS, GROUPS, HELP, STREAM_INFO],
    categories: &[],
    handler: Handler::Container,
    ..STREAM
};

/// Looks at the stream at the second argument.
const LOOK: Command =
    Command { arity: 3, flags: Flags::READONLY, keys: &[KeySpec::one(2, &["RO", "access"])], ..STREAM };

const CONSUMERS: Command = Command {
    name: "consumers",
    arity: 4,
    tips: &["nondeterministic_output"],
    complexity: "O(N), N: consumers of the group",
    summary: "The consumers of a group.",
    arguments: &[KEY, GROUP],
    handler: Handler::Read(consumers),
    ..LOOK
};

fn consumers(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, name) = (args.at(2), args.at(3));
    let stream = view.stream(key)?.ok_or(Fault::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_such_group(name, key))?;
    let since = |ms: u64| view.now_ms().saturating_sub(ms) as i64;
    out.array(group.consumers().len());
    for (name, consumer) in group.consumers() {
        out.map(4);
        out.bulk(b"name");
        out.bulk(name);
        reply_number(out, "pending", consumer.pending_count() as i64);
        reply_number(out, "idle", since(consumer.seen_ms));
        reply_number(out, "inactive", consumer.active_ms.map_or(-1, since));
    }
    Ok(())
}

fn reply_number(out: &mut Out, name: &str, number: i64) {
    out.bulk(name.as_bytes());
    out.integer(number);
}

fn reply_named_id(out: &mut Out, name: &str, id: StreamId) {
    out.bulk(name.as_bytes());
    reply_id(out, id);
}

fn reply_optional(out: &mut Out, name: &str, number: Option<u64>) {
    out.bulk(name.as_bytes());
    match number {
        Some(number) => out.integer(number as i64),
        None => out.null(),
    }
}

const GROUPS: Command = Command {
    name: "groups",
    summary: "The groups of a stream.",
    arguments: &[KEY],
    handler: Handler::Read(groups),
    ..LOOK
};

fn groups(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let stream = view.stream(args.at(2))?.ok_or(Fault::NoSuchKey)?;
    out.array(stream.groups().len());
    for (name, group) in stream.groups() {
        out.map(6);
        out.bulk(b"name");
        out.bulk(name);
        reply_number(out, "consumers", group.consumers().len() as i64);
        reply_number(out, "pending", group.pending_count() as i64);
        reply_position(out, stream, group);
    }
    Ok(())
}

fn reply_position(out: &mut Out, stream: &Stream, group: &Group) {
    reply_named_id(out, "last-delivered-id", group.position.last_id);
    reply_optional(out, "entries-read", group.position.entries_read);
    reply_optional(out, "lag", stream.lag(group.position));
}

const HELP: Command = help_of(STREAM);

const STREAM_INFO: Command = Command {
    name: "stream",
    arity: -3,
    summary: "What a stream knows of itself; with FULL also its entries and groups.",
    arguments: &[KEY, Argument::block("full-block", &[Argument::word("full", "FULL"), COUNT]).optional()],
    handler: Handler::Read(stream_info),
    ..LOOK
};

/// How many entries XINFO STREAM FULL shows.
const DEFAULT_COUNT: usize = 10;

fn stream_info(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let stream = view.stream(args.at(2))?.ok_or(Fault::NoSuchKey)?;
    let is_full = match args.len() {
        3 => false,
        4 if is(args.at(3), "FULL") => true,
        6 if is(args.at(3), "FULL") && is(args.at(4), "COUNT") => true,
        _ => return Err(wrong_subcommand("XINFO", args)),
    };
    let count = args.get(5).map_or(Ok(DEFAULT_COUNT as i64), integer)?;
    let count = match usize::try_from(count) {
        Ok(0) => usize::MAX,
        Ok(count) => count,
        Err(_) => DEFAULT_COUNT,
    };
    out.map(if is_full { 9 } else { 10 });
    reply_number(out, "length", stream.len() as i64);
    reply_number(out, "radix-tree-keys", stream.block_count() as i64);
    reply_number(out, "radix-tree-nodes", stream.block_count() as i64 + 1);
    reply_named_id(out, "last-generated-id", stream.last_id);
    reply_named_id(out, "max-deleted-entry-id", stream.max_deleted_id);
    reply_number(out, "entries-added", stream.entries_added as i64);
    reply_named_id(out, "recorded-first-entry-id", stream.first().map_or(StreamId::MIN, |first| first.id));
    if is_full {
        out.bulk(b"entries");
        reply_entries(out, stream.range(StreamId::MIN, StreamId::MAX), count);
        out.bulk(b"groups");
        out.array(stream.groups().len());
        stream.groups().for_each(|(name, group)| reply_full_group(out, stream, name, group, count));
        return Ok(());
    }
    reply_number(out, "groups", stream.groups().len() as i64);
    for (name, entry) in [("first-entry", stream.first()), ("last-entry", stream.last())] {
        out.bulk(name.as_bytes());
        match entry {
            Some(entry) => reply_entry(out, entry),
            None => out.null(),
        }
    }
    Ok(())
}

fn reply_full_group(out: &mut Out, stream: &Stream, name: &[u8], group: &Group, count: usize) {
    out.map(7);
    out.bulk(b"name");
    out.bulk(name);
    reply_position(out, stream, group);
    reply_number(out, "pel-count", group.pending_count() as i64);
    out.bulk(b"pending");
    out.array(group.pending_count().min(count));
    for (id, pending) in group.pending(StreamId::MIN..=StreamId::MAX).take(count) {
        out.array(4);
        reply_id(out, id);
        out.bulk(&pending.consumer);
        out.integer(pending.delivered_ms as i64);
        out.integer(pending.deliveries as i64);
    }
    out.bulk(b"consumers");
    out.array(group.consumers().len());
    for (name, consumer) in group.consumers() {
        out.map(5);
        out.bulk(b"name");
        out.bulk(name);
        reply_number(out, "seen-time", consumer.seen_ms as i64);
        reply_number(out, "active-time", consumer.active_ms.map_or(-1, |ms| ms as i64));
        reply_number(out, "pel-count", consumer.pending_count() as i64);
        out.bulk(b"pending");
        out.array(consumer.pending_count().min(count));
        for (id, pending) in group.pending_at(consumer, StreamId::MIN..=StreamId::MAX).take(count) {
            out.array(3);
            reply_id(out, id);
            out.integer(pending.delivered_ms as i64);
            out.integer(pending.deliveries as i64);
        }
    }
}
