//! What the engine needs of the process around it.

use crate::hub::{Hub, Message};
use crate::listener::{Listeners, TcpPlaces};
use crate::{allocator, files, jemalloc, log, supervisor, sys};
use engine::{Client, Config, CpuTime, Fault, Host, LogLevel, Memory, Now, Process, Shutdown};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

pub struct ServerHost {
    hub: Arc<Hub>,
    listeners: Arc<Listeners>,
    process: Process,
    started_ns: u64,
    startup_bytes: u64,
}

impl ServerHost {
    pub fn new(hub: Arc<Hub>, listeners: Arc<Listeners>, config_file: String) -> ServerHost {
        let executable = std::env::current_exe().unwrap_or_default().to_string_lossy().into_owned();
        ServerHost {
            hub,
            listeners,
            process: Process {
                id: std::process::id(),
                executable,
                config_file,
                operating_system: sys::operating_system(),
                run_id: run_id(),
                multiplexing: if cfg!(target_os = "linux") { "epoll" } else { "kqueue" },
                allocator: allocator::NAME,
            },
            started_ns: sys::monotonic_ns(),
            startup_bytes: allocator::usage().used,
        }
    }
}

/// Names the process as the configuration says.
pub fn show_title(config: &Config, config_file: &str) {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        std::env::args_os().next().map(|name| stdx::text_of(name.as_encoded_bytes())).unwrap_or_default()
    });
    // Before the title takes its place.
    let program = LazyLock::force(&PROGRAM);
    if config.set_proc_title {
        sys::set_process_title(&stdx::bytes_of(&config.process_title(program, config_file)));
    }
}

/// 40 hexadecimal digits of the system's randomness.
fn run_id() -> String {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Host for ServerHost {
    fn now(&self) -> Now {
        let unix_us = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        Now { unix_us, monotonic_us: self.monotonic_ns() / 1000 }
    }

    fn monotonic_ns(&self) -> u64 {
        sys::monotonic_ns() - self.started_ns
    }

    fn used_memory(&self) -> u64 {
        allocator::used_bytes()
    }

    fn memory(&self) -> Memory {
        let usage = allocator::usage();
        Memory {
            used: usage.used,
            peak: usage.peak,
            resident: sys::resident_bytes(),
            allocator_allocated: usage.allocated,
            allocator_active: usage.active,
            allocator_resident: usage.resident,
            total_system: sys::total_memory_bytes(),
            startup: self.startup_bytes,
        }
    }

    fn cpu_time(&self) -> CpuTime {
        let process = sys::cpu_time(sys::CpuTimeOf::Process);
        let thread = sys::cpu_time(sys::CpuTimeOf::Thread);
        CpuTime {
            system_us: process.system_us,
            user_us: process.user_us,
            main_thread_system_us: thread.system_us,
            main_thread_user_us: thread.user_us,
        }
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn wake(&self, client: &Client) {
        self.hub.post(client.worker(), Message::Wake { client: client.id });
    }

    fn active_workers(&self) -> usize {
        self.hub.crew.active()
    }

    fn fix_workers(&self, count: usize) {
        self.hub.crew.fix(count);
    }

    fn move_client(&self, client: &Client, worker: usize) {
        self.hub.post(client.worker(), Message::Move { client: client.id, to: worker });
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn shutdown(&self, shutdown: Shutdown) -> Result<(), Fault> {
        log::warning!("User requested shutdown...");
        if shutdown.now {
            self.hub.end()
        } else {
            self.hub.begin_shutdown()
        }
        Ok(())
    }

    fn abort_shutdown(&self) -> Result<(), Fault> {
        if self.hub.cancel_shutdown() {
            log::notice!("Shutdown manually aborted.");
            return Ok(());
        }
        Err(Fault::Text("ERR No shutdown in progress."))
    }

    fn is_shutting_down(&self) -> bool {
        self.hub.is_shutting_down() || self.hub.is_ending()
    }

    fn shutdown_in_ms(&self) -> Option<u64> {
        let ends_at_us = self.hub.shutdown_at_us()?;
        Some(ends_at_us.saturating_sub(self.now().monotonic_us) / 1000)
    }

    fn log(&self, level: LogLevel, text: fmt::Arguments<'_>) {
        log::write(level, text);
    }

    fn purge_memory(&self) {
        jemalloc::purge();
    }

    fn allocator_number(&self, name: &str) -> Result<i64, &'static str> {
        jemalloc::number(name)
    }

    fn run_allocator(&self, name: &str) -> Result<(), &'static str> {
        jemalloc::run(name)
    }

    fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(files::path_of(path))
    }

    fn replace_file(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        files::replace(&files::path_of(path), bytes)
    }

    fn reconfigure(&self, before: &Config, after: &Config) -> Result<(), (&'static str, String)> {
        let (places_before, places) = (TcpPlaces::of(before), TcpPlaces::of(after));
        if places != places_before && self.listeners.move_tcp(&places).is_err() {
            // Back to where clients find us; the log has the reason for either failure.
            let _ = self.listeners.move_tcp(&places_before);
            return Err(match after.bind == before.bind {
                true => ("port", "Unable to listen on this port. Check server logs.".into()),
                false => ("bind", "Failed to bind to specified addresses.".into()),
            });
        }
        if after.maxclients > before.maxclients
            && supervisor::reserve_files_for_clients(after.maxclients) < after.maxclients
        {
            let reason = "The operating system is not able to handle the specified number of clients";
            return Err(("maxclients", reason.into()));
        }
        if after.dir != before.dir {
            std::env::set_current_dir(files::path_of(&after.dir))
                .map_err(|error| ("dir", format!("Cannot work in this folder: {error}")))?;
        }
        log::set_level(after.loglevel);
        show_title(after, &self.process.config_file);
        Ok(())
    }
}
