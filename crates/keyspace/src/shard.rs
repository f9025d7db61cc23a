//! What one lock guards: the part of every database whose keys hash to the shard.

use crate::agenda::Agenda;
use crate::merge::operations::Cancellation;
use crate::recent::Recent;
use crate::table::{KeyHasher, Table};
use crate::version::Version;
use effect::Stamp;
use std::cell::Cell;
use thin_vec::ThinVec;
use values::EncodingLimits;

/// One database's part of a shard.
pub(crate) struct Database<H> {
    pub table: Table<H>,
    pub recent: Recent,
    /// The newest flush of the database.
    pub flushed: Version,
    /// What flushes of this node cancel of a data set that is on its way.
    pub cancelled_by_flush: ThinVec<Cancellation>,
    /// Not older than any key that has no record.
    pub newest_plain: Stamp,
    /// See `View::type_clashes`.
    pub type_clashes: u64,
    /// Deadlines of elements.
    pub agenda: Agenda,
}

pub(crate) struct Shard<H> {
    pub databases: Vec<Database<H>>,
    pub limits: EncodingLimits,
    pub counters: Counters,
}

/// Counted under the shard's lock; a `View` counts, too.
#[derive(Default)]
pub(crate) struct Counters {
    pub hits: Cell<u64>,
    pub misses: Cell<u64>,
    pub expired: Cell<u64>,
    pub evicted: Cell<u64>,
    pub expired_members: Cell<u64>,
}

impl Counters {
    pub fn reset(&self) {
        for counter in [&self.hits, &self.misses, &self.expired, &self.expired_members, &self.evicted] {
            counter.set(0);
        }
    }
}

impl<H: KeyHasher> Database<H> {
    pub fn new(hasher: H) -> Database<H> {
        Database {
            table: Table::new(hasher),
            recent: Recent::default(),
            flushed: Version::ZERO,
            cancelled_by_flush: ThinVec::new(),
            newest_plain: Stamp::ZERO,
            type_clashes: 0,
            agenda: Agenda::default(),
        }
    }

    /// About what is kept because something older may still arrive, or somebody lacks it.
    pub fn remembered_bytes(&self) -> usize {
        self.recent.bytes() + self.table.due_bytes() + size_of_val(&*self.cancelled_by_flush)
    }
}

impl<H: KeyHasher> Shard<H> {
    pub fn new(databases: u32, hasher: H) -> Shard<H> {
        Shard {
            databases: (0..databases).map(|_| Database::new(hasher)).collect(),
            limits: EncodingLimits::default(),
            counters: Counters::default(),
        }
    }
}
