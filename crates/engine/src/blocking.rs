//! Commands that wait for keys (BLPOP, XREAD BLOCK …): who waits for which key, in which order, and how a
//! commit that fills a key serves them.
//!
//! A commit, local or remote, notes under its locks which awaited keys it touched. Once the locks are
//! released, and before anything else is executed on that thread, `Engine::serve_blocked` runs the
//! commands of those who wait for these keys, the longest waiting first. The thread that serves runs the command whole, in a
//! transaction of its own, and leaves the reply for the session's own thread, which it wakes. While
//! nobody waits, all of this costs one load per commit.

use crate::clients::Client;
use crate::context::SessionContext;
use crate::engine::{Author, Engine};
use crate::fault::Fault;
use crate::keys::{KeyHashes, for_each_key, hash_keys};
use crate::session::{Parked, Resume};
use crate::table::Entry;
use effect::Stamp;
use keyspace::{Change, KeyType, Keyspace, Scope, Txn};
use parking_lot::{Mutex, MutexGuard};
use resp::{Args, Out, OwnedArgs, Protocol};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a blocking command did when it was run.
pub enum Attempt {
    /// It has replied.
    Done,
    /// There was nothing for it, and it waits.
    Wait(Wait),
}

/// How a blocking command waits.
pub struct Wait {
    /// `None`: for ever.
    pub timeout_ms: Option<u64>,
    /// The command is run again when one of its keys is of this type after a change.
    pub key_type: KeyType,
    /// And also when a key of it is gone, or has become another type.
    pub on_loss: bool,
    /// What to run then, where it is not the same as now (XREAD with `$`).
    pub args: Option<OwnedArgs>,
}

/// A command that may wait.
#[derive(Clone, Copy)]
pub struct Blocking {
    /// Runs under the locks of the command's keys.
    pub run: fn(&mut Txn<'_>, Args<'_>, &mut Out) -> Result<Attempt, Fault>,
    /// The reply where there is nothing and waiting is not possible (MULTI).
    pub refuse: fn(&mut Out),
}

type Place = (u32, Vec<u8>);

/// A client that waits.
pub(crate) struct Waiter {
    client: Arc<Client>,
    entry: &'static Entry,
    blocking: Blocking,
    args: OwnedArgs,
    db: u32,
    key_type: KeyType,
    on_loss: bool,
    protocol: Protocol,
    state: Mutex<State>,
}

enum State {
    Waiting,
    /// The reply, and the stamp of what the command wrote.
    Served {
        reply: Vec<u8>,
        stamp: Option<Stamp>,
    },
    /// The session has given up.
    Over,
}

/// Who waits for what.
#[derive(Default)]
pub(crate) struct BlockedClients {
    /// How many keys are awaited; checked before anything else.
    awaited: AtomicUsize,
    /// How many keys are in `ready`.
    ready_count: AtomicUsize,
    queues: Mutex<HashMap<Place, VecDeque<Arc<Waiter>>>>,
    /// Awaited keys that changed, in this order.
    ready: Mutex<VecDeque<Place>>,
    /// One thread serves at a time, so that the order of waiting is kept.
    serving: Mutex<()>,
}

impl BlockedClients {
    /// Call under the locks of the keys, so that no change falls between the look and the registration.
    fn add(&self, keyspace: &Keyspace, waiter: &Arc<Waiter>) {
        let mut queues = self.queues.lock();
        if queues.is_empty() {
            keyspace.add_observer();
        }
        waiter.for_each_place(|place| {
            let queue = queues.entry(place).or_default();
            // A key may be named twice.
            if !queue.iter().any(|other| Arc::ptr_eq(other, waiter)) {
                queue.push_back(waiter.clone());
            }
        });
        self.awaited.store(queues.len(), Relaxed);
    }

