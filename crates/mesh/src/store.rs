//! What the mesh needs of the data set.

use crate::{BatchReader, Now, Record, Watermarks};
use effect::{Origin, Stamp, VersionVector};

/// A place in a walk over the data set; opaque to the mesh. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub db: u32,
    pub position: u64,
}

/// A key, as another node may compare it with its own.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    pub db: u32,
    pub key: &'a [u8],
    /// The same on every node.
    pub hash: u64,
    /// `None`: it is not at rest, so it does not count.
    pub rest: Option<Rest>,
    /// Who wrote it last, where that is known.
    pub author: Option<Origin>,
    /// How long it took to look at it: as long as so many small keys.
    pub work: usize,
}

/// What a key at rest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Of the value; equal on all nodes where that is.
    pub digest: u64,
    /// Of its newest effect.
    pub stamp: Stamp,
}

/// A data set as it is written down.
pub trait Export: Send {
    /// Appends about `budget` bytes more, or nothing for this time. False: that was the end.
    fn go_on(&mut self, budget: usize, output: &mut Vec<u8>) -> bool;
}

/// The data set. An error text means a broken invariant: the link that brought the bytes is closed.
pub trait Store {
    /// Could `apply` take this record?
    fn check(&self, record: &Record<'_>) -> Result<(), String>;

    /// Begins to fetch from memory what the next records will change, and returns how many these are.
    fn fetch_ahead(&mut self, records: &mut BatchReader<'_>) -> usize;

    /// Does a little of what takes long about a record and can be done before it is applied. False: it is to be called
    /// again, with the same record.
    fn prepare(&mut self, record: &Record<'_>) -> Result<bool, String>;

    /// Applies a record of another origin, who had seen, or takes for seen, `row` then. Returns the context version:
    /// local commits whose context is at least that have seen it.
    fn apply(&mut self, record: &Record<'_>, row: &VersionVector) -> Result<u64, String>;

    /// Nothing older than these can change any more.
    fn stabilize(&mut self, watermarks: &Watermarks);

    /// About how many bytes are kept because `stabilize` has not said more.
    fn remembered_bytes(&self) -> usize;

    /// Begins to write down the data set.
    fn export(&self) -> Box<dyn Export>;

    /// Up to which stamp of each origin effects may be part of the data set without a trace.
    fn decided(&self) -> VersionVector;

    /// Shows some keys, from `cursor` on, each at least once. `None`: that was the end.
    fn survey(&mut self, cursor: Cursor, now: Now, see: &mut dyn FnMut(Sighting<'_>)) -> Option<Cursor>;

    /// Another node has something else at this key, which should not be: it is to be said anew.
    fn doubt(&mut self, db: u32, key: &[u8]);

    /// A data set of another node follows, at least as new as `theirs`, where no more is `decided` when it ends. `ours`:
    /// what is here, and of this node's own effects all. `replace`: the own data set is given up for it. `is_stranger`: this
    /// node has never had what its masters have, so nobody counted on what it wrote. Returns the context version: own commits
    /// with at least that are made as if all of it were here.
    fn import_begin(
        &mut self,
        theirs: &VersionVector,
        decided: &VersionVector,
        ours: &VersionVector,
        replace: bool,
        is_stranger: bool,
    ) -> Result<u64, String>;

    /// A piece of it, as `Export` wrote it there. Nothing of it may be later than `latest`.
    fn import(&mut self, bytes: &[u8], latest: Stamp) -> Result<(), String>;

    /// That was all of it (or not: `complete` is false where the link broke). Returns the context version as
    /// `apply` does.
    fn import_end(&mut self, complete: bool) -> u64;
}
