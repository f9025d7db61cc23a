mod allocator;
mod connection;
mod crash;
mod host;
mod hub;
mod jemalloc;
mod links;
mod listener;
mod log;
mod reactor;
mod settings;
mod signals;
mod slots;
mod stream;
mod supervisor;
mod sys;

use arc_swap::ArcSwap;
use engine::{Config, Engine, Services};
use hub::{Hub, MAIN_WORKER};
use keyspace::Keyspace;
use mio::{Poll, Waker};
use settings::Settings;
use std::process::ExitCode;
use std::sync::Arc;

struct Alone;
impl engine::Replication for Alone {
    fn role(&self) -> engine::Role {
        engine::Role::Master
    }
    fn master_link_up(&self) -> bool {
        false
    }
    fn info(&self, _: engine::Now, _: &mut String) {}
    fn acknowledged(&self, _: effect::Stamp) -> usize {
        0
    }
    fn backlog_bytes(&self) -> u64 {
        0
    }
}
impl engine::Journal for Alone {
    fn commit(&self, _: &keyspace::Commit<'_>) {}
}

fn main() -> ExitCode {
    let mut settings = Settings::default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    for pair in args.chunks(2) {
        match pair[0].as_str() {
            "--port" => settings.port = pair[1].parse().unwrap(),
            "--bind" => settings.bind = vec![pair[1].clone()],
            "--server-threads" => settings.server_threads = pair[1].parse().unwrap(),
            _ => {}
        }
    }
    crash::install_report();
    serve(settings)
}

fn serve(settings: Settings) -> ExitCode {
    let listeners = match listener::listen_tcp(&settings.bind, settings.port, settings.tcp_backlog) {
        Ok(listeners) => listeners,
        Err(_) => {
            log::warning!("Failed listening on port {} (tcp), aborting.", settings.port);
            return ExitCode::FAILURE;
        }
    };
    let polls: Vec<Poll> = (0..settings.server_threads).map(|_| Poll::new().unwrap()).collect();
    let wakers = polls.iter().map(|poll| Waker::new(poll.registry(), reactor::WAKER).unwrap()).collect();
    let hub = Arc::new(Hub::new(wakers));
    let host = Arc::new(host::ServerHost::new(hub.clone(), String::new()));
    let keyspace = Arc::new(Keyspace::new(keyspace::Options {
        databases: 16,
        single_threaded: settings.server_threads == 1,
        hash_secret: 1,
        seed: 1,
    }));
    let alone = Arc::new(Alone);
    let engine =
        Engine::new(keyspace, Config::default(), Services { host, replication: alone.clone(), journal: alone });
    let threads = settings.server_threads;
    let settings = Arc::new(ArcSwap::from_pointee(settings));
    let on_signal = hub.clone();
    signals::watch(move |signal| {
        log::warning!("Received {signal} scheduling shutdown...");
        on_signal.end();
    })
    .unwrap();
    log::notice!("fluidB PID: {}", std::process::id());
    log::notice!("Server initialized");
    let mut reactors: Vec<_> = polls
        .into_iter()
        .enumerate()
        .map(|(index, poll)| reactor::Reactor::new(index, poll, hub.clone(), engine.clone(), settings.clone()))
        .collect();
    reactors[MAIN_WORKER].listen(listeners).unwrap();
    log::notice!("Ready to accept connections");
    let handles: Vec<_> = reactors.drain(1..).map(|reactor| std::thread::spawn(move || reactor.run())).collect();
    for index in 0..threads {
        log::notice!("Thread {index} alive.");
    }
    reactors.pop().unwrap().run().unwrap();
    for handle in handles {
        handle.join().unwrap().unwrap();
    }
    log::warning!("fluidB is now ready to exit, bye bye...");
    ExitCode::SUCCESS
}
