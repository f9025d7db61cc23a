//! BITFIELD: integers of any width within a string.

use super::{BITMAP, bit_offset};
use crate::arguments::{Cursor, bytes, integer, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use keyspace::{EventClass, Txn};
use resp::{Args, Out};
use values::bitmap;

const ENCODING_AND_OFFSET: [Argument; 2] = [Argument::string("encoding"), Argument::integer("offset")];
const GET_BLOCK: Argument = Argument::block("get-block", &ENCODING_AND_OFFSET).token("GET");

pub(super) const BITFIELD: Command = Command {
    name: "bitfield",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "access", "update", "variable_flags"])],
    since: "3.2.0",
    complexity: "O(1) for each operation",
    summary: "Reads and writes integers of any width at any bit of a string.",
    arguments: &[
        Argument::key("key", 0),
        Argument::one_of(
            "operation",
            &[
                GET_BLOCK,
                Argument::block(
                    "write",
                    &[
                        Argument::one_of(
                            "overflow-block",
                            &[
                                Argument::word("wrap", "WRAP"),
                                Argument::word("sat", "SAT"),
                                Argument::word("fail", "FAIL"),
                            ],
                        )
                        .token("OVERFLOW")
                        .optional(),
                        Argument::one_of(
                            "write-operation",
                            &[
                                Argument::block(
                                    "set-block",
                                    &[
                                        Argument::string("encoding"),
                                        Argument::integer("offset"),
                                        Argument::integer("value"),
                                    ],
                                )
                                .token("SET"),
                                Argument::block(
                                    "incrby-block",
                                    &[
                                        Argument::string("encoding"),
                                        Argument::integer("offset"),
                                        Argument::integer("increment"),
                                    ],
                                )
                                .token("INCRBY"),
                            ],
                        ),
                    ],
                ),
            ],
        )
        .optional()
        .multiple(),
    ],
    handler: Handler::Session(|context, args, out| bitfield(context, args, out, false)),
    ..BITMAP
};

pub(super) const BITFIELD_RO: Command = Command {
    name: "bitfield_ro",
    arity: -2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    since: "6.0.0",
    complexity: "O(1) for each operation",
    summary: "Reads integers of any width at any bit of a string.",
    arguments: &[Argument::key("key", 0), GET_BLOCK.optional().multiple_token()],
    handler: Handler::Session(|context, args, out| bitfield(context, args, out, true)),
    ..BITMAP
};

/// What to do with a result that does not fit.
#[derive(Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

/// An integer in the string.
#[derive(Clone, Copy)]
struct Field {
    is_signed: bool,
    width: u8,
    offset: u64,
}

struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

