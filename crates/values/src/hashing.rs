//! The hash of members and fields, with a secret so that clients cannot choose collisions.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use std::sync::OnceLock;

static SECRETS: OnceLock<RapidSecrets> = OnceLock::new();

/// Sets the process's secret. To be called once, before the first collection is made; without it
/// hashes are the same in every run, which is what simulations want. False where it was too late.
pub fn set_hash_secret(secret: u64) -> bool {
    SECRETS.set(RapidSecrets::seed(secret)).is_ok()
}

#[inline]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    rapidhash_v3_seeded(bytes, SECRETS.get_or_init(|| RapidSecrets::seed(0)))
}
