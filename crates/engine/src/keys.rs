//! Which arguments of a request are keys, by the key specifications of its command.

use crate::command::{Begin, Find, KeySpec};
use crate::table::{Entry, KeyShape};
use resp::Args;
use smallvec::SmallVec;

/// Hashes of a request's keys; most requests have few.
pub type KeyHashes = SmallVec<[u64; 16]>;

/// Calls `f` with the index of every key of a request, specification by specification.
/// `None`: the arguments do not fit the specification (a count that is none, or too large).
pub fn for_each_key(entry: &Entry, args: Args<'_>, mut f: impl FnMut(usize, &'static KeySpec)) -> Option<()> {
    for spec in entry.command.keys.iter().filter(|spec| !spec.flags.contains(&"not_key")) {
        let Some(begin) = begin(spec, args) else { continue };
        match spec.find {
            Find::Range { last, step, limit } => {
                let last = if last >= 0 {
                    begin + last as usize
                } else {
                    let rest = args.len().checked_sub(begin)?;
                    // A limit of n means the first 1/n of the rest.
                    let rest = if limit > 1 { rest / limit } else { rest };
                    (begin + rest).checked_sub(last.unsigned_abs())?
                };
                if last >= args.len() {
                    return None;
                }
                (begin..=last).step_by(step).for_each(|index| f(index, spec));
            }
            Find::Count { count, first, step } => {
                let count = stdx::parse_i64(args.get(begin + count)?).and_then(|count| usize::try_from(count).ok())?;
                let first = begin + first;
                if count == 0 {
                    continue;
                }
                if count > args.len() || first + (count - 1) * step >= args.len() {
                    return None;
                }
                (0..count).for_each(|index| f(first + index * step, spec));
            }
        }
    }
    Some(())
}

fn begin(spec: &KeySpec, args: Args<'_>) -> Option<usize> {
    match spec.begin {
        Begin::Unknown { last_word } => {
            let is_it =
                |&index: &usize| last_word.is_some_and(|word| args.at(index).eq_ignore_ascii_case(word.as_bytes()));
            (2..args.len() - 1).rev().find(is_it).map(|index| index + 1)
        }
        Begin::Index(index) => (index < args.len()).then_some(index),
        Begin::Keyword(word, from) => {
            let matches = |&index: &usize| args.at(index).eq_ignore_ascii_case(word.as_bytes());
            let found = if from >= 0 {
                (from as usize..args.len()).find(matches)
            } else {
                (1..=args.len().checked_sub(from.unsigned_abs())?).rev().find(matches)
            };
            found.map(|index| index + 1).filter(|&index| index < args.len())
        }
    }
}

/// Hashes the keys of a request into `hashes`.
pub fn hash_keys(entry: &Entry, args: Args<'_>, hash: impl Fn(&[u8]) -> u64, hashes: &mut KeyHashes) {
    match entry.keys {
        KeyShape::None => {}
        KeyShape::One(index) => hashes.extend(args.get(index).map(hash)),
        KeyShape::From(_) | KeyShape::Specs => {
            // Arguments that do not fit are refused by the command itself; it then looks at no key.
            let _ = for_each_key(entry, args, |index, _| hashes.push(hash(args.at(index))));
        }
    }
}
