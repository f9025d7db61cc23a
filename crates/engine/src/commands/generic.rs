//! Keys of any type: deleting, renaming, copying, walking.

use super::collection::{Gathered, is_long};
use super::scan::{COUNT_ARGUMENT, LongScan, MATCH_ARGUMENT, ScanOptions, Scanned, reply_scan, scan_cursor};
use crate::arguments::{Cursor, database_index, is};
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::{KEYS_FETCHED_AHEAD, SessionContext};
use crate::each_key::EachKey;
use crate::fault::Fault;
use crate::slices::{self, Sliced};
use keyspace::{EventClass, KeyType, Scope, Txn, View};
use resp::{Args, Out, OwnedArgs};

pub(super) const COMMANDS: &[&Command] = &[
    &COPY,
    &DEL,
    &EXISTS,
    &EXPDEL,
    &KEYDB_MEXISTS,
    &MOVE,
    &RANDOMKEY,
    &RENAME,
    &RENAMENX,
    &SCAN,
    &TOUCH,
    &TYPE,
    &UNLINK,
];

pub(super) const GENERIC: Command = Command { group: "generic", categories: &["keyspace"], ..Command::BASE };

const COPY: Command = Command {
    name: "copy",
    arity: -3,
    flags: Flags::of(&[Flags::WRITE, Flags::DENYOOM]),
    keys: &[KeySpec::one(1, &["RO", "access"]), KeySpec::one(2, &["OW", "update"])],
    since: "6.2.0",
    complexity: "O(N), N: elements of the value",
    summary: "Copies a key, its deadline included.",
    arguments: &[
        Argument::key("source", 0),
        Argument::key("destination", 1),
        Argument::integer("destination-db").token("DB").optional(),
        Argument::word("replace", "REPLACE").optional(),
    ],
    handler: Handler::Write(copy),
    ..GENERIC
};

fn copy(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let (source, destination) = (args.at(1), args.at(2));
    let home = txn.db();
    let (mut db, mut replace) = (home, false);
    let mut words = Cursor::new(args, 3);
    while let Some(word) = words.next() {
        if is(word, "REPLACE") {
            replace = true;
        } else if is(word, "DB") {
            db = database_index(words.value()?, txn.databases())?;
        } else {
            return Err(Fault::Syntax);
        }
    }
    if db == home && source == destination {
        return Err(SAME_OBJECT);
    }
    let possible = txn.exists(source) && (replace || !exists_in(txn, destination, db));
    if possible {
        txn.copy(source, destination, db);
        notify_in(txn, db, "copy_to", destination);
    }
    out.integer(i64::from(possible));
    Ok(())
}

const SAME_OBJECT: Fault = Fault::Text("ERR source and destination objects are the same");

/// An event in another database.
fn notify_in(txn: &mut Txn<'_>, db: u32, name: &'static str, key: &[u8]) {
    let home = txn.db();
    txn.select(db);
    txn.notify(EventClass::GENERIC, name, key);
    txn.select(home);
}

fn exists_in(txn: &mut Txn<'_>, key: &[u8], db: u32) -> bool {
    let home = txn.db();
    txn.select(db);
    let exists = txn.exists(key);
    txn.select(home);
    exists
}

const DEL: Command = Command {
    name: "del",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE]),
    keys: &[KeySpec::from(1, &["RM", "delete"])],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    complexity: "O(N), N: keys",
    summary: "Deletes keys.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::Write(del),
    ..GENERIC
};

fn del(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let mut deleted = 0;
    for keys in args.from(1).chunks(KEYS_FETCHED_AHEAD) {
        if args.len() > KEYS_FETCHED_AHEAD {
            txn.prefetch(keys.iter());
        }
        for key in keys.iter() {
            if txn.delete(key) {
                txn.notify(EventClass::GENERIC, "del", key);
                deleted += 1;
            }
        }
    }
    out.integer(deleted);
    Ok(())
}

const EXPDEL: Command = Command {
    name: "expdel",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE]),
    keys: &[KeySpec::from(1, &["RM", "delete"])],
    since: "6.0.0",
    complexity: "O(N), N: keys",
    summary: "Deletes keys, as KeyDB's masters tell their replicas when keys have expired.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::Write(del),
    ..GENERIC
};

const EXISTS: Command = Command {
    name: "exists",
    arity: -2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::from(1, &["RO"])],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    time_is_arguments: true,
    complexity: "O(N), N: keys",
    summary: "How many of these keys exist; one named twice counts twice.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::EachKey(EachKey::Count(|view, key| view.exists(key))),
    ..GENERIC
};

const KEYDB_MEXISTS: Command = Command {
    name: "keydb.mexists",
    arity: -2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::from(1, &["RO"])],
    since: "6.3.0",
    complexity: "O(N), N: keys",
    summary: "For each key, whether it exists.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::EachKey(EachKey::Reply(|view, key, out| out.integer(i64::from(view.exists(key))))),
    ..GENERIC
};

const MOVE: Command = Command {
    name: "move",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    summary: "Moves a key to another database.",
    arguments: &[Argument::key("key", 0), Argument::integer("db")],
    handler: Handler::Write(move_key),
    ..GENERIC
};

fn move_key(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key = args.at(1);
    let db = database_index(args.at(2), txn.databases())?;
    if db == txn.db() {
        return Err(SAME_OBJECT);
    }
    let possible = txn.exists(key) && !exists_in(txn, key, db);
    if possible {
        txn.copy(key, key, db);
        txn.delete(key);
        txn.notify(EventClass::GENERIC, "move_from", key);
        notify_in(txn, db, "move_to", key);
    }
    out.integer(i64::from(possible));
    Ok(())
}

