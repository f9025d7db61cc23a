//! One client's socket with its session: bytes in, requests executed, replies out.

mod desk;
mod input;

pub use self::desk::Desk;
pub use self::input::Input;

use crate::stream::Stream;
use engine::{Next, Now, Session, Turn, Worker};
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::{io, mem};

/// A long reply goes on when less of it than this waits to be sent.
const LONG_REPLY_UNSENT_BYTES: usize = 1 << 20;

pub struct Connection {
    pub stream: Stream,
    pub session: Session,
    pub input: Input,
    pub state: State,
    /// The buffered input may hold complete requests.
    has_requests: bool,
    /// The socket may hold bytes that were not read: it has not run dry since it was last reported.
    pub readable: bool,
    /// The end of the stream was reported, and will not be again: read until it shows.
    pub end_reported: bool,
    /// The other end sends nothing more.
    input_ended: bool,
    /// The socket took less than was offered: it is watched for room.
    pub awaits_room: bool,
    /// Stands in the queue of connections that get another turn.
    pub queued: bool,
    /// `Now::monotonic_us` of the last request.
    pub last_active_us: u64,
    /// The window in which it was counted as busy (`Crew::count_busy`).
    pub counted_in: u32,
    /// Since when more output waits than the soft limit allows (`Now::monotonic_us`).
    pub over_soft_limit_since_us: Option<u64>,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Serving,
    /// Its session waits for something; its input is left alone.
    Blocked {
        deadline_us: Option<u64>,
    },
    /// Closed as soon as the replies are sent.
    Closing,
    /// Becomes a link to another node.
    Link,
}

/// What a turn leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing, until something happens to the socket or the session.
    Wait,
    /// Another turn, after the other connections had theirs.
    Again,
    Close,
    Link,
}

impl Connection {
    pub fn new(stream: Stream, session: Session, now: Now) -> Connection {
        Connection {
            stream,
            session,
            input: Input::default(),
            state: State::Serving,
            has_requests: false,
            readable: true,
            end_reported: false,
            input_ended: false,
            awaits_room: false,
            queued: false,
            last_active_us: now.monotonic_us,
            counted_in: 0,
            over_soft_limit_since_us: None,
        }
    }

    /// One turn: reads once and executes what is complete. Returns where at the desk its replies wait to be sent (`send`).
    /// An error is the socket's.
    pub fn execute(&mut self, desk: &mut Desk, now: Now) -> io::Result<Range<usize>> {
        let mut executed = Ok(());
        if self.state == State::Serving && !self.is_held_back() {
            desk.lend(&mut self.session.out);
            executed = self.execute_received(desk, now);
        }
        let replies = desk.take_back(&mut self.session.out);
        executed.map(|()| replies)
    }

    /// Ends a turn: sends its replies, and what has waited longer. An error is the socket's.
    pub fn send(&mut self, replies: &[u8], worker: &Worker) -> io::Result<()> {
        if self.session.out.unsent() == 0 {
            let sent = self.write(replies, worker)?;
            self.session.out.keep(&replies[sent..]);
        } else {
            self.session.out.keep(replies);
            self.flush(worker)?;
        }
        self.publish();
        Ok(())
    }

    /// What the turn that has ended leaves to do.
    pub fn verdict(&self) -> Verdict {
        match self.state {
            State::Closing if self.session.out.unsent() == 0 => Verdict::Close,
            State::Link => Verdict::Link,
            State::Serving if self.is_held_back() => Verdict::Wait,
            State::Serving if self.has_requests || self.readable || self.input_ended => Verdict::Again,
            State::Serving | State::Blocked { .. } | State::Closing => Verdict::Wait,
        }
    }

    /// Is there something to do for the session without another read?
    fn has_work(&self) -> bool {
        !self.input.is_empty() || self.session.out.is_unfinished()
    }

    /// Does a long reply wait for the client to read what there is of it?
    fn is_held_back(&self) -> bool {
        self.session.out.is_unfinished() && self.awaits_room && self.session.out.unsent() >= LONG_REPLY_UNSENT_BYTES
    }

    /// Executes what is buffered, or else what one read brings.
    fn execute_received(&mut self, desk: &mut Desk, now: Now) -> io::Result<()> {
        if self.has_requests {
            return self.execute_buffered(desk, now);
        }
        if self.input_ended || !self.readable {
            if self.input_ended {
                self.state = State::Closing;
            }
            return Ok(());
        }
        if !self.input.is_empty() {
            self.read_more(desk)?;
            // What was received may be more than clients may take, before it is a request.
            self.publish();
            self.session.enforce_input_limits(&desk.worker, self.input.len(), now);
            return self.execute_buffered(desk, now);
        }
        let received = self.stream.try_read(&mut desk.input)?;
        let count = self.note_read(received, desk.input.len(), &desk.worker);
        if count > 0 {
            let turn = self.session.feed(&mut desk.worker, &mut desk.input[..count], now);
            self.input.push(&desk.input[turn.consumed..count]);
            self.settle(turn, desk, now);
        }
        Ok(())
    }

