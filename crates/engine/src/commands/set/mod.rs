//! Sets: membership, and members at random. What combines sets is in `algebra`.

mod algebra;

use super::collection::{
    Gathered, SLICE_ELEMENTS, is_long, place_of, reply_element, reply_elements, reply_in_slices, reply_to_each,
};
use super::copied::{Copied, Elements, Remainder};
use super::edited::{Edit, Editing, finish_removal};
use super::random::{Choice, RandomCount, repeat_draws, reply_long_draw};
use super::scan::{COUNT_ARGUMENT, MATCH_ARGUMENT, Scanned, scan_elements};
use crate::aside::{Aside, Work};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use keyspace::{EventClass, Txn, View};
use resp::{Args, Out};
use values::{Inserted, Set, SetRef};

pub(super) const COMMANDS: &[&Command] = &[
    &SADD,
    &SCARD,
    &algebra::SDIFF,
    &algebra::SDIFFSTORE,
    &algebra::SINTER,
    &algebra::SINTERCARD,
    &algebra::SINTERSTORE,
    &SISMEMBER,
    &SMEMBERS,
    &SMISMEMBER,
    &SMOVE,
    &SPOP,
    &SRANDMEMBER,
    &SREM,
    &SSCAN,
    &algebra::SUNION,
    &algebra::SUNIONSTORE,
];

const SET: Command = Command { group: "set", categories: &["set"], ..Command::BASE };

const SADD: Command = Command {
    name: "sadd",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "insert"])],
    element: Some(2),
    time_is_arguments: true,
    complexity: "O(1) for every member",
    summary: "Adds members to a set.",
    arguments: &[Argument::key("key", 0), Argument::string("member").multiple()],
    handler: Handler::Aside(Aside { run: sadd, begin: |txn, args, _| Editing::begin(txn, args, ADDITION) }),
    ..SET
};

fn sadd(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let added = txn.set_add(args.at(1), args.from(2).iter())?;
    finish_addition(txn, args.at(1), added, out);
    Ok(())
}

fn finish_addition(txn: &mut Txn<'_>, key: &[u8], added: usize, out: &mut Out) {
    if added > 0 {
        txn.notify(EventClass::SET, "sadd", key);
    }
    out.integer(added as i64);
}

const ADDITION: Edit = Edit {
    empty: || Copied::Set(Set::new()),
    width: 1,
    change: |set, args, limits| {
        let Copied::Set(set) = set else { return Ok(Inserted::Nothing) };
        Ok(if set.insert(args.at(0), limits) { Inserted::New } else { Inserted::Nothing })
    },
    finish: |txn, args, edited, out| finish_addition(txn, args.at(1), edited.new, out),
};

const SCARD: Command = Command {
    name: "scard",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO"])],
    summary: "How many members a set has.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(scard),
    ..SET
};

fn scard(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    out.integer(view.set(args.at(1))?.map_or(0, |set| set.len() as i64));
    Ok(())
}

const SISMEMBER: Command = Command {
    name: "sismember",
    arity: 3,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO"])],
    element: Some(2),
    summary: "Whether something is a member of a set.",
    arguments: &[Argument::key("key", 0), Argument::string("member")],
    handler: Handler::Read(sismember),
    ..SET
};

fn sismember(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    out.integer(view.set(args.at(1))?.is_some_and(|set| set.contains(args.at(2))).into());
    Ok(())
}

const SMEMBERS: Command = Command {
    name: "smembers",
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    tips: &["nondeterministic_output_order"],
    time_is_reply: true,
    complexity: "O(N), N: members of the set",
    summary: "All members of a set.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(smembers),
    ..SET
};

fn smembers(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let Some(set) = view.set(args.at(1))? else {
        out.set(0);
        return Ok(());
    };
    out.set(set.len());
    reply_all(set, out);
    Ok(())
}

/// All members, behind their number.
fn reply_all(set: SetRef<'_>, out: &mut Out) {
    if is_long(set.len()) {
        let set = set.contents();
        reply_in_slices(out, set.view().len().div_ceil(SLICE_ELEMENTS), move |place, out| {
            place_of(set.view().scan(place as u64, SLICE_ELEMENTS, |member| out.bulk(member)))
        });
    } else {
        reply_elements(out, set.iter());
    }
}

