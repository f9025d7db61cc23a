//! Hashes.

use super::collection::{
    SLICE_ELEMENTS, is_long, place_of, push_element, reply_element, reply_elements, reply_in_slices, reply_to_each,
};
use super::copied::{Beside, Copied, Elements};
use super::edited::{Edit, Edited, Editing, finish_removal};
use super::random::{RandomCount, repeat_draws, reply_long_draw};
use super::scan::{COUNT_ARGUMENT, MATCH_ARGUMENT, Scanned, scan_elements};
use crate::arguments::{integer, is};
use crate::aside::Aside;
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::fault::Fault;
use keyspace::{EventClass, Txn, ValueError, View};
use resp::{Args, Out, Protocol};
use values::{Element, Hash, HashRef, Inserted};

pub(super) const COMMANDS: &[&Command] = &[
    &HDEL,
    &HEXISTS,
    &HGET,
    &HGETALL,
    &HINCRBY,
    &HINCRBYFLOAT,
    &HKEYS,
    &HLEN,
    &HMGET,
    &HMSET,
    &HRANDFIELD,
    &HSCAN,
    &HSET,
    &HSETNX,
    &HSTRLEN,
    &HVALS,
    &KEYDB_HRENAME,
];

const HASH: Command = Command { group: "hash", categories: &["hash"], since: "2.0.0", ..Command::BASE };

/// Looks at one field, or at the size of the hash.
const LOOK: Command = Command {
    arity: 3,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO"])],
    arguments: &[Argument::key("key", 0), Argument::string("field")],
    ..HASH
};

/// Gives all fields, or all values, or both.
const ALL: Command = Command {
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    tips: &["nondeterministic_output_order"],
    time_is_reply: true,
    complexity: "O(N), N: fields of the hash",
    arguments: &[Argument::key("key", 0)],
    ..HASH
};

const PAIRS: Argument = Argument::block("data", &[Argument::string("field"), Argument::string("value")]).multiple();

const HDEL: Command = Command {
    name: "hdel",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "delete"])],
    element: Some(2),
    time_is_arguments: true,
    complexity: "O(1) for every field",
    summary: "Removes fields from a hash; a hash without fields is gone.",
    arguments: &[Argument::key("key", 0), Argument::string("field").multiple()],
    handler: Handler::Aside(Aside { run: hdel, begin: |txn, args, _| Editing::begin(txn, args, REMOVAL) }),
    ..HASH
};

fn hdel(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let removed = txn.hash_delete(args.at(1), args.from(2).iter())?;
    finish_removal(txn, EventClass::HASH, "hdel", args.at(1), removed, out);
    Ok(())
}

const REMOVAL: Edit = Edit {
    empty: || Copied::Hash(Hash::new()),
    width: 1,
    change: |hash, args, _| {
        let Copied::Hash(hash) = hash else { return Ok(Inserted::Nothing) };
        Ok(if hash.remove(args.at(0)) { Inserted::New } else { Inserted::Nothing })
    },
    finish: |txn, args, edited, out| finish_removal(txn, EventClass::HASH, "hdel", args.at(1), edited.new, out),
};

const HEXISTS: Command = Command {
    name: "hexists",
    summary: "Whether a hash has a field.",
    handler: Handler::Read(|view, args, out| {
        out.integer(view.hash(args.at(1))?.is_some_and(|hash| hash.contains(args.at(2))).into());
        Ok(())
    }),
    ..LOOK
};

const HGET: Command = Command {
    name: "hget",
    keys: &[KeySpec::one(1, &["RO", "access"])],
    element: Some(2),
    summary: "The value of a field.",
    handler: Handler::Read(|view, args, out| {
        reply_value(out, view.hash(args.at(1))?, args.at(2));
        Ok(())
    }),
    ..LOOK
};

fn reply_value(out: &mut Out, hash: Option<HashRef<'_>>, field: &[u8]) {
    match hash.and_then(|hash| hash.value(field)) {
        Some(value) => reply_element(out, value),
        None => out.null(),
    }
}

