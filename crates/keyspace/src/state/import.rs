//! Merging the data set of another node into ours, key by key.

use super::decode::{ImportError, Item, KeyItem, Reader};
use super::place::{KeyState, Place};
use crate::entry::Entry;
use crate::garbage::Garbage;
use crate::guard::Wanted;
use crate::merge::{Author, flush, version_of};
use crate::recent::Record;
use crate::shard::Database;
use crate::table::KeyHasher;
use crate::version::{OriginIndex, Row, Version};
use crate::{Change, KeyHash, Keyspace};
use effect::{Stamp, VersionVector};
use std::collections::HashSet;

/// A data set of another node on its way into ours. Nothing else from other nodes is applied meanwhile.
pub struct Import {
    /// What the other node had seen when it began, and what we had.
    theirs: Vec<Stamp>,
    ours: Vec<Stamp>,
    /// Hashes of the keys that they have, where we had some as well: what is missing was deleted there.
    /// (Two keys with the same 64 bits: the one stays, to be noticed by a comparison of digests.)
    received: Option<HashSet<u64>>,
    /// Up to where everybody has seen each origin: what is older may be part of a base here.
    known: Vec<Stamp>,
    newest: Stamp,
}

/// Had somebody with this vector seen the effect?
pub(super) fn covers(vector: &[Stamp], version: Version) -> bool {
    vector.get(version.origin.0 as usize).is_some_and(|seen| *seen >= version.stamp)
}

impl Import {
    /// `theirs`: the version vector with which their walk began; `ours`: our own by now.
    /// `replace`: what we have is given up for it.
    pub fn begin(
        keyspace: &Keyspace,
        theirs: &VersionVector,
        ours: &VersionVector,
        replace: bool,
    ) -> Result<Import, ImportError> {
        let stamps = |vector: &VersionVector| {
            let mut stamps = Vec::new();
            for (origin, stamp) in vector.iter() {
                let index = keyspace.origin_index(origin).ok_or(ImportError::TooManyOrigins)?.0 as usize;
                stamps.resize(stamps.len().max(index + 1), Stamp::ZERO);
                stamps[index] = stamp;
            }
            Ok::<_, ImportError>(stamps)
        };
        let (theirs, ours) = (stamps(theirs)?, stamps(ours)?);
        if replace {
            keyspace.clear();
        }
        let received = (!keyspace.is_empty()).then(HashSet::new);
        Ok(Import { theirs, ours, received, known: keyspace.known(), newest: Stamp::ZERO })
    }

