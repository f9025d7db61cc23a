//! A key with its value: one heap allocation, reached through one word.
//!
//! ```text
//! kind and flags 1 | access 3 | varint key length | key | version 10? | deadline 8? | payload
//! ```
//!
//! The payload is 8 bytes for an integer, varint length and bytes for a string up to `INLINE_MAX`, the listpack
//! or the intset of a small collection (which know their lengths), else a pointer to a boxed value. Nothing is aligned. The allocation's size is a
//! function of what it contains (`size_class`), so that it needs no length of its own.

mod layout;
mod long;
mod packed;
mod payload;
mod value;

pub(crate) use self::packed::{CollectionMut, Compact};
pub(crate) use self::value::{NewValue, Value, ValueRef, Verbatim};

use self::layout::{allocate, deallocate, read_varint, varint_size, write_varint};
pub use self::long::LongString;
use self::payload::Payload;
use crate::list::StoredList;
use crate::{KeyType, OriginIndex, Version};
use effect::Stamp;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use stdx::size_class;
use values::{Encoding, Expiring, Hash, HashRef, Packed, PackedIntset, Set, SetRef, SortedSet, Stream};

/// Strings beyond this length have a buffer of their own, with room to grow.
const INLINE_MAX: usize = 2048;
/// Redis calls a string up to this length `embstr`.
const EMBSTR_MAX: usize = 44;

const KIND_MASK: u8 = 0x0f;
const HAS_DEADLINE: u8 = 0x10;
const HAS_VERSION: u8 = 0x20;
const HAS_RECENT: u8 = 0x40;
/// The string was modified in place: Redis calls it `raw` from then on.
const MODIFIED: u8 = 0x80;

const ACCESS_OFFSET: usize = 1;
const KEY_LEN_OFFSET: usize = 4;
const VERSION_SIZE: usize = 10;
const DEADLINE_SIZE: usize = 8;
const POINTER_SIZE: usize = size_of::<*mut u8>();

/// User-space addresses fit into 48 bits; the table keeps 16 bits of the hash above them.
const LABEL_SHIFT: u32 = 48;
const ADDRESS_MASK: usize = (1 << LABEL_SHIFT) - 1;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Int,
    Inline,
    Long,
    Set,
    Hash,
    List,
    SortedSet,
    Stream,
    /// A hash that is a listpack within the entry.
    PackedHash,
    /// A set that is one.
    PackedSet,
    /// A set that is an intset within the entry.
    Intset,
}

/// What an entry knows beside key and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Milliseconds since the Unix epoch.
    pub deadline_ms: Option<u64>,
    pub version: Option<Version>,
    /// 24 bits: clock of the last access, or LFU counter.
    pub access: u32,
}

/// An owned key with its value. One word, never null; the upper 16 bits are a label that the
/// table gives and reads without touching the allocation.
#[repr(transparent)]
pub(crate) struct Entry {
    tagged: NonNull<u8>,
    owns: PhantomData<(Vec<u8>, Set, Hash, StoredList, SortedSet, Stream)>,
}

// SAFETY: an entry owns its allocation and what that points to, which is all `Send` (asserted
// below). It is not `Sync`: `set_access` writes through a shared reference.
unsafe impl Send for Entry {}

const _: () = {
    const fn assert_send<T: Send>() {}
    assert_send::<Set>();
    assert_send::<Hash>();
    assert_send::<StoredList>();
    assert_send::<SortedSet>();
    assert_send::<Stream>();
};

/// Where the parts of an entry begin.
struct Parts {
    key: usize,
    /// Where the key ends and version, deadline and payload follow.
    tail: usize,
    payload: usize,
}

impl Entry {
    pub fn new(key: &[u8], value: NewValue<'_>, header: Header) -> Entry {
        let flags = value.flags();
        Entry::build(key, &Payload::new(value), header, flags)
    }

    fn build(key: &[u8], payload: &Payload<'_>, header: Header, flags: u8) -> Entry {
        let tail = KEY_LEN_OFFSET + varint_size(key.len()) + key.len();
        let base = allocate(tail + options_size(header.flags()) + payload.size());
        // SAFETY: `base` has room for the head (up to `tail`), the options and the payload.
        unsafe {
            base.as_ptr().write(0);
            let start = write_varint(base.add(KEY_LEN_OFFSET).as_ptr(), key.len());
            ptr::copy_nonoverlapping(key.as_ptr(), start, key.len());
            let mut entry = Entry { tagged: base, owns: PhantomData };
            entry.write_tail(tail, payload, header, flags);
            entry
        }
    }

