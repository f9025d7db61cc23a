//! Reading entries, and waiting for them.

use super::reply::{Range, reply_entry, reply_id, reply_range, reply_ranges};
use super::{CONSUMER, COUNT, GROUP, KEY, READ, STREAM, id, interval};
use crate::arguments::{Cursor, integer, is};
use crate::blocking::{Attempt, Blocking, Wait};
use crate::command::{Argument, Begin, Command, Find, Flags, Handler, KeySpec, Reply};
use crate::fault::{Fault, printable};
use effect::Delivery;
use keyspace::{EventClass, KeyType, Txn, View};
use resp::{Args, Out, OwnedArgs, Protocol};
use values::{Group, Position, Stream, StreamId};

pub(super) const XLEN: Command = Command {
    name: "xlen",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO"])],
    summary: "How many entries a stream has.",
    arguments: &[KEY],
    handler: Handler::Read(|view, args, out| {
        out.integer(view.stream(args.at(1))?.map_or(0, Stream::len) as i64);
        Ok(())
    }),
    ..STREAM
};

pub(super) const XRANGE: Command = Command {
    name: "xrange",
    arity: -4,
    flags: Flags::READONLY,
    keys: READ,
    time_is_reply: true,
    complexity: "O(log N + M), N: entries of the stream, M: those that are returned",
    summary: "The entries of a range of ids.",
    arguments: &[KEY, Argument::string("start"), Argument::string("end"), COUNT],
    handler: Handler::Read(|view, args, out| range(view, args, false, out)),
    ..STREAM
};

pub(super) const XREVRANGE: Command = Command {
    name: "xrevrange",
    summary: "The entries of a range of ids, from the last one.",
    arguments: &[KEY, Argument::string("end"), Argument::string("start"), COUNT],
    handler: Handler::Read(|view, args, out| range(view, args, true, out)),
    ..XRANGE
};

fn range(view: &View<'_>, args: Args<'_>, backwards: bool, out: &mut Out) -> Reply {
    let (start, end) = if backwards { (args.at(3), args.at(2)) } else { (args.at(2), args.at(3)) };
    let (from, to) = interval(start, end)?;
    let mut count = None;
    let mut words = Cursor::new(args, 4);
    while let Some(word) = words.next() {
        if !is(word, "COUNT") {
            return Err(Fault::Syntax);
        }
        count = Some(integer(words.value()?)?.max(0) as usize);
    }
    match (view.stream(args.at(1))?, count) {
        (None, _) => out.array(0),
        (Some(_), Some(0)) => out.null_array(),
        (Some(stream), count) => {
            reply_range(out, stream, Range { from, to, backwards, count: count.unwrap_or(usize::MAX) });
        }
    }
    Ok(())
}

const BLOCK: Argument = Argument::integer("milliseconds").token("BLOCK").optional();
const STREAMS: Argument =
    Argument::block("streams", &[KEY.multiple(), Argument::string("ID").multiple()]).token("STREAMS");

const fn keys_after_streams(from: isize) -> KeySpec {
    KeySpec {
        flags: &["RO", "access"],
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range { last: -1, step: 1, limit: 2 },
    }
}

pub(super) const XREAD: Command = Command {
    name: "xread",
    arity: -4,
    flags: Flags::of(&[Flags::READONLY, Flags::BLOCKING]),
    keys: &[keys_after_streams(1)],
    complexity: "O(M) for every stream, M: entries that are returned",
    summary: "The entries of streams after given ids; waits for some where there are none.",
    arguments: &[COUNT, BLOCK, STREAMS],
    handler: Handler::Blocking(Blocking { run: xread, refuse: Out::null_array }),
    ..STREAM
};

pub(super) const XREADGROUP: Command = Command {
    name: "xreadgroup",
    arity: -7,
    flags: Flags::of(&[Flags::WRITE, Flags::BLOCKING]),
    keys: &[keys_after_streams(4)],
    summary: "Entries for a consumer of a group: new ones, or those that are pending there.",
    arguments: &[
        Argument::block("group-block", &[GROUP, CONSUMER]).token("GROUP"),
        COUNT,
        BLOCK,
        Argument::word("noack", "NOACK").optional(),
        STREAMS,
    ],
    handler: Handler::Blocking(Blocking { run: xreadgroup, refuse: Out::null_array }),
    ..XREAD
};

/// What XREAD and XREADGROUP are asked for.
struct Request<'a> {
    args: Args<'a>,
    /// `Some(None)`: for ever.
    block: Option<Option<u64>>,
    count: usize,
    /// Name and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    /// Where the keys begin; as many ids follow.
    keys_at: usize,
    keys: usize,
}

