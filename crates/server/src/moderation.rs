//! Fewer wake-ups of a worker that many connections keep busy: how long it may look away although it knows of nothing to
//! do, so that one turn serves several of them (docs/decisions/0006-moderation.md).

use std::time::Duration;

/// A nap is at most this part of the time in which connections come round, and never longer than `max_us`.
struct Limits {
    round_part: f32,
    max_us: f32,
}

/// What nobody notices.
const SHORT: Limits = Limits { round_part: 1.0 / 20.0, max_us: 15.0 };
/// Where nobody waits for us: the clients have so much to do that rounds are no longer for it.
const LONG: Limits = Limits { round_part: 1.0 / 4.0, max_us: 150.0 };
/// Long naps are taken as long as rounds with them are at most this many times as long as with short ones.
const COST_MAX: f32 = 1.08;
/// So many rounds with the one are compared with as many with the other, …
const TRIAL_ROUNDS: u32 = 1024;
/// … once in so many times, …
const TRIALS: u32 = 16;
/// … and this is the weight of the latest comparison.
const COST_WEIGHT: f32 = 0.25;
/// A longer turn counts as this, so that a rest is soon forgotten, …
const TURN_MAX_US: f32 = 1000.0;
/// … and a longer round as this.
const ROUND_MAX_US: f32 = 10_000.0;
/// So many times the usual round is what a longer one counts as in a trial, which would else be about what else the machine does.
const ROUND_OUTLIER: f32 = 2.0;
/// How much of the means is the latest turn, the latest round.
const TURN_WEIGHT: f32 = 1.0 / 16.0;
const ROUND_WEIGHT: f32 = 1.0 / 512.0;

/// Moving figures about the connections of one worker. A round: from one request of a connection to its next.
pub struct Moderation {
    /// Nine of ten rounds take longer.
    short_round_us: f32,
    /// Half of them do. Not the mean: where others have the processor now and then, some rounds take ten times as long.
    round_us: f32,
    turn_began_us: u64,
    /// Means: from the beginning of a turn to that of the next, and what there was to do.
    turn_us: f32,
    events: f32,
    trial: Trial,
}

/// What long naps cost: again and again some rounds are timed with the kind of nap that is not the usual one.
struct Trial {
    /// The kind of nap now.
    is_long: bool,
    number: u32,
    rounds: u32,
    total_us: f32,
    /// The mean round of the trial before.
    previous_us: f32,
    /// How many times as long rounds are with long naps.
    cost: f32,
}

impl Limits {
    fn nap_us(&self, round_us: f32) -> f32 {
        (round_us * self.round_part).min(self.max_us)
    }
}

impl Trial {
    fn new() -> Trial {
        // Naps are short until one comparison has shown that they may be long.
        Trial { is_long: false, number: 0, rounds: 0, total_us: 0.0, previous_us: 1.0, cost: COST_MAX + 0.01 }
    }

    fn compares(&self) -> bool {
        self.number % TRIALS == TRIALS - 1
    }

    #[inline]
    fn note_round(&mut self, us: f32) {
        self.total_us += us;
        self.rounds += 1;
        if self.rounds == TRIAL_ROUNDS {
            self.end();
        }
    }

    #[cold]
    fn end(&mut self) {
        let mean_us = (self.total_us / TRIAL_ROUNDS as f32).max(1.0);
        if self.compares() {
            let longer = mean_us / self.previous_us;
            let cost = if self.is_long { longer } else { 1.0 / longer };
            // What else happens to a machine may be far more than what is looked for.
            self.cost += (cost.clamp(0.8, 1.25) - self.cost) * COST_WEIGHT;
        }
        (self.rounds, self.total_us, self.previous_us) = (0, 0.0, mean_us);
        self.number = self.number.wrapping_add(1);
        self.is_long = (self.cost <= COST_MAX) != self.compares();
    }
}

impl Moderation {
    pub fn new() -> Moderation {
        Moderation {
            short_round_us: 1.0,
            round_us: ROUND_MAX_US,
            turn_began_us: 0,
            turn_us: TURN_MAX_US,
            events: 0.0,
            trial: Trial::new(),
        }
    }

    /// A turn begins, with so many events.
    #[inline]
    pub fn note_turn(&mut self, now_us: u64, events: usize) {
        let turn_us = (now_us.saturating_sub(self.turn_began_us) as f32).min(TURN_MAX_US);
        self.turn_began_us = now_us;
        self.turn_us += (turn_us - self.turn_us) * TURN_WEIGHT;
        self.events += (events as f32 - self.events) * TURN_WEIGHT;
    }

    /// A round of a connection ends.
    #[inline]
    pub fn note_round(&mut self, us: u64) {
        let us = (us as f32).min(ROUND_MAX_US);
        self.trial.note_round(us.min(ROUND_OUTLIER * self.round_us));
        // Shorter ones move it nine times as far as the others, so it comes to rest where one of ten is shorter.
        let step = if us < self.short_round_us { -9.0 * ROUND_WEIGHT } else { ROUND_WEIGHT };
        self.short_round_us = (self.short_round_us * (1.0 + step)).clamp(1.0, ROUND_MAX_US);
        let step = if us < self.round_us { -ROUND_WEIGHT } else { ROUND_WEIGHT };
        self.round_us = (self.round_us * (1.0 + step)).clamp(1.0, ROUND_MAX_US);
    }

