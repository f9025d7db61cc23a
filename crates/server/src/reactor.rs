//! One worker thread: waits for sockets, serves connections in turn, keeps deadlines.

use crate::connection::{Connection, Desk, State, Verdict};
use crate::hub::{Hub, LinkHandover, MAIN_WORKER, Message};
use crate::links::Links;
use crate::listener::{self, Listeners};
use crate::moderation::Moderation;
use crate::slots::Slots;
use crate::stream::Stream;
use crate::{allocator, hugepages, log, sys};

use engine::clients::{ClientKind, PauseMode};
use engine::{Engine, Now, Room, Session};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use node::Node;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;
use std::{io, mem};

pub const WAKER: Token = Token(usize::MAX);
/// Connections count from 0, links and listeners from here.
pub const FIRST_LINK: usize = usize::MAX / 4;
pub const FIRST_LISTENER: usize = usize::MAX / 2;

/// Connections accepted in one turn, so that a storm of them leaves time for those that are served.
const ACCEPTS_PER_TURN: usize = 256;
const EVENTS_PER_TURN: usize = 1024;
/// After so many connections replies are sent and the clocks read again.
const CONNECTIONS_PER_CLOCK: usize = 16;
/// How often timeouts and limits that need no precision are looked at.
const SWEEP_INTERVAL_US: u64 = 1_000_000;
const MEMORY_INTERVAL_US: u64 = 10_000;
/// How often a shutdown looks whether it may end.
const SHUTDOWN_INTERVAL_US: u64 = 10_000;

pub struct Reactor {
    index: usize,
    /// There are no other workers.
    is_alone: bool,
    poll: Poll,
    hub: Arc<Hub>,
    engine: Arc<Engine>,
    node: Arc<Node>,
    desk: Desk,
    connections: Slots<Connection>,
    by_client: HashMap<u64, usize>,
    /// Connections that get another turn without an event.
    ready: VecDeque<usize>,
    /// Whose replies wait to be sent.
    outbox: Vec<Parcel>,
    /// When (`Now::monotonic_us`) which client's wait ends. Entries may be outdated.
    deadlines: BinaryHeap<Reverse<(u64, u64)>>,
    listeners: Arc<Listeners>,
    /// Those that could not accept a connection that waits.
    stalled_listeners: Vec<Token>,
    /// Of the main worker only.
    links: Option<Links>,
    now: Now,
    moderation: Moderation,
    /// Connections with more output than the soft limit of their class.
    over_soft_limit: usize,
    /// When a shutdown stops to wait for other nodes (`Now::monotonic_us`).
    ends_at_us: Option<u64>,
    /// Whether memory is within its limit; the main worker sees to it.
    room: Room,
    next_sweep_us: u64,
    next_memory_us: u64,
}

/// Replies of one turn of a connection.
struct Parcel {
    /// Where the connection was, and whose it was: it may have been closed, and its place taken.
    index: usize,
    client: u64,
    /// Where they are at the desk.
    replies: Range<usize>,
    /// Its client had sent something.
    is_busy: bool,
}

impl Reactor {
    pub fn new(index: usize, poll: Poll, hub: Arc<Hub>, node: Arc<Node>, listeners: Arc<Listeners>) -> Reactor {
        let engine = node.engine().clone();
        let links = (index == MAIN_WORKER).then(|| Links::new(node.clone(), hub.clone(), FIRST_LINK));
        let now = engine.host.now();
        Reactor {
            index,
            is_alone: hub.crew.workers() == 1,
            poll,
            hub,
            desk: Desk::new(engine::Worker::new(&engine)),
            engine,
            node,
            connections: Slots::default(),
            by_client: HashMap::new(),
            ready: VecDeque::new(),
            outbox: Vec::new(),
            deadlines: BinaryHeap::new(),
            listeners,
            stalled_listeners: Vec::new(),
            links,
            now,
            moderation: Moderation::new(),
            over_soft_limit: 0,
            ends_at_us: None,
            room: Room::Enough,
            next_sweep_us: now.monotonic_us,
            next_memory_us: now.monotonic_us,
        }
    }

