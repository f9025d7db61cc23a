//! One client's conversation: what it has selected, queued, watched and waits for.

use crate::clients::{Client, Connection, Unblock};
use crate::context::SessionContext;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::multi::Queue;
use crate::pubsub::Subscriptions;
use crate::services::Now;
use crate::table::Entry;
use crate::tracking::OwnTracking;
use crate::watch::WatchList;
use crate::worker::Worker;
use effect::Stamp;
use resp::{Out, OwnedArgs, Protocol, RequestDecoder};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What the owner of the connection does after a turn. Replies are in `Session::out` in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read more input.
    Read,
    /// The budget of this turn is spent: give others a turn, then feed what is left.
    Again,
    /// Send the replies, then close.
    Close,
    /// Do not read. `Session::resume` after a wake, or when this deadline has come
    /// (`Now::monotonic_us`; `None`: no deadline).
    Blocked { deadline_us: Option<u64> },
    /// The connection becomes a mesh link: send the replies, then hand it and the input that was
    /// not consumed to the node.
    Link,
}

/// What one turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    pub next: Next,
    /// The time that its requests took.
    pub spent_ns: u64,
}

/// Why a parked session is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    Woken,
    TimedOut,
    /// CLIENT UNBLOCK … ERROR; with TIMEOUT it is `TimedOut`.
    Unblocked,
}

/// A command that waits. Whoever can end its wait calls `Host::wake` for its client.
pub trait Parked: Send {
    /// True once it has replied; it must have after `TimedOut`. The error that follows `Unblocked` is not its own to give.
    fn resume(&mut self, context: &mut SessionContext<'_>, out: &mut Out, cause: Resume) -> bool;
}

pub(crate) struct Parking {
    pub(crate) command: Box<dyn Parked>,
    /// As `Now::monotonic_us`.
    pub(crate) deadline_us: Option<u64>,
    /// What waits, and for how long it has run: it counts as executed once it has replied.
    pub(crate) request: Option<(&'static Entry, OwnedArgs, u64)>,
    /// CLIENT REPLY says that nobody waits for the reply.
    pub(crate) is_unwanted: bool,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command gets no reply.
    SkipNext,
    /// This one gets none.
    Skip,
}

/// One client's conversation; owned by one worker.
pub struct Session {
    pub client: Arc<Client>,
    /// Replies that wait to be sent: take the bytes, leave the rest.
    pub out: Out,
    /// The selected database.
    pub db: u32,
    pub authenticated: bool,
    /// Stamp of the last effect that this session made (WAIT, MESH TOKEN).
    pub last_write: Stamp,
    pub(crate) queue: Option<Queue>,
    /// How many commands the EXEC that is running had queued.
    pub(crate) executing: Option<usize>,
    pub(crate) watching: WatchList,
    pub(crate) subscriptions: Subscriptions,
    /// `None`: client side caching is off.
    pub(crate) tracking: Option<Box<OwnTracking>>,
    pub(crate) reply: ReplyMode,
    pub(crate) parking: Option<Parking>,
    pub(crate) decoder: RequestDecoder,
    /// A request that CLIENT PAUSE holds back.
    pub(crate) postponed: Option<OwnedArgs>,
    /// A replication handshake announced this (REPLCONF listening-port).
    pub announced_port: u16,
    /// What followed MESH LINK, after `Next::Link`.
    pub link_arguments: Vec<Vec<u8>>,
    engine: Arc<Engine>,
}

impl Session {
    pub fn new(engine: &Arc<Engine>, connection: Connection, now: Now) -> Session {
        engine.stats.shared.connections_received.fetch_add(1, Relaxed);
        Session {
            client: engine.clients.register(connection, now),
            out: Out::new(Protocol::Resp2),
            db: 0,
            authenticated: engine.config.load().requirepass.is_empty(),
            last_write: Stamp::ZERO,
            queue: None,
            executing: None,
            watching: WatchList::default(),
            subscriptions: Subscriptions::default(),
            tracking: None,
            reply: ReplyMode::On,
            parking: None,
            decoder: RequestDecoder::new(),
            postponed: None,
            announced_port: 0,
            link_arguments: Vec::new(),
            engine: engine.clone(),
        }
    }

    /// Executes the complete requests at the front of `input`, as far as this turn's budget goes. Drop
    /// the bytes that are consumed; what is left must be at the front of the next input.
    pub fn feed(&mut self, worker: &mut Worker, input: &mut [u8], now: Now) -> Turn {
        crate::pipeline::turn(self, worker, input, now)
    }

    /// How many bytes the request at the end of the input lacks at least, as it announced itself.
    pub fn missing_input(&self) -> usize {
        self.decoder.missing_bytes()
    }

    /// Looks again at a session that is blocked or was woken (killed, unblocked, unpaused). Feed the
    /// input that is left where the answer is `Next::Read`.
    pub fn resume(&mut self, worker: &mut Worker, now: Now) -> Next {
        if self.client.killed() {
            return Next::Close;
        }
        let Some(parking) = self.parking.take() else {
            // A request that CLIENT PAUSE holds back is tried again; there is no new input.
            if self.postponed.is_some() {
                return self.feed(worker, &mut [], now).next;
            }
            self.take_mail();
            return Next::Read;
        };
        let timed_out = parking.deadline_us.is_some_and(|deadline| deadline <= now.monotonic_us);
        let cause = match self.client.take_unblock() {
            Some(Unblock::Error) => Resume::Unblocked,
            Some(Unblock::Timeout) => Resume::TimedOut,
            None if timed_out => Resume::TimedOut,
            None => Resume::Woken,
        };
        self.unpark(parking, cause, worker, now)
    }