const RANDOMKEY: Command = Command {
    name: "randomkey",
    flags: Flags::READONLY,
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    summary: "A key, at random.",
    handler: Handler::Read(randomkey),
    ..GENERIC
};

fn randomkey(view: &View<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    match view.random_key() {
        Some(key) => out.bulk(&key),
        None => out.null(),
    }
    Ok(())
}

const RENAME: Command = Command {
    name: "rename",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"]), KeySpec::one(2, &["OW", "update"])],
    summary: "Renames a key; what had the new name is overwritten.",
    arguments: &[Argument::key("key", 0), Argument::key("newkey", 1)],
    handler: Handler::Write(rename),
    ..GENERIC
};

fn rename(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if !txn.exists(args.at(1)) {
        return Err(Fault::NoSuchKey);
    }
    if args.at(1) != args.at(2) {
        rename_key(txn, args.at(1), args.at(2));
    }
    out.ok();
    Ok(())
}

fn rename_key(txn: &mut Txn<'_>, source: &[u8], destination: &[u8]) {
    txn.rename(source, destination);
    txn.notify(EventClass::GENERIC, "rename_from", source);
    txn.notify(EventClass::GENERIC, "rename_to", destination);
}

const RENAMENX: Command = Command {
    name: "renamenx",
    arity: 3,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"]), KeySpec::one(2, &["OW", "insert"])],
    summary: "Renames a key unless the new name is taken.",
    arguments: &[Argument::key("key", 0), Argument::key("newkey", 1)],
    handler: Handler::Write(renamenx),
    ..GENERIC
};

fn renamenx(txn: &mut Txn<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if !txn.exists(args.at(1)) {
        return Err(Fault::NoSuchKey);
    }
    let free = !txn.exists(args.at(2));
    if free {
        rename_key(txn, args.at(1), args.at(2));
    }
    out.integer(i64::from(free));
    Ok(())
}

const SCAN: Command = Command {
    name: "scan",
    arity: -2,
    flags: Flags::READONLY,
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    since: "2.8.0",
    complexity: "O(1) for each step, O(N) for a complete walk",
    summary: "Walks over the keys in steps.",
    arguments: &[
        Argument::integer("cursor"),
        MATCH_ARGUMENT,
        COUNT_ARGUMENT,
        Argument::string("type").token("TYPE").since("6.0.0").optional(),
    ],
    handler: Handler::Session(scan),
    ..GENERIC
};

fn scan(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let cursor = scan_cursor(args.at(1))?;
    let options = scan_options(args)?;
    if is_long(options.count) && !context.in_transaction() {
        let scan = LongScan::new(out, cursor, options.count);
        slices::run(context, Scanning { scan, args: args.to_owned() }, out);
    } else {
        reply_scan(out, |found| scan_keys(context, cursor, options.count, &options, found));
    }
    Ok(())
}

fn scan_options(args: Args<'_>) -> Result<ScanOptions<'_>, Fault> {
    ScanOptions::parse(Cursor::new(args, 2), Scanned::Keys)
}

fn scan_keys(
    context: &mut SessionContext<'_>,
    cursor: u64,
    count: usize,
    options: &ScanOptions<'_>,
    found: &mut Gathered,
) -> u64 {
    let is_wanted = |key_type: KeyType| options.type_name.is_none_or(|name| is(name, key_type.name()));
    context.with_scope(Scope::All, |txn| {
        txn.scan_of_type(cursor, count, is_wanted, |key, _| {
            if options.pattern.matches(key) {
                found.bulk(key);
            }
        })
    })
}

/// SCAN of very many keys: what others do meanwhile is as if it were done between two shorter ones.
struct Scanning {
    scan: LongScan,
    args: OwnedArgs,
}

impl Sliced for Scanning {
    fn step(&mut self, context: &mut SessionContext<'_>) -> bool {
        let Scanning { scan, args } = self;
        let Ok(options) = scan_options(args.args()) else { return true };
        scan.advance(|cursor, count, found| scan_keys(context, cursor, count, &options, found))
    }

    fn reply(&mut self, _: &mut SessionContext<'_>, out: &mut Out) -> bool {
        self.scan.reply(out);
        true
    }
}

const TOUCH: Command = Command {
    name: "touch",
    arity: -2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::from(1, &["RO"])],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    since: "3.2.1",
    time_is_arguments: true,
    complexity: "O(N), N: keys",
    summary: "Marks keys as used, and counts them.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::EachKey(EachKey::Count(|view, key| view.touch(key))),
    ..GENERIC
};

const TYPE: Command = Command {
    name: "type",
    arity: 2,
    flags: Flags::of(&[Flags::READONLY, Flags::FAST]),
    keys: &[KeySpec::one(1, &["RO"])],
    summary: "The type of the value of a key.",
    arguments: &[Argument::key("key", 0)],
    handler: Handler::Read(type_of),
    ..GENERIC
};

fn type_of(view: &View<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    out.status(view.type_of(args.at(1)).map_or("none", |key_type| key_type.name()));
    Ok(())
}

const UNLINK: Command = Command {
    name: "unlink",
    arity: -2,
    flags: Flags::of(&[Flags::WRITE, Flags::FAST]),
    keys: &[KeySpec::from(1, &["RM", "delete"])],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    since: "4.0.0",
    complexity: "O(N), N: keys",
    summary: "Deletes keys; their memory is freed in the background.",
    arguments: &[Argument::key("key", 0).multiple()],
    handler: Handler::Write(del),
    ..GENERIC
};
