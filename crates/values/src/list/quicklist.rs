//! A sequence of listpacks. An element that is too large for a listpack is a node by itself.

use super::iter::{ListIter, ListIterBack};
use super::limit::NodeLimit;
use crate::shared::Shared;
use crate::sliding::Side;
use crate::{Element, Listpack};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// What has more nodes is not dropped where somebody waits.
const MAX_DROPPED_NODES: usize = 4096;

/// A clone shares the nodes' bodies, and the first write to one of them copies it.
#[derive(Clone, Debug)]
pub(super) struct Quicklist {
    /// None is empty.
    nodes: VecDeque<Node>,
    len: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) body: Body,
    count: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Packed(Shared<Listpack>),
    Plain(Arc<[u8]>),
}

impl Node {
    fn new(element: &[u8], limit: &NodeLimit) -> Node {
        if limit.is_large(element.len()) {
            return Node { body: Body::Plain(element.into()), count: 1 };
        }
        let mut listpack = Listpack::new();
        listpack.push(element);
        Node { body: Body::packed(listpack), count: 1 }
    }

    /// The listpack, where an element of `len` bytes may join it.
    #[inline]
    fn listpack_for(&mut self, len: usize, limit: &NodeLimit) -> Option<&mut Listpack> {
        match &mut self.body {
            Body::Packed(listpack) if limit.admits(listpack.as_bytes().len(), self.count as usize, len) => {
                self.count += 1;
                Some(listpack.make_mut())
            }
            _ => None,
        }
    }

    /// Puts an element at one end. False where it has no room: the next node gets it.
    #[inline]
    fn push(&mut self, side: Side, element: &[u8], limit: &NodeLimit) -> bool {
        let Some(listpack) = self.listpack_for(element.len(), limit) else { return false };
        listpack.reserve(side, element.len());
        match side {
            Side::Front => listpack.push_front(element),
            Side::Back => listpack.push(element),
        }
        true
    }

    /// No more elements are expected.
    fn fit(&mut self) {
        if let Body::Packed(listpack) = &mut self.body {
            listpack.make_mut().fit();
        }
    }

    fn insert(&mut self, index: usize, element: &[u8], limit: &NodeLimit) -> bool {
        let listpack = self.listpack_for(element.len(), limit);
        let insert = |listpack: &mut Listpack| {
            listpack.insert(listpack.offset_of(index).unwrap_or(listpack.end()), element);
        };
        listpack.map(insert).is_some()
    }

    fn remove(&mut self, range: Range<usize>) {
        if let Body::Packed(listpack) = &mut self.body
            && range.len() < self.count as usize
            && let Some(offset) = listpack.offset_of(range.start)
        {
            listpack.make_mut().remove(offset, range.len());
        }
        self.count -= range.len() as u32;
    }

    /// The elements from `index` on become another node.
    fn split_off(&mut self, index: usize) -> Option<Node> {
        let Body::Packed(listpack) = &mut self.body else { return None };
        let offset = listpack.offset_of(index)?;
        let tail = listpack.make_mut().split_off(offset);
        let count = self.count - index as u32;
        self.count = index as u32;
        Some(Node { body: Body::packed(tail), count })
    }

    /// Takes over the elements of the node after this one. False where they would be too many.
    fn absorb(&mut self, next: &Node, limit: &NodeLimit) -> bool {
        let (Body::Packed(own), Body::Packed(next_elements)) = (&mut self.body, &next.body) else { return false };
        let bytes = own.as_bytes().len() + next_elements.as_bytes().len();
        if limit.is_exceeded(bytes, (self.count + next.count) as usize) {
            return false;
        }
        own.make_mut().append(next_elements);
        self.count += next.count;
        true
    }
}

impl Body {
    fn packed(listpack: Listpack) -> Body {
        Body::Packed(Shared::new(listpack))
    }
}

impl Drop for Quicklist {
    fn drop(&mut self) {
        if self.nodes.len() > MAX_DROPPED_NODES {
            stdx::discard(std::mem::take(&mut self.nodes));
        }
    }
}

