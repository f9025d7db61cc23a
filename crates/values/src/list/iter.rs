//! Walks through a list.

use super::quicklist::{Body, Node};
use crate::{Element, Listpack, listpack};
use std::collections::vec_deque;

/// Elements from head to tail.
#[derive(Clone, Debug)]
pub struct ListIter<'a> {
    /// Of the node that the walk is in.
    elements: listpack::Iter<'a>,
    /// A node that is one element, not given yet.
    plain: Option<&'a [u8]>,
    nodes: vec_deque::Iter<'a, Node>,
    remaining: usize,
}

/// Elements from tail to head.
#[derive(Clone, Debug)]
pub struct ListIterBack<'a> {
    elements: listpack::IterBack<'a>,
    plain: Option<&'a [u8]>,
    nodes: std::iter::Rev<vec_deque::Iter<'a, Node>>,
    remaining: usize,
}

impl<'a> ListIter<'a> {
    pub(super) fn of_listpack(listpack: &'a Listpack, index: usize) -> ListIter<'a> {
        let start = listpack.offset_of(index).unwrap_or(listpack.end());
        let remaining = listpack.len().saturating_sub(index);
        ListIter { elements: listpack.iter_from(start), plain: None, nodes: Default::default(), remaining }
    }

    /// `nodes`: from the one that holds the first element, of which `skipped` of the node come before.
    pub(super) fn of_nodes(nodes: vec_deque::Iter<'a, Node>, skipped: usize, remaining: usize) -> ListIter<'a> {
        let mut iter = ListIter { elements: listpack::Iter::default(), plain: None, nodes, remaining };
        if skipped > 0
            && let Some(node) = iter.nodes.next()
            && let Body::Packed(listpack) = &node.body
        {
            iter.elements = listpack.iter_from(listpack.offset_of(skipped).unwrap_or(listpack.end()));
        }
        iter
    }
}

impl<'a> Iterator for ListIter<'a> {
    type Item = Element<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if let Some(element) = self.elements.next().or_else(|| self.plain.take().map(Element::Bytes)) {
                self.remaining -= 1;
                return Some(element);
            }
            match &self.nodes.next()?.body {
                Body::Packed(listpack) => self.elements = listpack.iter(),
                Body::Plain(bytes) => self.plain = Some(bytes),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for ListIter<'_> {}

impl<'a> ListIterBack<'a> {
    pub(super) fn of_listpack(listpack: &'a Listpack) -> ListIterBack<'a> {
        let nodes = vec_deque::Iter::default().rev();
        ListIterBack { elements: listpack.iter_back(), plain: None, nodes, remaining: listpack.len() }
    }

    pub(super) fn of_nodes(nodes: vec_deque::Iter<'a, Node>, remaining: usize) -> ListIterBack<'a> {
        ListIterBack { elements: listpack::IterBack::default(), plain: None, nodes: nodes.rev(), remaining }
    }
}

impl<'a> Iterator for ListIterBack<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if let Some(element) = self.elements.next().or_else(|| self.plain.take().map(Element::Bytes)) {
                self.remaining -= 1;
                return Some(element);
            }
            match &self.nodes.next()?.body {
                Body::Packed(listpack) => self.elements = listpack.iter_back(),
                Body::Plain(bytes) => self.plain = Some(bytes),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for ListIterBack<'_> {}

impl<'a> IntoIterator for &'a super::List {
    type Item = Element<'a>;
    type IntoIter = ListIter<'a>;
    fn into_iter(self) -> ListIter<'a> {
        self.iter()
    }
}
