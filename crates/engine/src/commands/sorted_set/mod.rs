//! Sorted sets: members and their scores. Ranges are in `range`, what takes members out in `pop`, what combines
//! sorted sets in `algebra` (large ones slice by slice: `combination`).

mod algebra;
mod combination;
mod pop;
mod range;
mod removal;

use super::collection::{is_long, reply_element, reply_to_each};
use super::copied::{Beside, Copied, Elements};
use super::edited::{Edit, Edited, Editing, finish_removal};
use super::random::{RandomCount, repeat_draws, reply_long_draw};
use super::scan::{COUNT_ARGUMENT, MATCH_ARGUMENT, Scanned, scan_elements};
use crate::arguments::is;
use crate::aside::Aside;
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::fault::Fault;
use keyspace::{EventClass, ScoreCondition, ScoresWritten, Txn, View};
use resp::{Args, Out, Protocol};
use smallvec::SmallVec;
use values::{Element, Inserted, SortedSet};

pub(super) const COMMANDS: &[&Command] = &[
    &pop::BZMPOP,
    &pop::BZPOPMAX,
    &pop::BZPOPMIN,
    &ZADD,
    &ZCARD,
    &range::ZCOUNT,
    &algebra::ZDIFF,
    &algebra::ZDIFFSTORE,
    &ZINCRBY,
    &algebra::ZINTER,
    &algebra::ZINTERCARD,
    &algebra::ZINTERSTORE,
    &range::ZLEXCOUNT,
    &pop::ZMPOP,
    &ZMSCORE,
    &pop::ZPOPMAX,
    &pop::ZPOPMIN,
    &ZRANDMEMBER,
    &range::ZRANGE,
    &range::ZRANGEBYLEX,
    &range::ZRANGEBYSCORE,
    &range::ZRANGESTORE,
    &ZRANK,
    &ZREM,
    &range::ZREMRANGEBYLEX,
    &range::ZREMRANGEBYRANK,
    &range::ZREMRANGEBYSCORE,
    &range::ZREVRANGE,
    &range::ZREVRANGEBYLEX,
    &range::ZREVRANGEBYSCORE,
    &ZREVRANK,
    &ZSCAN,
    &ZSCORE,
    &algebra::ZUNION,
    &algebra::ZUNIONSTORE,
];

const SORTED_SET: Command =
    Command { group: "sorted-set", categories: &["sortedset"], since: "1.2.0", ..Command::BASE };

/// Looks at one sorted set.
const LOOK: Command = Command {
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    ..SORTED_SET
};

const ZADD: Command = Command {
    name: "zadd",
    arity: -4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    element: Some(3),
    time_is_arguments: true,
    complexity: "O(log N) for every member, N: members of the sorted set",
    summary: "Gives members scores: all of them, or under conditions.",
    arguments: &[
        Argument::key("key", 0),
        Argument::one_of("condition", &[Argument::word("nx", "NX"), Argument::word("xx", "XX")])
            .since("3.0.2")
            .optional(),
        Argument::one_of("comparison", &[Argument::word("gt", "GT"), Argument::word("lt", "LT")])
            .since("6.2.0")
            .optional(),
        Argument::word("change", "CH").since("3.0.2").optional(),
        Argument::word("increment", "INCR").since("3.0.2").optional(),
        Argument::block("data", &[Argument::new("score", "double"), Argument::string("member")]).multiple(),
    ],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| add(txn, args, out, false),
        // Who has conditions rarely has very many members.
        begin: |txn, args, _| Editing::begin(txn, args, SCORING).filter(|_| score(args.at(2)).is_ok()),
    }),
    ..SORTED_SET
};

const SCORING: Edit = Edit {
    width: 2,
    change: |set, args, limits| {
        let Copied::SortedSet(set) = set else { return Ok(Inserted::Nothing) };
        Ok(set.insert_if(args.at(1), score(args.at(0))?, limits, |_| true))
    },
    finish: |txn, args, Edited { new, changed }, out| {
        finish_scores(txn, args.at(1), ScoresWritten { added: new, changed }, false, out);
    },
    ..REMOVAL
};

