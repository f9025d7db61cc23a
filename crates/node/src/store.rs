//! The keyspace as the mesh's store.

use crate::doubts::{Doubts, Place};
use crate::rewrites::Rewrites;
use effect::{Effect, EffectReader, Origin, Stamp, VersionVector};
use engine::{Author, Engine};
use keyspace::{
    CausalMark, Change, Checked, Horizon, Import, Keyspace, OriginIndex, Preparation, Restated, Row, Scope, Txn,
    Version, put_stamp, raise,
};
use mesh::{BatchReader, Cursor, Now, Record, Sighting, Store, Watermarks};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// How many keys per shard and database are looked at in one go when something has become stable.
const STABILIZE_KEYS: usize = 50;
/// Of so many records the keys are fetched from memory at once; of each no more than so many.
const FETCHED_RECORDS: usize = 32;
const FETCHED_KEYS: usize = 32;
/// How many keys that late records made doubtful are said anew in one go.
const SETTLE_KEYS: usize = 64;
/// … and about how many bytes these may be: what is large takes long.
const SETTLE_BYTES: usize = 64 * 1024;

pub(crate) struct KeyspaceStore {
    keyspace: Arc<Keyspace>,
    /// Its local readers see what is applied.
    engine: Weak<Engine>,
    indexes: BTreeMap<Origin, OriginIndex>,
    /// What is stable.
    clock: Stamp,
    /// The same by `OriginIndex`.
    causal: Vec<CausalMark>,
    /// The most that `causal` ever said: it becomes less where somebody new counts, but what was forgotten by then stays so. (`clock`
    /// never goes back.)
    forgotten: Vec<Stamp>,
    /// The keyspace has not yet been through with it.
    is_stabilizing: bool,
    doubts: Doubts,
    rewrites: Rewrites,
    late: Arc<LateRecords>,
    /// The data set that is being received.
    import: Option<Import>,
    /// Of each origin the record, by its first stamp, whose long values are being built.
    preparations: HashMap<Origin, (Stamp, Preparation)>,
    /// What everybody had seen when a survey began.
    known: Vec<Stamp>,
    hashes: Vec<u64>,
    seen: Vec<Stamp>,
}

/// Counted since the start.
#[derive(Debug, Default)]
pub(crate) struct LateRecords {
    pub(crate) applied: AtomicU64,
    /// Keys that were said anew for them.
    pub(crate) keys_restated: AtomicU64,
}

