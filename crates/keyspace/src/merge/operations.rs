//! The unstable operations on one string or hash field, in the order of their versions, on top of a
//! base value that is not kept: each operation knows how to take itself back.

use super::cell::{Action, Cell, Undo};
use crate::version::{OriginIndex, Origins, Row, Version};
use crate::view::StringRef;
use effect::Stamp;
use std::ops::Deref;
use thin_vec::ThinVec;

#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) version: Version,
    pub(crate) action: Action,
    /// An increment that is part of what a clear has said anew.
    pub(crate) is_restated: bool,
    /// `Nothing` while all operations are integer additions (see `Mode::Counter`).
    undo: Undo,
}

/// What is known about the base.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Base and operations are integers, and no order of them can overflow: they commute, so an
    /// older one that arrives late is one addition. `magnitude`: the sum of absolute values.
    Counter { base: Option<i64>, magnitude: u64 },
    /// Every operation carries what undoes it.
    Ordered,
}

/// Why everything below a point in the order of effects dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause<'a> {
    /// Set, Delete, Put, Flush, or HashSet and HashDelete for one field. Increments that its author had
    /// not seen live on, on top of whatever is there then.
    Clear(Row<'a>),
    /// A clear that only says anew what the key was. Increments that its author had seen are part of that.
    Restate {
        row: Row<'a>,
        /// They sleep. Not where it is itself below another one that says the key anew: what that had not seen lives on.
        sleep: bool,
    },
    /// A deadline. Increments sleep: a later clear that had not seen them wakes them up.
    Expiry,
    /// The key became another type. Nothing lives on.
    TypeClash,
}

#[derive(Clone, Debug)]
pub(crate) struct Operations {
    /// Ascending.
    list: ThinVec<Operation>,
    /// Increments that an expiry has put to sleep, which any clear that had not seen them wakes up; and those that are part of what a
    /// clear has said anew, which only another such clear wakes up: to everybody else they are part of what is replaced. Ascending.
    asleep: ThinVec<Operation>,
    mode: Mode,
    /// For a transfer of state: what is missing here without being in one of these is part of the base.
    cancelled: ThinVec<Cancellation>,
}

/// Increments that a clear had seen, which may itself have lost against a newer one since. What a clear has seen of an
/// origin is all up to some stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cancellation {
    /// The newest of these increments; all of its origin up to it.
    pub(crate) newest: Version,
    /// The newest such clear of its origin.
    pub(crate) by: Version,
}

impl Cancellation {
    fn concerns(&self, operation: &Operation) -> bool {
        let Operation { version, action, .. } = operation;
        action.is_increment() && version.origin == self.newest.origin && version.stamp <= self.newest.stamp
    }
}

impl Operation {
    pub(crate) fn new(version: Version, action: Action) -> Operation {
        Operation { version, action, is_restated: false, undo: Undo::Nothing }
    }
}

static NO_OPERATIONS: Operations =
    Operations { list: ThinVec::new(), asleep: ThinVec::new(), mode: Mode::Ordered, cancelled: ThinVec::new() };

impl Default for Operations {
    fn default() -> Operations {
        NO_OPERATIONS.clone()
    }
}

/// The operations on a key or on an element of a collection. Mostly there are none, which takes no more than a word.
#[derive(Clone, Debug, Default)]
pub(crate) struct LazyOperations(Option<Box<Operations>>);

impl LazyOperations {
    /// `None`: there are none.
    pub(crate) fn get_mut(&mut self) -> Option<&mut Operations> {
        self.0.as_deref_mut()
    }

    /// There will be one.
    pub(crate) fn grown(&mut self) -> &mut Operations {
        self.0.get_or_insert_default()
    }

    /// See `Operations::note_cancelled`.
    pub(crate) fn note_cancelled(&mut self, cancelled: &[Cancellation]) {
        if !cancelled.is_empty() {
            self.grown().note_cancelled(cancelled);
        }
    }

    /// What a clear of this node cancels that has not come yet, but is taken for seen.
    pub(crate) fn note_assumed(&mut self, by: Version, row: Row<'_>) {
        assumed_by(by, row).for_each(|cancellation| self.note_cancelled(&[cancellation]));
    }
}

impl Deref for LazyOperations {
    type Target = Operations;
    fn deref(&self) -> &Operations {
        self.0.as_deref().unwrap_or(&NO_OPERATIONS)
    }
}

impl From<Operations> for LazyOperations {
    fn from(operations: Operations) -> LazyOperations {
        LazyOperations((!operations.is_empty()).then(|| Box::new(operations)))
    }
}

