//! Requests out of the bytes of a connection, without copying them.

use crate::{Args, Span};
use std::fmt;

/// A request line without its end, and an inline request, may be this long, in bytes.
const MAX_LINE_LEN: usize = 64 * 1024;
const MAX_UNAUTHENTICATED_ARGUMENTS: i64 = 10;
const MAX_UNAUTHENTICATED_BULK_LEN: i64 = 16 * 1024;

/// What a connection may send now.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`, in bytes.
    pub max_bulk_len: u64,
    /// Without it only small requests are accepted. As AUTH changes it, decode one request at a time until it is true.
    pub authenticated: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_bulk_len: 512 << 20, authenticated: true }
    }
}

/// Where one complete request lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its arguments, within the spans that the decoder appended to.
    first_span: u32,
    arguments: u32,
    /// Its length on the wire, in bytes.
    pub wire_len: u32,
}

impl Request {
    /// `buffer` and `spans` as the decoder left them. Never empty.
    #[inline]
    pub fn args<'a>(&self, buffer: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args::new(buffer, &spans[self.first_span as usize..(self.first_span + self.arguments) as usize])
    }
}

/// The connection has to be closed; the text is Redis's, to be sent behind "-ERR ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    InvalidMultibulkLength,
    UnauthenticatedMultibulkLength,
    MultibulkCountTooBig,
    ExpectedDollar(u8),
    InvalidBulkLength,
    UnauthenticatedBulkLength,
    BulkCountTooBig,
    InlineTooBig,
    UnbalancedQuotes,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Protocol error: ")?;
        formatter.write_str(match self {
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            ProtocolError::MultibulkCountTooBig => "too big mbulk count string",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
            ProtocolError::BulkCountTooBig => "too big bulk count string",
            ProtocolError::InlineTooBig => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::ExpectedDollar(byte) => {
                let got = if matches!(byte, b'\r' | b'\n') { ' ' } else { *byte as char };
                return write!(formatter, "expected '$', got '{got}'");
            }
        })
    }
}

impl std::error::Error for ProtocolError {}

/// Finds the complete requests in a buffer that is filled at its end and drained at its front.
///
/// Call `next` until it returns None; execute what it returned; then drop `take_consumed()` bytes from the front of the
/// buffer. What is incomplete stays in the buffer, and is not looked at again when more arrives.
#[derive(Debug, Default)]
pub struct RequestDecoder {
    /// Where in the buffer the first request starts that was not returned yet.
    start: usize,
    /// How far that one has been understood.
    partial: Partial,
}

#[derive(Debug, Default)]
struct Partial {
    /// Bytes of the request that are done with.
    done: usize,
    /// Bytes behind them that are known to hold no end of line.
    searched: usize,
    /// Arguments still to come; 0 before the header of the request.
    missing_arguments: u32,
    /// The arguments found, relative to the start of the request.
    spans: Vec<Span>,
    /// Where the argument at hand begins, of which it lacks so many bytes.
    argument_start: usize,
    missing_bytes: usize,
}

impl RequestDecoder {
    pub fn new() -> RequestDecoder {
        RequestDecoder::default()
    }