const HGETALL: Command = Command {
    name: "hgetall",
    summary: "All fields of a hash with their values.",
    handler: Handler::Read(|view, args, out| {
        let hash = view.hash(args.at(1))?;
        out.map(hash.map_or(0, HashRef::len));
        reply_parts(out, hash, true, true);
        Ok(())
    }),
    ..ALL
};

const HINCRBY: Command = Command {
    name: "hincrby",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    element: Some(2),
    summary: "Adds to the integer in a field; a field that is not there counts as 0.",
    arguments: &[Argument::key("key", 0), Argument::string("field"), Argument::integer("increment")],
    handler: Handler::Write(hincrby),
    ..HASH
};

fn hincrby(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let delta = integer(args.at(3))?;
    let value = txn.hash_increment(args.at(1), args.at(2), delta).map_err(|error| match error {
        ValueError::NotInteger => Fault::Text("ERR hash value is not an integer"),
        error => error.into(),
    })?;
    txn.notify(EventClass::HASH, "hincrby", args.at(1));
    out.integer(value);
    Ok(())
}

const HINCRBYFLOAT: Command = Command {
    name: "hincrbyfloat",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    element: Some(2),
    since: "2.6.0",
    summary: "Adds to the number in a field; a field that is not there counts as 0.",
    arguments: &[Argument::key("key", 0), Argument::string("field"), Argument::new("increment", "double")],
    handler: Handler::Write(hincrbyfloat),
    ..HASH
};

fn hincrbyfloat(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let delta = stdx::LongDouble::parse(args.at(3)).ok_or(Fault::NotFloat)?;
    if !delta.is_finite() {
        return Err(Fault::Text("ERR value is NaN or Infinity"));
    }
    let value = txn.hash_increment_float(args.at(1), args.at(2), args.at(3)).map_err(|error| match error {
        ValueError::NotFloat => Fault::Text("ERR hash value is not a float"),
        error => error.into(),
    })?;
    txn.notify(EventClass::HASH, "hincrbyfloat", args.at(1));
    out.bulk(&value);
    Ok(())
}

const HKEYS: Command = Command {
    name: "hkeys",
    summary: "All fields of a hash.",
    handler: Handler::Read(|view, args, out| {
        let hash = view.hash(args.at(1))?;
        out.array(hash.map_or(0, HashRef::len));
        reply_parts(out, hash, true, false);
        Ok(())
    }),
    ..ALL
};

/// The fields, the values, or both.
fn reply_parts(out: &mut Out, hash: Option<HashRef<'_>>, fields: bool, values: bool) {
    let Some(hash) = hash else { return };
    if is_long(hash.len()) {
        let hash = hash.contents();
        return reply_in_slices(out, hash.view().len().div_ceil(SLICE_ELEMENTS), move |place, out| {
            place_of(hash.view().scan(place as u64, SLICE_ELEMENTS, |field, value| {
                if fields {
                    out.bulk(field);
                }
                if values {
                    out.bulk(value);
                }
            }))
        });
    }
    if fields
        && values
        && let Some(elements) = hash.packed()
    {
        return reply_elements(out, elements);
    }
    let mut bulks = out.bulks();
    hash.iter().for_each(|(field, value)| {
        if fields {
            push_element(&mut bulks, field);
        }
        if values {
            push_element(&mut bulks, value);
        }
    });
}

const HLEN: Command = Command {
    name: "hlen",
    arity: 2,
    summary: "How many fields a hash has.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(|view, args, out| {
        out.integer(view.hash(args.at(1))?.map_or(0, |hash| hash.len() as i64));
        Ok(())
    }),
    ..LOOK
};

const HMGET: Command = Command {
    name: "hmget",
    arity: -3,
    keys: &[KeySpec::one(1, &["RO", "access"])],
    element: Some(2),
    time_is_arguments: true,
    complexity: "O(1) for every field",
    summary: "The values of several fields.",
    arguments: &[Argument::key("key", 0), Argument::string("field").multiple()],
    handler: Handler::Read(hmget),
    ..LOOK
};

