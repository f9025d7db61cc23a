//! Lists.

use crate::Encoding;
use std::collections::VecDeque;

/// A sequence of byte strings.
#[derive(Clone, Debug, Default)]
pub struct List {
    elements: VecDeque<Box<[u8]>>,
}

impl List {
    pub fn new() -> List {
        List::default()
    }

    pub fn len(&self) -> usize {
        self.elements.len()
    }

    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    pub fn push_back(&mut self, element: &[u8]) {
        self.elements.push_back(element.into());
    }

    /// From head to tail.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.elements.iter().map(|element| &**element)
    }

    pub fn encoding(&self) -> Encoding {
        Encoding::Listpack
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        self.elements.iter().map(|element| element.len() + size_of::<Box<[u8]>>()).sum()
    }
}
