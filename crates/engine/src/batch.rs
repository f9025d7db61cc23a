//! Requests decoded ahead of their execution.

use crate::table::{Entry, KeyShape, table};
use keyspace::Keyspace;
use resp::{Args, Span};
use std::ops::Range;

/// One decoded request.
pub(crate) struct Request {
    spans: Range<usize>,
    /// Where it ends, in bytes from the start of the batch.
    pub(crate) end: usize,
    /// `None`: no such command.
    pub(crate) entry: Option<&'static Entry>,
    /// Hash of the key, where the command has exactly one.
    pub(crate) first_key: Option<u64>,
}

/// Reused from batch to batch.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) requests: Vec<Request>,
    spans: Vec<Span>,
}

impl Batch {
    /// Takes up to `limit` complete requests from the front of `input` and looks up their commands.
    /// Returns how many bytes were looked at, complete requests and blank lines, and a protocol error
    /// that follows them.
    pub(crate) fn decode(&mut self, input: &[u8], limit: usize) -> Decoded {
        self.requests.clear();
        self.spans.clear();
        let mut end = 0;
        while self.requests.len() < limit {
            let first_span = self.spans.len();
            match decode_one(input, end, &mut self.spans) {
                Step::Request { end: request_end } => {
                    end = request_end;
                    if self.spans.len() == first_span {
                        continue;
                    }
                    let args = Args::new(input, &self.spans[first_span..]);
                    let entry = table().find(args).ok();
                    let spans = first_span..self.spans.len();
                    self.requests.push(Request { spans, end, entry, first_key: None });
                }
                Step::Incomplete => {
                    self.spans.truncate(first_span);
                    return Decoded { end, complete: false, error: None };
                }
                Step::Error(error) => return Decoded { end, complete: false, error: Some(error) },
            }
        }
        Decoded { end, complete: true, error: None }
    }

    /// Starts to load what the requests will touch.
    pub(crate) fn prefetch(&mut self, keyspace: &Keyspace, db: u32, input: &[u8]) {
        for request in &mut self.requests {
            let Some(Entry { keys: KeyShape::One(index), .. }) = request.entry else { continue };
            let args = Args::new(input, &self.spans[request.spans.clone()]);
            if let Some(key) = args.get(*index) {
                let hash = keyspace.hash(key);
                keyspace.prefetch(db, hash);
                request.first_key = Some(hash);
            }
        }
    }

    pub(crate) fn args<'a>(&'a self, request: &Request, input: &'a [u8]) -> Args<'a> {
        Args::new(input, &self.spans[request.spans.clone()])
    }
}

/// What `Batch::decode` found.
pub(crate) struct Decoded {
    /// Bytes of complete requests and of blank lines.
    pub(crate) end: usize,
    /// False where the input holds no further complete request.
    pub(crate) complete: bool,
    pub(crate) error: Option<&'static str>,
}

enum Step {
    Request { end: usize },
    Incomplete,
    Error(&'static str),
}

fn decode_one(input: &[u8], start: usize, spans: &mut Vec<Span>) -> Step {
    let mut at = start;
    let line = |at: &mut usize| -> Option<Range<usize>> {
        let begin = *at;
        let length = input[begin..].windows(2).position(|pair| pair == b"\r\n")?;
        *at = begin + length + 2;
        Some(begin..begin + length)
    };
    let Some(head) = line(&mut at) else { return Step::Incomplete };
    if head.is_empty() {
        return Step::Request { end: at };
    }
    if input[head.start] != b'*' {
        let mut word = head.start;
        for part in input[head.clone()].split(|&byte| byte == b' ') {
            if !part.is_empty() {
                spans.push(Span { start: word as u32, len: part.len() as u32 });
            }
            word += part.len() + 1;
        }
        return Step::Request { end: at };
    }
    let Some(count) = stdx::parse_i64(&input[head.start + 1..head.end]) else {
        return Step::Error("ERR Protocol error: invalid multibulk length");
    };
    for _ in 0..count {
        let Some(head) = line(&mut at) else { return Step::Incomplete };
        let Some(length) = stdx::parse_u64(&input[(head.start + 1).min(head.end)..head.end]) else {
            return Step::Error("ERR Protocol error: invalid bulk length");
        };
        if input.len() < at + length as usize + 2 {
            return Step::Incomplete;
        }
        spans.push(Span { start: at as u32, len: length as u32 });
        at += length as usize + 2;
    }
    Step::Request { end: at }
}
