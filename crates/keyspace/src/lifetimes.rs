//! The deadline registers of the elements of one key.

use crate::deadlines::Deadlines;
use crate::elements::Elements;
use effect::Collection;

pub(crate) const COLLECTIONS: [Collection; 3] = [Collection::Set, Collection::Hash, Collection::SortedSet];

/// By collection and element: where the register was written lately. An element without one has had its deadline, or
/// none, since it was last written, or since the newest clear of the key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifetimes(Option<Box<[Elements<Deadlines>; COLLECTIONS.len()]>>);

fn index(collection: Collection) -> usize {
    collection as usize - 1
}

impl Lifetimes {
    pub(crate) fn of(&self, collection: Collection) -> impl Iterator<Item = (&[u8], &Deadlines)> {
        self.0.iter().flat_map(move |all| all[index(collection)].iter())
    }

    pub(crate) fn get(&self, collection: Collection, element: &[u8]) -> Option<&Deadlines> {
        self.0.as_ref()?[index(collection)].get(element)
    }

    pub(crate) fn get_mut(&mut self, collection: Collection, element: &[u8]) -> Option<&mut Deadlines> {
        self.0.as_mut()?[index(collection)].get_mut(element)
    }

    pub(crate) fn insert(&mut self, collection: Collection, element: &[u8], register: Deadlines) {
        self.0.get_or_insert_default()[index(collection)].insert(element, register);
    }

    pub(crate) fn retain(&mut self, collection: Collection, keep: impl FnMut(&[u8], &mut Deadlines) -> bool) {
        if let Some(all) = &mut self.0 {
            all[index(collection)].retain(keep);
            if all.iter().all(Elements::is_empty) {
                self.0 = None;
            }
        }
    }

    pub(crate) fn len(&self, collection: Collection) -> usize {
        self.0.as_ref().map_or(0, |all| all[index(collection)].len())
    }

    pub(crate) fn total(&self) -> usize {
        COLLECTIONS.into_iter().map(|collection| self.len(collection)).sum()
    }

    /// All registers of all collections.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Collection, &[u8], &Deadlines)> {
        COLLECTIONS
            .into_iter()
            .flat_map(|collection| self.of(collection).map(move |(element, register)| (collection, element, register)))
    }
}
