//! Commands that take long do their work aside: on copies of collections, which cost next to nothing, slice by slice, while
//! others have their turns. What they have made is put in place in one step, if the collections still are what was copied.

use crate::command::Reply;
use crate::context::SessionContext;
use crate::keys::{KeyHashes, hash_keys};
use crate::slices::{self, Sliced};
use crate::table::Entry;
use keyspace::{Scope, Txn};
use resp::{Args, Out, OwnedArgs};

/// After so many copies that were out of date in the end it is done under the locks.
const MAX_ATTEMPTS: usize = 3;

/// How such a command is declared.
#[derive(Clone, Copy)]
pub struct Aside {
    /// Does it at once, under the locks of its keys.
    pub(crate) run: fn(&mut Txn<'_>, Args<'_>, &mut Out) -> Reply,
    /// Takes the copies. `None`: it is short, or is refused, or somebody wants to know more of it than that it was done.
    pub(crate) begin: fn(&Txn<'_>, Args<'_>, &Out) -> Option<Box<dyn Work>>,
}

/// Work on copies, as far as it has come.
pub(crate) trait Work: Send {
    /// Does a little more. True at the end.
    fn step(&mut self, args: Args<'_>, context: &mut SessionContext<'_>) -> bool;
    /// Puts in place what was made, and replies. False where the collections are not any more what was copied: then
    /// nothing is done.
    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool;
}

/// Which locks such work needs at its end.
pub(crate) enum Locks {
    Keys(KeyHashes),
    All,
}

struct Attempt {
    aside: Aside,
    locks: Locks,
    args: OwnedArgs,
    work: Box<dyn Work>,
    number: usize,
}

impl SessionContext<'_> {
    pub(crate) fn call_aside(
        &mut self,
        entry: &'static Entry,
        args: Args<'_>,
        first_key: Option<u64>,
        aside: Aside,
        out: &mut Out,
    ) -> Reply {
        let may_wait = !self.in_transaction();
        let mut work = None;
        self.with_keys(entry, args, first_key, |txn| {
            work = if may_wait { txn.peek(|| (aside.begin)(txn, args, out)) } else { None };
            if work.is_some() { Ok(()) } else { (aside.run)(txn, args, out) }
        })?;
        if let Some(work) = work {
            self.end_run();
            let mut keys = KeyHashes::new();
            hash_keys(entry, args, |key| self.engine.keyspace.hash(key), &mut keys);
            self.go_aside(Locks::Keys(keys), args, aside, work, out);
        }
        Ok(())
    }

    /// Goes on with work that has begun under these locks.
    pub(crate) fn go_aside(&mut self, locks: Locks, args: Args<'_>, aside: Aside, work: Box<dyn Work>, out: &mut Out) {
        slices::run(self, Attempt { aside, locks, args: args.to_owned(), work, number: 1 }, out);
    }
}

impl Sliced for Attempt {
    fn step(&mut self, context: &mut SessionContext<'_>) -> bool {
        self.work.step(self.args.args(), context)
    }

    fn reply(&mut self, context: &mut SessionContext<'_>, out: &mut Out) -> bool {
        let Attempt { aside, locks, args, work, number } = self;
        let args = args.args();
        let mut next = None;
        let scope = match locks {
            Locks::Keys(keys) => Scope::Keys(keys),
            Locks::All => Scope::All,
        };
        let result = context.with_scope(scope, |txn| {
            if work.finish(txn, args, out) {
                return Ok(());
            }
            next = if *number < MAX_ATTEMPTS { txn.peek(|| (aside.begin)(txn, args, out)) } else { None };
            if next.is_some() { Ok(()) } else { (aside.run)(txn, args, out) }
        });
        if let Err(fault) = result {
            fault.render(out);
        }
        let Some(next) = next else { return true };
        (*work, *number) = (next, *number + 1);
        false
    }
}
