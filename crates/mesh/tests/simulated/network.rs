//! A network of meshes over toy stores, in one thread: links with delay, cuts and partitions.

use effect::{Clock, Deadline, Effect, EffectReader, EffectWriter, NodeId, Origin, Stamp, VersionVector};
use mesh::{
    Action, BatchReader, Credentials, Cursor, Export, Input, LinkId, Mesh, Mode, Now, Options, Record, Rest, Severity,
    Sighting, Store, Watermarks,
};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

pub const EPOCH_MS: u64 = 1_795_000_000_000;

type Values = BTreeMap<Vec<u8>, (Stamp, Origin, Vec<u8>)>;

/// Last write wins; remembers what it was given, to complain about what must not happen.
#[derive(Default)]
pub struct ToyStore {
    pub remembered_bytes: usize,
    /// How many keys were looked at.
    pub surveyed: usize,
    pub values: Values,
    pub clock: Clock,
    pub context: u64,
    /// How often it wants to be asked to prepare a record, and how often it was.
    pub preparations: u64,
    prepared: HashMap<(Origin, Stamp), u64>,
    pub applied: HashSet<(Origin, Stamp)>,
    /// What this node has, by its own book-keeping.
    have: VersionVector,
    pub watermarks: Watermarks,
    importing: Option<VersionVector>,
    pub imported_keys: usize,
    pub doubted: Vec<Vec<u8>>,
    /// Nodes appear that nobody counted on: what they wrote before may be older than what is stable.
    pub has_late_joiners: bool,
}

impl ToyStore {
    fn write(&mut self, key: &[u8], stamp: Stamp, origin: Origin, value: &[u8]) {
        let entry = self.values.entry(key.to_vec()).or_insert((Stamp::ZERO, origin, Vec::new()));
        if (stamp, origin) >= (entry.0, entry.1) {
            *entry = (stamp, origin, value.to_vec());
        }
    }
}

/// What is left to write down.
struct ToyExport(Values);

impl Export for ToyExport {
    fn go_on(&mut self, budget: usize, output: &mut Vec<u8>) -> bool {
        while output.len() < budget
            && let Some((key, (stamp, origin, value))) = self.0.pop_first()
        {
            for part in [key, value] {
                output.extend_from_slice(&(part.len() as u32).to_le_bytes());
                output.extend_from_slice(&part);
            }
            for number in [stamp.0, origin.node.0, u64::from(origin.incarnation)] {
                output.extend_from_slice(&number.to_le_bytes());
            }
        }
        !self.0.is_empty()
    }
}

impl Store for ToyStore {
    fn remembered_bytes(&self) -> usize {
        self.remembered_bytes
    }

    fn check(&self, record: &Record<'_>) -> Result<(), String> {
        let is_known = |effect| matches!(effect, Ok(Effect::Set { .. }));
        EffectReader::new(record.effects).all(is_known).then_some(()).ok_or("not a SET".into())
    }

    fn fetch_ahead(&mut self, records: &mut BatchReader<'_>) -> usize {
        (0..3).take_while(|_| matches!(records.next_record(), Ok(Some(_)))).count()
    }

    fn prepare(&mut self, record: &Record<'_>) -> Result<bool, String> {
        let calls = self.prepared.entry((record.origin, record.first)).or_default();
        *calls += 1;
        Ok(*calls > self.preparations)
    }

    fn apply(&mut self, record: &Record<'_>, row: &VersionVector) -> Result<u64, String> {
        let (origin, last) = (record.origin, record.last());
        assert!(self.applied.insert((origin, record.first)), "{origin:?} {:?} twice", record.first);
        assert!(self.have.get(origin) < record.first, "out of order");
        for (cause, stamp) in record.context {
            assert!(self.have.covers(*cause, *stamp), "{origin:?} {last:?} before its cause {cause:?} {stamp:?}");
        }
        assert!(row.covers(origin, last));
        assert!(self.has_late_joiners || record.last() > self.watermarks.clock, "older than the clock watermark");
        self.have.advance(origin, last);
        self.clock.observe(last);
        for (n, effect) in EffectReader::new(record.effects).enumerate() {
            let Ok(Effect::Set { key, value, .. }) = effect else { return Err("not a SET".into()) };
            self.write(key, record.first.plus(n as u64), origin, value);
        }
        self.context += 1;
        Ok(self.context)
    }