impl KeyspaceStore {
    pub(crate) fn new(own: Origin, keyspace: Arc<Keyspace>, late: Arc<LateRecords>) -> KeyspaceStore {
        let dice = keyspace.hash(&own.node.0.to_le_bytes());
        KeyspaceStore {
            keyspace,
            engine: Weak::new(),
            indexes: BTreeMap::new(),
            clock: Stamp::ZERO,
            causal: Vec::new(),
            forgotten: Vec::new(),
            is_stabilizing: false,
            doubts: Doubts::new(dice),
            rewrites: Rewrites::default(),
            late,
            import: None,
            preparations: HashMap::new(),
            known: Vec::new(),
            hashes: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub(crate) fn observe_with(&mut self, engine: &Arc<Engine>) {
        self.engine = Arc::downgrade(engine);
    }

    /// Work that is done little by little.
    pub(crate) fn turn(&mut self, now: Now) {
        if self.is_stabilizing && self.stabilize_some(now) {
            self.is_stabilizing = false;
        }
        self.doubts.set_now(now.monotonic_ms);
        self.rewrites.set_now(now.monotonic_ms);
    }

    /// Says anew what late records have made doubtful. Before anything is applied in this turn: a commit has seen
    /// what the mesh says that it has, `seen`. `announced`: what its neighbours have.
    pub(crate) fn settle_doubts(&mut self, seen: &VersionVector, announced: impl FnOnce() -> VersionVector, now: Now) {
        let Some(engine) = self.engine.upgrade() else { return };
        for lost in std::mem::take(&mut self.rewrites.lost) {
            let mut txn = self.keyspace.begin(Scope::Keys(&[self.keyspace.hash(&lost.key)]), lost.db, now.unix_ms);
            let unneeded = txn.say_again(&lost);
            engine.commit(&mut txn, Author::default());
            self.rewrites.keep((lost.db, lost.key), unneeded);
        }
        // While a data set comes in, keys may still be without it.
        if self.doubts.is_empty() || self.keyspace.is_half_imported() {
            return;
        }
        if !self.doubts.may_speak(seen, announced, now.monotonic_ms) || self.fill_seen(seen).is_err() {
            return;
        }
        let mut bytes = 0;
        for _ in 0..SETTLE_KEYS {
            if bytes >= SETTLE_BYTES {
                return;
            }
            let Some((db, key)) = self.doubts.pop_due(now.monotonic_ms) else { return };
            let mut txn = self.keyspace.begin(Scope::Keys(&[self.keyspace.hash(&key)]), db, now.unix_ms);
            // All of it is seen, but somebody else may say the key anew who has not seen it.
            let restated = Version { stamp: Stamp::MAX, origin: OriginIndex::NONE };
            self.rewrites.restate((db, key.clone()), restated, Stamp::MAX, txn.own_writes(&key, restated));
            bytes += txn.restate(&key, &self.seen);
            engine.commit(&mut txn, Author::default());
            self.late.keys_restated.fetch_add(1, Relaxed);
        }
    }

    /// True where everything was looked at.
    fn stabilize_some(&self, now: Now) -> bool {
        let horizon = Horizon { clock: self.clock, causal: &self.causal };
        let engine = self.engine.upgrade();
        self.keyspace.stabilize(now.unix_ms, &horizon, STABILIZE_KEYS, |what| {
            if let Some(engine) = &engine {
                engine.observe_time(what);
            }
        })
    }

    /// When there is something to do, in `Now::monotonic_ms`.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        let doubts_ms = self.doubts.next_ms().filter(|_| !self.keyspace.is_half_imported());
        if self.is_stabilizing || !self.rewrites.lost.is_empty() { Some(0) } else { doubts_ms }
    }

    fn index(&mut self, origin: Origin) -> Result<OriginIndex, String> {
        if let Some(index) = self.indexes.get(&origin) {
            return Ok(*index);
        }
        let index = self.keyspace.origin_index(origin).ok_or("more origins than can be told apart")?;
        self.indexes.insert(origin, index);
        Ok(index)
    }

    /// Shows a change without an effect to the local readers.
    fn observe_change(&self, change: Change<'_>) {
        if let Some(engine) = self.engine.upgrade() {
            engine.observe_change(change);
        }
    }

    /// A row in the keyspace's form.
    fn fill_seen(&mut self, row: &VersionVector) -> Result<(), String> {
        self.seen.clear();
        for (origin, stamp) in row.iter() {
            let index = self.index(origin)?;
            put_stamp(&mut self.seen, index, stamp);
        }
        Ok(())
    }

    /// What the effects of a record are, where they can be applied.
    fn checked<'e>(&self, record: &Record<'e>, key: impl FnMut(&'e [u8])) -> Result<Checked, String> {
        let checked = self.keyspace.check_effects(record.effects, key).map_err(|error| error.to_string())?;
        if checked.count != record.count {
            return Err(format!("a record of {} effects has {}", record.count, checked.count));
        }
        Ok(checked)
    }

    /// Is something forgotten that this record, whose author had seen `self.seen`, should have met?
    fn is_late(&self, first: Stamp, origin: OriginIndex) -> bool {
        let is_unheard = |index: usize| self.causal.get(index).is_some_and(|mark| mark.unheard);
        let lacks = |(index, forgotten): (usize, &Stamp)| {
            let seen = self.seen.get(index).copied().unwrap_or(Stamp::ZERO);
            seen < *forgotten && index != usize::from(origin.0) && !(seen == Stamp::ZERO && is_unheard(index))
        };
        first <= self.clock || self.forgotten.iter().enumerate().any(lacks)
    }

    /// Notes the keys that a late record is about to change.
    fn doubt(&mut self, record: &Record<'_>, origin: OriginIndex, txn: &mut Txn<'_>) {
        self.late.applied.fetch_add(1, Relaxed);
        let mut add = |place: Place| self.doubts.add(place, origin, record.last());
        let mut db = 0;
        for effect in EffectReader::new(record.effects).map_while(Result::ok) {
            match effect {
                Effect::Select { db: selected } => db = selected,
                Effect::FlushDb => txn.keys_of(db).for_each(|key| add((db, key.to_vec()))),
                Effect::FlushAll => {
                    (0..txn.databases()).for_each(|db| txn.keys_of(db).for_each(|key| add((db, key.to_vec()))));
                }
                effect => effect.key().into_iter().for_each(|key| add((db, key.to_vec()))),
            }
        }
    }
}

/// Of a record with very many keys, before the one at this position is changed: `fetch_ahead` has fetched the first ones.
fn fetch_further(txn: &Txn<'_>, hashes: &[u64], position: usize) {
    if position > 0 && position.is_multiple_of(FETCHED_KEYS) {
        txn.prefetch_hashes(&hashes[position..hashes.len().min(position + FETCHED_KEYS)]);
    }
}

/// The data set on its way to another node.
struct Export {
    keyspace: Arc<Keyspace>,
    walk: keyspace::Export,
}

impl mesh::Export for Export {
    fn go_on(&mut self, budget: usize, output: &mut Vec<u8>) -> bool {
        self.walk.go_on(&self.keyspace, budget, output)
    }
}

impl Store for KeyspaceStore {
    fn check(&self, record: &Record<'_>) -> Result<(), String> {
        self.checked(record, |_| ()).map(drop)
    }

