//! Locks left out for one thread, the one that enters nearly always: it only notes that it is inside, which costs no more than
//! a store. Whoever else wants to enter ends that first, for all: it says so, makes the favoured thread see it (or sees that thread
//! inside, and waits), and then everybody takes locks. Known as biased locking (Russell and Detlefs, OOPSLA 2006); here it is a
//! thread that asks to be favoured, at a moment when it holds all locks.

use parking_lot::Mutex;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;
use stdx::{heavy_fence, light_fence, prepare_fences};

#[derive(Default)]
pub(super) struct Bias {
    /// The thread that is favoured, by the address of its `THREAD`; 0: none is. With `ENDING` as long as somebody waits for it to be
    /// outside. From 0 it goes to a thread only by one that holds all locks, back to 0 only by one that holds `ending`.
    favoured: AtomicUsize,
    /// The favoured thread is inside. Written by that thread only.
    inside: AtomicBool,
    ending: Mutex<()>,
}

/// Addresses of `THREAD` are even.
const ENDING: usize = 1;

/// How a thread may enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// It is inside, without locks. `leave` follows.
    Favoured,
    /// With locks, if at all.
    Ordinary,
    /// It is inside already, without locks.
    Inside,
}

thread_local! {
    /// Its address tells threads apart, faster than asking for the thread's id. A later thread may have the one of a thread
    /// that has ended: it is favoured in its place, then.
    static THREAD: u16 = const { 0 };
}

#[inline]
fn this_thread() -> usize {
    THREAD.with(|word| std::ptr::from_ref(word).addr())
}

impl Bias {
    #[inline]
    pub fn enter(&self) -> Way {
        let thread = this_thread();
        if self.favoured.load(Relaxed) & !ENDING != thread {
            return Way::Ordinary;
        }
        if self.inside.load(Relaxed) {
            return Way::Inside;
        }
        self.inside.store(true, Relaxed);
        // Either `end` sees that, or this thread sees that `end` has begun.
        light_fence();
        if self.favoured.load(Relaxed) == thread {
            return Way::Favoured;
        }
        self.leave();
        Way::Ordinary
    }

    #[inline]
    pub fn leave(&self) {
        self.inside.store(false, Release);
    }

    /// Nobody is favoured. Whoever holds a lock can rely on it.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.favoured.load(Acquire) == 0
    }

    pub fn is_mine(&self) -> bool {
        self.favoured.load(Relaxed) == this_thread()
    }

    #[cfg(test)]
    pub fn is_ending(&self) -> bool {
        self.favoured.load(Relaxed) & ENDING != 0
    }

    /// Waits until the favoured thread is outside and no longer favoured. To be called from outside.
    #[cold]
    pub fn end(&self) {
        let _ending = self.ending.lock();
        let favoured = self.favoured.load(Relaxed);
        if favoured == 0 {
            return;
        }
        self.favoured.store(favoured | ENDING, Relaxed);
        heavy_fence();
        // Mostly not for longer than a slice of a command (a millisecond or so), and not again until somebody is favoured anew.
        while self.inside.load(Acquire) {
            thread::yield_now();
        }
        self.favoured.store(0, Release);
    }

    /// Favours this thread, which holds all locks, and has found that nobody is favoured.
    pub fn begin(&self) {
        debug_assert!(self.is_over() && !self.inside.load(Relaxed));
        prepare_fences();
        self.favoured.store(this_thread(), Release);
    }
}
