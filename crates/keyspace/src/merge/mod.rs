//! The conflict rules (docs/decisions/0001-convergence.md): how one effect changes one key, whatever
//! arrived before it. Local writes take the same way: they are newer than everything and have seen it all.

mod ahead;
mod brief;
pub(crate) mod cell;
pub(crate) mod fields;
pub(crate) mod flush;
mod hash;
mod key;
mod list;
mod members;
pub(crate) mod operations;
mod set;
mod sorted_set;
pub(crate) mod stream;
mod string;

pub(crate) use self::key::Stabilized;
pub(crate) use self::list::list_push;
pub(crate) use self::members::Expired;
use self::operations::Cause;
use crate::KeyType;
use crate::access::Access;
use crate::entry::{Entry, Header, NewValue};
use crate::recent::Record;
use crate::shard::Database;
use crate::table::{EntryMut, KeyHasher, Slot, Table};
use crate::version::{Origins, Row, Version};
use std::sync::Arc;
use values::{EncodingLimits, Hash, SortedSet};

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
    /// What the effect should have met may be forgotten.
    pub(crate) late: bool,
    /// It says anew what the key is, having seen so much of each origin.
    pub(crate) restates: Option<&'a Arc<[Version]>>,
    pub(crate) access: Access,
}

impl Author<'_> {
    pub(crate) fn header(&self, deadline_ms: Option<u64>) -> Header {
        Header { deadline_ms, version: self.stamping.then_some(self.version), access: self.access.first() }
    }

    /// Notes on an entry that this is its newest effect.
    #[inline]
    fn stamp(&self, entry: &mut EntryMut<'_>) {
        if self.stamping {
            entry.set_version(Some(self.version));
        }
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
    type_clashes: &'p mut u64,
    limits: &'p EncodingLimits,
    author: Author<'a>,
    hash: u64,
    key: &'p [u8],
}

/// A point in the order of effects below which a key's content dies.
#[derive(Clone, Copy)]
struct Cut<'a> {
    at: Version,
    cause: Cause<'a>,
    /// It is newer than the newest clear: not only increments that have lived on are below it.
    wins: bool,
}

/// The version of an entry, as the rules see it.
pub(crate) fn version_of(entry: &Entry) -> Version {
    entry.version().unwrap_or(Version::ZERO)
}

impl<'d, 'a, H: KeyHasher> Merge<'d, 'a, H> {
    fn entry(&self) -> Option<&Entry> {
        self.database.table.seek(self.hash, self.key)
    }

    pub(crate) fn key_type(&self) -> Option<KeyType> {
        self.entry().map(Entry::key_type)
    }

    /// Is there anything of it in sight, but for a deadline of its own?
    pub(crate) fn is_in_sight(&self) -> bool {
        self.entry().is_some_and(|entry| !entry.is_hollow())
    }

