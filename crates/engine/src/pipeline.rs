//! The flow of requests: bytes -> batch -> command -> gates -> handler -> commit -> reply bytes.
//!
//! Requests are taken in batches: a batch is decoded whole, its commands are looked up and its keys
//! hashed and prefetched, so that the memory is there when the requests are executed, in order.

use crate::arguments::is;
use crate::batch::{Batch, Request};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::gates::{self, Refusal};
use crate::multi;
use crate::services::Now;
use crate::session::{Next, ReplyMode, Session, Turn};
use crate::table::{Effort, Entry, table};
use crate::worker::Worker;
use resp::{Args, Limits, Out};
use std::ops::Range;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::fence;

/// Requests decoded ahead.
const BATCH_REQUESTS: usize = 32;
/// What one turn may do before other connections get theirs.
const TURN_REQUESTS: usize = 1024;
const TURN_OUTPUT_BYTES: usize = 1 << 20;
const TURN_NS: u64 = 1_000_000;
/// A command that takes as long as its reply is has taken some microseconds for so much at most.
const SHORT_REPLY_BYTES: usize = 4096;
/// Of a long reply a turn gives so much: it fits into the buffer that the worker lends.
const SLICES_BYTES: usize = 256 * 1024;

/// Runs the requests at the front of `input`.
pub(crate) fn turn(session: &mut Session, worker: &mut Worker, input: &mut [u8], now: Now) -> Turn {
    if session.client.killed() {
        return Turn { consumed: input.len(), next: Next::Close, spent_ns: 0 };
    }
    session.client.postponed.store(false, Relaxed);
    let engine = worker.engine.take().unwrap_or_else(|| session.engine().clone());
    let mut batch = std::mem::take(&mut worker.batch);
    let mut out = std::mem::take(&mut session.out);
    worker.refresh(&engine);
    out.limit_bytes = worker.config().output_limit(session.client.kind()).hard;
    out.float_format = worker.config().float_format;
    let started_ns = engine.host.monotonic_ns();
    let mut clock_ns = started_ns;
    let mut context = SessionContext::new(&engine, session, worker, now);
    let next = if finish_reply(&mut context, &mut out) {
        run_postponed(&mut context, &mut out)
            .unwrap_or_else(|| run(&mut context, &mut batch, input, &mut clock_ns, &mut out))
    } else {
        Next::Again
    };
    take_mail(&context, &mut out);
    context.session.publish(out.protocol, None, now);
    drop(context);
    batch.shrink();
    worker.batch = batch;
    worker.engine = Some(engine);
    session.out = out;
    Turn { consumed: session.decoder.take_consumed(), next, spent_ns: clock_ns - started_ns }
}

/// Batch by batch, until the input or the budget of the turn is used up. `clock_ns`: when it begins, then when the last batch has
/// ended.
fn run(
    context: &mut SessionContext<'_>,
    batch: &mut Batch,
    input: &mut [u8],
    clock_ns: &mut u64,
    out: &mut Out,
) -> Next {
    let mut requests = 0;
    let output_start = out.buffer.len();
    let started_ns = *clock_ns;
    loop {
        let authenticated = context.session.authenticated || context.config().requirepass.is_empty();
        // Before AUTH the limits of the decoder are strict: it must not run ahead of it.
        let ahead = if authenticated { BATCH_REQUESTS } else { 1 };
        let limits = Limits { max_bulk_len: context.config().proto_max_bulk_len, authenticated };
        let more = batch.decode(&mut context.session.decoder, input, &limits, ahead);
        batch.prefetch(&context.engine.keyspace, context.session.db, input);
        if let Some((end, next)) = run_batch(context, batch, input, clock_ns, out) {
            context.session.decoder.rewind(end);
            return next;
        }
        match more {
            Ok(true) => {}
            Ok(false) => return Next::Read,
            Err(error) => {
                Fault::Message(format!("ERR {error}")).render(out);
                return Next::Close;
            }
        }
        requests += batch.requests.len();
        let spent = requests >= TURN_REQUESTS
            || out.buffer.len() - output_start >= TURN_OUTPUT_BYTES
            || *clock_ns - started_ns >= TURN_NS;
        if spent {
            return Next::Again;
        }
    }
}

/// Goes on with a reply that was too long for one turn. False where it is too long for this one, too.
#[inline]
fn finish_reply(context: &mut SessionContext<'_>, out: &mut Out) -> bool {
    if !out.is_unfinished() {
        return true;
    }
    context.end_run();
    let (start, started_ns) = (out.buffer.len(), context.engine.host.monotonic_ns());
    while out.append_slice() {
        let spent_ns = context.engine.host.monotonic_ns() - started_ns;
        if out.buffer.len() - start >= SLICES_BYTES || spent_ns >= TURN_NS {
            return false;
        }
    }
    true
}

