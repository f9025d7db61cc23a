//! COMMAND: the table of commands, for clients.

use super::help::help_of;
use crate::arguments::is;
use crate::command::{Argument, Begin, Command, Find, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::keys::for_each_key;
use crate::table::{Entry, table};
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&COMMAND];

const SERVER: Command = Command { group: "server", categories: &["connection"], ..Command::BASE };

const COMMAND: Command = Command {
    name: "command",
    arity: -1,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output_order"],
    since: "2.8.13",
    complexity: "O(N), N: commands",
    summary: "The facts of all commands.",
    subcommands: &[COUNT, DOCS, GETKEYS, GETKEYSANDFLAGS, HELP, INFO, LIST],
    handler: Handler::Session(command),
    ..SERVER
};

fn command(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    every_info(out)
}

fn every_info(out: &mut Out) -> Reply {
    out.array(table().commands().count());
    table().commands().for_each(|entry| reply_info(entry, out));
    Ok(())
}

const COUNT: Command = Command {
    name: "count",
    arity: 2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    since: "2.8.13",
    summary: "How many commands there are.",
    handler: Handler::Session(count),
    ..SERVER
};

fn count(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.integer(table().commands().count() as i64);
    Ok(())
}

const DOCS: Command = Command {
    name: "docs",
    arity: -2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output_order"],
    since: "7.0.0",
    complexity: "O(N), N: commands",
    summary: "What commands do and which arguments they take.",
    arguments: &[Argument::string("command-name").optional().multiple()],
    handler: Handler::Session(docs),
    ..SERVER
};

fn docs(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let entries: Vec<&Entry> = if args.len() == 2 {
        table().commands().collect()
    } else {
        args.from(2).iter().filter_map(|name| table().by_full_name(name)).collect()
    };
    out.map(entries.len());
    for entry in entries {
        out.bulk(entry.full_name.as_bytes());
        reply_docs(entry, out);
    }
    Ok(())
}

const GETKEYS: Command = Command {
    name: "getkeys",
    arity: -3,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    since: "2.8.13",
    complexity: "O(N), N: arguments",
    summary: "The keys of a request.",
    arguments: &[Argument::string("command"), Argument::string("arg").optional().multiple()],
    handler: Handler::Session(getkeys),
    ..SERVER
};

fn getkeys(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let request = args.from(2);
    let keys = keys_of(request)?;
    out.array(keys.len());
    for (index, _) in keys {
        out.bulk(request.at(index));
    }
    Ok(())
}

/// The indexes of a request's keys, each with the flags of its specification.
fn keys_of(request: Args<'_>) -> Result<Vec<(usize, KeyFlags)>, Fault> {
    let entry = table().find(request).map_err(|_| Fault::Text("ERR Invalid command specified"))?;
    if entry.command.keys.iter().all(|spec| spec.flags.contains(&"not_key")) {
        return Err(Fault::Text("ERR The command has no key arguments"));
    }
    if !entry.command.accepts(request.len()) {
        return Err(Fault::Text("ERR Invalid number of arguments specified for command"));
    }
    let mut keys = Vec::new();
    for_each_key(entry, request, |index, spec| keys.push((index, key_flags(spec, request))))
        .filter(|()| !keys.is_empty())
        .ok_or(Fault::Text("ERR Invalid arguments specified for command"))?;
    Ok(keys)
}

type KeyFlags = &'static [&'static str];

/// What SET and BITFIELD do to a key depends on their options.
fn key_flags(spec: &KeySpec, request: Args<'_>) -> KeyFlags {
    if !spec.flags.contains(&"variable_flags") {
        return spec.flags;
    }
    let options = request.from(2);
    let (read, both, write): (KeyFlags, KeyFlags, KeyFlags) =
        (&["RO", "access"], &["RW", "access", "update"], &["OW", "update"]);
    if is(request.at(0), "BITFIELD") {
        // GET has a type and an offset.
        let only_reads = options.len().is_multiple_of(3) && options.iter().step_by(3).all(|word| is(word, "GET"));
        return if only_reads { read } else { both };
    }
    if options.iter().any(|word| is(word, "GET")) { both } else { write }
}

const GETKEYSANDFLAGS: Command = Command {
    name: "getkeysandflags",
    arity: -3,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    since: "7.0.0",
    complexity: "O(N), N: arguments",
    summary: "The keys of a request, and what it does to them.",
    arguments: &[Argument::string("command"), Argument::string("arg").optional().multiple()],
    handler: Handler::Session(getkeysandflags),
    ..SERVER
};

