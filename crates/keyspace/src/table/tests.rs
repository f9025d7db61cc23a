use super::*;
use crate::entry::ValueRef;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A hash of test keys (numbers) that is as bad as `mask` makes it.
#[derive(Clone, Copy, Debug)]
struct TestHasher {
    mask: u64,
}

impl KeyHasher for TestHasher {
    fn hash(&self, key: &[u8]) -> u64 {
        let number = u64::from_le_bytes(key[..8].try_into().unwrap());
        // The finalizer of splitmix64.
        let mut hash = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (hash ^ (hash >> 31)) & self.mask
    }
}

const GOOD: TestHasher = TestHasher { mask: u64::MAX };

/// Good hashes, few positions, few tags, one position, one hash.
fn hasher() -> impl Strategy<Value = TestHasher> {
    prop::sample::select(vec![u64::MAX, 0xf0f0 << 48 | 0xfffff, u64::MAX << 20, 0xfffff, 7 << 61, 0x0fff << 48, 0])
        .prop_map(|mask| TestHasher { mask })
}

fn key(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

fn entry(number: u64, value: i64, deadline_ms: Option<u64>) -> Entry {
    Entry::new(&key(number), NewValue::Int(value), Header { deadline_ms, ..Header::default() })
}

fn int(entry: &Entry) -> i64 {
    match entry.value() {
        ValueRef::Int(int) => int,
        other => panic!("{other:?}"),
    }
}

struct Checked {
    table: Table<TestHasher>,
    model: HashMap<u64, (i64, Option<u64>)>,
}

impl Checked {
    fn new(hasher: TestHasher) -> Checked {
        Checked { table: Table::new(hasher), model: HashMap::new() }
    }

    fn hash(&self, number: u64) -> u64 {
        self.table.hasher.hash(&key(number))
    }

    fn set(&mut self, number: u64, value: i64, deadline_ms: Option<u64>) {
        match self.table.slot(self.table.hasher.hash(&key(number)), &key(number)) {
            Slot::Occupied(mut found) => {
                assert!(self.model.contains_key(&number));
                found.overwrite(NewValue::Int(value), Header { deadline_ms, ..Header::default() });
            }
            Slot::Vacant(vacant) => {
                assert!(!self.model.contains_key(&number));
                assert_eq!(int(&vacant.insert(entry(number, value, deadline_ms))), value);
            }
        }
        self.model.insert(number, (value, deadline_ms));
    }

    fn remove(&mut self, number: u64) {
        let removed = self.table.remove(self.hash(number), &key(number)).map(|entry| int(&entry));
        assert_eq!(removed, self.model.remove(&number).map(|(value, _)| value));
    }

    fn check_key(&self, number: u64) {
        for found in [Table::find, Table::seek].map(|find| find(&self.table, self.hash(number), &key(number))) {
            assert_eq!(found.map(|entry| (int(entry), entry.deadline_ms())), self.model.get(&number).copied());
        }
    }

    fn check(&self) {
        assert_eq!(self.table.len(), self.model.len());
        assert_eq!(self.table.iter().count(), self.model.len());
        assert_eq!(self.table.expires_len(), self.model.values().filter(|value| value.1.is_some()).count());
        self.model.keys().for_each(|&number| self.check_key(number));
        for segment in &self.table.segments {
            let earliest = segment.entries().filter_map(Entry::deadline_ms).min().unwrap_or(u64::MAX);
            assert!(segment.earliest_deadline_ms <= earliest);
            assert_eq!(segment.len(), segment.entries().count());
            assert!(segment.depth() <= self.table.depth);
        }
        let pointed: BTreeSet<u32> = self.table.directory.iter().copied().collect();
        assert!(pointed.into_iter().eq(0..self.table.segments.len() as u32));
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// From a first number on, so many keys.
    Set(u64, u64, Option<u64>),
    Remove(u64, u64),
    Deadline(u64, Option<u64>),
    Sweep(u64),
    Find(u64),
    Scan,
}

const NUMBERS: u64 = if cfg!(miri) { 200 } else { 6000 };

fn step() -> impl Strategy<Value = Step> {
    let deadline = || prop::option::weighted(0.3, 0u64..1000);
    prop_oneof![
        3 => (0..NUMBERS, 0..NUMBERS / 4, deadline()).prop_map(|(from, count, deadline_ms)| Step::Set(from, count, deadline_ms)),
        2 => (0..NUMBERS, 0..NUMBERS / 3).prop_map(|(from, count)| Step::Remove(from, count)),
        2 => (0..NUMBERS, deadline()).prop_map(|(number, deadline_ms)| Step::Deadline(number, deadline_ms)),
        1 => (0u64..1000).prop_map(Step::Sweep),
        2 => (0..NUMBERS + 10).prop_map(Step::Find),
        1 => Just(Step::Scan),
    ]
}

fn apply(checked: &mut Checked, step: &Step) {
    match *step {
        Step::Set(from, count, deadline_ms) => {
            (from..from + count).for_each(|number| checked.set(number, (number + count) as i64, deadline_ms));
        }
        Step::Remove(from, count) => (from..from + count).for_each(|number| checked.remove(number)),
        Step::Deadline(number, deadline_ms) => {
            if let Some(mut entry) = checked.table.find_mut(checked.hash(number), &key(number)) {
                entry.set_deadline_ms(deadline_ms);
                checked.model.get_mut(&number).unwrap().1 = deadline_ms;
            }
        }
        Step::Sweep(now_ms) => {
            assert!(checked.table.sweep_due(now_ms, usize::MAX, |_| true));
            checked.model.retain(|_, value| value.1.is_none_or(|at| at > now_ms));
        }
        Step::Find(number) => checked.check_key(number),
        Step::Scan => {
            let mut seen = HashSet::new();
            scan(&checked.table, |entry| assert!(seen.insert(entry.key().to_vec()), "given twice by a quiet scan"));
            assert_eq!(seen.len(), checked.model.len());
        }
    }
}

fn scan(table: &Table<TestHasher>, mut f: impl FnMut(&Entry)) {
    let mut cursor = 0;
    loop {
        let next = table.scan(cursor, &mut f);
        assert!(next > cursor || next == 0);
        cursor = next;
        if cursor == 0 {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 48 }))]
    #[test]
    fn a_table_behaves_as_a_map(hasher in hasher(), steps in prop::collection::vec(step(), 1..20)) {
        let mut checked = Checked::new(hasher);
        for step in &steps {
            apply(&mut checked, step);
        }
        checked.check();
        for number in 0..NUMBERS * 2 {
            checked.remove(number);
        }
        checked.check();
    }

    /// SCAN's guarantee: what is there throughout is given, whatever happens in between.
    #[test]
    fn a_scan_gives_what_stays(
        hasher in hasher(),
        before in step(),
        between in prop::collection::vec((1u64..200, step()), 0..12),
    ) {
        let mut checked = Checked::new(hasher);
        apply(&mut checked, &Step::Set(0, NUMBERS / 2, None));
        apply(&mut checked, &before);
        let mut throughout: HashSet<u64> = checked.model.keys().copied().collect();
        let mut seen = HashSet::new();
        let mut cursor = 0;
        'scan: for (buckets, step) in between.iter().chain([&(u64::MAX, Step::Find(0))]) {
            for _ in 0..*buckets {
                cursor = checked.table.scan(cursor, |entry| {
                    seen.insert(u64::from_le_bytes(entry.key().try_into().unwrap()));
                });
                if cursor == 0 {
                    break 'scan;
                }
            }
            if !matches!(step, Step::Scan) {
                apply(&mut checked, step);
            }
            throughout.retain(|number| checked.model.contains_key(number));
        }
        prop_assert!(throughout.is_subset(&seen));
    }
}

