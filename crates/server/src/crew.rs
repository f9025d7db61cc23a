//! The workers as a crew: who takes part, who has how many connections, which connections are to go to another one. The
//! figures are taken and judged by whichever worker is awake when it is time (`scaling`).

use crate::scaling::{self, Decision, Scaling, Window};
use crate::sys::ThreadClock;
use engine::stats::WorkerStats;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// A window is at least so long, …
const WINDOW_US: u64 = 50_000;
/// … one that lets connections arrive so long, …
const SETTLING_US: u64 = 10_000;
/// … and has so many requests.
const WINDOW_REQUESTS: u64 = 32;

pub struct Crew {
    /// Workers `0..active` take part. The others serve who comes to them, and send him to one that does.
    active: AtomicUsize,
    /// The number of the current window.
    window: AtomicU32,
    members: Box<[Member]>,
    /// `None`: the number of workers is fixed.
    watch: Mutex<Option<Watch>>,
}

/// One worker, as the others see it. On cache lines of its own (two: processors fetch them in pairs).
#[repr(align(128))]
#[derive(Default)]
struct Member {
    thread: OnceLock<Thread>,
    /// Clients that it serves, …
    clients: AtomicUsize,
    /// … and how many of them it did something for in this window.
    busy: AtomicUsize,
    /// How many of these are to go where, as `order` packs it; 0: none.
    order: AtomicU64,
}

/// What the thread of a worker has done so far.
struct Thread {
    clock: ThreadClock,
    stats: Arc<WorkerStats>,
}

struct Watch {
    scaling: Scaling,
    /// When the window began, and what each worker had done by then.
    began_us: u64,
    done: Vec<Done>,
}

#[derive(Clone, Copy, Default)]
struct Done {
    requests: u64,
    busy_us: u64,
    cpu_us: u64,
}

impl Thread {
    fn done(&self) -> Done {
        Done {
            requests: self.stats.commands_processed.get(),
            busy_us: self.stats.cycle_microseconds.get(),
            cpu_us: self.clock.cpu_ns() / 1000,
        }
    }
}

fn order(to: usize, count: usize) -> u64 {
    if count == 0 { 0 } else { (to as u64) << 32 | count.min(u32::MAX as usize) as u64 }
}

impl Crew {
    pub fn new(workers: usize) -> Crew {
        let watch = Watch { scaling: Scaling::new(workers), began_us: 0, done: vec![Done::default(); workers] };
        Crew {
            active: AtomicUsize::new(1),
            window: AtomicU32::new(1),
            members: (0..workers).map(|_| Member::default()).collect(),
            watch: Mutex::new((workers > 1).then_some(watch)),
        }
    }

    pub fn workers(&self) -> usize {
        self.members.len()
    }

    /// How many workers take part.
    pub fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// So many workers take part from now on, whatever they have to do.
    pub fn fix(&self, workers: usize) {
        let mut watch = self.watch.lock();
        *watch = None;
        self.give_no_orders();
        self.active.store(workers.clamp(1, self.workers()), Relaxed);
    }

    /// To be called by each worker's thread, first.
    pub fn enter(&self, worker: usize, stats: Arc<WorkerStats>) {
        let _ = self.members[worker].thread.set(Thread { clock: ThreadClock::of_this_thread(), stats });
    }

    /// The worker with the fewest clients of those that take part.
    pub fn fewest_clients(&self) -> usize {
        (0..self.active()).min_by_key(|worker| self.members[*worker].clients.load(Relaxed)).unwrap_or(0)
    }

    pub fn count_client(&self, worker: usize) {
        self.members[worker].clients.fetch_add(1, Relaxed);
    }

    pub fn discount_client(&self, worker: usize) {
        self.members[worker].clients.fetch_sub(1, Relaxed);
    }

    /// A worker did something for a connection, which was last counted in this window.
    #[inline]
    pub fn count_busy(&self, worker: usize, counted_in: &mut u32) {
        let window = self.window.load(Relaxed);
        if std::mem::replace(counted_in, window) != window {
            self.members[worker].busy.fetch_add(1, Relaxed);
        }
    }

    /// Where a connection that this worker has just served is to go; `None`: it stays.
    #[inline]
    pub fn next_home(&self, worker: usize) -> Option<usize> {
        if worker >= self.active() {
            return Some(self.fewest_clients());
        }
        let ordered = &self.members[worker].order;
        let now = ordered.load(Relaxed);
        if now == 0 {
            return None;
        }
        let (to, count) = ((now >> 32) as usize, now as u32 as usize);
        ordered.compare_exchange(now, order(to, count - 1), Relaxed, Relaxed).is_ok().then_some(to)
    }

