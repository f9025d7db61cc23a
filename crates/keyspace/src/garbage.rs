//! What was flushed, to be dropped where that does not hurt.

use crate::KeyHash;
use crate::table::Table;

/// Entries that nobody can reach any more. Dropping it frees them, which takes time: another thread's.
#[derive(Default)]
#[must_use = "dropping it here takes as long as there are entries"]
pub struct Garbage {
    tables: Vec<Table<KeyHash>>,
}

impl Garbage {
    pub(crate) fn add(&mut self, table: Table<KeyHash>) {
        if !table.is_empty() {
            self.tables.push(table);
        }
    }

    /// How many entries wait to be freed.
    pub fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}
