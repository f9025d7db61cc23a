//! What a session command works on, and how any command is run.

use crate::clients::ClientKind;
use crate::command::{Flags, Handler, Reply};
use crate::config::Config;
use crate::engine::{Author, Engine};
use crate::keys::{KeyHashes, for_each_key, hash_keys};
use crate::secrets::secret_arguments;
use crate::services::Now;
use crate::session::{Next, Parked, Parking, Session};
use crate::table::{Entry, KeyShape};
use crate::worker::Worker;
use keyspace::{Scope, Txn};
use resp::{Args, Out};
use std::sync::atomic::Ordering::Relaxed;

/// Of a command with many keys the memory is fetched at once for so many.
pub(crate) const KEYS_FETCHED_AHEAD: usize = 64;

/// The session, the engine and this moment.
pub struct SessionContext<'a> {
    pub engine: &'a Engine,
    pub session: &'a mut Session,
    pub now: Now,
    pub(crate) worker: &'a mut Worker,
    /// That of the command that is running, or of a whole EXEC; of all commands of a turn, one after the other.
    pub(crate) txn: Txn<'a>,
    /// An EXEC is running: its commands share the locks and changes.
    is_grouped: bool,
    /// The request that follows goes on with what this one does.
    pub(crate) is_followed: bool,
    /// A run of requests about one key goes on: the lock is held for the next one.
    is_running_on: bool,
    /// What the owner of the connection does instead of reading on.
    pub(crate) next: Option<Next>,
    /// How many changes of the group its readers were told of.
    invalidated: usize,
    /// The reply of this command is a push, which CLIENT REPLY does not silence.
    pub(crate) replies_by_push: bool,
    /// This request was refused or queued: it does not count as executed.
    pub(crate) has_not_run: bool,
}

