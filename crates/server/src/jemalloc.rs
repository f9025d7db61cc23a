//! jemalloc as Rust's allocator, with size classes in steps of 8 bytes (`.cargo/config.toml`): an
//! entry of 40 bytes takes 40, not 48.
//!
//! jemalloc then aligns only as much as the size class divides: 8 bytes at least, not 16 as C's
//! `malloc` would. `tikv-jemallocator` counts on 16, so it must not be used with such a build; here
//! every alignment above 8 is asked for.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{CStr, CString, c_int};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use tikv_jemalloc_ctl::{raw, thread};
use tikv_jemalloc_sys as ffi;

/// The smallest step between size classes (`LG_QUANTUM=3`), and what every allocation is aligned to.
const QUANTUM: usize = 8;

pub struct Jemalloc;

/// Unused pages go back after a fortieth of a second instead of ten: the table of keys leaves many behind as it grows, eight
/// megabytes for a million keys that come within half a second. What comes and goes faster than that finds its pages still
/// there, so it costs no more page faults.
/// Huge pages are not jemalloc's affair: see `hugepages`.
// SAFETY: this is the symbol and the type (`const char *`) in which jemalloc looks for its settings (jemalloc(3),
// TUNING), and no other symbol of this program has its name.
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
static SETTINGS: &[u8; 18] = b"dirty_decay_ms:25\0";

/// Lets a thread of jemalloc's own give unused pages back, also while nothing else happens. Not before a fork: the
/// child would be without it.
pub fn purge_in_background() {
    // SAFETY: the control takes a C `bool`, which is Rust's. Where it is not supported (musl), nothing happens.
    let _ = unsafe { raw::write(b"background_thread\0", true) };
}

/// What is aligned to this is the buckets of the table of keys.
const CACHE_LINE: usize = 64;

/// The flag that names their arena; 0 for that of everything else.
static LINES: AtomicI32 = AtomicI32::new(0);

/// From now on the buckets of the table have an arena of their own. As it grows they come and go in sizes of which none
/// fits where another was: the holes that they leave would be all over the heap, and keep it out of huge pages.
pub fn keep_lines_apart() {
    // SAFETY: the control gives a C `unsigned`, which is Rust's `u32` wherever jemalloc runs.
    if let Ok(arena) = unsafe { raw::read::<u32>(b"arenas.create\0") } {
        LINES.store(ffi::MALLOCX_ARENA(arena as usize), Relaxed);
    }
}

/// Controls that take and return nothing, and do no harm. jemalloc(3): MALLCTL_ARENAS_ALL is 4096.
const RUNS: [&CStr; 3] = [c"arena.4096.purge", c"arena.4096.decay", c"thread.tcache.flush"];
const PURGE_ALL: &str = "arena.4096.purge";

/// Gives all unused pages back now. False where jemalloc refused.
pub fn purge() -> bool {
    run(PURGE_ALL).is_ok()
}

/// Runs a control of those that are harmless.
pub fn run(name: &str) -> Result<(), &'static str> {
    let known = RUNS.into_iter().find(|known| known.to_bytes() == name.as_bytes()).ok_or(NOT_FOUND)?;
    // SAFETY: these controls take and return nothing, so there is nothing to point at.
    match unsafe { ffi::mallctl(known.as_ptr(), null_mut(), null_mut(), null_mut(), 0) } {
        0 => Ok(()),
        _ => Err(NOT_PERMITTED),
    }
}

/// What jemalloc has under a name, of whatever width.
pub fn number(name: &str) -> Result<i64, &'static str> {
    let name = CString::new(name).map_err(|_| NOT_FOUND)?;
    for width in [8, 4, 1] {
        let (mut number, mut len) = (0u64, width);
        // SAFETY: the name ends with a zero, and what is written has `width` bytes at most, which `number` has room for;
        // jemalloc refuses where the control's width is another one. Nothing is set.
        match unsafe { ffi::mallctl(name.as_ptr(), (&raw mut number).cast(), &mut len, null_mut(), 0) } {
            0 => return Ok(number as i64),
            libc::EINVAL => {}
            libc::ENOENT => return Err(NOT_FOUND),
            _ => return Err(NOT_PERMITTED),
        }
    }
    Err("Invalid argument")
}

const NOT_FOUND: &str = "No such file or directory";
const NOT_PERMITTED: &str = "Operation not permitted";

/// Where jemalloc counts what this thread has allocated and freed, in bytes.
#[derive(Clone, Copy)]
pub struct ThreadCounters {
    allocated: thread::ThreadLocal<u64>,
    freed: thread::ThreadLocal<u64>,
}

