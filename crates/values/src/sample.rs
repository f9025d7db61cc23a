//! Distinct elements, chosen uniformly at random.

use std::collections::BTreeSet;

/// Gives `count` of the `len` elements to `f`, in their order: Knuth's algorithm S, one pass.
pub(crate) fn select<T>(
    mut elements: impl Iterator<Item = T>,
    len: usize,
    count: usize,
    mut dice: impl FnMut(usize) -> usize,
    mut f: impl FnMut(T),
) {
    if count == 1 && len > 0 {
        elements.nth(dice(len)).into_iter().for_each(f);
        return;
    }
    let mut wanted = count;
    for (index, element) in elements.enumerate() {
        if wanted == 0 {
            break;
        }
        if dice(len - index) < wanted {
            wanted -= 1;
            f(element);
        }
    }
}

/// Gives `count` distinct elements to `f`, drawing until there are as many. For counts well below the
/// number of elements, where a pass over all of them would cost more.
pub(crate) fn draw<T: Copy + Ord>(count: usize, mut random: impl FnMut() -> Option<T>, mut f: impl FnMut(T)) {
    let mut chosen = BTreeSet::new();
    while chosen.len() < count {
        let Some(element) = random() else { break };
        if chosen.insert(element) {
            f(element);
        }
    }
}

/// Whether drawing `count` of `len` elements hits few that were drawn before.
pub(crate) fn is_sparse(count: usize, len: usize) -> bool {
    count < len / 3
}
