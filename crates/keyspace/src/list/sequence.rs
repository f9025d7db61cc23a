//! The identities of a list's elements, in order; those of removed ones stay in their places for as long as somebody
//! may name them.

use super::Identity;
use super::run::Run;
use crate::version::Version;
use effect::{End, Stamp};
use std::collections::VecDeque;
use std::ops::Range;

#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    runs: VecDeque<Run>,
    /// How many elements are in the list.
    live: usize,
    /// How many runs are of removed elements; so many at least are the first ones, and the last ones.
    removed_runs: usize,
    removed_at_head: usize,
    removed_at_tail: usize,
}

/// A place between two elements: before the element `offset` of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    run: usize,
    offset: u32,
    /// How many elements of the list are before it.
    pub(crate) live: usize,
}

/// An element next to a gap, and how many there are from it to the end of its run.
pub(crate) struct Neighbour {
    pub(crate) identity: Identity,
    pub(crate) count: u32,
    /// They came with one effect.
    pub(crate) of_one_effect: bool,
    live: bool,
}

impl Sequence {
    /// A list that was Put whole.
    pub(crate) fn whole(version: Version, len: usize) -> Sequence {
        let mut sequence = Sequence::default();
        if len > 0 {
            sequence.append(Run::of_effect(version, 0, len as u32));
        }
        sequence
    }

    pub(crate) fn from_runs(runs: impl Iterator<Item = Run>) -> Sequence {
        let mut sequence = Sequence::default();
        runs.for_each(|run| sequence.append(run));
        sequence
    }

    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// Is it as if the list had been Put whole at this version?
    pub(crate) fn is_whole(&self, version: Version) -> bool {
        self.runs.len() == 1 && self.runs[0] == Run::of_effect(version, 0, self.live as u32)
    }

    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn has_removed(&self) -> bool {
        self.removed_runs > 0
    }

    pub(crate) fn runs(&self) -> impl ExactSizeIterator<Item = &Run> {
        self.runs.iter()
    }

    pub(crate) fn head(&self) -> Gap {
        Gap { run: 0, offset: 0, live: 0 }
    }

    pub(crate) fn tail(&self) -> Gap {
        Gap { run: self.runs.len(), offset: 0, live: self.live }
    }

    pub(crate) fn after(&self, gap: Gap) -> Option<Neighbour> {
        let run = self.runs.get(gap.run)?;
        Some(Neighbour {
            identity: run.identity(gap.offset),
            count: run.count - gap.offset,
            of_one_effect: run.step == effect::Step::Index,
            live: !run.is_removed(),
        })
    }

    pub(crate) fn before(&self, gap: Gap) -> Option<Neighbour> {
        let (run, offset) = match gap.offset {
            0 => {
                let run = self.runs.get(gap.run.checked_sub(1)?)?;
                (run, run.count)
            }
            offset => (&self.runs[gap.run], offset),
        };
        Some(Neighbour {
            identity: run.identity(offset - 1),
            count: offset,
            of_one_effect: run.step == effect::Step::Index,
            live: !run.is_removed(),
        })
    }

    /// The gap behind so many elements of what `after` gave.
    pub(crate) fn forward(&self, gap: Gap, neighbour: &Neighbour, count: u32) -> Gap {
        let live = gap.live + if neighbour.live { count as usize } else { 0 };
        let offset = gap.offset + count;
        if offset == self.runs[gap.run].count {
            return Gap { run: gap.run + 1, offset: 0, live };
        }
        Gap { run: gap.run, offset, live }
    }

    /// The gap in front of so many elements of what `before` gave.
    pub(crate) fn back(&self, gap: Gap, neighbour: &Neighbour, count: u32) -> Gap {
        let live = gap.live - if neighbour.live { count as usize } else { 0 };
        match gap.offset {
            0 => Gap { run: gap.run - 1, offset: self.runs[gap.run - 1].count - count, live },
            offset => Gap { run: gap.run, offset: offset - count, live },
        }
    }

