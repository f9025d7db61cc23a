//! Union, intersection and difference of large sorted sets, made slice by slice of copies.

use super::algebra::{Aggregate, Input, Members, Operation, Purpose, Request, number_or_zero};
use super::range::reply_long_range;
use super::{reply_pair, reply_pairs_head, store};
use crate::aside::Work;
use crate::commands::collection::{SLICE_ELEMENTS, is_long};
use crate::commands::copied::{Beside, Copied};
use crate::context::SessionContext;
use keyspace::Txn;
use resp::{Args, Out, Rest};
use values::{Element, EncodingLimits, SortedSet};

fn copied(members: Members<'_>) -> Copied {
    match members {
        Members::Nothing => Copied::Nothing,
        Members::Set(set) => Copied::Set(set.contents()),
        Members::SortedSet(set) => Copied::SortedSet(set.clone()),
    }
}

fn members(copied: &Copied) -> Members<'_> {
    match copied {
        Copied::Set(set) => Members::Set(set.view()),
        Copied::SortedSet(set) => Members::SortedSet(set),
        _ => Members::Nothing,
    }
}

/// Such work, as far as it has come.
pub(super) struct Combination {
    operation: Operation,
    aggregate: Aggregate,
    /// With their weights.
    inputs: Vec<(Copied, f64)>,
    /// Which input is gone through, and from where on: a rank, or the cursor of a set.
    source: usize,
    place: u64,
}

impl Combination {
    /// `None` where no input that is gone through is long.
    pub(super) fn new(request: &Request<'_>) -> Option<Combination> {
        let sources = sources(request.operation, request.inputs.len());
        if !request.inputs.iter().take(sources).any(|input| is_long(input.len())) {
            return None;
        }
        Some(Combination {
            operation: request.operation,
            aggregate: request.aggregate,
            inputs: request.inputs.iter().map(|input| (copied(input.members), input.weight)).collect(),
            source: 0,
            place: 0,
        })
    }

    /// Gives the result in slices, too.
    pub(super) fn reply(self, with_scores: bool, out: &mut Out) {
        out.continue_with(Replying { combination: self, result: SortedSet::new(), with_scores });
    }

    /// Replies how many members there are, up to `limit`.
    pub(super) fn count(self, limit: usize, out: &mut Out) {
        out.continue_with(Counting { combination: self, count: 0, limit });
    }

    /// Gives some more members with their scores to `insert`. False where there are none any more.
    fn step(&mut self, mut insert: impl FnMut(Element<'_>, f64)) -> bool {
        if self.source >= sources(self.operation, self.inputs.len()) {
            return false;
        }
        let inputs: Vec<Input<'_>> =
            self.inputs.iter().map(|(copied, weight)| Input { members: members(copied), weight: *weight }).collect();
        // A look-up in each of the others, and an insertion.
        let count = SLICE_ELEMENTS / (8 * inputs.len()) + 1;
        let (operation, aggregate, source) = (self.operation, self.aggregate, self.source);
        self.place = self.inputs[source].0.walk(self.place, count, |member, beside| {
            let score = if let Beside::Score(score) = beside { score } else { 1.0 };
            if let Some(score) = combined(operation, aggregate, &inputs, source, member, score) {
                insert(member, score);
            }
        });
        self.source += usize::from(self.place == 0);
        true
    }
}

/// How many of the inputs are gone through; the others are only asked.
fn sources(operation: Operation, inputs: usize) -> usize {
    if operation == Operation::Union { inputs } else { 1 }
}

/// The score in the result of a member that `inputs[source]` has with `score`; `None` where it is not in it, or came with an
/// earlier input.
fn combined(
    operation: Operation,
    aggregate: Aggregate,
    inputs: &[Input<'_>],
    source: usize,
    member: Element<'_>,
    score: f64,
) -> Option<f64> {
    let (before, others) = (&inputs[..source], &inputs[source + 1..]);
    let weighted = number_or_zero(inputs[source].weight * score);
    match operation {
        Operation::Difference => others.iter().all(|other| other.score(member).is_none()).then_some(score),
        Operation::Intersection => others
            .iter()
            .try_fold(weighted, |score, other| Some(aggregate.of(score, other.score(member)? * other.weight))),
        Operation::Union if before.iter().any(|input| input.score(member).is_some()) => None,
        Operation::Union => {
            let scores = others.iter().filter_map(|other| Some(number_or_zero(other.score(member)? * other.weight)));
            Some(scores.fold(weighted, |score, other| aggregate.of(score, other)))
        }
    }
}

fn insert(result: &mut SortedSet, member: Element<'_>, score: f64, limits: &EncodingLimits) {
    member.with_bytes(|member| result.insert(member, score, limits));
}

/// A combination that becomes a reply.
struct Replying {
    combination: Combination,
    result: SortedSet,
    with_scores: bool,
}

impl Rest for Replying {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        let Replying { combination, result, with_scores } = self;
        let limits = EncodingLimits::default();
        let goes_on = combination.step(|member, score| insert(result, member, score, &limits));
        if !goes_on {
            let (result, with_scores) = (std::mem::take(result), *with_scores);
            reply_pairs_head(out, result.len(), with_scores);
            let ranks = 0..result.len();
            reply_long_range(result, ranks, false, out, move |out, pair| reply_pair(out, pair, with_scores));
        }
        goes_on
    }
}

/// A combination that is only counted.
struct Counting {
    combination: Combination,
    count: usize,
    limit: usize,
}

impl Rest for Counting {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        let Counting { combination, count, limit } = self;
        let goes_on = combination.step(|_, _| *count += 1) && *count < *limit;
        if !goes_on {
            out.integer((*count).min(*limit) as i64);
        }
        goes_on
    }
}

/// A combination that is stored.
pub(super) struct Storing {
    combination: Combination,
    result: SortedSet,
    limits: EncodingLimits,
    /// What the keys had, in their order.
    copies: Vec<Copied>,
    event: &'static str,
}

/// Where the number of keys stands.
const KEY_COUNT_AT: usize = 2;

impl Storing {
    pub(super) fn begin(
        txn: &Txn<'_>,
        args: Args<'_>,
        operation: Operation,
        event: &'static str,
    ) -> Option<Box<dyn Work>> {
        let request = Request::parse(txn, args, KEY_COUNT_AT, operation, Purpose::Store).ok()?;
        let combination = Combination::new(&request)?;
        let keys = args.from(KEY_COUNT_AT + 1).iter().take(request.inputs.len());
        let copies = keys.map(|key| Copied::of(txn, key)).collect::<Option<_>>()?;
        let limits = txn.encoding_limits().clone();
        Some(Box::new(Storing { combination, result: SortedSet::new(), limits, copies, event }))
    }
}

impl Work for Storing {
    fn step(&mut self, _: Args<'_>, _: &mut SessionContext<'_>) -> bool {
        let Storing { combination, result, limits, .. } = self;
        !combination.step(|member, score| insert(result, member, score, limits))
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        let keys = args.from(KEY_COUNT_AT + 1).iter();
        let is_current = keys.zip(&self.copies).all(|(key, copied)| copied.is_at(txn, key));
        if is_current {
            store(txn, args.at(1), std::mem::take(&mut self.result), self.event, out);
        }
        is_current
    }
}
