//! BITOP: strings combined bit by bit. Where they are of megabytes, that is done in slices.

use super::BITMAP;
use crate::arguments::{bytes, is};
use crate::aside::{Aside, Locks, Work};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::commands::long_string::{CopiedText, SLICE_BYTES};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::keys::KeyHashes;
use keyspace::{EventClass, Scope, Txn, ValueError};
use resp::{Args, Out};
use values::bitmap;

pub(super) const BITOP: Command = Command {
    name: "bitop",
    arity: -4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(2, &["OW", "update"]), KeySpec::from(3, &["RO", "access"])],
    since: "2.6.0",
    complexity: "O(N), N: length of the strings",
    summary: "Stores the bitwise combination of strings, or a string that is shifted.",
    arguments: &[
        Argument::one_of(
            "operation",
            &[
                Argument::word("and", "AND"),
                Argument::word("or", "OR"),
                Argument::word("xor", "XOR"),
                Argument::word("not", "NOT"),
                Argument::word("lshift", "LSHIFT"),
                Argument::word("rshift", "RSHIFT"),
            ],
        ),
        Argument::key("destkey", 0),
        Argument::key("key", 1).multiple(),
    ],
    handler: Handler::Session(bitop),
    ..BITMAP
};

/// What becomes of the sources.
enum Combination {
    Of(bitmap::Operation),
    Not,
    /// To the left; negative: to the right (KeyDB).
    Shift(i64),
}

impl Combination {
    fn parse(args: Args<'_>) -> Result<Combination, Fault> {
        Ok(match args.at(1) {
            word if is(word, "AND") => Combination::Of(bitmap::Operation::And),
            word if is(word, "OR") => Combination::Of(bitmap::Operation::Or),
            word if is(word, "XOR") => Combination::Of(bitmap::Operation::Xor),
            word if is(word, "NOT") && args.len() == 4 => Combination::Not,
            word if is(word, "NOT") => {
                return Err(Fault::Text("ERR BITOP NOT must be called with a single source key."));
            }
            word if is(word, "LSHIFT") => Combination::Shift(shift_width(args)?),
            word if is(word, "RSHIFT") => Combination::Shift(shift_width(args)?.saturating_neg()),
            _ => return Err(Fault::Syntax),
        })
    }

    /// The destination and the sources.
    fn keys<'a>(&self, args: Args<'a>) -> Vec<&'a [u8]> {
        // How far to shift stands behind them.
        let parameters = usize::from(matches!(self, Combination::Shift(_)));
        args.from(2).iter().take(args.len() - 2 - parameters).collect()
    }

    fn of(&self, sources: &[&[u8]]) -> Vec<u8> {
        match *self {
            Combination::Of(operation) => bitmap::combine(operation, sources),
            Combination::Not => bitmap::invert(sources[0]),
            Combination::Shift(by) => bitmap::shift(sources[0], by),
        }
    }
}

fn shift_width(args: Args<'_>) -> Result<i64, Fault> {
    if args.len() != 5 {
        return Err(Fault::Text("ERR BITOP SHIFT must be called with a single source key and an integer shift."));
    }
    stdx::parse_i64(args.at(4)).ok_or(Fault::Text("ERR BITOP SHIFT's last parameter must be an integer"))
}

fn bitop(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let combination = Combination::parse(args)?;
    let max_len = context.config().proto_max_bulk_len;
    let may_wait = !context.in_transaction();
    let keys: KeyHashes = combination.keys(args).iter().map(|key| context.engine.keyspace.hash(key)).collect();
    let mut work = None;
    context.with_scope(Scope::Keys(&keys), |txn| {
        work = if may_wait { txn.peek(|| Combining::begin(txn, args)) } else { None };
        if work.is_some() { Ok(()) } else { run(txn, args, &combination, max_len, out) }
    })?;
    if let Some(work) = work {
        context.go_aside(Locks::Keys(keys), args, ASIDE, work, out);
    }
    Ok(())
}

/// Where nothing is shifted, and so no result is too long.
const ASIDE: Aside = Aside {
    run: |txn, args, out| run(txn, args, &Combination::parse(args)?, u64::MAX, out),
    begin: |txn, args, _| Combining::begin(txn, args),
};

fn run(txn: &mut Txn<'_>, args: Args<'_>, combination: &Combination, max_len: u64, out: &mut Out) -> Reply {
    let keys = combination.keys(args);
    let mut digits = vec![itoa::Buffer::new(); keys.len() - 1];
    let sources: Vec<&[u8]> = keys[1..]
        .iter()
        .zip(&mut digits)
        .map(|(key, digits)| Ok(txn.string(key)?.map_or(&[][..], |value| bytes(value, digits))))
        .collect::<Result<_, Fault>>()?;
    if let Combination::Shift(by) = combination
        && bitmap::shifted_len(sources[0].len(), *by) > max_len
    {
        return Err(Fault::from(ValueError::TooLong));
    }
    store(txn, keys[0], combination.of(&sources), out);
    Ok(())
}

fn store(txn: &mut Txn<'_>, destination: &[u8], result: Vec<u8>, out: &mut Out) {
    out.integer(result.len() as i64);
    if !result.is_empty() {
        txn.store_string(destination, result);
        txn.notify(EventClass::STRING, "set", destination);
    } else if txn.delete(destination) {
        txn.notify(EventClass::GENERIC, "del", destination);
    }
}

/// Strings of megabytes that are combined, as far as that has come.
struct Combining {
    combination: Combination,
    sources: Vec<CopiedText>,
    /// How long the result is in the end.
    len: usize,
    result: Vec<u8>,
}

impl Combining {
    fn begin(txn: &Txn<'_>, args: Args<'_>) -> Option<Box<dyn Work>> {
        let combination = Combination::parse(args).ok().filter(|it| !matches!(it, Combination::Shift(_)))?;
        let keys = combination.keys(args);
        let sources: Vec<CopiedText> = keys[1..].iter().map(|key| CopiedText::of(txn, key)).collect::<Option<_>>()?;
        let len = sources.iter().map(|source| source.len()).max()?;
        if len * sources.len() <= SLICE_BYTES {
            return None;
        }
        Some(Box::new(Combining { combination, sources, len, result: Vec::with_capacity(len) }))
    }
}

impl Work for Combining {
    fn step(&mut self, _: Args<'_>, _: &mut SessionContext<'_>) -> bool {
        let Combining { combination, sources, len, result } = self;
        let start = result.len();
        let end = (*len).min(start + SLICE_BYTES / 8 / sources.len() + 1);
        let part = |source: &CopiedText| start.min(source.len())..end.min(source.len());
        let parts: Vec<&[u8]> = sources.iter().map(|source| &source[part(source)]).collect();
        result.append(&mut combination.of(&parts));
        end == *len
    }

    fn finish(&mut self, txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> bool {
        let keys = self.combination.keys(args);
        let is_current = keys[1..].iter().zip(&self.sources).all(|(key, source)| source.is_at(txn, key));
        if is_current {
            store(txn, keys[0], std::mem::take(&mut self.result), out);
        }
        is_current
    }
}