    fn entry_mut(&mut self) -> Option<EntryMut<'_>> {
        self.database.table.find_mut(self.hash, self.key)
    }

    /// The entry of the key, which is a `key_type` from now on: what else it was gives way to `new`. Where nothing can be late.
    #[inline]
    fn plain_entry(&mut self, key_type: KeyType, new: impl FnOnce() -> NewValue<'static>) -> EntryMut<'_> {
        let author = self.author;
        match self.database.table.slot(self.hash, self.key) {
            Slot::Occupied(mut entry) => {
                if entry.key_type() != key_type {
                    entry.overwrite(new(), author.header(None));
                }
                entry
            }
            Slot::Vacant(vacant) => vacant.insert(Entry::new(self.key, new(), author.header(None))),
        }
    }

    /// Without other writers nothing can be late: effects are simply done.
    fn is_plain(&self) -> bool {
        !self.author.peers
    }

    /// Runs a rule on the key with its record, and brings the entry's header in line afterwards.
    fn with_record<R>(&mut self, rule: impl FnOnce(&mut Parts<'_, 'a, H>) -> R) -> R {
        let Database { table, recent, flushed, type_clashes, agenda, .. } = &mut *self.database;
        let (hash, key, author) = (self.hash, self.key, self.author);
        let record = recent.entry(hash, key, author.version.stamp, || {
            let mut entry = table.find_mut(hash, key);
            let known = entry.as_ref().map(|entry| (entry.key_type(), version_of(entry), entry.deadline_ms()));
            if let Some((KeyType::List, version, _)) = known
                && let Some(stored) = entry.as_mut().and_then(|entry| entry.stored_list_mut())
            {
                stored.pin(version);
            }
            Record::new(known, *flushed)
        });
        let mut parts = Parts { table, record, type_clashes, limits: self.limits, author, hash, key };
        parts.record.newest = author.origins.newest(parts.record.newest, author.version);
        parts.reveal_members();
        let result = rule(&mut parts);
        parts.align();
        let (deadline_ms, hidden_ms) = parts.align_members();
        let grown = parts.record.weigh();
        recent.note_growth(grown);
        deadline_ms.into_iter().for_each(|deadline_ms| agenda.note(key, deadline_ms));
        hidden_ms.into_iter().for_each(|deadline_ms| agenda.note_hidden(deadline_ms));
        result
    }

    /// A record that says no more than the entry itself goes: the key was just replaced whole.
    fn forget_if_described(&mut self) {
        let Author { origins, version, .. } = self.author;
        let key_type = KeyType::String;
        if self.entry().map(Entry::key_type) != Some(key_type) {
            // A collection without a record is one that nobody has written to lately.
            return;
        }
        let is_described = self.database.recent.get(self.hash, self.key).is_some_and(|record| {
            // Something newer may have been left to the log by a transfer of state: the entry must not say that it is here.
            // Who has said anew what others wrote must not take it for his own.
            record.restated.is_none()
                && record.clear == version
                && record.newest == version
                && record.deadlines.newest().version == version
                && record.deadlines.writes().len() == 1
                && KeyType::ALL.into_iter().all(|key_type| !record.has_registers(key_type))
                && record.creations.newest_of_others(key_type, origins) == Version::ZERO
        });
        if is_described {
            self.database.recent.remove(self.hash, self.key);
            self.database.newest_plain = self.database.newest_plain.max(version.stamp);
            if let Some(mut entry) = self.entry_mut() {
                entry.set_has_recent(false);
            }
        }
    }

    /// Notes an access of an entry whose value was replaced.
    fn touch(&mut self) {
        if let Some(entry) = self.entry() {
            entry.set_access(self.author.access.next(entry.access()));
        }
    }

    /// Notes on the entry that its newest effect is this one.
    fn stamp(&mut self) {
        let author = self.author;
        if author.stamping
            && let Some(mut entry) = self.entry_mut()
        {
            author.stamp(&mut entry);
        }
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    /// Entry and record say the same about the deadline; the entry's version is that of its newest effect.
    fn align(&mut self) {
        let deadline_ms = self.record.deadlines.current();
        if let Some(mut entry) = self.table.find_mut(self.hash, self.key) {
            entry.set_version(Some(self.record.newest));
            if entry.deadline_ms() != deadline_ms {
                entry.set_deadline_ms(deadline_ms);
            }
            entry.set_has_recent(true);
        }
    }

    /// The header of an entry that comes into being now.
    fn header(&self) -> Header {
        self.author.header(self.record.deadlines.current())
    }

    /// Is an effect that adds something alive, as far as clears go? Where all that is known is that the key is at rest,
    /// nothing says that a late one was cleared, and it is better to have it than to lose it.
    fn admits_addition(&self) -> bool {
        self.author.is_newer_than(self.record.clear) || self.joins_at_rest()
    }

    /// Whether an increment is to sleep that is part of what a clear has said anew: the newest one, or another one (`is_restated`). `None`
    /// where it is no such part. `written`: the newest write of the element that it is about.
    fn restated(&self, written: Option<Version>, is_restated: bool) -> Option<bool> {
        let Author { origins, version, .. } = self.author;
        let Record { clear, restated, .. } = &*self.record;
        let is_seen = |seen: &Version| seen.origin == version.origin && seen.stamp >= version.stamp;
        let is_part = restated.as_ref().is_some_and(|seen| {
            origins.newer(*clear, version) && (clear.origin == version.origin || seen.iter().any(is_seen))
        });
        let is_replaced = restated.is_none() || written.is_some_and(|written| origins.newer(written, *clear));
        (is_part || is_restated).then_some(is_part || is_replaced)
    }

    fn joins_at_rest(&self) -> bool {
        self.author.late && self.record.is_at_rest
    }

    fn insert(&mut self, value: NewValue<'_>) {
        let entry = Entry::new(self.key, value, self.header());
        self.table.insert(self.hash, entry);
    }

    fn key_type(&self) -> Option<KeyType> {
        self.table.seek(self.hash, self.key).map(Entry::key_type)
    }

    /// An effect that makes the key a `key_type`: what is older and of another type dies. False where a
    /// newer effect has made it another type.
    fn create(&mut self, key_type: KeyType) -> bool {
        self.count_clash(key_type);
        self.become_type(key_type)
    }

    /// Counts a key that is about to become a `key_type` for the first time in this life, by somebody who did not know that
    /// it was another one.
    fn count_clash(&mut self, key_type: KeyType) {
        let Author { origins, version, row, .. } = self.author;
        let Record { clear, creations, .. } = &*self.record;
        let lives = |creation: Version| creation != Version::ZERO && !origins.newer(*clear, creation);
        let is_unseen = |creation: Version| lives(creation) && !row.covers(version, creation);
        let mut others = KeyType::ALL.into_iter().filter(|other| *other != key_type);
        if !lives(creations.get(key_type)) && others.any(|other| is_unseen(creations.get(other))) {
            *self.type_clashes += 1;
        }
    }

    fn become_type(&mut self, key_type: KeyType) -> bool {
        let Author { origins, version, .. } = self.author;
        let creations = &mut self.record.creations;
        creations.set(key_type, origins.newest(creations.get(key_type), version));
        let newest = !origins.newer(self.record.creations.newest_of_others(key_type, origins), version);
        if self.has_other_types(key_type) {
            let cut = Cut { at: version, cause: Cause::TypeClash, wins: !self.author.is_older_than(self.record.clear) };
            self.cut_others(key_type, cut);
        }
        newest
    }

    fn has_other_types(&self, key_type: KeyType) -> bool {
        let mut others = KeyType::ALL.into_iter().filter(|other| *other != key_type);
        self.key_type().is_some_and(|there| there != key_type) || others.any(|other| self.record.has_registers(other))
    }

    fn cut_others(&mut self, key_type: KeyType, cut: Cut<'_>) {
        KeyType::ALL.into_iter().filter(|other| *other != key_type).for_each(|other| self.cut_type(other, cut, None));
    }

    /// A cut through all types. `base`: what the key is now, where it was a clear that won.
    fn cut(&mut self, cut: Cut<'_>, mut base: Option<NewValue<'_>>) {
        for key_type in KeyType::ALL {
            let base = base.take_if(|base| base.key_type() == key_type);
            self.cut_type(key_type, cut, base);
        }
    }

    /// A cut's part in what the key has of one type; `base` is of it.
    fn cut_type(&mut self, key_type: KeyType, cut: Cut<'_>, base: Option<NewValue<'_>>) {
        match (key_type, base) {
            (KeyType::String, base) => self.cut_string(cut, base),
            (KeyType::Set, Some(NewValue::Set(set))) => self.cut_set(cut, Some(set)),
            (KeyType::Set, _) => self.cut_set(cut, None),
            (KeyType::Hash, Some(NewValue::Hash(hash))) => self.cut_fields(cut, Some(hash)),
            (KeyType::Hash, _) => self.cut_fields::<Hash>(cut, None),
            (KeyType::List, Some(NewValue::List(list))) => self.cut_list(cut, Some(list)),
            (KeyType::List, _) => self.cut_list(cut, None),
            (KeyType::SortedSet, Some(NewValue::SortedSet(set))) => self.cut_fields(cut, Some(set)),
            (KeyType::SortedSet, _) => self.cut_fields::<SortedSet>(cut, None),
            (KeyType::Stream, Some(NewValue::Stream(stream))) => self.cut_stream(cut, Some(stream)),
            (KeyType::Stream, _) => self.cut_stream(cut, None),
        }
    }
}
