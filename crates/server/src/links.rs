//! The sockets of the links to other nodes: dialled without blocking, read into the node, written from it.

use crate::allocator;
use crate::hub::{Hub, LinkHandover, MAIN_WORKER, Message};
use crate::listener;
use crate::log;
use crate::slots::Slots;
use crate::stream::Stream;
use engine::LogLevel;
use mesh::{Action, Input, LinkId, Now, Severity};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use node::Node;
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::{io, mem};

/// How long one address may take to answer.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Output that is prepared ahead of the socket, and read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// What one link may read or write in one turn, in chunks, so that clients and the other links get theirs.
const CHUNKS_PER_TURN: usize = 8;
/// Links are probed like clients are by default.
const KEEPALIVE_S: u32 = 300;

/// The sockets of all links of this node.
pub struct Links {
    node: Arc<Node>,
    hub: Arc<Hub>,
    /// Poll tokens of links count from here.
    first_token: usize,
    links: Slots<Link>,
    by_id: HashMap<LinkId, usize>,
    /// All of it is initialised.
    scratch: Box<[u8]>,
    /// Some link has more to read or to write than its turn allowed.
    unfinished: bool,
}

struct Link {
    id: LinkId,
    state: State,
    output: Vec<u8>,
    sent: usize,
    /// The socket may hold bytes that were not read.
    readable: bool,
    /// The end of the stream was reported, and will not be again.
    end_reported: bool,
    /// The socket was full and has not reported room since.
    awaits_room: bool,
}

enum State {
    Resolving,
    /// Waits for one address to answer; `rest` is tried after it, in reverse order.
    Connecting {
        stream: Stream,
        rest: Vec<SocketAddr>,
        deadline_ms: u64,
    },
    Up(Stream),
}

impl Links {
    pub fn new(node: Arc<Node>, hub: Arc<Hub>, first_token: usize) -> Links {
        Links {
            node,
            hub,
            first_token,
            links: Slots::default(),
            by_id: HashMap::new(),
            scratch: vec![0; CHUNK_BYTES].into(),
            unfinished: false,
        }
    }

    /// True where the next turn must not wait for an event.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// When the next turn has to come at the latest, as `Now::monotonic_ms`.
    pub fn deadline_ms(&mut self) -> Option<u64> {
        let connecting = self.links.iter_mut().filter_map(|(_, link)| match link.state {
            State::Connecting { deadline_ms, .. } => Some(deadline_ms),
            _ => None,
        });
        connecting.chain(self.node.deadline_ms()).min()
    }

