//! Two fences that work together, of which one costs nothing: whoever writes first and then passes one of them, and reads what
//! the other side wrote before the other one, sees it, or is seen by it. Linux has a call for it, membarrier(2), which
//! makes all running threads of the process pass a fence; where that is missing both are ordinary fences.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, compiler_fence, fence};

/// Whether `heavy` asks the system. Never goes back.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

/// For the side that is in a hurry.
#[inline(always)]
pub fn light_fence() {
    if ASYMMETRIC.load(Relaxed) { compiler_fence(SeqCst) } else { fence(SeqCst) }
}

/// For the other side: some microseconds, in which it interrupts the others.
pub fn heavy_fence() {
    if prepare_fences() {
        system::fence_all_threads();
    } else {
        fence(SeqCst);
    }
}

/// Makes light fences free, where the system can do that. True if it can.
pub fn prepare_fences() -> bool {
    static PREPARED: OnceLock<bool> = OnceLock::new();
    *PREPARED.get_or_init(|| {
        let can = system::prepare();
        ASYMMETRIC.store(can, Relaxed);
        can
    })
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two numbers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0) == 0 }
    }

    /// False on kernels before 4.14, and where a sandbox forbids the call.
    pub fn prepare() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub fn fence_all_threads() {
        let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        assert!(done, "membarrier failed after it was registered: {}", std::io::Error::last_os_error());
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    pub fn prepare() -> bool {
        false
    }

    pub fn fence_all_threads() {
        unreachable!("`prepare` said that this is not to be had")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    /// Meets the other side, as closely as can be: waiting for a wake-up would keep them apart.
    fn meet(mine: &AtomicU32, other: &AtomicU32, round: u32) {
        mine.store(round, SeqCst);
        for turn in 1u32.. {
            if other.load(SeqCst) >= round {
                return;
            }
            if turn.is_multiple_of(1000) { thread::yield_now() } else { hint::spin_loop() }
        }
    }

    /// Each side says that it is there, and then looks whether the other one is. Without fences both miss each other now and then:
    /// processors let reads pass writes.
    #[test]
    fn at_least_one_side_sees_the_other() {
        const ROUNDS: u32 = if cfg!(miri) { 50 } else { 50_000 };
        prepare_fences();
        let words: [AtomicU32; 4] = Default::default();
        let [here, there, hurried, other] = &words;
        thread::scope(|scope| {
            let side = |round| {
                meet(here, there, round);
                hurried.store(round, Relaxed);
                light_fence();
                other.load(Relaxed) == round
            };
            let seen_by_hurried = scope.spawn(move || (1..=ROUNDS).map(side).collect::<Vec<bool>>());
            let side = |round| {
                meet(there, here, round);
                other.store(round, Relaxed);
                heavy_fence();
                hurried.load(Relaxed) == round
            };
            let seen_by_other: Vec<bool> = (1..=ROUNDS).map(side).collect();
            let seen_by_hurried = seen_by_hurried.join().unwrap();
            let missed = seen_by_hurried.iter().zip(&seen_by_other).filter(|(one, two)| !**one && !**two).count();
            assert_eq!(missed, 0);
        });
    }
}