impl<'a> Request<'a> {
    /// `grouped`: for XREADGROUP.
    fn parse(args: Args<'a>, grouped: bool, now_ms: u64) -> Result<Request<'a>, Fault> {
        let mut request =
            Request { args, block: None, count: usize::MAX, group: None, no_ack: false, keys_at: 0, keys: 0 };
        let mut words = Cursor::new(args, 1);
        while let Some(word) = words.next() {
            let more = words.remaining();
            if is(word, "BLOCK") && more > 0 {
                request.block = Some(block_ms(words.value()?, now_ms)?);
            } else if is(word, "COUNT") && more > 0 {
                request.count =
                    usize::try_from(integer(words.value()?)?).ok().filter(|count| *count > 0).unwrap_or(usize::MAX);
            } else if is(word, "STREAMS") && more > 0 {
                (request.keys_at, request.keys) = (args.len() - more, more / 2);
                if !more.is_multiple_of(2) {
                    let (name, symbol) = if grouped { ("xreadgroup", '>') } else { ("xread", '$') };
                    return Err(Fault::Message(format!(
                        "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' must be \
                         specified."
                    )));
                }
                break;
            } else if is(word, "GROUP") && more >= 2 {
                if !grouped {
                    return Err(Fault::Text(
                        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                request.group = Some((words.value()?, words.value()?));
            } else if is(word, "NOACK") {
                if !grouped {
                    return Err(Fault::Text(
                        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                request.no_ack = true;
            } else {
                return Err(Fault::Syntax);
            }
        }
        if request.keys_at == 0 {
            return Err(Fault::Syntax);
        }
        if grouped && request.group.is_none() {
            return Err(Fault::Text("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(request)
    }

    fn key(&self, index: usize) -> &'a [u8] {
        self.args.at(self.keys_at + index)
    }

    fn id(&self, index: usize) -> &'a [u8] {
        self.args.at(self.keys_at + self.keys + index)
    }

    /// There was nothing: waits, or says so. `args`: what to run later, where it is not the same.
    fn wait(&self, args: Option<OwnedArgs>, out: &mut Out) -> Attempt {
        match self.block {
            Some(timeout_ms) => {
                let on_loss = self.group.is_some();
                Attempt::Wait(Wait { timeout_ms, key_type: KeyType::Stream, on_loss, args })
            }
            None => {
                out.null_array();
                Attempt::Done
            }
        }
    }
}

fn block_ms(text: &[u8], now_ms: u64) -> Result<Option<u64>, Fault> {
    let ms = integer(text).map_err(|_| Fault::Text("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| Fault::Text("ERR timeout is negative"))?;
    if ms > (i64::MAX as u64).saturating_sub(now_ms) {
        return Err(Fault::Text("ERR timeout is out of range"));
    }
    Ok(Some(ms).filter(|ms| *ms > 0))
}

/// What is before the entries of a stream.
fn begin_stream(out: &mut Out, key: &[u8]) {
    if out.protocol == Protocol::Resp2 {
        out.array(2);
    }
    out.bulk(key);
}

/// The reply of streams with their entries: how many there are is known at the end.
struct Streams {
    deferred: Option<resp::Deferred>,
    len: usize,
}

impl Streams {
    fn begin(&mut self, out: &mut Out, key: &[u8]) {
        if self.deferred.is_none() {
            self.deferred = Some(out.defer());
        }
        self.len += 1;
        begin_stream(out, key);
    }

    /// False where there were none.
    fn finish(self, out: &mut Out) -> bool {
        let Some(deferred) = self.deferred else { return false };
        match out.protocol {
            Protocol::Resp2 => out.finish_array(deferred, self.len),
            Protocol::Resp3 => out.finish_map(deferred, self.len),
        }
        true
    }
}

fn xread(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Result<Attempt, Fault> {
    let request = Request::parse(args, false, txn.now_ms())?;
    let mut after = Vec::with_capacity(request.keys);
    for index in 0..request.keys {
        after.push(start_after(txn.stream(request.key(index))?, request.id(index))?);
    }
    let mut found = Vec::new();
    for (index, after) in after.iter().enumerate() {
        let Some(stream) = txn.stream(request.key(index))? else { continue };
        if let Some(from) = after.next().filter(|from| stream.last().is_some_and(|last| last.id >= *from)) {
            let range = Range { from, to: StreamId::MAX, backwards: false, count: request.count };
            found.push((request.key(index), stream, range));
        }
    }
    if !found.is_empty() {
        match out.protocol {
            Protocol::Resp2 => out.array(found.len()),
            Protocol::Resp3 => out.map(found.len()),
        }
        reply_ranges(out, &found, begin_stream);
        return Ok(Attempt::Done);
    }
    let is_last = |text: &[u8]| text == b"$";
    let needs_ids = (0..request.keys).any(|index| is_last(request.id(index)));
    let later = needs_ids.then(|| {
        let mut later = OwnedArgs::default();
        let ids_at = request.keys_at + request.keys;
        for (index, argument) in args.iter().enumerate() {
            match index.checked_sub(ids_at).filter(|_| is_last(argument)) {
                Some(index) => later.push(after[index].to_string().as_bytes()),
                None => later.push(argument),
            }
        }
        later
    });
    Ok(request.wait(later, out))
}

/// After which id XREAD reads on.
fn start_after(stream: Option<&Stream>, text: &[u8]) -> Result<StreamId, Fault> {
    match text {
        b"$" => Ok(stream.map_or(StreamId::MIN, |stream| stream.last_id)),
        b"+" => Ok(stream.and_then(Stream::last).and_then(|last| last.id.previous()).unwrap_or(StreamId::MIN)),
        b">" => Err(Fault::Text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => id(text),
    }
}

fn xreadgroup(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Result<Attempt, Fault> {
    let request = Request::parse(args, true, txn.now_ms())?;
    let Some((name, consumer)) = request.group else { return Err(Fault::Syntax) };
    let mut after = Vec::with_capacity(request.keys);
    for index in 0..request.keys {
        if group(txn.stream(request.key(index))?, name).is_none() {
            let (key, name) = (printable(request.key(index), usize::MAX), printable(name, usize::MAX));
            return Err(Fault::Message(format!(
                "NOGROUP No such key '{key}' or consumer group '{name}' in XREADGROUP with GROUP option"
            )));
        }
        after.push(history_after(request.id(index))?);
    }
    let mut streams = Streams { deferred: None, len: 0 };
    for (index, after) in after.into_iter().enumerate() {
        let key = request.key(index);
        let Some((stream, group)) = group(txn.stream(key)?, name) else { continue };
        let is_new = group.consumer(consumer).is_none();
        let (mut deliveries, mut position) = (Vec::new(), None);
        let now_ms = txn.now_ms();
        if let Some(after) = after {
            streams.begin(out, key);
            reply_history(stream, group, consumer, after, &request, now_ms, &mut deliveries, out);
        } else if has_new(stream, group) {
            streams.begin(out, key);
            position = Some(reply_new(stream, group, &request, now_ms, &mut deliveries, out));
        }
        let got_some = !deliveries.is_empty() && position.is_some() && !request.no_ack;
        match position.filter(|_| request.no_ack) {
            Some(position) => txn.stream_give(key, name, consumer, position, &deliveries)?,
            None if is_new || position.is_some() || !deliveries.is_empty() => {
                txn.stream_deliver(key, name, consumer, position, &deliveries)?;
            }
            None => {}
        }
        txn.stream_see_consumer(key, name, consumer, got_some);
        if is_new {
            txn.notify(EventClass::STREAM, "xgroup-createconsumer", key);
        }
    }
    Ok(if streams.finish(out) { Attempt::Done } else { request.wait(None, out) })
}

fn group<'s>(stream: Option<&'s Stream>, name: &[u8]) -> Option<(&'s Stream, &'s Group)> {
    let stream = stream?;
    Some((stream, stream.group(name)?))
}

/// After which id of its history a consumer reads; `None`: it wants what is new.
fn history_after(text: &[u8]) -> Result<Option<StreamId>, Fault> {
    match text {
        b"$" => Err(Fault::Text(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
             specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        b"+" => Err(Fault::Text(
            "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
             specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
        )),
        b">" => Ok(None),
        _ => id(text).map(Some),
    }
}

/// What is pending at the consumer, which is counted as delivered once more.
#[expect(clippy::too_many_arguments, reason = "all of it is about one reply")]
fn reply_history(
    stream: &Stream,
    group: &Group,
    consumer: &[u8],
    after: StreamId,
    request: &Request<'_>,
    now_ms: u64,
    deliveries: &mut Vec<Delivery>,
    out: &mut Out,
) {
    let deferred = out.defer();
    let mut len = 0;
    let consumer = group.consumer(consumer).zip(after.next());
    let pending = consumer.into_iter().flat_map(|(consumer, first)| group.pending_at(consumer, first..=StreamId::MAX));
    for (id, pending) in pending.take(request.count) {
        len += 1;
        match stream.get(id) {
            Some(entry) => {
                reply_entry(out, entry);
                deliveries.push(Delivery { id: id.0, delivered_ms: now_ms, deliveries: pending.deliveries + 1 });
            }
            None => {
                out.array(2);
                reply_id(out, id);
                out.null_array();
            }
        }
    }
    out.finish_array(deferred, len);
}

/// Is there something that nobody has read for the group?
fn has_new(stream: &Stream, group: &Group) -> bool {
    group.skipped().len() > 0 || stream.last().is_some_and(|last| last.id > group.position.last_id)
}

/// What the group has not read yet, first of all what came in from other nodes below where it was; returns how far it has
/// read then.
fn reply_new(
    stream: &Stream,
    group: &Group,
    request: &Request<'_>,
    now_ms: u64,
    deliveries: &mut Vec<Delivery>,
    out: &mut Out,
) -> Position {
    let deferred = out.defer();
    let mut position = group.position;
    let first = position.last_id.next().unwrap_or(StreamId::MAX);
    let skipped = group.skipped().filter_map(|id| stream.get(id));
    for entry in skipped.chain(stream.range(first, StreamId::MAX)).take(request.count) {
        let id = entry.id;
        position.entries_read = match position.entries_read {
            Some(read) if id < first || !stream.has_hole_above(id) => Some(read + 1),
            read if id < first || stream.entries_added == 0 => read,
            _ => stream.entries_through(id),
        };
        position.last_id = position.last_id.max(id);
        reply_entry(out, entry);
        deliveries.push(Delivery { id: id.0, delivered_ms: now_ms, deliveries: 1 });
    }
    out.finish_array(deferred, deliveries.len());
    position
}
