//! Whole nodes in one thread: sessions driven by bytes, links as pipes, one clock.

use effect::{NodeId, Origin};
use engine::{
    Client, Config, Connection as Peer, CpuTime, Fault, Host, LogLevel, Memory, Next, Process, Session, Shutdown,
    Worker,
};
use keyspace::Keyspace;
use mesh::{Action, Input, LinkId, Now};
use node::{LinkRequest, Node, Options};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::Reply;

const START_MS: u64 = 1_795_000_000_000;

#[derive(Default)]
pub struct TestHost {
    elapsed_ms: Mutex<u64>,
    /// Somebody has set the clock back by so much.
    set_back_ms: Mutex<u64>,
    woken: Mutex<Vec<u64>>,
    process: Process,
}

impl Host for TestHost {
    fn now(&self) -> engine::Now {
        let elapsed_ms = *self.elapsed_ms.lock().unwrap();
        let unix_ms = START_MS + elapsed_ms - *self.set_back_ms.lock().unwrap();
        engine::Now { unix_us: unix_ms * 1000, monotonic_us: elapsed_ms * 1000 }
    }
    fn monotonic_ns(&self) -> u64 {
        self.now().monotonic_us * 1000
    }
    fn used_memory(&self) -> u64 {
        1 << 20
    }
    fn memory(&self) -> Memory {
        Memory::default()
    }
    fn cpu_time(&self) -> CpuTime {
        CpuTime::default()
    }
    fn process(&self) -> &Process {
        &self.process
    }
    fn wake(&self, client: &Client) {
        self.woken.lock().unwrap().push(client.id);
    }
    fn sleep(&self, _: Duration) {}
    fn shutdown(&self, _: Shutdown) -> Result<(), Fault> {
        Ok(())
    }
    fn abort_shutdown(&self) -> Result<(), Fault> {
        Ok(())
    }
    fn log(&self, _: LogLevel, _: std::fmt::Arguments<'_>) {}
    fn purge_memory(&self) {}
}

struct Slot {
    session: Session,
    input: Vec<u8>,
    next: Next,
}

pub struct Member {
    pub node: Node,
    host: Arc<TestHost>,
    worker: Worker,
    slots: BTreeMap<u64, Slot>,
}

/// One end of a connection.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Link(usize, LinkId),
    Session(usize, u64),
}

struct Connection {
    ends: [End; 2],
    /// From each end to the other.
    pipes: [VecDeque<Vec<u8>>; 2],
    open: bool,
}

pub struct Cluster {
    pub now_ms: u64,
    /// How long writes wait at a member that is restarted, until it has joined.
    pub arrival_ms: u64,
    pub members: Vec<Member>,
    connections: Vec<Connection>,
    /// Pairs that cannot talk.
    pub cuts: Vec<(usize, usize)>,
    /// Members that do not answer who dials them.
    pub silent: Vec<usize>,
}

pub fn multi_master() -> Config {
    let mut config = active_replica();
    config.multi_master = true;
    config
}

pub fn active_replica() -> Config {
    let mut config = Config::default();
    config.active_replica = true;
    config.replica_read_only = false;
    config
}

impl Member {
    fn new(index: usize, identity: Origin, config: Config, arrival_ms: u64, now_ms: u64) -> Member {
        let host = Arc::new(TestHost::default());
        *host.elapsed_ms.lock().unwrap() = now_ms;
        let options = keyspace::Options { databases: 16, single_threaded: true, hash_secret: 1, seed: index as u64 };
        let node = Node::new(Options {
            identity,
            keyspace: Arc::new(Keyspace::new(options)),
            config,
            host: host.clone(),
            seed: index as u64,
            now: Now { unix_ms: START_MS + now_ms, monotonic_ms: now_ms },
            arrival_ms,
            observer: None,
        });
        let worker = Worker::new(node.engine());
        Member { node, host, worker, slots: BTreeMap::new() }
    }

    fn open(&mut self, address: &str) -> u64 {
        let connection = Peer { address: address.into(), local: true, ..Peer::default() };
        let session = Session::new(self.node.engine(), connection, self.host.now());
        let id = session.client.id;
        self.slots.insert(id, Slot { session, input: Vec::new(), next: Next::Read });
        id
    }

    /// Lets the sessions do what they can.
    fn run_sessions(&mut self) {
        let now = self.host.now();
        let woken = std::mem::take(&mut *self.host.woken.lock().unwrap());
        for (id, slot) in &mut self.slots {
            let due = matches!(slot.next, Next::Blocked { deadline_us: Some(us) } if us <= now.monotonic_us);
            if due || woken.contains(id) {
                slot.next = slot.session.resume(&mut self.worker, now);
            }
            while matches!(slot.next, Next::Read | Next::Again) {
                let turn = slot.session.feed(&mut self.worker, &mut slot.input, now);
                slot.input.drain(..turn.consumed);
                slot.next = turn.next;
                if turn.next == Next::Read {
                    break;
                }
            }
        }
    }
}

