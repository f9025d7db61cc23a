//! What one lock guards: the part of every database whose keys hash to the shard.

use crate::table::{KeyHasher, Table};

/// One database's part of a shard.
pub(crate) struct Database<H> {
    pub table: Table<H>,
}

pub(crate) struct Shard<H> {
    pub databases: Vec<Database<H>>,
}

impl<H: KeyHasher> Shard<H> {
    pub fn new(databases: u32, hasher: H) -> Shard<H> {
        Shard { databases: (0..databases).map(|_| Database { table: Table::new(hasher) }).collect() }
    }
}
