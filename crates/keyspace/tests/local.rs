//! Local reads and writes on one node, as Redis 7.0 answers them, whatever machinery runs beside.

use effect::{Effect, EffectReader, EffectWriter, NodeId, Origin, Stamp};
use keyspace::{
    CausalMark, Checked, Collection, EffectsError, EventClass, Horizon, KeyType, Keyspace, Options, Row, Scope,
    SetDeadline, StringRef, Switches, Txn, ValueError, Version,
};

const NOW_MS: u64 = 1_700_000_000_000;
const MAX_LEN: usize = 512 << 20;

fn keyspaces() -> Vec<Keyspace> {
    [(false, false), (true, false), (true, true)]
        .into_iter()
        .map(|(stamping, peers)| {
            let options = Options { databases: 4, single_threaded: true, hash_secret: 1, seed: 2 };
            let keyspace = Keyspace::new(options);
            keyspace.set_origin(Origin { node: NodeId(7), incarnation: 1 });
            keyspace.set_switches(Switches { recording: true, stamping, peers });
            keyspace
        })
        .collect()
}

fn at<R>(keyspace: &Keyspace, now_ms: u64, f: impl FnOnce(&mut Txn<'_>) -> R) -> R {
    let mut txn = keyspace.begin(Scope::All, 0, now_ms);
    let result = f(&mut txn);
    txn.commit(|_| ());
    result
}

/// Runs the same on every kind of keyspace.
fn everywhere(f: impl Fn(&mut Txn<'_>)) {
    for keyspace in keyspaces() {
        at(&keyspace, NOW_MS, &f);
    }
}

fn text(txn: &Txn<'_>, key: &[u8]) -> Option<String> {
    txn.string(key).unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn members(txn: &Txn<'_>, key: &[u8]) -> Vec<String> {
    let mut members = Vec::new();
    if let Some(set) = txn.set(key).unwrap() {
        set.for_each(|member| members.push(String::from_utf8(member.to_vec()).unwrap()));
    }
    members.sort();
    members
}

fn bytes<'a>(items: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> + Clone {
    items.iter().map(|item| item.as_bytes())
}

#[test]
fn strings_are_set_and_read() {
    everywhere(|txn| {
        assert_eq!(txn.string(b"k"), Ok(None));
        txn.string_set(b"k", b"hello", SetDeadline::Clear);
        assert_eq!(txn.string(b"k"), Ok(Some(StringRef::Bytes(b"hello"))));
        txn.string_set(b"k", b"12", SetDeadline::Clear);
        assert_eq!(txn.string(b"k"), Ok(Some(StringRef::Int(12))));
        assert_eq!(txn.type_of(b"k"), Some(KeyType::String));
        assert_eq!(txn.db_size(), 1);
        assert!(txn.delete(b"k"));
        assert!(!txn.delete(b"k"));
        assert_eq!(txn.db_size(), 0);
    });
}

#[test]
fn increments_follow_redis() {
    everywhere(|txn| {
        assert_eq!(txn.string_increment(b"n", 5), Ok(5));
        assert_eq!(txn.string_increment(b"n", -7), Ok(-2));
        assert_eq!(txn.string_increment_float(b"n", b"0.1"), Ok(b"-1.9".to_vec()));
        assert_eq!(txn.string_increment(b"n", 1), Err(ValueError::NotInteger));
        assert_eq!(txn.string_increment_float(b"n", b"x"), Err(ValueError::NotFloat));
        txn.string_set(b"n", b"9223372036854775807", SetDeadline::Clear);
        assert_eq!(txn.string_increment(b"n", 1), Err(ValueError::Overflow));
        assert_eq!(txn.string_increment(b"n", -1), Ok(i64::MAX - 1));
        txn.string_set(b"s", b"abc", SetDeadline::Clear);
        assert_eq!(txn.string_increment(b"s", 1), Err(ValueError::NotInteger));
        assert_eq!(text(txn, b"s").as_deref(), Some("abc"));
        txn.set_add(b"set", bytes(&["m"])).unwrap();
        assert_eq!(txn.string_increment(b"set", 1), Err(ValueError::WrongType));
        assert_eq!(txn.string_increment_float(b"f", b"3.0e3"), Ok(b"3000".to_vec()));
    });
}

#[test]
fn partial_writes_follow_redis() {
    everywhere(|txn| {
        assert_eq!(txn.string_append(b"a", b"foo", MAX_LEN), Ok(3));
        assert_eq!(txn.string_append(b"a", b"bar", MAX_LEN), Ok(6));
        assert_eq!(txn.string_append(b"a", b"x", 6), Err(ValueError::TooLong));
        assert_eq!(text(txn, b"a").as_deref(), Some("foobar"));
        assert_eq!(txn.string_set_range(b"a", 1, b"OO", MAX_LEN), Ok(6));
        assert_eq!(text(txn, b"a").as_deref(), Some("fOObar"));
        assert_eq!(txn.string_set_range(b"none", 4, b"", MAX_LEN), Ok(0));
        assert!(!txn.exists(b"none"));
        assert_eq!(txn.string_set_range(b"pad", 2, b"x", MAX_LEN), Ok(3));
        assert_eq!(text(txn, b"pad").as_deref(), Some("\0\0x"));
        assert_eq!(txn.string_set_bits(b"bits", 7, 1, 1), Ok((0, true)));
        assert_eq!(txn.string_set_bits(b"bits", 7, 1, 0), Ok((1, true)));
        assert_eq!(txn.string_set_bits(b"bits", 7, 1, 0), Ok((0, false)));
        assert_eq!(txn.string_set_bits(b"bits", 4, 8, 0xa5), Ok((0, true)));
        assert_eq!(txn.string(b"bits").unwrap().unwrap().to_vec(), vec![0x0a, 0x50]);
        txn.string_set(b"i", b"10", SetDeadline::Clear);
        assert_eq!(txn.string_append(b"i", b"0", MAX_LEN), Ok(3));
        assert_eq!(txn.string_increment(b"i", 1), Ok(101));
    });
}

#[test]
fn empty_collections_are_no_keys() {
    everywhere(|txn| {
        assert_eq!(txn.set_add(b"s", bytes(&["a", "b", "a"])), Ok(2));
        assert_eq!(txn.set_add(b"s", bytes(&["b", "c"])), Ok(1));
        assert_eq!(members(txn, b"s"), ["a", "b", "c"]);
        assert_eq!(txn.set_remove(b"s", bytes(&["a", "x"])), Ok(1));
        assert_eq!(txn.set_remove(b"s", bytes(&["b", "c"])), Ok(2));
        assert!(!txn.exists(b"s"));
        assert_eq!(txn.set_remove(b"none", bytes(&["a"])), Ok(0));
        assert!(!txn.exists(b"none"));

        let pairs = [(&b"f"[..], &b"1"[..]), (b"g", b"two")];
        assert_eq!(txn.hash_set(b"h", pairs.into_iter()), Ok(2));
        assert_eq!(txn.hash_increment(b"h", b"f", 4), Ok(5));
        assert_eq!(txn.hash_increment(b"h", b"g", 4), Err(ValueError::NotInteger));
        assert_eq!(txn.hash_increment_float(b"h", b"f", b"0.5"), Ok(b"5.5".to_vec()));
        assert_eq!(
            txn.hash(b"h").unwrap().unwrap().get(b"f", |value| value.map(<[u8]>::to_vec)),
            Some(b"5.5".to_vec())
        );
        assert_eq!(txn.hash_delete(b"h", bytes(&["f", "g", "x"])), Ok(2));
        assert!(!txn.exists(b"h"));
    });
}

#[test]
fn deadlines_hide_and_are_kept_or_dropped() {
    for keyspace in keyspaces() {
        at(&keyspace, NOW_MS, |txn| {
            txn.string_set(b"k", b"1", SetDeadline::At(NOW_MS + 100));
            assert_eq!(txn.deadline_ms(b"k"), Some(Some(NOW_MS + 100)));
            assert_eq!(txn.string_increment(b"k", 1), Ok(2));
            assert_eq!(txn.deadline_ms(b"k"), Some(Some(NOW_MS + 100)));
            txn.string_set(b"k", b"v", SetDeadline::Keep);
            assert_eq!(txn.deadline_ms(b"k"), Some(Some(NOW_MS + 100)));
            assert_eq!(txn.expires_size(), 1);
            txn.expire(b"k", None);
            assert_eq!(txn.deadline_ms(b"k"), Some(None));
            txn.expire(b"k", Some(NOW_MS + 50));
            txn.set_add(b"s", bytes(&["m"])).unwrap();
            txn.expire(b"s", Some(NOW_MS + 50));
            txn.expire(b"none", Some(NOW_MS + 50));
            assert!(!txn.exists(b"none"));
        });
        at(&keyspace, NOW_MS + 49, |txn| assert!(txn.exists(b"k")));
        at(&keyspace, NOW_MS + 50, |txn| {
            assert!(!txn.exists(b"k"));
            assert_eq!(txn.type_of(b"s"), None);
            assert_eq!(txn.string_increment(b"k", 1), Ok(1));
            assert_eq!(txn.deadline_ms(b"k"), Some(None));
            assert_eq!(txn.set_add(b"s", bytes(&["n"])), Ok(1));
            assert_eq!(members(txn, b"s"), ["n"]);
            txn.expire(b"k", Some(NOW_MS));
            assert!(!txn.exists(b"k"));
        });
        assert_eq!(keyspace.statistics().expired, 2);
    }
}

#[test]
fn whole_keys_move_with_their_deadlines() {
    everywhere(|txn| {
        txn.string_set(b"a", b"v", SetDeadline::At(NOW_MS + 10));
        txn.set_add(b"b", bytes(&["m", "n"])).unwrap();
        txn.copy(b"a", b"b", 0);
        assert_eq!(text(txn, b"b").as_deref(), Some("v"));
        assert_eq!(txn.deadline_ms(b"b"), Some(Some(NOW_MS + 10)));
        txn.rename(b"b", b"c");
        assert!(!txn.exists(b"b"));
        assert_eq!(txn.deadline_ms(b"c"), Some(Some(NOW_MS + 10)));
        txn.set_add(b"s", bytes(&["1", "2"])).unwrap();
        txn.copy(b"s", b"s", 3);
        let set = txn.set(b"s").unwrap().unwrap().to_set();
        txn.store_set(b"a", set);
        assert_eq!(members(txn, b"a"), ["1", "2"]);
        assert_eq!(txn.deadline_ms(b"a"), Some(None));
        txn.swap_db(0, 3);
        assert_eq!(txn.db_size(), 1);
        assert_eq!(members(txn, b"s"), ["1", "2"]);
        txn.select(3);
        assert_eq!(txn.db_size(), 3);
        let _ = txn.flush_db();
        assert_eq!(txn.db_size(), 0);
        txn.select(0);
        assert_eq!(txn.db_size(), 1);
        let _ = txn.flush_all();
        assert_eq!(txn.db_size(), 0);
    });
}

#[test]
fn scan_gives_every_key() {
    everywhere(|txn| {
        for number in 0..1000 {
            txn.string_set(format!("key:{number}").as_bytes(), b"v", SetDeadline::Clear);
        }
        let (mut keys, mut cursor, mut calls) = (std::collections::BTreeSet::new(), 0, 0);
        loop {
            cursor = txn.scan(cursor, 10, |key, _| {
                keys.insert(key.to_vec());
            });
            calls += 1;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(keys.len(), 1000);
        assert!(calls > 20, "{calls} calls of about 10 keys each");
        let random = txn.random_key().unwrap();
        assert!(keys.contains(&random));
    });
}

#[test]
fn a_commit_is_the_effects_with_consecutive_stamps() {
    let keyspace = keyspaces().remove(1);
    let mut txn = keyspace.begin(Scope::All, 0, NOW_MS);
    txn.string_set(b"k", b"v", SetDeadline::Clear);
    txn.select(2);
    txn.string_increment(b"n", 3).unwrap();
    let (first, count, effects) = txn.commit(|commit| (commit.first, commit.count, commit.effects.to_vec())).unwrap();
    assert_eq!((first.ms(), count), (NOW_MS, 2));
    let effects: Vec<_> = EffectReader::new(&effects).map(Result::unwrap).collect();
    assert_eq!(
        effects,
        [
            Effect::Set { key: b"k", value: b"v", deadline: SetDeadline::Clear },
            Effect::Select { db: 2 },
            Effect::Increment { key: b"n", delta: 3 },
        ]
    );
    assert!(keyspace.begin(Scope::All, 0, NOW_MS).commit(|_| ()).is_none());
    let mut txn = keyspace.begin(Scope::All, 0, NOW_MS - 5000);
    assert_eq!(txn.now_ms(), NOW_MS);
    txn.delete(b"k");
    assert_eq!(txn.commit(|commit| commit.first), Some(first.plus(2)));
}

#[test]
fn records_are_checked_before_they_are_applied() {
    let keyspace = &keyspaces()[0];
    let encoded = |effects: &[Effect<'_>]| {
        let mut buffer = Vec::new();
        let mut writer = EffectWriter::new(&mut buffer);
        effects.iter().for_each(|effect| writer.push(effect));
        buffer
    };
    let mut keys = Vec::new();
    let good =
        encoded(&[Effect::Select { db: 3 }, Effect::Delete { key: b"a" }, Effect::Increment { key: b"b", delta: 1 }]);
    let checked = keyspace.check_effects(&good, |key| keys.push(key.to_vec()));
    assert_eq!(checked, Ok(Checked { count: 2, ..Checked::default() }));
    assert_eq!(keys, [b"a", b"b"]);
    let flush = encoded(&[Effect::FlushDb]);
    assert_eq!(
        keyspace.check_effects(&flush, |_| ()),
        Ok(Checked { count: 1, whole_databases: true, ..Checked::default() })
    );
    let elsewhere = encoded(&[Effect::Delete { key: b"a" }, Effect::Select { db: 4 }, Effect::Delete { key: b"a" }]);
    assert_eq!(keyspace.check_effects(&elsewhere, |_| ()), Err(EffectsError::NoDatabase(4)));
    assert!(matches!(keyspace.check_effects(&good[..good.len() - 1], |_| ()), Err(EffectsError::Decode(_))));
}

#[test]
fn events_are_collected_where_they_are_wanted() {
    let keyspace = keyspaces().remove(0);
    let events = |classes, write: &dyn Fn(&mut Txn<'_>)| {
        keyspace.set_wanted_events(classes);
        let mut txn = keyspace.begin(Scope::All, 0, 1000);
        write(&mut txn);
        let events = txn.take_events().into_iter().map(|event| event.name).collect::<Vec<_>>();
        txn.commit(|_| ());
        events
    };
    let add = |txn: &mut Txn<'_>| {
        txn.set_add(b"set", [&b"a"[..]].into_iter()).unwrap();
        txn.notify(EventClass::SET, "sadd", b"set");
    };
    let remove = |txn: &mut Txn<'_>| {
        txn.set_remove(b"set", [&b"a"[..]].into_iter()).unwrap();
        txn.notify_removal(EventClass::SET, "srem", b"set");
    };
    assert_eq!(events(EventClass::empty(), &add), Vec::<&str>::new());
    assert_eq!(events(EventClass::all(), &add), ["sadd"]);
    assert_eq!(events(EventClass::all(), &remove), ["srem", "del"]);
    assert_eq!(events(EventClass::all(), &add), ["new", "sadd"]);
    assert_eq!(events(EventClass::GENERIC, &remove), ["del"]);
    assert_eq!(events(EventClass::MISS, &|txn| assert!(!txn.exists(b"set"))), ["keymiss"]);
}

/// Whatever is written and deleted between the steps of a walk.
#[test]
fn a_walk_gives_what_stays_exactly_once() {
    use keyspace::Walk;
    use std::collections::HashMap;
    for keyspace in keyspaces() {
        let key = |kind: &str, number: usize| format!("{kind}:{number}").into_bytes();
        let set = |kind: &str, numbers: std::ops::Range<usize>| {
            at(&keyspace, NOW_MS, |txn| {
                numbers.for_each(|number| txn.string_set(&key(kind, number), b"x", SetDeadline::Clear))
            });
        };
        set("stays", 0..20_000);
        set("goes", 0..60_000);
        let (mut seen, mut steps, mut walk) = (HashMap::new(), 0, Some(Walk::default()));
        while let Some(from) = walk {
            walk = keyspace.walk(from, 0, NOW_MS, |walked| *seen.entry(walked.key().to_vec()).or_insert(0) += 1);
            // The table grows, then shrinks under the walk.
            match steps {
                0..10 => set("comes", steps * 10_000..(steps + 1) * 10_000),
                10..40 => at(&keyspace, NOW_MS, |txn| {
                    let numbers = (steps - 10) * 4000..(steps - 9) * 4000;
                    for number in numbers {
                        txn.delete(&key("goes", number));
                        txn.delete(&key("comes", number));
                    }
                }),
                _ => {}
            }
            steps += 1;
        }
        assert!((0..20_000).all(|number| seen.get(&key("stays", number)) == Some(&1)));
        assert!(seen.values().all(|count| *count == 1));
    }
}

#[test]
fn what_reads_meet_past_its_deadline_goes_without_peers() {
    for keyspace in keyspaces() {
        at(&keyspace, NOW_MS, |txn| txn.string_set(b"k", b"v", SetDeadline::At(NOW_MS + 10)));
        at(&keyspace, NOW_MS + 10, |txn| {
            assert!(!txn.exists(b"k"));
            let mut expired = Vec::new();
            txn.remove_expired(|db, key| expired.push((db, key.to_vec())));
            let gone = !keyspace.switches().peers;
            assert_eq!(expired, if gone { vec![(0, b"k".to_vec())] } else { Vec::new() });
            assert_eq!(txn.db_size(), usize::from(!gone));
        });
    }
}

#[test]
fn elements_past_their_deadline_are_out_of_sight_and_come_back_where_time_does() {
    for keyspace in keyspaces() {
        at(&keyspace, NOW_MS, |txn| {
            txn.hash_set(b"h", [(&b"a"[..], &b"1"[..]), (b"b", b"2")].into_iter()).unwrap();
            txn.expire_members(b"h", Collection::Hash, std::iter::once(&b"a"[..]), Some(NOW_MS + 10));
            assert_eq!(txn.member_deadline_ms(b"h", b"a"), Some(NOW_MS + 10));
        });
        let len = |now_ms| at(&keyspace, now_ms, |txn| txn.hash(b"h").unwrap().map_or(0, |hash| hash.len()));
        assert_eq!((len(NOW_MS + 9), len(NOW_MS + 10)), (2, 1));
        // A clock that went back tells the truth again, where there are others to hear of.
        assert_eq!(len(NOW_MS + 5), if keyspace.switches().peers { 2 } else { 1 });
        assert_eq!(len(NOW_MS + 20), 1);
        at(&keyspace, NOW_MS + 20, |txn| {
            assert_eq!(txn.hash_increment(b"h", b"a", 5), Ok(5));
            assert_eq!(txn.member_deadline_ms(b"h", b"a"), None);
            txn.expire_members(b"h", Collection::Hash, [&b"a"[..], b"b"].into_iter(), Some(NOW_MS + 30));
        });
        at(&keyspace, NOW_MS + 30, |txn| assert!(!txn.exists(b"h")));
        // Once more where the clock went back.
        assert_eq!(keyspace.statistics().expired_members, 3 + u64::from(keyspace.switches().peers));
    }
}

/// What is kept for others is counted, and goes with them.
#[test]
fn what_is_remembered_is_weighed() {
    let options = Options { databases: 1, single_threaded: true, hash_secret: 1, seed: 2 };
    let keyspace = Keyspace::new(options);
    keyspace.set_origin(Origin { node: NodeId(7), incarnation: 1 });
    keyspace.set_switches(Switches { recording: true, stamping: true, peers: true });
    let remembered = |f: &dyn Fn(&mut Txn<'_>)| {
        let before = keyspace.remembered_bytes();
        at(&keyspace, NOW_MS, f);
        keyspace.remembered_bytes() - before
    };
    let value = [b'x'; 10_000];
    assert_eq!(remembered(&|txn| txn.string_set(b"plain", &value, SetDeadline::Clear)), 0);
    let increment = || {
        remembered(&|txn| {
            txn.string_increment(b"counter", 1).unwrap();
        })
    };
    let [first, second, third] = [increment(), increment(), increment()];
    assert!((50..200).contains(&first), "one effect takes little: {first}");
    assert!((200..1_000).contains(&second), "{second}");
    assert!((30..200).contains(&third), "{third}");
    let numbers: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let names: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let members = remembered(&|txn| assert_eq!(txn.set_add(b"set", bytes(&names)), Ok(1000)));
    assert!((40_000..200_000).contains(&members), "{members}");
    let increments = |txn: &mut Txn<'_>| {
        (0..1000).for_each(|_| {
            txn.hash_increment(b"hash", b"f", 1).unwrap();
        })
    };
    let increments = remembered(&increments);
    assert!((30_000..200_000).contains(&increments), "{increments}");

    // Past its deadline, and here until everybody has passed it.
    let deadline = SetDeadline::At(NOW_MS + 1);
    assert_eq!(remembered(&|txn| txn.string_set(b"expiring", &value, deadline)), 0);
    for _ in 0..2 {
        assert_eq!(keyspace.expire_due(NOW_MS + 2, 1000, |_| ()).0, 0);
    }
    let all = keyspace.remembered_bytes();
    assert!(all > first + second + third + members + increments + value.len());
    let later = Stamp::from_ms(NOW_MS + 1_000_000);
    let marks = [CausalMark { stamp: later, unheard: false }; 8];
    let horizon = Horizon { clock: later, causal: &marks };
    while !keyspace.stabilize(NOW_MS + 2, &horizon, 1000, |_| ()) {}
    assert_eq!(keyspace.expire_due(NOW_MS + 2, 1000, |_| ()).0, 1);
    assert_eq!(keyspace.remembered_bytes(), 0);
}

