//! Deadlines of keys.

use super::generic::GENERIC;
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::expiry::ExpiryUnit;
use crate::fault::{Fault, printable};
use keyspace::{Collection, EventClass, KeyType, Txn, View};
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[
    &EXPIRE,
    &EXPIREAT,
    &EXPIREMEMBER,
    &EXPIREMEMBERAT,
    &EXPIRETIME,
    &PERSIST,
    &PEXPIRE,
    &PEXPIREAT,
    &PEXPIREMEMBERAT,
    &PEXPIRETIME,
    &PTTL,
    &TTL,
];

/// When EXPIRE and its kin set the deadline; without any of them always.
#[derive(Default)]
struct Conditions {
    without_deadline: bool,
    with_deadline: bool,
    later: bool,
    sooner: bool,
}

impl Conditions {
    fn parse(words: Cursor<'_>) -> Result<Conditions, Fault> {
        let mut conditions = Conditions::default();
        for word in words {
            let condition = if is(word, "NX") {
                &mut conditions.without_deadline
            } else if is(word, "XX") {
                &mut conditions.with_deadline
            } else if is(word, "GT") {
                &mut conditions.later
            } else if is(word, "LT") {
                &mut conditions.sooner
            } else {
                return Err(Fault::Message(format!("ERR Unsupported option {}", printable(word, 128))));
            };
            *condition = true;
        }
        let Conditions { without_deadline, with_deadline, later, sooner } = conditions;
        if without_deadline && (with_deadline || later || sooner) {
            return Err(Fault::Text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if later && sooner {
            return Err(Fault::Text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// No deadline counts as an infinitely late one.
    fn allow(&self, current_ms: Option<u64>, deadline_ms: i64) -> bool {
        let current = current_ms.map(|current| current as i64);
        !(self.without_deadline && current.is_some()
            || self.with_deadline && current.is_none()
            || self.later && current.is_none_or(|current| deadline_ms <= current)
            || self.sooner && current.is_some_and(|current| deadline_ms >= current))
    }
}

/// Gives a key that is there a deadline, which may have passed.
pub(super) fn expire_at(txn: &mut Txn<'_>, key: &[u8], deadline_ms: u64) {
    let has_passed = deadline_ms <= txn.now_ms();
    txn.expire(key, Some(deadline_ms));
    txn.notify(EventClass::GENERIC, if has_passed { "del" } else { "expire" }, key);
}

fn set_deadline(txn: &mut Txn<'_>, args: Args<'_>, unit: ExpiryUnit, command: &'static str, out: &mut Out) -> Reply {
    let key = args.at(1);
    let conditions = Conditions::parse(Cursor::new(args, 3))?;
    let amount = integer(args.at(2))?;
    let deadline_ms = unit.deadline_ms(amount, txn.now_ms()).ok_or(Fault::InvalidExpire(command))?;
    let allowed = txn.deadline_ms(key).is_some_and(|current_ms| conditions.allow(current_ms, deadline_ms));
    if allowed {
        expire_at(txn, key, deadline_ms.max(0) as u64);
    }
    out.integer(i64::from(allowed));
    Ok(())
}

const EXPIRE: Command = Command {
    name: "expire",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    summary: "Gives a key a lifetime in seconds.",
    arguments: &[
        Argument::key("key", 0),
        Argument::integer("seconds"),
        Argument::one_of(
            "condition",
            &[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::word("gt", "GT"),
                Argument::word("lt", "LT"),
            ],
        )
        .since("7.0.0")
        .optional(),
    ],
    handler: Handler::Write(expire),
    ..GENERIC
};

fn expire(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    set_deadline(txn, args, ExpiryUnit::Seconds, "expire", out)
}

const EXPIREAT: Command = Command {
    name: "expireat",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    since: "1.2.0",
    summary: "Gives a key a deadline as a Unix time in seconds.",
    arguments: &[
        Argument::key("key", 0),
        Argument::new("unix-time-seconds", "unix-time"),
        Argument::one_of(
            "condition",
            &[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::word("gt", "GT"),
                Argument::word("lt", "LT"),
            ],
        )
        .since("7.0.0")
        .optional(),
    ],
    handler: Handler::Write(expireat),
    ..GENERIC
};

fn expireat(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    set_deadline(txn, args, ExpiryUnit::UnixSeconds, "expireat", out)
}

const PEXPIRE: Command = Command {
    name: "pexpire",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    since: "2.6.0",
    summary: "Gives a key a lifetime in milliseconds.",
    arguments: &[
        Argument::key("key", 0),
        Argument::integer("milliseconds"),
        Argument::one_of(
            "condition",
            &[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::word("gt", "GT"),
                Argument::word("lt", "LT"),
            ],
        )
        .since("7.0.0")
        .optional(),
    ],
    handler: Handler::Write(pexpire),
    ..GENERIC
};

fn pexpire(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    set_deadline(txn, args, ExpiryUnit::Milliseconds, "pexpire", out)
}

const PEXPIREAT: Command = Command {
    name: "pexpireat",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    since: "2.6.0",
    summary: "Gives a key a deadline as a Unix time in milliseconds.",
    arguments: &[
        Argument::key("key", 0),
        Argument::new("unix-time-milliseconds", "unix-time"),
        Argument::one_of(
            "condition",
            &[
                Argument::word("nx", "NX"),
                Argument::word("xx", "XX"),
                Argument::word("gt", "GT"),
                Argument::word("lt", "LT"),
            ],
        )
        .since("7.0.0")
        .optional(),
    ],
    handler: Handler::Write(pexpireat),
    ..GENERIC
};

fn pexpireat(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    set_deadline(txn, args, ExpiryUnit::UnixMilliseconds, "pexpireat", out)
}

/// -2: no such key; -1: no deadline; otherwise what `f` makes of the deadline in Unix milliseconds.
fn reply_deadline(view: &View<'_>, key: &[u8], out: &mut Out, f: impl FnOnce(i64) -> i64) -> Reply {
    out.integer(match view.deadline_ms(key) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline_ms)) => f(deadline_ms as i64),
    });
    Ok(())
}

/// The remaining time of a key, or of an element of it (KeyDB).
fn reply_lifetime(view: &View<'_>, args: Args<'_>, command: &str, out: &mut Out, f: impl FnOnce(i64) -> i64) -> Reply {
    let key = args.at(1);
    let Some(member) = member(args, command)? else {
        return reply_deadline(view, key, out, |deadline_ms| f(remaining_ms(view, deadline_ms)));
    };
    out.integer(match view.exists(key).then(|| view.member_deadline_ms(key, member)) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline_ms)) => f(remaining_ms(view, deadline_ms as i64)),
    });
    Ok(())
}