/// Executes the request that CLIENT PAUSE has held back, if there is one.
fn run_postponed(context: &mut SessionContext<'_>, out: &mut Out) -> Option<Next> {
    let postponed = context.session.postponed.take()?;
    let (args, entry) = (postponed.args(), table().find(postponed.args()).ok());
    let started_ns = context.engine.host.monotonic_ns();
    let flow = execute(context, entry, args, None, out);
    let duration_ns = context.engine.host.monotonic_ns() - started_ns;
    match (&mut context.session.parking, entry) {
        (Some(parking), Some(entry)) => parking.request = Some((entry, args.to_owned(), duration_ns)),
        (None, Some(entry)) if context.session.postponed.is_none() && !context.has_not_run => {
            context.count_executed(entry, std::iter::once(args), duration_ns);
        }
        _ => {}
    }
    context.has_not_run = false;
    match flow {
        Flow::Continue => None,
        Flow::Stop(next) => Some(next),
    }
}

/// Executes a batch in order. Where it stops early: the end of the last request that is done with, and
/// what to do.
///
/// The clock is read around each command that may take long, and once for a run of short ones, which
/// then share the time. Where the reply tells how long a command was, it ends the run if that was long.
fn run_batch(
    context: &mut SessionContext<'_>,
    batch: &Batch,
    input: &[u8],
    clock_ns: &mut u64,
    out: &mut Out,
) -> Option<(usize, Next)> {
    let mut untimed = 0..0;
    let mut stopped = None;
    for (index, request) in batch.requests.iter().enumerate() {
        let args = batch.args(request, input);
        let effort = request.entry.map_or(Effort::Short, |entry| entry.effort(args.len()));
        if effort == Effort::Long {
            account(context, batch, untimed, Shares::Equal, input, clock_ns);
            untimed = index..index;
        }
        context.is_followed = effort != Effort::Long && batch.goes_on(index + 1);
        let reply_start = out.buffer.len();
        match execute(context, request.entry, args, request.first_key, out) {
            Flow::Continue => {}
            Flow::Stop(next) => stopped = Some((request.end, next)),
        }
        request.has_not_run.set(std::mem::take(&mut context.has_not_run));
        untimed.end = index + 1;
        let is_long = match effort {
            Effort::Short => false,
            Effort::AsItsReply => out.buffer.len() > reply_start + SHORT_REPLY_BYTES,
            Effort::Long => true,
        };
        if is_long {
            context.end_run();
            account(context, batch, untimed, Shares::Last, input, clock_ns);
            untimed = index + 1..index + 1;
        }
        if stopped.is_some() {
            break;
        }
    }
    context.end_run();
    if let Some(last) = batch.requests[..untimed.end].last() {
        context.session.client.set_last_command(last.entry.map(|entry| entry.id));
    }
    account(context, batch, untimed, Shares::Equal, input, clock_ns);
    stopped
}

/// How requests share the time that they took together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shares {
    Equal,
    /// All of it is that of the last one: the others took next to none.
    Last,
}

/// What becomes of the rest of the batch.
enum Flow {
    Continue,
    Stop(Next),
}

/// One request: gates, then its handler; or the queue of a MULTI.
#[inline]
fn execute(
    context: &mut SessionContext<'_>,
    entry: Option<&'static Entry>,
    args: Args<'_>,
    first_key: Option<u64>,
    out: &mut Out,
) -> Flow {
    let Some(entry) = entry else {
        if is_web_request(args) {
            context.engine.close_for_web_request(&context.session.client, context.now);
            return Flow::Stop(Next::Close);
        }
        take_mail(context, out);
        let mark = out.buffer.len();
        let fault = table().find(args).err().unwrap_or(Fault::Syntax);
        refuse(context, None, fault, out);
        return settle_reply(context, mark, out);
    };
    let verdict = if context.is_running_on() {
        // The one before has passed them for this one, too.
        Ok(())
    } else {
        let verdict = gates::check(context, entry, args);
        // What was pushed until now comes before the reply: also by the gates, which may evict keys.
        take_mail(context, out);
        verdict
    };
    let mark = out.buffer.len();
    match verdict {
        Ok(()) if context.session.queue.is_some() && multi::is_queued(entry) => {
            context.has_not_run = true;
            multi::enqueue(context, entry, args, out)
        }
        Ok(()) => context.call(entry, args, first_key, out),
        Err(Refusal::Fault(fault)) => refuse(context, Some(entry), fault, out),
        Err(Refusal::Postpone { until_ms }) => {
            context.session.postponed = Some(args.to_owned());
            context.session.client.postponed.store(true, Relaxed);
            fence(SeqCst);
            // Whoever ends the pause at this moment may not have seen that this client waits.
            if context.engine.clients.paused(context.now).is_none() {
                context.engine.host.wake(&context.session.client);
            }
            // A pause may be meant to last for ever.
            let wait_us = until_ms.saturating_sub(context.now.unix_ms()).saturating_mul(1000);
            return Flow::Stop(Next::Blocked { deadline_us: Some(context.now.monotonic_us.saturating_add(wait_us)) });
        }
    }
    if let Some(tracking) = &mut context.session.tracking
        && context.session.queue.is_none()
        && !entry.full_name.starts_with("client|")
    {
        tracking.caching = false;
    }
    settle_reply(context, mark, out)
}

