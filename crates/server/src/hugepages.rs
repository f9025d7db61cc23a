//! Huge pages for the heap.
//!
//! Every key is somewhere else in memory, and a processor remembers where some thousand pages are: with pages of 4 KB a lookup
//! mostly begins with walks through the page tables, up to four times as long on a virtual machine. So a thread of its own
//! asks the kernel (madvise(2), MADV_COLLAPSE, Linux 6.1) to put what lies in 512 small pages into one of 2 MB.
//! What is empty in between becomes part of the process then, so this is kept for memory that is full: all of it together
//! may grow the process by a sixty-fourth.

use crate::{allocator, log, sys};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use std::{fs, io, thread};

/// A smaller heap is left alone: its pages are all remembered.
const LEAST_HEAP_BYTES: u64 = 16 << 20;
/// The heap is looked at again once it has grown by this share, but for small steps.
const GROWTH_SHARE: u64 = 64;
const LEAST_GROWTH_BYTES: u64 = 2 << 20;
const PAUSE: Duration = Duration::from_secs(1);
/// How many huge pages to make before the next pause. Each takes half a millisecond, and much longer where a virtual
/// machine has never used the memory.
const MOST_AT_ONCE: usize = 256;
/// A heap of which so little is left is looked at from the beginning.
const SHRUNK: u64 = 2;
/// What becomes part of the process without holding anything: this share of the heap, and of each huge page at most.
const EMPTY_SHARE: usize = 64;
const EMPTY_SHARE_OF_ONE: usize = 8;

/// Live bytes outside these bounds are a reason to look at the heap. None are, until a thread does.
static LOWEST_BYTES: AtomicU64 = AtomicU64::new(0);
static HIGHEST_BYTES: AtomicU64 = AtomicU64::new(u64::MAX);
static BELL: OnceLock<SyncSender<()>> = OnceLock::new();

/// Starts the thread, where the system has huge pages.
pub fn start() {
    let Some(pages) = sys::PageSizes::where_small_become_huge() else { return };
    let (bell, rings) = sync_channel(1);
    let mut heap = Heap::new(pages);
    let thread = allocator::spawn("pages", move || heap.keep_up(&rings));
    if thread.is_ok() && BELL.set(bell).is_ok() {
        HIGHEST_BYTES.store(LEAST_HEAP_BYTES, Relaxed);
    }
}

/// Has the heap looked at if it is not what it was the last time. To be called now and then.
#[inline]
pub fn note_size(live_bytes: u64) {
    if live_bytes > HIGHEST_BYTES.load(Relaxed) || live_bytes < LOWEST_BYTES.load(Relaxed) {
        expect(0..u64::MAX);
        if let Some(bell) = BELL.get() {
            // One ring is enough.
            let _ = bell.try_send(());
        }
    }
}

fn expect(live_bytes: Range<u64>) {
    LOWEST_BYTES.store(live_bytes.start, Relaxed);
    HIGHEST_BYTES.store(live_bytes.end, Relaxed);
}

/// What was done to the heap so far.
struct Heap {
    pages: sys::PageSizes,
    /// Addresses of huge pages that the kernel made for us.
    huge: HashSet<usize>,
    /// How many pages of them were not there before.
    empty_pages: usize,
    /// When it was looked at.
    live_bytes: u64,
}

/// As much of the heap as one huge page takes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    empty_pages: usize,
    address: usize,
}

impl Heap {
    fn new(pages: sys::PageSizes) -> Heap {
        Heap { pages, huge: HashSet::new(), empty_pages: 0, live_bytes: 0 }
    }

    /// Until nobody rings any more.
    fn keep_up(&mut self, rings: &Receiver<()>) {
        while rings.recv().is_ok() {
            let live_bytes = allocator::used_bytes();
            self.forget_if_shrunk(live_bytes);
            let is_done = self.make_huge(MOST_AT_ONCE);
            thread::sleep(PAUSE);
            let growth = (live_bytes / GROWTH_SHARE).max(LEAST_GROWTH_BYTES);
            let highest = if is_done { (live_bytes + growth).max(LEAST_HEAP_BYTES) } else { 0 };
            expect(live_bytes / SHRUNK..highest);
        }
    }

    /// What was freed went back to the system in small pages, and comes back in such.
    fn forget_if_shrunk(&mut self, live_bytes: u64) {
        if live_bytes < self.live_bytes / SHRUNK {
            self.huge.clear();
            self.empty_pages = 0;
        }
        self.live_bytes = live_bytes;
    }

    /// Makes so many huge pages at most. True if there was nothing left to do.
    fn make_huge(&mut self, most: usize) -> bool {
        let candidates = self.candidates();
        for candidate in candidates.iter().take(most) {
            sys::have_a_huge_page_ready(self.pages.huge_bytes);
            match sys::make_huge(candidate.address, self.pages.huge_bytes) {
                Ok(()) => {
                    self.huge.insert(candidate.address);
                    self.empty_pages += candidate.empty_pages;
                }
                // Nothing is left there.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                // No memory in one piece, or none at all. There will be another time.
                Err(_) => return true,
            }
        }
        log::verbose!("{} huge pages", self.huge.len());
        candidates.len() <= most
    }

    /// What may become huge, in the order in which it should.
    fn candidates(&self) -> Vec<Candidate> {
        let of_one = self.pages.huge_bytes / self.pages.bytes;
        let map = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let mut resident_pages = self.huge.len() * of_one;
        let mut candidates = Vec::new();
        for address in anonymous(&map).flat_map(|range| aligned(range, self.pages.huge_bytes)) {
            if self.huge.contains(&address) {
                continue;
            }
            // Gone since the map was read, perhaps.
            let Ok(pages) = sys::resident_pages(address, of_one, self.pages.bytes) else { continue };
            resident_pages += pages;
            candidates.push(Candidate { empty_pages: of_one - pages, address });
        }
        candidates.retain(|candidate| candidate.empty_pages <= of_one / EMPTY_SHARE_OF_ONE);
        affordable(candidates, (resident_pages / EMPTY_SHARE).saturating_sub(self.empty_pages))
    }
}

