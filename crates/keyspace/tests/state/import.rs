//! A data set on its way in: what is written meanwhile, and what is left to the log.

use crate::{NOW_MS, chunks, commit, keyspace, origin};
use effect::{Collection, End, Origin, Stamp, VersionVector};
use keyspace::{CausalMark, Horizon, Import, ImportError, Keyspace, Scope, ScoreCondition, SetDeadline, Txn};

const MAX_LEN: usize = 1 << 20;

type Written = (Stamp, Vec<u8>);
type Write<'w> = &'w dyn Fn(&mut Txn<'_>);

/// Applies a record; `seen`: what its author had seen of the others.
fn apply(keyspace: &Keyspace, from: Origin, written: &Written, seen: &VersionVector) {
    let index = |origin| keyspace.origin_index(origin).unwrap();
    let mut row = Vec::new();
    for (origin, stamp) in seen.iter() {
        let index = usize::from(index(origin).0);
        row.resize(row.len().max(index + 1), Stamp::ZERO);
        row[index] = stamp;
    }
    crate::apply(keyspace, from, written, &row);
}

fn vector(entries: &[(u64, Stamp)]) -> VersionVector {
    let mut vector = VersionVector::new();
    entries.iter().for_each(|(node, stamp)| vector.advance(origin(*node), *stamp));
    vector
}

fn merge_all(import: &mut Import, to: &Keyspace, chunks: &[Vec<u8>]) {
    chunks.iter().for_each(|chunk| import.merge(to, chunk, Stamp::MAX, |_| ()).unwrap());
}

/// The data set of node 1, which had seen of itself `theirs`, comes to node 2, which had all that is decided, or not.
fn begin(to: &Keyspace, theirs: Stamp, has_decided: bool) -> Import {
    let decided = if has_decided { VersionVector::new() } else { vector(&[(1, Stamp(1))]) };
    Import::begin(to, &vector(&[(1, theirs)]), &decided, &vector(&[(2, Stamp::MAX)]), false).unwrap()
}

fn digests(nodes: [&Keyspace; 2], now_ms: u64) -> [String; 2] {
    nodes.map(|node| format!("{:?}", node.digest(now_ms)))
}

#[test]
fn what_is_written_while_a_data_set_comes_takes_all_of_it_for_seen() {
    let increments: Write<'_> = &|txn| {
        txn.string_increment(b"n", 5).unwrap();
        txn.hash_increment(b"h", b"f", 5).unwrap();
        txn.hash_increment(b"h", b"g", 7).unwrap();
        txn.sorted_set_increment(b"z", b"m", 5.0, ScoreCondition::default()).unwrap();
    };
    let clears: [Write<'_>; 4] = [
        &|txn| txn.string_set(b"n", b"100", SetDeadline::Clear),
        &|txn| assert!(txn.hash_set(b"h", [(&b"f"[..], &b"100"[..])].into_iter()).is_ok()),
        &|txn| drop(txn.flush_db()),
        &|txn| {
            drop(txn.flush_db());
            txn.string_set(b"h", b"another type", SetDeadline::Clear);
            txn.delete(b"h");
        },
    ];
    for (number, clear) in clears.into_iter().enumerate() {
        for (is_before, has_decided) in [(true, true), (true, false), (false, true), (false, false)] {
            let (there, here) = (keyspace(1), keyspace(2));
            let theirs = commit(&there, NOW_MS, increments).0.plus(3);
            let chunks = chunks(&there);
            let mut import = begin(&here, theirs, has_decided);
            if !is_before {
                merge_all(&mut import, &here, &chunks);
            }
            // The clock here is behind.
            let written = commit(&here, NOW_MS - 5000, clear);
            assert!(written.0 > theirs, "what is written next is newer");
            if is_before {
                merge_all(&mut import, &here, &chunks);
            }
            import.end(&here, true, |_| ());
            apply(&there, origin(2), &written, &vector(&[(1, theirs)]));
            let [left, right] = digests([&there, &here], NOW_MS);
            assert_eq!(left, right, "clear {number}, before {is_before}, decided {has_decided}");
        }
    }
}

/// Its source may never come back.
#[test]
fn flushes_during_a_data_set_that_never_ends_are_not_remembered_one_by_one() {
    let (there, here) = (keyspace(1), keyspace(2));
    let theirs = commit(&there, NOW_MS, |txn| txn.string_set(b"n", b"1", SetDeadline::Clear)).0;
    let import = begin(&here, theirs, true);
    let remembered = [1, 1000].map(|flushes| {
        for _ in 0..flushes {
            commit(&here, NOW_MS, |txn| drop(txn.flush_db()));
        }
        here.remembered_bytes()
    });
    import.end(&here, false, |_| ());
    assert!(remembered[0] > 0, "a flush cancels what is still to come");
    assert_eq!(remembered[0], remembered[1]);
}

