//! Listpacks as they are read, wherever their bytes lie.

use super::entry::{back_len_width, decode, decode_back_len};
use super::{HEADER_LEN, UNKNOWN_COUNT};
use crate::Element;
use stdx::parse_i64;

/// The bytes of a listpack: to `Listpack` what `str` is to `String`.
#[derive(PartialEq, Eq)]
#[repr(transparent)]
pub struct Packed([u8]);

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Packed {
    /// Bytes that were a listpack's. Whatever they are, reading them is safe.
    #[inline]
    pub fn of(bytes: &[u8]) -> &Packed {
        assert!(bytes.len() > HEADER_LEN, "a listpack has a header and an end");
        // SAFETY: `Packed` is `repr(transparent)` over `[u8]`, so the reference means the same bytes with the same length,
        // and every byte is a valid one of either type.
        unsafe { &*(std::ptr::from_ref(bytes) as *const Packed) }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many elements. Counts them where there are too many for the header.
    #[inline]
    pub fn len(&self) -> usize {
        match self.header_count() {
            UNKNOWN_COUNT => self.iter().count(),
            count => count.into(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER_LEN + 1
    }

    /// Elements in order.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter { entries: &self.0[..self.end()], at: HEADER_LEN }
    }

    /// Elements from the entry at `offset` on.
    #[inline]
    pub fn iter_from(&self, offset: usize) -> Iter<'_> {
        Iter { entries: &self.0[..self.end()], at: offset }
    }

    /// Elements from the last to the first.
    pub fn iter_back(&self) -> IterBack<'_> {
        IterBack { listpack: Some(self), at: self.end() }
    }

    /// The entry of the element at `index`, from the end that is nearer.
    #[inline]
    pub fn offset_of(&self, index: usize) -> Option<usize> {
        if index == 0 {
            return (!self.is_empty()).then_some(HEADER_LEN);
        }
        let count = self.header_count();
        if count == UNKNOWN_COUNT || index < usize::from(count) / 2 {
            return self.offsets().nth(index);
        }
        let from_end = usize::from(count).checked_sub(index)?;
        (0..from_end).try_fold(self.end(), |offset, _| self.previous(offset)).filter(|offset| *offset < self.end())
    }

    /// The element whose entry is at `offset`.
    #[inline]
    pub fn get(&self, offset: usize) -> Option<Element<'_>> {
        Some(decode(self.0.get(offset..self.end())?)?.0)
    }

    /// The same, and where the next entry is.
    #[inline]
    pub fn read(&self, offset: usize) -> Option<(Element<'_>, usize)> {
        let (element, len) = decode(self.0.get(offset..self.end())?)?;
        Some((element, offset + len + back_len_width(len)))
    }

    /// The entry after the one at `offset`.
    #[inline]
    pub fn next(&self, offset: usize) -> Option<usize> {
        let next = offset + self.entry_len(offset)?;
        (next < self.end()).then_some(next)
    }

    /// The entry before the one at `offset`; before `end()`: the last one.
    pub fn previous(&self, offset: usize) -> Option<usize> {
        if offset <= HEADER_LEN {
            return None;
        }
        let len = decode_back_len(&self.0[..offset])?;
        offset.checked_sub(len + back_len_width(len))
    }

    /// The offset of the first entry.
    #[inline]
    pub fn start(&self) -> usize {
        HEADER_LEN
    }

    /// The offset behind the last entry.
    #[inline]
    pub fn end(&self) -> usize {
        self.0.len() - 1
    }

    /// The entry that equals `wanted`, looking at the first element and then at every `stride`-th.
    #[inline]
    pub fn find(&self, wanted: &[u8], stride: usize) -> Option<usize> {
        let wanted_integer = parse_i64(wanted);
        let mut at = HEADER_LEN;
        let mut skip = 0;
        while let Some((element, len)) = self.0.get(at..self.end()).and_then(decode) {
            if skip == 0 {
                let equal = match element {
                    Element::Int(value) => wanted_integer == Some(value),
                    Element::Bytes(bytes) => bytes == wanted,
                };
                if equal {
                    return Some(at);
                }
                skip = stride;
            }
            skip -= 1;
            at += len + back_len_width(len);
        }
        None
    }

    fn offsets(&self) -> impl Iterator<Item = usize> + '_ {
        let first = (!self.is_empty()).then_some(HEADER_LEN);
        std::iter::successors(first, |&offset| self.next(offset))
    }

    /// Length of a whole entry.
    #[inline]
    pub(super) fn entry_len(&self, offset: usize) -> Option<usize> {
        let (_, len) = decode(self.0.get(offset..self.end())?)?;
        Some(len + back_len_width(len))
    }

    pub(super) fn header_count(&self) -> u16 {
        u16::from_le_bytes([self.0[4], self.0[5]])
    }
}

/// Elements of a listpack in order.
#[derive(Clone, Debug, Default)]
pub struct Iter<'a> {
    /// All bytes but the last.
    entries: &'a [u8],
    at: usize,
}

impl Iter<'_> {
    /// Where the entry of the next element is.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    // Long replies are made of this.
    #[inline(always)]
    fn next(&mut self) -> Option<Element<'a>> {
        let (element, len) = decode(self.entries.get(self.at..)?)?;
        self.at += len + back_len_width(len);
        Some(element)
    }
}

/// Elements of a listpack from the last to the first.
#[derive(Clone, Debug, Default)]
pub struct IterBack<'a> {
    listpack: Option<&'a Packed>,
    /// Behind the entry that comes next.
    at: usize,
}

impl<'a> Iterator for IterBack<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let listpack = self.listpack?;
        self.at = listpack.previous(self.at)?;
        listpack.get(self.at)
    }
}
