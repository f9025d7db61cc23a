//! Streams: entries (`add`, `read`), the groups that read them (`group`, `claim`), and what is to know of both (`info`).

mod add;
mod claim;
mod group;
mod info;
mod read;
mod reply;

use crate::command::{Argument, Command, KeySpec};
use crate::fault::{Fault, printable};
use keyspace::View;
use resp::Args;
use values::{Group, Stream, StreamId};

pub(super) const COMMANDS: &[&Command] = &[
    &group::XACK,
    &add::XADD,
    &claim::XAUTOCLAIM,
    &claim::XCLAIM,
    &add::XDEL,
    &group::XGROUP,
    &info::XINFO,
    &read::XLEN,
    &claim::XPENDING,
    &read::XRANGE,
    &read::XREAD,
    &read::XREADGROUP,
    &read::XREVRANGE,
    &add::XSETID,
    &add::XTRIM,
];

const STREAM: Command = Command { group: "stream", categories: &["stream"], since: "5.0.0", ..Command::BASE };

const KEY: Argument = Argument::key("key", 0);
const GROUP: Argument = Argument::string("group");
const CONSUMER: Argument = Argument::string("consumer");
const IDS: Argument = Argument::string("ID").multiple();
const COUNT: Argument = Argument::integer("count").token("COUNT").optional();
const READ: &[KeySpec] = &[KeySpec::one(1, &["RO", "access"])];
const UPDATE: &[KeySpec] = &[KeySpec::one(1, &["RW", "update"])];
const DELETE: &[KeySpec] = &[KeySpec::one(1, &["RW", "delete"])];

const INVALID_ID: Fault = Fault::Text("ERR Invalid stream ID specified as stream command argument");
/// No id has more characters.
const MAX_ID_LEN: usize = 127;

/// An unsigned number as `strtoull` reads it: with blanks before, with a sign, with leading zeros.
fn unsigned(text: &[u8]) -> Option<u64> {
    if let Some(number) = stdx::parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}

/// "ms" or "ms-seq"; `None` for the sequence that is left out or a star. `star` allows that.
fn parse_id(text: &[u8], star: bool) -> Option<(u64, Option<u64>, bool)> {
    if text.len() > MAX_ID_LEN {
        return None;
    }
    let text = text.split(|byte| *byte == 0).next()?;
    let Some(dash) = text.iter().position(|byte| *byte == b'-') else {
        return Some((unsigned(text)?, None, false));
    };
    let (ms, sequence) = (unsigned(&text[..dash])?, &text[dash + 1..]);
    if star && sequence == b"*" {
        return Some((ms, None, true));
    }
    Some((ms, Some(unsigned(sequence)?), false))
}

/// An id; where it has no sequence number, this one.
fn id_or(text: &[u8], sequence: u64) -> Result<StreamId, Fault> {
    let (ms, given, _) = parse_id(text, false).ok_or(INVALID_ID)?;
    Ok(StreamId::new(ms, given.unwrap_or(sequence)))
}

fn id(text: &[u8]) -> Result<StreamId, Fault> {
    id_or(text, 0)
}

fn ids(args: Args<'_>) -> Result<Vec<StreamId>, Fault> {
    args.iter().map(id).collect()
}

/// The ends of an interval: "-", "+", an id, or one in brackets, which does not belong to it.
fn interval(start: &[u8], end: &[u8]) -> Result<(StreamId, StreamId), Fault> {
    Ok((interval_start(start)?, interval_end(end)?))
}

fn interval_start(text: &[u8]) -> Result<StreamId, Fault> {
    let (start, excluded) = bound(text, 0)?;
    if !excluded {
        return Ok(start);
    }
    start.next().ok_or(Fault::Text("ERR invalid start ID for the interval"))
}

fn interval_end(text: &[u8]) -> Result<StreamId, Fault> {
    let (end, excluded) = bound(text, u64::MAX)?;
    if !excluded {
        return Ok(end);
    }
    end.previous().ok_or(Fault::Text("ERR invalid end ID for the interval"))
}

fn bound(text: &[u8], sequence: u64) -> Result<(StreamId, bool), Fault> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => Ok((id_or(rest, sequence)?, true)),
        b"-" => Ok((StreamId::MIN, false)),
        b"+" => Ok((StreamId::MAX, false)),
        _ => Ok((id_or(text, sequence)?, false)),
    }
}

fn no_such_group(group: &[u8], key: &[u8]) -> Fault {
    let (group, key) = (printable(group, usize::MAX), printable(key, usize::MAX));
    Fault::Message(format!("NOGROUP No such consumer group '{group}' for key name '{key}'"))
}

/// The stream and its group; `what` ends the error.
fn group_of<'v>(view: &'v View<'_>, key: &[u8], name: &[u8], what: &str) -> Result<(&'v Stream, &'v Group), Fault> {
    let found = view.stream(key)?.and_then(|stream| Some((stream, stream.group(name)?)));
    found.ok_or_else(|| {
        let (key, name) = (printable(key, usize::MAX), printable(name, usize::MAX));
        Fault::Message(format!("NOGROUP No such key '{key}' or consumer group '{name}'{what}"))
    })
}

fn wrong_subcommand(container: &str, args: Args<'_>) -> Fault {
    let word = printable(args.at(1), 128);
    Fault::Message(format!("ERR unknown subcommand or wrong number of arguments for '{word}'. Try {container} HELP."))
}
