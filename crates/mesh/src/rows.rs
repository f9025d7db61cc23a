//! Who has seen what, and what is therefore stable. See docs/decisions/0001-convergence.md.

use effect::{NodeId, Origin, Stamp, VersionVector};
use std::collections::{BTreeMap, BTreeSet};

/// Who was heard of here all the time since an origin has effects, for so long, and has not mentioned it, never will: their links
/// do not lead there. In milliseconds.
const UNHEARD_MS: u64 = 10_000;
/// Who was not heard of for so long may have been cut off, and what others did meanwhile is still on its way there. More
/// than two ticks, in milliseconds.
const BREAK_MS: u64 = 3000;

/// For each origin its *row*: its version vector as of its last record received here.
#[derive(Default)]
pub struct Rows {
    rows: BTreeMap<Origin, VersionVector>,
    /// What else they take for seen in what they write, until their rows say so.
    assumed: BTreeMap<Origin, VersionVector>,
    heard: BTreeMap<Origin, Heard>,
    /// Nodes that will not come back under this name, as far as known, and at which stamp that was said.
    departed: BTreeMap<NodeId, Stamp>,
    /// Away for so long that nobody remembers any more what they have not seen: they do not count until they have.
    given_up: BTreeSet<Origin>,
}

/// A node is alive that writes this much later, by the stamps, than its departure was said; its clock may be ahead of others by as
/// much. In milliseconds.
pub(crate) const ALIVE_MS: u64 = 5000;

/// When an origin was heard of here, by the monotonic clock in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Since when it has effects.
    begun_ms: Option<u64>,
    /// Without a break until the last time.
    since_ms: u64,
    last_ms: u64,
}

/// Up to which stamps nothing can change any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// Nothing as old as this, or older, can arrive.
    pub clock: Stamp,
    /// Per origin: up to which of its effects everybody's later writes have seen them.
    pub causal: Vec<CausalWatermark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CausalWatermark {
    pub origin: Origin,
    pub stamp: Stamp,
    /// False where some origin has never heard of this one: its writes cancel none of these effects.
    pub heard_by_all: bool,
}

/// A receiver of the data set, until it speaks for itself: it has `vector` and nothing newer, so nothing
/// newer becomes stable.
#[derive(Clone, Debug)]
pub struct Pin {
    pub vector: VersionVector,
    pub clock: Stamp,
}

impl Rows {
    /// `origin` has the stamp (`of`, `stamp`).
    pub fn advance(&mut self, origin: Origin, of: Origin, stamp: Stamp) {
        self.rows.entry(origin).or_default().advance(of, stamp);
    }

    /// There are effects of `origin` from now on at the latest: before, nobody had anything to mention.
    pub fn begin(&mut self, origin: Origin, now_ms: u64) {
        self.heard_mut(origin, now_ms).begun_ms.get_or_insert(now_ms);
    }

    /// A record of `origin` was applied: a tick, or with effects.
    pub fn hear(&mut self, origin: Origin, is_tick: bool, now_ms: u64) {
        let heard = self.heard_mut(origin, now_ms);
        if !is_tick {
            heard.begun_ms.get_or_insert(now_ms);
        }
        if now_ms.saturating_sub(heard.last_ms) > BREAK_MS {
            heard.since_ms = now_ms;
        }
        heard.last_ms = now_ms;
    }

    fn heard_mut(&mut self, origin: Origin, now_ms: u64) -> &mut Heard {
        self.heard.entry(origin).or_insert(Heard { begun_ms: None, since_ms: now_ms, last_ms: now_ms })
    }

    /// Do the links of `member`, which has nothing of `origin`, not lead there, as far as can be told?
    fn is_deaf_to(&self, member: Origin, origin: Origin) -> bool {
        let Some(heard) = self.heard.get(&member) else { return false };
        let Some(begun_ms) = self.heard.get(&origin).and_then(|origin| origin.begun_ms) else { return false };
        // A data set that is on its way there brings what its records take for seen.
        let is_promised = self.assumed.get(&member).is_some_and(|assumed| assumed.contains(origin));
        !is_promised && heard.last_ms > heard.since_ms.max(begun_ms) + UNHEARD_MS
    }

