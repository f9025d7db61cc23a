//! Union, intersection and difference. Sets take part with a score of 1 for every member.

use super::combination::{Combination, Storing};
use super::{SORTED_SET, reply_pair, reply_pairs_head, store};
use crate::arguments::{Cursor, integer, is};
use crate::aside::Aside;
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::collection::is_long;
use crate::fault::Fault;
use keyspace::{Txn, View};
use resp::{Args, Out};
use values::{Element, EncodingLimits, SetRef, SortedSet};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the scores of a member that is in several inputs.
#[derive(Clone, Copy)]
pub(super) enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Aggregate, Fault> {
        match word {
            _ if is(word, "SUM") => Ok(Aggregate::Sum),
            _ if is(word, "MIN") => Ok(Aggregate::Min),
            _ if is(word, "MAX") => Ok(Aggregate::Max),
            _ => Err(Fault::Syntax),
        }
    }

    /// Where infinities cancel each other out, the sum is 0.
    pub(super) fn of(self, score: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(score + other),
            Aggregate::Min => {
                if other < score {
                    other
                } else {
                    score
                }
            }
            Aggregate::Max => {
                if other > score {
                    other
                } else {
                    score
                }
            }
        }
    }
}

pub(super) fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What is at one of the keys.
#[derive(Clone, Copy)]
pub(super) enum Members<'v> {
    Nothing,
    Set(SetRef<'v>),
    SortedSet(&'v SortedSet),
}

#[derive(Clone, Copy)]
pub(super) struct Input<'v> {
    pub(super) members: Members<'v>,
    pub(super) weight: f64,
}

impl<'v> Input<'v> {
    pub(super) fn len(&self) -> usize {
        match self.members {
            Members::Nothing => 0,
            Members::Set(set) => set.len(),
            Members::SortedSet(set) => set.len(),
        }
    }

