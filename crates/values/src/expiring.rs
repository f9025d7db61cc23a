//! Deadlines of single elements: the fields of a hash, the members of a set or of a sorted set.
//!
//! They are kept beside the elements, only where there are any. What is past its deadline is hidden: out of sight
//! of every read, but not lost, since a node with peers may still hear that the deadline was moved.

use crate::EncodingLimits;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a collection has beside its elements, where some have deadlines; `V` is what an element consists of
/// beside its name. One without any deadline says that there once was one.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines<V> {
    /// Milliseconds since the Unix epoch.
    of: BTreeMap<Arc<[u8]>, u64>,
    /// Of the elements in sight.
    order: BTreeSet<(u64, Arc<[u8]>)>,
    hidden: BTreeMap<Arc<[u8]>, V>,
}

impl<V> Default for Deadlines<V> {
    fn default() -> Deadlines<V> {
        Deadlines { of: BTreeMap::new(), order: BTreeSet::new(), hidden: BTreeMap::new() }
    }
}

impl<V> Deadlines<V> {
    /// The element goes, or loses its deadline.
    pub(crate) fn forget(&mut self, element: &[u8]) {
        if let Some((element, deadline_ms)) = self.of.remove_entry(element) {
            self.order.remove(&(deadline_ms, element));
        }
    }

    fn set(&mut self, element: &[u8], deadline_ms: u64) {
        let element: Arc<[u8]> = match self.of.get_key_value(element) {
            Some((element, _)) => element.clone(),
            None => element.into(),
        };
        let old_ms = self.of.insert(element.clone(), deadline_ms);
        let is_hidden = self.hidden.contains_key(&element);
        if let Some(old_ms) = old_ms {
            self.order.remove(&(old_ms, element.clone()));
        }
        if !is_hidden {
            self.order.insert((deadline_ms, element));
        }
    }

    fn pop_due(&mut self, now_ms: u64) -> Option<Arc<[u8]>> {
        self.order.first().filter(|(deadline_ms, _)| *deadline_ms <= now_ms)?;
        self.order.pop_first().map(|(_, element)| element)
    }

    /// Bytes on the heap, about.
    pub(crate) fn heap_size(&self) -> usize {
        let elements: usize = self.of.keys().map(|element| element.len()).sum();
        size_of::<Self>() + elements + self.of.len() * 96
    }
}

/// What a collection has to offer to be `Expiring`.
pub(crate) trait Elements {
    /// What an element consists of beside its name.
    type Value: Clone;
    fn deadlines(&self) -> Option<&Deadlines<Self::Value>>;
    fn deadlines_mut(&mut self) -> &mut Option<Box<Deadlines<Self::Value>>>;
    fn has(&self, element: &[u8]) -> bool;
    /// Takes an element out of the collection itself; its deadline stays.
    fn take(&mut self, element: &[u8]) -> Option<Self::Value>;
    fn put_back(&mut self, element: &[u8], value: Self::Value, limits: &EncodingLimits);
}

/// A collection whose elements may have deadlines, in milliseconds since the Unix epoch.
pub trait Expiring {
    fn deadline_ms(&self, element: &[u8]) -> Option<u64>;

    /// Of an element that is there; else nothing happens.
    fn set_deadline_ms(&mut self, element: &[u8], deadline_ms: Option<u64>);

    /// The next one of an element in sight.
    fn earliest_deadline_ms(&self) -> Option<u64>;

    /// The elements, hidden ones included, whose deadline is at or before `now_ms`.
    fn due(&self, now_ms: u64) -> Vec<Box<[u8]>>;

    /// Removes the elements that are past their deadline, and all that is hidden. Returns how many were in sight.
    fn remove_due(&mut self, now_ms: u64) -> usize;

    /// Hides them. Returns how many.
    fn hide_due(&mut self, now_ms: u64) -> usize;

    /// Brings everything back into sight.
    fn reveal(&mut self, limits: &EncodingLimits);

    fn has_hidden(&self) -> bool;

