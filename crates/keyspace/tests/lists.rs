//! Lists of one writer, and what follows it; the rules for several are judged by tests/convergence.

use effect::{EffectReader, End, NodeId, Origin, Stamp};
use keyspace::{Keyspace, Options, Row, Scope, Switches, Txn, ValueError, Version};

const NOW_MS: u64 = 1_700_000_000_000;

fn keyspace(node: u64, peers: bool) -> Keyspace {
    let keyspace = Keyspace::new(Options { databases: 1, single_threaded: true, hash_secret: 1, seed: 1 });
    keyspace.set_origin(Origin { node: NodeId(node), incarnation: 1 });
    keyspace.set_switches(Switches { recording: true, stamping: true, peers });
    keyspace
}

fn list(keyspace: &Keyspace, key: &[u8]) -> Vec<String> {
    let txn = keyspace.begin(Scope::All, 0, NOW_MS);
    let text = |element: values::Element<'_>| String::from_utf8(element.to_vec()).unwrap();
    txn.list(key).unwrap().map_or_else(Vec::new, |list| list.iter().map(text).collect())
}

/// Writes here, and what the other one makes of it.
fn replicate(from: &Keyspace, to: &Keyspace, write: impl FnOnce(&mut Txn<'_>)) {
    let mut txn = from.begin(Scope::All, 0, NOW_MS);
    write(&mut txn);
    let (first, effects) = txn.commit(|commit| (commit.first, commit.effects.to_vec())).expect("a change");
    let origin = to.origin_index(Origin { node: NodeId(1), incarnation: 1 }).unwrap();
    let seen = vec![Stamp::MAX; 3];
    let mut txn = to.begin(Scope::All, 0, NOW_MS);
    for (index, effect) in EffectReader::new(&effects).map(Result::unwrap).enumerate() {
        let version = Version { stamp: first.plus(index as u64), origin };
        drop(txn.apply(&effect, version, Row::Seen(&seen)).unwrap());
    }
    txn.commit_applied(|_| ());
}

fn done<T>(result: Result<T, ValueError>) {
    assert!(result.is_ok());
}

fn bytes<'a>(items: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> + Clone {
    items.iter().map(|item| item.as_bytes())
}

fn range(start: usize, end: usize) -> Vec<std::ops::Range<usize>> {
    std::iter::once(start..end).collect()
}

/// Whether places or identities are on the wire, and whether the follower keeps registers or not.
#[test]
fn a_follower_has_the_list_of_its_writer() {
    for (writer_peers, follower_peers) in [(false, false), (false, true), (true, false), (true, true)] {
        let (writer, follower) = (keyspace(1, writer_peers), keyspace(2, follower_peers));
        let both = |write: &dyn Fn(&mut Txn<'_>), expected: &[&str]| {
            replicate(&writer, &follower, write);
            assert_eq!(list(&writer, b"l"), expected);
            assert_eq!(list(&follower, b"l"), expected, "peers: {writer_peers} {follower_peers}");
        };
        both(&|txn| done(txn.list_push(b"l", End::Tail, bytes(&["a", "b", "c"]))), &["a", "b", "c"]);
        both(&|txn| done(txn.list_push(b"l", End::Head, bytes(&["x", "y"]))), &["y", "x", "a", "b", "c"]);
        both(&|txn| done(txn.list_insert(b"l", 3, End::Head, b"-")), &["y", "x", "a", "-", "b", "c"]);
        both(&|txn| done(txn.list_insert(b"l", 5, End::Tail, b"+")), &["y", "x", "a", "-", "b", "c", "+"]);
        both(&|txn| done(txn.list_set(b"l", 1, b"X")), &["y", "X", "a", "-", "b", "c", "+"]);
        both(&|txn| txn.list_remove(b"l", vec![0..1, 3..4, 6..7]), &["X", "a", "b", "c"]);
        both(&|txn| txn.list_remove(b"l", range(3, 4)), &["X", "a", "b"]);
        both(&|txn| done(txn.list_move((b"l", End::Head), (b"l", End::Tail))), &["a", "b", "X"]);
        both(&|txn| txn.copy(b"l", b"other", 0), &["a", "b", "X"]);
        both(&|txn| txn.rename(b"other", b"l"), &["a", "b", "X"]);
        both(&|txn| txn.list_remove(b"l", range(0, 1)), &["b", "X"]);
        both(&|txn| txn.list_remove(b"l", range(0, 2)), &[]);
        assert_eq!(follower.begin(Scope::All, 0, NOW_MS).db_size(), 0, "an empty list is no key");
    }
}

/// A queue at one end of which much is taken: what was removed is kept, and never walked through.
#[test]
fn a_queue_does_not_slow_down() {
    let (writer, follower) = (keyspace(1, true), keyspace(2, true));
    replicate(&writer, &follower, |txn| {
        for number in 0..20_000 {
            let _ = txn.list_push(b"l", End::Tail, bytes(&[&number.to_string()]));
            if number % 3 > 0 {
                txn.list_remove(b"l", range(0, 1));
            }
        }
    });
    let left = list(&writer, b"l");
    assert_eq!((left.len(), left.last().map(String::as_str)), (6667, Some("19999")));
    assert_eq!(list(&follower, b"l"), left);
}

#[test]
fn nothing_happens_where_there_is_no_such_element() {
    for peers in [false, true] {
        let alone = keyspace(1, peers);
        let mut txn = alone.begin(Scope::All, 0, NOW_MS);
        assert_eq!(txn.list_set(b"l", 0, b"x"), Ok(()));
        assert_eq!(txn.list_insert(b"l", 0, End::Head, b"x"), Ok(()));
        assert_eq!(txn.list_move((b"l", End::Head), (b"m", End::Head)), Ok(None));
        assert_eq!((txn.changes(), txn.db_size()), (0, 0));
        txn.set_add(b"s", bytes(&["a"])).unwrap();
        assert_eq!(txn.list_push(b"s", End::Head, bytes(&["x"])), Err(ValueError::WrongType));
        assert_eq!(txn.changes(), 1);
    }
}
