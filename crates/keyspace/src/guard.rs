//! Shards behind locks: `Shards` owns them, a `Guard` is the right to some of them.
//!
//! Locks are taken in ascending order, all of a command's at once, so that no two commands wait for
//! each other. Nothing is taken while something is held (asserted for the thread that elides locks,
//! a deadlock otherwise).

use crate::table::SHARD_BITS;
use parking_lot::RawMutex;
use parking_lot::lock_api::RawMutex as _;
use smallvec::SmallVec;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shards of a keyspace: many where threads share it; few where one thread has it for itself and a small working set
/// is all that counts.
pub(crate) const fn default_shards(single_threaded: bool) -> usize {
    if single_threaded { 16 } else { 64 }
}

/// A shard with its lock, on cache lines of their own (two: processors fetch them in pairs).
#[repr(align(128))]
struct Locked<S> {
    lock: RawMutex,
    shard: UnsafeCell<S>,
}

/// A power of two of shards, chosen by the low bits of a hash.
pub(crate) struct Shards<S> {
    shards: Box<[Locked<S>]>,
    elision: Option<Elision>,
}

// SAFETY: a shard is reached only through a `Guard`, by one thread at a time: the one that holds its
// lock, or the only thread that enters (`Elision`). So `S: Send` is enough, as with a mutex.
unsafe impl<S: Send> Sync for Shards<S> {}

/// Which shards a guard is to hold.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// The shards of these hashes.
    Hashes(&'a [u64]),
    All,
}

enum Held {
    One(usize),
    /// A bit per shard.
    Some(SmallVec<[u64; 2]>),
    All,
}

impl Held {
    #[inline]
    fn contains(&self, index: usize) -> bool {
        match self {
            Held::One(one) => *one == index,
            Held::Some(bits) => bits[index / 64] >> (index % 64) & 1 != 0,
            Held::All => true,
        }
    }
}

/// The right to some shards; dropping it releases them. It stays on its thread.
pub(crate) struct Guard<'s, S> {
    shards: &'s Shards<S>,
    held: Held,
    /// Neither `Send` (locks are released where they were taken) nor `Sync` (a shard need not be).
    thread_bound: PhantomData<*mut ()>,
}

/// Locks left out: one thread enters, and holds one guard at a time.
struct Elision {
    /// The first thread that enters is the one.
    owner: AtomicUsize,
    /// Touched by the owner only.
    entered: Cell<bool>,
}

thread_local! {
    /// Its address tells threads apart, faster than asking for the thread's id.
    static THREAD: u8 = const { 0 };
}

impl Elision {
    /// False where a guard is already held.
    #[inline]
    fn enter(&self) -> bool {
        let thread = THREAD.with(|byte| std::ptr::from_ref(byte).addr());
        let owner = match self.owner.load(Ordering::Relaxed) {
            0 => self.owner.compare_exchange(0, thread, Ordering::Relaxed, Ordering::Relaxed).err().unwrap_or(thread),
            owner => owner,
        };
        assert!(owner == thread, "a keyspace for one thread is entered by another");
        !self.entered.replace(true)
    }
}

impl<S> Shards<S> {
    /// `count`: a power of two, at most 4096. `single_threaded`: one thread ever enters, so there is
    /// nothing to lock.
    pub fn new(count: usize, single_threaded: bool, mut shard: impl FnMut(usize) -> S) -> Shards<S> {
        assert!(count.is_power_of_two() && count <= 1 << SHARD_BITS);
        Shards {
            shards: (0..count).map(|at| Locked { lock: RawMutex::INIT, shard: UnsafeCell::new(shard(at)) }).collect(),
            elision: single_threaded.then(|| Elision { owner: AtomicUsize::new(0), entered: Cell::new(false) }),
        }
    }

    pub fn count(&self) -> usize {
        self.shards.len()
    }

    #[inline]
    pub fn index(&self, hash: u64) -> usize {
        hash as usize & (self.shards.len() - 1)
    }

