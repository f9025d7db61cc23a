//! Client side caching: which client may hold which key, and the messages that tell it to let go.
//!
//! A reader of the stream of effects. While nobody tracks it costs one load per commit.

use crate::clients::Client;
use crate::engine::Engine;
use crate::mailbox::{Counted, Keys, Message};
use bitflags::bitflags;
use keyspace::Change;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

bitflags! {
    /// CLIENT TRACKING's options.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Options: u8 {
        /// Hears of all keys with its prefixes, read or not.
        const BCAST = 1;
        /// Only what follows CLIENT CACHING YES counts as read.
        const OPTIN = 1 << 1;
        /// All but what follows CLIENT CACHING NO.
        const OPTOUT = 1 << 2;
        /// Hears nothing of its own changes.
        const NOLOOP = 1 << 3;
    }
}

/// What a session that tracks knows of it.
#[derive(Default)]
pub(crate) struct OwnTracking {
    pub(crate) options: Options,
    /// Id of the client that gets the messages; 0: this one.
    pub(crate) redirect: u64,
    pub(crate) prefixes: BTreeSet<Box<[u8]>>,
    /// CLIENT CACHING was said of the command that comes.
    pub(crate) caching: bool,
}

impl OwnTracking {
    /// Does the client keep what it reads now?
    pub(crate) fn keeps_reads(&self) -> bool {
        match self.options {
            options if options.contains(Options::BCAST) => false,
            options if options.contains(Options::OPTIN) => self.caching,
            options if options.contains(Options::OPTOUT) => !self.caching,
            _ => true,
        }
    }
}

#[derive(Default)]
pub(crate) struct Tracking {
    /// How many clients track; checked before anything else.
    count: AtomicUsize,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    trackers: BTreeMap<u64, Tracker>,
    readers: Readers,
    /// Who hears of keys with this prefix.
    prefixes: BTreeMap<Box<[u8]>, BTreeSet<u64>>,
}

struct Tracker {
    client: Arc<Client>,
    options: Options,
    redirect: u64,
}

type ClientIds = SmallVec<[u64; 2]>;

/// Which clients have read which key. Clients that are gone stay here until the key changes.
#[derive(Default)]
struct Readers {
    entries: Vec<(Arc<[u8]>, ClientIds)>,
    index: HashMap<Arc<[u8]>, usize>,
    items: usize,
    /// Where the next entry to give up is taken from.
    hand: usize,
}

impl Readers {
    fn add(&mut self, key: &[u8], client: u64) {
        let index = self.index.get(key).copied().unwrap_or_else(|| {
            let key: Arc<[u8]> = key.into();
            self.entries.push((key.clone(), ClientIds::new()));
            self.index.insert(key, self.entries.len() - 1);
            self.entries.len() - 1
        });
        let clients = &mut self.entries[index].1;
        if let Err(position) = clients.binary_search(&client) {
            clients.insert(position, client);
            self.items += 1;
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<(Arc<[u8]>, ClientIds)> {
        let index = self.index.remove(key)?;
        let (key, clients) = self.entries.swap_remove(index);
        if let Some((moved, _)) = self.entries.get(index) {
            self.index.insert(moved.clone(), index);
        }
        self.items -= clients.len();
        Some((key, clients))
    }

    /// Some key or other.
    fn remove_any(&mut self) -> Option<(Arc<[u8]>, ClientIds)> {
        self.hand = (self.hand + 1) % self.entries.len().max(1);
        let key = self.entries.get(self.hand)?.0.clone();
        self.remove(&key)
    }
}

/// The keys of one message, for all that get it.
fn shared<'k>(engine: &Engine, keys: impl Iterator<Item = &'k [u8]>) -> Keys {
    let keys: Box<[Box<[u8]>]> = keys.map(Box::from).collect();
    let bytes = keys.iter().map(|key| key.len() + size_of::<Box<[u8]>>()).sum();
    Counted::new(engine, keys, bytes)
}

impl Tables {
    /// Tells a client that it must let go of keys, `None`: of all.
    fn send(&self, engine: &Engine, client: u64, keys: Option<Keys>) {
        let Some(Tracker { client, redirect, .. }) = self.trackers.get(&client) else { return };
        if *redirect == 0 {
            return engine.push(client, Message::Invalidated { keys, redirected: false });
        }
        match engine.clients.get(*redirect) {
            Some(target) => engine.push(&target, Message::Invalidated { keys, redirected: true }),
            None => {
                client.redirection_broken.store(true, Relaxed);
                engine.push(client, Message::RedirectionBroken { client: *redirect });
            }
        }
    }

    /// Tells the readers of a key.
    fn send_to_readers(&self, engine: &Engine, key: &[u8], readers: &[u64], author: Option<u64>) {
        let keys = shared(engine, [key].into_iter());
        for &reader in readers {
            let options = self.trackers.get(&reader).map_or(Options::BCAST, |tracker| tracker.options);
            let is_own = options.contains(Options::NOLOOP) && author == Some(reader);
            if !options.contains(Options::BCAST) && !is_own {
                self.send(engine, reader, Some(keys.clone()));
            }
        }
    }

