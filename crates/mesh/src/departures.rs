//! Nodes that kept nothing, their name included, and came back under another one: the lives of the old name have ended.
//!
//! Who has a link to such a node finds somebody else at its address. If nothing new is heard of the old name for a while
//! (an address may also lead now here, now there), that it has departed is told to all, in the stream of who noticed, by a
//! context entry of an origin that is none (`Origin::departure`); a data set has them in the row of its sender.

use crate::Now;
use crate::mesh::Mesh;
use crate::rows::ALIVE_MS;
use effect::{NodeId, Origin, Stamp, VersionVector};
use std::collections::BTreeMap;

/// So long nothing new of a node may be heard before it has departed, in milliseconds. Longer than it takes to see that it
/// is alive.
const SUSPICION_MS: u64 = 10_000;

#[derive(Default)]
pub(crate) struct Departures {
    /// Who was last reached at an address.
    known_at: BTreeMap<(String, u16), NodeId>,
    suspects: BTreeMap<NodeId, Suspect>,
}

struct Suspect {
    since: Stamp,
    until_ms: u64,
}

impl Departures {
    /// When the next of them departs, in `Now::monotonic_ms`.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.suspects.values().map(|suspect| suspect.until_ms).min()
    }
}

impl Mesh {
    /// This is who was reached at an address.
    pub(crate) fn note_address(&mut self, address: (String, u16), node: NodeId, now: Now) {
        let before = self.departures.known_at.insert(address, node).filter(|before| *before != node);
        if let Some(before) = before {
            let suspect = Suspect { since: self.newest_stamp(now), until_ms: now.monotonic_ms + SUSPICION_MS };
            self.departures.suspects.insert(before, suspect);
        }
    }

    /// The node itself is on a link.
    pub(crate) fn come_back(&mut self, node: NodeId) {
        self.departures.suspects.remove(&node);
        self.rows.come_back(node);
    }

    /// A record of the node, which ends at `last`, has come from anywhere.
    pub(crate) fn hear_alive(&mut self, node: NodeId, last: Stamp) {
        self.rows.hear_alive(node, last);
        let Departures { suspects, .. } = &mut self.departures;
        if suspects.get(&node).is_some_and(|suspect| last.ms() > suspect.since.ms() + ALIVE_MS) {
            suspects.remove(&node);
        }
    }

    /// Those of whom nothing was heard for too long.
    pub(crate) fn depart_silent(&mut self, now: Now) {
        let due = self.departures.suspects.iter().filter(|(_, suspect)| suspect.until_ms <= now.monotonic_ms);
        let due: Vec<NodeId> = due.map(|(node, _)| *node).collect();
        due.into_iter().for_each(|node| self.forget(node, now));
    }

    /// A node will not come back: nothing waits for it any more, once all have the same of it. If it does come back, it
    /// counts again.
    pub fn forget(&mut self, node: NodeId, now: Now) {
        let at = self.newest_stamp(now);
        self.depart(node, at, now);
    }

    /// It is told on, where it is news: who gets a data set from here may not get the stream that said it.
    pub(crate) fn depart(&mut self, node: NodeId, at: Stamp, now: Now) {
        if node == self.own.node {
            return;
        }
        self.departures.suspects.remove(&node);
        self.joining.retain(|origin, _| origin.node != node);
        if self.rows.depart(node, at) {
            self.tell_now(Origin::departure(node), now);
        }
        self.mark_stable_dirty();
    }

    /// As entries of a row.
    pub(crate) fn departures(&self) -> VersionVector {
        let mut departures = VersionVector::new();
        self.rows.departed().for_each(|node| departures.advance(Origin::departure(node), Stamp::ZERO));
        departures
    }

    /// What is written now is about as new as this.
    fn newest_stamp(&self, now: Now) -> Stamp {
        self.vector.newest().max(Stamp::from_ms(now.unix_ms))
    }
}
