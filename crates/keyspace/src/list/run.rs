//! Elements next to each other whose identities follow each other.

use super::Identity;
use crate::version::{OriginIndex, Version};
use effect::{Stamp, Step};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Of the first element, as `index`.
    pub(crate) stamp: Stamp,
    /// The removal's, where it is one of elements that were removed; zero else.
    removed: Stamp,
    pub(crate) index: i32,
    pub(crate) count: u32,
    pub(crate) origin: OriginIndex,
    removed_by: OriginIndex,
    pub(crate) step: Step,
}

const STEPS: [Step; 3] = [Step::Index, Step::Later, Step::Earlier];

impl Run {
    /// `None` where it would leave the range of stamps or indexes.
    pub(crate) fn new(stamp: Stamp, origin: OriginIndex, index: i32, count: u32, step: Step) -> Option<Run> {
        let last = u64::from(count).checked_sub(1)?;
        let fits = match step {
            Step::Index => i64::from(index) + (last as i64) <= i64::from(i32::MAX),
            Step::Later => stamp.0.checked_add(last).is_some(),
            Step::Earlier => stamp.0 >= last,
        };
        let (removed, removed_by) = (Stamp::ZERO, OriginIndex::NONE);
        fits.then_some(Run { stamp, removed, index, count, origin, removed_by, step })
    }

    /// `count` elements of one effect.
    pub(crate) fn of_effect(version: Version, index: i32, count: u32) -> Run {
        Run {
            stamp: version.stamp,
            removed: Stamp::ZERO,
            index,
            count,
            origin: version.origin,
            removed_by: OriginIndex::NONE,
            step: Step::Index,
        }
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed != Stamp::ZERO
    }

    /// By which effect.
    pub(crate) fn removal(&self) -> Option<Version> {
        self.is_removed().then_some(Version { stamp: self.removed, origin: self.removed_by })
    }

    /// A removal without a stamp counts as the first of all.
    pub(crate) fn removed(mut self, by: Version) -> Run {
        self.removed = by.stamp.max(Stamp(1));
        self.removed_by = by.origin;
        self
    }

    pub(crate) fn live(&self) -> usize {
        if self.is_removed() { 0 } else { self.count as usize }
    }

    pub(crate) fn identity(&self, offset: u32) -> Identity {
        let (mut stamp, mut index) = (self.stamp, self.index);
        match self.step {
            Step::Index => index += offset as i32,
            Step::Later => stamp.0 += u64::from(offset),
            Step::Earlier => stamp.0 -= u64::from(offset),
        }
        Identity { version: Version { stamp, origin: self.origin }, index }
    }

    /// A part of it.
    pub(crate) fn part(&self, offsets: Range<u32>) -> Run {
        let first = self.identity(offsets.start);
        Run { stamp: first.version.stamp, index: first.index, count: offsets.end - offsets.start, ..*self }
    }

    /// The parts of it that came with one effect each.
    pub(crate) fn by_effect(&self) -> impl Iterator<Item = Run> {
        let effects = if self.step == Step::Index { 1 } else { self.count };
        let count = self.count / effects;
        (0..effects).map(move |at| self.part(at * count..(at + 1) * count))
    }

    /// Takes over the elements after these, where they continue the run.
    pub(crate) fn join(&mut self, next: &Run) -> bool {
        if (self.origin, self.removed_by, self.is_removed()) != (next.origin, next.removed_by, next.is_removed()) {
            return false;
        }
        let Some(count) = self.count.checked_add(next.count) else { return false };
        let continues = |step: &Step| {
            (self.count == 1 || self.step == *step)
                && (next.count == 1 || next.step == *step)
                && Run::new(self.stamp, self.origin, self.index, count, *step)
                    .is_some_and(|run| run.identity(self.count) == next.identity(0))
        };
        let Some(step) = STEPS.into_iter().find(|step| continues(step)) else { return false };
        *self = Run { step, count, removed: self.removed.max(next.removed), ..*self };
        true
    }

    /// The lowest and the highest stamp in it.
    pub(crate) fn stamps(&self) -> (Stamp, Stamp) {
        let (first, last) = (self.stamp, self.identity(self.count - 1).version.stamp);
        if self.step == Step::Earlier { (last, first) } else { (first, last) }
    }

    /// The offsets of the elements that are in the other run as well.
    pub(crate) fn overlap(&self, other: &Run) -> Option<Range<u32>> {
        if self.origin != other.origin {
            return None;
        }
        let indexes = |run: &Run| match run.step {
            Step::Index => i64::from(run.index)..i64::from(run.index) + i64::from(run.count),
            _ => i64::from(run.index)..i64::from(run.index) + 1,
        };
        let (own, others) = (indexes(self), indexes(other));
        let (start, end) = (own.start.max(others.start), own.end.min(others.end));
        let ((low, high), (other_low, other_high)) = (self.stamps(), other.stamps());
        let (low, high) = (low.max(other_low), high.min(other_high));
        if start >= end || low > high {
            return None;
        }
        let offsets = match self.step {
            Step::Index => start - own.start..end - own.start,
            Step::Later => (low.0 - self.stamp.0) as i64..(high.0 - self.stamp.0) as i64 + 1,
            Step::Earlier => (self.stamp.0 - high.0) as i64..(self.stamp.0 - low.0) as i64 + 1,
        };
        Some(offsets.start as u32..offsets.end as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stamp: u64, index: i32, count: u32, step: Step) -> Run {
        Run::new(Stamp(stamp), OriginIndex(1), index, count, step).unwrap()
    }

    #[test]
    fn runs_join_where_they_continue() {
        let mut tail = run(10, 0, 1, Step::Index);
        assert!(tail.join(&run(11, 0, 1, Step::Index)));
        assert_eq!((tail.step, tail.count), (Step::Later, 2));
        assert!(!tail.join(&run(13, 0, 1, Step::Index)));
        assert!(tail.join(&run(12, 0, 4, Step::Later)));
        assert_eq!(tail.identity(5).version.stamp, Stamp(15));

        let mut head = run(12, -1, 1, Step::Index);
        assert!(head.join(&run(11, -1, 1, Step::Index)));
        assert_eq!(head.step, Step::Earlier);
        let mut pushed = run(9, -3, 2, Step::Index);
        assert!(pushed.join(&run(9, -1, 1, Step::Later)));
        assert!(!pushed.join(&run(9, 0, 1, Step::Index).removed(Version::ZERO)));
    }

    #[test]
    fn what_runs_have_in_common() {
        let index = run(10, 0, 10, Step::Index);
        assert_eq!(index.overlap(&run(10, 7, 9, Step::Index)), Some(7..10));
        assert_eq!(index.overlap(&run(11, 7, 9, Step::Index)), None);
        assert_eq!(index.overlap(&run(5, 0, 100, Step::Later)), Some(0..1));
        let later = run(10, 0, 10, Step::Later);
        assert_eq!(later.overlap(&run(12, 0, 3, Step::Later)), Some(2..5));
        assert_eq!(later.overlap(&run(30, 0, 15, Step::Earlier)), Some(6..10));
        assert_eq!(later.overlap(&run(12, -1, 3, Step::Index)), Some(2..3));
        let earlier = run(30, -1, 10, Step::Earlier);
        assert_eq!(earlier.overlap(&run(28, -1, 1, Step::Index)), Some(2..3));
        assert_eq!(earlier.overlap(&run(20, -1, 3, Step::Later)), Some(8..10));
        let other = Run::new(Stamp(10), OriginIndex(2), 0, 10, Step::Index).unwrap();
        assert_eq!(index.overlap(&other), None);
    }
}