fn rounded_seconds(ms: i64) -> i64 {
    ms.saturating_add(500) / 1000
}

fn remaining_ms(view: &View<'_>, deadline_ms: i64) -> i64 {
    (deadline_ms - view.now_ms() as i64).max(0)
}

const EXPIRETIME: Command = Command {
    name: "expiretime",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "7.0.0",
    summary: "The deadline of a key as a Unix time in seconds.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(expiretime),
    ..GENERIC
};

fn expiretime(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    reply_deadline(view, args.at(1), out, rounded_seconds)
}

const PEXPIRETIME: Command = Command {
    name: "pexpiretime",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "7.0.0",
    summary: "The deadline of a key as a Unix time in milliseconds.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(pexpiretime),
    ..GENERIC
};

fn pexpiretime(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    reply_deadline(view, args.at(1), out, |deadline_ms| deadline_ms)
}

const PTTL: Command = Command {
    name: "pttl",
    arity: -2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    tips: &["nondeterministic_output"],
    since: "2.6.0",
    summary: "How long a key, or an element of it, has to live, in milliseconds.",
    arguments: &[Argument::key("key", 0), MEMBER.optional()],
    handler: Handler::Read(pttl),
    ..GENERIC
};

fn pttl(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    reply_lifetime(view, args, "pttl", out, |remaining_ms| remaining_ms)
}

const TTL: Command = Command {
    name: "ttl",
    arity: -2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    tips: &["nondeterministic_output"],
    summary: "How long a key, or an element of it, has to live, in seconds.",
    arguments: &[Argument::key("key", 0), MEMBER.optional()],
    handler: Handler::Read(ttl),
    ..GENERIC
};

fn ttl(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    reply_lifetime(view, args, "ttl", out, rounded_seconds)
}

const PERSIST: Command = Command {
    name: "persist",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    since: "2.2.0",
    summary: "Takes the deadline off a key, or off an element of it.",
    arguments: &[Argument::key("key", 0), MEMBER.optional()],
    handler: Handler::Write(persist),
    ..GENERIC
};

fn persist(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if let Some(member) = member(args, "persist")? {
        return persist_member(txn, args.at(1), member, out);
    }
    let had_deadline = txn.deadline_ms(args.at(1)).flatten().is_some();
    if had_deadline {
        txn.expire(args.at(1), None);
        txn.notify(EventClass::GENERIC, "persist", args.at(1));
    }
    out.integer(i64::from(had_deadline));
    Ok(())
}

