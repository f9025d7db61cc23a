//! The small form: member, score, member, score … in a listpack, in their order.

use crate::{Element, Listpack};
use stdx::FloatBuffer;

#[derive(Clone, Debug, Default)]
pub(super) struct Small(pub Listpack);

/// A pair and where it is in the listpack.
pub(super) struct Pair<'a> {
    pub offset: usize,
    pub member: Element<'a>,
    pub score: f64,
    pub next: usize,
}

impl Small {
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// The pair whose member is at `offset`.
    #[inline]
    pub fn pair(&self, offset: usize) -> Option<Pair<'_>> {
        let (member, score_at) = self.0.read(offset)?;
        let (score, next) = self.0.read(score_at)?;
        Some(Pair { offset, member, score: score_of(score), next })
    }

    pub fn first(&self) -> usize {
        self.0.start()
    }

    /// Where the pair at `rank` is, or, behind the last one, the end.
    pub fn offset_of(&self, rank: usize) -> usize {
        if rank == 0 { self.first() } else { self.0.offset_of(rank * 2).unwrap_or(self.0.end()) }
    }

    /// How many pairs from `offset` on are before a point in the order, and where the next one is.
    pub fn count_from(&self, offset: usize, is_before: impl Fn(f64, &[u8]) -> bool) -> (usize, usize) {
        let (mut count, mut at) = (0, offset);
        while let Some(pair) = self.pair(at)
            && pair.member.with_bytes(|member| is_before(pair.score, member))
        {
            (count, at) = (count + 1, pair.next);
        }
        (count, at)
    }

    /// The member of the pair that ends at `offset`.
    pub fn previous(&self, offset: usize) -> Option<usize> {
        self.0.previous(self.0.previous(offset)?)
    }

    pub fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        std::iter::successors(self.pair(self.first()), |pair| self.pair(pair.next))
    }

    pub fn find(&self, member: &[u8]) -> Option<Pair<'_>> {
        self.pair(self.0.find(member, 2)?)
    }

    /// A member that is not here.
    pub fn insert(&mut self, member: &[u8], score: f64) {
        let is_behind = |pair: &Pair<'_>| {
            pair.score > score || (pair.score == score && pair.member.with_bytes(|other| other > member))
        };
        let offset = self.pairs().find(is_behind).map_or(self.0.end(), |pair| pair.offset);
        let mut buffer = FloatBuffer::new();
        self.0.insert(offset, buffer.format(score));
        self.0.insert(offset, member);
    }

    /// The pair at `offset`.
    pub fn remove(&mut self, offset: usize) {
        self.0.remove(offset, 2);
    }
}

/// Scores that are integers are kept as such, others as text.
#[inline]
fn score_of(element: Element<'_>) -> f64 {
    match element {
        Element::Int(value) => value as f64,
        Element::Bytes(text) => stdx::parse_f64(text).unwrap_or_default(),
    }
}
