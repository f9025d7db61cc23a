//! Clients who rely on being told: one watches keys, one keeps what it has read as CLIENT TRACKING allows, one hears
//! keyspace events. A key that is not what it was, because of whomever, must have been told to each of them.

use crate::client::Client;
use crate::model::{Lifetimes, Stream, Value};
use crate::node::read;
use engine::{Engine, Now, Worker};
use keyspace::{Keyspace, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a key was when it was looked at. Of a stream only the entries.
pub type Found = Option<(Value, Option<u64>, Lifetimes)>;

/// Time has come for a key: nobody has changed anything.
fn is_by_time(before: &Found, found: &Found) -> bool {
    matches!((before, found), (Some((_, Some(_), _)), None))
}

/// Is it as if nothing had happened, for who hears events? There is none for what has a deadline, nor for another
/// encoding of a HyperLogLog, nor for a stream that a delivery elsewhere, which is newer than what removed it, brings back without
/// entries.
fn is_same_content(before: &Found, found: &Found) -> bool {
    let lifetimes = [before, found].into_iter().flatten().flat_map(|(_, _, lifetimes)| lifetimes.keys());
    let mortals: BTreeSet<&Vec<u8>> = lifetimes.collect();
    let lasting = |found: &Found| {
        let mut value = found.as_ref().map(|(value, ..)| value.clone());
        match &mut value {
            Some(Value::Set(members)) => members.retain(|member| !mortals.contains(member)),
            Some(Value::Hash(fields) | Value::SortedSet(fields)) => fields.retain(|name, _| !mortals.contains(name)),
            Some(Value::String(bytes)) if bytes.starts_with(b"HYLL") => bytes.clear(),
            _ => {}
        }
        value
    };
    let is_blank = |stream: &Stream| *stream == Stream::new(0);
    lasting(before) == lasting(found) || matches!(found, Some((Value::Stream(stream), ..)) if is_blank(stream))
}

pub struct Witness {
    watching: Client,
    watched: Option<(String, Found)>,
    tracking: Client,
    cached: BTreeMap<String, Found>,
    listening: Client,
    noted: BTreeMap<String, Found>,
    last_us: u64,
}

impl Witness {
    pub fn new(engine: &Arc<Engine>, worker: &mut Worker, now: Now) -> Witness {
        let [watching, mut tracking, mut listening] = [(); 3].map(|()| Client::new(engine, now));
        tracking.send(worker, &[&["HELLO", "3"][..], &["CLIENT", "TRACKING", "ON"]], now);
        listening.send(worker, &[["PSUBSCRIBE", "__keyevent@0__:*"]], now);
        let (cached, noted) = (BTreeMap::new(), BTreeMap::new());
        Witness { watching, watched: None, tracking, cached, listening, noted, last_us: 0 }
    }

    /// What a key of database 0 is. Whatever is past its deadline goes as a client comes, who has it told.
    pub fn look(&mut self, key: &str, keyspace: &Keyspace, worker: &mut Worker, now: Now) -> Found {
        self.watching.send(worker, &[["TYPE", key]], now);
        let hash = keyspace.hash(key.as_bytes());
        let mut found = read(&keyspace.begin(Scope::Keys(&[hash]), 0, now.unix_ms()), key.as_bytes());
        if let Some((Value::Stream(stream), ..)) = &mut found {
            let entries = std::mem::take(&mut stream.entries);
            *stream = Stream::new(0);
            stream.entries = entries;
        }
        found
    }

    /// Looks at a key of database 0.
    pub fn examine(&mut self, key: &str, keyspace: &Keyspace, worker: &mut Worker, now: Now) -> Result<(), String> {
        // A clock that was set back brings to light what was past its deadline, and tells nobody.
        if std::mem::replace(&mut self.last_us, now.unix_us) > now.unix_us {
            self.watched = None;
            self.cached.clear();
            self.noted.clear();
        }
        let found = self.look(key, keyspace, worker, now);
        let watched = self.watched.take().map(|(watched, before)| {
            let found = self.look(&watched, keyspace, worker, now);
            (watched, before, found)
        });
        self.hear(worker, now);
        let complain = |key: &str, before: &Found, found: &Found, who: &str| {
            Err(format!("{key} was {before:?} and is {found:?}: a client {who}"))
        };
        if let Some(before) = self.cached.insert(key.to_owned(), found.clone())
            && before != found
            && !is_by_time(&before, &found)
        {
            return complain(key, &before, &found, "has it in its cache");
        }
        if let Some(before) = self.noted.insert(key.to_owned(), found.clone())
            && !is_same_content(&before, &found)
            && !is_by_time(&before, &found)
        {
            return complain(key, &before, &found, "has heard of no event since");
        }
        self.tracking.send(worker, &[["TYPE", key]], now);
        let replies = self.watching.send(worker, &[&["MULTI"][..], &["EXEC"], &["WATCH", key]], now);
        self.watched = Some((key.to_owned(), found));
        if let Some((watched, before, found)) = watched
            && replies.windows(4).any(|reply| reply == b"*0\r\n")
            && before != found
            && !is_by_time(&before, &found)
        {
            return complain(&watched, &before, &found, "watches it");
        }
        Ok(())
    }

    /// A data set of another node tells what there is, not what has happened.
    pub fn miss_events(&mut self) {
        self.noted.clear();
    }

    /// Forgets what is told to have changed.
    fn hear(&mut self, worker: &mut Worker, now: Now) {
        for message in self.tracking.hear(worker, now) {
            match &message[..] {
                [_, keys @ ..] if !keys.is_empty() => keys.iter().for_each(|key| drop(self.cached.remove(key))),
                // All of them. There is no event for that.
                _ => {
                    self.cached.clear();
                    self.noted.clear();
                }
            }
        }
        for message in self.listening.hear(worker, now) {
            self.noted.remove(message.last().expect("a channel and a key"));
        }
    }
}