    fn stabilize(&mut self, watermarks: &Watermarks) {
        assert!(watermarks.clock >= self.watermarks.clock);
        self.watermarks = watermarks.clone();
    }

    fn export(&self) -> Box<dyn Export> {
        Box::new(ToyExport(self.values.clone()))
    }

    fn survey(&mut self, cursor: Cursor, _now: Now, see: &mut dyn FnMut(Sighting<'_>)) -> Option<Cursor> {
        let (key, (stamp, author, value)) = self.values.iter().nth(cursor.position as usize)?;
        let hash = |bytes: &[u8]| bytes.iter().fold(1, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(*byte));
        let rest = (*stamp <= self.watermarks.clock).then_some(Rest { digest: hash(value), stamp: *stamp });
        self.surveyed += 1;
        see(Sighting { db: 0, key, hash: hash(key), rest, author: Some(*author), work: 1 + value.len() / 100 });
        Some(Cursor { position: cursor.position + 1, ..cursor })
    }

    fn doubt(&mut self, _db: u32, key: &[u8]) {
        self.doubted.push(key.to_vec());
    }

    fn decided(&self) -> VersionVector {
        VersionVector::new()
    }

    fn import_begin(
        &mut self,
        theirs: &VersionVector,
        _decided: &VersionVector,
        _ours: &VersionVector,
        replace: bool,
        _is_stranger: bool,
    ) -> Result<u64, String> {
        if replace {
            self.values.clear();
            self.have = VersionVector::new();
        }
        self.importing = Some(theirs.clone());
        self.context += 1;
        Ok(self.context)
    }

    fn import(&mut self, mut bytes: &[u8], _latest: Stamp) -> Result<(), String> {
        fn take<'b>(bytes: &mut &'b [u8], n: usize) -> &'b [u8] {
            let (head, tail) = bytes.split_at(n);
            *bytes = tail;
            head
        }
        while !bytes.is_empty() {
            let mut sized = || {
                let n = u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap());
                take(&mut bytes, n as usize).to_vec()
            };
            let (key, value) = (sized(), sized());
            let mut number = || u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap());
            let (stamp, node, incarnation) = (number(), number(), number());
            self.write(&key, Stamp(stamp), Origin { node: NodeId(node), incarnation: incarnation as u32 }, &value);
            self.imported_keys += 1;
        }
        Ok(())
    }

    fn import_end(&mut self, complete: bool) -> u64 {
        let theirs = self.importing.take().expect("begun");
        if complete {
            for (_, stamp) in theirs.iter() {
                self.clock.observe(stamp);
            }
            self.have.merge(&theirs);
        }
        self.context += 1;
        self.context
    }
}

pub struct Node {
    pub mesh: Mesh,
    pub store: ToyStore,
    pub password: Option<String>,
    /// Added to the wall clock.
    pub skew_ms: i64,
    pub up: bool,
    pub lines: Vec<(Severity, String)>,
}

/// One direction's bytes under way: (arrival, bytes).
type Pipe = VecDeque<(u64, Vec<u8>)>;

struct Connection {
    /// Dialler and acceptor: node and link.
    ends: [(usize, Option<LinkId>); 2],
    /// From each end to the other.
    pipes: [Pipe; 2],
    /// What the acceptor's session received before it became a link.
    session: Vec<u8>,
    authenticated: bool,
    open: bool,
}

pub struct Network {
    pub now_ms: u64,
    pub nodes: Vec<Node>,
    connections: Vec<Connection>,
    pub delay_ms: u64,
    /// Pairs of nodes that cannot talk.
    pub cuts: HashSet<(usize, usize)>,
    /// What the first node sends to the second is under way for ever.
    pub stall: Option<(usize, usize)>,
    /// Bytes that a connection takes per millisecond.
    pub bandwidth: usize,
    pub bytes_carried: u64,
}