const SMISMEMBER: Command = Command {
    name: "smismember",
    arity: -3,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "6.2.0",
    time_is_arguments: true,
    complexity: "O(1) for every member",
    summary: "Of each of several things, whether it is a member of a set.",
    arguments: &[Argument::key("key", 0), Argument::string("member").multiple()],
    handler: Handler::Read(smismember),
    ..SET
};

fn smismember(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let set = view.set(args.at(1))?;
    let members = args.from(2).iter();
    out.array(members.len());
    if let Some(set) = set.filter(|_| is_long(args.len())) {
        let set = set.contents();
        reply_to_each(out, args, 2, move |out, member| out.integer(set.contains(member).into()));
        return Ok(());
    }
    for member in members {
        out.integer(set.is_some_and(|set| set.contains(member)).into());
    }
    Ok(())
}

const SMOVE: Command = Command {
    name: "smove",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"]), KeySpec::one(2, &["RW", "insert"])],
    summary: "Moves a member from one set to another.",
    arguments: &[Argument::key("source", 0), Argument::key("destination", 1), Argument::string("member")],
    handler: Handler::Write(smove),
    ..SET
};

fn smove(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (source, destination, member) = (args.at(1), args.at(2), args.at(3));
    let is_member = match txn.set(source)? {
        None => false, // then the destination may be of any type
        Some(set) => {
            let is_member = set.contains(member);
            txn.set(destination)?;
            is_member
        }
    };
    if is_member && source != destination {
        let member = std::iter::once(member);
        txn.set_remove(source, member.clone())?;
        txn.notify_removal(EventClass::SET, "srem", source);
        if txn.set_add(destination, member)? > 0 {
            txn.notify(EventClass::SET, "sadd", destination);
        }
    }
    out.integer(is_member.into());
    Ok(())
}

const SPOP: Command = Command {
    name: "spop",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
    tips: &["nondeterministic_output"],
    complexity: "O(1) for every member that is returned, or O(N), N: members of the set, for many of them",
    summary: "Takes random members out of a set.",
    arguments: &[Argument::key("key", 0), Argument::integer("count").since("3.2.0").optional()],
    handler: Handler::Aside(Aside { run: spop, begin: Popping::begin }),
    ..SET
};

fn spop(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let count = match args.len() {
        2 => None,
        3 => {
            let count = stdx::parse_i64(args.at(2)).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(Fault::Text("ERR value is out of range, must be positive"))?)
        }
        _ => return Err(Fault::Syntax),
    };
    let key = args.at(1);
    let mut popped: Vec<Vec<u8>> = Vec::new();
    if let Some(set) = txn.set(key)? {
        set.sample(count.unwrap_or(1), |n| txn.dice(n), |member| popped.push(member.to_vec()));
    }
    match (count, popped.first()) {
        (Some(_), _) => {
            out.set(popped.len());
            popped.iter().for_each(|member| out.bulk(member));
        }
        (None, Some(member)) => out.bulk(member),
        (None, None) => out.null(),
    }
    if !popped.is_empty() {
        txn.set_remove(key, popped.iter().map(Vec::as_slice))?;
        txn.notify_removal(EventClass::SET, "spop", key);
    }
    Ok(())
}

/// Very many random members leave a set: what is left is made slice by slice of a copy.
struct Popping {
    set: Remainder,
    cursor: u64,
    choice: Choice,
    popped: Gathered,
}

impl Popping {
    fn begin(txn: &Txn<'_>, args: Args<'_>, out: &Out) -> Option<Box<dyn Work>> {
        let count = usize::try_from(stdx::parse_i64(args.get(2)?)?).ok().filter(|_| args.len() == 3)?;
        let len = txn.set(args.at(1)).ok()??.len();
        let choice = Choice { left: len, wanted: count.min(len) };
        if !is_long(choice.wanted) {
            return None;
        }
        let set = Remainder::of(txn, args.at(1))?;
        Some(Box::new(Popping { set, cursor: 0, choice, popped: Gathered::new(out) }))
    }
}

