//! HyperLogLogs in the bytes of Redis: a string that clients may read, write and copy like any other.
//!
//! ```text
//! "HYLL" | encoding 1 | 3 unused | cached count 8, little endian | registers
//! ```
//!
//! Dense registers are 6 bits each, least significant first. Sparse ones are runs: `00nnnnnn` is n+1 zeros,
//! `01nnnnnn nnnnnnnn` the same for long runs, `1vvvvvnn` n+1 registers of value v+1. The cached count is out of date
//! where its last bit is set.
//!
//! The estimate: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284.

use std::fmt;

/// How many registers there are.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// The greatest value that the hash of an element gives.
pub const MAX_VALUE: u8 = RANK_BITS as u8 + 1;

const INDEX_BITS: u32 = 14;
const RANK_BITS: u32 = 64 - INDEX_BITS;
const HEADER: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING: usize = 4;
const COUNT: usize = 8;
/// The byte of the cached count whose first bit says that it is out of date.
const STALE: usize = 15;
const STALE_BIT: u8 = 0x80;
const REGISTER_BITS: usize = 6;
const REGISTER_MASK: u8 = (1 << REGISTER_BITS) - 1;
const DENSE_BYTES: usize = REGISTERS * REGISTER_BITS / 8;
const ZEROS_MAX: usize = 64;
const SPARSE_VALUE_MAX: u8 = 32;
const SPARSE_RUN_MAX: usize = 4;
/// Of one register that is to be raised.
const RAISED_BYTES: usize = 3;
const HASH_SEED: u64 = 0xadc8_3b19;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Dense,
    Sparse,
}

/// Why bytes are no HyperLogLog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// They do not look like one at all.
    Foreign,
    /// The runs do not make up all registers.
    Corrupted,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Invalid {}

/// All registers, a byte each.
pub type Registers = [u8; REGISTERS];

/// One without elements.
pub fn empty() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 2);
    bytes.extend_from_slice(MAGIC);
    bytes.resize(HEADER, 0);
    bytes[ENCODING] = 1;
    bytes[STALE] = STALE_BIT;
    push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// What the header says; whether sparse registers are sound is seen only when they are read.
pub fn encoding(bytes: &[u8]) -> Result<Encoding, Invalid> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return Err(Invalid::Foreign);
    }
    match bytes[ENCODING] {
        0 if bytes.len() == HEADER + DENSE_BYTES => Ok(Encoding::Dense),
        1 => Ok(Encoding::Sparse),
        _ => Err(Invalid::Foreign),
    }
}

/// The register of an element, and the value that it raises it to at least.
pub fn register_of(element: &[u8]) -> (u16, u8) {
    let hash = murmur(element);
    let rank = (hash >> INDEX_BITS | 1 << RANK_BITS).trailing_zeros() + 1;
    ((hash as usize & (REGISTERS - 1)) as u16, rank as u8)
}

/// MurmurHash64A (Austin Appleby, public domain).
fn murmur(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = HASH_SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        word = (word ^ word >> SHIFT).wrapping_mul(FACTOR);
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u64::from(*byte));
        hash = (hash ^ tail).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}

/// The count that was cached, unless it is out of date.
pub fn cached_count(bytes: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(*bytes.get(COUNT..)?.first_chunk()?);
    (count >> 63 == 0).then_some(count)
}

/// Where the cached count stands, and the bytes for this one.
pub fn count_patch(count: u64) -> (usize, [u8; 8]) {
    (COUNT, count.to_le_bytes())
}

/// About how many different elements were added.
pub fn count(bytes: &[u8]) -> Result<u64, Invalid> {
    Ok(estimate(&*registers(bytes)?))
}

/// All registers.
pub fn registers(bytes: &[u8]) -> Result<Box<Registers>, Invalid> {
    let mut registers = Box::new([0; REGISTERS]);
    merge_into(&mut registers, bytes)?;
    Ok(registers)
}

/// Raises `registers` to those of `bytes`; after an error to some of them.
pub fn merge_into(registers: &mut Registers, bytes: &[u8]) -> Result<(), Invalid> {
    match encoding(bytes)? {
        Encoding::Dense => {
            for (index, register) in registers.iter_mut().enumerate() {
                *register = (*register).max(dense_register(bytes, index));
            }
            Ok(())
        }
        Encoding::Sparse => {
            let mut rest = &mut registers[..];
            for run in runs(bytes) {
                let run = run.ok_or(Invalid::Corrupted)?;
                let (these, others) = rest.split_at_mut_checked(run.len).ok_or(Invalid::Corrupted)?;
                if run.value > 0 {
                    these.iter_mut().for_each(|register| *register = (*register).max(run.value));
                }
                rest = others;
            }
            if rest.is_empty() { Ok(()) } else { Err(Invalid::Corrupted) }
        }
    }
}