    fn fetch_ahead(&mut self, records: &mut BatchReader<'_>) -> usize {
        self.hashes.clear();
        let (mut count, mut db) = (0, 0);
        while count < FETCHED_RECORDS
            && let Ok(Some(record)) = records.next_record()
        {
            (count, db) = (count + 1, 0);
            for effect in EffectReader::new(record.effects).map_while(Result::ok).take(FETCHED_KEYS) {
                match effect {
                    Effect::Select { db: selected } => db = selected,
                    effect => self.hashes.extend(effect.key().map(|key| self.keyspace.hash(key))),
                }
            }
        }
        // Mostly all are about one database, which is a hint like the rest.
        self.keyspace.prefetch(db.min(self.keyspace.databases() - 1), self.hashes.iter().copied());
        count
    }

    fn prepare(&mut self, record: &Record<'_>) -> Result<bool, String> {
        let Record { origin, first, effects, .. } = *record;
        let preparation = match self.preparations.get_mut(&origin).filter(|(of, _)| *of == first) {
            Some((_, preparation)) => preparation,
            None => {
                let Some(new) = Preparation::begin(&self.keyspace, effects).map_err(|error| error.to_string())? else {
                    return Ok(true);
                };
                self.preparations.insert(origin, (first, new));
                &mut self.preparations.get_mut(&origin).expect("just inserted").1
            }
        };
        preparation.go_on(effects).map_err(|error| error.to_string())
    }