impl Operations {
    /// Not done yet: `restart` does them.
    pub(crate) fn from_parts(
        mut asleep: Vec<Operation>,
        mut awake: Vec<Operation>,
        cancelled: Vec<Cancellation>,
        origins: &Origins,
    ) -> Operations {
        for list in [&mut asleep, &mut awake] {
            list.sort_by(|a, b| origins.compare(a.version, b.version));
            list.dedup_by_key(|operation| operation.version);
        }
        Operations { list: awake.into(), asleep: asleep.into(), mode: Mode::Ordered, cancelled: cancelled.into() }
    }

    /// One increment, which is done, of what was an integer or nothing.
    pub(crate) fn of_increment(version: Version, delta: i64, base: Option<i64>) -> Operations {
        let list = [Operation::new(version, Action::Add(delta))].into_iter().collect();
        let magnitude = base.map_or(0, i64::unsigned_abs) + delta.unsigned_abs();
        Operations { list, mode: Mode::Counter { base, magnitude }, ..NO_OPERATIONS.clone() }
    }

    /// Drops some that are not done yet.
    pub(crate) fn drop_undone(&mut self, unwanted: impl Fn(Version) -> bool) {
        self.asleep.retain(|operation| !unwanted(operation.version));
        self.list.retain(|operation| !unwanted(operation.version));
    }