/// ZADD and ZINCRBY, which differ in what is understood without a word: ZINCRBY knows the words, too, but has no room
/// for any.
fn add(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, mut increment: bool) -> Reply {
    let mut condition = ScoreCondition::default();
    let (mut changes, mut first) = (false, 2);
    while let Some(word) = args.get(first) {
        match word {
            _ if is(word, "NX") => condition.new = true,
            _ if is(word, "XX") => condition.existing = true,
            _ if is(word, "GT") => condition.greater = true,
            _ if is(word, "LT") => condition.less = true,
            _ if is(word, "CH") => changes = true,
            _ if is(word, "INCR") => increment = true,
            _ => break,
        }
        first += 1;
    }
    let words = args.from(first).iter();
    if words.len() == 0 || !words.len().is_multiple_of(2) {
        return Err(Fault::Syntax);
    }
    let ScoreCondition { new, existing, greater, less } = condition;
    if new && existing {
        return Err(Fault::Text("ERR XX and NX options at the same time are not compatible"));
    }
    if ((greater || less) && new) || (greater && less) {
        return Err(Fault::Text("ERR GT, LT, and/or NX options at the same time are not compatible"));
    }
    if increment && words.len() > 2 {
        return Err(Fault::Text("ERR INCR option supports a single increment-element pair"));
    }
    let mut pairs: SmallVec<[(&[u8], f64); 4]> = SmallVec::new();
    for index in (first..args.len()).step_by(2) {
        pairs.push((args.at(index + 1), score(args.at(index))?));
    }
    if increment {
        let (member, delta) = pairs[0];
        return add_to_score(txn, args.at(1), member, delta, condition, out);
    }
    add_pairs(txn, args.at(1), &pairs, condition, changes, out)
}

/// Replies how many members are new, or (`changes`) have another score.
pub(super) fn add_pairs(
    txn: &mut Txn<'_>,
    key: &[u8],
    pairs: &[(&[u8], f64)],
    condition: ScoreCondition,
    changes: bool,
    out: &mut Out,
) -> Reply {
    let written = txn.sorted_set_add(key, pairs, condition)?;
    finish_scores(txn, key, written, changes, out);
    Ok(())
}

fn finish_scores(txn: &mut Txn<'_>, key: &[u8], written: ScoresWritten, changes: bool, out: &mut Out) {
    if written.added + written.changed > 0 {
        txn.notify(EventClass::SORTED_SET, "zadd", key);
    }
    out.integer((written.added + if changes { written.changed } else { 0 }) as i64);
}

const ZINCRBY: Command = Command {
    name: "zincrby",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    element: Some(3),
    complexity: "O(log N), N: members of the sorted set",
    summary: "Adds to the score of a member.",
    arguments: &[Argument::key("key", 0), Argument::integer("increment"), Argument::string("member")],
    handler: Handler::Write(|txn, args, out| add(txn, args, out, true)),
    ..SORTED_SET
};

/// Replies the new score, or nothing where the condition does not hold.
fn add_to_score(
    txn: &mut Txn<'_>,
    key: &[u8],
    member: &[u8],
    delta: f64,
    condition: ScoreCondition,
    out: &mut Out,
) -> Reply {
    let changes = txn.changes();
    match txn.sorted_set_increment(key, member, delta, condition)? {
        Some(sum) => out.double(sum),
        None => out.null(),
    }
    if txn.changes() > changes {
        txn.notify(EventClass::SORTED_SET, "zincr", key);
    }
    Ok(())
}

pub(super) fn score(text: &[u8]) -> Result<f64, Fault> {
    stdx::parse_f64(text).ok_or(Fault::NotFloat)
}

const ZREM: Command = Command {
    name: "zrem",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "delete"])],
    element: Some(2),
    time_is_arguments: true,
    complexity: "O(log N) for every member, N: members of the sorted set",
    summary: "Takes members out of a sorted set.",
    arguments: &[Argument::key("key", 0), Argument::string("member").multiple()],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| {
            let removed = txn.sorted_set_remove(args.at(1), args.from(2).iter())?;
            finish_removal(txn, EventClass::SORTED_SET, "zrem", args.at(1), removed, out);
            Ok(())
        },
        begin: |txn, args, _| Editing::begin(txn, args, REMOVAL),
    }),
    ..SORTED_SET
};

