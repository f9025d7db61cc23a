//! Replies, appended to one buffer.

use crate::bulks::{Bulks, SHORT, write_short};
use std::fmt;
use stdx::{FloatBuffer, FloatFormat, LongDouble};

/// The protocol version that a connection speaks (HELLO).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// An append-only reply buffer that knows the protocol version: what RESP2 lacks is written as RESP2 clients expect it.
#[derive(Debug, Default)]
pub struct Out {
    pub buffer: Vec<u8>,
    pub protocol: Protocol,
    /// How much of the buffer has been sent.
    pub sent: usize,
    /// Bytes of replies beyond which the connection is not worth going on with; 0: any number is welcome.
    pub limit_bytes: u64,
    pub float_format: FloatFormat,
    rest: Option<Box<dyn Rest>>,
    /// What is to come is more than the limit, whatever the reader takes meanwhile.
    exceeds_limit: bool,
}

/// What is left of a reply that is too long to be given in one go. Others have their turns between two slices of it.
pub trait Rest: Send {
    /// Appends the next slice, which should take far less than a millisecond. False where it was the last one.
    fn append_slice(&mut self, out: &mut Out) -> bool;

    /// Bytes of the reply that are still to come, about: what they are made of is kept for them, so they count as output. None
    /// while nothing is known.
    fn promised_bytes(&self) -> usize {
        0
    }
}

impl fmt::Debug for dyn Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rest")
    }
}

/// Where a header will be put whose length is not known yet; see `Out::defer`.
#[derive(Clone, Copy, Debug)]
#[must_use = "without it the reply lacks its header"]
pub struct Deferred {
    at: usize,
}

/// How many of so many bytes that are owed the limits of output mean: none while they fit into the buffer that every client of
/// Redis has.
pub fn counted_for_limit(bytes: usize) -> u64 {
    const FREE_BYTES: usize = 16 * 1024;
    if bytes > FREE_BYTES { bytes as u64 } else { 0 }
}

impl Out {
    pub fn new(protocol: Protocol) -> Out {
        Out { protocol, ..Out::default() }
    }

    /// For a part of a reply that is made apart: empty, and for the same reader.
    pub fn part(&self) -> Out {
        Out { protocol: self.protocol, float_format: self.float_format, ..Out::default() }
    }

    /// The reply that has begun goes on with `rest`.
    pub fn continue_with(&mut self, rest: impl Rest + 'static) {
        self.rest = Some(Box::new(rest));
    }

    /// Does a reply lack its end?
    #[inline]
    pub fn is_unfinished(&self) -> bool {
        self.rest.is_some()
    }

    /// A reply that has begun will have so many bytes at least. Where that is more than the limit, the connection is closed
    /// before any of it is sent, as by a server that gives replies in one go.
    pub fn announce(&mut self, bytes: usize) {
        self.exceeds_limit |= self.limit_bytes > 0 && counted_for_limit(bytes) > self.limit_bytes;
    }

    /// Appends a slice of what is left. True while there is more.
    pub fn append_slice(&mut self) -> bool {
        let Some(mut rest) = self.rest.take() else { return false };
        if rest.append_slice(self) {
            self.rest = Some(rest);
        }
        self.is_unfinished()
    }

    /// Appends all that is left.
    #[inline]
    pub fn finish(&mut self) {
        while self.append_slice() {}
    }

    /// Takes replies back: those behind `mark`, and what would follow.
    pub fn truncate(&mut self, mark: usize) {
        self.buffer.truncate(mark);
        self.rest = None;
        self.exceeds_limit = false;
    }

    /// Keeps replies that were written elsewhere and cannot be sent yet.
    pub fn keep(&mut self, replies: &[u8]) {
        self.buffer.extend_from_slice(replies);
    }