    pub(super) fn score(&self, member: Element<'_>) -> Option<f64> {
        match self.members {
            Members::Nothing => None,
            Members::Set(set) => set.contains_element(member).then_some(1.0),
            Members::SortedSet(set) => member.with_bytes(|member| set.score(member)),
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = (Element<'v>, f64)> + 'v> {
        match self.members {
            Members::Nothing => Box::new(std::iter::empty()),
            Members::Set(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Members::SortedSet(set) => Box::new(set.iter()),
        }
    }
}

/// What such a command is asked for.
pub(super) struct Request<'v> {
    pub(super) operation: Operation,
    /// Where they are combined, the smallest first.
    pub(super) inputs: Vec<Input<'v>>,
    pub(super) aggregate: Aggregate,
    with_scores: bool,
    /// Of ZINTERCARD.
    limit: usize,
}

/// Which options a command has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Reply,
    Store,
    Count,
}

impl<'v> Request<'v> {
    /// `at`: where the number of keys stands.
    pub(super) fn parse(
        view: &'v View<'_>,
        args: Args<'_>,
        at: usize,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Request<'v>, Fault> {
        let key_count = integer(args.at(at))?;
        if key_count < 1 {
            let name = String::from_utf8_lossy(args.at(0)).to_ascii_lowercase();
            return Err(Fault::Message(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        if key_count > (args.len() - at - 1) as i64 {
            return Err(Fault::Syntax);
        }
        let key_count = key_count as usize;
        let keys = args.from(at + 1).iter().take(key_count);
        let inputs = keys.map(|key| Ok(Input { members: members(view, key)?, weight: 1.0 }));
        let inputs = inputs.collect::<Result<Vec<_>, Fault>>()?;
        let mut request = Request { operation, inputs, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        request.parse_options(Cursor::new(args, at + 1 + key_count), purpose)?;
        if operation != Operation::Difference {
            request.inputs.sort_by_key(Input::len);
        }
        Ok(request)
    }

    fn parse_options(&mut self, mut words: Cursor<'_>, purpose: Purpose) -> Result<(), Fault> {
        let combines = self.operation != Operation::Difference && purpose != Purpose::Count;
        while let Some(word) = words.next() {
            if combines && is(word, "WEIGHTS") && words.remaining() >= self.inputs.len() {
                for input in &mut self.inputs {
                    input.weight =
                        stdx::parse_f64(words.value()?).ok_or(Fault::Text("ERR weight value is not a float"))?;
                }
            } else if combines && is(word, "AGGREGATE") {
                self.aggregate = Aggregate::parse(words.value()?)?;
            } else if purpose == Purpose::Reply && is(word, "WITHSCORES") {
                self.with_scores = true;
            } else if purpose == Purpose::Count && is(word, "LIMIT") {
                let limit = stdx::parse_i64(words.value()?).and_then(|limit| usize::try_from(limit).ok());
                self.limit = limit.ok_or(Fault::Text("ERR LIMIT can't be negative"))?;
            } else {
                return Err(Fault::Syntax);
            }
        }
        Ok(())
    }

    fn result(&self) -> SortedSet {
        // What is stored gets the encoding of its keyspace.
        let limits = EncodingLimits::default();
        let mut result = SortedSet::new();
        let mut insert = |member: Element<'_>, score| {
            member.with_bytes(|member| result.insert(member, score, &limits));
        };
        match self.operation {
            Operation::Intersection => self.common().for_each(|(member, score)| insert(member, score)),
            Operation::Difference => {
                let (first, others) = self.inputs.split_first().expect("one key at least");
                let is_left = |member: Element<'_>| others.iter().all(|other| other.score(member).is_none());
                first.iter().filter(|(member, _)| is_left(*member)).for_each(|(member, score)| insert(member, score));
            }
            Operation::Union => {
                for input in &self.inputs {
                    for (member, score) in input.iter() {
                        let score = number_or_zero(input.weight * score);
                        member.with_bytes(|member| {
                            let there = result.score(member);
                            let score = there.map_or(score, |there| self.aggregate.of(there, score));
                            result.insert(member, score, &limits);
                        });
                    }
                }
            }
        }
        result
    }

    /// What is in all inputs, of which the smallest is the first.
    fn common(&self) -> impl Iterator<Item = (Element<'v>, f64)> {
        let (first, others) = self.inputs.split_first().expect("one key at least");
        first.iter().filter_map(|(member, score)| {
            let score = number_or_zero(first.weight * score);
            let score = others
                .iter()
                .try_fold(score, |score, other| Some(self.aggregate.of(score, other.score(member)? * other.weight)))?;
            Some((member, score))
        })
    }
}

fn members<'v>(view: &'v View<'_>, key: &[u8]) -> Result<Members<'v>, Fault> {
    if let Ok(set) = view.sorted_set(key) {
        return Ok(set.map_or(Members::Nothing, Members::SortedSet));
    }
    Ok(view.set(key)?.map_or(Members::Nothing, Members::Set))
}

fn reply(view: &View<'_>, args: Args<'_>, out: &mut Out, operation: Operation) -> Reply {
    let request = Request::parse(view, args, 1, operation, Purpose::Reply)?;
    if let Some(combination) = Combination::new(&request) {
        combination.reply(request.with_scores, out);
        return Ok(());
    }
    let result = request.result();
    reply_pairs_head(out, result.len(), request.with_scores);
    result.iter().for_each(|pair| reply_pair(out, pair, request.with_scores));
    Ok(())
}

fn store_result(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out, operation: Operation, event: &'static str) -> Reply {
    let result = Request::parse(txn, args, 2, operation, Purpose::Store)?.result();
    store(txn, args.at(1), result, event, out);
    Ok(())
}

const KEY_COUNT: Argument = Argument::integer("numkeys");
const KEYS: Argument = Argument::key("key", 0).multiple();
const STORED_KEYS: Argument = Argument::key("key", 1).multiple();
const DESTINATION: Argument = Argument::key("destination", 0);
const WEIGHTS: Argument = Argument::integer("weight").token("WEIGHTS").multiple().optional();
const AGGREGATE: Argument = Argument::one_of(
    "aggregate",
    &[Argument::word("sum", "SUM"), Argument::word("min", "MIN"), Argument::word("max", "MAX")],
)
.token("AGGREGATE")
.optional();
const WITH_SCORES: Argument = Argument::word("withscores", "WITHSCORES").optional();

const OF_KEYS: Command = Command {
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::counted(1, &["RO", "access"])],
    since: "6.2.0",
    ..SORTED_SET
};

const STORING: Command = Command {
    arity: -4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::counted(2, &["RO", "access"])],
    since: "2.0.0",
    ..SORTED_SET
};

const UNION_COMPLEXITY: &str = "O(N log M), N: members of all inputs, M: members of the result";
const INTERSECTION_COMPLEXITY: &str = "O(N*K + M log M) at worst, N: members of the smallest input, K: number of \
                                       inputs, M: members of the result";
const DIFFERENCE_COMPLEXITY: &str = "O(N*K + M log M) at worst, N: members of the first input, K: number of inputs, \
                                     M: members of the result";

pub(super) const ZDIFF: Command = Command {
    name: "zdiff",
    complexity: DIFFERENCE_COMPLEXITY,
    summary: "The members of the first sorted set that are in none of the others.",
    arguments: &[KEY_COUNT, KEYS, WITH_SCORES],
    handler: Handler::Read(|view, args, out| reply(view, args, out, Operation::Difference)),
    ..OF_KEYS
};

pub(super) const ZDIFFSTORE: Command = Command {
    name: "zdiffstore",
    since: "6.2.0",
    complexity: DIFFERENCE_COMPLEXITY,
    summary: "Stores the members of the first sorted set that are in none of the others.",
    arguments: &[DESTINATION, KEY_COUNT, STORED_KEYS],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| store_result(txn, args, out, Operation::Difference, "zdiffstore"),
        begin: |txn, args, _| Storing::begin(txn, args, Operation::Difference, "zdiffstore"),
    }),
    ..STORING
};

pub(super) const ZINTER: Command = Command {
    name: "zinter",
    complexity: INTERSECTION_COMPLEXITY,
    summary: "The members that all the sorted sets have, with their scores combined.",
    arguments: &[KEY_COUNT, KEYS, WEIGHTS, AGGREGATE, WITH_SCORES],
    handler: Handler::Read(|view, args, out| reply(view, args, out, Operation::Intersection)),
    ..OF_KEYS
};

pub(super) const ZINTERCARD: Command = Command {
    name: "zintercard",
    since: "7.0.0",
    complexity: "O(N*K) at worst, N: members of the smallest input, K: number of inputs",
    summary: "How many members all the sorted sets have, counted up to a limit.",
    arguments: &[KEY_COUNT, KEYS, Argument::integer("limit").token("LIMIT").optional()],
    handler: Handler::Read(|view, args, out| {
        let request = Request::parse(view, args, 1, Operation::Intersection, Purpose::Count)?;
        let limit = if request.limit == 0 { usize::MAX } else { request.limit };
        if let Some(combination) = Combination::new(&request).filter(|_| is_long(limit)) {
            combination.count(limit, out);
            return Ok(());
        }
        out.integer(request.common().take(limit).count() as i64);
        Ok(())
    }),
    ..OF_KEYS
};

pub(super) const ZINTERSTORE: Command = Command {
    name: "zinterstore",
    complexity: INTERSECTION_COMPLEXITY,
    summary: "Stores the members that all the sorted sets have, with their scores combined.",
    arguments: &[DESTINATION, KEY_COUNT, STORED_KEYS, WEIGHTS, AGGREGATE],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| store_result(txn, args, out, Operation::Intersection, "zinterstore"),
        begin: |txn, args, _| Storing::begin(txn, args, Operation::Intersection, "zinterstore"),
    }),
    ..STORING
};

pub(super) const ZUNION: Command = Command {
    name: "zunion",
    complexity: UNION_COMPLEXITY,
    summary: "The members that any of the sorted sets has, with their scores combined.",
    arguments: &[KEY_COUNT, KEYS, WEIGHTS, AGGREGATE, WITH_SCORES],
    handler: Handler::Read(|view, args, out| reply(view, args, out, Operation::Union)),
    ..OF_KEYS
};

pub(super) const ZUNIONSTORE: Command = Command {
    name: "zunionstore",
    complexity: UNION_COMPLEXITY,
    summary: "Stores the members that any of the sorted sets has, with their scores combined.",
    arguments: &[DESTINATION, KEY_COUNT, STORED_KEYS, WEIGHTS, AGGREGATE],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| store_result(txn, args, out, Operation::Union, "zunionstore"),
        begin: |txn, args, _| Storing::begin(txn, args, Operation::Union, "zunionstore"),
    }),
    ..STORING
};
