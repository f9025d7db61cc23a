//! Members within a range of ranks, scores or (where all scores are the same) members.

use super::removal::{Removed, Removing};
use super::{LOOK, SORTED_SET, reply_pair, reply_pairs_head, store};
use crate::arguments::{Cursor, integer, is};
use crate::aside::{Aside, Work};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::collection::{SLICE_ELEMENTS, is_long, reply_elements, reply_in_slices};
use crate::commands::copied::{Beside, Copied};
use crate::context::SessionContext;
use crate::fault::Fault;
use keyspace::{EventClass, Txn, View};
use resp::{Args, Out};
use std::ops::Range;
use values::{Element, EncodingLimits, SortedSet};

/// One end of a range of scores.
#[derive(Clone, Copy)]
struct ScoreBound {
    score: f64,
    exclusive: bool,
}

/// One end of a range of members.
#[derive(Clone, Copy)]
enum MemberBound<'a> {
    Lowest,
    Highest,
    Inclusive(&'a [u8]),
    Exclusive(&'a [u8]),
}

/// A range, from the lower end to the higher one.
#[derive(Clone, Copy)]
enum Bounds<'a> {
    /// Negative: from the end; both are within.
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    Members(MemberBound<'a>, MemberBound<'a>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Result<ScoreBound, Fault> {
        let (exclusive, text) = match text.strip_prefix(b"(") {
            Some(text) => (true, text),
            None => (false, text),
        };
        let score = bound_score(text).ok_or(Fault::Text("ERR min or max is not a float"))?;
        Ok(ScoreBound { score, exclusive })
    }

    /// As a lower end: what is below it.
    fn excludes_below(self, score: f64) -> bool {
        score < self.score || (self.exclusive && score == self.score)
    }

    /// As an upper end: what is not above it.
    fn includes_below(self, score: f64) -> bool {
        score < self.score || (!self.exclusive && score == self.score)
    }
}

/// The ends of ranges are read with less care than scores, as plain strtod does: nothing at all is 0, leading space does
/// not count, a zero byte ends the text, and what is too large is infinite.
fn bound_score(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_empty = text.is_empty();
    let text = &text[text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count()..];
    let is_decimal = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    match stdx::parse_f64(text) {
        None if is_empty => Some(0.0),
        None if text.iter().all(is_decimal) => std::str::from_utf8(text).ok()?.parse().ok(),
        score => score,
    }
}

impl<'a> MemberBound<'a> {
    fn parse(text: &'a [u8]) -> Result<MemberBound<'a>, Fault> {
        match text {
            b"-" => Ok(MemberBound::Lowest),
            b"+" => Ok(MemberBound::Highest),
            [b'[', member @ ..] => Ok(MemberBound::Inclusive(member)),
            [b'(', member @ ..] => Ok(MemberBound::Exclusive(member)),
            _ => Err(Fault::Text("ERR min or max not valid string range item")),
        }
    }

    /// As a lower end: what is below it.
    fn excludes_below(self, member: &[u8]) -> bool {
        match self {
            MemberBound::Lowest => false,
            MemberBound::Highest => true,
            MemberBound::Inclusive(bound) => member < bound,
            MemberBound::Exclusive(bound) => member <= bound,
        }
    }

    /// As an upper end: what is not above it.
    fn includes_below(self, member: &[u8]) -> bool {
        match self {
            MemberBound::Lowest => false,
            MemberBound::Highest => true,
            MemberBound::Inclusive(bound) => member <= bound,
            MemberBound::Exclusive(bound) => member < bound,
        }
    }
}

impl<'a> Bounds<'a> {
    #[inline]
    fn parse(by: By, low: &'a [u8], high: &'a [u8]) -> Result<Bounds<'a>, Fault> {
        Ok(match by {
            By::Rank => Bounds::Ranks(integer(low)?, integer(high)?),
            By::Score => Bounds::Scores(ScoreBound::parse(low)?, ScoreBound::parse(high)?),
            By::Member => Bounds::Members(MemberBound::parse(low)?, MemberBound::parse(high)?),
        })
    }

    /// The places in the order that are within.
    #[inline]
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        match *self {
            Bounds::Ranks(start, stop) => {
                let len = set.len() as i64;
                let index = |rank: i64| if rank < 0 { rank.saturating_add(len) } else { rank };
                let (start, stop) = (index(start).max(0).min(len), index(stop).min(len - 1));
                start as usize..(stop + 1).max(start) as usize
            }
            Bounds::Scores(low, high) => {
                set.ranks_between(|score, _| low.excludes_below(score), |score, _| high.includes_below(score))
            }
            Bounds::Members(low, high) => {
                set.ranks_between(|_, member| low.excludes_below(member), |_, member| high.includes_below(member))
            }
        }
    }
}