/// What comes too late to be placed joins a key of which nothing is remembered; it takes nothing away.
#[test]
fn late_additions_join_what_is_at_rest() {
    let options = Options { databases: 1, single_threaded: true, hash_secret: 1, seed: 2 };
    let keyspace = Keyspace::new(options);
    keyspace.set_origin(Origin { node: NodeId(7), incarnation: 1 });
    keyspace.set_switches(Switches { recording: true, stamping: true, peers: true });
    let other = keyspace.origin_index(Origin { node: NodeId(8), incarnation: 1 }).unwrap();
    at(&keyspace, NOW_MS, |txn| {
        txn.set_add(b"set", bytes(&["a", "b"])).unwrap();
        txn.set_add(b"cleared", bytes(&["a"])).unwrap();
        txn.hash_set(b"hash", [(&b"f"[..], &b"newer"[..])].into_iter()).unwrap();
        txn.list_push(b"list", effect::End::Tail, bytes(&["a"])).unwrap();
    });
    let later = Stamp::from_ms(NOW_MS + 1000);
    let marks = [CausalMark { stamp: later, unheard: false }; 8];
    while !keyspace.stabilize(NOW_MS, &Horizon { clock: later, causal: &marks }, 1000, |_| ()) {}
    at(&keyspace, NOW_MS + 2000, |txn| {
        txn.delete(b"cleared");
    });
    let apply = |is_late: bool, effect: Effect<'_>| {
        let mut txn = keyspace.begin(Scope::All, 0, NOW_MS);
        if is_late {
            txn.apply_late();
        }
        let version = Version { stamp: Stamp::from_ms(NOW_MS - 1000), origin: other };
        drop(txn.apply(&effect, version, Row::Seen(&[])).unwrap());
        txn.commit_applied(|_| ());
    };
    let items = |names: &[&str]| {
        let mut items = effect::ItemsWriter::new();
        bytes(names).for_each(|name| items.push(name));
        items
    };
    let set = |is_late, key: &[u8]| apply(is_late, Effect::SetAdd { key, members: items(&["c"]).items() });
    set(false, b"set");
    at(&keyspace, NOW_MS, |txn| assert_eq!(members(txn, b"set"), ["a", "b"], "older than the key"));
    set(true, b"set");
    set(true, b"cleared");
    apply(true, Effect::SetRemove { key: b"set", members: items(&["a"]).items() });
    apply(true, Effect::Delete { key: b"set" });
    apply(true, Effect::HashSet { key: b"hash", pairs: items(&["f", "older", "g", "1"]).items() });
    apply(true, Effect::ListPush { key: b"list", end: effect::End::Tail, elements: items(&["b"]).items() });
    at(&keyspace, NOW_MS + 3000, |txn| {
        assert_eq!(members(txn, b"set"), ["a", "b", "c"]);
        assert_eq!(members(txn, b"cleared"), [""; 0], "that it was deleted is known");
        let hash = txn.hash(b"hash").unwrap().unwrap();
        let field = |name: &[u8]| hash.get(name, |value| value.map(<[u8]>::to_vec));
        assert_eq!((field(b"f"), field(b"g")), (Some(b"newer".to_vec()), Some(b"1".to_vec())));
        assert_eq!(txn.list(b"list").unwrap().unwrap().len(), 2);
    });
}