/// The first life of a member.
pub fn first_life(index: usize) -> Origin {
    Origin { node: NodeId(index as u64 + 1), incarnation: 1 }
}

impl Cluster {
    pub fn new(configs: Vec<Config>) -> Cluster {
        let members = configs.into_iter().enumerate();
        let members = members.map(|(index, config)| Member::new(index, first_life(index), config, 0, 0)).collect();
        Cluster { now_ms: 0, arrival_ms: 0, members, connections: Vec::new(), cuts: Vec::new(), silent: Vec::new() }
    }

    /// Masters that replicate from each other along these lines, both ways.
    pub fn linked(count: usize, pairs: &[(usize, usize)]) -> Cluster {
        let mut cluster = Cluster::new(vec![multi_master(); count]);
        for (one, other) in pairs {
            cluster.replicate(*one, *other);
            cluster.replicate(*other, *one);
        }
        cluster.run(1_500);
        cluster
    }

    pub fn full_mesh(count: usize) -> Cluster {
        let pairs: Vec<_> = (0..count).flat_map(|one| (0..one).map(move |other| (one, other))).collect();
        Cluster::linked(count, &pairs)
    }

    pub fn replicate(&mut self, node: usize, master: usize) {
        assert_eq!(self.call(node, &format!("REPLICAOF n{master} 1")), Reply::Status(b"OK".to_vec()));
    }

    /// Memory is lost; the configured masters are dialled again.
    pub fn restart(&mut self, index: usize, incarnation: u32) {
        self.restart_as(index, Origin { incarnation, ..first_life(index) });
    }

    /// The same under any name.
    pub fn restart_as(&mut self, index: usize, identity: Origin) {
        let config = Config::clone(&self.members[index].node.engine().config.load());
        self.cut_connections(|one, other| one == index || other == index);
        self.members[index] = Member::new(index, identity, config, self.arrival_ms, self.now_ms);
    }

    pub fn set_clock_back(&mut self, index: usize, ms: u64) {
        *self.members[index].host.set_back_ms.lock().unwrap() = ms;
    }

    pub fn cut(&mut self, one: usize, other: usize) {
        self.cuts.push((one, other));
        self.cut_connections(|from, to| (from, to) == (one, other) || (to, from) == (one, other));
    }

