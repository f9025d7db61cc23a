//! How many workers take part, by what they do (docs/decisions/0008-workers.md). A worker more is tried where those that take
//! part have no rest, one fewer where that may do as well; what was tried stays only if requests were served as fast as it promised.

/// A worker that is at work for so much of the time has no rest; …
const SATURATED: f32 = 0.9;
/// … unless it waits for a core half of it: there is none for another worker.
const CORE_MIN: f32 = 0.5;
/// A worker more is for those that have no rest on the average, too.
const MEAN_MIN: f32 = 0.75;
/// What so many cores do, one worker fewer may be able to do: it is tried.
const SLACK: f32 = 0.05;
/// One fewer needs no trial where each of the others would use no more of a core than this.
const EASY: f32 = 0.5;
/// Below this nothing is decided: workers that sleep cost nothing.
const IDLE: f32 = 0.1;
/// So many times as fast requests must be with a worker more, …
const GAIN_MIN: f32 = 1.08;
/// … and may become with one fewer.
const LOSS_MAX: f32 = 0.95;
/// After a trial the next one waits, each time twice as long while they are in vain, …
const REST_MIN_US: u64 = 500_000;
const REST_MAX_US: u64 = 64_000_000;
/// … unless requests come at another rate: so many times the one at the last trial, or more, or the inverse.
const OTHER_RATE: f32 = 1.25;

/// Figures of some time in which the number of workers was the same.
pub struct Window {
    pub ends_us: u64,
    /// Of all workers, per microsecond.
    pub requests: f32,
    /// Of those that take part, each: …
    pub members: Vec<Member>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Member {
    /// … for how much of the time it was at work, …
    pub busy: f32,
    /// … how much of a core it used in that, …
    pub core: f32,
    /// … and for how many connections it did something.
    pub connections: usize,
}

/// What follows from a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Stay,
    /// So many workers take part.
    Workers(usize),
    /// So many busy connections go from one to another.
    Move {
        from: usize,
        to: usize,
        count: usize,
    },
}

/// The number of workers that take part, and why.
pub struct Scaling {
    limit: usize,
    active: usize,
    phase: Phase,
    rest: Rest,
}

enum Phase {
    Watching,
    /// Connections are on their way: the figures of this window say nothing.
    Settling(Option<Trial>),
    Trying(Trial),
}

#[derive(Clone, Copy)]
struct Trial {
    /// As it was before.
    workers: usize,
    requests: f32,
}

/// Until when nothing is tried, after how long a time, and at which rate of requests.
#[derive(Default)]
struct Rest {
    ends_us: u64,
    us: u64,
    requests: f32,
}

impl Scaling {
    /// One worker takes part, `limit` may.
    pub fn new(limit: usize) -> Scaling {
        Scaling { limit, active: 1, phase: Phase::Watching, rest: Rest::default() }
    }

    /// Whether the current window is only there to let connections arrive.
    pub fn is_settling(&self) -> bool {
        matches!(self.phase, Phase::Settling(_))
    }

    /// A window has ended.
    pub fn review(&mut self, window: &Window) -> Decision {
        match std::mem::replace(&mut self.phase, Phase::Watching) {
            Phase::Settling(trial) => {
                self.phase = trial.map_or(Phase::Watching, Phase::Trying);
                Decision::Stay
            }
            Phase::Trying(trial) => self.judge(trial, window),
            Phase::Watching => self.propose(window),
        }
    }

    fn judge(&mut self, trial: Trial, window: &Window) -> Decision {
        let is_more = self.active > trial.workers;
        let is_good = window.requests >= trial.requests * if is_more { GAIN_MIN } else { LOSS_MAX };
        if is_good && is_more {
            self.rest = Rest::default();
            return self.propose(window);
        }
        // What was good enough with one fewer is not to be tried with one more at once.
        self.rest.us = if is_good { REST_MIN_US } else { (self.rest.us * 2).clamp(REST_MIN_US, REST_MAX_US) };
        self.rest.ends_us = window.ends_us + self.rest.us;
        self.rest.requests = if is_good { window.requests } else { trial.requests };
        if is_good { Decision::Stay } else { self.change(trial.workers, None) }
    }

