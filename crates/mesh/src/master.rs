//! A configured master: dialled, and dialled again.

use crate::LinkId;
use rand::Rng;

const FIRST_RETRY_MS: u64 = 250;
const MAX_RETRY_MS: u64 = 8_000;

/// One `replicaof`.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) link: Option<LinkId>,
    /// It was up at least once.
    known: bool,
    /// Attempts since it was last up.
    attempts: u32,
    /// When to dial again.
    pub(crate) dial_ms: u64,
    /// It is this very node: not dialled again.
    pub(crate) never: bool,
    pub(crate) last_error: Option<String>,
    /// Since when there is no link.
    pub(crate) down_since_ms: u64,
}

impl Master {
    pub(crate) fn new(host: String, port: u16, now_ms: u64) -> Master {
        Master {
            host,
            port,
            link: None,
            known: false,
            attempts: 0,
            dial_ms: now_ms,
            never: false,
            last_error: None,
            down_since_ms: now_ms,
        }
    }

    /// Nobody knows yet which origins it will bring.
    pub(crate) fn may_bring_the_unknown(&self) -> bool {
        !self.known && !self.never
    }

    pub(crate) fn opened(&mut self) {
        self.known = true;
        self.attempts = 0;
        self.last_error = None;
    }

    /// Exponential backoff with jitter, so that the nodes of a mesh do not knock in step.
    pub(crate) fn lost(&mut self, error: &str, now_ms: u64, dice: &mut impl Rng) {
        let step = FIRST_RETRY_MS.saturating_mul(1 << self.attempts.min(10)).min(MAX_RETRY_MS);
        self.attempts += 1;
        self.link = None;
        self.last_error = Some(error.to_owned());
        self.down_since_ms = now_ms;
        self.dial_ms = now_ms + dice.random_range(step / 2..=step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn waits_longer_each_time_and_never_for_ever() {
        let mut master = Master::new("a".into(), 1, 0);
        let mut dice = SmallRng::seed_from_u64(1);
        let mut steps = Vec::new();
        for _ in 0..20 {
            master.lost("gone", 0, &mut dice);
            steps.push(master.dial_ms);
        }
        assert!(steps[0] <= FIRST_RETRY_MS && steps[0] >= FIRST_RETRY_MS / 2);
        assert!(steps.iter().all(|step| *step <= MAX_RETRY_MS));
        assert!(steps[10..].iter().all(|step| *step >= MAX_RETRY_MS / 2));
        master.opened();
        master.lost("gone", 0, &mut dice);
        assert!(master.dial_ms <= FIRST_RETRY_MS);
    }
}
