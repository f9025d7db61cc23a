use super::*;
use std::sync::Barrier;
use std::sync::mpsc;
use std::thread;

#[test]
fn what_is_held() {
    let shards = Shards::new(64, false, |index| index);
    let mut guard = shards.lock(Wanted::Hashes(&[5, 64 + 5, 63, 32]));
    assert_eq!(guard.held().collect::<Vec<_>>(), [5, 32, 63]);
    assert_eq!((*guard.shard(5), *guard.shard(127), *guard.at(32)), (5, 63, 32));
    guard.release();
    assert_eq!(guard.held().count(), 0);
    guard.lock(Wanted::Hashes(&[66]));
    assert_eq!(guard.held().collect::<Vec<_>>(), [2]);
    drop(guard);
    assert_eq!(shards.lock(Wanted::Hashes(&[])).held().count(), 0);
    assert_eq!(shards.lock(Wanted::All).held().count(), 64);
    assert_eq!(Shards::new(1, true, |index| index).lock(Wanted::All).held().collect::<Vec<_>>(), [0]);
}

#[test]
#[should_panic(expected = "without its lock")]
fn a_shard_that_is_not_held() {
    let shards = Shards::new(4, false, |index| index);
    shards.lock(Wanted::Hashes(&[1])).at(2);
}

#[test]
#[should_panic(expected = "entered again")]
fn two_guards_without_locks() {
    let shards = Shards::new(4, true, |index| index);
    let _first = shards.lock(Wanted::Hashes(&[1]));
    shards.lock(Wanted::Hashes(&[2]));
}

#[test]
fn two_threads_without_locks() {
    let shards = Shards::new(1, true, |index| index);
    drop(shards.lock(Wanted::All));
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            shards.lock(Wanted::All);
        });
        assert!(other.join().is_err());
    });
    assert_eq!(*shards.lock(Wanted::All).at(0), 0);
}

/// Sums stay right only if writers exclude each other, and the test ends only if nobody deadlocks.
#[test]
fn writers_exclude_each_other() {
    const ROUNDS: u64 = if cfg!(miri) { 20 } else { 5000 };
    let shards = Shards::new(8, false, |_| 0i64);
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for thread in 0..4u64 {
            let (shards, barrier) = (&shards, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..ROUNDS {
                    let (first, second) = (round + thread, (round + thread) * 5 + 3);
                    let mut guard = shards.lock(Wanted::Hashes(&[first, second]));
                    *guard.shard_mut(first) += 1;
                    *guard.shard_mut(second) += 1;
                    if round % 50 == 0 {
                        drop(guard);
                        let mut guard = shards.lock(Wanted::All);
                        *guard.at_mut(0) += 1;
                        *guard.at_mut(7) -= 1;
                    }
                }
            });
        }
    });
    let guard = shards.lock(Wanted::All);
    let sum: i64 = (0..8).map(|index| *guard.at(index)).sum();
    assert_eq!(sum, 4 * ROUNDS as i64 * 2);
}

#[test]
fn trying_does_not_wait() {
    for single_threaded in [false, true] {
        let shards = Shards::new(4, single_threaded, |index| index);
        let guard = shards.lock(Wanted::Hashes(&[1]));
        assert!(shards.try_lock(1).is_none());
        drop(guard);
        assert_eq!(*shards.try_lock(5).unwrap().shard(1), 1);
        assert_eq!(shards.lock(Wanted::All).held().count(), 4);
    }
}

#[test]
fn a_lock_makes_others_wait() {
    let shards = Shards::new(2, false, |_| 0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let mut guard = shards.lock(Wanted::Hashes(&[0]));
        scope.spawn(|| {
            let shards = &shards;
            sender.send(*shards.lock(Wanted::All).at(0)).unwrap();
        });
        drop(shards.lock(Wanted::Hashes(&[1])));
        *guard.at_mut(0) = 7;
        drop(guard);
        assert_eq!(receiver.recv(), Ok(7));
    });
}