    /// Waits for the shards that are wanted.
    #[inline]
    pub fn lock(&self, wanted: Wanted<'_>) -> Guard<'_, S> {
        let held = match wanted {
            Wanted::Hashes([hash]) => Held::One(self.index(*hash)),
            Wanted::Hashes(hashes) => {
                let mut bits = SmallVec::from_elem(0u64, self.shards.len().div_ceil(64));
                for &hash in hashes {
                    let index = self.index(hash);
                    bits[index / 64] |= 1 << (index % 64);
                }
                Held::Some(bits)
            }
            Wanted::All => Held::All,
        };
        match &self.elision {
            Some(elision) => assert!(elision.enter(), "a keyspace for one thread is entered again"),
            None => self.for_each_lock(&held, RawMutex::lock),
        }
        Guard { shards: self, held, thread_bound: PhantomData }
    }

    #[inline]
    fn for_each_lock(&self, held: &Held, mut f: impl FnMut(&RawMutex)) {
        match held {
            Held::One(index) => f(&self.shards[*index].lock),
            held => {
                let shards = self.shards.iter().enumerate();
                shards.filter(|(index, _)| held.contains(*index)).for_each(|(_, shard)| f(&shard.lock));
            }
        }
    }

    /// The shard of a hash, unless somebody has it.
    #[inline]
    pub fn try_lock(&self, hash: u64) -> Option<Guard<'_, S>> {
        let index = self.index(hash);
        let locked = match &self.elision {
            Some(elision) => elision.enter(),
            None => self.shards[index].lock.try_lock(),
        };
        locked.then(|| Guard { shards: self, held: Held::One(index), thread_bound: PhantomData })
    }
}

impl<S> Guard<'_, S> {
    /// How many shards there are, held or not.
    pub fn count(&self) -> usize {
        self.shards.count()
    }

    #[inline]
    pub fn index(&self, hash: u64) -> usize {
        self.shards.index(hash)
    }

    #[inline]
    pub fn holds(&self, index: usize) -> bool {
        self.held.contains(index)
    }

    /// The indexes of the shards that are held, ascending.
    pub fn held(&self) -> impl Iterator<Item = usize> + use<'_, S> {
        (0..self.count()).filter(|&index| self.holds(index))
    }

    /// Is there such a shard among those that are held?
    #[inline]
    pub fn any_held(&self, mut f: impl FnMut(&S) -> bool) -> bool {
        match self.held {
            Held::One(index) => f(self.at(index)),
            _ => self.held().any(|index| f(self.at(index))),
        }
    }

    /// The shard of a hash, which is held.
    #[inline]
    pub fn shard(&self, hash: u64) -> &S {
        self.at(self.index(hash))
    }

    #[inline]
    pub fn shard_mut(&mut self, hash: u64) -> &mut S {
        self.at_mut(self.index(hash))
    }

    #[inline]
    pub fn at(&self, index: usize) -> &S {
        // SAFETY: see `pointer`; `&self` excludes `at_mut`, and the guard stays on its thread.
        unsafe { &*self.pointer(index) }
    }

    #[inline]
    pub fn at_mut(&mut self, index: usize) -> &mut S {
        // SAFETY: see `pointer`; `&mut self` excludes any other reference from this guard.
        unsafe { &mut *self.pointer(index) }
    }

    /// A shard that this guard alone may reach: its lock is held, or there are no locks, no other
    /// thread and no other guard.
    #[inline]
    fn pointer(&self, index: usize) -> *mut S {
        assert!(self.holds(index), "a shard is used without its lock");
        self.shards.shards[index].shard.get()
    }
}

impl<S> Drop for Guard<'_, S> {
    #[inline]
    fn drop(&mut self) {
        match &self.shards.elision {
            Some(elision) => elision.entered.set(false),
            // SAFETY: exactly these locks were taken when the guard was made, on this thread.
            None => self.shards.for_each_lock(&self.held, |lock| unsafe { lock.unlock() }),
        }
    }
}

#[cfg(test)]
mod tests;
