//! Records: one commit of one origin, on its way through the mesh.

use effect::{Origin, Stamp};

/// One commit (a command, a MULTI group), or a tick where `count` is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    pub origin: Origin,
    /// `last` of the record before it in the stream of its origin: a receiver that has less would
    /// miss something.
    pub previous: Stamp,
    /// Stamp of the first effect; the following ones are consecutive.
    pub first: Stamp,
    /// How many stamps its effects take.
    pub count: u64,
    /// What the origin had applied of others since its previous record: (origin, stamp) of its
    /// version vector, changed entries only.
    pub context: &'a [(Origin, Stamp)],
    /// What a data set on its way to the origin will have brought: this record and those after it are made as if it had been seen
    /// already. News only.
    pub assumed: &'a [(Origin, Stamp)],
    /// Encoded with `effect::EffectWriter`.
    pub effects: &'a [u8],
}

impl Record<'_> {
    /// The stamp that a version vector has once this record is applied.
    pub fn last(&self) -> Stamp {
        self.first.plus(self.count.saturating_sub(1))
    }

    /// Does it only move clock and context on?
    pub fn is_tick(&self) -> bool {
        self.count == 0
    }

    /// Bytes that keeping it costs.
    pub fn size(&self) -> usize {
        self.effects.len() + size_of_val(self.context) + size_of_val(self.assumed)
    }

    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord {
            origin: self.origin,
            previous: self.previous,
            first: self.first,
            count: self.count,
            context: self.context.into(),
            assumed: self.assumed.into(),
            effects: self.effects.into(),
        }
    }
}

/// A record that waits.
#[derive(Clone, Debug)]
pub struct OwnedRecord {
    origin: Origin,
    previous: Stamp,
    first: Stamp,
    count: u64,
    context: Box<[(Origin, Stamp)]>,
    assumed: Box<[(Origin, Stamp)]>,
    effects: Box<[u8]>,
}

impl OwnedRecord {
    pub fn borrow(&self) -> Record<'_> {
        Record {
            origin: self.origin,
            previous: self.previous,
            first: self.first,
            count: self.count,
            context: &self.context,
            assumed: &self.assumed,
            effects: &self.effects,
        }
    }
}
