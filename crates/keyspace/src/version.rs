//! Versions: a stamp and who made it, in the size that an entry can afford.

use effect::{Origin, Stamp};
use parking_lot::RwLock;
use std::cmp::Ordering;
use std::collections::HashMap;

/// A process-local small number for an `Origin`; the keyspace's origin table gives both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OriginIndex(pub u16);

impl OriginIndex {
    /// Nobody: data that came without a stamp.
    pub const NONE: OriginIndex = OriginIndex(0);
}

/// Who changed something, and when. Compared through the origin table, since ties between equal
/// stamps go by `Origin`, not by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    pub stamp: Stamp,
    pub origin: OriginIndex,
}

impl Version {
    /// Older than everything that has a stamp.
    pub const ZERO: Version = Version { stamp: Stamp::ZERO, origin: OriginIndex::NONE };
}

/// Up to which stamp the author of an effect had seen the effects of each origin.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// Everything: the effects of this node, made under the lock of the key.
    All,
    /// The same, and by `OriginIndex` what a data set on its way will have brought: it is taken for seen, too.
    Assuming(&'a [Stamp]),
    /// By `OriginIndex`; an origin beyond the end was never heard of.
    Seen(&'a [Stamp]),
    /// What a whole data set had seen, by `OriginIndex`; each clear in it no more than that. `alive`: increments
    /// that live on there.
    Whole { seen: &'a [Stamp], alive: &'a [Version] },
}

impl Row<'_> {
    /// Is it an effect of this node?
    pub(crate) fn is_own(self) -> bool {
        matches!(self, Row::All | Row::Assuming(_))
    }

    /// Had the author of an effect with version `author` seen `version`? One always knows one's own.
    pub(crate) fn covers(self, author: Version, version: Version) -> bool {
        match self {
            Row::All | Row::Assuming(_) => true,
            // Whatever the row says: what one has seen has a smaller stamp.
            Row::Seen(_) | Row::Whole { .. } if version.stamp >= author.stamp => false,
            Row::Seen(seen) => version.origin == author.origin || covers(seen, version),
            Row::Whole { seen, alive } => covers(seen, version) && !alive.contains(&version),
        }
    }
}

/// Of an effect of this node, which takes so much for seen besides what is here.
pub(crate) fn row_of(assumed: Option<&[Stamp]>) -> Row<'_> {
    assumed.map_or(Row::All, Row::Assuming)
}

/// Had somebody with this vector, by `OriginIndex`, seen the effect?
pub(crate) fn covers(vector: &[Stamp], version: Version) -> bool {
    vector.get(version.origin.0 as usize).is_some_and(|seen| *seen >= version.stamp)
}

/// Notes a stamp in a vector by `OriginIndex`.
pub fn put_stamp(vector: &mut Vec<Stamp>, index: OriginIndex, stamp: Stamp) {
    let index = usize::from(index.0);
    if vector.len() <= index {
        vector.resize(index + 1, Stamp::ZERO);
    }
    vector[index] = stamp;
}

/// Raises every stamp of a vector, by `OriginIndex`, to the larger of the two.
pub fn raise(vector: &mut Vec<Stamp>, other: &[Stamp]) {
    vector.resize(vector.len().max(other.len()), Stamp::ZERO);
    vector.iter_mut().zip(other).for_each(|(stamp, other)| *stamp = (*stamp).max(*other));
}

/// Indexes that those have who are mentioned only; the rest is for those whose effects come.
const MAX_MENTIONED: usize = 49_152;

/// All origins that this process has heard of. An index, once given, stays.
#[derive(Debug)]
pub(crate) struct Origins {
    names: RwLock<Names>,
}

#[derive(Debug)]
struct Names {
    /// `None` only for `OriginIndex::NONE`.
    by_index: Vec<Option<Origin>>,
    indexes: HashMap<Origin, OriginIndex>,
}

impl Origins {
    pub(crate) fn new() -> Origins {
        Origins { names: RwLock::new(Names { by_index: vec![None], indexes: HashMap::new() }) }
    }

