//! A thread that frees what is large, so that no client waits for it.

use crate::allocator;
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

type Garbage = Box<dyn Send>;

static QUEUE: OnceLock<Sender<Garbage>> = OnceLock::new();

thread_local! {
    /// This is the thread that frees.
    static IS_DISPOSAL: Cell<bool> = const { Cell::new(false) };
}

/// Starts the thread; without one everything is freed where it is discarded.
pub fn start() {
    let (sender, receiver) = channel::<Garbage>();
    let thread = allocator::spawn("free", move || {
        IS_DISPOSAL.set(true);
        for garbage in receiver {
            drop(garbage);
            // Publishes what this thread has freed.
            allocator::used_bytes();
        }
    });
    if thread.is_ok() && QUEUE.set(sender).is_ok() {
        stdx::set_disposal(dispose);
    }
}

fn dispose(garbage: Garbage) {
    match QUEUE.get() {
        // What it drops may hold other large things.
        Some(queue) if !IS_DISPOSAL.get() => drop(queue.send(garbage)),
        _ => drop(garbage),
    }
}
