//! Keys that are said anew, and the increments that are part of what is said.

use crate::{NOW_MS, apply, commit, keyspace, origin, transfer};
use effect::{Stamp, VersionVector};
use keyspace::{Keyspace, Scope, SetDeadline, Txn};

const KEY: &[u8] = b"k";
const FIELD: &[u8] = b"f";

/// A number, and what is done to it.
struct Counter {
    add: fn(&mut Txn<'_>, i64),
    set: fn(&mut Txn<'_>, &[u8]),
    get: fn(&Keyspace) -> Option<Vec<u8>>,
}

const STRING: Counter = Counter {
    add: |txn, delta| assert!(txn.string_increment(KEY, delta).is_ok()),
    set: |txn, value| txn.string_set(KEY, value, SetDeadline::Clear),
    get: |keyspace| keyspace.begin(Scope::All, 0, NOW_MS).string(KEY).unwrap().map(|value| value.to_vec()),
};

const FIELD_OF_HASH: Counter = Counter {
    add: |txn, delta| assert!(txn.hash_increment(KEY, FIELD, delta).is_ok()),
    set: |txn, value| assert!(txn.hash_set(KEY, std::iter::once((FIELD, value))).is_ok()),
    get: |keyspace| {
        let txn = keyspace.begin(Scope::All, 0, NOW_MS);
        txn.hash(KEY).unwrap().and_then(|hash| hash.value(FIELD).map(|value| value.to_vec()))
    },
};

/// What a node has written, and what it had seen.
#[derive(Clone)]
struct Written {
    node: u64,
    record: (Stamp, Vec<u8>),
    seen: Vec<(u64, Stamp)>,
}

impl Written {
    fn apply(&self, to: &Keyspace) {
        let mut row = vec![Stamp::ZERO; 8];
        for (node, stamp) in &self.seen {
            row[usize::from(to.origin_index(origin(*node)).unwrap().0)] = *stamp;
        }
        apply(to, origin(self.node), &self.record, &row);
    }

    /// Restate and Put, or one effect.
    fn last(&self) -> Stamp {
        self.record.0.plus(effect::EffectReader::new(&self.record.1).count() as u64 - 1)
    }
}

/// Says anew what it is at a node that has this increment only.
fn restate(node: u64, at_ms: u64, increment: &Written) -> Written {
    let there = keyspace(node);
    increment.apply(&there);
    let mut seen = vec![Stamp::ZERO; 8];
    seen[usize::from(there.origin_index(origin(increment.node)).unwrap().0)] = increment.last();
    let record = commit(&there, at_ms, |txn| {
        txn.restate(KEY, &seen);
    });
    Written { node, record, seen: vec![(increment.node, increment.last())] }
}

/// All orders in which each comes after what its author had seen.
fn orders(records: &[Written]) -> Vec<Vec<usize>> {
    let mut orders = vec![vec![]];
    for _ in records {
        let longer = |order: &Vec<usize>| {
            let can_come = |next: &usize| {
                let has = |node: u64| order.iter().any(|index| records[*index].node == node);
                !order.contains(next) && records[*next].seen.iter().all(|(node, _)| has(*node))
            };
            (0..records.len()).filter(can_come).map(|next| [&order[..], &[next]].concat()).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders
}

/// An increment of node 2 that 3 says anew, one of node 4 that 5 says anew without having seen the other, and a SET of 6 that has seen
/// neither, at this point.
fn history(counter: &Counter, set_at_ms: u64) -> Vec<Written> {
    let write = |node: u64, at_ms: u64, f: &dyn Fn(&mut Txn<'_>)| Written {
        node,
        record: commit(&keyspace(node), at_ms, f),
        seen: Vec::new(),
    };
    let five = write(2, NOW_MS, &|txn| (counter.add)(txn, 5));
    let seven = write(4, NOW_MS + 1, &|txn| (counter.add)(txn, 7));
    let set = write(6, set_at_ms, &|txn| (counter.set)(txn, b"100"));
    let (first, second) = (restate(3, NOW_MS + 10, &five), restate(5, NOW_MS + 30, &seven));
    vec![five, seven, first, second, set]
}

#[test]
fn who_says_a_counter_anew_loses_no_increment_and_a_set_that_is_newer_replaces_what_was_said() {
    for counter in [STRING, FIELD_OF_HASH] {
        // What counts at last is what 5 said on top of which is the increment that it had not seen; or the SET.
        for (set_at_ms, expected) in [(NOW_MS + 20, "12"), (NOW_MS + 5, "12"), (NOW_MS + 40, "100")] {
            let records = history(&counter, set_at_ms);
            let orders = orders(&records);
            assert_eq!(orders.len(), 30, "5! / 4");
            for order in orders {
                let node = keyspace(1);
                order.iter().for_each(|index| records[*index].apply(&node));
                let value = (counter.get)(&node).map(|value| String::from_utf8(value).unwrap());
                assert_eq!(value.as_deref(), Some(expected), "{order:?}, SET at {}", set_at_ms - NOW_MS);
            }
        }
    }
}

#[test]
fn a_data_set_says_which_increments_are_part_of_what_was_said_anew() {
    let whole = |nodes: &[usize], records: &[Written]| {
        let mut vector = VersionVector::new();
        nodes.iter().for_each(|index| vector.advance(origin(records[*index].node), records[*index].last()));
        vector
    };
    for counter in [STRING, FIELD_OF_HASH] {
        for set_at_ms in [NOW_MS + 20, NOW_MS + 40] {
            let records = history(&counter, set_at_ms);
            let record = commit(&keyspace(8), NOW_MS + 50, |txn| (counter.add)(txn, 1000));
            let stranger = Written { node: 8, record, seen: Vec::new() };
            for order in orders(&records) {
                let there = keyspace(1);
                order.iter().for_each(|index| records[*index].apply(&there));
                for known in 0..order.len() {
                    let here = keyspace(7);
                    order[..known].iter().for_each(|index| records[*index].apply(&here));
                    transfer(&there, &here, &whole(&order, &records), &whole(&order[..known], &records));
                    let what = format!("{order:?}, of which {known}, SET at {}", set_at_ms - NOW_MS);
                    assert_eq!((counter.get)(&here), (counter.get)(&there), "{what}");
                    // Somebody who has seen nothing of it says anew what he has: the same wakes up at both.
                    let last = restate(9, NOW_MS + 60, &stranger);
                    stranger.apply(&here);
                    last.apply(&here);
                    assert_eq!((counter.get)(&here).as_deref(), Some(&b"1012"[..]), "{what}");
                }
            }
        }
    }
}