/// How a browser begins that a web page has sent here (cross protocol scripting): further down it may say what we would execute.
#[cold]
fn is_web_request(args: Args<'_>) -> bool {
    is(args.at(0), "POST") || is(args.at(0), "Host:")
}

#[inline]
fn take_mail(context: &SessionContext<'_>, out: &mut Out) {
    let session = &*context.session;
    session.client.mailbox.empty_into(!session.subscriptions.is_empty(), out);
}

/// Answers a request that does not run. Within MULTI it spoils the transaction.
#[cold]
fn refuse(context: &mut SessionContext<'_>, entry: Option<&Entry>, fault: Fault, out: &mut Out) {
    context.has_not_run = true;
    if let Some(entry) = entry {
        context.worker.stats.commands[entry.id].rejected.add(1);
    }
    let fault = if entry.is_some_and(|entry| entry.command.name == "exec") {
        context.session.discard();
        let text = fault.text();
        let reason = text.strip_prefix("ERR ").unwrap_or(&text);
        Fault::Message(format!("EXECABORT Transaction discarded because of: {reason}"))
    } else {
        fault
    };
    if let Some(queue) = &mut context.session.queue {
        queue.spoil();
    }
    context.engine.stats.count_error(fault.code());
    fault.render(out);
}

/// CLIENT REPLY, and what the command wants done with the connection.
#[inline]
fn settle_reply(context: &mut SessionContext<'_>, mark: usize, out: &mut Out) -> Flow {
    let is_push = std::mem::take(&mut context.replies_by_push);
    if context.session.reply != ReplyMode::On && !is_push {
        out.truncate(mark);
        if let Some(parking) = &mut context.session.parking {
            parking.is_unwanted = true;
        }
    }
    match context.session.reply {
        ReplyMode::On | ReplyMode::Off => {}
        ReplyMode::SkipNext => context.session.reply = ReplyMode::Skip,
        ReplyMode::Skip => context.session.reply = ReplyMode::On,
    }
    if out.is_over_limit() {
        return close_for_output(context);
    }
    match context.next.take() {
        None => match finish_reply(context, out) {
            true => Flow::Continue,
            // Its first slices tell how long it is.
            false if out.is_over_limit() => close_for_output(context),
            false => Flow::Stop(Next::Again),
        },
        Some(next) => Flow::Stop(next),
    }
}

fn close_for_output(context: &SessionContext<'_>) -> Flow {
    context.engine.close_for_output(&context.session.client, context.now);
    Flow::Stop(Next::Close)
}

/// Reads the clock and shares the time since the last reading among these requests of the batch.
fn account(
    context: &mut SessionContext<'_>,
    batch: &Batch,
    range: Range<usize>,
    shares: Shares,
    input: &[u8],
    clock_ns: &mut u64,
) {
    let requests = &batch.requests[range];
    let Some((last, before)) = requests.split_last() else { return };
    let now_ns = context.engine.host.monotonic_ns();
    let elapsed_ns = now_ns - *clock_ns;
    *clock_ns = now_ns;
    let share_ns = elapsed_ns / requests.len() as u64;
    // The last one may have to wait: it counts when it has replied.
    let waits = context.session.parking.is_some() || context.session.postponed.is_some();
    if let Some(parking) = &mut context.session.parking {
        let ran_ns = if shares == Shares::Last { elapsed_ns } else { share_ns };
        parking.request = last.entry.map(|entry| (entry, batch.args(last, input).to_owned(), ran_ns));
    }
    match shares {
        Shares::Equal => count(context, batch, if waits { before } else { requests }, share_ns, input),
        Shares::Last => {
            count(context, batch, before, 0, input);
            count(context, batch, if waits { &[] } else { std::slice::from_ref(last) }, elapsed_ns, input);
        }
    }
}

/// Counts requests that took so long each, but for those that have not run. Neighbours are often of one command.
fn count(context: &SessionContext<'_>, batch: &Batch, requests: &[Request], duration_ns: u64, input: &[u8]) {
    let is_same = |first: Option<&Entry>, second: Option<&Entry>| match (first, second) {
        (Some(first), Some(second)) => std::ptr::eq(first, second),
        _ => false,
    };
    for run in requests.chunk_by(|first, second| is_same(first.entry, second.entry)) {
        if let Some(entry) = run[0].entry {
            let executed = run.iter().filter(|request| !request.has_not_run.get());
            context.count_executed(entry, executed.map(|request| batch.args(request, input)), duration_ns);
        }
    }
}