    /// The next complete request; its arguments are appended to `spans`, relative to the start of `buffer`, whose bytes may
    /// be rewritten to unescape an inline request. After an error the decoder is of no more use.
    #[inline]
    pub fn next(
        &mut self,
        buffer: &mut [u8],
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Option<Request>, ProtocolError> {
        if self.partial.done == 0 && buffer.get(self.start) == Some(&b'*') {
            let first_span = spans.len();
            if let Some(end) = whole_multibulk(buffer, self.start, spans, limits) {
                // A first line that came in two parts has been searched before.
                self.partial.searched = 0;
                return Ok(Some(self.complete(spans, first_span, end)));
            }
            spans.truncate(first_span);
        }
        if self.start == buffer.len() { Ok(None) } else { self.next_slowly(buffer, spans, limits) }
    }

    /// Where in the buffer the next request begins, as far as it is known.
    pub fn position(&self) -> usize {
        self.start
    }

    /// Back to the end of a request that was returned before: those behind it will be returned again. An inline request
    /// cannot be, as it may have been rewritten.
    pub fn rewind(&mut self, position: usize) {
        debug_assert!(position <= self.start);
        self.start = position;
        self.partial = Partial::default();
    }

    /// How many bytes at the front of the buffer are done with; the caller drops them.
    pub fn take_consumed(&mut self) -> usize {
        std::mem::take(&mut self.start)
    }

    /// At least so many more bytes are needed for the next request: how much to read at once, not how much to reserve
    /// before it arrives.
    pub fn missing_bytes(&self) -> usize {
        self.partial.missing_bytes
    }

    /// How many bytes at the front of the incomplete request are understood: its arguments so far.
    pub fn understood_bytes(&self) -> usize {
        self.partial.done.max(self.partial.argument_start)
    }

    /// Memory held, in bytes.
    pub fn size(&self) -> usize {
        self.partial.spans.capacity() * size_of::<Span>()
    }

    fn complete(&mut self, spans: &[Span], first_span: usize, end: usize) -> Request {
        let request = Request {
            first_span: first_span as u32,
            arguments: (spans.len() - first_span) as u32,
            wire_len: (end - self.start) as u32,
        };
        self.start = end;
        request
    }

    /// Everything that `whole_multibulk` leaves: the rest of a request that came in parts, inline requests, errors.
    #[cold]
    fn next_slowly(
        &mut self,
        buffer: &mut [u8],
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Option<Request>, ProtocolError> {
        while self.start < buffer.len() {
            let first_span = spans.len();
            let found = if self.partial.done > 0 || buffer[self.start] == b'*' {
                self.partial.multibulk(&buffer[self.start..], limits)?
            } else {
                self.partial.inline(&mut buffer[self.start..])?
            };
            if !found {
                return Ok(None);
            }
            let end = self.start + self.partial.done;
            if u32::try_from(end).is_err() {
                return Err(ProtocolError::InvalidBulkLength);
            }
            let start = self.start as u32;
            spans.extend(self.partial.spans.iter().map(|span| Span { start: start + span.start, len: span.len }));
            self.partial = Partial::default();
            if spans.len() > first_span {
                return Ok(Some(self.complete(spans, first_span, end)));
            }
            // An empty request (`*0`, an empty line) is passed over.
            self.start = end;
        }
        Ok(None)
    }
}

impl Partial {
    /// Goes on with a request of bulk strings; whether it is complete now.
    fn multibulk(&mut self, request: &[u8], limits: &Limits) -> Result<bool, ProtocolError> {
        if self.done == 0 {
            let Some(line) = self.line(request, ProtocolError::MultibulkCountTooBig)? else { return Ok(false) };
            let count = stdx::parse_i64(&line[1..])
                .filter(|count| *count <= i64::from(i32::MAX))
                .ok_or(ProtocolError::InvalidMultibulkLength)?;
            if count > MAX_UNAUTHENTICATED_ARGUMENTS && !limits.authenticated {
                return Err(ProtocolError::UnauthenticatedMultibulkLength);
            }
            self.missing_arguments = count.max(0) as u32;
            self.pass_line(line.len());
        }
        while self.missing_arguments > 0 {
            let Some(line) = self.line(request, ProtocolError::BulkCountTooBig)? else { return Ok(false) };
            let len = bulk_len(line, limits)?;
            let start = self.done + line.len() + 2;
            let end = start + len + 2;
            if u32::try_from(end).is_err() {
                return Err(ProtocolError::InvalidBulkLength);
            }
            if end > request.len() {
                (self.argument_start, self.missing_bytes) = (start, end - request.len());
                return Ok(false);
            }
            self.spans.push(Span { start: start as u32, len: len as u32 });
            self.done = end;
            self.searched = 0;
            self.missing_bytes = 0;
            self.missing_arguments -= 1;
        }
        Ok(true)
    }

    /// An inline request; whether its line is complete.
    fn inline(&mut self, request: &mut [u8]) -> Result<bool, ProtocolError> {
        let Some(len) = memchr::memchr(b'\n', &request[self.searched..]).map(|at| self.searched + at) else {
            self.searched = request.len();
            return if request.len() > MAX_LINE_LEN { Err(ProtocolError::InlineTooBig) } else { Ok(false) };
        };
        let spans = &mut self.spans;
        stdx::split_words(&mut request[..len], |word| {
            spans.push(Span { start: word.start as u32, len: word.len() as u32 })
        })
        .map_err(|_| ProtocolError::UnbalancedQuotes)?;
        self.done = len + 1;
        Ok(true)
    }

    /// The line at hand without its end, if all of it is there.
    fn line<'a>(&mut self, request: &'a [u8], too_big: ProtocolError) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = &request[self.done..];
        match memchr::memchr(b'\r', &rest[self.searched..]) {
            Some(at) if self.searched + at + 1 < rest.len() => Ok(Some(&rest[..self.searched + at])),
            Some(at) => {
                self.searched += at;
                Ok(None)
            }
            None if rest.len() > MAX_LINE_LEN => Err(too_big),
            None => {
                self.searched = rest.len();
                Ok(None)
            }
        }
    }