    fn propose(&mut self, window: &Window) -> Decision {
        let members = &window.members;
        let cores: f32 = members.iter().map(|member| member.core).sum();
        let (workers, others) = (self.active as f32, (self.active - 1) as f32);
        if cores < IDLE {
            return Decision::Stay;
        }
        if cores <= others * EASY {
            return self.change(self.active - 1, None);
        }
        if self.active > 1 && cores <= others + SLACK {
            return self.attempt(self.active - 1, window);
        }
        let by_busy = |a: &usize, b: &usize| members[*a].busy.total_cmp(&members[*b].busy);
        let busiest = (0..members.len()).max_by(by_busy).unwrap_or(0);
        let laziest = (0..members.len()).min_by(by_busy).unwrap_or(0);
        if members[busiest].busy < SATURATED || members[busiest].core < CORE_MIN {
            return Decision::Stay;
        }
        let (more, fewer) = (members[busiest].connections, members[laziest].connections);
        if more > fewer + fewer / 4 + 1 {
            self.phase = Phase::Settling(None);
            return Decision::Move { from: busiest, to: laziest, count: (more - fewer) / 2 };
        }
        let connections: usize = members.iter().map(|member| member.connections).sum();
        let busy: f32 = members.iter().map(|member| member.busy).sum();
        if self.active < self.limit && connections > self.active && busy >= workers * MEAN_MIN {
            return self.attempt(self.active + 1, window);
        }
        Decision::Stay
    }

    fn attempt(&mut self, workers: usize, window: &Window) -> Decision {
        let changed = window.requests / self.rest.requests;
        if !(1.0 / OTHER_RATE..OTHER_RATE).contains(&changed) {
            self.rest = Rest::default();
        }
        if window.ends_us < self.rest.ends_us {
            return Decision::Stay;
        }
        self.change(workers, Some(Trial { workers: self.active, requests: window.requests }))
    }

