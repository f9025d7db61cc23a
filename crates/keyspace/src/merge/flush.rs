//! FLUSHDB and FLUSHALL: a clear of a whole database in one shard.

use super::{Author, Merge, version_of};
use crate::KeyHash;
use crate::garbage::Garbage;
use crate::shard::Database;
use crate::table::KeyHasher;
use values::EncodingLimits;

/// What is older than the flush goes to the garbage; what is newer, and increments that its author had
/// not seen, live on.
pub(crate) fn flush(
    database: &mut Database<KeyHash>,
    limits: &EncodingLimits,
    author: Author<'_>,
    garbage: &mut Garbage,
) {
    if !author.peers {
        garbage.add(database.table.take());
        return;
    }
    database.flushed = author.origins.newest(database.flushed, author.version);
    // Keys about which more has to be remembered than that they are gone.
    let mut keys: Vec<Box<[u8]>> = database.recent.keys().map(|key| Box::from(&**key)).collect();
    // A flush that comes late, after keys that are newer as a whole.
    if database.newest_plain >= author.version.stamp {
        let entries = database.table.iter().filter(|entry| !entry.has_recent());
        let newer = entries.filter(|entry| author.is_older_than(version_of(entry)));
        keys.extend(newer.map(|entry| Box::from(entry.key())));
    }
    let mut survivors = Vec::new();
    for key in &keys {
        let hash = KeyHash.hash(key);
        Merge { database, limits, author, hash, key }.flush();
        survivors.extend(database.table.remove(hash, key).map(|entry| (hash, entry)));
    }
    garbage.add(database.table.take());
    for (hash, entry) in survivors {
        database.table.insert(hash, entry);
    }
}
