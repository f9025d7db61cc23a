//! Who joins: this node, until it has what its masters had, and others that say so.

use crate::link::Link;
use crate::master::Master;
use crate::{Mesh, Now};
use effect::{Origin, Stamp, VersionVector};

/// An announced joiner is believed in for so long; it is announced every second.
const JOINING_MS: u64 = 5000;
/// So many are believed in at a time: a peer can name any number.
const MAX_JOINING: usize = 1024;

/// A node that has something, but not what came since; so nothing becomes stable meanwhile.
pub(crate) struct Joining {
    /// Forgotten where nobody repeats it (monotonic).
    pub(crate) until_ms: u64,
    /// What its row mentions once it speaks for itself.
    pub(crate) origins: Vec<Origin>,
}

impl Mesh {
    /// Tells everybody, in our stream, that `joiner` exists, and has at most what we have now.
    pub(crate) fn announce_joiner(&mut self, joiner: Origin, now: Now) {
        self.note_joiner(joiner, now);
        self.tell_now(joiner, now);
    }

    /// Somebody announced a joiner.
    pub(crate) fn note_joiner(&mut self, joiner: Origin, now: Now) {
        let is_believed = self.joining.len() < MAX_JOINING || self.joining.contains_key(&joiner);
        if joiner == self.own || !is_believed {
            return;
        }
        let origins = self.last_effects.iter().map(|(origin, _)| origin).filter(|origin| *origin != joiner).collect();
        let joining = self.joining.entry(joiner).or_insert(Joining { until_ms: 0, origins });
        joining.until_ms = now.monotonic_ms + JOINING_MS;
    }

    /// Has this node all that its masters had when they were reached, and they what theirs had, or no masters? Until then
    /// it may overwrite what it has not seen, and what others have long since folded.
    pub fn has_joined(&self) -> bool {
        self.masters.is_empty() || (self.to_join.is_none() && !self.is_reach_unknown())
    }

    /// Looks whether what the masters had is here.
    pub(crate) fn join(&mut self) {
        let Some(goal) = self.to_join.as_ref().filter(|goal| !goal.is_empty()) else { return };
        if self.has_reached(goal) && !self.may_hear_of_others() {
            self.to_join = None;
        }
    }

    /// Is all of it here, but for what is lost?
    fn has_reached(&self, goal: &VersionVector) -> bool {
        goal.iter().all(|(origin, stamp)| self.vector.covers(origin, stamp) || self.is_lost(origin))
    }

    /// Has this node just come, and will soon have what its masters have? Those that do not answer are not waited for.
    pub fn is_arriving(&self) -> bool {
        let is_joining = self.to_join.as_ref().is_some_and(|goal| !self.has_reached(goal));
        is_joining || self.masters.iter().any(Master::is_untried)
    }

    /// Has this life ended, and has no master more of it than is here? Then the rest has gone with it.
    fn is_lost(&self, origin: Origin) -> bool {
        let has_more = |link: &Link| link.announced.get(origin) > self.vector.get(origin);
        let linked = |master: &Master| master.link.and_then(|link| self.links.get(&link)).filter(|link| link.is_open());
        let mut masters = self.masters.iter().filter(|master| !master.never);
        self.rows.has_ended(origin, self.own, &self.vector)
            && masters.all(|master| linked(master).is_some_and(|link| !has_more(link)))
    }

    /// Does this node still lack something that others may have forgotten, or a master that may bring it? Until the log
    /// moves on without it.
    pub(crate) fn is_incomplete(&self) -> bool {
        let joins = !self.masters.is_empty() && self.to_join.is_some() && !self.log.has_evicted();
        joins || self.may_hear_of_others()
    }

    /// Has this node just come, with nothing of its own? It takes a data set even where a log goes back to the beginning: what it writes
    /// meanwhile is made on top of it, and not long since decided by the others without it.
    pub(crate) fn is_blank(&self) -> bool {
        let is_new = self.to_join.is_some() && self.counters.state_imports == 0;
        is_new && self.last_effects.newest() == Stamp::ZERO
    }

    /// Is there a master that was never reached? It counts as a member that has nothing; like others, until the log
    /// moves on without it.
    fn may_hear_of_others(&self) -> bool {
        self.masters.iter().any(Master::may_bring_the_unknown) && !self.log.has_evicted()
    }

    /// A record of `origin` says whether it knows all its masters.
    pub(crate) fn note_completeness(&mut self, origin: Origin, context: &[(Origin, Stamp)]) {
        if context.contains(&(origin, Stamp::ZERO)) {
            self.incomplete.insert(origin);
        } else if self.incomplete.remove(&origin) {
            self.join_through(origin);
        }
    }

    /// A master that lacked something when it was reached has it now: this node, too, joins what it has joined.
    fn join_through(&mut self, origin: Origin) {
        let leads_to = |link: &Link| link.upstream().is_some() && link.peer.is_some_and(|peer| peer.origin == origin);
        let Some(goal) = self.rows.get(origin).filter(|_| self.links.values().any(leads_to)) else { return };
        if self.to_join.is_some() || !self.has_reached(goal) {
            let goal = goal.clone();
            self.to_join.get_or_insert_default().merge(&goal);
        }
    }

    /// May somebody who counts still bring origins that nobody here has heard of?
    pub(crate) fn is_reach_unknown(&self) -> bool {
        let present =
            |origin: &Origin| self.rows.is_present(*origin, self.own, &self.vector, |of| self.log.evicted(of));
        self.is_incomplete() || self.incomplete.iter().any(present)
    }
}
