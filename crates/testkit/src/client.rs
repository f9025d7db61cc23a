//! A RESP client over TCP.

use crate::{Connection, Reply, decode};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a reply may take before the test is broken off.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// A blocking connection to a server.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    /// Where the next reply begins in `received`.
    at: usize,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
        Ok(Client { stream, received: Vec::new(), at: 0 })
    }

    /// Sends one command and waits for its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        self.send(&request(arguments))?;
        self.receive()
    }

    /// The fields of an INFO section, or of all.
    pub fn info(&mut self, section: &str) -> io::Result<Vec<(String, String)>> {
        let reply = self.call(&["INFO", section])?;
        let text = String::from_utf8_lossy(reply.bytes().unwrap_or_default()).into_owned();
        Ok(text.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    fn decode_buffered(&mut self) -> io::Result<Option<Reply>> {
        match decode(&self.received[self.at..]) {
            Ok(Some((reply, len))) => {
                self.at += len;
                if self.at == self.received.len() {
                    self.received.clear();
                    self.at = 0;
                }
                Ok(Some(reply))
            }
            Ok(None) => Ok(None),
            Err(malformed) => Err(io::Error::new(io::ErrorKind::InvalidData, malformed.0)),
        }
    }
}

impl Connection for Client {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn receive(&mut self) -> io::Result<Reply> {
        let mut chunk = [0; 64 * 1024];
        loop {
            if let Some(reply) = self.decode_buffered()? {
                return Ok(reply);
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => self.received.extend_from_slice(&chunk[..len]),
            }
        }
    }

    fn is_closed(&mut self) -> bool {
        let timeout = Some(Duration::from_secs(5));
        let closed = self.stream.set_read_timeout(timeout).is_ok() && matches!(self.stream.read(&mut [0; 64]), Ok(0));
        closed && self.at == self.received.len()
    }
}

/// A command as the protocol's array of bulk strings.
pub fn request<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let head = |bytes: &mut Vec<u8>, kind: char, number: usize| _ = write!(bytes, "{kind}{number}\r\n");
    head(&mut bytes, '*', arguments.len());
    for argument in arguments {
        let argument = argument.as_ref();
        head(&mut bytes, '$', argument.len());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
