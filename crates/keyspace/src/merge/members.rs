//! Deadlines of elements: registers as those of keys are, one for each element.
//!
//! A deadline that comes is a removal of the element at that point in the order of effects; until nothing that old
//! can arrive any more the element is only hidden. Rules work on the collection with everything in sight.

use super::operations::Horizon;
use super::{Cut, Merge, Parts};
use crate::KeyType;
use crate::deadlines::{Deadlines, Death, stamp_of};
use crate::entry::ValueRef;
use crate::table::KeyHasher;
use crate::version::Version;
use effect::Collection;
use values::{Expiring, Hash, SortedSet};

/// What has become of a collection that had elements past their deadline.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expired {
    pub(crate) members: usize,
    /// Nothing is left of it in sight.
    pub(crate) is_gone: bool,
}

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// Writes the deadline registers of elements, whether or not they are there.
    pub(crate) fn expire_members<'m>(
        &mut self,
        collection: Collection,
        members: impl Iterator<Item = &'m [u8]>,
        deadline_ms: Option<u64>,
    ) {
        if !self.is_plain() {
            return self.with_record(|parts| parts.expire_members(collection, members, deadline_ms));
        }
        if self.entry().is_none_or(|entry| entry.key_type() != collection.into()) {
            return;
        }
        if let Some(mut entry) = self.entry_mut() {
            entry.change_deadlines(|elements| {
                members.for_each(|member| elements.set_deadline_ms(member, deadline_ms));
            });
        }
        self.note_deadlines();
        self.stamp();
    }

    /// The collection may have got an earlier deadline.
    pub(crate) fn note_deadlines(&mut self) {
        if let Some(deadline_ms) = self.entry().and_then(|entry| entry.expiring()?.earliest_deadline_ms()) {
            self.database.agenda.note(self.key, deadline_ms);
        }
    }

    /// An element was written anew, with this deadline.
    pub(crate) fn begin_member_life(&mut self, collection: Collection, member: &[u8], deadline_ms: Option<u64>) {
        if self.is_plain() {
            return self.expire_members(collection, std::iter::once(member), deadline_ms);
        }
        self.with_record(|parts| {
            let author = parts.author;
            let dead = parts.record.creations.newest_of_others(collection.into(), author.origins);
            if !author.is_older_than(parts.record.clear) && author.is_newer_than(dead) {
                parts.register(collection, member).restart(author.origins, author.version, deadline_ms);
            }
        });
    }

    /// Where the key came from nobody knew yet that an element's deadline had come into force.
    pub(crate) fn expire_member(&mut self, collection: Collection, member: &[u8], death: Death) {
        self.with_record(|parts| {
            let origins = parts.author.origins;
            // At the clear itself where the deadline was past by then (COPY of what is out of sight).
            if !origins.newer(parts.record.clear, death.at) {
                parts.register(collection, member).die(origins, death);
                parts.member_dies(collection, member, death.at);
                parts.drop_empty();
            }
        });
    }

    /// Elements past their deadline go out of sight; without other writers for good.
    pub(crate) fn hide_due(&mut self) -> Expired {
        let now_ms = self.author.access.now_ms;
        let is_plain = self.is_plain();
        let Some(mut entry) = self.entry_mut() else { return Expired::default() };
        let earliest_ms = entry.expiring().and_then(|elements| elements.earliest_deadline_ms());
        if earliest_ms.is_none_or(|deadline_ms| deadline_ms > now_ms) {
            self.note_deadlines();
            return Expired::default();
        }
        let members = entry.change_deadlines(|elements| match is_plain {
            true => elements.remove_due(now_ms),
            false => elements.hide_due(now_ms),
        });
        let members = members.unwrap_or(0);
        let is_gone = entry.is_hollow();
        if !is_plain {
            self.with_record(|_| ());
        } else if is_gone {
            self.database.table.remove(self.hash, self.key);
        } else {
            self.note_deadlines();
        }
        Expired { members, is_gone }
    }

    /// What is hidden is right for the time of the author.
    pub(crate) fn present(&mut self) {
        self.with_record(|_| ());
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    fn expire_members<'m>(
        &mut self,
        collection: Collection,
        members: impl Iterator<Item = &'m [u8]>,
        deadline_ms: Option<u64>,
    ) {
        let author = self.author;
        let dead = self.record.creations.newest_of_others(collection.into(), author.origins);
        if author.is_newer_than(self.record.clear) && author.is_newer_than(dead) {
            for member in members {
                self.register(collection, member).write(author.origins, author.version, deadline_ms);
            }
        }
    }

    /// The register of an element; a new one begins with what the element has.
    fn register(&mut self, collection: Collection, member: &[u8]) -> &mut Deadlines {
        if self.record.lifetimes.get(collection, member).is_none() {
            let written = self.record.written(collection, member);
            let deadline_ms = self.elements(collection).and_then(|elements| elements.deadline_ms(member));
            let register = Deadlines::new(written.unwrap_or(self.record.clear), deadline_ms);
            self.record.lifetimes.insert(collection, member, register);
        }
        self.record.lifetimes.get_mut(collection, member).expect("there, or just inserted")
    }

    /// An element is written or removed: whatever deadline it had belonged to what was there before. `wins`: nothing
    /// newer was written.
    pub(super) fn restart_member(&mut self, collection: Collection, member: &[u8], wins: bool) {
        let author = self.author;
        if let Some(register) = self.record.lifetimes.get_mut(collection, member) {
            register.restart(author.origins, author.version, None);
        } else if wins && self.elements(collection).is_some() {
            self.with_elements(collection, |elements| elements.set_deadline_ms(member, None));
        }
    }

    /// A cut's part in the registers; `base`: the collection as it is now.
    pub(super) fn cut_lifetimes(&mut self, collection: Collection, cut: Cut<'_>, base: Option<&dyn Expiring>) {
        if cut.wins {
            let origins = self.author.origins;
            self.record.lifetimes.retain(collection, |member, register| {
                register.restart(origins, cut.at, base.and_then(|base| base.deadline_ms(member)));
                origins.newer(register.newest().version, cut.at)
            });
        }
    }

    /// May elements have deadlines?
    pub(super) fn has_deadlines(&self, collection: Collection) -> bool {
        let has = |elements: &dyn Expiring| elements.has_deadlines() || elements.has_hidden();
        self.record.lifetimes.len(collection) > 0 || self.elements(collection).is_some_and(has)
    }

    /// The elements, where any may have deadlines.
    fn elements(&self, collection: Collection) -> Option<&dyn Expiring> {
        let entry = self.table.find(self.hash, self.key)?;
        entry.expiring().filter(|_| entry.key_type() == collection.into())
    }

    fn with_elements<R>(&mut self, collection: Collection, f: impl FnOnce(&mut dyn Expiring) -> R) -> Option<R> {
        let mut entry = self.table.find_mut(self.hash, self.key)?;
        if entry.key_type() != collection.into() {
            return None;
        }
        entry.change_deadlines(f)
    }

    /// Is the element past its deadline, as the author sees it? Then it is as good as not there.
    pub(super) fn is_due(&self, collection: Collection, member: &[u8]) -> bool {
        let now_ms = self.author.access.now_ms;
        let deadline_ms = self.elements(collection).and_then(|elements| elements.deadline_ms(member));
        deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms)
    }

    /// Is the element there, as the author sees it?
    fn is_in_sight(&self, collection: Collection, member: &[u8]) -> bool {
        let is_there = self.table.find(self.hash, self.key).is_some_and(|entry| match entry.value() {
            ValueRef::Set(set) => set.contains(member),
            ValueRef::Hash(hash) => hash.contains(member),
            ValueRef::SortedSet(set) => set.contains(member),
            _ => false,
        });
        is_there && !self.is_due(collection, member)
    }

    /// Deadlines that have been passed for good kill their elements; what is known of the registers is forgotten. Returns
    /// how many of them who looks finds changed: what kills an element in sight came before the newest write of its deadline.
    pub(super) fn settle_members(&mut self, horizon: &Horizon<'_>) -> usize {
        let mut changed = 0;
        for collection in crate::lifetimes::COLLECTIONS {
            let origins = self.author.origins;
            let mut died: Vec<(Box<[u8]>, Version)> = Vec::new();
            let due = self.elements(collection).map(|elements| {
                let due = elements.due(horizon.clock.ms()).into_iter();
                let due = due.filter_map(|member| elements.deadline_ms(&member).map(|at| (member, stamp_of(at))));
                due.collect::<Vec<_>>()
            });
            for (member, stamp) in due.into_iter().flatten() {
                let is_written = self.record.lifetimes.get(collection, &member).is_some();
                let cause = self.record.written(collection, &member).unwrap_or(self.record.clear);
                if !is_written && horizon.known(cause) {
                    died.push((member, Version { stamp, ..Version::ZERO }));
                } else {
                    // Who lacks the cause must be told of the death.
                    self.register(collection, &member);
                }
            }
            self.record.lifetimes.retain(collection, |member, register| {
                died.extend(register.settle(origins, horizon).map(|at| (member.into(), at)));
                true
            });
            let in_sight: Vec<bool> = died.iter().map(|(member, _)| self.is_in_sight(collection, member)).collect();
            for (member, at) in &died {
                self.member_dies(collection, member, *at);
            }
            let mut lifetimes = std::mem::take(&mut self.record.lifetimes);
            lifetimes.retain(collection, |member, register| {
                let deadline_ms = register.current();
                self.with_elements(collection, |elements| elements.set_deadline_ms(member, deadline_ms));
                // One without an element lies in wait for the next; so it would where increments are all there is.
                let field = match collection {
                    Collection::Set => None,
                    Collection::Hash => self.record.fields.get(member),
                    Collection::SortedSet => self.record.scores.get(member),
                };
                let is_counter = field.is_some_and(|field| !field.increments.is_idle());
                let there = self.elements(collection).and_then(|elements| elements.deadline_ms(member));
                !register.is_stable(horizon) || there != deadline_ms || (is_counter && deadline_ms.is_some())
            });
            self.record.lifetimes = lifetimes;
            let is_changed =
                |((member, _), was): &(&(Box<[u8]>, Version), bool)| *was || self.is_in_sight(collection, member);
            changed += died.iter().zip(in_sight).filter(is_changed).count();
        }
        self.drop_empty();
        changed
    }

    /// The deadline of an element came into force at this point; what is newer belongs to a new life of it.
    fn member_dies(&mut self, collection: Collection, member: &[u8], at: Version) {
        let origins = self.author.origins;
        match collection {
            Collection::Set => {
                if self.record.members.get(member).is_none_or(|written| !origins.newer(*written, at))
                    && let Some(mut entry) = self.table.find_mut(self.hash, self.key)
                    && let Some(mut set) = entry.set_mut()
                {
                    set.remove(member);
                }
            }
            Collection::Hash => self.field_dies::<Hash>(member, at),
            Collection::SortedSet => self.field_dies::<SortedSet>(member, at),
        }
    }

    /// Elements have the deadlines that their registers say, and those past them are hidden. Returns the next deadline,
    /// and the latest of what is hidden.
    pub(super) fn align_members(&mut self) -> (Option<u64>, Option<u64>) {
        let now_ms = self.author.access.now_ms;
        let Some(mut entry) = self.table.find_mut(self.hash, self.key) else { return (None, None) };
        let Some(collection) = entry.key_type().collection() else { return (None, None) };
        let lifetimes = &self.record.lifetimes;
        if lifetimes.len(collection) == 0 && entry.expiring().is_none() {
            self.record.hides = false;
            return (None, None);
        }
        let align = |elements: &mut dyn Expiring| {
            for (member, register) in lifetimes.of(collection) {
                elements.set_deadline_ms(member, register.current());
            }
            elements.hide_due(now_ms);
            (elements.earliest_deadline_ms(), elements.latest_hidden_ms())
        };
        let (earliest_ms, latest_hidden_ms) = entry.change_deadlines(align).unwrap_or_default();
        self.record.hides = latest_hidden_ms.is_some();
        (earliest_ms, latest_hidden_ms)
    }

    /// Before a rule: everything comes to light.
    pub(super) fn reveal_members(&mut self) {
        if self.record.hides
            && let Some(mut entry) = self.table.find_mut(self.hash, self.key)
        {
            entry.change_deadlines(|elements| elements.reveal(self.limits));
        }
    }
}

impl From<Collection> for KeyType {
    fn from(collection: Collection) -> KeyType {
        match collection {
            Collection::Set => KeyType::Set,
            Collection::Hash => KeyType::Hash,
            Collection::SortedSet => KeyType::SortedSet,
        }
    }
}
