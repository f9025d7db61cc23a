//! Lists: a listpack while they are small, then a sequence of listpacks.

mod iter;
mod limit;
mod quicklist;

pub use iter::{ListIter, ListIterBack};

use crate::{Element, Encoding, EncodingLimits, Listpack};
use limit::NodeLimit;
use quicklist::Quicklist;
use std::ops::Range;

/// A sequence of byte strings, cheap to change at both ends. Grows from a listpack into a quicklist where Redis's would,
/// and shrinks back where Redis's would.
#[derive(Clone, Debug)]
pub struct List {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Listpack(Listpack),
    Quicklist(Box<Quicklist>),
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}

impl List {
    pub fn new() -> List {
        List { form: Form::Listpack(Listpack::new()) }
    }

    /// A list of these elements, in the encoding that is right for them.
    pub fn from_elements<'e>(elements: impl Iterator<Item = &'e [u8]> + Clone, limits: &EncodingLimits) -> List {
        let mut list = List::new();
        list.push_back(elements, limits);
        list.make_room(std::iter::empty(), &NodeLimit::of(limits));
        list
    }

    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Listpack(listpack) => listpack.len(),
            Form::Quicklist(quicklist) => quicklist.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match &self.form {
            Form::Listpack(listpack) => listpack.is_empty(),
            Form::Quicklist(quicklist) => quicklist.len() == 0,
        }
    }

    /// Elements go to the tail, one after the other.
    pub fn push_back<'e>(&mut self, elements: impl Iterator<Item = &'e [u8]> + Clone, limits: &EncodingLimits) {
        let limit = NodeLimit::of(limits);
        self.make_room(elements.clone(), &limit);
        match &mut self.form {
            Form::Listpack(listpack) => elements.for_each(|element| listpack.push(element)),
            Form::Quicklist(quicklist) => elements.for_each(|element| quicklist.push_back(element, &limit)),
        }
    }

    /// Elements go to the head, one after the other: the last one is the first element afterwards.
    pub fn push_front<'e>(&mut self, elements: impl Iterator<Item = &'e [u8]> + Clone, limits: &EncodingLimits) {
        let limit = NodeLimit::of(limits);
        self.make_room(elements.clone(), &limit);
        match &mut self.form {
            Form::Listpack(listpack) => elements.for_each(|element| listpack.push_front(element)),
            Form::Quicklist(quicklist) => elements.for_each(|element| quicklist.push_front(element, &limit)),
        }
    }

    /// The element becomes the one at `index`, which is at most the length.
    pub fn insert(&mut self, index: usize, element: &[u8], limits: &EncodingLimits) {
        let limit = NodeLimit::of(limits);
        self.make_room(std::iter::once(element), &limit);
        match &mut self.form {
            Form::Listpack(listpack) => {
                listpack.insert(listpack.offset_of(index).unwrap_or(listpack.end()), element);
            }
            Form::Quicklist(quicklist) => quicklist.insert(index, element, &limit),
        }
    }

    /// Another element takes the place of the one at `index`. False where there is none.
    pub fn replace(&mut self, index: usize, element: &[u8], limits: &EncodingLimits) -> bool {
        if index >= self.len() {
            return false;
        }
        let limit = NodeLimit::of(limits);
        self.make_room(std::iter::once(element), &limit);
        match &mut self.form {
            Form::Listpack(listpack) => {
                if let Some(offset) = listpack.offset_of(index) {
                    listpack.replace(offset, element);
                }
            }
            Form::Quicklist(quicklist) => quicklist.replace(index, element, &limit),
        }
        self.shrink(&limit);
        true
    }

    /// Removes the elements at these indexes: ascending ranges that do not touch, as far as there are elements.
    pub fn remove(&mut self, ranges: &[Range<usize>], limits: &EncodingLimits) {
        let limit = NodeLimit::of(limits);
        match &mut self.form {
            Form::Listpack(listpack) => {
                for range in ranges.iter().rev() {
                    if let Some(offset) = listpack.offset_of(range.start) {
                        listpack.remove(offset, range.len());
                    }
                }
            }
            Form::Quicklist(quicklist) => quicklist.remove(ranges),
        }
        self.shrink(&limit);
    }

    #[inline]
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        match &self.form {
            Form::Listpack(listpack) => listpack.get(listpack.offset_of(index)?),
            Form::Quicklist(quicklist) => quicklist.get(index),
        }
    }

    /// From head to tail.
    pub fn iter(&self) -> ListIter<'_> {
        self.iter_from(0)
    }

    /// From the element at `index` to the tail.
    pub fn iter_from(&self, index: usize) -> ListIter<'_> {
        match &self.form {
            Form::Listpack(listpack) => ListIter::of_listpack(listpack, index),
            Form::Quicklist(quicklist) => quicklist.iter_from(index),
        }
    }

    /// From tail to head.
    pub fn iter_back(&self) -> ListIterBack<'_> {
        match &self.form {
            Form::Listpack(listpack) => ListIterBack::of_listpack(listpack),
            Form::Quicklist(quicklist) => quicklist.iter_back(),
        }
    }

    /// Is `copy`, a clone, still what this list is?
    pub fn is(&self, copy: &List) -> bool {
        match (&self.form, &copy.form) {
            (Form::Quicklist(own), Form::Quicklist(copy)) => own.is(copy),
            (Form::Listpack(own), Form::Listpack(copy)) => own == copy,
            _ => false,
        }
    }

    /// How many nodes a quicklist has.
    pub fn nodes(&self) -> Option<usize> {
        match &self.form {
            Form::Listpack(_) => None,
            Form::Quicklist(quicklist) => Some(quicklist.nodes()),
        }
    }

    pub fn encoding(&self) -> Encoding {
        match self.form {
            Form::Listpack(_) => Encoding::Listpack,
            Form::Quicklist(_) => Encoding::Quicklist,
        }
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        match &self.form {
            Form::Listpack(listpack) => listpack.heap_size(),
            Form::Quicklist(quicklist) => size_of::<Quicklist>() + quicklist.heap_size(),
        }
    }

    /// The listpack becomes a quicklist where it would be too large with these elements more, by Redis's estimate.
    #[inline]
    fn make_room<'e>(&mut self, elements: impl Iterator<Item = &'e [u8]>, limit: &NodeLimit) {
        let Form::Listpack(listpack) = &mut self.form else { return };
        let (bytes, count) = elements.fold((0, 0), |(bytes, count), element| (bytes + element.len(), count + 1));
        if limit.is_exceeded(listpack.as_bytes().len() + bytes, listpack.len() + count) {
            let quicklist = Quicklist::from_listpack(std::mem::take(listpack));
            self.form = Form::Quicklist(Box::new(quicklist));
        }
    }

    /// The quicklist becomes a listpack where one of half the allowed size holds everything.
    #[inline]
    fn shrink(&mut self, limit: &NodeLimit) {
        if let Form::Quicklist(quicklist) = &mut self.form
            && let Some(listpack) = quicklist.take_listpack(limit)
        {
            self.form = Form::Listpack(listpack);
        }
    }
}