    fn apply(&mut self, record: &Record<'_>, row: &VersionVector) -> Result<u64, String> {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        let checked = self.checked(record, |key| hashes.push(self.keyspace.hash(key)))?;
        let scope = if checked.whole_databases { Scope::All } else { Scope::Keys(&hashes) };
        self.fill_seen(row)?;
        let origin = self.index(record.origin)?;
        let keyspace = self.keyspace.clone();
        let mut txn = keyspace.begin(scope, 0, record.first.ms());
        if !keyspace.switches().peers {
            // A replica has no say.
        } else if self.is_late(record.first, origin) {
            self.doubt(record, origin, &mut txn);
            txn.apply_late();
        } else {
            self.doubts.settle_by(record.effects, &self.seen);
        }
        if let Some((first, preparation)) = self.preparations.remove(&record.origin)
            && first == record.first
        {
            txn.apply_prepared(preparation.finish());
        }
        let mut stamp = record.first;
        let mut garbage = Vec::new();
        let mut keys = 0;
        for effect in EffectReader::new(record.effects) {
            let effect = effect.map_err(|error| error.to_string())?;
            let version = Version { stamp, origin };
            if let Effect::Restate { key } = effect {
                // The Put or Delete itself comes next.
                let restated = Version { stamp: stamp.plus(1), ..version };
                let seen = self.seen.get(self.keyspace.own_index()).copied().unwrap_or(Stamp::ZERO);
                self.rewrites.restate((txn.db(), key.to_vec()), restated, seen, txn.own_writes(key, restated));
            }
            if effect.key().is_some() {
                fetch_further(&txn, &hashes, keys);
                keys += 1;
            }
            let freed = txn.apply(&effect, version, Row::Seen(&self.seen)).map_err(|error| error.to_string())?;
            if !freed.is_empty() {
                garbage.push(freed);
            }
            if !matches!(effect, effect::Effect::Select { .. }) {
                stamp = stamp.plus(1);
            }
        }
        let engine = self.engine.upgrade();
        if let Some(engine) = &engine {
            engine.observe_remote(&mut txn, record.effects, checked);
        }
        let context = txn.commit_applied(|context| context);
        if !garbage.is_empty() {
            stdx::discard(garbage);
        }
        self.hashes = hashes;
        Ok(context)
    }

    fn stabilize(&mut self, watermarks: &Watermarks) {
        let mut causal = std::mem::take(&mut self.causal);
        causal.clear();
        for watermark in &watermarks.causal {
            // Of an origin without an index nothing is here.
            let Ok(index) = self.index(watermark.origin) else { continue };
            let index = usize::from(index.0);
            if causal.len() <= index {
                causal.resize(index + 1, CausalMark::default());
            }
            causal[index] = CausalMark { stamp: watermark.stamp, unheard: !watermark.heard_by_all };
        }
        debug_assert!(self.clock <= watermarks.clock, "what nothing can arrive at any more stays so");
        raise(&mut self.forgotten, &Horizon { clock: watermarks.clock, causal: &causal }.known_stamps());
        self.causal = causal;
        self.clock = watermarks.clock;
        self.is_stabilizing = true;
    }

    fn remembered_bytes(&self) -> usize {
        self.keyspace.remembered_bytes()
    }

    fn export(&self) -> Box<dyn mesh::Export> {
        Box::new(Export { keyspace: self.keyspace.clone(), walk: keyspace::Export::new() })
    }

