//! Do neighbours have the same? By the rules they do, but for what decision 5 cannot place. Errors of programs and of memory do
//! not keep to rules, so nodes at work look (docs/decisions/0010-comparison.md).
//!
//! The replica adds up the digests of its keys at rest by buckets and sends the sums. The source does so, too, and answers with what
//! is in some of the buckets that differ. Where a key of the replica is something else there, or is not there, twice in a row
//! and with the same versions, the replica doubts it, and so says it anew. As every node follows another one, where links make a way from each to
//! each, there is always one that finds what differs.
//!
//! A little is done at a time, and nothing where nothing has changed since all was equal.

use crate::link::{Link, Side};
use crate::message::Message;
use crate::store::{Cursor, Rest, Sighting, Store};
use crate::{LinkId, Mesh, Mode, Now, Severity};
use effect::{Stamp, VersionVector};
use rand::Rng;
use std::collections::{BTreeSet, HashMap};

/// What is looked at in one go: so many small keys …
const STEP_WORK: usize = 1_000;
/// … and steps of the walk, some of which come by none.
const STEP_CALLS: usize = 1_000;
/// Pause between two of them, in milliseconds: a key takes 0.4 µs, and comparing may take a hundredth of the time of one processor.
const PAUSE_MS: u64 = 30;
/// Where something differs, it is looked at again after so long, in milliseconds.
const CONFIRM_MS: u64 = 5_000;
/// How often it is looked whether the link is still there over which an answer is to come, in milliseconds: that may take long.
const LOOK_MS: u64 = 1_000;
/// So long what an answer is about is waited for, in milliseconds.
const PATIENCE_MS: u64 = 60_000;
/// An answer itself is waited for so much longer than what it takes to ask (the source may have more keys), and so often as long.
const ANSWER_MS: u64 = 15 * 60_000;
const ANSWER_FACTOR: u64 = 10;
/// A key that was said anew, and differs again, is not said before twice as long has passed as the last time …
const MOST_DOUBLED: u32 = 10;
/// … and no others are while that is so of so many.
const MAX_SAID: usize = 1 << 18;

const KEYS_PER_BUCKET: u64 = 1_024;
const MIN_BUCKETS: usize = 64;
const MAX_BUCKETS: usize = 1 << 16;
/// An answer is about as many buckets as have that many keys. One that has more by itself is left out.
const MAX_KEYS: u64 = 1 << 15;

/// The comparison that this node, as a replica, is about.
pub(crate) struct Comparison {
    link: LinkId,
    /// `Mesh::effects_applied` when it began.
    effects: u64,
    began_ms: u64,
    buckets: usize,
    /// Keys that were not at rest here.
    moving: u64,
    stage: Stage,
    /// When it goes on.
    due_ms: u64,
}

enum Stage {
    Summing(Cursor, Tally),
    /// The answer is awaited, until then.
    Asking(u64),
    /// The answer is here, but not yet all that its keys are made of. Until when it is waited for.
    CatchingUp(Compared, u64),
    Checking(Cursor, Box<Check>),
}

/// See `Message::Compared`.
pub(crate) struct Compared {
    pub(crate) effects: VersionVector,
    pub(crate) differing: u64,
    pub(crate) moving: u64,
    pub(crate) buckets: Vec<u64>,
    pub(crate) keys: Vec<[u64; 3]>,
}

struct Check {
    /// How many buckets there are, and which of them the answer is about.
    count: usize,
    buckets: BTreeSet<u64>,
    /// By hash; `None`: not at rest.
    theirs: HashMap<u64, Option<Rest>>,
    /// The newest effects of each origin that are there.
    effects: VersionVector,
    found: HashMap<u64, Difference>,
    /// Those that were found before: their hashes, databases and names.
    confirmed: Vec<(u64, u32, Vec<u8>)>,
}

/// A key at rest here is something else, or nothing, there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Difference {
    ours: Rest,
    theirs: Option<Rest>,
}

/// What a replica knows of comparisons over a link.
#[derive(Default)]
pub(crate) struct Comparisons {
    /// When the next one may begin.
    pub(crate) due_ms: u64,
    /// `Mesh::effects_applied` when all was equal, and at rest.
    equal_at: Option<u64>,
    /// Which buckets are asked for first.
    start: u64,
    /// What the last one found, by hash.
    found: HashMap<u64, Difference>,
}

