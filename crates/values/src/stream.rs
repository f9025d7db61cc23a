//! Streams.

use crate::Encoding;

/// Entries by id. An empty stream is a key all the same.
#[derive(Clone, Debug, Default)]
pub struct Stream {}

impl Stream {
    pub fn new() -> Stream {
        Stream::default()
    }

    pub fn len(&self) -> usize {
        0
    }

    pub fn is_empty(&self) -> bool {
        true
    }

    pub fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        0
    }
}