/// The element that TTL, PTTL and PERSIST are about, where they are not about the key.
fn member<'a>(args: Args<'a>, command: &str) -> Result<Option<&'a [u8]>, Fault> {
    if args.len() > 3 { Err(Fault::wrong_arity(command)) } else { Ok(args.get(2)) }
}

fn persist_member(txn: &mut Txn<'_>, key: &[u8], member: &[u8], out: &mut Out) -> Reply {
    let collection = txn.type_of(key).and_then(KeyType::collection);
    let expiring = collection.filter(|_| txn.member_deadline_ms(key, member).is_some());
    if let Some(collection) = expiring {
        txn.expire_members(key, collection, std::iter::once(member), None);
        txn.notify(EventClass::GENERIC, "persist", key);
    }
    out.integer(i64::from(expiring.is_some()));
    Ok(())
}

const MEMBER: Argument = Argument::string("member").since("KeyDB");

/// Gives an element a deadline, as KeyDB does.
const OF_MEMBER: Command = Command {
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    since: "6.0.0",
    ..GENERIC
};

const EXPIREMEMBER: Command = Command {
    name: "expiremember",
    arity: -4,
    summary: "Gives an element of a set, a hash or a sorted set a lifetime, as KeyDB does.",
    arguments: &[
        Argument::key("key", 0),
        Argument::string("member"),
        Argument::integer("amount"),
        Argument::one_of("unit", &[Argument::word("seconds", "s"), Argument::word("milliseconds", "ms")]).optional(),
    ],
    handler: Handler::Write(expiremember),
    ..OF_MEMBER
};

fn expiremember(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    integer(args.at(3))?;
    let unit = match args.get(4) {
        _ if args.len() > 5 => return Err(Fault::Text("ERR Invalid number of arguments")),
        None => ExpiryUnit::Seconds,
        Some(unit) if is(unit, "s") => ExpiryUnit::Seconds,
        Some(unit) if is(unit, "ms") => ExpiryUnit::Milliseconds,
        Some(_) => return Err(Fault::Text("ERR Invalid unit arg")),
    };
    expire_member(txn, args, unit, "expiremember", out)
}

const EXPIREMEMBERAT: Command = Command {
    name: "expirememberat",
    summary: "Gives an element of a set, a hash or a sorted set a deadline as a Unix time in seconds, as KeyDB does.",
    arguments: &[Argument::key("key", 0), Argument::string("member"), Argument::new("unix-time-seconds", "unix-time")],
    handler: Handler::Write(|txn, args, out| expire_member(txn, args, ExpiryUnit::UnixSeconds, "expirememberat", out)),
    ..OF_MEMBER
};

const PEXPIREMEMBERAT: Command = Command {
    name: "pexpirememberat",
    summary: "Gives an element of a set, a hash or a sorted set a deadline as a Unix time in milliseconds, as KeyDB does.",
    arguments: &[
        Argument::key("key", 0),
        Argument::string("member"),
        Argument::new("unix-time-milliseconds", "unix-time"),
    ],
    handler: Handler::Write(|txn, args, out| {
        expire_member(txn, args, ExpiryUnit::UnixMilliseconds, "pexpirememberat", out)
    }),
    ..OF_MEMBER
};

fn expire_member(txn: &mut Txn<'_>, args: Args<'_>, unit: ExpiryUnit, command: &'static str, out: &mut Out) -> Reply {
    let (key, member) = (args.at(1), args.at(2));
    let deadline_ms = unit.deadline_ms(integer(args.at(3))?, txn.now_ms()).ok_or(Fault::InvalidExpire(command))?;
    let is_there = match txn.type_of(key) {
        None => false,
        Some(KeyType::Set) => txn.set(key)?.is_some_and(|set| set.contains(member)),
        Some(KeyType::Hash) => txn.hash(key)?.is_some_and(|hash| hash.contains(member)),
        Some(KeyType::SortedSet) => txn.sorted_set(key)?.is_some_and(|set| set.score(member).is_some()),
        Some(_) => return Err(Fault::Text("ERR object type is unsupported")),
    };
    if let Some(collection) = txn.type_of(key).and_then(KeyType::collection).filter(|_| is_there) {
        txn.expire_members(key, collection, std::iter::once(member), Some(deadline_ms.max(0) as u64));
        if deadline_ms <= txn.now_ms() as i64 {
            let (class, name) = match collection {
                Collection::Set => (EventClass::SET, "srem"),
                Collection::Hash => (EventClass::HASH, "hdel"),
                Collection::SortedSet => (EventClass::SORTED_SET, "zrem"),
            };
            txn.notify_removal(class, name, key);
        }
    }
    out.integer(i64::from(is_there));
    Ok(())
}
