//! Shards behind locks: `Shards` owns them, a `Guard` is the right to some of them.
//!
//! Locks are taken in ascending order, all of a command's at once, so that no two commands wait for
//! each other. Nothing is taken while something is held (asserted for the thread that elides locks,
//! a deadlock otherwise).

use crate::table::SHARD_BITS;
use parking_lot::RawMutex;
use parking_lot::lock_api::RawMutex as _;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shards of a keyspace: many where threads share it; few where one thread has it for itself and a small working set
/// is all that counts.
pub(crate) const fn default_shards(single_threaded: bool) -> usize {
    if single_threaded { 16 } else { 64 }
}

/// A word has a bit for each.
const SHARDS_MAX: usize = 64;
const _: () = assert!(SHARDS_MAX <= 1 << SHARD_BITS);

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

/// The right to some shards, or for the moment to none; dropping it releases them. It stays on its thread.
pub(crate) struct Guard<'s, S> {
    shards: &'s Shards<S>,
    /// A bit per shard.
    held: u64,
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
    /// `count`: a power of two, at most 64. `single_threaded`: one thread ever enters, so there is
    /// nothing to lock.
    pub fn new(count: usize, single_threaded: bool, mut shard: impl FnMut(usize) -> S) -> Shards<S> {
        assert!(count.is_power_of_two() && count <= SHARDS_MAX);
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

    /// A guard of nothing.
    #[inline]
    pub fn guard(&self) -> Guard<'_, S> {
        Guard { shards: self, held: 0, thread_bound: PhantomData }
    }

    /// Waits for the shards that are wanted.
    #[inline]
    pub fn lock(&self, wanted: Wanted<'_>) -> Guard<'_, S> {
        let mut guard = self.guard();
        guard.lock(wanted);
        guard
    }

    #[inline]
    fn bits_of(&self, wanted: Wanted<'_>) -> u64 {
        match wanted {
            Wanted::Hashes(hashes) => hashes.iter().fold(0, |bits, hash| bits | 1 << self.index(*hash)),
            Wanted::All => u64::MAX >> (SHARDS_MAX - self.shards.len()),
        }
    }

    /// The locks of these shards, in ascending order.
    #[inline]
    fn locks(&self, bits: u64) -> impl Iterator<Item = &RawMutex> {
        indexes(bits).map(|index| &self.shards[index].lock)
    }

    /// All shards, where no other thread enters and this one holds nothing.
    #[inline]
    pub fn unshared(&self) -> Option<Guard<'_, S>> {
        self.elision.as_ref()?.enter().then(|| {
            let held = self.bits_of(Wanted::All);
            Guard { shards: self, held, thread_bound: PhantomData }
        })
    }

    /// The shard of a hash, unless somebody has it.
    #[inline]
    pub fn try_lock(&self, hash: u64) -> Option<Guard<'_, S>> {
        let index = self.index(hash);
        let locked = match &self.elision {
            Some(elision) => elision.enter(),
            None => self.shards[index].lock.try_lock(),
        };
        locked.then(|| Guard { shards: self, held: 1 << index, thread_bound: PhantomData })
    }
}

/// Which bits are set, ascending.
#[inline]
fn indexes(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = (bits != 0).then_some(bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(index)
    })
}

impl<S> Guard<'_, S> {
    /// Waits for the shards that are wanted. Nothing is held yet.
    #[inline]
    pub fn lock(&mut self, wanted: Wanted<'_>) {
        debug_assert!(self.held == 0);
        let bits = self.shards.bits_of(wanted);
        match &self.shards.elision {
            Some(elision) => assert!(bits == 0 || elision.enter(), "a keyspace for one thread is entered again"),
            None => self.shards.locks(bits).for_each(RawMutex::lock),
        }
        self.held = bits;
    }

    #[inline]
    pub fn release(&mut self) {
        let bits = std::mem::take(&mut self.held);
        match &self.shards.elision {
            Some(elision) if bits != 0 => elision.entered.set(false),
            Some(_) => {}
            // SAFETY: exactly these locks were taken by `lock` or `try_lock`, on this thread.
            None => self.shards.locks(bits).for_each(|lock| unsafe { lock.unlock() }),
        }
    }

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
        self.held >> index & 1 != 0
    }

    /// The indexes of the shards that are held, ascending.
    #[inline]
    pub fn held(&self) -> impl Iterator<Item = usize> + use<S> {
        indexes(self.held)
    }

    /// Is there such a shard among those that are held?
    #[inline]
    pub fn any_held(&self, mut f: impl FnMut(&S) -> bool) -> bool {
        self.held().any(|index| f(self.at(index)))
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
        self.release();
    }
}

#[cfg(test)]
mod tests;
