//! What is known of the elements of a list, and how one effect changes them, whatever has arrived before it: the list
//! becomes what it would be if all effects had come in their order.

use super::run::Run;
use super::sequence::{Gap, Sequence};
use super::{Identity, Selection};
use crate::recent::KeyedHash;
use crate::version::{Origins, Version};
use effect::End;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::ops::Range;
use values::{Element, EncodingLimits, List};

/// Where an element was inserted: next to another one, on the side of that end; or at that end, where the other one had
/// gone with all that was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) beside: Option<Identity>,
    pub(crate) toward: End,
}

/// Of one list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListRegisters {
    pub(crate) sequence: Sequence,
    /// Of elements that something older may still come next to.
    pub(crate) anchors: HashMap<Identity, Anchor, KeyedHash>,
    /// The newest effect that gave an element another value.
    pub(crate) values: HashMap<Identity, Version, KeyedHash>,
    /// The newest effect of each origin that put elements here, as long as not everybody knows it.
    newest: SmallVec<[Version; 2]>,
}

/// A list about to be changed by an effect.
pub(crate) struct ListEdit<'e> {
    pub(crate) list: &'e mut List,
    pub(crate) registers: &'e mut ListRegisters,
    pub(crate) limits: &'e EncodingLimits,
    pub(crate) origins: &'e Origins,
    pub(crate) version: Version,
}

/// Selection of one effect that are next to each other, all in the list or all removed.
pub(crate) struct Part {
    pub(crate) run: Run,
    /// Of those that are in the list.
    values: Vec<Vec<u8>>,
}

impl ListRegisters {
    /// Of a list at rest.
    pub(crate) fn new(sequence: Sequence) -> ListRegisters {
        ListRegisters { sequence, ..ListRegisters::default() }
    }

    /// About how many things there are to remember.
    pub(crate) fn len(&self) -> usize {
        self.sequence.run_count() + self.anchors.len() + self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.anchors.is_empty() && self.values.is_empty() && self.newest.is_empty() && !self.sequence.has_removed()
    }

    /// Takes over identities from elsewhere.
    pub(crate) fn set_sequence(&mut self, sequence: Sequence) {
        for run in sequence.runs() {
            self.note(Version { stamp: run.stamps().1, origin: run.origin });
        }
        self.sequence = sequence;
    }

    /// Drops what `unwanted` effects have put into the list, as if it had not come yet.
    pub(crate) fn drop_elements(
        &mut self,
        list: &mut List,
        limits: &EncodingLimits,
        unwanted: impl Fn(Version) -> bool,
    ) {
        let (mut kept, mut dropped) = (Vec::new(), Vec::<Range<usize>>::new());
        let mut start = 0;
        for run in self.sequence.runs().flat_map(Run::by_effect) {
            let end = start + run.live();
            if !unwanted(run.identity(0).version) {
                kept.push(run);
            } else if let Some(last) = dropped.last_mut().filter(|last| last.end == start) {
                last.end = end;
            } else {
                dropped.push(start..end);
            }
            start = end;
        }
        dropped.retain(|range| !range.is_empty());
        list.remove(&dropped, limits);
        self.sequence = Sequence::from_runs(kept.into_iter());
        self.anchors.retain(|identity, _| !unwanted(identity.version));
        self.values.retain(|identity, _| !unwanted(identity.version));
    }

    /// That an effect has put elements here.
    fn note(&mut self, version: Version) {
        match self.newest.iter_mut().find(|newest| newest.origin == version.origin) {
            Some(newest) => newest.stamp = newest.stamp.max(version.stamp),
            None => self.newest.push(version),
        }
    }

    /// Forgets what everybody knows. `thorough`: all of it, if the cost is worth it or not.
    pub(crate) fn settle(&mut self, known: impl Fn(Version) -> bool, thorough: bool) {
        self.anchors.retain(|identity, _| !known(identity.version));
        self.values.retain(|_, version| !known(*version));
        self.newest.retain(|version| !known(*version));
        self.sequence.sweep(known, thorough);
    }

    /// Where an element newer than `version` belongs, as somebody sees it who knows only what is older: at an end, or
    /// next to an element that is not newer.
    fn root(&self, identity: Identity, version: Version, origins: &Origins) -> Anchor {
        let mut identity = identity;
        loop {
            let by_index = Anchor { beside: None, toward: if identity.index < 0 { End::Head } else { End::Tail } };
            let anchor = self.anchors.get(&identity).copied().unwrap_or(by_index);
            match anchor.beside {
                // What one is put next to is older: an anchor from elsewhere may claim otherwise.
                Some(next) if origins.newer(next.version, version) && origins.newer(identity.version, next.version) => {
                    identity = next;
                }
                _ => return anchor,
            }
        }
    }

