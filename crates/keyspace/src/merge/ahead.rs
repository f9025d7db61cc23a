//! What is to be changed is fetched ahead.

use values::Prefetch;

/// So many elements are on their way from memory at once.
const AT_ONCE: usize = 16;

/// Changes elements of a collection, one after the other; where they are many, those that come next are on their way from
/// memory (`fetch`, which says whether the collection is large). Returns how many of these changes were any.
pub(super) fn change_each<C, E>(
    collection: &mut C,
    elements: impl Iterator<Item = E> + Clone,
    fetch: impl Fn(&C, &E, Prefetch) -> bool,
    mut change: impl FnMut(&mut C, E) -> bool,
) -> usize {
    let are_many = elements.clone().nth(AT_ONCE).is_some();
    let (mut ahead, mut changed) = (elements.clone(), 0);
    for (position, element) in elements.enumerate() {
        if are_many && position.is_multiple_of(AT_ONCE) {
            let next = ahead.clone().take(AT_ONCE);
            let start = |step| next.clone().filter(|element| fetch(collection, element, step)).count() > 0;
            let _ = start(Prefetch::Bucket) && start(Prefetch::Entries);
            ahead.nth(AT_ONCE - 1);
        }
        changed += usize::from(change(collection, element));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// What is done to this many elements, in turn: the steps of fetching (of a collection that is large or not), and changes.
    fn done(count: usize, is_large: bool) -> Vec<(char, usize)> {
        let done = RefCell::new(Vec::new());
        let fetch = |_: &(), element: &usize, step| {
            done.borrow_mut().push((if matches!(step, Prefetch::Bucket) { 'b' } else { 'e' }, *element));
            is_large
        };
        let change = |_: &mut (), element: usize| {
            done.borrow_mut().push(('c', element));
            element.is_multiple_of(2)
        };
        assert_eq!(change_each(&mut (), 0..count, fetch, change), count.div_ceil(2));
        done.into_inner()
    }

    #[test]
    fn each_is_changed_once_and_fetched_before() {
        let steps = |step: char, range: std::ops::Range<usize>| range.map(move |element| (step, element));
        assert_eq!(done(AT_ONCE, true), steps('c', 0..16).collect::<Vec<_>>(), "few are just changed");
        let large = steps('b', 0..16).chain(steps('e', 0..16)).chain(steps('c', 0..16));
        let rest = steps('b', 16..20).chain(steps('e', 16..20)).chain(steps('c', 16..20));
        assert_eq!(done(20, true), large.chain(rest).collect::<Vec<_>>());
        assert!(done(20, false).iter().all(|(step, _)| *step != 'e'), "there is nothing to bring of a small one");
    }
}
