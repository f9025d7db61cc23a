//! Strings.

use super::expire::expire_at;
use super::long_string::{if_long, reply_part};
use crate::arguments::{Cursor, bytes, integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::{KEYS_FETCHED_AHEAD, SessionContext};
use crate::each_key::EachKey;
use crate::expiry::{ExpiryUnit, positive_deadline};
use crate::fault::Fault;
use keyspace::{EventClass, SetDeadline, StringRef, Txn, View};
use resp::{Args, Out};
use std::ops::Range;

pub(super) const COMMANDS: &[&Command] = &[
    &APPEND,
    &DECR,
    &DECRBY,
    &GET,
    &GETDEL,
    &GETEX,
    &GETRANGE,
    &GETSET,
    &INCR,
    &INCRBY,
    &INCRBYFLOAT,
    &LCS,
    &MGET,
    &MSET,
    &MSETNX,
    &PSETEX,
    &SET,
    &SETEX,
    &SETNX,
    &SETRANGE,
    &STRLEN,
    &SUBSTR,
];

const STRING: Command = Command { group: "string", categories: &["string"], ..Command::BASE };

#[inline]
fn reply_string(value: Option<StringRef<'_>>, out: &mut Out) {
    match value {
        None => out.null(),
        Some(StringRef::Int(number)) => out.bulk_integer(number),
        Some(StringRef::Bytes(bytes)) => out.bulk(bytes),
    }
}

fn length(value: StringRef<'_>) -> usize {
    bytes(value, &mut itoa::Buffer::new()).len()
}

/// When SET sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Absent,
    Present,
}

/// What becomes of the deadline, as the options say.
#[derive(Clone, Copy)]
enum Lifetime<'a> {
    Unlimited,
    Keep,
    Given(ExpiryUnit, &'a [u8]),
}

impl Lifetime<'_> {
    fn resolve(self, now_ms: u64, command: &'static str) -> Result<SetDeadline, Fault> {
        Ok(match self {
            Lifetime::Unlimited => SetDeadline::Clear,
            Lifetime::Keep => SetDeadline::Keep,
            Lifetime::Given(unit, amount) => SetDeadline::At(positive_deadline(amount, unit, now_ms, command)?),
        })
    }
}

/// The options of SET and GETEX.
struct Options<'a> {
    condition: Option<Condition>,
    get: bool,
    persist: bool,
    lifetime: Lifetime<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OptionsOf {
    Set,
    GetEx,
}

fn parse_options<'a>(mut words: Cursor<'a>, of: OptionsOf) -> Result<Options<'a>, Fault> {
    let mut options = Options { condition: None, get: false, persist: false, lifetime: Lifetime::Unlimited };
    while let Some(word) = words.next() {
        let untimed = matches!(options.lifetime, Lifetime::Unlimited) && !options.persist;
        if let Some(unit) = ExpiryUnit::of_option(word) {
            // The same unit twice: the last one counts.
            let again = matches!(options.lifetime, Lifetime::Given(given, _) if given == unit);
            if !untimed && !again {
                return Err(Fault::Syntax);
            }
            options.lifetime = Lifetime::Given(unit, words.value()?);
        } else if of == OptionsOf::GetEx {
            if !is(word, "PERSIST") || !matches!(options.lifetime, Lifetime::Unlimited) {
                return Err(Fault::Syntax);
            }
            options.persist = true;
        } else if is(word, "NX") && options.condition != Some(Condition::Present) {
            options.condition = Some(Condition::Absent);
        } else if is(word, "XX") && options.condition != Some(Condition::Absent) {
            options.condition = Some(Condition::Present);
        } else if is(word, "GET") {
            options.get = true;
        } else if is(word, "KEEPTTL") && !matches!(options.lifetime, Lifetime::Given(..)) {
            options.lifetime = Lifetime::Keep;
        } else {
            return Err(Fault::Syntax);
        }
    }
    Ok(options)
}