    /// One side of the element behind a gap.
    pub(crate) fn beside(&self, before: Gap, toward: End) -> Gap {
        match (toward, self.after(before)) {
            (End::Tail, Some(element)) => self.forward(before, &element, 1),
            _ => before,
        }
    }

    pub(crate) fn newest_stamp(&self) -> Stamp {
        self.runs.iter().map(|run| run.stamps().1).max().unwrap_or(Stamp::ZERO)
    }

    /// Puts elements into a gap. Returns the gap behind them.
    pub(crate) fn insert(&mut self, gap: Gap, new: Run) -> Gap {
        let live = gap.live + new.live();
        self.live += new.live();
        self.removed_runs += usize::from(new.is_removed());
        let mut at = gap.run;
        if gap.offset > 0 {
            let run = self.runs[at];
            self.runs[at] = run.part(0..gap.offset);
            self.runs.insert(at + 1, run.part(gap.offset..run.count));
            self.removed_runs += usize::from(run.is_removed());
            at += 1;
        } else if at > 0 && self.runs[at - 1].join(&new) {
            self.removed_runs -= usize::from(new.is_removed());
            return Gap { run: at, offset: 0, live };
        } else if let Some(next) = self.runs.get_mut(at) {
            let mut joined = new;
            if joined.join(next) {
                self.removed_runs -= usize::from(new.is_removed());
                *next = joined;
                return Gap { run: at, offset: new.count, live };
            }
        }
        self.runs.insert(at, new);
        self.touch(at);
        Gap { run: at + 1, offset: 0, live }
    }

    fn append(&mut self, run: Run) {
        self.insert(self.tail(), run);
    }

    /// Something changed at a run: what is known of the ends reaches up to it.
    fn touch(&mut self, at: usize) {
        self.removed_at_head = self.removed_at_head.min(at);
        self.removed_at_tail = self.removed_at_tail.min(self.runs.len().saturating_sub(at + 1));
    }

    /// The gap before an element of the list, from the end that is nearer.
    pub(crate) fn gap_at(&self, index: usize) -> Option<Gap> {
        if index >= self.live {
            return None;
        }
        if index < self.live / 2 {
            let mut live = 0;
            for (at, run) in self.runs.iter().enumerate().skip(self.removed_at_head) {
                if index < live + run.live() {
                    return Some(Gap { run: at, offset: (index - live) as u32, live: index });
                }
                live += run.live();
            }
        }
        let mut live = self.live;
        for (at, run) in self.runs.iter().enumerate().rev().skip(self.removed_at_tail) {
            live -= run.live();
            if index >= live && run.live() > 0 {
                return Some(Gap { run: at, offset: (index - live) as u32, live: index });
            }
        }
        None
    }

    /// The gap before an element that may have been removed, and whether it is in the list.
    pub(crate) fn find(&self, identity: Identity) -> Option<(Gap, bool)> {
        let wanted = Run::of_effect(identity.version, identity.index, 1);
        let (at, offsets, live) = self.overlapping(&wanted)?;
        let is_live = !self.runs[at].is_removed();
        let live = live + if is_live { offsets.start as usize } else { 0 };
        Some((Gap { run: at, offset: offsets.start, live }, is_live))
    }

