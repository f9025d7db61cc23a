//! What the operating system offers only through C: each function here is a safe face over one or two calls.

use std::io;
use std::sync::OnceLock;

/// A clock that only goes forward, in nanoseconds. `Instant` is the same clock; its differences take longer to calculate.
#[inline]
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec, and this clock is there on every system that we run on.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Counts the CPU time of one thread; any other may read it.
#[derive(Clone, Copy)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// Where the system has no such clock it is one that always runs, as if the thread never slept.
    pub fn of_this_thread() -> ThreadClock {
        #[cfg(target_os = "linux")]
        {
            let mut clock = 0;
            // SAFETY: the calling thread exists, and `clock` is a live number that the call fills in.
            if unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) } == 0 {
                return ThreadClock(clock);
            }
        }
        ThreadClock(libc::CLOCK_MONOTONIC)
    }

    /// 0 once the thread has ended.
    pub fn cpu_ns(self) -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a live timespec that the call fills in, or leaves as it is where there is no such clock any more.
        unsafe { libc::clock_gettime(self.0, &mut time) };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

/// Has naps of the calling thread end when they should: the system may prolong them, to wake up for several reasons at once.
pub fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    // SAFETY: this request takes a number and changes nothing but how the calling thread sleeps. In nanoseconds.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong);
    }
}

/// Broken-down local time; `month` counts from 0.
pub struct LocalTime {
    pub year: i32,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
}

pub fn local_time(unix_s: i64) -> LocalTime {
    let seconds = unix_s as libc::time_t;
    // SAFETY: both pointers are to live values of the right types; localtime_r writes only to `broken_down`, for which all-zero
    // bytes are a valid value (integers and a nullable pointer that is never read here).
    let broken_down = unsafe {
        let mut broken_down: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut broken_down);
        broken_down
    };
    LocalTime {
        year: broken_down.tm_year + 1900,
        month: broken_down.tm_mon as u32,
        day: broken_down.tm_mday as u32,
        hour: broken_down.tm_hour as u32,
        minute: broken_down.tm_min as u32,
        second: broken_down.tm_sec as u32,
    }
}

/// Raises the limit of open files towards `wanted`, as far as the system lets us; returns the limit now in force.
pub fn raise_open_files_limit(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live rlimit that the call fills in.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur >= wanted {
        return Ok(limit.rlim_cur);
    }
    // A privileged process may raise the hard limit too; others get what the hard limit allows.
    for (soft, hard) in [(wanted, wanted.max(limit.rlim_max)), (wanted.min(limit.rlim_max), limit.rlim_max)] {
        let raised = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: `raised` is a live rlimit that the call only reads.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
            return Ok(soft);
        }
    }
    Ok(limit.rlim_cur)
}

/// Goes into the background: the parent exits, the child leads a session of its own and has /dev/null as its standard streams.
/// Must run while the process has one thread.
pub fn daemonize() -> io::Result<()> {
    // SAFETY: no other thread runs yet, so the child is a complete copy; `_exit` ends the parent without running its destructors twice.
    unsafe {
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => {}
            _ => libc::_exit(0),
        }
        libc::setsid();
    }
    use std::os::fd::AsRawFd;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for standard in 0..=2 {
        // SAFETY: `null` is open; dup2 onto a standard descriptor replaces it.
        if unsafe { libc::dup2(null.as_raw_fd(), standard) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The address and the length of the memory that `ps` and `top` read the command line from.
static TITLE_SPACE: OnceLock<(usize, usize)> = OnceLock::new();

/// Finds room for `set_process_title`: the command line and, where it lies behind it, the environment, which moves to the
/// heap. Must run while the process has one thread.
pub fn reserve_title_space() {
    #[cfg(target_os = "linux")]
    if let Some([start, end, environment_start, environment_end]) = command_line_fields() {
        let is_adjacent = environment_start == end && environment_end > end;
        let end = if is_adjacent { environment_end } else { end };
        for (name, value) in std::env::vars_os() {
            // SAFETY: no other thread runs yet that could read the environment.
            unsafe { std::env::set_var(name, value) };
        }
        let _ = TITLE_SPACE.set((start, end - start));
    }
}

/// Names the process for `ps` and `top` by overwriting its command line in place; a title longer than the space that
/// was reserved is cut. Does nothing where the system does not tell where the command line lies.
pub fn set_process_title(title: &[u8]) {
    if let Some(&(start, len)) = TITLE_SPACE.get() {
        let mut bytes = vec![0; len];
        let cut = title.len().min(len - 1);
        bytes[..cut].copy_from_slice(&title[..cut]);
        // SAFETY: the kernel reports [start, start + len) as this process's argument and environment strings: writable
        // memory of the initial stack. `std::env::args` copied from it in `main`, and the environment has moved, so
        // nobody in this process reads it any more.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, len) };
    }
}

/// Where the arguments begin and end, and the environment: fields 48 to 51 of /proc/self/stat (proc_pid_stat(5)), zero
/// without permission.
#[cfg(target_os = "linux")]
fn command_line_fields() -> Option<[usize; 4]> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The first field after the name is number 3.
    let fields = stat.rsplit_once(") ")?.1.split_whitespace().skip(48 - 3).take(4);
    let fields: Vec<usize> = fields.map_while(|field| field.parse().ok()).collect();
    let fields: [usize; 4] = fields.try_into().ok()?;
    (fields[0] != 0 && fields[1] > fields[0] + 1).then_some(fields)
}

/// Resident set size of this process, in bytes.
pub fn resident_bytes() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
        // SAFETY: sysconf has no preconditions.
        pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
    }
    #[cfg(not(target_os = "linux"))]
    {
        // Only the highest value ever: the nearest that is portable.
        // SAFETY: `usage` is a live rusage, for which all-zero bytes are valid, and the call fills it in.
        unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage.ru_maxrss as u64
        }
    }
}