impl<'a> SessionContext<'a> {
    #[inline]
    pub(crate) fn new(
        engine: &'a Engine,
        session: &'a mut Session,
        worker: &'a mut Worker,
        now: Now,
    ) -> SessionContext<'a> {
        SessionContext {
            engine,
            session,
            now,
            worker,
            txn: engine.keyspace.idle(),
            is_grouped: false,
            is_followed: false,
            is_running_on: false,
            next: None,
            invalidated: 0,
            replies_by_push: false,
            has_not_run: false,
        }
    }

    pub fn config(&self) -> &Config {
        self.worker.config()
    }

    /// True within EXEC: nothing may block there.
    pub fn in_transaction(&self) -> bool {
        self.is_grouped
    }

    /// Begins an EXEC: until `end_group` all commands read and write under the locks of `scope`.
    pub(crate) fn begin_group(&mut self, scope: Scope<'_>) {
        self.txn.begin(scope, self.session.db, self.now.unix_ms());
        self.is_grouped = true;
    }

    /// The locks and changes of an EXEC that is running.
    pub(crate) fn group(&mut self) -> Option<&mut Txn<'a>> {
        self.is_grouped.then_some(&mut self.txn)
    }

    pub(crate) fn end_group(&mut self) {
        self.is_grouped = false;
        self.commit();
    }

    /// Reads and writes under the locks of `scope`; within EXEC under those of the whole group.
    #[inline]
    pub fn with_scope<R>(&mut self, scope: Scope<'_>, f: impl FnOnce(&mut Txn<'a>) -> R) -> R {
        if self.is_grouped {
            return f(&mut self.txn);
        }
        self.end_run();
        self.begin(scope);
        let result = f(&mut self.txn);
        self.commit();
        result
    }

    #[inline]
    fn begin(&mut self, scope: Scope<'_>) {
        self.txn.begin(scope, self.session.db, self.now.unix_ms());
        self.txn.set_touches(!self.session.client.no_touch.load(Relaxed));
    }

    /// The same under the lock of the only key of a command. In a run the next command goes on under it, if nobody has to be
    /// told of this one: for others a run is one command.
    #[inline]
    fn in_run<R>(&mut self, hash: u64, f: impl FnOnce(&mut Txn<'a>) -> R) -> R {
        if !self.is_followed && !self.is_running_on || self.is_grouped {
            return self.with_scope(Scope::Keys(&[hash]), f);
        }
        if !self.is_running_on {
            self.begin(Scope::Keys(&[hash]));
        }
        let result = f(&mut self.txn);
        self.is_running_on = self.is_followed && self.txn.is_quiet() && self.config().maxmemory == 0;
        if !self.is_running_on {
            self.commit();
        }
        result
    }

    /// Has the request before this one passed all gates for this one, too?
    #[inline]
    pub(crate) fn is_running_on(&self) -> bool {
        self.is_running_on
    }

    /// The next request does not go on with it: something else comes first.
    #[inline]
    pub(crate) fn end_run(&mut self) {
        if std::mem::take(&mut self.is_running_on) {
            self.commit();
        }
    }

    /// The same under the lock of one key.
    pub fn with_key<R>(&mut self, key: &[u8], f: impl FnOnce(&mut Txn<'a>) -> R) -> R {
        let hash = self.engine.keyspace.hash(key);
        self.with_scope(Scope::Keys(&[hash]), f)
    }

    /// The same under the locks of several keys.
    pub fn with_keys_of<R>(&mut self, keys: &[&[u8]], f: impl FnOnce(&mut Txn<'a>) -> R) -> R {
        let hashes: KeyHashes = keys.iter().map(|key| self.engine.keyspace.hash(key)).collect();
        self.with_scope(Scope::Keys(&hashes), f)
    }

    /// Ends the transaction; whoever waits for its keys is served.
    #[inline]
    fn commit(&mut self) {
        let changes = self.txn.changes();
        if changes > 0 {
            self.worker.stats.dirty.add(changes);
        }
        let invalidated = std::mem::take(&mut self.invalidated);
        if !self.txn.is_quiet() {
            self.commit_news(invalidated);
        }
        self.txn.end();
        self.engine.serve_blocked();
    }

    fn commit_news(&mut self, invalidated: usize) {
        if self.engine.clients.paused(self.now).is_some() {
            self.txn.spare_expired();
        }
        let author = Author { client: Some(self.session.client.id), invalidated };
        if let Some(stamp) = self.engine.commit(&mut self.txn, author) {
            self.session.last_write = stamp;
        }
    }

    /// Parks the session: nothing more of its input is executed before `command` has replied.
    /// `deadline_us`: as `Now::monotonic_us`. Not within EXEC.
    pub fn park(&mut self, command: Box<dyn Parked>, deadline_us: Option<u64>) {
        debug_assert!(!self.in_transaction());
        self.session.client.blocked.store(true, Relaxed);
        self.session.parking = Some(Parking { command, deadline_us, request: None, is_unwanted: false });
        self.next = Some(Next::Blocked { deadline_us });
    }

    /// Closes the connection once the replies are sent.
    pub fn close(&mut self) {
        self.next = Some(Next::Close);
    }

    /// Gives the connection to the node, as a mesh link, once the replies are sent. `arguments`: what
    /// followed MESH LINK.
    pub fn become_link(&mut self, arguments: Vec<Vec<u8>>) {
        self.session.client.set_kind(ClientKind::Replica);
        self.session.link_arguments = arguments;
        self.next = Some(Next::Link);
    }

    /// Runs a command that passed the gates and appends its reply. `first_key`: the hash of its key
    /// where it has exactly one and that is known already.
    #[inline]
    pub(crate) fn call(&mut self, entry: &'static Entry, args: Args<'_>, first_key: Option<u64>, out: &mut Out) {
        let mark = out.buffer.len();
        if self.session.tracking.is_some() && entry.has(Flags::READONLY) {
            self.remember_reads(entry, args);
        }
        let result = match entry.command.handler {
            Handler::Read(read) => self.with_keys(entry, args, first_key, |txn| read(txn, args, out)),
            Handler::Write(write) => self.with_keys(entry, args, first_key, |txn| write(txn, args, out)),
            Handler::Session(run) => self.call_session(entry, args, out, run),
            Handler::Blocking(blocking) => self.call_blocking(entry, args, first_key, blocking, out),
            Handler::Aside(aside) => self.call_aside(entry, args, first_key, aside, out),
            Handler::EachKey(each) => self.call_each_key(entry, args, first_key, each, out),
            Handler::Container => Err(crate::Fault::wrong_arity(&entry.full_name)),
        };
        if let Err(fault) = result {
            self.worker.stats.commands[entry.id].failed.add(1);
            self.engine.stats.count_error(fault.code());
            out.truncate(mark);
            fault.render(out);
        }
        if self.engine.monitors.any() && !entry.has(Flags::SKIP_MONITOR | Flags::ADMIN) {
            self.engine.show_to_monitors(&self.session.client, self.session.db, entry, args, self.now);
        }
    }

    /// A client that caches what it reads is about to read.
    #[cold]
    fn remember_reads(&mut self, entry: &Entry, args: Args<'_>) {
        if self.session.tracking.as_ref().is_some_and(|tracking| tracking.keeps_reads()) {
            self.invalidate_until_now();
            let mut keys = Vec::new();
            let _ = for_each_key(entry, args, |index, _| keys.push(args.at(index)));
            self.engine.tracking.remember(self.engine, &self.session.client, keys.into_iter());
        }
    }

    /// What a transaction reads now is already what it has changed.
    fn invalidate_until_now(&mut self) {
        if !self.is_grouped {
            return;
        }
        let mut changes = Vec::new();
        self.txn.for_each_change(|change| changes.push(change));
        let client = Some(self.session.client.id);
        self.engine.tracking.invalidate(self.engine, &changes[self.invalidated..], client);
        self.invalidated = changes.len();
    }

    /// Sends a message to the subscribers at all nodes; returns how many subscriptions at this one it has reached.
    pub(crate) fn publish(&mut self, channel: &[u8], payload: &[u8], sharded: bool) -> usize {
        let engine = self.engine;
        if !engine.keyspace.switches().stamping {
            return engine.deliver(channel, payload, sharded);
        }
        // Between stamp and commit, so that all nodes see this one's messages in one order.
        self.with_scope(Scope::Keys(&[]), |txn| {
            txn.publish(channel, payload, sharded);
            engine.deliver(channel, payload, sharded)
        })
    }

    #[inline]
    pub(crate) fn with_keys(
        &mut self,
        entry: &Entry,
        args: Args<'_>,
        first_key: Option<u64>,
        f: impl FnOnce(&mut Txn<'a>) -> Reply,
    ) -> Reply {
        match (entry.keys, first_key) {
            (_, Some(hash)) => self.in_run(hash, f),
            (KeyShape::None, _) => self.with_scope(Scope::All, f),
            _ => {
                let mut hashes = KeyHashes::new();
                hash_keys(entry, args, |key| self.engine.keyspace.hash(key), &mut hashes);
                if hashes.len() > 1 {
                    let first = hashes.iter().copied().take(KEYS_FETCHED_AHEAD);
                    self.engine.keyspace.prefetch(self.session.db, first);
                }
                self.with_scope(Scope::Keys(&hashes), f)
            }
        }
    }

    /// Requests of one command have run, for so long each.
    #[inline]
    pub(crate) fn count_executed<'r>(
        &self,
        entry: &Entry,
        requests: impl Iterator<Item = Args<'r>> + Clone,
        duration_ns: u64,
    ) {
        let (stats, config, count) = (&self.worker.stats, self.config(), requests.clone().count() as u64);
        if count == 0 {
            return;
        }
        let (slow_us, threshold_ms) = (config.slowlog_log_slower_than, config.latency_monitor_threshold);
        stats.commands_processed.add(count);
        self.session.client.commands.add(count);
        stats.commands[entry.id].record(count, duration_ns, config.latency_tracking);
        if slow_us >= 0 && duration_ns / 1000 >= slow_us as u64 {
            requests.for_each(|args| self.log_slow(entry, args, duration_ns));
        }
        if threshold_ms > 0 && duration_ns / 1_000_000 >= threshold_ms {
            let event = if entry.has(Flags::FAST) { "fast-command" } else { "command" };
            self.engine.latency.add(event, duration_ns / 1_000_000, self.now);
        }
    }

    /// A command that had waited has replied.
    pub(crate) fn count_resumed(&self, entry: &Entry, args: Args<'_>, duration_ns: u64, reply: &[u8]) {
        if let Some(error) = reply.strip_prefix(b"-") {
            let code = error.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
            self.worker.stats.commands[entry.id].failed.add(1);
            self.engine.stats.count_error(String::from_utf8_lossy(code).into_owned());
        }
        self.count_executed(entry, std::iter::once(args), duration_ns);
    }

    /// Adds a command to the slow log.
    #[cold]
    fn log_slow(&self, entry: &Entry, args: Args<'_>, duration_ns: u64) {
        if !entry.has(Flags::SKIP_SLOWLOG) {
            let max_len = self.config().slowlog_max_len;
            let secrets = secret_arguments(entry, args);
            self.engine.slow_log.record(duration_ns / 1000, args, &secrets, &self.session.client, self.now, max_len);
        }
    }

    fn call_session(
        &mut self,
        entry: &Entry,
        args: Args<'_>,
        out: &mut Out,
        run: fn(&mut SessionContext<'_>, Args<'_>, &mut Out) -> Reply,
    ) -> Reply {
        self.session.publish(out.protocol, Some(entry.id), self.now);
        let result = run(self, args, out);
        if entry.has(Flags::ADMIN) {
            self.worker.refresh(self.engine);
        }
        result
    }
}
