//! What all workers of a node share.

use crate::blocking::BlockedClients;
use crate::clients::{Client, Clients};
use crate::config::{Config, CurrentConfig};
use crate::eviction::Evictor;
use crate::latency::LatencyMonitor;
use crate::long_reads::LongReads;
use crate::monitor::Monitors;
use crate::notifications;
use crate::pubsub::PubSub;
use crate::replication::Replication;
use crate::services::{Host, Journal, LogLevel, Now};
use crate::slowlog::SlowLog;
use crate::stats::Stats;
use crate::tracking::Tracking;
use crate::watch::{WatchList, WatchedKeys};
use effect::Stamp;
use keyspace::{ByTime, Change, Checked, Commit, EventClass, Keyspace, Txn, for_each_change};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The version that clients see: they choose features by it. Hash field expiry came with this one, and redis-py caches
/// replies only from it on.
pub const REDIS_VERSION: &str = "7.4.0";
pub const FLUIDB_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Outside services of an engine.
pub struct Services {
    pub host: Arc<dyn Host>,
    pub replication: Arc<dyn Replication>,
    pub journal: Arc<dyn Journal>,
}

/// One node's data set and everything that commands need beside it; shared by the workers.
pub struct Engine {
    pub keyspace: Arc<Keyspace>,
    pub config: CurrentConfig,
    /// Held while the configuration is replaced.
    pub(crate) config_change: Mutex<()>,
    pub clients: Clients,
    pub stats: Stats,
    pub slow_log: SlowLog,
    pub latency: LatencyMonitor,
    pub(crate) monitors: Monitors,
    pub(crate) evictor: Evictor,
    pub(crate) pubsub: PubSub,
    pub(crate) tracking: Tracking,
    pub(crate) watched: WatchedKeys,
    pub(crate) long_reads: LongReads,
    pub(crate) blocked: BlockedClients,
    pub host: Arc<dyn Host>,
    pub replication: Arc<dyn Replication>,
    pub journal: Arc<dyn Journal>,
    /// The data set is being loaded: most commands are refused.
    pub loading: AtomicBool,
    /// Expired keys are removed in the background (DEBUG SET-ACTIVE-EXPIRE).
    active_expire: AtomicBool,
    /// What is done now and then is left out (DEBUG PAUSE-CRON).
    cron_paused: AtomicBool,
    /// When it was last told that somebody speaks HTTP (`Now::monotonic_us`); 0: never.
    web_request_told_us: AtomicU64,
    pub started: Now,
}

/// Whose commit it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Author {
    /// The id of a client.
    pub client: Option<u64>,
    /// How many of the changes were told already to those who may hold the keys.
    pub invalidated: usize,
}

impl Engine {
    pub fn new(keyspace: Arc<Keyspace>, config: Config, services: Services) -> Arc<Engine> {
        let started = services.host.now();
        keyspace.set_encoding_limits(&config.encoding_limits());
        let engine = Arc::new(Engine {
            keyspace,
            config: CurrentConfig::new(config),
            config_change: Mutex::new(()),
            clients: Clients::default(),
            stats: Stats::default(),
            slow_log: SlowLog::default(),
            latency: LatencyMonitor::default(),
            monitors: Monitors::default(),
            evictor: Evictor::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            watched: WatchedKeys::default(),
            long_reads: LongReads::default(),
            blocked: BlockedClients::default(),
            host: services.host,
            replication: services.replication,
            journal: services.journal,
            loading: AtomicBool::new(false),
            active_expire: AtomicBool::new(true),
            cron_paused: AtomicBool::new(false),
            web_request_told_us: AtomicU64::new(0),
            started,
        });
        engine.follow_config();
        engine
    }

    /// Ends a transaction of this node: its effects go to every reader of the stream. Returns the
    /// stamp of the last effect, where there was one. The locks are held until the transaction is dropped.
    #[inline]
    pub fn commit(&self, txn: &mut Txn<'_>, author: Author) -> Option<Stamp> {
        if txn.is_quiet() { None } else { self.commit_news(txn, author) }
    }