    /// A node will not come back: its lives have ended. True where that is news.
    pub fn depart(&mut self, node: NodeId, at: Stamp) -> bool {
        self.departed.insert(node, at).is_none()
    }

    /// It is here again.
    pub fn come_back(&mut self, node: NodeId) {
        self.departed.remove(&node);
    }

    /// What it has written at `stamp` has come. What it had written before it departed may come late.
    pub fn hear_alive(&mut self, node: NodeId, stamp: Stamp) {
        if self.departed.get(&node).is_some_and(|at| stamp.ms() > at.ms() + ALIVE_MS) {
            self.departed.remove(&node);
        }
    }

    pub fn departed(&self) -> impl Iterator<Item = NodeId> {
        self.departed.keys().copied()
    }

    /// Is there a later life of the same node, or will there never be one?
    pub fn has_ended(&self, origin: Origin, own: Origin, vector: &VersionVector) -> bool {
        self.departed.contains_key(&origin.node) || has_later_life(origin, own, vector)
    }

    pub fn row_mut(&mut self, origin: Origin) -> &mut VersionVector {
        self.rows.entry(origin).or_default()
    }

    /// A record of `origin` takes this for seen, and so do those after it.
    pub fn assume(&mut self, origin: Origin, seen: impl Iterator<Item = (Origin, Stamp)>) {
        let mut seen = seen.peekable();
        if seen.peek().is_some() {
            let assumed = self.assumed.entry(origin).or_default();
            seen.for_each(|(of, stamp)| assumed.advance(of, stamp));
        }
    }

    /// What else records of `origin` take for seen.
    pub fn assumed_by(&mut self, origin: Origin) -> Option<&VersionVector> {
        let row = self.rows.get(&origin);
        if self.assumed.get(&origin).is_some_and(|assumed| row.is_some_and(|row| row.dominates(assumed))) {
            self.assumed.remove(&origin);
        }
        self.assumed.get(&origin)
    }

    pub fn all_assumed(&self) -> Vec<(Origin, VersionVector)> {
        self.assumed.iter().map(|(origin, assumed)| (*origin, assumed.clone())).collect()
    }

    pub fn get(&self, origin: Origin) -> Option<&VersionVector> {
        self.rows.get(&origin)
    }

    /// Is `origin` alive, as far as known here, and near enough to come back without a transfer of state?
    pub fn is_present(
        &self,
        origin: Origin,
        own: Origin,
        vector: &VersionVector,
        evicted: impl Fn(Origin) -> Stamp,
    ) -> bool {
        let behind = self.rows.get(&origin).is_some_and(|row| has_fallen_behind(origin, row, evicted));
        vector.contains(origin) && !behind && !self.has_ended(origin, own, vector)
    }

    /// Who counts, and lacks something that our relay log has lost. `evicted`: up to where it has lost an origin's records.
    pub fn away(&mut self, own: Origin, vector: &VersionVector, evicted: impl Fn(Origin) -> Stamp) -> Vec<Origin> {
        let rows = &self.rows;
        let is_behind = |origin: Origin| rows.get(&origin).is_some_and(|row| has_fallen_behind(origin, row, &evicted));
        self.given_up.retain(|origin| is_behind(*origin));
        let counted = rows.keys().filter(|origin| **origin != own && !self.given_up.contains(origin));
        counted.copied().filter(|origin| is_behind(*origin) && !self.has_ended(*origin, own, vector)).collect()
    }

    /// It does not count any more, until it has seen what was forgotten.
    pub fn give_up(&mut self, origin: Origin) {
        self.given_up.insert(origin);
    }

    /// Does the row of `member` mention all of `origins`?
    pub fn mentions(&self, member: Origin, origins: &[Origin]) -> bool {
        self.rows.get(&member).is_some_and(|row| origins.iter().all(|origin| row.contains(*origin)))
    }

