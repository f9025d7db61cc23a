//! The machine itself: links, timers, local commits. Receiving is in `receive`, serving in `serve`, the
//! choice of feeders in `feeders`.

use crate::assumptions::Assumptions;
use crate::compare::{Comparison, Said};
use crate::departures::Departures;
use crate::handshake::{Credentials, Handshake, HandshakeError, Introduction, Mode};
use crate::inflow::Inflow;
use crate::joining::Joining;
use crate::link::{Link, Phase, Side, Upstream};
use crate::log::RelayLog;
use crate::master::Master;
use crate::message::{Message, PROTOCOL_VERSION};
use crate::rows::{Rows, Watermarks};
use crate::serve::UNSETTLED_MS;
use crate::store::Store;
use crate::{Action, BatchWriter, Input, LinkId, Now, Record, Severity};
use effect::{Origin, Stamp, VersionVector};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An idle origin emits a tick this often, in milliseconds.
const TICK_MS: u64 = 1000;
/// Remote effects are reported (in a record or a tick) this soon after they were applied …
const REPORT_MS: u64 = 100;
/// … and at once where so many records of them are not: until then all nodes remember what they were about.
const REPORT_RECORDS: usize = 1024;
/// A peer hears of new effects at most this often …
const TELL_MS: u64 = 50;
/// … and of nothing but ticks, or of nothing at all, this often.
const TELL_IDLE_MS: u64 = 1000;
/// Watermarks are computed at most this often …
const STABILIZE_MS: u64 = 50;
/// … and this often where so many records came or were made since: the fewer there are to remember the faster that is.
const STABILIZE_BUSY_MS: u64 = 10;
const STABILIZE_BUSY_RECORDS: u64 = 1024;
/// A dialled connection speaks frames within this time.
const HANDSHAKE_MS: u64 = 10_000;

/// How a mesh is set up; all but the identity may change at run time.
#[derive(Clone, Debug)]
pub struct Options {
    pub mode: Mode,
    pub credentials: Credentials,
    /// Where this node serves, for the peers' INFO.
    pub listening_port: u16,
    /// Bytes of records kept for those who reconnect (mesh-log-size).
    pub log_bytes: usize,
    /// Bytes that the data set may remember for those who are away beyond that (mesh-away-size).
    pub away_bytes: usize,
    /// A silent link is given up after this time (repl-timeout).
    pub timeout_ms: u64,
    /// A stamp further in the future waits (mesh-clock-skew-max).
    pub clock_skew_max_ms: u64,
    /// How often what has changed is compared with what the masters have; 0: never (mesh-compare-interval).
    pub compare_ms: u64,
}

impl Options {
    /// Nothing later than this is taken in yet.
    pub(crate) fn latest_stamp(&self, now: Now) -> Stamp {
        Stamp::last_of_ms(now.unix_ms.saturating_add(self.clock_skew_max_ms))
    }
}

impl Default for Options {
    fn default() -> Options {
        Options {
            mode: Mode::Classic,
            credentials: Credentials::default(),
            listening_port: 0,
            log_bytes: 64 << 20,
            away_bytes: 256 << 20,
            timeout_ms: 60_000,
            clock_skew_max_ms: 600_000,
            compare_ms: 60_000,
        }
    }
}

/// Ever-growing counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records of other origins that were applied, ticks not counted.
    pub records_applied: u64,
    /// Records that came although they were here already.
    pub duplicates: u64,
    /// Records that had to wait for their causes.
    pub held_back: u64,
    /// Records written to links, ticks not counted.
    pub records_sent: u64,
    pub feeder_switches: u64,
    /// Data sets received and sent.
    pub state_imports: u64,
    pub state_exports: u64,
    /// Keys that a neighbour had otherwise, which should not be.
    pub keys_different: u64,
}