    /// How many sleep, and how many do not: in this order `iter` gives them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.asleep.len(), self.list.len())
    }

    pub(crate) fn len(&self) -> usize {
        self.asleep.len() + self.list.len() + self.cancelled.len()
    }

    /// Is there nothing to remember?
    pub(crate) fn is_empty(&self) -> bool {
        self.is_idle() && self.cancelled.is_empty()
    }

    /// Is there nothing to do?
    pub(crate) fn is_idle(&self) -> bool {
        self.list.is_empty() && self.asleep.is_empty()
    }

    pub(crate) fn cancelled(&self) -> &[Cancellation] {
        &self.cancelled
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.asleep.iter().chain(&self.list)
    }

    /// Puts an operation in its place: what is newer is undone before and redone after. One that is there
    /// already, from a transfer of state, stays as it is.
    pub(crate) fn insert(&mut self, origins: &Origins, version: Version, action: Action, cell: &mut impl Cell) {
        if self.list.is_empty() {
            self.mode = Mode::of(cell);
        }
        let at = match self.list.last() {
            Some(last) if origins.newer(last.version, version) => {
                self.list.partition_point(|operation| origins.newer(version, operation.version))
            }
            _ => self.list.len(),
        };
        let is = |operation: Option<&Operation>| operation.is_some_and(|operation| operation.version == version);
        if is(self.list.get(at))
            || is(at.checked_sub(1).and_then(|at| self.list.get(at)))
            || self.asleep.iter().any(|operation| is(Some(operation)))
        {
            return;
        }
        let operation = Operation::new(version, action);
        if let Some(sum) = self.mode.admit(&operation.action) {
            let value = cell.read(|value| value.and_then(StringRef::as_integer)).unwrap_or(0);
            cell.write(StringRef::Int(value + sum));
            self.list.insert(at, operation);
            return;
        }
        self.make_ordered(cell);
        self.undo_from(at, cell);
        self.list.insert(at, operation);
        self.redo_from(at, cell);
    }

    /// The increment of this version, if it is there, is part of what a clear has said anew, and sleeps where that clear, or an ordinary
    /// one, is the newest.
    pub(crate) fn restate(&mut self, origins: &Origins, version: Version, sleeps: bool, cell: &mut impl Cell) {
        let is_part = |operation: &Operation| operation.version == version && operation.action.is_increment();
        self.restate_all(origins, is_part, sleeps, cell);
    }

    fn restate_all(
        &mut self,
        origins: &Origins,
        is_part: impl Fn(&Operation) -> bool,
        sleep: bool,
        cell: &mut impl Cell,
    ) {
        self.mark_restated(&is_part);
        if sleep && self.list.iter().any(&is_part) {
            self.asleep.extend(self.list.iter().filter(|operation| is_part(operation)).cloned());
            self.asleep.sort_by(|a, b| origins.compare(a.version, b.version));
            self.remove(is_part, cell);
        }
    }

    fn mark_restated(&mut self, is_part: impl Fn(&Operation) -> bool) {
        let all = self.asleep.iter_mut().chain(&mut self.list);
        all.filter(|operation| is_part(operation)).for_each(|operation| operation.is_restated = true);
    }

    /// Below `at` everything dies, the base included. Of the operations stays what the cause lets live;
    /// `restart` does them again once the new base is in the cell.
    pub(crate) fn cut(&mut self, origins: &Origins, at: Version, cause: Cause<'_>) {
        let is_newer = |operation: &Operation| origins.newer(operation.version, at);
        match cause {
            Cause::Clear(row) => {
                self.wake(origins);
                let cancelled = &mut self.cancelled;
                self.list.retain(|operation| {
                    let is_seen = !is_newer(operation) && row.covers(at, operation.version);
                    if is_seen && operation.action.is_increment() {
                        note_cancelled(cancelled, Cancellation { newest: operation.version, by: at });
                    }
                    is_newer(operation) || (operation.action.is_increment() && !is_seen)
                });
                self.put_to_sleep(|operation| operation.is_restated);
            }
            Cause::Restate { row, .. } => {
                self.wake(origins);
                self.list.retain(|operation| is_newer(operation) || operation.action.is_increment());
                let is_seen = |operation: &Operation| !is_newer(operation) && row.covers(at, operation.version);
                self.mark_restated(is_seen);
                self.put_to_sleep(is_seen);
            }
            Cause::Expiry => {
                let (awake, older) = std::mem::take(&mut self.list).into_iter().partition(is_newer);
                self.list = awake;
                self.asleep.extend(older.into_iter().filter(|operation: &Operation| operation.action.is_increment()));
            }
            Cause::TypeClash => {
                self.asleep.retain(is_newer);
                self.list.retain(is_newer);
            }
        }
    }

    /// None sleeps before.
    fn put_to_sleep(&mut self, sleeps: impl Fn(&Operation) -> bool) {
        (self.asleep, self.list) = std::mem::take(&mut self.list).into_iter().partition(sleeps);
    }

    /// Puts those that sleep to their places among the others.
    fn wake(&mut self, origins: &Origins) {
        if !self.asleep.is_empty() {
            self.list.append(&mut self.asleep);
            self.list.sort_by(|a, b| origins.compare(a.version, b.version));
        }
    }

    /// The same where the base is newer than `at`: only operations die or go to sleep, those that are older than the base
    /// and have lived on.
    pub(crate) fn thin(&mut self, origins: &Origins, at: Version, cause: Cause<'_>, cell: &mut impl Cell) {
        let gone = |operation: &Operation| match cause {
            Cause::Clear(row) => operation.action.is_increment() && row.covers(at, operation.version),
            Cause::Restate { .. } | Cause::Expiry => false,
            Cause::TypeClash => origins.newer(at, operation.version),
        };
        if let Cause::Restate { row, sleep } = cause {
            let is_part = |operation: &Operation| {
                operation.action.is_increment()
                    && origins.newer(at, operation.version)
                    && row.covers(at, operation.version)
            };
            self.restate_all(origins, is_part, sleep, cell);
        }
        if let Cause::Clear(_) = cause {
            for operation in self.asleep.iter().chain(&self.list).filter(|operation| gone(operation)) {
                note_cancelled(&mut self.cancelled, Cancellation { newest: operation.version, by: at });
            }
        }
        self.asleep.retain(|operation| !gone(operation));
        self.remove(gone, cell);
    }

    /// What clears elsewhere have cancelled.
    pub(crate) fn cancel(&mut self, cancelled: &[Cancellation], cell: &mut impl Cell) {
        let gone = |operation: &Operation| cancelled.iter().any(|cancellation| cancellation.concerns(operation));
        self.asleep.retain(|operation| !gone(operation));
        self.remove(gone, cell);
        self.note_cancelled(cancelled);
    }

    /// The same where there can be no operations.
    pub(crate) fn note_cancelled(&mut self, cancelled: &[Cancellation]) {
        cancelled.iter().for_each(|cancellation| note_cancelled(&mut self.cancelled, *cancellation));
    }

    /// What a clear does that had `seen` so much; nothing else is left.
    pub(crate) fn only_cancelled(&mut self, by: Version, seen: impl Fn(Version) -> bool) {
        self.cancelled.clear();
        let increments = self.asleep.iter().chain(&self.list).filter(|operation| operation.action.is_increment());
        for operation in increments.filter(|operation| seen(operation.version)) {
            note_cancelled(&mut self.cancelled, Cancellation { newest: operation.version, by });
        }
        self.clear();
    }

    /// Nothing is left to do; what was cancelled stays known.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.asleep.clear();
    }

    fn remove(&mut self, gone: impl Fn(&Operation) -> bool, cell: &mut impl Cell) {
        let Some(first) = self.list.iter().position(&gone) else { return };
        match self.mode {
            Mode::Counter { base, .. } => {
                self.list.retain(|operation| !gone(operation));
                self.mode = Mode::Counter { base, magnitude: 0 }.with_magnitude(&self.list);
                self.write_counter(base, cell);
            }
            Mode::Ordered => {
                self.undo_from(first, cell);
                self.list.retain(|operation| !gone(operation));
                self.redo_from(first, cell);
            }
        }
    }

    /// Takes what is in the cell as the base and does all operations on top of it.
    pub(crate) fn restart(&mut self, cell: &mut impl Cell) {
        self.mode = Mode::of(cell).with_magnitude(&self.list);
        match self.mode {
            Mode::Counter { .. } if self.list.is_empty() => {}
            Mode::Counter { base, .. } => self.write_counter(base, cell),
            Mode::Ordered => self.redo_from(0, cell),
        }
    }

    /// Undoes everything in `cell`, which is left with the base.
    pub(crate) fn take_back(&self, cell: &mut impl Cell) {
        match self.mode {
            Mode::Counter { base, .. } if !self.list.is_empty() => write_integer(base, cell),
            Mode::Counter { .. } => {}
            Mode::Ordered => self.list.iter().rev().for_each(|operation| operation.undo.apply(cell)),
        }
    }

    /// Forgets cancellations whose clears everybody knows.
    pub(crate) fn forget_cancelled(&mut self, known: impl Fn(Version) -> bool) {
        self.cancelled.retain(|cancellation| !known(cancellation.by));
    }

    /// Forgets what is stable: it is part of the base from now on. `settled` says so of one operation.
    pub(crate) fn fold(&mut self, settled: impl Fn(&Operation) -> bool) {
        self.asleep.retain(|operation| !settled(operation));
        match &mut self.mode {
            // The magnitude stays: it bounds the new base and what is left on top of it, too.
            Mode::Counter { base, .. } => self.list.retain(|operation| {
                let keep = !settled(operation);
                if let (Action::Add(delta), false) = (&operation.action, keep) {
                    *base = Some(base.unwrap_or(0) + delta);
                }
                keep
            }),
            Mode::Ordered => {
                let count = self.list.iter().take_while(|operation| settled(operation)).count();
                self.list.drain(..count);
            }
        }
    }

    /// Makes one sum per origin of integer additions that can no longer be told apart: every author
    /// of a clear has seen all of them or none. The sum carries the newest version of its parts.
    pub(crate) fn condense(&mut self, condensable: impl Fn(&Operation) -> bool) {
        if !matches!(self.mode, Mode::Counter { .. }) {
            return;
        }
        let mut sums: Vec<(Version, i64)> = Vec::new();
        for operation in self.list.iter().filter(|operation| condensable(operation)) {
            if let Action::Add(delta) = operation.action {
                match sums.iter_mut().find(|(version, _)| version.origin == operation.version.origin) {
                    Some(sum) => *sum = (operation.version, sum.1 + delta),
                    None => sums.push((operation.version, delta)),
                }
            }
        }
        self.list.retain_mut(|operation| match sums.iter().find(|sum| sum.0.origin == operation.version.origin) {
            Some(&(newest, sum)) if condensable(operation) => {
                operation.action = Action::Add(sum);
                operation.version == newest
            }
            _ => true,
        });
    }

    fn write_counter(&self, base: Option<i64>, cell: &mut impl Cell) {
        let sum = self.list.iter().fold(0, |sum, operation| match operation.action {
            Action::Add(delta) => sum + delta,
            _ => sum,
        });
        let value = if self.list.is_empty() { base } else { Some(base.unwrap_or(0) + sum) };
        write_integer(value, cell);
    }

    /// Leaves the counter mode: from here on every operation knows how to undo itself.
    fn make_ordered(&mut self, cell: &mut impl Cell) {
        if let Mode::Counter { base, .. } = self.mode {
            self.mode = Mode::Ordered;
            if !self.list.is_empty() {
                write_integer(base, cell);
                self.redo_from(0, cell);
            }
        }
    }

    fn undo_from(&mut self, at: usize, cell: &mut impl Cell) {
        self.list[at..].iter().rev().for_each(|operation| operation.undo.apply(cell));
    }

    fn redo_from(&mut self, at: usize, cell: &mut impl Cell) {
        self.list[at..].iter_mut().for_each(|operation| operation.undo = operation.action.apply(cell));
    }
}

