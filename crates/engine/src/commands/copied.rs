//! What long commands work on: copies of collections, which share everything with them until somebody writes.

use keyspace::{KeyType, Txn, View};
use values::{Element, Hash, HashRef, List, Prefetch, Set, SetRef, SortedSet};

/// A copy of what was at a key.
#[derive(Clone)]
pub(super) enum Copied {
    Nothing,
    Set(Set),
    Hash(Hash),
    SortedSet(SortedSet),
    List(List),
}

/// What an element has beside it.
#[derive(Clone, Copy)]
pub(super) enum Beside<'a> {
    Nothing,
    Value(Element<'a>),
    Score(f64),
}

/// A set, a hash or a sorted set, wherever it is.
#[derive(Clone, Copy)]
pub(super) enum Elements<'a> {
    Set(SetRef<'a>),
    Hash(HashRef<'a>),
    SortedSet(&'a SortedSet),
}

impl Elements<'_> {
    pub(super) fn len(self) -> usize {
        match self {
            Elements::Set(set) => set.len(),
            Elements::Hash(hash) => hash.len(),
            Elements::SortedSet(set) => set.len(),
        }
    }

    pub(super) fn to_copy(self) -> Copied {
        match self {
            Elements::Set(set) => Copied::Set(set.contents()),
            Elements::Hash(hash) => Copied::Hash(hash.contents()),
            Elements::SortedSet(set) => Copied::SortedSet(set.clone()),
        }
    }

    /// As SSCAN and its kin do: gives about `count` elements, and returns the next cursor.
    pub(super) fn scan(self, cursor: u64, count: usize, mut f: impl FnMut(&[u8], Beside<'_>)) -> u64 {
        match self {
            Elements::Set(set) => set.scan(cursor, count, |member| f(member, Beside::Nothing)),
            Elements::Hash(hash) => {
                hash.scan(cursor, count, |field, value| f(field, Beside::Value(Element::Bytes(value))))
            }
            Elements::SortedSet(set) => set.scan(cursor, count, |member, score| f(member, Beside::Score(score))),
        }
    }
}

impl Copied {
    /// Starts to load what it takes to remove an element.
    fn prefetch(&self, element: &[u8], step: Prefetch) {
        match self {
            Copied::Set(set) => _ = set.view().prefetch(element, step),
            Copied::Hash(hash) => _ = hash.view().prefetch(element, step),
            Copied::SortedSet(set) => _ = set.prefetch(element, step),
            Copied::Nothing | Copied::List(_) => {}
        }
    }

    /// What it is a copy of.
    pub(super) fn elements(&self) -> Option<Elements<'_>> {
        match self {
            Copied::Set(set) => Some(Elements::Set(set.view())),
            Copied::Hash(hash) => Some(Elements::Hash(hash.view())),
            Copied::SortedSet(set) => Some(Elements::SortedSet(set)),
            Copied::Nothing | Copied::List(_) => None,
        }
    }

    /// `None`: what is there has no elements.
    pub(super) fn of(view: &View<'_>, key: &[u8]) -> Option<Copied> {
        Some(match view.type_of(key) {
            None => Copied::Nothing,
            Some(KeyType::Set) => Copied::Set(view.set(key).ok()??.contents()),
            Some(KeyType::Hash) => Copied::Hash(view.hash(key).ok()??.contents()),
            Some(KeyType::SortedSet) => Copied::SortedSet(view.sorted_set(key).ok()??.clone()),
            Some(KeyType::List) => Copied::List(view.list(key).ok()??.clone()),
            Some(KeyType::String | KeyType::Stream) => return None,
        })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Copied::Nothing => 0,
            Copied::Set(set) => set.len(),
            Copied::Hash(hash) => hash.len(),
            Copied::SortedSet(set) => set.len(),
            Copied::List(list) => list.len(),
        }
    }

    /// Is that still what is at `key`?
    pub(super) fn is_at(&self, view: &View<'_>, key: &[u8]) -> bool {
        match self {
            Copied::Nothing => view.is_set(key, None),
            Copied::Set(set) => view.is_set(key, Some(set)),
            Copied::SortedSet(set) => view.is_sorted_set(key, Some(set)),
            Copied::List(list) => view.is_list(key, Some(list)),
            Copied::Hash(hash) => view.is_hash(key, Some(hash)),
        }
    }

    /// Gives about `count` elements from `place` on, where 0 is the beginning; returns the place of the next one, 0 at the end.
    pub(super) fn walk(&self, place: u64, count: usize, mut f: impl FnMut(Element<'_>, Beside<'_>)) -> u64 {
        let start = place as usize;
        let after = |len: usize| if start + count < len { (start + count) as u64 } else { 0 };
        match self {
            Copied::Nothing => 0,
            Copied::Set(_) | Copied::Hash(_) => {
                let scan = |elements: Elements<'_>| {
                    elements.scan(place, count, |element, beside| f(Element::Bytes(element), beside))
                };
                self.elements().map_or(0, scan)
            }
            Copied::SortedSet(set) => {
                set.range(start..start + count).for_each(|(member, score)| f(member, Beside::Score(score)));
                after(set.len())
            }
            Copied::List(list) => {
                list.iter_from(start).take(count).for_each(|element| f(element, Beside::Nothing));
                after(list.len())
            }
        }
    }

    /// One element, uniformly at random; nothing of a list.
    pub(super) fn random(&self, dice: impl FnMut(usize) -> usize, f: impl FnOnce(Element<'_>, Beside<'_>)) {
        match self {
            Copied::Nothing | Copied::List(_) => {}
            Copied::Set(set) => {
                set.view().random(dice, |member| f(Element::Bytes(member), Beside::Nothing));
            }
            Copied::Hash(hash) => {
                hash.view().random(dice, |field, value| f(Element::Bytes(field), Beside::Value(Element::Bytes(value))));
            }
            Copied::SortedSet(set) => {
                if let Some((member, score)) = set.random(dice) {
                    f(member, Beside::Score(score));
                }
            }
        }
    }
}

