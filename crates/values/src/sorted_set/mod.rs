//! Sorted sets: listpack, or a tree with an index of its members.

mod index;
mod run;
mod small;
mod tree;

use self::index::MemberIndex;
use self::small::Small;
use self::tree::{Position, Tree};
use crate::expiring::{Deadlines, Elements};
use crate::{Element, Encoding, EncodingLimits, Prefetch, listpack, sample};
use std::ops::Range;
use stdx::hash::hash;

/// Members in the order of their scores; those with the same score in the order of their bytes. Few and short members
/// live in a listpack, everything else in a tree; never back.
#[derive(Clone, Debug, Default)]
pub struct SortedSet {
    form: Form,
    deadlines: Option<Box<Deadlines<f64>>>,
}

/// What an insertion has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    Nothing,
    /// That of a member that was there.
    Score,
    /// The member is new.
    New,
}

#[derive(Clone, Debug)]
enum Form {
    Listpack(Small),
    Tree(Box<Indexed>),
}

/// A tree, and where its members are in it. Each member is stored once.
#[derive(Clone, Debug)]
struct Indexed {
    tree: Tree,
    index: MemberIndex,
}

impl Default for Form {
    fn default() -> Form {
        Form::Listpack(Small::default())
    }
}

impl SortedSet {
    pub fn new() -> SortedSet {
        SortedSet::default()
    }

    /// An empty one for `len` members that are to come, none longer than `longest`: where that is known, the encoding
    /// is chosen for all of them at once.
    pub fn for_members(len: usize, longest: usize, limits: &EncodingLimits) -> SortedSet {
        let mut set = SortedSet::new();
        if len > limits.zset_max_listpack_entries || longest > limits.zset_max_listpack_value {
            set.convert_to_tree();
        }
        set
    }