    /// Writes everything but the key: flags, access, options, payload.
    ///
    /// # Safety
    /// The key ends at `tail`, the allocation has room for options and payload behind it, and the
    /// old payload has been dropped or moved.
    unsafe fn write_tail(&mut self, tail: usize, payload: &Payload<'_>, header: Header, flags: u8) {
        let flags = header.flags() | flags;
        // SAFETY: the caller's promise.
        unsafe {
            *self.base() = payload.kind() as u8 | flags;
            self.set_access(header.access);
            self.write_options(tail, header);
            payload.write(self.base().add(tail + options_size(flags)));
        }
    }

    /// # Safety
    /// The allocation has room for the options behind `tail`.
    unsafe fn write_options(&mut self, tail: usize, header: Header) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut to = self.base().add(tail);
            if let Some(version) = header.version {
                to.cast::<u64>().write_unaligned(version.stamp.0);
                to.add(8).cast::<u16>().write_unaligned(version.origin.0);
                to = to.add(VERSION_SIZE);
            }
            if let Some(deadline_ms) = header.deadline_ms {
                to.cast::<u64>().write_unaligned(deadline_ms);
            }
        }
    }

    /// The address of the allocation, without the label.
    #[inline]
    fn base(&self) -> *mut u8 {
        self.tagged.as_ptr().map_addr(|address| address & ADDRESS_MASK)
    }

    /// For `prefetch`: not to be read through.
    #[inline]
    pub fn address(&self) -> *const u8 {
        self.base()
    }

    #[inline]
    pub fn label(&self) -> u16 {
        (self.tagged.addr().get() >> LABEL_SHIFT) as u16
    }

    #[inline]
    pub fn set_label(&mut self, label: u16) {
        let tagged = self.base().map_addr(|address| address | (label as usize) << LABEL_SHIFT);
        // SAFETY: the address below the label is that of an allocation, never null.
        self.tagged = unsafe { NonNull::new_unchecked(tagged) };
    }

    /// Takes another allocation and keeps the label.
    fn set_base(&mut self, base: NonNull<u8>) {
        let label = self.label();
        self.tagged = base;
        self.set_label(label);
    }

    #[inline]
    fn flags(&self) -> u8 {
        // SAFETY: every entry has its first byte.
        unsafe { *self.base() }
    }

    fn set_flag(&mut self, flag: u8, on: bool) {
        // SAFETY: every entry has its first byte.
        let byte = unsafe { &mut *self.base() };
        *byte = if on { *byte | flag } else { *byte & !flag };
    }

    #[inline]
    fn kind(&self) -> Kind {
        match self.flags() & KIND_MASK {
            0 => Kind::Int,
            1 => Kind::Inline,
            2 => Kind::Long,
            3 => Kind::Set,
            4 => Kind::Hash,
            5 => Kind::List,
            6 => Kind::SortedSet,
            7 => Kind::Stream,
            8 => Kind::PackedHash,
            9 => Kind::PackedSet,
            _ => Kind::Intset,
        }
    }

    #[inline]
    fn parts(&self) -> Parts {
        // SAFETY: the key length stands at its offset.
        let (key_len, size) = unsafe { read_varint(self.base().add(KEY_LEN_OFFSET)) };
        let key = KEY_LEN_OFFSET + size;
        let tail = key + key_len;
        Parts { key, tail, payload: tail + options_size(self.flags()) }
    }

    /// # Safety
    /// A `T` was written at `offset`.
    #[inline]
    unsafe fn read<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: the caller's promise.
        unsafe { self.base().add(offset).cast::<T>().read_unaligned() }
    }

    /// # Safety
    /// The kind says that the payload is a `Box<T>`.
    #[inline]
    unsafe fn boxed<T>(&self) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe { self.read::<*mut T>(self.parts().payload) }
    }

    /// Where the bytes of an inline string begin, and how many there are.
    ///
    /// # Safety
    /// The kind is `Inline`.
    #[inline]
    unsafe fn inline(&self, payload: usize) -> (usize, usize) {
        // SAFETY: the caller's promise.
        let (len, size) = unsafe { read_varint(self.base().add(payload)) };
        (payload + size, len)
    }

    /// The listpack or the intset of a small collection.
    ///
    /// # Safety
    /// The kind is `PackedHash`, `PackedSet` or `Intset`.
    #[inline]
    unsafe fn packed(&self, payload: usize) -> &[u8] {
        // SAFETY: the caller's promise: a listpack is there, which begins with the number of its bytes, or an intset, whose
        // header says it.
        unsafe {
            let len = match self.kind() {
                Kind::Intset => PackedIntset::byte_len(self.read(payload)),
                _ => u32::from_le_bytes(self.read(payload)) as usize,
            };
            std::slice::from_raw_parts(self.base().add(payload), len)
        }
    }

    fn payload_size(&self, payload: usize) -> usize {
        match self.kind() {
            Kind::Int => 8,
            Kind::Inline => {
                // SAFETY: the kind was checked.
                let (start, len) = unsafe { self.inline(payload) };
                start + len - payload
            }
            // SAFETY: the kind was checked.
            Kind::PackedHash | Kind::PackedSet | Kind::Intset => unsafe { self.packed(payload) }.len(),
            Kind::Long | Kind::Set | Kind::Hash | Kind::List | Kind::SortedSet | Kind::Stream => POINTER_SIZE,
        }
    }

    /// Bytes in use; the allocation has the size class of it.
    fn size(&self) -> usize {
        let payload = self.parts().payload;
        payload + self.payload_size(payload)
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        let parts = self.parts();
        // SAFETY: the key's bytes are initialised and change only with `self` (never, in fact).
        unsafe { std::slice::from_raw_parts(self.base().add(parts.key), parts.tail - parts.key) }
    }

    /// Whether the key is `key`.
    #[inline]
    pub fn is_key(&self, key: &[u8]) -> bool {
        stdx::equal(self.key(), key)
    }

    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        // SAFETY: each arm reads what the kind says is there; references live as long as `&self`.
        unsafe {
            match self.kind() {
                Kind::Int => ValueRef::Int(self.read(self.parts().payload)),
                Kind::Inline => {
                    let (start, len) = self.inline(self.parts().payload);
                    ValueRef::Bytes(std::slice::from_raw_parts(self.base().add(start), len))
                }
                Kind::Long => ValueRef::Bytes(&*self.boxed::<LongString>()),
                Kind::Set => ValueRef::Set((*self.boxed::<Set>()).view()),
                Kind::PackedSet => ValueRef::Set(SetRef::Packed(Packed::of(self.packed(self.parts().payload)))),
                Kind::Intset => ValueRef::Set(SetRef::Intset(PackedIntset::of(self.packed(self.parts().payload)))),
                Kind::Hash => ValueRef::Hash((*self.boxed::<Hash>()).view()),
                Kind::PackedHash => ValueRef::Hash(HashRef::Packed(Packed::of(self.packed(self.parts().payload)))),
                Kind::List => ValueRef::List(&(*self.boxed::<StoredList>()).list),
                Kind::SortedSet => ValueRef::SortedSet(&*self.boxed::<SortedSet>()),
                Kind::Stream => ValueRef::Stream(&*self.boxed::<Stream>()),
            }
        }
    }

    /// A string that has an allocation of its own.
    pub fn long_string(&self) -> Option<&LongString> {
        // SAFETY: the kind is checked; the reference lives as long as `&self`.
        (self.kind() == Kind::Long).then(|| unsafe { &*self.boxed::<LongString>() })
    }

    /// A copy of a collection or of a long string, which shares what is large of it.
    pub fn clone_shared(&self) -> Option<NewValue<'static>> {
        match self.long_string() {
            Some(text) => Some(NewValue::Long(text.clone())),
            None => self.value().clone_collection(),
        }
    }

    pub fn set_mut(&mut self) -> Option<CollectionMut<'_, Set>> {
        match self.value() {
            // SAFETY: the kind is checked; the reference is as exclusive as `&mut self`.
            ValueRef::Set(SetRef::Whole(_)) => Some(CollectionMut::Boxed(unsafe { &mut *self.boxed::<Set>() })),
            ValueRef::Set(set) => {
                let value = Some(set.contents());
                Some(CollectionMut::Unpacked { entry: self, value })
            }
            _ => None,
        }
    }

    pub fn hash_mut(&mut self) -> Option<CollectionMut<'_, Hash>> {
        match self.value() {
            ValueRef::Hash(HashRef::Packed(packed)) => {
                let value = Some(packed.into());
                Some(CollectionMut::Unpacked { entry: self, value })
            }
            // SAFETY: the kind is checked; the reference is as exclusive as `&mut self`.
            ValueRef::Hash(HashRef::Whole(_)) => Some(CollectionMut::Boxed(unsafe { &mut *self.boxed::<Hash>() })),
            _ => None,
        }
    }

    pub fn sorted_set_mut(&mut self) -> Option<&mut SortedSet> {
        // SAFETY: the kind is checked; the reference is as exclusive as `&mut self`.
        (self.kind() == Kind::SortedSet).then(|| unsafe { &mut *self.boxed::<SortedSet>() })
    }

    pub fn stream_mut(&mut self) -> Option<&mut Stream> {
        // SAFETY: the kind is checked; the reference is as exclusive as `&mut self`.
        (self.kind() == Kind::Stream).then(|| unsafe { &mut *self.boxed::<Stream>() })
    }

    pub fn stored_list(&self) -> Option<&StoredList> {
        // SAFETY: the kind is checked; the reference lives as long as `&self`.
        (self.kind() == Kind::List).then(|| unsafe { &*self.boxed::<StoredList>() })
    }

    pub fn stored_list_mut(&mut self) -> Option<&mut StoredList> {
        // SAFETY: the kind is checked; the reference is as exclusive as `&mut self`.
        (self.kind() == Kind::List).then(|| unsafe { &mut *self.boxed::<StoredList>() })
    }

    /// As something whose elements may have deadlines; of a set or a hash only where some have, or had.
    pub fn expiring(&self) -> Option<&dyn Expiring> {
        match self.value() {
            ValueRef::Set(set) => set.expiring(),
            ValueRef::Hash(hash) => hash.expiring(),
            ValueRef::SortedSet(set) => Some(set),
            _ => None,
        }
    }

    /// Changes deadlines of elements. `None` where the value has no such elements.
    pub fn change_deadlines<R>(&mut self, f: impl FnOnce(&mut dyn Expiring) -> R) -> Option<R> {
        match self.key_type() {
            KeyType::Set => self.set_mut().map(|mut set| f(&mut *set)),
            KeyType::Hash => self.hash_mut().map(|mut hash| f(&mut *hash)),
            KeyType::SortedSet => self.sorted_set_mut().map(|set| f(set)),
            KeyType::String | KeyType::List | KeyType::Stream => None,
        }
    }

    /// Are all elements of the collection hidden, being past their deadlines?
    #[inline]
    pub fn is_hollow(&self) -> bool {
        // SAFETY: each arm reads what the kind says is there.
        unsafe {
            match self.kind() {
                Kind::Set => (*self.boxed::<Set>()).view().is_empty(),
                Kind::Hash => (*self.boxed::<Hash>()).view().is_empty(),
                Kind::SortedSet => (*self.boxed::<SortedSet>()).is_empty(),
                // No element has a deadline.
                _ => false,
            }
        }
    }

    pub fn key_type(&self) -> KeyType {
        match self.kind() {
            Kind::Int | Kind::Inline | Kind::Long => KeyType::String,
            Kind::Set | Kind::PackedSet | Kind::Intset => KeyType::Set,
            Kind::Hash | Kind::PackedHash => KeyType::Hash,
            Kind::List => KeyType::List,
            Kind::SortedSet => KeyType::SortedSet,
            Kind::Stream => KeyType::Stream,
        }
    }

    pub fn encoding(&self) -> Encoding {
        match self.value() {
            ValueRef::Int(_) => Encoding::Int,
            ValueRef::Bytes(bytes) if bytes.len() > EMBSTR_MAX || self.flags() & MODIFIED != 0 => Encoding::Raw,
            ValueRef::Bytes(_) => Encoding::Embstr,
            ValueRef::Set(set) => set.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::List(list) => list.encoding(),
            ValueRef::SortedSet(set) => set.encoding(),
            ValueRef::Stream(stream) => stream.encoding(),
        }
    }

    /// Replaces the value and everything beside it; the key stays, and so does `has_recent`.
    pub fn overwrite(&mut self, value: NewValue<'_>, header: Header) {
        let flags = value.flags();
        self.overwrite_payload(&Payload::new(value), header);
        if flags != 0 {
            self.set_flag(flags, true);
        }
    }

    #[inline]
    fn overwrite_payload(&mut self, payload: &Payload<'_>, header: Header) {
        let Parts { tail, payload: old_payload, .. } = self.parts();
        let old_size = old_payload + self.payload_size(old_payload);
        let size = tail + options_size(header.flags()) + payload.size();
        let kept = self.flags() & HAS_RECENT;
        self.drop_boxed();
        if size != old_size && size_class(size) != size_class(old_size) {
            let base = allocate(size);
            // SAFETY: both allocations hold the head; the old one is not used any more.
            unsafe {
                ptr::copy_nonoverlapping(self.base(), base.as_ptr(), tail);
                deallocate(self.base(), size_class(old_size));
            }
            self.set_base(base);
        }
        // SAFETY: the allocation has the size class of `size`; the old payload was dropped.
        unsafe { self.write_tail(tail, payload, header, kept) }
    }

    /// A new string; deadline, version and access stay. In place where it fits.
    pub fn replace_string(&mut self, bytes: &[u8]) {
        self.overwrite(NewValue::Bytes(bytes), self.header());
    }

    /// The same, without looking for an integer in it.
    pub fn replace_verbatim(&mut self, text: Verbatim<&[u8]>) {
        self.overwrite(NewValue::Verbatim(text), self.header());
    }

    /// The string as it has to be written down for its encoding to survive; `None` where plain bytes will do.
    pub fn verbatim(&self) -> Option<Verbatim<&[u8]>> {
        let ValueRef::Bytes(bytes) = self.value() else { return None };
        let is_modified = self.flags() & MODIFIED != 0 && bytes.len() <= EMBSTR_MAX;
        (is_modified || stdx::parse_i64(bytes).is_some()).then_some(Verbatim { bytes, is_modified })
    }

    /// A new integer; deadline, version and access stay.
    #[inline]
    pub fn set_int(&mut self, int: i64) {
        if self.kind() == Kind::Int {
            // SAFETY: the payload of an integer is 8 bytes.
            unsafe { self.base().add(self.parts().payload).cast::<i64>().write_unaligned(int) }
        } else {
            self.overwrite(NewValue::Int(int), self.header());
        }
    }

    /// Writes `bytes` at `offset` of a string, which grows with zeros as needed. Returns the new length;
    /// `None` where the value is no string.
    pub fn patch(&mut self, offset: usize, bytes: &[u8]) -> Option<usize> {
        let end = offset + bytes.len();
        let len = self.string_len()?.max(end);
        self.resize_string(len)[offset..end].copy_from_slice(bytes);
        Some(len)
    }

    /// Cuts a string to `len` bytes; longer than it is, it stays.
    pub fn truncate(&mut self, len: usize) {
        if self.string_len().is_some_and(|old| old > len) {
            self.resize_string(len);
        }
    }

    /// Length of a string in bytes, as it is printed.
    pub fn string_len(&self) -> Option<usize> {
        match self.value() {
            ValueRef::Int(int) => Some(printed_len(int)),
            ValueRef::Bytes(bytes) => Some(bytes.len()),
            _ => None,
        }
    }

    /// Makes a string `len` bytes long, padded with zeros, and modifiable. The value is a string.
    fn resize_string(&mut self, len: usize) -> &mut [u8] {
        match self.value() {
            ValueRef::Int(int) => {
                self.overwrite_payload(&Payload::Inline(int.to_string().as_bytes()), self.header());
            }
            ValueRef::Bytes(bytes) if len > INLINE_MAX && self.kind() == Kind::Inline => {
                let mut long = Vec::with_capacity(len);
                long.extend_from_slice(bytes);
                self.overwrite_payload(&Payload::long(long), self.header());
            }
            _ => {}
        }
        self.set_flag(MODIFIED, true);
        if self.kind() == Kind::Inline {
            return self.resize_inline(len);
        }
        // SAFETY: a string that is neither integer nor inline is long; as exclusive as `&mut self`.
        let long = unsafe { (*self.boxed::<LongString>()).make_mut() };
        long.resize(len, 0);
        long
    }

    fn resize_inline(&mut self, len: usize) -> &mut [u8] {
        let payload = self.parts().payload;
        // SAFETY: the caller checked the kind.
        let (old_start, old_len) = unsafe { self.inline(payload) };
        let start = payload + varint_size(len);
        let kept = old_len.min(len);
        let capacity = size_class(self.size());
        let old = self.base();
        if size_class(start + len) != capacity {
            self.set_base(allocate(start + len));
        }
        let new = self.base();
        // SAFETY: the new allocation has room for `start + len` bytes, `kept` of which are in the old
        // one; where both are the same, `copy` allows the overlap, and the length is written last.
        unsafe {
            ptr::copy(old.add(old_start), new.add(start), kept);
            if new != old {
                ptr::copy_nonoverlapping(old, new, payload);
                deallocate(old, capacity);
            }
            write_varint(new.add(payload), len);
            ptr::write_bytes(new.add(start + kept), 0, len - kept);
            std::slice::from_raw_parts_mut(new.add(start), len)
        }
    }

    #[inline]
    pub fn header(&self) -> Header {
        Header { deadline_ms: self.deadline_ms(), version: self.version(), access: self.access() }
    }

    #[inline]
    pub fn has_deadline(&self) -> bool {
        self.flags() & HAS_DEADLINE != 0
    }

    /// Milliseconds since the Unix epoch.
    #[inline]
    pub fn deadline_ms(&self) -> Option<u64> {
        // SAFETY: the flag says that a deadline stands before the payload.
        self.has_deadline().then(|| unsafe { self.read(self.parts().payload - DEADLINE_SIZE) })
    }

    /// In a table this goes through `EntryMut`, which keeps the table's counters.
    pub fn set_deadline_ms(&mut self, deadline_ms: Option<u64>) {
        self.set_options(Header { deadline_ms, ..self.header() });
    }

    #[inline]
    pub fn version(&self) -> Option<Version> {
        if self.flags() & HAS_VERSION == 0 {
            return None;
        }
        let at = self.parts().tail;
        // SAFETY: the flag says that a version stands behind the key.
        let (stamp, origin) = unsafe { (self.read(at), self.read(at + 8)) };
        Some(Version { stamp: Stamp(stamp), origin: OriginIndex(origin) })
    }

    pub fn set_version(&mut self, version: Option<Version>) {
        self.set_options(Header { version, ..self.header() });
    }

    /// Moves the payload to where the new options end, in another allocation where that is needed.
    fn set_options(&mut self, header: Header) {
        let Parts { tail, payload: old_payload, .. } = self.parts();
        let payload = tail + options_size(header.flags());
        if payload != old_payload {
            let capacity = size_class(self.size());
            let payload_size = self.payload_size(old_payload);
            let old = self.base();
            if size_class(payload + payload_size) != capacity {
                self.set_base(allocate(payload + payload_size));
            }
            let new = self.base();
            // SAFETY: the new allocation has room for head, options and payload; `copy` allows overlap.
            unsafe {
                ptr::copy(old.add(old_payload), new.add(payload), payload_size);
                if new != old {
                    ptr::copy_nonoverlapping(old, new, tail);
                    deallocate(old, capacity);
                }
            }
        }
        self.set_flag(HAS_DEADLINE | HAS_VERSION, false);
        self.set_flag(header.flags(), true);
        // SAFETY: there is room for the options between `tail` and the payload.
        unsafe { self.write_options(tail, header) }
    }

    /// Whether the shard's side table has something about this key.
    #[inline]
    pub fn has_recent(&self) -> bool {
        self.flags() & HAS_RECENT != 0
    }

    pub fn set_has_recent(&mut self, on: bool) {
        self.set_flag(HAS_RECENT, on);
    }

    /// 24 bits: clock of the last access, or LFU counter.
    #[inline]
    pub fn access(&self) -> u32 {
        // SAFETY: every entry has these bytes; nothing borrows them.
        let bytes: [u8; 3] = unsafe { self.read(ACCESS_OFFSET) };
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
    }

    /// Keeps the lower 24 bits. Reads of a value note their access, hence the shared reference.
    #[inline]
    pub fn set_access(&self, access: u32) {
        let [a, b, c, _] = access.to_le_bytes();
        // SAFETY: no reference to these bytes exists, and `Entry` is not `Sync`.
        unsafe { self.base().add(ACCESS_OFFSET).cast::<[u8; 3]>().write([a, b, c]) }
    }

    /// Frees the entry, keeps its value.
    pub fn into_value(self) -> Value {
        let entry = std::mem::ManuallyDrop::new(self);
        // SAFETY: each arm takes what the kind says is there, once: only the allocation itself is
        // freed afterwards.
        unsafe {
            let value = match entry.value() {
                ValueRef::Int(int) => Value::Int(int),
                ValueRef::Bytes(bytes) if entry.kind() == Kind::Inline && entry.verbatim().is_some() => {
                    Value::Verbatim(Verbatim { bytes: bytes.to_vec(), is_modified: entry.flags() & MODIFIED != 0 })
                }
                ValueRef::Bytes(bytes) if entry.kind() == Kind::Inline => Value::Bytes(bytes.to_vec()),
                ValueRef::Bytes(_) => Value::Long(*Box::from_raw(entry.boxed::<LongString>())),
                ValueRef::Set(SetRef::Whole(_)) => Value::Set(*Box::from_raw(entry.boxed::<Set>())),
                ValueRef::Set(set) => Value::Set(set.contents()),
                ValueRef::Hash(HashRef::Packed(packed)) => Value::Hash(packed.into()),
                ValueRef::Hash(HashRef::Whole(_)) => Value::Hash(*Box::from_raw(entry.boxed::<Hash>())),
                ValueRef::List(_) => Value::List(Box::from_raw(entry.boxed::<StoredList>()).list),
                ValueRef::SortedSet(_) => Value::SortedSet(*Box::from_raw(entry.boxed::<SortedSet>())),
                ValueRef::Stream(_) => Value::Stream(*Box::from_raw(entry.boxed::<Stream>())),
            };
            deallocate(entry.base(), size_class(entry.size()));
            value
        }
    }

    /// Bytes on the heap, value included.
    pub fn heap_size(&self) -> usize {
        let boxed = match self.value() {
            ValueRef::Bytes(_) if self.kind() == Kind::Long => {
                // SAFETY: the kind was checked.
                size_of::<LongString>() + unsafe { (*self.boxed::<LongString>()).heap_size() }
            }
            ValueRef::Set(SetRef::Whole(set)) => size_of::<Set>() + set.heap_size(),
            ValueRef::Hash(HashRef::Whole(hash)) => size_of::<Hash>() + hash.heap_size(),
            ValueRef::List(list) => {
                let identities = self.stored_list().and_then(|stored| stored.identities.as_ref());
                size_of::<StoredList>() + list.heap_size() + identities.map_or(0, |identities| identities.heap_size())
            }
            ValueRef::SortedSet(set) => size_of::<SortedSet>() + set.heap_size(),
            ValueRef::Stream(stream) => size_of::<Stream>() + stream.heap_size(),
            _ => 0,
        };
        size_class(self.size()) + boxed
    }

    /// Drops what the payload points to; the payload must be overwritten next.
    fn drop_boxed(&mut self) {
        // SAFETY: each arm takes what the kind says is there, and nobody reads it again.
        unsafe {
            match self.kind() {
                Kind::Int | Kind::Inline | Kind::PackedHash | Kind::PackedSet | Kind::Intset => {}
                Kind::Long => drop(Box::from_raw(self.boxed::<LongString>())),
                Kind::Set => drop(Box::from_raw(self.boxed::<Set>())),
                Kind::Hash => drop(Box::from_raw(self.boxed::<Hash>())),
                Kind::List => drop(Box::from_raw(self.boxed::<StoredList>())),
                Kind::SortedSet => drop(Box::from_raw(self.boxed::<SortedSet>())),
                Kind::Stream => drop(Box::from_raw(self.boxed::<Stream>())),
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let capacity = size_class(self.size());
        self.drop_boxed();
        // SAFETY: the allocation was made with this capacity and is not used any more.
        unsafe { deallocate(self.base(), capacity) }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("value", &self.value())
            .field("header", &self.header())
            .finish()
    }
}

impl Header {
    #[inline]
    fn flags(&self) -> u8 {
        (if self.deadline_ms.is_some() { HAS_DEADLINE } else { 0 })
            | (if self.version.is_some() { HAS_VERSION } else { 0 })
    }
}

#[inline]
fn options_size(flags: u8) -> usize {
    (if flags & HAS_VERSION != 0 { VERSION_SIZE } else { 0 })
        + (if flags & HAS_DEADLINE != 0 { DEADLINE_SIZE } else { 0 })
}

fn printed_len(int: i64) -> usize {
    int.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1 + (int < 0) as usize
}

#[cfg(test)]
mod tests;