    fn pass_line(&mut self, len: usize) {
        self.done += len + 2;
        self.searched = 0;
    }
}

/// Reads a line of the form `$12`.
fn bulk_len(line: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    match line {
        [b'$', digits @ ..] => {
            let len = stdx::parse_i64(digits)
                .filter(|len| *len >= 0 && *len as u64 <= limits.max_bulk_len)
                .ok_or(ProtocolError::InvalidBulkLength)?;
            if len > MAX_UNAUTHENTICATED_BULK_LEN && !limits.authenticated {
                return Err(ProtocolError::UnauthenticatedBulkLength);
            }
            Ok(len as usize)
        }
        // Redis looks at the first byte of the line even where the line is empty.
        line => Err(ProtocolError::ExpectedDollar(line.first().copied().unwrap_or(b'\r'))),
    }
}

/// The common case: a request of bulk strings that has arrived as a whole and breaks no rule. Appends its arguments and
/// returns its end; anything else returns None, with arguments possibly appended.
#[inline]
fn whole_multibulk(buffer: &[u8], start: usize, spans: &mut Vec<Span>, limits: &Limits) -> Option<usize> {
    if buffer.len() > u32::MAX as usize {
        return None;
    }
    let (count, mut at) = length_line(buffer, start, b'*')?;
    let (max_count, max_len) = match limits.authenticated {
        true => (usize::MAX, limits.max_bulk_len),
        false => (MAX_UNAUTHENTICATED_ARGUMENTS as usize, limits.max_bulk_len.min(MAX_UNAUTHENTICATED_BULK_LEN as u64)),
    };
    if count == 0 || count > max_count {
        return None;
    }
    for _ in 0..count {
        let (len, begin) = length_line(buffer, at, b'$')?;
        at = begin + len + 2;
        if len as u64 > max_len || at > buffer.len() {
            return None;
        }
        spans.push(Span { start: begin as u32, len: len as u32 });
    }
    Some(at)
}

/// A mark, a number of at most nine digits and the end of its line; with the number, where the next line begins.
#[inline(always)]
fn length_line(buffer: &[u8], start: usize, mark: u8) -> Option<(usize, usize)> {
    let digit = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    // Nearly always there are one or two.
    match buffer.get(start..)?.first_chunk::<5>() {
        Some(&[first, ones, b'\r', _, _]) if first == mark && digit(ones) < 10 => Some((digit(ones), start + 4)),
        Some(&[first, tens, ones, b'\r', _]) if first == mark && (1..10).contains(&digit(tens)) && digit(ones) < 10 => {
            Some((digit(tens) * 10 + digit(ones), start + 5))
        }
        _ => long_length_line(buffer, start, mark),
    }
}

fn long_length_line(buffer: &[u8], start: usize, mark: u8) -> Option<(usize, usize)> {
    const MAX_DIGITS: usize = 9;
    let (first, line) = buffer.get(start..)?.split_first()?;
    if *first != mark {
        return None;
    }
    let digits = line.iter().take(MAX_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    // Leading zeros are an error, which is not for here.
    let is_canonical = digits == 1 || (2..=MAX_DIGITS).contains(&digits) && line[0] != b'0';
    let is_complete = line.get(digits) == Some(&b'\r') && digits + 1 < line.len();
    let number = line[..digits].iter().fold(0, |number, byte| number * 10 + usize::from(byte - b'0'));
    (is_canonical && is_complete).then_some((number, start + digits + 3))
}

#[cfg(test)]
mod tests;
