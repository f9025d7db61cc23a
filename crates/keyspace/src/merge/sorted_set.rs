//! Sorted sets.

use super::{Cut, Parts};
use crate::KeyType;
use crate::entry::NewValue;
use crate::table::KeyHasher;
use values::SortedSet;

impl<H: KeyHasher> Parts<'_, '_, H> {
    /// A cut's part in the sorted set. `base`: what it is now, where it was a clear that won.
    pub(super) fn cut_sorted_set(&mut self, cut: Cut<'_>, base: Option<SortedSet>) {
        self.cut_whole(KeyType::SortedSet, cut, base.map(NewValue::SortedSet));
    }
}
