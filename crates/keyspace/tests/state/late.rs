//! Records that come too late.

use crate::{NOW_MS, commit, keyspace, origin};
use effect::{Effect, EffectReader};
use keyspace::{Keyspace, Row, Scope, ScoreCondition, SetDeadline, Version};

#[test]
fn what_is_of_another_type_and_older_leaves_nothing() {
    let (here, other) = (keyspace(1), keyspace(2));
    commit(&here, NOW_MS, |txn| txn.string_set(b"k", b"value", SetDeadline::Clear));
    let (first, effects) = commit(&other, NOW_MS - 1000, |txn| {
        txn.sorted_set_add(b"k", &[(b"m", 1.0)], ScoreCondition::default()).map(drop).unwrap();
    });
    let origin = here.origin_index(origin(2)).unwrap();
    let mut txn = here.begin(Scope::All, 0, first.ms());
    txn.apply_late();
    for effect in EffectReader::new(&effects).map(Result::unwrap) {
        assert!(!matches!(effect, Effect::Select { .. }));
        let _ = txn.apply(&effect, Version { stamp: first, origin }, Row::Seen(&[])).unwrap();
    }
    txn.commit_applied(|_| ());
    let value = |keyspace: &Keyspace| {
        let txn = keyspace.begin(Scope::All, 0, NOW_MS + 10);
        txn.string(b"k").unwrap().map(|value| value.to_vec())
    };
    assert_eq!(value(&here).as_deref(), Some(&b"value"[..]));
    assert_eq!(here.begin(Scope::All, 0, NOW_MS).db_size(), 1);
    commit(&here, NOW_MS + 5, |txn| assert!(txn.delete(b"k")));
    assert_eq!(value(&here), None);
}
