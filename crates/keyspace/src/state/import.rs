//! Merging the data set of another node into ours, key by key.

use super::decode::{ImportError, Item, KeyItem, Reader};
use super::place::{KeyState, Place};
use crate::codec::Assembly;
use crate::entry::Entry;
use crate::garbage::Garbage;
use crate::guard::Wanted;
use crate::merge::{Author, flush, version_of};
use crate::recent::Record;
use crate::shard::{Database, Shard};
use crate::table::KeyHasher;
use crate::txn::OwnWrites;
use crate::txn::restate::own_writes;
use crate::version::{OriginIndex, Row, Version, covers, put_stamp};
use crate::{Change, KeyHash, Keyspace};
use effect::{Stamp, VersionVector};
use std::collections::HashSet;
use values::EncodingLimits;

/// A key that a data set has said anew (`Effect::Restate`).
pub struct Restated {
    /// Database and key.
    pub place: (u32, Vec<u8>),
    pub version: Version,
    /// What its author had seen of what this node has written.
    pub seen: Stamp,
    /// See `Txn::own_writes`.
    pub own: OwnWrites,
}

/// A data set of another node on its way into ours. Nothing else from other nodes is applied meanwhile.
pub struct Import {
    /// What the other node had seen when it began, and what we had.
    theirs: Vec<Stamp>,
    ours: Vec<Stamp>,
    /// All that they may have forgotten of was seen here: only what is new is done, on top of ours. Otherwise it is done the
    /// other way round, as what was deleted there may still be here.
    ours_is_base: bool,
    /// All that may be forgotten here was seen there.
    have_all_forgotten: bool,
    /// What is part of bases there.
    decided: Vec<Stamp>,
    /// Hashes of the keys that they have, where we had some as well: what is missing was deleted there.
    /// (Two keys with the same 64 bits: the one stays, to be noticed by a comparison of digests.)
    received: Option<HashSet<u64>>,
    newest: Stamp,
    context: u64,
    /// As they were when it began.
    limits: EncodingLimits,
    /// The value of the next key, of which the first pieces have come.
    assembly: Option<Assembly>,
    /// Keys that it says anew.
    restated: Vec<Restated>,
    /// Nobody counted on what this node has written: see `take_doubted`.
    pub doubts_own: bool,
    doubted: Vec<(u32, Vec<u8>)>,
}

impl Import {
    /// `theirs`: the version vector with which their walk began, and `decided`: what `Keyspace::decided` will be
    /// there at most when it ends; `ours`: our own vector by now. `replace`: what we have is given up for it.
    pub fn begin(
        keyspace: &Keyspace,
        theirs: &VersionVector,
        decided: &VersionVector,
        ours: &VersionVector,
        replace: bool,
    ) -> Result<Import, ImportError> {
        let stamps = |vector: &VersionVector| {
            let mut stamps = Vec::new();
            for (origin, stamp) in vector.iter() {
                let index = keyspace.origin_index(origin).ok_or(ImportError::TooManyOrigins)?;
                put_stamp(&mut stamps, index, stamp);
            }
            Ok::<_, ImportError>(stamps)
        };
        // Without other writers there are no rules by which to do theirs on top of a record.
        let ours_is_base = !replace && keyspace.switches().peers && ours.dominates(decided);
        let have_all_forgotten = theirs.dominates(&keyspace.decided());
        let (theirs, ours, decided) = (stamps(theirs)?, stamps(ours)?, stamps(decided)?);
        if replace {
            keyspace.clear();
        }
        let received = (!keyspace.is_empty()).then(HashSet::new);
        // What is written here from now on is newer than all that anybody who counts there has passed, and takes all of it for
        // seen: whatever it meets may have come with it.
        let newest = theirs.iter().copied().max().unwrap_or(Stamp::ZERO);
        let mut ticket = keyspace.stamping.take();
        ticket.observe(newest);
        if keyspace.switches().peers {
            ticket.assume(&theirs);
        }
        let context = ticket.raise_context();
        drop(ticket);
        Ok(Import {
            theirs,
            ours,
            ours_is_base,
            have_all_forgotten,
            decided,
            received,
            newest,
            context,
            limits: keyspace.encoding_limits(),
            assembly: None,
            restated: Vec::new(),
            doubts_own: false,
            doubted: Vec::new(),
        })
    }

    /// The context version of what is committed here from now on.
    pub fn context(&self) -> u64 {
        self.context
    }

