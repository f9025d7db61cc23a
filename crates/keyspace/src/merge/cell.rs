//! One string or one hash field, as the operations on it see it; and what an operation does to it.

use crate::entry::{Entry, Header, NewValue, ValueRef, Verbatim};
use crate::table::{KeyHasher, Slot, Table};
use crate::view::StringRef;
use stdx::LongDouble;
use values::{Element, EncodingLimits, Hash, SortedSet, bitmap, hyperloglog};

/// No string grows beyond this, whatever the limits of its author are (4 GiB).
pub(crate) const MAX_LEN: u64 = 1 << 32;

/// A place that holds a string or nothing.
pub(crate) trait Cell {
    fn read<R>(&self, f: impl FnOnce(Option<StringRef<'_>>) -> R) -> R;
    fn write(&mut self, value: StringRef<'_>);
    fn remove(&mut self);

    /// Where the place is that of a score: that, for which there is no `read` and no `write`.
    fn score(&self) -> Option<f64> {
        None
    }

    fn set_score(&mut self, _: f64) {}

    /// Where the place tells integers from text that looks like one, it is text.
    fn write_verbatim(&mut self, text: Verbatim<&[u8]>) {
        self.write(StringRef::Bytes(text.bytes));
    }

    /// Overwrites `bytes` at `offset`, zero-padded, and cuts to `len`. The cell holds a string.
    fn patch(&mut self, offset: usize, bytes: &[u8], len: usize) {
        let mut value = self.read(|value| value.map_or_else(Vec::new, StringRef::to_vec));
        value.resize(value.len().max(offset + bytes.len()), 0);
        value[offset..offset + bytes.len()].copy_from_slice(bytes);
        value.truncate(len);
        self.write(StringRef::Bytes(&value));
    }
}

/// The string at a key. What another type has there is overwritten.
pub(crate) struct StringCell<'t, H> {
    pub(crate) table: &'t mut Table<H>,
    pub(crate) hash: u64,
    pub(crate) key: &'t [u8],
    /// For an entry that is new.
    pub(crate) header: Header,
}

impl<H: KeyHasher> Cell for StringCell<'_, H> {
    fn read<R>(&self, f: impl FnOnce(Option<StringRef<'_>>) -> R) -> R {
        f(self.table.seek(self.hash, self.key).and_then(|entry| string_of(entry.value())))
    }

    fn write(&mut self, value: StringRef<'_>) {
        match self.table.slot(self.hash, self.key) {
            Slot::Occupied(mut entry) => match value {
                StringRef::Int(int) => entry.set_int(int),
                StringRef::Bytes(bytes) => entry.replace_string(bytes),
            },
            Slot::Vacant(vacant) => {
                let value = match value {
                    StringRef::Int(int) => NewValue::Int(int),
                    StringRef::Bytes(bytes) => NewValue::Bytes(bytes),
                };
                vacant.insert(Entry::new(self.key, value, self.header));
            }
        }
    }

    fn write_verbatim(&mut self, text: Verbatim<&[u8]>) {
        match self.table.slot(self.hash, self.key) {
            Slot::Occupied(mut entry) => entry.replace_verbatim(text),
            Slot::Vacant(vacant) => {
                vacant.insert(Entry::new(self.key, NewValue::Verbatim(text), self.header));
            }
        }
    }

    fn remove(&mut self) {
        self.table.remove(self.hash, self.key);
    }

    fn patch(&mut self, offset: usize, bytes: &[u8], len: usize) {
        if let Some(mut entry) = self.table.find_mut(self.hash, self.key) {
            entry.patch(offset, bytes);
            entry.truncate(len);
        }
    }
}

pub(crate) fn string_of(value: ValueRef<'_>) -> Option<StringRef<'_>> {
    match value {
        ValueRef::Int(int) => Some(StringRef::Int(int)),
        ValueRef::Bytes(bytes) => Some(StringRef::Bytes(bytes)),
        _ => None,
    }
}

/// One field of a hash.
pub(crate) struct FieldCell<'h> {
    pub(crate) hash: &'h mut Hash,
    pub(crate) field: &'h [u8],
    pub(crate) limits: &'h EncodingLimits,
}

impl Cell for FieldCell<'_> {
    fn read<R>(&self, f: impl FnOnce(Option<StringRef<'_>>) -> R) -> R {
        f(self.hash.value(self.field).map(|value| match value {
            Element::Int(int) => StringRef::Int(int),
            Element::Bytes(bytes) => StringRef::Bytes(bytes),
        }))
    }

    fn write(&mut self, value: StringRef<'_>) {
        value.with_bytes(|bytes| self.hash.insert(self.field, bytes, self.limits));
    }

    fn remove(&mut self) {
        self.hash.remove(self.field);
    }
}

/// The score of one member of a sorted set. For what is done to strings it is not there.
pub(crate) struct ScoreCell<'s> {
    pub(crate) set: &'s mut SortedSet,
    pub(crate) member: &'s [u8],
    pub(crate) limits: &'s EncodingLimits,
}

impl Cell for ScoreCell<'_> {
    fn read<R>(&self, f: impl FnOnce(Option<StringRef<'_>>) -> R) -> R {
        f(None)
    }

    fn write(&mut self, _: StringRef<'_>) {}

    fn remove(&mut self) {
        self.set.remove(self.member);
    }

    fn score(&self) -> Option<f64> {
        self.set.score(self.member)
    }

    fn set_score(&mut self, score: f64) {
        self.set.insert(self.member, score, self.limits);
    }
}

/// What is done to a string, a field or a score on top of what it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Add(i64),
    /// Decimal text.
    AddFloat(Box<[u8]>),
    /// To a score. Never NaN.
    AddScore(f64),
    Append(Box<[u8]>),
    SetRange {
        offset: u64,
        bytes: Box<[u8]>,
    },
    /// Most significant bit first; `width` is 1..=64.
    SetBits {
        bit_offset: u64,
        width: u8,
        value: u64,
    },
    /// See `Effect::RaiseRegisters`.
    RaiseRegisters {
        sparse_max: u64,
        registers: Box<[u8]>,
    },
}

/// How to take an action back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Undo {
    /// It was refused, as a server would have: nothing changed.
    Nothing,
    /// There was no string.
    Remove,
    Integer(i64),
    Value(Box<[u8]>),
    Score(f64),
    Patch(Box<Patch>),
    /// Of a dense HyperLogLog: bytes in the order in which they were overwritten.
    Bytes(Box<[(usize, [u8; 2])]>),
}

