//! Digests of the data set: one to compare nodes by, and Redis's own.

use crate::entry::{Entry, ValueRef};
use crate::view::{StringRef, is_expired};
use crate::{KeyHash, Keyspace, Scope, View, shard::Shard};
use sha1::{Digest as _, Sha1};
use values::{Expiring, Stream, StreamId};

/// As DEBUG DIGEST prints it, in hexadecimal.
pub type DebugDigest = [u8; 20];

/// Redis mixes the number of the type into the digest of a value.
mod type_number {
    pub(super) const STRING: u32 = 0;
    pub(super) const LIST: u32 = 1;
    pub(super) const SET: u32 = 2;
    pub(super) const SORTED_SET: u32 = 3;
    pub(super) const HASH: u32 = 4;
    pub(super) const STREAM: u32 = 6;
}

impl Keyspace {
    /// Equal on all nodes whose data sets are equal, deadlines included, whatever the order and the
    /// encodings. What is past its deadline does not count. Locks everything while it walks.
    pub fn digest(&self, now_ms: u64) -> u64 {
        let txn = self.begin(Scope::All, 0, now_ms);
        (0..self.databases())
            .fold(0, |sum, db| txn.entries(db).fold(sum, |sum: u64, entry| sum.wrapping_add(entry_digest(db, entry))))
    }
}

impl View<'_> {
    /// What DEBUG DIGEST of a Redis with the same data set gives. Needs all shards.
    pub fn debug_digest(&self) -> DebugDigest {
        let mut digest = DebugDigest::default();
        for db in 0..self.databases() {
            let mut entries = self.entries(db).peekable();
            if entries.peek().is_some() {
                mix(&mut digest, &db.to_be_bytes());
            }
            for entry in entries {
                let mut of_key = DebugDigest::default();
                mix(&mut of_key, entry.key());
                add_value(&mut of_key, entry);
                add(&mut digest, &of_key);
            }
        }
        digest
    }

    /// What DEBUG DIGEST-VALUE gives for one key; zeros where there is none.
    pub fn debug_digest_value(&self, key: &[u8]) -> DebugDigest {
        let mut digest = DebugDigest::default();
        if let Some(entry) = self.find(key) {
            add_value(&mut digest, entry);
        }
        digest
    }

    /// The entries of a database that are not past their deadlines. Needs all shards.
    pub(crate) fn entries(&self, db: u32) -> impl Iterator<Item = &Entry> {
        let shards = self.guard.held().map(|index| self.guard.at(index));
        let tables = shards.flat_map(move |shard: &Shard<KeyHash>| shard.databases[db as usize].table.iter());
        tables.filter(|entry| !is_expired(entry, self.now_ms))
    }
}

/// Parts are told apart by the seed, members of a collection added up: their order does not count.
pub(crate) fn entry_digest(db: u32, entry: &Entry) -> u64 {
    let hash = stdx::hash::portable;
    let value = match entry.value() {
        ValueRef::Int(int) => StringRef::Int(int).with_bytes(|bytes| hash(1, bytes)),
        ValueRef::Bytes(bytes) => hash(1, bytes),
        ValueRef::Set(set) => {
            let mut sum = 2;
            set.for_each(|member| {
                sum = hash(2, member).wrapping_add(deadline_digest(set.expiring(), member)).wrapping_add(sum);
            });
            sum
        }
        ValueRef::Hash(fields) => {
            let mut sum = 3;
            fields.for_each(|field, value| {
                sum = hash(hash(3, field), value)
                    .wrapping_add(deadline_digest(fields.expiring(), field))
                    .wrapping_add(sum);
            });
            sum
        }
        // In this order.
        ValueRef::List(list) => list.iter().fold(6, |seed, element| element.with_bytes(|bytes| hash(seed, bytes))),
        ValueRef::SortedSet(set) => set.iter().fold(7, |sum: u64, (member, score)| {
            let digest = |member: &[u8]| {
                hash(hash(7, member), &score.to_le_bytes()).wrapping_add(deadline_digest(Some(set), member))
            };
            member.with_bytes(digest).wrapping_add(sum)
        }),
        ValueRef::Stream(stream) => stream_digest(stream),
    };
    let deadline = entry.deadline_ms().map_or(0, |deadline_ms| hash(4, &deadline_ms.to_le_bytes()));
    let mut parts = [0; 20];
    parts[..8].copy_from_slice(&value.to_le_bytes());
    parts[8..16].copy_from_slice(&deadline.to_le_bytes());
    parts[16..].copy_from_slice(&db.to_le_bytes());
    hash(hash(5, entry.key()), &parts)
}