/// The multi-master protocol of one node.
pub struct Mesh {
    pub(crate) own: Origin,
    /// See `Introduction::process`.
    process: u64,
    pub(crate) options: Options,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) masters: Vec<Master>,
    /// What is applied here.
    pub(crate) vector: VersionVector,
    pub(crate) rows: Rows,
    /// Are there effects of this node?
    has_written: bool,
    pub(crate) departures: Departures,
    pub(crate) log: RelayLog,
    pub(crate) inflows: BTreeMap<Origin, Inflow>,
    /// Bytes of all records that wait for their causes.
    pub(crate) held_bytes: usize,
    /// The data set that is being received.
    pub(crate) import: Option<Import>,
    /// An import broke off: only another one mends it.
    pub(crate) unsettled: bool,
    pub(crate) assumptions: Assumptions,
    pub(crate) counters: Counters,
    /// Per origin the last stamp of a record with effects.
    pub(crate) last_effects: VersionVector,
    /// Records with effects applied or made here, and origins heard of: what peers are told soon.
    pub(crate) effects_applied: u64,
    /// How often a replica said what it has.
    pub(crate) acknowledgements: u64,
    pub(crate) batch: BatchWriter,
    /// How far ahead of ours the clocks at the other ends of links are, and when we heard it (monotonic), in ms.
    pub(crate) clock_offsets: BTreeMap<Origin, (i64, u64)>,
    pub(crate) comparison: Option<Comparison>,
    pub(crate) said: Said,
    /// How many keys there were when they were last compared.
    pub(crate) compared_keys: u64,
    /// What the masters had when they were first reached; `None` once all of it is here.
    pub(crate) to_join: Option<VersionVector>,
    /// Nodes that are receiving the data set of some other node, and do not speak for themselves yet.
    pub(crate) joining: BTreeMap<Origin, Joining>,
    /// Origins that have masters which they never reached.
    pub(crate) incomplete: BTreeSet<Origin>,
    /// Remote effects that no own record has reported: (context version, origin, stamp), in order.
    unreported: VecDeque<(u64, Origin, Stamp)>,
    report_ms: Option<u64>,
    tick_ms: u64,
    active: bool,
    actions: VecDeque<Action>,
    next_link: u64,
    pub(crate) dice: SmallRng,
    stable: Watermarks,
    stable_dirty: bool,
    /// When watermarks were computed last, and `effects_applied` then.
    stabilized_ms: u64,
    stabilized_effects: u64,
    context: Vec<(Origin, Stamp)>,
    assumed: Vec<(Origin, Stamp)>,
}

/// A data set on its way in.
pub(crate) struct Import {
    pub(crate) link: LinkId,
    /// The own data set is given up for it.
    pub(crate) replace: bool,
    /// What its sender had when it began, and what it knew of the others; here since STATE_BEGIN.
    pub(crate) begun: Option<Begun>,
    /// Since when nothing of it has come, as far as anybody has looked.
    pub(crate) silent_since_ms: Option<u64>,
    /// What its sender's log has of that. Once the data set is here, our log reaches as far back.
    pub(crate) tail: RelayLog,
    /// `RelayLog::appended` of our log when it was asked for.
    pub(crate) appended: u64,
}

pub(crate) struct Begun {
    pub(crate) vector: VersionVector,
    /// The same without ticks.
    pub(crate) effects: VersionVector,
    pub(crate) assumed: Vec<(Origin, VersionVector)>,
    pub(crate) rows: Vec<(Origin, VersionVector)>,
    /// All that may be part of it without a trace is here: until it is complete, nothing of that kind is added.
    pub(crate) is_traced: bool,
}

impl Mesh {
    /// `own`: never used before by another life of this or another node. `seed`: for jitter, and to be told from others.
    pub fn new(own: Origin, options: Options, seed: u64, now: Now) -> Mesh {
        let log = RelayLog::new(options.log_bytes);
        Mesh {
            own,
            process: seed,
            options,
            links: BTreeMap::new(),
            masters: Vec::new(),
            vector: VersionVector::new(),
            rows: Rows::default(),
            has_written: false,
            departures: Departures::default(),
            log,
            inflows: BTreeMap::new(),
            held_bytes: 0,
            import: None,
            unsettled: false,
            assumptions: Assumptions::default(),
            counters: Counters::default(),
            last_effects: VersionVector::new(),
            effects_applied: 0,
            acknowledgements: 0,
            batch: BatchWriter::default(),
            clock_offsets: BTreeMap::new(),
            comparison: None,
            said: Said::default(),
            compared_keys: 0,
            to_join: Some(VersionVector::new()),
            joining: BTreeMap::new(),
            incomplete: BTreeSet::new(),
            unreported: VecDeque::new(),
            report_ms: None,
            tick_ms: now.monotonic_ms,
            active: false,
            actions: VecDeque::new(),
            next_link: 1,
            dice: SmallRng::seed_from_u64(seed),
            stable: Watermarks::default(),
            stable_dirty: false,
            stabilized_ms: 0,
            stabilized_effects: 0,
            context: Vec::new(),
            assumed: Vec::new(),
        }
    }

