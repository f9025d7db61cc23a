//! How large a node of a list may grow.

use crate::EncodingLimits;

/// Whatever the number of elements allows, a listpack of more bytes is slow to change.
const SAFE_BYTES: usize = 8192;
/// What `list-max-listpack-size` from -1 to -5 stands for.
const BYTE_LIMITS: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// What an element may need beyond its bytes, as Redis estimates.
const OVERHEAD: usize = 8;

/// `list-max-listpack-size`, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeLimit {
    bytes: usize,
    count: usize,
    /// An element of this length has a node for itself, which is no listpack.
    large: usize,
}

impl NodeLimit {
    #[inline]
    pub(super) fn of(limits: &EncodingLimits) -> NodeLimit {
        let (bytes, count) = match limits.list_max_listpack_size {
            setting @ ..0 => {
                let class = setting.unsigned_abs() as usize - 1;
                (BYTE_LIMITS[class.min(BYTE_LIMITS.len() - 1)], usize::MAX)
            }
            setting => (SAFE_BYTES, (setting as usize).max(1)),
        };
        let large = if limits.list_packed_threshold > 0 { limits.list_packed_threshold } else { bytes + 1 };
        NodeLimit { bytes, count, large }
    }

    /// Is a listpack of so many bytes and elements too large?
    #[inline]
    pub(super) fn is_exceeded(&self, bytes: usize, count: usize) -> bool {
        bytes > self.bytes || count > self.count
    }

    /// Does an element of `len` bytes go into a listpack of this size?
    #[inline]
    pub(super) fn admits(&self, bytes: usize, count: usize, len: usize) -> bool {
        !self.is_large(len) && !self.is_exceeded(bytes + len + OVERHEAD, count + 1)
    }

    #[inline]
    pub(super) fn is_large(&self, len: usize) -> bool {
        len >= self.large
    }

    /// Is a listpack so small that it can be the whole list? Half of what is allowed, so that a list at the border does
    /// not change its encoding with every element.
    #[inline]
    pub(super) fn is_small(&self, bytes: usize, count: usize) -> bool {
        let count_limit = if self.count == usize::MAX { usize::MAX } else { self.count / 2 };
        let byte_limit = if self.count == usize::MAX { self.bytes / 2 } else { usize::MAX };
        bytes <= byte_limit && count <= count_limit
    }
}