fn hmget(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let hash = view.hash(args.at(1))?;
    let fields = args.from(2).iter();
    out.array(fields.len());
    if let Some(hash) = hash.filter(|_| is_long(args.len())) {
        let hash = hash.contents();
        reply_to_each(out, args, 2, move |out, field| reply_value(out, Some(hash.view()), field));
        return Ok(());
    }
    fields.for_each(|field| reply_value(out, hash, field));
    Ok(())
}

const HMSET: Command = Command {
    name: "hmset",
    deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
    handler: Handler::Aside(Aside {
        run: |txn, args, out| {
            set_fields(txn, args, "hmset")?;
            out.ok();
            Ok(())
        },
        begin: |txn, args, _| {
            let finish: fn(&mut Txn<'_>, Args<'_>, Edited, &mut Out) = |txn, args, _, out| {
                txn.notify(EventClass::HASH, "hset", args.at(1));
                out.ok();
            };
            Editing::begin(txn, args, Edit { finish, ..SETTING })
        },
    }),
    ..HSET
};

const HRANDFIELD: Command = Command {
    name: "hrandfield",
    arity: -2,
    tips: &["nondeterministic_output"],
    since: "6.2.0",
    complexity: "O(1) for every field that is returned, or O(N), N: fields of the hash, for many of them",
    summary: "Random fields of a hash: different ones, or with repeats where the count is negative.",
    arguments: &[
        Argument::key("key", 0),
        Argument::block(
            "options",
            &[Argument::integer("count"), Argument::word("withvalues", "WITHVALUES").optional()],
        )
        .optional(),
    ],
    handler: Handler::Read(hrandfield),
    ..ALL
};

fn hrandfield(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let dice = |n| view.dice(n);
    let key = args.at(1);
    if args.len() == 2 {
        if view.hash(key)?.and_then(|hash| hash.random(dice, |field, _| out.bulk(field))).is_none() {
            out.null();
        }
        return Ok(());
    }
    let count = RandomCount::parse(args.at(2))?;
    let with_values = match args.len() {
        3 => false,
        4 if is(args.at(3), "WITHVALUES") => true,
        _ => return Err(Fault::Syntax),
    };
    let (RandomCount::Distinct(magnitude) | RandomCount::WithRepeats(magnitude)) = count;
    if with_values && magnitude > i64::MAX as usize / 2 {
        return Err(Fault::OutOfRange);
    }
    let Some(hash) = view.hash(key)? else {
        out.array(0);
        return Ok(());
    };
    // RESP3 nests the pairs.
    let nested = with_values && out.protocol == Protocol::Resp3;
    let len_of = |fields: usize| if with_values && !nested { 2 * fields } else { fields };
    let reply_pair = move |out: &mut Out, field: Element<'_>, value: Element<'_>| {
        if nested {
            out.array(2);
        }
        reply_element(out, field);
        if with_values {
            reply_element(out, value);
        }
    };
    out.array(len_of(count.of(hash.len())));
    match count {
        _ if count.is_long(hash.len()) => {
            let source = Copied::Hash(hash.contents());
            return reply_long_draw(out, source, count, dice(usize::MAX), move |out, field, beside| {
                if let Beside::Value(value) = beside {
                    reply_pair(out, field, value);
                }
            });
        }
        RandomCount::WithRepeats(count) => repeat_draws(out, count, |out| {
            hash.random(dice, |field, value| reply_pair(out, Element::Bytes(field), Element::Bytes(value)));
        }),
        RandomCount::Distinct(count) => hash.sample(count, dice, |field, value| reply_pair(out, field, value)),
    }
    Ok(())
}

const HSCAN: Command = Command {
    name: "hscan",
    arity: -3,
    tips: &["nondeterministic_output"],
    since: "2.8.0",
    complexity: "O(1) for every call, O(N) for all of them, N: fields of the hash",
    summary: "Walks through the fields of a hash, some at a time.",
    arguments: &[
        Argument::key("key", 0),
        Argument::integer("cursor"),
        MATCH_ARGUMENT,
        COUNT_ARGUMENT,
        Argument::word("novalues", "NOVALUES").optional(),
    ],
    handler: Handler::Read(|view, args, out| {
        scan_elements(args, Scanned::Fields, out, |key| Ok(view.hash(key)?.map(Elements::Hash)))
    }),
    ..ALL
};