    /// Serves until the hub ends.
    pub fn run(mut self) -> io::Result<()> {
        self.hub.enter(self.index);
        self.hub.crew.enter(self.index, self.desk.worker.stats.clone());
        sys::sleep_precisely();
        self.go_without_locks();
        log::notice!("Thread {} alive.", self.index);
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut messages = Vec::new();
        // Masters of the configuration are dialled now, not when the first client comes.
        self.serve_links();
        while !self.hub.is_ending() {
            let timeout = self.sleep();
            match self.wait(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            self.now = self.engine.host.now();
            self.moderation.note_turn(self.now.monotonic_us, events.iter().count());
            let (woke_us, commands) = (self.now.monotonic_us, self.desk.worker.stats.commands_processed.get());
            self.keep_up();
            for (count, event) in events.iter().enumerate() {
                if count % CONNECTIONS_PER_CLOCK == CONNECTIONS_PER_CLOCK - 1 {
                    self.send_replies();
                    self.now = self.engine.host.now();
                }
                match event.token() {
                    WAKER => {}
                    Token(token) if token >= FIRST_LISTENER => self.accept(event.token()),
                    Token(token) if token >= FIRST_LINK => self.link_event(event),
                    Token(token) => self.connection_event(token, event),
                }
            }
            self.send_replies();
            self.hub.take(self.index, &mut messages);
            for message in messages.drain(..) {
                self.receive(message);
            }
            self.send_replies();
            self.serve_ready();
            self.keep_deadlines();
            self.send_replies();
            self.serve_links();
            self.end_when_in_sync();
            self.count_cycle(woke_us, commands);
        }
        self.send_last_replies();
        Ok(())
    }

    /// Waits until there is something to do. Where many connections are busy nobody needs to wake the worker: what comes
    /// within a short nap is served in one turn.
    fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        if let Some(nap) = self.moderation.nap()
            && timeout.is_none_or(|timeout| timeout > nap)
        {
            self.poll.poll(events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                return Ok(());
            }
            thread::sleep(nap);
        }
        self.poll.poll(events, timeout)
    }

    /// A shutdown that was asked for waits until the other nodes have everything that was written here, for as long as
    /// shutdown-timeout says. Nothing is written meanwhile.
    fn end_when_in_sync(&mut self) {
        if self.index != MAIN_WORKER || self.engine.cron_paused() {
            return;
        }
        if !self.hub.is_shutting_down() {
            if self.ends_at_us.take().is_some() {
                self.hub.set_shutdown_at(0);
                self.engine.unpause();
            }
            return;
        }
        let (lagging, replicas) = self.engine.replication.lagging_replicas();
        let timeout_us = self.engine.config.load().shutdown_timeout * 1_000_000;
        let is_first_look = self.ends_at_us.is_none();
        let ends_at_us = *self.ends_at_us.get_or_insert(self.now.monotonic_us + timeout_us);
        if lagging > 0 && self.now.monotonic_us < ends_at_us {
            if is_first_look {
                log::notice!("Waiting for replicas before shutting down.");
                self.hub.set_shutdown_at(ends_at_us);
            }
            self.engine.clients.pause(PauseMode::Write, u64::MAX, self.now);
            return;
        }
        if replicas > 0 {
            log::notice!("{} of {replicas} replicas are in sync when shutting down.", replicas - lagging);
        }
        self.hub.end();
    }

    /// Takes note of a turn that began at `woke_us`, when so many commands had been processed.
    fn count_cycle(&self, woke_us: u64, commands: u64) {
        let stats = &self.desk.worker.stats;
        let elapsed_us = self.engine.host.monotonic_ns() / 1000 - woke_us;
        stats.cycles.add(1);
        stats.cycle_microseconds.add(elapsed_us);
        stats.cycle_microseconds_max.raise(elapsed_us);
        stats.cycle_commands_max.raise(stats.commands_processed.get().saturating_sub(commands));
    }

