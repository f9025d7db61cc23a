//! What this node has written on keys that others say anew (`Effect::Restate`) without having seen it: it is said again.
//!
//! Two nodes may say a key anew at the same time, one of which had seen a write and the other had not. So what the first one had
//! seen is kept for a while: where the second one wins it has to be said again, too.

use crate::doubts::Place;
use effect::Stamp;
use keyspace::{LostWrites, OwnWrite, Version};
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
    pub(crate) fn restate(&mut self, place: Place, restated: Version, seen: Stamp, writes: Vec<OwnWrite>) {
        let until_ms = self.now_ms + KEEP_MS;
        let kept = self.kept.entry(place.clone()).or_insert(Kept { until_ms, writes: Vec::new() });
        kept.until_ms = until_ms;
        kept.writes.extend(writes);
        kept.writes.sort_by_key(|write| write.stamp);
        let lost = kept.writes.extract_if(.., |write| write.stamp > seen);
        let effects: Vec<u8> = lost.flat_map(|write| write.effects).collect();
        if kept.writes.is_empty() {
            self.kept.remove(&place);
        }
        if !effects.is_empty() {
            let (db, key) = place;
            self.lost.push(LostWrites { db, key, restated, effects });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyspace::OriginIndex;

    fn restate(rewrites: &mut Rewrites, seen: u64, writes: &[u64]) -> Vec<u8> {
        let restated = Version { stamp: Stamp(50), origin: OriginIndex(1) };
        let write = |stamp: &u64| OwnWrite { stamp: Stamp(*stamp), effects: vec![*stamp as u8] };
        rewrites.restate((0, b"k".to_vec()), restated, Stamp(seen), writes.iter().map(write).collect());
        std::mem::take(&mut rewrites.lost).into_iter().flat_map(|lost| lost.effects).collect()
    }

    #[test]
    fn what_one_had_seen_and_another_had_not_is_said_again_once() {
        let mut rewrites = Rewrites::default();
        assert_eq!(restate(&mut rewrites, 20, &[30, 10, 20]), [30]);
        assert_eq!(restate(&mut rewrites, 15, &[]), [20]);
        assert_eq!(restate(&mut rewrites, 15, &[]), []);
        rewrites.set_now(KEEP_MS);
        assert_eq!(restate(&mut rewrites, 0, &[]), [], "nobody says so after that long");
    }
}