    /// To be called now and then by every worker that is awake.
    pub fn review(&self, now_us: u64) {
        let Some(mut watch) = self.watch.try_lock() else { return };
        let Some(watch) = &mut *watch else { return };
        let elapsed_us = now_us.saturating_sub(watch.began_us);
        if elapsed_us < if watch.scaling.is_settling() { SETTLING_US } else { WINDOW_US } {
            return;
        }
        let done: Vec<Done> =
            self.members.iter().map(|member| member.thread.get().map(Thread::done).unwrap_or_default()).collect();
        // Counters can be reset.
        let since = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now);
        let requests: u64 = done.iter().zip(&watch.done).map(|(now, then)| since(now.requests, then.requests)).sum();
        if requests < WINDOW_REQUESTS {
            return;
        }
        let part = |now: u64, then: u64| since(now, then) as f32 / elapsed_us as f32;
        let figures =
            self.members.iter().zip(done.iter().zip(&watch.done)).map(|(member, (now, then))| scaling::Member {
                busy: part(now.busy_us, then.busy_us),
                core: part(now.cpu_us, then.cpu_us),
                connections: member.busy.swap(0, Relaxed),
            });
        let mut members: Vec<scaling::Member> = figures.collect();
        members.truncate(self.active());
        (watch.began_us, watch.done) = (now_us, done);
        let requests = requests as f32 / elapsed_us as f32;
        let window = Window { ends_us: now_us, requests, members };
        let decision = watch.scaling.review(&window);
        self.carry_out(decision, &window.members);
        self.window.fetch_add(1, Relaxed);
    }

    fn carry_out(&self, decision: Decision, members: &[scaling::Member]) {
        match decision {
            Decision::Stay => {}
            Decision::Workers(workers) => {
                self.give_no_orders();
                self.active.store(workers, Relaxed);
                // A new one gets its share of each. Who no longer takes part has his go by themselves (`next_home`).
                let connections: usize = members.iter().map(|member| member.connections).sum();
                for to in members.len()..workers {
                    for (giver, member) in self.members.iter().zip(members) {
                        let surplus = member.connections.saturating_sub(connections / workers);
                        giver.order.store(order(to, surplus), Relaxed);
                    }
                }
            }
            Decision::Move { from, to, count } => self.members[from].order.store(order(to, count), Relaxed),
        }
    }

    fn give_no_orders(&self) {
        self.members.iter().for_each(|member| member.order.store(0, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_member_gets_its_share_of_the_busy_connections() {
        let crew = Crew::new(3);
        let member = |connections| scaling::Member { connections, ..scaling::Member::default() };
        crew.carry_out(Decision::Workers(3), &[member(7), member(2)]);
        let moved: Vec<Option<usize>> = (0..7).map(|_| crew.next_home(0)).collect();
        assert_eq!(moved, [Some(2), Some(2), Some(2), Some(2), None, None, None]);
        assert_eq!((crew.next_home(1), crew.next_home(2)), (None, None));
        // What is not carried out before the next decision is not carried out.
        crew.carry_out(Decision::Move { from: 1, to: 0, count: 2 }, &[]);
        crew.carry_out(Decision::Workers(2), &[member(4), member(3), member(0)]);
        assert_eq!((crew.next_home(0), crew.next_home(1)), (None, None));
    }

    #[test]
    fn who_takes_no_part_sends_its_connections_away() {
        let crew = Crew::new(4);
        crew.fix(2);
        crew.count_client(0);
        assert_eq!([0, 1, 2, 3].map(|worker| crew.next_home(worker)), [None, None, Some(1), Some(1)]);
        crew.fix(9);
        assert_eq!(crew.active(), 4);
    }

    #[test]
    fn a_connection_is_busy_once_in_a_window() {
        let crew = Crew::new(2);
        let (mut one, mut other) = (0, 0);
        for counted_in in [&mut one, &mut other] {
            (0..5).for_each(|_| crew.count_busy(0, counted_in));
        }
        assert_eq!(crew.members[0].busy.load(Relaxed), 2);
    }

    #[test]
    fn windows_are_long_enough_to_say_something() {
        let (crew, stats) = (Crew::new(2), engine::stats::Stats::default().register());
        crew.enter(1, stats.clone());
        let first = crew.window.load(Relaxed);
        let windows = |now_us| {
            crew.review(now_us);
            crew.window.load(Relaxed) - first
        };
        stats.commands_processed.add(WINDOW_REQUESTS - 1);
        assert_eq!((windows(WINDOW_US - 1), windows(WINDOW_US)), (0, 0));
        stats.commands_processed.add(1);
        assert_eq!((windows(2 * WINDOW_US), windows(3 * WINDOW_US)), (1, 1));
    }
}