/// What is asked for, all options together.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    with_scores: bool,
    /// Negative: beyond everything.
    offset: i64,
    /// Negative: all.
    limit: i64,
}

impl<'a> Query<'a> {
    /// `first`: where the ends stand. `by` and `reverse`: where the command itself says so.
    #[inline]
    fn parse(
        args: Args<'a>,
        first: usize,
        by: Option<By>,
        reverse: Option<bool>,
        is_stored: bool,
    ) -> Result<Query<'a>, Fault> {
        let (mut found_by, mut found_reverse) = (by, reverse);
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut words = Cursor::new(args, first + 2);
        while let Some(word) = words.next() {
            if !is_stored && is(word, "WITHSCORES") {
                with_scores = true;
            } else if is(word, "LIMIT") && words.remaining() >= 2 {
                offset = integer(words.value()?)?;
                limit = integer(words.value()?)?;
            } else if found_reverse.is_none() && is(word, "REV") {
                found_reverse = Some(true);
            } else if found_by.is_none() && is(word, "BYLEX") {
                found_by = Some(By::Member);
            } else if found_by.is_none() && is(word, "BYSCORE") {
                found_by = Some(By::Score);
            } else {
                return Err(Fault::Syntax);
            }
        }
        let (by, reverse) = (found_by.unwrap_or(By::Rank), found_reverse.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(Fault::Text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Member {
            return Err(Fault::Text("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let ends = (args.at(first), args.at(first + 1));
        let (low, high) = if reverse && by != By::Rank { (ends.1, ends.0) } else { ends };
        Ok(Query { bounds: Bounds::parse(by, low, high)?, reverse, with_scores, offset, limit })
    }

    /// The places in the ascending order that the reply is about.
    #[inline]
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let ranks = self.bounds.ranks(set);
        if let Bounds::Ranks(..) = self.bounds {
            let len = set.len();
            return if self.reverse { len - ranks.end.max(ranks.start)..len - ranks.start } else { ranks };
        }
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX).min(ranks.len());
        let count = usize::try_from(self.limit).unwrap_or(usize::MAX).min(ranks.len() - offset);
        if self.reverse {
            ranks.end - offset - count..ranks.end - offset
        } else {
            ranks.start + offset..ranks.start + offset + count
        }
    }

    /// Calls `f` for what was asked for, in its order.
    fn for_each<'s>(&self, set: &'s SortedSet, ranks: Range<usize>, f: impl FnMut((Element<'s>, f64))) {
        let members = set.range(ranks);
        if self.reverse { members.rev().for_each(f) } else { members.for_each(f) }
    }
}

fn reply_range(view: &View<'_>, args: Args<'_>, out: &mut Out, by: Option<By>, reverse: Option<bool>) -> Reply {
    let query = Query::parse(args, 2, by, reverse, false)?;
    let Some(set) = view.sorted_set(args.at(1))? else {
        out.array(0);
        return Ok(());
    };
    let ranks = query.ranks(set);
    reply_pairs_head(out, ranks.len(), query.with_scores);
    if is_long(ranks.len()) {
        let with_scores = query.with_scores;
        reply_long_range(set.clone(), ranks, query.reverse, out, move |out, pair| reply_pair(out, pair, with_scores));
    } else if !query.reverse
        && !query.with_scores
        && let Some(members) = set.range(ranks.clone()).packed_members()
    {
        reply_elements(out, members);
    } else {
        query.for_each(set, ranks, |pair| reply_pair(out, pair, query.with_scores));
    }
    Ok(())
}

/// Gives very many neighbours in slices. `reply`: appends one of them.
pub(super) fn reply_long_range(
    set: SortedSet,
    ranks: Range<usize>,
    reverse: bool,
    out: &mut Out,
    reply: impl Fn(&mut Out, (Element<'_>, f64)) + Send + 'static,
) {
    reply_in_slices(out, ranks.len().div_ceil(SLICE_ELEMENTS), move |given, out| {
        let next = (given + SLICE_ELEMENTS).min(ranks.len());
        if reverse {
            set.range(ranks.end - next..ranks.end - given).rev().for_each(|pair| reply(out, pair));
        } else {
            set.range(ranks.start + given..ranks.start + next).for_each(|pair| reply(out, pair));
        }
        (next < ranks.len()).then_some(next)
    });
}

const COMPLEXITY: &str = "O(log N + M), N: members of the sorted set, M: members that are returned";
const LIMIT: Argument =
    Argument::block("limit", &[Argument::integer("offset"), Argument::integer("count")]).token("LIMIT").optional();
const SORT_BY: Argument =
    Argument::one_of("sortby", &[Argument::word("byscore", "BYSCORE"), Argument::word("bylex", "BYLEX")]).optional();
const WITH_SCORES: Argument = Argument::word("withscores", "WITHSCORES").optional();

const OF_RANGE: Command =
    Command { arity: -4, flags: Flags::READONLY, complexity: COMPLEXITY, time_is_reply: true, ..LOOK };

pub(super) const ZRANGE: Command = Command {
    name: "zrange",
    summary: "Members within a range of ranks, scores or members.",
    arguments: &[
        Argument::key("key", 0),
        Argument::string("start"),
        Argument::string("stop"),
        SORT_BY.since("6.2.0"),
        Argument::word("rev", "REV").since("6.2.0").optional(),
        LIMIT.since("6.2.0"),
        WITH_SCORES,
    ],
    handler: Handler::Read(|view, args, out| reply_range(view, args, out, None, None)),
    ..OF_RANGE
};

pub(super) const ZREVRANGE: Command = Command {
    name: "zrevrange",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
    summary: "Members within a range of ranks, counted from the highest score.",
    arguments: &[Argument::key("key", 0), Argument::integer("start"), Argument::integer("stop"), WITH_SCORES],
    handler: Handler::Read(|view, args, out| reply_range(view, args, out, Some(By::Rank), Some(true))),
    ..OF_RANGE
};

pub(super) const ZRANGEBYSCORE: Command = Command {
    name: "zrangebyscore",
    since: "1.0.5",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
    summary: "Members within a range of scores.",
    arguments: &[
        Argument::key("key", 0),
        Argument::new("min", "double"),
        Argument::new("max", "double"),
        WITH_SCORES.since("2.0.0"),
        LIMIT,
    ],
    handler: Handler::Read(|view, args, out| reply_range(view, args, out, Some(By::Score), Some(false))),
    ..OF_RANGE
};

pub(super) const ZREVRANGEBYSCORE: Command = Command {
    name: "zrevrangebyscore",
    since: "2.2.0",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
    summary: "Members within a range of scores, the highest first.",
    arguments: &[
        Argument::key("key", 0),
        Argument::new("max", "double"),
        Argument::new("min", "double"),
        WITH_SCORES,
        LIMIT,
    ],
    handler: Handler::Read(|view, args, out| reply_range(view, args, out, Some(By::Score), Some(true))),
    ..OF_RANGE
};

pub(super) const ZRANGEBYLEX: Command = Command {
    name: "zrangebylex",
    since: "2.8.9",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
    summary: "Members between two members, where all scores are the same.",
    arguments: &[Argument::key("key", 0), Argument::string("min"), Argument::string("max"), LIMIT],
    handler: Handler::Read(|view, args, out| reply_range(view, args, out, Some(By::Member), Some(false))),
    ..OF_RANGE
};

pub(super) const ZREVRANGEBYLEX: Command = Command {
    name: "zrevrangebylex",
    since: "2.8.9",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
    summary: "Members between two members, the last one first, where all scores are the same.",
    arguments: &[Argument::key("key", 0), Argument::string("max"), Argument::string("min"), LIMIT],
    handler: Handler::Read(|view, args, out| reply_range(view, args, out, Some(By::Member), Some(true))),
    ..OF_RANGE
};

pub(super) const ZRANGESTORE: Command = Command {
    name: "zrangestore",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::one(2, &["RO", "access"])],
    since: "6.2.0",
    complexity: "O(log N + M), N: members of the sorted set, M: members that are stored",
    summary: "Stores the members within a range of ranks, scores or members.",
    arguments: &[
        Argument::key("dst", 0),
        Argument::key("src", 1),
        Argument::string("min"),
        Argument::string("max"),
        SORT_BY,
        Argument::word("rev", "REV").optional(),
        LIMIT,
    ],
    handler: Handler::Aside(Aside { run: zrangestore, begin: Storing::begin }),
    ..SORTED_SET
};

fn zrangestore(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let query = Query::parse(args, 3, None, None, true)?;
    let mut result = SortedSet::new();
    if let Some(set) = txn.sorted_set(args.at(2))? {
        // What is stored gets the encoding of its keyspace.
        let limits = EncodingLimits::default();
        query.for_each(set, query.ranks(set), |(member, score)| {
            member.with_bytes(|member| result.insert(member, score, &limits));
        });
    }
    store(txn, args.at(1), result, "zrangestore", out);
    Ok(())
}

/// Very many neighbours are stored.
struct Storing {
    source: Copied,
    /// Those that are still to come.
    ranks: Range<usize>,
    result: SortedSet,
    limits: EncodingLimits,
}

impl Storing {
    fn begin(txn: &Txn<'_>, args: Args<'_>, _: &Out) -> Option<Box<dyn Work>> {
        let query = Query::parse(args, 3, None, None, true).ok()?;
        let ranks = query.ranks(txn.sorted_set(args.at(2)).ok()??);
        if !is_long(ranks.len()) {
            return None;
        }
        let (source, limits) = (Copied::of(txn, args.at(2))?, txn.encoding_limits().clone());
        Some(Box::new(Storing { source, ranks, result: SortedSet::new(), limits }))
    }
}

impl Work for Storing {
    fn step(&mut self, _: Args<'_>, _: &mut SessionContext<'_>) -> bool {
        let Storing { source, ranks, result, limits } = self;
        let count = ranks.len().min(SLICE_ELEMENTS / 4);
        source.walk(ranks.start as u64, count, |member, beside| {
            if let Beside::Score(score) = beside {
                member.with_bytes(|member| result.insert(member, score, limits));
            }
        });
        ranks.start += count;
        ranks.start == ranks.end
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        let is_current = self.source.is_at(txn, args.at(2));
        if is_current {
            store(txn, args.at(1), std::mem::take(&mut self.result), "zrangestore", out);
        }
        is_current
    }
}

const COUNTING: Command = Command { arity: 4, complexity: "O(log N), N: members of the sorted set", ..LOOK };

pub(super) const ZCOUNT: Command = Command {
    name: "zcount",
    since: "2.0.0",
    summary: "How many members have a score within a range.",
    arguments: &[Argument::key("key", 0), Argument::new("min", "double"), Argument::new("max", "double")],
    handler: Handler::Read(|view, args, out| count(view, args, out, By::Score)),
    ..COUNTING
};

pub(super) const ZLEXCOUNT: Command = Command {
    name: "zlexcount",
    since: "2.8.9",
    summary: "How many members are between two members, where all scores are the same.",
    arguments: &[Argument::key("key", 0), Argument::string("min"), Argument::string("max")],
    handler: Handler::Read(|view, args, out| count(view, args, out, By::Member)),
    ..COUNTING
};

fn count(view: &View<'_>, args: Args<'_>, out: &mut Out, by: By) -> Reply {
    let bounds = Bounds::parse(by, args.at(2), args.at(3))?;
    out.integer(view.sorted_set(args.at(1))?.map_or(0, |set| bounds.ranks(set).len() as i64));
    Ok(())
}

const REMOVING: Command = Command {
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, &["RW", "delete"])],
    complexity: "O(log N + M), N: members of the sorted set, M: members that are removed",
    ..SORTED_SET
};

pub(super) const ZREMRANGEBYLEX: Command = Command {
    name: "zremrangebylex",
    since: "2.8.9",
    summary: "Removes the members between two members, where all scores are the same.",
    arguments: &[Argument::key("key", 0), Argument::string("min"), Argument::string("max")],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| remove(txn, args, out, By::Member, "zremrangebylex"),
        begin: |txn, args, _| begin_removal(txn, args, By::Member, "zremrangebylex"),
    }),
    ..REMOVING
};