    /// Merges a chunk that `Export::go_on` wrote there; nothing of it may be later than `latest`. After an error some of its
    /// keys are merged; the others are as they were. `changed` is told, under the locks, of everything that may be different now.
    pub fn merge(
        &mut self,
        keyspace: &Keyspace,
        chunk: &[u8],
        latest: Stamp,
        mut changed: impl FnMut(Change<'_>),
    ) -> Result<(), ImportError> {
        let limits = self.limits.clone();
        let mut assembly = self.assembly.take();
        let mut reader = Reader::new(chunk, &keyspace.origins, latest, &limits, &mut assembly)?;
        while let Some(item) = reader.next()? {
            match item {
                Item::Flush { db, flushed } if db < keyspace.databases() => {
                    changed(Change::Database { db });
                    self.merge_flush(keyspace, db, flushed, &mut changed);
                }
                // There is nothing here that it could have deleted.
                Item::Flush { .. } => {}
                Item::Key(item) if item.db < keyspace.databases() => self.merge_key(keyspace, *item, &mut changed),
                Item::Key(item) => return Err(ImportError::NoDatabase(item.db)),
            }
        }
        self.assembly = assembly;
        Ok(())
    }

    /// What it has said anew since this was last asked.
    pub fn take_restated(&mut self) -> Vec<Restated> {
        std::mem::take(&mut self.restated)
    }

    /// The keys, each with its database, of which others may make something else, since this was last asked: what was written
    /// on them here did not meet what they have forgotten of them by now, and does meet it where somebody remembers it.
    pub fn take_doubted(&mut self) -> Vec<(u32, Vec<u8>)> {
        std::mem::take(&mut self.doubted)
    }

    /// That was all: what they do not have any more goes here, too. `complete` is false where the rest did
    /// not come. `changed`: as for `merge`. Returns the context version: commits of this node from now on have seen the import.
    pub fn end(self, keyspace: &Keyspace, complete: bool, mut changed: impl FnMut(Change<'_>)) -> u64 {
        if complete && let Some(received) = &self.received {
            for index in 0..keyspace.shards.count() {
                let mut guard = keyspace.shards.lock(Wanted::Hashes(&[index as u64]));
                let Shard { databases, limits, .. } = guard.at_mut(index);
                for (db, database) in databases.iter_mut().enumerate() {
                    self.drop_missing(db as u32, database, received, &mut changed);
                    self.cancel_missing(keyspace, (db as u32, database), limits, received)
                        .iter()
                        .for_each(|key| changed(Change::Key { db: db as u32, key, deleted: false }));
                }
            }
        }
        if !self.ours_is_base {
            keyspace.note_decided(&self.decided);
        }
        let mut ticket = keyspace.stamping.take();
        ticket.observe(self.newest);
        if complete {
            ticket.end_assumptions();
        }
        let context = ticket.raise_context();
        drop(ticket);
        if complete {
            let mut guard = keyspace.shards.lock(Wanted::All);
            for index in 0..guard.count() {
                guard.at_mut(index).databases.iter_mut().for_each(|database| database.cancelled_by_flush.clear());
            }
        }
        context
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
            let record = if entry.has_recent() { recent.get(KeyHash.hash(entry.key()), entry.key()) } else { None };
            covers(&self.theirs, version_of(entry))
                && record.is_none_or(|record| !self.has_unseen(record))
                && !received.contains(&identity(db, entry.key()))
        };
        let missing: Vec<Box<[u8]>> = table.iter().filter(is_missing).map(|entry| Box::from(entry.key())).collect();
        for key in missing {
            let hash = KeyHash.hash(&key);
            table.remove(hash, &key);
            recent.remove(hash, &key);
            changed(Change::Key { db, key: &key, deleted: true });
        }
    }

    /// Increments in keys that they do not have, and that they had seen: a flush or a clear there had, too. Returns the
    /// keys.
    fn cancel_missing(
        &self,
        keyspace: &Keyspace,
        (db, database): (u32, &mut Database<KeyHash>),
        limits: &EncodingLimits,
        received: &HashSet<u64>,
    ) -> Vec<Box<[u8]>> {
        let has_increments = |(_, record): &(&[u8], &Record)| !record.increments().is_empty();
        let missing = database.recent.iter().filter(has_increments).map(|(key, _)| Box::<[u8]>::from(key));
        let missing: Vec<_> = missing.filter(|key| !received.contains(&identity(db, key))).collect();
        for key in &missing {
            let (author, hash) = (keyspace.nobody(), keyspace.hash(key));
            Place { database, limits, author, hash, key }.cancel_seen(&self.theirs);
        }
        missing
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

    /// May others make something else of what is here and they had not seen, on top of what they have? Where single versions
    /// describe both there is nothing that somebody could have forgotten.
    fn is_doubtful(&self, place: &Place<'_>, has_record: bool) -> bool {
        // Most data sets are not of strangers, and all of their keys come by here.
        if !self.doubts_own || self.ours_is_base {
            return false;
        }
        let record = place.database.recent.get(place.hash, place.key);
        let is_unseen = |own| {
            let flushed = place.database.flushed;
            self.is_unseen(own) || self.is_unseen(flushed) || record.is_some_and(|record| self.has_unseen(record))
        };
        let has_parts = record.is_some() || has_record;
        has_parts && place.version().is_some_and(is_unseen)
    }

    fn is_unseen(&self, version: Version) -> bool {
        version.origin != OriginIndex::NONE && !covers(&self.theirs, version)
    }

    /// Every shard there says the same, so it is done once, before the keys that are newer follow. Which
    /// increments its author had seen is not known; those that live on are in what follows.
    fn merge_flush(&mut self, keyspace: &Keyspace, db: u32, flushed: Version, changed: &mut impl FnMut(Change<'_>)) {
        self.newest = self.newest.max(flushed.stamp);
        for index in 0..keyspace.shards.count() {
            let mut guard = keyspace.shards.lock(Wanted::Hashes(&[index as u64]));
            let shard = guard.at_mut(index);
            let database = &mut shard.databases[db as usize];
            if keyspace.origins.newer(flushed, database.flushed) {
                let author = Author { version: flushed, row: Row::Seen(&[]), ..keyspace.nobody() };
                flush::flush(database, &shard.limits, author, keyspace.horizon(), &mut Garbage::default());
                // It may have woken increments where nothing was to be seen before.
                let Database { table, recent, .. } = database;
                let lives = |key: &[u8]| table.find(KeyHash.hash(key), key).is_some();
                let alive = recent.iter().filter(|(key, record)| !record.increments().is_empty() && lives(key));
                alive.for_each(|(key, _)| changed(Change::Key { db, key, deleted: false }));
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
        if newest.stamp > keyspace.stamping.last() {
            // What is written on it next is newer.
            keyspace.observe(newest.stamp);
        }
        let mut guard = keyspace.shards.lock(Wanted::Hashes(&[hash]));
        let shard = guard.shard_mut(hash);
        let database = &mut shard.databases[item.db as usize];
        let (db, key, limits) = (item.db, item.key, &shard.limits);
        let author = keyspace.nobody();
        let mut place = Place { database, limits, author, hash, key };
        if let Some((record, seen)) =
            item.record.as_ref().and_then(|record| Some((record, record.restated.as_deref()?)))
        {
            let own = keyspace.stamping.own();
            let seen = seen.iter().find(|seen| seen.origin == own).map_or(Stamp::ZERO, |seen| seen.stamp);
            let own = own_writes(keyspace, place.database, (hash, key), record.clear);
            self.restated.push(Restated { place: (db, key.to_vec()), version: record.clear, seen, own });
        }
        let own = place.version();
        // Only what is not seen of theirs may be new, and ours stays.
        let ours_stays = match own {
            // Data without a stamp is never newer.
            _ if newest == Version::ZERO => false,
            // What we had of it may be gone, and forgotten.
            _ if self.ours_is_base => true,
            // We had it, and it went, which they may not know.
            None => covers(&self.ours, newest) && !self.have_all_forgotten,
            // A version alone, of an effect that they lack.
            Some(own) => covers(&self.ours, newest) && place.is_whole() && self.is_unseen(own),
        };
        let flushed = Some(place.database.flushed).filter(|flushed| self.is_unseen(*flushed));
        if keyspace.switches().peers && self.is_doubtful(&place, item.record.is_some()) {
            self.doubted.push((db, key.to_vec()));
        }
        let mut theirs = KeyState::from_item(item);
        if keyspace.switches().peers {
            theirs.leave_to_log(&self.theirs, limits);
        }
        let read =
            [place.stream(), theirs.stream()].map(|stream| stream.filter(|stream| stream.groups().len() > 0).cloned());
        let cancelled = place.cancelled();
        match own {
            // Data without a stamp fills gaps. Where both have some, the larger value stays at both.
            Some(own) if newest == Version::ZERO => {
                if own == Version::ZERO && place.encoded() < theirs.encoded() {
                    drop(place.take());
                    place.install(theirs);
                }
            }
            _ if ours_stays => place.reapply(theirs, None, &self.theirs, &self.ours),
            own => {
                let own = own.map_or_else(KeyState::default, |_| place.take());
                place.install(theirs);
                place.reapply(own, flushed, &self.ours, &self.theirs);
            }
        }
        if let Some(cancelled) = cancelled {
            place.cancel_again(&cancelled);
        }
        place.skip_undelivered(&read);
        changed(Change::Key { db, key, deleted: false });
    }
}

/// A key of either node.
fn identity(db: u32, key: &[u8]) -> u64 {
    KeyHash.hash(key).wrapping_add(u64::from(db).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