fn getkeysandflags(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let request = args.from(2);
    let keys = keys_of(request)?;
    out.array(keys.len());
    for (index, flags) in keys {
        out.array(2);
        out.bulk(request.at(index));
        reply_words(flags.iter().copied(), out);
    }
    Ok(())
}

const HELP: Command = Command { since: "5.0.0", ..help_of(SERVER) };

const INFO: Command = Command {
    name: "info",
    arity: -2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output_order"],
    since: "2.8.13",
    complexity: "O(N), N: commands",
    summary: "The facts of commands.",
    arguments: &[Argument::string("command-name").optional().multiple()],
    handler: Handler::Session(info),
    ..SERVER
};

fn info(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if args.len() == 2 {
        return every_info(out);
    }
    out.array(args.len() - 2);
    for name in args.from(2).iter() {
        match table().by_full_name(name) {
            Some(entry) => reply_info(entry, out),
            None => out.null(),
        }
    }
    Ok(())
}

const LIST: Command = Command {
    name: "list",
    arity: -2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output_order"],
    since: "7.0.0",
    complexity: "O(N), N: commands",
    summary: "The names of the commands.",
    arguments: &[Argument::one_of(
        "filterby",
        &[
            Argument::string("module-name").token("MODULE"),
            Argument::string("category").token("ACLCAT"),
            Argument::new("pattern", "pattern").token("PATTERN"),
        ],
    )
    .token("FILTERBY")
    .optional()],
    handler: Handler::Session(list),
    ..SERVER
};

fn list(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let keep: Box<dyn Fn(&Entry) -> bool> = match args.len() {
        2 => Box::new(|_| true),
        5 if is(args.at(2), "FILTERBY") => {
            let value = args.at(4);
            match args.at(3) {
                filter if is(filter, "MODULE") => Box::new(|_| false),
                filter if is(filter, "ACLCAT") => {
                    Box::new(move |entry| entry.categories.iter().any(|category| is(value, category)))
                }
                filter if is(filter, "PATTERN") => {
                    Box::new(move |entry| stdx::glob::matches_ignore_case(value, entry.full_name.as_bytes()))
                }
                _ => return Err(Fault::Syntax),
            }
        }
        _ => return Err(Fault::Syntax),
    };
    let names = table().entries().iter().filter(|entry| keep(entry)).map(|entry| entry.full_name.as_str());
    let names: Vec<&str> = names.collect();
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name.as_bytes()));
    Ok(())
}

fn reply_words<'a>(words: impl ExactSizeIterator<Item = &'a str>, out: &mut Out) {
    out.set(words.len());
    words.for_each(|word| out.status(word));
}

fn reply_info(entry: &Entry, out: &mut Out) {
    let command = entry.command;
    let range = legacy_range(command.keys);
    out.array(10);
    out.bulk(entry.full_name.as_bytes());
    out.integer(i64::from(command.arity));
    let mut flags: Vec<String> = command
        .flags
        .difference(Flags::MAY_REPLICATE)
        .iter_names()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    if command.keys.iter().any(|spec| as_range(spec).is_none()) {
        flags.push("movablekeys".into());
    }
    reply_words(flags.iter().map(String::as_str), out);
    for number in [range.first, range.last, range.step] {
        out.integer(number);
    }
    let categories: Vec<String> = entry.categories.iter().map(|category| format!("@{category}")).collect();
    reply_words(categories.iter().map(String::as_str), out);
    reply_bulks(command.tips, out);
    out.set(command.keys.len());
    command.keys.iter().for_each(|spec| reply_key_spec(spec, out));
    if command.subcommands.is_empty() {
        out.set(0)
    } else {
        out.array(command.subcommands.len())
    }
    table().subcommands(entry).iter().for_each(|subcommand| reply_info(subcommand, out));
}

fn reply_bulks(words: &[&str], out: &mut Out) {
    out.set(words.len());
    words.iter().for_each(|word| out.bulk(word.as_bytes()));
}

/// First key, last key and step, as Redis had them before key specifications. `last` is absolute;
/// negative: from the end.
#[derive(Default)]
struct Range {
    first: i64,
    last: i64,
    step: i64,
}

fn as_range(spec: &KeySpec) -> Option<Range> {
    let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else { return None };
    let (first, last) = (first as i64, last as i64);
    Some(Range { first, last: if last >= 0 { first + last } else { last }, step: step as i64 })
}