    pub fn len(&self) -> usize {
        match &self.form {
            Form::Listpack(small) => small.len(),
            Form::Tree(indexed) => indexed.tree.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.form {
            Form::Listpack(small) => small.0.is_empty(),
            Form::Tree(indexed) => indexed.tree.len() == 0,
        }
    }

    /// Starts to load what a lookup of `member` will touch, where the set is large. False where it is not.
    pub fn prefetch(&self, member: &[u8], step: Prefetch) -> bool {
        let Form::Tree(indexed) = &self.form else { return false };
        indexed.index.prefetch(hash(member), step);
        true
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.form {
            Form::Listpack(small) => Some(small.find(member)?.score),
            Form::Tree(indexed) => Some(indexed.tree.score(indexed.find(member)?)),
        }
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.form {
            Form::Listpack(small) => small.find(member).is_some(),
            Form::Tree(indexed) => indexed.find(member).is_some(),
        }
    }

    /// How many members are before this one.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.form {
            Form::Listpack(small) => {
                let found = small.find(member)?.offset;
                Some(small.pairs().take_while(|pair| pair.offset < found).count())
            }
            Form::Tree(indexed) => {
                let score = indexed.tree.score(indexed.find(member)?);
                Some(indexed.tree.partition_point(&tree::is_before(score, member)))
            }
        }
    }

    /// The places between two points of the order: `is_below` says what comes before the lower one, `is_not_above` what
    /// comes before the upper one.
    pub fn ranks_between(
        &self,
        is_below: impl Fn(f64, &[u8]) -> bool,
        is_not_above: impl Fn(f64, &[u8]) -> bool,
    ) -> Range<usize> {
        match &self.form {
            Form::Listpack(small) => {
                let (start, offset) = small.count_from(small.first(), is_below);
                start..start + small.count_from(offset, is_not_above).0
            }
            Form::Tree(indexed) => {
                let tree = &indexed.tree;
                let start = tree.partition_point(&|pair| is_below(pair.score(), pair.member()));
                let end = tree.partition_point(&|pair| is_not_above(pair.score(), pair.member()));
                start..end.max(start)
            }
        }
    }

    /// Gives a member a score, which is a number. True where the member is new.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &EncodingLimits) -> bool {
        self.insert_if(member, score, limits, |_| true) == Inserted::New
    }

    /// The same where `admits` says so, who gets the score that the member has, if it is there.
    pub fn insert_if(
        &mut self,
        member: &[u8],
        score: f64,
        limits: &EncodingLimits,
        admits: impl FnOnce(Option<f64>) -> bool,
    ) -> Inserted {
        // There is but one zero: the listpack cannot tell two of them apart.
        let score = score + 0.0;
        match &mut self.form {
            Form::Listpack(small) => {
                let found = small.find(member).map(|pair| (pair.offset, pair.score));
                if !admits(found.map(|(_, old)| old)) || found.is_some_and(|(_, old)| old == score) {
                    return Inserted::Nothing;
                }
                if let Some((offset, _)) = found {
                    small.remove(offset);
                    small.insert(member, score);
                    return Inserted::Score;
                }
                if small.len() < limits.zset_max_listpack_entries
                    && member.len() <= limits.zset_max_listpack_value
                    && small.0.has_room_for(member.len())
                {
                    small.insert(member, score);
                } else {
                    self.convert_to_tree().insert(member, score);
                }
                Inserted::New
            }
            Form::Tree(indexed) => indexed.insert_if(member, score, admits),
        }
    }

    /// True where the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.forget(member);
        }
        self.remove_from_form(member)
    }

    fn remove_from_form(&mut self, member: &[u8]) -> bool {
        match &mut self.form {
            Form::Listpack(small) => {
                let found = small.find(member).map(|pair| pair.offset);
                if let Some(offset) = found {
                    small.remove(offset);
                }
                found.is_some()
            }
            Form::Tree(indexed) => indexed.remove(member),
        }
    }

    fn convert_to_tree(&mut self) -> &mut Indexed {
        let mut indexed =
            Box::new(Indexed { tree: Tree::default(), index: MemberIndex::with_capacity(self.len() + 1) });
        for (member, score) in self.iter() {
            member.with_bytes(|member| indexed.insert(member, score));
        }
        self.form = Form::Tree(indexed);
        match &mut self.form {
            Form::Tree(indexed) => indexed,
            Form::Listpack(_) => unreachable!("it was just made a tree"),
        }
    }

    /// Members and scores in their order.
    pub fn iter(&self) -> SortedSetIter<'_> {
        self.range(0..self.len())
    }

    /// The members at these places of the order, of which the end may lie behind the last one.
    pub fn range(&self, ranks: Range<usize>) -> SortedSetIter<'_> {
        let ranks = ranks.start..ranks.end.min(self.len());
        let iter = match &self.form {
            Form::Listpack(small) => FormIter::Listpack { small, front: None, back: None },
            Form::Tree(indexed) => FormIter::Tree { tree: &indexed.tree, front: None, back: None },
        };
        SortedSetIter { iter, ranks }
    }

    /// One member, uniformly at random. `dice(n)` returns a number below `n`.
    pub fn random(&self, mut dice: impl FnMut(usize) -> usize) -> Option<(Element<'_>, f64)> {
        let rank = if self.is_empty() { return None } else { dice(self.len()) };
        self.range(rank..rank + 1).next()
    }

    /// `count` different members, every selection equally likely; all of them where there are not more.
    pub fn sample(&self, count: usize, mut dice: impl FnMut(usize) -> usize, mut f: impl FnMut(Element<'_>, f64)) {
        if !sample::is_sparse(count, self.len()) {
            return sample::select(self.iter(), self.len(), count, dice, |(member, score)| f(member, score));
        }
        let random = || Some(dice(self.len()));
        sample::draw(count, random, |rank| self.range(rank..rank + 1).for_each(|(member, score)| f(member, score)));
    }

    /// ZSCAN: calls `f` for at least `count` members where there are; returns the next cursor (0: done).
    /// A member present throughout is returned at least once, whatever happens between the calls.
    pub fn scan(&self, cursor: u64, count: usize, mut f: impl FnMut(&[u8], f64)) -> u64 {
        match &self.form {
            Form::Tree(indexed) => indexed.scan(cursor, count, f),
            Form::Listpack(_) => {
                self.iter().for_each(|(member, score)| member.with_bytes(|member| f(member, score)));
                0
            }
        }
    }

    /// Copies one part of what clones share, as the first write to it would. False where there is no such part.
    pub fn unshare(&mut self, part: usize) -> bool {
        let Form::Tree(indexed) = &mut self.form else { return false };
        let parts = indexed.index.segments().count();
        if part < parts {
            indexed.index.segments().unshare(part);
            return true;
        }
        indexed.tree.unshare(part - parts)
    }

    /// Is `copy`, a clone, still what this sorted set is?
    pub fn is(&self, copy: &SortedSet) -> bool {
        match (&self.form, &copy.form) {
            (Form::Tree(own), Form::Tree(copy)) => own.tree.is(&copy.tree),
            (Form::Listpack(own), Form::Listpack(copy)) => own.0 == copy.0,
            _ => false,
        }
    }

    /// Has the sorted set the encoding of a large one, and would it have, however it were made?
    pub fn is_large(&self, limits: &EncodingLimits) -> bool {
        matches!(self.form, Form::Tree(_)) && self.len() > limits.zset_max_listpack_entries
    }

    pub fn encoding(&self) -> Encoding {
        match self.form {
            Form::Listpack(_) => Encoding::Listpack,
            Form::Tree(_) => Encoding::Skiplist,
        }
    }

    /// Bytes on the heap, as MEMORY USAGE counts.
    pub fn heap_size(&self) -> usize {
        let form = match &self.form {
            Form::Listpack(small) => small.0.heap_size(),
            Form::Tree(indexed) => size_of::<Indexed>() + indexed.tree.heap_size() + indexed.index.heap_size(),
        };
        form + self.deadlines.as_ref().map_or(0, |deadlines| deadlines.heap_size())
    }
}

