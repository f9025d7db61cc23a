//! Strings: SET, increments, APPEND and its like.

use super::cell::{Action, Cell, StringCell};
use super::operations::Cancellation;
use super::{Cut, Merge, Parts, version_of};
use crate::KeyType;
use crate::entry::{Entry, Header, NewValue, ValueRef};
use crate::table::{KeyHasher, Slot};
use crate::version::Row;
use crate::view::{StringRef, is_expired};
use effect::Deadline;

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// The key becomes this string.
    pub(crate) fn string_set(&mut self, value: &[u8], deadline: Deadline) {
        if !self.string_set_plain(value, deadline) {
            self.with_record(|parts| {
                parts.clear(Some(NewValue::Bytes(value)));
                match deadline {
                    Deadline::Clear => parts.restart_deadline(None),
                    Deadline::At(ms) => parts.restart_deadline(Some(ms)),
                    Deadline::Keep => {}
                }
            });
            self.forget_if_described();
            self.touch();
        }
    }

    /// The same where the entry's version says all that there is to say afterwards. False where it does not.
    fn string_set_plain(&mut self, value: &[u8], deadline: Deadline) -> bool {
        let author = self.author;
        if author.peers && matches!(author.row, Row::Assuming(_)) {
            return false;
        }
        let deadline_ms = match deadline {
            Deadline::Clear => None,
            Deadline::At(ms) => Some(ms),
            Deadline::Keep if author.peers => return false,
            Deadline::Keep => self.entry().and_then(Entry::deadline_ms),
        };
        let header = author.header(deadline_ms);
        let database = &mut *self.database;
        if author.peers {
            database.newest_plain = database.newest_plain.max(author.version.stamp);
        }
        match database.table.slot(self.hash, self.key) {
            Slot::Occupied(mut entry) => {
                if author.peers {
                    if entry.has_recent() || entry.key_type() != KeyType::String {
                        return false;
                    }
                    if !author.is_newer_than(version_of(&entry)) {
                        return true;
                    }
                }
                let access = author.access.next(entry.access());
                entry.overwrite(NewValue::Bytes(value), Header { access, ..header });
            }
            Slot::Vacant(vacant) => {
                if author.peers
                    && (database.recent.contains(self.hash, self.key) || !author.is_newer_than(database.flushed))
                {
                    return false;
                }
                vacant.insert(Entry::new(self.key, NewValue::Bytes(value), header));
            }
        }
        true
    }

    /// An operation on top of the string. One that cannot be done is skipped, and may be possible later,
    /// when something older has arrived.
    pub(crate) fn string_operation(&mut self, action: Action) {
        if self.is_plain() {
            if let Action::Add(delta) = action
                && self.add_in_place(delta, false).is_some()
            {
                return;
            }
            let header = self.author.header(None);
            let (hash, key) = (self.hash, self.key);
            if self.entry().is_some_and(|entry| entry.key_type() != KeyType::String) {
                self.database.table.remove(hash, key);
            }
            action.apply(&mut StringCell { table: &mut self.database.table, hash, key, header });
            self.stamp();
            return;
        }
        if !matches!(action, Action::Add(delta) if self.add_to_string(delta)) {
            self.with_record(|parts| parts.string_operation(action));
        }
    }

    /// An increment that others remember is part of what a clear has said anew.
    pub(crate) fn string_restate(&mut self) {
        if !self.is_plain() {
            self.with_record(|parts| parts.string_restate());
        }
    }

    /// What clears elsewhere have cancelled.
    pub(crate) fn string_cancel(&mut self, cancelled: &[Cancellation]) {
        self.with_record(|parts| parts.string_cancel(cancelled));
    }

    /// An increment of what is an integer already, or is not there, as nearly all of them are: with one
    /// lookup. `None` where it is something else, and nothing happens. Nothing can be late here.
    pub(crate) fn add_in_place(&mut self, delta: i64, touches: bool) -> Option<i64> {
        let author = self.author;
        match self.database.table.slot(self.hash, self.key) {
            Slot::Occupied(mut entry) => {
                let ValueRef::Int(current) = entry.value() else { return None };
                if is_expired(&entry, author.access.now_ms) {
                    return None;
                }
                let sum = current.checked_add(delta)?;
                entry.set_int(sum);
                if touches {
                    entry.set_access(author.access.next(entry.access()));
                }
                author.stamp(&mut entry);
                Some(sum)
            }
            Slot::Vacant(vacant) => {
                vacant.insert(Entry::new(self.key, NewValue::Int(delta), author.header(None)));
                Some(delta)
            }
        }
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    pub(super) fn string_operation(&mut self, action: Action) {
        let author = self.author;
        let is_alive = action.is_increment() || author.is_newer_than(self.record.clear);
        if self.create(KeyType::String) && is_alive {
            let mut operations = std::mem::take(&mut self.record.operations);
            let restated = self.restated(None, false);
            let (grown, cell) = (operations.grown(), &mut self.string_cell());
            grown.insert(author.origins, author.version, action, cell);
            if let Some(sleeps) = restated {
                grown.restate(author.origins, author.version, sleeps, cell);
            }
            self.record.operations = operations;
        }
    }

    fn string_restate(&mut self) {
        let Some(sleeps) = self.restated(None, true) else { return };
        let mut operations = std::mem::take(&mut self.record.operations);
        if let Some(operations) = operations.get_mut() {
            operations.restate(self.author.origins, self.author.version, sleeps, &mut self.string_cell());
        }
        self.record.operations = operations;
    }

    fn string_cancel(&mut self, cancelled: &[Cancellation]) {
        let mut operations = std::mem::take(&mut self.record.operations);
        match operations.get_mut().filter(|operations| !operations.is_idle()) {
            Some(operations) => operations.cancel(cancelled, &mut self.string_cell()),
            None => operations.note_cancelled(cancelled),
        }
        self.record.operations = operations;
    }

    pub(super) fn string_cell(&mut self) -> StringCell<'_, H> {
        let header = self.header();
        StringCell { table: self.table, hash: self.hash, key: self.key, header }
    }

    /// A cut's part in the string. `base`: what the string is now, where it was a clear that won.
    pub(super) fn cut_string(&mut self, cut: Cut<'_>, base: Option<NewValue<'_>>) {
        let origins = self.author.origins;
        if self.key_type().is_some_and(|there| there != KeyType::String) {
            // Then no operation is left either: the newer type has killed all of them.
            return;
        }
        let mut operations = std::mem::take(&mut self.record.operations);
        if cut.wins {
            operations.get_mut().into_iter().for_each(|operations| operations.cut(origins, cut.at, cut.cause));
            let mut cell = self.string_cell();
            match base {
                Some(NewValue::Int(int)) => cell.write(StringRef::Int(int)),
                Some(NewValue::Bytes(bytes)) => cell.write(StringRef::Bytes(bytes)),
                Some(NewValue::Verbatim(text)) => cell.write_verbatim(text),
                _ => cell.remove(),
            }
            operations.get_mut().into_iter().for_each(|operations| operations.restart(&mut cell));
        } else if let Some(operations) = operations.get_mut() {
            operations.thin(origins, cut.at, cut.cause, &mut self.string_cell());
        }
        self.record.operations = operations;
    }
}
