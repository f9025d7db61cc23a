//! Keys and values: the table, the shards and their locks, reads (`View`), the only writer (`Txn`)
//! and the conflict rules by which effects of other nodes are merged.

mod access;
mod agenda;
mod apply;
mod bucket;
mod changes;
mod codec;
mod deadlines;
mod digest;
mod elements;
mod entry;
mod events;
mod eviction;
mod garbage;
mod guard;
mod keyspace;
mod lifetimes;
mod list;
mod merge;
mod preparation;
mod recent;
mod segment;
mod shard;
mod stability;
mod stamping;
mod state;
mod survey;
mod table;
mod txn;
mod version;
mod view;
mod walk;

pub use access::Tracking;
pub use apply::{Checked, EffectsError};
pub use changes::{Change, for_each_change};
pub use codec::{Decoded, EncodedStream, StreamPart, decode};
pub use digest::DebugDigest;
pub use effect::Collection;
pub use entry::LongString;
pub use events::{EventClass, KeyEvent};
pub use eviction::{EvictionOrder, EvictionPolicy, EvictionPool, Victim};
pub use garbage::Garbage;
pub(crate) use keyspace::KeyHash;
pub use keyspace::{Keyspace, Options, Scope, Statistics};
pub use merge::operations::{CausalMark, Horizon};
pub use preparation::{Preparation, Prepared};
pub use stability::ByTime;
pub use stamping::Switches;
pub use state::{Cursor, Export, Import, ImportError, Restated};
pub use survey::{Rest, Sighting};
pub use txn::{
    Commit, LostWrites, NewId, NotAdded, OwnWrite, OwnWrites, ScoreCondition, ScoresWritten, SetDeadline, Txn,
};
pub use version::{OriginIndex, Row, Version, put_stamp, raise};
pub use view::{KeyType, StringRef, View};
pub use walk::{Walk, Walked};

use std::fmt;
use values::hyperloglog::Invalid;

/// Why a value refuses an operation. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// The key holds another type.
    WrongType,
    /// The string (or hash field) is not an integer of 64 bits.
    NotInteger,
    /// The result of an increment would not fit into 64 bits.
    Overflow,
    /// The string is not a number.
    NotFloat,
    /// The result would be NaN or infinite.
    NanOrInfinity,
    /// The sum of two infinities that is no number.
    NanScore,
    /// The string would exceed the limit (proto-max-bulk-len).
    TooLong,
    /// The string is no HyperLogLog.
    NotHyperLogLog,
    /// The string calls itself one, but its registers are not sound.
    CorruptedHyperLogLog,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for ValueError {}

impl From<Invalid> for ValueError {
    fn from(invalid: Invalid) -> ValueError {
        match invalid {
            Invalid::Foreign => ValueError::NotHyperLogLog,
            Invalid::Corrupted => ValueError::CorruptedHyperLogLog,
        }
    }
}
