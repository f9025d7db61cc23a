use super::*;
use std::sync::Barrier;
use std::sync::mpsc;
use std::thread;

#[test]
fn what_is_held() {
    let shards = Shards::new(64, |index| index);
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
    assert_eq!(Shards::new(1, |index| index).lock(Wanted::All).held().collect::<Vec<_>>(), [0]);
}

#[test]
#[should_panic(expected = "without its lock")]
fn a_shard_that_is_not_held() {
    let shards = Shards::new(4, |index| index);
    shards.lock(Wanted::Hashes(&[1])).at(2);
}

#[test]
#[should_panic(expected = "entered again")]
fn two_guards_without_locks() {
    let shards = Shards::new(4, |index| index);
    shards.favour();
    let _first = shards.lock(Wanted::Hashes(&[1]));
    shards.lock(Wanted::Hashes(&[2]));
}

#[test]
fn a_favoured_thread_takes_no_locks_until_another_one_enters() {
    let shards = Shards::new(2, |index| index);
    assert!(shards.unshared().is_none());
    shards.favour();
    assert_eq!(shards.unshared().unwrap().held().count(), 2);
    let guard = shards.lock(Wanted::Hashes(&[1]));
    assert!(!shards.shards[1].lock.is_locked());
    drop(guard);
    thread::scope(|scope| {
        // Trying does not end it, entering does.
        scope.spawn(|| {
            assert!(shards.try_lock(1).is_none());
            assert!(!shards.bias.is_over() && !shards.bias.is_mine());
            drop(shards.lock(Wanted::Hashes(&[0])));
            assert!(shards.try_lock(1).is_some());
        });
    });
    assert!(shards.unshared().is_none());
    let guard = shards.lock(Wanted::Hashes(&[1]));
    assert!(shards.shards[1].lock.is_locked());
    drop(guard);
    shards.favour();
    assert!(shards.unshared().is_some());
}

/// Who enters waits until the favoured thread is outside.
#[test]
fn a_favoured_thread_makes_others_wait() {
    let shards = Shards::new(2, |_| 0);
    shards.favour();
    let mut guard = shards.lock(Wanted::Hashes(&[0]));
    thread::scope(|scope| {
        let other = scope.spawn(|| *shards.lock(Wanted::Hashes(&[0])).at(0));
        // Another shard, but the favoured thread has no lock that would say so.
        let third = scope.spawn(|| *shards.lock(Wanted::Hashes(&[1])).at(1));
        while !shards.bias.is_ending() {
            thread::yield_now();
        }
        *guard.at_mut(0) = 7;
        drop(guard);
        assert_eq!((other.join().unwrap(), third.join().unwrap()), (7, 0));
    });
}

/// Adds so slowly that a second writer would hardly miss it.
fn add(sum: &mut i64, amount: i64) {
    let before = std::hint::black_box(*sum);
    (0..20).for_each(|_| std::hint::spin_loop());
    *sum = before + amount;
}

/// Sums stay right only if writers exclude each other, and the test ends only if nobody deadlocks. With `favours` the first of them is
/// favoured again and again.
fn writers_exclude_each_other(favours: bool) {
    const ROUNDS: u64 = if cfg!(miri) { 20 } else { 5000 };
    let shards = Shards::new(2, |_| 0i64);
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for thread in 0..4u64 {
            let (shards, barrier) = (&shards, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..ROUNDS {
                    if favours && thread == 0 {
                        shards.favour();
                    }
                    let (first, second) = (round, round + (round + thread) / 3);
                    let mut guard = shards.lock(Wanted::Hashes(&[first, second]));
                    add(guard.shard_mut(first), 1);
                    add(guard.shard_mut(second), 1);
                    drop(guard);
                    if round % 50 == 0 {
                        let mut guard = shards.lock(Wanted::All);
                        add(guard.at_mut(0), 1);
                        add(guard.at_mut(1), -1);
                    }
                    if let Some(mut guard) = shards.try_lock(first) {
                        add(guard.shard_mut(first), 1);
                        add(guard.shard_mut(first), -1);
                    }
                    if let Some(mut guard) = shards.unshared() {
                        add(guard.at_mut(0), -1);
                        add(guard.at_mut(1), 1);
                    }
                }
            });
        }
    });
    let guard = shards.lock(Wanted::All);
    let sum: i64 = (0..2).map(|index| *guard.at(index)).sum();
    assert_eq!(sum, 4 * ROUNDS as i64 * 2);
}

#[test]
fn writers_with_locks_exclude_each_other() {
    writers_exclude_each_other(false);
}

#[test]
fn a_favoured_writer_excludes_others_too() {
    writers_exclude_each_other(true);
}

#[test]
fn trying_does_not_wait() {
    for favours in [false, true] {
        let shards = Shards::new(4, |index| index);
        if favours {
            shards.favour();
        }
        let guard = shards.lock(Wanted::Hashes(&[1]));
        assert!(shards.try_lock(1).is_none());
        drop(guard);
        assert_eq!(*shards.try_lock(5).unwrap().shard(1), 1);
        assert_eq!(shards.lock(Wanted::All).held().count(), 4);
    }
}

#[test]
fn a_lock_makes_others_wait() {
    let shards = Shards::new(2, |_| 0);
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
