//! Members with scores, encoded: (varint length, member, the score as a little-endian double)*.

use crate::DecodeError;
use crate::codec::{put_bytes, reserve_item, take_bytes};
use std::fmt;

const SCORE_LEN: usize = 8;

/// A list of members with scores, none of which is NaN; still encoded.
#[derive(Clone, Copy, PartialEq)]
pub struct ScoredItems<'a> {
    encoded: &'a [u8],
}

/// Builds the encoding that [`ScoredItems`] reads.
#[derive(Default)]
pub struct ScoredItemsWriter {
    buffer: Vec<u8>,
}

/// Takes a score off the front of `rest`.
pub(crate) fn take_score(rest: &mut &[u8]) -> Result<f64, DecodeError> {
    let (bytes, tail) = rest.split_first_chunk::<SCORE_LEN>().ok_or(DecodeError::Truncated)?;
    let score = f64::from_le_bytes(*bytes);
    if score.is_nan() {
        return Err(DecodeError::BadNumber);
    }
    *rest = tail;
    Ok(score)
}

impl<'a> ScoredItems<'a> {
    /// Checks `encoded` once, so that iterating cannot fail.
    pub fn new(encoded: &'a [u8]) -> Result<ScoredItems<'a>, DecodeError> {
        let mut rest = encoded;
        while !rest.is_empty() {
            take_bytes(&mut rest)?;
            take_score(&mut rest)?;
        }
        Ok(ScoredItems { encoded })
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], f64)> + Clone + use<'a> {
        Pairs { rest: self.encoded }
    }

    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    pub fn as_bytes(&self) -> &'a [u8] {
        self.encoded
    }
}

#[derive(Clone)]
struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<(&'a [u8], f64)> {
        if self.rest.is_empty() {
            return None;
        }
        // `ScoredItems::new` has checked this, or its writer made it.
        Some((take_bytes(&mut self.rest).ok()?, take_score(&mut self.rest).ok()?))
    }
}

impl fmt::Debug for ScoredItems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(member, score)| (String::from_utf8_lossy(member), score))).finish()
    }
}

impl ScoredItemsWriter {
    pub fn new() -> ScoredItemsWriter {
        ScoredItemsWriter::default()
    }

    pub fn push(&mut self, member: &[u8], score: f64) {
        reserve_item(&mut self.buffer, member.len());
        put_bytes(&mut self.buffer, member);
        self.buffer.extend_from_slice(&score.to_le_bytes());
    }

    pub fn items(&self) -> ScoredItems<'_> {
        ScoredItems { encoded: &self.buffer }
    }

    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}
