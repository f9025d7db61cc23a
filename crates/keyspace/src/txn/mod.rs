//! The only writer. Every change made here is recorded as an effect, and effects of other nodes, of
//! the AOF and of replica streams enter here too (`apply`).

mod hashes;
mod keys;
mod lists;
mod members;
pub(crate) mod restate;
mod sets;
mod sorted_sets;
mod streams;
mod strings;

use crate::entry::{Entry, ValueRef};
use crate::events::Events;
use crate::for_each_change;
use crate::guard::Wanted;
use crate::merge::{Author, Merge};
use crate::recent::Record;
use crate::stamping::{Switches, Ticket};
use crate::table::EntryMut;
use crate::version::{Row, Version, row_of};
use crate::view::is_expired;
use crate::{Change, EventClass, KeyEvent, KeyHash, KeyType, Keyspace, Prepared, Scope, ValueError, View};
use effect::{Collection, Effect, EffectWriter, ItemsWriter, Stamp};
use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use values::EncodingLimits;

pub use restate::{LostWrites, OwnWrite, OwnWrites};
pub use sorted_sets::{ScoreCondition, ScoresWritten};
pub use streams::{NewId, NotAdded};

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
    /// Which of the effects (`Select` not counted) changed nothing here: readers within this process need not hear of them.
    pub silent: &'a [u64],
    /// Which of them touch only groups of a stream that was there, or its last id.
    pub groups_only: &'a [u64],
}

/// Reads and writes within the locks of one command.
pub struct Txn<'k> {
    view: View<'k>,
    switches: Switches,
    /// Held from the first write to the commit, where effects have stamps.
    ticket: Option<Ticket<'k>>,
    /// What the effects take for seen besides what is here.
    assumed: Option<Arc<[Stamp]>>,
    first: Stamp,
    count: u64,
    effects: Vec<u8>,
    /// The database that the encoded effects act on.
    effects_db: u32,
    changes: u64,
    /// See `Txn::apply_late`.
    late: bool,
    /// The effect that comes next says anew what its key is, and its author had seen so much of each origin.
    pub(crate) restates: Option<Arc<[Version]>>,
    /// Of what will be applied.
    pub(crate) prepared: Prepared,
    /// Of the effects, by their number, those that changed nothing.
    silent: Vec<u64>,
    /// Those that touched only groups of a stream.
    groups_only: Vec<u64>,
    /// What is to be said of keys whose elements have gone out of sight.
    expired_members: Vec<KeyEvent>,
}

/// A buffer that outgrew this is not kept for the next transaction.
const EFFECTS_CAPACITY: usize = 64 * 1024;

thread_local! {
    /// The effects buffer of the last transaction of this thread.
    static EFFECTS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<'k> Deref for Txn<'k> {
    type Target = View<'k>;
    fn deref(&self) -> &View<'k> {
        &self.view
    }
}