const REMOVAL: Edit = Edit {
    empty: || Copied::SortedSet(SortedSet::new()),
    width: 1,
    change: |set, args, _| {
        let Copied::SortedSet(set) = set else { return Ok(Inserted::Nothing) };
        Ok(if set.remove(args.at(0)) { Inserted::New } else { Inserted::Nothing })
    },
    finish: |txn, args, edited, out| {
        finish_removal(txn, EventClass::SORTED_SET, "zrem", args.at(1), edited.new, out);
    },
};

const ZCARD: Command = Command {
    name: "zcard",
    arity: 2,
    keys: &[KeySpec::one(1, &["RO"])],
    summary: "How many members a sorted set has.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(|view, args, out| {
        out.integer(view.sorted_set(args.at(1))?.map_or(0, |set| set.len() as i64));
        Ok(())
    }),
    ..LOOK
};

const ZSCORE: Command = Command {
    name: "zscore",
    arity: 3,
    element: Some(2),
    summary: "The score of a member.",
    arguments: &[Argument::key("key", 0), Argument::string("member")],
    handler: Handler::Read(|view, args, out| {
        reply_score(out, view.sorted_set(args.at(1))?.and_then(|set| set.score(args.at(2))));
        Ok(())
    }),
    ..LOOK
};

const ZMSCORE: Command = Command {
    name: "zmscore",
    arity: -3,
    element: Some(2),
    since: "6.2.0",
    time_is_arguments: true,
    complexity: "O(1) for every member",
    summary: "The scores of several members.",
    arguments: &[Argument::key("key", 0), Argument::string("member").multiple()],
    handler: Handler::Read(|view, args, out| {
        let set = view.sorted_set(args.at(1))?;
        let members = args.from(2).iter();
        out.array(members.len());
        if let Some(set) = set.filter(|_| is_long(args.len())) {
            let set = set.clone();
            reply_to_each(out, args, 2, move |out, member| reply_score(out, set.score(member)));
            return Ok(());
        }
        members.for_each(|member| reply_score(out, set.and_then(|set| set.score(member))));
        Ok(())
    }),
    ..LOOK
};