    fn remove(&self, keyspace: &Keyspace, waiter: &Arc<Waiter>) {
        let mut queues = self.queues.lock();
        let was_empty = queues.is_empty();
        waiter.for_each_place(|place| {
            if let Some(queue) = queues.get_mut(&place) {
                queue.retain(|other| !Arc::ptr_eq(other, waiter));
                if queue.is_empty() {
                    queues.remove(&place);
                }
            }
        });
        self.awaited.store(queues.len(), Relaxed);
        if queues.is_empty() && !was_empty {
            keyspace.remove_observer();
        }
    }

    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.awaited.load(Relaxed) == 0
    }

    /// Notes the awaited keys among those that have changed.
    pub(crate) fn observe(&self, changes: &[Change<'_>]) {
        if !self.is_idle() {
            self.note(changes);
        }
    }

    #[cold]
    fn note(&self, changes: &[Change<'_>]) {
        let queues = self.queues.lock();
        for change in changes {
            match *change {
                Change::Everything => self.note_places(queues.keys()),
                Change::Database { db } => self.note_places(queues.keys().filter(|place| place.0 == db)),
                Change::Key { db, key, .. } | Change::Groups { db, key } => {
                    self.note_places(queues.get_key_value(&(db, key.to_vec())).map(|(place, _)| place).into_iter());
                }
            }
        }
    }

    /// Any awaited key may have changed: two databases changed places, a data set came.
    pub(crate) fn note_all(&self) {
        if !self.is_idle() {
            self.note_places(self.queues.lock().keys());
        }
    }

    fn note_places<'p>(&self, places: impl Iterator<Item = &'p Place>) {
        let mut ready = self.ready.lock();
        for place in places {
            if !ready.contains(place) {
                ready.push_back(place.clone());
            }
        }
        self.ready_count.store(ready.len(), Relaxed);
    }

    fn next_ready(&self) -> Option<Place> {
        let mut ready = self.ready.lock();
        let place = ready.pop_front();
        self.ready_count.store(ready.len(), Relaxed);
        place
    }

    /// Those who wait for a key, the longest waiting first.
    fn waiters(&self, place: &Place) -> Vec<Arc<Waiter>> {
        self.queues.lock().get(place).map_or_else(Vec::new, |queue| queue.iter().cloned().collect())
    }

    /// How many keys are awaited, and how many of them also for their loss (INFO clients).
    pub(crate) fn counts(&self) -> (usize, usize) {
        let queues = self.queues.lock();
        let on_loss = queues.values().filter(|queue| queue.iter().any(|waiter| waiter.on_loss)).count();
        (queues.len(), on_loss)
    }
}

impl Waiter {
    fn for_each_place(&self, mut f: impl FnMut(Place)) {
        let args = self.args.args();
        let _ = for_each_key(self.entry, args, |index, _| f((self.db, args.at(index).to_vec())));
    }

    /// Runs the command again because of a change of `key`. False where nobody after this one can be
    /// served either: there is nothing at the key.
    fn serve(self: &Arc<Waiter>, engine: &Engine, key: &[u8]) -> bool {
        let mut state = self.state.lock();
        if !matches!(*state, State::Waiting) {
            return true;
        }
        let args = self.args.args();
        let mut hashes = KeyHashes::new();
        hash_keys(self.entry, args, |key| engine.keyspace.hash(key), &mut hashes);
        let mut txn = engine.keyspace.begin(Scope::Keys(&hashes), self.db, engine.host.now().unix_ms());
        let there = txn.peek_type(key);
        if there != Some(self.key_type) && !self.on_loss {
            // What time has done is told all the same.
            engine.commit(&mut txn, Author::default());
            return there.is_some();
        }
        let mut out = Out::new(self.protocol);
        out.float_format = engine.config.load().float_format;
        let served = match (self.blocking.run)(&mut txn, args, &mut out) {
            Ok(Attempt::Wait(_)) => false,
            Ok(Attempt::Done) => true,
            Err(fault) => {
                out.truncate(0);
                fault.render(&mut out);
                true
            }
        };
        out.finish();
        let changes = txn.changes();
        engine.stats.shared.served_dirty.fetch_add(changes, Relaxed);
        // Who goes on waiting may have become a consumer of a group.
        let stamp = engine.commit(&mut txn, Author { client: Some(self.client.id), ..Author::default() });
        drop(txn);
        if !served {
            return true;
        }
        *state = State::Served { reply: out.buffer, stamp };
        drop(state);
        engine.blocked.remove(&engine.keyspace, self);
        engine.host.wake(&self.client);
        true
    }
}

