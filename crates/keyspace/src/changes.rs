//! What readers within the process want to know of a commit: what is not any more what it was.

use effect::{Effect, EffectReader};

/// Something changed, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// `deleted`: it went, if it was there.
    Key { db: u32, key: &'a [u8], deleted: bool },
    /// Only groups of a stream, or its last id: who watches or caches the key is not told, as in Redis.
    Groups { db: u32, key: &'a [u8] },
    /// Everything in a database went.
    Database { db: u32 },
    /// Everything went.
    Everything,
}

/// Calls `f` for what encoded effects change. `silent`, `groups_only`: see `Commit`.
pub fn for_each_change<'a>(effects: &'a [u8], silent: &[u64], groups_only: &[u64], mut f: impl FnMut(Change<'a>)) {
    let mut db = 0;
    let mut index = 0;
    for effect in EffectReader::new(effects) {
        let Ok(effect) = effect else {
            debug_assert!(false, "a commit holds whole effects");
            return;
        };
        if let Effect::Select { db: selected } = effect {
            db = selected;
            continue;
        }
        let (is_silent, of_groups) = (silent.contains(&index), groups_only.contains(&index));
        index += 1;
        match effect {
            _ if is_silent => {}
            Effect::StreamGroupDestroy { key, .. }
            | Effect::StreamConsumerDelete { key, .. }
            | Effect::StreamAcknowledge { key, .. } => f(Change::Groups { db, key }),
            _ if of_groups => effect.key().into_iter().for_each(|key| f(Change::Groups { db, key })),
            Effect::FlushDb => f(Change::Database { db }),
            Effect::FlushAll => f(Change::Everything),
            Effect::Delete { key } => f(Change::Key { db, key, deleted: true }),
            effect => effect.key().into_iter().for_each(|key| f(Change::Key { db, key, deleted: false })),
        }
    }
}
