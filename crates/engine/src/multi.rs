//! The queue of a transaction, and its execution as one commit.

use crate::command::{Flags, Handler};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::keys::{KeyHashes, hash_keys};
use crate::table::Entry;
use keyspace::Scope;
use resp::{Args, Out, OwnedArgs};
use std::sync::atomic::Ordering::Relaxed;

/// Commands that wait for EXEC.
pub(crate) struct Queue {
    commands: Vec<(&'static Entry, OwnedArgs)>,
    /// The flags that any of them has.
    flags: Flags,
    /// The flags that all of them have.
    common: Flags,
    /// A command was refused: EXEC will be, too.
    spoiled: bool,
    size: usize,
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue { commands: Vec::new(), flags: Flags::empty(), common: Flags::all(), spoiled: false, size: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.flags.intersects(flags)
    }

    pub(crate) fn all_have(&self, flag: Flags) -> bool {
        self.common.contains(flag)
    }

    pub(crate) fn spoil(&mut self) {
        self.spoiled = true;
    }
}

/// True for commands that MULTI queues.
pub(crate) fn is_queued(entry: &Entry) -> bool {
    !matches!(entry.command.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

pub(crate) fn enqueue(context: &mut SessionContext<'_>, entry: &'static Entry, args: Args<'_>, out: &mut Out) {
    let Some(queue) = &mut context.session.queue else { return };
    // What is bound to fail holds no memory.
    if !queue.spoiled && !context.session.client.dirty.load(Relaxed) {
        let args = args.to_owned();
        queue.size += args.size();
        queue.commands.push((entry, args));
    }
    queue.flags |= entry.command.flags;
    queue.common &= entry.command.flags;
    out.status("QUEUED");
}

/// EXEC: all commands under the locks of all their keys and of the watched ones, as one commit.
pub(crate) fn exec(context: &mut SessionContext<'_>, out: &mut Out) -> Result<(), Fault> {
    let queue = context.session.queue.take().ok_or(Fault::Text("ERR EXEC without MULTI"))?;
    if queue.spoiled {
        context.session.unwatch();
        return Err(Fault::ExecAbort);
    }
    let hashes = lock_hashes(context, &queue);
    let scope = hashes.as_deref().map_or(Scope::All, Scope::Keys);
    context.begin_group(scope);
    if is_stale(context) {
        out.null_array();
    } else {
        context.session.unwatch();
        context.session.executing = Some(queue.len());
        out.array(queue.len());
        for (entry, args) in &queue.commands {
            run_queued(context, entry, args.args(), out);
        }
    }
    context.session.executing = None;
    context.end_group();
    context.session.unwatch();
    Ok(())
}

fn run_queued(context: &mut SessionContext<'_>, entry: &'static Entry, args: Args<'_>, out: &mut Out) {
    let (db, touches) = (context.session.db, !context.session.client.no_touch.load(Relaxed));
    if let Some(group) = context.group() {
        group.select(db);
        group.set_touches(touches);
    }
    let started_ns = context.engine.host.monotonic_ns();
    context.call(entry, args, None, out);
    out.finish();
    let elapsed_ns = context.engine.host.monotonic_ns() - started_ns;
    context.count_executed(entry, std::iter::once(args), elapsed_ns);
}

/// The keys to lock; `None`: everything, because a command names no keys but may look at any.
fn lock_hashes(context: &SessionContext<'_>, queue: &Queue) -> Option<KeyHashes> {
    let hash = |key: &[u8]| context.engine.keyspace.hash(key);
    let mut hashes = KeyHashes::new();
    for (entry, args) in &queue.commands {
        let keyless = entry.command.keys.is_empty();
        let session_only = matches!(entry.command.handler, Handler::Session(_))
            && matches!(entry.command.group, "connection" | "pubsub");
        if keyless && !session_only || entry.reaches_any_key() {
            return None;
        }
        hash_keys(entry, args.args(), hash, &mut hashes);
    }
    hashes.extend(context.session.watching.keys.iter().map(|watched| hash(&watched.key)));
    Some(hashes)
}

/// True where a watched key has changed, or expired. Under the locks of the group.
fn is_stale(context: &mut SessionContext<'_>) -> bool {
    if context.session.client.dirty.load(Relaxed) {
        return true;
    }
    let group = &mut context.txn;
    context.session.watching.keys.iter().filter(|watched| watched.existed).any(|watched| {
        group.select(watched.db);
        group.peek_type(&watched.key).is_none()
    })
}