impl Engine {
    /// Serves those who wait for keys that commits have changed. Not while locks of keys are held.
    #[inline]
    pub fn serve_blocked(&self) {
        if self.blocked.ready_count.load(Relaxed) != 0 {
            self.serve_ready();
        }
    }

    #[cold]
    fn serve_ready(&self) {
        let _serving: MutexGuard<'_, ()> = self.blocked.serving.lock();
        // What is served may fill other keys that are awaited (BLMOVE).
        while let Some(place) = self.blocked.next_ready() {
            let waiters = self.blocked.waiters(&place);
            let mut nothing_there = false;
            for waiter in waiters {
                if !nothing_there || waiter.on_loss {
                    nothing_there |= !waiter.serve(self, &place.1);
                }
            }
        }
    }
}

/// What the session of a waiting client keeps.
struct WaitingForKeys {
    waiter: Arc<Waiter>,
    engine: Arc<Engine>,
}

impl Parked for WaitingForKeys {
    fn resume(&mut self, context: &mut SessionContext<'_>, out: &mut Out, cause: Resume) -> bool {
        let mut state = self.waiter.state.lock();
        if let State::Served { reply, stamp } = &mut *state {
            out.buffer.append(reply);
            if let Some(stamp) = *stamp {
                context.session.last_write = stamp;
            }
        } else {
            match cause {
                Resume::Woken => return false,
                Resume::TimedOut => out.null_array(),
                // The reply is an error then, which is not ours to give.
                Resume::Unblocked => {
                    *state = State::Over;
                    return false;
                }
            }
        }
        *state = State::Over;
        true
    }
}

impl Drop for WaitingForKeys {
    fn drop(&mut self) {
        *self.waiter.state.lock() = State::Over;
        self.engine.blocked.remove(&self.engine.keyspace, &self.waiter);
    }
}

impl SessionContext<'_> {
    /// Runs a command that may wait, under the locks of its keys.
    pub(crate) fn call_blocking(
        &mut self,
        entry: &'static Entry,
        args: Args<'_>,
        first_key: Option<u64>,
        blocking: Blocking,
        out: &mut Out,
    ) -> Result<(), Fault> {
        let engine = self.session.engine().clone();
        let client = self.session.client.clone();
        let (db, protocol, may_wait) = (self.session.db, out.protocol, !self.in_transaction());
        self.session.publish(out.protocol, Some(entry.id), self.now);
        let mut waiting = None;
        self.with_keys(entry, args, first_key, |txn| {
            let wait = match (blocking.run)(txn, args, out)? {
                Attempt::Done => return Ok(()),
                Attempt::Wait(wait) => wait,
            };
            if !may_wait {
                (blocking.refuse)(out);
                return Ok(());
            }
            let Wait { timeout_ms, key_type, on_loss, args: later } = wait;
            let args = later.unwrap_or_else(|| args.to_owned());
            let state = Mutex::new(State::Waiting);
            let waiter = Arc::new(Waiter { client, entry, blocking, args, db, key_type, on_loss, protocol, state });
            engine.blocked.add(&engine.keyspace, &waiter);
            waiting = Some((waiter, timeout_ms));
            Ok(())
        })?;
        if let Some((waiter, timeout_ms)) = waiting {
            let deadline_us =
                timeout_ms.map(|timeout_ms| self.now.monotonic_us.saturating_add(timeout_ms.saturating_mul(1000)));
            self.park(Box::new(WaitingForKeys { waiter, engine }), deadline_us);
        }
        Ok(())
    }
}