    fn change(&mut self, workers: usize, trial: Option<Trial>) -> Decision {
        self.active = workers;
        self.phase = Phase::Settling(trial);
        Decision::Workers(workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_US: u64 = 50_000;
    const CONNECTIONS: usize = 48;

    /// Requests per microsecond, and how much of a core each of `workers` uses; none waits for one.
    type Load<'a> = &'a mut dyn FnMut(usize) -> (f32, f32);

    fn window(number: usize, workers: usize, load: Load) -> Window {
        let (requests, core) = load(workers);
        let member = Member { busy: core, core, connections: CONNECTIONS / workers };
        Window { ends_us: (number as u64 + 1) * WINDOW_US, requests, members: vec![member; workers] }
    }

    /// With how many workers each window passed.
    fn run(scaling: &mut Scaling, windows: std::ops::Range<usize>, load: Load) -> Vec<usize> {
        let mut passed = Vec::new();
        for number in windows {
            passed.push(scaling.active);
            let decision = scaling.review(&window(number, scaling.active, load));
            assert!(!matches!(decision, Decision::Move { .. }), "all have the same");
        }
        passed
    }

    /// What becomes of one worker of eight in 20 seconds, and how many windows had another number of workers.
    fn outcome(load: Load) -> (usize, usize) {
        let mut scaling = Scaling::new(8);
        let passed = run(&mut scaling, 0..400, load);
        (scaling.active, passed.iter().filter(|workers| **workers != scaling.active).count())
    }

    /// The server is the bottleneck, up to so many workers' work; there are cores for all.
    fn free_cores(work: f32) -> impl FnMut(usize) -> (f32, f32) {
        move |workers| (work.min(workers as f32), (work / workers as f32).min(1.0))
    }

    /// Two cores for clients and workers (as measured: SET in pipelines of 16).
    fn clients_on_the_same_cores(workers: usize) -> (f32, f32) {
        [(1.0, 0.92), (0.8, 0.48), (0.7, 0.3)][workers.min(3) - 1]
    }

    #[test]
    fn workers_are_added_while_they_help() {
        assert_eq!(outcome(&mut free_cores(100.0)), (8, 1 + 2 * 6), "each after a window to settle and one to try");
        assert_eq!(outcome(&mut free_cores(3.5)).0, 4);
    }

    #[test]
    fn one_worker_with_rests_is_enough() {
        assert_eq!(outcome(&mut free_cores(0.85)), (1, 0));
    }

    #[test]
    fn what_does_not_help_is_tried_more_and_more_rarely() {
        let mut scaling = Scaling::new(2);
        let passed = run(&mut scaling, 0..12_000, &mut clients_on_the_same_cores);
        let tried = |windows: &[usize]| windows.iter().filter(|workers| **workers == 2).count();
        assert!(tried(&passed[..200]) <= 10 && tried(&passed[6_000..]) <= 10, "of 10 seconds, of 5 minutes");
        // All clients want the same key.
        assert!(outcome(&mut |workers| (1.0, 1.0 / workers as f32)).1 <= 14);
    }

    #[test]
    fn another_load_is_another_trial() {
        let mut scaling = Scaling::new(2);
        run(&mut scaling, 0..2_000, &mut clients_on_the_same_cores);
        assert_eq!(scaling.active, 1);
        run(&mut scaling, 2_000..2_004, &mut |workers| (2.0 * workers as f32, 1.0));
        assert_eq!(scaling.active, 2);
    }

    #[test]
    fn workers_leave_when_fewer_do_as_well() {
        let mut scaling = Scaling::new(8);
        run(&mut scaling, 0..100, &mut free_cores(100.0));
        run(&mut scaling, 100..200, &mut free_cores(2.6));
        assert_eq!(scaling.active, 3);
        run(&mut scaling, 200..300, &mut free_cores(0.3));
        assert_eq!(scaling.active, 1);
    }

    #[test]
    fn workers_leave_when_they_get_in_the_way_of_the_clients() {
        let mut scaling = Scaling::new(2);
        run(&mut scaling, 0..100, &mut free_cores(100.0));
        assert_eq!(scaling.active, 2);
        run(&mut scaling, 100..104, &mut clients_on_the_same_cores);
        assert_eq!(scaling.active, 1);
    }

    #[test]
    fn they_stay_where_one_fewer_is_slower_although_none_is_busy() {
        let mut scaling = Scaling::new(2);
        run(&mut scaling, 0..100, &mut free_cores(100.0));
        let mut waiting_for_cores = |workers: usize| (workers as f32, 0.5);
        let passed = run(&mut scaling, 100..2_000, &mut waiting_for_cores);
        assert!(passed.iter().filter(|workers| **workers == 1).count() < 20);
    }

    #[test]
    fn nothing_happens_while_there_is_next_to_nothing_to_do() {
        let mut scaling = Scaling::new(2);
        run(&mut scaling, 0..100, &mut free_cores(100.0));
        assert_eq!(run(&mut scaling, 100..200, &mut |_| (0.0001, 0.01)), [2; 100]);
    }

    #[test]
    fn other_load_of_the_machine_does_not_mislead_it_for_long() {
        let mut state = 1u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            0.9 + (state >> 16) as f32 / 65536.0 * 0.2
        };
        let (bad, mut free) = (clients_on_the_same_cores, free_cores(100.0));
        let share_at = |workers: usize, load: Load| {
            let passed = run(&mut Scaling::new(2), 0..2_000, load);
            passed.iter().filter(|passed| **passed == workers).count() as f32 / passed.len() as f32
        };
        assert!(share_at(1, &mut |workers| (bad(workers).0 * noise(), bad(workers).1)) > 0.97);
        assert!(share_at(2, &mut |workers| (free(workers).0 * noise(), 0.99)) > 0.97);
    }

    #[test]
    fn a_worker_more_needs_a_core_and_connections() {
        let decision = |core, connections| {
            let members = vec![Member { busy: 1.0, core, connections }];
            Scaling::new(2).review(&Window { ends_us: WINDOW_US, requests: 1.0, members })
        };
        assert_eq!(decision(0.9, 2), Decision::Workers(2));
        assert_eq!(decision(0.9, 1), Decision::Stay);
        assert_eq!(decision(0.4, 2), Decision::Stay, "it waits for a core, and so would another one");
    }

    #[test]
    fn busy_connections_are_shared_evenly() {
        let mut scaling = Scaling::new(2);
        run(&mut scaling, 0..100, &mut free_cores(100.0));
        let member = |core, connections| Member { busy: core, core, connections };
        let mut members = vec![member(0.2, 4), member(1.0, 10)];
        let window = |members: &[Member], ends_us| Window { ends_us, requests: 1.0, members: members.to_vec() };
        let decision = scaling.review(&window(&members, 100 * WINDOW_US));
        assert_eq!(decision, Decision::Move { from: 1, to: 0, count: 3 });
        assert!(scaling.is_settling());
        assert_eq!(scaling.review(&window(&members, 101 * WINDOW_US)), Decision::Stay);
        // One of them takes a whole worker.
        (members[0].connections, members[1].connections) = (8, 6);
        assert_eq!(scaling.review(&window(&members, 102 * WINDOW_US)), Decision::Stay);
    }
}