    /// Merges a chunk that `Keyspace::export` wrote there. After an error some of its keys are merged; the
    /// others are as they were. `changed` is told, under the locks, of everything that may be different now.
    pub fn merge(
        &mut self,
        keyspace: &Keyspace,
        chunk: &[u8],
        mut changed: impl FnMut(Change<'_>),
    ) -> Result<(), ImportError> {
        let mut reader = Reader::new(chunk, &keyspace.origins)?;
        while let Some(item) = reader.next()? {
            match item {
                Item::Flush { db, flushed } if db < keyspace.databases() => {
                    self.merge_flush(keyspace, db, flushed);
                    changed(Change::Database { db });
                }
                // There is nothing here that it could have deleted.
                Item::Flush { .. } => {}
                Item::Key(item) if item.db < keyspace.databases() => self.merge_key(keyspace, *item, &mut changed),
                Item::Key(item) => return Err(ImportError::NoDatabase(item.db)),
            }
        }
        Ok(())
    }

    /// That was all: what they do not have any more goes here, too. `complete` is false where the rest did
    /// not come. `changed`: as for `merge`. Returns the context version: commits of this node from now on have seen the import.
    pub fn end(self, keyspace: &Keyspace, complete: bool, mut changed: impl FnMut(Change<'_>)) -> u64 {
        if complete && let Some(received) = &self.received {
            for index in 0..keyspace.shards.count() {
                let mut guard = keyspace.shards.lock(Wanted::Hashes(&[index as u64]));
                let shard = guard.at_mut(index);
                for (db, database) in shard.databases.iter_mut().enumerate() {
                    self.drop_missing(db as u32, database, received, &mut changed);
                }
            }
        }
        let mut ticket = keyspace.stamping.take();
        ticket.observe(self.newest);
        ticket.raise_context()
    }

    fn drop_missing(
        &self,
        db: u32,
        database: &mut Database<KeyHash>,
        received: &HashSet<u64>,
        changed: &mut impl FnMut(Change<'_>),
    ) {
        let Database { table, recent, .. } = database;
        let is_missing = |entry: &&Entry| {
            let record = if entry.has_recent() { recent.get(entry.key()) } else { None };
            covers(&self.theirs, version_of(entry))
                && record.is_none_or(|record| !self.has_unseen(record))
                && !received.contains(&identity(db, entry.key()))
        };
        let missing: Vec<Box<[u8]>> = table.iter().filter(is_missing).map(|entry| Box::from(entry.key())).collect();
        for key in missing {
            table.remove(KeyHash.hash(&key), &key);
            recent.remove(&key);
            changed(Change::Key { db, key: &key, deleted: true });
        }
    }

    /// Is there something in the record that they had not seen?
    fn has_unseen(&self, record: &Record) -> bool {
        let elements = record.members.values().copied().chain(record.elements().filter_map(|field| field.version));
        let increments = record.elements().flat_map(|field| field.increments.iter());
        let operations = record.operations.iter().chain(increments).map(|operation| operation.version);
        let of_stream = record.stream.iter().flat_map(|stream| stream.versions());
        let of_list = record.list.iter().flat_map(|list| {
            let of_runs = list.sequence.runs().flat_map(|run| {
                let newest = [run.identity(0), run.identity(run.count - 1)].map(|identity| identity.version);
                newest.into_iter().chain(run.removal())
            });
            of_runs.chain(list.values.values().copied())
        });
        let lifetimes = record.lifetimes.iter().flat_map(|(.., register)| register.writes()).map(|write| write.version);
        let parts = elements.chain(operations).chain(of_list).chain(of_stream).chain(lifetimes);
        parts.chain([record.clear]).any(|version| self.is_unseen(version))
    }

    fn is_unseen(&self, version: Version) -> bool {
        version.origin != OriginIndex::NONE && !covers(&self.theirs, version)
    }

    /// Every shard there says the same, so it is done once, before the keys that are newer follow. Which
    /// increments its author had seen is not known; those that live on are in what follows.
    fn merge_flush(&mut self, keyspace: &Keyspace, db: u32, flushed: Version) {
        self.newest = self.newest.max(flushed.stamp);
        for index in 0..keyspace.shards.count() {
            let mut guard = keyspace.shards.lock(Wanted::Hashes(&[index as u64]));
            let shard = guard.at_mut(index);
            let database = &mut shard.databases[db as usize];
            if keyspace.origins.newer(flushed, database.flushed) {
                let author = Author { version: flushed, row: Row::Seen(&[]), ..keyspace.nobody() };
                flush::flush(database, &shard.limits, author, keyspace.horizon(), &mut Garbage::default());
            }
        }
    }

    fn merge_key(&mut self, keyspace: &Keyspace, item: KeyItem<'_>, changed: &mut impl FnMut(Change<'_>)) {
        let hash = keyspace.hash(item.key);
        if let Some(received) = &mut self.received {
            received.insert(identity(item.db, item.key));
        }
        let newest = item.record.as_ref().map_or(item.version, |record| Some(record.newest)).unwrap_or(Version::ZERO);
        self.newest = self.newest.max(newest.stamp);
        let mut guard = keyspace.shards.lock(Wanted::Hashes(&[hash]));
        let shard = guard.shard_mut(hash);
        let database = &mut shard.databases[item.db as usize];
        let (db, key, limits) = (item.db, item.key, &shard.limits);
        let author = keyspace.nobody();
        let mut place = Place { database, limits, author, hash, key };
        let seen_here = newest != Version::ZERO && covers(&self.ours, newest);
        // A version alone, of an effect that they lack: only ours can be what is newer.
        let is_whole_here = place.is_whole() && place.version().is_some_and(|version| self.is_unseen(version));
        let flushed = Some(place.database.flushed).filter(|flushed| self.is_unseen(*flushed));
        match place.version() {
            // We had it, and it went; only what we have not seen of it may be new.
            None if seen_here => {
                place.reapply(KeyState::from_item(item, limits), None, Row::Seen(&self.theirs), &self.ours);
            }
            None => {
                place.install(self.without_cancelled(KeyState::from_item(item, limits), &KeyState::default()));
                place.reapply(KeyState::default(), flushed, Row::Seen(&self.ours), &self.theirs);
            }
            Some(_) if seen_here && is_whole_here => {
                place.reapply(KeyState::from_item(item, limits), None, Row::Seen(&self.theirs), &self.ours);
            }
            // Data without a stamp fills gaps. Where both have some, the larger value stays at both.
            Some(own) if newest == Version::ZERO => {
                let theirs = KeyState::from_item(item, limits);
                if own == Version::ZERO && place.encoded() < theirs.encoded() {
                    drop(place.take());
                    place.install(theirs);
                }
            }
            Some(_) => {
                let own = place.take();
                place.install(self.without_cancelled(KeyState::from_item(item, limits), &own));
                place.reapply(own, flushed, Row::Seen(&self.ours), &self.theirs);
            }
        }
        changed(Change::Key { db, key, deleted: false });
    }
}

impl Import {
    /// Increments of theirs that we had seen, and that are not among ours, nor part of a base: a clear here
    /// has cancelled them, which may itself be dead by now.
    fn without_cancelled(&self, mut theirs: KeyState, own: &KeyState) -> KeyState {
        let of_own = own.increments();
        theirs.drop_increments(|version| {
            covers(&self.ours, version) && !covers(&self.known, version) && !of_own.contains(&version)
        });
        theirs
    }
}

/// A key of either node.
fn identity(db: u32, key: &[u8]) -> u64 {
    KeyHash.hash(key).wrapping_add(u64::from(db).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