/// Keys that were said anew because they differed, by hash. Where something keeps them different (an error in one node, say) that
/// must not go on at every comparison.
#[derive(Default)]
pub(crate) struct Said(HashMap<u64, Pause>);

struct Pause {
    until_ms: u64,
    length_ms: u64,
}

impl Said {
    /// May this key be said now?
    fn say(&mut self, hash: u64, compare_ms: u64, now_ms: u64) -> bool {
        let is_full = self.0.len() >= MAX_SAID;
        let known = self.0.get(&hash);
        if known.map_or(is_full, |pause| pause.until_ms > now_ms) {
            return false;
        }
        let longest_ms = compare_ms.saturating_mul(1 << MOST_DOUBLED);
        let length_ms = known.map_or(compare_ms, |pause| pause.length_ms).saturating_mul(2).min(longest_ms);
        self.0.insert(hash, Pause { until_ms: now_ms.saturating_add(length_ms), length_ms });
        true
    }

    /// Those that were not different again for as long.
    fn forget(&mut self, now_ms: u64) {
        self.0.retain(|_, pause| pause.until_ms.saturating_add(pause.length_ms) > now_ms);
    }
}

/// The answer that a source is making.
pub(crate) struct Answer {
    start: u64,
    /// Of the replica.
    sums: Vec<u64>,
    cursor: Cursor,
    tally: Tally,
    /// Those that differ, once it is known, of which some are told of.
    differing: Option<u64>,
    buckets: BTreeSet<u64>,
    keys: Vec<[u64; 3]>,
    due_ms: u64,
}

struct Tally {
    sums: Vec<u64>,
    counts: Vec<u64>,
    moving: u64,
}

impl Tally {
    fn new(buckets: usize) -> Tally {
        Tally { sums: vec![0; buckets], counts: vec![0; buckets], moving: 0 }
    }

    fn add(&mut self, sighting: Sighting<'_>) {
        let bucket = bucket_of(sighting.hash, self.sums.len()) as usize;
        self.counts[bucket] += 1;
        match sighting.rest {
            Some(rest) => self.sums[bucket] = self.sums[bucket].wrapping_add(rest.digest),
            None => self.moving += 1,
        }
    }