#[test]
fn what_is_left_to_the_log_comes_with_it() {
    let later: [Write<'_>; 3] = [
        &|txn| txn.list_insert(b"l", 1, End::Tail, b"x").unwrap(),
        &|txn| {
            txn.list_push(b"l", End::Head, [&b"x"[..]].into_iter()).unwrap();
        },
        &|txn| {
            txn.string_set(b"s", b"1", SetDeadline::Clear);
            txn.string_append(b"s", b"2", MAX_LEN).unwrap();
        },
    ];
    for (write, has_decided) in later.into_iter().flat_map(|write| [(write, true), (write, false)]) {
        let (there, here) = (keyspace(1), keyspace(2));
        let theirs = commit(&there, NOW_MS, |txn| {
            txn.list_push(b"l", End::Tail, [&b"a"[..], b"b", b"c"].into_iter()).unwrap();
        });
        let written = commit(&there, NOW_MS, write);
        let mut import = begin(&here, theirs.0, has_decided);
        merge_all(&mut import, &here, &chunks(&there));
        import.end(&here, true, |_| ());
        apply(&here, origin(1), &written, &vector(&[(1, theirs.0)]));
        let [left, right] = digests([&there, &here], NOW_MS);
        assert_eq!(left, right);
    }
}

#[test]
fn an_increment_that_sleeps_alone_is_woken_by_a_removal_that_had_not_seen_it() {
    let (a, b) = (keyspace(1), keyspace(2));
    let increment = |by| {
        move |txn: &mut Txn<'_>| {
            txn.sorted_set_increment(b"z", b"m", by, ScoreCondition::default()).unwrap();
        }
    };
    let first = commit(&b, NOW_MS, increment(1.0));
    apply(&a, origin(2), &first, &VersionVector::new());
    let more = commit(&a, NOW_MS, increment(30.5));
    let expire = commit(&a, NOW_MS, |txn| {
        txn.expire_members(b"z", Collection::SortedSet, [&b"m"[..]].into_iter(), Some(NOW_MS + 10));
    });
    let removal = commit(&b, NOW_MS + 20, |txn| {
        txn.sorted_set_remove(b"z", [&b"m"[..]].into_iter()).unwrap();
    });
    // At one node the deadline has come into force, and nothing is left of the set, when the removal arrives.
    let causal = [0, 1, 2].map(|_| CausalMark::default());
    assert!(a.stabilize(NOW_MS, &Horizon { clock: Stamp::from_ms(NOW_MS + 15), causal: &causal }, 10, |_| ()));
    assert_eq!(a.begin(Scope::All, 0, NOW_MS + 20).db_size(), 0);
    apply(&a, origin(2), &removal, &VersionVector::new());
    let seen = vector(&[(2, first.0)]);
    [more, expire].iter().for_each(|written| apply(&b, origin(1), written, &seen));
    for node in [&a, &b] {
        let score = node.begin(Scope::All, 0, NOW_MS + 20).sorted_set(b"z").unwrap().and_then(|set| set.score(b"m"));
        assert_eq!(score, Some(30.5));
    }
}

#[test]
fn a_deadline_that_was_written_over_is_so_at_who_has_not_seen_by_what() {
    let (there, here) = (keyspace(1), keyspace(2));
    let set = |value: &'static [u8], deadline| move |txn: &mut Txn<'_>| txn.string_set(b"k", value, deadline);
    let old = commit(&there, NOW_MS, set(b"old", SetDeadline::At(NOW_MS + 100)));
    apply(&here, origin(1), &old, &VersionVector::new());
    commit(&there, NOW_MS + 50, set(b"new", SetDeadline::Clear));
    let theirs = commit(&there, NOW_MS + 200, |txn| txn.expire(b"k", Some(NOW_MS + 500))).0;
    // There all of it is passed, though nobody else has seen the second SET.
    let causal = [CausalMark::default(), CausalMark { stamp: old.0, unheard: false }];
    let horizon = Horizon { clock: Stamp::from_ms(NOW_MS + 300), causal: &causal };
    assert!(there.stabilize(NOW_MS, &horizon, 10, |_| ()));
    let ours = vector(&[(1, old.0), (2, Stamp::MAX)]);
    let mut import = Import::begin(&here, &vector(&[(1, theirs)]), &vector(&[(1, old.0)]), &ours, false).unwrap();
    merge_all(&mut import, &here, &chunks(&there));
    import.end(&here, true, |_| ());
    assert!(here.stabilize(NOW_MS, &horizon, 10, |_| ()));
    let [left, right] = digests([&there, &here], NOW_MS + 300);
    assert_eq!(left, right);
    assert_eq!(here.begin(Scope::All, 0, NOW_MS + 300).db_size(), 1);
}

#[test]
fn what_would_be_in_the_future_is_not_merged() {
    let (there, here) = (keyspace(1), keyspace(2));
    let (written, _) = commit(&there, NOW_MS, |txn| txn.string_set(b"k", b"v", SetDeadline::Clear));
    let (theirs, ours) = (vector(&[(1, written)]), vector(&[(2, Stamp::MAX)]));
    let mut import = Import::begin(&here, &theirs, &theirs, &ours, false).unwrap();
    let mut merge_until = |latest| {
        let mut merged = chunks(&there).into_iter().map(|chunk| import.merge(&here, &chunk, latest, |_| ()));
        merged.find(Result::is_err)
    };
    assert_eq!(merge_until(Stamp(written.0 - 1)), Some(Err(ImportError::TooLate(written))));
    assert_eq!(here.begin(Scope::All, 0, NOW_MS).db_size(), 0);
    assert_eq!(merge_until(written), None);
    assert_eq!(here.begin(Scope::All, 0, NOW_MS).db_size(), 1);
}
