//! The transfer of state: all keys with their registers, for a node that joins or was away for too long.
//!
//! A walk gives chunks, in the order of which they are to be merged; nobody is stopped meanwhile. What is merged at the
//! other end, and why that is right, is in docs/decisions/0001-convergence.md; the bytes are in
//! docs/mesh-protocol.md.

mod decode;
mod encode;
mod export;
mod import;
mod place;
mod stream;

pub use decode::ImportError;
pub use export::{Cursor, Export};
pub(crate) use export::{Place, RECENT_STEP};
pub use import::{Import, Restated};

/// First byte of each item of a chunk.
mod item {
    /// A key with its value and registers.
    pub(super) const KEY: u8 = 1;
    /// The newest flush of a database, as far as one shard knows.
    pub(super) const FLUSH: u8 = 2;
    /// A part of the value of the next key, which may be in another chunk.
    pub(super) const PIECE: u8 = 3;
}

/// What a key's item has.
mod flag {
    pub(super) const VALUE: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const DEADLINE: u8 = 4;
    pub(super) const RECORD: u8 = 8;
    /// Of the elements of a list, also of one that is empty by now.
    pub(super) const IDENTITIES: u8 = 16;
    /// The value came before.
    pub(super) const PIECES: u8 = 32;
}

/// First byte of an operation.
mod action {
    pub(super) const ADD: u8 = 1;
    pub(super) const ADD_FLOAT: u8 = 2;
    pub(super) const APPEND: u8 = 3;
    pub(super) const SET_RANGE: u8 = 4;
    pub(super) const SET_BITS: u8 = 5;
    pub(super) const ADD_SCORE: u8 = 6;
    pub(super) const RAISE_REGISTERS: u8 = 7;
}
