//! Versions: a stamp and who made it, in the size that an entry can afford.

use effect::Stamp;

/// A process-local small number for an `Origin`; the keyspace's origin table gives both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OriginIndex(pub u16);

/// Who changed something, and when. Compared through the origin table, since ties between equal
/// stamps go by `Origin`, not by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    pub stamp: Stamp,
    pub origin: OriginIndex,
}
