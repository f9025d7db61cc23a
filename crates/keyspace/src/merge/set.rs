//! Sets: the newest effect on each member wins.

use super::ahead::change_each;
use super::{Cut, Merge, Parts};
use crate::KeyType;
use crate::elements::Elements;
use crate::entry::{NewValue, ValueRef};
use crate::merge::Author;
use crate::table::KeyHasher;
use crate::version::Version;
use effect::Collection;
use values::{Expiring, Prefetch, Set};

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// Members join. Returns how many are new.
    pub(crate) fn set_add<'m>(&mut self, members: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        let limits = self.limits;
        if !self.is_plain() {
            return self.with_record(|parts| parts.set_add(members));
        }
        let author = self.author;
        let mut entry = self.plain_entry(KeyType::Set, || NewValue::Set(Set::new()));
        let Some(mut set) = entry.set_mut() else { return 0 };
        let added = change_each(&mut *set, members, fetch, |set, member| {
            set.set_deadline_ms(member, None);
            set.insert(member, limits)
        });
        drop(set);
        author.stamp(&mut entry);
        added
    }

    /// Members leave. Returns how many were there. An empty set is no key.
    pub(crate) fn set_remove<'m>(&mut self, members: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        if !self.is_plain() {
            return self.with_record(|parts| parts.set_remove(members));
        }
        let Some(mut entry) = self.entry_mut() else { return 0 };
        let Some(mut set) = entry.set_mut() else { return 0 };
        let removed = change_each(&mut *set, members, fetch, Set::remove);
        let is_empty = set.is_empty();
        drop(set);
        if is_empty {
            self.database.table.remove(self.hash, self.key);
        } else {
            self.stamp();
        }
        removed
    }
}

impl<H: KeyHasher> Parts<'_, '_, H> {
    fn set_add<'m>(&mut self, members: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        if !self.create(KeyType::Set) || !self.admits_addition() {
            return 0;
        }
        let limits = self.limits;
        if !self.has_deadlines(Collection::Set) {
            let added = self.write_members(members, |set, member| set.insert(member, limits));
            self.drop_empty();
            return added;
        }
        let mut added = 0;
        for member in members {
            let wins = note_member(&mut self.record.members, member, self.author);
            if wins {
                let was_due = self.is_due(Collection::Set, member);
                added += (self.with_set(|set| set.insert(member, limits)) || was_due) as usize;
            }
            self.restart_member(Collection::Set, member, wins);
        }
        added
    }

    fn set_remove<'m>(&mut self, members: impl Iterator<Item = &'m [u8]> + Clone) -> usize {
        let dead = self.record.creations.newest_of_others(KeyType::Set, self.author.origins);
        if !self.author.is_newer_than(self.record.clear) || !self.author.is_newer_than(dead) {
            return 0;
        }
        let mut removed = 0;
        if self.key_type() == Some(KeyType::Set) && !self.has_deadlines(Collection::Set) {
            removed = self.write_members(members, Set::remove);
        } else {
            for member in members {
                let wins = note_member(&mut self.record.members, member, self.author);
                let was_due = self.is_due(Collection::Set, member);
                self.restart_member(Collection::Set, member, wins);
                if wins
                    && let Some(mut entry) = self.table.find_mut(self.hash, self.key)
                    && let Some(mut set) = entry.set_mut()
                {
                    removed += (set.remove(member) && !was_due) as usize;
                }
            }
        }
        self.drop_empty();
        removed
    }

    /// Writes the registers of members of which none has a deadline, and changes the set where this wins. Returns how many
    /// of these changes were any.
    fn write_members<'m>(
        &mut self,
        members: impl Iterator<Item = &'m [u8]> + Clone,
        change: impl Fn(&mut Set, &[u8]) -> bool,
    ) -> usize {
        let author = self.author;
        let mut registers = std::mem::take(&mut self.record.members);
        registers.reserve(&members);
        let changed = self.with_set(|set| {
            change_each(set, members, fetch, |set, member| {
                note_member(&mut registers, member, author) && change(set, member)
            })
        });
        self.record.members = registers;
        changed
    }

    /// The set at the key, which may be new and empty.
    fn with_set<R>(&mut self, f: impl FnOnce(&mut Set) -> R) -> R {
        if let Some(mut entry) = self.table.find_mut(self.hash, self.key)
            && let Some(mut set) = entry.set_mut()
        {
            return f(&mut set);
        }
        let mut set = Set::new();
        let result = f(&mut set);
        self.insert(NewValue::Set(set));
        result
    }

    /// A cut's part in the set. `base`: what the set is now, but for members that newer effects touched.
    pub(super) fn cut_set(&mut self, cut: Cut<'_>, base: Option<Set>) {
        if !cut.wins {
            return;
        }
        let origins = self.author.origins;
        self.cut_lifetimes(Collection::Set, cut, base.as_ref().map(|base| base as &dyn Expiring));
        self.record.members.forget(|member| !origins.newer(*member, cut.at));
        let old = match self.table.find_mut(self.hash, self.key) {
            Some(mut entry) => entry.set_mut().map(|mut set| std::mem::take(&mut *set)),
            None => None,
        };
        if old.is_none() && base.is_none() {
            return;
        }
        let mut set = base.unwrap_or_default();
        for member in self.record.members.names() {
            if old.as_ref().is_some_and(|old| old.contains(member)) {
                set.insert(member, self.limits);
                set.set_deadline_ms(member, None);
            } else {
                set.remove(member);
            }
        }
        self.with_set(|place| *place = set);
        self.drop_empty();
    }

    /// An empty collection is no key.
    pub(super) fn drop_empty(&mut self) {
        let is_empty = self.table.seek(self.hash, self.key).is_some_and(|entry| match entry.value() {
            ValueRef::Set(set) => set.is_empty(),
            ValueRef::Hash(hash) => hash.is_empty(),
            ValueRef::List(list) => list.is_empty(),
            ValueRef::SortedSet(set) => set.is_empty(),
            ValueRef::Int(_) | ValueRef::Bytes(_) | ValueRef::Stream(_) => false,
        });
        if is_empty {
            self.table.remove(self.hash, self.key);
        }
    }
}

/// See `change_each`.
fn fetch(set: &Set, member: &&[u8], step: Prefetch) -> bool {
    set.view().prefetch(member, step)
}

/// Writes the register of a member. False where a newer effect has done so.
fn note_member(registers: &mut Elements<Version>, member: &[u8], author: Author<'_>) -> bool {
    let register = registers.entry(member);
    let wins = !author.is_older_than(*register);
    if wins {
        *register = author.version;
    }
    wins
}