    fn cut_connections(&mut self, which: impl Fn(usize, usize) -> bool) {
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            let [one, other] = connection.ends;
            let (End::Link(from, _) | End::Session(from, _)) = one;
            let (End::Link(to, _) | End::Session(to, _)) = other;
            if connection.open && which(from, to) {
                connection.open = false;
                self.close(one);
                self.close(other);
            }
        }
    }

    fn close(&mut self, end: End) {
        let now = self.now();
        match end {
            End::Link(node, link) => {
                self.members[node].node.handle(link, Input::Closed { reason: "connection reset" }, now);
            }
            End::Session(node, id) => drop(self.members[node].slots.remove(&id)),
        }
    }

    fn now(&self) -> Now {
        Now { unix_ms: START_MS + self.now_ms, monotonic_ms: self.now_ms }
    }

    /// A client that stays.
    pub fn client(&mut self, node: usize) -> u64 {
        self.members[node].open("127.0.0.1:50000")
    }

    /// Sends a command of words without spaces; the reply may come later.
    pub fn send(&mut self, node: usize, client: u64, words: &str) {
        let request = testkit::request(&words.split(' ').collect::<Vec<_>>());
        let member = &mut self.members[node];
        member.slots.get_mut(&client).unwrap().input.extend_from_slice(&request);
        member.run_sessions();
    }

    pub fn reply(&mut self, node: usize, client: u64) -> Option<Reply> {
        let out = &mut self.members[node].slots.get_mut(&client).unwrap().session.out;
        let (reply, length) = testkit::decode(&out.buffer).unwrap()?;
        out.buffer.drain(..length);
        Some(reply)
    }

    /// One command from a client of its own.
    pub fn call(&mut self, node: usize, words: &str) -> Reply {
        let client = self.client(node);
        self.send(node, client, words);
        let reply = self.reply(node, client).expect("a reply at once");
        self.members[node].slots.remove(&client);
        reply
    }

    pub fn text(&mut self, node: usize, words: &str) -> String {
        match self.call(node, words) {
            Reply::Bulk(text) | Reply::Status(text) | Reply::Error(text) => String::from_utf8(text).unwrap(),
            Reply::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    /// The same reply everywhere.
    pub fn agree(&mut self, words: &str) -> String {
        let replies: Vec<String> = (0..self.members.len()).map(|node| self.text(node, words)).collect();
        assert!(replies.iter().all(|reply| *reply == replies[0]), "{words}: {replies:?}");
        replies[0].clone()
    }

    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now_ms += 1;
        let now = self.now();
        for index in 0..self.connections.len() {
            self.deliver(index);
        }
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            *member.host.elapsed_ms.lock().unwrap() = self.now_ms;
            member.run_sessions();
            self.take_links(index);
            self.members[index].node.turn(now);
            while let Some(action) = self.members[index].node.poll_action() {
                self.act(index, action);
            }
        }
        for index in 0..self.connections.len() {
            for end in 0..2 {
                self.transmit(index, end);
            }
        }
    }

    /// Sessions that asked for our stream become links.
    fn take_links(&mut self, index: usize) {
        let now = self.now();
        let member = &mut self.members[index];
        let ids: Vec<u64> =
            member.slots.iter().filter(|(_, slot)| slot.next == Next::Link).map(|(id, _)| *id).collect();
        for id in ids {
            let mut slot = member.slots.remove(&id).unwrap();
            let request = LinkRequest {
                arguments: std::mem::take(&mut slot.session.link_arguments),
                peer_host: slot.session.client.connection.address.clone(),
                listening_port: slot.session.announced_port,
            };
            let link = member.node.accept(request, now);
            let found = |connection: &&mut Connection| connection.ends[1] == End::Session(index, id);
            let connection = self.connections.iter_mut().find(found).unwrap();
            connection.ends[1] = End::Link(index, link);
            connection.pipes[1].push_back(slot.session.out.buffer.to_vec());
            member.node.handle(link, Input::Received { bytes: &slot.input }, now);
        }
    }

    fn act(&mut self, index: usize, action: Action) {
        let now = self.now();
        match action {
            Action::Dial { link, host, .. } => {
                let target: usize = host[1..].parse().unwrap();
                if self.silent.contains(&target) {
                    return;
                }
                let cut = self.cuts.iter().any(|cut| *cut == (index, target) || *cut == (target, index));
                if cut || target >= self.members.len() {
                    let refused = Input::ConnectFailed { reason: "connection refused" };
                    return self.members[index].node.handle(link, refused, now);
                }
                let id = self.members[target].open(&format!("n{index}"));
                let ends = [End::Link(index, link), End::Session(target, id)];
                self.connections.push(Connection { ends, pipes: Default::default(), open: true });
                self.members[index].node.handle(link, Input::Connected, now);
            }
            Action::Close { link } => {
                let mut last = Vec::new();
                self.members[index].node.transmit(link, &mut last, usize::MAX, now);
                let end = End::Link(index, link);
                let Some(at) = self.connections.iter().position(|connection| connection.ends.contains(&end)) else {
                    return;
                };
                let side = usize::from(self.connections[at].ends[1] == end);
                self.connections[at].pipes[side].push_back(last);
                let rest: Vec<u8> = self.connections[at].pipes[side].drain(..).flatten().collect();
                let peer = self.connections[at].ends[1 - side];
                self.connections[at].open = false;
                if let End::Link(peer, link) = peer {
                    self.members[peer].node.handle(link, Input::Received { bytes: &rest }, now);
                }
                self.close(peer);
            }
            Action::Log { .. } => {}
        }
    }

    fn deliver(&mut self, index: usize) {
        let now = self.now();
        for side in 0..2 {
            let connection = &mut self.connections[index];
            if !connection.open {
                return;
            }
            let bytes: Vec<u8> = connection.pipes[side].drain(..).flatten().collect();
            match connection.ends[1 - side] {
                _ if bytes.is_empty() => {}
                End::Link(node, link) => self.members[node].node.handle(link, Input::Received { bytes: &bytes }, now),
                End::Session(node, id) => {
                    if let Some(slot) = self.members[node].slots.get_mut(&id) {
                        slot.input.extend_from_slice(&bytes);
                    }
                }
            }
        }
    }

    fn transmit(&mut self, index: usize, side: usize) {
        let now = self.now();
        let connection = &mut self.connections[index];
        if !connection.open {
            return;
        }
        let mut bytes = Vec::new();
        match connection.ends[side] {
            End::Link(node, link) => {
                self.members[node].node.transmit(link, &mut bytes, 64 * 1024, now);
            }
            End::Session(node, id) => {
                if let Some(slot) = self.members[node].slots.get_mut(&id) {
                    bytes = slot.session.out.buffer.to_vec();
                    slot.session.out.buffer.clear();
                }
            }
        }
        if !bytes.is_empty() {
            connection.pipes[side].push_back(bytes);
        }
    }
}
