//! Taking elements out of lists, moving them to others, and waiting for them.

use super::{LIST, notify_push, reply_places};
use crate::arguments::{is, timeout_ms};
use crate::blocking::{Attempt, Blocking, Wait};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::collection::{PopFromSeveral, reply_element, reply_elements};
use crate::fault::Fault;
use effect::End;
use keyspace::{EventClass, KeyType, Txn, ValueError};
use resp::{Args, Out};
use values::List;

const POP: Command = Command {
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
    complexity: "O(N), N: elements that are taken",
    arguments: &[Argument::key("key", 0), Argument::integer("count").since("6.2.0").optional()],
    ..LIST
};

pub(super) const LPOP: Command = Command {
    name: "lpop",
    summary: "Takes elements from the head of a list.",
    handler: Handler::Write(|txn, args, out| pop_from_one(txn, args, out, End::Head)),
    ..POP
};

pub(super) const RPOP: Command = Command {
    name: "rpop",
    summary: "Takes elements from the tail of a list.",
    handler: Handler::Write(|txn, args, out| pop_from_one(txn, args, out, End::Tail)),
    ..POP
};

fn pop_from_one(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, end: End) -> Reply {
    let count = match args.len() {
        2 => None,
        3 => {
            let count = stdx::parse_i64(args.at(2)).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(Fault::Text("ERR value is out of range, must be positive"))?)
        }
        _ => return Err(Fault::wrong_arity(if end == End::Head { "lpop" } else { "rpop" })),
    };
    let key = args.at(1);
    let is_there = match count {
        None => pop(txn, key, end, 1, |list, _| reply_end(list, end, out))?,
        Some(count) => pop(txn, key, end, count, |list, count| reply_taken(list, end, count, out))?,
    };
    match count {
        _ if is_there => {}
        None => out.null(),
        Some(_) => out.null_array(),
    }
    Ok(())
}

/// Takes elements from a list and says so. False where there is none.
fn pop(
    txn: &mut Txn<'_>,
    key: &[u8],
    end: End,
    count: usize,
    taken: impl FnMut(&List, usize),
) -> Result<bool, ValueError> {
    let popped = txn.list_pop(key, end, count, taken)?;
    if popped.is_some_and(|count| count > 0) {
        txn.notify_removal(EventClass::LIST, if end == End::Head { "lpop" } else { "rpop" }, key);
    }
    Ok(popped.is_some())
}

/// The element that is to be taken from a list, which has one.
fn reply_end(list: &List, end: End, out: &mut Out) {
    let place = if end == End::Head { 0 } else { list.len() - 1 };
    match list.get(place) {
        Some(element) => reply_element(out, element),
        None => out.null(),
    }
}

/// The elements that are to be taken, in the order in which they are.
fn reply_taken(list: &List, end: End, count: usize, out: &mut Out) {
    out.array(count);
    match end {
        End::Head => reply_places(list, 0..count, out),
        End::Tail => reply_elements(out, list.iter_back().take(count)),
    }
}

const SIDES: &[Argument] = &[Argument::word("left", "LEFT"), Argument::word("right", "RIGHT")];

/// LEFT or RIGHT.
fn end(word: &[u8]) -> Result<End, Fault> {
    match word {
        word if is(word, "left") => Ok(End::Head),
        word if is(word, "right") => Ok(End::Tail),
        _ => Err(Fault::Syntax),
    }
}

const MOVE: Command = Command {
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"]), KeySpec::one(2, &["RW", "insert"])],
    since: "6.2.0",
    ..LIST
};

const SOURCE: Argument = Argument::key("source", 0);
const DESTINATION: Argument = Argument::key("destination", 1);
const FROM: Argument = Argument::one_of("wherefrom", SIDES);
const TO: Argument = Argument::one_of("whereto", SIDES);
const TIMEOUT: Argument = Argument::new("timeout", "double");

pub(super) const LMOVE: Command = Command {
    name: "lmove",
    arity: 5,
    summary: "Takes an element from one end of a list and puts it at one end of another.",
    arguments: &[SOURCE, DESTINATION, FROM, TO],
    handler: Handler::Write(|txn, args, out| {
        let (from, to) = (end(args.at(3))?, end(args.at(4))?);
        move_or_null(txn, args, out, from, to)
    }),
    ..MOVE
};

pub(super) const RPOPLPUSH: Command = Command {
    name: "rpoplpush",
    arity: 3,
    since: "1.2.0",
    deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
    summary: "Takes the last element of a list and puts it at the head of another.",
    arguments: &[SOURCE, DESTINATION],
    handler: Handler::Write(|txn, args, out| move_or_null(txn, args, out, End::Tail, End::Head)),
    ..MOVE
};

pub(super) const BLMOVE: Command = Command {
    name: "blmove",
    arity: 6,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::BLOCKING]),
    summary: "Takes an element from one end of a list and puts it at one end of another, or waits for one.",
    arguments: &[SOURCE, DESTINATION, FROM, TO, TIMEOUT],
    handler: Handler::Blocking(Blocking {
        run: |txn, args, out| {
            let (from, to) = (end(args.at(3))?, end(args.at(4))?);
            let timeout_ms = timeout_ms(args.at(5))?;
            move_or_wait(txn, args, out, from, to, timeout_ms)
        },
        refuse: Out::null,
    }),
    ..MOVE
};

