//! Long strings: they have an allocation of their own, which readers may share.

use super::INLINE_MAX;
use std::ops::Deref;
use std::sync::Arc;

/// A longer string is not freed where somebody waits.
const MAX_FREED_BYTES: usize = 1 << 20;

/// A string as it is at this moment. Who writes to it while it is shared writes to a copy.
#[derive(Clone, Debug)]
pub struct LongString(Arc<Vec<u8>>);

impl LongString {
    /// Gives the bytes back where they are not enough for that.
    pub(crate) fn of(bytes: Vec<u8>) -> Result<LongString, Vec<u8>> {
        if bytes.len() > INLINE_MAX { Ok(LongString::new(bytes)) } else { Err(bytes) }
    }

    pub(super) fn new(bytes: Vec<u8>) -> LongString {
        LongString(Arc::new(bytes))
    }

    /// Is it that very string, and has it not been changed since?
    pub fn is(&self, other: &LongString) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// To be changed: others keep what they have.
    pub(super) fn make_mut(&mut self) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.0)
    }

    /// Bytes on the heap.
    pub(super) fn heap_size(&self) -> usize {
        const COUNTERS_BYTES: usize = 2 * size_of::<usize>();
        COUNTERS_BYTES + size_of::<Vec<u8>>() + self.0.capacity()
    }
}

impl Deref for LongString {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for LongString {
    fn drop(&mut self) {
        if self.0.capacity() > MAX_FREED_BYTES {
            stdx::discard(std::mem::take(&mut self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_it_keeps_what_it_was() {
        let mut ours = LongString::new(b"before".to_vec());
        let theirs = ours.clone();
        ours.make_mut().extend_from_slice(b" and after");
        assert_eq!((&*ours, &*theirs), (&b"before and after"[..], &b"before"[..]));
    }
}
