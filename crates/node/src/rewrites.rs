//! What this node has written on keys that others say anew (`Effect::Restate`) without having seen it: it is said again.
//!
//! Two nodes may say a key anew at the same time, one of which had seen a write and the other had not. So what the first one had
//! seen is kept for a while: where the second one wins it has to be said again, too.

use crate::doubts::Place;
use effect::Stamp;
use keyspace::{LostWrites, OwnWrite, OwnWrites, Version};
use std::collections::HashMap;

/// How long after a key was said anew somebody may say so who has not heard of it, in milliseconds.
const KEEP_MS: u64 = 60_000;
/// How often what was kept for so long is dropped, in milliseconds.
const SWEEP_MS: u64 = 5_000;

#[derive(Default)]
pub(crate) struct Rewrites {
    now_ms: u64,
    swept_ms: u64,
    /// To be said again.
    pub(crate) lost: Vec<LostWrites>,
    kept: HashMap<Place, Kept>,
}

struct Kept {
    until_ms: u64,
    writes: Vec<OwnWrite>,
}

impl Rewrites {
    /// The monotonic clock as of late.
    pub(crate) fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        if now_ms.saturating_sub(self.swept_ms) >= SWEEP_MS {
            self.swept_ms = now_ms;
            self.kept.retain(|_, kept| kept.until_ms > now_ms);
        }
    }

    /// A key is about to be said anew, at this version, by somebody who has seen `seen` of what this node has written.
    pub(crate) fn restate(&mut self, place: Place, restated: Version, seen: Stamp, own: OwnWrites) {
        let until_ms = self.now_ms + KEEP_MS;
        let kept = self.kept.entry(place.clone()).or_insert(Kept { until_ms, writes: Vec::new() });
        kept.until_ms = until_ms;
        kept.writes.extend(own.writes);
        kept.writes.sort_by_key(|write| write.stamp);
        // Where it loses against one that had seen them they are still there; but somebody who says it anew next may have heard
        // of the loser only.
        let is_lost = |write: &mut OwnWrite| write.stamp > seen && (own.wins || write.may_repeat);
        let lost: Vec<OwnWrite> = kept.writes.extract_if(.., is_lost).collect();
        if kept.writes.is_empty() {
            self.kept.remove(&place);
        }
        if !lost.is_empty() {
            let (db, key) = place;
            self.lost.push(LostWrites { db, key, restated, writes: lost });
        }
    }

    /// What did not need to be said again this time.
    pub(crate) fn keep(&mut self, place: Place, writes: Vec<OwnWrite>) {
        if !writes.is_empty() {
            let until_ms = self.now_ms + KEEP_MS;
            self.kept.entry(place).or_insert(Kept { until_ms, writes: Vec::new() }).writes.extend(writes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyspace::OriginIndex;

    fn write(stamp: &u64) -> OwnWrite {
        OwnWrite { stamp: Stamp(*stamp), effects: vec![*stamp as u8], may_repeat: stamp.is_multiple_of(10) }
    }

    fn restate(rewrites: &mut Rewrites, wins: bool, seen: u64, writes: &[u64]) -> Vec<u8> {
        let restated = Version { stamp: Stamp(50), origin: OriginIndex(1) };
        let own = OwnWrites { writes: writes.iter().map(write).collect(), wins };
        rewrites.restate((0, b"k".to_vec()), restated, Stamp(seen), own);
        std::mem::take(&mut rewrites.lost)
            .into_iter()
            .flat_map(|lost| lost.writes)
            .flat_map(|write| write.effects)
            .collect()
    }

    #[test]
    fn what_one_had_seen_and_another_had_not_is_said_again_once() {
        let mut rewrites = Rewrites::default();
        assert_eq!(restate(&mut rewrites, true, 20, &[30, 10, 20, 15]), [30]);
        assert_eq!(restate(&mut rewrites, false, 12, &[]), [20], "15 is still there, and would be twice");
        assert_eq!(restate(&mut rewrites, true, 12, &[]), [15]);
        assert_eq!(restate(&mut rewrites, true, 12, &[]), []);
        rewrites.set_now(KEEP_MS);
        assert_eq!(restate(&mut rewrites, true, 0, &[]), [], "nobody says so after that long");
    }

    #[test]
    fn what_is_there_from_somebody_else_may_be_lost_to_the_next_one() {
        let mut rewrites = Rewrites::default();
        assert_eq!(restate(&mut rewrites, true, 5, &[10]), [10]);
        rewrites.keep((0, b"k".to_vec()), vec![write(&10)]);
        assert_eq!(restate(&mut rewrites, true, 10, &[]), [], "whose author had seen it");
        assert_eq!(restate(&mut rewrites, true, 5, &[]), [10]);
    }
}
