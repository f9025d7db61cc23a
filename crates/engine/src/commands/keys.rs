//! KEYS, in slices: others have their turn meanwhile, however many keys there are.

use super::collection::Gathered;
use super::generic::GENERIC;
use super::scan::Pattern;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::slices::{self, Sliced};
use keyspace::{Scope, Walk};
use resp::{Args, Out};

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

/// A walk over all keys that has not come to its end.
struct Walking {
    pattern: Vec<u8>,
    db: u32,
    walk: Option<Walk>,
    found: Gathered,
    /// A longer reply is not worth going on with; 0: any is.
    limit_bytes: u64,
}

fn keys(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if context.in_transaction() {
        return all_at_once(context, args.at(1), out);
    }
    let walking = Walking {
        pattern: args.at(1).to_vec(),
        db: context.session.db,
        walk: Some(Walk::default()),
        found: Gathered::new(out),
        limit_bytes: out.limit_bytes,
    };
    slices::run(context, walking, out);
    Ok(())
}

/// Under the locks of a transaction.
fn all_at_once(context: &mut SessionContext<'_>, pattern: &[u8], out: &mut Out) -> Reply {
    const STEP: usize = 1000;
    let (pattern, mut found, mut cursor) = (Pattern::new(pattern), Gathered::new(out), 0);
    loop {
        cursor = context.with_scope(Scope::All, |txn| {
            txn.scan(cursor, STEP, |key, _| {
                if pattern.matches(key) {
                    found.bulk(key);
                }
            })
        });
        if cursor == 0 {
            break;
        }
    }
    out.array(found.len());
    found.reply(out);
    Ok(())
}

impl Walking {
    fn is_too_long(&self) -> bool {
        self.limit_bytes > 0 && self.found.bytes() as u64 > self.limit_bytes
    }
}

impl Sliced for Walking {
    fn step(&mut self, context: &mut SessionContext<'_>) -> bool {
        let pattern = Pattern::new(&self.pattern);
        if let Some(walk) = self.walk {
            self.walk = context.engine.keyspace.walk(walk, self.db, context.now.unix_ms(), |walked| {
                if pattern.matches(walked.key()) {
                    self.found.bulk(walked.key());
                }
            });
        }
        self.walk.is_none() || self.is_too_long()
    }

    fn reply(&mut self, context: &mut SessionContext<'_>, out: &mut Out) -> bool {
        if self.is_too_long() {
            context.engine.close_for_output(&context.session.client, context.now);
        } else {
            out.array(self.found.len());
            self.found.reply(out);
        }
        true
    }
}
