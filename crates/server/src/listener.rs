//! Where clients connect: the TCP addresses of `bind` and the local socket of `unixsocket`.

use crate::stream::Stream;
use crate::{files, log};
use engine::Config;
use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use std::{io, mem};

/// One socket that connections come to.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Everything that a node listens on. Any thread may change it; the main worker accepts.
pub struct Listeners {
    /// The main worker's.
    registry: Registry,
    /// Poll tokens of listeners count from here.
    first_token: usize,
    sockets: Mutex<Vec<Listener>>,
}

/// Where to listen for TCP connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpPlaces {
    /// `*`, `::*`, host addresses; a leading `-` allows it to be missing on this machine.
    pub bind: Vec<String>,
    /// 0: nowhere.
    pub port: u16,
    pub backlog: i32,
}

impl TcpPlaces {
    pub fn of(config: &Config) -> TcpPlaces {
        TcpPlaces { bind: config.bind.clone(), port: config.port, backlog: config.tcp_backlog as i32 }
    }
}

impl Listeners {
    pub fn new(registry: Registry, first_token: usize) -> Listeners {
        Listeners { registry, first_token, sockets: Mutex::default() }
    }

    /// Adds a socket that is to be accepted from.
    pub fn add(&self, mut listener: Listener) -> io::Result<()> {
        let mut sockets = self.sockets.lock();
        let token = Token(self.first_token + sockets.len());
        self.registry.register(&mut listener, token, Interest::READABLE)?;
        sockets.push(listener);
        Ok(())
    }

    /// Listens at `places` instead of where it did so far; on an error, which is logged, nowhere.
    pub fn move_tcp(&self, places: &TcpPlaces) -> io::Result<()> {
        // The old ones go first, as the new ones may be at the same address under another name.
        let kept: Vec<Listener> = mem::take(&mut *self.sockets.lock())
            .into_iter()
            .filter(|listener| matches!(listener, Listener::Unix(_)))
            .collect();
        for mut listener in kept {
            self.registry.deregister(&mut listener)?;
            self.add(listener)?;
        }
        listen_tcp(places)?.into_iter().try_for_each(|listener| self.add(listener))
    }

    /// The next connection that waits at the listener of this token; `None`: no more for now.
    pub fn accept(&self, token: Token) -> io::Result<Option<Stream>> {
        match self.sockets.lock().get(token.0 - self.first_token) {
            Some(listener) => listener.accept(),
            None => Ok(None),
        }
    }

    /// Has the poll report what waits at a listener, although nothing new has come.
    pub fn report_again(&self, token: Token) -> io::Result<()> {
        match self.sockets.lock().get_mut(token.0 - self.first_token) {
            Some(listener) => self.registry.reregister(listener, token, Interest::READABLE),
            None => Ok(()),
        }
    }
}

fn listen_tcp(places: &TcpPlaces) -> io::Result<Vec<Listener>> {
    let TcpPlaces { bind, port, backlog } = places;
    let mut listeners = Vec::new();
    if *port == 0 {
        return Ok(listeners);
    }
    for entry in bind {
        let (optional, name) = match entry.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, entry.as_str()),
        };
        match bind_address(name).and_then(|ip| listen(SocketAddr::new(ip, *port), *backlog)) {
            Ok(listener) => listeners.push(Listener::Tcp(listener)),
            Err(error) if optional && is_absent(&error) => {}
            Err(error) => {
                log::warning!("Could not create server TCP listening socket {name}:{port}: bind: {error}");
                return Err(error);
            }
        }
    }
    if listeners.is_empty() && !bind.is_empty() {
        log::warning!("None of the addresses of bind is on this machine");
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok(listeners)
}

/// An address of `bind`; `*` and `::*` stand for all of their family.
fn bind_address(name: &str) -> io::Result<IpAddr> {
    use std::net::ToSocketAddrs;
    match name {
        "*" => Ok(Ipv4Addr::UNSPECIFIED.into()),
        "::*" => Ok(Ipv6Addr::UNSPECIFIED.into()),
        _ => match name.parse() {
            Ok(ip) => Ok(ip),
            Err(_) => (name, 0)
                .to_socket_addrs()?
                .next()
                .map(|address| address.ip())
                .ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address")),
        },
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EADDRNOTAVAIL
                | libc::EAFNOSUPPORT
                | libc::ENOPROTOOPT
                | libc::EPROTONOSUPPORT
                | libc::ESOCKTNOSUPPORT
        )
    ) || error.raw_os_error().is_none()
}

fn listen(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Listens on a local socket, replacing a file that an earlier run left; `permissions` 0 leaves those of the umask.
pub fn listen_unix(path: &str, permissions: u32, backlog: i32) -> io::Result<Listener> {
    let path = files::path_of(path);
    let _ = std::fs::remove_file(&path);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(&path)?)?;
    if permissions != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(permissions))?;
    }
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into())))
}

impl Listener {
    /// The next connection that waits, with Nagle's delay off; `None`: no more for now.
    fn accept(&self) -> io::Result<Option<Stream>> {
        let accepted = match self {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Listener::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        match accepted {
            Ok(stream) => {
                stream.send_without_delay();
                Ok(Some(stream))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Has the kernel probe an idle connection after `idle_s` seconds, and give it up after about twice that; 0: never.
pub fn set_keepalive(stream: &Stream, idle_s: u32) {
    if let (Stream::Tcp(stream), 1..) = (stream, idle_s) {
        let probes = TcpKeepalive::new()
            .with_time(Duration::from_secs(idle_s.into()))
            .with_interval(Duration::from_secs((idle_s / 3).max(1).into()));
        let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&probes.with_retries(3));
    }
}

impl Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.register(registry, token, interests),
            Listener::Unix(listener) => listener.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.reregister(registry, token, interests),
            Listener::Unix(listener) => listener.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.deregister(registry),
            Listener::Unix(listener) => listener.deregister(registry),
        }
    }
}
