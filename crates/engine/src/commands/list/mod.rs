//! Lists: elements at both ends and at any place. What takes elements out, and waits for them, is in `pop`.

mod pop;

use super::collection::{SLICE_ELEMENTS, is_long, reply_element, reply_elements, reply_in_slices};
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::fault::Fault;
use effect::End;
use keyspace::{EventClass, Txn, View};
use resp::{Args, Out, Rest};
use std::ops::Range;
use values::{List, Wanted};

pub(super) const COMMANDS: &[&Command] = &[
    &pop::BLMOVE,
    &pop::BLMPOP,
    &pop::BLPOP,
    &pop::BRPOP,
    &pop::BRPOPLPUSH,
    &LINDEX,
    &LINSERT,
    &LLEN,
    &pop::LMOVE,
    &pop::LMPOP,
    &pop::LPOP,
    &LPOS,
    &LPUSH,
    &LPUSHX,
    &LRANGE,
    &LREM,
    &LSET,
    &LTRIM,
    &pop::RPOP,
    &pop::RPOPLPUSH,
    &RPUSH,
    &RPUSHX,
];

const LIST: Command = Command { group: "list", categories: &["list"], ..Command::BASE };

const NOT_THAT_SMALL: Fault =
    Fault::Text("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");

const PUSH: Command = Command {
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "insert"])],
    time_is_arguments: true,
    complexity: "O(1) for every element",
    arguments: &[Argument::key("key", 0), Argument::string("element").multiple()],
    ..LIST
};

const LPUSH: Command = Command {
    name: "lpush",
    summary: "Puts elements at the head of a list.",
    handler: Handler::Write(|txn, args, out| push(txn, args, out, End::Head)),
    ..PUSH
};

const RPUSH: Command = Command {
    name: "rpush",
    summary: "Puts elements at the tail of a list.",
    handler: Handler::Write(|txn, args, out| push(txn, args, out, End::Tail)),
    ..PUSH
};

const LPUSHX: Command = Command {
    name: "lpushx",
    since: "2.2.0",
    summary: "Puts elements at the head of a list that is there.",
    handler: Handler::Write(|txn, args, out| push_if_there(txn, args, out, End::Head)),
    ..PUSH
};

const RPUSHX: Command = Command {
    name: "rpushx",
    since: "2.2.0",
    summary: "Puts elements at the tail of a list that is there.",
    handler: Handler::Write(|txn, args, out| push_if_there(txn, args, out, End::Tail)),
    ..PUSH
};

fn push(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, end: End) -> Reply {
    let key = args.at(1);
    let len = txn.list_push(key, end, args.from(2).iter())?;
    notify_push(txn, key, end);
    out.integer(len as i64);
    Ok(())
}

fn push_if_there(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, end: End) -> Reply {
    if txn.writable_list(args.at(1))?.is_none() {
        out.integer(0);
        return Ok(());
    }
    push(txn, args, out, end)
}

fn notify_push(txn: &Txn<'_>, key: &[u8], end: End) {
    txn.notify(EventClass::LIST, if end == End::Head { "lpush" } else { "rpush" }, key);
}

const LLEN: Command = Command {
    name: "llen",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO"])],
    summary: "How many elements a list has.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(|view, args, out| {
        out.integer(view.list(args.at(1))?.map_or(0, |list| list.len() as i64));
        Ok(())
    }),
    ..LIST
};

/// The place that an index stands for; negative ones count from the tail.
fn place(index: i64, len: usize) -> Option<usize> {
    let place = if index < 0 { len as i64 + index } else { index };
    usize::try_from(place).ok().filter(|place| *place < len)
}

