//! One key here, about to be merged with the same key of another node.

use super::decode::KeyItem;
use super::stream::base_of;
use crate::codec;
use crate::deadlines::Write;
use crate::elements::Elements;
use crate::entry::{Entry, Header, Value, ValueRef};
use crate::list::{ListRegisters, Selection, Sequence, parts_of};
use crate::merge::cell::StringCell;
use crate::merge::fields::{Fields, restart, take_back, untouched};
use crate::merge::operations::{Cancellation, LazyOperations};
use crate::merge::{Author, Merge, version_of};
use crate::recent::stream::StreamRecord;
use crate::recent::{Field, Record};
use crate::shard::Database;
use crate::txn::restate::stamps_of;
use crate::version::{OriginIndex, Row, Version, covers};
use crate::{KeyHash, KeyType};
use effect::{Collection, Stamp};
use values::{Element, EncodingLimits, Expiring, Hash, List, Set, SortedSet, Stream};

/// A key, apart from any table. Without a record it is as if it had been Put whole at its version.
#[derive(Default)]
pub(super) struct KeyState {
    /// Below the operations of the record.
    value: Option<Value>,
    version: Option<Version>,
    deadline_ms: Option<u64>,
    record: Option<Record>,
    /// Of a list that has no record.
    identities: Option<Box<Sequence>>,
}

pub(super) struct Place<'p> {
    pub(super) database: &'p mut Database<KeyHash>,
    pub(super) limits: &'p EncodingLimits,
    pub(super) author: Author<'p>,
    pub(super) hash: u64,
    pub(super) key: &'p [u8],
}

impl KeyState {
    pub(super) fn from_item(item: KeyItem<'_>) -> KeyState {
        KeyState {
            value: item.value,
            version: item.version,
            deadline_ms: item.deadline_ms,
            record: item.record,
            identities: item.identities,
        }
    }

    /// Drops operations and elements of a list that came after `seen`. The log brings them, too, and until then nobody may
    /// have seen them here: a clear would cancel them here and not elsewhere, and a removal would name elements to
    /// others before those have them.
    pub(super) fn leave_to_log(&mut self, seen: &[Stamp], limits: &EncodingLimits) {
        let Some(record) = &mut self.record else { return };
        let comes = |version: Version| version.origin != OriginIndex::NONE && !covers(seen, version);
        let elements = record.fields.values_mut().chain(record.scores.values_mut());
        let operations = elements.map(|element| &mut element.increments).chain([&mut record.operations]);
        operations.filter_map(LazyOperations::get_mut).for_each(|operations| operations.drop_undone(comes));
        let (Some(Value::List(list)), Some(registers)) = (&mut self.value, &mut record.list) else { return };
        let clear = record.clear;
        registers.drop_elements(list, limits, |version| version != clear && comes(version));
        if list.is_empty() {
            (self.value, self.version) = (None, None);
        }
    }

    fn increments(&self) -> Vec<Version> {
        self.record.as_ref().map_or_else(Vec::new, Record::increments)
    }

    pub(super) fn stream(&self) -> Option<&Stream> {
        if let Some(Value::Stream(stream)) = &self.value { Some(stream) } else { None }
    }

    /// For comparing values that nothing else tells apart.
    pub(super) fn encoded(&self) -> Option<(Vec<u8>, Option<u64>)> {
        Some((codec::encoded(self.value.as_ref()?.view()), self.deadline_ms))
    }
}

