//! What there is to know of most keys that were written lately: one effect. It takes a fraction of a record, which is made
//! of it as soon as there is more.

use super::{Field, Record};
use crate::KeyType;
use crate::merge::operations::{Horizon, Operations};
use crate::version::Version;

/// The only effect that is to be remembered of a key. It is newer than everything that there was of the key before.
#[derive(Clone, Debug)]
pub(crate) enum Brief {
    Delete {
        version: Version,
        /// The entry that has gone.
        of: Option<(KeyType, Version)>,
    },
    Increment {
        version: Version,
        delta: i64,
        /// In this field of a hash; else of a string.
        field: Option<Box<[u8]>>,
        /// What was there.
        base: Option<i64>,
        /// The version of the key's entry before, or else the newest flush.
        clear: Version,
        /// There was an entry.
        is_at_rest: bool,
    },
}

impl Brief {
    pub(crate) fn version(&self) -> Version {
        match self {
            Brief::Delete { version, .. } | Brief::Increment { version, .. } => *version,
        }
    }

    /// The same at length.
    pub(crate) fn to_record(&self) -> Record {
        match self {
            Brief::Delete { version, of } => {
                Record::tombstone(of.map(|(key_type, version)| (key_type, version, None)), *version)
            }
            Brief::Increment { version, delta, field, base, clear, is_at_rest } => {
                let key_type = if field.is_some() { KeyType::Hash } else { KeyType::String };
                let mut record = Record::new(is_at_rest.then_some((key_type, *clear, None)), *clear);
                record.newest = *version;
                record.creations.set(key_type, *version);
                let increments = Operations::of_increment(*version, *delta, *base).into();
                match field {
                    Some(field) => {
                        record.fields.insert(field, Field { version: None, increments });
                        record.element_increments = 1;
                    }
                    None => record.operations = increments,
                }
                record
            }
        }
    }

    /// Is nothing left that the entry itself does not say? Until then all of it stays.
    pub(crate) fn is_stable(&self, horizon: &Horizon<'_>) -> bool {
        let is_stable = match self {
            Brief::Delete { version, of } => {
                horizon.known(*version) && of.is_none_or(|(_, version)| horizon.known(version))
            }
            Brief::Increment { version, clear, .. } => horizon.known(*clear) && horizon.settled(*version),
        };
        debug_assert_eq!(is_stable, self.is_stable_at_length(horizon), "{self:?}");
        is_stable
    }

    /// The same by the rules for all records.
    fn is_stable_at_length(&self, horizon: &Horizon<'_>) -> bool {
        let there = match self {
            Brief::Delete { .. } => None,
            Brief::Increment { field: Some(_), .. } => Some(KeyType::Hash),
            Brief::Increment { field: None, .. } => Some(KeyType::String),
        };
        self.to_record().stabilize(horizon, there)
    }
}
