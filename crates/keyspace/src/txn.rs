//! The only writer. Every change made here is recorded as an effect, and effects of other nodes, of
//! the AOF and of replica streams enter here too (`apply`).

use crate::{ValueError, View};
use effect::Stamp;
use std::ops::Deref;

/// What a string write does to the deadline.
pub use effect::Deadline as SetDeadline;

/// What one command (or one MULTI group) did: stamped, encoded, ready for every reader of the stream.
pub struct Commit<'a> {
    /// Stamp of the first effect; the following ones are consecutive.
    pub first: Stamp,
    pub count: u64,
    /// See `Keyspace::context_version`: which remote effects this commit had seen. Read in one step with
    /// `first`, so that commits in the order of their stamps have their contexts in order too.
    pub context: u64,
    /// Encoded with `effect::EffectWriter`.
    pub effects: &'a [u8],
}

/// Reads and writes within the locks of one command.
pub struct Txn<'k> {
    view: View<'k>,
}

impl<'k> Deref for Txn<'k> {
    type Target = View<'k>;
    fn deref(&self) -> &View<'k> {
        &self.view
    }
}

impl<'k> Txn<'k> {
    /// Another database, for the rest of the command (MULTI with SELECT, MOVE, COPY … DB).
    pub fn select(&mut self, db: u32) {
        let _ = db;
        todo!()
    }

    // Strings
    pub fn string_set(&mut self, key: &[u8], value: &[u8], deadline: SetDeadline) {
        let _ = (key, value, deadline);
        todo!()
    }
    /// Returns the new value.
    pub fn string_increment(&mut self, key: &[u8], delta: i64) -> Result<i64, ValueError> {
        let _ = (key, delta);
        todo!()
    }
    /// Returns the new value, as Redis prints it.
    pub fn string_increment_float(&mut self, key: &[u8], delta: &[u8]) -> Result<Vec<u8>, ValueError> {
        let _ = (key, delta);
        todo!()
    }
    /// Returns the new length, as the next ones do. `max_len`: proto-max-bulk-len.
    pub fn string_append(&mut self, key: &[u8], bytes: &[u8], max_len: usize) -> Result<usize, ValueError> {
        let _ = (key, bytes, max_len);
        todo!()
    }
    pub fn string_set_range(
        &mut self,
        key: &[u8],
        offset: usize,
        bytes: &[u8],
        max_len: usize,
    ) -> Result<usize, ValueError> {
        let _ = (key, offset, bytes, max_len);
        todo!()
    }
    /// Returns the old bits. `width`: 1..=64.
    pub fn string_set_bits(&mut self, key: &[u8], bit_offset: u64, width: u8, value: u64) -> Result<u64, ValueError> {
        let _ = (key, bit_offset, width, value);
        todo!()
    }

    // Keys of any type
    /// True where the key was there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let _ = key;
        todo!()
    }
    /// `None` is PERSIST. The key must exist. A deadline in the past deletes.
    pub fn expire(&mut self, key: &[u8], deadline_ms: Option<u64>) {
        let _ = (key, deadline_ms);
        todo!()
    }
    /// `destination` becomes a copy of `source` in database `db`, deadline included; replaces what was there.
    pub fn copy(&mut self, source: &[u8], destination: &[u8], db: u32) {
        let _ = (source, destination, db);
        todo!()
    }
    pub fn rename(&mut self, source: &[u8], destination: &[u8]) {
        let _ = (source, destination);
        todo!()
    }
    /// Replaces `key` by a set of these members (SINTERSTORE …); deletes it where there are none.
    pub fn store_set(&mut self, key: &[u8], members: &values::Set) {
        let _ = (key, members);
        todo!()
    }
    pub fn flush_db(&mut self) {
        todo!()
    }
    pub fn flush_all(&mut self) {
        todo!()
    }
    pub fn swap_db(&mut self, first: u32, second: u32) {
        let _ = (first, second);
        todo!()
    }

    // Sets
    /// Returns how many members are new.
    pub fn set_add<'a>(
        &mut self,
        key: &[u8],
        members: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, ValueError> {
        let _ = (key, members);
        todo!()
    }
    /// Returns how many members were there. An empty set is no key.
    pub fn set_remove<'a>(
        &mut self,
        key: &[u8],
        members: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, ValueError> {
        let _ = (key, members);
        todo!()
    }

    // Hashes
    /// Returns how many fields are new.
    pub fn hash_set<'a>(
        &mut self,
        key: &[u8],
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Result<usize, ValueError> {
        let _ = (key, pairs);
        todo!()
    }
    pub fn hash_delete<'a>(
        &mut self,
        key: &[u8],
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, ValueError> {
        let _ = (key, fields);
        todo!()
    }
    pub fn hash_increment(&mut self, key: &[u8], field: &[u8], delta: i64) -> Result<i64, ValueError> {
        let _ = (key, field, delta);
        todo!()
    }
    pub fn hash_increment_float(&mut self, key: &[u8], field: &[u8], delta: &[u8]) -> Result<Vec<u8>, ValueError> {
        let _ = (key, field, delta);
        todo!()
    }

    /// How many changes were made so far (the dirty counter's step).
    pub fn changes(&self) -> u64 {
        todo!()
    }
    /// Ends the transaction and releases its locks. `commit` receives the effects, unless there were
    /// none or nobody listens. Called also after a handler failed half-way.
    pub fn commit<R>(self, commit: impl FnOnce(Commit<'_>) -> R) -> Option<R> {
        let _ = commit;
        todo!()
    }
}