    fn keys(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// `buckets`: a power of two.
fn bucket_of(hash: u64, buckets: usize) -> u64 {
    hash & (buckets as u64 - 1)
}

/// Some of the walk. `None`: that was the end.
fn step(store: &mut dyn Store, mut cursor: Cursor, now: Now, mut see: impl FnMut(Sighting<'_>)) -> Option<Cursor> {
    let mut work = 0;
    for _ in 0..STEP_CALLS {
        cursor = store.survey(cursor, now, &mut |sighting| {
            work += sighting.work;
            see(sighting);
        })?;
        if work >= STEP_WORK {
            break;
        }
    }
    Some(cursor)
}

impl Check {
    fn new(compared: Compared, count: usize) -> Check {
        let is_at_rest = |digest, stamp| (digest, stamp) != (0, 0);
        let theirs = compared.keys.iter().map(|&[hash, digest, stamp]| {
            (hash, is_at_rest(digest, stamp).then_some(Rest { digest, stamp: Stamp(stamp) }))
        });
        Check {
            count,
            buckets: compared.buckets.iter().copied().collect(),
            theirs: theirs.collect(),
            effects: compared.effects,
            found: HashMap::new(),
            confirmed: Vec::new(),
        }
    }

    /// Looks at a key that is here.
    fn see(&mut self, sighting: Sighting<'_>, before: &HashMap<u64, Difference>) {
        let Some(ours) = sighting.rest else { return };
        if !self.buckets.contains(&bucket_of(sighting.hash, self.count)) {
            return;
        }
        let difference = match self.theirs.get(&sighting.hash) {
            Some(None) => return,
            Some(Some(theirs)) if theirs.digest == ours.digest => return,
            theirs => Difference { ours, theirs: theirs.copied().flatten() },
        };
        // They may not have this effect yet: a node that has started again, say, and waits for its masters.
        if sighting.author.is_some_and(|author| !self.effects.covers(author, ours.stamp)) {
            return;
        }
        if before.get(&sighting.hash) == Some(&difference) {
            self.confirmed.push((sighting.hash, sighting.db, sighting.key.to_vec()));
        } else if self.found.len() < MAX_KEYS as usize {
            // Those that are not there are not among the keys of the answer, so there may be any number of them.
            self.found.insert(sighting.hash, difference);
        }
    }
}

impl Mesh {
    /// Whatever is due of all comparisons.
    pub(crate) fn compare(&mut self, store: &mut dyn Store, now: Now) {
        self.answer(store, now);
        if self.comparison.is_none() {
            self.comparison = self.next_comparison(now);
        }
        if let Some(comparison) = self.comparison.take_if(|comparison| comparison.due_ms <= now.monotonic_ms) {
            self.comparison = self.go_on_comparing(comparison, store, now);
        }
    }

    /// When that is, in `Now::monotonic_ms`.
    pub(crate) fn compare_next_ms(&self) -> Option<u64> {
        let answering = self.links.values().filter(|_| self.may_answer());
        let answers = answering.filter_map(|link| Some(link.downstream()?.answer.as_ref()?.due_ms));
        let own = match &self.comparison {
            Some(comparison) => Some(comparison.due_ms),
            None => self.to_compare().map(|(_, due_ms)| due_ms).min(),
        };
        answers.chain(own).min()
    }

    /// The links over which there is something to compare, and when.
    fn to_compare(&self) -> impl Iterator<Item = (LinkId, u64)> + '_ {
        let is_able = self.options.compare_ms > 0 && self.options.mode != Mode::Classic && !self.is_receiving();
        self.links.values().filter(move |link| is_able && link.is_open()).filter_map(|link| {
            let comparisons = &link.upstream()?.comparisons;
            let merges = link.peer.is_some_and(|peer| peer.mode != Mode::Classic);
            (merges && comparisons.equal_at != Some(self.effects_applied)).then_some((link.id, comparisons.due_ms))
        })
    }

    /// Is this node about to take over what others have?
    fn is_receiving(&self) -> bool {
        self.to_join.is_some() || self.import.is_some() || self.unsettled
    }

    fn next_comparison(&self, now: Now) -> Option<Comparison> {
        let (link, due_ms) = self.to_compare().min_by_key(|(_, due_ms)| *due_ms)?;
        if due_ms > now.monotonic_ms {
            return None;
        }
        let buckets = self.compared_keys.div_ceil(KEYS_PER_BUCKET).next_power_of_two();
        let buckets = (buckets as usize).clamp(MIN_BUCKETS, MAX_BUCKETS);
        let stage = Stage::Summing(Cursor::default(), Tally::new(buckets));
        let (effects, began_ms) = (self.effects_applied, now.monotonic_ms);
        Some(Comparison { link, effects, began_ms, buckets, moving: 0, stage, due_ms })
    }

    /// `None`: it is done, or cannot be.
    fn go_on_comparing(&mut self, mut comparison: Comparison, store: &mut dyn Store, now: Now) -> Option<Comparison> {
        comparison.due_ms = now.monotonic_ms + PAUSE_MS;
        let is_receiving = self.is_receiving();
        let link = self.links.get_mut(&comparison.link).filter(|link| link.is_open() && !is_receiving)?;
        let Side::Upstream(upstream) = &mut link.side else { return None };
        let comparisons = &mut upstream.comparisons;
        comparisons.due_ms = now.monotonic_ms + self.options.compare_ms;
        comparison.stage = match comparison.stage {
            Stage::Summing(cursor, mut tally) => match step(store, cursor, now, |sighting| tally.add(sighting)) {
                Some(cursor) => Stage::Summing(cursor, tally),
                None => {
                    self.compared_keys = tally.keys();
                    if comparisons.found.is_empty() {
                        comparisons.start = self.dice.random_range(0..comparison.buckets as u64);
                    }
                    let start = comparisons.start;
                    link.send(&Message::Compare { start, sums: tally.sums });
                    comparison.moving = tally.moving;
                    comparison.due_ms = now.monotonic_ms + LOOK_MS;
                    let took_ms = now.monotonic_ms - comparison.began_ms;
                    Stage::Asking(now.monotonic_ms + ANSWER_MS + ANSWER_FACTOR * took_ms)
                }
            },
            // Others may answer.
            Stage::Asking(until_ms) if until_ms <= now.monotonic_ms => return None,
            Stage::Asking(until_ms) => {
                comparison.due_ms = now.monotonic_ms + LOOK_MS;
                Stage::Asking(until_ms)
            }
            Stage::CatchingUp(compared, _) if self.last_effects.dominates(&compared.effects) => {
                Stage::Checking(Cursor::default(), Box::new(Check::new(compared, comparison.buckets)))
            }
            Stage::CatchingUp(_, until_ms) if until_ms <= now.monotonic_ms => return None,
            waiting @ Stage::CatchingUp(..) => waiting,
            Stage::Checking(cursor, mut check) => {
                match step(store, cursor, now, |sighting| check.see(sighting, &comparisons.found)) {
                    Some(cursor) => Stage::Checking(cursor, check),
                    None => {
                        self.conclude(comparison.link, *check, store, now);
                        return None;
                    }
                }
            }
        };
        Some(comparison)
    }

    /// The answer to COMPARE.
    pub(crate) fn compared(&mut self, id: LinkId, compared: Compared, now: Now) {
        let is_awaited =
            |comparison: &&mut Comparison| comparison.link == id && matches!(comparison.stage, Stage::Asking(_));
        // It may have come too late.
        let Some(comparison) = self.comparison.as_mut().filter(is_awaited) else { return };
        if compared.differing > 0 {
            comparison.stage = Stage::CatchingUp(compared, now.monotonic_ms + PATIENCE_MS);
            comparison.due_ms = now.monotonic_ms;
            return;
        }
        let equal_at = (comparison.moving + compared.moving == 0).then_some(comparison.effects);
        self.comparison = None;
        if let Some(upstream) = self.links.get_mut(&id).and_then(Link::upstream_mut) {
            upstream.comparisons.equal_at = equal_at;
            upstream.comparisons.found.clear();
        }
    }

    fn conclude(&mut self, id: LinkId, check: Check, store: &mut dyn Store, now: Now) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let address = link.address();
        let Side::Upstream(upstream) = &mut link.side else { return };
        if !check.found.is_empty() {
            upstream.comparisons.due_ms = now.monotonic_ms + CONFIRM_MS.min(self.options.compare_ms);
        }
        upstream.comparisons.found = check.found;
        let (compare_ms, now_ms) = (self.options.compare_ms, now.monotonic_ms);
        self.said.forget(now_ms);
        let said = check.confirmed.iter().filter(|(hash, ..)| self.said.say(*hash, compare_ms, now_ms));
        let count = said.inspect(|(_, db, key)| store.doubt(*db, key)).count();
        if count > 0 {
            self.counters.keys_different += count as u64;
            let text = format!("{count} keys are not what master {address} has of them: they are said anew");
            self.log_line(Severity::Warning, text);
        }
    }

    /// A replica wants to know whether we have the same.
    pub(crate) fn asked_to_compare(&mut self, id: LinkId, start: u64, sums: Vec<u64>, now: Now) -> Result<(), String> {
        if !sums.len().is_power_of_two() || sums.len() > MAX_BUCKETS {
            return Err(format!("a comparison of {} sums", sums.len()));
        }
        if let Some(downstream) = self.links.get_mut(&id).and_then(Link::downstream_mut) {
            let tally = Tally::new(sums.len());
            downstream.answer = Some(Box::new(Answer {
                start,
                sums,
                cursor: Cursor::default(),
                tally,
                differing: None,
                buckets: BTreeSet::new(),
                keys: Vec::new(),
                due_ms: now.monotonic_ms,
            }));
        }
        Ok(())
    }

    /// What is half of another data set is no answer.
    fn may_answer(&self) -> bool {
        self.import.is_none() && !self.unsettled
    }

    /// Goes on with an answer.
    fn answer(&mut self, store: &mut dyn Store, now: Now) {
        if !self.may_answer() {
            return;
        }
        let is_due = |link: &&mut Link| {
            let answer = link.downstream().and_then(|downstream| downstream.answer.as_ref());
            answer.is_some_and(|answer| answer.due_ms <= now.monotonic_ms)
        };
        let Some(link) = self.links.values_mut().find(is_due) else { return };
        let Some(answering) = link.downstream_mut().map(|downstream| &mut downstream.answer) else { return };
        if let Some(answer) = answering.take_if(|answer| answer.go_on(store, now)) {
            link.send(&Message::Compared {
                effects: self.last_effects.clone(),
                differing: answer.differing.unwrap_or(0),
                moving: answer.tally.moving,
                buckets: answer.buckets.into_iter().collect(),
                keys: answer.keys,
            });
        }
    }
}

impl Answer {
    /// True where it is complete.
    fn go_on(&mut self, store: &mut dyn Store, now: Now) -> bool {
        self.due_ms = now.monotonic_ms + PAUSE_MS;
        let Answer { tally, buckets, keys, .. } = self;
        let count = tally.sums.len();
        let next = match self.differing {
            None => step(store, self.cursor, now, |sighting| tally.add(sighting)),
            Some(_) => step(store, self.cursor, now, |Sighting { hash, rest, .. }| {
                if buckets.contains(&bucket_of(hash, count)) {
                    keys.push(rest.map_or([hash, 0, 0], |rest| [hash, rest.digest, rest.stamp.0]));
                }
            }),
        };
        self.cursor = next.unwrap_or_default();
        if next.is_some() {
            return false;
        }
        if self.differing.is_none() {
            self.choose();
            return self.buckets.is_empty();
        }
        true
    }

