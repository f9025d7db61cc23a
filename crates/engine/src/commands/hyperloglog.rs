//! HyperLogLogs: about how many different elements there were, in a few kilobytes.

use crate::arguments::{bytes, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::{Fault, printable};
use crate::replication::Role;
use keyspace::{EventClass, Txn, ValueError, View};
use resp::{Args, Out};
use values::hyperloglog::{self, Encoding, Registers};

pub(super) const COMMANDS: &[&Command] = &[&PFADD, &PFCOUNT, &PFDEBUG, &PFMERGE, &PFSELFTEST];

const HYPERLOGLOG: Command =
    Command { group: "hyperloglog", since: "2.8.9", categories: &["hyperloglog"], ..Command::BASE };

/// Calls `f` with the bytes of the HyperLogLog at a key; `None` where there is no such key.
fn with_bytes<R>(
    view: &View<'_>,
    key: &[u8],
    f: impl FnOnce(&[u8]) -> Result<R, hyperloglog::Invalid>,
) -> Result<Option<R>, Fault> {
    let mut digits = itoa::Buffer::new();
    let Some(value) = view.string(key)? else { return Ok(None) };
    Ok(Some(f(bytes(value, &mut digits)).map_err(ValueError::from)?))
}

const PFADD: Command = Command {
    name: "pfadd",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "insert"])],
    time_is_arguments: true,
    complexity: "O(1) for each element",
    summary: "Adds elements to a HyperLogLog.",
    arguments: &[Argument::key("key", 0), Argument::string("element").optional().multiple()],
    handler: Handler::Session(pfadd),
    ..HYPERLOGLOG
};

fn pfadd(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    // 0 would make it dense before it has to be.
    let sparse_max = context.config().hll_sparse_max_bytes.max(1);
    let key = args.at(1);
    let raised: Vec<(u16, u8)> = args.from(2).iter().map(hyperloglog::register_of).collect();
    let changed = context.with_key(key, |txn| {
        let changed = txn.registers_raise(key, &raised, sparse_max)?;
        if changed {
            txn.notify(EventClass::STRING, "pfadd", key);
        }
        Ok::<bool, Fault>(changed)
    })?;
    out.integer(i64::from(changed));
    Ok(())
}

const PFCOUNT: Command = Command {
    name: "pfcount",
    arity: -2,
    flags: Flags::of(&[Flags::READONLY, Flags::MAY_REPLICATE]),
    keys: &[KeySpec::from(1, &["RW", "access"])],
    complexity: "O(1) for one key, O(N) for N of them",
    summary: "About how many different elements there are in one HyperLogLog, or in several together.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::Session(pfcount),
    ..HYPERLOGLOG
};

fn pfcount(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let keys: Vec<&[u8]> = args.from(1).iter().collect();
    let caches = context.engine.replication.role() != Role::Replica;
    let count = context.with_keys_of(&keys, |txn| match keys[..] {
        [key] => count_one(txn, key, caches),
        _ => Ok(hyperloglog::estimate(&*merged(txn, &keys)?)),
    })?;
    out.integer(count as i64);
    Ok(())
}

fn count_one(txn: &mut Txn<'_>, key: &[u8], caches: bool) -> Result<u64, Fault> {
    let cached = with_bytes(txn, key, |bytes| {
        hyperloglog::encoding(bytes)?;
        Ok(hyperloglog::cached_count(bytes))
    })?;
    match cached {
        None => Ok(0),
        Some(Some(count)) => Ok(count),
        Some(None) => {
            let count = with_bytes(txn, key, hyperloglog::count)?.unwrap_or(0);
            if caches {
                txn.cache_count(key, count);
            }
            Ok(count)
        }
    }
}

/// The greatest of each register.
fn merged(view: &View<'_>, keys: &[&[u8]]) -> Result<Box<Registers>, Fault> {
    let mut registers = Box::new([0; hyperloglog::REGISTERS]);
    for key in keys {
        with_bytes(view, key, |bytes| hyperloglog::merge_into(&mut registers, bytes))?;
    }
    Ok(registers)
}

const PFDEBUG: Command = Command {
    name: "pfdebug",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::ADMIN]),
    keys: &[KeySpec::one(2, &["RW", "access"])],
    complexity: "O(N), N: registers",
    summary: "Looks into a HyperLogLog, or makes it dense.",
    arguments: &[Argument::string("subcommand"), Argument::key("key", 0)],
    handler: Handler::Write(pfdebug),
    ..HYPERLOGLOG
};