    fn survey(&mut self, cursor: Cursor, now: Now, see: &mut dyn FnMut(Sighting<'_>)) -> Option<Cursor> {
        if cursor == Cursor::default() {
            self.known = self.keyspace.known();
        }
        let Cursor { db, position } = cursor;
        let next = self.keyspace.survey(keyspace::Cursor { db, position }, &self.known, now.unix_ms, |sighting| {
            let keyspace::Sighting { db, key, hash, rest, author, work } = sighting;
            let rest = rest.map(|keyspace::Rest { digest, stamp }| mesh::Rest { digest, stamp });
            let author = author.and_then(|author| self.keyspace.origin(author));
            see(Sighting { db, key, hash, rest, author, work });
        });
        next.map(|keyspace::Cursor { db, position }| Cursor { db, position })
    }

    fn doubt(&mut self, db: u32, key: &[u8]) {
        self.doubts.add_difference((db, key.to_vec()));
    }

    fn decided(&self) -> VersionVector {
        self.keyspace.decided()
    }

    fn import_begin(
        &mut self,
        theirs: &VersionVector,
        decided: &VersionVector,
        ours: &VersionVector,
        replace: bool,
        is_stranger: bool,
    ) -> Result<u64, String> {
        let mut import =
            Import::begin(&self.keyspace, theirs, decided, ours, replace).map_err(|error| error.to_string())?;
        import.doubts_own = is_stranger;
        let context = import.context();
        self.preparations.clear();
        self.import = Some(import);
        if replace {
            self.observe_change(Change::Everything);
        }
        Ok(context)
    }

    fn import(&mut self, bytes: &[u8], latest: Stamp) -> Result<(), String> {
        let mut import = self.import.take().ok_or("no import was begun")?;
        let merged = import.merge(&self.keyspace, bytes, latest, |change| self.observe_change(change));
        for Restated { place, version, seen, own } in import.take_restated() {
            self.rewrites.restate(place, version, seen, own);
        }
        let (own, last) = (OriginIndex(self.keyspace.own_index() as u16), self.keyspace.last_stamp());
        for place in import.take_doubted() {
            // Whoever has seen what was written here has merged it, too.
            self.doubts.add_own(place, own, last);
        }
        self.import = Some(import);
        merged.map_err(|error| error.to_string())
    }

    fn import_end(&mut self, complete: bool) -> u64 {
        match self.import.take() {
            Some(import) => import.end(&self.keyspace, complete, |change| self.observe_change(change)),
            None => self.keyspace.context_version(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use effect::{EffectWriter, NodeId};
    use keyspace::{Options, Switches};

    const PEER: Origin = Origin { node: NodeId(2), incarnation: 1 };

    fn store() -> KeyspaceStore {
        let own = Origin { node: NodeId(1), incarnation: 1 };
        let options = Options { databases: 2, single_threaded: false, hash_secret: 1, seed: 1 };
        let keyspace = Arc::new(Keyspace::new(options));
        keyspace.set_origin(own);
        keyspace.set_switches(Switches { recording: true, stamping: true, peers: true });
        KeyspaceStore::new(own, keyspace, Arc::default())
    }

    /// A record of the peer.
    fn apply(store: &mut KeyspaceStore, effects: &[Effect<'_>]) -> Result<u64, String> {
        let mut bytes = Vec::new();
        let mut writer = EffectWriter::new(&mut bytes);
        effects.iter().for_each(|effect| writer.push(effect));
        let count = effects.iter().filter(|effect| !matches!(effect, Effect::Select { .. })).count() as u64;
        let (first, context) = (Stamp::from_ms(1), &[]);
        let effects = &bytes;
        let record = Record { origin: PEER, previous: Stamp::ZERO, first, count, context, assumed: &[], effects };
        store.apply(&record, &VersionVector::new())
    }

    #[test]
    fn who_says_a_key_anew_says_what_it_is() {
        let restate = |key| Effect::Restate { key };
        let (select, put) = (Effect::Select { db: 1 }, Effect::Put { key: b"a", value: b"\0v", deadline_ms: None });
        let set = Effect::Set { key: b"a", value: b"v", deadline: effect::Deadline::Clear };
        let (a, b): (&[u8], &[u8]) = (b"a", b"b");
        for (effects, is_fine) in [
            (vec![restate(a), put], true),
            (vec![restate(a), Effect::Delete { key: a }, restate(b), Effect::Delete { key: b }], true),
            (vec![select, restate(a), put], true),
            (vec![restate(a)], false),
            (vec![put, restate(b)], false),
            (vec![restate(b), put], false),
            (vec![restate(a), restate(a), put], false),
            (vec![restate(a), set], false),
            (vec![restate(a), select, put], false),
            (vec![restate(a), Effect::FlushAll, put], false),
        ] {
            assert_eq!(apply(&mut store(), &effects).is_ok(), is_fine, "{effects:?}");
        }
    }
}