const APPEND: Command = Command {
    name: "append",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "insert"])],
    since: "2.0.0",
    complexity: "O(1), amortized",
    summary: "Adds bytes to the end of a string; an absent key counts as empty.",
    arguments: &[Argument::key("key", 0), Argument::string("value")],
    handler: Handler::Session(append),
    ..STRING
};

fn append(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let max_len = context.config().proto_max_bulk_len as usize;
    let key = args.at(1);
    let length = context.with_key(key, |txn| {
        let length = txn.string_append(key, args.at(2), max_len);
        if length.is_ok() {
            txn.notify(EventClass::STRING, "append", key);
        }
        length
    })?;
    out.integer(length as i64);
    Ok(())
}

const DECR: Command = Command {
    name: "decr",
    arity: 2,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    summary: "Subtracts one from the integer at a key.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Write(decr),
    ..STRING
};

fn decr(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    increment(txn, args.at(1), -1, out)
}

const DECRBY: Command = Command {
    name: "decrby",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    summary: "Subtracts a number from the integer at a key.",
    arguments: &[Argument::key("key", 0), Argument::integer("decrement")],
    handler: Handler::Write(decrby),
    ..STRING
};

fn decrby(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let delta = integer(args.at(2))?.checked_neg().ok_or(Fault::Text("ERR decrement would overflow"))?;
    increment(txn, args.at(1), delta, out)
}

const GET: Command = Command {
    name: "get",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    summary: "The string at a key.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(get),
    ..STRING
};

fn get(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    reply_stored(view, args.at(1), out)
}

/// Replies with the string at `key`, or with nothing.
#[inline]
fn reply_stored(view: &View<'_>, key: &[u8], out: &mut Out) -> Reply {
    let value = view.string(key)?;
    match if_long(view, key, value) {
        Some(text) => {
            let all = 0..text.len();
            reply_part(out, text, all);
        }
        None => reply_string(value, out),
    }
    Ok(())
}

const GETDEL: Command = Command {
    name: "getdel",
    arity: 2,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
    since: "6.2.0",
    summary: "The string at a key, which is deleted.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Write(getdel),
    ..STRING
};

fn getdel(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key = args.at(1);
    reply_stored(txn, key, out)?;
    if txn.peek_type(key).is_some() {
        txn.delete(key);
        txn.notify(EventClass::GENERIC, "del", key);
    }
    Ok(())
}

const GETEX: Command = Command {
    name: "getex",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    since: "6.2.0",
    summary: "The string at a key, whose deadline changes.",
    arguments: &[
        Argument::key("key", 0),
        Argument::one_of(
            "expiration",
            &[
                Argument::integer("seconds").token("EX"),
                Argument::integer("milliseconds").token("PX"),
                Argument::new("unix-time-seconds", "unix-time").token("EXAT"),
                Argument::new("unix-time-milliseconds", "unix-time").token("PXAT"),
                Argument::word("persist", "PERSIST"),
            ],
        )
        .optional(),
    ],
    handler: Handler::Write(getex),
    ..STRING
};

fn getex(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let options = parse_options(Cursor::new(args, 2), OptionsOf::GetEx)?;
    let key = args.at(1);
    let Some(value) = txn.string(key)? else {
        out.null();
        return Ok(());
    };
    let lifetime = options.lifetime.resolve(txn.now_ms(), "getex")?;
    reply_string(Some(value), out);
    match lifetime {
        SetDeadline::At(deadline_ms) => expire_at(txn, key, deadline_ms),
        SetDeadline::Clear if options.persist && txn.deadline_ms(key).flatten().is_some() => {
            txn.expire(key, None);
            txn.notify(EventClass::GENERIC, "persist", key);
        }
        _ => {}
    }
    Ok(())
}

const GETRANGE: Command = Command {
    name: "getrange",
    arity: 4,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "2.4.0",
    complexity: "O(N), N: length of the part",
    summary: "A part of the string at a key.",
    arguments: &[Argument::key("key", 0), Argument::integer("start"), Argument::integer("end")],
    handler: Handler::Read(getrange),
    ..STRING
};

