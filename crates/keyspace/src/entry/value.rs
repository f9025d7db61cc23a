//! The values of entries: before they have one, while it has them, after it has lost them.

use super::{LongString, MODIFIED};
use values::{Hash, HashRef, List, Prefetch, Set, SetRef, SortedSet, Stream};

/// What an entry is made of. Bytes that are the canonical form of an integer become one.
pub(crate) enum NewValue<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Verbatim(Verbatim<&'a [u8]>),
    /// Shared with whoever reads it.
    Long(LongString),
    Set(Set),
    Hash(Hash),
    List(List),
    SortedSet(SortedSet),
    Stream(Stream),
}

/// A string that is no integer to OBJECT ENCODING, even where it looks like one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verbatim<B> {
    pub bytes: B,
    /// As if it had been modified in place.
    pub is_modified: bool,
}

/// A value, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueRef<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Set(SetRef<'a>),
    Hash(HashRef<'a>),
    List(&'a List),
    SortedSet(&'a SortedSet),
    Stream(&'a Stream),
}

impl ValueRef<'_> {
    /// Starts to load what a lookup of `element` will touch. False where the value is too small for that.
    pub fn prefetch_element(self, element: &[u8], step: Prefetch) -> bool {
        match self {
            ValueRef::Set(set) => set.prefetch(element, step),
            ValueRef::Hash(hash) => hash.prefetch(element, step),
            ValueRef::SortedSet(set) => set.prefetch(element, step),
            _ => false,
        }
    }
}

impl ValueRef<'_> {
    pub(super) fn clone_collection(self) -> Option<NewValue<'static>> {
        Some(match self {
            ValueRef::Int(_) | ValueRef::Bytes(_) => return None,
            ValueRef::Set(set) => NewValue::Set(set.to_set()),
            ValueRef::Hash(hash) => NewValue::Hash(hash.to_hash()),
            ValueRef::List(list) => NewValue::List(list.clone()),
            ValueRef::SortedSet(set) => NewValue::SortedSet(set.clone()),
            ValueRef::Stream(stream) => NewValue::Stream(stream.clone()),
        })
    }
}

/// A value that has left its entry.
#[derive(Debug)]
pub(crate) enum Value {
    Int(i64),
    Bytes(Vec<u8>),
    Verbatim(Verbatim<Vec<u8>>),
    Set(Set),
    Hash(Hash),
    List(List),
    SortedSet(SortedSet),
    Stream(Stream),
}

impl NewValue<'_> {
    #[inline]
    pub(super) fn flags(&self) -> u8 {
        if matches!(self, NewValue::Verbatim(text) if text.is_modified) { MODIFIED } else { 0 }
    }
}