    /// The gap for what `version` puts at `anchor`: `from` there, past what is newer and has been put there since. `None`
    /// where it has been put there already.
    fn gap_for(&self, from: Gap, inwards: End, anchor: Anchor, version: Version, origins: &Origins) -> Option<Gap> {
        let mut gap = from;
        loop {
            let next = if inwards == End::Head { self.sequence.before(gap) } else { self.sequence.after(gap) };
            let Some(next) = next else { return Some(gap) };
            let is_newer = origins.newer(next.identity.version, version);
            let root = is_newer.then(|| self.root(next.identity, version, origins));
            if next.identity.version == version
                || root.and_then(|root| root.beside).is_some_and(|beside| beside.version == version)
            {
                return None;
            }
            if root != Some(anchor) {
                return Some(gap);
            }
            let count = if next.of_one_effect { next.count } else { 1 };
            gap = if inwards == End::Head {
                self.sequence.back(gap, &next, count)
            } else {
                self.sequence.forward(gap, &next, count)
            };
        }
    }

    /// The gap at one end.
    fn end_gap(&self, end: End, version: Version, origins: &Origins) -> Option<Gap> {
        let (from, inwards) = match end {
            End::Head => (self.sequence.head(), End::Tail),
            End::Tail => (self.sequence.tail(), End::Head),
        };
        self.gap_for(from, inwards, Anchor { beside: None, toward: end }, version, origins)
    }

    /// The gap next to an element, and the anchor as it is: the end, where the element is not there.
    fn gap_beside(
        &self,
        identity: Identity,
        toward: End,
        version: Version,
        origins: &Origins,
    ) -> Option<(Gap, Anchor)> {
        let Some((before, _)) = self.sequence.find(identity) else {
            return Some((self.end_gap(toward, version, origins)?, Anchor { beside: None, toward }));
        };
        let anchor = Anchor { beside: Some(identity), toward };
        let from = self.sequence.beside(before, toward);
        Some((self.gap_for(from, toward, anchor, version, origins)?, anchor))
    }
}

