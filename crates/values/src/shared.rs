//! What several clones have in common until one of them changes it.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// An `Arc` without weak references: whether it is the only one takes a load, where `Arc` has to lock out those.
#[derive(Debug)]
pub(crate) struct Shared<T: ?Sized>(Arc<T>);

impl<T> Shared<T> {
    pub fn new(value: T) -> Shared<T> {
        Shared(Arc::new(value))
    }
}

impl<T: ?Sized> Shared<T> {
    /// Are these the same, so that neither was changed since one was cloned?
    pub fn is(&self, other: &Shared<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    #[inline]
    fn is_unique(&self) -> bool {
        let is_unique = Arc::strong_count(&self.0) == 1;
        if is_unique {
            // What others did with it before they let it go comes before what is done now.
            fence(Ordering::Acquire);
        }
        is_unique
    }

    /// # Safety
    /// `is_unique`, or just made.
    #[inline]
    unsafe fn own(&mut self) -> &mut T {
        // SAFETY: this is the only reference (there are no weak ones: none is ever made of the private field), and as
        // `self` is borrowed exclusively, nobody can make another one of it. The pointer is that of the allocation.
        unsafe { &mut *Arc::as_ptr(&self.0).cast_mut() }
    }
}

impl<T: Clone> Shared<T> {
    /// The value, to be changed: others keep what they have.
    #[inline]
    pub fn make_mut(&mut self) -> &mut T {
        if !self.is_unique() {
            self.0 = Arc::new((*self.0).clone());
        }
        // SAFETY: one of both.
        unsafe { self.own() }
    }
}

impl<T: Clone> Shared<[T]> {
    /// The same for a slice.
    #[inline]
    pub fn make_mut_slice(&mut self) -> &mut [T] {
        if !self.is_unique() {
            self.0 = self.0.iter().cloned().collect();
        }
        // SAFETY: one of both.
        unsafe { self.own() }
    }
}

impl<T: ?Sized> Deref for Shared<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(self.0.clone())
    }
}

impl<T> FromIterator<T> for Shared<[T]> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Shared<[T]> {
        Shared(elements.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_its_owner_alone() {
        let mut ours = Shared::new(vec![1]);
        let theirs = ours.clone();
        ours.make_mut().push(2);
        assert_eq!((&**ours, &**theirs), (&[1, 2][..], &[1][..]));
    }

    #[test]
    fn slices_are_copied_only_where_they_are_shared() {
        let mut ours: Shared<[u8]> = [1, 2].into_iter().collect();
        let address = ours.as_ptr();
        ours.make_mut_slice()[0] = 7;
        assert_eq!((ours.as_ptr(), &*ours), (address, &[7, 2][..]));
        let theirs = ours.clone();
        ours.make_mut_slice()[1] = 8;
        assert_eq!((&*ours, &*theirs), (&[7, 8][..], &[7, 2][..]));
    }
}