#[test]
fn grows_shrinks_and_frees() {
    const KEYS: u64 = if cfg!(miri) { 300 } else { 100_000 };
    let mut checked = Checked::new(GOOD);
    assert_eq!(checked.table.heap_size(), 0);
    for number in 0..KEYS {
        checked.set(number, number as i64, None);
        if KEYS > 1000 && number > 1000 && number % 97 == 0 {
            let per_key = checked.table.heap_size() as f64 / number as f64;
            assert!(per_key < 13.4, "{per_key} bytes per key of {number}");
        }
    }
    checked.check();
    for number in 0..KEYS {
        checked.remove(number);
        if KEYS > 1000 && number % 10_007 == 0 {
            checked.check();
            let left = KEYS - number;
            let size = checked.table.heap_size() as u64;
            assert!(size < left * 60 + 4096, "{size} bytes for {left} keys");
        }
    }
    checked.check();
    assert!(checked.table.heap_size() < 1000);
}

#[test]
fn a_sweep_goes_on_where_it_stopped() {
    const COUNT: u64 = if cfg!(miri) { 2 } else { 100 };
    let mut checked = Checked::new(GOOD);
    for number in 0..200 * COUNT {
        checked.set(number, 0, Some(number % 100));
    }
    let mut calls = 0;
    let mut asked = 0;
    while !checked.table.sweep_due(49, 20 * COUNT as usize, |_| {
        asked += 1;
        true
    }) {
        calls += 1;
        assert!(calls < 100);
    }
    let half = 100 * COUNT as usize;
    assert_eq!((checked.table.len(), checked.table.expires_len(), asked), (half, half, half));
    assert!(cfg!(miri) || calls >= 5, "the budget was kept to");
    // The bounds are exact now: nothing is looked at again.
    checked.table.sweep_due(49, 0, |_| unreachable!());
    assert!(checked.table.sweep_due(49, 0, |_| unreachable!()));
    // What may not be removed stays.
    assert!(checked.table.sweep_due(1000, usize::MAX, |entry| entry.deadline_ms() == Some(50)));
    assert_eq!(checked.table.len(), 98 * COUNT as usize);
}

