//! Local writes to lists.

use super::Txn;
use crate::entry::{Entry, NewValue};
use crate::list::{Places, Run, Selection, Sequence, name_places, name_runs};
use crate::merge::list_push;
use crate::merge::version_of;
use crate::table::EntryMut;
use crate::{KeyType, ValueError};
use effect::{Effect, End, IdentitiesWriter, ItemsWriter};
use std::ops::Range;
use values::{Element, EncodingLimits, List};

impl Txn<'_> {
    /// The list at a key that is to be changed.
    pub fn writable_list(&mut self, key: &[u8]) -> Result<Option<&List>, ValueError> {
        let entry = self.writable(key, |entry| entry.key_type() == KeyType::List)?;
        Ok(entry.and_then(Entry::stored_list).map(|stored| &stored.list))
    }

    /// Selection go to one end, one after the other. Returns how many there are then.
    pub fn list_push<'a>(
        &mut self,
        key: &[u8],
        end: End,
        elements: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<usize, ValueError> {
        let count = elements.clone().count() as u64;
        let push =
            |entry: &mut EntryMut<'_>, limits: &EncodingLimits| Some(list_push(entry, end, elements.clone(), limits));
        if let Some(len) = self.change_at_once(key, KeyType::List, push) {
            self.changes += count;
            return Ok(len);
        }
        self.writable_list(key)?;
        let mut items = ItemsWriter::new();
        if self.switches.recording {
            elements.clone().for_each(|element| items.push(element));
        }
        let effect = Effect::ListPush { key, end, elements: items.items() };
        self.changes += count.saturating_sub(1);
        Ok(self.merge(key, &effect, |merge| merge.list_push(end, elements)))
    }

    /// Up to `count` elements leave at one end; `taken` sees the list before, and how many they are. Returns that; `None`:
    /// there is no list.
    pub fn list_pop(
        &mut self,
        key: &[u8],
        end: End,
        count: usize,
        mut taken: impl FnMut(&List, usize),
    ) -> Result<Option<usize>, ValueError> {
        let places = |count: usize, len: usize| if end == End::Head { 0..count } else { len - count..len };
        let pop = |entry: &mut EntryMut<'_>, limits: &EncodingLimits| {
            let stored = entry.stored_list_mut().filter(|stored| count > 0 && count < stored.list.len())?;
            taken(&stored.list, count);
            let places = places(count, stored.list.len());
            stored.plain_mut().remove(&[places], limits);
            Some(())
        };
        if self.change_at_once(key, KeyType::List, pop).is_some() {
            self.changes += count as u64;
            return Ok(Some(count));
        }
        let Some(list) = self.writable_list(key)? else { return Ok(None) };
        let (len, count) = (list.len(), count.min(list.len()));
        taken(list, count);
        if count > 0 {
            self.list_remove(key, std::iter::once(places(count, len)));
        }
        Ok(Some(count))
    }

    /// The element at one end of a list goes to one end of another, or of the same. Returns it; `None`: there is none.
    pub fn list_move(
        &mut self,
        (source, from): (&[u8], End),
        (destination, to): (&[u8], End),
    ) -> Result<Option<Vec<u8>>, ValueError> {
        let Some(list) = self.writable_list(source)? else { return Ok(None) };
        let last = list.len() - 1;
        let mut place = if from == End::Head { 0 } else { last };
        let element = list.get(place).map_or_else(Vec::new, Element::to_vec);
        // This comes first, so that a list of one element that is moved to itself stays.
        self.list_push(destination, to, std::iter::once(&element[..]))?;
        if source == destination && to == End::Head {
            place += 1;
        }
        self.list_remove(source, std::iter::once(place..place + 1));
        self.changes -= 1;
        Ok(Some(element))
    }

    /// An element goes next to the one at `index`, on the side of that end. Nothing happens where there is none.
    pub fn list_insert(&mut self, key: &[u8], index: usize, toward: End, element: &[u8]) -> Result<(), ValueError> {
        let Some(_) = self.writable_list(key)?.filter(|list| index < list.len()) else { return Ok(()) };
        let place = index..index + 1;
        let mut anchor = self.name(key, std::slice::from_ref(&place));
        let effect = Effect::ListInsert { key, anchor: anchor.identities(), toward, element };
        let place = Selection::At(Places::from_elem(place, 1));
        self.merge(key, &effect, |merge| merge.list_insert(&place, toward, element));
        Ok(())
    }

    /// The elements in these places go: ascending ranges that do not touch and are within the list, which is there. An
    /// empty list is no key.
    pub fn list_remove(&mut self, key: &[u8], ranges: impl IntoIterator<Item = Range<usize>>) {
        let ranges: Places = ranges.into_iter().collect();
        let all = self.switches.peers;
        // Without peers nothing removed is an effect, too: who watches the key is told, as Redis tells.
        if all && ranges.is_empty() {
            return;
        }
        let mut names = self.name(key, &ranges);
        let deadline_ms = if all { self.view.find(key).and_then(Entry::deadline_ms) } else { None };
        let effect = Effect::ListRemove { key, elements: names.identities() };
        let removed: usize = ranges.iter().map(Range::len).sum();
        let places = Selection::At(ranges);
        self.merge(key, &effect, |merge| merge.list_remove(&places));
        // Each element counts as a change.
        self.changes = self.changes + removed as u64 - 1;
        self.persist_empty(key, deadline_ms);
    }

    /// The element at `index` gets another value. Nothing happens where there is none.
    pub fn list_set(&mut self, key: &[u8], index: usize, value: &[u8]) -> Result<(), ValueError> {
        let Some(_) = self.writable_list(key)?.filter(|list| index < list.len()) else { return Ok(()) };
        let place = index..index + 1;
        let mut name = self.name(key, std::slice::from_ref(&place));
        let effect = Effect::ListSet { key, element: name.identities(), value };
        let place = Selection::At(Places::from_elem(place, 1));
        self.merge(key, &effect, |merge| merge.list_set(&place, value));
        Ok(())
    }

    /// Replaces `key` by a list of these elements (SORT … STORE); deletes it where there are none.
    pub fn store_list<'a>(&mut self, key: &[u8], elements: impl Iterator<Item = &'a [u8]> + Clone) {
        let list = List::from_elements(elements, self.view.encoding_limits());
        self.replace_list(key, list);
    }

    /// The same with a list that was made by the limits that hold here.
    pub fn replace_list(&mut self, key: &[u8], list: List) {
        if list.is_empty() {
            self.delete(key);
        } else {
            self.put_value(key, NewValue::List(list), None);
        }
    }

    /// How an effect names the elements in these places of a list.
    fn name(&self, key: &[u8], ranges: &[Range<usize>]) -> IdentitiesWriter {
        if !self.switches.recording {
            return IdentitiesWriter::new();
        }
        if !self.switches.peers {
            return name_places(ranges);
        }
        let keyspace = self.view.keyspace;
        name_runs(self.identities(key, ranges).into_iter(), &keyspace.origins, keyspace.stamping.own())
    }

    fn identities(&self, key: &[u8], ranges: &[Range<usize>]) -> Vec<Run> {
        let hash = self.view.hash_of(key);
        let database = &self.view.guard.shard(hash).databases[self.view.db as usize];
        if let Some(list) = database.recent.get(hash, key).and_then(|record| record.list.as_ref()) {
            return list.sequence.parts(ranges);
        }
        let Some(entry) = database.table.find(hash, key) else { return Vec::new() };
        match entry.stored_list() {
            Some(stored) => match &stored.identities {
                Some(identities) => identities.parts(ranges),
                None => Sequence::whole(version_of(entry), stored.list.len()).parts(ranges),
            },
            None => Vec::new(),
        }
    }
}
