//! How effects name elements of a list: by who put them there, and when.
//!
//! All elements that one effect put into a list have its stamp and origin; they differ by their index: 0, 1, 2 … from
//! head to tail where they were put at the tail, … -2, -1 where they were put at the head. Elements that are next to
//! each other are often a run.

use crate::codec::{put_varint, take_varint, unzigzag, zigzag};
use crate::{DecodeError, NodeId, Origin, Stamp};
use std::fmt;

/// Who put an element into a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creator {
    /// The origin of the effect that names the element.
    Author,
    Origin(Origin),
    /// It came without a stamp.
    Nobody,
    /// It has no identity, as there is one writer only: the index is its place in the list before this effect.
    Position,
}

/// Elements of one list whose stamps and indexes follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityRun {
    pub creator: Creator,
    /// Of the first one; zero where it is of nobody, or a position.
    pub stamp: Stamp,
    pub index: i64,
    /// At least one.
    pub count: u64,
    pub step: Step,
}

/// What tells an element of a run from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The index is larger by one.
    Index,
    /// The stamp is larger by one, as of pushes to the tail of one element each.
    Later,
    /// The stamp is smaller by one, as of such pushes to the head.
    Earlier,
}

/// Runs of identities, encoded:
///
/// ```text
/// varint number of origins, each: u64 node, varint incarnation
/// runs to the end: varint creator << 2 | step, zigzag stamp (less the last one), zigzag index, varint count
/// ```
#[derive(Clone, Copy)]
pub struct Identities<'a> {
    origins: &'a [u8],
    runs: &'a [u8],
    pub(crate) encoded: &'a [u8],
}

/// Builds the encoding that [`Identities`] reads.
#[derive(Default)]
pub struct IdentitiesWriter {
    origins: Vec<Origin>,
    runs: Vec<u8>,
    last: Stamp,
    encoded: Vec<u8>,
}

/// What the number of a creator stands for; from `FIRST_ORIGIN` on it is one of the listed origins.
mod creator {
    pub(super) const AUTHOR: u64 = 0;
    pub(super) const NOBODY: u64 = 1;
    pub(super) const POSITION: u64 = 2;
    pub(super) const FIRST_ORIGIN: u64 = 3;
}

impl<'a> Identities<'a> {
    /// Checks `encoded` once, so that iterating cannot fail.
    pub fn new(encoded: &'a [u8]) -> Result<Identities<'a>, DecodeError> {
        let mut rest = encoded;
        let count = take_varint(&mut rest)?;
        let origins = rest;
        for _ in 0..count {
            take_origin(&mut rest)?;
        }
        let identities = Identities { origins, runs: rest, encoded };
        let mut reader = Runs { identities, rest, last: Stamp::ZERO };
        while !reader.rest.is_empty() {
            reader.read(count)?;
        }
        Ok(identities)
    }

    /// The same, of exactly one element.
    pub(crate) fn one(encoded: &'a [u8]) -> Result<Identities<'a>, DecodeError> {
        let identities = Identities::new(encoded)?;
        let mut runs = identities.iter();
        match (runs.next(), runs.next()) {
            (Some(IdentityRun { count: 1, .. }), None) => Ok(identities),
            _ => Err(DecodeError::BadNumber),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = IdentityRun> + use<'a> {
        let mut reader = Runs { identities: *self, rest: self.runs, last: Stamp::ZERO };
        std::iter::from_fn(move || {
            (!reader.rest.is_empty())
                .then(|| reader.read(u64::MAX).expect("checked by Identities::new or written by IdentitiesWriter"))
        })
    }

    fn origin(&self, index: u64) -> Result<Origin, DecodeError> {
        let mut rest = self.origins;
        for _ in 0..index {
            take_origin(&mut rest)?;
        }
        take_origin(&mut rest)
    }
}

impl PartialEq for Identities<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl fmt::Debug for Identities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

struct Runs<'a> {
    identities: Identities<'a>,
    rest: &'a [u8],
    last: Stamp,
}

impl Runs<'_> {
    fn read(&mut self, origins: u64) -> Result<IdentityRun, DecodeError> {
        let head = take_varint(&mut self.rest)?;
        let difference = unzigzag(take_varint(&mut self.rest)?);
        let index = unzigzag(take_varint(&mut self.rest)?);
        let count = take_varint(&mut self.rest)?;
        let stamp = Stamp(self.last.0.wrapping_add_signed(difference));
        let step = match head & 3 {
            0 => Step::Index,
            1 => Step::Later,
            2 => Step::Earlier,
            _ => return Err(DecodeError::BadNumber),
        };
        let creator = match head >> 2 {
            creator::AUTHOR => Creator::Author,
            creator::NOBODY => Creator::Nobody,
            creator::POSITION => Creator::Position,
            listed if listed - creator::FIRST_ORIGIN < origins => {
                Creator::Origin(self.identities.origin(listed - creator::FIRST_ORIGIN)?)
            }
            _ => return Err(DecodeError::BadNumber),
        };
        self.last = stamp;
        // No list is that long, and sums with it cannot overflow.
        let is_sane = (1..1 << 62).contains(&count) && index.unsigned_abs() < 1 << 62;
        let in_range = match step {
            Step::Index => true,
            Step::Later => stamp.0.checked_add(count).is_some(),
            Step::Earlier => stamp.0 >= count,
        };
        if is_sane && in_range {
            Ok(IdentityRun { creator, stamp, index, count, step })
        } else {
            Err(DecodeError::BadNumber)
        }
    }
}

fn take_origin(rest: &mut &[u8]) -> Result<Origin, DecodeError> {
    let (node, tail) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
    *rest = tail;
    let incarnation = u32::try_from(take_varint(rest)?).map_err(|_| DecodeError::BadNumber)?;
    Ok(Origin { node: NodeId(u64::from_le_bytes(*node)), incarnation })
}

impl IdentitiesWriter {
    pub fn new() -> IdentitiesWriter {
        IdentitiesWriter::default()
    }

    pub fn push(&mut self, run: &IdentityRun) {
        let creator = match run.creator {
            Creator::Author => creator::AUTHOR,
            Creator::Nobody => creator::NOBODY,
            Creator::Position => creator::POSITION,
            Creator::Origin(origin) => {
                let index = self.origins.iter().position(|known| *known == origin).unwrap_or_else(|| {
                    self.origins.push(origin);
                    self.origins.len() - 1
                });
                creator::FIRST_ORIGIN + index as u64
            }
        };
        put_varint(&mut self.runs, creator << 2 | run.step as u64);
        put_varint(&mut self.runs, zigzag(run.stamp.0.wrapping_sub(self.last.0) as i64));
        put_varint(&mut self.runs, zigzag(run.index));
        put_varint(&mut self.runs, run.count);
        self.last = run.stamp;
    }

    /// All runs so far.
    pub fn identities(&mut self) -> Identities<'_> {
        if self.runs.is_empty() {
            return Identities { origins: &[], runs: &[], encoded: &[0] };
        }
        self.encoded.clear();
        put_varint(&mut self.encoded, self.origins.len() as u64);
        let start = self.encoded.len();
        for origin in &self.origins {
            self.encoded.extend_from_slice(&origin.node.0.to_le_bytes());
            put_varint(&mut self.encoded, origin.incarnation.into());
        }
        let end = self.encoded.len();
        self.encoded.extend_from_slice(&self.runs);
        Identities { origins: &self.encoded[start..end], runs: &self.encoded[end..], encoded: &self.encoded }
    }
}