/// One range, or several that follow each other closely; nothing where that is not so.
fn legacy_range(specs: &[KeySpec]) -> Range {
    let mut ranges = specs.iter().filter_map(as_range);
    let Some(mut whole) = ranges.next() else { return Range::default() };
    for range in ranges {
        if range.step != 1 || whole.step != 1 || whole.last != range.first - 1 {
            return Range::default();
        }
        whole.last = range.last;
    }
    whole
}

fn reply_key_spec(spec: &KeySpec, out: &mut Out) {
    out.map(3);
    out.bulk(b"flags");
    reply_words(spec.flags.iter().copied(), out);
    out.bulk(b"begin_search");
    match spec.begin {
        Begin::Unknown { .. } => reply_search("unknown", &[], out),
        Begin::Index(index) => reply_search("index", &[("index", index as i64)], out),
        Begin::Keyword(keyword, start) => {
            out.map(2);
            out.bulk(b"type");
            out.bulk(b"keyword");
            out.bulk(b"spec");
            out.map(2);
            out.bulk(b"keyword");
            out.bulk(keyword.as_bytes());
            out.bulk(b"startfrom");
            out.integer(start as i64);
        }
    }
    out.bulk(b"find_keys");
    match spec.find {
        _ if matches!(spec.begin, Begin::Unknown { .. }) => reply_search("unknown", &[], out),
        Find::Range { last, step, limit } => {
            let numbers = [("lastkey", last as i64), ("keystep", step as i64), ("limit", limit as i64)];
            reply_search("range", &numbers, out);
        }
        Find::Count { count, first, step } => {
            let numbers = [("keynumidx", count as i64), ("firstkey", first as i64), ("keystep", step as i64)];
            reply_search("keynum", &numbers, out);
        }
    }
}

fn reply_search(kind: &str, numbers: &[(&str, i64)], out: &mut Out) {
    out.map(2);
    out.bulk(b"type");
    out.bulk(kind.as_bytes());
    out.bulk(b"spec");
    out.map(numbers.len());
    for (name, number) in numbers {
        out.bulk(name.as_bytes());
        out.integer(*number);
    }
}

fn reply_docs(entry: &Entry, out: &mut Out) {
    let command = entry.command;
    let map = out.defer();
    let mut fields = 0;
    let mut field = |name: &str, value: &str, out: &mut Out| {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
        fields += 1;
    };
    field("summary", command.summary, out);
    field("since", command.since, out);
    field("group", command.group, out);
    field("complexity", command.complexity, out);
    if let Some((since, replacement)) = command.deprecated {
        field("deprecated_since", since, out);
        field("replaced_by", replacement, out);
    }
    if command.deprecated.is_some() {
        out.bulk(b"doc_flags");
        reply_words(["deprecated"].into_iter(), out);
        fields += 1;
    }
    if !command.arguments.is_empty() {
        out.bulk(b"arguments");
        reply_arguments(command.arguments, out);
        fields += 1;
    }
    if !command.subcommands.is_empty() {
        out.bulk(b"subcommands");
        out.map(command.subcommands.len());
        for subcommand in table().subcommands(entry) {
            out.bulk(subcommand.full_name.as_bytes());
            reply_docs(subcommand, out);
        }
        fields += 1;
    }
    out.finish_map(map, fields);
}

fn reply_arguments(arguments: &[Argument], out: &mut Out) {
    out.array(arguments.len());
    for argument in arguments {
        reply_argument(argument, out);
    }
}

fn reply_argument(argument: &Argument, out: &mut Out) {
    let nested = !argument.arguments.is_empty();
    let map = out.defer();
    let mut fields = 0;
    let mut field = |name: &str, value: Option<&str>, out: &mut Out| {
        if let Some(value) = value {
            out.bulk(name.as_bytes());
            out.bulk(value.as_bytes());
            fields += 1;
        }
    };
    field("name", Some(argument.name), out);
    field("type", Some(argument.kind), out);
    field("display_text", (!nested).then_some(argument.name), out);
    if let Some(index) = argument.key_spec {
        out.bulk(b"key_spec_index");
        out.integer(index as i64);
    }
    field("token", argument.token, out);
    field("since", argument.since, out);
    let flags =
        [(argument.optional, "optional"), (argument.multiple, "multiple"), (argument.multiple_token, "multiple_token")];
    let flags: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    fields += usize::from(argument.key_spec.is_some());
    if !flags.is_empty() {
        out.bulk(b"flags");
        reply_words(flags.into_iter(), out);
        fields += 1;
    }
    if nested {
        out.bulk(b"arguments");
        reply_arguments(argument.arguments, out);
        fields += 1;
    }
    out.finish_map(map, fields);
}