fn getrange(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (start, end) = (integer(args.at(2))?, integer(args.at(3))?);
    let mut digits = itoa::Buffer::new();
    let value = view.string(args.at(1))?;
    let text = value.map_or(&[][..], |value| bytes(value, &mut digits));
    let part = part(text.len(), start, end);
    match if_long(view, args.at(1), value) {
        Some(text) => reply_part(out, text, part),
        None => out.bulk(&text[part]),
    }
    Ok(())
}

/// Both ends inclusive; negative: from the end.
fn part(length: usize, start: i64, end: i64) -> Range<usize> {
    let length = length as i64;
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let absolute = |index: i64| if index < 0 { index.saturating_add(length).max(0) } else { index };
    let (start, end) = (absolute(start), absolute(end).min(length - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

const GETSET: Command = Command {
    name: "getset",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    summary: "Sets the string at a key and answers with the old one.",
    deprecated: Some(("6.2.0", "SET with the !GET argument")),
    arguments: &[Argument::key("key", 0), Argument::string("value")],
    handler: Handler::Write(getset),
    ..STRING
};

fn getset(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    reply_string(txn.string(args.at(1))?, out);
    set_string(txn, args.at(1), args.at(2), SetDeadline::Clear);
    Ok(())
}

const INCR: Command = Command {
    name: "incr",
    arity: 2,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    summary: "Adds one to the integer at a key.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Write(incr),
    ..STRING
};

fn incr(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    increment(txn, args.at(1), 1, out)
}

const INCRBY: Command = Command {
    name: "incrby",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    summary: "Adds a number to the integer at a key.",
    arguments: &[Argument::key("key", 0), Argument::integer("increment")],
    handler: Handler::Write(incrby),
    ..STRING
};

fn incrby(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    increment(txn, args.at(1), integer(args.at(2))?, out)
}

#[inline]
fn increment(txn: &mut Txn<'_>, key: &[u8], delta: i64, out: &mut Out) -> Reply {
    out.integer(txn.string_increment(key, delta)?);
    txn.notify(EventClass::STRING, "incrby", key);
    Ok(())
}

const INCRBYFLOAT: Command = Command {
    name: "incrbyfloat",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    since: "2.6.0",
    summary: "Adds a floating point number to the number at a key.",
    arguments: &[Argument::key("key", 0), Argument::new("increment", "double")],
    handler: Handler::Write(incrbyfloat),
    ..STRING
};

fn incrbyfloat(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    out.bulk(&txn.string_increment_float(args.at(1), args.at(2))?);
    txn.notify(EventClass::STRING, "incrbyfloat", args.at(1));
    Ok(())
}

const LCS: Command = Command {
    name: "lcs",
    arity: -3,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::range(1, 1, 1, &["RO", "access"])],
    since: "7.0.0",
    complexity: "O(N*M), the lengths of the two strings",
    summary: "The longest common subsequence of two strings.",
    arguments: &[
        Argument::key("key1", 0),
        Argument::key("key2", 0),
        Argument::word("len", "LEN").optional(),
        Argument::word("idx", "IDX").optional(),
        Argument::integer("min-match-len").token("MINMATCHLEN").optional(),
        Argument::word("withmatchlen", "WITHMATCHLEN").optional(),
    ],
    handler: Handler::Session(lcs),
    ..STRING
};

fn lcs(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let table_bytes_max = context.config().proto_max_bulk_len as usize;
    context.with_keys_of(&[args.at(1), args.at(2)], |txn| super::lcs::lcs(txn, args, table_bytes_max, out))
}

const MGET: Command = Command {
    name: "mget",
    arity: -2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::from(1, &["RO", "access"])],
    tips: &["request_policy:multi_shard"],
    time_is_arguments: true,
    complexity: "O(N), N: keys",
    summary: "The strings at several keys.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::EachKey(EachKey::Reply(|view, key, out| reply_string(view.string(key).unwrap_or(None), out))),
    ..STRING
};

const MSET: Command = Command {
    name: "mset",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::range(1, -1, 2, &["OW", "update"])],
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    since: "1.0.1",
    time_is_arguments: true,
    complexity: "O(N), N: keys",
    summary: "Sets the strings at several keys.",
    arguments: &[Argument::block("data", &[Argument::key("key", 0), Argument::string("value")]).multiple()],
    handler: Handler::Write(mset),
    ..STRING
};

