//! What is pushed to a client unasked. Whoever has something to say posts it, from any thread and under any lock;
//! the client's own thread writes it into the replies, between two of them.

use crate::clients::Client;
use crate::engine::Engine;
use parking_lot::Mutex;
use resp::{Out, Protocol};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One message. What several clients get is shared between them.
pub(crate) enum Message {
    /// A publication, and by which kind of subscription it comes.
    Published { publication: Shared<Publication>, by: Subscription },
    /// Keys that the client, or one that redirects to it, may hold are not what they were; `None`: no key is.
    Invalidated { keys: Option<Keys>, redirected: bool },
    /// A line that is a reply by itself (MONITOR).
    Line(Shared<Box<str>>),
    /// The client to which invalidations were to be redirected is gone.
    RedirectionBroken { client: u64 },
}

/// What several messages hold together, counted once as long as one of them waits.
pub(crate) type Shared<T> = Arc<Counted<T>>;

/// The keys of one message.
pub(crate) type Keys = Shared<Box<[Box<[u8]>]>>;

pub(crate) struct Counted<T> {
    value: T,
    bytes: u64,
    /// Of the engine's `Clients`.
    total_bytes: Arc<AtomicU64>,
}

impl<T> Counted<T> {
    pub(crate) fn new(engine: &Engine, value: T, bytes: usize) -> Shared<T> {
        let (bytes, total_bytes) = (bytes as u64, engine.clients.mail_counter());
        total_bytes.fetch_add(bytes, Relaxed);
        Arc::new(Counted { value, bytes, total_bytes })
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        self.total_bytes.fetch_sub(self.bytes, Relaxed);
    }
}

pub(crate) struct Publication {
    pub(crate) channel: Box<[u8]>,
    pub(crate) payload: Box<[u8]>,
}

#[derive(Clone)]
pub(crate) enum Subscription {
    Channel,
    ShardChannel,
    Pattern(Arc<[u8]>),
}

/// The channel on which RESP2 clients receive invalidations.
const INVALIDATIONS: &[u8] = b"__redis__:invalidate";
/// What a message costs beside the bytes in it.
const OVERHEAD_BYTES: usize = 64;

impl Message {
    fn size(&self) -> usize {
        OVERHEAD_BYTES
            + match self {
                Message::Published { publication, .. } => publication.channel.len() + publication.payload.len(),
                Message::Invalidated { keys: Some(keys), .. } => {
                    keys.iter().map(|key| key.len() + OVERHEAD_BYTES).sum()
                }
                Message::Line(line) => line.len(),
                Message::Invalidated { keys: None, .. } | Message::RedirectionBroken { .. } => 0,
            }
    }

    /// `subscribed`: the client has subscriptions; without any, RESP2 has no place for an invalidation.
    fn write(&self, subscribed: bool, out: &mut Out) {
        match self {
            Message::Published { publication, by } => {
                out.push(if matches!(by, Subscription::Pattern(_)) { 4 } else { 3 });
                match by {
                    Subscription::Channel => out.bulk(b"message"),
                    Subscription::ShardChannel => out.bulk(b"smessage"),
                    Subscription::Pattern(pattern) => {
                        out.bulk(b"pmessage");
                        out.bulk(pattern);
                    }
                }
                out.bulk(&publication.channel);
                out.bulk(&publication.payload);
            }
            Message::Invalidated { keys, redirected } => {
                match out.protocol {
                    Protocol::Resp3 => {
                        out.push(2);
                        out.bulk(b"invalidate");
                    }
                    Protocol::Resp2 if *redirected && subscribed => {
                        out.push(3);
                        out.bulk(b"message");
                        out.bulk(INVALIDATIONS);
                    }
                    Protocol::Resp2 => return,
                }
                match keys {
                    None => out.null(),
                    Some(keys) => {
                        out.array(keys.len());
                        keys.iter().for_each(|key| out.bulk(key));
                    }
                }
            }
            Message::Line(line) => out.buffer.extend_from_slice(line.as_bytes()),
            Message::RedirectionBroken { client } if out.protocol == Protocol::Resp3 => {
                out.push(2);
                out.bulk(b"tracking-redir-broken");
                out.integer(*client as i64);
            }
            Message::RedirectionBroken { .. } => {}
        }
    }
}

/// Messages on their way to one client.
pub(crate) struct Mailbox {
    messages: Mutex<Vec<Message>>,
    /// Of all of them; 0 where there are none.
    bytes: AtomicU64,
    /// What waits in all mailboxes; what messages share counts by itself.
    total_bytes: Arc<AtomicU64>,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let waiting = self.messages.get_mut().len();
        self.note_taken(waiting);
    }
}

impl Mailbox {
    pub(crate) fn new(total_bytes: Arc<AtomicU64>) -> Mailbox {
        Mailbox { messages: Mutex::default(), bytes: AtomicU64::new(0), total_bytes }
    }

    /// Returns how many bytes wait now, and whether there was nothing before.
    fn post(&self, message: Message) -> (u64, bool) {
        let mut messages = self.messages.lock();
        let was_empty = messages.is_empty();
        let size = message.size() as u64;
        let bytes = self.bytes.load(Relaxed) + size;
        self.bytes.store(bytes, Relaxed);
        self.total_bytes.fetch_add(OVERHEAD_BYTES as u64, Relaxed);
        messages.push(message);
        (bytes, was_empty)
    }

    /// So many messages have left.
    fn note_taken(&self, messages: usize) {
        self.total_bytes.fetch_sub((messages * OVERHEAD_BYTES) as u64, Relaxed);
    }

    /// Bytes that wait; they count as output.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Writes what is there, but not into the middle of a reply. Only the client's own thread does.
    #[inline]
    pub(crate) fn empty_into(&self, subscribed: bool, out: &mut Out) {
        if self.bytes() != 0 && !out.is_unfinished() {
            self.write_all(subscribed, out);
        }
    }

    #[cold]
    fn write_all(&self, subscribed: bool, out: &mut Out) {
        let messages = {
            let mut messages = self.messages.lock();
            self.bytes.store(0, Relaxed);
            std::mem::take(&mut *messages)
        };
        self.note_taken(messages.len());
        messages.iter().for_each(|message| message.write(subscribed, out));
    }
}

impl Engine {
    /// Hands a message to a client. Whoever lets more pile up than its output may be is disconnected.
    pub(crate) fn push(&self, client: &Client, message: Message) {
        if client.killed() {
            return;
        }
        let (bytes, was_empty) = client.mailbox.post(message);
        let limit = self.config.load().output_limit(client.kind()).hard;
        if limit > 0 && bytes > limit {
            self.close_for_output(client, self.host.now());
        } else if was_empty {
            self.host.wake(client);
        }
    }
}
