//! The effects themselves.

use crate::{Deliveries, EntryId, GroupPosition, Identities, Ids, Items, ScoredItems};

/// What a write does to the deadline of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// The key has no deadline afterwards (plain SET).
    Clear,
    /// The deadline register is not touched (SET … KEEPTTL).
    Keep,
    /// Absolute, milliseconds since the Unix epoch.
    At(u64),
}

/// One end of a list, or the direction of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Head,
    Tail,
}

/// The collections whose elements may have deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Collection {
    Set = 1,
    Hash = 2,
    SortedSet = 3,
}

impl Collection {
    pub(crate) fn from_number(number: u8) -> Option<Collection> {
        [Collection::Set, Collection::Hash, Collection::SortedSet].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// One change of the data set, as a fact: no clock to read, no dice to throw, nothing to look up.
/// Applying the same effects in any order that respects causality gives the same state.
///
/// Effects of one commit have consecutive stamps. They act on the database of the last `Select`
/// before them in the same commit (0 at its start).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect<'a> {
    /// The effects that follow act on this database. Takes no stamp.
    Select { db: u32 },
    /// The key becomes this string; kills everything older, of any type.
    Set { key: &'a [u8], value: &'a [u8], deadline: Deadline },
    /// A counter moves. Cancelled only by a Set/Delete/Flush/Put that had seen it.
    Increment { key: &'a [u8], delta: i64 },
    /// The same for INCRBYFLOAT; `delta` is the decimal text of the increment.
    IncrementFloat { key: &'a [u8], delta: &'a [u8] },
    /// Bytes at the end of the string, as it stands when this effect's turn comes.
    Append { key: &'a [u8], bytes: &'a [u8] },
    /// Bytes at an offset, zero-padded.
    SetRange { key: &'a [u8], offset: u64, bytes: &'a [u8] },
    /// `width` (1..=64) bits at `bit_offset`, most significant bit first (SETBIT, BITFIELD).
    SetBits { key: &'a [u8], bit_offset: u64, width: u8, value: u64 },
    /// Registers of the HyperLogLog at the key, which comes into being, are raised where they are lower. `registers`: as
    /// `values::hyperloglog` encodes them; `sparse_max`: the bytes up to which it stays sparse, 0 where it is dense at once.
    RaiseRegisters { key: &'a [u8], sparse_max: u64, registers: &'a [u8] },
    /// The key is gone; kills what is older, not what is newer. Recorded even where the key is absent.
    Delete { key: &'a [u8] },
    /// The deadline register; `None` is PERSIST. Absolute, milliseconds since the Unix epoch.
    Expire { key: &'a [u8], deadline_ms: Option<u64> },
    /// The deadline registers of elements of the key as it is while it is such a collection, whether or not it has
    /// them; `None` as above. Every other write of an element writes that it has no deadline, but for increments.
    ExpireMembers { key: &'a [u8], collection: Collection, members: Items<'a>, deadline_ms: Option<u64> },
    /// The key becomes this value whole (COPY, RENAME, *STORE, RESTORE): kills everything older.
    /// `value` is the encoding of `keyspace::codec`: a type byte and the elements.
    Put { key: &'a [u8], value: &'a [u8], deadline_ms: Option<u64> },
    /// Members join a set.
    SetAdd { key: &'a [u8], members: Items<'a> },
    /// Members leave a set.
    SetRemove { key: &'a [u8], members: Items<'a> },
    /// Fields get values: items are field, value, field, value, …
    HashSet { key: &'a [u8], pairs: Items<'a> },
    /// Fields go.
    HashDelete { key: &'a [u8], fields: Items<'a> },
    /// A counter in a field moves; rules as for `Increment`, per field.
    HashIncrement { key: &'a [u8], field: &'a [u8], delta: i64 },
    /// The same for HINCRBYFLOAT.
    HashIncrementFloat { key: &'a [u8], field: &'a [u8], delta: &'a [u8] },
    /// Members of a sorted set get scores.
    SortedSetAdd { key: &'a [u8], pairs: ScoredItems<'a> },
    /// Members leave a sorted set.
    SortedSetRemove { key: &'a [u8], members: Items<'a> },
    /// The score of a member moves; rules as for `Increment`, per member.
    SortedSetIncrement { key: &'a [u8], member: &'a [u8], delta: f64 },
    /// An entry comes into a stream; items are field, value, field, value, …
    StreamAdd { key: &'a [u8], id: EntryId, fields: Items<'a> },
    /// Entries go. `max_deleted_id`: the greatest of those that were there, 0 where none was.
    StreamDelete { key: &'a [u8], ids: Ids<'a>, max_deleted_id: EntryId },
    /// All entries up to and with this one go.
    StreamTrim { key: &'a [u8], through: EntryId },
    /// The ids that the stream knows of rise to these; the number of entries that were ever added is set.
    StreamSetId { key: &'a [u8], last_id: EntryId, entries_added: Option<u64>, max_deleted_id: EntryId },
    /// A group is there, and has read so far at least.
    StreamGroupCreate { key: &'a [u8], group: &'a [u8], position: GroupPosition },
    /// A group has read so far, whatever was before.
    StreamGroupSet { key: &'a [u8], group: &'a [u8], position: GroupPosition },
    /// A group goes, with its consumers and what is pending.
    StreamGroupDestroy { key: &'a [u8], group: &'a [u8] },
    /// Entries are pending at a consumer from now on, and nowhere else. The consumer and the group are there, and the
    /// group has read at least up to `position`.
    StreamDeliver {
        key: &'a [u8],
        group: &'a [u8],
        consumer: &'a [u8],
        position: Option<GroupPosition>,
        deliveries: Deliveries<'a>,
    },
    /// A consumer goes, with what is pending there.
    StreamConsumerDelete { key: &'a [u8], group: &'a [u8], consumer: &'a [u8] },
    /// Entries are not pending any more.
    StreamAcknowledge { key: &'a [u8], group: &'a [u8], ids: Ids<'a> },
    /// Elements go to one end of a list, one after the other, as it stands when this effect's turn comes.
    ListPush { key: &'a [u8], end: End, elements: Items<'a> },
    /// An element goes next to another one, on the side of that end; where that one is not there since a
    /// clear, to that end.
    ListInsert { key: &'a [u8], anchor: Identities<'a>, toward: End, element: &'a [u8] },
    /// Elements leave a list.
    ListRemove { key: &'a [u8], elements: Identities<'a> },
    /// An element gets another value; the newest wins.
    ListSet { key: &'a [u8], element: Identities<'a>, value: &'a [u8] },
    /// The Put or Delete that follows says anew what the key is, as some nodes may differ about it: whoever has written on it what its
    /// author had not seen says that again. Changes nothing.
    Restate { key: &'a [u8] },
    /// Everything in the selected database that is older goes (FLUSHDB).
    FlushDb,
    /// The same for every database (FLUSHALL).
    FlushAll,
    /// A message for the subscribers at every node. It changes nothing, and is forgotten once it is delivered.
    Publish { channel: &'a [u8], payload: &'a [u8], sharded: bool },
}

impl<'a> Effect<'a> {
    /// The key that it changes; `None` where it changes a whole database, or nothing.
    pub fn key(&self) -> Option<&'a [u8]> {
        match *self {
            Effect::Select { .. }
            | Effect::FlushDb
            | Effect::FlushAll
            | Effect::Publish { .. }
            | Effect::Restate { .. } => None,
            Effect::Set { key, .. }
            | Effect::Increment { key, .. }
            | Effect::IncrementFloat { key, .. }
            | Effect::Append { key, .. }
            | Effect::SetRange { key, .. }
            | Effect::SetBits { key, .. }
            | Effect::RaiseRegisters { key, .. }
            | Effect::Delete { key }
            | Effect::Expire { key, .. }
            | Effect::ExpireMembers { key, .. }
            | Effect::Put { key, .. }
            | Effect::SetAdd { key, .. }
            | Effect::SetRemove { key, .. }
            | Effect::HashSet { key, .. }
            | Effect::HashDelete { key, .. }
            | Effect::HashIncrement { key, .. }
            | Effect::HashIncrementFloat { key, .. }
            | Effect::SortedSetAdd { key, .. }
            | Effect::SortedSetRemove { key, .. }
            | Effect::SortedSetIncrement { key, .. }
            | Effect::StreamAdd { key, .. }
            | Effect::StreamDelete { key, .. }
            | Effect::StreamTrim { key, .. }
            | Effect::StreamSetId { key, .. }
            | Effect::StreamGroupCreate { key, .. }
            | Effect::StreamGroupSet { key, .. }
            | Effect::StreamGroupDestroy { key, .. }
            | Effect::StreamDeliver { key, .. }
            | Effect::StreamConsumerDelete { key, .. }
            | Effect::StreamAcknowledge { key, .. }
            | Effect::ListPush { key, .. }
            | Effect::ListInsert { key, .. }
            | Effect::ListRemove { key, .. }
            | Effect::ListSet { key, .. } => Some(key),
        }
    }
}
