//! The keyspace as the mesh's store.

use effect::{EffectReader, Origin, Stamp, VersionVector};
use engine::Engine;
use keyspace::{CausalMark, Horizon, Import, Keyspace, OriginIndex, Row, Scope, Version};
use mesh::{Cursor, Record, Store, Watermarks};
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// How many keys per shard and database are looked at in one go when something has become stable.
const STABILIZE_KEYS: usize = 100;

pub(crate) struct KeyspaceStore {
    keyspace: Arc<Keyspace>,
    /// Its local readers see what is applied.
    engine: Weak<Engine>,
    indexes: HashMap<Origin, OriginIndex>,
    /// What is stable, by `OriginIndex`, while the keyspace has not yet been through with it.
    stable: Option<(Stamp, Vec<CausalMark>)>,
    /// The data set that is being received.
    import: Option<Import>,
    hashes: Vec<u64>,
    seen: Vec<Stamp>,
}

impl KeyspaceStore {
    pub(crate) fn new(keyspace: Arc<Keyspace>) -> KeyspaceStore {
        KeyspaceStore {
            keyspace,
            engine: Weak::new(),
            indexes: HashMap::new(),
            stable: None,
            import: None,
            hashes: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub(crate) fn observe_with(&mut self, engine: &Arc<Engine>) {
        self.engine = Arc::downgrade(engine);
    }

    /// Work that is done little by little.
    pub(crate) fn turn(&mut self) {
        if let Some((clock, causal)) = &self.stable
            && self.keyspace.stabilize(&Horizon { clock: *clock, causal }, STABILIZE_KEYS)
        {
            self.stable = None;
        }
    }

    /// Is there such work?
    pub(crate) fn has_work(&self) -> bool {
        self.stable.is_some()
    }

    fn index(&mut self, origin: Origin) -> OriginIndex {
        *self.indexes.entry(origin).or_insert_with(|| self.keyspace.origin_index(origin))
    }

    /// A row in the keyspace's form.
    fn fill_seen(&mut self, row: &VersionVector) {
        self.seen.clear();
        for (origin, stamp) in row.iter() {
            let index = usize::from(self.index(origin).0);
            if self.seen.len() <= index {
                self.seen.resize(index + 1, Stamp::ZERO);
            }
            self.seen[index] = stamp;
        }
    }
}

impl Store for KeyspaceStore {
    fn apply(&mut self, record: &Record<'_>, row: &VersionVector) -> Result<u64, String> {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        let checked = self.keyspace.check_effects(record.effects, |key| hashes.push(self.keyspace.hash(key)));
        let checked = checked.map_err(|error| error.to_string())?;
        if checked.count != record.count {
            return Err(format!("a record of {} effects has {}", record.count, checked.count));
        }
        let scope = if checked.whole_databases { Scope::All } else { Scope::Keys(&hashes) };
        self.fill_seen(row);
        let origin = self.index(record.origin);
        let keyspace = self.keyspace.clone();
        let mut txn = keyspace.begin(scope, 0, record.first.ms());
        let mut stamp = record.first;
        let mut garbage = Vec::new();
        for effect in EffectReader::new(record.effects) {
            let effect = effect.map_err(|error| error.to_string())?;
            let version = Version { stamp, origin };
            let freed = txn.apply(&effect, version, Row::Seen(&self.seen)).map_err(|error| error.to_string())?;
            if !freed.is_empty() {
                garbage.push(freed);
            }
            if !matches!(effect, effect::Effect::Select { .. }) {
                stamp = stamp.plus(1);
            }
        }
        let engine = self.engine.upgrade();
        let context = txn.commit_applied(|context| {
            if let Some(engine) = &engine {
                engine.observe_remote(record.effects);
            }
            context
        });
        if let Some(engine) = engine.filter(|_| !garbage.is_empty()) {
            engine.host.discard(Box::new(garbage));
        }
        self.hashes = hashes;
        Ok(context)
    }

    fn stabilize(&mut self, watermarks: &Watermarks) {
        let mut causal = Vec::new();
        for watermark in &watermarks.causal {
            let index = usize::from(self.index(watermark.origin).0);
            if causal.len() <= index {
                causal.resize(index + 1, CausalMark::default());
            }
            causal[index] = CausalMark { stamp: watermark.stamp, unheard: !watermark.heard_by_all };
        }
        self.stable = Some((watermarks.clock, causal));
    }

    fn export(&mut self, cursor: Cursor, budget: usize, output: &mut Vec<u8>) -> Option<Cursor> {
        let Cursor { db, position } = cursor;
        let next = self.keyspace.export(keyspace::Cursor { db, position }, budget, output);
        next.map(|keyspace::Cursor { db, position }| Cursor { db, position })
    }

    fn import_begin(&mut self, theirs: &VersionVector, ours: &VersionVector, replace: bool) {
        self.import = Some(Import::begin(&self.keyspace, theirs, ours, replace));
    }

    fn import(&mut self, bytes: &[u8]) -> Result<(), String> {
        let import = self.import.as_mut().ok_or("no import was begun")?;
        import.merge(&self.keyspace, bytes).map_err(|error| error.to_string())?;
        if let Some(engine) = self.engine.upgrade() {
            engine.observe_import();
        }
        Ok(())
    }

    fn import_end(&mut self, complete: bool) -> u64 {
        match self.import.take() {
            Some(import) => import.end(&self.keyspace, complete),
            None => self.keyspace.context_version(),
        }
    }
}
