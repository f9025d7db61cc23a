//! SORT of very many elements, where other keys have no say: a copy is sorted in runs, which are then merged.

use super::{Options, number, store};
use crate::aside::Work;
use crate::commands::collection::{Gathered, SLICE_ELEMENTS, is_long};
use crate::commands::copied::Copied;
use crate::fault::Fault;
use keyspace::Txn;
use resp::{Args, Out};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::vec::IntoIter;
use values::{EncodingLimits, List};

/// An element in its place: by number and bytes, or by bytes alone, where all numbers are the same.
#[derive(Debug, PartialEq)]
struct Sorted {
    weight: f64,
    element: Vec<u8>,
    descending: bool,
}

impl Eq for Sorted {}

impl Ord for Sorted {
    fn cmp(&self, other: &Sorted) -> Ordering {
        let order = self.weight.partial_cmp(&other.weight).unwrap_or(Ordering::Equal);
        let order = order.then_with(|| self.element.cmp(&other.element));
        if self.descending { order.reverse() } else { order }
    }
}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Sorted) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What becomes of the elements.
enum Found {
    Reply(Gathered),
    Stored(Vec<u8>, List),
}

/// Such work, as far as it has come.
pub(super) struct Sorting {
    source: Copied,
    /// Where to go on in the source: a place, or the cursor of a set; `None`: all is in runs.
    place: Option<u64>,
    runs: Vec<IntoIter<Sorted>>,
    /// The next one of each run.
    heads: BinaryHeap<Reverse<(Sorted, usize)>>,
    /// Which elements are wanted, and how many have come.
    wanted: Range<usize>,
    given: usize,
    alpha: bool,
    descending: bool,
    found: Found,
    limits: EncodingLimits,
    fault: Option<Fault>,
}

impl Sorting {
    /// `None` where it is not worth it, or not possible.
    pub(super) fn begin(txn: &Txn<'_>, key: &[u8], options: &Options<'_>, out: &Out) -> Option<Box<dyn Work>> {
        if options.by.is_some() || !options.get.is_empty() {
            return None;
        }
        let source =
            Copied::of(txn, key).filter(|source| is_long(source.len()) && !matches!(source, Copied::Hash(_)))?;
        let found = match options.store {
            Some(destination) => Found::Stored(destination.to_vec(), List::new()),
            None => Found::Reply(Gathered::new(out)),
        };
        Some(Box::new(Sorting {
            wanted: options.range(source.len()),
            source,
            place: Some(0),
            runs: Vec::new(),
            heads: BinaryHeap::new(),
            given: 0,
            alpha: options.alpha,
            descending: options.descending,
            found,
            limits: txn.encoding_limits().clone(),
            fault: None,
        }))
    }

    /// Sorts some more elements.
    fn add_run(&mut self, place: u64) {
        let count = SLICE_ELEMENTS / 2;
        let mut run = Vec::with_capacity(count);
        let (alpha, descending, fault) = (self.alpha, self.descending, &mut self.fault);
        let next = self.source.walk(place, count, |element, _| {
            let element = element.to_vec();
            match if alpha { Ok(0.0) } else { number(&element) } {
                Ok(weight) => run.push(Sorted { weight, element, descending }),
                Err(not_a_number) => *fault = Some(not_a_number),
            }
        });
        self.place = (next > 0).then_some(next);
        run.sort_unstable();
        self.runs.push(run.into_iter());
        if self.place.is_none() {
            for number in 0..self.runs.len() {
                self.refill(number);
            }
        }
    }

    fn refill(&mut self, run: usize) {
        self.heads.extend(self.runs[run].next().map(|sorted| Reverse((sorted, run))));
    }

    /// Gives some more elements. False where there are none any more.
    fn merge(&mut self) -> bool {
        for _ in 0..SLICE_ELEMENTS / 4 {
            let Some(Reverse((Sorted { element, .. }, run))) = self.heads.pop() else { return false };
            self.refill(run);
            if self.given >= self.wanted.end {
                return false;
            }
            if self.given >= self.wanted.start {
                match &mut self.found {
                    Found::Reply(gathered) => gathered.bulk(&element),
                    Found::Stored(_, list) => list.push_back(std::iter::once(&element[..]), &self.limits),
                }
            }
            self.given += 1;
        }
        true
    }
}

impl Work for Sorting {
    fn step(&mut self, _: Args<'_>, _: &dyn Fn(usize) -> usize) -> bool {
        match self.place {
            _ if self.fault.is_some() => true,
            Some(place) => {
                self.add_run(place);
                false
            }
            None => !self.merge(),
        }
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        // What is only read was read when it was copied.
        let is_current = self.source.is_at(txn, args.at(1));
        match (&mut self.found, &self.fault) {
            (Found::Stored(..), _) if !is_current => return false,
            (_, Some(fault)) => fault.render(out),
            (Found::Stored(destination, list), None) => store(txn, destination, std::mem::take(list), out),
            (Found::Reply(gathered), None) => {
                out.array(gathered.len());
                gathered.reply(out);
            }
        }
        stdx::discard(std::mem::take(&mut self.runs));
        true
    }
}
