//! The nodes of one history and everything between them.

use crate::clock::SkewedClock;
use crate::network::{Delivery, Network};
use crate::node::{Machine, Settings, Tape};
use effect::{NodeId, Origin};
use mesh::{Action, Input, LinkId, Now};
use rand::rngs::SmallRng;
use std::collections::BTreeMap;

/// How much one step moves the true time.
const STEP_US: u64 = 5_000;
/// The same where nothing happens but time.
const LEAP_STEP_US: u64 = 250_000;
/// How often it is noted what each node has applied.
const NOTE_STEPS: u64 = 4;

/// What the dialling or accepting side of a connection belongs to.
enum End {
    Link(LinkId),
    /// Accepted, and not (yet) a link.
    Session(Box<crate::node::Conversation>),
}

/// One machine of the data centre: there or crashed.
pub struct Host {
    pub machine: Option<Machine>,
    pub clock: SkewedClock,
    /// Indexes of the hosts that its `replicaof` lines name.
    pub masters: Vec<usize>,
    id: NodeId,
    incarnation: u32,
    ends: BTreeMap<usize, (usize, End)>,
    /// (when the dial is answered, link, where to)
    dials: Vec<(u64, LinkId, usize)>,
}

/// All of them.
pub struct World {
    pub now_us: u64,
    steps: u64,
    pub hosts: Vec<Host>,
    pub network: Network,
    pub rng: SmallRng,
    /// A machine that starts again has another name.
    pub nameless: bool,
    /// Has any machine crashed?
    pub has_crashed: bool,
    settings: Settings,
    /// What may lie in one direction of a connection before the writer has to wait.
    window_bytes: usize,
    /// Everything that any node has committed.
    pub tape: Tape,
    /// Lines of the nodes' logs, for a failing history.
    pub log: Vec<String>,
}

/// The name under which host `index` is dialled.
pub fn address(index: usize) -> String {
    format!("host{index}")
}

impl World {
    pub fn new(rng: SmallRng, settings: Settings, window_bytes: usize) -> World {
        World {
            now_us: 0,
            steps: 0,
            hosts: Vec::new(),
            network: Network::default(),
            rng,
            nameless: false,
            has_crashed: false,
            settings,
            window_bytes,
            tape: Tape::default(),
            log: Vec::new(),
        }
    }

    /// A new machine, started at once. Its clock is off by some.
    pub fn add_host(&mut self, masters: Vec<usize>) -> usize {
        let index = self.hosts.len();
        let clock = SkewedClock::random(&mut self.rng);
        self.hosts.push(Host {
            machine: None,
            clock,
            masters,
            id: NodeId(0x1000 + index as u64),
            incarnation: 0,
            ends: BTreeMap::new(),
            dials: Vec::new(),
        });
        self.start(index);
        index
    }

    /// Starts a machine with an empty memory.
    pub fn start(&mut self, index: usize) {
        let now = self.now(index);
        let host = &mut self.hosts[index];
        assert!(host.machine.is_none(), "host {index} runs already");
        host.incarnation += 1;
        if self.nameless && host.incarnation > 1 {
            (host.id, host.incarnation) = (NodeId(host.id.0 + 0x100), 1);
        }
        let origin = Origin { node: host.id, incarnation: host.incarnation };
        let masters: Vec<String> = host.masters.iter().map(|master| address(*master)).collect();
        let seed = rand::Rng::random(&mut self.rng);
        host.machine = Some(Machine::start(origin, &masters, seed, self.settings, self.tape.clone(), now));
    }

    /// kill -9: memory and connections are gone.
    pub fn crash(&mut self, index: usize) {
        self.has_crashed = true;
        let host = &mut self.hosts[index];
        host.machine = None;
        host.ends.clear();
        host.dials.clear();
        for connection in self.network.of(index) {
            self.network.cut(connection);
        }
    }

