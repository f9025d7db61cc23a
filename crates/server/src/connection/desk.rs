//! What connections of one worker share for the length of a turn. Between turns most connections own no buffers.

use engine::{Out, Worker};
use std::mem;
use std::ops::Range;

pub struct Desk {
    pub worker: Worker,
    /// Where most reads go, all of it initialised.
    pub(super) input: Box<[u8]>,
    /// Replies that wait to be sent, one connection's behind the other's. Lent to the session that is being served, whose
    /// replies begin where those of the others end.
    output: Vec<u8>,
    is_lent: bool,
    /// Time that went by in turns since replies were last sent.
    pub(super) spent_ns: u64,
}

impl Desk {
    const INPUT_BYTES: usize = 64 * 1024;
    /// So much is there from the start: memory that grew with the first messages would be held against maxmemory.
    const OUTPUT_MIN_BYTES: usize = 64 * 1024;
    /// An output buffer that grew beyond this is given back.
    const OUTPUT_BYTES: usize = 1 << 20;
    /// What cannot be sent at once has to be copied. So much may be.
    const PART_MAX_BYTES: usize = 256 * 1024;
    /// Replies wait for others' until they are so many, …
    const WAITING_MAX_BYTES: usize = 32 * 1024;
    /// … or have waited for so long.
    const WAITING_MAX_NS: u64 = 100_000;

    pub fn new(worker: Worker) -> Desk {
        let output = Vec::with_capacity(Desk::OUTPUT_MIN_BYTES);
        Desk { worker, input: vec![0; Desk::INPUT_BYTES].into(), output, is_lent: false, spent_ns: 0 }
    }

    /// Before a session writes: the desk's buffer, unless it has one already, because something waits in it.
    pub(super) fn lend(&mut self, out: &mut Out) {
        if out.buffer.capacity() == 0 {
            debug_assert!(!self.is_lent, "one session is served at a time");
            out.buffer = mem::take(&mut self.output);
            out.sent = out.buffer.len();
            self.is_lent = true;
        }
    }

    /// After that: which part of it is the session's. Nothing where the session has a buffer of its own; where it has written very
    /// much, that is this one.
    pub(super) fn take_back(&mut self, out: &mut Out) -> Range<usize> {
        if !mem::take(&mut self.is_lent) {
            return 0..0;
        }
        if out.unsent() > Desk::PART_MAX_BYTES {
            self.output = Vec::with_capacity(Desk::OUTPUT_MIN_BYTES);
            self.output.extend_from_slice(&out.buffer[..out.sent]);
            return 0..0;
        }
        self.output = mem::take(&mut out.buffer);
        mem::take(&mut out.sent)..self.output.len()
    }

    pub fn replies(&self, range: Range<usize>) -> &[u8] {
        &self.output[range]
    }

    /// Is it time to send what waits?
    pub fn is_due(&self) -> bool {
        self.output.len() >= Desk::WAITING_MAX_BYTES || self.spent_ns >= Desk::WAITING_MAX_NS
    }

    /// All replies have been sent, or are kept by their sessions.
    pub fn clear(&mut self) {
        self.spent_ns = 0;
        self.output.clear();
        if self.output.capacity() > Desk::OUTPUT_BYTES {
            self.output = Vec::with_capacity(Desk::OUTPUT_MIN_BYTES);
        }
    }
}