    /// How long nothing needs to be done but what sockets ask for; `None`: for ever.
    fn sleep(&mut self) -> Option<Duration> {
        let links_wait = self.links.as_ref().is_some_and(Links::is_unfinished);
        let evicting = self.room == Room::Soon;
        if !self.ready.is_empty() || links_wait || evicting || self.hub.has_messages(self.index) {
            return Some(Duration::ZERO);
        }
        let links = self.links.as_mut().and_then(Links::deadline_ms).map(|due_ms| due_ms * 1000);
        let deadline = self.deadlines.peek().map(|Reverse((due_us, _))| *due_us);
        let sweep = self.needs_sweep().then_some(self.next_sweep_us);
        let end = self.ends_at_us.map(|_| self.now.monotonic_us + SHUTDOWN_INTERVAL_US);
        let due_us = deadline.into_iter().chain(sweep).chain(links).chain(end).min()?;
        Some(Duration::from_micros(due_us.saturating_sub(self.engine.host.now().monotonic_us)))
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Client(stream) => self.welcome(stream),
            Message::Moved(connection) => self.adopt(*connection),
            Message::Move { client, to } => {
                if let Some(&index) = self.by_client.get(&client) {
                    self.give(index, to);
                }
            }
            Message::Wake { client } => {
                if let Some(&index) = self.by_client.get(&client) {
                    self.resume(index);
                }
            }
            Message::Link(handover) => {
                if let Some(links) = &mut self.links {
                    links.accept(self.poll.registry(), *handover, mesh_now(self.now));
                }
            }
            Message::Resolved { link, addresses } => {
                if let Some(links) = &mut self.links {
                    links.resolved(link, addresses, self.poll.registry(), mesh_now(self.now));
                }
            }
        }
    }

    fn link_event(&mut self, event: &Event) {
        if let Some(links) = &mut self.links {
            links.event(event, self.poll.registry(), mesh_now(self.now));
        }
    }

    /// The main worker gives the links their turn; another one tells it that there is something to send.
    fn serve_links(&mut self) {
        if let Some(links) = &mut self.links {
            links.turn(self.poll.registry(), mesh_now(self.now));
        } else if self.node.has_work() {
            self.hub.nudge(MAIN_WORKER);
        }
    }

    /// A client turned out to be another node: its socket goes to the main worker.
    fn hand_over(&mut self, index: usize) {
        let Some(mut connection) = self.remove(index) else { return };
        let session = &mut connection.session;
        let address = &session.client.connection.address;
        let request = node::LinkRequest {
            arguments: mem::take(&mut session.link_arguments),
            peer_host: address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']).to_owned(),
            listening_port: session.announced_port,
        };
        let input = connection.input.bytes().to_vec();
        let output = connection.take_unsent();
        let handover = LinkHandover { stream: connection.stream, request, input, output };
        self.hub.post(MAIN_WORKER, Message::Link(Box::new(handover)));
    }

    fn accept(&mut self, listener: Token) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listeners.accept(listener) {
                Ok(Some(stream)) => self.admit(stream),
                Ok(None) => return,
                Err(error) => {
                    // Out of file descriptors, mostly: those who wait are not reported again, so the sweep tries.
                    log::warning!("Accepting client connection: {error}");
                    self.stalled_listeners.push(listener);
                    return;
                }
            }
        }
        if let Err(error) = self.listeners.report_again(listener) {
            log::warning!("Cannot go on accepting: {error}");
        }
    }

    /// Gives a new connection to the worker with the fewest of those that take part, or turns it away.
    fn admit(&mut self, mut stream: Stream) {
        let config = self.engine.config.load();
        let refusal = if config.protected_mode && config.requirepass.is_empty() && !stream.is_local() {
            PROTECTED_MODE
        } else {
            match self.hub.admit(config.maxclients as usize) {
                Some(worker) if worker == self.index => return self.welcome(stream),
                Some(worker) => return self.hub.post(worker, Message::Client(stream)),
                None => MAX_CLIENTS,
            }
        };
        self.engine.stats.shared.rejected_connections.fetch_add(1, Relaxed);
        // A courtesy: whoever does not take it at once does not get it.
        let _ = stream.try_write(refusal.as_bytes());
    }

    /// Begins to serve a connection that `admit` counted.
    fn welcome(&mut self, stream: Stream) {
        let config = self.engine.config.load();
        listener::set_keepalive(&stream, config.tcp_keepalive);
        let connection = engine::Connection {
            address: stream.peer_name(&config.unixsocket),
            local_address: stream.local_name(&config.unixsocket),
            file_descriptor: stream.as_raw_fd(),
            unix_socket: matches!(stream, Stream::Unix(_)),
            worker: self.index,
            local: stream.is_local(),
        };
        let session = Session::new(&self.engine, connection, self.now);
        self.install(Connection::new(stream, session, self.now));
    }

    /// Makes a connection, which is counted here, one of this worker's.
    fn install(&mut self, mut connection: Connection) -> Option<usize> {
        let index = self.connections.next_index();
        if let Err(error) = self.poll.registry().register(&mut connection.stream, Token(index), Interest::READABLE) {
            log::warning!("A connection cannot be watched: {error}");
            self.hub.crew.discount_client(self.index);
            self.hub.dismiss();
            return None;
        }
        self.over_soft_limit += connection.over_soft_limit_since_us.is_some() as usize;
        self.by_client.insert(connection.session.client.id, index);
        Some(self.connections.insert(connection))
    }

    /// Goes on with a connection that another worker has served so far.
    fn adopt(&mut self, mut connection: Connection) {
        connection.queued = false;
        connection.session.client.arrive();
        // Whoever had something for it meanwhile may have woken the worker that no longer had it, or this one too early.
        if let Some(index) = self.install(connection) {
            self.resume(index);
        }
    }

    /// Gives a connection to another worker. Not while a reply waits to be sent, so that an end of the server finds it.
    fn give(&mut self, index: usize, to: usize) {
        self.send_replies();
        let Some(connection) = self.connections.get_mut(index) else { return };
        if to == self.index || connection.session.out.unsent() > 0 {
            return;
        }
        connection.session.client.move_to(to);
        if let Some(connection) = self.detach(index) {
            self.hub.crew.count_client(to);
            self.hub.post(to, Message::Moved(Box::new(connection)));
        }
    }

    /// A connection had a turn because its client sent something: notes that, and gives it away where that is due.
    fn note_busy(&mut self, index: usize, client: u64) {
        if self.is_alone {
            return;
        }
        let Some(connection) = find(&mut self.connections, index, client) else { return };
        self.hub.crew.count_busy(self.index, &mut connection.counted_in);
        if let Some(to) = self.hub.crew.next_home(self.index) {
            self.give(index, to);
        }
    }

    fn connection_event(&mut self, index: usize, event: &Event) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.readable |= event.is_readable() || event.is_read_closed();
        connection.end_reported |= event.is_read_closed();
        if event.is_writable() {
            connection.awaits_room = false;
        }
        // Whoever ends the connection while its command waits no longer wants the reply.
        let gave_up = event.is_read_closed() && matches!(connection.state, State::Blocked { .. });
        if event.is_error() || gave_up {
            self.close(index);
        } else if !connection.queued {
            self.moderation.note_round(self.now.monotonic_us.saturating_sub(connection.last_active_us));
            self.serve(index, true);
        }
    }

    /// One turn of a connection. Its replies wait for those of others, and with them what follows from the turn.
    fn serve(&mut self, index: usize, is_busy: bool) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        match connection.execute(&mut self.desk, self.now) {
            _ if connection.session.client.killed() => self.close(index),
            Ok(replies) => {
                self.outbox.push(Parcel { index, client: connection.session.client.id, replies, is_busy });
            }
            Err(error) => self.lose(index, &error),
        }
        if self.desk.is_due() {
            self.send_replies();
        }
    }

    /// Ends the turns whose replies wait: the kernel sends many at once for less than one now and then.
    fn send_replies(&mut self) {
        if self.outbox.is_empty() {
            return;
        }
        let mut outbox = mem::take(&mut self.outbox);
        for parcel in &outbox {
            self.end_turn(parcel);
        }
        // Now that nothing of theirs waits here any more, they may go to another worker.
        for Parcel { index, client, is_busy, .. } in outbox.drain(..) {
            if is_busy {
                self.note_busy(index, client);
            }
        }
        self.outbox = outbox;
        self.desk.clear();
    }

    fn end_turn(&mut self, Parcel { index, client, replies, .. }: &Parcel) {
        let index = *index;
        let Some(connection) = find(&mut self.connections, index, *client) else { return };
        let watched_for_room = connection.awaits_room;
        if let Err(error) = connection.send(self.desk.replies(replies.clone()), &self.desk.worker) {
            return self.lose(index, &error);
        }
        if connection.session.client.killed() {
            return self.close(index);
        }
        let (awaits_room, verdict) = (connection.awaits_room, connection.verdict());
        if awaits_room != watched_for_room {
            self.watch_for_room(index);
        }
        match verdict {
            Verdict::Close => return self.close(index),
            Verdict::Again => self.queue(index),
            Verdict::Wait => self.note_deadline(index),
            Verdict::Link => return self.hand_over(index),
        }
        self.enforce_limits(index);
    }

    /// The other end is no longer there.
    fn lose(&mut self, index: usize, error: &io::Error) {
        if let Some(connection) = self.connections.get_mut(index) {
            log::verbose!("Client {} went away: {error}", connection.session.client.id);
        }
        self.close(index);
    }

    fn queue(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index)
            && !mem::replace(&mut connection.queued, true)
        {
            self.ready.push_back(index);
        }
    }

    /// Gives each connection that stands in the queue now one turn.
    fn serve_ready(&mut self) {
        for count in 0..self.ready.len() {
            let Some(index) = self.ready.pop_front() else { return };
            if count % CONNECTIONS_PER_CLOCK == 0 {
                self.send_replies();
                self.now = self.engine.host.now();
            }
            if let Some(connection) = self.connections.get_mut(index)
                && mem::take(&mut connection.queued)
            {
                self.serve(index, true);
            }
        }
    }

    /// A session was woken, or its time is up.
    fn resume(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.resume(&mut self.desk, self.now);
        self.serve(index, false);
    }

    fn note_deadline(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index)
            && let State::Blocked { deadline_us: Some(due_us) } = connection.state
        {
            self.deadlines.push(Reverse((due_us, connection.session.client.id)));
        }
    }

    fn keep_deadlines(&mut self) {
        let now_us = self.now.monotonic_us;
        while let Some(&Reverse((due_us, client))) = self.deadlines.peek()
            && due_us <= now_us
        {
            self.deadlines.pop();
            let Some(&index) = self.by_client.get(&client) else { continue };
            let Some(connection) = self.connections.get_mut(index) else { continue };
            if matches!(connection.state, State::Blocked { deadline_us: Some(due_us) } if due_us <= now_us) {
                self.resume(index);
            }
        }
        if self.index == MAIN_WORKER {
            self.room = self.engine.make_room(&self.engine.config.load(), self.now);
        }
        self.engine.evict_clients(&self.engine.config.load(), self.now);
    }

    /// What is done now and then, before anything else in a turn.
    fn keep_up(&mut self) {
        let now_us = self.now.monotonic_us;
        if now_us < self.next_memory_us {
            return;
        }
        self.next_memory_us = now_us + MEMORY_INTERVAL_US;
        self.engine.stats.sample(self.now);
        if !self.is_alone {
            self.hub.crew.review(now_us);
        }
        self.go_without_locks();
        allocator::note_peak();
        if self.index == MAIN_WORKER && self.engine.config.load().huge_pages {
            hugepages::note_size(allocator::used_bytes());
        }
        if now_us >= self.next_sweep_us && !self.engine.cron_paused() {
            self.next_sweep_us = now_us + SWEEP_INTERVAL_US;
            if self.needs_sweep() {
                self.sweep();
            }
        }
        self.desk.worker.stats.cron_microseconds.add((self.engine.host.now().monotonic_us - now_us).max(1));
    }

    /// As long as no other worker takes part, one that served a connection now and then notwithstanding.
    fn go_without_locks(&self) {
        if self.index == MAIN_WORKER && self.hub.crew.active() == 1 {
            self.engine.keyspace.favour_this_thread();
        }
    }

    fn needs_sweep(&self) -> bool {
        self.over_soft_limit > 0
            || !self.stalled_listeners.is_empty()
            || (!self.by_client.is_empty() && self.engine.config.load().timeout > 0)
    }

    /// Closes connections that were idle for too long, or had too much to send for too long; accepts what had to wait.
    fn sweep(&mut self) {
        let timeout_us = self.engine.config.load().timeout * 1_000_000;
        let now_us = self.now.monotonic_us;
        let is_idle = |connection: &Connection| {
            timeout_us > 0
                && connection.state == State::Serving
                && connection.session.client.kind() == ClientKind::Normal
                && now_us.saturating_sub(connection.last_active_us) > timeout_us
        };
        let expired: Vec<usize> = self
            .connections
            .iter_mut()
            .filter_map(|(index, connection)| is_idle(connection).then_some(index))
            .collect();
        for index in expired {
            log::verbose!("Closing idle client");
            self.close(index);
        }
        let limited: Vec<usize> = self
            .connections
            .iter_mut()
            .filter_map(|(index, connection)| connection.over_soft_limit_since_us.map(|_| index))
            .collect();
        for index in limited {
            self.enforce_limits(index);
        }
        for listener in mem::take(&mut self.stalled_listeners) {
            self.accept(listener);
        }
    }

    /// Closes a connection that sends or receives more than it may.
    fn enforce_limits(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let (owed, pending) = (engine::counted_for_limit(connection.session.out.owed()), connection.input.len() as u64);
        if owed == 0 && pending == 0 && connection.over_soft_limit_since_us.is_none() {
            return;
        }
        let config = self.engine.config.load();
        let client = &connection.session.client;
        let limit = config.output_limit(client.kind());
        let exceeds = |bytes: u64, limit: u64| limit > 0 && bytes > limit;
        let over_since_us =
            exceeds(owed, limit.soft).then(|| connection.over_soft_limit_since_us.unwrap_or(self.now.monotonic_us));
        self.over_soft_limit -= connection.over_soft_limit_since_us.is_some() as usize;
        self.over_soft_limit += over_since_us.is_some() as usize;
        connection.over_soft_limit_since_us = over_since_us;
        let too_long =
            over_since_us.is_some_and(|since_us| self.now.monotonic_us - since_us >= limit.soft_seconds * 1_000_000);
        if exceeds(owed, limit.hard) || too_long {
            self.engine.close_for_output(client, self.now);
            self.close(index);
        } else if exceeds(pending + client.queued_bytes.load(Relaxed), config.client_query_buffer_limit) {
            self.engine.close_for_input(client, self.now);
            self.close(index);
        } else {
            self.engine.evict_clients(&config, self.now);
            if client.killed() {
                self.close(index);
            }
        }
    }

    fn watch_for_room(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let interests =
            if connection.awaits_room { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        if let Err(error) = self.poll.registry().reregister(&mut connection.stream, Token(index), interests) {
            log::warning!("A connection cannot be watched: {error}");
            self.close(index);
        }
    }

    fn close(&mut self, index: usize) {
        // Dropping it closes the socket.
        self.remove(index);
    }

    /// Takes a connection out of everything that knows of it.
    fn remove(&mut self, index: usize) -> Option<Connection> {
        let connection = self.detach(index)?;
        self.hub.dismiss();
        Some(connection)
    }

    /// Makes a connection none of this worker's.
    fn detach(&mut self, index: usize) -> Option<Connection> {
        let mut connection = self.connections.remove(index)?;
        self.over_soft_limit -= connection.over_soft_limit_since_us.is_some() as usize;
        self.by_client.remove(&connection.session.client.id);
        self.hub.crew.discount_client(self.index);
        if let Err(error) = self.poll.registry().deregister(&mut connection.stream) {
            log::warning!("A connection cannot be taken out of the poll: {error}");
        }
        Some(connection)
    }

    /// Whatever is still to be sent gets one more try, so that the reply to SHUTDOWN's neighbours is not lost.
    fn send_last_replies(&mut self) {
        for (_, connection) in self.connections.iter_mut() {
            let _ = connection.flush(&self.desk.worker);
        }
    }
}

/// The connection of this client, if it is still there.
fn find(connections: &mut Slots<Connection>, index: usize, client: u64) -> Option<&mut Connection> {
    connections.get_mut(index).filter(|connection| connection.session.client.id == client)
}

/// The same moment, as the node reads clocks.
pub fn mesh_now(now: Now) -> mesh::Now {
    mesh::Now { unix_ms: now.unix_ms(), monotonic_ms: now.monotonic_ms() }
}

const MAX_CLIENTS: &str = "-ERR max number of clients reached\r\n";

const PROTECTED_MODE: &str = "-DENIED fluidB is running in protected mode because protected mode is enabled and no \
    password is set for the default user. In this mode connections are only accepted from the loopback interface. To \
    connect from other computers, do one of the following: 1) Set a password with requirepass in the configuration \
    file, or with CONFIG SET requirepass from the loopback interface, and have clients send it. 2) Turn protected mode \
    off with CONFIG SET protected-mode no from the loopback interface, and with protected-mode no in the configuration \
    file, after making sure that the server cannot be reached from the internet. 3) Start the server with \
    --protected-mode no, for a test.\r\n";
