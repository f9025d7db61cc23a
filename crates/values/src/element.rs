//! An element as its encoding keeps it: the compact encodings store integers as such.

/// A member, field or value, borrowed from a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// Calls `f` with the bytes that a client sees.
    #[inline]
    pub fn with_bytes<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Element::Int(value) => f(itoa::Buffer::new().format(value).as_bytes()),
            Element::Bytes(bytes) => f(bytes),
        }
    }

    /// Length of the bytes that a client sees.
    pub fn byte_len(self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// Do clients see the same?
    pub fn equals(self, other: Element<'_>) -> bool {
        match (self, other) {
            (Element::Int(a), Element::Int(b)) => a == b,
            (Element::Bytes(a), Element::Bytes(b)) => a == b,
            (Element::Int(int), Element::Bytes(bytes)) | (Element::Bytes(bytes), Element::Int(int)) => {
                stdx::parse_i64(bytes) == Some(int)
            }
        }
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// The integer that this is, or that its bytes spell in exactly the way in which integers are printed.
    #[inline]
    pub fn as_integer(self) -> Option<i64> {
        match self {
            Element::Int(value) => Some(value),
            Element::Bytes(bytes) => stdx::parse_i64(bytes),
        }
    }
}

/// Something that elements are compared with, whatever their encodings.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    bytes: &'a [u8],
    integer: Option<i64>,
}

impl<'a> Wanted<'a> {
    pub fn new(bytes: &'a [u8]) -> Wanted<'a> {
        Wanted { bytes, integer: stdx::parse_i64(bytes) }
    }

    #[inline]
    pub fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Int(value) => self.integer == Some(value),
            Element::Bytes(bytes) => bytes == self.bytes,
        }
    }
}
