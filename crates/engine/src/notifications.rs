//! Keyspace events: what happened to keys, published to the subscribers at this node.
//!
//! Commands name their events themselves (`View::notify`). What other nodes did is told from their effects, so that
//! every node's subscribers hear of every change.

use crate::engine::Engine;
use effect::{Collection, Deadline, Effect, EffectReader, End};
use keyspace::{EventClass, KeyEvent, Txn};

/// The letters of `notify-keyspace-events`, in the order in which CONFIG GET prints them; those up to the first that is
/// not part of `A` make up `A`.
pub(crate) const CLASSES: [(char, EventClass); 14] = [
    ('g', EventClass::GENERIC),
    ('$', EventClass::STRING),
    ('l', EventClass::LIST),
    ('s', EventClass::SET),
    ('h', EventClass::HASH),
    ('z', EventClass::SORTED_SET),
    ('x', EventClass::EXPIRED),
    ('e', EventClass::EVICTED),
    ('t', EventClass::STREAM),
    ('d', EventClass::MODULE),
    ('n', EventClass::NEW),
    ('K', EventClass::KEYSPACE),
    ('E', EventClass::KEYEVENT),
    ('m', EventClass::MISS),
];

/// `A`: everything but what would be too much for most.
pub(crate) const ALL: EventClass = EventClass::all()
    .difference(EventClass::KEYSPACE.union(EventClass::KEYEVENT).union(EventClass::MISS).union(EventClass::NEW));

/// An event of these may leave a key with nothing in it, which is no key.
const COLLECTIONS: EventClass =
    EventClass::LIST.union(EventClass::SET).union(EventClass::HASH).union(EventClass::SORTED_SET);

/// What `notify-keyspace-events` asks for; `None` where a letter means nothing.
pub(crate) fn parse_classes(letters: &str) -> Option<EventClass> {
    letters.chars().try_fold(EventClass::empty(), |classes, letter| {
        let known = CLASSES.iter().find(|(known, _)| *known == letter).map(|(_, class)| *class);
        Some(classes | if letter == 'A' { ALL } else { known? })
    })
}

/// The letters that mean these classes, `A` first.
pub(crate) fn print_classes(classes: EventClass) -> String {
    let is_all = classes.contains(ALL);
    let letters = CLASSES.iter().filter(|(_, class)| classes.contains(*class) && !(is_all && ALL.contains(*class)));
    is_all.then_some('A').into_iter().chain(letters.map(|(letter, _)| *letter)).collect()
}

/// What a transaction has to collect: nothing where there is no channel to publish it on.
pub(crate) fn wanted(classes: EventClass) -> EventClass {
    let channels = EventClass::KEYSPACE | EventClass::KEYEVENT;
    if classes.intersects(channels) { classes - channels } else { EventClass::empty() }
}

impl Engine {
    /// Publishes what a transaction said it did; under its locks.
    pub(crate) fn publish_events(&self, events: &[KeyEvent]) {
        events.iter().for_each(|event| self.publish_event(event.class, event.name, event.db, &event.key));
    }

    /// Publishes one event, where somebody wants it. Call it under the key's lock.
    pub(crate) fn publish_event(&self, class: EventClass, name: &str, db: u32, key: &[u8]) {
        let classes = self.config.load().notify_keyspace_events;
        if !classes.intersects(class) {
            return;
        }
        if classes.contains(EventClass::KEYSPACE) {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.deliver(&channel, name.as_bytes(), false);
        }
        if classes.contains(EventClass::KEYEVENT) {
            self.deliver(format!("__keyevent@{db}__:{name}").as_bytes(), key, false);
        }
    }

    /// Delivers the messages among effects that came from elsewhere, and publishes the events of the others.
    pub(crate) fn publish_remote(&self, txn: &mut Txn<'_>, effects: &[u8]) {
        let mut db = 0;
        for effect in EffectReader::new(effects).flatten() {
            match effect {
                Effect::Select { db: selected } => db = selected,
                Effect::Publish { channel, payload, sharded } => drop(self.deliver(channel, payload, sharded)),
                effect => self.publish_events_of(txn, &effect, db),
            }
        }
    }

    fn publish_events_of(&self, txn: &mut Txn<'_>, effect: &Effect<'_>, db: u32) {
        let Some(key) = effect.key() else { return };
        if let Some((class, name)) = event_of(effect, txn.now_ms()) {
            self.publish_event(class, name, db, key);
            txn.select(db);
            if class.intersects(COLLECTIONS) && txn.peek_type(key).is_none() {
                self.publish_event(EventClass::GENERIC, "del", db, key);
            }
        }
        if matches!(effect, Effect::Set { deadline: Deadline::At(_), .. } | Effect::Put { deadline_ms: Some(_), .. }) {
            self.publish_event(EventClass::GENERIC, "expire", db, key);
        }
    }
}

