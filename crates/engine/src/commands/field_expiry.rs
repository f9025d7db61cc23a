//! Deadlines of hash fields, as Redis has them since 7.4.

use super::collection::reply_element;
use crate::arguments::{integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::expiry::{Condition, ExpiryUnit};
use crate::fault::{Fault, printable};
use keyspace::{Collection, EventClass, Txn, ValueError, View};
use resp::{Args, Out};
use std::collections::BTreeSet;
use values::HashRef;

pub(super) const COMMANDS: &[&Command] = &[
    &HEXPIRE,
    &HEXPIREAT,
    &HEXPIRETIME,
    &HGETDEL,
    &HGETEX,
    &HPERSIST,
    &HPEXPIRE,
    &HPEXPIREAT,
    &HPEXPIRETIME,
    &HPTTL,
    &HSETEX,
    &HTTL,
];

/// Redis keeps two bits of its 48-bit times for itself.
const MAX_DEADLINE_MS: i64 = (1 << 46) - 1;

const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;

const FIELDS: Argument =
    Argument::block("fields", &[Argument::integer("numfields"), Argument::string("field").multiple()]).token("FIELDS");

const CONDITION: Argument = Argument::one_of(
    "condition",
    &[Argument::word("nx", "NX"), Argument::word("xx", "XX"), Argument::word("gt", "GT"), Argument::word("lt", "LT")],
)
.optional();

const LIFETIMES: [Argument; 4] = [
    Argument::integer("seconds").token("EX"),
    Argument::integer("milliseconds").token("PX"),
    Argument::new("unix-time-seconds", "unix-time").token("EXAT"),
    Argument::new("unix-time-milliseconds", "unix-time").token("PXAT"),
];

const FIELD_EXPIRY: Command = Command {
    group: "hash",
    categories: &["hash"],
    since: "7.4.0",
    complexity: "O(N), N: fields that are named",
    ..Command::BASE
};

/// Gives fields a deadline.
const EXPIRING: Command = Command {
    arity: -6,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    ..FIELD_EXPIRY
};

/// Says what deadline fields have.
const TELLING: Command = Command {
    arity: -5,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    arguments: &[Argument::key("key", 0), FIELDS],
    ..FIELD_EXPIRY
};

/// The fields that follow `FIELDS count`; FIELDS stands at `at`. `no_count`: what Redis says where the count is none.
fn fields<'a>(args: Args<'a>, at: usize, no_count: &'static str) -> Result<Args<'a>, Fault> {
    if !args.get(at).is_some_and(|word| is(word, "FIELDS")) {
        return Err(Fault::Text("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let count = args.get(at + 1).and_then(stdx::parse_i64).filter(|count| *count > 0).ok_or(Fault::Text(no_count))?;
    let fields = args.from(at + 2);
    if count != fields.len() as i64 {
        return Err(Fault::Text("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

const NO_COUNT: &str = "ERR Number of fields must be a positive integer";

fn deadline_ms(amount: &[u8], unit: ExpiryUnit, txn: &Txn<'_>, command: &'static str) -> Result<u64, Fault> {
    let amount = integer(amount)?;
    if amount < 0 {
        return Err(Fault::Text("ERR invalid expire time, must be >= 0"));
    }
    let deadline_ms = unit.deadline_ms(amount, txn.now_ms()).filter(|deadline_ms| *deadline_ms <= MAX_DEADLINE_MS);
    deadline_ms.map(|deadline_ms| deadline_ms as u64).ok_or(Fault::InvalidExpire(command))
}

fn set_deadlines(txn: &mut Txn<'_>, args: Args<'_>, unit: ExpiryUnit, command: &'static str, out: &mut Out) -> Reply {
    let key = args.at(1);
    txn.hash(key)?;
    let deadline_ms = deadline_ms(args.at(2), unit, txn, command)?;
    let condition = Condition::of(args.at(3));
    let fields_at = 3 + usize::from(condition.is_some());
    let fields = fields(args, fields_at, "ERR Parameter `numFields` should be greater than 0")?;
    let is_past = deadline_ms <= txn.now_ms();
    let mut chosen = BTreeSet::new();
    out.array(fields.len());
    for field in fields.iter() {
        let current_ms = match txn.hash(key)?.filter(|hash| hash.contains(field)) {
            Some(_) if chosen.contains(field) && !is_past => Some(Some(deadline_ms)),
            Some(_) if chosen.contains(field) => None,
            Some(hash) => Some(hash.deadline_ms(field)),
            None => None,
        };
        out.integer(match current_ms {
            None => NO_FIELD,
            Some(current_ms) if condition.is_some_and(|condition| !condition.allows(current_ms, deadline_ms)) => 0,
            Some(_) => {
                chosen.insert(field);
                1 + i64::from(is_past)
            }
        });
    }
    if !chosen.is_empty() {
        txn.expire_members(key, Collection::Hash, chosen.into_iter(), Some(deadline_ms));
        notify_deadlines(txn, key, is_past);
    }
    Ok(())
}

fn notify_deadlines(txn: &Txn<'_>, key: &[u8], is_past: bool) {
    if is_past {
        txn.notify_removal(EventClass::HASH, "hdel", key);
    } else {
        txn.notify(EventClass::HASH, "hexpire", key);
    }
}

const HEXPIRE: Command = Command {
    name: "hexpire",
    summary: "Gives fields of a hash a lifetime in seconds.",
    arguments: &[Argument::key("key", 0), Argument::integer("seconds"), CONDITION, FIELDS],
    handler: Handler::Write(|txn, args, out| set_deadlines(txn, args, ExpiryUnit::Seconds, "hexpire", out)),
    ..EXPIRING
};

const HEXPIREAT: Command = Command {
    name: "hexpireat",
    summary: "Gives fields of a hash a deadline as a Unix time in seconds.",
    arguments: &[Argument::key("key", 0), Argument::new("unix-time-seconds", "unix-time"), CONDITION, FIELDS],
    handler: Handler::Write(|txn, args, out| set_deadlines(txn, args, ExpiryUnit::UnixSeconds, "hexpireat", out)),
    ..EXPIRING
};

const HPEXPIRE: Command = Command {
    name: "hpexpire",
    summary: "Gives fields of a hash a lifetime in milliseconds.",
    arguments: &[Argument::key("key", 0), Argument::integer("milliseconds"), CONDITION, FIELDS],
    handler: Handler::Write(|txn, args, out| set_deadlines(txn, args, ExpiryUnit::Milliseconds, "hpexpire", out)),
    ..EXPIRING
};

const HPEXPIREAT: Command = Command {
    name: "hpexpireat",
    summary: "Gives fields of a hash a deadline as a Unix time in milliseconds.",
    arguments: &[Argument::key("key", 0), Argument::new("unix-time-milliseconds", "unix-time"), CONDITION, FIELDS],
    handler: Handler::Write(|txn, args, out| set_deadlines(txn, args, ExpiryUnit::UnixMilliseconds, "hpexpireat", out)),
    ..EXPIRING
};

/// Replies what `f` makes of the deadline of each field.
fn reply_deadlines(view: &View<'_>, args: Args<'_>, out: &mut Out, f: impl Fn(u64) -> u64) -> Reply {
    let hash = view.hash(args.at(1))?;
    let fields = fields(args, 2, NO_COUNT)?;
    out.array(fields.len());
    for field in fields.iter() {
        out.integer(match hash.filter(|hash| hash.contains(field)) {
            None => NO_FIELD,
            Some(hash) => hash.deadline_ms(field).map_or(NO_DEADLINE, |deadline_ms| f(deadline_ms) as i64),
        });
    }
    Ok(())
}

const HTTL: Command = Command {
    name: "httl",
    tips: &["nondeterministic_output"],
    summary: "How long fields of a hash have to live, in seconds.",
    handler: Handler::Read(|view, args, out| {
        reply_deadlines(view, args, out, |deadline_ms| deadline_ms.saturating_sub(view.now_ms()).div_ceil(1000))
    }),
    ..TELLING
};

const HPTTL: Command = Command {
    name: "hpttl",
    tips: &["nondeterministic_output"],
    summary: "How long fields of a hash have to live, in milliseconds.",
    handler: Handler::Read(|view, args, out| {
        reply_deadlines(view, args, out, |deadline_ms| deadline_ms.saturating_sub(view.now_ms()))
    }),
    ..TELLING
};

const HEXPIRETIME: Command = Command {
    name: "hexpiretime",
    summary: "The deadlines of fields of a hash as Unix times in seconds.",
    handler: Handler::Read(|view, args, out| {
        reply_deadlines(view, args, out, |deadline_ms| deadline_ms.div_ceil(1000))
    }),
    ..TELLING
};

const HPEXPIRETIME: Command = Command {
    name: "hpexpiretime",
    summary: "The deadlines of fields of a hash as Unix times in milliseconds.",
    handler: Handler::Read(|view, args, out| reply_deadlines(view, args, out, |deadline_ms| deadline_ms)),
    ..TELLING
};

const HPERSIST: Command = Command {
    name: "hpersist",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    summary: "Takes the deadlines off fields of a hash.",
    arguments: &[Argument::key("key", 0), FIELDS],
    handler: Handler::Write(hpersist),
    ..FIELD_EXPIRY
};

fn hpersist(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let hash = txn.hash(args.at(1))?;
    let fields = fields(args, 2, NO_COUNT)?;
    let mut chosen = BTreeSet::new();
    out.array(fields.len());
    for field in fields.iter() {
        out.integer(match hash.filter(|hash| hash.contains(field)) {
            None => NO_FIELD,
            Some(hash) if hash.deadline_ms(field).is_some() && chosen.insert(field) => 1,
            Some(_) => NO_DEADLINE,
        });
    }
    persist(txn, args.at(1), chosen);
    Ok(())
}

fn persist(txn: &mut Txn<'_>, key: &[u8], fields: BTreeSet<&[u8]>) {
    if !fields.is_empty() {
        txn.expire_members(key, Collection::Hash, fields.into_iter(), None);
        txn.notify(EventClass::HASH, "hpersist", key);
    }
}

fn reply_values(out: &mut Out, hash: Option<HashRef<'_>>, fields: Args<'_>) {
    out.array(fields.len());
    for field in fields.iter() {
        match hash.and_then(|hash| hash.value(field)) {
            Some(value) => reply_element(out, value),
            None => out.null(),
        }
    }
}

const HGETDEL: Command = Command {
    name: "hgetdel",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
    since: "8.0.0",
    summary: "The values of fields of a hash, which are removed.",
    arguments: &[Argument::key("key", 0), FIELDS],
    handler: Handler::Write(hgetdel),
    ..FIELD_EXPIRY
};

fn hgetdel(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key = args.at(1);
    let hash = txn.hash(key)?;
    let fields = fields(args, 2, NO_COUNT)?;
    // One that is named twice is gone the second time.
    let mut seen = BTreeSet::new();
    out.array(fields.len());
    for field in fields.iter() {
        match hash.and_then(|hash| hash.value(field)).filter(|_| seen.insert(field)) {
            Some(value) => reply_element(out, value),
            None => out.null(),
        }
    }
    if !seen.is_empty() {
        txn.hash_delete(key, seen.iter().copied())?;
        txn.notify_removal(EventClass::HASH, "hdel", key);
    }
    Ok(())
}

const HGETEX: Command = Command {
    name: "hgetex",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    since: "8.0.0",
    summary: "The values of fields of a hash, whose deadlines change.",
    arguments: &[
        Argument::key("key", 0),
        Argument::one_of(
            "expiration",
            &[LIFETIMES[0], LIFETIMES[1], LIFETIMES[2], LIFETIMES[3], Argument::word("persist", "PERSIST")],
        )
        .optional(),
        FIELDS,
    ],
    handler: Handler::Write(hgetex),
    ..FIELD_EXPIRY
};

fn hgetex(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key = args.at(1);
    txn.hash(key)?;
    let unit = ExpiryUnit::of_option(args.at(2));
    let deadline_ms = unit.map(|unit| deadline_ms(args.at(3), unit, txn, "hgetex")).transpose()?;
    let persists = is(args.at(2), "PERSIST");
    let fields_at = 2 + if unit.is_some() { 2 } else { usize::from(persists) };
    let fields = fields(args, fields_at, NO_COUNT)?;
    let hash = txn.hash(key)?;
    reply_values(out, hash, fields);
    let there = fields.iter().filter(|field| hash.is_some_and(|hash| hash.contains(field)));
    if persists {
        let expiring = there.filter(|field| hash.is_some_and(|hash| hash.deadline_ms(field).is_some()));
        persist(txn, key, expiring.collect());
    } else if let Some(deadline_ms) = deadline_ms {
        let there: BTreeSet<&[u8]> = there.collect();
        if !there.is_empty() {
            let is_past = deadline_ms <= txn.now_ms();
            txn.expire_members(key, Collection::Hash, there.into_iter(), Some(deadline_ms));
            notify_deadlines(txn, key, is_past);
        }
    }
    Ok(())
}

const HSETEX: Command = Command {
    name: "hsetex",
    arity: -6,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    since: "8.0.0",
    summary: "Sets fields of a hash together with their deadlines.",
    arguments: &[
        Argument::key("key", 0),
        Argument::one_of("condition", &[Argument::word("fnx", "FNX"), Argument::word("fxx", "FXX")]).optional(),
        Argument::one_of(
            "expiration",
            &[LIFETIMES[0], LIFETIMES[1], LIFETIMES[2], LIFETIMES[3], Argument::word("keepttl", "KEEPTTL")],
        )
        .optional(),
        Argument::block(
            "fields",
            &[
                Argument::integer("numfields"),
                Argument::block("data", &[Argument::string("field"), Argument::string("value")]).multiple(),
            ],
        )
        .token("FIELDS"),
    ],
    handler: Handler::Write(hsetex),
    ..FIELD_EXPIRY
};

/// What HSETEX is to do.
struct SetFields<'a> {
    /// Where the fields have to be there (true) or not to be there.
    presence: Option<bool>,
    keeps_deadlines: bool,
    deadline_ms: Option<u64>,
    pairs: Args<'a>,
}

impl<'a> SetFields<'a> {
    fn parse(txn: &Txn<'_>, args: Args<'a>) -> Result<SetFields<'a>, Fault> {
        let (mut presence, mut keeps_deadlines, mut deadline) = (None, false, None);
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is_timed = keeps_deadlines || deadline.is_some();
            at += 1;
            if is(word, "FIELDS") {
                let pairs = Self::pairs(args, at)?;
                return Ok(SetFields { presence, keeps_deadlines, deadline_ms: deadline, pairs });
            } else if let Some(unit) = ExpiryUnit::of_option(word) {
                if is_timed {
                    return Err(TIMED_TWICE);
                }
                let amount = args.get(at).ok_or(Fault::Text("ERR missing expire time"))?;
                deadline = Some(deadline_ms(amount, unit, txn, "hsetex")?);
                at += 1;
            } else if is(word, "KEEPTTL") {
                if is_timed {
                    return Err(TIMED_TWICE);
                }
                keeps_deadlines = true;
            } else if is(word, "FXX") || is(word, "FNX") {
                if presence.replace(is(word, "FXX")).is_some() {
                    return Err(Fault::Text("ERR Only one of FXX or FNX arguments can be specified"));
                }
            } else {
                return Err(Fault::Message(format!("ERR unknown argument: {}", printable(word, 128))));
            }
        }
        Err(Fault::wrong_arity("hsetex"))
    }

    /// What follows FIELDS.
    fn pairs(args: Args<'a>, at: usize) -> Result<Args<'a>, Fault> {
        if args.len() < at + 3 {
            return Err(Fault::wrong_arity("hsetex"));
        }
        let count = stdx::parse_i64(args.at(at)).and_then(|count| i32::try_from(count).ok()).filter(|count| *count > 0);
        let count = count.ok_or(Fault::Text("ERR invalid number of fields"))? as usize;
        let pairs = args.from(at + 1);
        if pairs.len() == 2 * count { Ok(pairs) } else { Err(Fault::wrong_arity("hsetex")) }
    }

    fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let pairs = self.pairs;
        (0..pairs.len()).step_by(2).map(move |index| (pairs.at(index), pairs.at(index + 1)))
    }
}

const TIMED_TWICE: Fault = Fault::Text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");

fn hsetex(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key = args.at(1);
    let set = SetFields::parse(txn, args)?;
    let hash = txn.hash(key)?;
    let is_there = |field: &[u8]| hash.is_some_and(|hash| hash.contains(field));
    if set.presence.is_some_and(|present| set.iter().any(|(field, _)| is_there(field) != present)) {
        out.integer(0);
        return Ok(());
    }
    let kept: BTreeSet<(u64, &[u8])> = match hash.filter(|_| set.keeps_deadlines) {
        Some(hash) => set.iter().filter_map(|(field, _)| Some((hash.deadline_ms(field)?, field))).collect(),
        None => BTreeSet::new(),
    };
    txn.hash_set(key, set.iter())?;
    txn.notify(EventClass::HASH, "hset", key);
    if let Some(deadline_ms) = set.deadline_ms {
        let is_past = deadline_ms <= txn.now_ms();
        txn.expire_members(key, Collection::Hash, set.iter().map(|(field, _)| field), Some(deadline_ms));
        notify_deadlines(txn, key, is_past);
    }
    restore_deadlines(txn, key, &kept)?;
    out.integer(1);
    Ok(())
}

/// Fields that were written get their deadlines back.
fn restore_deadlines(txn: &mut Txn<'_>, key: &[u8], kept: &BTreeSet<(u64, &[u8])>) -> Result<(), ValueError> {
    let kept: Vec<_> = kept.iter().copied().collect();
    for group in kept.chunk_by(|(first_ms, _), (second_ms, _)| first_ms == second_ms) {
        let fields = group.iter().map(|(_, field)| *field);
        txn.expire_members(key, Collection::Hash, fields, Some(group[0].0));
    }
    Ok(())
}
