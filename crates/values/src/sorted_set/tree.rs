//! A B+tree of (score, member) that knows how many pairs are below each node: pairs are found by their place in the
//! order, and places by pairs, in O(log n).

use super::run::{Pair, Run};
use crate::segments::{Part, Segments};

/// No leaf has more pairs, and no node more children.
const MAX_LEN: usize = 64;
/// Below this a node is united with a neighbour, if both together leave room for more.
const MIN_LEN: usize = MAX_LEN / 4;
const MAX_UNITED_LEN: usize = MAX_LEN * 3 / 4;
/// Long members make leaves shorter.
const MAX_LEAF_BYTES: usize = 8 * 1024;
/// In the place of a leaf's number.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Leaf {
    run: Run,
    previous: u32,
    next: u32,
}

/// A node above the leaves.
#[derive(Clone, Debug, Default)]
struct Branch {
    /// Child `i` has what is not before separator `i` and before separator `i + 1`. The first one says nothing.
    separators: Run,
    children: Vec<u32>,
    /// How many pairs are below each child.
    counts: Vec<usize>,
}

/// A pair's leaf and its place there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub leaf: u32,
    pub index: usize,
}

/// Nodes are known by numbers, so that whoever remembers the number of a leaf finds it again.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    leaves: Nodes<Leaf>,
    branches: Nodes<Branch>,
    root: u32,
    /// Levels of branches above the leaves.
    height: u32,
    len: usize,
}

impl Default for Leaf {
    fn default() -> Leaf {
        Leaf { run: Run::default(), previous: NONE, next: NONE }
    }
}

impl Default for Tree {
    fn default() -> Tree {
        let mut leaves = Nodes::default();
        let root = leaves.add(Leaf::default());
        Tree { leaves, branches: Nodes::default(), root, height: 0, len: 0 }
    }
}

/// Whether a pair comes before `(score, member)`.
#[inline]
pub(super) fn is_before(score: f64, member: &[u8]) -> impl Fn(Pair<'_>) -> bool {
    move |other| other.score() < score || (other.score() == score && other.member() < member)
}

/// The same for separators: a pair that equals one is behind it.
#[inline]
fn is_not_behind(score: f64, member: &[u8]) -> impl Fn(Pair<'_>) -> bool {
    move |other| other.score() < score || (other.score() == score && other.member() <= member)
}

impl Tree {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn score(&self, at: Position) -> f64 {
        self.leaves.at(at.leaf).run.score(at.index)
    }

    #[inline]
    pub fn member(&self, at: Position) -> &[u8] {
        self.leaves.at(at.leaf).run.member(at.index)
    }

    /// All pairs of a leaf.
    pub fn leaf(&self, leaf: u32) -> impl Iterator<Item = (f64, &[u8])> {
        self.leaves.at(leaf).run.iter()
    }

    /// Where `member` is, if it is in this leaf.
    pub fn find_in(&self, leaf: u32, member: &[u8]) -> Option<Position> {
        let run = &self.leaves.at(leaf).run;
        run.prefetch();
        Some(Position { leaf, index: run.find(member)? })
    }

