//! Which collections of a database have elements that reach their deadline next.

use crate::recent::KeyedHash;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Every collection that has elements with deadlines stands here once, not later than its next deadline; some that
/// have none any more stand here, too, until that time or the next `retain`.
#[derive(Default)]
pub(crate) struct Agenda {
    due_ms: HashMap<Arc<[u8]>, u64, KeyedHash>,
    order: BTreeSet<(u64, Arc<[u8]>)>,
    /// What the last `retain` left.
    retained_len: usize,
    /// No hidden element of any collection has a later deadline.
    latest_hidden_ms: u64,
}

/// So many may be there for nothing.
const RETAIN_SLACK: usize = 64;

impl Agenda {
    /// A collection whose next deadline is `deadline_ms`.
    pub(crate) fn note(&mut self, key: &[u8], deadline_ms: u64) {
        let key: Arc<[u8]> = match self.due_ms.get_key_value(key) {
            Some((_, noted_ms)) if *noted_ms <= deadline_ms => return,
            Some((key, noted_ms)) => {
                self.order.remove(&(*noted_ms, key.clone()));
                key.clone()
            }
            None => key.into(),
        };
        self.due_ms.insert(key.clone(), deadline_ms);
        self.order.insert((deadline_ms, key));
    }

    /// A collection hides elements with deadlines up to this one.
    pub(crate) fn note_hidden(&mut self, deadline_ms: u64) {
        self.latest_hidden_ms = self.latest_hidden_ms.max(deadline_ms);
    }

    /// Is there nothing to hide and nothing to bring back to light at this time?
    #[inline]
    pub(crate) fn is_idle(&self, now_ms: u64) -> bool {
        let nothing_due = self.order.is_empty() || self.order.first().is_none_or(|(due_ms, _)| *due_ms > now_ms);
        nothing_due && self.latest_hidden_ms <= now_ms
    }

    /// Has the clock gone back behind what is hidden? The caller brings to light what has to be.
    pub(crate) fn take_clock_step(&mut self, now_ms: u64) -> bool {
        let stepped_back = self.latest_hidden_ms > now_ms;
        if stepped_back {
            self.latest_hidden_ms = 0;
        }
        stepped_back
    }

    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Arc<[u8]>> {
        self.order.first().filter(|(due_ms, _)| *due_ms <= now_ms)?;
        let (_, key) = self.order.pop_first()?;
        self.due_ms.remove(&key);
        Some(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Drops the keys that `has_deadlines` denies, where there may be many of them.
    pub(crate) fn retain(&mut self, has_deadlines: impl Fn(&[u8]) -> bool) {
        if self.order.len() > 2 * self.retained_len + RETAIN_SLACK {
            self.order.retain(|(_, key)| has_deadlines(key));
            self.due_ms.retain(|key, due_ms| self.order.contains(&(*due_ms, key.clone())));
            self.retained_len = self.order.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_at_its_earliest_time() {
        let mut agenda = Agenda::default();
        for (key, deadline_ms) in [("a", 50), ("b", 20), ("a", 10), ("a", 70)] {
            agenda.note(key.as_bytes(), deadline_ms);
        }
        assert!(agenda.is_idle(9) && !agenda.is_idle(10));
        assert_eq!(agenda.pop_due(19).as_deref(), Some(&b"a"[..]));
        assert_eq!(agenda.pop_due(19), None);
        assert_eq!(agenda.pop_due(20).as_deref(), Some(&b"b"[..]));
        assert!(agenda.order.is_empty() && agenda.due_ms.is_empty());
    }

    #[test]
    fn what_is_there_for_nothing_goes() {
        let mut agenda = Agenda::default();
        for index in 0..1000u64 {
            agenda.note(&index.to_le_bytes(), index);
            agenda.retain(|key| key[0] < 4);
        }
        assert!(agenda.len() <= 16 + 2 * RETAIN_SLACK + 32, "{}", agenda.order.len());
        assert_eq!(agenda.len(), agenda.due_ms.len());
    }

    #[test]
    fn a_clock_that_goes_back_is_noticed_once() {
        let mut agenda = Agenda::default();
        agenda.note_hidden(30);
        assert!(agenda.is_idle(30) && !agenda.is_idle(29));
        assert!(agenda.take_clock_step(29) && !agenda.take_clock_step(29));
    }
}
