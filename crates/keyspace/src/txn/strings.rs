//! Local writes to strings.

use super::Txn;
use crate::entry::Entry;
use crate::merge::cell::{Action, MAX_LEN, float_sum, string_of};
use crate::stamping::Switches;
use crate::version::{Row, Version};
use crate::view::StringRef;
use crate::{EventClass, KeyType, SetDeadline, ValueError};
use effect::Effect;
use stdx::LongDouble;
use values::{bitmap, hyperloglog};

impl Txn<'_> {
    pub fn string_set(&mut self, key: &[u8], value: &[u8], deadline: SetDeadline) {
        // An earlier life would be overwritten without a word, which nobody minds who does not want to hear of it.
        if deadline == SetDeadline::Keep || self.view.events.wants(EventClass::EXPIRED) {
            self.prepare(key);
        }
        self.merge(key, &Effect::Set { key, value, deadline }, |merge| merge.string_set(value, deadline));
    }

    /// The string about to be changed.
    fn writable_string(&mut self, key: &[u8]) -> Result<Option<StringRef<'_>>, ValueError> {
        let entry = self.writable(key, |entry| entry.key_type() == KeyType::String)?;
        Ok(entry.map(Entry::value).and_then(string_of))
    }

    /// Returns the new value.
    pub fn string_increment(&mut self, key: &[u8], delta: i64) -> Result<i64, ValueError> {
        if let Some(sum) = self.increment_untold(key, delta) {
            return Ok(sum);
        }
        let current = match self.writable_string(key)? {
            Some(value) => value.as_integer().ok_or(ValueError::NotInteger)?,
            None => 0,
        };
        let sum = current.checked_add(delta).ok_or(ValueError::Overflow)?;
        let effect = Effect::Increment { key, delta };
        self.merge(key, &effect, |merge| merge.string_operation(Action::Add(delta)));
        Ok(sum)
    }

    /// The usual increment where nobody has to be told what it was: the one lookup that does it checks it, too.
    fn increment_untold(&mut self, key: &[u8], delta: i64) -> Option<i64> {
        let Switches { recording, stamping, .. } = self.switches;
        if recording || stamping || self.view.events.wants(EventClass::NEW) {
            return None;
        }
        let touches = self.view.touches;
        let sum = self.merge_as(key, Version::ZERO, Row::All, |merge| merge.add_in_place(delta, touches))?;
        self.record(&Effect::Increment { key, delta });
        Some(sum)
    }

    /// Returns the new value, as Redis prints it.
    pub fn string_increment_float(&mut self, key: &[u8], delta: &[u8]) -> Result<Vec<u8>, ValueError> {
        let current = self.writable_string(key)?.map_or_else(|| b"0".to_vec(), StringRef::to_vec);
        let sum = checked_float_sum(&current, delta)?;
        let effect = Effect::IncrementFloat { key, delta };
        self.merge(key, &effect, |merge| merge.string_operation(Action::AddFloat(delta.into())));
        Ok(sum.into_bytes())
    }

    /// Returns the new length, as the next ones do. `max_len`: proto-max-bulk-len.
    pub fn string_append(&mut self, key: &[u8], bytes: &[u8], max_len: usize) -> Result<usize, ValueError> {
        let len = self.writable_string(key)?.map_or(0, StringRef::byte_len) + bytes.len();
        if len > max_len.min(MAX_LEN as usize) {
            return Err(ValueError::TooLong);
        }
        let effect = Effect::Append { key, bytes };
        self.merge(key, &effect, |merge| merge.string_operation(Action::Append(bytes.into())));
        Ok(len)
    }

    /// Without bytes nothing happens, and no key comes into being.
    pub fn string_set_range(
        &mut self,
        key: &[u8],
        offset: usize,
        bytes: &[u8],
        max_len: usize,
    ) -> Result<usize, ValueError> {
        let len = self.writable_string(key)?.map_or(0, StringRef::byte_len);
        if bytes.is_empty() {
            return Ok(len);
        }
        let end = offset
            .checked_add(bytes.len())
            .filter(|end| *end <= max_len.min(MAX_LEN as usize))
            .ok_or(ValueError::TooLong)?;
        let offset = offset as u64;
        let action = Action::SetRange { offset, bytes: bytes.into() };
        self.merge(key, &Effect::SetRange { key, offset, bytes }, |merge| merge.string_operation(action));
        Ok(len.max(end))
    }

    /// Returns the old bits, and whether anything changes. `width`: 1..=64.
    pub fn string_set_bits(
        &mut self,
        key: &[u8],
        bit_offset: u64,
        width: u8,
        value: u64,
    ) -> Result<(u64, bool), ValueError> {
        let end = bit_offset.saturating_add(u64::from(width)).div_ceil(8);
        if end > MAX_LEN {
            return Err(ValueError::TooLong);
        }
        let string = self.writable_string(key)?;
        let (old, len) = string.map_or((0, 0), |string| {
            string.with_bytes(|bytes| (bitmap::read(bytes, bit_offset, width), bytes.len() as u64))
        });
        let changes = old != value || end > len;
        if !changes && !self.switches.peers {
            return Ok((old, changes));
        }
        let effect = Effect::SetBits { key, bit_offset, width, value };
        self.merge(key, &effect, |merge| merge.string_operation(Action::SetBits { bit_offset, width, value }));
        if !changes {
            self.unchanged();
        }
        Ok((old, changes))
    }
}