/// What the command was called that had this effect, or one like it: a value that was put in place whole tells only that.
/// `now_ms`: what has a deadline before is gone.
fn event_of(effect: &Effect<'_>, now_ms: u64) -> Option<(EventClass, &'static str)> {
    Some(match effect {
        Effect::Select { .. }
        | Effect::FlushDb
        | Effect::FlushAll
        | Effect::Publish { .. }
        | Effect::Restate { .. } => return None,
        Effect::Set { .. } => (EventClass::STRING, "set"),
        Effect::Increment { .. } => (EventClass::STRING, "incrby"),
        Effect::IncrementFloat { .. } => (EventClass::STRING, "incrbyfloat"),
        Effect::Append { .. } => (EventClass::STRING, "append"),
        Effect::SetRange { .. } => (EventClass::STRING, "setrange"),
        Effect::SetBits { .. } => (EventClass::STRING, "setbit"),
        Effect::RaiseRegisters { .. } => (EventClass::STRING, "pfadd"),
        Effect::Delete { .. } => (EventClass::GENERIC, "del"),
        Effect::Expire { deadline_ms: Some(_), .. } => (EventClass::GENERIC, "expire"),
        Effect::Expire { deadline_ms: None, .. } => (EventClass::GENERIC, "persist"),
        Effect::ExpireMembers { collection, deadline_ms, .. } => {
            let is_past = deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms);
            match collection {
                Collection::Hash if is_past => (EventClass::HASH, "hdel"),
                Collection::Hash if deadline_ms.is_some() => (EventClass::HASH, "hexpire"),
                Collection::Hash => (EventClass::HASH, "hpersist"),
                Collection::Set if is_past => (EventClass::SET, "srem"),
                Collection::SortedSet if is_past => (EventClass::SORTED_SET, "zrem"),
                _ if deadline_ms.is_none() => (EventClass::GENERIC, "persist"),
                _ => return None,
            }
        }
        Effect::Put { .. } => (EventClass::GENERIC, "restore"),
        Effect::SetAdd { .. } => (EventClass::SET, "sadd"),
        Effect::SetRemove { .. } => (EventClass::SET, "srem"),
        Effect::HashSet { .. } => (EventClass::HASH, "hset"),
        Effect::HashDelete { .. } => (EventClass::HASH, "hdel"),
        Effect::HashIncrement { .. } => (EventClass::HASH, "hincrby"),
        Effect::HashIncrementFloat { .. } => (EventClass::HASH, "hincrbyfloat"),
        Effect::ListPush { end: End::Head, .. } => (EventClass::LIST, "lpush"),
        Effect::ListPush { end: End::Tail, .. } => (EventClass::LIST, "rpush"),
        Effect::ListInsert { .. } => (EventClass::LIST, "linsert"),
        Effect::ListRemove { .. } => (EventClass::LIST, "lrem"),
        Effect::ListSet { .. } => (EventClass::LIST, "lset"),
        Effect::SortedSetAdd { .. } => (EventClass::SORTED_SET, "zadd"),
        Effect::SortedSetRemove { .. } => (EventClass::SORTED_SET, "zrem"),
        Effect::SortedSetIncrement { .. } => (EventClass::SORTED_SET, "zincr"),
        Effect::StreamAdd { .. } => (EventClass::STREAM, "xadd"),
        Effect::StreamDelete { .. } => (EventClass::STREAM, "xdel"),
        Effect::StreamTrim { .. } => (EventClass::STREAM, "xtrim"),
        Effect::StreamSetId { .. } => (EventClass::STREAM, "xsetid"),
        Effect::StreamGroupCreate { .. } => (EventClass::STREAM, "xgroup-create"),
        Effect::StreamGroupSet { .. } => (EventClass::STREAM, "xgroup-setid"),
        Effect::StreamGroupDestroy { .. } => (EventClass::STREAM, "xgroup-destroy"),
        Effect::StreamConsumerDelete { .. } => (EventClass::STREAM, "xgroup-delconsumer"),
        Effect::StreamDeliver { .. } | Effect::StreamAcknowledge { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_printed_as_redis_prints_them() {
        for (given, printed) in [("KEA", "AKE"), ("Klg", "glK"), ("gKE", "gKE"), ("$lshzxeKE", "$lshzxeKE"), ("", "")] {
            assert_eq!(print_classes(parse_classes(given).unwrap()), printed);
        }
        assert_eq!(parse_classes("Kq"), None);
        assert_eq!(wanted(parse_classes("Ax").unwrap()), EventClass::empty());
    }
}