impl Work for Popping {
    fn step(&mut self, _: Args<'_>, context: &mut SessionContext<'_>) -> bool {
        let Popping { set, cursor, choice, popped } = self;
        if set.unshare() {
            return false;
        }
        *cursor = set.take_some(*cursor, SLICE_ELEMENTS / 4, |member| {
            let takes = choice.takes(|n| context.engine.keyspace.dice(n));
            if takes {
                popped.bulk(member);
            }
            takes
        });
        *cursor == 0
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        let key = args.at(1);
        let is_done = self.set.put_in_place(txn, key);
        if is_done {
            txn.notify_removal(EventClass::SET, "spop", key);
            out.set(self.popped.len());
            self.popped.reply(out);
        }
        is_done
    }
}

const SRANDMEMBER: Command = Command {
    name: "srandmember",
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    tips: &["nondeterministic_output"],
    complexity: "O(1) for every member that is returned, or O(N), N: members of the set, for many of them",
    summary: "Random members of a set: different ones, or with repeats where the count is negative.",
    arguments: &[Argument::key("key", 0), Argument::integer("count").since("2.6.0").optional()],
    handler: Handler::Read(srandmember),
    ..SET
};

fn srandmember(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let dice = |n| view.dice(n);
    let count = match args.len() {
        2 => None,
        3 => Some(RandomCount::parse(args.at(2))?),
        _ => return Err(Fault::Syntax),
    };
    let Some(set) = view.set(args.at(1))? else {
        match count {
            None => out.null(),
            Some(_) => out.array(0),
        }
        return Ok(());
    };
    let reply_one = |out: &mut Out| {
        set.random(dice, |member| out.bulk(member));
    };
    match count {
        None => reply_one(out),
        Some(count) if count.is_long(set.len()) => {
            out.array(count.of(set.len()));
            let source = Copied::Set(set.contents());
            return reply_long_draw(out, source, count, dice(usize::MAX), |out, member, _| reply_element(out, member));
        }
        Some(RandomCount::WithRepeats(count)) => {
            out.array(count);
            repeat_draws(out, count, reply_one);
        }
        Some(RandomCount::Distinct(count)) if count >= set.len() => {
            out.array(set.len());
            reply_all(set, out);
        }
        Some(RandomCount::Distinct(count)) => {
            out.array(count);
            set.sample(count, dice, |member| reply_element(out, member));
        }
    }
    Ok(())
}

const SREM: Command = Command {
    name: "srem",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "delete"])],
    element: Some(2),
    time_is_arguments: true,
    complexity: "O(1) for every member",
    summary: "Removes members from a set; a set without members is gone.",
    arguments: &[Argument::key("key", 0), Argument::string("member").multiple()],
    handler: Handler::Aside(Aside { run: srem, begin: |txn, args, _| Editing::begin(txn, args, REMOVAL) }),
    ..SET
};

fn srem(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let removed = txn.set_remove(args.at(1), args.from(2).iter())?;
    finish_removal(txn, EventClass::SET, "srem", args.at(1), removed, out);
    Ok(())
}

const REMOVAL: Edit = Edit {
    change: |set, args, _| {
        let Copied::Set(set) = set else { return Ok(Inserted::Nothing) };
        Ok(if set.remove(args.at(0)) { Inserted::New } else { Inserted::Nothing })
    },
    finish: |txn, args, edited, out| finish_removal(txn, EventClass::SET, "srem", args.at(1), edited.new, out),
    ..ADDITION
};

const SSCAN: Command = Command {
    name: "sscan",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    tips: &["nondeterministic_output"],
    since: "2.8.0",
    complexity: "O(1) for every call, O(N) for all of them, N: members of the set",
    summary: "Walks through the members of a set, some at a time.",
    arguments: &[Argument::key("key", 0), Argument::integer("cursor"), MATCH_ARGUMENT, COUNT_ARGUMENT],
    handler: Handler::Read(|view, args, out| {
        scan_elements(args, Scanned::Members, out, |key| Ok(view.set(key)?.map(Elements::Set)))
    }),
    ..SET
};