impl<'k> Txn<'k> {
    #[inline]
    pub(crate) fn idle(keyspace: &'k Keyspace) -> Txn<'k> {
        Txn {
            view: View {
                keyspace,
                guard: keyspace.shards.guard(),
                only_hash: None,
                db: 0,
                now_ms: 0,
                touches: true,
                is_peeking: Cell::new(false),
                events: Events::default(),
            },
            switches: keyspace.stamping.switches(),
            ticket: None,
            assumed: None,
            first: Stamp::ZERO,
            count: 0,
            effects: Vec::new(),
            effects_db: 0,
            changes: 0,
            late: false,
            restates: None,
            prepared: Prepared::default(),
            silent: Vec::new(),
            groups_only: Vec::new(),
            expired_members: Vec::new(),
        }
    }

    /// Begins, as `Keyspace::begin` does; nothing is left of what it was before. It has ended, or was idle.
    #[inline]
    pub fn begin(&mut self, scope: Scope<'_>, db: u32, now_ms: u64) {
        let (wanted, only_hash) = match scope {
            Scope::Keys([hash]) => (Wanted::Hashes(std::slice::from_ref(hash)), Some(*hash)),
            Scope::Keys(hashes) => (Wanted::Hashes(hashes), None),
            Scope::All => (Wanted::All, None),
        };
        let view = &mut self.view;
        view.guard.lock(wanted);
        let stamping = &view.keyspace.stamping;
        self.switches = stamping.switches();
        view.only_hash = only_hash;
        view.db = db;
        view.now_ms = if self.switches.stamping { now_ms.max(stamping.last().ms()) } else { now_ms };
        view.touches = true;
        // With other writers a key goes when nothing can come any more that saves it.
        view.events.restart(stamping.wanted_events(), !self.switches.peers);
        self.effects = if self.switches.recording { EFFECTS.take() } else { Vec::new() };
        (self.effects_db, self.count, self.changes) = (0, 0, 0);
        self.silent.clear();
        self.groups_only.clear();
        self.expired_members.clear();
        self.hide_due();
    }

    /// Releases the locks: it is over, committed or not.
    #[inline]
    pub fn end(&mut self) {
        self.ticket = None;
        self.view.guard.release();
    }

    /// Another database, for the rest of the command (MULTI with SELECT, MOVE, COPY … DB).
    pub fn select(&mut self, db: u32) {
        self.view.db = db;
        self.hide_due();
    }

    /// Whether reads and writes are noted as accesses from now on (CLIENT NO-TOUCH).
    pub fn set_touches(&mut self, on: bool) {
        self.view.touches = on;
    }

    /// When small collections give up their compact encodings; all shards must be locked.
    pub fn set_encoding_limits(&mut self, limits: &EncodingLimits) {
        for index in 0..self.view.guard.count() {
            let own = &mut self.view.guard.at_mut(index).limits;
            *own = EncodingLimits { list_packed_threshold: own.list_packed_threshold, ..limits.clone() };
        }
    }

    /// From which length on an element of a list is a node by itself (0: as the size of nodes says); all shards must be
    /// locked.
    pub fn set_list_packed_threshold(&mut self, bytes: usize) {
        for index in 0..self.view.guard.count() {
            self.view.guard.at_mut(index).limits.list_packed_threshold = bytes;
        }
    }

    /// How many changes were made so far (the dirty counter's step).
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Is there nothing that anybody should hear of: no effects, no events, no key that was found past its deadline?
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.effects.capacity() == 0 && self.view.events.is_empty() && self.expired_members.is_empty()
    }

    /// The keyspace events so far, for whoever publishes them before the locks are released.
    #[inline]
    pub fn take_events(&mut self) -> Vec<KeyEvent> {
        self.view.events.take()
    }

    /// The keys whose elements were found past their deadline, and went out of sight.
    #[inline]
    pub fn take_expired_members(&mut self) -> Vec<KeyEvent> {
        std::mem::take(&mut self.expired_members)
    }

    /// Removes the keys that reads have found past their deadline; calls `expired` for each, with its database.
    pub fn remove_expired(&mut self, mut expired: impl FnMut(u32, &[u8])) {
        for (db, key) in self.view.events.take_expired() {
            let (hash, now_ms) = (self.view.keyspace.hash(&key), self.view.now_ms);
            let shard = self.view.guard.shard_mut(hash);
            let table = &mut shard.databases[db as usize].table;
            if table.find(hash, &key).is_some_and(|entry| is_expired(entry, now_ms)) {
                drop(table.remove(hash, &key));
                shard.counters.expired.set(shard.counters.expired.get() + 1);
                expired(db, &key);
            }
        }
    }

    /// They stay for now (CLIENT PAUSE).
    pub fn spare_expired(&mut self) {
        drop(self.view.events.take_expired());
    }

    /// Calls `f` for what has changed so far, where somebody in this process wants to know.
    pub fn for_each_change<'t>(&'t self, f: impl FnMut(Change<'t>)) {
        for_each_change(&self.effects, &self.silent, &self.groups_only, f);
    }