    fn unpark(&mut self, mut parking: Parking, cause: Resume, worker: &mut Worker, now: Now) -> Next {
        let mut out = std::mem::take(&mut self.out);
        let engine = self.engine.clone();
        let (mark, started_ns) = (out.buffer.len(), engine.host.monotonic_ns());
        let mut unwanted = parking.is_unwanted.then(|| Out::new(out.protocol));
        let reply = unwanted.as_mut().unwrap_or(&mut out);
        let mut context = SessionContext::new(&engine, self, worker, now);
        let mut done = parking.command.resume(&mut context, reply, cause);
        if cause == Resume::Unblocked && !done {
            Fault::Text("UNBLOCKED client unblocked via CLIENT UNBLOCK").render(reply);
            done = true;
        }
        if done && let Some((entry, args, ran_ns)) = parking.request.take() {
            let duration_ns = ran_ns + engine.host.monotonic_ns() - started_ns;
            let reply = out.buffer.get(mark..).unwrap_or_default();
            context.count_resumed(entry, args.args(), duration_ns, reply);
        }
        drop(context);
        let is_over_limit = out.is_over_limit();
        self.out = out;
        self.take_mail();
        if is_over_limit {
            self.engine.close_for_output(&self.client, now);
            return Next::Close;
        }
        if done {
            self.client.blocked.store(false, Relaxed);
            return Next::Read;
        }
        if let Some((_, _, ran_ns)) = &mut parking.request {
            *ran_ns += engine.host.monotonic_ns() - started_ns;
        }
        let deadline_us = parking.deadline_us;
        self.parking = Some(parking);
        Next::Blocked { deadline_us }
    }

    /// Writes what was pushed to this client behind the replies.
    fn take_mail(&mut self) {
        self.client.mailbox.empty_into(!self.subscriptions.is_empty(), &mut self.out);
    }

    /// Switches client side caching off.
    pub(crate) fn stop_tracking(&mut self) {
        if self.tracking.take().is_some() {
            self.engine.tracking.stop(&self.engine, &self.client);
        }
    }

    /// Back to the state of a fresh connection (RESET), but for its name and library.
    pub(crate) fn reset(&mut self, out: &mut Out) {
        self.discard();
        self.db = 0;
        self.reply = ReplyMode::On;
        out.protocol = Protocol::Resp2;
        self.client.resp3.store(false, Relaxed);
        self.authenticated = self.engine.config.load().requirepass.is_empty();
        self.client.no_evict.store(false, Relaxed);
        self.client.no_touch.store(false, Relaxed);
        self.engine.monitors.remove(&self.client);
        self.engine.pubsub.leave(&self.client, &mut self.subscriptions);
        self.stop_tracking();
        let mut names = self.client.names.lock();
        names.name.clear();
        names.user = "default".into();
    }

    /// Ends a transaction that was begun, and forgets what is watched.
    pub(crate) fn discard(&mut self) {
        self.queue = None;
        self.unwatch();
    }

    pub(crate) fn unwatch(&mut self) {
        self.engine.unwatch(&self.client, &mut self.watching);
        self.client.dirty.store(false, Relaxed);
    }

    /// What others keep about this session, in bytes: keys that it watches, and, roughly, what it is subscribed to and tracks.
    fn registered_bytes(&self) -> usize {
        /// An entry in a tree here and one in a table there.
        const PLACES_BYTES: usize = 160;
        let prefixes = self.tracking.as_ref().map_or(0, |tracking| tracking.prefixes.len());
        self.watching.size() + (self.subscriptions.total() + prefixes) * PLACES_BYTES
    }

    /// Shows the session's state to the other clients.
    pub(crate) fn publish(&self, protocol: Protocol, last_command: Option<usize>, now: Now) {
        let client = &self.client;
        client.db.store(self.db, Relaxed);
        client.resp3.store(protocol == Protocol::Resp3, Relaxed);
        client.last_interaction_ms.store(now.unix_ms(), Relaxed);
        let queued = self.queue.as_ref().map(Queue::len).or(self.executing);
        client.queued.store(queued.map_or(-1, |count| count as i64), Relaxed);
        client.queued_bytes.store(self.queue.as_ref().map_or(0, |queue| queue.size() as u64), Relaxed);
        client.watched.store(self.watching.keys.len() as u64, Relaxed);
        client.registered_bytes.store(self.registered_bytes() as u64, Relaxed);
        let postponed = self.postponed.as_ref().map_or(0, OwnedArgs::size);
        client.argument_bytes.store((self.decoder.size() + postponed) as u64, Relaxed);
        if last_command.is_some() {
            client.set_last_command(last_command);
        }
    }

    /// So many bytes of requests wait: closes this connection where they are too many, and others, or this one, where all
    /// together cost more than they may.
    pub fn enforce_input_limits(&self, worker: &Worker, pending_bytes: usize, now: Now) {
        let limit = worker.config().client_query_buffer_limit;
        if limit > 0 && pending_bytes as u64 + self.client.queued_bytes.load(Relaxed) > limit {
            self.engine.close_for_input(&self.client, now);
        }
        self.engine.evict_clients(worker.config(), now);
    }

    /// Takes note of what the client costs: call it when the sizes of its buffers were published.
    pub fn account(&self) {
        self.engine.clients.account(&self.client);
    }

    /// How many bytes at the front of the input are arguments of the request that is not complete.
    pub fn understood_input(&self) -> usize {
        self.decoder.understood_bytes()
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.engine.monitors.remove(&self.client);
        self.engine.pubsub.leave(&self.client, &mut self.subscriptions);
        self.stop_tracking();
        self.engine.unwatch(&self.client, &mut self.watching);
        self.engine.clients.forget(&self.client);
    }
}