    /// Reads once, behind the beginning of a request.
    fn read_more(&mut self, desk: &Desk) -> io::Result<()> {
        let room = self.input.room(self.session.missing_input());
        let (offered, received) = (room.len(), self.stream.try_read(room)?);
        let count = self.note_read(received, offered, &desk.worker);
        self.input.filled(count);
        Ok(())
    }

    fn execute_buffered(&mut self, desk: &mut Desk, now: Now) -> io::Result<()> {
        let turn = self.session.feed(&mut desk.worker, self.input.bytes_mut(), now);
        self.input.consume(turn.consumed);
        self.settle(turn, desk, now);
        Ok(())
    }

    /// Takes note of what one read said; returns how many bytes it brought. A read that does not fill its buffer has
    /// emptied the socket; whatever comes later is reported anew.
    fn note_read(&mut self, received: Option<usize>, offered: usize, worker: &Worker) -> usize {
        let count = received.unwrap_or(0);
        self.input_ended |= received == Some(0);
        self.readable = count > 0 && (count == offered || self.end_reported);
        worker.stats.reads.add(1);
        worker.stats.net_input_bytes.add(count as u64);
        self.session.client.net_input_bytes.add(count as u64);
        count
    }

    /// A turn has ended.
    fn settle(&mut self, turn: Turn, desk: &mut Desk, now: Now) {
        desk.spent_ns += turn.spent_ns;
        self.continue_with(turn.next, now);
    }

    /// What the session wants next.
    fn continue_with(&mut self, next: Next, now: Now) {
        self.last_active_us = now.monotonic_us;
        self.has_requests = next == Next::Again && self.has_work();
        self.state = match next {
            Next::Read | Next::Again => State::Serving,
            Next::Blocked { deadline_us } => State::Blocked { deadline_us },
            Next::Close => State::Closing,
            Next::Link => State::Link,
        };
    }

    /// Looks again at the session: it was woken, or its deadline has come.
    pub fn resume(&mut self, desk: &mut Desk, now: Now) {
        if matches!(self.state, State::Closing | State::Link) {
            return;
        }
        desk.lend(&mut self.session.out);
        let was_blocked = self.state != State::Serving;
        let next = self.session.resume(&mut desk.worker, now);
        if was_blocked || next != Next::Read {
            self.continue_with(next, now);
            self.has_requests = self.state == State::Serving && self.has_work();
        }
    }

    /// Sends what waits in the session's own buffer, as far as the socket takes it.
    pub fn flush(&mut self, worker: &Worker) -> io::Result<()> {
        let output = mem::take(&mut self.session.out.buffer);
        let sent = self.write(&output[self.session.out.sent..], worker);
        self.session.out.buffer = output;
        self.session.out.drop_sent(sent?);
        Ok(())
    }

    /// Returns how much the socket takes. While it is full there is no use in trying.
    fn write(&mut self, bytes: &[u8], worker: &Worker) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() && !self.awaits_room {
            match self.stream.try_write(&bytes[sent..])? {
                Some(0) => return Err(io::ErrorKind::WriteZero.into()),
                Some(count) => {
                    sent += count;
                    worker.stats.writes.add(1);
                    worker.stats.net_output_bytes.add(count as u64);
                    self.session.client.net_output_bytes.add(count as u64);
                }
                None => self.awaits_room = true,
            }
        }
        Ok(sent)
    }

    /// The replies that are not sent, for whoever takes the socket over.
    pub fn take_unsent(&mut self) -> Vec<u8> {
        let mut output = mem::take(&mut self.session.out.buffer);
        output.drain(..mem::take(&mut self.session.out.sent));
        output
    }

    /// Shows the sizes of the buffers to CLIENT LIST and to INFO.
    fn publish(&self) {
        let client = &self.session.client;
        let understood = self.session.understood_input().min(self.input.len());
        client.input_bytes.store((self.input.len() - understood) as u64, Relaxed);
        client.understood_bytes.store(understood as u64, Relaxed);
        client.input_capacity.store(self.input.capacity() as u64, Relaxed);
        let out = &self.session.out;
        let owed = out.owed();
        client.output_bytes.store(owed as u64, Relaxed);
        client.output_capacity.store((out.buffer.capacity() + owed - out.unsent()) as u64, Relaxed);
        self.session.account();
    }
}