    /// How many pairs are before a point in the order.
    pub fn partition_point(&self, is_before: &impl Fn(Pair<'_>) -> bool) -> usize {
        let (mut node, mut before) = (self.root, 0);
        for _ in 0..self.height {
            let branch = self.branches.at(node);
            let child = branch.child(is_before);
            before += branch.counts[..child].iter().sum::<usize>();
            node = branch.children[child];
        }
        before + self.leaves.at(node).run.partition_point(is_before)
    }

    /// The pair at a place in the order; behind the last one, the end of the last leaf.
    pub fn position(&self, rank: usize) -> Position {
        let (mut node, mut left) = (self.root, rank);
        for _ in 0..self.height {
            let branch = self.branches.at(node);
            let last = branch.counts.len() - 1;
            let mut child = 0;
            while child < last && left >= branch.counts[child] {
                left -= branch.counts[child];
                child += 1;
            }
            node = branch.children[child];
        }
        Position { leaf: node, index: left }
    }

    /// The pair behind this one, which may be the end of a leaf.
    #[inline]
    pub fn next(&self, at: Position) -> Position {
        let leaf = self.leaves.at(at.leaf);
        if at.index + 1 < leaf.run.len() || leaf.next == NONE {
            return Position { index: at.index + 1, ..at };
        }
        Position { leaf: leaf.next, index: 0 }
    }

    /// The pair before this one; at the first one, itself.
    #[inline]
    pub fn previous(&self, at: Position) -> Position {
        let leaf = self.leaves.at(at.leaf);
        if at.index > 0 || leaf.previous == NONE {
            return Position { index: at.index.saturating_sub(1), ..at };
        }
        Position { leaf: leaf.previous, index: self.leaves.at(leaf.previous).run.len() - 1 }
    }

    /// Gives the pair another score where that leaves it in its place. False where it does not.
    pub fn change_in_place(&mut self, at: Position, score: f64) -> bool {
        let run = &mut self.leaves.at_mut(at.leaf).run;
        let stays = at.index > 0
            && at.index + 1 < run.len()
            && is_before(score, run.member(at.index))(run.pair(at.index - 1))
            && !is_not_behind(score, run.member(at.index))(run.pair(at.index + 1));
        if stays {
            run.set_score(at.index, score);
        }
        stays
    }

    /// Inserts a pair that is not here and returns its leaf. `moved(member, from, to)`: a member that went
    /// to another leaf.
    pub fn insert(&mut self, score: f64, member: &[u8], mut moved: impl FnMut(&[u8], u32, u32)) -> u32 {
        let way = is_not_behind(score, member);
        if self.is_full(self.root, self.height) {
            let mut separators = Run::default();
            separators.insert(0, f64::NEG_INFINITY, b"");
            self.root = self.branches.add(Branch { separators, children: vec![self.root], counts: vec![self.len] });
            self.height += 1;
        }
        self.len += 1;
        let mut node = self.root;
        for level in (0..self.height).rev() {
            let mut child = self.branches.at(node).child(&way);
            if self.is_full(self.branches.at(node).children[child], level) {
                self.split(node, child, level, (score, member), &mut moved);
                child = self.branches.at(node).child(&way);
            }
            let branch = self.branches.at_mut(node);
            branch.counts[child] += 1;
            node = branch.children[child];
        }
        let run = &mut self.leaves.at_mut(node).run;
        run.prefetch();
        run.insert(run.partition_point(&is_before(score, member)), score, member);
        node
    }

    fn is_full(&self, node: u32, level: u32) -> bool {
        if level > 0 {
            return self.branches.at(node).children.len() >= MAX_LEN;
        }
        let run = &self.leaves.at(node).run;
        run.len() >= MAX_LEN || (run.byte_len() >= MAX_LEAF_BYTES && run.len() > 1)
    }

    /// Halves the child of a node, before `coming` is inserted.
    fn split(
        &mut self,
        node: u32,
        child: usize,
        level: u32,
        coming: (f64, &[u8]),
        moved: &mut impl FnMut(&[u8], u32, u32),
    ) {
        let left = self.branches.at(node).children[child];
        let (right, count, separator) = if level == 0 {
            self.split_leaf(left, coming, moved)
        } else {
            let branch = self.branches.at_mut(left);
            let at = branch.children.len() / 2;
            let right = Branch {
                separators: branch.separators.split_off(at),
                children: branch.children.split_off(at),
                counts: branch.counts.split_off(at),
            };
            let separator = (right.separators.score(0), right.separators.member(0).to_vec());
            let count = right.counts.iter().sum();
            (self.branches.add(right), count, separator)
        };
        let branch = self.branches.at_mut(node);
        branch.separators.insert(child + 1, separator.0, &separator.1);
        branch.children.insert(child + 1, right);
        branch.counts[child] -= count;
        branch.counts.insert(child + 1, count);
    }

    /// Returns the new leaf, how many pairs it has, and what separates it from the old one.
    fn split_leaf(
        &mut self,
        left: u32,
        coming: (f64, &[u8]),
        moved: &mut impl FnMut(&[u8], u32, u32),
    ) -> (u32, usize, (f64, Vec<u8>)) {
        let leaf = self.leaves.at_mut(left);
        let next = leaf.next;
        // What grows at its end gets full leaves.
        let is_append = next == NONE && leaf.run.partition_point(&is_before(coming.0, coming.1)) == leaf.run.len();
        let at = if is_append { leaf.run.len() } else { leaf.run.len() / 2 };
        let run = leaf.run.split_off(at);
        let last = (leaf.run.score(at - 1), leaf.run.member(at - 1));
        let first = if is_append { coming } else { (run.score(0), run.member(0)) };
        let separator = (first.0, shortest_separator(last, first).to_vec());
        let count = run.len();
        let right = self.leaves.add(Leaf { run, previous: left, next });
        self.leaves.at_mut(left).next = right;
        if next != NONE {
            self.leaves.at_mut(next).previous = right;
        }
        self.leaves.at(right).run.iter().for_each(|(_, member)| moved(member, left, right));
        (right, count, separator)
    }

    /// Removes a pair that is here; `moved` as in `insert`.
    pub fn remove(&mut self, score: f64, member: &[u8], mut moved: impl FnMut(&[u8], u32, u32)) {
        self.remove_below(self.root, self.height, (score, member), &mut moved);
        self.len -= 1;
        while self.height > 0
            && let [only] = self.branches.at(self.root).children[..]
        {
            self.branches.free(self.root);
            self.root = only;
            self.height -= 1;
        }
    }

    fn remove_below(&mut self, node: u32, level: u32, pair: (f64, &[u8]), moved: &mut impl FnMut(&[u8], u32, u32)) {
        if level == 0 {
            let run = &mut self.leaves.at_mut(node).run;
            return run.remove(run.partition_point(&is_before(pair.0, pair.1)));
        }
        let branch = self.branches.at_mut(node);
        let child = branch.child(&is_not_behind(pair.0, pair.1));
        branch.counts[child] -= 1;
        let below = branch.children[child];
        self.remove_below(below, level - 1, pair, moved);
        if self.node_len(below, level - 1) < MIN_LEN {
            let can_unite = |left: &usize| self.can_unite(node, *left, level - 1);
            if let Some(left) = [child.checked_sub(1), Some(child)].into_iter().flatten().find(can_unite) {
                self.unite(node, left, level - 1, moved);
            }
        }
    }

    fn node_len(&self, node: u32, level: u32) -> usize {
        if level == 0 { self.leaves.at(node).run.len() } else { self.branches.at(node).children.len() }
    }

    /// Whether a child and its right neighbour make one node. What is nearly nothing is always united.
    fn can_unite(&self, node: u32, left: usize, level: u32) -> bool {
        let [left, right] = match self.branches.at(node).children.get(left..left + 2) {
            Some(&[left, right]) => [left, right],
            _ => return false,
        };
        let lens = [left, right].map(|node| self.node_len(node, level));
        let fits = lens[0] + lens[1] <= MAX_UNITED_LEN;
        if level > 0 {
            return fits || lens.iter().any(|len| *len <= 1);
        }
        let bytes = self.leaves.at(left).run.byte_len() + self.leaves.at(right).run.byte_len();
        (fits && bytes <= MAX_LEAF_BYTES) || lens.contains(&0)
    }

    /// Makes one node of a child and its right neighbour.
    fn unite(&mut self, node: u32, left: usize, level: u32, moved: &mut impl FnMut(&[u8], u32, u32)) {
        let branch = self.branches.at_mut(node);
        let right = branch.children.remove(left + 1);
        branch.counts[left] += branch.counts.remove(left + 1);
        let separator = (branch.separators.score(left + 1), branch.separators.member(left + 1).to_vec());
        branch.separators.remove(left + 1);
        let place = left;
        let left = branch.children[place];
        if level == 0 {
            let stays = self.unite_leaves(left, right, moved);
            self.branches.at_mut(node).children[place] = stays;
            return;
        }
        let mut right = self.branches.free(right);
        right.separators.remove(0);
        right.separators.insert(0, separator.0, &separator.1);
        let branch = self.branches.at_mut(left);
        branch.separators.append(&right.separators);
        branch.children.append(&mut right.children);
        branch.counts.append(&mut right.counts);
    }

    /// Moves what the smaller one of two neighbours has to the other one, which is returned: who takes pairs away from
    /// one end moves none.
    fn unite_leaves(&mut self, left: u32, right: u32, moved: &mut impl FnMut(&[u8], u32, u32)) -> u32 {
        let is_left_smaller = self.leaves.at(left).run.len() < self.leaves.at(right).run.len();
        let (goes, stays) = if is_left_smaller { (left, right) } else { (right, left) };
        let Leaf { mut run, previous, next } = self.leaves.free(goes);
        run.iter().for_each(|(_, member)| moved(member, goes, stays));
        let leaf = self.leaves.at_mut(stays);
        if is_left_smaller {
            if run.len() > 0 {
                run.append(&leaf.run);
                leaf.run = run;
            }
            leaf.previous = previous;
            if previous != NONE {
                self.leaves.at_mut(previous).next = stays;
            }
        } else {
            leaf.run.append(&run);
            leaf.next = next;
            if next != NONE {
                self.leaves.at_mut(next).previous = stays;
            }
        }
        stays
    }

    /// Copies one part of what clones share. False where there is no such part.
    pub fn unshare(&mut self, part: usize) -> bool {
        let leaves = &mut self.leaves.nodes;
        let is_there = part < leaves.count();
        if is_there {
            leaves.unshare(part);
        }
        is_there
    }

    /// Are both clones of the same, and has neither been changed since? No change leaves all leaves as they are.
    pub fn is(&self, other: &Tree) -> bool {
        self.len == other.len && self.leaves.nodes.is(&other.leaves.nodes)
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        let leaves: usize = self.leaves.iter().map(|leaf| leaf.run.heap_size()).sum();
        let branches: usize = self.branches.iter().map(Branch::heap_size).sum();
        self.leaves.heap_size() + self.branches.heap_size() + leaves + branches
    }
}

impl Branch {
    /// The child that has the first pair for which a point of the order is not before it, or ends there.
    #[inline]
    fn child(&self, is_before: &impl Fn(Pair<'_>) -> bool) -> usize {
        self.separators.partition_point(is_before).saturating_sub(1)
    }

    fn heap_size(&self) -> usize {
        self.separators.heap_size()
            + self.children.capacity() * size_of::<u32>()
            + self.counts.capacity() * size_of::<usize>()
    }
}

/// As few bytes of the member of `right` as put it behind `left`.
fn shortest_separator<'a>(left: (f64, &[u8]), right: (f64, &'a [u8])) -> &'a [u8] {
    if left.0 < right.0 {
        return b"";
    }
    let common = left.1.iter().zip(right.1).take_while(|(left, right)| left == right).count();
    &right.1[..(common + 1).min(right.1.len())]
}