/// Of memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct PageSizes {
    pub bytes: usize,
    /// A multiple of `bytes`.
    pub huge_bytes: usize,
}

impl PageSizes {
    /// None where the system cannot `make_huge`.
    pub fn where_small_become_huge() -> Option<PageSizes> {
        let huge = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size").ok()?;
        let huge_bytes = huge.trim().parse().ok()?;
        // SAFETY: sysconf has no preconditions.
        let bytes = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        let fits = bytes > 0 && huge_bytes > bytes && huge_bytes % bytes == 0;
        // No memory is no work for a system that knows the request, and an error to one that does not.
        (fits && make_huge(huge_bytes, 0).is_ok()).then_some(PageSizes { bytes, huge_bytes })
    }
}

/// How many of so many pages from an address on are in memory. An error where there is none at all.
#[cfg(target_os = "linux")]
pub fn resident_pages(address: usize, pages: usize, page_bytes: usize) -> io::Result<usize> {
    let mut is_resident = vec![0u8; pages];
    // SAFETY: the call reads nothing at the address, whatever is there, and fills in a byte for each page.
    let result = unsafe {
        libc::mincore(std::ptr::without_provenance_mut(address), pages * page_bytes, is_resident.as_mut_ptr())
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(is_resident.iter().filter(|&&page| page & 1 != 0).count())
}

/// Puts what is in the small pages of such a range into huge ones (Linux 6.1).
#[cfg(target_os = "linux")]
pub fn make_huge(address: usize, bytes: usize) -> io::Result<()> {
    // SAFETY: the memory stays where it is and what it is, for everyone who uses it; the kernel only keeps it otherwise.
    match unsafe { libc::madvise(std::ptr::without_provenance_mut(address), bytes, libc::MADV_COLLAPSE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes a huge page from the system and gives it back, so that the next one that is wanted on this processor is that one. It takes
/// milliseconds where the system, on a virtual machine, has to be given the memory first: better now than in `make_huge`,
/// which keeps others waiting.
#[cfg(target_os = "linux")]
pub fn have_a_huge_page_ready(huge_bytes: usize) {
    let (protection, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, at an address of the system's choice, of which nobody else knows. Twice the size has room for a whole
    // huge page; the byte that is written is its first one. It is unmapped before anyone can hear of it.
    unsafe {
        let memory = libc::mmap(std::ptr::null_mut(), 2 * huge_bytes, protection, kind, -1, 0);
        if memory == libc::MAP_FAILED {
            return;
        }
        let page = memory.map_addr(|address| address.next_multiple_of(huge_bytes));
        if libc::madvise(page, huge_bytes, libc::MADV_HUGEPAGE) == 0 {
            page.cast::<u8>().write_volatile(1);
        }
        libc::munmap(memory, 2 * huge_bytes);
    }
}

#[cfg(not(target_os = "linux"))]
pub fn have_a_huge_page_ready(_: usize) {}

#[cfg(not(target_os = "linux"))]
pub fn resident_pages(_: usize, _: usize, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub fn make_huge(_: usize, _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Memory of this machine, in bytes; 0 where it is not told.
pub fn total_memory_bytes() -> u64 {
    // SAFETY: sysconf has no preconditions; a name that it does not know gives -1.
    let (pages, page_bytes) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    pages.max(0) as u64 * page_bytes.max(0) as u64
}

/// "Linux 6.1.0 x86_64"
pub fn operating_system() -> String {
    let name = system_name();
    format!("{} {} {}", text(&name.sysname), text(&name.release), text(&name.machine))
}

/// What this machine is called.
pub fn host_name() -> String {
    text(&system_name().nodename)
}

fn system_name() -> libc::utsname {
    // SAFETY: all-zero bytes are a valid utsname (arrays of characters), and the call fills it in with strings that end in 0.
    unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        libc::uname(&mut name);
        name
    }
}

fn text(field: &[libc::c_char]) -> String {
    field.iter().take_while(|&&byte| byte != 0).map(|&byte| byte as u8 as char).collect()
}

/// Locks a file for as long as it is open. An error where another process has it.
pub fn lock(file: &std::fs::File) -> std::io::Result<()> {
    // SAFETY: the descriptor is open as long as `file` is borrowed; the call touches no memory.
    let result = unsafe { libc::flock(std::os::fd::AsRawFd::as_raw_fd(file), libc::LOCK_EX | libc::LOCK_NB) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Whose CPU time to tell.
#[derive(Clone, Copy)]
pub enum CpuTimeOf {
    Process,
    /// The calling thread; the whole process where the system does not tell them apart.
    Thread,
}

/// CPU time used so far, in microseconds.
pub struct CpuTime {
    pub user_us: u64,
    pub system_us: u64,
}

pub fn cpu_time(whose: CpuTimeOf) -> CpuTime {
    #[cfg(target_os = "linux")]
    const THREAD: libc::c_int = libc::RUSAGE_THREAD;
    #[cfg(not(target_os = "linux"))]
    const THREAD: libc::c_int = libc::RUSAGE_SELF;
    let whose = match whose {
        CpuTimeOf::Process => libc::RUSAGE_SELF,
        CpuTimeOf::Thread => THREAD,
    };
    // SAFETY: `usage` is a live rusage, for which all-zero bytes are valid, and the call fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(whose, &mut usage);
        usage
    };
    let microseconds = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    CpuTime { user_us: microseconds(usage.ru_utime), system_us: microseconds(usage.ru_stime) }
}
