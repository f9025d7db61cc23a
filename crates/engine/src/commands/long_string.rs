//! What is read of strings of many megabytes is read in slices, of the string as it was at the beginning.

use super::collection::reply_in_slices;
use keyspace::{LongString, StringRef, View};
use resp::Out;
use std::ops::{ControlFlow, Deref, Range, RangeInclusive};

/// Reading more takes more than a fraction of a millisecond.
pub(super) const SLICE_BYTES: usize = 2 << 20;

/// A string as it was at a key, empty where there was none. A long one is shared.
pub(super) enum CopiedText {
    Long(LongString),
    Short(Vec<u8>),
}

impl CopiedText {
    /// `None`: what is there is no string.
    pub(super) fn of(view: &View<'_>, key: &[u8]) -> Option<CopiedText> {
        if let Some(text) = view.long_string(key) {
            return Some(CopiedText::Long(text));
        }
        Some(CopiedText::Short(view.string(key).ok()?.map(StringRef::to_vec).unwrap_or_default()))
    }

    /// Is that still what is at `key`?
    pub(super) fn is_at(&self, view: &View<'_>, key: &[u8]) -> bool {
        match self {
            CopiedText::Long(text) => view.long_string(key).is_some_and(|now| now.is(text)),
            CopiedText::Short(text) => {
                view.string(key).is_ok_and(|now| now.map(StringRef::to_vec).unwrap_or_default() == *text)
            }
        }
    }
}

impl Deref for CopiedText {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            CopiedText::Long(text) => text,
            CopiedText::Short(text) => text,
        }
    }
}

/// The string at `key`, which was found to be `value`; `None` where it is short.
#[inline]
pub(super) fn if_long(view: &View<'_>, key: &[u8], value: Option<StringRef<'_>>) -> Option<LongString> {
    match value {
        Some(StringRef::Bytes(bytes)) if bytes.len() > SLICE_BYTES => view.long_string(key),
        _ => None,
    }
}

/// Replies with a part of it.
pub(super) fn reply_part(out: &mut Out, text: LongString, part: Range<usize>) {
    const COPIED_BYTES: usize = SLICE_BYTES / 8;
    out.bulk_head(part.len());
    out.announce(part.len());
    reply_in_slices(out, part.len().div_ceil(COPIED_BYTES), move |given, out| {
        let next = part.len().min(given + COPIED_BYTES);
        out.buffer.extend_from_slice(&text[part.start + given..part.start + next]);
        if next == part.len() {
            out.buffer.extend_from_slice(b"\r\n");
        }
        (next < part.len()).then_some(next)
    });
}

/// Gives the bits, which are some, in slices, and replies with the number that `look` makes of them: either at once, or by the
/// state after the last slice.
pub(super) fn reply_of_bits(
    out: &mut Out,
    text: LongString,
    bits: RangeInclusive<u64>,
    mut state: i64,
    look: impl Fn(&[u8], RangeInclusive<u64>, i64) -> ControlFlow<i64, i64> + Send + 'static,
) {
    let (mut start, last) = bits.into_inner();
    // There is but one number to come.
    reply_in_slices(out, 1, move |place, out| {
        let end = last.min(start + SLICE_BYTES as u64 * 8 - 1);
        match look(&text, start..=end, state) {
            ControlFlow::Continue(next) if end < last => {
                (start, state) = (end + 1, next);
                Some(place + 1)
            }
            ControlFlow::Continue(number) | ControlFlow::Break(number) => {
                out.integer(number);
                None
            }
        }
    });
}