    /// One message to each client and prefix, with all the keys.
    fn broadcast(&self, engine: &Engine, keys: &BTreeSet<&[u8]>, author: Option<u64>) {
        for (prefix, clients) in &self.prefixes {
            let matching = keys.range(&prefix[..]..).take_while(|key| key.starts_with(prefix));
            let matching = shared(engine, matching.copied());
            if matching.is_empty() {
                continue;
            }
            for &client in clients {
                let options = self.trackers.get(&client).map_or(Options::empty(), |tracker| tracker.options);
                if !(options.contains(Options::NOLOOP) && author == Some(client)) {
                    self.send(engine, client, Some(matching.clone()));
                }
            }
        }
    }

    fn forget(&mut self, client: u64) -> Option<Tracker> {
        self.prefixes.retain(|_, clients| {
            clients.remove(&client);
            !clients.is_empty()
        });
        self.trackers.remove(&client)
    }
}

impl Tracking {
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    /// `own.prefixes`: those that it had, if it tracked before, and the new ones.
    pub(crate) fn start(&self, engine: &Engine, client: &Arc<Client>, own: &OwnTracking) {
        let mut tables = self.tables.lock();
        let tracker = Tracker { client: client.clone(), options: own.options, redirect: own.redirect };
        if tables.trackers.insert(client.id, tracker).is_none() {
            engine.keyspace.add_observer();
        }
        for prefix in &own.prefixes {
            tables.prefixes.entry(prefix.clone()).or_default().insert(client.id);
        }
        self.count.store(tables.trackers.len(), Relaxed);
        client.redirection_broken.store(false, Relaxed);
        client.broadcast.store(own.options.contains(Options::BCAST), Relaxed);
        client.redirect.store(own.redirect as i64, Relaxed);
    }

    pub(crate) fn stop(&self, engine: &Engine, client: &Client) {
        let mut tables = self.tables.lock();
        if tables.forget(client.id).is_some() {
            engine.keyspace.remove_observer();
        }
        self.count.store(tables.trackers.len(), Relaxed);
        client.redirection_broken.store(false, Relaxed);
        client.broadcast.store(false, Relaxed);
        client.redirect.store(-1, Relaxed);
    }

    /// A client is about to read these keys. Before it does: what changes afterwards is told after the reply.
    pub(crate) fn remember<'k>(&self, engine: &Engine, client: &Client, keys: impl Iterator<Item = &'k [u8]>) {
        let mut tables = self.tables.lock();
        keys.for_each(|key| tables.readers.add(key, client.id));
        drop(tables);
        self.keep_limit(engine);
    }

    /// Gives up keys beyond the number that the configuration allows.
    pub(crate) fn keep_limit(&self, engine: &Engine) {
        let max_keys = engine.config.load().tracking_table_max_keys;
        let mut tables = self.tables.lock();
        while max_keys > 0
            && tables.readers.entries.len() > max_keys
            && let Some((key, readers)) = tables.readers.remove_any()
        {
            tables.send_to_readers(engine, &key, &readers, None);
        }
    }

    /// Tells the clients that may hold what has changed. `author`: the client that changed it, if it was one of ours.
    pub(crate) fn invalidate(&self, engine: &Engine, changes: &[Change<'_>], author: Option<u64>) {
        if self.is_idle() {
            return;
        }
        let mut tables = self.tables.lock();
        let mut keys = BTreeSet::new();
        for change in changes {
            match *change {
                Change::Key { key, .. } => {
                    keys.insert(key);
                    if let Some((key, readers)) = tables.readers.remove(key) {
                        tables.send_to_readers(engine, &key, &readers, author);
                    }
                }
                Change::Groups { .. } => {}
                Change::Database { .. } | Change::Everything => {
                    tables.readers = Readers::default();
                    tables.trackers.keys().for_each(|client| tables.send(engine, *client, None));
                }
            }
        }
        tables.broadcast(engine, &keys, author);
    }

    /// Clients, keys, readers of keys, prefixes: for INFO.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let Tables { trackers, readers, prefixes } = &*self.tables.lock();
        [trackers.len(), readers.entries.len(), readers.items, prefixes.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_found_and_given_up() {
        let mut readers = Readers::default();
        for (key, client) in [("a", 2), ("b", 1), ("a", 1), ("a", 2), ("c", 3)] {
            readers.add(key.as_bytes(), client);
        }
        assert_eq!((readers.entries.len(), readers.items), (3, 4));
        let (key, clients) = readers.remove(b"a").unwrap();
        assert_eq!((&key[..], &clients[..]), (&b"a"[..], &[1, 2][..]));
        assert!(readers.remove(b"a").is_none());
        let mut rest: Vec<_> = std::iter::from_fn(|| readers.remove_any()).map(|(key, _)| key.to_vec()).collect();
        rest.sort();
        assert_eq!(rest, [b"b".to_vec(), b"c".to_vec()]);
        assert_eq!((readers.items, readers.index.len()), (0, 0));
    }
}
