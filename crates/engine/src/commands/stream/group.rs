//! Groups and their consumers.

use super::{CONSUMER, GROUP, IDS, KEY, STREAM, UPDATE, id, ids, no_such_group, wrong_subcommand};
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::help::help_of;
use crate::fault::Fault;
use keyspace::{EventClass, Txn, View};
use resp::{Args, Out};
use values::{Group, Position, StreamId};

pub(super) const XACK: Command = Command {
    name: "xack",
    arity: -4,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: UPDATE,
    complexity: "O(1) for every entry",
    summary: "Acknowledges entries: they are not pending any more.",
    arguments: &[KEY, GROUP, IDS],
    handler: Handler::Write(xack),
    ..STREAM
};

fn xack(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, group) = (args.at(1), args.at(2));
    let is_there = txn.stream(key)?.is_some_and(|stream| stream.group(group).is_some());
    let acknowledged = if is_there { txn.stream_acknowledge(key, group, ids(args.from(3))?.into_iter())? } else { 0 };
    out.integer(acknowledged as i64);
    Ok(())
}

pub(super) const XGROUP: Command = Command {
    name: "xgroup",
    arity: -2,
    complexity: "Depends on the subcommand",
    summary: "Manages the groups of a stream, and their consumers.",
    subcommands: &[CREATE, CREATECONSUMER, DELCONSUMER, DESTROY, HELP, SETID],
    categories: &[],
    handler: Handler::Container,
    ..STREAM
};

const ID_OR_LAST: Argument = Argument::one_of("id-selector", &[Argument::string("id"), Argument::word("new-id", "$")]);
const ENTRIES_READ: Argument = Argument::integer("entriesread").token("ENTRIESREAD").optional().since("7.0.0");
const WRITE: &[KeySpec] = &[KeySpec::one(2, &["RW", "update"])];

const CREATE: Command = Command {
    name: "create",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(2, &["RW", "insert"])],
    summary: "Makes a group.",
    arguments: &[KEY, GROUP, ID_OR_LAST, Argument::word("mkstream", "MKSTREAM").optional(), ENTRIES_READ],
    handler: Handler::Write(create),
    ..STREAM
};

/// What stands behind the id of XGROUP CREATE and SETID: MKSTREAM, ENTRIESREAD.
fn options(args: Args<'_>, creates: bool) -> Result<(bool, Option<u64>), Fault> {
    let (mut mkstream, mut entries_read) = (false, None);
    let mut words = Cursor::new(args, 5);
    while let Some(word) = words.next() {
        if creates && is(word, "MKSTREAM") {
            mkstream = true;
        } else if is(word, "ENTRIESREAD") && words.remaining() > 0 {
            entries_read = match integer(words.value()?)? {
                -1 => None,
                count => {
                    let count = u64::try_from(count);
                    Some(count.map_err(|_| Fault::Text("ERR value for ENTRIESREAD must be positive or -1"))?)
                }
            };
        } else {
            return Err(wrong_subcommand("XGROUP", args));
        }
    }
    Ok((mkstream, entries_read))
}

const NO_KEY: Fault = Fault::Text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);

fn create(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, group) = (args.at(2), args.at(3));
    let (mkstream, entries_read) = options(args, true)?;
    let stream = txn.stream(key)?;
    if stream.is_none() && !mkstream {
        return Err(NO_KEY);
    }
    if args.len() > 8 {
        return Err(wrong_subcommand("XGROUP", args));
    }
    let last_id = match args.at(4) {
        b"$" => stream.map_or(StreamId::MIN, |stream| stream.last_id),
        text => id(text)?,
    };
    if stream.is_some_and(|stream| stream.group(group).is_some()) {
        return Err(Fault::Text("BUSYGROUP Consumer Group name already exists"));
    }
    txn.stream_group_create(key, group, Position { last_id, entries_read })?;
    txn.notify(EventClass::STREAM, "xgroup-create", key);
    out.ok();
    Ok(())
}

/// The group that a subcommand works on.
fn group_of<'v>(view: &'v View<'_>, args: Args<'_>) -> Result<&'v Group, Fault> {
    let (key, name) = (args.at(2), args.at(3));
    view.stream(key)?.ok_or(NO_KEY)?.group(name).ok_or_else(|| no_such_group(name, key))
}

const SETID: Command = Command {
    name: "setid",
    arity: -5,
    flags: Flags::WRITE,
    keys: WRITE,
    summary: "Sets how far a group has read.",
    arguments: &[KEY, GROUP, ID_OR_LAST, ENTRIES_READ],
    handler: Handler::Write(setid),
    ..STREAM
};

fn setid(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, group) = (args.at(2), args.at(3));
    let (_, entries_read) = options(args, false)?;
    group_of(txn, args)?;
    if !matches!(args.len(), 5 | 7) {
        return Err(wrong_subcommand("XGROUP", args));
    }
    let last_id = match args.at(4) {
        b"$" => txn.stream(key)?.map_or(StreamId::MIN, |stream| stream.last_id),
        b"-" => StreamId::MIN,
        b"+" => StreamId::MAX,
        text => id(text)?,
    };
    txn.stream_group_set(key, group, Position { last_id, entries_read })?;
    txn.notify(EventClass::STREAM, "xgroup-setid", key);
    out.ok();
    Ok(())
}

const DESTROY: Command = Command {
    name: "destroy",
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(2, &["RW", "delete"])],
    complexity: "O(N), N: pending entries of the group",
    summary: "Removes a group.",
    arguments: &[KEY, GROUP],
    handler: Handler::Write(destroy),
    ..STREAM
};

fn destroy(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, group) = (args.at(2), args.at(3));
    if txn.stream(key)?.is_none() {
        return Err(NO_KEY);
    }
    let was_there = txn.stream_group_destroy(key, group)?;
    if was_there {
        txn.notify(EventClass::STREAM, "xgroup-destroy", key);
    }
    out.integer(was_there.into());
    Ok(())
}

const CREATECONSUMER: Command = Command {
    name: "createconsumer",
    arity: 5,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(2, &["RW", "insert"])],
    since: "6.2.0",
    summary: "Makes a consumer of a group.",
    arguments: &[KEY, GROUP, CONSUMER],
    handler: Handler::Write(|txn, args, out| {
        let (key, group, consumer) = (args.at(2), args.at(3), args.at(4));
        let is_new = group_of(txn, args)?.consumer(consumer).is_none();
        if is_new {
            txn.stream_deliver(key, group, consumer, None, &[])?;
            txn.stream_see_consumer(key, group, consumer, false);
            txn.notify(EventClass::STREAM, "xgroup-createconsumer", key);
        }
        out.integer(is_new.into());
        Ok(())
    }),
    ..STREAM
};

const DELCONSUMER: Command = Command {
    name: "delconsumer",
    arity: 5,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(2, &["RW", "delete"])],
    complexity: "O(N), N: what is pending at the consumer",
    summary: "Removes a consumer, with what is pending there.",
    arguments: &[KEY, GROUP, CONSUMER],
    handler: Handler::Write(|txn, args, out| {
        let (key, group, consumer) = (args.at(2), args.at(3), args.at(4));
        let was_there = group_of(txn, args)?.consumer(consumer).is_some();
        let pending = txn.stream_consumer_delete(key, group, consumer)?;
        if was_there {
            txn.notify(EventClass::STREAM, "xgroup-delconsumer", key);
        }
        out.integer(pending as i64);
        Ok(())
    }),
    ..STREAM
};

const HELP: Command = help_of(STREAM);
