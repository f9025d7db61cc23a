//! Keys about which a *late* record had to guess, and how all nodes come to agree on them again.
//!
//! A record is late where it meets a node that has forgotten what the rules need to place it: nobody counted on its
//! author, or had given it up. Another node that still remembers may decide otherwise. So who had to guess says a
//! little later what the key is now, by an ordinary Put or Delete, unless somebody else was faster: what is below
//! such a clear does not matter any more, and what is above it is placed exactly. See docs/decisions/0005-late-records.md.

use effect::{Deadline, Effect, EffectReader, Stamp, VersionVector};
use keyspace::OriginIndex;
use std::collections::{HashMap, VecDeque};

/// A node speaks at the earliest after so long, in milliseconds …
const DELAY_MS: u64 = 250;
/// … and within so much more: not all of them at once, so that mostly one is enough.
const SPREAD_MS: u64 = 750;

/// Who doubts what he has written himself lets others, to whom it came too late, speak first, in milliseconds.
const POLITE_MS: u64 = 2000;

/// Nobody says a key anew who lacks what its neighbours had when the time had come, but for at most so long, in milliseconds: what it
/// lacks would have to be said again.
const CATCH_UP_MS: u64 = 10_000;
/// How often it is looked at, in milliseconds.
const CHECK_MS: u64 = 20;

/// A key in a database.
pub(crate) type Place = (u32, Vec<u8>);

pub(crate) struct Doubts {
    now_ms: u64,
    delay_ms: u64,
    keys: HashMap<Place, Doubt>,
    /// When each of them is to be said, in this order; those that were settled otherwise stay until their time comes.
    queue: VecDeque<(u64, Place)>,
    /// The same for those in which others may speak first.
    polite: VecDeque<(u64, Place)>,
    /// What has to be here first.
    goal: Option<Goal>,
    /// What was due by then need not wait any more.
    awaited_ms: u64,
}

struct Goal {
    began_ms: u64,
    vector: VersionVector,
    until_ms: u64,
    check_ms: u64,
}

struct Doubt {
    due_ms: u64,
    /// The late records that it is about: the last one of each origin.
    records: Vec<(OriginIndex, Stamp)>,
}

impl Doubts {
    /// `dice`: a number of this node.
    pub(crate) fn new(dice: u64) -> Doubts {
        let delay_ms = DELAY_MS + dice % SPREAD_MS;
        let (queue, polite) = Default::default();
        Doubts { now_ms: 0, delay_ms, keys: HashMap::new(), queue, polite, goal: None, awaited_ms: 0 }
    }