fn mset(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if args.len().is_multiple_of(2) {
        return Err(Fault::wrong_arity("mset"));
    }
    set_pairs(txn, args);
    out.ok();
    Ok(())
}

fn set_pairs(txn: &mut Txn<'_>, args: Args<'_>) {
    for pairs in args.from(1).chunks(2 * KEYS_FETCHED_AHEAD) {
        if args.len() > KEYS_FETCHED_AHEAD {
            txn.prefetch(pairs.iter().step_by(2));
        }
        for pair in pairs.chunks(2) {
            set_string(txn, pair.at(0), pair.at(1), SetDeadline::Clear);
        }
    }
}

const MSETNX: Command = Command {
    name: "msetnx",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::range(1, -1, 2, &["OW", "insert"])],
    since: "1.0.1",
    complexity: "O(N), N: keys",
    summary: "Sets the strings at several keys if none of them exists.",
    arguments: &[Argument::block("data", &[Argument::key("key", 0), Argument::string("value")]).multiple()],
    handler: Handler::Write(msetnx),
    ..STRING
};

fn msetnx(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if args.len().is_multiple_of(2) {
        return Err(Fault::wrong_arity("msetnx"));
    }
    let free = (1..args.len()).step_by(2).all(|index| !txn.exists(args.at(index)));
    if free {
        set_pairs(txn, args);
    }
    out.integer(i64::from(free));
    Ok(())
}

const PSETEX: Command = Command {
    name: "psetex",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["OW", "update"])],
    since: "2.6.0",
    summary: "Sets the string at a key with a lifetime in milliseconds.",
    deprecated: Some(("2.6.12", "SET with the PX argument")),
    arguments: &[Argument::key("key", 0), Argument::integer("milliseconds"), Argument::string("value")],
    handler: Handler::Write(psetex),
    ..STRING
};

fn psetex(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    set_with_lifetime(txn, args, ExpiryUnit::Milliseconds, "psetex", out)
}

const SET: Command = Command {
    name: "set",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "access", "update", "variable_flags"])],
    summary: "Sets the string at a key, whatever was there before.",
    arguments: &[
        Argument::key("key", 0),
        Argument::string("value"),
        Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
            .since("2.6.12")
            .optional(),
        Argument::word("get", "GET").since("6.2.0").optional(),
        Argument::one_of(
            "expiration",
            &[
                Argument::integer("seconds").token("EX").since("2.6.12"),
                Argument::integer("milliseconds").token("PX").since("2.6.12"),
                Argument::new("unix-time-seconds", "unix-time").token("EXAT").since("6.2.0"),
                Argument::new("unix-time-milliseconds", "unix-time").token("PXAT").since("6.2.0"),
                Argument::word("keepttl", "KEEPTTL").since("6.0.0"),
            ],
        )
        .optional(),
    ],
    handler: Handler::Write(set),
    ..STRING
};

#[inline]
fn set_string(txn: &mut Txn<'_>, key: &[u8], value: &[u8], deadline: SetDeadline) {
    txn.string_set(key, value, deadline);
    txn.notify(EventClass::STRING, "set", key);
    if matches!(deadline, SetDeadline::At(_)) {
        txn.notify(EventClass::GENERIC, "expire", key);
    }
}