    pub fn own(&self) -> Origin {
        self.own
    }

    /// What the neighbours have, as far as they have said.
    pub fn announced(&self) -> VersionVector {
        let mut announced = VersionVector::new();
        self.links.values().for_each(|link| announced.merge(&link.announced));
        announced
    }

    /// What is applied here.
    pub fn vector(&self) -> &VersionVector {
        &self.vector
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn set_options(&mut self, options: Options) {
        self.log.set_limit(options.log_bytes);
        self.options = options;
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How often a replica said what it has: when this stands still, so do WAITs.
    pub fn acknowledgements(&self) -> u64 {
        self.acknowledgements
    }

    /// The watermarks that the store was told last.
    pub fn watermarks(&self) -> &Watermarks {
        &self.stable
    }

    /// Is there, or was there ever, anyone to talk to? Until then nothing is logged and no tick emitted.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// From now on there are peers. `last`: the last stamp of the own clock; what was written up to then is not
    /// in the log, and has to be sent as state.
    pub fn activate(&mut self, last: Stamp) {
        if !self.active {
            self.active = true;
            self.vector.advance(self.own, last);
            self.last_effects.advance(self.own, last);
            if last > Stamp::ZERO {
                self.has_written = true;
                self.rows.begin(self.own, 0);
            }
            self.log.clear(&self.vector);
        }
    }

    // Masters

    /// Adds a master; false where it is there already. It is dialled on the next `turn`.
    pub fn add_master(&mut self, host: &str, port: u16, now: Now) -> bool {
        if self.masters.iter().any(|master| master.port == port && master.host.eq_ignore_ascii_case(host)) {
            return false;
        }
        self.masters.push(Master::new(host.to_owned(), port, now.monotonic_ms));
        true
    }

    /// Gives a master up; false where there is none of this address.
    pub fn remove_master(&mut self, host: &str, port: u16, store: &mut dyn Store, now: Now) -> bool {
        let found = |master: &Master| master.port == port && master.host.eq_ignore_ascii_case(host);
        let Some(index) = self.masters.iter().position(found) else { return false };
        let master = self.masters.remove(index);
        if let Some(link) = master.link {
            self.fail(link, "no longer a master", store, now);
        }
        true
    }

    pub fn masters(&self) -> impl Iterator<Item = (&str, u16)> {
        self.masters.iter().map(|master| (master.host.as_str(), master.port))
    }

    // Local commits

    /// A commit of this node; to be told in the order of stamps. `context`: as returned by `Store::apply`, how
    /// much it had seen. `count` 0 is a tick, for which see `wants_tick`.
    pub fn commit(&mut self, first: Stamp, count: u64, context: u64, effects: &[u8], now: Now) {
        let mut seen = std::mem::take(&mut self.context);
        seen.clear();
        while let Some((version, origin, stamp)) = self.unreported.front().copied() {
            if version > context {
                break;
            }
            self.unreported.pop_front();
            match seen.iter_mut().find(|(known, at)| *known == origin && *at > Stamp::ZERO) {
                Some((_, known)) => *known = stamp.max(*known),
                None => seen.push((origin, stamp)),
            }
        }
        if self.unreported.is_empty() {
            self.report_ms = None;
        }
        if self.is_incomplete() {
            seen.push((self.own, Stamp::ZERO));
        }
        let mut assumed = std::mem::take(&mut self.assumed);
        self.assumptions.of_commit(context, count > 0, &mut assumed);
        let previous = self.vector.get(self.own);
        let record = Record { origin: self.own, previous, first, count, context: &seen, assumed: &assumed, effects };
        debug_assert!(first > previous, "commits come in the order of their stamps");
        self.vector.advance(self.own, record.last());
        if self.active {
            self.log.append(&record, keep_from(&self.links));
        }
        (self.context, self.assumed) = (seen, assumed);
        self.tick_ms = now.monotonic_ms + TICK_MS;
        self.stable_dirty = true;
        if count > 0 {
            self.effects_applied += 1;
            self.last_effects.advance(self.own, self.vector.get(self.own));
            if !self.has_written {
                self.has_written = true;
                self.rows.begin(self.own, now.monotonic_ms);
            }
        }
    }

    /// Is it time for a record without effects? It is made by `commit` like any other.
    pub fn wants_tick(&self, now: Now) -> bool {
        self.next_tick_ms().is_some_and(|due_ms| now.monotonic_ms >= due_ms)
    }

    /// When the next tick is due; read-only replicas have nothing to say.
    fn next_tick_ms(&self) -> Option<u64> {
        let read_only = self.options.mode == Mode::Classic && !self.masters.is_empty();
        let due_ms = self.report_ms.map_or(self.tick_ms, |report_ms| report_ms.min(self.tick_ms));
        (self.active && !read_only).then_some(due_ms)
    }

    /// The next own record has something to say.
    pub(crate) fn report_soon(&mut self, now: Now) {
        self.report_ms.get_or_insert(now.monotonic_ms + REPORT_MS);
    }

    /// Remote effects were applied: the next own records say so.
    pub(crate) fn report(&mut self, context: u64, origin: Origin, stamp: Stamp, now: Now) {
        self.unreported.push_back((context, origin, stamp));
        self.report_soon(now);
        if self.unreported.len() >= REPORT_RECORDS {
            self.report_ms = Some(now.monotonic_ms);
        }
    }

    /// Somebody has, or depends on, this; fetch it if it does not come by itself. An origin that was unknown is a
    /// member from now on: nothing is stable until it says so too.
    pub(crate) fn expect(&mut self, origin: Origin, stamp: Stamp, now: Now) {
        if !self.vector.contains(origin) {
            self.vector.advance(origin, Stamp::ZERO);
            self.effects_applied += 1;
            self.announce_joiner(origin, now);
        }
        if origin != self.own && !self.vector.covers(origin, stamp) {
            self.inflows.entry(origin).or_default().expect(stamp, now.monotonic_ms);
        }
    }

    /// Names an origin of which nothing is here in the next own record, which comes soon.
    pub(crate) fn tell_now(&mut self, origin: Origin, now: Now) {
        self.unreported.push_front((0, origin, Stamp::ZERO));
        self.report_ms = Some(now.monotonic_ms + 1);
    }

    pub(crate) fn mark_stable_dirty(&mut self) {
        self.stable_dirty = true;
    }

    // Links

    /// A peer asks for our stream: `words` are the arguments after `MESH LINK`, `host` and `port` where it serves.
    /// What `transmit` has next is the reply.
    pub fn accept(&mut self, words: &[&str], host: &str, port: u16, now: Now) -> LinkId {
        let id = self.new_link(Side::Downstream(Default::default()), host, port, now);
        let introduction = Introduction::parse(words.iter().copied());
        let own = Introduction::new(self.own, self.options.mode, self.process);
        let refusal = match introduction {
            None => Some("ERR invalid MESH LINK".to_owned()),
            Some(peer) if peer.version != PROTOCOL_VERSION => {
                Some(format!("ERR mesh protocol version {} is not {PROTOCOL_VERSION}", peer.version))
            }
            Some(peer) => {
                own.check(&peer).and_then(|()| self.check_linked(&peer)).err().map(|error| format!("ERR {error}"))
            }
        };
        let link = self.links.get_mut(&id).expect("just made");
        link.peer = introduction;
        if let Some(refusal) = refusal {
            link.output.extend_from_slice(format!("-{refusal}\r\n").as_bytes());
            link.phase = Phase::Closing;
            self.actions.push_back(Action::Close { link: id });
            return id;
        }
        link.output.extend_from_slice(format!("+MESH {}\r\n", own.words().join(" ")).as_bytes());
        self.greet(id, now);
        id
    }

    /// Is another process linked under the name of this peer?
    fn check_linked(&self, peer: &Introduction) -> Result<(), HandshakeError> {
        let linked = self.links.values().filter(|link| matches!(link.phase, Phase::Greeting | Phase::Open));
        let mut others = linked.filter_map(|link| link.peer.as_ref());
        if others.any(|other| peer.is_twin_of(other)) { Err(HandshakeError::Twin) } else { Ok(()) }
    }

    fn new_link(&mut self, side: Side, host: &str, port: u16, now: Now) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(id, Link::new(id, side, host.to_owned(), port, now.monotonic_ms));
        id
    }

    /// Frames begin.
    fn greet(&mut self, id: LinkId, now: Now) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.phase = Phase::Greeting;
        link.opened_ms = now.monotonic_ms;
        link.told = self.vector.clone();
        link.told_effects = self.effects_applied;
        link.told_ms = now.monotonic_ms;
        let (origin, newest, vector) = (self.own, self.last_effects.newest(), self.vector.clone());
        link.send(&Message::Hello { origin, unix_ms: now.unix_ms, newest, vector });
    }

