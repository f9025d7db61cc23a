//! The conflict rules (docs/decisions/0001-convergence.md): how one effect changes one key, whatever
//! arrived before it. Local writes take the same way: they are newer than everything and have seen it all.

pub(crate) mod cell;
mod hash;
mod key;
pub(crate) mod operations;
mod set;
mod string;

use crate::KeyType;
use crate::entry::{Entry, Header, NewValue};
use crate::recent::Record;
use crate::shard::Database;
use crate::table::{EntryMut, KeyHasher, Table};
use crate::version::{Origins, Row, Version};
use values::EncodingLimits;

/// Whose effect it is, and how much has to be remembered of it.
#[derive(Clone, Copy)]
pub(crate) struct Author<'a> {
    pub(crate) origins: &'a Origins,
    /// `Version::ZERO` where entries carry none.
    pub(crate) version: Version,
    pub(crate) row: Row<'a>,
    pub(crate) stamping: bool,
    /// There are other writers: keep records.
    pub(crate) peers: bool,
    /// For entries that are new: the clock of the last access.
    pub(crate) access: u32,
}

impl Author<'_> {
    pub(crate) fn header(&self, deadline_ms: Option<u64>) -> Header {
        Header { deadline_ms, version: self.stamping.then_some(self.version), access: self.access }
    }

    fn is_newer_than(&self, version: Version) -> bool {
        self.origins.newer(self.version, version)
    }

    fn is_older_than(&self, version: Version) -> bool {
        self.origins.newer(version, self.version)
    }
}

/// One key of one database, about to be changed.
pub(crate) struct Merge<'d, 'a, H> {
    pub(crate) database: &'d mut Database<H>,
    pub(crate) limits: &'d EncodingLimits,
    pub(crate) author: Author<'a>,
    pub(crate) hash: u64,
    pub(crate) key: &'d [u8],
}

/// A key with its record: what the rules work on.
struct Parts<'p, 'a, H> {
    table: &'p mut Table<H>,
    record: &'p mut Record,
    limits: &'p EncodingLimits,
    author: Author<'a>,
    hash: u64,
    key: &'p [u8],
}

/// The version of an entry, as the rules see it.
pub(crate) fn version_of(entry: &Entry) -> Version {
    entry.version().unwrap_or(Version::ZERO)
}

impl<'d, 'a, H: KeyHasher> Merge<'d, 'a, H> {
    fn entry(&self) -> Option<&Entry> {
        self.database.table.find(self.hash, self.key)
    }

    fn entry_mut(&mut self) -> Option<EntryMut<'_>> {
        self.database.table.find_mut(self.hash, self.key)
    }

    /// Without other writers nothing can be late: effects are simply done.
    fn is_plain(&self) -> bool {
        !self.author.peers
    }

    /// Runs a rule on the key with its record, and brings the entry's header in line afterwards.
    fn with_record<R>(&mut self, rule: impl FnOnce(&mut Parts<'_, 'a, H>) -> R) -> R {
        let Database { table, recent, flushed, .. } = &mut *self.database;
        let (hash, key, author) = (self.hash, self.key, self.author);
        let record = recent.entry(key, author.version.stamp, || {
            let entry = table.find(hash, key);
            Record::new(entry.map(|entry| (entry.key_type(), version_of(entry), entry.deadline_ms())), *flushed)
        });
        let mut parts = Parts { table, record, limits: self.limits, author, hash, key };
        let result = rule(&mut parts);
        parts.align();
        result
    }

    /// A record that says no more than the entry itself goes: the key was just replaced whole.
    fn forget_if_described(&mut self) {
        let Author { origins, version, .. } = self.author;
        let Some(key_type) = self.entry().map(Entry::key_type) else { return };
        let is_described = self.database.recent.get(self.key).is_some_and(|record| {
            record.clear == version
                && record.deadline.0 == version
                && record.operations.is_empty()
                && record.members.is_empty()
                && record.fields.is_empty()
                && record.newest_of_others(key_type, origins) == Version::ZERO
        });
        if is_described {
            self.database.recent.remove(self.key);
            if let Some(mut entry) = self.entry_mut() {
                entry.set_has_recent(false);
            }
        }
    }

    /// Notes on the entry that its newest effect is this one.
    fn stamp(&mut self) {
        if self.author.stamping {
            let version = self.author.version;
            if let Some(mut entry) = self.entry_mut() {
                entry.set_version(Some(version));
            }
        }
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    /// Entry and record say the same about the deadline; the entry's version is that of its newest effect.
    fn align(&mut self) {
        let (deadline, author) = (self.record.deadline.1, self.author);
        if let Some(mut entry) = self.table.find_mut(self.hash, self.key) {
            let newest = author.origins.newest(version_of(&entry), author.version);
            entry.set_version(Some(newest));
            if entry.deadline_ms() != deadline {
                entry.set_deadline_ms(deadline);
            }
            entry.set_has_recent(true);
        }
    }

    /// An effect that makes the key a `key_type`. False where a newer effect has made it another type;
    /// else a value of another type is gone.
    fn create(&mut self, key_type: KeyType) -> bool {
        let Author { origins, version, .. } = self.author;
        let own = &mut self.record.creations[key_type as usize];
        *own = origins.newest(*own, version);
        self.drop_other_types(key_type);
        !origins.newer(self.record.newest_of_others(key_type, origins), version)
    }

    /// What is older than this effect and of another type dies, increments that the author had not seen
    /// included.
    fn drop_other_types(&mut self, key_type: KeyType) {
        let Author { origins, version, .. } = self.author;
        if key_type != KeyType::String {
            self.record.operations.drop_older(origins, version);
        }
        if key_type != KeyType::Set {
            self.record.members.retain(|_, member| origins.newer(*member, version));
        }
        if key_type != KeyType::Hash {
            self.record.fields.retain(|_, field| {
                field.increments.drop_older(origins, version);
                !field.increments.is_empty() || field.version.is_some_and(|field| origins.newer(field, version))
            });
        }
        let there = self.table.find(self.hash, self.key).map(Entry::key_type);
        let is_newest = !origins.newer(self.record.newest_of_others(key_type, origins), version);
        if is_newest && there.is_some_and(|there| there != key_type) {
            self.table.remove(self.hash, self.key);
        }
    }

    /// The header of an entry that comes into being now.
    fn header(&self) -> Header {
        self.author.header(self.record.deadline.1)
    }

    fn insert(&mut self, value: NewValue<'_>) {
        let entry = Entry::new(self.key, value, self.header());
        self.table.insert(self.hash, entry);
    }

    /// The deadline register: the newest writer wins.
    fn write_deadline(&mut self, deadline_ms: Option<u64>) {
        if !self.author.origins.newer(self.record.deadline.0, self.author.version) {
            self.record.deadline = (self.author.version, deadline_ms);
        }
    }
}