impl ThreadCounters {
    pub fn of_this_thread() -> ThreadCounters {
        let known = "jemalloc counts for each thread";
        ThreadCounters {
            allocated: thread::allocatedp::read().expect(known),
            freed: thread::deallocatedp::read().expect(known),
        }
    }

    /// Negative where it has freed what others had allocated.
    #[inline]
    pub fn allocated_less_freed(self) -> i64 {
        self.allocated.get().wrapping_sub(self.freed.get()) as i64
    }
}

#[inline]
fn flags(layout: Layout) -> c_int {
    match layout.align() {
        ..=QUANTUM => 0,
        CACHE_LINE => ffi::MALLOCX_ALIGN(CACHE_LINE) | ffi::MALLOCX_TCACHE_NONE | LINES.load(Relaxed),
        align => ffi::MALLOCX_ALIGN(align),
    }
}

// SAFETY: `mallocx`, `rallocx` and `sdallocx` fulfil the contract for blocks of their own: they return
// null or a block of at least the size, aligned as `MALLOCX_ALIGN` asks; without it, to 8 bytes, as
// jemalloc's smallest class is 8 and every class is a multiple of it. `Layout` guarantees sizes that
// jemalloc takes, and `GlobalAlloc` that they are not zero. The size and the flags at deallocation are
// those of the allocation, since both follow from the layout alone, but for the arena, which they do not
// look at. None of them unwinds.
unsafe impl GlobalAlloc for Jemalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: see above.
        unsafe { ffi::mallocx(layout.size(), flags(layout)).cast() }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: see above.
        unsafe { ffi::mallocx(layout.size(), flags(layout) | ffi::MALLOCX_ZERO).cast() }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: see above; the caller gives the block's own layout.
        unsafe { ffi::sdallocx(block.cast(), layout.size(), flags(layout)) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: see above; the alignment stays, so the flags do.
        unsafe { ffi::rallocx(block.cast(), new_size, flags(layout)).cast() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that are no multiple of the alignment are where an assumed alignment would show.
    #[test]
    fn every_block_is_aligned_and_keeps_its_bytes() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in [1, 8, 15, 24, 40, 56, 100, 1000, 20_000] {
                let layout = Layout::from_size_align(size, align).unwrap();
                let grown = Layout::from_size_align(size + 24, align).unwrap();
                let blocks: Vec<_> = (0..16u8)
                    .map(|fill| {
                        // SAFETY: the layout is not empty; each block is written within its size.
                        unsafe {
                            let block = Jemalloc.alloc_zeroed(layout);
                            assert!(!block.is_null() && block.addr().is_multiple_of(align));
                            assert!((0..size).all(|at| *block.add(at) == 0));
                            block.write_bytes(fill, size);
                            let block = Jemalloc.realloc(block, layout, grown.size());
                            assert!(!block.is_null() && block.addr().is_multiple_of(align));
                            (block, fill)
                        }
                    })
                    .collect();
                for (block, fill) in blocks {
                    // SAFETY: a live block of this layout, whose first `size` bytes were written.
                    unsafe {
                        assert!((0..size).all(|at| *block.add(at) == fill));
                        Jemalloc.dealloc(block, grown);
                    }
                }
            }
        }
    }

    #[test]
    fn the_settings_are_found() {
        // SAFETY: the control is an `ssize_t`.
        let decay_ms = unsafe { raw::read::<isize>(b"opt.dirty_decay_ms\0") };
        assert_eq!(decay_ms, Ok(25));
        assert!(purge());
    }

    #[test]
    fn controls_are_read_whatever_their_width() {
        // A `size_t`, an `unsigned` and a `bool`.
        assert_eq!(number("arenas.quantum"), Ok(QUANTUM as i64));
        assert!(number("arenas.narenas").is_ok_and(|arenas| arenas > 0));
        assert!(number("opt.tcache").is_ok_and(|on| [0, 1].contains(&on)));
        assert_eq!(number("no.such"), Err(NOT_FOUND));
        assert_eq!(number("thread.tcache.flush"), Err(NOT_PERMITTED));
        assert_eq!((run("thread.tcache.flush"), run("arena.0.reset")), (Ok(()), Err(NOT_FOUND)));
    }

    /// The memory targets rest on this setting of the build.
    #[test]
    fn size_classes_go_in_steps_of_eight() {
        for (size, class) in [(1, 8), (33, 40), (40, 40), (41, 48), (50, 56), (65, 80), (64 * 224, 64 * 224)] {
            // SAFETY: a question without effects.
            assert_eq!(unsafe { ffi::nallocx(size, 0) }, class);
        }
    }
}
