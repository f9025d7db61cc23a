//! Shards behind locks: `Shards` owns them, a `Guard` is the right to some of them.
//!
//! Locks are taken in ascending order, all of a command's at once, so that no two commands wait for
//! each other. Nothing is taken while something is held (asserted for the thread that takes no locks,
//! a deadlock otherwise). The thread that enters nearly always can ask to do so without locks (`favour`).

mod bias;

use crate::table::SHARD_BITS;
use bias::{Bias, Way};
use parking_lot::RawMutex;
use parking_lot::lock_api::RawMutex as _;
use std::cell::UnsafeCell;
use std::marker::PhantomData;

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
    bias: Bias,
}

// SAFETY: a shard is reached only through a `Guard`, by one thread at a time: the one that holds its
// lock while nobody is favoured, or the favoured one (`Bias`). So `S: Send` is enough, as with a mutex.
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
    /// Without their locks.
    is_favoured: bool,
    /// Neither `Send` (locks are released where they were taken) nor `Sync` (a shard need not be).
    thread_bound: PhantomData<*mut ()>,
}

impl<S> Shards<S> {
    /// `count`: a power of two, at most 64.
    pub fn new(count: usize, mut shard: impl FnMut(usize) -> S) -> Shards<S> {
        assert!(count.is_power_of_two() && count <= SHARDS_MAX);
        Shards {
            shards: (0..count).map(|at| Locked { lock: RawMutex::INIT, shard: UnsafeCell::new(shard(at)) }).collect(),
            bias: Bias::default(),
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
        self.guard_of(0, false)
    }

    #[inline]
    fn guard_of(&self, held: u64, is_favoured: bool) -> Guard<'_, S> {
        Guard { shards: self, held, is_favoured, thread_bound: PhantomData }
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

    /// # Safety
    /// This thread has taken exactly these locks.
    #[inline]
    unsafe fn unlock_all(&self, bits: u64) {
        // SAFETY: as the caller says.
        self.locks(bits).for_each(|lock| unsafe { lock.unlock() });
    }

    #[inline]
    fn lock_all(&self, bits: u64) {
        loop {
            if !self.bias.is_over() {
                self.bias.end();
            }
            self.locks(bits).for_each(RawMutex::lock);
            // A thread can be favoured only by taking all locks: it is not while these are held.
            if self.bias.is_over() {
                return;
            }
            // SAFETY: taken above.
            unsafe { self.unlock_all(bits) };
        }
    }

    /// This thread need not take locks until another one enters, which costs that one some time. It holds nothing.
    pub fn favour(&self) {
        if !self.bias.is_mine() {
            let _all = self.lock(Wanted::All);
            self.bias.begin();
        }
    }

    /// All shards, where this thread is favoured and holds nothing.
    #[inline]
    pub fn unshared(&self) -> Option<Guard<'_, S>> {
        (self.bias.enter() == Way::Favoured).then(|| self.guard_of(self.bits_of(Wanted::All), true))
    }

    /// The shard of a hash, unless somebody has it, or is favoured.
    #[inline]
    pub fn try_lock(&self, hash: u64) -> Option<Guard<'_, S>> {
        let index = self.index(hash);
        match self.bias.enter() {
            Way::Favoured => Some(self.guard_of(1 << index, true)),
            Way::Inside => None,
            Way::Ordinary => {
                if !self.shards[index].lock.try_lock() {
                    return None;
                }
                let guard = self.guard_of(1 << index, false);
                self.bias.is_over().then_some(guard)
            }
        }
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
        if bits == 0 {
            return;
        }
        match self.shards.bias.enter() {
            Way::Favoured => self.is_favoured = true,
            Way::Ordinary => self.shards.lock_all(bits),
            Way::Inside => panic!("a keyspace is entered again"),
        }
        self.held = bits;
    }

    #[inline]
    pub fn release(&mut self) {
        let bits = std::mem::take(&mut self.held);
        if bits == 0 {
            return;
        }
        if std::mem::take(&mut self.is_favoured) {
            self.shards.bias.leave();
        } else {
            // SAFETY: exactly these were taken by `lock` or `try_lock`, and the guard stays on its thread.
            unsafe { self.shards.unlock_all(bits) };
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

    /// A shard that this guard alone may reach: its lock is held, or this thread is favoured and inside, and has no other guard.
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
