//! The payload of an entry, before it is written into an allocation.

use super::layout::{varint_size, write_varint};
use super::packed::PACKED_MAX;
use super::{INLINE_MAX, Kind, LongString, NewValue, POINTER_SIZE};
use crate::list::StoredList;
use std::ptr;
use values::{Intset, Listpack, PackedSet};

/// The payload to be written into an allocation.
pub(super) enum Payload<'a> {
    Int(i64),
    Inline(&'a [u8]),
    /// The kind says of what.
    Packed(Kind, Listpack),
    Intset(Intset),
    /// From `Box::into_raw` of the kind's type.
    Boxed(Kind, *mut u8),
}

impl<'a> Payload<'a> {
    pub(super) fn new(value: NewValue<'a>) -> Payload<'a> {
        match value {
            NewValue::Int(int) => Payload::Int(int),
            NewValue::Bytes(bytes) => match stdx::parse_i64(bytes) {
                Some(int) => Payload::Int(int),
                None => Payload::string(bytes),
            },
            NewValue::Verbatim(text) => Payload::string(text.bytes),
            NewValue::Long(text) => Payload::boxed(Kind::Long, text),
            NewValue::Set(set) => match set.into_packed(PACKED_MAX) {
                Ok(PackedSet::Intset(intset)) => Payload::Intset(intset),
                Ok(PackedSet::Listpack(listpack)) => Payload::Packed(Kind::PackedSet, listpack),
                Err(set) => Payload::boxed(Kind::Set, set),
            },
            NewValue::Hash(hash) => match hash.into_packed(PACKED_MAX) {
                Ok(listpack) => Payload::Packed(Kind::PackedHash, listpack),
                Err(hash) => Payload::boxed(Kind::Hash, hash),
            },
            NewValue::List(list) => Payload::boxed(Kind::List, StoredList::new(list)),
            NewValue::SortedSet(set) => Payload::boxed(Kind::SortedSet, set),
            NewValue::Stream(stream) => Payload::boxed(Kind::Stream, stream),
        }
    }

    fn string(bytes: &'a [u8]) -> Payload<'a> {
        if bytes.len() <= INLINE_MAX { Payload::Inline(bytes) } else { Payload::long(bytes.to_vec()) }
    }

    pub(super) fn long(bytes: Vec<u8>) -> Payload<'a> {
        Payload::boxed(Kind::Long, LongString::new(bytes))
    }

    /// `kind`: that of a `T`.
    fn boxed<T>(kind: Kind, value: T) -> Payload<'a> {
        Payload::Boxed(kind, Box::into_raw(Box::new(value)).cast())
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Payload::Int(_) => Kind::Int,
            Payload::Inline(_) => Kind::Inline,
            Payload::Intset(_) => Kind::Intset,
            Payload::Packed(kind, _) | Payload::Boxed(kind, _) => *kind,
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            Payload::Int(_) => 8,
            Payload::Inline(bytes) => varint_size(bytes.len()) + bytes.len(),
            Payload::Packed(_, listpack) => listpack.as_bytes().len(),
            Payload::Intset(intset) => intset.as_bytes().len(),
            Payload::Boxed(..) => POINTER_SIZE,
        }
    }

    /// # Safety
    /// `to` is valid for writing `self.size()` bytes.
    pub(super) unsafe fn write(&self, to: *mut u8) {
        // SAFETY: the caller's promise; each arm writes exactly `size()` bytes.
        unsafe {
            match self {
                Payload::Int(int) => to.cast::<i64>().write_unaligned(*int),
                Payload::Inline(bytes) => copy(bytes, write_varint(to, bytes.len())),
                Payload::Packed(_, listpack) => copy(listpack.as_bytes(), to),
                Payload::Intset(intset) => copy(intset.as_bytes(), to),
                Payload::Boxed(_, pointer) => to.cast::<*mut u8>().write_unaligned(*pointer),
            }
        }
    }
}

/// # Safety
/// `to` is valid for writing so many bytes.
unsafe fn copy(bytes: &[u8], to: *mut u8) {
    // SAFETY: the caller's promise; what is borrowed is not what is about to be written.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
}