impl Mode {
    fn of(cell: &impl Cell) -> Mode {
        match cell.read(|value| value.map(StringRef::as_integer)) {
            None => Mode::Counter { base: None, magnitude: 0 },
            Some(Some(base)) => Mode::Counter { base: Some(base), magnitude: base.unsigned_abs() },
            Some(None) => Mode::Ordered,
        }
    }

    /// The number to add, where the action leaves this a counter.
    fn admit(&mut self, action: &Action) -> Option<i64> {
        match (self, action) {
            (Mode::Counter { magnitude, .. }, Action::Add(delta)) => {
                let sum = magnitude.checked_add(delta.unsigned_abs())?;
                (sum <= i64::MAX as u64).then(|| {
                    *magnitude = sum;
                    *delta
                })
            }
            _ => None,
        }
    }

    /// The mode for these operations on the same base.
    fn with_magnitude(self, list: &[Operation]) -> Mode {
        match self {
            Mode::Counter { base, .. } => {
                let mut mode = Mode::Counter { base, magnitude: base.map_or(0, i64::unsigned_abs) };
                let all = list.iter().all(|operation| mode.admit(&operation.action).is_some());
                if all { mode } else { Mode::Ordered }
            }
            Mode::Ordered => Mode::Ordered,
        }
    }
}

