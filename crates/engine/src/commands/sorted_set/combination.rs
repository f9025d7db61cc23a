//! Union, intersection and difference of large sorted sets, made slice by slice of copies.

use super::algebra::{Aggregate, Input, Members, Operation, Purpose, Request, number_or_zero};
use super::range::reply_long_range;
use super::{reply_pairs_head, store};
use crate::aside::Work;
use crate::commands::collection::{SLICE_ELEMENTS, is_long};
use keyspace::Txn;
use resp::{Args, Out, Rest};
use values::{Element, EncodingLimits, Set, SortedSet};

/// What was at one of the keys.
enum Copied {
    Nothing,
    Set(Set),
    SortedSet(SortedSet),
}

impl Copied {
    fn of(members: Members<'_>) -> Copied {
        match members {
            Members::Nothing => Copied::Nothing,
            Members::Set(set) => Copied::Set(set.contents()),
            Members::SortedSet(set) => Copied::SortedSet(set.clone()),
        }
    }

    fn members(&self) -> Members<'_> {
        match self {
            Copied::Nothing => Members::Nothing,
            Copied::Set(set) => Members::Set(set.view()),
            Copied::SortedSet(set) => Members::SortedSet(set),
        }
    }

    fn is_at(&self, txn: &Txn<'_>, key: &[u8]) -> bool {
        match self {
            Copied::Nothing => txn.is_set(key, None),
            Copied::Set(set) => txn.is_set(key, Some(set)),
            Copied::SortedSet(set) => txn.is_sorted_set(key, Some(set)),
        }
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
    result: SortedSet,
    limits: EncodingLimits,
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
            inputs: request.inputs.iter().map(|input| (Copied::of(input.members), input.weight)).collect(),
            source: 0,
            place: 0,
            result: SortedSet::new(),
            limits: EncodingLimits::default(),
        })
    }

    /// Gives the result in slices, too.
    pub(super) fn reply(self, with_scores: bool, out: &mut Out) {
        out.continue_with(Replying { combination: self, with_scores });
    }

    /// Goes through some more members. False where there are none any more.
    fn step(&mut self) -> bool {
        if self.source >= sources(self.operation, self.inputs.len()) {
            return false;
        }
        let inputs: Vec<Input<'_>> =
            self.inputs.iter().map(|(copied, weight)| Input { members: copied.members(), weight: *weight }).collect();
        // A look-up in each of the others, and an insertion.
        let count = SLICE_ELEMENTS / (8 * inputs.len()) + 1;
        let (operation, aggregate, source) = (self.operation, self.aggregate, self.source);
        let (result, limits) = (&mut self.result, &self.limits);
        let mut insert = |member: Element<'_>, score| {
            if let Some(score) = combined(operation, aggregate, &inputs, source, member, score) {
                member.with_bytes(|member| result.insert(member, score, limits));
            }
        };
        self.place = match inputs[source].members {
            Members::Nothing => 0,
            Members::Set(set) => set.scan(self.place, count, |member| insert(Element::Bytes(member), 1.0)),
            Members::SortedSet(set) => {
                let start = self.place as usize;
                set.range(start..start + count).for_each(|(member, score)| insert(member, score));
                if start + count < set.len() { (start + count) as u64 } else { 0 }
            }
        };
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

/// A combination that becomes a reply.
struct Replying {
    combination: Combination,
    with_scores: bool,
}

impl Rest for Replying {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        let goes_on = self.combination.step();
        if !goes_on {
            let result = std::mem::take(&mut self.combination.result);
            reply_pairs_head(out, result.len(), self.with_scores);
            let ranks = 0..result.len();
            reply_long_range(result, ranks, false, self.with_scores, out);
        }
        goes_on
    }
}

/// A combination that is stored.
pub(super) struct Storing {
    combination: Combination,
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
        if txn.keeps_effects() {
            return None;
        }
        let request = Request::parse(txn, args, KEY_COUNT_AT, operation, Purpose::Store).ok()?;
        let mut combination = Combination::new(&request)?;
        combination.limits = txn.encoding_limits().clone();
        let keys = args.from(KEY_COUNT_AT + 1).iter().take(request.inputs.len());
        let copies = keys.map(|key| Some(Copied::of(super::algebra::members(txn, key).ok()?)));
        Some(Box::new(Storing { combination, copies: copies.collect::<Option<_>>()?, event }))
    }
}

impl Work for Storing {
    fn step(&mut self, _: &dyn Fn(usize) -> usize) -> bool {
        !self.combination.step()
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        let keys = args.from(KEY_COUNT_AT + 1).iter();
        let is_current = keys.zip(&self.copies).all(|(key, copied)| copied.is_at(txn, key));
        if is_current {
            store(txn, args.at(1), std::mem::take(&mut self.combination.result), self.event, out);
        }
        is_current
    }
}
