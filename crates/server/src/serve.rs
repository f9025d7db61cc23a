//! The life of the server: built, announced, served, ended.

use crate::host::ServerHost;
use crate::hub::Hub;
use crate::identity::Identity;
use crate::listener::{Listeners, TcpPlaces, listen_unix};
use crate::reactor::{FIRST_LISTENER, Reactor, WAKER, mesh_now};
use crate::supervisor::{self, PidFile};
use crate::{allocator, disposal, files, hugepages, jemalloc, log, signals};
use effect::Origin;
use engine::{Config, FLUIDB_VERSION, Host};
use keyspace::Keyspace;
use mio::{Poll, Waker};
use node::Node;
use std::sync::Arc;
use std::{fs, io};

/// How long writes wait at most, after a start, until the mesh has this node, in milliseconds.
const ARRIVAL_MS: u64 = 2_000;

/// Serves until a signal or SHUTDOWN. An error is a sentence for the log.
pub fn serve(config: Config, config_file: String, supervised: bool) -> Result<(), String> {
    jemalloc::purge_in_background();
    jemalloc::keep_lines_apart();
    disposal::start();
    hugepages::start();
    let config = fit_maxclients(config);
    let polls = make_polls(config.server_threads as usize).map_err(|error| format!("Cannot poll sockets: {error}"))?;
    let hub = Arc::new(make_hub(&polls).map_err(|error| format!("Cannot wake workers: {error}"))?);
    let listeners = Arc::new(listen(&polls, &config)?);
    let host = Arc::new(ServerHost::new(hub.clone(), listeners.clone(), config_file));
    let random = || getrandom::u64().expect("the operating system gives random bytes");
    let identity = Identity::take(&config, random());
    let node = Arc::new(make_node(config.clone(), host, identity.origin, random));
    let _pid_file = (!config.pidfile.is_empty()).then(|| PidFile::create(&config.pidfile));
    announce(&config);
    let on_signal = hub.clone();
    signals::watch(move |name| {
        log::warning!("Received {name} scheduling shutdown...");
        // Whoever asks twice does not want to wait.
        if on_signal.is_shutting_down() { on_signal.end() } else { on_signal.begin_shutdown() }
    })
    .map_err(|error| format!("Cannot watch for signals: {error}"))?;
    let reactors = polls
        .into_iter()
        .enumerate()
        .map(|(index, poll)| Reactor::new(index, poll, hub.clone(), node.clone(), listeners.clone()));
    announce_ready(&config, supervised);
    let served = run_workers(reactors.collect());
    // The data set ends with the process: freeing it key by key takes a second for four million.
    std::mem::forget(node);
    if !config.unixsocket.is_empty() {
        // It may have been removed by hand.
        let _ = fs::remove_file(files::path_of(&config.unixsocket));
    }
    if supervised {
        supervisor::notify("STOPPING=1");
    }
    served?;
    log::warning!("fluidB is now ready to exit, bye bye...");
    Ok(())
}

/// Lowers maxclients to what the limit of open files allows.
fn fit_maxclients(config: Config) -> Config {
    let served = supervisor::reserve_files_for_clients(config.maxclients);
    if served == config.maxclients {
        return config;
    }
    config.with(&[("maxclients".into(), served.to_string())], true).map_or(config, |(fitting, _)| fitting)
}

fn make_polls(workers: usize) -> io::Result<Vec<Poll>> {
    (0..workers.max(1)).map(|_| Poll::new()).collect()
}

fn make_hub(polls: &[Poll]) -> io::Result<Hub> {
    let wakers = polls.iter().map(|poll| Waker::new(poll.registry(), WAKER));
    Ok(Hub::new(wakers.collect::<io::Result<_>>()?))
}

fn listen(polls: &[Poll], config: &Config) -> Result<Listeners, String> {
    let registry = polls[0].registry().try_clone().map_err(|error| format!("Cannot poll sockets: {error}"))?;
    let listeners = Listeners::new(registry, FIRST_LISTENER);
    if !config.unixsocket.is_empty() {
        listen_unix(&config.unixsocket, config.unixsocketperm, config.tcp_backlog as i32)
            .and_then(|listener| listeners.add(listener))
            .map_err(|error| format!("Failed opening Unix socket {}: bind: {error}", config.unixsocket))?;
    }
    listeners
        .move_tcp(&TcpPlaces::of(config))
        .map_err(|_| format!("Failed listening on port {} (TCP), aborting.", config.port))?;
    Ok(listeners)
}

fn announce(config: &Config) {
    let is_classic_replica = !config.replicaof.is_empty() && !config.active_replica;
    log::set_role(if is_classic_replica { log::Role::Replica } else { log::Role::Master });
    let mode = if config.multi_master { "multi-master" } else { "standalone" };
    log::notice!("Running mode={mode}, port={}, fluidB {FLUIDB_VERSION}, PID: {}", config.port, std::process::id());
    log::notice!("Server initialized");
}

fn announce_ready(config: &Config, supervised: bool) {
    log::notice!("Ready to accept connections");
    if !config.unixsocket.is_empty() {
        log::notice!("The server is now ready to accept connections at {}", config.unixsocket);
    }
    if supervised {
        supervisor::notify("STATUS=Ready to accept connections\nREADY=1\n");
    }
}

/// The first reactor runs on this thread, each other one on its own.
fn run_workers(reactors: Vec<Reactor>) -> Result<(), String> {
    let mut reactors = reactors.into_iter();
    let main = reactors.next();
    let spawn = |(number, reactor): (usize, Reactor)| {
        let name = format!("worker-{}", number + 1);
        allocator::spawn(&name, move || reactor.run()).map_err(|error| error.to_string())
    };
    let threads = reactors.enumerate().map(spawn).collect::<Result<Vec<_>, _>>()?;
    let mut outcome = main.map_or(Ok(()), Reactor::run).map_err(|error| error.to_string());
    for thread in threads {
        let ended = thread.join().map_err(|_| "a worker crashed".to_owned())?;
        outcome = outcome.and(ended.map_err(|error| error.to_string()));
    }
    outcome
}

fn make_node(config: Config, host: Arc<ServerHost>, identity: Origin, random: impl Fn() -> u64) -> Node {
    let keyspace = Arc::new(Keyspace::new(keyspace::Options {
        databases: config.databases,
        single_threaded: config.server_threads == 1,
        hash_secret: random(),
        seed: random(),
    }));
    let now = mesh_now(host.now());
    Node::new(node::Options {
        identity,
        keyspace,
        config,
        host,
        seed: random(),
        now,
        arrival_ms: ARRIVAL_MS,
        observer: None,
    })
}
