//! The registers of a stream.

use crate::merge::operations::Horizon;
use crate::version::{Origins, Version};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use values::{Position, StreamId};

/// What is not stable of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamRecord {
    /// Newest effect on each id; those that are not in the stream were removed.
    pub(crate) ids: BTreeMap<StreamId, Version>,
    /// What is older, and not above, is gone.
    pub(crate) trims: Raises<StreamId>,
    /// Each entry that was ever added, ascending.
    pub(crate) added: Vec<Version>,
    /// When the number of these was last set.
    pub(crate) added_set: Version,
    pub(crate) last_id: Raises<StreamId>,
    pub(crate) max_deleted_id: Raises<StreamId>,
    pub(crate) groups: BTreeMap<Box<[u8]>, GroupRecord>,
}

/// What is not stable of a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupRecord {
    /// The newest effect that says it is there, and the newest that says it is not.
    pub(crate) created: Version,
    pub(crate) destroyed: Version,
    /// When the position was last set, and what raised it since.
    pub(crate) position_set: Version,
    pub(crate) position: Raises<Position>,
    pub(crate) consumers: BTreeMap<Box<[u8]>, Presence>,
    /// Newest effect on each entry; those that are not pending were acknowledged, or belonged to a consumer that is gone.
    pub(crate) pending: BTreeMap<StreamId, Version>,
}

/// The newest effect that says something is there, and the newest that says it is not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presence {
    pub(crate) created: Version,
    pub(crate) deleted: Version,
}

/// A register that only rises: of its writes those that the others do not make superfluous, neither newer nor higher.
#[derive(Clone, Debug)]
pub(crate) struct Raises<T> {
    pub(crate) writes: Vec<(Version, T)>,
}

impl StreamRecord {
    /// About how many registers there are.
    pub(crate) fn len(&self) -> usize {
        let of_group = |group: &GroupRecord| 1 + group.consumers.len() + group.pending.len();
        self.ids.len() + self.added.len() + self.groups.values().map(of_group).sum::<usize>()
    }
}

impl Default for Version {
    fn default() -> Version {
        Version::ZERO
    }
}

impl Default for Presence {
    fn default() -> Presence {
        Presence { created: Version::ZERO, deleted: Version::ZERO }
    }
}

impl<T> Default for Raises<T> {
    fn default() -> Raises<T> {
        Raises { writes: Vec::new() }
    }
}

impl<T: Copy + Ord> Raises<T> {
    pub(crate) fn raise(&mut self, origins: &Origins, version: Version, value: T) {
        let covers = |(newer, higher): (Version, T), (version, value): (Version, T)| {
            higher >= value && !origins.newer(version, newer)
        };
        if !self.writes.iter().any(|write| covers(*write, (version, value))) {
            self.writes.retain(|write| !covers((version, value), *write));
            self.writes.push((version, value));
        }
    }

    /// How high it is.
    pub(crate) fn highest(&self) -> Option<T> {
        self.writes.iter().map(|(_, value)| *value).max()
    }

    /// Has something newer than this raised it so far?
    pub(crate) fn reached_after(&self, origins: &Origins, version: Version, value: T) -> bool {
        self.writes.iter().any(|(newer, higher)| *higher >= value && origins.newer(*newer, version))
    }

    /// Forgets what is not newer.
    pub(crate) fn cut(&mut self, origins: &Origins, at: Version) {
        self.writes.retain(|(version, _)| origins.newer(*version, at));
    }

    fn settle(&mut self, horizon: &Horizon<'_>) {
        self.writes.retain(|(version, _)| !horizon.known(*version));
    }

    fn versions(&self) -> impl Iterator<Item = Version> {
        self.writes.iter().map(|(version, _)| *version)
    }
}

/// Writes a register of a map. False where a newer effect has done so.
pub(crate) fn note<K: Ord>(map: &mut BTreeMap<K, Version>, origins: &Origins, key: K, version: Version) -> bool {
    match map.entry(key) {
        Entry::Occupied(mut entry) => {
            let wins = !origins.newer(*entry.get(), version);
            if wins {
                entry.insert(version);
            }
            wins
        }
        Entry::Vacant(entry) => {
            entry.insert(version);
            true
        }
    }
}

fn settle_version(version: &mut Version, horizon: &Horizon<'_>) {
    if horizon.known(*version) {
        *version = Version::ZERO;
    }
}

