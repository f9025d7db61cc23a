//! Collections whose elements have values: each element is a register with increments on top of it.

use super::ahead::change_each;
use super::cell::{Action, Cell};
use super::operations::{Cancellation, Cause};
use super::{Author, Cut, Merge, Parts};
use crate::KeyType;
use crate::elements::Elements;
use crate::entry::{CollectionMut, Compact};
use crate::recent::{Field, Record};
use crate::table::{EntryMut, KeyHasher};
use crate::version::{Origins, Version};
use effect::Collection;
use values::{EncodingLimits, Expiring, Prefetch};

/// A hash with its fields, a sorted set with its members.
pub(crate) trait Fields: Compact + Expiring {
    const KEY_TYPE: KeyType;
    const COLLECTION: Collection;
    type Value<'v>: Copy;
    type Cell<'c>: Cell
    where
        Self: 'c;

    fn registers(record: &mut Record) -> &mut Elements<Field>;
    fn registers_of(record: &Record) -> &Elements<Field>;
    fn of<'e>(entry: &'e mut EntryMut<'_>) -> Option<CollectionMut<'e, Self>>;
    fn is_empty(&self) -> bool;
    fn contains(&self, name: &[u8]) -> bool;
    /// Starts to load what a lookup will touch, where the collection is large. False where it is not.
    fn prefetch(&self, name: &[u8], step: Prefetch) -> bool;
    /// True where the element is new.
    fn insert(&mut self, name: &[u8], value: Self::Value<'_>, limits: &EncodingLimits) -> bool;
    /// True where the element was there.
    fn remove(&mut self, name: &[u8]) -> bool;
    fn with_value<R>(&self, name: &[u8], f: impl FnOnce(Option<Self::Value<'_>>) -> R) -> R;
    fn cell<'c>(&'c mut self, name: &'c [u8], limits: &'c EncodingLimits) -> Self::Cell<'c>;
}

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// Elements get values. Returns how many are new. `new`: what the collection is made from.
    pub(crate) fn fields_set<'m, 'v, F: Fields>(
        &mut self,
        pairs: impl Iterator<Item = (&'m [u8], F::Value<'v>)> + Clone,
        new: impl FnOnce(&EncodingLimits) -> F,
    ) -> usize {
        if !self.is_plain() {
            return self.with_record(|parts| parts.fields_set::<F>(pairs, new));
        }
        self.plain_fields(new, |fields, limits| {
            let fetch = |fields: &F, (name, _): &(&[u8], _), step| fields.prefetch(name, step);
            change_each(fields, pairs, fetch, |fields, (name, value)| {
                fields.set_deadline_ms(name, None);
                fields.insert(name, value, limits)
            })
        })
    }

    /// Elements go. Returns how many were there. An empty collection is no key.
    pub(crate) fn fields_delete<'m, F: Fields>(&mut self, names: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        if !self.is_plain() {
            return self.with_record(|parts| parts.fields_delete::<F>(names));
        }
        let Some(mut entry) = self.entry_mut() else { return 0 };
        let Some(mut fields) = F::of(&mut entry) else { return 0 };
        let fetch = |fields: &F, name: &&[u8], step| fields.prefetch(name, step);
        let removed = change_each(&mut *fields, names, fetch, F::remove);
        let is_empty = fields.is_empty();
        drop(fields);
        if is_empty {
            self.database.table.remove(self.hash, self.key);
        } else {
            self.stamp();
        }
        removed
    }

    /// An increment in an element.
    pub(crate) fn fields_operation<F: Fields>(&mut self, name: &[u8], action: Action) {
        if !self.is_plain() {
            return self.with_record(|parts| parts.fields_operation::<F>(name, action));
        }
        self.plain_fields(
            |_| F::default(),
            |fields, limits| {
                action.apply(&mut fields.cell(name, limits));
            },
        );
    }

    /// An increment that others remember is part of what a clear has said anew.
    pub(crate) fn fields_restate<F: Fields>(&mut self, name: &[u8]) {
        if !self.is_plain() {
            self.with_record(|parts| parts.fields_restate::<F>(name));
        }
    }

    /// What clears elsewhere have cancelled in an element.
    pub(crate) fn fields_cancel<F: Fields>(&mut self, name: &[u8], cancelled: &[Cancellation]) {
        self.with_record(|parts| parts.cancel_in_field::<F>(name, cancelled));
    }

    /// Changes the collection where nothing can be late; it may be new.
    fn plain_fields<F: Fields, R>(
        &mut self,
        new: impl FnOnce(&EncodingLimits) -> F,
        f: impl FnOnce(&mut F, &EncodingLimits) -> R,
    ) -> R {
        let (author, limits) = (self.author, self.limits);
        let mut entry = self.plain_entry(F::KEY_TYPE, || new(limits).into_new());
        let result = f(&mut *F::of(&mut entry).expect("other types are gone"), limits);
        author.stamp(&mut entry);
        result
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    fn fields_set<'m, 'v, F: Fields>(
        &mut self,
        pairs: impl Iterator<Item = (&'m [u8], F::Value<'v>)> + Clone,
        new: impl FnOnce(&EncodingLimits) -> F,
    ) -> usize {
        let is_alive = self.create(F::KEY_TYPE) && self.admits_addition();
        if is_alive && !self.has::<F>() {
            self.insert(new(self.limits).into_new());
        }
        // What is there at rest may be newer than what joins it.
        let only_new = !self.author.is_newer_than(self.record.clear) && self.joins_at_rest();
        if is_alive && !only_new && !self.has_deadlines(F::COLLECTION) {
            let added = self.write_fields::<F>(pairs.map(|(name, value)| (name, Some(value))));
            self.drop_empty();
            return added;
        }
        let mut added = 0;
        for (name, value) in pairs {
            let is_free = is_alive
                && (!only_new
                    || F::registers_of(self.record).contains(name)
                    || !self.with_fields(|fields: &mut F| fields.contains(name)));
            added += usize::from(self.write_field::<F>(name, Some(value), is_free));
        }
        self.drop_empty();
        added
    }

    fn fields_delete<'m, F: Fields>(&mut self, names: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        let dead = self.record.creations.newest_of_others(F::KEY_TYPE, self.author.origins);
        let is_alive = self.author.is_newer_than(self.record.clear) && self.author.is_newer_than(dead);
        let removed = if is_alive && self.has::<F>() && !self.has_deadlines(F::COLLECTION) {
            self.write_fields::<F>(names.map(|name| (name, None)))
        } else {
            names.filter(|name| self.write_field::<F>(name, None, is_alive)).count()
        };
        self.drop_empty();
        removed
    }

    /// Writes the registers of elements that are alive and have no deadlines, in a collection that is there. Returns how
    /// many have come or gone.
    fn write_fields<'m, 'v, F: Fields>(
        &mut self,
        elements: impl Iterator<Item = (&'m [u8], Option<F::Value<'v>>)> + Clone,
    ) -> usize {
        let (author, limits) = (self.author, self.limits);
        let mut registers = std::mem::take(F::registers(self.record));
        registers.reserve(&elements);
        let changed = self.with_fields(|fields: &mut F| {
            let fetch = |fields: &F, (name, _): &(&[u8], _), step| fields.prefetch(name, step);
            change_each(fields, elements, fetch, |fields, (name, value)| {
                registers.entry(name).write(name, value, true, author, fields, limits).1
            })
        });
        *F::registers(self.record) = registers;
        changed
    }

    /// Writes the register of an element; one that loses still cancels the increments that its author had
    /// seen. True where the element has come (`value`) or gone (none).
    fn write_field<F: Fields>(&mut self, name: &[u8], value: Option<F::Value<'_>>, is_alive: bool) -> bool {
        let (author, limits) = (self.author, self.limits);
        let sleeps = F::registers_of(self.record).get(name).is_some_and(|field| !field.increments.is_idle());
        if sleeps && self.key_type().is_none() {
            // Whoever has not seen them wakes them up, also where nothing else is left of the collection.
            self.insert(F::default().into_new());
        }
        let is_there = self.has::<F>();
        let registers = F::registers(self.record);
        if !is_alive && !registers.contains(name) {
            return false;
        }
        if !is_there && (!is_alive || value.is_none()) {
            // Nothing to change; what is older and late must find the register.
            if is_alive {
                let register = registers.entry(name);
                let wins = register.raise(author);
                register.increments.note_assumed(author.version, author.row);
                self.restart_member(F::COLLECTION, name, wins);
            }
            return false;
        }
        let mut register = std::mem::take(registers.entry(name));
        let was_due = self.is_due(F::COLLECTION, name);
        let (wins, changed) = self.with_fields(|fields: &mut F| {
            let (wins, changed) = register.write(name, value, is_alive, author, fields, limits);
            (wins, if was_due { fields.contains(name) } else { changed })
        });
        *F::registers(self.record).entry(name) = register;
        if is_alive {
            self.restart_member(F::COLLECTION, name, wins);
        }
        changed
    }

    fn fields_operation<F: Fields>(&mut self, name: &[u8], action: Action) {
        if !self.create(F::KEY_TYPE) {
            return;
        }
        let (author, limits) = (self.author, self.limits);
        let mut register = std::mem::take(F::registers(self.record).entry(name));
        let restated = self.restated(register.version, false);
        self.with_fields(|fields: &mut F| {
            let (increments, cell) = (register.increments.grown(), &mut fields.cell(name, limits));
            increments.insert(author.origins, author.version, action, cell);
            if let Some(sleeps) = restated {
                increments.restate(author.origins, author.version, sleeps, cell);
            }
        });
        *F::registers(self.record).entry(name) = register;
        self.record.element_increments += 1;
        self.drop_empty();
    }

    fn fields_restate<F: Fields>(&mut self, name: &[u8]) {
        let (Author { origins, version, .. }, limits) = (self.author, self.limits);
        let Some(mut register) = F::registers(self.record).get_mut(name).map(std::mem::take) else { return };
        if let Some(sleeps) = self.restated(register.version, true)
            && let Some(increments) = register.increments.get_mut()
        {
            self.with_fields(|fields: &mut F| {
                increments.restate(origins, version, sleeps, &mut fields.cell(name, limits));
            });
        }
        *F::registers(self.record).entry(name) = register;
        self.drop_empty();
    }

    /// Clears elsewhere have cancelled increments in an element.
    pub(super) fn cancel_in_field<F: Fields>(&mut self, name: &[u8], cancelled: &[Cancellation]) {
        let limits = self.limits;
        let mut field = std::mem::take(F::registers(self.record).entry(name));
        match field.increments.get_mut().filter(|_| self.has::<F>()) {
            Some(increments) => {
                self.with_fields(|fields: &mut F| increments.cancel(cancelled, &mut fields.cell(name, limits)));
            }
            None => field.increments.note_cancelled(cancelled),
        }
        *F::registers(self.record).entry(name) = field;
        self.drop_empty();
    }

    /// A deadline of an element came into force at this point.
    pub(super) fn field_dies<F: Fields>(&mut self, name: &[u8], at: Version) {
        let (origins, limits) = (self.author.origins, self.limits);
        let mut field = F::registers(self.record).get_mut(name).map(std::mem::take);
        if field.as_ref().and_then(|field| field.version).is_none_or(|written| !origins.newer(written, at))
            && self.has::<F>()
        {
            self.with_fields(|fields: &mut F| {
                fields.remove(name);
                if let Some(increments) = field.as_mut().and_then(|field| field.increments.get_mut()) {
                    increments.cut(origins, at, Cause::Expiry);
                    increments.restart(&mut fields.cell(name, limits));
                }
            });
        }
        if let Some(field) = field {
            *F::registers(self.record).entry(name) = field;
        }
    }

    pub(super) fn redo_increments<F: Fields>(&mut self) {
        let limits = self.limits;
        let mut registers = std::mem::take(F::registers(self.record));
        for (name, field) in registers.iter_mut() {
            if let Some(increments) = field.increments.get_mut().filter(|increments| !increments.is_idle()) {
                self.with_fields(|fields: &mut F| increments.restart(&mut fields.cell(name, limits)));
            }
        }
        *F::registers(self.record) = registers;
        self.drop_empty();
    }

    fn has<F: Fields>(&self) -> bool {
        self.key_type() == Some(F::KEY_TYPE)
    }

    /// The collection at the key, which may be new and empty.
    fn with_fields<F: Fields, R>(&mut self, f: impl FnOnce(&mut F) -> R) -> R {
        if let Some(mut entry) = self.table.find_mut(self.hash, self.key)
            && let Some(mut fields) = F::of(&mut entry)
        {
            return f(&mut fields);
        }
        let mut fields = F::default();
        let result = f(&mut fields);
        self.insert(fields.into_new());
        result
    }

    /// A cut's part in the collection. `base`: what it is now, but for elements that newer effects touched
    /// and increments that live on.
    pub(super) fn cut_fields<F: Fields>(&mut self, cut: Cut<'_>, base: Option<F>) {
        let (origins, limits, clear) = (self.author.origins, self.limits, self.record.clear);
        self.cut_lifetimes(F::COLLECTION, cut, base.as_ref().map(|base| base as &dyn Expiring));
        let mut registers = std::mem::take(F::registers(self.record));
        if cut.wins {
            registers.forget(|field| field.increments.is_empty() && !field.is_newer(cut, origins));
        }
        if !self.has::<F>() && base.is_none() && registers.values().all(|field| field.increments.is_idle()) {
            registers.retain(|_, field| !cut.wins || field.outlives(cut, origins));
        } else if cut.wins {
            let mut new = base.unwrap_or_default();
            self.with_fields(|fields: &mut F| {
                registers.retain(|name, field| field.cut(name, cut, fields, &mut new, origins, limits));
                *fields = new;
            });
        } else {
            self.with_fields(|fields: &mut F| {
                for (name, field) in registers.iter_mut() {
                    if let Some(increments) = field.increments.get_mut() {
                        let is_replaced = || field.version.is_some_and(|written| origins.newer(written, clear));
                        let cause = match cut.cause {
                            Cause::Restate { row, sleep } => Cause::Restate { row, sleep: sleep || is_replaced() },
                            cause => cause,
                        };
                        increments.thin(origins, cut.at, cause, &mut fields.cell(name, limits));
                    }
                }
            });
        }
        *F::registers(self.record) = registers;
        self.drop_empty();
    }
}