    /// So much more has been sent. The buffer goes with the last of it.
    pub fn drop_sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.buffer.len() {
            self.buffer = Vec::new();
            self.sent = 0;
        } else if self.sent > self.buffer.len() / 4 * 3 {
            // Only when little is left of what was there: moving it takes less than sending the rest did.
            self.buffer.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Bytes of replies that wait to be sent.
    pub fn unsent(&self) -> usize {
        self.buffer.len() - self.sent
    }

    /// The same, and what is left of a long reply.
    pub fn owed(&self) -> usize {
        self.unsent() + self.rest.as_ref().map_or(0, |rest| rest.promised_bytes())
    }

    /// True where the connection will be closed for what it has to read: whoever has much more to say need not.
    #[inline]
    pub fn is_over_limit(&self) -> bool {
        self.exceeds_limit || self.limit_bytes > 0 && counted_for_limit(self.owed()) > self.limit_bytes
    }

    /// `+OK`
    #[inline]
    pub fn ok(&mut self) {
        self.buffer.extend_from_slice(b"+OK\r\n");
    }

    /// `+text`
    pub fn status(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// `-text`; the text carries its code ("ERR …", "WRONGTYPE …"). Line breaks in it become spaces.
    pub fn error(&mut self, text: &[u8]) {
        let start = self.buffer.len() + 1;
        self.line(b'-', text);
        let end = self.buffer.len() - 2;
        for byte in &mut self.buffer[start..end] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }

    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        // Most elements are short: their replies are put together in registers, as it were, and appended at once.
        if SHORT.contains(&bytes.len()) {
            return append(&mut self.buffer, |place| write_short(place, bytes));
        }
        self.buffer.reserve(NUMBER_LEN + bytes.len() + 2);
        self.number(b'$', bytes.len() as i64);
        self.buffer.extend_from_slice(bytes);
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// For many bulk strings, most of them short.
    #[inline]
    pub fn bulks(&mut self) -> Bulks<'_> {
        Bulks::new(self)
    }

    /// The head of a bulk string of so many bytes, which the caller appends, and a line break behind them.
    pub fn bulk_head(&mut self, len: usize) {
        self.number(b'$', len as i64);
    }

    /// A number as a bulk string.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// `,3.14`, or a bulk string.
    pub fn double(&mut self, value: f64) {
        self.decimal(FloatBuffer::new().format_as(value, self.float_format));
    }

    /// The same as a bulk string in any protocol.
    pub fn bulk_double(&mut self, value: f64) {
        self.bulk(FloatBuffer::new().format_as(value, self.float_format));
    }

    /// The same with up to 17 digits behind the point, and none of them rounded away (coordinates).
    pub fn exact_double(&mut self, value: f64) {
        let text = format!("{value:.17}");
        self.decimal(text.trim_end_matches('0').trim_end_matches('.').as_bytes());
    }

    /// The same for the numbers of INCRBYFLOAT and its kin, where a command replies with `addReplyHumanLongDouble`.
    pub fn long_double(&mut self, value: LongDouble) {
        self.decimal(value.to_string().as_bytes());
    }

    fn decimal(&mut self, digits: &[u8]) {
        match self.protocol {
            Protocol::Resp3 => self.line(b',', digits),
            Protocol::Resp2 => self.bulk(digits),
        }
    }

    /// `(123`, or a bulk string.
    pub fn big_number(&mut self, digits: &[u8]) {
        match self.protocol {
            Protocol::Resp3 => self.line(b'(', digits),
            Protocol::Resp2 => self.bulk(digits),
        }
    }

    /// `#t`, or `:1`
    pub fn boolean(&mut self, value: bool) {
        self.buffer.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
        });
    }

    /// A text for people, with its format ("txt", "mkd"); in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.number(b'=', text.len() as i64 + 4);
                self.buffer.extend_from_slice(format);
                self.buffer.push(b':');
                self.buffer.extend_from_slice(text);
                self.buffer.extend_from_slice(b"\r\n");
            }
        }
    }

    /// A missing value: `$-1` or `_`
    #[inline]
    pub fn null(&mut self) {
        self.buffer.extend_from_slice(if self.protocol == Protocol::Resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// A missing array: `*-1` or `_`
    pub fn null_array(&mut self) {
        self.buffer.extend_from_slice(if self.protocol == Protocol::Resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    #[inline]
    pub fn array(&mut self, len: usize) {
        self.number(b'*', len as i64);
    }

    /// `len` pairs: a map, or an array of twice as many.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp3 => self.number(b'%', len as i64),
            Protocol::Resp2 => self.number(b'*', 2 * len as i64),
        }
    }

    pub fn set(&mut self, len: usize) {
        self.number(if self.protocol == Protocol::Resp3 { b'~' } else { b'*' }, len as i64);
    }

    pub fn push(&mut self, len: usize) {
        self.number(if self.protocol == Protocol::Resp3 { b'>' } else { b'*' }, len as i64);
    }

    /// `len` pairs of attributes of the reply that follows. RESP2 has no such thing: then false, and they must not be written.
    pub fn attribute(&mut self, len: usize) -> bool {
        let known = self.protocol == Protocol::Resp3;
        if known {
            self.number(b'|', len as i64);
        }
        known
    }

    /// Begins an array, map or set whose length is known only after its elements are written.
    pub fn defer(&mut self) -> Deferred {
        Deferred { at: self.buffer.len() }
    }

    pub fn finish_array(&mut self, deferred: Deferred, len: usize) {
        self.insert_header(deferred, |out| out.array(len));
    }

    pub fn finish_map(&mut self, deferred: Deferred, len: usize) {
        self.insert_header(deferred, |out| out.map(len));
    }

    pub fn finish_set(&mut self, deferred: Deferred, len: usize) {
        self.insert_header(deferred, |out| out.set(len));
    }

    fn insert_header(&mut self, deferred: Deferred, write: impl FnOnce(&mut Out)) {
        let end = self.buffer.len();
        write(self);
        let header_len = self.buffer.len() - end;
        self.buffer[deferred.at..].rotate_right(header_len);
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.buffer.reserve(text.len() + 3);
        self.buffer.push(kind);
        self.buffer.extend_from_slice(text);
        self.buffer.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn number(&mut self, kind: u8, value: i64) {
        if let 0..=9 = value {
            return self.buffer.extend_from_slice(&[kind, b'0' + value as u8, b'\r', b'\n']);
        }
        append::<NUMBER_LEN>(&mut self.buffer, |line| {
            line[0] = kind;
            let end = match value {
                10..=99 => {
                    line[1..3].copy_from_slice(&[b'0' + value as u8 / 10, b'0' + value as u8 % 10]);
                    3
                }
                _ => {
                    let mut digits = itoa::Buffer::new();
                    let digits = digits.format(value).as_bytes();
                    line[1..1 + digits.len()].copy_from_slice(digits);
                    1 + digits.len()
                }
            };
            line[end..end + 2].copy_from_slice(b"\r\n");
            end + 2
        });
    }
}

/// A kind, up to 20 bytes of a number, the end of a line.
const NUMBER_LEN: usize = 24;
/// Appends up to `N` bytes: `write` puts them into a place of that size, and says how many they are.
#[inline]
fn append<const N: usize>(buffer: &mut Vec<u8>, write: impl FnOnce(&mut [u8; N]) -> usize) {
    let start = buffer.len();
    // The size is known: this takes no call.
    buffer.extend_from_slice(&[0; N]);
    let len = buffer.last_chunk_mut().map_or(0, write);
    buffer.truncate(start + len);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `write` writes in RESP2 and in RESP3.
    fn both(write: impl Fn(&mut Out)) -> [String; 2] {
        [Protocol::Resp2, Protocol::Resp3].map(|protocol| {
            let mut out = Out::new(protocol);
            write(&mut out);
            String::from_utf8(out.buffer).unwrap()
        })
    }

    #[test]
    fn numbers_of_every_length() {
        for value in [0, 1, 9, 10, 42, 99, 100, -1, 1234567, i64::MAX, i64::MIN] {
            assert_eq!(both(|out| out.integer(value)), [format!(":{value}\r\n"), format!(":{value}\r\n")]);
        }
        assert_eq!(both(|out| out.bulk_integer(-12))[0], "$3\r\n-12\r\n");
    }

    #[test]
    fn what_is_kept_is_sent_in_order_and_forgotten() {
        let mut out = Out::new(Protocol::Resp2);
        out.keep(b"0123456789");
        out.drop_sent(3);
        out.ok();
        assert_eq!((out.unsent(), &out.buffer[out.sent..]), (12, &b"3456789+OK\r\n"[..]));
        // Now that most of it has gone the rest moves to the front.
        out.drop_sent(9);
        assert_eq!((out.unsent(), &out.buffer[out.sent..], out.sent), (3, &b"K\r\n"[..], 0));
        out.drop_sent(3);
        assert_eq!((out.unsent(), out.buffer.capacity(), out.sent), (0, 0, 0));
    }

    #[test]
    fn bulk_strings_of_every_header_length() {
        let letters = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(400);
        for len in (0..40).chain([99, 100, 12345]) {
            let text = &letters[..len];
            assert_eq!(both(|out| out.bulk(text.as_bytes()))[0], format!("${len}\r\n{text}\r\n"));
        }
    }

    /// The replies of DEBUG PROTOCOL in Redis.
    #[test]
    fn types_that_only_resp3_has() {
        assert_eq!(both(|out| out.double(2.5)), ["$3\r\n2.5\r\n", ",2.5\r\n"]);
        assert_eq!(both(|out| out.boolean(true)), [":1\r\n", "#t\r\n"]);
        assert_eq!(both(|out| out.boolean(false)), [":0\r\n", "#f\r\n"]);
        assert_eq!(both(|out| out.null()), ["$-1\r\n", "_\r\n"]);
        assert_eq!(both(|out| out.null_array()), ["*-1\r\n", "_\r\n"]);
        assert_eq!(both(|out| out.big_number(b"1234567999")), ["$10\r\n1234567999\r\n", "(1234567999\r\n"]);
        assert_eq!(
            both(|out| out.verbatim(b"txt", b"This is a verbatim\nstring")),
            ["$25\r\nThis is a verbatim\nstring\r\n", "=29\r\ntxt:This is a verbatim\nstring\r\n"]
        );
        assert_eq!(both(|out| out.map(3)), ["*6\r\n", "%3\r\n"]);
        assert_eq!(both(|out| out.set(3)), ["*3\r\n", "~3\r\n"]);
        assert_eq!(both(|out| out.push(2)), ["*2\r\n", ">2\r\n"]);
    }

    #[test]
    fn attributes_are_for_resp3_only() {
        let replies = both(|out| {
            if out.attribute(1) {
                out.bulk(b"key");
                out.bulk(b"value");
            }
            out.integer(1);
        });
        assert_eq!(replies, [":1\r\n", "|1\r\n$3\r\nkey\r\n$5\r\nvalue\r\n:1\r\n"]);
    }

    #[test]
    fn deferred_headers_nest() {
        let replies = both(|out| {
            out.ok();
            let outer = out.defer();
            out.integer(7);
            let inner = out.defer();
            out.bulk(b"a");
            out.bulk(b"b");
            out.finish_map(inner, 1);
            out.finish_array(outer, 2);
        });
        assert_eq!(replies[0], "+OK\r\n*2\r\n:7\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        assert_eq!(replies[1], "+OK\r\n*2\r\n:7\r\n%1\r\n$1\r\na\r\n$1\r\nb\r\n");
    }

    #[test]
    fn an_error_stays_on_its_line() {
        assert_eq!(both(|out| out.error(b"ERR no\r\n+such thing"))[0], "-ERR no  +such thing\r\n");
    }
}
