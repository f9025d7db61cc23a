//! The memory of entries: allocations whose size says how large they are, and lengths as varints.

use super::ADDRESS_MASK;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use stdx::size_class;

fn layout(capacity: usize) -> Layout {
    Layout::from_size_align(capacity, 8).expect("an entry is smaller than the address space")
}

pub(super) fn allocate(size: usize) -> NonNull<u8> {
    let layout = layout(size_class(size));
    // SAFETY: the layout's size is not zero: an entry has at least a head.
    let base = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
    assert!(base.addr().get() & !ADDRESS_MASK == 0, "the allocator's addresses fit into 48 bits");
    base
}

/// # Safety
/// `base` came from `allocate` with a size of class `capacity`, and nobody uses it any more.
pub(super) unsafe fn deallocate(base: *mut u8, capacity: usize) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(base, layout(capacity)) }
}

#[inline]
pub(super) fn varint_size(value: usize) -> usize {
    if value < 0x80 { 1 } else { (value.ilog2() / 7 + 1) as usize }
}

/// # Safety
/// `to` is valid for writing `varint_size(value)` bytes. Returns where they end.
#[inline]
pub(super) unsafe fn write_varint(mut to: *mut u8, mut value: usize) -> *mut u8 {
    // SAFETY: the caller's promise; one byte per 7 bits.
    unsafe {
        while value >= 0x80 {
            to.write(value as u8 | 0x80);
            value >>= 7;
            to = to.add(1);
        }
        to.write(value as u8);
        to.add(1)
    }
}

/// The number and how many bytes it takes.
///
/// # Safety
/// A varint was written at `from`.
#[inline]
pub(super) unsafe fn read_varint(from: *const u8) -> (usize, usize) {
    // SAFETY: the caller's promise: the last byte has no continuation bit.
    unsafe {
        let first = from.read();
        if first < 0x80 {
            return (first as usize, 1);
        }
        let (mut value, mut size) = ((first & 0x7f) as usize, 1);
        loop {
            let byte = from.add(size).read();
            value |= ((byte & 0x7f) as usize) << (7 * size);
            size += 1;
            if byte < 0x80 {
                return (value, size);
            }
        }
    }
}