/// Leaves a collection as it was below all increments.
pub(crate) fn take_back<F: Fields>(fields: &mut F, registers: &Elements<Field>, limits: &EncodingLimits) {
    registers.iter().for_each(|(name, field)| field.increments.take_back(&mut fields.cell(name, limits)));
}

/// The opposite: increments on top of a collection that is below them.
pub(crate) fn restart<F: Fields>(fields: &mut F, registers: &mut Elements<Field>, limits: &EncodingLimits) {
    for (name, field) in registers.iter_mut() {
        if let Some(increments) = field.increments.get_mut() {
            increments.restart(&mut fields.cell(name, limits));
        }
    }
}

/// The part of a collection that no register describes; `None` where that is nothing.
pub(crate) fn untouched<F: Fields + Clone>(fields: &F, record: &Record) -> Option<F> {
    let mut untouched = fields.clone();
    for (name, register) in record.lifetimes.of(F::COLLECTION) {
        untouched.set_deadline_ms(name, register.writes()[0].deadline_ms);
    }
    let touched = F::registers_of(record).iter().filter(|(_, field)| field.version.is_some());
    for (name, _) in touched {
        untouched.remove(name);
    }
    (!untouched.is_empty()).then_some(untouched)
}

impl Field {
    /// Notes a write. False where a newer one is known.
    fn raise(&mut self, author: Author<'_>) -> bool {
        let loses = self.version.is_some_and(|newest| author.is_older_than(newest));
        if !loses {
            self.version = Some(author.version);
        }
        !loses
    }

