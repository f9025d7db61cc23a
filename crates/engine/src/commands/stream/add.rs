//! What comes into a stream, and what goes.

use super::reply::reply_id;
use super::{DELETE, IDS, INVALID_ID, KEY, STREAM, UPDATE, id, ids, parse_id};
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::fault::Fault;
use keyspace::{EventClass, NewId, NotAdded, Txn};
use resp::{Args, Out};
use values::{StreamId, Trim};

const TRIM: Argument = Argument::block(
    "trim",
    &[
        Argument::one_of(
            "strategy",
            &[Argument::word("maxlen", "MAXLEN"), Argument::word("minid", "MINID").since("6.2.0")],
        ),
        Argument::one_of("operator", &[Argument::word("equal", "="), Argument::word("approximately", "~")]).optional(),
        Argument::string("threshold"),
        Argument::integer("count").token("LIMIT").optional().since("6.2.0"),
    ],
);

/// Fields and values of one entry may take this many bytes.
const MAX_ENTRY_BYTES: usize = 1 << 30;
/// An approximate trim removes at most so many blocks, unless LIMIT says otherwise.
const TRIM_BLOCKS: usize = 100;

pub(super) const XADD: Command = Command {
    name: "xadd",
    arity: -5,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: UPDATE,
    tips: &["nondeterministic_output"],
    time_is_arguments: true,
    complexity: "O(1), and O(N) for trimming, N: entries that go",
    summary: "Adds an entry to a stream, and trims it.",
    arguments: &[
        KEY,
        Argument::word("nomkstream", "NOMKSTREAM").optional().since("6.2.0"),
        TRIM.optional(),
        Argument::one_of("id-selector", &[Argument::word("auto-id", "*"), Argument::string("id")]),
        Argument::block("data", &[Argument::string("field"), Argument::string("value")]).multiple(),
    ],
    handler: Handler::Write(xadd),
    ..STREAM
};

/// The options of XADD and XTRIM.
struct Options {
    trim: Option<(Trim, bool)>,
    limit: Option<usize>,
    no_mkstream: bool,
    id: NewId,
    /// Where the fields begin.
    fields: usize,
}

impl Options {
    fn parse(args: Args<'_>, adds: bool) -> Result<Options, Fault> {
        let mut options = Options { trim: None, limit: None, no_mkstream: false, id: NewId::Automatic, fields: 0 };
        let mut words = Cursor::new(args, 2);
        while let Some(word) = words.next() {
            let more = words.remaining() > 0;
            if adds && word == b"*" {
                break;
            } else if (is(word, "MAXLEN") || is(word, "MINID")) && more {
                options.parse_trim(&mut words, is(word, "MINID"))?;
            } else if is(word, "LIMIT") && more {
                let limit = integer(words.value()?)?;
                let limit = usize::try_from(limit).map_err(|_| Fault::Text("ERR The LIMIT argument must be >= 0."))?;
                options.limit = Some(limit);
            } else if adds && is(word, "NOMKSTREAM") {
                options.no_mkstream = true;
            } else if adds {
                let (ms, sequence, star) = parse_id(word, true).ok_or(INVALID_ID)?;
                options.id = match star {
                    true => NewId::Within(ms),
                    false => NewId::Exactly(StreamId::new(ms, sequence.unwrap_or(0))),
                };
                break;
            } else {
                return Err(Fault::Syntax);
            }
        }
        options.fields = args.len() - words.remaining();
        options.check(adds)?;
        Ok(options)
    }

    fn parse_trim(&mut self, words: &mut Cursor<'_>, by_id: bool) -> Result<(), Fault> {
        if self.trim.is_some() {
            return Err(Fault::Text("ERR syntax error, MAXLEN and MINID options at the same time are not compatible"));
        }
        let mut threshold = words.value()?;
        let mut approximate = false;
        if matches!(threshold, b"~" | b"=") && words.remaining() > 0 {
            approximate = threshold == b"~";
            threshold = words.value()?;
        }
        let trim = if by_id {
            Trim::MinId(id(threshold)?)
        } else {
            let len = u64::try_from(integer(threshold)?);
            Trim::MaxLen(len.map_err(|_| Fault::Text("ERR The MAXLEN argument must be >= 0."))?)
        };
        self.trim = Some((trim, approximate));
        Ok(())
    }

    fn check(&self, adds: bool) -> Result<(), Fault> {
        Err(Fault::Text(match (self.trim, self.limit) {
            (None, Some(1..)) => "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            (None, _) if !adds => "ERR syntax error, XTRIM must be called with a trimming strategy",
            (None | Some((_, false)), Some(_)) => "ERR syntax error, LIMIT cannot be used without the special ~ option",
            _ => return Ok(()),
        }))
    }

