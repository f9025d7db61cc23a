//! Listpacks: Redis's compact sequence of strings and integers in one allocation.
//!
//! A header (total bytes: 32 bits; number of elements: 16 bits; little-endian), the entries, `0xff`.
//! An entry is its encoding, its data and the length of both, readable from the end.
//! https://github.com/antirez/listpack/blob/master/listpack.md

mod entry;
mod packed;

pub use packed::{Iter, IterBack, Packed};

use crate::sliding::{Side, Sliding};
use crate::{Element, Malformed};
use entry::{canonical, decode};
use std::ops::Deref;

const HEADER_LEN: usize = 6;
const END: u8 = 0xff;
/// This number of elements in the header says: count them.
const UNKNOWN_COUNT: u16 = u16::MAX;
/// No listpack grows beyond this (Redis's own safety limit).
const MAX_LEN: usize = 1 << 30;

/// A sequence of elements, in the bytes that RDB files hold. Elements are addressed by the offset
/// of their entry.
#[derive(Clone)]
pub struct Listpack {
    bytes: Sliding,
}

impl Deref for Listpack {
    type Target = Packed;
    #[inline]
    fn deref(&self) -> &Packed {
        Packed::of(&self.bytes)
    }
}

/// A copy to be changed: one more element seldom needs another buffer.
impl From<&Packed> for Listpack {
    fn from(packed: &Packed) -> Listpack {
        Listpack { bytes: Sliding::copy(packed.as_bytes(), 32) }
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Listpack) -> bool {
        **self == **other
    }
}

impl Eq for Listpack {}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl Default for Listpack {
    fn default() -> Listpack {
        Listpack::new()
    }
}

impl Listpack {
    pub fn new() -> Listpack {
        Listpack { bytes: vec![HEADER_LEN as u8 + 1, 0, 0, 0, 0, 0, END].into() }
    }

    /// Takes bytes from outside, after checking every entry.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Listpack, Malformed> {
        if bytes.len() <= HEADER_LEN || bytes.len() > MAX_LEN || bytes.last() != Some(&END) {
            return Err(Malformed);
        }
        let listpack = Listpack { bytes: bytes.into() };
        let mut at = HEADER_LEN;
        let mut count = 0usize;
        while at < listpack.end() {
            let (_, len) = decode(&listpack.bytes[at..listpack.end()]).ok_or(Malformed)?;
            let mut back_len = [0; 5];
            let width = entry::write_back_len(len, &mut back_len);
            at += len;
            if listpack.bytes[..listpack.end()].get(at..at + width) != Some(&back_len[..width]) {
                return Err(Malformed);
            }
            at += width;
            count += 1;
        }
        let total = u32::from_le_bytes([0, 1, 2, 3].map(|index| listpack.bytes[index])) as usize;
        let header_count = listpack.header_count();
        if total != listpack.bytes.len() || (header_count != UNKNOWN_COUNT && usize::from(header_count) != count) {
            return Err(Malformed);
        }
        Ok(listpack)
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether `additional` more bytes keep the listpack within the format's safe size.
    pub fn has_room_for(&self, additional: usize) -> bool {
        self.bytes.len().saturating_add(additional) <= MAX_LEN
    }

