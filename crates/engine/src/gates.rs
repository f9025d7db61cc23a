//! What a request must pass before it runs, or is queued: small checks, in this order.

use crate::clients::PauseMode;
use crate::command::Flags;
use crate::context::SessionContext;
use crate::eviction::Room;
use crate::fault::Fault;
use crate::multi;
use crate::replication::Role;
use crate::table::Entry;
use resp::{Args, Protocol};
use std::sync::atomic::Ordering::Relaxed;

/// Why a request does not run now.
pub(crate) enum Refusal {
    Fault(Fault),
    /// Held back by CLIENT PAUSE until this time (Unix milliseconds).
    Postpone {
        until_ms: u64,
    },
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::Fault(fault)
    }
}

type Gate = fn(&SessionContext<'_>, &Entry, Args<'_>) -> Result<(), Refusal>;

const GATES: [Gate; 11] =
    [arity, guard, authentication, transaction, memory, enough_replicas, read_only, subscribed, stale, loading, pause];

#[inline]
pub(crate) fn check(context: &SessionContext<'_>, entry: &Entry, args: Args<'_>) -> Result<(), Refusal> {
    GATES.iter().try_for_each(|gate| gate(context, entry, args))
}

#[inline]
fn arity(_: &SessionContext<'_>, entry: &Entry, args: Args<'_>) -> Result<(), Refusal> {
    if entry.command.accepts(args.len()) { Ok(()) } else { Err(Fault::wrong_arity(&entry.full_name).into()) }
}

/// What a directive has to allow first.
#[inline]
fn guard(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    if !entry.has(Flags::ADMIN) {
        return Ok(());
    }
    let (name, clients) = match entry.full_name.as_str() {
        "debug" => ("debug", context.config().enable_debug_command),
        "module|load" | "module|loadex" | "module|unload" => ("module", context.config().enable_module_command),
        _ => return Ok(()),
    };
    let allowed = match clients {
        "yes" => true,
        "local" => context.session.client.connection.local,
        _ => false,
    };
    if allowed {
        return Ok(());
    }
    Err(Fault::Message(format!(
        "ERR {} command not allowed. If the enable-{name}-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the \
         server.",
        name.to_ascii_uppercase()
    ))
    .into())
}

#[inline]
fn authentication(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    if context.session.authenticated || entry.has(Flags::NO_AUTH) || context.config().requirepass.is_empty() {
        return Ok(());
    }
    Err(Fault::NoAuth.into())
}

#[inline]
fn transaction(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    if context.session.queue.is_none() || !entry.has(Flags::NO_MULTI) {
        return Ok(());
    }
    Err(Fault::Text("ERR Command not allowed inside a transaction").into())
}

#[inline]
fn memory(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    if context.config().maxmemory == 0 {
        return Ok(());
    }
    // What MULTI queues takes memory, whatever it is.
    let is_queued = context.session.queue.is_some() && multi::is_queued(entry);
    if !is_queued && !effective(context, entry, Flags::DENYOOM) {
        return Ok(());
    }
    match context.engine.make_room(context.config(), context.now) {
        Room::Enough | Room::Soon => Ok(()),
        Room::None => Err(Fault::OutOfMemory.into()),
    }
}

#[inline]
fn enough_replicas(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    let needed = context.config().min_replicas_to_write;
    if needed == 0 || !effective(context, entry, Flags::WRITE) || context.engine.replication.role() == Role::Replica {
        return Ok(());
    }
    if context.engine.replication.replicas().len() >= needed {
        return Ok(());
    }
    Err(Fault::Text("NOREPLICAS Not enough good replicas to write.").into())
}

#[inline]
fn read_only(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    let read_only = context.config().replica_read_only;
    if !effective(context, entry, Flags::WRITE) || context.engine.replication.takes_writes(read_only) {
        return Ok(());
    }
    match context.engine.replication.role() {
        Role::Replica if read_only => Err(Fault::ReadOnly.into()),
        _ => context.engine.replication.write_refusal().map_or(Ok(()), |fault| Err(fault.into())),
    }
}

#[inline]
fn subscribed(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    const ALLOWED: [&str; 9] = [
        "ping",
        "subscribe",
        "ssubscribe",
        "psubscribe",
        "unsubscribe",
        "sunsubscribe",
        "punsubscribe",
        "quit",
        "reset",
    ];
    if context.session.subscriptions.is_empty()
        || context.session.client.protocol() == Protocol::Resp3
        || ALLOWED.contains(&entry.command.name)
    {
        return Ok(());
    }
    Err(Fault::Message(format!(
        "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        entry.full_name
    ))
    .into())
}

#[inline]
fn stale(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    if context.config().replica_serve_stale_data
        || throughout(context, entry, Flags::STALE)
        || context.engine.replication.role() != Role::Replica
        || context.engine.replication.master_link_up()
    {
        return Ok(());
    }
    Err(Fault::MasterDown.into())
}

#[inline]
fn loading(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    if !context.engine.loading.load(Relaxed) || throughout(context, entry, Flags::LOADING) {
        return Ok(());
    }
    Err(Fault::Loading.into())
}

#[inline]
fn pause(context: &SessionContext<'_>, entry: &Entry, _: Args<'_>) -> Result<(), Refusal> {
    let Some((mode, until_ms)) = context.engine.clients.paused(context.now) else {
        return Ok(());
    };
    let held = mode == PauseMode::All || effective(context, entry, Flags::WRITE.union(Flags::MAY_REPLICATE));
    if !held || entry.full_name == "client|unpause" {
        return Ok(());
    }
    Err(Refusal::Postpone { until_ms })
}

/// True where the command has this flag, and for EXEC all of those queued have it.
fn throughout(context: &SessionContext<'_>, entry: &Entry, flag: Flags) -> bool {
    let queue = context.session.queue.as_ref().filter(|_| entry.command.name == "exec");
    entry.has(flag) && queue.is_none_or(|queue| queue.all_have(flag))
}

/// True where the command, or for EXEC one of those queued, has one of these flags.
#[inline]
fn effective(context: &SessionContext<'_>, entry: &Entry, flags: Flags) -> bool {
    entry.has(flags)
        || context.session.queue.as_ref().is_some_and(|queue| entry.command.name == "exec" && queue.has(flags))
}
