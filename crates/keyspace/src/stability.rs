//! What time does: the side table forgets what is stable, keys past their deadline are removed.

use crate::deadlines::stamp_of;
use crate::entry::Entry;
use crate::guard::Wanted;
use crate::keyspace::{prefetch_in, prefetch_through};
use crate::merge::operations::Horizon;
use crate::merge::{Author, Expired, Merge, Stabilized};
use crate::shard::{Database, Shard};
use crate::table::KeyHasher;
use crate::version::{OriginIndex, Row, Version, raise};
use crate::{EventClass, KeyEvent, KeyHash, KeyType, Keyspace};
use effect::{Stamp, VersionVector};
use std::sync::atomic::Ordering;

/// So many records are on their way from memory while others are looked at.
const AT_ONCE: usize = 16;

/// What time has done to a key, without an effect.
#[derive(Clone, Copy, Debug)]
pub enum ByTime<'a> {
    /// It is gone.
    Expired { db: u32, key: &'a [u8] },
    /// Elements of it are gone.
    MembersExpired(&'a KeyEvent),
    /// It was past its deadline, went for good, and is something else by newer effects. `was_there`: it was in sight.
    Changed { db: u32, key: &'a [u8], was_there: bool },
}

impl Keyspace {
    /// Up to this stamp nothing can arrive any more.
    pub(crate) fn horizon(&self) -> Stamp {
        Stamp(self.horizon.load(Ordering::Relaxed))
    }

    /// What everybody has seen, and nothing older can arrive, by `OriginIndex`.
    pub fn known(&self) -> Vec<Stamp> {
        self.known.lock().clone()
    }

    /// Up to which of its effects everybody has seen an origin.
    pub(crate) fn known_of(&self, origin: OriginIndex) -> Stamp {
        self.known.lock().get(usize::from(origin.0)).copied().unwrap_or(Stamp::ZERO)
    }

    /// Up to which stamp of each origin its effects may have become part of bases here, without a trace: everybody who
    /// counted had seen them.
    pub fn decided(&self) -> VersionVector {
        let mut decided = VersionVector::new();
        for (index, stamp) in self.decided.lock().iter().enumerate().filter(|(_, stamp)| **stamp > Stamp::ZERO) {
            if let Some(origin) = self.origins.origin(OriginIndex(index as u16)) {
                decided.advance(origin, *stamp);
            }
        }
        decided
    }

    /// The same as known elsewhere, where bases come from.
    pub(crate) fn note_decided(&self, known: &[Stamp]) {
        raise(&mut self.decided.lock(), known);
    }

    /// Forgets what is stable, at most about `budget` keys per shard and database; one shard is locked at
    /// a time. True where everything was looked at. A horizon never goes back. `tell` is told, under the lock, what time
    /// has done.
    pub fn stabilize(
        &self,
        now_ms: u64,
        horizon: &Horizon<'_>,
        budget: usize,
        mut tell: impl FnMut(ByTime<'_>),
    ) -> bool {
        let author = self.nobody_at(now_ms);
        self.horizon.fetch_max(horizon.clock.0, Ordering::Relaxed);
        let known = horizon.known_stamps();
        self.note_decided(&known);
        *self.known.lock() = known;
        let (mut done, mut key) = (true, Vec::new());
        for index in 0..self.shards.count() {
            let mut guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
            let shard = guard.at_mut(index);
            for db in 0..self.databases() {
                shard.hide_due(db, author).iter().for_each(|event| tell(ByTime::MembersExpired(event)));
                let database = &mut shard.databases[db as usize];
                // What is put back is not looked at twice.
                let due = database.recent.queue_len();
                for looked_at in 0.. {
                    if looked_at == due.min(budget) {
                        done &= due <= budget;
                        break;
                    }
                    if looked_at % AT_ONCE == 0 {
                        let Database { table, recent, .. } = &*database;
                        let upcoming = recent.upcoming(horizon, AT_ONCE);
                        recent.prefetch(upcoming.clone());
                        prefetch_through(upcoming, |hash, step| prefetch_in(table, hash, step));
                    }
                    let Some(hash) = database.recent.pop_due(horizon, &mut key) else { break };
                    let mut merge = Merge { database, limits: &shard.limits, author, hash, key: &key };
                    if let Some(is_stable) = merge.stabilize_brief(horizon) {
                        if !is_stable {
                            database.recent.put_back(hash, &key);
                        }
                        continue;
                    }
                    let (key_type, was_there) = (merge.key_type(), merge.is_in_sight());
                    let Stabilized { is_stable, died, members_died } = merge.stabilize(horizon);
                    let is_gone = was_there && !merge.is_in_sight();
                    if let Some(key_type) = key_type.or(merge.key_type()).filter(|_| members_died > 0) {
                        shard.counters.expired_members.set(shard.counters.expired_members.get() + members_died as u64);
                        let expired = Expired { members: members_died, is_gone };
                        events_of(expired, key_type, db, &key).for_each(|event| tell(ByTime::MembersExpired(&event)));
                    } else if is_gone {
                        shard.counters.expired.set(shard.counters.expired.get() + 1);
                        tell(ByTime::Expired { db, key: &key });
                    } else if died {
                        tell(ByTime::Changed { db, key: &key, was_there });
                    }
                    if !is_stable {
                        database.recent.put_back(hash, &key);
                    }
                }
            }
        }
        done
    }

    /// Who does what follows from time alone, where the clock has been read.
    fn nobody_at(&self, now_ms: u64) -> Author<'_> {
        let author = self.nobody();
        let now_ms = if author.stamping { now_ms.max(author.access.now_ms) } else { now_ms };
        Author { access: self.access(now_ms), ..author }
    }

    /// The same as of the last stamp.
    pub(crate) fn nobody(&self) -> Author<'_> {
        let switches = self.switches();
        Author {
            origins: &self.origins,
            version: Version::ZERO,
            row: Row::All,
            stamping: switches.stamping,
            peers: switches.peers,
            late: false,
            restates: None,
            access: self.access(self.stamping.last().ms()),
        }
    }

    /// About how many bytes are kept because something older may still arrive, or somebody lacks it.
    pub fn remembered_bytes(&self) -> usize {
        let of_shard = |index: usize| {
            let guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
            let databases = guard.at(index).databases.iter();
            databases.map(Database::remembered_bytes).sum::<usize>()
        };
        (0..self.shards.count()).map(of_shard).sum()
    }

    /// Has any key or element a deadline?
    pub fn has_deadlines(&self) -> bool {
        (0..self.shards.count()).any(|index| {
            let guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
            let mut databases = guard.at(index).databases.iter();
            databases.any(|database| database.table.expires_len() > 0 || database.agenda.len() > 0)
        })
    }

    /// Removes keys past their deadline, looking at about `budget` keys per shard and database. With other
    /// writers only those about which nothing can arrive any more: the rest is hidden from reads already.
    /// Returns how many keys went, and whether there may be more. `tell`: as for `stabilize`.
    pub fn expire_due(&self, now_ms: u64, budget: usize, mut tell: impl FnMut(ByTime<'_>)) -> (usize, bool) {
        let (horizon, known) = (self.horizon(), self.known());
        let author = self.nobody_at(now_ms);
        let now_ms = author.access.now_ms;
        let (mut count, mut more) = (0, false);
        for index in 0..self.shards.count() {
            let mut guard = self.shards.lock(Wanted::Hashes(&[index as u64]));
            let shard = guard.at_mut(index);
            for db in 0..self.databases() {
                shard.hide_due(db, author).iter().for_each(|event| tell(ByTime::MembersExpired(event)));
                let Database { table, agenda, .. } = &mut shard.databases[db as usize];
                agenda.retain(|key| table.find(KeyHash.hash(key), key).is_some_and(has_deadlines));
            }
            let before = count;
            for (db, Database { table, .. }) in shard.databases.iter_mut().enumerate() {
                more |= !table.sweep_due(now_ms, budget, |entry| {
                    let deadline = entry.deadline_ms().map_or(Stamp::MAX, stamp_of);
                    let goes = !author.peers
                        || (!entry.has_recent() && deadline <= horizon && is_known(entry.version(), &known));
                    if goes {
                        count += 1;
                        tell(ByTime::Expired { db: db as u32, key: entry.key() });
                    }
                    goes
                });
            }
            shard.counters.expired.set(shard.counters.expired.get() + (count - before) as u64);
        }
        (count, more)
    }
}

/// Has everybody seen it? Who had not would bring back what it replaced.
pub(crate) fn is_known(version: Option<Version>, known: &[Stamp]) -> bool {
    version.is_none_or(|version| known.get(version.origin.0 as usize).is_some_and(|known| version.stamp <= *known))
}

fn has_deadlines(entry: &Entry) -> bool {
    entry.expiring().is_some_and(|elements| elements.has_deadlines())
}

impl Shard<KeyHash> {
    /// Elements past their deadline go out of sight. Returns what is to be said of it.
    pub(crate) fn hide_due(&mut self, db: u32, author: Author<'_>) -> Vec<KeyEvent> {
        let Shard { databases, limits, counters } = self;
        let database = &mut databases[db as usize];
        let now_ms = author.access.now_ms;
        if database.agenda.take_clock_step(now_ms) {
            let hiding = database.recent.iter().filter(|(_, record)| record.hides);
            let keys: Vec<Box<[u8]>> = hiding.map(|(key, _)| key.into()).collect();
            for key in keys {
                Merge { database, limits, author, hash: KeyHash.hash(&key), key: &key }.present();
            }
        }
        let mut events = Vec::new();
        while let Some(key) = database.agenda.pop_due(now_ms) {
            let mut merge = Merge { database, limits, author, hash: KeyHash.hash(&key), key: &key };
            let Some(key_type) = merge.key_type() else { continue };
            let expired = merge.hide_due();
            counters.expired_members.set(counters.expired_members.get() + expired.members as u64);
            events.extend(events_of(expired, key_type, db, &key));
        }
        events
    }
}

/// What is to be said of a collection whose elements are past their deadline.
fn events_of(expired: Expired, key_type: KeyType, db: u32, key: &[u8]) -> impl Iterator<Item = KeyEvent> {
    let (class, name) = match key_type {
        KeyType::Set => (EventClass::SET, "srem"),
        KeyType::SortedSet => (EventClass::SORTED_SET, "zrem"),
        _ => (EventClass::HASH, "hexpired"),
    };
    let happened =
        [(expired.members > 0).then_some((class, name)), expired.is_gone.then_some((EventClass::GENERIC, "del"))];
    happened.into_iter().flatten().map(move |(class, name)| KeyEvent { class, name, db, key: key.into() })
}