const HSET: Command = Command {
    name: "hset",
    arity: -4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    element: Some(2),
    time_is_arguments: true,
    complexity: "O(1) for every field",
    summary: "Sets fields of a hash.",
    arguments: &[Argument::key("key", 0), PAIRS],
    handler: Handler::Aside(Aside {
        run: |txn, args, out| {
            let added = set_fields(txn, args, "hset")?;
            out.integer(added as i64);
            Ok(())
        },
        begin: |txn, args, _| Editing::begin(txn, args, SETTING),
    }),
    ..HASH
};

const SETTING: Edit = Edit {
    width: 2,
    change: |hash, args, limits| {
        let Copied::Hash(hash) = hash else { return Ok(Inserted::Nothing) };
        Ok(if hash.insert(args.at(0), args.at(1), limits) { Inserted::New } else { Inserted::Score })
    },
    finish: |txn, args, edited, out| {
        txn.notify(EventClass::HASH, "hset", args.at(1));
        out.integer(edited.new as i64);
    },
    ..REMOVAL
};

/// Returns how many fields are new.
fn set_fields(txn: &mut Txn<'_>, args: Args<'_>, command: &str) -> Result<usize, Fault> {
    let pairs = args.from(2);
    if !pairs.len().is_multiple_of(2) {
        return Err(Fault::wrong_arity(command));
    }
    let pairs = (0..pairs.len()).step_by(2).map(|index| (pairs.at(index), pairs.at(index + 1)));
    let added = txn.hash_set(args.at(1), pairs)?;
    txn.notify(EventClass::HASH, "hset", args.at(1));
    Ok(added)
}

const HSETNX: Command = Command {
    name: "hsetnx",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "insert"])],
    element: Some(2),
    summary: "Sets a field of a hash that is not there yet.",
    arguments: &[Argument::key("key", 0), Argument::string("field"), Argument::string("value")],
    handler: Handler::Write(hsetnx),
    ..HASH
};

fn hsetnx(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let is_new = !txn.hash(args.at(1))?.is_some_and(|hash| hash.contains(args.at(2)));
    if is_new {
        txn.hash_set(args.at(1), std::iter::once((args.at(2), args.at(3))))?;
        txn.notify(EventClass::HASH, "hset", args.at(1));
    }
    out.integer(is_new.into());
    Ok(())
}

const HSTRLEN: Command = Command {
    name: "hstrlen",
    since: "3.2.0",
    summary: "How many bytes the value of a field has.",
    handler: Handler::Read(|view, args, out| {
        let value = view.hash(args.at(1))?.and_then(|hash| hash.value(args.at(2)));
        out.integer(value.map_or(0, |value| value.byte_len() as i64));
        Ok(())
    }),
    ..LOOK
};

const HVALS: Command = Command {
    name: "hvals",
    summary: "All values of a hash.",
    handler: Handler::Read(|view, args, out| {
        let hash = view.hash(args.at(1))?;
        out.array(hash.map_or(0, HashRef::len));
        reply_parts(out, hash, false, true);
        Ok(())
    }),
    ..ALL
};

const KEYDB_HRENAME: Command = Command {
    name: "keydb.hrename",
    arity: 4,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    element: Some(2),
    since: "6.2.0",
    summary: "Renames a field of a hash, as KeyDB does.",
    arguments: &[Argument::key("key", 0), Argument::string("field"), Argument::string("newfield")],
    handler: Handler::Write(hrename),
    ..HASH
};

fn hrename(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (key, field, new_field) = (args.at(1), args.at(2), args.at(3));
    let Some(hash) = txn.hash(key)? else {
        out.null();
        return Ok(());
    };
    let value = hash.value(field).ok_or(Fault::Text("ERR hash key doesn't exist"))?.to_vec();
    if field != new_field {
        // In this order the hash is never empty, which would end its life and its deadline.
        txn.hash_set(key, std::iter::once((new_field, &value[..])))?;
        txn.hash_delete(key, std::iter::once(field))?;
        txn.notify(EventClass::HASH, "hset", key);
        txn.notify(EventClass::HASH, "hdel", key);
    }
    out.integer(1);
    Ok(())
}
