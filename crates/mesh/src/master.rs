//! A configured master: dialled, and dialled again.

use crate::LinkId;
use effect::NodeId;
use rand::Rng;

const FIRST_RETRY_MS: u64 = 250;
const MAX_RETRY_MS: u64 = 8_000;
/// A link that lasts that long is dialled again at once; one that does not is no better than none.
const STEADY_MS: u64 = 1_000;

/// One `replicaof`.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) link: Option<LinkId>,
    /// Who was there when it was last up.
    peer: Option<NodeId>,
    /// Attempts since it was last up for a while.
    attempts: u32,
    /// Since when it is up.
    opened_ms: Option<u64>,
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
            peer: None,
            attempts: 0,
            opened_ms: None,
            dial_ms: now_ms,
            never: false,
            last_error: None,
            down_since_ms: now_ms,
        }
    }

    /// Nobody knows yet which origins it will bring.
    pub(crate) fn may_bring_the_unknown(&self) -> bool {
        self.peer.is_none() && !self.never
    }

    /// It has neither answered nor failed to.
    pub(crate) fn is_untried(&self) -> bool {
        self.may_bring_the_unknown() && self.attempts == 0
    }

    /// The link is up.
    pub(crate) fn opened(&mut self, peer: NodeId, now_ms: u64) {
        self.opened_ms = Some(now_ms);
        self.last_error = None;
        self.peer = Some(peer);
    }

    /// Exponential backoff with jitter, so that the nodes of a mesh do not knock in step.
    pub(crate) fn lost(&mut self, error: &str, now_ms: u64, dice: &mut impl Rng) {
        if self.opened_ms.take().is_some_and(|opened_ms| now_ms >= opened_ms + STEADY_MS) {
            self.attempts = 0;
        }
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
        master.opened(NodeId(1), 0);
        master.lost("refused", STEADY_MS - 1, &mut dice);
        assert!(master.dial_ms >= MAX_RETRY_MS / 2, "a link that opens and breaks at once is not dialled in a loop");
        master.opened(NodeId(1), 0);
        master.lost("gone", STEADY_MS, &mut dice);
        assert!(master.dial_ms <= STEADY_MS + FIRST_RETRY_MS);
    }
}
