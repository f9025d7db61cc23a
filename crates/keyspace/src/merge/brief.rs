//! Increments after which they are all that is to be remembered of their keys (`recent::Brief`): the same as by the rules for
//! everything, but at once.

use super::cell::Cell;
use super::fields::Fields;
use super::operations::{Horizon, safe_sum};
use super::{Merge, version_of};
use crate::entry::{Compact, Entry, NewValue, ValueRef};
use crate::recent::Brief;
use crate::table::{EntryMut, KeyHasher, Slot};
use crate::version::Version;
use crate::view::StringRef;
use values::Hash;

impl<H: KeyHasher> Merge<'_, '_, H> {
    /// An increment of an integer, or of nothing. False where it is something else, or there is more to remember of the key:
    /// then nothing happens.
    pub(super) fn add_to_string(&mut self, delta: i64) -> bool {
        let add = |entry: &mut EntryMut<'_>| {
            let ValueRef::Int(base) = entry.value() else { return None };
            entry.set_int(safe_sum(base, delta)?);
            Some(Some(base))
        };
        self.add_briefly(None, delta, add, || Some(NewValue::Int(safe_sum(0, delta)?)))
    }

    /// The same in a field of a hash.
    pub(super) fn add_to_field(&mut self, field: &[u8], delta: i64) -> bool {
        let limits = self.limits;
        let add = |hash: &mut Hash| {
            let mut cell = hash.cell(field, limits);
            let base = cell.read(|value| value.map_or(Some(None), |value| value.as_integer().map(Some)))?;
            cell.write(StringRef::Int(safe_sum(base.unwrap_or(0), delta)?));
            Some(base)
        };
        let new = || {
            let mut hash = Hash::new();
            add(&mut hash)?;
            Some(hash.into_new())
        };
        self.add_briefly(Some(field), delta, |entry| add(&mut *Hash::of(entry)?), new)
    }

    /// `add`: does it and returns what was there; `None` where it cannot be done like this. `new`: the same of nothing.
    fn add_briefly(
        &mut self,
        field: Option<&[u8]>,
        delta: i64,
        add: impl FnOnce(&mut EntryMut<'_>) -> Option<Option<i64>>,
        new: impl FnOnce() -> Option<NewValue<'static>>,
    ) -> bool {
        let (author, recent) = (self.author, &mut self.database.recent);
        let (base, clear, is_at_rest) = match self.database.table.slot(self.hash, self.key) {
            Slot::Occupied(mut entry) => {
                let clear = version_of(&entry);
                let has_deadlines =
                    entry.has_deadline() || entry.expiring().is_some_and(|elements| elements.has_deadlines());
                if entry.has_recent() || has_deadlines || !author.is_newer_than(clear) {
                    return false;
                }
                let Some(base) = add(&mut entry) else { return false };
                author.stamp(&mut entry);
                entry.set_has_recent(true);
                (base, clear, true)
            }
            Slot::Vacant(vacant) => {
                let flushed = self.database.flushed;
                if recent.contains(self.hash, self.key) || !author.is_newer_than(flushed) {
                    return false;
                }
                let Some(value) = new() else { return false };
                vacant.insert(Entry::new(self.key, value, author.header(None))).set_has_recent(true);
                (None, flushed, false)
            }
        };
        let (version, field) = (author.version, field.map(Box::from));
        recent.insert_brief(self.hash, self.key, Brief::Increment { version, delta, field, base, clear, is_at_rest });
        true
    }

    /// Forgets what is stable about a key of which there is one effect to know: all of it or nothing. `None` where there
    /// is more.
    pub(crate) fn stabilize_brief(&mut self, horizon: &Horizon<'_>) -> Option<bool> {
        let Ok(brief) = self.database.recent.settle_brief(self.hash, self.key, horizon)? else { return Some(false) };
        if let Brief::Increment { version: Version { stamp, .. }, .. } = brief
            && let Some(mut entry) = self.entry_mut()
        {
            entry.set_has_recent(false);
            self.database.newest_plain = self.database.newest_plain.max(stamp);
        }
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyHash;
    use crate::access::Access;
    use crate::merge::Author;
    use crate::merge::cell::Action;
    use crate::merge::operations::CausalMark;
    use crate::shard::Database;
    use crate::version::{OriginIndex, Origins, Row};
    use effect::{Deadline, Stamp};
    use values::EncodingLimits;

    const KEY: &[u8] = b"key";
    const FIELD: &[u8] = b"field";

    /// What there is before.
    #[derive(Clone, Copy, Debug)]
    enum Before {
        Nothing,
        Flushed,
        Deleted,
        String(&'static str),
        Expiring(&'static str),
        Hash(&'static str, &'static str),
    }

    fn version(stamp: u64) -> Version {
        Version { stamp: Stamp(stamp), origin: OriginIndex(1) }
    }

    fn at<R>(database: &mut Database<KeyHash>, stamp: u64, f: impl FnOnce(&mut Merge<'_, '_, KeyHash>) -> R) -> R {
        let origins = Origins::new();
        let access = Access { tracking: Default::default(), now_ms: 0, random: 0 };
        let author = Author {
            origins: &origins,
            version: version(stamp),
            row: Row::All,
            stamping: true,
            peers: true,
            late: false,
            restates: None,
            access,
        };
        let (limits, hash) = (EncodingLimits::default(), KeyHash.hash(KEY));
        f(&mut Merge { database, limits: &limits, author, hash, key: KEY })
    }

    fn settle(database: &mut Database<KeyHash>, stamp: u64) {
        let marks = [CausalMark { stamp: Stamp(stamp), unheard: false }; 2];
        let horizon = Horizon { clock: Stamp(stamp), causal: &marks };
        at(database, stamp, |merge| {
            merge.stabilize_brief(&horizon).unwrap_or_else(|| merge.stabilize(&horizon).is_stable)
        });
    }

    fn database(before: Before) -> Database<KeyHash> {
        let mut database = Database::new(KeyHash);
        at(&mut database, 10, |merge| match before {
            Before::Nothing => {}
            Before::Flushed => merge.database.flushed = version(10),
            Before::Deleted => drop(merge.delete()),
            Before::String(value) => merge.string_set(value.as_bytes(), Deadline::Clear),
            Before::Expiring(value) => merge.string_set(value.as_bytes(), Deadline::At(1 << 40)),
            Before::Hash(field, value) => {
                merge.hash_set([(field.as_bytes(), value.as_bytes())].into_iter());
            }
        });
        if let Before::Hash(..) = before {
            settle(&mut database, 11);
        }
        database
    }

    /// All that is known of the key.
    fn state(database: &mut Database<KeyHash>) -> String {
        let hash = KeyHash.hash(KEY);
        let entry = database.table.find(hash, KEY);
        let entry = entry.map(|entry| {
            let fields: Vec<_> = match entry.value() {
                ValueRef::Hash(hash) => hash.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
                _ => Vec::new(),
            };
            let string = crate::merge::cell::string_of(entry.value()).map(|string| string.to_vec());
            (string, fields, entry.version(), entry.has_recent(), entry.deadline_ms())
        });
        let record = database.recent.get(hash, KEY).cloned().map(|mut record| {
            record.weigh();
            record
        });
        format!("{entry:?} {record:?} {:?}", database.newest_plain)
    }

    #[test]
    fn what_is_done_briefly_is_the_same_as_by_the_rules_for_everything() {
        let number = ["0", "5", "-7", "9223372036854775807", "-9223372036854775808", "text", "007"];
        let strings = number.iter().flat_map(|number| [Before::String(number), Before::Expiring(number)]);
        let hashes = number.iter().flat_map(|number| [Before::Hash("field", number), Before::Hash("other", number)]);
        let others = [Before::Nothing, Before::Flushed, Before::Deleted];
        for before in others.into_iter().chain(strings).chain(hashes) {
            for (stamp, delta) in [(20, 3), (20, -3), (20, i64::MAX), (20, i64::MIN), (5, 3), (10, 3)] {
                for in_field in [false, true] {
                    let (mut brief, mut long) = (database(before), database(before));
                    let action = || Action::Add(delta);
                    at(&mut brief, stamp, |merge| match in_field {
                        true => merge.hash_operation(FIELD, action()),
                        false => merge.string_operation(action()),
                    });
                    at(&mut long, stamp, |merge| match in_field {
                        true => merge.fields_operation::<Hash>(FIELD, action()),
                        false => merge.with_record(|parts| parts.string_operation(action())),
                    });
                    let what = format!("{before:?} {delta} at {stamp}, in a field: {in_field}");
                    assert_eq!(state(&mut brief), state(&mut long), "{what}");
                    for stamp in [stamp - 1, stamp, 30] {
                        settle(&mut brief, stamp);
                        settle(&mut long, stamp);
                        assert_eq!(state(&mut brief), state(&mut long), "{what}, settled up to {stamp}");
                    }
                }
            }
        }
    }

    #[test]
    fn most_increments_are_all_there_is_to_remember() {
        for (before, in_field) in
            [(Before::Nothing, false), (Before::String("7"), false), (Before::Hash("field", "7"), true)]
        {
            let mut database = database(before);
            assert!(at(&mut database, 20, |merge| match in_field {
                true => merge.add_to_field(FIELD, 1),
                false => merge.add_to_string(1),
            }));
            assert!(!at(&mut database, 21, |merge| merge.add_to_string(1)), "the next one is one more");
        }
    }
}
