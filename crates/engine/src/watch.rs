//! WATCH: which keys sessions watch, and the marking of those sessions when a key changes.
//!
//! A reader of the stream of committed effects. While nobody watches anything it costs one load.

use crate::Client;
use keyspace::{Change, Keyspace, Txn, for_each_change};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A key in a database.
type Place = (u32, Vec<u8>);

struct Watcher {
    client: Arc<Client>,
    /// The key was there when it was watched. A deletion is no change of a key that was not.
    existed: bool,
}

#[derive(Default)]
pub(crate) struct WatchedKeys {
    /// How many keys are watched; checked before anything else.
    count: AtomicUsize,
    watchers: Mutex<HashMap<Place, Vec<Watcher>>>,
}

/// The keys that one session watches.
#[derive(Default)]
pub(crate) struct WatchList {
    pub(crate) keys: Vec<WatchedKey>,
    key_bytes: usize,
}

pub(crate) struct WatchedKey {
    pub(crate) db: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) existed: bool,
}

impl WatchList {
    /// Bytes held, here and in `WatchedKeys`.
    pub(crate) fn size(&self) -> usize {
        const PER_KEY: usize =
            size_of::<WatchedKey>() + size_of::<Place>() + size_of::<Vec<Watcher>>() + size_of::<Watcher>();
        self.keys.len() * PER_KEY + 2 * self.key_bytes
    }

    pub(crate) fn push(&mut self, watched: WatchedKey) {
        self.key_bytes += watched.key.len();
        self.keys.push(watched);
    }

    pub(crate) fn contains(&self, db: u32, key: &[u8]) -> bool {
        self.keys.iter().any(|watched| watched.db == db && watched.key == key)
    }
}

impl WatchedKeys {
    /// Call under the key's lock, so that no change falls between the look and the registration.
    pub(crate) fn watch(&self, keyspace: &Keyspace, client: &Arc<Client>, db: u32, key: &[u8], existed: bool) {
        let mut watchers = self.watchers.lock();
        if watchers.is_empty() {
            keyspace.add_observer();
        }
        watchers.entry((db, key.to_vec())).or_default().push(Watcher { client: client.clone(), existed });
        self.count.store(watchers.len(), Relaxed);
    }

    pub(crate) fn unwatch(&self, keyspace: &Keyspace, client: &Client, list: &mut WatchList) {
        if list.keys.is_empty() {
            return;
        }
        list.key_bytes = 0;
        let mut watchers = self.watchers.lock();
        let was_empty = watchers.is_empty();
        for watched in list.keys.drain(..) {
            let place = (watched.db, watched.key);
            if let Some(of_key) = watchers.get_mut(&place) {
                of_key.retain(|watcher| watcher.client.id != client.id);
                if of_key.is_empty() {
                    watchers.remove(&place);
                }
            }
        }
        self.count.store(watchers.len(), Relaxed);
        if watchers.is_empty() && !was_empty {
            keyspace.remove_observer();
        }
    }

    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    /// Marks the sessions that watch what has changed.
    pub(crate) fn observe(&self, changes: &[Change<'_>]) {
        if !self.is_idle() {
            self.mark_changed(changes);
        }
    }

    /// Two databases are about to be exchanged: marks the sessions that watch a key which is in one of
    /// them. Under all locks.
    pub(crate) fn observe_swap(&self, txn: &mut Txn<'_>, first: u32, second: u32) {
        if self.is_idle() {
            return;
        }
        let home = txn.db();
        let mut exists = |db: u32, key: &[u8]| {
            txn.select(db);
            txn.peek_type(key).is_some()
        };
        for ((db, key), watchers) in self.watchers.lock().iter() {
            if [first, second].contains(db) && (exists(first, key) || exists(second, key)) {
                watchers.iter().for_each(|watcher| watcher.client.dirty.store(true, Relaxed));
            }
        }
        txn.select(home);
    }

    /// A removal that comes late may bring to light what is newer: marks the sessions that watch a key which was not
    /// there, and is now.
    pub(crate) fn observe_appearances(&self, txn: &mut Txn<'_>, effects: &[u8]) {
        if self.is_idle() {
            return;
        }
        let watchers = self.watchers.lock();
        let home = txn.db();
        let mut mark = |(db, key): &Place, watchers: &[Watcher]| {
            let mut absent = watchers.iter().filter(|watcher| !watcher.existed).peekable();
            if absent.peek().is_some() {
                txn.select(*db);
                if txn.peek_type(key).is_some() {
                    absent.for_each(|watcher| watcher.client.dirty.store(true, Relaxed));
                }
            }
        };
        for_each_change(effects, &[], &[], |change| match change {
            Change::Key { db, key, .. } => {
                let place = (db, key.to_vec());
                watchers.get(&place).into_iter().for_each(|watchers| mark(&place, watchers));
            }
            Change::Groups { .. } => {}
            Change::Database { .. } | Change::Everything => {
                watchers.iter().for_each(|(place, watchers)| mark(place, watchers));
            }
        });
        txn.select(home);
    }

    fn mark_changed(&self, changes: &[Change<'_>]) {
        let watchers = self.watchers.lock();
        for change in changes {
            match *change {
                Change::Everything => mark_existing(watchers.iter()),
                Change::Database { db } => mark_existing(watchers.iter().filter(|(place, _)| place.0 == db)),
                Change::Groups { .. } => {}
                Change::Key { db, key, deleted: true } => {
                    mark_existing(watchers.get_key_value(&(db, key.to_vec())).into_iter());
                }
                Change::Key { db, key, deleted: false } => {
                    for watcher in watchers.get(&(db, key.to_vec())).into_iter().flatten() {
                        watcher.client.dirty.store(true, Relaxed);
                    }
                }
            }
        }
    }
}

fn mark_existing<'a>(places: impl Iterator<Item = (&'a Place, &'a Vec<Watcher>)>) {
    for watcher in places.flat_map(|(_, watchers)| watchers).filter(|watcher| watcher.existed) {
        watcher.client.dirty.store(true, Relaxed);
    }
}
