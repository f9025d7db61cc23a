//! The keyed hash of keys, fields and members.
//!
//! Keys come from clients, so the hash has to be keyed with a secret of the process: with a known one, a client could
//! choose keys that all fall into one bucket. The secret is set once, at start; until then (tests, the simulator) it is
//! a constant, so that runs repeat.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use std::sync::OnceLock;

static SECRETS: OnceLock<RapidSecrets> = OnceLock::new();

const DEFAULT_SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Sets the secret of this process. Returns false, and changes nothing, where one is already in use: every hash that
/// was handed out must stay valid.
pub fn set_secret(seed: u64) -> bool {
    SECRETS.set(RapidSecrets::seed(seed)).is_ok()
}

/// The 64-bit hash of `bytes` under the secret of this process.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    rapidhash_v3_nano_inline::<true, true>(bytes, SECRETS.get_or_init(|| RapidSecrets::seed(DEFAULT_SEED)))
}

/// A 64-bit hash of `bytes` that is the same in every process, for digests that are compared between nodes. Not for
/// tables: whoever chooses the bytes can choose the hash.
pub fn portable(seed: u64, bytes: &[u8]) -> u64 {
    const SECRETS: RapidSecrets = RapidSecrets::seed(DEFAULT_SEED);
    let hash = rapidhash_v3_nano_inline::<true, true>(bytes, &SECRETS) ^ seed.wrapping_mul(DEFAULT_SEED | 1);
    let hash = (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn equal_bytes_hash_equal_and_the_secret_stays() {
        let before = hash(b"key");
        assert!(!set_secret(1));
        assert_eq!(hash(b"key"), before);
        assert_ne!(hash(b"key"), hash(b"kez"));
    }

    #[test]
    fn a_portable_hash_depends_on_seed_and_bytes() {
        let all = [portable(0, b"a"), portable(1, b"a"), portable(0, b"b"), portable(1, b"b")];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 4);
        // Not linear: exchanging parts between two sums does not go unnoticed.
        let pair = |a: &[u8], b: &[u8]| portable(portable(3, a), b);
        assert_ne!(pair(b"f", b"1").wrapping_add(pair(b"g", b"2")), pair(b"f", b"2").wrapping_add(pair(b"g", b"1")));
    }

    /// Tables take the low bits for the bucket and the high ones for the tag: both must spread consecutive keys.
    #[test]
    fn low_and_high_bits_spread() {
        let hashes: Vec<u64> = (0..4096).map(|number| hash(format!("key:{number}").as_bytes())).collect();
        let distinct = |bits: fn(u64) -> u64| hashes.iter().map(|hash| bits(*hash)).collect::<HashSet<_>>().len();
        // 4096 balls into 4096 bins leave 1 - 1/e = 63 % of them occupied, 2589 with a standard deviation of 20.
        assert!((2450..2730).contains(&distinct(|hash| hash & 4095)));
        assert!((2450..2730).contains(&distinct(|hash| hash >> 52)));
    }
}