impl ListEdit<'_> {
    /// Selection go to one end, one after the other.
    pub(crate) fn push<'m>(&mut self, end: End, elements: impl Iterator<Item = &'m [u8]> + Clone) {
        let count = elements.clone().count();
        let index = if end == End::Head { -(count as i64) } else { 0 };
        let (Ok(count), Ok(index)) = (u32::try_from(count), i32::try_from(index)) else { return };
        if count == 0 {
            return;
        }
        let Some(gap) = self.registers.end_gap(end, self.version, self.origins) else { return };
        match (end, gap.live) {
            (End::Head, 0) => self.list.push_front(elements, self.limits),
            (End::Tail, live) if live == self.list.len() => self.list.push_back(elements, self.limits),
            (End::Head, live) => {
                elements.for_each(|element| self.list.insert(live, element, self.limits));
            }
            (End::Tail, live) => {
                for (offset, element) in elements.enumerate() {
                    self.list.insert(live + offset, element, self.limits);
                }
            }
        }
        self.registers.sequence.insert(gap, Run::of_effect(self.version, index, count));
        self.registers.note(self.version);
    }

    /// An element goes next to the one that is meant.
    pub(crate) fn insert(&mut self, beside: &Selection, toward: End, element: &[u8]) {
        let own = Identity { version: self.version, index: 0 };
        if self.registers.anchors.contains_key(&own) {
            return;
        }
        let Some(beside) = self.identity_of(beside) else { return };
        let Some((gap, anchor)) = self.registers.gap_beside(beside, toward, self.version, self.origins) else { return };
        self.list.insert(gap.live, element, self.limits);
        self.registers.sequence.insert(gap, Run::of_effect(self.version, 0, 1));
        self.registers.anchors.insert(own, anchor);
    }

    /// Selection leave.
    pub(crate) fn remove(&mut self, elements: &Selection) {
        match elements {
            Selection::At(ranges) => {
                self.registers.sequence.remove_at(ranges, self.version);
                self.list.remove(ranges, self.limits);
            }
            Selection::Named(runs) => {
                let ranges = self.registers.sequence.remove_named(runs, self.version);
                self.list.remove(&ranges, self.limits);
            }
        }
    }

    /// An element gets another value, unless a newer effect has given it one.
    pub(crate) fn set(&mut self, element: &Selection, value: &[u8]) {
        let Some(identity) = self.identity_of(element) else { return };
        let Some((gap, true)) = self.registers.sequence.find(identity) else { return };
        let newest = self.registers.values.entry(identity).or_insert(self.version);
        if !self.origins.newer(*newest, self.version) {
            *newest = self.version;
            self.list.replace(gap.live, value, self.limits);
        }
    }

    fn identity_of(&self, element: &Selection) -> Option<Identity> {
        match element {
            Selection::Named(_) => element.first_identity(),
            Selection::At(ranges) => {
                let gap = self.registers.sequence.gap_at(ranges.first()?.start)?;
                Some(self.registers.sequence.after(gap)?.identity)
            }
        }
    }

    /// Everything below `at` dies; the list is `base` then, and what is newer on top of it, put there again in its order.
    pub(crate) fn cut(&mut self, at: Version, base: Option<List>) {
        let origins = self.origins;
        let is_newer = |version| origins.newer(version, at);
        let survivors = if self.registers.sequence.newest_stamp() < at.stamp {
            Vec::new()
        } else {
            parts_of(&self.registers.sequence, Some(self.list), origins, is_newer)
        };
        let base = base.unwrap_or_default();
        self.registers.sequence = Sequence::whole(at, base.len());
        *self.list = base;
        self.registers.anchors.retain(|identity, _| is_newer(identity.version));
        self.registers.values.retain(|identity, _| is_newer(identity.version));
        self.registers.newest.retain(|version| is_newer(*version));
        for parts in survivors.chunk_by(|a, b| a.run.identity(0).version == b.run.identity(0).version) {
            self.put_again(parts);
        }
    }

    /// Puts the elements of one effect where the effect put them, on a list of what is older.
    fn put_again(&mut self, parts: &[Part]) {
        let first = parts[0].run.identity(0);
        let gap = match self.registers.anchors.get(&first) {
            Some(&Anchor { beside, toward }) => {
                let found = beside.and_then(|beside| self.registers.sequence.find(beside));
                if found.is_none() {
                    self.registers.anchors.insert(first, Anchor { beside: None, toward });
                }
                match (found, toward) {
                    (Some((before, _)), toward) => self.registers.sequence.beside(before, toward),
                    (None, End::Head) => self.registers.sequence.head(),
                    (None, End::Tail) => self.registers.sequence.tail(),
                }
            }
            None if first.index < 0 => self.registers.sequence.head(),
            None => self.registers.sequence.tail(),
        };
        self.fill(gap, parts);
    }

    /// Puts the elements of one effect, which come with a transfer of state, where they belong.
    pub(crate) fn rejoin(&mut self, parts: &[Part], anchor: Option<Anchor>) {
        let Some(first) = parts.first().map(|part| part.run.identity(0)) else { return };
        let place = match anchor {
            Some(Anchor { beside: Some(beside), toward }) => {
                self.registers.gap_beside(beside, toward, self.version, self.origins)
            }
            Some(anchor) => {
                let gap = self.registers.end_gap(anchor.toward, self.version, self.origins);
                gap.map(|gap| (gap, anchor))
            }
            None => {
                let toward = if first.index < 0 { End::Head } else { End::Tail };
                let gap = self.registers.end_gap(toward, self.version, self.origins);
                gap.map(|gap| (gap, Anchor { beside: None, toward }))
            }
        };
        let Some((gap, place)) = place else { return };
        if anchor.is_some() && self.registers.anchors.insert(first, place).is_some() {
            return;
        }
        self.fill(gap, parts);
    }

    fn fill(&mut self, gap: Gap, parts: &[Part]) {
        let values = parts.iter().flat_map(|part| &part.values);
        for (offset, value) in values.enumerate() {
            self.list.insert(gap.live + offset, value, self.limits);
        }
        let mut gap = gap;
        for part in parts {
            gap = self.registers.sequence.insert(gap, part.run);
            self.registers.note(part.run.identity(0).version);
        }
    }
}

/// What `wanted` says of the elements of a list, in the order of their effects, those of one effect from head to tail.
pub(crate) fn parts_of(
    sequence: &Sequence,
    list: Option<&List>,
    origins: &Origins,
    wanted: impl Fn(Version) -> bool,
) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut start = 0;
    for run in sequence.runs().flat_map(Run::by_effect) {
        if wanted(run.identity(0).version) {
            let values = list.map(|list| list.iter_from(start).take(run.live()).map(Element::to_vec).collect());
            parts.push(Part { run, values: values.unwrap_or_default() });
        }
        start += run.live();
    }
    parts.sort_by(|a, b| {
        let (a, b) = (a.run.identity(0), b.run.identity(0));
        origins.compare(a.version, b.version).then(a.index.cmp(&b.index))
    });
    parts
}