/// The places from `start` to `stop`; negative ones count from the tail.
fn places(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_head = |index: i64| if index < 0 { len as i64 + index } else { index };
    let (start, stop) = (from_head(start).max(0), from_head(stop).min(len as i64 - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

const LINDEX: Command = Command {
    name: "lindex",
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    complexity: "O(N), N: nodes between the place and the nearer end",
    summary: "The element at an index.",
    arguments: &[Argument::key("key", 0), Argument::integer("index")],
    handler: Handler::Read(lindex),
    ..LIST
};

fn lindex(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let Some(list) = view.list(args.at(1))? else {
        out.null();
        return Ok(());
    };
    match place(integer(args.at(2))?, list.len()).and_then(|place| list.get(place)) {
        Some(element) => reply_element(out, element),
        None => out.null(),
    }
    Ok(())
}

const START_STOP: &[Argument] = &[Argument::key("key", 0), Argument::integer("start"), Argument::integer("stop")];

const LRANGE: Command = Command {
    name: "lrange",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    time_is_reply: true,
    complexity: "O(S + N), S: nodes between the first element and the nearer end, N: number of elements",
    summary: "The elements from one index to another.",
    arguments: START_STOP,
    handler: Handler::Read(lrange),
    ..LIST
};

fn lrange(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (start, stop) = (integer(args.at(2))?, integer(args.at(3))?);
    let Some(list) = view.list(args.at(1))? else {
        out.array(0);
        return Ok(());
    };
    let places = places(start, stop, list.len());
    out.array(places.len());
    reply_places(list, places, out);
    Ok(())
}

/// The elements in these places, which are so many as the head of the reply has said.
fn reply_places(list: &List, places: Range<usize>, out: &mut Out) {
    if !is_long(places.len()) {
        return reply_elements(out, list.iter_from(places.start).take(places.len()));
    }
    let list = list.clone();
    reply_in_slices(out, places.len().div_ceil(SLICE_ELEMENTS), move |given, out| {
        let next = (given + SLICE_ELEMENTS).min(places.len());
        reply_elements(out, list.iter_from(places.start + given).take(next - given));
        (next < places.len()).then_some(next)
    });
}

const LSET: Command = Command {
    name: "lset",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    complexity: "O(N), N: nodes between the place and the nearer end",
    summary: "Gives the element at an index another value.",
    arguments: &[Argument::key("key", 0), Argument::integer("index"), Argument::string("element")],
    handler: Handler::Write(lset),
    ..LIST
};

fn lset(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key = args.at(1);
    let len = txn.writable_list(key)?.ok_or(Fault::NoSuchKey)?.len();
    let place = place(integer(args.at(2))?, len).ok_or(Fault::Text("ERR index out of range"))?;
    txn.list_set(key, place, args.at(3))?;
    txn.notify(EventClass::LIST, "lset", key);
    out.ok();
    Ok(())
}

const LINSERT: Command = Command {
    name: "linsert",
    arity: 5,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "insert"])],
    since: "2.2.0",
    complexity: "O(N), N: elements before the one that is searched for",
    summary: "Puts an element next to another one.",
    arguments: &[
        Argument::key("key", 0),
        Argument::one_of("where", &[Argument::word("before", "BEFORE"), Argument::word("after", "AFTER")]),
        Argument::string("pivot"),
        Argument::string("element"),
    ],
    handler: Handler::Write(linsert),
    ..LIST
};

fn linsert(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let toward = match args.at(2) {
        word if is(word, "after") => End::Tail,
        word if is(word, "before") => End::Head,
        _ => return Err(Fault::Syntax),
    };
    let (key, pivot) = (args.at(1), Wanted::new(args.at(3)));
    let Some(list) = txn.writable_list(key)? else {
        out.integer(0);
        return Ok(());
    };
    let len = list.len();
    match list.iter().position(|element| pivot.is(element)) {
        Some(place) => {
            txn.list_insert(key, place, toward, args.at(4))?;
            txn.notify(EventClass::LIST, "linsert", key);
            out.integer(len as i64 + 1);
        }
        None => out.integer(-1),
    }
    Ok(())
}

const LREM: Command = Command {
    name: "lrem",
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, &["RW", "delete"])],
    complexity: "O(N), N: elements of the list",
    summary: "Removes elements of one value: the first ones, the last ones, or all.",
    arguments: &[Argument::key("key", 0), Argument::integer("count"), Argument::string("element")],
    handler: Handler::Write(lrem),
    ..LIST
};

fn lrem(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let count = integer(args.at(2))?;
    if count == i64::MIN {
        return Err(NOT_THAT_SMALL);
    }
    let key = args.at(1);
    let wanted = Wanted::new(args.at(3));
    let places = txn.writable_list(key)?.map_or_else(Vec::new, |list| places_of(list, &wanted, count));
    let removed: usize = places.iter().map(Range::len).sum();
    if removed > 0 {
        txn.list_remove(key, places);
        txn.notify_removal(EventClass::LIST, "lrem", key);
    }
    out.integer(removed as i64);
    Ok(())
}

/// Where the elements are that equal `wanted`: so many from the head, from the tail (negative), or all (0).
fn places_of(list: &List, wanted: &Wanted<'_>, count: i64) -> Vec<Range<usize>> {
    let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let mut places: Vec<usize> = if count < 0 {
        let from_tail = (0..list.len()).rev().zip(list.iter_back());
        from_tail.filter(|(_, element)| wanted.is(*element)).map(|(place, _)| place).take(limit).collect()
    } else {
        let from_head = list.iter().enumerate();
        from_head.filter(|(_, element)| wanted.is(*element)).map(|(place, _)| place).take(limit).collect()
    };
    places.sort_unstable();
    places.chunk_by(|a, b| a + 1 == *b).map(|run| run[0]..run[0] + run.len()).collect()
}

const LTRIM: Command = Command {
    name: "ltrim",
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, &["RW", "delete"])],
    complexity: "O(N), N: elements that are removed",
    summary: "Removes all elements but those from one index to another.",
    arguments: START_STOP,
    handler: Handler::Write(ltrim),
    ..LIST
};