/// Nodes by their numbers, which are used again when they are free.
#[derive(Clone, Debug)]
struct Nodes<N: Part> {
    nodes: Segments<N>,
    free: Vec<u32>,
}

impl<N: Part> Default for Nodes<N> {
    fn default() -> Nodes<N> {
        Nodes { nodes: Segments::default(), free: Vec::new() }
    }
}

impl<N: Part> Nodes<N> {
    #[inline]
    fn at(&self, number: u32) -> &N {
        &self.nodes[number as usize]
    }

    #[inline]
    fn at_mut(&mut self, number: u32) -> &mut N {
        &mut self.nodes[number as usize]
    }

    fn add(&mut self, node: N) -> u32 {
        if let Some(number) = self.free.pop() {
            *self.at_mut(number) = node;
            return number;
        }
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    fn free(&mut self, number: u32) -> N {
        self.free.push(number);
        std::mem::take(self.at_mut(number))
    }

    fn iter(&self) -> impl Iterator<Item = &N> {
        self.nodes.iter()
    }

    fn heap_size(&self) -> usize {
        self.nodes.heap_size() + self.free.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of so many pairs, which came in their order.
    fn in_order(count: u32) -> Tree {
        let mut tree = Tree::default();
        for n in 0..count {
            tree.insert(f64::from(n), &n.to_be_bytes(), |_, _, _| ());
        }
        tree
    }

    #[test]
    fn who_takes_from_one_end_moves_nothing() {
        const COUNT: u32 = 10_000;
        let orders: [Vec<u32>; 2] = [(0..COUNT).collect(), (0..COUNT).rev().collect()];
        for order in orders {
            let mut tree = in_order(COUNT);
            let mut moved = 0;
            for (removed, n) in (1..).zip(&order) {
                tree.remove(f64::from(*n), &n.to_be_bytes(), |_, _, _| moved += 1);
                assert_eq!(tree.len(), COUNT as usize - removed);
            }
            assert!(moved < 100, "{moved}");
        }
    }

    #[test]
    fn neighbours_stay_neighbours() {
        let mut tree = in_order(1000);
        // Leaves are left with some pairs each: the smaller ones go to the left, or to the right.
        let stays = |n: u32| n % 64 < 20 || n % 128 < 40;
        (0..1000).filter(|n| !stays(*n)).for_each(|n| tree.remove(f64::from(n), &n.to_be_bytes(), |_, _, _| ()));
        let left: Vec<f64> = (0..1000).filter(|n| stays(*n)).map(f64::from).collect();
        (0..1000).filter(|n| stays(*n) && n % 5 > 0).for_each(|n| {
            tree.remove(f64::from(n), &n.to_be_bytes(), |_, _, _| ());
        });
        let left: Vec<f64> = left.into_iter().filter(|score| score % 5.0 == 0.0).collect();
        let (mut at, mut forward) = (tree.position(0), Vec::new());
        for _ in 0..tree.len() {
            forward.push(tree.score(at));
            at = tree.next(at);
        }
        assert_eq!(forward, left);
        let (mut at, mut backward) = (tree.position(tree.len() - 1), Vec::new());
        for _ in 0..tree.len() {
            backward.push(tree.score(at));
            at = tree.previous(at);
        }
        backward.reverse();
        assert_eq!(backward, left);
    }
}
