//! FLUSHDB and FLUSHALL: a clear of a whole database in one shard.

use super::operations::{assumed_by, note_cancelled};
use super::{Author, Merge, version_of};
use crate::KeyHash;
use crate::garbage::Garbage;
use crate::shard::Database;
use crate::table::KeyHasher;
use effect::Stamp;
use values::EncodingLimits;

/// What is older than the flush goes to the garbage; what is newer, and increments that its author had
/// not seen, live on. `horizon`: nothing as old as this can arrive any more.
pub(crate) fn flush(
    database: &mut Database<KeyHash>,
    limits: &EncodingLimits,
    author: Author<'_>,
    horizon: Stamp,
    garbage: &mut Garbage,
) {
    if !author.peers {
        garbage.add(database.table.take());
        return;
    }
    database.flushed = author.origins.newest(database.flushed, author.version);
    assumed_by(author.version, author.row)
        .for_each(|cancellation| note_cancelled(&mut database.cancelled_by_flush, cancellation));
    // Keys about which more has to be remembered than that they are gone.
    let mut keys: Vec<Box<[u8]>> = database.recent.keys().map(Box::from).collect();
    // Keys that are newer as a whole, as the flush comes late; and those that something late, of another
    // type, may still have to be told of.
    if database.newest_plain >= author.version.stamp.min(horizon) {
        let entries = database.table.iter().filter(|entry| !entry.has_recent());
        let needed = entries.filter(|entry| {
            let version = version_of(entry);
            version.stamp > horizon || author.is_older_than(version)
        });
        keys.extend(needed.map(|entry| Box::from(entry.key())));
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
