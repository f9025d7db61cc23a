//! What the worker threads share to reach each other: one inbox each, and the wish to end.

use crate::connection::Connection;
use crate::crew::Crew;
use crate::stream::Stream;
use mio::Waker;
use parking_lot::Mutex;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::{io, mem};

/// The worker that accepts connections and owns the links to other nodes.
pub const MAIN_WORKER: usize = 0;

/// What one worker tells another.
pub enum Message {
    /// A new client to serve.
    Client(Stream),
    /// A client that another worker has served so far.
    Moved(Box<Connection>),
    /// This client is to go to another worker.
    Move { client: u64, to: usize },
    /// The session of this client is to be looked at again.
    Wake { client: u64 },
    /// A client turned out to be another node. To the main worker only.
    Link(Box<LinkHandover>),
    /// A host name was looked up for this link. To the main worker only.
    Resolved { link: mesh::LinkId, addresses: io::Result<Vec<SocketAddr>> },
}

/// A connection that becomes a link.
pub struct LinkHandover {
    pub stream: Stream,
    pub request: node::LinkRequest,
    /// Received after the request.
    pub input: Vec<u8>,
    /// Replies that are not yet sent.
    pub output: Vec<u8>,
}

struct Inbox {
    messages: Mutex<Vec<Message>>,
    /// Something was posted, or the worker was asked to take a turn, since it last looked.
    posted: AtomicBool,
    waker: Waker,
}

pub struct Hub {
    pub crew: Crew,
    inboxes: Vec<Inbox>,
    /// Clients that are connected, over all workers.
    clients: AtomicUsize,
    /// A shutdown was asked for, which may wait for other nodes.
    shutting_down: AtomicBool,
    /// `Now::monotonic_us`; 0: none waits.
    shutdown_at_us: AtomicU64,
    ending: AtomicBool,
}

thread_local! {
    /// Which worker this thread is; other threads are none.
    static CURRENT: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Hub {
    /// One waker per worker.
    pub fn new(wakers: Vec<Waker>) -> Hub {
        let crew = Crew::new(wakers.len());
        let inbox = |waker| Inbox { messages: Mutex::default(), posted: AtomicBool::new(false), waker };
        let inboxes = wakers.into_iter().map(inbox).collect();
        Hub {
            crew,
            inboxes,
            clients: AtomicUsize::new(0),
            shutting_down: AtomicBool::new(false),
            shutdown_at_us: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        }
    }

    /// Called by each worker's thread, first.
    pub fn enter(&self, worker: usize) {
        CURRENT.set(worker);
    }

    /// Enqueues only, so it may be called under any lock.
    pub fn post(&self, worker: usize, message: Message) {
        self.inboxes[worker].messages.lock().push(message);
        self.nudge(worker);
    }

    /// Has a worker take a turn soon. A worker looks at its inbox before it sleeps, so it needs no system call for itself.
    pub fn nudge(&self, worker: usize) {
        let inbox = &self.inboxes[worker];
        if !inbox.posted.swap(true, Ordering::AcqRel) && CURRENT.get() != worker {
            // Fails only where the poll is gone: the worker has ended.
            let _ = inbox.waker.wake();
        }
    }

    /// True where something waits, so that the worker must not sleep.
    pub fn has_messages(&self, worker: usize) -> bool {
        self.inboxes[worker].posted.load(Ordering::Acquire)
    }

    /// Moves what was posted to this worker into `messages`, which is empty.
    pub fn take(&self, worker: usize, messages: &mut Vec<Message>) {
        if self.inboxes[worker].posted.swap(false, Ordering::AcqRel) {
            mem::swap(&mut *self.inboxes[worker].messages.lock(), messages);
        }
    }

    /// Counts a new client and says which worker is to have it; `None`: there are `limit` already.
    pub fn admit(&self, limit: usize) -> Option<usize> {
        let admitted = self
            .clients
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |clients| (clients < limit).then_some(clients + 1));
        admitted.ok()?;
        let worker = self.crew.fewest_clients();
        self.crew.count_client(worker);
        Some(worker)
    }

    /// A client that `admit` had counted is gone.
    pub fn dismiss(&self) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// Asks the main worker to end everything as soon as the other nodes have what this one has.
    pub fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::Release);
        self.nudge(MAIN_WORKER);
    }

    /// False where there was nothing to call off.
    pub fn cancel_shutdown(&self) -> bool {
        self.shutting_down.swap(false, Ordering::AcqRel)
    }

    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Acquire)
    }

    /// The main worker ends everything then, ready or not (`Now::monotonic_us`).
    pub fn set_shutdown_at(&self, ends_at_us: u64) {
        self.shutdown_at_us.store(ends_at_us, Ordering::Relaxed);
    }

    /// When a shutdown that waits ends; `None`: there is none.
    pub fn shutdown_at_us(&self) -> Option<u64> {
        let ends_at_us = self.shutdown_at_us.load(Ordering::Relaxed);
        (self.is_shutting_down() && ends_at_us > 0).then_some(ends_at_us)
    }

    /// Ends all workers after their current turn.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
        (0..self.inboxes.len()).for_each(|worker| self.nudge(worker));
    }

    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }
}