    fn commit_news(&self, txn: &mut Txn<'_>, author: Author) -> Option<Stamp> {
        txn.remove_expired(|db, key| self.observe_time(ByTime::Expired { db, key }));
        txn.take_expired_members().iter().for_each(|event| self.observe_time(ByTime::MembersExpired(event)));
        let events = txn.take_events();
        if !events.is_empty() {
            self.publish_events(&events);
        }
        txn.conclude(|commit: Commit<'_>| {
            self.observe(commit.effects, commit.silent, commit.groups_only, author);
            self.journal.commit(&commit);
            commit.first.plus(commit.count.saturating_sub(1))
        })
    }

    pub fn active_expire(&self) -> bool {
        self.active_expire.load(Relaxed)
    }

    pub fn set_active_expire(&self, on: bool) {
        self.active_expire.store(on, Relaxed);
    }

    pub fn cron_paused(&self) -> bool {
        self.cron_paused.load(Relaxed)
    }

    pub fn set_cron_paused(&self, paused: bool) {
        self.cron_paused.store(paused, Relaxed);
    }

    /// Changes of the data set since the start.
    pub fn dirty(&self) -> u64 {
        let shared = &self.stats.shared;
        self.stats.totals().dirty + shared.remote_dirty.load(Relaxed) + shared.served_dirty.load(Relaxed)
    }

    /// A session watches no key any more.
    pub(crate) fn unwatch(&self, client: &Client, list: &mut WatchList) {
        self.watched.unwatch(&self.keyspace, client, list);
    }

    /// Something took this long: the latency monitor takes note where it is longer than it should be.
    pub fn note_latency(&self, event: &'static str, duration_ns: u64, now: Now) {
        let threshold_ms = self.config.load().latency_monitor_threshold;
        let milliseconds = duration_ns / 1_000_000;
        if threshold_ms > 0 && milliseconds >= threshold_ms {
            self.latency.add(event, milliseconds, now);
        }
    }

    /// Ends CLIENT PAUSE: what was held back goes on.
    pub fn unpause(&self) {
        self.clients.unpause();
        self.wake_postponed();
    }

    /// Writes that were held back apart from CLIENT PAUSE go on.
    pub fn release_writes(&self) {
        self.clients.release_writes();
        self.wake_postponed();
    }

    fn wake_postponed(&self) {
        for client in self.clients.all() {
            if client.postponed.load(Relaxed) {
                self.host.wake(&client);
            }
        }
    }

    /// Closes another client's connection.
    pub fn kill(&self, client: &Client) {
        if !client.killed() {
            client.kill();
            self.clients.bury(client);
        }
        self.host.wake(client);
    }

    /// Closes a connection for the replies that it does not read. The replies are not sent.
    pub fn close_for_output(&self, client: &Client, now: Now) {
        let description = client.describe(now);
        let what = "scheduled to be closed ASAP for overcoming of output buffer limits.";
        self.host.log(LogLevel::Warning, format_args!("Client {description} {what}"));
        self.stats.shared.output_limit_disconnections.fetch_add(1, Relaxed);
        self.kill(client);
    }

    /// Closes a connection for the requests that it does not complete.
    pub fn close_for_input(&self, client: &Client, now: Now) {
        let description = client.describe(now);
        let what = "Closing client that reached max query buffer length";
        self.host.log(LogLevel::Warning, format_args!("{what}: {description}"));
        self.stats.shared.query_limit_disconnections.fetch_add(1, Relaxed);
        self.kill(client);
    }

    /// Closes a connection that speaks HTTP. It is told once a minute at most.
    #[cold]
    pub(crate) fn close_for_web_request(&self, client: &Client, now: Now) {
        const SILENCE_US: u64 = 60_000_000;
        let told = self.web_request_told_us.load(Relaxed);
        if told == 0 || now.monotonic_us >= told.saturating_add(SILENCE_US) {
            self.web_request_told_us.store(now.monotonic_us.max(1), Relaxed);
            let address = &client.connection.address;
            self.host.log(
                LogLevel::Warning,
                format_args!(
                    "Possible SECURITY ATTACK detected: somebody sends POST or Host: as if this were a web server, perhaps \
                     to have commands executed that a web page has brought along. Connection from {address} aborted."
                ),
            );
        }
        self.kill(client);
    }

    /// Shows what `txn` has applied of effects from elsewhere to the local readers of the stream, under its locks, and
    /// delivers the messages among them.
    pub fn observe_remote(&self, txn: &mut Txn<'_>, effects: &[u8], checked: Checked) {
        if txn.changes() > 0 {
            self.stats.shared.remote_dirty.fetch_add(1, Relaxed);
        }
        txn.take_expired_members().iter().for_each(|event| self.observe_time(ByTime::MembersExpired(event)));
        self.observe(effects, &[], &[], Author::default());
        self.watched.observe_appearances(txn, effects);
        if checked.publishes || !self.config.load().notify_keyspace_events.is_empty() {
            self.publish_remote(txn, effects);
        }
    }

    /// Something changed without an effect of its own: a data set of another node came in. Under the locks of the keys.
    pub fn observe_change(&self, change: Change<'_>) {
        self.show(&[change], Author::default());
    }

    /// Time has done this to a key. Under its lock.
    pub fn observe_time(&self, what: ByTime<'_>) {
        match what {
            ByTime::Expired { db, key } => {
                self.publish_event(EventClass::EXPIRED, "expired", db, key);
                // Who watches it does not mind: it does not count as a change.
                let change = [Change::Key { db, key, deleted: true }];
                self.blocked.observe(&change);
                self.tracking.invalidate(self, &change, None);
            }
            ByTime::MembersExpired(event) => {
                self.publish_event(event.class, event.name, event.db, &event.key);
                self.observe_change(Change::Key { db: event.db, key: &event.key, deleted: false });
            }
            ByTime::Changed { db, key, was_there } => {
                if was_there {
                    self.publish_event(EventClass::EXPIRED, "expired", db, key);
                }
                self.observe_change(Change::Key { db, key, deleted: false });
            }
        }
    }

    /// The local readers of the stream.
    #[inline]
    fn observe(&self, effects: &[u8], silent: &[u64], groups_only: &[u64], author: Author) {
        if self.watched.is_idle() && self.long_reads.is_idle() && self.blocked.is_idle() && self.tracking.is_idle() {
            return;
        }
        let mut changes = SmallVec::<[Change<'_>; 4]>::new();
        for_each_change(effects, silent, groups_only, |change| changes.push(change));
        self.show(&changes, author);
    }

    fn show(&self, changes: &[Change<'_>], author: Author) {
        self.watched.observe(changes);
        self.long_reads.observe(changes);
        self.blocked.observe(changes);
        self.tracking.invalidate(self, &changes[author.invalidated..], author.client);
    }

    /// Takes over what is kept elsewhere than in the configuration.
    pub(crate) fn follow_config(&self) {
        let config = self.config.load();
        self.keyspace.set_tracking(config.tracking());
        self.keyspace.set_wanted_events(notifications::wanted(config.notify_keyspace_events));
        self.tracking.keep_limit(self);
    }
}
