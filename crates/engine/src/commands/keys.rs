//! KEYS, in slices: others have their turn meanwhile, however many keys there are.

use super::generic::GENERIC;
use super::scan::Pattern;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::session::{Parked, Resume};
use keyspace::{Scope, Walk};
use resp::{Args, Out};
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
/// A reply of so many bytes is not copied any more.
const LARGE_REPLY_BYTES: usize = 1 << 20;
/// Room for the header of the reply, whose length is known last.
const HEADER_BYTES: usize = 32;

/// A walk over all keys that has not come to its end.
struct Walking {
    pattern: Vec<u8>,
    db: u32,
    walk: Option<Walk>,
    /// The elements of the reply behind room for its header.
    elements: Out,
    count: usize,
}

fn keys(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let mut elements = Out::new(out.protocol);
    if context.in_transaction() {
        return all_at_once(context, args.at(1), elements, out);
    }
    elements.buffer.resize(HEADER_BYTES, 0);
    let (pattern, db) = (args.at(1).to_vec(), context.session.db);
    let mut walking = Walking { pattern, db, walk: Some(Walk::default()), elements, count: 0 };
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
fn all_at_once(context: &mut SessionContext<'_>, pattern: &[u8], mut elements: Out, out: &mut Out) -> Reply {
    const STEP: usize = 1000;
    let (pattern, mut count, mut cursor) = (Pattern::new(pattern), 0, 0);
    loop {
        cursor = context.with_scope(Scope::All, |txn| {
            txn.scan(cursor, STEP, |key, _| {
                if pattern.matches(key) {
                    elements.bulk(key);
                    count += 1;
                }
            })
        });
        if cursor == 0 {
            break;
        }
    }
    out.array(count);
    out.buffer.extend_from_slice(&elements.buffer);
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
                    self.elements.bulk(walked.key());
                    self.count += 1;
                }
            });
            if engine.host.monotonic_ns() - started_ns >= SLICE_NS {
                break;
            }
        }
        self.walk.is_none()
    }

    /// Puts the header in front of the elements, without moving these where they are many and nothing else waits to be sent.
    fn reply(&mut self, out: &mut Out) {
        let mut header = Out::new(out.protocol);
        header.array(self.count);
        let start = HEADER_BYTES - header.buffer.len();
        let mut reply = std::mem::take(&mut self.elements.buffer);
        reply[start..HEADER_BYTES].copy_from_slice(&header.buffer);
        if reply.len() >= LARGE_REPLY_BYTES && out.buffer.len() == out.sent {
            (out.buffer, out.sent) = (reply, start);
        } else {
            out.buffer.extend_from_slice(&reply[start..]);
        }
    }
}

impl Parked for Walking {
    fn resume(&mut self, context: &mut SessionContext<'_>, out: &mut Out, _: Resume) -> bool {
        let limit = out.limit_bytes;
        let is_too_long = limit > 0 && self.elements.buffer.len() as u64 > limit;
        if !is_too_long && !self.slice(context) {
            context.engine.host.wake(&context.session.client);
            return false;
        }
        self.reply(out);
        true
    }
}