#[test]
fn random_entries_are_about_uniform() {
    let mut checked = Checked::new(GOOD);
    assert!(checked.table.random(|_| 0).is_none());
    for number in 0..1000 {
        checked.set(number, 0, None);
    }
    let mut state = 1u64;
    let mut dice = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut counts = HashMap::<Vec<u8>, u32>::new();
    for _ in 0..if cfg!(miri) { 1000 } else { 100_000 } {
        *counts.entry(checked.table.random(&mut dice).unwrap().key().to_vec()).or_default() += 1;
    }
    if cfg!(miri) {
        return;
    }
    // Poisson with mean 100: six standard deviations either way.
    assert_eq!(counts.len(), 1000);
    assert!(counts.values().all(|count| (40..=160).contains(count)), "{:?}", counts.values().max());
    // A stuck dice ends, too.
    assert!(checked.table.random(|_| 0).is_some());
}

#[test]
fn take_leaves_an_empty_table() {
    let mut checked = Checked::new(GOOD);
    for number in 0..5000 {
        checked.set(number, number as i64, (number % 3 == 0).then_some(number));
    }
    let taken = checked.table.take();
    assert_eq!((taken.len(), taken.expires_len()), (5000, 1667));
    checked.model.clear();
    checked.check();
    checked.set(1, 1, None);
    checked.check();
}

#[test]
fn prefetching_changes_nothing() {
    let mut checked = Checked::new(GOOD);
    checked.table.prefetch(1, Prefetch::Bucket);
    checked.table.prefetch(1, Prefetch::Entries);
    checked.set(1, 1, None);
    checked.table.prefetch(checked.hash(1), Prefetch::Bucket);
    checked.table.prefetch(checked.hash(1), Prefetch::Entries);
    checked.check();
}
