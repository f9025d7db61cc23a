//! Taking out the members with the lowest or highest scores, and waiting for such.

use super::SORTED_SET;
use super::removal::{Removed, Removing};
use crate::arguments::{is, timeout_ms};
use crate::aside::{Aside, Work};
use crate::blocking::{Attempt, Blocking, Wait};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::collection::PopFromSeveral;
use crate::fault::Fault;
use keyspace::{EventClass, KeyType, Txn};
use resp::{Args, Out, Protocol};
use std::ops::Range;
use values::SortedSet;

/// Which end of the order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Lowest,
    Highest,
}

impl End {
    /// The places of `count` members at this end.
    fn ranks(self, set: &SortedSet, count: usize) -> Range<usize> {
        let count = count.min(set.len());
        if self == End::Lowest { 0..count } else { set.len() - count..set.len() }
    }

    fn event(self) -> &'static str {
        if self == End::Lowest { "zpopmin" } else { "zpopmax" }
    }
}

type Pairs = Vec<(Vec<u8>, f64)>;

/// Takes up to `count` members out. `None`: there is no such key.
fn pop(txn: &mut Txn<'_>, key: &[u8], end: End, count: usize) -> Result<Option<Pairs>, Fault> {
    let Some(set) = txn.sorted_set(key)? else { return Ok(None) };
    let members = set.range(end.ranks(set, count));
    let owned = |(member, score): (values::Element<'_>, f64)| (member.to_vec(), score);
    let pairs: Pairs = match end {
        End::Lowest => members.map(owned).collect(),
        End::Highest => members.rev().map(owned).collect(),
    };
    if !pairs.is_empty() {
        txn.sorted_set_remove(key, pairs.iter().map(|(member, _)| &member[..]))?;
        txn.notify_removal(EventClass::SORTED_SET, end.event(), key);
    }
    Ok(Some(pairs))
}

fn reply_pairs(out: &mut Out, pairs: &Pairs, nested: bool) {
    for (member, score) in pairs {
        if nested {
            reply_nested(out, member, *score);
        } else {
            out.bulk(member);
            out.double(*score);
        }
    }
}

/// A pair as an array of its own.
pub(super) fn reply_nested(out: &mut Out, member: &[u8], score: f64) {
    out.array(2);
    out.bulk(member);
    out.double(score);
}

const POPPING: Command = Command {
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
    since: "5.0.0",
    complexity: "O(log N) for every member that is taken, N: members of the sorted set",
    arguments: &[Argument::key("key", 0), Argument::integer("count").optional()],
    ..SORTED_SET
};

pub(super) const ZPOPMIN: Command = Command {
    name: "zpopmin",
    summary: "Takes out the members with the lowest scores.",
    handler: Handler::Aside(Aside {
        run: |txn, args, out| pop_from_one(txn, args, out, End::Lowest),
        begin: |txn, args, _| begin_pop(txn, args, End::Lowest),
    }),
    ..POPPING
};

pub(super) const ZPOPMAX: Command = Command {
    name: "zpopmax",
    summary: "Takes out the members with the highest scores.",
    handler: Handler::Aside(Aside {
        run: |txn, args, out| pop_from_one(txn, args, out, End::Highest),
        begin: |txn, args, _| begin_pop(txn, args, End::Highest),
    }),
    ..POPPING
};

fn begin_pop(txn: &Txn<'_>, args: Args<'_>, end: End) -> Option<Box<dyn Work>> {
    let count = usize::try_from(stdx::parse_i64(args.get(2)?)?).ok().filter(|_| args.len() == 3)?;
    Removing::begin(txn, args, 1, |set| end.ranks(set, count), Removed::Given { end }, end.event())
}

fn pop_from_one(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, end: End) -> Reply {
    let count = match args.len() {
        2 => None,
        3 => {
            let count = stdx::parse_i64(args.at(2)).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(Fault::Text("ERR value is out of range, must be positive"))?)
        }
        _ => return Err(Fault::Syntax),
    };
    let pairs = pop(txn, args.at(1), end, count.unwrap_or(1))?.unwrap_or_default();
    let nested = count.is_some() && out.protocol == Protocol::Resp3;
    out.array(if nested { pairs.len() } else { 2 * pairs.len() });
    reply_pairs(out, &pairs, nested);
    Ok(())
}

const WAITING: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST, Flags::BLOCKING]),
    keys: &[KeySpec::range(1, -2, 1, &["RW", "access", "delete"])],
    since: "5.0.0",
    complexity: "O(log N), N: members of the sorted set",
    arguments: &[Argument::key("key", 0).multiple(), Argument::new("timeout", "double")],
    ..SORTED_SET
};