impl Quicklist {
    pub(super) fn from_listpack(listpack: Listpack) -> Quicklist {
        let len = listpack.len();
        let node = (len > 0).then_some(Node { body: Body::packed(listpack), count: len as u32 });
        Quicklist { nodes: node.into_iter().collect(), len }
    }

    /// The only node's listpack, where it is small.
    #[inline]
    pub(super) fn take_listpack(&mut self, limit: &NodeLimit) -> Option<Listpack> {
        if self.nodes.len() != 1 {
            return None;
        }
        match self.nodes.front_mut()? {
            Node { body: Body::Packed(listpack), count }
                if limit.is_small(listpack.as_bytes().len(), *count as usize) =>
            {
                Some(std::mem::take(listpack.make_mut()))
            }
            _ => None,
        }
    }

    /// Are both clones of the same, and has neither been changed since?
    pub(super) fn is(&self, other: &Quicklist) -> bool {
        let same = |(own, other): (&Node, &Node)| match (&own.body, &other.body) {
            (Body::Packed(body), Body::Packed(other)) => body.is(other),
            (Body::Plain(body), Body::Plain(other)) => Arc::ptr_eq(body, other),
            _ => false,
        };
        self.nodes.len() == other.nodes.len() && self.nodes.iter().zip(&other.nodes).all(same)
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn heap_size(&self) -> usize {
        const COUNTERS_BYTES: usize = 2 * size_of::<usize>();
        let of_node = |node: &Node| match &node.body {
            Body::Packed(listpack) => COUNTERS_BYTES + size_of::<Listpack>() + listpack.heap_size(),
            Body::Plain(bytes) => COUNTERS_BYTES + bytes.len(),
        };
        self.nodes.capacity() * size_of::<Node>() + self.nodes.iter().map(of_node).sum::<usize>()
    }

    #[inline]
    pub(super) fn push_back(&mut self, element: &[u8], limit: &NodeLimit) {
        self.len += 1;
        if let Some(last) = self.nodes.back_mut() {
            if last.push(Side::Back, element, limit) {
                return;
            }
            last.fit();
        }
        self.nodes.push_back(Node::new(element, limit));
    }

    #[inline]
    pub(super) fn push_front(&mut self, element: &[u8], limit: &NodeLimit) {
        self.len += 1;
        if let Some(first) = self.nodes.front_mut() {
            if first.push(Side::Front, element, limit) {
                return;
            }
            first.fit();
        }
        self.nodes.push_front(Node::new(element, limit));
    }

    /// The node that holds the element at `index`, and where in it.
    #[inline]
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut before = 0;
            for (at, node) in self.nodes.iter().enumerate() {
                let count = node.count as usize;
                if index < before + count {
                    return Some((at, index - before));
                }
                before += count;
            }
        }
        let mut start = self.len;
        for (at, node) in self.nodes.iter().enumerate().rev() {
            start -= node.count as usize;
            if index >= start {
                return Some((at, index - start));
            }
        }
        None
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<Element<'_>> {
        let (at, within) = self.locate(index)?;
        match &self.nodes[at].body {
            Body::Packed(listpack) => listpack.get(listpack.offset_of(within)?),
            Body::Plain(bytes) => Some(Element::Bytes(bytes)),
        }
    }

    pub(super) fn insert(&mut self, index: usize, element: &[u8], limit: &NodeLimit) {
        let Some((at, within)) = self.locate(index) else { return self.push_back(element, limit) };
        self.len += 1;
        let fits = self.nodes[at].insert(within, element, limit)
            || (within == 0 && at > 0 && self.nodes[at - 1].push(Side::Back, element, limit));
        if !fits {
            self.insert_node(at, within, Node::new(element, limit), limit);
        }
    }

    pub(super) fn replace(&mut self, index: usize, element: &[u8], limit: &NodeLimit) {
        let Some((at, within)) = self.locate(index) else { return };
        if let Body::Packed(listpack) = &mut self.nodes[at].body
            && let Some(offset) = listpack.offset_of(within)
        {
            let bytes = listpack.as_bytes().len() - listpack.get(offset).map_or(0, |old| old.byte_len());
            if limit.admits(bytes, 0, element.len()) {
                return listpack.make_mut().replace(offset, element);
            }
        }
        self.nodes[at].remove(within..within + 1);
        let new = Node::new(element, limit);
        if self.nodes[at].count == 0 {
            self.nodes[at] = new;
        } else {
            self.insert_node(at, within, new, limit);
        }
    }

    /// Puts a node before the element `within` the node `at`, which is split there.
    fn insert_node(&mut self, at: usize, within: usize, new: Node, limit: &NodeLimit) {
        if within == 0 {
            return self.nodes.insert(at, new);
        }
        let rest = if within < self.nodes[at].count as usize { self.nodes[at].split_off(within) } else { None };
        self.nodes.insert(at + 1, new);
        if let Some(rest) = rest {
            self.nodes.insert(at + 2, rest);
        }
        for left in [at + 1, at] {
            self.merge_with_next(left, limit);
        }
    }

    fn merge_with_next(&mut self, at: usize, limit: &NodeLimit) {
        if at + 1 < self.nodes.len() {
            let next = self.nodes.remove(at + 1).expect("checked");
            if !self.nodes[at].absorb(&next, limit) {
                self.nodes.insert(at + 1, next);
            }
        }
    }

    /// See `List::remove`.
    pub(super) fn remove(&mut self, ranges: &[Range<usize>]) {
        if let [range] = ranges
            && self.remove_at_end(range)
        {
            return;
        }
        let Some(last) = ranges.last().map(|range| range.end.min(self.len)).filter(|end| *end > 0) else { return };
        let Some((mut at, within)) = self.locate(last - 1) else { return };
        // The index of the first element of the node `at`, as it was before.
        let mut start = last - 1 - within;
        let mut emptied = 0;
        for range in ranges.iter().rev() {
            let mut end = range.end.min(last);
            while end > range.start {
                while start >= end {
                    at -= 1;
                    start -= self.nodes[at].count as usize;
                }
                let from = range.start.max(start);
                let node = &mut self.nodes[at];
                node.remove(from - start..end - start);
                emptied += usize::from(node.count == 0);
                self.len -= end - from;
                end = from;
            }
        }
        self.drop_empty(emptied);
    }

    /// Most often elements leave at an end, and the node there keeps some. False where it is not so.
    #[inline]
    fn remove_at_end(&mut self, range: &Range<usize>) -> bool {
        let (node, is_front) = match range.start {
            0 => (self.nodes.front_mut(), true),
            _ => (self.nodes.back_mut(), false),
        };
        let Some(node) = node.filter(|node| range.len() < node.count as usize) else { return false };
        if !is_front && range.end != self.len {
            return false;
        }
        let start = if is_front { 0 } else { node.count as usize - range.len() };
        node.remove(start..start + range.len());
        self.len -= range.len();
        true
    }

    fn drop_empty(&mut self, mut emptied: usize) {
        while emptied > 0 && self.nodes.front().is_some_and(|node| node.count == 0) {
            self.nodes.pop_front();
            emptied -= 1;
        }
        while emptied > 0 && self.nodes.back().is_some_and(|node| node.count == 0) {
            self.nodes.pop_back();
            emptied -= 1;
        }
        if emptied > 0 {
            self.nodes.retain(|node| node.count > 0);
        }
    }

    pub(super) fn iter_from(&self, index: usize) -> ListIter<'_> {
        let (at, within) = self.locate(index).unwrap_or((self.nodes.len(), 0));
        ListIter::of_nodes(self.nodes.range(at..), within, self.len.saturating_sub(index))
    }

    pub(super) fn iter_back(&self) -> ListIterBack<'_> {
        ListIterBack::of_nodes(self.nodes.iter(), self.len)
    }
}