fn reply_score(out: &mut Out, score: Option<f64>) {
    match score {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

const OF_RANK: Command = Command {
    arity: -3,
    element: Some(2),
    since: "2.0.0",
    complexity: "O(log N), N: members of the sorted set",
    arguments: &[
        Argument::key("key", 0),
        Argument::string("member"),
        Argument::word("withscore", "WITHSCORE").since("7.2.0").optional(),
    ],
    ..LOOK
};

const ZRANK: Command = Command {
    name: "zrank",
    summary: "The place of a member, counted from the lowest score.",
    handler: Handler::Read(|view, args, out| rank(view, args, out, false)),
    ..OF_RANK
};

const ZREVRANK: Command = Command {
    name: "zrevrank",
    summary: "The place of a member, counted from the highest score.",
    handler: Handler::Read(|view, args, out| rank(view, args, out, true)),
    ..OF_RANK
};

fn rank(view: &View<'_>, args: Args<'_>, out: &mut Out, reverse: bool) -> Reply {
    let with_score = match args.len() {
        3 => false,
        4 if is(args.at(3), "WITHSCORE") => true,
        4 => return Err(Fault::Syntax),
        _ => return Err(Fault::wrong_arity(if reverse { "zrevrank" } else { "zrank" })),
    };
    let member = args.at(2);
    let found = view.sorted_set(args.at(1))?.and_then(|set| {
        let rank = set.rank(member)?;
        Some((if reverse { set.len() - 1 - rank } else { rank }, set.score(member)))
    });
    match found {
        Some((rank, score)) if with_score => {
            out.array(2);
            out.integer(rank as i64);
            reply_score(out, score);
        }
        Some((rank, _)) => out.integer(rank as i64),
        None if with_score => out.null_array(),
        None => out.null(),
    }
    Ok(())
}

const ZRANDMEMBER: Command = Command {
    name: "zrandmember",
    arity: -2,
    flags: Flags::READONLY,
    tips: &["nondeterministic_output"],
    since: "6.2.0",
    complexity: "O(log N) for every member that is returned, or O(N), N: members of the sorted set, for many of them",
    summary: "Random members of a sorted set: different ones, or with repeats where the count is negative.",
    arguments: &[
        Argument::key("key", 0),
        Argument::block(
            "options",
            &[Argument::integer("count"), Argument::word("withscores", "WITHSCORES").optional()],
        )
        .optional(),
    ],
    handler: Handler::Read(zrandmember),
    ..LOOK
};

fn zrandmember(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let dice = |n| view.dice(n);
    let key = args.at(1);
    if args.len() == 2 {
        match view.sorted_set(key)?.and_then(|set| set.random(dice)) {
            Some((member, _)) => reply_element(out, member),
            None => out.null(),
        }
        return Ok(());
    }
    let count = RandomCount::parse(args.at(2))?;
    let with_scores = match args.len() {
        3 => false,
        4 if is(args.at(3), "WITHSCORES") => true,
        _ => return Err(Fault::Syntax),
    };
    let (RandomCount::Distinct(magnitude) | RandomCount::WithRepeats(magnitude)) = count;
    if with_scores && magnitude > i64::MAX as usize / 2 {
        return Err(Fault::OutOfRange);
    }
    let Some(set) = view.sorted_set(key)? else {
        out.array(0);
        return Ok(());
    };
    reply_pairs_head(out, count.of(set.len()), with_scores);
    match count {
        _ if count.is_long(set.len()) => {
            let source = Copied::SortedSet(set.clone());
            return reply_long_draw(out, source, count, dice(usize::MAX), move |out, member, beside| {
                if let Beside::Score(score) = beside {
                    reply_pair(out, (member, score), with_scores);
                }
            });
        }
        RandomCount::WithRepeats(count) => repeat_draws(out, count, |out| {
            set.random(dice).into_iter().for_each(|pair| reply_pair(out, pair, with_scores));
        }),
        RandomCount::Distinct(count) => {
            set.sample(count, dice, |member, score| reply_pair(out, (member, score), with_scores));
        }
    }
    Ok(())
}

/// The head of `len` members, with their scores or without; `reply_pair` does each of them.
fn reply_pairs_head(out: &mut Out, len: usize, with_scores: bool) {
    out.array(if with_scores && out.protocol == Protocol::Resp2 { 2 * len } else { len });
}

/// RESP3 nests the pairs.
fn reply_pair(out: &mut Out, (member, score): (Element<'_>, f64), with_scores: bool) {
    if with_scores && out.protocol == Protocol::Resp3 {
        out.array(2);
    }
    reply_element(out, member);
    if with_scores {
        out.double(score);
    }
}

/// Puts a sorted set at `destination`, or nothing where it is empty, and replies how many members it has.
pub(super) fn store(txn: &mut Txn<'_>, destination: &[u8], set: SortedSet, event: &'static str, out: &mut Out) {
    let was_there = txn.peek_type(destination).is_some();
    let len = set.len();
    txn.store_sorted_set(destination, set);
    if len > 0 {
        txn.notify(EventClass::SORTED_SET, event, destination);
    } else if was_there {
        txn.notify(EventClass::GENERIC, "del", destination);
    }
    out.integer(len as i64);
}

const ZSCAN: Command = Command {
    name: "zscan",
    arity: -3,
    flags: Flags::READONLY,
    tips: &["nondeterministic_output"],
    since: "2.8.0",
    complexity: "O(1) for every call, O(N) for all of them, N: members of the sorted set",
    summary: "Walks through members and scores, some at a time.",
    arguments: &[
        Argument::key("key", 0),
        Argument::integer("cursor"),
        MATCH_ARGUMENT,
        COUNT_ARGUMENT,
        Argument::word("noscores", "NOSCORES").optional(),
    ],
    handler: Handler::Read(|view, args, out| {
        scan_elements(args, Scanned::Scores, out, |key| Ok(view.sorted_set(key)?.map(Elements::SortedSet)))
    }),
    ..LOOK
};