    /// Which buckets to tell of.
    fn choose(&mut self) {
        let count = self.sums.len();
        let all = (0..count).map(|bucket| bucket.wrapping_add(self.start as usize) & (count - 1));
        let differing: Vec<usize> = all.filter(|bucket| self.sums[*bucket] != self.tally.sums[*bucket]).collect();
        let mut room = MAX_KEYS;
        for bucket in differing.iter().filter(|bucket| self.tally.counts[**bucket] <= MAX_KEYS) {
            let Some(left) = room.checked_sub(self.tally.counts[*bucket]) else { break };
            room = left;
            self.buckets.insert(*bucket as u64);
        }
        self.differing = Some(differing.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use effect::{NodeId, Origin};

    fn nothing_there(effects: VersionVector) -> Compared {
        Compared { effects, differing: 64, moving: 0, buckets: (0..64).collect(), keys: vec![] }
    }

    #[test]
    fn what_the_source_has_not_got_yet_is_no_difference() {
        let (mut effects, author) = (VersionVector::new(), Origin { node: NodeId(1), incarnation: 1 });
        let finds = |effects: &VersionVector, author| {
            let mut check = Check::new(nothing_there(effects.clone()), 64);
            let rest = Some(Rest { digest: 7, stamp: Stamp(5) });
            check.see(Sighting { db: 0, key: b"key", hash: 1, rest, author, work: 1 }, &HashMap::new());
            !check.found.is_empty()
        };
        assert!(finds(&effects, None), "of data without stamps nobody knows");
        assert!(!finds(&effects, Some(author)));
        effects.advance(author, Stamp(4));
        assert!(!finds(&effects, Some(author)));
        effects.advance(author, Stamp(5));
        assert!(finds(&effects, Some(author)));
    }

    #[test]
    fn of_very_many_keys_that_are_missing_some_are_mended_at_a_time() {
        let look = |before: &HashMap<u64, Difference>| {
            let mut check = Check::new(nothing_there(VersionVector::new()), 64);
            for hash in 0..3 * MAX_KEYS {
                let rest = Some(Rest { digest: hash, stamp: Stamp(1) });
                check.see(Sighting { db: 0, key: b"key", hash, rest, author: None, work: 1 }, before);
            }
            (check.confirmed.len() as u64, check.found)
        };
        let (confirmed, found) = look(&HashMap::new());
        assert_eq!((confirmed, found.len() as u64), (0, MAX_KEYS));
        let (confirmed, next) = look(&found);
        assert_eq!((confirmed, next.len() as u64), (MAX_KEYS, MAX_KEYS));
        assert!(next.keys().all(|hash| !found.contains_key(hash)));
    }
}
