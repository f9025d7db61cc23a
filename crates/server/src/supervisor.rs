//! What surrounds a long-running process: background, pid file, the service manager's notifications.

use crate::{files, log, sys};
use engine::Config;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

const DEFAULT_PID_FILE: &str = "/var/run/redis.pid";

/// The file that holds the process id; removed again when dropped.
pub struct PidFile {
    path: PathBuf,
}

/// Whoever runs in the background has a pid file, in the place of Redis unless the configuration names another.
pub fn name_pid_file(config: &mut Config) {
    if config.pidfile.is_empty() {
        let named = config.set("pidfile", DEFAULT_PID_FILE);
        debug_assert_eq!(named, Ok(()));
    }
}

impl PidFile {
    /// A pid file that cannot be written is a warning, as in Redis: the server runs without.
    pub fn create(path: &str) -> Option<PidFile> {
        match std::fs::write(files::path_of(path), format!("{}\n", std::process::id())) {
            Ok(()) => Some(PidFile { path: files::path_of(path) }),
            Err(error) => {
                log::warning!("Failed to write PID file {path}: {error}");
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether the process runs under a service manager that wants to be told (`supervised auto|systemd|upstart`).
pub fn is_supervised(mode: &str) -> bool {
    match mode {
        "systemd" | "auto" => std::env::var_os("NOTIFY_SOCKET").is_some(),
        "upstart" => std::env::var_os("UPSTART_JOB").is_some(),
        _ => false,
    }
}

/// Tells systemd a state, e.g. `READY=1` (sd_notify(3)); does nothing where there is none.
pub fn notify(state: &str) {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send_notification(address.as_bytes(), state) {
        log::warning!("systemd supervision requested, but NOTIFY_SOCKET cannot be reached: {error}");
    }
}

fn send_notification(address: &[u8], state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let [b'@', name @ ..] = address {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return socket.send_to_addr(state.as_bytes(), &address).map(|_| ());
    }
    socket.send_to(state.as_bytes(), Path::new(std::ffi::OsStr::from_bytes(address))).map(|_| ())
}

/// Raises the limit of open files to what `maxclients` needs; returns how many clients can be served.
pub fn reserve_files_for_clients(maxclients: u64) -> u64 {
    /// Files that are not clients: log, persistence, listeners, links.
    const RESERVED_FILES: u64 = 32;
    match sys::raise_open_files_limit(maxclients + RESERVED_FILES) {
        Ok(limit) if limit < maxclients + RESERVED_FILES => {
            let served = limit.saturating_sub(RESERVED_FILES).max(1);
            log::warning!(
                "You requested maxclients of {maxclients} requiring at least {} max file descriptors. \
                 Current maximum open files is {limit}. maxclients has been reduced to {served} to compensate for low \
                 ulimit. If you need higher maxclients increase 'ulimit -n'.",
                maxclients + RESERVED_FILES
            );
            served
        }
        Ok(_) => maxclients,
        Err(error) => {
            log::warning!("Unable to obtain the current NOFILE limit ({error}), assuming it is enough");
            maxclients
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_has_a_name() {
        let mut config = Config::default();
        name_pid_file(&mut config);
        assert_eq!(config.pidfile, DEFAULT_PID_FILE);
        config.set("pidfile", "/run/mine").unwrap();
        name_pid_file(&mut config);
        assert_eq!(config.pidfile, "/run/mine");
    }
}