impl Place<'_> {
    /// Of the newest effect on the key; `None` where nothing is known of it.
    pub(super) fn version(&self) -> Option<Version> {
        match self.database.recent.get(self.hash, self.key) {
            Some(record) => Some(record.newest),
            None => self.database.table.find(self.hash, self.key).map(version_of),
        }
    }

    /// Does one version describe the key?
    pub(super) fn is_whole(&self) -> bool {
        self.database.recent.get(self.hash, self.key).is_none()
    }

    pub(super) fn encoded(&self) -> Option<(Vec<u8>, Option<u64>)> {
        let entry = self.database.table.find(self.hash, self.key)?;
        Some((codec::encoded(entry.value()), entry.deadline_ms()))
    }

    pub(super) fn stream(&self) -> Option<&Stream> {
        match self.database.table.find(self.hash, self.key)?.value() {
            ValueRef::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn string_cell(&mut self, header: Header) -> StringCell<'_, KeyHash> {
        StringCell { table: &mut self.database.table, hash: self.hash, key: self.key, header }
    }

    /// Takes the key out of the table.
    pub(super) fn take(&mut self) -> KeyState {
        let mut record = self.database.recent.remove(self.hash, self.key);
        let entry = self.database.table.find(self.hash, self.key);
        let (version, deadline_ms) = entry.map_or((None, None), |entry| (entry.version(), entry.deadline_ms()));
        let entry_type = entry.map(Entry::key_type);
        let mut identities = None;
        if let Some(mut entry) = self.database.table.find_mut(self.hash, self.key)
            && let Some(stored) = entry.stored_list_mut()
        {
            identities = stored.identities.take();
        }
        if let Some(record) = &mut record {
            if let Some(identities) = identities.take() {
                record.list.get_or_insert_default().set_sequence(*identities);
            }
            let limits = self.limits;
            if let Some(mut entry) = self.database.table.find_mut(self.hash, self.key) {
                if entry.expiring().is_some() {
                    entry.change_deadlines(|elements| elements.reveal(limits));
                }
                if let Some(mut hash) = entry.hash_mut() {
                    take_back(&mut *hash, &record.fields, limits);
                } else if let Some(set) = entry.sorted_set_mut() {
                    take_back(set, &record.scores, limits);
                }
            }
            let is_collection = entry_type.is_some_and(|key_type| key_type != KeyType::String);
            if !is_collection && !record.operations.is_idle() {
                record.operations.take_back(&mut self.string_cell(Header::default()));
            }
        }
        let value = self.database.table.remove(self.hash, self.key).map(Entry::into_value);
        KeyState { value, version, deadline_ms, record, identities }
    }

    /// Puts a key into the table that is not there.
    pub(super) fn install(&mut self, state: KeyState) {
        let KeyState { value, version, deadline_ms, mut record, mut identities } = state;
        let header = Header { deadline_ms, version, access: self.author.access.first() };
        if let Some(mut value) = value {
            self.database.table.insert(self.hash, Entry::new(self.key, value.as_new(), header));
            self.merge(Version::ZERO, Row::All).note_deadlines();
        }
        if !self.author.peers
            && let Some(list) = record.as_mut().and_then(|record| record.list.as_mut())
        {
            list.settle(|_| true, true);
            identities = Some(Box::new(std::mem::take(&mut list.sequence)));
        }
        if let Some(mut entry) = self.database.table.find_mut(self.hash, self.key)
            && let Some(stored) = entry.stored_list_mut()
        {
            stored.identities = identities;
        }
        // A late flush must find what is newer.
        let written = version.map_or(Stamp::ZERO, |version| version.stamp);
        self.database.newest_plain = self.database.newest_plain.max(written);
        if !self.author.peers {
            return self.do_operations(record, header);
        }
        if let Some(mut record) = record {
            let newest = record.newest;
            let there = self.database.table.find(self.hash, self.key).map(Entry::key_type);
            record.keep_operations_of(there);
            self.database.recent.entry(self.hash, self.key, newest.stamp, || record);
            self.merge(Version::ZERO, Row::All).redo_operations();
        }
    }

    /// Without other writers operations are simply done, and forgotten.
    fn do_operations(&mut self, record: Option<Record>, header: Header) {
        let Some(mut record) = record else { return };
        record.keep_operations_of(self.database.table.find(self.hash, self.key).map(Entry::key_type));
        let limits = self.limits;
        if let Some(operations) = record.operations.get_mut() {
            operations.restart(&mut self.string_cell(header));
        }
        if let Some(mut entry) = self.database.table.find_mut(self.hash, self.key) {
            if let Some(mut hash) = entry.hash_mut() {
                restart(&mut *hash, &mut record.fields, limits);
            } else if let Some(set) = entry.sorted_set_mut() {
                restart(set, &mut record.scores, limits);
            }
        }
    }

    pub(super) fn merge<'m>(&'m mut self, version: Version, row: Row<'m>) -> Merge<'m, 'm, KeyHash> {
        let author = Author { version, row, ..self.author };
        Merge { database: self.database, limits: self.limits, author, hash: self.hash, key: self.key }
    }

    /// Does once more, on top of the key as it is now, what `seen` does not cover of another state of it.
    /// `author`: what had been seen there. `flushed`: a flush that belongs to it.
    pub(super) fn reapply(&mut self, state: KeyState, flushed: Option<Version>, author: &[Stamp], seen: &[Stamp]) {
        let alive = state.increments();
        let row = Row::Whole { seen: author, alive: &alive };
        if let Some(flushed) = flushed {
            self.merge(flushed, row).flush();
        }
        let unseen = |version: Version| version.origin != OriginIndex::NONE && !covers(seen, version);
        let version = state.version.unwrap_or(Version::ZERO);
        match (state.record, state.value) {
            (Some(record), value) => self.reapply_record(&record, value, row, unseen),
            (None, Some(value)) if unseen(version) => {
                let whole = || Sequence::whole(version, if let Value::List(list) = &value { list.len() } else { 0 });
                let sequence = state.identities.map_or_else(whole, |identities| *identities);
                self.reapply_whole(value, &sequence, state.deadline_ms, version, row, unseen);
            }
            (None, _) => {}
        }
    }

    /// A key that one version describes: a string is newer or older as a whole; collections are united.
    fn reapply_whole(
        &mut self,
        value: Value,
        identities: &Sequence,
        deadline_ms: Option<u64>,
        version: Version,
        row: Row<'_>,
        unseen: impl Fn(Version) -> bool,
    ) {
        match value {
            Value::List(list) => {
                let registers = ListRegisters::new(identities.clone());
                self.reapply_list(&registers, Some(&list), row, unseen);
            }
            Value::Int(_) | Value::Bytes(_) | Value::Verbatim(_) | Value::Long(_) => {
                return self.merge(version, row).put(value, deadline_ms);
            }
            Value::Stream(stream) => self.reapply_whole_stream(&stream, version, row),
            Value::Set(set) => {
                let members: Vec<Vec<u8>> = set.iter().map(|member| member.to_vec()).collect();
                self.merge(version, row).set_add(members.iter().map(Vec::as_slice));
                self.begin_member_lives(Collection::Set, &set, members.iter(), version, row);
            }
            Value::Hash(hash) => {
                let pairs: Vec<_> = hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
                self.merge(version, row).hash_set(pairs.iter().map(|(field, value)| (&field[..], &value[..])));
                let fields = pairs.iter().map(|(field, _)| field);
                self.begin_member_lives(Collection::Hash, &hash, fields, version, row);
            }
            Value::SortedSet(set) => {
                let pairs: Vec<_> = set.iter().map(|(member, score)| (member.to_vec(), score)).collect();
                self.merge(version, row).sorted_set_add(pairs.iter().map(|(member, score)| (&member[..], *score)));
                let members = pairs.iter().map(|(member, _)| member);
                self.begin_member_lives(Collection::SortedSet, &set, members, version, row);
            }
        }
        if deadline_ms.is_some() {
            self.merge(version, row).expire(deadline_ms);
        }
    }

    fn begin_member_lives<'m>(
        &mut self,
        collection: Collection,
        elements: &impl Expiring,
        names: impl Iterator<Item = &'m Vec<u8>>,
        version: Version,
        row: Row<'_>,
    ) {
        let expiring = names.filter(|name| elements.deadline_ms(name).is_some());
        expiring.for_each(|name| {
            self.merge(version, row).begin_member_life(collection, name, elements.deadline_ms(name));
        });
    }

    fn reapply_record(
        &mut self,
        record: &Record,
        value: Option<Value>,
        row: Row<'_>,
        unseen: impl Fn(Version) -> bool,
    ) {
        self.reapply_cancelled(record);
        for (key_type, version) in record.creations.iter() {
            if unseen(version) {
                self.merge(version, row).note_creation(key_type);
            }
        }
        if unseen(record.clear) {
            self.reapply_clear(record, value.as_ref(), row);
        }
        let (mut set, mut hash, mut sorted_set) = (None, None, None);
        match &value {
            Some(Value::Set(members)) => set = Some(members),
            Some(Value::Hash(fields)) => hash = Some(fields),
            Some(Value::SortedSet(members)) => sorted_set = Some(members),
            _ => {}
        }
        for (member, version) in record.members.iter().filter(|(_, version)| unseen(**version)) {
            let mut merge = self.merge(*version, row);
            let member = std::iter::once(member);
            if set.is_some_and(|set| set.contains(member.clone().next().unwrap_or_default())) {
                merge.set_add(member);
            } else {
                merge.set_remove(member);
            }
        }
        self.reapply_fields(&record.fields, hash, row, &unseen);
        self.reapply_fields(&record.scores, sorted_set, row, &unseen);
        if let Some(registers) = &record.list {
            let list = if let Some(Value::List(list)) = &value { Some(list) } else { None };
            self.reapply_list(registers, list, row, &unseen);
        }
        for operation in record.operations.iter() {
            let mut merge = self.merge(operation.version, row);
            if unseen(operation.version) {
                merge.string_operation(operation.action.clone());
            }
            if operation.is_restated {
                merge.string_restate();
            }
        }
        if record.stream.is_some() || matches!(value, Some(Value::Stream(_))) {
            let (absent, blank) = (Stream::new(), StreamRecord::default());
            let stream = if let Some(Value::Stream(stream)) = &value { stream } else { &absent };
            let registers = record.stream.as_deref().unwrap_or(&blank);
            let created = record.creations.get(KeyType::Stream);
            self.reapply_stream(registers, stream, created, row, &unseen);
        }
        self.reapply_lifetimes(record, row, &unseen);
        self.reapply_deadlines(record, row, &unseen);
    }

    /// Of elements.
    fn reapply_lifetimes(&mut self, record: &Record, row: Row<'_>, unseen: impl Fn(Version) -> bool) {
        for (collection, member, register) in record.lifetimes.iter() {
            if let Some(death) = register.death().filter(|death| unseen(death.cause)) {
                self.merge(Version::ZERO, Row::All).expire_member(collection, member, death);
            }
            // The first write may be all that is left of those that are stable there, which is not so here.
            let begins_life =
                |write: &Write| [Some(record.clear), record.written(collection, member)].contains(&Some(write.version));
            for write in register.writes().iter().filter(|write| unseen(write.version)) {
                let mut merge = self.merge(write.version, row);
                if begins_life(write) {
                    merge.begin_member_life(collection, member, write.deadline_ms);
                } else {
                    merge.expire_members(collection, std::iter::once(member), write.deadline_ms);
                }
            }
        }
    }

    /// Of the key.
    fn reapply_deadlines(&mut self, record: &Record, row: Row<'_>, unseen: impl Fn(Version) -> bool) {
        // Whoever has seen its cause does so when the time has come, and no second time.
        if let Some(death) = record.deadlines.death().filter(|death| unseen(death.cause)) {
            self.merge(Version::ZERO, Row::All).die(death);
        }
        for write in record.deadlines.writes().iter().filter(|write| unseen(write.version)) {
            let mut merge = self.merge(write.version, row);
            if write.version == record.clear {
                merge.begin_life(write.deadline_ms);
            } else {
                merge.expire(write.deadline_ms);
            }
        }
    }

    /// Increments that clears there have cancelled, whatever became of those clears.
    fn reapply_cancelled(&mut self, record: &Record) {
        let cancelled = record.operations.cancelled();
        if !cancelled.is_empty() {
            self.merge(self.newest_of(cancelled), Row::All).string_cancel(cancelled);
        }
        self.reapply_cancelled_in::<Hash>(&record.fields);
        self.reapply_cancelled_in::<SortedSet>(&record.scores);
    }

    fn reapply_cancelled_in<F: Fields>(&mut self, registers: &Elements<Field>) {
        for (name, field) in registers.iter().filter(|(_, field)| !field.increments.cancelled().is_empty()) {
            let cancelled = field.increments.cancelled();
            self.merge(self.newest_of(cancelled), Row::All).fields_cancel::<F>(name, cancelled);
        }
    }

    /// Of the clears: a record that tells of them knows the key up to there.
    fn newest_of(&self, cancelled: &[Cancellation]) -> Version {
        let clears = cancelled.iter().map(|cancellation| cancellation.by);
        clears.fold(Version::ZERO, |newest, by| self.author.origins.newest(newest, by))
    }

    /// What clears here have cancelled, also of what has not come yet: in a record that says nothing else.
    pub(super) fn cancelled(&self) -> Option<Record> {
        let record = self.database.recent.get(self.hash, self.key);
        let mut cancelled = Record::new(None, self.database.flushed);
        let of_flush = &self.database.cancelled_by_flush;
        cancelled.operations.note_cancelled(record.map_or(&[], |record| record.operations.cancelled()));
        cancelled.operations.note_cancelled(of_flush);
        let mut any = !cancelled.operations.is_empty();
        if let Some(record) = record {
            for (from, to) in [(&record.fields, &mut cancelled.fields), (&record.scores, &mut cancelled.scores)] {
                for (name, field) in from.iter().filter(|(_, field)| !field.increments.cancelled().is_empty()) {
                    let noted = &mut to.entry(name).increments;
                    noted.note_cancelled(field.increments.cancelled());
                    any = true;
                }
            }
        }
        any.then_some(cancelled)
    }

    /// Cancels what has come meanwhile. What a clear of the key has seen of an origin it has seen in all its elements.
    pub(super) fn cancel_again(&mut self, cancelled: &Record) {
        self.reapply_cancelled(cancelled);
        let of_key = cancelled.operations.cancelled();
        let Some(record) = self.database.recent.get(self.hash, self.key).filter(|_| !of_key.is_empty()) else { return };
        let of = |elements: &Elements<Field>| -> Vec<Box<[u8]>> {
            let incremented = elements.iter().filter(|(_, field)| !field.increments.is_idle());
            incremented.map(|(name, _)| name.into()).collect()
        };
        let (fields, scores, newest) = (of(&record.fields), of(&record.scores), self.newest_of(of_key));
        fields.iter().for_each(|name| self.merge(newest, Row::All).fields_cancel::<Hash>(name, of_key));
        scores.iter().for_each(|name| self.merge(newest, Row::All).fields_cancel::<SortedSet>(name, of_key));
    }

    /// Cancels the increments that they had seen, who have nothing of the key.
    pub(super) fn cancel_seen(&mut self, seen: &[Stamp]) {
        let Some(mut record) = self.database.recent.get(self.hash, self.key).cloned() else { return };
        let by = self.database.flushed;
        let elements = record.fields.values_mut().chain(record.scores.values_mut());
        let all = elements.map(|field| &mut field.increments).chain([&mut record.operations]);
        let all = all.filter_map(LazyOperations::get_mut);
        all.for_each(|operations| operations.only_cancelled(by, |version| covers(seen, version)));
        self.reapply_cancelled(&record);
    }

    fn reapply_fields<F: Fields>(
        &mut self,
        registers: &Elements<Field>,
        fields: Option<&F>,
        row: Row<'_>,
        unseen: impl Fn(Version) -> bool,
    ) {
        let nothing = F::default();
        for (name, field) in registers.iter() {
            if let Some(version) = field.version.filter(|version| unseen(*version)) {
                let mut merge = self.merge(version, row);
                fields.unwrap_or(&nothing).with_value(name, |value| match value {
                    Some(value) => merge.fields_set(std::iter::once((name, value)), |_| F::default()),
                    None => merge.fields_delete::<F>(std::iter::once(name)),
                });
            }
            // Those that sleep there, too: the same deadline puts them to sleep here, or does not come into force.
            for operation in field.increments.iter() {
                let mut merge = self.merge(operation.version, row);
                if unseen(operation.version) {
                    merge.fields_operation::<F>(name, operation.action.clone());
                }
                if operation.is_restated {
                    merge.fields_restate::<F>(name);
                }
            }
        }
    }

    fn reapply_list(
        &mut self,
        registers: &ListRegisters,
        list: Option<&List>,
        row: Row<'_>,
        unseen: impl Fn(Version) -> bool,
    ) {
        let parts = parts_of(&registers.sequence, list, self.author.origins, &unseen);
        for parts in parts.chunk_by(|a, b| a.run.identity(0).version == b.run.identity(0).version) {
            let first = parts[0].run.identity(0);
            self.merge(first.version, row).list_rejoin(parts, registers.anchors.get(&first).copied());
        }
        for run in registers.sequence.runs() {
            if let Some(removal) = run.removal().filter(|removal| unseen(*removal)) {
                self.merge(removal, row).list_remove(&Selection::Named(vec![run.part(0..run.count)]));
            }
        }
        for (identity, version) in registers.values.iter().filter(|(_, version)| unseen(**version)) {
            let Some((gap, true)) = registers.sequence.find(*identity) else { continue };
            if let Some(value) = list.and_then(|list| list.get(gap.live)).map(Element::to_vec) {
                self.merge(*version, row).list_set(&Selection::of(*identity), &value);
            }
        }
    }

    /// The clear of a record, with what it left: the part of the value that no newer register describes.
    fn reapply_clear(&mut self, record: &Record, value: Option<&Value>, row: Row<'_>) {
        let base = match value {
            Some(Value::Int(int)) => Some(Value::Int(*int)),
            Some(Value::Bytes(bytes)) => Some(Value::Bytes(bytes.clone())),
            Some(Value::Verbatim(text)) => Some(Value::Verbatim(text.clone())),
            Some(Value::Long(text)) => Some(Value::Long(text.clone())),
            Some(Value::Set(set)) => {
                let mut base = Set::new();
                for member in set.iter().filter(|member| member.with_bytes(|member| !record.members.contains(member))) {
                    member.with_bytes(|member| {
                        base.insert(member, self.limits);
                        base.set_deadline_ms(member, base_deadline_ms(record, Collection::Set, set, member));
                    });
                }
                (!base.is_empty()).then_some(Value::Set(base))
            }
            Some(Value::Hash(hash)) => untouched(hash, record).map(Value::Hash),
            Some(Value::SortedSet(set)) => untouched(set, record).map(Value::SortedSet),
            Some(Value::Stream(stream)) => {
                let blank = StreamRecord::default();
                let registers = record.stream.as_deref().unwrap_or(&blank);
                Some(Value::Stream(base_of(stream, registers, record.clear, self.author.origins)))
            }
            // Its elements join with the others, as they keep their identities.
            Some(Value::List(_)) => None,
            None => None,
        };
        // What a clear had seen that says the key anew is known; of other ones what they have cancelled follows.
        let seen = record.restated.as_deref().map(stamps_of);
        let mut merge = self.merge(record.clear, seen.as_deref().map_or(row, Row::Seen));
        merge.author.restates = record.restated.as_ref();
        merge.clear_value(base);
    }
}

/// The deadline that an element had below the writes of its register.
fn base_deadline_ms(record: &Record, collection: Collection, elements: &impl Expiring, name: &[u8]) -> Option<u64> {
    match record.lifetimes.get(collection, name) {
        Some(register) => register.writes()[0].deadline_ms,
        None => elements.deadline_ms(name),
    }
}
