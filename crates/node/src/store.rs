//! The keyspace as the mesh's store.

use effect::{Origin, VersionVector};
use engine::Engine;
use keyspace::Keyspace;
use mesh::{Cursor, Record, Store, Watermarks};
use std::sync::{Arc, Weak};

pub(crate) struct KeyspaceStore {
    keyspace: Arc<Keyspace>,
    /// Its local readers see what is applied.
    engine: Weak<Engine>,
}

impl KeyspaceStore {
    pub(crate) fn new(keyspace: Arc<Keyspace>) -> KeyspaceStore {
        KeyspaceStore { keyspace, engine: Weak::new() }
    }

    pub(crate) fn observe_with(&mut self, engine: &Arc<Engine>) {
        self.engine = Arc::downgrade(engine);
    }

    /// Work that is done little by little.
    pub(crate) fn turn(&mut self) {}
}

impl Store for KeyspaceStore {
    fn apply(&mut self, _record: &Record<'_>, _row: &VersionVector) -> Result<u64, String> {
        Ok(self.keyspace.context_version())
    }
    fn stabilize(&mut self, _watermarks: &Watermarks) {}
    fn export(&mut self, _cursor: Cursor, _budget: usize, _output: &mut Vec<u8>) -> Option<Cursor> {
        None
    }
    fn import_begin(&mut self, _theirs: &VersionVector, _ours: &VersionVector, _origins: &[Origin], _replace: bool) {}
    fn import(&mut self, _bytes: &[u8]) -> Result<(), String> {
        Ok(())
    }
    fn import_end(&mut self, _complete: bool) -> u64 {
        self.keyspace.context_version()
    }
}
