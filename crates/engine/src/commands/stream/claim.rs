//! What was delivered and not acknowledged: seeing it, and giving it to another consumer.

use super::reply::{reply_entry, reply_id};
use super::{CONSUMER, DELETE, GROUP, IDS, KEY, READ, STREAM, UPDATE};
use super::{group_of, id, interval, interval_start, parse_id};
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::fault::{Fault, printable};
use effect::Delivery;
use keyspace::{EventClass, Txn, View};
use resp::{Args, Out};
use values::{Group, Pending, Position, Stream, StreamId};

pub(super) const XPENDING: Command = Command {
    name: "xpending",
    arity: -3,
    flags: Flags::READONLY,
    keys: READ,
    tips: &["nondeterministic_output"],
    complexity: "O(M) for the consumers of the group, or for the pending entries that are looked at",
    summary: "What was delivered to the consumers of a group and not acknowledged.",
    arguments: &[
        KEY,
        GROUP,
        Argument::block(
            "filters",
            &[
                Argument::integer("min-idle-time").token("IDLE").optional().since("6.2.0"),
                Argument::string("start"),
                Argument::string("end"),
                Argument::integer("count"),
                CONSUMER.optional(),
            ],
        )
        .optional(),
    ],
    handler: Handler::Read(xpending),
    ..STREAM
};

fn xpending(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if args.len() != 3 && !(6..=9).contains(&args.len()) {
        return Err(Fault::Syntax);
    }
    if args.len() == 3 {
        let (_, group) = group_of(view, args.at(1), args.at(2), "")?;
        reply_summary(group, out);
        return Ok(());
    }
    let (mut at, mut min_idle_ms) = (3, 0);
    if is(args.at(3), "IDLE") {
        min_idle_ms = integer(args.at(4))?;
        if args.len() < 8 {
            return Err(Fault::Syntax);
        }
        at = 5;
    }
    let count = integer(args.at(at + 2))?.max(0) as usize;
    let (from, to) = interval(args.at(at), args.at(at + 1))?;
    let (_, group) = group_of(view, args.at(1), args.at(2), "")?;
    let now_ms = view.now_ms();
    let is_idle = |(_, pending): &(StreamId, &Pending)| min_idle_ms == 0 || idle_ms(pending, now_ms) >= min_idle_ms;
    match args.get(at + 3) {
        None => reply_pending(group.pending(from..=to).filter(is_idle).take(count), now_ms, out),
        Some(name) => match group.consumer(name) {
            None => out.array(0),
            Some(consumer) => {
                reply_pending(group.pending_at(consumer, from..=to).filter(is_idle).take(count), now_ms, out);
            }
        },
    }
    Ok(())
}

fn idle_ms(pending: &Pending, now_ms: u64) -> i64 {
    now_ms.wrapping_sub(pending.delivered_ms) as i64
}

fn reply_summary(group: &Group, out: &mut Out) {
    let mut ids = group.pending(StreamId::MIN..=StreamId::MAX).map(|(id, _)| id);
    out.array(4);
    out.integer(group.pending_count() as i64);
    let Some(first) = ids.next() else {
        out.null();
        out.null();
        out.null_array();
        return;
    };
    reply_id(out, first);
    reply_id(out, ids.next_back().unwrap_or(first));
    let deferred = out.defer();
    let mut len = 0;
    for (name, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_count() > 0) {
        out.array(2);
        out.bulk(name);
        out.bulk_integer(consumer.pending_count() as i64);
        len += 1;
    }
    out.finish_array(deferred, len);
}

fn reply_pending<'g>(pending: impl Iterator<Item = (StreamId, &'g Pending)>, now_ms: u64, out: &mut Out) {
    let deferred = out.defer();
    let mut len = 0;
    for (id, pending) in pending {
        out.array(4);
        reply_id(out, id);
        out.bulk(&pending.consumer);
        out.integer(idle_ms(pending, now_ms).max(0));
        out.integer(pending.deliveries as i64);
        len += 1;
    }
    out.finish_array(deferred, len);
}

const MIN_IDLE: Argument = Argument::string("min-idle-time");
const JUSTID: Argument = Argument::word("justid", "JUSTID").optional();