    /// Ends the transaction and releases its locks. `commit` receives the effects, unless there were
    /// none or nobody listens. Called also after a handler failed half-way.
    pub fn commit<R>(mut self, commit: impl FnOnce(Commit<'_>) -> R) -> Option<R> {
        self.conclude(commit)
    }

    /// The same, but the locks are held until the transaction ends or is dropped, which is the next thing to do.
    pub fn conclude<R>(&mut self, commit: impl FnOnce(Commit<'_>) -> R) -> Option<R> {
        let mut effects = std::mem::take(&mut self.effects);
        let result = (!effects.is_empty()).then(|| {
            let context = self.ticket.as_ref().map_or(0, Ticket::context);
            let Txn { first, count, ref silent, ref groups_only, .. } = *self;
            commit(Commit { first, count, context, effects: &effects, silent, groups_only })
        });
        if self.switches.recording && effects.capacity() <= EFFECTS_CAPACITY {
            effects.clear();
            EFFECTS.set(effects);
        }
        result
    }

    /// Ends a transaction of effects that came from elsewhere. `done` runs before the locks are released
    /// and receives the new context version: commits of this node from now on have seen them.
    pub fn commit_applied<R>(mut self, done: impl FnOnce(u64) -> R) -> R {
        done(self.ticket.as_mut().map_or(0, Ticket::raise_context))
    }

    /// A stamp from elsewhere: what is stamped here afterwards is newer.
    pub(crate) fn observe(&mut self, stamp: Stamp) {
        if self.switches.stamping {
            let stamping = &self.view.keyspace.stamping;
            self.ticket.get_or_insert_with(|| stamping.take()).observe(stamp);
        }
    }

    pub(crate) fn count_change(&mut self) {
        self.changes += 1;
    }

    /// Notes an effect, which is about to be done, and gives it its version.
    fn record(&mut self, effect: &Effect<'_>) -> Version {
        let mut version = Version::ZERO;
        if self.switches.stamping {
            let now_ms = self.view.now_ms;
            let stamping = &self.view.keyspace.stamping;
            let ticket = self.ticket.get_or_insert_with(|| stamping.take());
            if self.count == 0 {
                self.assumed = ticket.assumed();
            }
            let stamp = ticket.next(now_ms);
            version = Version { stamp, origin: stamping.own() };
            if self.count == 0 {
                self.first = stamp;
            }
        }
        if self.switches.recording {
            let mut writer = EffectWriter::new(&mut self.effects);
            if self.effects_db != self.view.db {
                self.effects_db = self.view.db;
                writer.push(&Effect::Select { db: self.view.db });
            }
            writer.push(effect);
        }
        self.count += 1;
        self.changes += 1;
        version
    }

    /// The last effect changed nothing here; it is recorded for the other nodes only.
    fn unchanged(&mut self) {
        self.silent.push(self.count - 1);
        self.changes -= 1;
    }

    /// A message for the subscribers at the other nodes. No key changes.
    pub fn publish(&mut self, channel: &[u8], payload: &[u8], sharded: bool) {
        if self.switches.stamping {
            self.record(&Effect::Publish { channel, payload, sharded });
            self.unchanged();
        }
    }

    /// Does what the effect says to one key, by the rules that hold for everybody.
    fn merge<R>(&mut self, key: &[u8], effect: &Effect<'_>, rule: impl FnOnce(&mut Merge<'_, '_, KeyHash>) -> R) -> R {
        let version = self.record(effect);
        let assumed = self.assumed.clone();
        let row = row_of(assumed.as_deref());
        if !self.view.events.wants(EventClass::NEW) || self.view.find(key).is_some() {
            return self.merge_as(key, version, row, rule);
        }
        let result = self.merge_as(key, version, row, rule);
        if self.view.find(key).is_some() {
            self.notify(EventClass::NEW, "new", key);
        }
        result
    }

    /// Changes a key that is there and of this type, where no more is to be done: nobody hears of it, and nothing has a version.
    /// `None`, also from `change`: it has to take the way of all effects.
    #[inline]
    fn change_at_once<R>(
        &mut self,
        key: &[u8],
        key_type: KeyType,
        change: impl FnOnce(&mut EntryMut<'_>, &EncodingLimits) -> Option<R>,
    ) -> Option<R> {
        let Switches { recording, stamping, peers } = self.switches;
        if recording || stamping || peers {
            return None;
        }
        let View { keyspace, db, now_ms, touches, .. } = self.view;
        let hash = self.view.hash_of(key);
        let shard = self.view.guard.shard_mut(hash);
        let mut entry = shard.databases[db as usize].table.find_mut(hash, key)?;
        if entry.key_type() != key_type || is_expired(&entry, now_ms) {
            return None;
        }
        let result = change(&mut entry, &shard.limits)?;
        if touches {
            entry.set_access(keyspace.access(now_ms).next(entry.access()));
        }
        Some(result)
    }

    /// The effects that follow may be older than something that is forgotten here, which they should have met. What they
    /// add to a key of which nothing is remembered joins it.
    pub fn apply_late(&mut self) {
        self.late = true;
    }

    /// Values that the effects which follow put were built before.
    pub fn apply_prepared(&mut self, prepared: Prepared) {
        self.prepared = prepared;
    }

    fn author<'a>(&self, version: Version, row: Row<'a>) -> Author<'a>
    where
        'k: 'a,
    {
        Author {
            origins: &self.view.keyspace.origins,
            version,
            row,
            stamping: self.switches.stamping,
            peers: self.switches.peers,
            late: self.late,
            restates: None,
            access: self.view.keyspace.access(self.view.now_ms),
        }
    }

    pub(crate) fn merge_as<R>(
        &mut self,
        key: &[u8],
        version: Version,
        row: Row<'_>,
        rule: impl FnOnce(&mut Merge<'_, '_, KeyHash>) -> R,
    ) -> R {
        let restates = self.restates.take();
        let author = Author { restates: restates.as_ref(), ..self.author(version, row) };
        let hash = self.view.hash_of(key);
        let db = self.view.db as usize;
        let shard = self.view.guard.shard_mut(hash);
        let (database, limits) = (&mut shard.databases[db], &shard.limits);
        rule(&mut Merge { database, limits, author, hash, key })
    }

    /// Before a local write: what is left of an earlier life of the key goes.
    fn prepare(&mut self, key: &[u8]) {
        let hash = self.view.hash_of(key);
        let shard = self.view.guard.shard(hash);
        let database = &shard.databases[self.view.db as usize];
        if database.table.expires_len() == 0 && !self.switches.peers {
            return;
        }
        match database.table.seek(hash, key) {
            // Elements that are only out of sight may still come back, but what becomes of the key is known.
            Some(entry) if entry.is_hollow() && !entry.has_deadline() => {}
            Some(entry) if is_expired(entry, self.view.now_ms) => {
                shard.counters.expired.set(shard.counters.expired.get() + 1);
                self.remove(key);
                self.notify(EventClass::EXPIRED, "expired", key);
            }
            // A deadline whose key went away elsewhere at the same time would come down on the new one.
            None if self.switches.peers && database.recent.get(hash, key).is_some_and(Record::has_deadline) => {
                self.remove(key);
            }
            _ => {}
        }
    }

    /// Before an increment in an element that is not there: a deadline that an earlier life of it has left must not
    /// come down on the new one.
    fn prepare_member(&mut self, key: &[u8], collection: Collection, member: &[u8]) {
        if !self.switches.peers {
            return;
        }
        let hash = self.view.hash_of(key);
        let database = &self.view.guard.shard(hash).databases[self.view.db as usize];
        let entry = database.table.seek(hash, key);
        let is_there = match entry.map(Entry::value) {
            Some(ValueRef::Hash(hash)) => hash.contains(member),
            Some(ValueRef::SortedSet(set)) => set.contains(member),
            _ => false,
        };
        if is_there {
            return;
        }
        let register = database.recent.get(hash, key).and_then(|record| record.lifetimes.get(collection, member));
        let deadline_ms = match register {
            Some(register) => register.current(),
            None => entry.and_then(Entry::expiring).and_then(|elements| elements.deadline_ms(member)),
        };
        if deadline_ms.is_none() {
            return;
        }
        let mut items = ItemsWriter::new();
        items.push(member);
        match collection {
            Collection::Hash => {
                let effect = Effect::HashDelete { key, fields: items.items() };
                self.merge(key, &effect, |merge| merge.hash_delete(std::iter::once(member)));
            }
            Collection::SortedSet => {
                let effect = Effect::SortedSetRemove { key, members: items.items() };
                self.merge(key, &effect, |merge| merge.sorted_set_remove(std::iter::once(member)));
            }
            Collection::Set => {}
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.merge(key, &Effect::Delete { key }, |merge| drop(merge.delete()));
    }

    /// The entry of a key to be written, checked for its type.
    fn writable(&mut self, key: &[u8], is_right: impl Fn(&Entry) -> bool) -> Result<Option<&Entry>, ValueError> {
        self.prepare(key);
        let found = self.view.find(key);
        if let Some(entry) = found {
            if !is_right(entry) {
                return Err(ValueError::WrongType);
            }
            self.view.note_access(entry);
        }
        Ok(found)
    }

    /// A collection that may just have become empty: a deadline that it had must not come down on a
    /// later life of the key.
    fn persist_empty(&mut self, key: &[u8], deadline_ms: Option<u64>) {
        if self.switches.peers && deadline_ms.is_some() && self.view.find(key).is_none() {
            let effect = Effect::Expire { key, deadline_ms: None };
            self.merge(key, &effect, |merge| merge.expire(None));
        }
    }
}