    pub fn alive(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|index| self.hosts[*index].machine.is_some()).collect()
    }

    /// What the clocks of a host show.
    pub fn now(&self, index: usize) -> Now {
        Now { unix_ms: self.hosts[index].clock.unix_us(self.now_us) / 1000, monotonic_ms: self.now_us / 1000 + 1 }
    }

    /// A client on host `index` sends these commands in one go; the replies as bytes.
    pub fn command(&mut self, index: usize, commands: &[Vec<String>]) -> Vec<u8> {
        let now = self.now(index);
        self.hosts[index].machine.as_mut().expect("alive").command(commands, now)
    }

    /// A client on host `index` sends a command that may have to wait.
    pub fn wait(&mut self, index: usize, command: Vec<String>) {
        let now = self.now(index);
        self.hosts[index].machine.as_mut().expect("alive").wait(command, now);
    }

    /// Has every change of the key on host `index` been told to those who want to hear of it?
    pub fn examine(&mut self, index: usize, key: &str) -> Result<(), String> {
        let now = self.now(index);
        let examined = self.hosts[index].machine.as_mut().expect("alive").examine(key, now);
        examined.map_err(|what| format!("host{index}: {what}"))
    }

    /// A host gets another master, or loses one.
    pub fn replicaof(&mut self, index: usize, words: &str) {
        let command: Vec<String> = format!("REPLICAOF {words}").split(' ').map(str::to_owned).collect();
        let reply = self.command(index, &[command]);
        assert!(reply.starts_with(b"+"), "{}", String::from_utf8_lossy(&reply));
    }

    /// Time goes by, and nobody writes.
    pub fn leap(&mut self, time_us: u64) {
        for _ in 0..time_us / LEAP_STEP_US {
            self.now_us += LEAP_STEP_US - STEP_US;
            self.step();
        }
    }

    /// One step of everything.
    pub fn step(&mut self) {
        self.now_us += STEP_US;
        for index in self.alive() {
            self.answer_dials(index);
            self.deliver(index);
            let now = self.now(index);
            let machine = self.hosts[index].machine.as_mut().expect("alive");
            machine.turn(now);
            self.transmit(index);
            self.act(index);
        }
        self.steps += 1;
        if self.steps.is_multiple_of(NOTE_STEPS) {
            self.machines_mut().for_each(Machine::note_applied);
        }
    }

    fn machines_mut(&mut self) -> impl Iterator<Item = &mut Machine> {
        self.hosts.iter_mut().filter_map(|host| host.machine.as_mut())
    }

    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.hosts.iter().filter_map(|host| host.machine.as_ref())
    }

    /// What each node's listener has heard.
    pub fn heard(&mut self) -> Vec<Vec<String>> {
        let clocks: Vec<Now> = (0..self.hosts.len()).map(|index| self.now(index)).collect();
        let hosts = self.hosts.iter_mut().zip(clocks);
        hosts.filter_map(|(host, now)| Some(host.machine.as_mut()?.heard(now))).collect()
    }

    /// Is `origin` the present life of a host?
    pub fn is_live(&self, origin: Origin) -> bool {
        let is_it = |host: &Host| host.id == origin.node && host.incarnation == origin.incarnation;
        self.hosts.iter().any(|host| host.machine.is_some() && is_it(host))
    }

    fn answer_dials(&mut self, index: usize) {
        let now = self.now(index);
        let now_us = self.now_us;
        let due: Vec<_> = self.hosts[index].dials.extract_if(.., |(due_us, ..)| *due_us <= now_us).collect();
        for (_, link, target) in due {
            let there = self.hosts.get(target).is_some_and(|host| host.machine.is_some());
            if !there || !self.network.reachable(index, target) {
                let machine = self.hosts[index].machine.as_ref().expect("alive");
                machine.handle(link, Input::ConnectFailed { reason: "connection refused" }, now);
                continue;
            }
            let connection = self.network.connect(index, target, &mut self.rng);
            let session =
                self.hosts[target].machine.as_ref().expect("there").converse(&address(index), self.now(target));
            self.hosts[target].ends.insert(connection, (1, End::Session(Box::new(session))));
            self.hosts[index].ends.insert(connection, (0, End::Link(link)));
            self.hosts[index].machine.as_ref().expect("alive").handle(link, Input::Connected, now);
        }
    }

    fn deliver(&mut self, index: usize) {
        let now = self.now(index);
        for connection in self.hosts[index].ends.keys().copied().collect::<Vec<_>>() {
            let side = self.hosts[index].ends[&connection].0;
            while let Some(delivery) = self.network.read(connection, side, self.now_us) {
                let host = &mut self.hosts[index];
                let machine = host.machine.as_mut().expect("alive");
                let Some((_, end)) = host.ends.get_mut(&connection) else { break };
                match (delivery, end) {
                    (Delivery::Bytes(bytes), End::Link(link)) => {
                        machine.handle(*link, Input::Received { bytes: &bytes }, now);
                    }
                    (Delivery::Closed, End::Link(link)) => {
                        machine.handle(*link, Input::Closed { reason: "connection reset" }, now);
                        host.ends.remove(&connection);
                        self.network.close(connection, side);
                        break;
                    }
                    (Delivery::Bytes(bytes), End::Session(session)) => {
                        let (replies, link) = machine.converse_on(session, &bytes, now);
                        if let Some(link) = link {
                            host.ends.insert(connection, (side, End::Link(link)));
                        }
                        self.network.write(connection, side, replies, self.now_us, &mut self.rng);
                    }
                    (Delivery::Closed, End::Session(_)) => {
                        host.ends.remove(&connection);
                        break;
                    }
                }
            }
        }
    }

    fn transmit(&mut self, index: usize) {
        let now = self.now(index);
        let host = &self.hosts[index];
        let node = &host.machine.as_ref().expect("alive").node;
        let mut written = Vec::new();
        for (connection, (side, end)) in &host.ends {
            let End::Link(link) = end else { continue };
            let in_flight = self.network.get(*connection).map_or(0, |open| open.in_flight(*side));
            if in_flight < self.window_bytes {
                let mut output = Vec::new();
                node.transmit(*link, &mut output, self.window_bytes, now);
                written.push((*connection, *side, output));
            }
        }
        for (connection, side, output) in written {
            if !output.is_empty() {
                self.network.write(connection, side, output, self.now_us, &mut self.rng);
            }
        }
    }

    fn act(&mut self, index: usize) {
        let now = self.now(index);
        let node = self.hosts[index].machine.as_ref().expect("alive").node.clone();
        while let Some(action) = node.poll_action() {
            match action {
                Action::Dial { link, host, .. } => {
                    let target = host.strip_prefix("host").and_then(|number| number.parse().ok()).expect("our names");
                    let due_us = self.now_us + rand::Rng::random_range(&mut self.rng, 0..50_000);
                    self.hosts[index].dials.push((due_us, link, target));
                }
                Action::Close { link } => self.close(index, link, now),
                Action::Log { text, .. } => self.log.push(format!("{:>8} ms  host{index}  {text}", self.now_us / 1000)),
            }
        }
    }

    fn close(&mut self, index: usize, link: LinkId, now: Now) {
        let host = &mut self.hosts[index];
        host.dials.retain(|(_, dialled, _)| *dialled != link);
        let found = host.ends.iter().find(|(_, (_, end))| matches!(end, End::Link(other) if *other == link));
        let Some((connection, side)) = found.map(|(connection, (side, _))| (*connection, *side)) else { return };
        let mut output = Vec::new();
        while host.machine.as_ref().expect("alive").node.transmit(link, &mut output, self.window_bytes, now) {}
        host.ends.remove(&connection);
        if !output.is_empty() {
            self.network.write(connection, side, output, self.now_us, &mut self.rng);
        }
        self.network.close(connection, side);
    }
}