/// The register's value; `bytes` are dense.
fn dense_register(bytes: &[u8], index: usize) -> u8 {
    let (at, shift) = dense_place(index);
    let pair = [bytes[at], bytes.get(at + 1).copied().unwrap_or(0)];
    (u16::from_le_bytes(pair) >> shift) as u8 & REGISTER_MASK
}

/// One change of a dense HyperLogLog.
#[derive(Clone, Copy, Debug)]
pub enum Patch {
    /// A register is raised.
    Register { index: u16, value: u8 },
    /// The cached count is out of date.
    StaleCount,
}

/// What a patch does to two neighbouring bytes, the second of which may lie beyond the end.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub at: usize,
    pub old: [u8; 2],
    pub new: [u8; 2],
}

impl Patch {
    /// `None` where there is nothing to do. `bytes` are dense.
    pub fn pair(self, bytes: &[u8]) -> Option<Pair> {
        let (at, mask, bits) = match self {
            Patch::StaleCount => (STALE, u16::from(STALE_BIT), u16::from(STALE_BIT)),
            Patch::Register { index, value } => {
                let (index, value) = (usize::from(index) % REGISTERS, value & REGISTER_MASK);
                if dense_register(bytes, index) >= value {
                    return None;
                }
                let (at, shift) = dense_place(index);
                (at, u16::from(REGISTER_MASK) << shift, u16::from(value) << shift)
            }
        };
        let old = [bytes[at], bytes.get(at + 1).copied().unwrap_or(0)];
        Some(Pair { at, old, new: (u16::from_le_bytes(old) & !mask | bits).to_le_bytes() })
    }

    fn apply(self, bytes: &mut [u8]) {
        if let Some(Pair { at, new, .. }) = self.pair(bytes) {
            let room = (bytes.len() - at).min(new.len());
            bytes[at..at + room].copy_from_slice(&new[..room]);
        }
    }
}

fn dense_place(index: usize) -> (usize, usize) {
    (HEADER + index * REGISTER_BITS / 8, index * REGISTER_BITS % 8)
}

/// Dense from now on; false where it was already.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<bool, Invalid> {
    if encoding(bytes)? == Encoding::Dense {
        return Ok(false);
    }
    let registers = registers(bytes)?;
    bytes.truncate(HEADER);
    bytes.resize(HEADER + DENSE_BYTES, 0);
    bytes[ENCODING] = 0;
    for (index, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        Patch::Register { index: index as u16, value }.apply(bytes);
    }
    Ok(true)
}

/// Raises registers where they are lower. What would be longer than `sparse_max` bytes, or does not fit into a sparse
/// one, becomes dense; at once where `sparse_max` is 0. Nothing has changed after an error.
pub fn raise(
    bytes: &mut Vec<u8>,
    raised: impl IntoIterator<Item = (u16, u8)>,
    sparse_max: usize,
) -> Result<(), Invalid> {
    // Of what is sound every register is found.
    registers(bytes)?;
    if sparse_max == 0 {
        make_dense(bytes)?;
    }
    let mut is_dense = encoding(bytes)? == Encoding::Dense;
    for (index, value) in raised {
        bytes[STALE] |= STALE_BIT;
        if !is_dense && !raise_sparse(bytes, usize::from(index) % REGISTERS, value & REGISTER_MASK, sparse_max)? {
            make_dense(bytes)?;
            is_dense = true;
        }
        if is_dense {
            Patch::Register { index, value }.apply(bytes);
        }
    }
    Ok(())
}

/// Registers to be raised, in order, as few bytes: three each, or a whole dense array where there are too many.
pub fn encode_raised(raised: &[(u16, u8)]) -> Vec<u8> {
    if raised.len() * RAISED_BYTES < DENSE_BYTES {
        let parts = raised.iter().map(|(index, value)| [*index as u8, (*index >> 8) as u8, *value]);
        return parts.flatten().collect();
    }
    let mut dense = empty();
    raise(&mut dense, raised.iter().copied(), 0).expect("what was made here is sound");
    dense.split_off(HEADER)
}

/// What `encode_raised` wrote. Other bytes are some registers, too.
pub fn decode_raised(encoded: &[u8]) -> Vec<(u16, u8)> {
    if encoded.len() != DENSE_BYTES {
        let (parts, _) = encoded.as_chunks::<RAISED_BYTES>();
        return parts.iter().map(|[low, high, value]| (u16::from_le_bytes([*low, *high]), *value)).collect();
    }
    let mut dense = empty();
    dense.truncate(HEADER);
    dense[ENCODING] = 0;
    dense.extend_from_slice(encoded);
    let registers = (0..REGISTERS).map(|index| (index as u16, dense_register(&dense, index)));
    registers.filter(|(_, value)| *value > 0).collect()
}

