//! What is read of strings of many megabytes is read in slices, of the string as it was at the beginning.

use super::collection::reply_in_slices;
use keyspace::{LongString, StringRef, View};
use resp::Out;
use std::ops::{ControlFlow, Range, RangeInclusive};

/// Reading more takes more than a fraction of a millisecond.
const SLICE_BYTES: usize = 2 << 20;

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
    reply_in_slices(out, move |given, out| {
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
    reply_in_slices(out, move |place, out| {
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