    /// The monotonic clock as of late.
    pub(crate) fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.polite.is_empty()
    }

    /// A late record, the last stamp of which is this, changes a key.
    pub(crate) fn add(&mut self, place: Place, origin: OriginIndex, last: Stamp) {
        self.add_after(false, place, origin, last);
    }

    /// Own writes up to this stamp may be late elsewhere.
    pub(crate) fn add_own(&mut self, place: Place, own: OriginIndex, last: Stamp) {
        self.add_after(true, place, own, last);
    }

    /// A neighbour has something else at this key, for no reason that is known.
    pub(crate) fn add_difference(&mut self, place: Place) {
        self.add_after(false, place, OriginIndex(0), Stamp::ZERO);
    }

    fn add_after(&mut self, is_polite: bool, place: Place, origin: OriginIndex, last: Stamp) {
        let (queue, more_ms) = if is_polite { (&mut self.polite, POLITE_MS) } else { (&mut self.queue, 0) };
        let due_ms = self.now_ms + self.delay_ms + more_ms;
        let doubt = self.keys.entry(place).or_insert_with_key(|place| {
            queue.push_back((due_ms, place.clone()));
            Doubt { due_ms, records: Vec::new() }
        });
        match doubt.records.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, known)) => *known = last.max(*known),
            None => doubt.records.push((origin, last)),
        }
    }

    /// A record that is not late, the author of which had seen `seen`: what it replaces whole is settled.
    pub(crate) fn settle_by(&mut self, effects: &[u8], seen: &[Stamp]) {
        if self.keys.is_empty() {
            return;
        }
        let covers = |doubt: &Doubt| {
            let has_seen = |origin: &OriginIndex| seen.get(usize::from(origin.0)).copied().unwrap_or(Stamp::ZERO);
            doubt.records.iter().all(|(origin, last)| has_seen(origin) >= *last)
        };
        let mut db = 0;
        for effect in EffectReader::new(effects).map_while(Result::ok) {
            match effect {
                Effect::Select { db: selected } => db = selected,
                Effect::FlushAll => self.keys.retain(|_, doubt| !covers(doubt)),
                Effect::FlushDb => self.keys.retain(|(of, _), doubt| *of != db || !covers(doubt)),
                // It leaves the deadline as it was.
                Effect::Set { deadline: Deadline::Keep, .. } => {}
                Effect::Set { key, .. } | Effect::Delete { key } | Effect::Put { key, .. } => {
                    let place = (db, key.to_vec());
                    if self.keys.get(&place).is_some_and(covers) {
                        self.keys.remove(&place);
                    }
                }
                _ => {}
            }
        }
    }

    /// Is it time to say keys anew? `seen`: what is here; `announced`: what the neighbours have, as far as they have said.
    pub(crate) fn may_speak(
        &mut self,
        seen: &VersionVector,
        announced: impl FnOnce() -> VersionVector,
        now_ms: u64,
    ) -> bool {
        if self.next_ms().is_none_or(|due_ms| due_ms > now_ms) {
            return false;
        }
        if self.due_ms().is_some_and(|due_ms| due_ms <= self.awaited_ms) {
            return true;
        }
        let new = || Goal { began_ms: now_ms, vector: announced(), until_ms: now_ms + CATCH_UP_MS, check_ms: now_ms };
        let goal = self.goal.get_or_insert_with(new);
        let has_come = seen.dominates(&goal.vector) || goal.until_ms <= now_ms;
        goal.check_ms = now_ms + CHECK_MS;
        if has_come {
            self.awaited_ms = goal.began_ms;
            self.goal = None;
        }
        has_come
    }

    /// The next key that is to be said now.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Place> {
        while self.next_ms()? <= now_ms {
            let [other, polite] = [&self.queue, &self.polite].map(|queue| queue.front().map_or(u64::MAX, |due| due.0));
            let queue = if polite < other { &mut self.polite } else { &mut self.queue };
            let (due_ms, place) = queue.pop_front()?;
            if self.keys.get(&place).is_some_and(|doubt| doubt.due_ms == due_ms) {
                self.keys.remove(&place);
                return Some(place);
            }
        }
        None
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        let check_ms = self.goal.as_ref().map_or(0, |goal| goal.check_ms);
        self.due_ms().map(|due_ms| check_ms.max(due_ms))
    }

    fn due_ms(&self) -> Option<u64> {
        self.queue.front().into_iter().chain(self.polite.front()).map(|(due_ms, _)| *due_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use effect::{EffectWriter, NodeId, Origin};

    const LATE: OriginIndex = OriginIndex(1);

    fn doubts() -> Doubts {
        let mut doubts = Doubts::new(0);
        doubts.add((0, b"k".to_vec()), LATE, Stamp(7));
        doubts.add((0, b"k".to_vec()), LATE, Stamp(9));
        doubts.add((1, b"k".to_vec()), LATE, Stamp(9));
        doubts
    }

    #[test]
    fn who_lacks_what_others_have_waits_for_it() {
        let mut doubts = doubts();
        let origin = Origin { node: NodeId(1), incarnation: 1 };
        let vector = |stamp| {
            let mut vector = VersionVector::new();
            vector.advance(origin, Stamp(stamp));
            vector
        };
        let mut ask = |seen, now_ms| doubts.may_speak(&vector(seen), || vector(20), now_ms);
        assert!(!ask(20, DELAY_MS - 1), "too early");
        assert!(!ask(19, DELAY_MS));
        assert!(ask(20, DELAY_MS + CHECK_MS));
    }

    #[test]
    fn many_keys_wait_once_for_what_does_not_come() {
        let mut doubts = doubts();
        let mut announced = VersionVector::new();
        announced.advance(Origin { node: NodeId(1), incarnation: 1 }, Stamp(20));
        let ask = |doubts: &mut Doubts, now_ms| doubts.may_speak(&VersionVector::new(), || announced.clone(), now_ms);
        assert!(!ask(&mut doubts, DELAY_MS));
        doubts.set_now(CATCH_UP_MS);
        doubts.add((2, b"k".to_vec()), LATE, Stamp(9));
        let waited_ms = DELAY_MS + CATCH_UP_MS;
        for _ in 0..2 {
            assert!(ask(&mut doubts, waited_ms));
            assert!(doubts.pop_due(waited_ms).is_some_and(|(db, _)| db < 2));
        }
        assert!(!ask(&mut doubts, waited_ms), "this one has become due since");
        assert!(ask(&mut doubts, waited_ms + CATCH_UP_MS));
    }

    #[test]
    fn very_many_doubts_of_both_kinds_are_queued_one_behind_the_other() {
        let mut doubts = Doubts::new(0);
        let key = |number: u32| (0, number.to_le_bytes().to_vec());
        (0..150_000).for_each(|number| doubts.add_own(key(number), OriginIndex(1), Stamp(7)));
        (150_000..300_000).for_each(|number| doubts.add(key(number), LATE, Stamp(7)));
        let due = std::iter::from_fn(|| doubts.pop_due(u64::MAX));
        assert_eq!(due.map(|place| place == key(150_000)).position(|is_first| is_first), Some(0));
    }

    fn encoded(effects: &[Effect<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        effects.iter().for_each(|effect| EffectWriter::new(&mut bytes).push(effect));
        bytes
    }

    fn due(mut doubts: Doubts) -> Vec<u32> {
        assert_eq!(doubts.pop_due(DELAY_MS - 1), None);
        std::iter::from_fn(|| doubts.pop_due(DELAY_MS)).map(|(db, _)| db).collect()
    }

    #[test]
    fn a_key_is_said_once_when_its_time_has_come() {
        assert_eq!(due(doubts()), [0, 1]);
    }

    #[test]
    fn own_writes_are_doubted_after_those_that_came_late() {
        let mut doubts = Doubts::new(0);
        doubts.add_own((0, b"k".to_vec()), OriginIndex(1), Stamp(7));
        doubts.add((1, b"k".to_vec()), LATE, Stamp(7));
        assert_eq!(doubts.pop_due(DELAY_MS).map(|(db, _)| db), Some(1));
        assert_eq!(doubts.next_ms(), Some(DELAY_MS + POLITE_MS));
        assert_eq!(doubts.pop_due(DELAY_MS + POLITE_MS).map(|(db, _)| db), Some(0));
    }

    #[test]
    fn a_clear_that_had_seen_the_late_records_settles_its_key() {
        let seen = [Stamp(0), Stamp(9)];
        for (effect, left) in [
            (Effect::Delete { key: b"k" }, vec![1]),
            (Effect::Put { key: b"k", value: b"", deadline_ms: None }, vec![1]),
            (Effect::Set { key: b"k", value: b"", deadline: Deadline::Clear }, vec![1]),
            (Effect::Set { key: b"k", value: b"", deadline: Deadline::Keep }, vec![0, 1]),
            (Effect::Increment { key: b"k", delta: 1 }, vec![0, 1]),
            (Effect::FlushDb, vec![1]),
            (Effect::FlushAll, vec![]),
        ] {
            let mut doubts = doubts();
            doubts.settle_by(&encoded(&[effect]), &seen);
            assert_eq!(due(doubts), left, "{effect:?}");
        }
        let mut other_database = doubts();
        other_database.settle_by(&encoded(&[Effect::Select { db: 1 }, Effect::Delete { key: b"k" }]), &seen);
        assert_eq!(due(other_database), [0]);
        let mut unseen = doubts();
        unseen.settle_by(&encoded(&[Effect::FlushAll]), &[Stamp(0), Stamp(8)]);
        assert_eq!(due(unseen), [0, 1]);
    }
}
