//! What the commands of all collections share: elements in replies, long replies in slices, pops from several keys.

use crate::arguments::{Cursor, is};
use crate::fault::Fault;
use resp::{Args, Bulks, Out, Rest};
use std::collections::VecDeque;
use values::Element;

#[inline]
pub(super) fn reply_element(out: &mut Out, element: Element<'_>) {
    match element {
        Element::Int(value) => out.bulk_integer(value),
        Element::Bytes(bytes) => out.bulk(bytes),
    }
}

/// One of many elements.
#[inline]
pub(super) fn push_element(bulks: &mut Bulks<'_>, element: Element<'_>) {
    match element {
        Element::Int(value) => bulks.push_integer(value),
        Element::Bytes(bytes) => bulks.push(bytes),
    }
}

/// All of them, each a bulk string.
#[inline]
pub(super) fn reply_elements<'e>(out: &mut Out, elements: impl Iterator<Item = Element<'e>>) {
    let mut bulks = out.bulks();
    elements.for_each(|element| push_element(&mut bulks, element));
}

/// A reply with more elements is given in slices.
const LONG_REPLY_ELEMENTS: usize = 10_000;
/// How many elements a slice has, or a few more.
pub(super) const SLICE_ELEMENTS: usize = 4000;

/// A long reply: what is left of it begins at `next`.
struct Slices<F> {
    next: Option<usize>,
    append: F,
    /// How many slices it has, about, and how many were given, of how many bytes in all.
    count: usize,
    given: usize,
    given_bytes: usize,
}

impl<F: FnMut(usize, &mut Out) -> Option<usize> + Send> Rest for Slices<F> {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        let before = out.buffer.len();
        self.next = self.next.and_then(|next| (self.append)(next, out));
        self.given += 1;
        self.given_bytes += out.buffer.len() - before;
        self.next.is_some()
    }

    /// As if all slices were like those that were given.
    fn promised_bytes(&self) -> usize {
        self.given_bytes / self.given.max(1) * self.count.saturating_sub(self.given)
    }
}

/// Gives a long reply in about `count` slices. `append` gets a place, 0 at first, and appends the slice that begins there; it returns where
/// the next one begins. It owns what it reads, as other clients have their turns between two slices.
pub(super) fn reply_in_slices<F>(out: &mut Out, count: usize, append: F)
where
    F: FnMut(usize, &mut Out) -> Option<usize> + Send + 'static,
{
    out.continue_with(Slices { next: Some(0), append, count, given: 0, given_bytes: 0 });
}

/// The same for a reply to each of very many arguments, from number `first` on.
pub(super) fn reply_to_each(
    out: &mut Out,
    args: Args<'_>,
    first: usize,
    mut reply: impl FnMut(&mut Out, &[u8]) + Send + 'static,
) {
    const SLICE_ARGUMENTS: usize = SLICE_ELEMENTS / 4;
    let args = args.from(first).to_owned();
    reply_in_slices(out, args.args().len().div_ceil(SLICE_ARGUMENTS), move |given, out| {
        let args = args.args();
        let next = args.len().min(given + SLICE_ARGUMENTS);
        (given..next).for_each(|index| reply(out, args.at(index)));
        (next < args.len()).then_some(next)
    });
}

/// Such a reply is gathered in pieces of this size: a single one would have to be copied each time it grows.
const PIECE_BYTES: usize = 256 * 1024;

/// The elements of a long reply whose length is known last.
pub(super) struct Gathered {
    /// The piece that is being written.
    part: Out,
    pieces: VecDeque<Vec<u8>>,
    count: usize,
    /// Of the pieces that are complete.
    bytes: usize,
}

impl Gathered {
    /// For whoever reads `out`.
    pub(super) fn new(out: &Out) -> Gathered {
        Gathered { part: out.part(), pieces: VecDeque::new(), count: 0, bytes: 0 }
    }

    pub(super) fn bulk(&mut self, element: &[u8]) {
        self.element(|out| out.bulk(element));
    }

    /// `write` appends one element.
    pub(super) fn element(&mut self, write: impl FnOnce(&mut Out)) {
        write(&mut self.part);
        self.count += 1;
        if self.part.buffer.len() >= PIECE_BYTES {
            self.end_piece();
        }
    }

    fn end_piece(&mut self) {
        self.bytes += self.part.buffer.len();
        self.pieces.push_back(std::mem::take(&mut self.part.buffer));
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.part.buffer.len()
    }

    /// Appends all elements at once, as they are few.
    pub(super) fn append_to(mut self, out: &mut Out) {
        self.pieces.iter().for_each(|piece| out.buffer.extend_from_slice(piece));
        out.buffer.append(&mut self.part.buffer);
    }

    /// Gives all elements, behind a header that the caller has written.
    pub(super) fn reply(&mut self, out: &mut Out) {
        self.end_piece();
        let mut pieces = std::mem::take(&mut self.pieces);
        reply_in_slices(out, pieces.len(), move |place, out| {
            if let Some(piece) = pieces.pop_front() {
                out.buffer.extend_from_slice(&piece);
            }
            (!pieces.is_empty()).then_some(place + 1)
        });
    }
}

/// The next place, by the cursor of a scan.
pub(super) fn place_of(cursor: u64) -> Option<usize> {
    usize::try_from(cursor).ok().filter(|place| *place > 0)
}

/// Is it worth a copy of the collection to give the reply in slices?
pub(super) fn is_long(len: usize) -> bool {
    len > LONG_REPLY_ELEMENTS
}

/// What LMPOP, ZMPOP and their waiting forms are asked for. `End`: one of the two ends of a collection.
pub(super) struct PopFromSeveral<'a, End> {
    args: Args<'a>,
    first_key: usize,
    key_count: usize,
    pub(super) end: End,
    pub(super) count: usize,
}

impl<'a, End> PopFromSeveral<'a, End> {
    /// `at`: where the number of keys stands; `end`: reads the word for an end.
    pub(super) fn parse(
        args: Args<'a>,
        at: usize,
        end: fn(&[u8]) -> Result<End, Fault>,
    ) -> Result<PopFromSeveral<'a, End>, Fault> {
        let positive = |text: &[u8], fault| {
            let number = stdx::parse_i64(text).and_then(|number| usize::try_from(number).ok());
            number.filter(|number| *number > 0).ok_or(Fault::Text(fault))
        };
        let key_count = positive(args.at(at), "ERR numkeys should be greater than 0")?;
        let side = key_count.checked_add(at + 1).and_then(|index| Some((index, args.get(index)?)));
        let (index, word) = side.ok_or(Fault::Syntax)?;
        let mut asked = PopFromSeveral { args, first_key: at + 1, key_count, end: end(word)?, count: 1 };
        let mut options = Cursor::new(args, index + 1);
        let mut counted = false;
        while let Some(word) = options.next() {
            if counted || !is(word, "COUNT") {
                return Err(Fault::Syntax);
            }
            counted = true;
            asked.count = positive(options.value()?, "ERR count should be greater than 0")?;
        }
        Ok(asked)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a, End> {
        self.args.from(self.first_key).iter().take(self.key_count)
    }
}
