//! OBJECT: how values are held.

use super::generic::GENERIC;
use super::help::help_of;
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use keyspace::{StringRef, Tracking, View};
use resp::{Args, Out};
use values::Encoding;

pub(super) const COMMANDS: &[&Command] = &[&OBJECT];

const OBJECT: Command = Command {
    name: "object",
    arity: -2,
    since: "2.2.3",
    complexity: "Depends on the subcommand",
    summary: "Looks into the value of a key.",
    subcommands: &[OBJECT_ENCODING, OBJECT_FREQ, OBJECT_HELP, OBJECT_IDLETIME, OBJECT_LASTMODIFIED, OBJECT_REFCOUNT],
    handler: Handler::Container,
    group: "generic",
    ..Command::BASE
};

const OBJECT_ENCODING: Command = Command {
    name: "encoding",
    arity: 3,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::one(2, &["RO"])],
    tips: &["nondeterministic_output"],
    since: "2.2.3",
    summary: "How the value is encoded in memory.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(object_encoding),
    ..GENERIC
};

fn object_encoding(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    match view.encoding(args.at(2)) {
        Some(encoding) => out.bulk(encoding.name().as_bytes()),
        None => out.null(),
    }
    Ok(())
}

const OBJECT_FREQ: Command = Command {
    name: "freq",
    arity: 3,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::one(2, &["RO"])],
    tips: &["nondeterministic_output"],
    since: "4.0.0",
    summary: "How often the key is used, as a logarithmic counter.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(object_freq),
    ..GENERIC
};

fn object_freq(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let frequency = view.frequency(args.at(2));
    if frequency.is_some() && view.tracking() == Tracking::Recency {
        return Err(Fault::Text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply_number(frequency.map(u64::from), out);
    Ok(())
}

fn reply_number(number: Option<u64>, out: &mut Out) {
    match number {
        Some(number) => out.integer(number as i64),
        None => out.null(),
    }
}

const OBJECT_HELP: Command = Command { since: "6.2.0", ..help_of(GENERIC) };

const OBJECT_IDLETIME: Command = Command {
    name: "idletime",
    arity: 3,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::one(2, &["RO"])],
    tips: &["nondeterministic_output"],
    since: "2.2.3",
    summary: "Seconds since the key was last used.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(object_idletime),
    ..GENERIC
};

fn object_idletime(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let seconds = view.idle_seconds(args.at(2));
    if seconds.is_some() && view.tracking() != Tracking::Recency {
        return Err(Fault::Text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply_number(seconds, out);
    Ok(())
}

const OBJECT_LASTMODIFIED: Command = Command {
    name: "lastmodified",
    arity: 3,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::one(2, &["RO"])],
    tips: &["nondeterministic_output"],
    since: "6.3.0",
    summary: "Seconds since the key was last written.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(object_lastmodified),
    ..GENERIC
};

fn object_lastmodified(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let seconds = match view.modified_ms(args.at(2)) {
        Some(Some(modified_ms)) => Some(view.now_ms().saturating_sub(modified_ms) / 1000),
        Some(None) => return Err(Fault::Text("ERR without active-replica no times of modification are kept")),
        None => None,
    };
    reply_number(seconds, out);
    Ok(())
}

const OBJECT_REFCOUNT: Command = Command {
    name: "refcount",
    arity: 3,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::one(2, &["RO"])],
    tips: &["nondeterministic_output"],
    since: "2.2.3",
    summary: "How many references the value has.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Session(object_refcount),
    ..GENERIC
};

/// No value is shared, but clients know that Redis shares small integers, unless it evicts by their use.
fn object_refcount(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    const SHARED: std::ops::Range<i64> = 0..10_000;
    let config = context.config();
    let policy = config.maxmemory_policy;
    let shares = config.maxmemory == 0 || !(policy.ends_with("-lru") || policy.ends_with("-lfu"));
    let key = args.at(2);
    context.with_key(key, |txn| {
        let number = match txn.encoding(key) {
            None => {
                out.null();
                return Ok(());
            }
            Some(Encoding::Int) => txn.string(key)?.and_then(StringRef::as_integer),
            Some(_) => None,
        };
        let is_shared = shares && number.is_some_and(|number| SHARED.contains(&number));
        out.integer(if is_shared { i64::from(i32::MAX) } else { 1 });
        Ok(())
    })
}