impl Elements for SortedSet {
    type Value = f64;

    fn deadlines(&self) -> Option<&Deadlines<f64>> {
        self.deadlines.as_deref()
    }

    fn deadlines_mut(&mut self) -> &mut Option<Box<Deadlines<f64>>> {
        &mut self.deadlines
    }

    fn has(&self, member: &[u8]) -> bool {
        self.contains(member)
    }

    fn take(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.score(member)?;
        self.remove_from_form(member);
        Some(score)
    }

    fn put_back(&mut self, member: &[u8], score: f64, limits: &EncodingLimits) {
        self.insert(member, score, limits);
    }
}

impl Indexed {
    #[inline]
    fn find(&self, member: &[u8]) -> Option<Position> {
        self.index.leaves(hash(member)).find_map(|leaf| self.tree.find_in(leaf, member))
    }

    fn insert(&mut self, member: &[u8], score: f64) {
        self.insert_if(member, score, |_| true);
    }

    fn insert_if(&mut self, member: &[u8], score: f64, admits: impl FnOnce(Option<f64>) -> bool) -> Inserted {
        let Indexed { tree, index } = self;
        let member_hash = hash(member);
        let found = index.leaves(member_hash).find_map(|leaf| tree.find_in(leaf, member));
        let old = found.map(|at| tree.score(at));
        if !admits(old) || old == Some(score) {
            return Inserted::Nothing;
        }
        let Some((at, old)) = found.zip(old) else {
            let leaf = tree.insert(score, member, |member, from, to| index.relocate(hash(member), from, to));
            index.insert(member_hash, leaf);
            return Inserted::New;
        };
        if !tree.change_in_place(at, score) {
            // Whatever happens to leaves meanwhile, the index says of this member where it was.
            tree.remove(old, member, |member, from, to| index.relocate(hash(member), from, to));
            let leaf = tree.insert(score, member, |member, from, to| index.relocate(hash(member), from, to));
            index.relocate(member_hash, at.leaf, leaf);
        }
        Inserted::Score
    }

