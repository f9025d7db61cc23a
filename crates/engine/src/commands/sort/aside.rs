//! SORT of very many elements: a copy is sorted in runs, which are then merged. What other keys say of the elements is as it is
//! in the end.

use super::{Options, Pattern, Weight, compare, store};
use crate::aside::Work;
use crate::commands::collection::{Gathered, SLICE_ELEMENTS, is_long};
use crate::commands::copied::Copied;
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::long_reads::LongRead;
use keyspace::{Scope, Txn};
use resp::{Args, Out};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};
use std::ops::Range;
use std::vec::IntoIter;
use values::{EncodingLimits, List};

/// An element in its place.
#[derive(Debug)]
struct Sorted {
    /// Weight and bytes.
    element: (Weight, Vec<u8>),
    /// Which one of the collection it is: where all else is the same, the first one comes first.
    index: usize,
    descending: bool,
}

impl Ord for Sorted {
    fn cmp(&self, other: &Sorted) -> Ordering {
        let order = compare(&self.element, &other.element);
        let order = if self.descending { order.reverse() } else { order };
        order.then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Sorted) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sorted {
    fn eq(&self, other: &Sorted) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sorted {}

/// What becomes of the elements.
enum Found {
    Reply(Gathered),
    Stored(Vec<u8>, List),
}

impl Found {
    fn push(&mut self, value: Option<&[u8]>, limits: &EncodingLimits) {
        match (self, value) {
            (Found::Reply(gathered), Some(value)) => gathered.bulk(value),
            (Found::Reply(gathered), None) => gathered.element(Out::null),
            (Found::Stored(_, list), value) => list.push_back(std::iter::once(value.unwrap_or_default()), limits),
        }
    }
}

/// What other keys have said.
struct Others {
    read: LongRead,
    /// Of these keys.
    hashes: HashSet<u64>,
}

/// Such work, as far as it has come.
pub(super) struct Sorting {
    source: Copied,
    /// Where to go on in the source: a place, or the cursor of a set; `None`: all is in runs.
    place: Option<u64>,
    /// How many are in runs.
    sorted: usize,
    runs: Vec<IntoIter<Sorted>>,
    /// The next one of each run.
    heads: BinaryHeap<Reverse<(Sorted, usize)>>,
    /// Which elements are wanted, and how many have come.
    wanted: Range<usize>,
    given: usize,
    found: Found,
    others: Option<Others>,
    limits: EncodingLimits,
    fault: Option<Fault>,
}

impl Sorting {
    /// `None` where it is not worth it, or not possible.
    pub(super) fn begin(txn: &Txn<'_>, key: &[u8], options: &Options<'_>, out: &Out) -> Option<Box<dyn Work>> {
        if options.is_unsorted() && options.descending {
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
            sorted: 0,
            runs: Vec::new(),
            heads: BinaryHeap::new(),
            given: 0,
            found,
            others: None,
            limits: txn.encoding_limits().clone(),
            fault: None,
        }))
    }

    /// Some more elements, which may then be asked other keys about.
    fn take(&mut self, place: u64, count: usize) -> Vec<Vec<u8>> {
        let mut elements = Vec::with_capacity(count);
        let next = self.source.walk(place, count, |element, _| elements.push(element.to_vec()));
        self.place = (next > 0).then_some(next);
        elements
    }

    /// The locks for asking these patterns about these elements.
    fn scope(
        &mut self,
        patterns: &[Pattern<'_>],
        elements: &[Vec<u8>],
        context: &SessionContext<'_>,
    ) -> Scope<'static> {
        let mut keys = patterns.iter().flat_map(|by| elements.iter().filter_map(|element| by.key(element))).peekable();
        if keys.peek().is_none() {
            return Scope::Keys(&[]);
        }
        let len = self.source.len();
        let others = self.others.get_or_insert_with(|| Others {
            read: LongRead::begin(context.session.engine(), context.session.db),
            hashes: HashSet::with_capacity(len),
        });
        others.hashes.extend(keys.map(|key| context.engine.keyspace.hash(&key)));
        Scope::All
    }

    /// Sorts some more elements.
    fn add_run(&mut self, place: u64, options: &Options<'_>, context: &mut SessionContext<'_>) {
        let elements = self.take(place, SLICE_ELEMENTS / 4);
        let scope = self.scope(options.by.as_slice(), &elements, context);
        let mut run = Vec::with_capacity(elements.len());
        context.with_scope(scope, |txn| {
            for element in elements {
                match options.weight(txn, &element) {
                    Ok(weight) => {
                        let (element, index) = ((weight, element), self.sorted + run.len());
                        run.push(Sorted { element, index, descending: options.descending });
                    }
                    Err(not_a_number) => self.fault = Some(not_a_number),
                }
            }
        });
        self.sorted += run.len();
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

    /// The next ones in order.
    fn merge(&mut self) -> Vec<Vec<u8>> {
        let mut elements = Vec::new();
        while elements.len() < SLICE_ELEMENTS / 4
            && let Some(Reverse((sorted, run))) = self.heads.pop()
        {
            self.refill(run);
            elements.push(sorted.element.1);
        }
        elements
    }

    /// Gives those of the next elements that are wanted. False where there are none any more.
    fn give(&mut self, mut elements: Vec<Vec<u8>>, options: &Options<'_>, context: &mut SessionContext<'_>) -> bool {
        let (start, count) = (self.given, elements.len());
        self.given += count;
        elements.truncate(self.wanted.end.saturating_sub(start));
        elements.drain(..self.wanted.start.saturating_sub(start).min(elements.len()));
        let scope = self.scope(&options.get, &elements, context);
        let Sorting { found, limits, .. } = self;
        if options.get.is_empty() {
            elements.iter().for_each(|element| found.push(Some(element), limits));
        } else {
            context.with_scope(scope, |txn| {
                for element in &elements {
                    options.get.iter().for_each(|get| found.push(get.value(txn, element).as_deref(), limits));
                }
            });
        }
        count > 0 && self.given < self.wanted.end
    }
}

impl Work for Sorting {
    fn step(&mut self, args: Args<'_>, context: &mut SessionContext<'_>) -> bool {
        let Ok(mut options) = Options::parse(args, true) else { return true };
        if matches!(self.source, Copied::Set(_)) {
            options.order_what_is_kept();
        }
        match self.place {
            _ if self.fault.is_some() => true,
            Some(place) if options.is_unsorted() => {
                let elements = self.take(place, SLICE_ELEMENTS / 4);
                !self.give(elements, &options, context) || self.place.is_none()
            }
            Some(place) => {
                self.add_run(place, &options, context);
                false
            }
            None => {
                let elements = self.merge();
                !self.give(elements, &options, context)
            }
        }
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        // What is only read was read when it was copied, unless other keys have a say.
        let is_any_moment = matches!(self.found, Found::Reply(_)) && self.others.is_none();
        let has_changed = |others: &Others| others.read.take_changed().concerns_any_of(&others.hashes);
        if !is_any_moment && (!self.source.is_at(txn, args.at(1)) || self.others.as_ref().is_some_and(has_changed)) {
            return false;
        }
        match (&mut self.found, &self.fault) {
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
