//! Single bits of strings.

use crate::arguments::bytes;
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&GETBIT, &SETBIT];

const BITMAP: Command = Command { group: "bitmap", categories: &["bitmap"], ..Command::BASE };

/// Offsets reach as far as the longest string.
fn bit_offset(argument: &[u8], max_len: u64) -> Result<u64, Fault> {
    stdx::parse_u64(argument)
        .filter(|offset| offset >> 3 < max_len)
        .ok_or(Fault::Text("ERR bit offset is not an integer or out of range"))
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
    let offset = bit_offset(args.at(2), context.config().proto_max_bulk_len)?;
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
    let offset = bit_offset(args.at(2), context.config().proto_max_bulk_len)?;
    let bit = match args.at(3) {
        b"0" => 0,
        b"1" => 1,
        _ => return Err(Fault::Text("ERR bit is not an integer or out of range")),
    };
    let key = args.at(1);
    let old = context.with_key(key, |txn| txn.string_set_bits(key, offset, 1, bit))?;
    out.integer(old as i64);
    Ok(())
}