pub fn origin(node: usize, incarnation: u32) -> Origin {
    Origin { node: NodeId(node as u64 + 1), incarnation }
}

pub fn options() -> Options {
    Options { mode: Mode::MultiMaster, timeout_ms: 5_000, ..Options::default() }
}

impl Network {
    pub fn new(count: usize, options: Options) -> Network {
        let now = Now { unix_ms: EPOCH_MS, monotonic_ms: 0 };
        let nodes = (0..count).map(|node| Network::node(node, 1, options.clone(), now)).collect();
        Network {
            now_ms: 0,
            nodes,
            connections: Vec::new(),
            delay_ms: 2,
            cuts: HashSet::new(),
            stall: None,
            bandwidth: usize::MAX,
            bytes_carried: 0,
        }
    }

    fn node(node: usize, incarnation: u32, options: Options, now: Now) -> Node {
        let mesh = Mesh::new(origin(node, incarnation), options, node as u64, now);
        Node { mesh, store: ToyStore::default(), password: None, skew_ms: 0, up: true, lines: Vec::new() }
    }

    pub fn now(&self, node: usize) -> Now {
        let unix_ms = (EPOCH_MS + self.now_ms).wrapping_add_signed(self.nodes[node].skew_ms);
        Now { unix_ms, monotonic_ms: self.now_ms }
    }

    /// `node` becomes a replica of `master`.
    pub fn replicate(&mut self, node: usize, master: usize) {
        let now = self.now(node);
        let last = self.nodes[node].store.clock.last();
        self.nodes[node].mesh.activate(last);
        assert!(self.nodes[node].mesh.add_master(&format!("n{master}"), 1, now));
    }

    pub fn both(&mut self, one: usize, other: usize) {
        self.replicate(one, other);
        self.replicate(other, one);
    }

    /// Memory and connections are lost.
    pub fn restart(&mut self, node: usize, incarnation: u32) {
        self.cut_connections(|ends| ends.contains(&node));
        let options = self.nodes[node].mesh.options().clone();
        let masters: Vec<_> = self.nodes[node].mesh.masters().map(|(host, _)| host.to_owned()).collect();
        let now = self.now(node);
        self.nodes[node] = Network::node(node, incarnation, options, now);
        for host in masters {
            self.replicate(node, host[1..].parse().unwrap());
        }
    }