    /// Appends `bytes`, as an integer where they spell one canonically.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        let element = canonical(Element::Bytes(bytes));
        let (end, size) = (self.end(), entry::size(element));
        self.bytes.extend(Side::Back, size);
        entry::write(element, &mut self.bytes[end..]);
        self.bytes[end + size] = END;
        self.update_header(1);
    }

    /// Puts `bytes` before all other elements.
    #[inline]
    pub fn push_front(&mut self, bytes: &[u8]) {
        let element = canonical(Element::Bytes(bytes));
        let size = entry::size(element);
        self.bytes.extend(Side::Front, size);
        self.bytes.copy_within(size..size + HEADER_LEN, 0);
        entry::write(element, &mut self.bytes[HEADER_LEN..]);
        self.update_header(1);
    }

    /// Room for an element of `len` bytes at one end, and for many more.
    #[inline]
    pub(crate) fn reserve(&mut self, side: Side, len: usize) {
        self.bytes.reserve(side, len + entry::MAX_OVERHEAD);
    }

    /// Gives back the unused room.
    pub(crate) fn fit(&mut self) {
        self.bytes.fit();
    }

    /// Inserts before the entry at `offset`.
    pub fn insert(&mut self, offset: usize, bytes: &[u8]) {
        self.write(offset, 0, Element::Bytes(bytes));
        self.update_header(1);
    }

    /// Inserts several elements before the entry at `offset`; they become canonical.
    pub(crate) fn insert_all(&mut self, offset: usize, elements: &mut [Element<'_>]) {
        let mut size = 0;
        for element in elements.iter_mut() {
            *element = canonical(*element);
            size += entry::size(*element);
        }
        self.bytes.resize_range(offset, 0, size);
        let mut rest = &mut self.bytes[offset..offset + size];
        for element in elements.iter() {
            let written = entry::write(*element, rest);
            rest = &mut rest[written..];
        }
        self.update_header(elements.len() as isize);
    }

    /// The entry at `offset` becomes `bytes`.
    pub fn replace(&mut self, offset: usize, bytes: &[u8]) {
        self.replace_element(offset, Element::Bytes(bytes));
    }

    /// The entry at `offset` becomes this element.
    pub(crate) fn replace_element(&mut self, offset: usize, element: Element<'_>) {
        if let Some(old_len) = self.entry_len(offset) {
            self.write(offset, old_len, element);
            self.update_header(0);
        }
    }

    /// Removes `count` entries from `offset` on, or as many as there are.
    pub fn remove(&mut self, offset: usize, count: usize) {
        let mut end = offset;
        let mut removed = 0;
        while removed < count
            && let Some(len) = self.entry_len(end)
        {
            end += len;
            removed += 1;
        }
        self.bytes.resize_range(offset, end - offset, 0);
        self.update_header(-(removed as isize));
    }

    /// Removes all entries from the one at `offset` on.
    pub(crate) fn truncate(&mut self, offset: usize) {
        let removed = self.iter_from(offset).count();
        self.remove(offset, removed);
    }

    /// Appends all entries of another listpack.
    pub fn append(&mut self, other: &Listpack) {
        let (at, count) = (self.end(), other.len());
        let entries = &other.bytes[HEADER_LEN..other.end()];
        self.bytes.resize_range(at, 0, entries.len());
        self.bytes[at..at + entries.len()].copy_from_slice(entries);
        self.update_header(count as isize);
    }

    /// The entries from `offset` on become a listpack of their own.
    pub fn split_off(&mut self, offset: usize) -> Listpack {
        let count = self.iter_from(offset).count();
        let end = self.end();
        let mut tail = Listpack::new();
        tail.bytes.resize_range(HEADER_LEN, 0, end - offset);
        tail.bytes[HEADER_LEN..HEADER_LEN + end - offset].copy_from_slice(&self.bytes[offset..end]);
        tail.update_header(count as isize);
        self.bytes.resize_range(offset, end - offset, 0);
        self.update_header(-(count as isize));
        tail
    }

    /// An element takes the place of the `old_len` bytes at `offset`.
    fn write(&mut self, offset: usize, old_len: usize, element: Element<'_>) {
        let element = canonical(element);
        let size = entry::size(element);
        self.bytes.resize_range(offset, old_len, size);
        entry::write(element, &mut self.bytes[offset..offset + size]);
    }

    /// After so many elements have come. Once the count has overflowed, the header says so for good.
    fn update_header(&mut self, change: isize) {
        let total = self.bytes.len() as u32;
        let header = &mut self.bytes[..HEADER_LEN];
        header[..4].copy_from_slice(&total.to_le_bytes());
        let count = u16::from_le_bytes([header[4], header[5]]);
        if count != UNKNOWN_COUNT {
            let count = u16::try_from(usize::from(count).saturating_add_signed(change)).unwrap_or(UNKNOWN_COUNT);
            header[4..].copy_from_slice(&count.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listpack_of<'a>(elements: impl IntoIterator<Item = &'a [u8]>) -> Listpack {
        let mut listpack = Listpack::new();
        elements.into_iter().for_each(|element| listpack.push(element));
        listpack
    }

    fn contents(listpack: &Listpack) -> Vec<Vec<u8>> {
        listpack.iter().map(Element::to_vec).collect()
    }

    /// Entry bytes by the format's description.
    #[test]
    fn every_encoding_has_its_bytes() {
        let cases: [(&str, &[u8]); 16] = [
            ("0", &[0, 1]),
            ("127", &[127, 1]),
            ("128", &[0xc0, 0x80, 2]),
            ("-1", &[0xdf, 0xff, 2]),
            ("4095", &[0xcf, 0xff, 2]),
            ("-4096", &[0xd0, 0x00, 2]),
            ("4096", &[0xf1, 0x00, 0x10, 3]),
            ("-32768", &[0xf1, 0x00, 0x80, 3]),
            ("32768", &[0xf2, 0x00, 0x80, 0x00, 4]),
            ("-8388608", &[0xf2, 0x00, 0x00, 0x80, 4]),
            ("8388608", &[0xf3, 0x00, 0x00, 0x80, 0x00, 5]),
            ("2147483648", &[0xf4, 0, 0, 0, 0x80, 0, 0, 0, 0, 9]),
            ("-9223372036854775808", &[0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9]),
            ("", &[0x80, 1]),
            ("abc", &[0x83, b'a', b'b', b'c', 4]),
            ("01", &[0x82, b'0', b'1', 3]),
        ];
        for (text, entry) in cases {
            let listpack = listpack_of([text.as_bytes()]);
            assert_eq!(&listpack.as_bytes()[HEADER_LEN..listpack.end()], entry, "{text}");
            assert_eq!(listpack.as_bytes()[..HEADER_LEN], [entry.len() as u8 + 7, 0, 0, 0, 1, 0]);
            assert_eq!(contents(&listpack), [text.as_bytes()]);
        }
    }

    #[test]
    fn long_strings_have_longer_heads_and_back_lengths() {
        for (len, head, back_len) in [
            (64, vec![0xe0, 64], vec![66]),
            (126, vec![0xe0, 126], vec![1, 0x80]),
            (4095, vec![0xef, 0xff], vec![32, 0x81]),
            (4096, vec![0xf0, 0, 0x10, 0, 0], vec![32, 0x85]),
            (16377, vec![0xf0, 0xf9, 0x3f, 0, 0], vec![127, 0xfe]),
            (16378, vec![0xf0, 0xfa, 0x3f, 0, 0], vec![0, 0xff, 0xff]),
        ] {
            let text = vec![b'x'; len];
            let listpack = listpack_of([&text[..]]);
            assert_eq!(listpack.as_bytes()[HEADER_LEN..][..head.len()], head, "{len}");
            assert_eq!(listpack.as_bytes()[HEADER_LEN + head.len() + len..listpack.end()], back_len, "{len}");
            assert_eq!(contents(&listpack), [text]);
        }
    }

    #[test]
    fn the_count_overflows_into_unknown() {
        let mut listpack = Listpack::new();
        for index in 0..65534 {
            listpack.push(if index % 2 == 0 { b"1" } else { b"a" });
        }
        assert_eq!((listpack.len(), &listpack.as_bytes()[4..6]), (65534, &[0xfe, 0xff][..]));
        listpack.push(b"x");
        listpack.push(b"y");
        assert_eq!((listpack.len(), &listpack.as_bytes()[4..6]), (65536, &[0xff, 0xff][..]));
        assert_eq!(Listpack::from_bytes(listpack.as_bytes().to_vec()).map(|copy| copy.len()), Ok(65536));
    }

    #[test]
    fn finds_at_a_stride() {
        let listpack = listpack_of([&b"a"[..], b"b", b"b", b"7"]);
        assert_eq!(listpack.find(b"b", 1), listpack.offset_of(1));
        assert_eq!(listpack.find(b"b", 2), listpack.offset_of(2));
        assert_eq!(listpack.find(b"7", 1), listpack.offset_of(3));
        assert_eq!(listpack.find(b"7", 2), None);
    }

    fn element() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..150),
            (0usize..20000).prop_map(|len| vec![b'z'; len]),
            any::<i64>().prop_map(|value| value.to_string().into_bytes()),
            (0u32..63, any::<bool>()).prop_map(|(bits, negative)| {
                let value = (1i64 << bits) - 1;
                (if negative { -value } else { value }).to_string().into_bytes()
            }),
        ]
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Insert(usize, Vec<u8>),
        Replace(usize, Vec<u8>),
        Remove(usize, usize),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            3 => (any::<usize>(), element()).prop_map(|(index, bytes)| Edit::Insert(index, bytes)),
            1 => (any::<usize>(), element()).prop_map(|(index, bytes)| Edit::Replace(index, bytes)),
            1 => (any::<usize>(), 0usize..4).prop_map(|(index, count)| Edit::Remove(index, count)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn behaves_as_a_sequence(edits in prop::collection::vec(edit(), 0..60)) {
            let (mut listpack, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
            for edit in edits {
                match edit {
                    Edit::Insert(index, bytes) => {
                        let index = index % (model.len() + 1);
                        listpack.insert(listpack.offset_of(index).unwrap_or(listpack.end()), &bytes);
                        model.insert(index, bytes);
                    }
                    Edit::Replace(index, bytes) if !model.is_empty() => {
                        let index = index % model.len();
                        listpack.replace(listpack.offset_of(index).unwrap(), &bytes);
                        model[index] = bytes;
                    }
                    Edit::Remove(index, count) if !model.is_empty() => {
                        let index = index % model.len();
                        listpack.remove(listpack.offset_of(index).unwrap(), count);
                        model.drain(index..(index + count).min(model.len()));
                    }
                    _ => {}
                }
                prop_assert_eq!(listpack.len(), model.len());
            }
            prop_assert_eq!(&contents(&listpack), &model);
            let backwards = std::iter::successors(listpack.previous(listpack.end()), |&at| listpack.previous(at));
            let backwards: Vec<Vec<u8>> = backwards.map(|at| listpack.get(at).unwrap().to_vec()).collect();
            prop_assert!(backwards.iter().eq(model.iter().rev()));
            prop_assert_eq!(Listpack::from_bytes(listpack.as_bytes().to_vec()), Ok(listpack));
        }

        /// Whatever comes from outside is refused, or safe to read and to write.
        #[test]
        fn mutated_bytes_are_refused_or_usable(
            elements in prop::collection::vec(element(), 0..6),
            mutations in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
            cut in 0usize..3,
        ) {
            let mut bytes = listpack_of(elements.iter().map(|element| &element[..])).as_bytes().to_vec();
            for (at, value) in mutations {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(bytes.len() - cut);
            if let Ok(mut listpack) = Listpack::from_bytes(bytes) {
                prop_assert_eq!(listpack.iter().count(), listpack.len());
                listpack.push(b"more");
                listpack.remove(HEADER_LEN, 1);
                prop_assert!(Listpack::from_bytes(listpack.as_bytes().to_vec()).is_ok());
            }
        }

        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut framed = vec![bytes.len() as u8 + 7, 0, 0, 0, 0xff, 0xff];
            framed.extend(&bytes);
            framed.push(END);
            let _ = Listpack::from_bytes(framed).map(|listpack| listpack.iter().count());
            let _ = Listpack::from_bytes(bytes);
        }
    }
}