fn ltrim(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (start, stop) = (integer(args.at(2))?, integer(args.at(3))?);
    let key = args.at(1);
    if let Some(len) = txn.writable_list(key)?.map(List::len) {
        let kept = places(start, stop, len);
        let around = [0..kept.start, kept.end..len];
        txn.list_remove(key, around.into_iter().filter(|range| !range.is_empty()));
        txn.notify_removal(EventClass::LIST, "ltrim", key);
    }
    out.ok();
    Ok(())
}

const LPOS: Command = Command {
    name: "lpos",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "6.0.6",
    complexity: "O(N), N: elements that are looked at",
    summary: "The indexes at which elements of one value are.",
    arguments: &[
        Argument::key("key", 0),
        Argument::string("element"),
        Argument::integer("rank").token("RANK").optional(),
        Argument::integer("num-matches").token("COUNT").optional(),
        Argument::integer("len").token("MAXLEN").optional(),
    ],
    handler: Handler::Read(lpos),
    ..LIST
};

fn lpos(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let positive = |text: &[u8], fault| stdx::parse_i64(text).and_then(|n| usize::try_from(n).ok()).ok_or(fault);
    let (mut rank, mut count, mut max_len) = (1, None, 0);
    let mut options = Cursor::new(args, 3);
    while let Some(word) = options.next() {
        let value = options.value()?;
        if is(word, "rank") {
            rank = integer(value)?;
            match rank {
                i64::MIN => return Err(NOT_THAT_SMALL),
                0 => return Err(RANK_ZERO),
                _ => {}
            }
        } else if is(word, "count") {
            count = Some(positive(value, Fault::Text("ERR COUNT can't be negative"))?);
        } else if is(word, "maxlen") {
            max_len = positive(value, Fault::Text("ERR MAXLEN can't be negative"))?;
        } else {
            return Err(Fault::Syntax);
        }
    }
    let wanted = Wanted::new(args.at(2));
    let list = view.list(args.at(1))?;
    if let Some(list) = list.filter(|list| rank > 0 && list.len() > LOOKED_AT) {
        let wanted = args.at(2).to_vec();
        let end = if max_len == 0 { list.len() } else { list.len().min(max_len) };
        let (skipped, places) = (rank as usize - 1, Vec::new());
        out.continue_with(Looking { list: list.clone(), wanted, next: 0, end, skipped, count, places });
        return Ok(());
    }
    let places = list.into_iter().flat_map(|list| matches(list, wanted, rank, max_len));
    let Some(count) = count else {
        match places.into_iter().next() {
            Some(place) => out.integer(place as i64),
            None => out.null(),
        }
        return Ok(());
    };
    let deferred = out.defer();
    let mut len = 0;
    for place in places.take(if count == 0 { usize::MAX } else { count }) {
        out.integer(place as i64);
        len += 1;
    }
    out.finish_array(deferred, len);
    Ok(())
}

const RANK_ZERO: Fault = Fault::Text(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the \
     end of the list",
);

/// Of a long list so many elements are looked at at a time.
const LOOKED_AT: usize = 50_000;

/// A search from the head of a long list, as far as it has come.
struct Looking {
    list: List,
    wanted: Vec<u8>,
    /// Which elements are still to be looked at.
    next: usize,
    end: usize,
    /// How many that are found do not count.
    skipped: usize,
    /// How many are wanted: 0: all; `None`: the first one.
    count: Option<usize>,
    places: Vec<usize>,
}

impl Rest for Looking {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        let Looking { list, wanted, next, end, skipped, count, places } = self;
        let wanted = Wanted::new(wanted);
        let after = (*end).min(*next + LOOKED_AT);
        let elements = (*next..after).zip(list.iter_from(*next));
        let mut found = elements.filter(|(_, element)| wanted.is(*element)).map(|(place, _)| place);
        while *skipped > 0 && found.next().is_some() {
            *skipped -= 1;
        }
        let most = count.map_or(1, |count| if count == 0 { usize::MAX } else { count });
        places.extend(found.take(most - places.len()));
        *next = after;
        if *next < *end && places.len() < most {
            return true;
        }
        match (count, places.first()) {
            (None, Some(place)) => out.integer(*place as i64),
            (None, None) => out.null(),
            (Some(_), _) => {
                out.array(places.len());
                places.iter().for_each(|place| out.integer(*place as i64));
            }
        }
        false
    }
}

/// Where the elements are that equal `wanted`, from the `rank`-th on, from the tail where that is negative.
fn matches<'l>(list: &'l List, wanted: Wanted<'l>, rank: i64, max_len: usize) -> Box<dyn Iterator<Item = usize> + 'l> {
    let limit = if max_len == 0 { usize::MAX } else { max_len };
    let skipped = rank.unsigned_abs() as usize - 1;
    let is_wanted = move |(place, element): (usize, _)| wanted.is(element).then_some(place);
    if rank < 0 {
        Box::new((0..list.len()).rev().zip(list.iter_back()).take(limit).filter_map(is_wanted).skip(skipped))
    } else {
        Box::new(list.iter().enumerate().take(limit).filter_map(is_wanted).skip(skipped))
    }
}
