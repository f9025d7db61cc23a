//! KEYS, in slices: others have their turn meanwhile, however many keys there are.

use super::generic::GENERIC;
use super::scan::Pattern;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::session::{Parked, Resume};
use keyspace::{Scope, Walk};
use resp::{Args, Out, Rest};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[&Command] = &[&KEYS];

const KEYS: Command = Command {
    name: "keys",
    arity: 2,
    categories: &["keyspace", "dangerous"],
    flags: Flags::of(&[Flags::READONLY]),
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    complexity: "O(N), N: keys of the database",
    summary: "Every key that matches a pattern.",
    arguments: &[Argument::new("pattern", "pattern")],
    handler: Handler::Session(keys),
    ..GENERIC
};

/// For how long to go on at a time.
const SLICE_NS: u64 = 1_000_000;
/// The reply is gathered in pieces of this size: a single one would have to be copied each time it grows.
const PIECE_BYTES: usize = 256 * 1024;

/// The elements of a reply whose length is known last.
#[derive(Default)]
struct Elements {
    pieces: VecDeque<Vec<u8>>,
    count: usize,
    bytes: usize,
}

impl Elements {
    fn add(&mut self, key: &[u8], part: &mut Out) {
        part.bulk(key);
        self.count += 1;
        if part.buffer.len() >= PIECE_BYTES {
            self.end_piece(part);
        }
    }

    fn end_piece(&mut self, part: &mut Out) {
        self.bytes += part.buffer.len();
        self.pieces.push_back(std::mem::take(&mut part.buffer));
    }

    fn reply(self, out: &mut Out) {
        out.array(self.count);
        out.continue_with(self);
    }
}

impl Rest for Elements {
    fn append_slice(&mut self, out: &mut Out) -> bool {
        if let Some(piece) = self.pieces.pop_front() {
            out.buffer.extend_from_slice(&piece);
        }
        !self.pieces.is_empty()
    }
}

/// A walk over all keys that has not come to its end.
struct Walking {
    pattern: Vec<u8>,
    db: u32,
    walk: Option<Walk>,
    /// The piece that is being written.
    part: Out,
    elements: Elements,
}

fn keys(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if context.in_transaction() {
        return all_at_once(context, args.at(1), out);
    }
    let (pattern, db, elements) = (args.at(1).to_vec(), context.session.db, Elements::default());
    let mut walking = Walking { pattern, db, walk: Some(Walk::default()), part: out.part(), elements };
    if walking.slice(context) {
        walking.reply(out);
        return Ok(());
    }
    context.engine.host.wake(&context.session.client);
    context.park(Box::new(walking), None);
    // It does not wait for anything.
    context.session.client.blocked.store(false, Relaxed);
    Ok(())
}

/// Under the locks of a transaction.
fn all_at_once(context: &mut SessionContext<'_>, pattern: &[u8], out: &mut Out) -> Reply {
    const STEP: usize = 1000;
    let (pattern, mut elements, mut part, mut cursor) = (Pattern::new(pattern), Elements::default(), out.part(), 0);
    loop {
        cursor = context.with_scope(Scope::All, |txn| {
            txn.scan(cursor, STEP, |key, _| {
                if pattern.matches(key) {
                    elements.add(key, &mut part);
                }
            })
        });
        if cursor == 0 {
            break;
        }
    }
    elements.end_piece(&mut part);
    elements.reply(out);
    Ok(())
}

impl Walking {
    /// Goes on for a while. True at the end.
    fn slice(&mut self, context: &SessionContext<'_>) -> bool {
        let engine = context.engine;
        let started_ns = engine.host.monotonic_ns();
        let pattern = Pattern::new(&self.pattern);
        while let Some(walk) = self.walk {
            self.walk = engine.keyspace.walk(walk, self.db, context.now.unix_ms(), |walked| {
                if pattern.matches(walked.key()) {
                    self.elements.add(walked.key(), &mut self.part);
                }
            });
            if engine.host.monotonic_ns() - started_ns >= SLICE_NS {
                break;
            }
        }
        self.walk.is_none()
    }

    fn reply(&mut self, out: &mut Out) {
        self.elements.end_piece(&mut self.part);
        std::mem::take(&mut self.elements).reply(out);
    }
}

impl Parked for Walking {
    fn resume(&mut self, context: &mut SessionContext<'_>, out: &mut Out, _: Resume) -> bool {
        let limit = out.limit_bytes;
        let is_too_long = limit > 0 && self.elements.bytes as u64 > limit;
        if !is_too_long && !self.slice(context) {
            context.engine.host.wake(&context.session.client);
            return false;
        }
        self.reply(out);
        true
    }
}