fn set(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, value) = (args.at(1), args.at(2));
    if args.len() == 3 {
        set_string(txn, key, value, SetDeadline::Clear);
        out.ok();
        return Ok(());
    }
    let options = parse_options(Cursor::new(args, 3), OptionsOf::Set)?;
    let deadline = options.lifetime.resolve(txn.now_ms(), "set")?;
    let exists = if options.get {
        let old = txn.string(key)?;
        reply_string(old, out);
        old.is_some()
    } else {
        options.condition.is_some() && txn.exists(key)
    };
    let refused = match options.condition {
        None => false,
        Some(Condition::Absent) => exists,
        Some(Condition::Present) => !exists,
    };
    if !refused {
        set_string(txn, key, value, deadline);
    }
    match (options.get, refused) {
        (true, _) => {}
        (false, false) => out.ok(),
        (false, true) => out.null(),
    }
    Ok(())
}

const SETEX: Command = Command {
    name: "setex",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["OW", "update"])],
    since: "2.0.0",
    summary: "Sets the string at a key with a lifetime in seconds.",
    deprecated: Some(("2.6.12", "SET with the EX argument")),
    arguments: &[Argument::key("key", 0), Argument::integer("seconds"), Argument::string("value")],
    handler: Handler::Write(setex),
    ..STRING
};

fn setex(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    set_with_lifetime(txn, args, ExpiryUnit::Seconds, "setex", out)
}

fn set_with_lifetime(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    unit: ExpiryUnit,
    command: &'static str,
    out: &mut Out,
) -> Reply {
    let deadline_ms = positive_deadline(args.at(2), unit, txn.now_ms(), command)?;
    set_string(txn, args.at(1), args.at(3), SetDeadline::At(deadline_ms));
    out.ok();
    Ok(())
}

const SETNX: Command = Command {
    name: "setnx",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["OW", "insert"])],
    summary: "Sets the string at a key that does not exist.",
    deprecated: Some(("2.6.12", "SET with the NX argument")),
    arguments: &[Argument::key("key", 0), Argument::string("value")],
    handler: Handler::Write(setnx),
    ..STRING
};

fn setnx(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let free = !txn.exists(args.at(1));
    if free {
        set_string(txn, args.at(1), args.at(2), SetDeadline::Clear);
    }
    out.integer(i64::from(free));
    Ok(())
}

const SETRANGE: Command = Command {
    name: "setrange",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    since: "2.2.0",
    complexity: "O(M), M: length of the new part",
    summary: "Overwrites a part of the string at a key, zero-padded where it was too short.",
    arguments: &[Argument::key("key", 0), Argument::integer("offset"), Argument::string("value")],
    handler: Handler::Session(setrange),
    ..STRING
};

fn setrange(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, value) = (args.at(1), args.at(3));
    let offset = usize::try_from(integer(args.at(2))?).map_err(|_| Fault::Text("ERR offset is out of range"))?;
    let max_len = context.config().proto_max_bulk_len as usize;
    let length = context.with_key(key, |txn| {
        if value.is_empty() {
            return Ok(txn.string(key)?.map_or(0, length));
        }
        let length = txn.string_set_range(key, offset, value, max_len)?;
        txn.notify(EventClass::STRING, "setrange", key);
        Ok::<_, Fault>(length)
    })?;
    out.integer(length as i64);
    Ok(())
}

const STRLEN: Command = Command {
    name: "strlen",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO"])],
    since: "2.2.0",
    summary: "The length of the string at a key.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(strlen),
    ..STRING
};

fn strlen(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    out.integer(view.string(args.at(1))?.map_or(0, length) as i64);
    Ok(())
}

const SUBSTR: Command = Command {
    name: "substr",
    arity: 4,
    flags: Flags::of(&[Flags::READONLY]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    complexity: "O(N), N: length of the part",
    summary: "A part of the string at a key.",
    deprecated: Some(("2.0.0", "GETRANGE")),
    arguments: &[Argument::key("key", 0), Argument::integer("start"), Argument::integer("end")],
    handler: Handler::Read(getrange),
    ..STRING
};