/// Whether `raise` would do anything but mark the count as out of date.
pub fn rises(bytes: &[u8], raised: &[(u16, u8)], sparse_max: usize) -> Result<bool, Invalid> {
    let is_higher = |register: &dyn Fn(usize) -> u8| {
        raised.iter().any(|(index, value)| register(usize::from(*index) % REGISTERS) < *value)
    };
    match encoding(bytes)? {
        Encoding::Dense => Ok(is_higher(&|index| dense_register(bytes, index))),
        Encoding::Sparse => {
            let registers = registers(bytes)?;
            Ok(sparse_max == 0 || is_higher(&|index| registers[index]))
        }
    }
}

/// A run of equal sparse registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    value: u8,
    len: usize,
    /// In bytes.
    size: usize,
}

impl Run {
    /// `None`: cut off.
    fn read(bytes: &[u8], at: usize) -> Option<Run> {
        let first = *bytes.get(at)?;
        let low = usize::from(first & 0x3f);
        Some(match first >> 6 {
            0 => Run { value: 0, len: low + 1, size: 1 },
            1 => Run { value: 0, len: (low << 8 | usize::from(*bytes.get(at + 1)?)) + 1, size: 2 },
            _ => Run { value: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, size: 1 },
        })
    }
}

/// The runs of sparse registers; `None` at the end where the last one is cut off.
fn runs(bytes: &[u8]) -> impl Iterator<Item = Option<Run>> + '_ {
    let mut at = HEADER;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let run = Run::read(bytes, at);
        at = run.map_or(bytes.len(), |run| at + run.size);
        Some(run)
    })
}

fn push_zeros(bytes: &mut Vec<u8>, len: usize) {
    match len {
        0 => {}
        1..=ZEROS_MAX => bytes.push((len - 1) as u8),
        _ => bytes.extend_from_slice(&[0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]),
    }
}

fn push_run(bytes: &mut Vec<u8>, value: u8, len: usize) {
    match (value, len) {
        (0, _) => push_zeros(bytes, len),
        (_, 0) => {}
        _ => bytes.push(0x80 | (value - 1) << 2 | (len - 1) as u8),
    }
}

/// False where it would not be sparse any more; nothing has changed then.
fn raise_sparse(bytes: &mut Vec<u8>, index: usize, value: u8, sparse_max: usize) -> Result<bool, Invalid> {
    let (mut at, mut first, mut before) = (HEADER, 0, HEADER);
    let run = loop {
        let run = Run::read(bytes, at).ok_or(Invalid::Corrupted)?;
        if index < first + run.len {
            break run;
        }
        before = at;
        at += run.size;
        first += run.len;
    };
    if run.value >= value {
        return Ok(true);
    }
    if value > SPARSE_VALUE_MAX {
        return Ok(false);
    }
    let mut parts = Vec::with_capacity(5);
    push_run(&mut parts, run.value, index - first);
    push_run(&mut parts, value, 1);
    push_run(&mut parts, run.value, first + run.len - 1 - index);
    if parts.len() > run.size && bytes.len() + parts.len() - run.size > sparse_max {
        return Ok(false);
    }
    bytes.splice(at..at + run.size, parts);
    join_runs(bytes, before);
    Ok(true)
}

/// Joins neighbours of equal value, looking as far as one change reaches.
fn join_runs(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = Run::read(bytes, at) else { return };
        match Run::read(bytes, at + run.size) {
            Some(next) if run.value > 0 && next.value == run.value && run.len + next.len <= SPARSE_RUN_MAX => {
                bytes.remove(at);
                bytes[at] = 0x80 | (run.value - 1) << 2 | (run.len + next.len - 1) as u8;
            }
            _ => at += run.size,
        }
    }
}

/// The runs as PFDEBUG DECODE prints them; `None` where it is not sparse.
pub fn describe(bytes: &[u8]) -> Option<String> {
    if encoding(bytes) != Ok(Encoding::Sparse) {
        return None;
    }
    let runs = runs(bytes).map_while(|run| {
        Some(match run? {
            Run { value: 0, len, size: 1 } => format!("z:{len}"),
            Run { value: 0, len, .. } => format!("Z:{len}"),
            Run { value, len, .. } => format!("v:{value},{len}"),
        })
    });
    Some(runs.collect::<Vec<_>>().join(" "))
}

/// About how many different elements raised the registers so far.
pub fn estimate(registers: &Registers) -> u64 {
    const HALF_OF_INVERSE_LN_2: f64 = 0.721_347_520_444_481_7;
    let mut histogram = [0u32; 1 << REGISTER_BITS];
    registers.iter().for_each(|value| histogram[usize::from(value & REGISTER_MASK)] += 1);
    let total = REGISTERS as f64;
    let highest = usize::from(MAX_VALUE);
    let mut sum = total * tau((total - f64::from(histogram[highest])) / total);
    for value in (1..highest).rev() {
        sum = (sum + f64::from(histogram[value])) * 0.5;
    }
    sum += total * sigma(f64::from(histogram[0]) / total);
    (HALF_OF_INVERSE_LN_2 * total * total / sum).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests;
