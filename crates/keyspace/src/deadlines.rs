//! The deadline register of a key or of an element, with as much of its history as is not stable yet.
//!
//! A deadline is a clear at the time that it names, unless another write of the register came before
//! that time in the order of effects. Late writes can still change which of the two it was, so the
//! clear is done only once nothing that old can arrive any more; reads hide the key before.

use crate::merge::operations::Horizon;
use crate::version::{Origins, Version};
use effect::Stamp;
use smallvec::SmallVec;

/// The first stamp at which a key with this deadline is gone.
pub(crate) fn stamp_of(deadline_ms: u64) -> Stamp {
    Stamp::from_ms(deadline_ms.min(Stamp::MAX.ms()))
}

#[derive(Clone, Debug)]
pub(crate) struct Deadlines {
    /// Ascending, never empty. The first is stable, or began the life of the key. Of those that nothing can change any more the
    /// others stay until everybody has seen them: who has not would hold a deadline before them to be in force.
    writes: SmallVec<[Write; 1]>,
    /// The last one. Who has not seen its cause must be told of it with the data set.
    death: Option<Box<Death>>,
}

/// A deadline that came into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    /// Where in the order of effects.
    pub(crate) at: Version,
    /// The effect that wrote the deadline.
    pub(crate) cause: Version,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) version: Version,
    pub(crate) deadline_ms: Option<u64>,
}

impl Write {
    /// Where in the order of effects the key dies: it kills what is not newer.
    fn expiry(&self) -> Option<Version> {
        let at = stamp_of(self.deadline_ms?);
        Some(if at > self.version.stamp { Version { stamp: at, ..Version::ZERO } } else { self.version })
    }
}

impl Deadlines {
    pub(crate) fn new(version: Version, deadline_ms: Option<u64>) -> Deadlines {
        Deadlines { writes: SmallVec::from_elem(Write { version, deadline_ms }, 1), death: None }
    }

    /// `None` where there are no writes.
    pub(crate) fn from_parts(mut writes: Vec<Write>, death: Option<Death>, origins: &Origins) -> Option<Deadlines> {
        writes.sort_by(|a, b| origins.compare(a.version, b.version));
        (!writes.is_empty()).then(|| Deadlines { writes: SmallVec::from_vec(writes), death: death.map(Box::new) })
    }

    /// What the register holds.
    pub(crate) fn current(&self) -> Option<u64> {
        self.newest().deadline_ms
    }

    pub(crate) fn newest(&self) -> Write {
        self.writes[self.writes.len() - 1]
    }

    pub(crate) fn writes(&self) -> &[Write] {
        &self.writes
    }

    pub(crate) fn death(&self) -> Option<Death> {
        self.death.as_deref().copied()
    }

    /// EXPIRE and PERSIST.
    pub(crate) fn write(&mut self, origins: &Origins, version: Version, deadline_ms: Option<u64>) {
        let at = self.writes.partition_point(|write| origins.newer(version, write.version));
        let known = self.writes.get(at).is_some_and(|write| write.version == version);
        if at > 0 && !known {
            self.writes.insert(at, Write { version, deadline_ms });
        }
    }

    /// A deadline has come into force elsewhere.
    pub(crate) fn die(&mut self, origins: &Origins, death: Death) {
        self.restart(origins, death.at, None);
        if self.death().is_none_or(|known| origins.newer(death.at, known.at)) {
            self.death = Some(Box::new(death));
        }
    }

    /// A clear: what became of the key before does not matter any more.
    pub(crate) fn restart(&mut self, origins: &Origins, version: Version, deadline_ms: Option<u64>) {
        self.death.take_if(|death| origins.newer(version, death.at));
        let at = self.writes.partition_point(|write| origins.newer(version, write.version));
        if let Some(known) = self.writes.get_mut(at).filter(|write| write.version == version) {
            known.deadline_ms = deadline_ms;
            self.writes.drain(..at);
        } else if at > 0 {
            self.writes.drain(..at);
            self.writes.insert(0, Write { version, deadline_ms });
        }
    }

