//! A client's or peer's socket: TCP, or local.

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// The other end, as CLIENT LIST shows it: `address:port`, or the socket's path with port 0.
    pub fn peer_name(&self, unix_path: &str) -> String {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().map_or_else(|_| "?:0".into(), |address| address.to_string()),
            Stream::Unix(_) => format!("{unix_path}:0"),
        }
    }

    /// Our own end, in the same form.
    pub fn local_name(&self, unix_path: &str) -> String {
        match self {
            Stream::Tcp(stream) => stream.local_addr().map_or_else(|_| "?:0".into(), |address| address.to_string()),
            Stream::Unix(_) => format!("{unix_path}:0"),
        }
    }

    /// Whether the other end is on this machine by its address.
    pub fn is_local(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            Stream::Unix(_) => true,
        }
    }

    /// Whether a connection that was begun stands now; an error: it failed.
    pub fn connected(&self) -> io::Result<bool> {
        let Stream::Tcp(stream) = self else { return Ok(true) };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Turns Nagle's algorithm off: small replies leave at once.
    pub fn send_without_delay(&self) {
        if let Stream::Tcp(stream) = self {
            // It works without, only slower.
            let _ = stream.set_nodelay(true);
        }
    }

    /// Reads once; interruptions are retried, `WouldBlock` is `None`.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        retry(|| match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        })
    }

    /// Writes once; interruptions are retried, `WouldBlock` is `None`.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        retry(|| match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        })
    }
}

fn retry(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match operation() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, interests),
            Stream::Unix(stream) => stream.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.reregister(registry, token, interests),
            Stream::Unix(stream) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.deregister(registry),
            Stream::Unix(stream) => stream.deregister(registry),
        }
    }
}