fn pfdebug(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (subcommand, key) = (args.at(1), args.at(2));
    let Some(encoding) = with_bytes(txn, key, hyperloglog::encoding)? else {
        return Err(Fault::Text("ERR The specified key does not exist"));
    };
    if is(subcommand, "GETREG") {
        txn.registers_raise(key, &[], 0)?;
        let registers = merged(txn, &[key])?;
        out.array(registers.len());
        registers.iter().for_each(|value| out.integer(i64::from(*value)));
    } else if is(subcommand, "DECODE") {
        let runs = with_bytes(txn, key, |bytes| Ok(hyperloglog::describe(bytes)))?.flatten();
        out.bulk(runs.ok_or(Fault::Text("ERR HLL encoding is not sparse"))?.as_bytes());
    } else if is(subcommand, "ENCODING") {
        out.status(if encoding == Encoding::Dense { "dense" } else { "sparse" });
    } else if is(subcommand, "TODENSE") {
        out.integer(i64::from(txn.registers_raise(key, &[], 0)?));
    } else {
        return Err(Fault::Message(format!("ERR Unknown PFDEBUG subcommand '{}'", printable(subcommand, 128))));
    }
    Ok(())
}

const PFMERGE: Command = Command {
    name: "pfmerge",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RW", "access", "insert"]), KeySpec::from(2, &["RO", "access"])],
    complexity: "O(N), N: HyperLogLogs",
    summary: "Adds what is in several HyperLogLogs to one.",
    arguments: &[Argument::key("destkey", 0), Argument::key("sourcekey", 1).optional().multiple()],
    handler: Handler::Session(pfmerge),
    ..HYPERLOGLOG
};

fn pfmerge(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let sparse_max = context.config().hll_sparse_max_bytes.max(1);
    let keys: Vec<&[u8]> = args.from(1).iter().collect();
    let destination = keys[0];
    context.with_keys_of(&keys, |txn| {
        let registers = merged(txn, &keys)?;
        let mut is_dense = false;
        for key in &keys {
            is_dense |= with_bytes(txn, key, hyperloglog::encoding)? == Some(Encoding::Dense);
        }
        let values = registers.iter().enumerate().filter(|(_, value)| **value > 0);
        let mut raised: Vec<(u16, u8)> = values.map(|(index, value)| (index as u16, *value)).collect();
        if raised.is_empty() {
            // Nothing is raised, but the cached count is forgotten in any case.
            raised.push((0, 0));
        }
        txn.registers_merge(destination, &raised, if is_dense { 0 } else { sparse_max });
        txn.notify(EventClass::STRING, "pfadd", destination);
        Ok::<(), Fault>(())
    })?;
    out.ok();
    Ok(())
}

const PFSELFTEST: Command = Command {
    name: "pfselftest",
    flags: Flags::ADMIN,
    complexity: "O(N), N: elements that are tried",
    summary: "Checks the registers and the estimate of HyperLogLogs.",
    handler: Handler::Session(pfselftest),
    ..HYPERLOGLOG
};

/// Other elements each time: whether dense and sparse ones agree, and are about right.
fn pfselftest(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    const ELEMENTS: u64 = 100_000;
    let sparse_max = context.config().hll_sparse_max_bytes;
    let seed = context.now.monotonic_us.rotate_left(32);
    let (mut sparse, mut dense) = (hyperloglog::empty(), hyperloglog::empty());
    let failed = |what: &str| Fault::Message(format!("ERR TESTFAILED {what}"));
    let mut added = 0;
    let mut checkpoint = 1;
    while checkpoint <= ELEMENTS {
        let raised =
            |from: u64| (from..checkpoint).map(|number| hyperloglog::register_of(&(seed ^ number).to_le_bytes()));
        hyperloglog::raise(&mut dense, raised(added), 0).map_err(ValueError::from)?;
        hyperloglog::raise(&mut sparse, raised(added), sparse_max).map_err(ValueError::from)?;
        added = checkpoint;
        let counts = [&sparse, &dense].map(|bytes| hyperloglog::count(bytes));
        if counts[0] != counts[1] {
            return Err(failed("dense/sparse disagree"));
        }
        // Six times the standard error; at ten a collision is worth one.
        let standard_error = 1.04 / (hyperloglog::REGISTERS as f64).sqrt();
        let tolerance = if checkpoint == 10 { 1 } else { (standard_error * 6.0 * checkpoint as f64).ceil() as u64 };
        let error = counts[0].map_err(ValueError::from)?.abs_diff(checkpoint);
        if error > tolerance {
            return Err(failed(&format!("Too big error. card:{checkpoint} abserr:{error}")));
        }
        checkpoint *= 10;
    }
    out.ok();
    Ok(())
}