impl Txn<'_> {
    /// Raises registers of the HyperLogLog at a key, which comes into being. True where anything changes, also from
    /// sparse to dense, which is where it goes beyond `sparse_max` bytes (0: at once).
    pub fn registers_raise(&mut self, key: &[u8], raised: &[(u16, u8)], sparse_max: usize) -> Result<bool, ValueError> {
        let string = self.writable_string(key)?;
        let changes = match string {
            Some(string) => string.with_bytes(|bytes| hyperloglog::rises(bytes, raised, sparse_max))?,
            None => true,
        };
        if changes || self.switches.peers {
            self.registers_merge(key, raised, sparse_max);
            if !changes {
                self.unchanged();
            }
        }
        Ok(changes)
    }

    /// The same where it is known to be a HyperLogLog, or absent, and whether or not anything changes: the cached count is
    /// out of date afterwards.
    pub fn registers_merge(&mut self, key: &[u8], raised: &[(u16, u8)], sparse_max: usize) {
        self.prepare(key);
        let registers = hyperloglog::encode_raised(raised);
        let sparse_max = sparse_max as u64;
        let effect = Effect::RaiseRegisters { key, sparse_max, registers: &registers };
        let action = Action::RaiseRegisters { sparse_max, registers: registers.as_slice().into() };
        self.merge(key, &effect, |merge| merge.string_operation(action));
    }

    /// Keeps the count of a HyperLogLog beside its registers, for the next who asks. With other writers it is counted
    /// anew each time: a count is no fact, registers that are still under way change it.
    pub fn cache_count(&mut self, key: &[u8], count: u64) {
        if !self.switches.peers {
            let (offset, bytes) = hyperloglog::count_patch(count);
            let effect = Effect::SetRange { key, offset: offset as u64, bytes: &bytes };
            let action = Action::SetRange { offset: offset as u64, bytes: bytes.into() };
            self.merge(key, &effect, |merge| merge.string_operation(action));
        }
    }
}

/// The sum of two decimal texts, as Redis prints it.
pub(super) fn checked_float_sum(current: &[u8], delta: &[u8]) -> Result<String, ValueError> {
    if LongDouble::parse(current).is_none() || LongDouble::parse(delta).is_none() {
        return Err(ValueError::NotFloat);
    }
    float_sum(current, delta).ok_or(ValueError::NanOrInfinity)
}
