//! Registers by the name of an element: a member of a set, a field of a hash.

use hashbrown::HashTable;
use smallvec::SmallVec;

/// Names of keys and elements are mostly short, and then have no memory of their own.
pub(crate) type Name = SmallVec<[u8; 16]>;

/// One register behind the other, as they came, and an index beside: what a command does to very many elements goes through
/// memory from one end to the other. Where there is none it takes no more than a word.
#[derive(Clone, Debug)]
pub(crate) struct Elements<V>(Option<Box<Registers<V>>>);

#[derive(Clone, Debug)]
struct Registers<V> {
    list: Vec<(Name, V)>,
    /// Places in the list; of all, or without room for any where they are few.
    index: HashTable<u32>,
}

/// So many are looked through without an index.
const FEW: usize = 8;

impl<V> Default for Elements<V> {
    fn default() -> Elements<V> {
        Elements(None)
    }
}

impl<V> Default for Registers<V> {
    fn default() -> Registers<V> {
        Registers { list: Vec::new(), index: HashTable::new() }
    }
}

impl<V> Registers<V> {
    fn find(&self, name: &[u8]) -> Option<usize> {
        if self.index.is_empty() {
            return self.list.iter().position(|(there, _)| **there == *name);
        }
        let is_of = |place: &u32| *self.list[*place as usize].0 == *name;
        self.index.find(stdx::hash::hash(name), is_of).map(|place| *place as usize)
    }

    /// Of an element that has none yet; returns its place.
    fn push(&mut self, name: &[u8], value: V) -> usize {
        let place = self.list.len();
        self.list.push((Name::from_slice(name), value));
        if place < self.index.capacity() {
            self.note(place);
        } else if place >= FEW {
            self.index_anew(2 * place);
        }
        place
    }

    /// There is room for it.
    fn note(&mut self, place: usize) {
        let hash = |place: u32| stdx::hash::hash(&self.list[place as usize].0);
        self.index.insert_unique(hash(place as u32), place as u32, |place| hash(*place));
    }

    /// With room for so many. Never left to the index itself, which would look for the names in its own order.
    fn index_anew(&mut self, count: usize) {
        self.index = HashTable::with_capacity(if count > FEW { count } else { 0 });
        if count > FEW {
            (0..self.list.len()).for_each(|place| self.note(place));
        }
    }
}

impl<V> Elements<V> {
    fn list(&self) -> &[(Name, V)] {
        self.0.as_ref().map_or(&[], |registers| &registers.list)
    }

    fn list_mut(&mut self) -> &mut [(Name, V)] {
        self.0.as_mut().map_or(&mut [], |registers| &mut registers.list)
    }

    pub(crate) fn len(&self) -> usize {
        self.list().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&V> {
        let registers = self.0.as_ref()?;
        Some(&registers.list[registers.find(name)?].1)
    }

    pub(crate) fn get_mut(&mut self, name: &[u8]) -> Option<&mut V> {
        let registers = self.0.as_mut()?;
        let place = registers.find(name)?;
        Some(&mut registers.list[place].1)
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|registers| registers.find(name).is_some())
    }

    /// The register of an element, which may be new.
    pub(crate) fn entry(&mut self, name: &[u8]) -> &mut V
    where
        V: Default,
    {
        let registers = self.0.get_or_insert_default();
        let place = registers.find(name).unwrap_or_else(|| registers.push(name, V::default()));
        &mut registers.list[place].1
    }

    pub(crate) fn insert(&mut self, name: &[u8], value: V) {
        match self.get_mut(name) {
            Some(register) => *register = value,
            None => drop(self.0.get_or_insert_default().push(name, value)),
        }
    }

    /// In the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        self.list().iter().map(|(name, value)| (&**name, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&[u8], &mut V)> {
        self.list_mut().iter_mut().map(|(name, value)| (&**name, value))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().map(|(name, _)| name)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&[u8], &mut V) -> bool) {
        let Some(registers) = &mut self.0 else { return };
        let before = registers.list.len();
        registers.list.retain_mut(|(name, value)| keep(name, value));
        let left = registers.list.len();
        if left == 0 {
            self.0 = None;
        } else if left < before {
            registers.index_anew(left);
        }
    }

    /// So many elements will come: where none is there yet they get their places at once.
    pub(crate) fn reserve(&mut self, elements: &(impl Iterator + Clone)) {
        if self.is_empty() {
            let count = elements.clone().count();
            let registers = self.0.get_or_insert_default();
            registers.list.reserve_exact(count);
            registers.index_anew(count);
        }
    }
}

impl<V: Send + 'static> Elements<V> {
    /// Drops the registers of which nothing is to be known any more; very many of them, where none stays, elsewhere.
    pub(crate) fn forget(&mut self, is_forgotten: impl Fn(&V) -> bool) {
        const MANY: usize = 1000;
        if self.len() >= MANY && self.values().all(&is_forgotten) {
            stdx::discard(std::mem::take(self));
        } else {
            self.retain(|_, register| !is_forgotten(register));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Reserve(usize),
        Entry(u8, u32),
        Insert(u8, u32),
        Forget(u32),
    }

    fn name(n: u8) -> Vec<u8> {
        // Some are longer than what has no memory of its own.
        n.to_string().repeat(1 + n as usize % 12).into_bytes()
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => (1usize..100).prop_map(Step::Reserve),
            20 => (0u8..60, 0u32..10).prop_map(|(n, value)| Step::Entry(n, value)),
            10 => (0u8..60, 0u32..10).prop_map(|(n, value)| Step::Insert(n, value)),
            2 => (0u32..10).prop_map(Step::Forget),
        ]
    }

    proptest! {
        #[test]
        fn is_a_map(steps in prop::collection::vec(step(), 0..200)) {
            let (mut elements, mut model) = (Elements::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Reserve(count) => elements.reserve(&(0..count)),
                    Step::Entry(n, value) => {
                        *elements.entry(&name(n)) += value;
                        *model.entry(name(n)).or_insert(0) += value;
                    }
                    Step::Insert(n, value) => {
                        elements.insert(&name(n), value);
                        model.insert(name(n), value);
                    }
                    Step::Forget(value) => {
                        elements.forget(|there| there % 10 == value);
                        model.retain(|_, there| *there % 10 != value);
                    }
                }
                prop_assert_eq!(elements.len(), model.len());
                for n in 0..60 {
                    prop_assert_eq!(elements.get(&name(n)), model.get(&name(n)));
                    prop_assert_eq!(elements.contains(&name(n)), model.contains_key(&name(n)));
                }
                let all: BTreeMap<Vec<u8>, u32> = elements.iter().map(|(name, value)| (name.to_vec(), *value)).collect();
                prop_assert_eq!(&all, &model);
            }
        }
    }

    #[test]
    fn very_many_go_at_once() {
        let mut elements = Elements::default();
        (0u32..5000).for_each(|n| *elements.entry(&n.to_le_bytes()) = n);
        elements.forget(|n| *n < 10);
        assert_eq!(elements.len(), 4990);
        assert_eq!(elements.get(&77u32.to_le_bytes()), Some(&77));
        elements.forget(|_| true);
        assert!(elements.is_empty());
    }
}