    /// A run that has elements in common with `wanted`, which of them, and how many elements of the list are before the
    /// run. The search goes inwards from both ends of the list, and outwards through what was removed there.
    fn overlapping(&self, wanted: &Run) -> Option<(usize, Range<u32>, usize)> {
        let count = self.runs.len();
        let head = self.removed_at_head;
        let tail = (count - self.removed_at_tail).max(head);
        let inner = (tail - head).div_ceil(2);
        let overlap = |at: usize, live: usize| Some((at, self.runs[at].overlap(wanted)?, live));
        let (mut from_head, mut from_tail) = (0, self.live);
        for step in 0..inner.max(head).max(count - tail) {
            if step < inner {
                let (first, last) = (head + step, tail - 1 - step);
                from_tail -= self.runs[last].live();
                let found = overlap(first, from_head).or_else(|| overlap(last, from_tail));
                if found.is_some() {
                    return found;
                }
                from_head += self.runs[first].live();
            }
            let before = head.checked_sub(step + 1).and_then(|at| overlap(at, 0));
            let found = before.or_else(|| if tail + step < count { overlap(tail + step, self.live) } else { None });
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The runs that the elements in these places of the list are.
    pub(crate) fn parts(&self, ranges: &[Range<usize>]) -> Vec<Run> {
        let mut parts: Vec<Run> = Vec::new();
        let Some(gap) = ranges.first().and_then(|range| self.gap_at(range.start)) else { return parts };
        // A run, and how many elements of the list are before it.
        let (mut at, mut start) = (gap.run, gap.live - gap.offset as usize);
        for range in ranges {
            let mut from = range.start;
            while from < range.end.min(self.live) {
                let run = self.runs[at];
                if from >= start + run.live() {
                    start += run.live();
                    at += 1;
                    continue;
                }
                let end = range.end.min(start + run.live());
                let part = run.part((from - start) as u32..(end - start) as u32);
                if !parts.last_mut().is_some_and(|last| last.join(&part)) {
                    parts.push(part);
                }
                from = end;
            }
        }
        parts
    }

    /// The elements in these places of the list are removed.
    pub(crate) fn remove_at(&mut self, ranges: &[Range<usize>], by: Version) {
        if let [range] = ranges {
            return self.remove_range(range.clone(), by);
        }
        let mut wanted = ranges.iter().filter(|range| !range.is_empty()).cloned().peekable();
        self.rebuild(by, |run, start, out| {
            let end = start + run.live();
            while let Some(range) = wanted.peek()
                && range.start < end
            {
                out.push((range.start.max(start) - start) as u32..(range.end.min(end) - start) as u32);
                if range.end > end {
                    break;
                }
                wanted.next();
            }
        });
    }

    fn remove_range(&mut self, range: Range<usize>, by: Version) {
        let Some(Gap { run: mut at, mut offset, .. }) = self.gap_at(range.start) else { return };
        let mut left = range.len().min(self.live - range.start);
        while left > 0 {
            let run = self.runs[at];
            if run.is_removed() {
                (at, offset) = (at + 1, 0);
                continue;
            }
            let count = (left as u64).min(u64::from(run.count - offset)) as u32;
            at = self.remove_part(at, offset..offset + count, by);
            offset = 0;
            left -= count as usize;
        }
    }

    /// Marks a part of a run that is in the list. Returns the index of the run behind the part.
    fn remove_part(&mut self, at: usize, part: Range<u32>, by: Version) -> usize {
        let run = self.runs[at];
        let mut removed = run.part(part.clone()).removed(by);
        self.live -= removed.count as usize;
        let is_first = at <= self.removed_at_head;
        let (is_start, is_end) = (part.start == 0, part.end == run.count);
        let rest = run.part(part.end..run.count);
        if is_start && at > 0 && self.runs[at - 1].join(&removed) {
            if is_end {
                self.runs.remove(at);
                self.touch(at);
            } else {
                self.runs[at] = rest;
            }
            return at;
        }
        if is_end
            && let Some(next) = self.runs.get(at + 1)
            && next.is_removed()
            && removed.join(&next.clone())
        {
            self.runs[at + 1] = removed;
            if is_start {
                self.runs.remove(at);
                self.touch(at);
                return at + 1;
            }
            self.runs[at] = run.part(0..part.start);
            return at + 2;
        }
        self.removed_runs += 1;
        let mut next = at;
        if !is_start {
            self.runs[at] = run.part(0..part.start);
            self.runs.insert(at + 1, removed);
            next += 1;
        } else {
            self.runs[at] = removed;
        }
        if !is_end {
            self.runs.insert(next + 1, rest);
        }
        if is_start && is_first {
            self.removed_at_head = at + 1;
            self.removed_at_tail = self.removed_at_tail.min(self.runs.len() - at - 1);
        } else if is_end && self.removed_at_tail + next + 1 >= self.runs.len() {
            self.removed_at_tail = self.runs.len() - next;
            self.removed_at_head = self.removed_at_head.min(at);
        } else {
            self.touch(at);
            self.touch(next);
        }
        next + 1
    }

    /// Elements that somebody has named are removed. Returns which places of the list they had.
    pub(crate) fn remove_named(&mut self, wanted: &[Run], by: Version) -> Vec<Range<usize>> {
        if let [run] = wanted {
            let Some((at, offsets, start)) = self.overlapping(run) else { return Vec::new() };
            if offsets.len() == run.count as usize {
                if self.runs[at].is_removed() {
                    return Vec::new();
                }
                let start = start + offsets.start as usize;
                let places = start..start + offsets.len();
                self.remove_part(at, offsets, by);
                return vec![places];
            }
        }
        let mut wanted = wanted.to_vec();
        wanted.sort_by_key(|run| (run.origin.0, run.stamps().0, run.index));
        // For each of them, the highest stamp up to it: runs of several effects reach beyond the next one.
        let mut reach: Vec<(u16, Stamp)> = Vec::with_capacity(wanted.len());
        for run in &wanted {
            let own = (run.origin.0, run.stamps().1);
            reach.push(reach.last().map_or(own, |last| own.max(*last)));
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        self.rebuild(by, |run, start, out| {
            let (low, high) = run.stamps();
            let from = reach.partition_point(|reach| *reach < (run.origin.0, low));
            let candidates = wanted[from..].iter();
            let candidates = candidates.take_while(|other| (other.origin.0, other.stamps().0) <= (run.origin.0, high));
            out.extend(candidates.filter_map(|other| run.overlap(other)));
            out.sort_by_key(|offsets| offsets.start);
            out.dedup_by(|next, offsets| {
                let touching = next.start <= offsets.end;
                if touching {
                    offsets.end = offsets.end.max(next.end);
                }
                touching
            });
            for offsets in out.iter() {
                let places = start + offsets.start as usize..start + offsets.end as usize;
                match ranges.last_mut() {
                    Some(last) if last.end == places.start => last.end = places.end,
                    _ => ranges.push(places),
                }
            }
        });
        ranges
    }

    /// Goes through all runs in the list with the number of elements before each; of what `parts` gives, offsets in
    /// ascending order, the elements are removed.
    fn rebuild(&mut self, by: Version, mut parts: impl FnMut(&Run, usize, &mut Vec<Range<u32>>)) {
        let old = std::mem::take(self);
        let (mut start, mut offsets) = (0, Vec::new());
        for run in old.runs {
            if run.is_removed() {
                self.append(run);
                continue;
            }
            parts(&run, start, &mut offsets);
            let mut at = 0;
            for part in offsets.drain(..) {
                if part.start > at {
                    self.append(run.part(at..part.start));
                }
                self.append(run.part(part.clone()).removed(by));
                at = part.end;
            }
            if at < run.count {
                self.append(run.part(at..run.count));
            }
            start += run.live();
        }
    }

    /// Forgets removed elements that nobody will name. Returns soon where that would hardly free anything, unless it is to
    /// be `thorough`.
    pub(crate) fn sweep(&mut self, known: impl Fn(Version) -> bool, thorough: bool) {
        if self.removed_runs == 0 || (!thorough && self.removed_runs * 4 < self.runs.len()) {
            return;
        }
        let old = std::mem::take(self);
        for run in old.runs {
            if !run.removal().is_some_and(&known) {
                self.append(run);
            }
        }
        self.runs.shrink_to(self.runs.len() * 2);
    }

    /// Bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        self.runs.capacity() * size_of::<Run>()
    }
}