    /// A client turned out to be another node.
    pub fn accept(&mut self, registry: &Registry, handover: LinkHandover, now: Now) {
        let LinkHandover { mut stream, request, input, output } = handover;
        let token = Token(self.first_token + self.links.next_index());
        if let Err(error) = registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE) {
            log::warning!("A link to {} cannot be watched: {error}", request.peer_host);
            return;
        }
        let id = self.node.accept(request, now);
        self.insert(Link { output, readable: true, ..Link::new(id, State::Up(stream)) });
        if !input.is_empty() {
            self.node.handle(id, Input::Received { bytes: &input }, now);
        }
    }

    fn insert(&mut self, link: Link) {
        let id = link.id;
        let index = self.links.insert(link);
        self.by_id.insert(id, index);
    }

    /// One turn of all links: what arrived goes to the node, what it wants done is done, what it has to say is sent.
    pub fn turn(&mut self, registry: &Registry, now: Now) {
        self.unfinished = false;
        let indices: Vec<usize> = self.links.iter_mut().map(|(index, _)| index).collect();
        for &index in &indices {
            self.read(index, now);
            self.give_up_connecting(index, registry, now);
        }
        self.node.turn(now);
        for index in indices {
            self.write(index, now);
        }
        while let Some(action) = self.node.poll_action() {
            self.perform(action, registry, now);
        }
    }

    /// Something happened to the socket of a link.
    pub fn event(&mut self, event: &Event, registry: &Registry, now: Now) {
        let index = event.token().0 - self.first_token;
        let Some(link) = self.links.get_mut(index) else { return };
        match &link.state {
            State::Up(_) => {
                link.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                link.end_reported |= event.is_read_closed();
                link.awaits_room &= !event.is_writable();
            }
            State::Connecting { stream, .. } => match stream.connected() {
                Ok(true) => self.connected(index, now),
                Ok(false) => {}
                Err(error) => self.try_next_address(index, registry, &error.to_string(), now),
            },
            State::Resolving => {}
        }
    }

    fn perform(&mut self, action: Action, registry: &Registry, now: Now) {
        match action {
            Action::Dial { link, host, port } => self.dial(link, host, port, registry, now),
            Action::Close { link } => {
                if let Some(&index) = self.by_id.get(&link) {
                    self.write(index, now);
                    self.remove(index);
                }
            }
            Action::Log { severity, text } => log::write(
                match severity {
                    Severity::Verbose => LogLevel::Verbose,
                    Severity::Notice => LogLevel::Notice,
                    Severity::Warning => LogLevel::Warning,
                },
                format_args!("{text}"),
            ),
        }
    }

    /// Looks the name up on a thread of its own: a lookup can take half a minute, and must delay neither clients nor other
    /// links.
    fn dial(&mut self, id: LinkId, host: String, port: u16, registry: &Registry, now: Now) {
        self.insert(Link::new(id, State::Resolving));
        if let Ok(ip) = host.parse::<IpAddr>() {
            return self.resolved(id, Ok(vec![SocketAddr::new(ip, port)]), registry, now);
        }
        let hub = self.hub.clone();
        let lookup = move || {
            let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            hub.post(MAIN_WORKER, Message::Resolved { link: id, addresses });
        };
        if let Err(error) = allocator::spawn("resolver", lookup) {
            self.resolved(id, Err(error), registry, now);
        }
    }

    /// The addresses of a host that was to be dialled are known.
    pub fn resolved(&mut self, id: LinkId, addresses: io::Result<Vec<SocketAddr>>, registry: &Registry, now: Now) {
        let Some(&index) = self.by_id.get(&id) else { return };
        match addresses {
            Ok(mut rest) => {
                rest.reverse();
                self.connect(index, rest, registry, "the name has no address", now);
            }
            Err(error) => self.fail(index, &format!("cannot resolve the name: {error}"), now),
        }
    }

    fn connect(&mut self, index: usize, mut rest: Vec<SocketAddr>, registry: &Registry, why: &str, now: Now) {
        let mut why = why.to_owned();
        while let Some(address) = rest.pop() {
            match self.begin_connecting(index, address, registry) {
                Ok(stream) => {
                    if let Some(link) = self.links.get_mut(index) {
                        let deadline_ms = now.monotonic_ms + CONNECT_TIMEOUT_MS;
                        link.state = State::Connecting { stream, rest, deadline_ms };
                    }
                    return;
                }
                Err(error) => why = error.to_string(),
            }
        }
        self.fail(index, &why, now);
    }

    fn begin_connecting(&self, index: usize, address: SocketAddr, registry: &Registry) -> io::Result<Stream> {
        let source = self.node.engine().config.load().bind_source_addr.clone();
        let mut stream = Stream::Tcp(connect(address, &source)?);
        let token = Token(self.first_token + index);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    fn connected(&mut self, index: usize, now: Now) {
        let Some(link) = self.links.get_mut(index) else { return };
        if let State::Connecting { stream, .. } = mem::replace(&mut link.state, State::Resolving) {
            stream.send_without_delay();
            listener::set_keepalive(&stream, KEEPALIVE_S);
            link.state = State::Up(stream);
            link.readable = true;
            self.node.handle(link.id, Input::Connected, now);
        }
    }

    fn try_next_address(&mut self, index: usize, registry: &Registry, why: &str, now: Now) {
        let Some(link) = self.links.get_mut(index) else { return };
        if let State::Connecting { rest, .. } = mem::replace(&mut link.state, State::Resolving) {
            self.connect(index, rest, registry, why, now);
        }
    }

    fn give_up_connecting(&mut self, index: usize, registry: &Registry, now: Now) {
        if let Some(Link { state: State::Connecting { deadline_ms, .. }, .. }) = self.links.get_mut(index)
            && *deadline_ms <= now.monotonic_ms
        {
            self.try_next_address(index, registry, "it did not answer in time", now);
        }
    }

    fn read(&mut self, index: usize, now: Now) {
        let Some(link) = self.links.get_mut(index) else { return };
        let State::Up(stream) = &mut link.state else { return };
        for _ in 0..CHUNKS_PER_TURN {
            if !link.readable {
                return;
            }
            match stream.try_read(&mut self.scratch) {
                Ok(Some(0)) => return self.lose(index, "the peer closed the connection", now),
                Ok(Some(count)) => {
                    link.readable = count == self.scratch.len() || link.end_reported;
                    self.node.handle(link.id, Input::Received { bytes: &self.scratch[..count] }, now);
                }
                Ok(None) => link.readable = false,
                Err(error) => return self.lose(index, &error.to_string(), now),
            }
        }
        self.unfinished |= link.readable;
    }

    fn write(&mut self, index: usize, now: Now) {
        let Some(link) = self.links.get_mut(index) else { return };
        let State::Up(stream) = &mut link.state else { return };
        let mut more = true;
        for _ in 0..CHUNKS_PER_TURN {
            if link.awaits_room {
                return;
            }
            if more && link.output.len() - link.sent < CHUNK_BYTES {
                link.output.drain(..mem::take(&mut link.sent));
                more = self.node.transmit(link.id, &mut link.output, CHUNK_BYTES, now);
            }
            if link.sent == link.output.len() {
                return;
            }
            match stream.try_write(&link.output[link.sent..]) {
                Ok(Some(count)) => link.sent += count,
                Ok(None) => link.awaits_room = true,
                Err(error) => return self.lose(index, &error.to_string(), now),
            }
        }
        self.unfinished |= more;
    }

    /// The connection is gone.
    fn lose(&mut self, index: usize, reason: &str, now: Now) {
        if let Some(id) = self.remove(index) {
            self.node.handle(id, Input::Closed { reason }, now);
        }
    }

    /// The connection could not be made.
    fn fail(&mut self, index: usize, reason: &str, now: Now) {
        if let Some(id) = self.remove(index) {
            self.node.handle(id, Input::ConnectFailed { reason }, now);
        }
    }

    /// Forgets a link; dropping its socket closes it.
    fn remove(&mut self, index: usize) -> Option<LinkId> {
        let link = self.links.remove(index)?;
        self.by_id.remove(&link.id);
        Some(link.id)
    }
}

/// Begins to connect, from the address `source` unless that is empty.
fn connect(address: SocketAddr, source: &str) -> io::Result<TcpStream> {
    if source.is_empty() {
        return TcpStream::connect(address);
    }
    let source: IpAddr = source
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "bind-source-addr is no address of this machine"))?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

impl Link {
    fn new(id: LinkId, state: State) -> Link {
        Link { id, state, output: Vec::new(), sent: 0, readable: false, end_reported: false, awaits_room: false }
    }
}