    /// How long to look away. `None` where nobody would gain by it: no event is to be expected in a short nap, or rounds
    /// differ so much that clients do not wait for us but send when they please.
    #[inline]
    pub fn nap(&self) -> Option<Duration> {
        let is_closed_loop = self.short_round_us > self.round_us / 2.0 && self.round_us < ROUND_MAX_US / 2.0;
        if !is_closed_loop || SHORT.nap_us(self.short_round_us) * self.events < self.turn_us {
            return None;
        }
        let limits = if self.trial.is_long { LONG } else { SHORT };
        Some(Duration::from_nanos((limits.nap_us(self.short_round_us) * 1000.0) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is decided after many turns of a few events, in which `connections` come round in the time that `round_us` says.
    fn nap_us(connections: u64, mut round_us: impl FnMut(u64) -> u64) -> Option<u64> {
        nap_us_of(connections, |n, _| round_us(n))
    }

    /// The same where rounds depend on the naps.
    fn nap_us_of(connections: u64, mut round_us: impl FnMut(u64, u64) -> u64) -> Option<u64> {
        const EVENTS: u64 = 4;
        let mut moderation = Moderation::new();
        let (mut now_us, mut rounds) = (0, 0);
        while rounds < u64::from(TRIAL_ROUNDS * TRIALS) * 10 {
            let nap_us = moderation.nap().map_or(0, |nap| nap.as_micros() as u64);
            let mut passed_us = 0;
            for _ in 0..EVENTS {
                rounds += 1;
                let us = round_us(rounds, nap_us);
                moderation.note_round(us);
                passed_us += us;
            }
            now_us += passed_us / connections;
            moderation.note_turn(now_us, EVENTS as usize);
        }
        moderation.nap().map(|nap| nap.as_micros() as u64)
    }

    #[test]
    fn naps_are_short_beside_the_rounds_of_many_busy_connections() {
        for (connections, round_us) in [(30, 150), (50, 250), (100, 800), (200, 1000), (1000, 4000)] {
            let nap_us = nap_us(connections, |_| round_us).expect("there is something to gain");
            assert!(nap_us > 0 && nap_us <= (round_us / 4).min(150), "{connections} {round_us}: {nap_us}");
        }
    }

    #[test]
    fn naps_are_long_only_where_rounds_are_not_longer_for_it() {
        assert_eq!(nap_us_of(50, |_, _| 700), Some(150));
        // Clients that wait for the last reply before they send again.
        assert_eq!(nap_us_of(50, |_, nap_us| 500 + nap_us), Some(15));
        // Other load of the machine now and then.
        assert_eq!(nap_us_of(50, |n, nap_us| 500 + nap_us + n / 100 % 5 * 40), Some(15));
    }

    #[test]
    fn rounds_that_last_as_others_have_the_processor_change_nothing() {
        let others = |n: u64| if n % 500 < 50 { 4000 } else { 0 };
        assert_eq!(nap_us_of(50, |n, _| 700 + others(n)), Some(150));
        assert_eq!(nap_us_of(50, |n, nap_us| 500 + nap_us + others(n)), Some(15));
    }

    #[test]
    fn few_or_slow_connections_are_never_kept_waiting() {
        for (connections, round_us) in [(1, 30), (1, 5000), (8, 80), (16, 200), (8, 1000), (50, 5000), (1000, 100_000)]
        {
            assert_eq!(nap_us(connections, |_| round_us), None, "{connections} {round_us}");
        }
    }

    #[test]
    fn clients_that_send_when_they_please_are_not_kept_waiting() {
        // Times between events of a Poisson process, by their quantiles.
        let exponential =
            |mean_us: f64| move |n: u64| (-mean_us * ((n * 7919 % 1000) as f64 / 1000.0 + 0.0005).ln()) as u64;
        for (connections, mean_us) in [(50, 1000.0), (200, 2000.0), (1000, 10_000.0), (10_000, 100_000.0)] {
            assert_eq!(nap_us(connections, exponential(mean_us)), None, "{connections} {mean_us}");
        }
    }

    #[test]
    fn a_quick_connection_among_slow_ones_is_not_kept_waiting() {
        assert_eq!(nap_us(50, |n| if n % 5 == 0 { 50 } else { 1000 }), None);
    }

    #[test]
    fn rests_end_it() {
        let mut moderation = Moderation::new();
        for turn in 0..20_000 {
            moderation.note_turn(turn * 20, 4);
            moderation.note_round(250);
        }
        assert!(moderation.nap().is_some());
        (1..4).for_each(|rest| moderation.note_turn(rest * 10_000_000, 1));
        assert_eq!(moderation.nap(), None);
    }
}