    fn remove(&mut self, member: &[u8]) -> bool {
        let Indexed { tree, index } = self;
        let member_hash = hash(member);
        let found = index.leaves(member_hash).find_map(|leaf| tree.find_in(leaf, member));
        if let Some(at) = found {
            index.remove(member_hash, at.leaf);
            tree.remove(tree.score(at), member, |member, from, to| index.relocate(hash(member), from, to));
        }
        found.is_some()
    }

    fn scan(&self, cursor: u64, count: usize, mut f: impl FnMut(&[u8], f64)) -> u64 {
        self.index.scan(cursor, count, |half, leaf| {
            for (score, member) in self.tree.leaf(leaf).filter(|(_, member)| hash(member) as u32 == half) {
                f(member, score);
            }
        })
    }
}

/// Members and scores in their order, from both ends.
#[derive(Clone, Debug)]
pub struct SortedSetIter<'a> {
    iter: FormIter<'a>,
    /// What is left.
    ranks: Range<usize>,
}

/// Each end is looked up when it is needed: most go only one way.
#[derive(Clone, Debug)]
enum FormIter<'a> {
    /// Offsets of the first pair, and behind the last one.
    Listpack { small: &'a Small, front: Option<usize>, back: Option<usize> },
    /// The first pair and the last one.
    Tree { tree: &'a Tree, front: Option<Position>, back: Option<Position> },
}

/// Members of a small sorted set, in order.
#[derive(Clone, Debug)]
pub struct PackedMembers<'a> {
    elements: listpack::Iter<'a>,
    remaining: usize,
}

impl<'a> Iterator for PackedMembers<'a> {
    type Item = Element<'a>;

    // Long replies are made of this.
    #[inline(always)]
    fn next(&mut self) -> Option<Element<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let member = self.elements.next();
        self.elements.next();
        member
    }
}

impl<'a> SortedSetIter<'a> {
    /// The members alone, where the set is small: no score is read.
    pub fn packed_members(&self) -> Option<PackedMembers<'a>> {
        let FormIter::Listpack { small, front, .. } = &self.iter else { return None };
        let front = front.unwrap_or_else(|| small.offset_of(self.ranks.start));
        Some(PackedMembers { elements: small.0.iter_from(front), remaining: self.ranks.len() })
    }
}

impl<'a> Iterator for SortedSetIter<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Element<'a>, f64)> {
        let rank = self.ranks.next()?;
        match &mut self.iter {
            FormIter::Listpack { small, front, .. } => {
                let pair = small.pair(front.unwrap_or_else(|| small.offset_of(rank)))?;
                *front = Some(pair.next);
                Some((pair.member, pair.score))
            }
            FormIter::Tree { tree, front, .. } => {
                let at = front.unwrap_or_else(|| tree.position(rank));
                *front = Some(tree.next(at));
                Some((Element::Bytes(tree.member(at)), tree.score(at)))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl<'a> DoubleEndedIterator for SortedSetIter<'a> {
    fn next_back(&mut self) -> Option<(Element<'a>, f64)> {
        let rank = self.ranks.next_back()?;
        match &mut self.iter {
            FormIter::Listpack { small, back, .. } => {
                let behind = back.unwrap_or_else(|| small.offset_of(rank + 1));
                let pair = small.pair(small.previous(behind)?)?;
                *back = Some(pair.offset);
                Some((pair.member, pair.score))
            }
            FormIter::Tree { tree, back, .. } => {
                let at = back.unwrap_or_else(|| tree.position(rank));
                *back = Some(tree.previous(at));
                Some((Element::Bytes(tree.member(at)), tree.score(at)))
            }
        }
    }
}

impl ExactSizeIterator for SortedSetIter<'_> {}

impl<'a> IntoIterator for &'a SortedSet {
    type Item = (Element<'a>, f64);
    type IntoIter = SortedSetIter<'a>;
    fn into_iter(self) -> SortedSetIter<'a> {
        self.iter()
    }
}
