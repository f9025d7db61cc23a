//! Streams.

use super::{Cut, Parts};
use crate::KeyType;
use crate::entry::NewValue;
use crate::table::KeyHasher;
use values::Stream;

impl<H: KeyHasher> Parts<'_, '_, H> {
    /// A cut's part in the stream. `base`: what it is now, where it was a clear that won.
    pub(super) fn cut_stream(&mut self, cut: Cut<'_>, base: Option<Stream>) {
        self.cut_whole(KeyType::Stream, cut, base.map(NewValue::Stream));
    }
}