pub(super) const XCLAIM: Command = Command {
    name: "xclaim",
    arity: -6,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: UPDATE,
    tips: &["nondeterministic_output"],
    complexity: "O(log N) for every entry, N: pending entries of the group",
    summary: "Gives pending entries to another consumer.",
    arguments: &[
        KEY,
        GROUP,
        CONSUMER,
        MIN_IDLE,
        IDS,
        Argument::integer("ms").token("IDLE").optional(),
        Argument::new("unix-time-milliseconds", "unix-time").token("TIME").optional(),
        Argument::integer("count").token("RETRYCOUNT").optional(),
        Argument::word("force", "FORCE").optional(),
        JUSTID,
        Argument::string("lastid").token("LASTID").optional(),
    ],
    handler: Handler::Write(xclaim),
    ..STREAM
};

/// How entries are claimed.
struct Claim {
    min_idle_ms: i64,
    /// Of the delivery, afterwards.
    delivered_ms: u64,
    deliveries: Option<u64>,
    force: bool,
    just_ids: bool,
    last_id: StreamId,
}

/// What came of it.
#[derive(Default)]
struct Claimed {
    deliveries: Vec<Delivery>,
    /// Pending, but no more in the stream.
    deleted: Vec<StreamId>,
}

impl Claim {
    /// The options of XCLAIM, behind the ids.
    fn parse(args: Args<'_>, first: usize, min_idle_ms: i64, now_ms: u64) -> Result<Claim, Fault> {
        let (mut delivered_ms, mut deliveries) = (None, None);
        let (mut force, mut just_ids, mut last_id) = (false, false, StreamId::MIN);
        let mut words = Cursor::new(args, first);
        while let Some(word) = words.next() {
            let more = words.remaining() > 0;
            let mut number = |text: &'static str| integer(words.value()?).map_err(|_| Fault::Text(text));
            if is(word, "FORCE") {
                force = true;
            } else if is(word, "JUSTID") {
                just_ids = true;
            } else if is(word, "IDLE") && more {
                let idle_ms = number("ERR Invalid IDLE option argument for XCLAIM")?;
                delivered_ms = Some((now_ms as i64).saturating_sub(idle_ms));
            } else if is(word, "TIME") && more {
                delivered_ms = Some(number("ERR Invalid TIME option argument for XCLAIM")?);
            } else if is(word, "RETRYCOUNT") && more {
                deliveries = u64::try_from(number("ERR Invalid RETRYCOUNT option argument for XCLAIM")?).ok();
            } else if is(word, "LASTID") && more {
                last_id = id(words.value()?)?;
            } else {
                return Err(Fault::Message(format!(
                    "ERR Unrecognized XCLAIM option '{}'",
                    printable(word, usize::MAX)
                )));
            }
        }
        // A time that cannot be is taken for now.
        let delivered_ms = delivered_ms.and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms <= now_ms);
        let delivered_ms = delivered_ms.unwrap_or(now_ms);
        Ok(Claim { min_idle_ms, delivered_ms, deliveries, force, just_ids, last_id })
    }

    fn is_idle(&self, pending: &Pending, now_ms: u64) -> bool {
        self.min_idle_ms == 0 || idle_ms(pending, now_ms) >= self.min_idle_ms
    }

    /// Claims one entry, which is pending or is taken by force, and replies with it.
    fn take(&self, stream: &Stream, id: StreamId, pending: Option<&Pending>, claimed: &mut Claimed, out: &mut Out) {
        let Some(entry) = stream.get(id) else { return };
        let before = pending.map_or(1, |pending| pending.deliveries);
        // What is claimed by force counts as delivered once by that.
        let deliveries = self.deliveries.unwrap_or(before + u64::from(!self.just_ids));
        claimed.deliveries.push(Delivery { id: id.0, delivered_ms: self.delivered_ms, deliveries });
        if self.just_ids { reply_id(out, id) } else { reply_entry(out, entry) }
    }
}

/// Records what was claimed.
fn settle(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    is_new: bool,
    position: Option<Position>,
    claimed: Claimed,
) -> Result<(), Fault> {
    let (key, group, consumer) = (args.at(1), args.at(2), args.at(3));
    let got_some = !claimed.deliveries.is_empty();
    if !claimed.deleted.is_empty() {
        txn.stream_acknowledge(key, group, claimed.deleted.into_iter())?;
    }
    if is_new || position.is_some() || got_some {
        txn.stream_deliver(key, group, consumer, position, &claimed.deliveries)?;
    }
    txn.stream_see_consumer(key, group, consumer, got_some);
    if is_new {
        txn.notify(EventClass::STREAM, "xgroup-createconsumer", key);
    }
    Ok(())
}

