//! Signals that operators send: SIGTERM and SIGINT end the server cleanly; the others that would kill it are ignored.

use crate::allocator;
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// Calls `on_shutdown` with the signal's name, on a thread of its own, for each SIGTERM and SIGINT from now on.
pub fn watch(on_shutdown: impl Fn(&'static str) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGPIPE])?;
    allocator::spawn("signals", move || {
        for signal in signals.forever() {
            match signal {
                SIGTERM => on_shutdown("SIGTERM"),
                SIGINT => on_shutdown("SIGINT"),
                _ => {}
            }
        }
    })?;
    Ok(())
}
