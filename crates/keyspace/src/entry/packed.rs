//! Small collections, which are listpacks or intsets within their entries.

use super::payload::Payload;
use super::{Entry, NewValue};
use std::ops::{Deref, DerefMut};
use values::{Hash, Set, SortedSet};

/// What is longer has a buffer of its own, since each change copies the one in an entry out of it and back.
pub(super) const PACKED_MAX: usize = 512;

/// A collection that may lie in its entry.
pub(crate) trait Compact: Default {
    fn into_new(self) -> NewValue<'static>;
}

impl Compact for Hash {
    fn into_new(self) -> NewValue<'static> {
        NewValue::Hash(self)
    }
}

impl Compact for Set {
    fn into_new(self) -> NewValue<'static> {
        NewValue::Set(self)
    }
}

impl Compact for SortedSet {
    fn into_new(self) -> NewValue<'static> {
        NewValue::SortedSet(self)
    }
}

/// A collection to be changed. One that lies in its entry is taken out for that, and comes back at the end, if it still
/// is small.
pub(crate) enum CollectionMut<'e, C: Compact> {
    Boxed(&'e mut C),
    /// The value is there until the end.
    Unpacked {
        entry: &'e mut Entry,
        value: Option<C>,
    },
}

impl<C: Compact> Deref for CollectionMut<'_, C> {
    type Target = C;
    fn deref(&self) -> &C {
        match self {
            CollectionMut::Boxed(value) => value,
            CollectionMut::Unpacked { value, .. } => value.as_ref().expect("the end has not come"),
        }
    }
}

impl<C: Compact> DerefMut for CollectionMut<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        match self {
            CollectionMut::Boxed(value) => value,
            CollectionMut::Unpacked { value, .. } => value.as_mut().expect("the end has not come"),
        }
    }
}

impl<C: Compact> Drop for CollectionMut<'_, C> {
    fn drop(&mut self) {
        if let CollectionMut::Unpacked { entry, value } = self
            && let Some(value) = value.take()
        {
            entry.overwrite_payload(&Payload::new(value.into_new()), entry.header());
        }
    }
}
