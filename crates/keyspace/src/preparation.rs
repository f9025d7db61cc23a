//! Long values that a record of another node puts whole are built before it is applied: a few elements at a time, under no
//! lock, while others have their turns.

use crate::codec::{self, Assembly};
use crate::entry::Value;
use crate::{EffectsError, Keyspace};
use effect::{Effect, EffectReader};
use std::collections::VecDeque;
use std::ops::Range;
use values::EncodingLimits;

/// Shorter encodings are built when they are put. Where assertions are on there are none too short, so that all tests try this.
const LONG: usize = if cfg!(debug_assertions) { 8 } else { 32 * 1024 };
/// How many elements are added in one go: about a millisecond.
const STEP_ELEMENTS: usize = 2000;

/// The same for a value with an encoding of so many bytes. Where assertions are on also short ones take some goes, and long ones not very many.
fn step_elements(bytes: usize) -> usize {
    if cfg!(debug_assertions) { (bytes / 256).clamp(2, STEP_ELEMENTS) } else { STEP_ELEMENTS }
}

/// The long values of a record, as far as they have been built.
pub struct Preparation {
    limits: EncodingLimits,
    /// Where their encodings are in the effects of the record.
    waiting: VecDeque<(Range<usize>, Assembly)>,
    done: Prepared,
}

/// Such values, in the order in which they are put.
#[derive(Default)]
pub struct Prepared(VecDeque<Value>);

impl Preparation {
    /// `None`: there is nothing to be built before.
    pub fn begin(keyspace: &Keyspace, effects: &[u8]) -> Result<Option<Preparation>, EffectsError> {
        let mut waiting = VecDeque::new();
        if effects.len() >= LONG {
            for effect in EffectReader::new(effects) {
                if let Effect::Put { value, .. } = effect?
                    && let Some(assembly) = assembly(value)
                {
                    codec::decode(value)?;
                    // It is a part of them.
                    let start = value.as_ptr().addr() - effects.as_ptr().addr();
                    waiting.push_back((start..start + value.len(), assembly));
                }
            }
        }
        let is_needed = !waiting.is_empty();
        Ok(is_needed.then(|| Preparation { limits: keyspace.encoding_limits(), waiting, done: Prepared::default() }))
    }

    /// Builds some more of it; `effects` are those that it began with. True where nothing is left to do.
    pub fn go_on(&mut self, effects: &[u8]) -> Result<bool, EffectsError> {
        let Some((range, assembly)) = self.waiting.front_mut() else { return Ok(true) };
        if assembly.go_on(&effects[range.clone()], step_elements(range.len()), &self.limits)?
            && let Some((_, assembly)) = self.waiting.pop_front()
        {
            self.done.0.push_back(assembly.finish(&self.limits));
        }
        Ok(self.waiting.is_empty())
    }

    pub fn finish(self) -> Prepared {
        self.done
    }
}

impl Prepared {
    /// What was built of this encoding, which is the next that is put.
    pub(crate) fn take(&mut self, encoded: &[u8]) -> Option<Value> {
        assembly(encoded).and_then(|_| self.0.pop_front())
    }
}

fn assembly(encoded: &[u8]) -> Option<Assembly> {
    if encoded.len() < LONG { None } else { Assembly::begin(encoded) }
}
