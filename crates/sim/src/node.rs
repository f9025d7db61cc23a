//! One node of a history: a whole `node::Node` with a client of its own, on simulated clocks.

use crate::client::Client;
use crate::model::{self, Lifetimes, Record, State, Value, score_text};
use crate::witness::Witness;
use crate::workload::{CHANNEL, SHARD_CHANNEL};
use effect::{Origin, VersionVector};
use engine::config::Master;
use engine::{
    Config, Connection, CpuTime, Fault, Host, Journal, LogLevel, Memory, Next, Process, Session, Shutdown, Worker,
};
use keyspace::{Commit, Decoded, EventClass, KeyType, Keyspace, Scope, StringRef, View};
use mesh::{Input, LinkId, MasterState, Now};
use node::{LinkRequest, Node};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often nodes compare what they have, in seconds.
const COMPARE_S: u64 = 1;

/// Where nodes are not as they are by default.
#[derive(Clone, Copy, Default)]
pub struct Settings {
    /// What relay logs hold.
    pub log_bytes: Option<u64>,
    /// They compare what they have.
    pub compares: bool,
}

/// Everything that any node of a history has committed: what the oracle executes.
#[derive(Clone, Default)]
pub struct Tape {
    /// Each with the version of its context (`keyspace::Commit::context`).
    records: Arc<Mutex<Vec<(u64, Record)>>>,
}

impl Tape {
    /// For each origin, the stamp of its last commit.
    pub fn last_commits(&self) -> VersionVector {
        let mut last = VersionVector::new();
        for (_, record) in self.records.lock().expect("one thread").iter() {
            last.advance(record.origin, record.first);
        }
        last
    }

    /// How many commits there were.
    pub fn count(&self) -> usize {
        self.records.lock().expect("one thread").len()
    }

    /// What was committed since there were `len` records, and when more was here than at `version`, had seen this.
    fn note_context(&self, len: usize, version: u64, context: &VersionVector) {
        let mut records = self.records.lock().expect("one thread");
        let later = records[len..].iter_mut().filter(|(at, _)| *at > version);
        later.for_each(|(_, record)| record.context.clone_from(context));
    }

    /// Those records that `vector` covers; a crash may have taken others with it.
    pub fn records(&self, vector: &VersionVector) -> Vec<Record> {
        let records = std::mem::take(&mut *self.records.lock().expect("one thread"));
        let records = records.into_iter().map(|(_, record)| record);
        records.filter(|record| vector.covers(record.origin, record.first)).collect()
    }
}

/// Writes what one node commits onto the tape.
struct Recorder {
    origin: Origin,
    tape: Tape,
    /// What the node has applied at this moment.
    context: Mutex<VersionVector>,
}

impl Journal for Recorder {
    fn commit(&self, commit: &Commit<'_>) {
        let context = self.context.lock().expect("one thread").clone();
        let record = Record { origin: self.origin, first: commit.first, context, effects: commit.effects.to_vec() };
        self.tape.records.lock().expect("one thread").push((commit.context, record));
    }
}

/// The process around a simulated node: clocks, and nothing else.
struct SimulatedHost {
    unix_ms: AtomicU64,
    monotonic_ms: AtomicU64,
    process: Process,
}

impl SimulatedHost {
    fn set(&self, now: Now) {
        self.unix_ms.store(now.unix_ms, Relaxed);
        self.monotonic_ms.store(now.monotonic_ms, Relaxed);
    }
}

impl Host for SimulatedHost {
    fn now(&self) -> engine::Now {
        engine::Now { unix_us: self.unix_ms.load(Relaxed) * 1000, monotonic_us: self.monotonic_ms.load(Relaxed) * 1000 }
    }

    fn monotonic_ns(&self) -> u64 {
        self.monotonic_ms.load(Relaxed) * 1_000_000
    }

    fn used_memory(&self) -> u64 {
        0
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }

    fn cpu_time(&self) -> CpuTime {
        CpuTime::default()
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn wake(&self, _: &engine::Client) {}

    fn sleep(&self, _: Duration) {}

    fn shutdown(&self, _: Shutdown) -> Result<(), Fault> {
        Ok(())
    }

    fn abort_shutdown(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn log(&self, _: LogLevel, _: fmt::Arguments<'_>) {}

    fn purge_memory(&self) {}
}

/// A session that another node has opened, and what it has not consumed yet.
pub struct Conversation {
    session: Session,
    input: Vec<u8>,
    peer_host: String,
}

/// A node that runs.
pub struct Machine {
    pub node: Arc<Node>,
    keyspace: Arc<Keyspace>,
    host: Arc<SimulatedHost>,
    recorder: Arc<Recorder>,
    worker: Worker,
    client: Client,
    /// A client that subscribes to what the others publish.
    listener: Client,
    /// A client that waits for elements.
    waiter: Client,
    witness: Witness,
    /// Data sets that it had taken when the witness last looked.
    imports: u64,
    is_merging: bool,
    applied: VersionVector,
    joined: bool,
}

fn engine_now(now: Now) -> engine::Now {
    engine::Now { unix_us: now.unix_ms * 1000, monotonic_us: now.monotonic_ms * 1000 }
}

impl Machine {
    /// Starts with an empty memory and links to `masters`, which are host names.
    pub fn start(origin: Origin, masters: &[String], seed: u64, settings: Settings, tape: Tape, now: Now) -> Machine {
        let host = Arc::new(SimulatedHost {
            unix_ms: AtomicU64::new(now.unix_ms),
            monotonic_ms: AtomicU64::new(now.monotonic_ms),
            process: Process::default(),
        });
        let keyspace = Arc::new(Keyspace::new(keyspace::Options {
            databases: 16,
            single_threaded: true,
            // One for all histories, whichever of them comes first in the process: each runs alone as it does among others.
            hash_secret: 1,
            seed,
        }));
        let recorder = Arc::new(Recorder { origin, tape, context: Mutex::default() });
        let mut config = Config::default();
        config.multi_master = true;
        config.active_replica = true;
        if let Some(bytes) = settings.log_bytes {
            (config.mesh_log_size, config.repl_backlog_size) = (bytes, bytes);
        }
        config.mesh_compare_interval = if settings.compares { COMPARE_S } else { 0 };
        config.notify_keyspace_events = EventClass::all();
        config.replicaof = masters.iter().map(|host| Master { host: host.clone(), port: 6379 }).collect();
        let node = Arc::new(Node::new(node::Options {
            identity: origin,
            keyspace: keyspace.clone(),
            config,
            host: host.clone(),
            seed,
            now,
            // Who writes before it has joined is for the scenarios to say.
            arrival_ms: 0,
            observer: Some(recorder.clone()),
        }));
        node.turn(now);
        let mut worker = Worker::new(node.engine());
        let now = engine_now(now);
        let [client, mut listener, waiter] = [(); 3].map(|()| Client::new(node.engine(), now));
        listener.send(&mut worker, &[&["SUBSCRIBE", CHANNEL], &["SSUBSCRIBE", SHARD_CHANNEL]], now);
        let witness = Witness::new(node.engine(), &mut worker, now);
        let applied = VersionVector::new();
        Machine {
            node,
            keyspace,
            host,
            recorder,
            worker,
            client,
            listener,
            waiter,
            witness,
            imports: 0,
            is_merging: false,
            applied,
            joined: false,
        }
    }

    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// The clocks move on, and the node does what is due.
    pub fn turn(&mut self, now: Now) {
        self.host.set(now);
        self.note_context();
        self.with_applied(|node| node.turn(now));
        self.waiter.wait_on(&mut self.worker, engine_now(now));
    }

    /// Something happened on a link. What comes in may be what a client waits for.
    pub fn handle(&self, link: LinkId, input: Input<'_>, now: Now) {
        self.host.set(now);
        self.with_applied(|node| node.handle(link, input, now));
    }

    /// What comes in while the node does this may be what a client waits for: its commits have seen it, and others have not.
    fn with_applied(&self, act: impl FnOnce(&Node)) {
        let tape = &self.recorder.tape;
        let (len, version) = (tape.count(), self.keyspace.context_version());
        act(&self.node);
        if tape.count() > len {
            tape.note_context(len, version, &self.node.seen());
        }
    }

    /// What is committed from now on has seen what is here now.
    fn note_context(&self) {
        *self.recorder.context.lock().expect("one thread") = self.node.seen();
    }

    /// A client sends commands in one go; the replies as bytes.
    pub fn command(&mut self, commands: &[Vec<String>], now: Now) -> Vec<u8> {
        self.host.set(now);
        self.note_context();
        self.client.send(&mut self.worker, commands, engine_now(now))
    }

    /// A client sends a command that may have to wait. It does nothing while the one before waits.
    pub fn wait(&mut self, command: Vec<String>, now: Now) {
        self.host.set(now);
        self.note_context();
        self.waiter.wait(&mut self.worker, command, engine_now(now));
    }

    /// The messages that have come to this life of the node, in order.
    pub fn heard(&mut self, now: Now) -> Vec<String> {
        let messages = self.listener.hear(&mut self.worker, engine_now(now));
        messages.into_iter().map(|mut message| message.pop().expect("a channel and a message")).collect()
    }

    /// Has every change of the key been told to those who want to hear of it?
    pub fn examine(&mut self, key: &str, now: Now) -> Result<(), String> {
        self.host.set(now);
        self.note_context();
        let now = engine_now(now);
        self.waiter.wait_on(&mut self.worker, now);
        let (key_type, awaited) = self.waiter.awaited();
        for key in awaited {
            let found = self.witness.look(key, &self.keyspace, &mut self.worker, now);
            let is_it = match &found {
                // What has a deadline may have been past it before a clock was set back.
                Some((_, deadline_ms, lifetimes)) if deadline_ms.is_some() || !lifetimes.is_empty() => false,
                Some((Value::List(_), ..)) => key_type == KeyType::List,
                Some((Value::SortedSet(_), ..)) => key_type == KeyType::SortedSet,
                _ => false,
            };
            if is_it {
                return Err(format!("{key} is {found:?}, and a client waits for it"));
            }
        }
        let status = self.node.status();
        let is_merging = is_merging(&status);
        let was_merging = std::mem::replace(&mut self.is_merging, is_merging);
        let imports = status.counters.state_imports;
        if is_merging || was_merging || std::mem::replace(&mut self.imports, imports) < imports {
            self.witness.miss_events();
        }
        self.witness.examine(key, &self.keyspace, &mut self.worker, now)
    }

    /// Another node has connected.
    pub fn converse(&self, peer_host: &str, now: Now) -> Conversation {
        let session = Session::new(self.node.engine(), Connection::default(), engine_now(now));
        Conversation { session, input: Vec::new(), peer_host: peer_host.to_owned() }
    }

    /// It has sent something. Replies, and the link that the conversation has become.
    pub fn converse_on(&mut self, peer: &mut Conversation, bytes: &[u8], now: Now) -> (Vec<u8>, Option<LinkId>) {
        self.host.set(now);
        peer.input.extend_from_slice(bytes);
        let turn = peer.session.feed(&mut self.worker, &mut peer.input, engine_now(now));
        peer.input.drain(..turn.consumed);
        let replies = std::mem::take(&mut peer.session.out.buffer);
        if turn.next != Next::Link {
            return (replies, None);
        }
        let request = LinkRequest {
            arguments: std::mem::take(&mut peer.session.link_arguments),
            peer_host: peer.peer_host.clone(),
            listening_port: peer.session.announced_port,
        };
        let link = self.node.accept(request, now);
        self.handle(link, Input::Received { bytes: &peer.input }, now);
        (replies, Some(link))
    }

    /// Has it caught up with the mesh once?
    pub fn has_joined(&self) -> bool {
        self.joined
    }

    /// Notes what it has applied by now: a node forgets origins that are over.
    pub fn note_applied(&mut self) {
        let status = self.node.status();
        self.applied.merge(&status.vector);
        self.joined |= status.joined;
        // One that breaks off is not counted.
        self.is_merging |= is_merging(&status);
    }

    /// All that it has ever applied, as of the last note.
    pub fn applied(&self) -> &VersionVector {
        &self.applied
    }

    /// The whole data set, as the model writes it. Keys whose deadline is at or before `now_ms` are gone.
    pub fn state(&self, now_ms: u64) -> State {
        let mut state = State::new();
        for db in 0..2 {
            let view = self.keyspace.begin(Scope::All, db, now_ms);
            let mut keys = Vec::new();
            let mut cursor = 0;
            loop {
                cursor = view.scan(cursor, 100, |key, _| keys.push(key.to_vec()));
                if cursor == 0 {
                    break;
                }
            }
            for key in keys {
                state.extend(read(&view, &key).map(|found| ((db, key), found)));
            }
        }
        state
    }
}

/// What a key holds, as the model writes it.
pub fn read(view: &View<'_>, key: &[u8]) -> Option<(Value, Option<u64>, Lifetimes)> {
    let deadline_ms = view.deadline_ms(key)?;
    let value = if let Ok(Some(string)) = view.string(key) {
        Value::String(StringRef::to_vec(string))
    } else if let Ok(Some(set)) = view.set(key) {
        let mut members = std::collections::BTreeSet::new();
        set.for_each(|member| {
            members.insert(member.to_vec());
        });
        Value::Set(members)
    } else if let Ok(Some(list)) = view.list(key) {
        Value::List(list.iter().map(|element| element.to_vec()).collect())
    } else if let Ok(Some(set)) = view.sorted_set(key) {
        Value::SortedSet(set.iter().map(|(member, score)| (member.to_vec(), score_text(score))).collect())
    } else if let Ok(Some(stream)) = view.stream(key) {
        Value::Stream(model::Stream::read(stream))
    } else {
        let mut fields = std::collections::BTreeMap::new();
        if let Ok(Some(hash)) = view.hash(key) {
            hash.for_each(|field, value| drop(fields.insert(field.to_vec(), value.to_vec())));
        }
        Value::Hash(fields)
    };
    let elements: Vec<Vec<u8>> = match &value {
        Value::String(_) | Value::List(_) | Value::Stream(_) => Vec::new(),
        Value::Set(members) => members.iter().cloned().collect(),
        Value::Hash(fields) | Value::SortedSet(fields) => fields.keys().cloned().collect(),
    };
    let lifetimes = elements.into_iter().filter_map(|element| {
        let deadline_ms = view.member_deadline_ms(key, &element)?;
        Some((element, deadline_ms))
    });
    Some((value, deadline_ms, lifetimes.collect()))
}

/// The value of a Put, in the model's words.
pub fn decode_value(encoded: &[u8]) -> (Value, Lifetimes) {
    let mut lifetimes = Lifetimes::new();
    let mut note = |element: &[u8], deadline_ms: Option<u64>| {
        lifetimes.extend(deadline_ms.map(|deadline_ms| (element.to_vec(), deadline_ms)));
        element.to_vec()
    };
    let value = match keyspace::decode(encoded).expect("written by a node") {
        Decoded::String(bytes) | Decoded::Verbatim { bytes, .. } => Value::String(bytes.to_vec()),
        Decoded::Set(members) => Value::Set(members.iter().map(<[u8]>::to_vec).collect()),
        Decoded::Hash(pairs) => {
            Value::Hash(pairs.pairs().map(|(field, value)| (field.to_vec(), value.to_vec())).collect())
        }
        Decoded::SortedSet(pairs) => {
            Value::SortedSet(pairs.iter().map(|(member, score)| (member.to_vec(), score_text(score))).collect())
        }
        Decoded::Stream(stream) => Value::Stream(model::Stream::decode(&stream)),
        Decoded::List(elements) => Value::List(elements.iter().map(<[u8]>::to_vec).collect()),
        Decoded::ExpiringSet(members) => {
            Value::Set(members.into_iter().map(|(member, deadline_ms)| note(member, deadline_ms)).collect())
        }
        Decoded::ExpiringHash(fields) => Value::Hash(
            fields.into_iter().map(|(field, value, deadline_ms)| (note(field, deadline_ms), value.to_vec())).collect(),
        ),
        Decoded::ExpiringSortedSet(members) => Value::SortedSet(
            members
                .into_iter()
                .map(|(member, score, deadline_ms)| (note(member, deadline_ms), score_text(score)))
                .collect(),
        ),
    };
    (value, lifetimes)
}

/// Is a data set on its way in?
fn is_merging(status: &mesh::Status) -> bool {
    status.masters.iter().any(|master| master.state == MasterState::Sync)
}