    /// Returns how many entries went.
    fn trim(&self, txn: &mut Txn<'_>, key: &[u8]) -> Result<usize, Fault> {
        let Some((trim, approximate)) = self.trim else { return Ok(0) };
        let limit = match (approximate, self.limit) {
            (false, _) => 0,
            (true, Some(limit)) => limit,
            (true, None) => match txn.encoding_limits().stream_node_max_entries.saturating_mul(TRIM_BLOCKS) {
                0 => 10_000,
                limit => limit.min(1_000_000),
            },
        };
        let removed = txn.stream_trim(key, trim, approximate, limit)?;
        if removed > 0 {
            txn.notify(EventClass::STREAM, "xtrim", key);
        }
        Ok(removed)
    }
}

fn xadd(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let options = Options::parse(args, true)?;
    let (key, fields) = (args.at(1), args.from(options.fields));
    if fields.len() < 2 || !fields.len().is_multiple_of(2) {
        return Err(Fault::wrong_arity("xadd"));
    }
    if options.id == NewId::Exactly(StreamId::MIN) {
        return Err(Fault::Text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    if fields.iter().map(<[u8]>::len).sum::<usize>() > MAX_ENTRY_BYTES {
        return Err(Fault::Text("ERR Elements are too large to be stored"));
    }
    let id = match txn.stream_add(key, options.id, !options.no_mkstream, fields.iter())? {
        Ok(id) => id,
        Err(NotAdded::NoStream) => {
            out.null();
            return Ok(());
        }
        Err(NotAdded::Exhausted) => {
            return Err(Fault::Text("ERR The stream has exhausted the last possible ID, unable to add more items"));
        }
        Err(NotAdded::TooSmall) => {
            return Err(Fault::Text(
                "ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ));
        }
    };
    txn.notify(EventClass::STREAM, "xadd", key);
    options.trim(txn, key)?;
    reply_id(out, id);
    Ok(())
}

pub(super) const XDEL: Command = Command {
    name: "xdel",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: DELETE,
    complexity: "O(1) for every entry",
    summary: "Removes entries from a stream.",
    arguments: &[KEY, IDS],
    handler: Handler::Write(xdel),
    ..STREAM
};

fn xdel(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key = args.at(1);
    if txn.stream(key)?.is_none() {
        out.integer(0);
        return Ok(());
    }
    let removed = txn.stream_delete(key, ids(args.from(2))?.into_iter())?;
    if removed > 0 {
        txn.notify(EventClass::STREAM, "xdel", key);
    }
    out.integer(removed as i64);
    Ok(())
}

pub(super) const XSETID: Command = Command {
    name: "xsetid",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: UPDATE,
    summary: "Sets what a stream knows of the ids that it had.",
    arguments: &[
        KEY,
        Argument::string("last-id"),
        Argument::integer("entries-added").token("ENTRIESADDED").optional().since("7.0.0"),
        Argument::string("max-deleted-id").token("MAXDELETEDID").optional().since("7.0.0"),
    ],
    handler: Handler::Write(xsetid),
    ..STREAM
};

fn xsetid(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, last_id) = (args.at(1), id(args.at(2))?);
    let (mut entries_added, mut max_deleted_id) = (None, StreamId::MIN);
    let mut words = Cursor::new(args, 3);
    while let Some(word) = words.next() {
        if is(word, "ENTRIESADDED") {
            let count = u64::try_from(integer(words.value()?)?);
            entries_added = Some(count.map_err(|_| Fault::Text("ERR entries_added must be positive"))?);
        } else if is(word, "MAXDELETEDID") {
            max_deleted_id = id(words.value()?)?;
            if last_id < max_deleted_id {
                return Err(Fault::Text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Fault::Syntax);
        }
    }
    let stream = txn.stream(key)?.ok_or(Fault::NoSuchKey)?;
    if last_id < stream.max_deleted_id {
        return Err(Fault::Text("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"));
    }
    if stream.last().is_some_and(|last| last_id < last.id) {
        return Err(Fault::Text("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if entries_added.is_some_and(|count| (stream.len() as u64) > count) {
        return Err(Fault::Text("ERR The entries_added specified in XSETID is smaller than the target stream length"));
    }
    txn.stream_set_id(key, last_id, entries_added, max_deleted_id)?;
    txn.notify(EventClass::STREAM, "xsetid", key);
    out.ok();
    Ok(())
}

pub(super) const XTRIM: Command = Command {
    name: "xtrim",
    arity: -4,
    flags: Flags::WRITE,
    keys: DELETE,
    tips: &["nondeterministic_output"],
    complexity: "O(N), N: entries that go",
    summary: "Removes the oldest entries of a stream.",
    arguments: &[KEY, TRIM],
    handler: Handler::Write(|txn, args, out| {
        let options = Options::parse(args, false)?;
        let removed = options.trim(txn, args.at(1))?;
        out.integer(removed as i64);
        Ok(())
    }),
    ..STREAM
};