    pub fn merge(&mut self, rows: &[(Origin, VersionVector)]) {
        for (origin, row) in rows {
            self.row_mut(*origin).merge(row);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Origin, &VersionVector)> {
        self.rows.iter().map(|(origin, row)| (*origin, row))
    }

    pub fn clear(&mut self) {
        self.assumed.clear();
        self.rows.clear();
    }

    /// `vector`: what this node, `own`, has; `effects`: the same without ticks, which no row tells of.
    /// Rows of lives that are over for good and do not count any more are dropped.
    pub fn watermarks<'p>(
        &mut self,
        own: Origin,
        vector: &VersionVector,
        effects: &VersionVector,
        pins: impl Iterator<Item = &'p Pin> + Clone,
    ) -> Watermarks {
        let present: Vec<(Origin, Option<&VersionVector>)> = vector
            .iter()
            .map(|(origin, _)| (origin, self.rows.get(&origin)))
            .filter(|(origin, _)| *origin != own && !self.given_up.contains(origin))
            .collect();
        let has_ended = |origin: Origin| self.has_ended(origin, own, vector);
        let living: Vec<_> = present.iter().filter(|(origin, _)| !has_ended(*origin)).collect();
        // A life that has ended counts until all who live have the same of it.
        let is_settled = |origin: Origin| {
            living.iter().filter_map(|(_, row)| *row).all(|row| {
                let told = row.get(origin);
                !row.contains(origin) || (effects.get(origin) <= told && told <= vector.get(origin))
            })
        };
        let counts = |origin: Origin| !has_ended(origin) || !is_settled(origin);
        let members: Vec<_> = present.iter().filter(|(origin, _)| counts(*origin)).collect();
        let passed = members.iter().map(|(origin, _)| vector.get(*origin));
        let pinned = pins.clone().map(|pin| pin.clock);
        let clock = passed.chain(pinned).fold(vector.get(own), Stamp::min);
        let causal = vector.iter().map(|(origin, stamp)| {
            // `None`: does not hear of it. Who has not mentioned it yet has nothing of it.
            let seen = |(member, row): &&(Origin, Option<&VersionVector>)| {
                let seen = row.map_or(Stamp::ZERO, |row| row.get(origin));
                (seen > Stamp::ZERO || !self.is_deaf_to(*member, origin)).then_some(seen)
            };
            let others = members.iter().filter(|(member, _)| *member != origin);
            let pinned = pins.clone().map(|pin| pin.vector.get(origin));
            CausalWatermark {
                origin,
                stamp: others.clone().filter_map(&seen).chain(pinned).fold(stamp, Stamp::min),
                heard_by_all: others.clone().all(|other| seen(other).is_some()),
            }
        });
        let causal = causal.collect();
        let over = vector.iter().map(|(origin, _)| origin).filter(|origin| has_later_life(*origin, own, vector));
        let settled: Vec<Origin> =
            over.filter(|origin| self.rows.contains_key(origin) && is_settled(*origin)).collect();
        settled.iter().for_each(|origin| drop((self.rows.remove(origin), self.assumed.remove(origin))));
        Watermarks { clock, causal }
    }
}

/// Is there a later life of the same node? Then this one is over for good.
fn has_later_life(origin: Origin, own: Origin, vector: &VersionVector) -> bool {
    (own.node == origin.node && own.incarnation > origin.incarnation) || vector.has_later_life(origin)
}