    /// Something happened on a link. Unknown links are ignored: their last messages may cross our closing.
    pub fn handle(&mut self, id: LinkId, input: Input<'_>, store: &mut dyn Store, now: Now) {
        let Some(link) = self.links.get_mut(&id) else { return };
        match input {
            Input::Connected => {
                let own = Introduction::new(self.own, self.options.mode, self.process);
                let (credentials, port) = (self.options.credentials.clone(), self.options.listening_port);
                link.opened_ms = now.monotonic_ms;
                link.heard_ms = now.monotonic_ms;
                link.phase = Phase::Handshaking(Handshake::begin(own, credentials, port, &mut link.output));
            }
            Input::ConnectFailed { reason } | Input::Closed { reason } => self.close(id, reason, store, now),
            Input::Received { bytes } => {
                link.heard_ms = now.monotonic_ms;
                link.bytes_received += bytes.len() as u64;
                if let Err(reason) = self.received(id, bytes, store, now) {
                    self.fail(id, &reason, store, now);
                }
            }
        }
    }

    fn received(&mut self, id: LinkId, bytes: &[u8], store: &mut dyn Store, now: Now) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        match &mut link.phase {
            Phase::Dialing | Phase::Closing => return Ok(()),
            Phase::Handshaking(handshake) => match handshake.feed(bytes, &mut link.output) {
                Ok(None) => return Ok(()),
                Ok(Some(peer)) => {
                    let rest = handshake.take_rest();
                    self.check_linked(&peer).map_err(|error| error.to_string())?;
                    let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
                    link.peer = Some(peer);
                    link.decoder.feed(&rest);
                    let rtt_ms = now.monotonic_ms.saturating_sub(link.opened_ms) / 2;
                    if let Some(upstream) = link.upstream_mut() {
                        upstream.rtt_ms = rtt_ms;
                    }
                    self.greet(id, now);
                }
                Err(error) => {
                    if error == HandshakeError::Myself {
                        self.give_up_dialing(id);
                    }
                    return Err(error.to_string());
                }
            },
            Phase::Greeting | Phase::Open => link.decoder.feed(bytes),
        }
        self.receive_frames(id, store, now)
    }

    fn receive_frames(&mut self, id: LinkId, store: &mut dyn Store, now: Now) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        // Out of the link while its messages are looked at, since they change everything else.
        let mut decoder = std::mem::take(&mut link.decoder);
        let result = loop {
            let longest = |kind| self.links.get(&id).map_or(0, |link| link.longest_message(kind));
            match decoder.next_message(longest) {
                Ok(None) => break Ok(()),
                Ok(Some((kind, payload))) => {
                    let message = Message::decode(kind, payload).map_err(|error| error.to_string());
                    if let Err(error) = message.and_then(|message| self.receive(id, message, store, now)) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error.to_string()),
            }
            if !self.links.get(&id).is_some_and(|link| matches!(link.phase, Phase::Greeting | Phase::Open)) {
                return Ok(());
            }
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.decoder = decoder;
        }
        self.assign_feeders(now);
        result
    }

    /// The master at the other end is this very node: never again.
    fn give_up_dialing(&mut self, id: LinkId) {
        if let Some(master) = self.masters.iter_mut().find(|master| master.link == Some(id)) {
            master.never = true;
        }
    }

    /// Closes a link from this side.
    pub(crate) fn fail(&mut self, id: LinkId, reason: &str, store: &mut dyn Store, now: Now) {
        let Some(mut link) = self.links.remove(&id) else { return };
        let greeted = matches!(link.phase, Phase::Greeting | Phase::Open);
        self.unlink(&mut link, reason, store, now);
        if greeted {
            link.send(&Message::Bye { reason: reason.as_bytes() });
        }
        link.phase = Phase::Closing;
        self.links.insert(id, link);
        self.actions.push_back(Action::Close { link: id });
    }

    /// The connection is gone.
    fn close(&mut self, id: LinkId, reason: &str, store: &mut dyn Store, now: Now) {
        if let Some(mut link) = self.links.remove(&id) {
            self.unlink(&mut link, reason, store, now);
        }
    }

    /// `link` is no longer in `links`: what depended on it goes another way.
    fn unlink(&mut self, link: &mut Link, reason: &str, store: &mut dyn Store, now: Now) {
        if matches!(link.phase, Phase::Closing) {
            return;
        }
        let what = if link.upstream().is_some() { "master" } else { "replica" };
        self.log_line(Severity::Warning, format!("Link with {what} {} lost: {reason}", link.address()));
        if let Some(master) = self.masters.iter_mut().find(|master| master.link == Some(link.id)) {
            master.lost(reason, now.monotonic_ms, &mut self.dice);
        }
        for inflow in self.inflows.values_mut().filter(|inflow| inflow.feeder == Some(link.id)) {
            inflow.feeder = None;
        }
        if self.import.as_ref().is_some_and(|import| import.link == link.id) {
            self.abandon_import(store);
            self.begin_transfers(store, now);
        }
        self.assign_feeders(now);
    }

    pub(crate) fn log_line(&mut self, severity: Severity, text: String) {
        self.actions.push_back(Action::Log { severity, text });
    }

    /// What the outside has to do; ask until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    // Timers

    /// Runs what is due: dialling, timeouts, vectors, watermarks, feeders that stall.
    pub fn turn(&mut self, store: &mut dyn Store, now: Now) {
        self.dial(now);
        self.close_silent(store, now);
        self.release_held(store, now);
        self.tell(now);
        if self.inflows.values().any(|inflow| inflow.check_ms().is_some_and(|due_ms| due_ms <= now.monotonic_ms)) {
            self.assign_feeders(now);
            self.inflows.values_mut().for_each(|inflow| inflow.checked(now.monotonic_ms));
        }
        self.join();
        self.begin_transfers(store, now);
        self.release_pins(now);
        self.depart_silent(now);
        self.compare(store, now);
        self.push_watermarks(store, now);
    }

    fn dial(&mut self, now: Now) {
        for index in 0..self.masters.len() {
            let master = &self.masters[index];
            if master.link.is_some() || master.never || master.dial_ms > now.monotonic_ms {
                continue;
            }
            let (host, port) = (master.host.clone(), master.port);
            let link = self.new_link(Side::Upstream(Upstream::default()), &host, port, now);
            self.masters[index].link = Some(link);
            self.actions.push_back(Action::Dial { link, host, port });
        }
    }

    fn close_silent(&mut self, store: &mut dyn Store, now: Now) {
        let mut silent = Vec::new();
        for link in self.links.values() {
            let (since_ms, limit_ms, reason) = match link.phase {
                Phase::Handshaking(_) | Phase::Greeting => (link.opened_ms, HANDSHAKE_MS, "handshake timed out"),
                Phase::Open => (link.heard_ms, self.options.timeout_ms, "nothing heard within repl-timeout"),
                Phase::Dialing | Phase::Closing => continue,
            };
            if now.monotonic_ms.saturating_sub(since_ms) >= limit_ms {
                silent.push((link.id, reason));
            }
        }
        // A source that says something, but not what it was asked for, would keep off what all others have.
        if let Some(import) = &mut self.import {
            let since_ms = *import.silent_since_ms.get_or_insert(now.monotonic_ms);
            let is_new = silent.iter().all(|(id, _)| *id != import.link);
            if is_new && now.monotonic_ms.saturating_sub(since_ms) >= self.options.timeout_ms {
                silent.push((import.link, "nothing of its data set came within repl-timeout"));
            }
        }
        for (id, reason) in silent {
            self.fail(id, reason, store, now);
        }
    }

    /// When a link is to be told what we have.
    fn tell_ms(&self, link: &Link) -> u64 {
        let news = link.told_effects != self.effects_applied;
        link.told_ms + if news { TELL_MS } else { TELL_IDLE_MS }
    }

    fn tell(&mut self, now: Now) {
        let due: Vec<LinkId> = self
            .links
            .values()
            .filter(|link| link.is_open() && self.tell_ms(link) <= now.monotonic_ms)
            .map(|link| link.id)
            .collect();
        for id in due {
            let Some(link) = self.links.get_mut(&id) else { continue };
            link.told_ms = now.monotonic_ms;
            if !link.has_room() {
                continue;
            }
            let mut changes = VersionVector::new();
            let is_told = |origin: Origin, stamp: Stamp| link.told.contains(origin) && link.told.covers(origin, stamp);
            for (origin, stamp) in self.vector.iter().filter(|(origin, stamp)| !is_told(*origin, *stamp)) {
                // What a replica subscribed to, it learns from the records.
                if link.downstream().is_none_or(|downstream| !downstream.subscriptions.contains_key(&origin)) {
                    changes.advance(origin, stamp);
                }
            }
            link.told_effects = self.effects_applied;
            let silent_ms = now.monotonic_ms.saturating_sub(link.sent_ms);
            if !changes.is_empty() || silent_ms >= TELL_IDLE_MS {
                link.told.merge(&changes);
                link.send(&Message::Vector { unix_ms: now.unix_ms, changes });
            }
        }
    }

    /// When watermarks may be computed again.
    fn stabilize_ms(&self) -> u64 {
        let is_busy = self.effects_applied - self.stabilized_effects >= STABILIZE_BUSY_RECORDS;
        self.stabilized_ms + if is_busy { STABILIZE_BUSY_MS } else { STABILIZE_MS }
    }

    fn push_watermarks(&mut self, store: &mut dyn Store, now: Now) {
        if !self.stable_dirty || now.monotonic_ms < self.stabilize_ms() || !self.active {
            return;
        }
        self.stable_dirty = false;
        (self.stabilized_ms, self.stabilized_effects) = (now.monotonic_ms, self.effects_applied);
        self.joining.retain(|member, joining| {
            now.monotonic_ms < joining.until_ms && !self.rows.mentions(*member, &joining.origins)
        });
        if !self.joining.is_empty() {
            self.stable_dirty = true;
            return;
        }
        if self.is_reach_unknown() {
            return;
        }
        self.give_up_members(store);
        let transfers = self.links.values().filter_map(|link| link.downstream()?.transfer.as_ref());
        let pins = transfers.map(|transfer| &transfer.pin);
        let mut next = self.rows.watermarks(self.own, &self.vector, &self.last_effects, pins);
        next.clock = next.clock.max(self.stable.clock);
        if next != self.stable {
            store.stabilize(&next);
            self.stable = next;
        }
    }

    /// Who is away beyond the log counts like everybody else, as long as that does not take too much memory.
    fn give_up_members(&mut self, store: &dyn Store) {
        let away = self.rows.away(self.own, &self.vector, |of| self.log.evicted(of));
        if away.is_empty() || store.remembered_bytes() <= self.options.away_bytes {
            return;
        }
        for origin in away {
            self.rows.give_up(origin);
            let text = format!(
                "Too much has to be remembered for node {origin:?}, which is away: what it writes will be merged as well as can be"
            );
            self.log_line(Severity::Warning, text);
        }
    }

    /// When `turn` has to be called at the latest, in `Now::monotonic_ms`.
    pub fn deadline_ms(&self) -> Option<u64> {
        let dials = self.masters.iter().filter(|master| master.link.is_none() && !master.never);
        let mut deadline_ms = dials.map(|master| master.dial_ms).min();
        let mut sooner = |at_ms: u64| deadline_ms = Some(deadline_ms.map_or(at_ms, |known| known.min(at_ms)));
        self.departures.next_ms().into_iter().chain(self.compare_next_ms()).for_each(&mut sooner);
        for link in self.links.values() {
            let waits_since_ms = link.downstream().and_then(|downstream| downstream.waits_since_ms);
            waits_since_ms.filter(|_| self.unsettled).into_iter().for_each(|since_ms| sooner(since_ms + UNSETTLED_MS));
            match link.phase {
                Phase::Open => sooner(self.tell_ms(link).min(link.heard_ms + self.options.timeout_ms)),
                Phase::Handshaking(_) | Phase::Greeting => sooner(link.opened_ms + HANDSHAKE_MS),
                Phase::Dialing | Phase::Closing => {}
            }
        }
        if self.active {
            if let Some(tick_ms) = self.next_tick_ms() {
                sooner(tick_ms);
            }
            if self.stable_dirty {
                sooner(self.stabilize_ms());
            }
            if let Some(check_ms) = self.inflows.values().filter_map(Inflow::check_ms).min() {
                sooner(check_ms);
            }
            if self.inflows.values().any(Inflow::is_preparing) {
                sooner(0);
            }
        }
        deadline_ms
    }
}

/// The oldest place in the log that a transfer will need.
pub(crate) fn keep_from(links: &BTreeMap<LinkId, Link>) -> Option<crate::Position> {
    links.values().filter_map(|link| Some(link.downstream()?.transfer.as_ref()?.keep)).min()
}