/// What is not newer does not count any more.
pub(crate) fn cut_version(version: &mut Version, origins: &Origins, at: Version) {
    if !origins.newer(*version, at) {
        *version = Version::ZERO;
    }
}

impl StreamRecord {
    /// Notes that an entry was added. False where that was known.
    pub(crate) fn note_added(&mut self, origins: &Origins, version: Version) -> bool {
        let at = self.added.partition_point(|added| origins.newer(version, *added));
        let is_new = self.added.get(at) != Some(&version);
        if is_new {
            self.added.insert(at, version);
        }
        is_new
    }

    /// How many entries were added after this.
    pub(crate) fn added_after(&self, origins: &Origins, version: Version) -> u64 {
        (self.added.len() - self.added.partition_point(|added| !origins.newer(*added, version))) as u64
    }

    pub(crate) fn group(&mut self, name: &[u8]) -> &mut GroupRecord {
        if !self.groups.contains_key(name) {
            self.groups.insert(name.into(), GroupRecord::default());
        }
        self.groups.get_mut(name).expect("there, or just inserted")
    }

    /// Drops what is known; true where nothing is left. `clear`: so is the newest clear. What was counted since stays apart
    /// until then, as do those after the number was set. `absent`: there is no stream; what was deleted of it lies in wait for the next one.
    pub(crate) fn settle(&mut self, horizon: &Horizon<'_>, clear: bool, absent: bool) -> bool {
        self.ids.retain(|_, version| !horizon.known(*version));
        self.trims.settle(horizon);
        if clear && horizon.known(self.added_set) {
            self.added.retain(|version| !horizon.known(*version));
            settle_version(&mut self.added_set, horizon);
        }
        self.last_id.settle(horizon);
        if !absent {
            self.max_deleted_id.settle(horizon);
        }
        self.groups.retain(|_, group| !group.settle(horizon));
        self.versions().next().is_none()
    }

    /// Of all that is in it.
    pub(crate) fn versions(&self) -> impl Iterator<Item = Version> {
        let raises = self.trims.versions().chain(self.last_id.versions()).chain(self.max_deleted_id.versions());
        let groups = self.groups.values().flat_map(GroupRecord::versions);
        let added = self.added.iter().copied().chain([self.added_set]);
        let all = self.ids.values().copied().chain(raises).chain(added).chain(groups);
        all.filter(|version| *version != Version::ZERO)
    }
}

impl GroupRecord {
    fn settle(&mut self, horizon: &Horizon<'_>) -> bool {
        for version in [&mut self.created, &mut self.destroyed, &mut self.position_set] {
            settle_version(version, horizon);
        }
        self.position.settle(horizon);
        self.consumers.retain(|_, presence| {
            settle_version(&mut presence.created, horizon);
            settle_version(&mut presence.deleted, horizon);
            !presence.is_blank()
        });
        self.pending.retain(|_, version| !horizon.known(*version));
        self.versions().next().is_none()
    }

    fn versions(&self) -> impl Iterator<Item = Version> {
        let own = [self.created, self.destroyed, self.position_set].into_iter().chain(self.position.versions());
        let consumers = self.consumers.values().flat_map(|presence| [presence.created, presence.deleted]);
        let all = own.chain(consumers).chain(self.pending.values().copied());
        all.filter(|version| *version != Version::ZERO)
    }

    /// Forgets what is not newer.
    pub(crate) fn cut(&mut self, origins: &Origins, at: Version) {
        for version in [&mut self.created, &mut self.destroyed, &mut self.position_set] {
            cut_version(version, origins, at);
        }
        self.position.cut(origins, at);
        self.consumers.retain(|_, presence| {
            cut_version(&mut presence.created, origins, at);
            cut_version(&mut presence.deleted, origins, at);
            !presence.is_blank()
        });
        self.pending.retain(|_, version| origins.newer(*version, at));
    }

    pub(crate) fn consumer(&mut self, name: &[u8]) -> &mut Presence {
        if !self.consumers.contains_key(name) {
            self.consumers.insert(name.into(), Presence::default());
        }
        self.consumers.get_mut(name).expect("there, or just inserted")
    }
}

impl Presence {
    fn is_blank(self) -> bool {
        self.created == Version::ZERO && self.deleted == Version::ZERO
    }
}