/// What it lacks is gone from our log: it has to come back by merging state anyway.
fn has_fallen_behind(member: Origin, row: &VersionVector, evicted: impl Fn(Origin) -> Stamp) -> bool {
    row.iter().any(|(origin, stamp)| origin != member && stamp < evicted(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Origin = Origin { node: NodeId(1), incarnation: 1 };
    const B: Origin = Origin { node: NodeId(2), incarnation: 1 };
    const C: Origin = Origin { node: NodeId(3), incarnation: 1 };
    const B_AGAIN: Origin = Origin { node: NodeId(2), incarnation: 2 };

    fn vector(entries: &[(Origin, u64)]) -> VersionVector {
        let mut vector = VersionVector::new();
        for (origin, stamp) in entries {
            vector.advance(*origin, Stamp(*stamp));
        }
        vector
    }

    fn rows(rows: &[(Origin, &[(Origin, u64)])]) -> Rows {
        let mut all = Rows::default();
        for (origin, row) in rows {
            all.row_mut(*origin).merge(&vector(row));
        }
        all
    }

    fn causal(watermarks: &Watermarks, origin: Origin) -> (u64, bool) {
        let found = watermarks.causal.iter().find(|causal| causal.origin == origin).unwrap();
        (found.stamp.0, found.heard_by_all)
    }

    #[test]
    fn ticks_of_a_life_that_has_ended_hold_nothing_back() {
        let have = vector(&[(A, 80), (B, 40), (B_AGAIN, 75), (C, 70)]);
        let effects = vector(&[(A, 80), (B, 30), (B_AGAIN, 75), (C, 70)]);
        let told = |b: u64| rows(&[(B_AGAIN, &[(B, b), (B_AGAIN, 75)]), (C, &[(B, b), (C, 70)])]);
        let clock = |b: u64| told(b).watermarks(A, &have, &effects, [].iter()).clock;
        assert_eq!(clock(20), Stamp(40), "somebody lacks an effect of it");
        assert_eq!(clock(30), Stamp(70), "everybody has its effects; ticks are not told of");
        assert_eq!(clock(50), Stamp(40), "somebody has more of it than we do");
    }

    #[test]
    fn the_slowest_origin_sets_the_clock_and_the_slowest_row_the_cause() {
        let mut rows = rows(&[(B, &[(A, 40), (B, 60), (C, 10)]), (C, &[(A, 70), (B, 20), (C, 55)])]);
        let marks =
            rows.watermarks(A, &vector(&[(A, 80), (B, 60), (C, 55)]), &vector(&[(A, 80), (B, 60), (C, 55)]), [].iter());
        assert_eq!(marks.clock, Stamp(55));
        assert_eq!(causal(&marks, A), (40, true));
        assert_eq!(causal(&marks, B), (20, true));
        assert_eq!(causal(&marks, C), (10, true));
    }

    #[test]
    fn who_never_heard_of_an_origin_does_not_hold_it_back_for_ever() {
        let mut rows = rows(&[(B, &[(B, 60)]), (C, &[(A, 70), (B, 20), (C, 55)])]);
        let have = vector(&[(A, 80), (B, 60), (C, 55)]);
        let marks = |rows: &mut Rows| {
            let marks = rows.watermarks(A, &have, &have, [].iter());
            (causal(&marks, A), causal(&marks, C))
        };
        let hear = |rows: &mut Rows, times_ms: std::ops::RangeInclusive<u64>| {
            times_ms.step_by(1000).for_each(|now_ms| rows.hear(B, true, now_ms));
        };
        rows.begin(A, 5000);
        rows.begin(C, 7000);
        hear(&mut rows, 0..=5000 + UNHEARD_MS);
        assert_eq!(marks(&mut rows), ((0, true), (0, true)), "it may hear of them yet");
        hear(&mut rows, 6000 + UNHEARD_MS..=6000 + UNHEARD_MS);
        assert_eq!(marks(&mut rows), ((70, false), (0, true)));
        hear(&mut rows, 7000 + UNHEARD_MS..=8000 + UNHEARD_MS);
        assert_eq!(marks(&mut rows), ((70, false), (55, false)));
        rows.assume(B, [(C, Stamp(55))].into_iter());
        assert_eq!(marks(&mut rows), ((70, false), (0, true)), "a data set brings that");
        let back_ms = 30_000 + UNHEARD_MS;
        hear(&mut rows, back_ms..=back_ms);
        assert_eq!(marks(&mut rows), ((0, true), (0, true)), "it was away");
    }

    #[test]
    fn a_pin_holds_everything_at_what_the_receiver_has() {
        let mut rows = rows(&[(B, &[(A, 80), (B, 60)])]);
        let pin = Pin { vector: vector(&[(A, 30), (B, 25)]), clock: Stamp(25) };
        let marks = rows.watermarks(A, &vector(&[(A, 80), (B, 60)]), &vector(&[(A, 80), (B, 60)]), [pin].iter());
        assert_eq!((marks.clock, causal(&marks, A).0, causal(&marks, B).0), (Stamp(25), 30, 25));
    }

    #[test]
    fn an_ended_life_counts_until_everybody_has_the_same_of_it() {
        let have = vector(&[(A, 80), (B, 20), (B_AGAIN, 70), (C, 75)]);
        let mut behind = rows(&[(B_AGAIN, &[(B, 20)]), (C, &[(B, 19)])]);
        assert_eq!(behind.watermarks(A, &have, &have, [].iter()).clock, Stamp(20));
        let mut equal = rows(&[(B_AGAIN, &[(B, 20)]), (C, &[(B, 20)])]);
        equal.advance(B, A, Stamp(10));
        assert_eq!(equal.watermarks(A, &have, &have, [].iter()).clock, Stamp(70));
        assert!(equal.get(B).is_none(), "nobody needs to know any more what it had seen");
    }

    #[test]
    fn a_node_that_departed_counts_like_a_life_that_has_ended() {
        let have = vector(&[(A, 80), (B, 20), (C, 75)]);
        let mut rows = rows(&[(C, &[(B, 19), (A, 80)])]);
        let clock = |rows: &mut Rows| rows.watermarks(A, &have, &have, [].iter()).clock;
        assert!(rows.depart(B.node, Stamp::ZERO));
        assert_eq!(clock(&mut rows), Stamp(20), "C lacks something of it");
        rows.advance(C, B, Stamp(20));
        assert_eq!(clock(&mut rows), Stamp(75));
        rows.hear_alive(B.node, Stamp::from_ms(ALIVE_MS));
        assert_eq!(clock(&mut rows), Stamp(75), "it may have written that before");
        rows.hear_alive(B.node, Stamp::from_ms(ALIVE_MS + 1));
        assert_eq!(clock(&mut rows), Stamp(20));
        assert!(rows.depart(B.node, Stamp::ZERO));
        rows.come_back(B.node);
        assert_eq!(clock(&mut rows), Stamp(20));
    }

    #[test]
    fn lives_that_ended_do_not_hold_each_other_back() {
        // B died, came back, and died again before it had fetched all of its first life.
        let third = Origin { node: NodeId(2), incarnation: 3 };
        let have = vector(&[(A, 80), (B, 20), (B_AGAIN, 50), (third, 70), (C, 75)]);
        let all = vector(&[(B, 20), (B_AGAIN, 50)]);
        let mut rows = rows(&[(B_AGAIN, &[(B, 10)])]);
        rows.row_mut(third).merge(&all);
        rows.row_mut(C).merge(&all);
        assert_eq!(rows.watermarks(A, &have, &have, [].iter()).clock, Stamp(70));
    }

    #[test]
    fn a_member_beyond_the_log_counts_until_it_is_given_up() {
        let mut rows = rows(&[(B, &[(A, 5), (B, 9)]), (C, &[(A, 78), (B, 9), (C, 60)])]);
        let have = vector(&[(A, 80), (B, 9), (C, 60)]);
        let marks = |rows: &mut Rows| rows.watermarks(A, &have, &have, [].iter());
        assert_eq!((marks(&mut rows).clock, causal(&marks(&mut rows), A).0), (Stamp(9), 5));
        let evicted = |stamp: u64| move |origin| if origin == A { Stamp(stamp) } else { Stamp::ZERO };
        assert_eq!(rows.away(A, &have, evicted(50)), [B]);
        rows.give_up(B);
        assert_eq!(rows.away(A, &have, evicted(50)), []);
        let marks = rows.watermarks(A, &have, &have, [].iter());
        assert_eq!(marks.clock, Stamp(60));
        assert_eq!(causal(&marks, A).0, 78);
    }
}