pub(super) const BZPOPMIN: Command = Command {
    name: "bzpopmin",
    summary: "Takes out the member with the lowest score of the first sorted set that has one, or waits for it.",
    handler: Handler::Blocking(Blocking {
        run: |txn, args, out| pop_or_wait(txn, args, out, End::Lowest),
        refuse: Out::null_array,
    }),
    ..WAITING
};

pub(super) const BZPOPMAX: Command = Command {
    name: "bzpopmax",
    summary: "Takes out the member with the highest score of the first sorted set that has one, or waits for it.",
    handler: Handler::Blocking(Blocking {
        run: |txn, args, out| pop_or_wait(txn, args, out, End::Highest),
        refuse: Out::null_array,
    }),
    ..WAITING
};

fn pop_or_wait(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, end: End) -> Result<Attempt, Fault> {
    let last = args.len() - 1;
    let timeout_ms = timeout_ms(args.at(last))?;
    for key in args.from(1).iter().take(last - 1) {
        if let Some(pairs) = pop(txn, key, end, 1)? {
            out.array(3);
            out.bulk(key);
            reply_pairs(out, &pairs, false);
            return Ok(Attempt::Done);
        }
    }
    Ok(Attempt::Wait(wait(timeout_ms)))
}

fn wait(timeout_ms: Option<u64>) -> Wait {
    Wait { timeout_ms, key_type: KeyType::SortedSet, on_loss: false, args: None }
}

const NUMBER_OF_KEYS: Argument = Argument::integer("numkeys");
const KEYS: Argument = Argument::key("key", 0).multiple();
const WHERE: Argument = Argument::one_of("where", &[Argument::word("min", "MIN"), Argument::word("max", "MAX")]);
const COUNT: Argument = Argument::integer("count").token("COUNT").optional();

const FROM_SEVERAL: Command = Command {
    since: "7.0.0",
    complexity: "O(K + M log N), K: number of keys, M: members that are taken, N: members of the sorted set",
    ..SORTED_SET
};

pub(super) const ZMPOP: Command = Command {
    name: "zmpop",
    arity: -4,
    flags: Flags::WRITE,
    keys: &[KeySpec::counted(1, &["RW", "access", "delete"])],
    summary: "Takes members with the lowest or highest scores out of the first sorted set that has any.",
    arguments: &[NUMBER_OF_KEYS, KEYS, WHERE, COUNT],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| {
            if !pop_from_several(txn, &PopFromSeveral::parse(args, 1, end)?, out)? {
                out.null_array();
            }
            Ok(())
        },
        begin: begin_pop_from_several,
    }),
    ..FROM_SEVERAL
};

pub(super) const BZMPOP: Command = Command {
    name: "bzmpop",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING]),
    keys: &[KeySpec::counted(2, &["RW", "access", "delete"])],
    summary: "Takes members with the lowest or highest scores out of the first sorted set that has any, or waits.",
    arguments: &[Argument::new("timeout", "double"), NUMBER_OF_KEYS, KEYS, WHERE, COUNT],
    handler: Handler::Blocking(Blocking {
        run: |txn, args, out| {
            let several = PopFromSeveral::parse(args, 2, end)?;
            let timeout_ms = timeout_ms(args.at(1))?;
            Ok(if pop_from_several(txn, &several, out)? { Attempt::Done } else { Attempt::Wait(wait(timeout_ms)) })
        },
        refuse: Out::null_array,
    }),
    ..FROM_SEVERAL
};

fn begin_pop_from_several(txn: &Txn<'_>, args: Args<'_>, _: &Out) -> Option<Box<dyn Work>> {
    const FIRST_KEY: usize = 2;
    let several = PopFromSeveral::parse(args, 1, end).ok()?;
    let empty = several.keys().take_while(|key| txn.type_of(key).is_none()).count();
    let (end, count) = (several.end, several.count);
    several.keys().nth(empty)?;
    let at = FIRST_KEY + empty;
    Removing::begin(
        txn,
        args,
        at,
        |set| end.ranks(set, count),
        Removed::GivenWithKey { end, first: FIRST_KEY },
        end.event(),
    )
}

fn end(word: &[u8]) -> Result<End, Fault> {
    match word {
        word if is(word, "MIN") => Ok(End::Lowest),
        word if is(word, "MAX") => Ok(End::Highest),
        _ => Err(Fault::Syntax),
    }
}

/// False, and no reply, where there is nothing in any of the keys.
fn pop_from_several(txn: &mut Txn<'_>, several: &PopFromSeveral<'_, End>, out: &mut Out) -> Result<bool, Fault> {
    for key in several.keys() {
        if let Some(pairs) = pop(txn, key, several.end, several.count)? {
            out.array(2);
            out.bulk(key);
            out.array(pairs.len());
            reply_pairs(out, &pairs, true);
            return Ok(true);
        }
    }
    Ok(false)
}
