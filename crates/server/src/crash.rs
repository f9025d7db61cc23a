//! A crash says what it can before the process ends.

use crate::log;
use std::backtrace::Backtrace;

/// From now on a panic writes a report to the log and ends the process.
pub fn install_report() {
    std::panic::set_hook(Box::new(|panic| {
        log::warning!("=== fluidB BUG REPORT START: Cut & paste starting from here ===");
        log::warning!("fluidB {} crashed: {panic}", env!("CARGO_PKG_VERSION"));
        log::warning!("------ STACK TRACE ------\n{}", Backtrace::force_capture());
        log::warning!("=== fluidB BUG REPORT END. Please report this with what led to it. ===");
        std::process::abort();
    }));
}