impl Field {
    fn parse(encoding: &[u8], offset: &[u8], max_len: u64) -> Result<Field, Fault> {
        const INVALID: Fault = Fault::Text(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (is_signed, most) = match encoding.first() {
            Some(b'i') => (true, 64),
            Some(b'u') => (false, 63),
            _ => return Err(INVALID),
        };
        let width = stdx::parse_i64(&encoding[1..]).filter(|width| (1..=most).contains(width)).ok_or(INVALID)?;
        let offset = match offset.strip_prefix(b"#") {
            Some(number) => bit_offset(number, width as u64, max_len)?,
            None => bit_offset(offset, 1, max_len)?,
        };
        Ok(Field { is_signed, width: width as u8, offset })
    }

    /// The number that these bits are.
    fn value(self, bits: u64) -> i64 {
        let unused = 64 - u32::from(self.width);
        if self.is_signed { (bits << unused) as i64 >> unused } else { bits as i64 }
    }

    /// What SET is given, as Redis understands it: an unsigned field takes a negative value for a large one. And what
    /// is so far below a signed field that its distance to the top is no 64-bit number saturates there.
    fn exact(self, value: i64, overflow: Overflow) -> i128 {
        let top = (1i64 << (self.width - 1)).wrapping_sub(1);
        match overflow {
            _ if !self.is_signed => i128::from(value as u64),
            Overflow::Saturate if self.width < 64 && top.checked_sub(value).is_none() => i128::from(top),
            _ => i128::from(value),
        }
    }

    /// What is stored for an exact result; `None`: nothing.
    fn fit(self, exact: i128, overflow: Overflow) -> Option<i64> {
        let width = u32::from(self.width) - u32::from(self.is_signed);
        let max = (1i128 << width) - 1;
        let min = if self.is_signed { -max - 1 } else { 0 };
        match overflow {
            _ if (min..=max).contains(&exact) => Some(exact as i64),
            Overflow::Wrap => Some(self.value(exact as u64 & (u64::MAX >> (64 - self.width)))),
            Overflow::Saturate => Some(exact.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }
}

fn parse(args: Args<'_>, max_len: u64) -> Result<Vec<Operation>, Fault> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut words = Cursor::new(args, 2);
    while let Some(word) = words.next() {
        let writes = is(word, "SET") || is(word, "INCRBY");
        if is(word, "OVERFLOW") {
            overflow = match words.value()? {
                word if is(word, "WRAP") => Overflow::Wrap,
                word if is(word, "SAT") => Overflow::Saturate,
                word if is(word, "FAIL") => Overflow::Fail,
                _ => return Err(Fault::Text("ERR Invalid OVERFLOW type specified")),
            };
            continue;
        }
        if !writes && !is(word, "GET") || words.remaining() < 2 + usize::from(writes) {
            return Err(Fault::Syntax);
        }
        let field = Field::parse(words.value()?, words.value()?, max_len)?;
        let action = match word {
            _ if !writes => Action::Get,
            word if is(word, "SET") => Action::Set(integer(words.value()?)?),
            _ => Action::Increment(integer(words.value()?)?),
        };
        operations.push(Operation { field, action, overflow });
    }
    Ok(operations)
}

fn bitfield(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out, read_only: bool) -> Reply {
    let operations = parse(args, context.config().proto_max_bulk_len)?;
    if read_only && operations.iter().any(|operation| !matches!(operation.action, Action::Get)) {
        return Err(Fault::Text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    context.with_key(args.at(1), |txn| run(txn, args.at(1), &operations, out))
}

fn run(txn: &mut Txn<'_>, key: &[u8], operations: &[Operation], out: &mut Out) -> Reply {
    // Of another type: nothing is done.
    txn.string(key)?;
    out.array(operations.len());
    let grows = growth(txn, key, operations)?.is_some();
    let mut changed = grows;
    for Operation { field, action, overflow } in operations {
        let (bits, _) = read(txn, key, *field)?;
        let old = field.value(bits);
        let (result, reply) = match *action {
            Action::Get => {
                out.integer(old);
                continue;
            }
            Action::Set(value) => (field.fit(field.exact(value, *overflow), *overflow), Some(old)),
            Action::Increment(delta) => (field.fit(i128::from(old) + i128::from(delta), *overflow), None),
        };
        let Some(new) = result else {
            out.null();
            continue;
        };
        out.integer(reply.unwrap_or(new));
        let bits = new as u64 & (u64::MAX >> (64 - field.width));
        changed |= txn.string_set_bits(key, field.offset, field.width, bits)?.1;
    }
    // A write that failed lets it grow, too.
    if grows && let Some(last) = growth(txn, key, operations)? {
        txn.string_set_bits(key, last, 1, 0)?;
    }
    if changed {
        txn.notify(EventClass::STRING, "setbit", key);
    }
    Ok(())
}

/// The bits of a field, and the length of the string in bits.
fn read(txn: &Txn<'_>, key: &[u8], field: Field) -> Result<(u64, u64), Fault> {
    let mut digits = itoa::Buffer::new();
    let text = txn.string(key)?.map_or(&[][..], |value| bytes(value, &mut digits));
    Ok((bitmap::read(text, field.offset, field.width), text.len() as u64 * 8))
}

/// The last bit that any write would reach, also one that fails, where the string has to grow for it.
fn growth(txn: &Txn<'_>, key: &[u8], operations: &[Operation]) -> Result<Option<u64>, Fault> {
    let writes = operations.iter().filter(|operation| !matches!(operation.action, Action::Get));
    let last = writes.map(|Operation { field, .. }| field.offset + u64::from(field.width) - 1).max();
    let Some(offset) = last else { return Ok(None) };
    let (_, len) = read(txn, key, Field { is_signed: false, width: 1, offset })?;
    Ok(Some(offset).filter(|offset| len <= *offset))
}
