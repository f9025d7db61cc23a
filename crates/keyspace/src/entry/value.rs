//! The values of entries: before they have one, while it has them, after it has lost them.

use super::{LongString, MODIFIED};
use values::{Hash, HashRef, List, Prefetch, Set, SetRef, SortedSet, Stream};

/// What an entry is made of. Bytes that are the canonical form of an integer become one.
pub(crate) type NewValue<'a> = LooseValue<&'a [u8]>;

/// A value that has left its entry.
pub(crate) type Value = LooseValue<Vec<u8>>;

/// A value outside of an entry; `B` are the bytes of a string.
#[derive(Debug)]
pub(crate) enum LooseValue<B> {
    Int(i64),
    Bytes(B),
    Verbatim(Verbatim<B>),
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

impl<B> Verbatim<B> {
    fn map<C>(self, bytes: impl FnOnce(B) -> C) -> Verbatim<C> {
        Verbatim { bytes: bytes(self.bytes), is_modified: self.is_modified }
    }
}

impl<B> LooseValue<B> {
    /// The same with other bytes.
    fn map<C>(self, bytes: impl FnOnce(B) -> C) -> LooseValue<C> {
        match self {
            LooseValue::Int(int) => LooseValue::Int(int),
            LooseValue::Bytes(text) => LooseValue::Bytes(bytes(text)),
            LooseValue::Verbatim(text) => LooseValue::Verbatim(text.map(bytes)),
            LooseValue::Long(text) => LooseValue::Long(text),
            LooseValue::Set(set) => LooseValue::Set(set),
            LooseValue::Hash(hash) => LooseValue::Hash(hash),
            LooseValue::List(list) => LooseValue::List(list),
            LooseValue::SortedSet(set) => LooseValue::SortedSet(set),
            LooseValue::Stream(stream) => LooseValue::Stream(stream),
        }
    }

    #[inline]
    pub(super) fn flags(&self) -> u8 {
        if matches!(self, LooseValue::Verbatim(text) if text.is_modified) { MODIFIED } else { 0 }
    }
}

impl<B: AsRef<[u8]>> LooseValue<B> {
    pub(crate) fn view(&self) -> ValueRef<'_> {
        match self {
            LooseValue::Int(int) => ValueRef::Int(*int),
            LooseValue::Bytes(bytes) => ValueRef::Bytes(bytes.as_ref()),
            LooseValue::Verbatim(text) => ValueRef::Bytes(text.bytes.as_ref()),
            LooseValue::Long(text) => ValueRef::Bytes(text),
            LooseValue::Set(set) => ValueRef::Set(set.view()),
            LooseValue::Hash(hash) => ValueRef::Hash(hash.view()),
            LooseValue::List(list) => ValueRef::List(list),
            LooseValue::SortedSet(set) => ValueRef::SortedSet(set),
            LooseValue::Stream(stream) => ValueRef::Stream(stream),
        }
    }
}

impl Value {
    /// As a new entry takes it, once: a collection is taken out.
    pub(crate) fn as_new(&mut self) -> NewValue<'_> {
        match self {
            Value::Bytes(bytes) => NewValue::Bytes(bytes),
            Value::Long(text) => NewValue::Bytes(text),
            Value::Verbatim(text) => NewValue::Verbatim(Verbatim { bytes: &text.bytes, is_modified: text.is_modified }),
            whole => std::mem::replace(whole, Value::Int(0)).map(|_| &[][..]),
        }
    }
}

impl From<NewValue<'_>> for Value {
    fn from(value: NewValue<'_>) -> Value {
        value.map(<[u8]>::to_vec)
    }
}
