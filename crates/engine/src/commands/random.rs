//! Random elements of collections: how many a command is to give, and very many of them in slices.

use super::collection::{SLICE_ELEMENTS, is_long, place_of, reply_in_slices};
use super::copied::{Beside, Copied};
use crate::arguments::integer;
use crate::command::Reply;
use crate::fault::Fault;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use resp::Out;
use std::collections::HashSet;
use values::Element;

/// Random elements may be asked for any number of times; the reply still has to fit into memory.
const MAX_REPLY_BYTES: usize = 1 << 30;
/// No element is shorter in a reply.
const MIN_ELEMENT_BYTES: usize = "$0\r\n\r\n".len();
/// To draw one element takes longer than to come to the next one.
const SLICE_DRAWS: usize = SLICE_ELEMENTS / 8;

/// How many random elements a command is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RandomCount {
    /// So many different ones, or all.
    Distinct(usize),
    /// Exactly so many, each drawn from all.
    WithRepeats(usize),
}

impl RandomCount {
    /// A negative number allows repeats.
    pub(super) fn parse(text: &[u8]) -> Result<RandomCount, Fault> {
        let count = integer(text)?;
        if count == i64::MIN {
            return Err(Fault::Text(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ));
        }
        let magnitude = count.unsigned_abs() as usize;
        Ok(if count < 0 { RandomCount::WithRepeats(magnitude) } else { RandomCount::Distinct(magnitude) })
    }

    /// Of so many elements.
    pub(super) fn of(self, len: usize) -> usize {
        match self {
            RandomCount::Distinct(count) => count.min(len),
            RandomCount::WithRepeats(count) => count,
        }
    }

    /// Is it worth a copy of the collection, which has so many elements, to give the reply in slices?
    pub(super) fn is_long(self, len: usize) -> bool {
        len > 0 && is_long(self.of(len))
    }
}

/// Calls `draw`, which appends one element to `out`, `count` times: not very many.
pub(super) fn repeat_draws(out: &mut Out, count: usize, mut draw: impl FnMut(&mut Out)) {
    for _ in 0..count {
        draw(out);
    }
}

/// Gives very many random elements, behind a header that the caller has written. `seed`: a random number; `reply`: appends one
/// element.
pub(super) fn reply_long_draw(
    out: &mut Out,
    source: Copied,
    count: RandomCount,
    seed: usize,
    mut reply: impl FnMut(&mut Out, Element<'_>, Beside<'_>) + Send + 'static,
) -> Reply {
    let mut random = SmallRng::seed_from_u64(seed as u64);
    let mut dice = move |n: usize| random.random_range(0..n.max(1));
    match count {
        RandomCount::WithRepeats(count) => {
            if count > MAX_REPLY_BYTES / MIN_ELEMENT_BYTES && out.limit_bytes == 0 {
                return Err(Fault::OutOfRange);
            }
            out.announce(count.saturating_mul(MIN_ELEMENT_BYTES));
            reply_in_slices(out, count.div_ceil(SLICE_DRAWS), move |given, out| {
                let next = count.min(given + SLICE_DRAWS);
                repeat_draws(out, next - given, |out| {
                    source.random(&mut dice, |element, beside| reply(out, element, beside));
                });
                (next < count).then_some(next)
            });
        }
        RandomCount::Distinct(count) if is_sparse(count, source.len()) => {
            let mut drawn = HashSet::new();
            reply_in_slices(out, count.div_ceil(SLICE_DRAWS), move |_, out| {
                for _ in 0..SLICE_DRAWS.min(count - drawn.len()) {
                    source.random(&mut dice, |element, beside| {
                        if drawn.insert(element.to_vec()) {
                            reply(out, element, beside);
                        }
                    });
                }
                (drawn.len() < count).then_some(drawn.len())
            });
        }
        RandomCount::Distinct(count) => {
            let mut choice = Choice { left: source.len(), wanted: count.min(source.len()) };
            reply_in_slices(out, source.len().div_ceil(SLICE_ELEMENTS), move |place, out| {
                place_of(source.walk(place as u64, SLICE_ELEMENTS, |element, beside| {
                    if choice.takes(&mut dice) {
                        reply(out, element, beside);
                    }
                }))
            });
        }
    }
    Ok(())
}

/// Does drawing one after the other hit few that were drawn before?
fn is_sparse(count: usize, len: usize) -> bool {
    count < len / 3
}

/// Which elements of a walk over all of them are taken: every selection is equally likely.
pub(super) struct Choice {
    /// How many are still to come, and how many of them are taken.
    pub(super) left: usize,
    pub(super) wanted: usize,
}

impl Choice {
    /// Is it the next one?
    pub(super) fn takes(&mut self, mut dice: impl FnMut(usize) -> usize) -> bool {
        let takes = dice(self.left) < self.wanted;
        self.left -= 1;
        self.wanted -= usize::from(takes);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused_before_it_begins() {
        let mut out = Out::new(resp::Protocol::Resp2);
        let count = RandomCount::WithRepeats(i64::MAX as usize);
        let refused = reply_long_draw(&mut out, Copied::Nothing, count, 0, |_, _, _| panic!("a draw"));
        assert_eq!(refused, Err(Fault::OutOfRange));
    }

    #[test]
    fn a_negative_count_allows_repeats() {
        assert_eq!(RandomCount::parse(b"3"), Ok(RandomCount::Distinct(3)));
        assert_eq!(RandomCount::parse(b"-3"), Ok(RandomCount::WithRepeats(3)));
        assert_eq!(RandomCount::parse(b"x"), Err(Fault::NotInteger));
        assert!(RandomCount::parse(b"-9223372036854775808").is_err());
    }
}
