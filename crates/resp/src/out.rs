//! Replies, appended to one buffer.

/// The protocol version that a connection speaks (HELLO).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// An append-only reply buffer that knows the protocol version.
#[derive(Debug, Default)]
pub struct Out {
    pub buffer: Vec<u8>,
    pub protocol: Protocol,
}

impl Out {
    pub fn new(protocol: Protocol) -> Out {
        Out { buffer: Vec::new(), protocol }
    }
    /// `+OK`
    pub fn ok(&mut self) {
        self.status("OK");
    }
    /// `+text`
    pub fn status(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }
    /// `-text`; the text carries its code ("ERR …", "WRONGTYPE …") and no line breaks.
    pub fn error(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.number(b'$', bytes.len() as i64);
        self.buffer.extend_from_slice(bytes);
        self.buffer.extend_from_slice(b"\r\n");
    }
    /// A number as a bulk string.
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }
    /// `$-1` or `_`
    pub fn null(&mut self) {
        self.buffer.extend_from_slice(if self.protocol == Protocol::Resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }
    /// `*-1` or `_`
    pub fn null_array(&mut self) {
        self.buffer.extend_from_slice(if self.protocol == Protocol::Resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }
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

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.buffer.push(kind);
        self.buffer.extend_from_slice(text);
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn number(&mut self, kind: u8, value: i64) {
        self.buffer.push(kind);
        self.buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.buffer.extend_from_slice(b"\r\n");
    }
}