    /// Writes the register, and the element in the collection where it wins; where it loses it still cancels the
    /// increments that its author had seen. Returns whether it wins, and whether the element has come (`value`) or gone (none).
    fn write<F: Fields>(
        &mut self,
        name: &[u8],
        value: Option<F::Value<'_>>,
        is_alive: bool,
        author: Author<'_>,
        fields: &mut F,
        limits: &EncodingLimits,
    ) -> (bool, bool) {
        let clear = Cause::Clear(author.row);
        let wins = is_alive && self.raise(author);
        let change = |fields: &mut F| match value {
            Some(value) => fields.insert(name, value, limits),
            None => fields.remove(name),
        };
        let changed = match self.increments.get_mut() {
            None => wins && change(fields),
            Some(increments) => {
                let was_there = fields.contains(name);
                if wins {
                    increments.cut(author.origins, author.version, clear);
                    change(fields);
                    increments.restart(&mut fields.cell(name, limits));
                } else {
                    increments.thin(author.origins, author.version, clear, &mut fields.cell(name, limits));
                }
                was_there != fields.contains(name)
            }
        };
        self.increments.note_assumed(author.version, author.row);
        (wins, changed)
    }

    fn is_newer(&self, cut: Cut<'_>, origins: &Origins) -> bool {
        self.version.is_some_and(|version| origins.newer(version, cut.at))
    }

    /// The same of an element that is not there: is it still to be remembered?
    fn outlives(&mut self, cut: Cut<'_>, origins: &Origins) -> bool {
        if !self.is_newer(cut, origins) {
            self.version = None;
        }
        self.version.is_some() || !self.increments.is_empty()
    }

    /// What becomes of this element on the way from the `old` collection to the `new` one, which holds the base.
    /// False where nothing is left to remember.
    fn cut<F: Fields>(
        &mut self,
        name: &[u8],
        cut: Cut<'_>,
        old: &mut F,
        new: &mut F,
        origins: &Origins,
        limits: &EncodingLimits,
    ) -> bool {
        if self.is_newer(cut, origins) {
            if let Some(increments) = self.increments.get_mut() {
                increments.thin(origins, cut.at, cut.cause, &mut old.cell(name, limits));
            }
            old.with_value(name, |value| match value {
                Some(value) => new.insert(name, value, limits),
                None => new.remove(name),
            });
            new.set_deadline_ms(name, None);
            return true;
        }
        self.version = None;
        let Some(increments) = self.increments.get_mut() else { return false };
        increments.cut(origins, cut.at, cut.cause);
        increments.restart(&mut new.cell(name, limits));
        !increments.is_empty()
    }
}