fn xclaim(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let now_ms = txn.now_ms();
    let (stream, group) = group_of(txn, args.at(1), args.at(2), "")?;
    let min_idle_ms =
        integer(args.at(4)).map_err(|_| Fault::Text("ERR Invalid min-idle-time argument for XCLAIM"))?.max(0);
    let ids = args.from(5).iter().map_while(|text| parse_id(text, false));
    let ids: Vec<StreamId> = ids.map(|(ms, sequence, _)| StreamId::new(ms, sequence.unwrap_or(0))).collect();
    let claim = Claim::parse(args, 5 + ids.len(), min_idle_ms, now_ms)?;
    let mut claimed = Claimed::default();
    let deferred = out.defer();
    for id in ids {
        // An id may be named twice.
        let again = claimed.deliveries.iter().rev().find(|delivery| delivery.id == id.0);
        let again = again.map(|delivery| Pending {
            consumer: args.at(3).into(),
            delivered_ms: delivery.delivered_ms,
            deliveries: delivery.deliveries,
        });
        let pending = again.as_ref().or_else(|| group.pending_of(id));
        if !stream.contains(id) {
            claimed.deleted.extend(pending.map(|_| id));
        } else if pending.map_or(claim.force, |pending| claim.is_idle(pending, now_ms)) {
            claim.take(stream, id, pending, &mut claimed, out);
        }
    }
    out.finish_array(deferred, claimed.deliveries.len());
    let position =
        (claim.last_id > group.position.last_id).then_some(Position { last_id: claim.last_id, ..group.position });
    let is_new = group.consumer(args.at(3)).is_none();
    settle(txn, args, is_new, position, claimed)
}

pub(super) const XAUTOCLAIM: Command = Command {
    name: "xautoclaim",
    keys: DELETE,
    since: "6.2.0",
    complexity: "O(1) where COUNT is small",
    summary: "Gives the entries that are pending for long to another consumer.",
    arguments: &[
        KEY,
        GROUP,
        CONSUMER,
        MIN_IDLE,
        Argument::string("start"),
        Argument::integer("count").token("COUNT").optional(),
        JUSTID,
    ],
    handler: Handler::Write(xautoclaim),
    ..XCLAIM
};

/// How many entries are looked at for each one that may be claimed.
const ATTEMPTS: usize = 10;

fn xautoclaim(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let now_ms = txn.now_ms();
    let min_idle_ms =
        integer(args.at(4)).map_err(|_| Fault::Text("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?.max(0);
    let start = interval_start(args.at(5))?;
    let (mut count, mut just_ids) = (100, false);
    let mut words = Cursor::new(args, 6);
    while let Some(word) = words.next() {
        if is(word, "COUNT") && words.remaining() > 0 {
            let wanted = stdx::parse_i64(words.value()?).and_then(|wanted| usize::try_from(wanted).ok());
            let wanted = wanted.filter(|wanted| (1..=i64::MAX as usize / size_of::<StreamId>()).contains(wanted));
            count = wanted.ok_or(Fault::Text("ERR COUNT must be > 0"))?;
        } else if is(word, "JUSTID") {
            just_ids = true;
        } else {
            return Err(Fault::Syntax);
        }
    }
    let (stream, group) = group_of(txn, args.at(1), args.at(2), "")?;
    let claim =
        Claim { min_idle_ms, delivered_ms: now_ms, deliveries: None, force: false, just_ids, last_id: StreamId::MIN };
    let mut claimed = Claimed::default();
    let mut entries = Out::new(out.protocol);
    let mut pending = group.pending(start..=StreamId::MAX);
    let mut attempts = count.saturating_mul(ATTEMPTS);
    while attempts > 0 && count > 0 {
        let Some((id, pending)) = pending.next() else { break };
        attempts -= 1;
        if !stream.contains(id) {
            claimed.deleted.push(id);
        } else if claim.is_idle(pending, now_ms) {
            claim.take(stream, id, Some(pending), &mut claimed, &mut entries);
        } else {
            continue;
        }
        count -= 1;
    }
    out.array(3);
    reply_id(out, pending.next().map_or(StreamId::MIN, |(id, _)| id));
    drop(pending);
    out.array(claimed.deliveries.len());
    out.buffer.extend_from_slice(&entries.buffer);
    out.array(claimed.deleted.len());
    claimed.deleted.iter().for_each(|id| reply_id(out, *id));
    let is_new = group.consumer(args.at(3)).is_none();
    settle(txn, args, is_new, None, claimed)
}