    /// `None` where there are more origins than an index can tell apart.
    pub(crate) fn intern(&self, origin: Origin) -> Option<OriginIndex> {
        self.intern_within(origin, usize::from(u16::MAX))
    }

    /// The same for one that a data set mentions by the way. Those do not use up the indexes of whose effects come.
    pub(crate) fn intern_mentioned(&self, origin: Origin) -> Option<OriginIndex> {
        self.intern_within(origin, MAX_MENTIONED)
    }

    fn intern_within(&self, origin: Origin, largest: usize) -> Option<OriginIndex> {
        if let Some(known) = self.names.read().indexes.get(&origin) {
            return Some(*known);
        }
        let Names { by_index, indexes } = &mut *self.names.write();
        if let Some(known) = indexes.get(&origin) {
            return Some(*known);
        }
        let index = OriginIndex(u16::try_from(by_index.len()).ok().filter(|index| usize::from(*index) <= largest)?);
        by_index.push(Some(origin));
        indexes.insert(origin, index);
        Some(index)
    }

    /// Without giving it an index.
    pub(crate) fn find(&self, origin: Origin) -> Option<OriginIndex> {
        self.names.read().indexes.get(&origin).copied()
    }

    pub(crate) fn origin(&self, index: OriginIndex) -> Option<Origin> {
        self.names.read().by_index.get(index.0 as usize).copied().flatten()
    }

    /// The order of the contract: by stamp, then by origin.
    #[inline]
    pub(crate) fn compare(&self, a: Version, b: Version) -> Ordering {
        match a.stamp.cmp(&b.stamp) {
            Ordering::Equal if a.origin != b.origin => self.origin(a.origin).cmp(&self.origin(b.origin)),
            order => order,
        }
    }

    #[inline]
    pub(crate) fn newer(&self, a: Version, b: Version) -> bool {
        self.compare(a, b) == Ordering::Greater
    }

    #[inline]
    pub(crate) fn newest(&self, a: Version, b: Version) -> Version {
        if self.newer(b, a) { b } else { a }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use effect::NodeId;

    fn origin(node: u64) -> Origin {
        Origin { node: NodeId(node), incarnation: 1 }
    }

    #[test]
    fn equal_stamps_are_ordered_by_origin_whatever_the_index() {
        let origins = Origins::new();
        let late = origins.intern(origin(9)).unwrap();
        let early = origins.intern(origin(3)).unwrap();
        assert_eq!(origins.intern(origin(9)), Some(late));
        let at = |origin, stamp| Version { stamp: Stamp(stamp), origin };
        assert!(origins.newer(at(late, 5), at(early, 5)));
        assert!(origins.newer(at(early, 6), at(late, 5)));
        assert!(origins.newer(at(early, 1), Version::ZERO));
    }

    #[test]
    fn there_is_an_end_to_indexes() {
        let origins = Origins::new();
        assert!((1..=u64::from(u16::MAX)).all(|node| origins.intern(origin(node)).is_some()));
        assert_eq!(origins.intern(origin(1 << 16)), None);
        assert_eq!(origins.intern(origin(1)), Some(OriginIndex(1)));
    }

    #[test]
    fn those_who_are_only_mentioned_leave_indexes_for_others() {
        let origins = Origins::new();
        assert!((1..=MAX_MENTIONED as u64).all(|node| origins.intern_mentioned(origin(node)).is_some()));
        assert_eq!(origins.intern_mentioned(origin(1 << 16)), None);
        assert!(origins.intern(origin(1 << 16)).is_some());
        assert_eq!(origins.intern_mentioned(origin(1 << 16)), origins.find(origin(1 << 16)));
    }

    #[test]
    fn a_row_covers_what_its_author_had_seen_and_the_authors_own() {
        let at = |origin, stamp| Version { stamp: Stamp(stamp), origin: OriginIndex(origin) };
        let row = Row::Seen(&[Stamp(0), Stamp(7)]);
        assert!(row.covers(at(2, 9), at(1, 7)));
        assert!(!row.covers(at(2, 9), at(1, 8)));
        assert!(row.covers(at(2, 9), at(2, 8)));
        assert!(!row.covers(at(2, 9), at(3, 1)));
    }
}