/// What was there before bytes were overwritten.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Patch {
    offset: usize,
    bytes: Box<[u8]>,
    /// Of the whole string.
    len: usize,
}

impl Action {
    pub(crate) fn is_increment(&self) -> bool {
        matches!(self, Action::Add(_) | Action::AddFloat(_) | Action::AddScore(_))
    }

    /// Does it, or refuses where a single server would.
    pub(crate) fn apply(&self, cell: &mut impl Cell) -> Undo {
        match self {
            Action::Add(delta) => add_integer(cell, *delta),
            Action::AddFloat(delta) => add_float(cell, delta),
            Action::AddScore(delta) => add_score(cell, *delta),
            Action::Append(bytes) => match cell.read(|value| value.map(StringRef::byte_len)) {
                Some(len) => overwrite(cell, len as u64, bytes),
                // A new string, with the encoding of one that was set.
                None => {
                    cell.write(StringRef::Bytes(bytes));
                    Undo::Remove
                }
            },
            Action::SetRange { offset, bytes } => overwrite(cell, *offset, bytes),
            Action::SetBits { bit_offset, width, value } => {
                let (bytes, len) = bits_patch(cell, *bit_offset, *width, *value);
                overwrite(cell, bit_offset / 8, &bytes[..len])
            }
            Action::RaiseRegisters { sparse_max, registers } => raise_registers(cell, *sparse_max, registers),
        }
    }
}

impl Undo {
    pub(crate) fn apply(&self, cell: &mut impl Cell) {
        match self {
            Undo::Nothing => {}
            Undo::Remove => cell.remove(),
            Undo::Integer(value) => cell.write(StringRef::Int(*value)),
            Undo::Value(value) => cell.write(StringRef::Bytes(value)),
            Undo::Score(score) => cell.set_score(*score),
            Undo::Patch(old) => cell.patch(old.offset, &old.bytes, old.len),
            Undo::Bytes(pairs) => pairs.iter().rev().for_each(|(at, pair)| patch_pair(cell, *at, *pair)),
        }
    }
}

fn add_integer(cell: &mut impl Cell, delta: i64) -> Undo {
    match cell.read(|value| value.map(StringRef::as_integer)) {
        None => {
            cell.write(StringRef::Int(delta));
            Undo::Remove
        }
        Some(current) => match current.and_then(|current| Some((current, current.checked_add(delta)?))) {
            Some((current, sum)) => {
                cell.write(StringRef::Int(sum));
                Undo::Integer(current)
            }
            None => Undo::Nothing,
        },
    }
}

/// The sum as Redis prints it; `None` where one of the two is no number, or the sum is not finite.
pub(crate) fn float_sum(current: &[u8], delta: &[u8]) -> Option<String> {
    Some(LongDouble::parse(current)?.checked_add(LongDouble::parse(delta)?)?.to_string())
}