    pub fn cut_connections(&mut self, which: impl Fn([usize; 2]) -> bool) {
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            let ends = connection.ends;
            if connection.open && which([ends[0].0, ends[1].0]) {
                connection.open = false;
                for (node, link) in ends {
                    self.input(node, link, Input::Closed { reason: "connection reset" });
                }
            }
        }
    }

    /// Cuts a pair off from each other until `heal`.
    pub fn cut(&mut self, one: usize, other: usize) {
        self.cuts.insert((one.min(other), one.max(other)));
        self.cut_connections(|ends| ends.contains(&one) && ends.contains(&other));
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    fn input(&mut self, node: usize, link: Option<LinkId>, input: Input<'_>) {
        let now = self.now(node);
        let Node { mesh, store, .. } = &mut self.nodes[node];
        if let Some(link) = link {
            mesh.handle(link, input, store, now);
        }
    }

    /// A commit of SETs.
    pub fn set(&mut self, node: usize, pairs: &[(&str, &str)]) -> Stamp {
        let now = self.now(node);
        let Node { mesh, store, .. } = &mut self.nodes[node];
        let own = mesh.own();
        let count = pairs.len() as u64;
        let first = store.clock.next(now.unix_ms, count);
        let mut effects = Vec::new();
        for (n, (key, value)) in pairs.iter().enumerate() {
            let (key, value) = (key.as_bytes(), value.as_bytes());
            EffectWriter::new(&mut effects).push(&Effect::Set { key, value, deadline: Deadline::Clear });
            store.write(key, first.plus(n as u64), own, value);
        }
        store.have.advance(own, first.plus(count - 1));
        mesh.commit(first, count, store.context, &effects, now);
        first
    }

    pub fn value(&self, node: usize, key: &str) -> Option<String> {
        let (_, _, value) = self.nodes[node].store.values.get(key.as_bytes())?;
        Some(String::from_utf8(value.clone()).unwrap())
    }

    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// Runs until all nodes hold the same data, at most `ms`.
    pub fn settle(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
            if self.is_settled() {
                return;
            }
        }
        let vectors: Vec<_> = self.nodes.iter().map(|node| node.mesh.vector().clone()).collect();
        panic!("not settled: {vectors:#?}");
    }

    pub fn is_settled(&self) -> bool {
        let mut up = self.nodes.iter().filter(|node| node.up);
        let first = &up.next().unwrap().store.values;
        up.all(|node| node.store.values == *first)
    }

    fn step(&mut self) {
        self.now_ms += 1;
        for index in 0..self.connections.len() {
            self.deliver(index);
        }
        for node in 0..self.nodes.len() {
            let now = self.now(node);
            let Node { mesh, store, up: true, .. } = &mut self.nodes[node] else { continue };
            if mesh.wants_tick(now) {
                let stamp = store.clock.next(now.unix_ms, 1);
                store.have.advance(mesh.own(), stamp);
                mesh.commit(stamp, 0, store.context, &[], now);
            }
            mesh.turn(store, now);
            if let Some(deadline_ms) = mesh.deadline_ms() {
                let spins = deadline_ms <= self.now_ms && store.preparations == 0;
                assert!(!spins, "a driver would spin: {deadline_ms} at {}", self.now_ms);
            }
            while let Some(action) = self.nodes[node].mesh.poll_action() {
                self.act(node, action);
            }
        }
        for index in 0..self.connections.len() {
            for end in 0..2 {
                self.transmit(index, end);
            }
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::Dial { link, host, .. } => {
                let target: usize = host[1..].parse().unwrap();
                let cut = self.cuts.contains(&(node.min(target), node.max(target)));
                if cut || !self.nodes[target].up {
                    self.input(node, Some(link), Input::ConnectFailed { reason: "connection refused" });
                    return;
                }
                self.connections.push(Connection {
                    ends: [(node, Some(link)), (target, None)],
                    pipes: Default::default(),
                    session: Vec::new(),
                    authenticated: self.nodes[target].password.is_none(),
                    open: true,
                });
                self.input(node, Some(link), Input::Connected);
            }
            Action::Close { link } => {
                let found =
                    self.connections.iter().position(|connection| connection.ends.contains(&(node, Some(link))));
                let mut last = Vec::new();
                let now = self.now(node);
                let Node { mesh, .. } = &mut self.nodes[node];
                mesh.transmit(link, &mut last, usize::MAX, now);
                let Some(index) = found.filter(|index| self.connections[*index].open) else { return };
                let end = usize::from(self.connections[index].ends[1] == (node, Some(link)));
                // What is under way arrives, then the end of the stream.
                let (peer, peer_link) = self.connections[index].ends[1 - end];
                let mut rest: Vec<u8> =
                    self.connections[index].pipes[end].drain(..).flat_map(|(_, bytes)| bytes).collect();
                rest.append(&mut last);
                self.connections[index].open = false;
                self.input(peer, peer_link, Input::Received { bytes: &rest });
                self.input(peer, peer_link, Input::Closed { reason: "closed by peer" });
            }
            Action::Log { severity, text } => self.nodes[node].lines.push((severity, text)),
        }
    }

    fn transmit(&mut self, index: usize, end: usize) {
        let connection = &mut self.connections[index];
        let (node, Some(link)) = connection.ends[end] else { return };
        let waiting: usize = connection.pipes[end].iter().map(|(_, bytes)| bytes.len()).sum();
        if !connection.open || waiting >= 64 * 1024 {
            return;
        }
        let mut bytes = Vec::new();
        let now = self.now(node);
        let Node { mesh, .. } = &mut self.nodes[node];
        mesh.transmit(link, &mut bytes, 64 * 1024, now);
        if !bytes.is_empty() {
            self.bytes_carried += bytes.len() as u64;
            self.connections[index].pipes[end].push_back((self.now_ms + self.delay_ms, bytes));
        }
    }

    fn deliver(&mut self, index: usize) {
        for end in 0..2 {
            let ends = self.connections[index].ends;
            let stalled = self.stall == Some((ends[end].0, ends[1 - end].0));
            let mut room = if stalled { 0 } else { self.bandwidth };
            while room > 0 && self.connections[index].open {
                let Some((arrival_ms, mut bytes)) = self.connections[index].pipes[end].pop_front() else { break };
                if arrival_ms > self.now_ms {
                    self.connections[index].pipes[end].push_front((arrival_ms, bytes));
                    break;
                }
                if bytes.len() > room {
                    let rest = bytes.split_off(room);
                    self.connections[index].pipes[end].push_front((arrival_ms, rest));
                }
                room -= bytes.len();
                let (node, link) = self.connections[index].ends[1 - end];
                match link {
                    Some(_) => self.input(node, link, Input::Received { bytes: &bytes }),
                    None => self.session(index, &bytes),
                }
            }
        }
    }

    /// The acceptor's session: what a server answers before `MESH LINK`.
    fn session(&mut self, index: usize, bytes: &[u8]) {
        self.connections[index].session.extend_from_slice(bytes);
        while let Some(words) = take_request(&mut self.connections[index].session) {
            let connection = &mut self.connections[index];
            let [(dialler, _), (node, _)] = connection.ends;
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let reply = match words.as_slice() {
                ["AUTH", password] if self.nodes[node].password.as_deref() == Some(*password) => {
                    connection.authenticated = true;
                    "+OK\r\n"
                }
                ["AUTH", ..] => "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
                _ if !connection.authenticated => "-NOAUTH Authentication required.\r\n",
                ["PING"] => "+PONG\r\n",
                ["REPLCONF", ..] => "+OK\r\n",
                ["MESH", "LINK", rest @ ..] => {
                    let now = self.now(node);
                    let last = self.nodes[node].store.clock.last();
                    self.nodes[node].mesh.activate(last);
                    let link = self.nodes[node].mesh.accept(rest, &format!("n{dialler}"), 1, now);
                    self.connections[index].ends[1].1 = Some(link);
                    let rest = std::mem::take(&mut self.connections[index].session);
                    self.input(node, Some(link), Input::Received { bytes: &rest });
                    return;
                }
                _ => "-ERR unknown command\r\n",
            };
            connection.pipes[1].push_back((self.now_ms + self.delay_ms, reply.as_bytes().to_vec()));
        }
    }

    /// Records that were sent and applied, over all nodes.
    pub fn totals(&self) -> (u64, u64, u64) {
        self.nodes.iter().map(|node| node.mesh.counters()).fold((0, 0, 0), |(sent, applied, duplicates), counters| {
            (sent + counters.records_sent, applied + counters.records_applied, duplicates + counters.duplicates)
        })
    }
}

fn take_request(session: &mut Vec<u8>) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(session).into_owned();
    let mut lines = text.split_inclusive("\r\n");
    let count: usize = lines.next()?.trim_end().strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    let mut taken = text.split_inclusive("\r\n").next()?.len();
    for _ in 0..count {
        taken += lines.next()?.len();
        let word = lines.next().filter(|word| word.ends_with("\r\n"))?;
        taken += word.len();
        words.push(word.trim_end().to_owned());
    }
    session.drain(..taken);
    Some(words)
}

pub fn with_password(options: &Options, password: &str) -> Options {
    Options { credentials: Credentials { user: None, password: Some(password.into()) }, ..options.clone() }
}