/// A set, a hash or a sorted set which is changed in slices.
pub(super) struct Remainder {
    pub(super) before: Copied,
    pub(super) rest: Copied,
    /// Parts of `rest` that nobody shares any more: one after the other, as the first removals would touch them all.
    parts: usize,
}

impl Remainder {
    /// `None` where that cannot be: somebody wants to know more of it than that it was done, or there are deadlines of elements.
    pub(super) fn of(txn: &Txn<'_>, key: &[u8]) -> Option<Remainder> {
        let before = Copied::of(txn, key)?;
        if txn.keeps_effects() || txn.has_member_deadlines(key) {
            return None;
        }
        Some(Remainder { rest: before.clone(), before, parts: 0 })
    }

    /// The same of a collection of the type of `empty`, which stands for an absent one, too.
    pub(super) fn or_empty(txn: &Txn<'_>, key: &[u8], empty: fn() -> Copied) -> Option<Remainder> {
        let mut remainder = Remainder::of(txn, key)?;
        if matches!(remainder.before, Copied::Nothing) {
            remainder.rest = empty();
        }
        let is_right = std::mem::discriminant(&remainder.rest) == std::mem::discriminant(&empty());
        is_right.then_some(remainder)
    }

    /// Makes one more part of what is left its own. False where there is none any more: then elements may be removed.
    pub(super) fn unshare(&mut self) -> bool {
        let is_there = match &mut self.rest {
            Copied::Set(set) => set.unshare(self.parts),
            Copied::Hash(hash) => hash.unshare(self.parts),
            Copied::SortedSet(set) => set.unshare(self.parts),
            Copied::Nothing | Copied::List(_) => false,
        };
        self.parts += usize::from(is_there);
        is_there
    }

    /// Takes those out of about `count` elements from `place` on that `is_taken` says; returns the place of the next one.
    pub(super) fn take_some(&mut self, place: u64, count: usize, mut is_taken: impl FnMut(&[u8]) -> bool) -> u64 {
        let Remainder { before, rest, .. } = self;
        for step in [Prefetch::Bucket, Prefetch::Entries] {
            before.walk(place, count, |element, _| element.with_bytes(|element| rest.prefetch(element, step)));
        }
        before.walk(place, count, |element, _| {
            element.with_bytes(|element| match rest {
                _ if !is_taken(element) => {}
                Copied::Set(set) => _ = set.remove(element),
                Copied::SortedSet(set) => _ = set.remove(element),
                _ => {}
            });
        })
    }

    /// Puts what is left in place. False where something else is there by now.
    pub(super) fn put_in_place(&mut self, txn: &mut Txn<'_>, key: &[u8]) -> bool {
        let is_possible = !txn.keeps_effects() && self.before.is_at(txn, key);
        if is_possible {
            match std::mem::replace(&mut self.rest, Copied::Nothing) {
                Copied::Set(set) => txn.keep_of_set(key, set),
                Copied::Hash(hash) => txn.keep_of_hash(key, hash),
                Copied::SortedSet(set) => txn.keep_of_sorted_set(key, set),
                Copied::Nothing | Copied::List(_) => {}
            }
        }
        is_possible
    }
}
