//! What scripts and random streams run against: an engine in this process, or a server.

use crate::{Client, Reply};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Whose replies to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Major and minor version.
    Redis(u32, u32),
    FluidB,
}

pub trait Target {
    fn product(&self) -> Product;
    fn connect(&mut self) -> io::Result<Box<dyn Connection>>;
    /// Lets time pass: a fake clock jumps, a real one is waited for.
    fn wait(&mut self, duration: Duration);
}

pub trait Connection {
    /// Raw bytes of the protocol.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// The next reply.
    fn receive(&mut self) -> io::Result<Reply>;
    /// True where the server closed the connection, with no reply left to read.
    fn is_closed(&mut self) -> bool;
}

/// A running server.
pub struct Remote {
    pub address: SocketAddr,
    pub product: Product,
}

impl Target for Remote {
    fn product(&self) -> Product {
        self.product
    }

    fn connect(&mut self) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(Client::connect(self.address)?))
    }

    fn wait(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
}