/// Without the times at which consumers were seen: each node knows that for itself.
fn stream_digest(stream: &Stream) -> u64 {
    let hash = stdx::hash::portable;
    let number = |sum: u64, number: u64| hash(sum, &number.to_le_bytes());
    let id = |sum: u64, id: StreamId| hash(sum, &id.0.to_le_bytes());
    let mut sum = id(id(number(8, stream.entries_added), stream.last_id), stream.max_deleted_id);
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        sum = id(sum, entry.id);
        for part in entry.fields.flat_map(|(name, value)| [name, value]) {
            sum = part.with_bytes(|part| hash(sum, part));
        }
    }
    for (name, group) in stream.groups() {
        sum = number(id(hash(sum, name), group.position.last_id), group.position.entries_read.unwrap_or(u64::MAX));
        sum = group.consumers().fold(sum, |sum, (name, _)| hash(sum, name));
        for (entry, pending) in group.pending(StreamId::MIN..=StreamId::MAX) {
            sum = number(number(hash(id(sum, entry), &pending.consumer), pending.delivered_ms), pending.deliveries);
        }
    }
    sum
}

fn deadline_digest(collection: Option<&dyn Expiring>, element: &[u8]) -> u64 {
    let hash = stdx::hash::portable;
    collection
        .and_then(|collection| collection.deadline_ms(element))
        .map_or(0, |deadline_ms| hash(hash(6, element), &deadline_ms.to_le_bytes()))
}

fn sha1(bytes: &[u8]) -> DebugDigest {
    Sha1::digest(bytes).into()
}

/// What comes in any order.
fn add(digest: &mut DebugDigest, bytes: &[u8]) {
    digest.iter_mut().zip(sha1(bytes)).for_each(|(byte, other)| *byte ^= other);
}

/// What comes in this order.
fn mix(digest: &mut DebugDigest, bytes: &[u8]) {
    add(digest, bytes);
    *digest = sha1(digest);
}

fn add_value(digest: &mut DebugDigest, entry: &Entry) {
    match entry.value() {
        ValueRef::Int(int) => {
            mix(digest, &type_number::STRING.to_be_bytes());
            StringRef::Int(int).with_bytes(|bytes| mix(digest, bytes));
        }
        ValueRef::Bytes(bytes) => {
            mix(digest, &type_number::STRING.to_be_bytes());
            mix(digest, bytes);
        }
        ValueRef::Set(set) => {
            mix(digest, &type_number::SET.to_be_bytes());
            set.for_each(|member| add(digest, member));
        }
        ValueRef::Hash(hash) => {
            mix(digest, &type_number::HASH.to_be_bytes());
            hash.for_each(|field, value| {
                let mut element = DebugDigest::default();
                mix(&mut element, field);
                mix(&mut element, value);
                if hash.deadline_ms(field).is_some() {
                    add(&mut element, b"!!hexpire!!");
                }
                add(digest, &element);
            });
        }
        ValueRef::List(list) => {
            mix(digest, &type_number::LIST.to_be_bytes());
            list.iter().for_each(|element| element.with_bytes(|bytes| mix(digest, bytes)));
        }
        ValueRef::SortedSet(set) => {
            mix(digest, &type_number::SORTED_SET.to_be_bytes());
            for (member, score) in set.iter() {
                let mut element = DebugDigest::default();
                member.with_bytes(|member| mix(&mut element, member));
                mix(&mut element, stdx::FloatBuffer::new().format(score));
                add(digest, &element);
            }
        }
        ValueRef::Stream(stream) => {
            mix(digest, &type_number::STREAM.to_be_bytes());
            for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                mix(digest, format!("{}.{}", entry.id.ms(), entry.id.sequence()).as_bytes());
                for part in entry.fields.flat_map(|(name, value)| [name, value]) {
                    part.with_bytes(|part| mix(digest, part));
                }
            }
        }
    }
    if entry.has_deadline() {
        add(digest, b"!!expire!!");
    }
}
