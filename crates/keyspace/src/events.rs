//! Keyspace events: commands say what they did to which key, for those who listen to it.
//!
//! While nobody wants events, saying so costs one comparison.

use crate::View;
use bitflags::bitflags;
use std::cell::RefCell;

bitflags! {
    /// What kind of event it is, and (`KEYSPACE`, `KEYEVENT`) on which channels events are published.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EventClass: u16 {
        const KEYSPACE = 1;
        const KEYEVENT = 1 << 1;
        const GENERIC = 1 << 2;
        const STRING = 1 << 3;
        const LIST = 1 << 4;
        const SET = 1 << 5;
        const HASH = 1 << 6;
        const SORTED_SET = 1 << 7;
        const EXPIRED = 1 << 8;
        const EVICTED = 1 << 9;
        const STREAM = 1 << 10;
        const MISS = 1 << 11;
        const MODULE = 1 << 12;
        const NEW = 1 << 13;
    }
}

/// Something happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    pub class: EventClass,
    /// "set", "expired" …
    pub name: &'static str,
    pub db: u32,
    pub key: Box<[u8]>,
}

/// The events of one transaction, in order.
#[derive(Default)]
pub(crate) struct Events {
    wanted: EventClass,
    list: RefCell<Vec<KeyEvent>>,
    /// Keys that reads find past their deadline are noted, to go at the end: no other writer can save them.
    wants_expired: bool,
    expired: RefCell<Vec<(u32, Box<[u8]>)>>,
}

impl Events {
    /// Another transaction begins.
    #[inline]
    pub(crate) fn restart(&mut self, wanted: EventClass, wants_expired: bool) {
        (self.wanted, self.wants_expired) = (wanted, wants_expired);
        if !self.is_empty() {
            (self.list, self.expired) = Default::default();
        }
    }

    #[inline]
    pub(crate) fn wants(&self, class: EventClass) -> bool {
        self.wanted.intersects(class)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.borrow().is_empty() && self.expired.borrow().is_empty()
    }

    pub(crate) fn take(&mut self) -> Vec<KeyEvent> {
        std::mem::take(self.list.get_mut())
    }

    pub(crate) fn take_expired(&mut self) -> Vec<(u32, Box<[u8]>)> {
        std::mem::take(self.expired.get_mut())
    }
}

impl View<'_> {
    /// A read has found a key past its deadline.
    #[cold]
    pub(crate) fn note_expired(&self, key: &[u8]) {
        if self.events.wants_expired {
            self.events.expired.borrow_mut().push((self.db, key.into()));
        }
    }

    /// Says that `name` (in Redis's words: "lpush", "rename_from") happened to a key of the selected database.
    /// Call it after the change, in the order in which Redis does.
    #[inline]
    pub fn notify(&self, class: EventClass, name: &'static str, key: &[u8]) {
        if self.events.wants(class) {
            self.events.list.borrow_mut().push(KeyEvent { class, name, db: self.db, key: key.into() });
        }
    }

    /// The same after something was taken out of a collection: "del" follows where that was the last of it.
    #[inline]
    pub fn notify_removal(&self, class: EventClass, name: &'static str, key: &[u8]) {
        self.notify(class, name, key);
        if self.events.wants(EventClass::GENERIC) && self.find(key).is_none() {
            self.notify(EventClass::GENERIC, "del", key);
        }
    }
}