/// The fullest, as long as there may be so many empty pages in them.
fn affordable(mut candidates: Vec<Candidate>, empty_pages: usize) -> Vec<Candidate> {
    candidates.sort_unstable();
    let mut left = Some(empty_pages);
    let is_affordable = |candidate: &&Candidate| {
        left = left.and_then(|left| left.checked_sub(candidate.empty_pages));
        left.is_some()
    };
    let count = candidates.iter().take_while(is_affordable).count();
    candidates.truncate(count);
    candidates
}

/// The address ranges of private memory without a file, from the text of /proc/self/maps (proc_pid_maps(5)).
fn anonymous(map: &str) -> impl Iterator<Item = Range<usize>> {
    map.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (range, permissions) = (fields.next()?, fields.next()?);
        let (_offset, _device, _inode) = (fields.next()?, fields.next()?, fields.next()?);
        if permissions != "rw-p" || fields.next().is_some_and(|name| !name.starts_with("[anon:")) {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
    })
}

/// Where pieces of such a size begin that lie in the range and at a multiple of their size.
fn aligned(range: Range<usize>, bytes: usize) -> impl Iterator<Item = usize> {
    let pieces = range.start.div_ceil(bytes)..range.end / bytes;
    pieces.map(move |piece| piece * bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUGE: usize = 2 << 20;

    #[test]
    fn the_heap_is_private_memory_without_a_file() {
        let map = "\
            55d0c0a00000-55d0c0c00000 r--p 00000000 fe:00 131 /usr/bin/fluidB-server\n\
            55d0c1000000-55d0c1200000 rw-p 00000000 00:00 0 [heap]\n\
            7f0000000000-7f0000800000 rw-p 00000000 00:00 0\n\
            7f0001000000-7f0001200000 ---p 00000000 00:00 0\n\
            7f0002000000-7f0002200000 rw-s 00000000 00:01 7 /dev/zero (deleted)\n\
            7f0003000000-7f0003400000 rw-p 00000000 00:00 0 [anon:heap]\n\
            7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0 [stack]\n\
            nonsense\n";
        let ranges: Vec<_> = anonymous(map).collect();
        assert_eq!(ranges, [0x7f00_0000_0000..0x7f00_0080_0000, 0x7f00_0300_0000..0x7f00_0340_0000]);
    }

    #[test]
    fn only_whole_huge_pages_count() {
        let starts = |range| aligned(range, HUGE).collect::<Vec<_>>();
        assert_eq!(starts(HUGE..3 * HUGE), [HUGE, 2 * HUGE]);
        assert_eq!(starts(HUGE + 4096..3 * HUGE + 4096), [2 * HUGE]);
        assert_eq!(starts(HUGE + 4096..2 * HUGE + 4096), [0; 0]);
        assert_eq!(starts(HUGE..HUGE), [0; 0]);
    }

    #[test]
    fn the_fullest_come_first_as_long_as_they_are_affordable() {
        let chosen = |empty: &[usize], allowance| -> Vec<usize> {
            let candidate = |(address, &empty_pages)| Candidate { empty_pages, address };
            let candidates = empty.iter().enumerate().map(candidate).collect();
            affordable(candidates, allowance).into_iter().map(|candidate| candidate.address).collect()
        };
        assert_eq!(chosen(&[10, 0, 64, 0], 1000), [1, 3, 0, 2]);
        assert_eq!(chosen(&[10, 0, 64, 0], 74), [1, 3, 0, 2]);
        assert_eq!(chosen(&[10, 0, 64, 0], 73), [1, 3, 0]);
        assert_eq!(chosen(&[10, 0, 64, 0], 0), [1, 3]);
        assert_eq!(chosen(&[], 10), [0; 0]);
    }

    /// Whether the kernel did it is in AnonHugePages of /proc/PID/smaps, at which a test of the process looks.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_heap_gets_huge_pages_and_keeps_its_bytes() {
        let Some(pages) = sys::PageSizes::where_small_become_huge() else { return };
        let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
        if setting.contains("[never]") {
            return;
        }
        let mut heap = Heap::new(pages);
        let block: Vec<u8> = (0..16 * HUGE).map(|at| (at % 251) as u8).collect();
        let own = block.as_ptr().addr()..block.as_ptr().addr() + block.len();
        let made = |heap: &Heap| heap.huge.iter().filter(|address| own.contains(address)).count();
        assert!(!heap.make_huge(1));
        assert!(heap.make_huge(1000) && made(&heap) >= 8, "{} of 16", made(&heap));
        assert!(block.iter().enumerate().all(|(at, &byte)| byte == (at % 251) as u8));
        assert!(heap.candidates().iter().all(|candidate| !own.contains(&candidate.address)));
    }

    #[test]
    fn a_heap_that_shrank_begins_anew() {
        let mut heap = Heap::new(sys::PageSizes { bytes: 4096, huge_bytes: HUGE });
        let huge_after = |heap: &mut Heap, live_bytes| {
            heap.forget_if_shrunk(live_bytes);
            heap.huge.len()
        };
        heap.huge.insert(HUGE);
        assert_eq!(huge_after(&mut heap, 100), 1);
        assert_eq!(huge_after(&mut heap, 50), 1);
        assert_eq!(huge_after(&mut heap, 24), 0);
    }
}
