//! What made a key what it is.

use crate::KeyType;
use crate::version::{Origins, Version};

/// By type: the newest effect that makes a key one of this type, `Version::ZERO` where there was none. Nearly all keys have
/// ever been one thing.
#[derive(Clone, Debug)]
pub(crate) enum Creations {
    One(KeyType, Version),
    Several(Box<[Version; KeyType::COUNT]>),
}

impl Default for Creations {
    fn default() -> Creations {
        Creations::One(KeyType::String, Version::ZERO)
    }
}

impl Creations {
    pub(crate) fn get(&self, key_type: KeyType) -> Version {
        match self {
            Creations::One(only, version) if *only == key_type => *version,
            Creations::One(..) => Version::ZERO,
            Creations::Several(versions) => versions[key_type as usize],
        }
    }

    pub(crate) fn set(&mut self, key_type: KeyType, version: Version) {
        match self {
            Creations::One(only, of) if *only == key_type || *of == Version::ZERO => {
                *self = Creations::One(key_type, version);
            }
            Creations::One(only, of) => {
                let mut versions = Box::new([Version::ZERO; KeyType::COUNT]);
                versions[*only as usize] = *of;
                versions[key_type as usize] = version;
                *self = Creations::Several(versions);
            }
            Creations::Several(versions) => versions[key_type as usize] = version,
        }
    }

    /// In the order of `KeyType::ALL`.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (KeyType, Version)> {
        KeyType::ALL.into_iter().map(|key_type| (key_type, self.get(key_type)))
    }

    /// The newest as any type but this one: what is older is dead for it.
    pub(crate) fn newest_of_others(&self, key_type: KeyType, origins: &Origins) -> Version {
        match self {
            Creations::One(only, version) if *only != key_type => *version,
            Creations::One(..) => Version::ZERO,
            Creations::Several(_) => {
                let others = self.iter().filter(|(other, _)| *other != key_type);
                others.fold(Version::ZERO, |newest, (_, version)| origins.newest(newest, version))
            }
        }
    }

    pub(crate) fn all(&self, is: impl Fn(Version) -> bool) -> bool {
        match self {
            Creations::One(_, version) => is(*version),
            Creations::Several(versions) => versions.iter().all(|version| is(*version)),
        }
    }
}