pub(super) const BRPOPLPUSH: Command = Command {
    name: "brpoplpush",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::BLOCKING]),
    since: "2.2.0",
    deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
    summary: "Takes the last element of a list and puts it at the head of another, or waits for one.",
    arguments: &[SOURCE, DESTINATION, TIMEOUT],
    handler: Handler::Blocking(Blocking {
        run: |txn, args, out| {
            let timeout_ms = timeout_ms(args.at(3))?;
            move_or_wait(txn, args, out, End::Tail, End::Head, timeout_ms)
        },
        refuse: Out::null,
    }),
    ..MOVE
};

/// Moves an element and replies with it. False where there is none.
fn move_one(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, from: End, to: End) -> Result<bool, Fault> {
    let (source, destination) = (args.at(1), args.at(2));
    let Some(taken) = txn.list_move((source, from), (destination, to))? else { return Ok(false) };
    notify_push(txn, destination, to);
    txn.notify_removal(EventClass::LIST, if from == End::Head { "lpop" } else { "rpop" }, source);
    out.bulk(&taken);
    Ok(true)
}

fn move_or_null(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, from: End, to: End) -> Reply {
    if !move_one(txn, args, out, from, to)? {
        out.null();
    }
    Ok(())
}

fn move_or_wait(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    out: &mut Out,
    from: End,
    to: End,
    timeout_ms: Option<u64>,
) -> Result<Attempt, Fault> {
    Ok(if move_one(txn, args, out, from, to)? { Attempt::Done } else { wait(timeout_ms) })
}

fn wait(timeout_ms: Option<u64>) -> Attempt {
    Attempt::Wait(Wait { timeout_ms, key_type: KeyType::List, on_loss: false, args: None })
}

const POP_OR_WAIT: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING]),
    keys: &[KeySpec::range(1, -2, 1, &["RW", "access", "delete"])],
    since: "2.0.0",
    complexity: "O(N), N: number of keys",
    arguments: &[Argument::key("key", 0).multiple(), TIMEOUT],
    ..LIST
};

pub(super) const BLPOP: Command = Command {
    name: "blpop",
    summary: "Takes the first element of the first list that has one, or waits for it.",
    handler: Handler::Blocking(Blocking {
        run: |txn, args, out| pop_or_wait(txn, args, out, End::Head),
        refuse: Out::null_array,
    }),
    ..POP_OR_WAIT
};

pub(super) const BRPOP: Command = Command {
    name: "brpop",
    summary: "Takes the last element of the first list that has one, or waits for it.",
    handler: Handler::Blocking(Blocking {
        run: |txn, args, out| pop_or_wait(txn, args, out, End::Tail),
        refuse: Out::null_array,
    }),
    ..POP_OR_WAIT
};

fn pop_or_wait(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, end: End) -> Result<Attempt, Fault> {
    let last = args.len() - 1;
    let timeout_ms = timeout_ms(args.at(last))?;
    for key in args.from(1).iter().take(last - 1) {
        let reply = |list: &List, _| {
            out.array(2);
            out.bulk(key);
            reply_end(list, end, out);
        };
        if pop(txn, key, end, 1, reply)? {
            return Ok(Attempt::Done);
        }
    }
    Ok(wait(timeout_ms))
}

const FROM_SEVERAL: Command =
    Command { since: "7.0.0", complexity: "O(N + M), N: number of keys, M: elements that are taken", ..LIST };

const NUMBER_OF_KEYS: Argument = Argument::integer("numkeys");
const KEYS: Argument = Argument::key("key", 0).multiple();
const WHERE: Argument = Argument::one_of("where", SIDES);
const COUNT: Argument = Argument::integer("count").token("COUNT").optional();

pub(super) const LMPOP: Command = Command {
    name: "lmpop",
    arity: -4,
    flags: Flags::WRITE,
    keys: &[KeySpec::counted(1, &["RW", "access", "delete"])],
    summary: "Takes elements from one end of the first list that has any.",
    arguments: &[NUMBER_OF_KEYS, KEYS, WHERE, COUNT],
    handler: Handler::Write(|txn, args, out| {
        if !pop_from_several(txn, &PopFromSeveral::parse(args, 1, end)?, out)? {
            out.null_array();
        }
        Ok(())
    }),
    ..FROM_SEVERAL
};

pub(super) const BLMPOP: Command = Command {
    name: "blmpop",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING]),
    keys: &[KeySpec::counted(2, &["RW", "access", "delete"])],
    summary: "Takes elements from one end of the first list that has any, or waits.",
    arguments: &[TIMEOUT, NUMBER_OF_KEYS, KEYS, WHERE, COUNT],
    handler: Handler::Blocking(Blocking {
        run: |txn, args, out| {
            let several = PopFromSeveral::parse(args, 2, end)?;
            let timeout_ms = timeout_ms(args.at(1))?;
            Ok(if pop_from_several(txn, &several, out)? { Attempt::Done } else { wait(timeout_ms) })
        },
        refuse: Out::null_array,
    }),
    ..FROM_SEVERAL
};

/// False where all lists are empty.
fn pop_from_several(txn: &mut Txn<'_>, several: &PopFromSeveral<'_, End>, out: &mut Out) -> Result<bool, Fault> {
    for key in several.keys() {
        let reply = |list: &List, count| {
            out.array(2);
            out.bulk(key);
            reply_taken(list, several.end, count, out);
        };
        if pop(txn, key, several.end, several.count, reply)? {
            return Ok(true);
        }
    }
    Ok(false)
}