    /// Forgets what is stable. Returns where in the order the key has died, the last time that it did.
    pub(crate) fn settle(&mut self, origins: &Origins, horizon: &Horizon<'_>) -> Option<Version> {
        let (mut died, mut at) = (None, 0);
        loop {
            let Write { version, .. } = self.writes[at];
            let next = self.writes.get(at + 1).map(|next| next.version);
            match self.writes[at].expiry() {
                Some(expiry) if horizon.passed(expiry) && next.is_none_or(|next| origins.newer(next, expiry)) => {
                    died = Some(expiry);
                    self.death = Some(Box::new(Death { at: expiry, cause: version }));
                    self.writes[at] = Write { version: expiry, deadline_ms: None };
                    self.writes.drain(..at);
                    at = 0;
                }
                _ if next.is_some_and(|next| horizon.passed(next)) => at += 1,
                _ => break,
            }
        }
        let known = self.writes[..at].iter().take_while(|write| horizon.known(write.version)).count();
        self.writes.drain(..known);
        self.death.take_if(|death| horizon.known(death.cause));
        died
    }

    /// Is there no more to it than what the entry says?
    pub(crate) fn is_stable(&self, horizon: &Horizon<'_>) -> bool {
        self.writes.len() == 1 && horizon.known(self.writes[0].version) && self.death.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CausalMark, OriginIndex};

    fn version(ms: u64) -> Version {
        Version { stamp: Stamp::from_ms(ms), origin: OriginIndex(1) }
    }

    fn settle(deadlines: &mut Deadlines, ms: u64) -> Option<u64> {
        let horizon = Horizon { clock: Stamp::from_ms(ms), causal: &[] };
        deadlines.settle(&Origins::new(), &horizon).map(|version| version.stamp.ms())
    }

    #[test]
    fn a_deadline_kills_when_it_is_passed_and_not_rewritten() {
        let origins = Origins::new();
        let mut deadlines = Deadlines::new(version(10), Some(50));
        assert_eq!(settle(&mut deadlines, 49), None);
        deadlines.write(&origins, version(60), Some(100));
        deadlines.write(&origins, version(40), None);
        assert_eq!(deadlines.current(), Some(100));
        assert_eq!(settle(&mut deadlines, 99), None);
        assert_eq!(deadlines.writes().len(), 3, "who has not seen the second would let the first one kill");
        let causal = [0, 60].map(|ms| CausalMark { stamp: Stamp::from_ms(ms), unheard: false });
        let horizon = Horizon { clock: Stamp::from_ms(60), causal: &causal };
        assert!(!deadlines.is_stable(&horizon));
        assert_eq!(deadlines.settle(&origins, &horizon), None);
        assert!(deadlines.is_stable(&horizon));
        assert_eq!(settle(&mut deadlines, 100), Some(100));
        assert_eq!(deadlines.current(), None);
    }

    #[test]
    fn a_write_after_the_deadline_does_not_save_the_key() {
        let mut deadlines = Deadlines::new(version(10), Some(50));
        deadlines.write(&Origins::new(), version(60), Some(100));
        assert_eq!(settle(&mut deadlines, 55), Some(50));
        assert_eq!(deadlines.current(), Some(100));
    }

    #[test]
    fn a_new_life_forgets_the_deadlines_before_it() {
        let origins = Origins::new();
        let mut deadlines = Deadlines::new(version(10), Some(50));
        deadlines.write(&origins, version(30), Some(40));
        deadlines.restart(&origins, version(20), None);
        assert_eq!(deadlines.current(), Some(40));
        deadlines.write(&origins, version(15), Some(16));
        deadlines.restart(&origins, version(35), None);
        deadlines.restart(&origins, version(12), Some(13));
        assert_eq!(settle(&mut deadlines, 1000), None);
        assert_eq!(deadlines.current(), None);
    }
}