pub(super) const ZREMRANGEBYRANK: Command = Command {
    name: "zremrangebyrank",
    since: "2.0.0",
    summary: "Removes the members within a range of ranks.",
    arguments: &[Argument::key("key", 0), Argument::integer("start"), Argument::integer("stop")],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| remove(txn, args, out, By::Rank, "zremrangebyrank"),
        begin: |txn, args, _| begin_removal(txn, args, By::Rank, "zremrangebyrank"),
    }),
    ..REMOVING
};

pub(super) const ZREMRANGEBYSCORE: Command = Command {
    name: "zremrangebyscore",
    summary: "Removes the members with a score within a range.",
    arguments: &[Argument::key("key", 0), Argument::new("min", "double"), Argument::new("max", "double")],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| remove(txn, args, out, By::Score, "zremrangebyscore"),
        begin: |txn, args, _| begin_removal(txn, args, By::Score, "zremrangebyscore"),
    }),
    ..REMOVING
};

fn begin_removal(txn: &Txn<'_>, args: Args<'_>, by: By, event: &'static str) -> Option<Box<dyn Work>> {
    let bounds = Bounds::parse(by, args.at(2), args.at(3)).ok()?;
    Removing::begin(txn, args, 1, |set| bounds.ranks(set), Removed::Counted, event)
}

fn remove(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, by: By, event: &'static str) -> Reply {
    let bounds = Bounds::parse(by, args.at(2), args.at(3))?;
    let key = args.at(1);
    let members: Vec<Vec<u8>> = match txn.sorted_set(key)? {
        Some(set) => set.range(bounds.ranks(set)).map(|(member, _)| member.to_vec()).collect(),
        None => Vec::new(),
    };
    if !members.is_empty() {
        txn.sorted_set_remove(key, members.iter().map(Vec::as_slice))?;
        txn.notify_removal(EventClass::SORTED_SET, event, key);
    }
    out.integer(members.len() as i64);
    Ok(())
}