    /// The latest deadline of what is hidden.
    fn latest_hidden_ms(&self) -> Option<u64>;

    /// Does any element have a deadline?
    fn has_deadlines(&self) -> bool;

    /// Elements get rid of their deadlines.
    fn forget_deadlines(&mut self);
}

impl<C: Elements> Expiring for C {
    #[inline]
    fn deadline_ms(&self, element: &[u8]) -> Option<u64> {
        self.deadlines()?.of.get(element).copied()
    }

    fn set_deadline_ms(&mut self, element: &[u8], deadline_ms: Option<u64>) {
        match (deadline_ms, self.deadlines_mut()) {
            (None, None) => {}
            (None, Some(deadlines)) if deadlines.hidden.contains_key(element) => {
                // It has all the time in the world, and comes to light when all do.
                deadlines.of.remove(element);
            }
            (None, Some(deadlines)) => deadlines.forget(element),
            (Some(deadline_ms), _) => {
                let is_hidden = self.deadlines().is_some_and(|deadlines| deadlines.hidden.contains_key(element));
                if is_hidden || self.has(element) {
                    self.deadlines_mut().get_or_insert_default().set(element, deadline_ms);
                }
            }
        }
    }

    #[inline]
    fn earliest_deadline_ms(&self) -> Option<u64> {
        self.deadlines()?.order.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    fn due(&self, now_ms: u64) -> Vec<Box<[u8]>> {
        let Some(deadlines) = self.deadlines() else { return Vec::new() };
        let in_sight = deadlines.order.iter().take_while(|(deadline_ms, _)| *deadline_ms <= now_ms);
        let hidden =
            deadlines.hidden.keys().filter(|element| deadlines.of.get(*element).is_some_and(|at| *at <= now_ms));
        in_sight.map(|(_, element)| element).chain(hidden).map(|element| Box::from(&**element)).collect()
    }

    fn remove_due(&mut self, now_ms: u64) -> usize {
        let mut removed = 0;
        while let Some(element) = self.deadlines_mut().as_mut().and_then(|deadlines| deadlines.pop_due(now_ms)) {
            self.take(&element);
            if let Some(deadlines) = self.deadlines_mut() {
                deadlines.of.remove(&element);
            }
            removed += 1;
        }
        if let Some(deadlines) = self.deadlines_mut() {
            for (element, _) in std::mem::take(&mut deadlines.hidden) {
                deadlines.of.remove(&element);
            }
        }
        removed
    }

    fn hide_due(&mut self, now_ms: u64) -> usize {
        let mut hidden = 0;
        while let Some(element) = self.deadlines_mut().as_mut().and_then(|deadlines| deadlines.pop_due(now_ms)) {
            if let (Some(value), Some(deadlines)) = (self.take(&element), self.deadlines_mut().as_mut()) {
                deadlines.hidden.insert(element, value);
                hidden += 1;
            }
        }
        hidden
    }

    fn reveal(&mut self, limits: &EncodingLimits) {
        let Some(deadlines) = self.deadlines_mut() else { return };
        for (element, value) in std::mem::take(&mut deadlines.hidden) {
            self.put_back(&element, value, limits);
            if let Some(deadlines) = self.deadlines_mut()
                && let Some(&deadline_ms) = deadlines.of.get(&element)
            {
                deadlines.order.insert((deadline_ms, element));
            }
        }
    }

    #[inline]
    fn has_hidden(&self) -> bool {
        self.deadlines().is_some_and(|deadlines| !deadlines.hidden.is_empty())
    }

    fn latest_hidden_ms(&self) -> Option<u64> {
        let deadlines = self.deadlines()?;
        deadlines.hidden.keys().map(|element| deadlines.of.get(element).copied().unwrap_or(0)).max()
    }

    fn has_deadlines(&self) -> bool {
        self.deadlines().is_some_and(|deadlines| !deadlines.of.is_empty())
    }

    fn forget_deadlines(&mut self) {
        *self.deadlines_mut() = None;
    }
}