fn add_float(cell: &mut impl Cell, delta: &[u8]) -> Undo {
    let old = cell.read(|value| value.map(|value| value.to_vec().into_boxed_slice()));
    match float_sum(old.as_deref().unwrap_or(b"0"), delta) {
        Some(sum) => {
            cell.write_verbatim(Verbatim { bytes: sum.as_bytes(), is_modified: false });
            old.map_or(Undo::Remove, Undo::Value)
        }
        None => Undo::Nothing,
    }
}

/// Infinities of both signs do not add up.
fn add_score(cell: &mut impl Cell, delta: f64) -> Undo {
    let old = cell.score();
    let sum = old.unwrap_or(0.0) + delta;
    if sum.is_nan() {
        return Undo::Nothing;
    }
    cell.set_score(sum);
    old.map_or(Undo::Remove, Undo::Score)
}

fn overwrite(cell: &mut impl Cell, offset: u64, bytes: &[u8]) -> Undo {
    if offset.saturating_add(bytes.len() as u64) > MAX_LEN {
        return Undo::Nothing;
    }
    let offset = offset as usize;
    let old = cell.read(|value| {
        value.map(|value| {
            value.with_bytes(|value| {
                let end = (offset + bytes.len()).min(value.len());
                (value.get(offset..end).unwrap_or_default().into(), value.len())
            })
        })
    });
    let undo = match old {
        Some((bytes, len)) => Undo::Patch(Box::new(Patch { offset: offset.min(len), bytes, len })),
        None => {
            cell.write(StringRef::Bytes(b""));
            Undo::Remove
        }
    };
    cell.patch(offset, bytes, usize::MAX);
    undo
}

/// The bytes that hold `width` bits from `bit_offset` on, with these bits set to `value`.
fn bits_patch(cell: &impl Cell, bit_offset: u64, width: u8, value: u64) -> ([u8; 9], usize) {
    let first = bit_offset / 8;
    let len = ((bit_offset % 8 + u64::from(width)).div_ceil(8)) as usize;
    let mut bytes = [0; 9];
    cell.read(|current| {
        if let (Some(current), Ok(first)) = (current, usize::try_from(first)) {
            current.with_bytes(|current| {
                let there = current.get(first..).unwrap_or_default();
                let there = &there[..there.len().min(len)];
                bytes[..there.len()].copy_from_slice(there);
            });
        }
    });
    bitmap::write(&mut bytes, bit_offset % 8, width, value);
    (bytes, len)
}

/// With more of them at once the whole string is written anew.
const SINGLE_REGISTERS: usize = 64;

fn raise_registers(cell: &mut impl Cell, sparse_max: u64, registers: &[u8]) -> Undo {
    let raised = hyperloglog::decode_raised(registers);
    let encoding = cell.read(|value| value.map(|value| value.with_bytes(hyperloglog::encoding)));
    if encoding == Some(Ok(hyperloglog::Encoding::Dense)) && raised.len() <= SINGLE_REGISTERS {
        return raise_dense(cell, &raised);
    }
    let old = cell.read(|value| value.map(StringRef::to_vec));
    let mut new = old.clone().unwrap_or_else(hyperloglog::empty);
    let sparse_max = usize::try_from(sparse_max).unwrap_or(usize::MAX);
    if hyperloglog::raise(&mut new, raised, sparse_max).is_err() {
        return Undo::Nothing;
    }
    cell.write_verbatim(Verbatim { bytes: &new, is_modified: true });
    old.map_or(Undo::Remove, |old| Undo::Value(old.into_boxed_slice()))
}

/// In place: it is some kilobytes long.
fn raise_dense(cell: &mut impl Cell, raised: &[(u16, u8)]) -> Undo {
    let mut undo = Vec::new();
    let patches = raised.iter().map(|&(index, value)| hyperloglog::Patch::Register { index, value });
    for patch in patches.chain((!raised.is_empty()).then_some(hyperloglog::Patch::StaleCount)) {
        let pairs = cell.read(|value| value.and_then(|value| value.with_bytes(|bytes| patch.pair(bytes))));
        if let Some(hyperloglog::Pair { at, old, new }) = pairs {
            patch_pair(cell, at, new);
            undo.push((at, old));
        }
    }
    Undo::Bytes(undo.into_boxed_slice())
}

/// Two bytes, the second of which may lie beyond the end.
fn patch_pair(cell: &mut impl Cell, at: usize, pair: [u8; 2]) {
    let len = cell.read(|value| value.map_or(0, StringRef::byte_len));
    cell.patch(at, &pair[..pair.len().min(len.saturating_sub(at))], usize::MAX);
}
