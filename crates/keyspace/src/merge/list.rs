//! Lists: all elements that were pushed are kept, in one order, until they are removed.

use super::{Cut, Merge, Parts, version_of};
use crate::KeyType;
use crate::entry::{Entry, NewValue};
use crate::list::{Anchor, ListEdit, ListRegisters, Part, Selection, Sequence, StoredList};
use crate::table::{EntryMut, KeyHasher, Slot};
use effect::End;
use values::{EncodingLimits, List};

/// Puts elements at one end of a list, which need no identities. Returns how many there are then.
#[inline]
pub(crate) fn list_push<'m>(
    entry: &mut EntryMut<'_>,
    end: End,
    elements: impl Iterator<Item = &'m [u8]> + Clone,
    limits: &EncodingLimits,
) -> usize {
    let Some(stored) = entry.stored_list_mut() else { return 0 };
    let list = stored.plain_mut();
    match end {
        End::Head => list.push_front(elements, limits),
        End::Tail => list.push_back(elements, limits),
    }
    list.len()
}

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// Selection go to one end. Returns how many there are then.
    pub(crate) fn list_push<'m>(&mut self, end: End, elements: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        let limits = self.limits;
        if self.author.peers {
            return self.with_record(|parts| parts.list_push(end, elements));
        }
        if self.names_elements() {
            return self.edit_named(true, |edit| edit.push(end, elements));
        }
        let author = self.author;
        let mut entry = self.plain_entry(KeyType::List, || NewValue::List(List::new()));
        let len = list_push(&mut entry, end, elements, limits);
        author.stamp(&mut entry);
        len
    }

    /// An element goes next to another one.
    pub(crate) fn list_insert(&mut self, beside: &Selection, toward: End, element: &[u8]) {
        if self.author.peers {
            return self.with_record(|parts| parts.list_insert(beside, toward, element));
        }
        if self.names_elements() {
            self.edit_named(true, |edit| edit.insert(beside, toward, element));
            return;
        }
        let limits = self.limits;
        self.edit_plain(beside, |list, place| {
            list.insert(place.start + usize::from(toward == End::Tail), element, limits);
        });
    }

    /// Selection leave. An empty list is no key.
    pub(crate) fn list_remove(&mut self, elements: &Selection) {
        if self.author.peers {
            return self.with_record(|parts| parts.edit_list(|edit| edit.remove(elements)));
        }
        if self.names_elements() {
            self.edit_named(false, |edit| edit.remove(elements));
            return;
        }
        let (limits, Selection::At(ranges)) = (self.limits, elements) else { return };
        let Some(mut entry) = self.entry_mut() else { return };
        let Some(stored) = entry.stored_list_mut() else { return };
        let list = stored.plain_mut();
        list.remove(ranges, limits);
        if list.is_empty() {
            self.database.table.remove(self.hash, self.key);
        } else {
            self.stamp();
        }
    }

    /// Selection of one effect that come with a transfer of state.
    pub(crate) fn list_rejoin(&mut self, parts: &[Part], anchor: Option<Anchor>) {
        self.with_record(|record_parts| record_parts.list_rejoin(parts, anchor));
    }

    /// An element gets another value.
    pub(crate) fn list_set(&mut self, element: &Selection, value: &[u8]) {
        if self.author.peers {
            return self.with_record(|parts| parts.edit_list(|edit| edit.set(element, value)));
        }
        if self.names_elements() {
            self.edit_named(false, |edit| edit.set(element, value));
            return;
        }
        let limits = self.limits;
        self.edit_plain(element, |list, place| {
            list.replace(place.start, value, limits);
        });
    }

    /// A replica of somebody who has peers must understand how they name elements.
    fn names_elements(&self) -> bool {
        self.author.stamping && !self.author.row.is_own()
    }

    /// Changes one place of a list.
    fn edit_plain(&mut self, element: &Selection, f: impl FnOnce(&mut List, &std::ops::Range<usize>)) {
        let Selection::At(ranges) = element else { return };
        if let Some(mut entry) = self.entry_mut()
            && let Some(stored) = entry.stored_list_mut()
            && let Some(place) = ranges.first().filter(|place| place.start < stored.list.len())
        {
            f(stored.plain_mut(), place);
            self.stamp();
        }
    }

    /// Changes a list whose elements have identities, where nothing can be late. Returns its length.
    fn edit_named(&mut self, creates: bool, f: impl FnOnce(&mut ListEdit<'_>)) -> usize {
        let (origins, version, limits) = (self.author.origins, self.author.version, self.limits);
        let header = self.author.header(None);
        if creates && self.entry().is_some_and(|entry| entry.key_type() != KeyType::List) {
            self.database.table.remove(self.hash, self.key);
        }
        let mut entry = match self.database.table.slot(self.hash, self.key) {
            Slot::Occupied(entry) => entry,
            Slot::Vacant(_) if !creates => return 0,
            Slot::Vacant(vacant) => vacant.insert(Entry::new(self.key, NewValue::List(List::new()), header)),
        };
        let written = version_of(&entry);
        let Some(stored) = entry.stored_list_mut() else { return 0 };
        stored.pin(written);
        let StoredList { list, identities: Some(identities) } = stored else { return 0 };
        let mut registers = ListRegisters::new(std::mem::take(&mut **identities));
        f(&mut ListEdit { list, registers: &mut registers, limits, origins, version });
        registers.settle(|_| true, true);
        **identities = registers.sequence;
        let len = list.len();
        if len == 0 {
            self.database.table.remove(self.hash, self.key);
        } else {
            self.stamp();
        }
        len
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    fn list_push<'m>(&mut self, end: End, elements: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        if !self.create(KeyType::List) || !self.admits_addition() {
            return 0;
        }
        self.edit_list(|edit| {
            edit.push(end, elements);
            edit.list.len()
        })
    }

    fn list_insert(&mut self, beside: &Selection, toward: End, element: &[u8]) {
        if self.create(KeyType::List) && self.admits_addition() {
            self.edit_list(|edit| edit.insert(beside, toward, element));
        }
    }

    fn list_rejoin(&mut self, parts: &[Part], anchor: Option<Anchor>) {
        // Those of a Put have the version of the clear.
        if self.create(KeyType::List) && !self.author.is_older_than(self.record.clear) {
            self.edit_list(|edit| edit.rejoin(parts, anchor));
        }
    }

    /// Changes the list at the key, which may be new. An empty list is no key, but what was in it may still be named.
    fn edit_list<R>(&mut self, f: impl FnOnce(&mut ListEdit<'_>) -> R) -> R {
        let (origins, version, limits) = (self.author.origins, self.author.version, self.limits);
        let mut registers = self.take_list_registers();
        let mut new = List::new();
        let mut entry = self.table.find_mut(self.hash, self.key);
        let stored = entry.as_mut().and_then(|entry| entry.stored_list_mut());
        let is_new = stored.is_none();
        let list = stored.map_or(&mut new, |stored| &mut stored.list);
        let result = f(&mut ListEdit { list, registers: &mut registers, limits, origins, version });
        match (is_new, list.is_empty()) {
            (true, false) => self.insert(NewValue::List(new)),
            (false, true) => drop(self.table.remove(self.hash, self.key)),
            _ => {}
        }
        if registers.sequence.live() > 0 || !registers.is_empty() {
            self.record.list = Some(registers);
        }
        result
    }

    /// They come into the record when they are needed first.
    fn take_list_registers(&mut self) -> Box<ListRegisters> {
        if let Some(registers) = self.record.list.take() {
            return registers;
        }
        let mut registers = Box::<ListRegisters>::default();
        if let Some(mut entry) = self.table.find_mut(self.hash, self.key) {
            let version = version_of(&entry);
            if let Some(stored) = entry.stored_list_mut() {
                stored.pin(version);
                registers.sequence = stored.identities.take().map_or_else(Sequence::default, |identities| *identities);
            }
        }
        registers
    }

    /// A cut's part in the list. `base`: what the list is now, but for what is newer.
    pub(super) fn cut_list(&mut self, cut: Cut<'_>, base: Option<List>) {
        let is_list = self.key_type() == Some(KeyType::List);
        if cut.wins && (is_list || base.is_some() || self.record.list.is_some()) {
            self.edit_list(|edit| edit.cut(cut.at, base));
        }
    }
}
