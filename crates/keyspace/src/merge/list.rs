//! Lists.

use super::{Cut, Parts};
use crate::KeyType;
use crate::entry::NewValue;
use crate::table::KeyHasher;
use values::List;

impl<H: KeyHasher> Parts<'_, '_, H> {
    /// A cut's part in the list. `base`: what it is now, where it was a clear that won.
    pub(super) fn cut_list(&mut self, cut: Cut<'_>, base: Option<List>) {
        self.cut_whole(KeyType::List, cut, base.map(NewValue::List));
    }
}
