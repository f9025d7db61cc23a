//! Bits of strings.

mod field;
mod operation;

use crate::arguments::{bytes, integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::long_string::{if_long, reply_of_bits};
use crate::context::SessionContext;
use crate::fault::Fault;
use field::{BITFIELD, BITFIELD_RO};
use keyspace::{EventClass, View};
use operation::BITOP;
use resp::{Args, Out};
use std::ops::{ControlFlow, RangeInclusive};
use values::bitmap;

pub(super) const COMMANDS: &[&Command] = &[&BITCOUNT, &BITFIELD, &BITFIELD_RO, &BITOP, &BITPOS, &GETBIT, &SETBIT];

const BITMAP: Command = Command { group: "bitmap", categories: &["bitmap"], ..Command::BASE };

/// An offset in steps of `unit` bits. Offsets reach as far as the longest string.
fn bit_offset(argument: &[u8], unit: u64, max_len: u64) -> Result<u64, Fault> {
    let offset = stdx::parse_u64(argument).and_then(|offset| offset.checked_mul(unit));
    offset.filter(|offset| offset >> 3 < max_len).ok_or(Fault::Text("ERR bit offset is not an integer or out of range"))
}

const UNIT: Argument =
    Argument::one_of("unit", &[Argument::word("byte", "BYTE"), Argument::word("bit", "BIT")]).since("7.0.0").optional();

const RANGE: Argument = Argument::block(
    "range",
    &[Argument::integer("start"), Argument::block("end-unit-block", &[Argument::integer("end"), UNIT]).optional()],
)
.optional();

/// Start and end as they were given, both inclusive; negative: from the end.
#[derive(Clone, Copy)]
struct Range {
    start: i64,
    end: i64,
    in_bits: bool,
}

impl Range {
    const ALL: Range = Range { start: 0, end: -1, in_bits: false };

    fn parse_unit(argument: &[u8]) -> Result<bool, Fault> {
        match argument {
            unit if is(unit, "BIT") => Ok(true),
            unit if is(unit, "BYTE") => Ok(false),
            _ => Err(Fault::Syntax),
        }
    }

    /// The bits that are meant of a string of `len` bytes.
    fn resolve(self, len: usize) -> Option<RangeInclusive<u64>> {
        let total = (len as i64).saturating_mul(if self.in_bits { 8 } else { 1 });
        let absolute = |index: i64| if index < 0 { index.saturating_add(total).max(0) } else { index };
        let (start, end) = (absolute(self.start), absolute(self.end).min(total - 1));
        if start > end {
            return None;
        }
        let (start, end) = (start as u64, end as u64);
        Some(if self.in_bits { start..=end } else { start * 8..=end * 8 + 7 })
    }
}

const BITCOUNT: Command = Command {
    name: "bitcount",
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "2.6.0",
    complexity: "O(N), N: length of the range",
    summary: "How many bits of a string, or of a part of it, are set.",
    arguments: &[Argument::key("key", 0), RANGE],
    handler: Handler::Read(bitcount),
    ..BITMAP
};

fn bitcount(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let range = match args.len() {
        2 => Range::ALL,
        3..=5 => {
            let (start, end) = (integer(args.at(2))?, args.get(3).map_or(Ok(-1), integer)?);
            Range { start, end, in_bits: args.get(4).map_or(Ok(false), Range::parse_unit)? }
        }
        _ => return Err(Fault::Syntax),
    };
    let mut digits = itoa::Buffer::new();
    let value = view.string(args.at(1))?;
    let text = value.map_or(&[][..], |value| bytes(value, &mut digits));
    let is_reversed = range.start < 0 && range.end < 0 && range.start > range.end;
    let bits = range.resolve(text.len()).filter(|_| !is_reversed);
    if let (Some(text), Some(bits)) = (if_long(view, args.at(1), value), bits.clone()) {
        reply_of_bits(out, text, bits, 0, |text, bits, count| {
            ControlFlow::Continue(count + bitmap::count_ones_in(text, bits) as i64)
        });
        return Ok(());
    }
    out.integer(bits.map_or(0, |bits| bitmap::count_ones_in(text, bits)) as i64);
    Ok(())
}

const BITPOS: Command = Command {
    name: "bitpos",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "2.8.7",
    complexity: "O(N), N: length of the range",
    summary: "The first bit of a string, or of a part of it, that is set, or clear.",
    arguments: &[Argument::key("key", 0), Argument::integer("bit"), RANGE],
    handler: Handler::Read(bitpos),
    ..BITMAP
};

fn bitpos(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let bit = match integer(args.at(2))? {
        0 => false,
        1 => true,
        _ => return Err(Fault::Text("ERR The bit argument must be 1 or 0.")),
    };
    if args.len() > 6 {
        return Err(Fault::Syntax);
    }
    let mut range = Range::ALL;
    if let Some(start) = args.get(3) {
        range.start = integer(start)?;
    }
    range.in_bits = args.get(5).map_or(Ok(false), Range::parse_unit)?;
    if let Some(end) = args.get(4) {
        range.end = integer(end)?;
    }
    let mut digits = itoa::Buffer::new();
    let position = match view.string(args.at(1))? {
        // An absent key has clear bits without end.
        None if bit => None,
        None => Some(0),
        Some(value) => {
            let text = bytes(value, &mut digits);
            let beyond = (!bit && args.len() < 5).then_some(text.len() as u64 * 8);
            let bits = range.resolve(text.len());
            if let (Some(text), Some(bits)) = (if_long(view, args.at(1), Some(value)), bits.clone()) {
                let not_found = beyond.map_or(-1, |beyond| beyond as i64);
                reply_of_bits(out, text, bits, not_found, move |text, bits, not_found| {
                    match bitmap::find(text, bit, bits) {
                        Some(found) => ControlFlow::Break(found as i64),
                        None => ControlFlow::Continue(not_found),
                    }
                });
                return Ok(());
            }
            bits.and_then(|bits| bitmap::find(text, bit, bits).or(beyond))
        }
    };
    out.integer(position.map_or(-1, |position| position as i64));
    Ok(())
}

const GETBIT: Command = Command {
    name: "getbit",
    arity: 3,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "2.2.0",
    summary: "A bit of the string at a key.",
    arguments: &[Argument::key("key", 0), Argument::integer("offset")],
    handler: Handler::Session(getbit),
    ..BITMAP
};

fn getbit(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let offset = bit_offset(args.at(2), 1, context.config().proto_max_bulk_len)?;
    let key = args.at(1);
    let byte = context.with_key(key, |txn| {
        let mut digits = itoa::Buffer::new();
        let text = txn.string(key)?.map_or(&[][..], |value| bytes(value, &mut digits));
        Ok::<u8, Fault>(text.get((offset >> 3) as usize).copied().unwrap_or(0))
    })?;
    out.integer(i64::from(byte >> (7 - (offset & 7)) & 1));
    Ok(())
}

const SETBIT: Command = Command {
    name: "setbit",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    since: "2.2.0",
    summary: "Sets a bit of the string at a key and answers with the old one.",
    arguments: &[Argument::key("key", 0), Argument::integer("offset"), Argument::integer("value")],
    handler: Handler::Session(setbit),
    ..BITMAP
};

fn setbit(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let offset = bit_offset(args.at(2), 1, context.config().proto_max_bulk_len)?;
    let bit = match args.at(3) {
        b"0" => 0,
        b"1" => 1,
        _ => return Err(Fault::Text("ERR bit is not an integer or out of range")),
    };
    let key = args.at(1);
    let old = context.with_key(key, |txn| {
        let (old, changes) = txn.string_set_bits(key, offset, 1, bit)?;
        if changes {
            txn.notify(EventClass::STRING, "setbit", key);
        }
        Ok::<u64, Fault>(old)
    })?;
    out.integer(old as i64);
    Ok(())
}
