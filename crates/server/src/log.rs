//! The log: one line per event, in the shape that Redis's tools read:
//! `pid:role dd Mon yyyy hh:mm:ss.mmm level text`.

use crate::{files, sys};
use engine::LogLevel;
use parking_lot::Mutex;
use std::fmt::Arguments;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

fn mark(level: LogLevel) -> char {
    match level {
        LogLevel::Debug => '.',
        LogLevel::Verbose => '-',
        LogLevel::Notice => '*',
        LogLevel::Warning | LogLevel::Nothing => '#',
    }
}

/// What this process is, as the log shows it after the pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    Starting = b'C',
    Master = b'M',
    Replica = b'S',
}

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Notice as u8);
static ROLE: AtomicU8 = AtomicU8::new(Role::Starting as u8);
static FILE: Mutex<String> = Mutex::new(String::new());

pub fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

pub fn set_role(role: Role) {
    ROLE.store(role as u8, Ordering::Relaxed);
}

/// Lines go to this file from now on; empty: to standard output. An error where it cannot be written.
pub fn set_file(path: &str) -> io::Result<()> {
    if !path.is_empty() {
        open(path)?;
    }
    path.clone_into(&mut FILE.lock());
    Ok(())
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(files::path_of(path))
}

pub fn enabled(level: LogLevel) -> bool {
    level as u8 >= LEVEL.load(Ordering::Relaxed)
}

/// Appends one line. The file is opened anew for each, so that it can be rotated away at any time; a log that cannot be
/// written must not stop the server, so errors are dropped.
pub fn write(level: LogLevel, text: Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    let role = ROLE.load(Ordering::Relaxed) as char;
    let line = format!("{}:{role} {} {} {text}\n", std::process::id(), timestamp(SystemTime::now()), mark(level));
    let path = FILE.lock();
    let _ = if path.is_empty() {
        std::io::stdout().lock().write_all(line.as_bytes())
    } else {
        open(&path).and_then(|mut file| file.write_all(line.as_bytes()))
    };
}

/// `23 Nov 2026 00:50:19.261`, local time.
fn timestamp(now: SystemTime) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let local = sys::local_time(since_epoch.as_secs() as i64);
    format!(
        "{:02} {} {} {:02}:{:02}:{:02}.{:03}",
        local.day,
        MONTHS[local.month as usize % 12],
        local.year,
        local.hour,
        local.minute,
        local.second,
        since_epoch.subsec_millis()
    )
}

macro_rules! verbose { ($($text:tt)*) => { $crate::log::write(::engine::LogLevel::Verbose, format_args!($($text)*)) } }
macro_rules! notice { ($($text:tt)*) => { $crate::log::write(::engine::LogLevel::Notice, format_args!($($text)*)) } }
macro_rules! warning { ($($text:tt)*) => { $crate::log::write(::engine::LogLevel::Warning, format_args!($($text)*)) } }
pub(crate) use {notice, verbose, warning};

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timestamps_have_the_shape_that_log_readers_expect() {
        let text = timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_395_019_261));
        assert_eq!(text.len(), "23 Nov 2026 00:50:19.261".len());
        assert!(text.ends_with(":19.261"), "{text}");
        assert!(text.contains(" Nov 2026 "), "{text}");
    }
}
