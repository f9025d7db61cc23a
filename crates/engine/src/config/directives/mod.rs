//! The one table of directives, by topic: all that Redis 7.2, Valkey 8 and KeyDB know, and fluidB's own.

mod access;
mod cluster;
mod collections;
mod general;
mod memory;
mod network;
mod observation;
mod persistence;
mod placement;
mod replication;
mod tls;

use super::directive::Directive;
use std::collections::HashMap;
use std::sync::LazyLock;

const TOPICS: &[&[Directive]] = &[
    access::DIRECTIVES,
    cluster::DIRECTIVES,
    collections::DIRECTIVES,
    general::DIRECTIVES,
    memory::DIRECTIVES,
    network::DIRECTIVES,
    observation::DIRECTIVES,
    persistence::DIRECTIVES,
    placement::DIRECTIVES,
    replication::DIRECTIVES,
    tls::DIRECTIVES,
];

static ALL: LazyLock<Vec<Directive>> = LazyLock::new(|| {
    let mut all = TOPICS.concat();
    all.sort_unstable_by_key(|directive| directive.name);
    all
});

static BY_NAME: LazyLock<HashMap<&'static str, usize>> = LazyLock::new(|| {
    let indexed = all().iter().enumerate();
    indexed.flat_map(|(index, directive)| directive.names().map(move |name| (name, index))).collect()
});

/// Every directive, in alphabetical order.
pub fn all() -> &'static [Directive] {
    &ALL
}

/// A directive by any of its names, in any case, and its index in `all()`.
pub fn find(name: &str) -> Option<(usize, &'static Directive)> {
    let index = *BY_NAME.get(name.to_ascii_lowercase().as_str())?;
    Some((index, &all()[index]))
}

/// The index in `all()` of a directive out of it.
pub(super) fn index_of(directive: &Directive) -> usize {
    BY_NAME[directive.name]
}

/// Every name with its directive, aliases included.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, usize, &'static Directive)> {
    all().iter().enumerate().flat_map(|(index, directive)| directive.names().map(move |name| (name, index, directive)))
}

/// The name that `given` was probably meant to be.
pub(super) fn nearest(given: &str) -> Option<&'static str> {
    // Some write `name=value`.
    let given = given.split('=').next().unwrap_or_default().to_ascii_lowercase();
    let limit = 1 + given.len() / 4;
    names()
        .filter(|(name, ..)| name.len().abs_diff(given.len()) <= limit)
        .map(|(name, ..)| (edit_distance(given.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's: how many letters to insert, drop or replace.
fn edit_distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