/// The sum where it is an integer in whatever order it and the like of it are added up (see `Mode::Counter`).
pub(crate) fn safe_sum(base: i64, delta: i64) -> Option<i64> {
    let mut mode = Mode::Counter { base: Some(base), magnitude: base.unsigned_abs() };
    Some(base + mode.admit(&Action::Add(delta))?)
}

/// The same as cancellations.
pub(crate) fn assumed_by(by: Version, row: Row<'_>) -> impl Iterator<Item = Cancellation> + '_ {
    let assumed = if let Row::Assuming(assumed) = row { assumed } else { &[] };
    let assumed = assumed
        .iter()
        .enumerate()
        .filter(move |(index, stamp)| **stamp > Stamp::ZERO && *index != usize::from(by.origin.0));
    assumed.map(move |(index, stamp)| Cancellation {
        newest: Version { stamp: *stamp, origin: OriginIndex(index as u16) },
        by,
    })
}

/// One for each pair of origins: of the increments, and of the clears.
pub(crate) fn note_cancelled(cancelled: &mut ThinVec<Cancellation>, Cancellation { newest, by }: Cancellation) {
    let is_same = |noted: &&mut Cancellation| (noted.newest.origin, noted.by.origin) == (newest.origin, by.origin);
    match cancelled.iter_mut().find(is_same) {
        Some(noted) => {
            noted.newest.stamp = noted.newest.stamp.max(newest.stamp);
            noted.by.stamp = noted.by.stamp.max(by.stamp);
        }
        None => cancelled.push(Cancellation { newest, by }),
    }
}

fn write_integer(value: Option<i64>, cell: &mut impl Cell) {
    match value {
        Some(value) => cell.write(StringRef::Int(value)),
        None => cell.remove(),
    }
}

/// What is stable; see docs/decisions/0001-convergence.md.
#[derive(Clone, Copy, Debug)]
pub struct Horizon<'a> {
    /// Nothing with this stamp or an older one can arrive any more.
    pub clock: Stamp,
    /// By `OriginIndex`: up to which stamp every other origin has seen this one.
    pub causal: &'a [CausalMark],
}

/// How far the rows of all other origins reach.
#[derive(Clone, Copy, Debug, Default)]
pub struct CausalMark {
    pub stamp: Stamp,
    /// Some origin has never heard of this one: its increments stay apart from the base.
    pub unheard: bool,
}

impl Horizon<'_> {
    /// Up to which stamp of each origin its effects are known, by `OriginIndex`.
    pub fn known_stamps(&self) -> Vec<Stamp> {
        self.causal.iter().map(|mark| mark.stamp.min(self.clock)).collect()
    }

    fn mark(&self, version: Version) -> CausalMark {
        self.causal.get(version.origin.0 as usize).copied().unwrap_or_default()
    }

    /// Nothing older can arrive.
    pub(crate) fn passed(&self, version: Version) -> bool {
        version.stamp <= self.clock
    }

    /// Passed, and each of the others has seen it, or never will: a clear that arrives from now on has seen
    /// it or is of an origin that sees nothing of its author.
    pub(crate) fn known(&self, version: Version) -> bool {
        self.passed(version) && (version.origin == OriginIndex::NONE || version.stamp <= self.mark(version).stamp)
    }

    /// Passed, and everybody who will ever write has seen it.
    pub(crate) fn settled(&self, version: Version) -> bool {
        self.known(version) && !self.mark(version).unheard
    }
}
