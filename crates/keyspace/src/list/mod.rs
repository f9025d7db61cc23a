//! Lists whose elements have identities, so that other nodes can name them
//! (docs/decisions/0001-convergence.md, lists).

mod registers;
mod run;
mod sequence;

pub(crate) use registers::{Anchor, ListEdit, ListRegisters, Part, parts_of};
pub(crate) use run::Run;
pub(crate) use sequence::Sequence;

use crate::version::{OriginIndex, Origins, Version};
use effect::{Creator, Identities, IdentitiesWriter, IdentityRun};
use smallvec::SmallVec;
use std::ops::Range;
use values::List;

/// Who put an element into a list, and which one of those that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) version: Version,
    /// See `effect::IdentityRun`.
    pub(crate) index: i32,
}

/// A list as an entry holds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredList {
    pub(crate) list: List,
    /// `None`: the list is as if it had been Put whole at the version of the key, or there is nobody to whom its
    /// elements have to be named. While the key has a record, the record has them.
    pub(crate) identities: Option<Box<Sequence>>,
}

impl StoredList {
    pub(crate) fn new(list: List) -> StoredList {
        StoredList { list, identities: None }
    }

    /// From now on the version of the key says nothing about its elements.
    pub(crate) fn pin(&mut self, version: Version) {
        if self.identities.is_none() {
            self.identities = Some(Box::new(Sequence::whole(version, self.list.len())));
        }
    }

    /// Changes the list where its elements need no identities.
    pub(crate) fn plain_mut(&mut self) -> &mut List {
        self.identities = None;
        &mut self.list
    }
}

/// Places in a list: ascending ranges that do not touch.
pub(crate) type Places = SmallVec<[Range<usize>; 1]>;

/// Which elements of a list an effect concerns.
pub(crate) enum Selection {
    At(Places),
    Named(Vec<Run>),
}

impl Selection {
    /// What an effect of `author` names. Selection of origins that were never heard of cannot be here.
    pub(crate) fn new(identities: &Identities<'_>, origins: &Origins, author: OriginIndex) -> Selection {
        if identities.iter().next().is_some_and(|run| run.creator == Creator::Position) {
            let place = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
            let range = |run: IdentityRun| place(run.index)..place(run.index.saturating_add(run.count as i64));
            let mut ranges: Places = identities.iter().map(range).collect();
            ranges.sort_by_key(|range| range.start);
            ranges.dedup_by(|next, range| {
                let touching = next.start <= range.end;
                if touching {
                    range.end = range.end.max(next.end);
                }
                touching
            });
            return Selection::At(ranges);
        }
        let run = |run: IdentityRun| {
            let origin = match run.creator {
                Creator::Author => author,
                Creator::Origin(origin) => origins.find(origin)?,
                Creator::Nobody | Creator::Position => OriginIndex::NONE,
            };
            Run::new(run.stamp, origin, i32::try_from(run.index).ok()?, u32::try_from(run.count).ok()?, run.step)
        };
        Selection::Named(identities.iter().filter_map(run).collect())
    }

    pub(crate) fn of(identity: Identity) -> Selection {
        Selection::Named(vec![Run::of_effect(identity.version, identity.index, 1)])
    }

    /// The one that is meant where it is one.
    pub(crate) fn first_identity(&self) -> Option<Identity> {
        match self {
            Selection::At(_) => None,
            Selection::Named(runs) => runs.first().map(|run| run.identity(0)),
        }
    }
}

/// Writes runs so that other nodes understand them.
pub(crate) fn name_runs(runs: impl Iterator<Item = Run>, origins: &Origins, author: OriginIndex) -> IdentitiesWriter {
    let mut writer = IdentitiesWriter::new();
    for run in runs {
        let creator = match origins.origin(run.origin) {
            _ if run.origin == author => Creator::Author,
            Some(origin) => Creator::Origin(origin),
            None => Creator::Nobody,
        };
        let (index, count) = (run.index.into(), run.count.into());
        writer.push(&IdentityRun { creator, stamp: run.stamp, index, count, step: run.step });
    }
    writer
}

/// Writes places, for where there is one writer only.
pub(crate) fn name_places(ranges: &[Range<usize>]) -> IdentitiesWriter {
    let mut writer = IdentitiesWriter::new();
    for range in ranges {
        writer.push(&IdentityRun {
            creator: Creator::Position,
            stamp: effect::Stamp::ZERO,
            index: range.start as i64,
            count: range.len() as u64,
            step: effect::Step::Index,
        });
    }
    writer
}
