//! The table of commands against facts of Redis's own (tests/commands.txt).

use engine::command::{Argument, Begin, Command, Find, Flags, Handler, KeySpec};
use engine::table::table;
use std::collections::BTreeSet;

/// Where we differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("multi", "refused within MULTI with a text of its own, as in Redis 7.2"),
    ("watch", "the same"),
    ("persist", "KeyDB's form with an element has one argument more"),
    ("pttl", "the same"),
    ("ttl", "the same"),
    ("replicaof", "KeyDB's REPLICAOF REMOVE has one argument more"),
    ("slaveof", "the same"),
    ("wait", "not from scripts, as in Redis 7.2"),
];

fn flags(command: &Command) -> String {
    let mut names: Vec<String> = command.flags.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    if names.is_empty() { "-".into() } else { names.join(",") }
}

fn categories(command: &Command) -> String {
    let implied = |name: &str| command.flags.contains(Flags::ADMIN) && ["admin", "dangerous"].contains(&name);
    let mut names: Vec<&str> = command.categories.iter().copied().filter(|name| !implied(name)).collect();
    names.sort();
    if names.is_empty() { "-".into() } else { names.join(",") }
}

fn key_spec(spec: &KeySpec) -> String {
    let begin = match spec.begin {
        Begin::Unknown { .. } => return format!("{} ? ?", spec.flags.join(",")),
        Begin::Index(index) => format!("index {index}"),
        Begin::Keyword(word, from) => format!("keyword {word} {from}"),
    };
    let find = match spec.find {
        Find::Range { last, step, limit } => format!("range {last} {step} {limit}"),
        Find::Count { count, first, step } => format!("count {count} {first} {step}"),
    };
    format!("{} {begin} {find}", spec.flags.join(","))
}

#[test]
fn every_command_has_the_facts_of_redis() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for line in include_str!("commands.txt").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(" ; ").collect();
        let Some(entry) = table().by_full_name(fields[0].as_bytes()) else { continue };
        if DIFFERENT.iter().any(|(name, _)| *name == fields[0]) {
            continue;
        }
        checked += 1;
        let command = entry.command;
        let mut ours = vec![entry.full_name.clone(), command.arity.to_string(), flags(command), categories(command)];
        ours.extend(command.keys.iter().map(key_spec));
        if ours != fields {
            wrong.push(format!("facts: {line}\nours:  {}", ours.join(" ; ")));
        }
    }
    assert!(checked > 150, "only {checked} commands were compared");
    assert!(wrong.is_empty(), "{}\n{} of {checked} differ", wrong.join("\n"), wrong.len());
}

/// Where arguments, groups or versions differ, and why.
const DIFFERENTLY_DOCUMENTED: &[(&str, &str)] = &[
    ("persist", "KeyDB's form with an element has one argument more"),
    ("pttl", "the same"),
    ("ttl", "the same"),
    ("bitop", "KeyDB's LSHIFT and RSHIFT"),
    ("debug", "its arguments are described, where Redis says nothing"),
    ("replicaof", "KeyDB's REMOVE"),
    ("slaveof", "the same"),
];

/// In the notation of arguments.txt.
fn argument(argument: &Argument) -> String {
    let mut text = format!("{}:{}", argument.name, argument.kind);
    if let Some(token) = argument.token {
        text.push_str(&format!("={}", if token.is_empty() { "\"\"" } else { token }));
    }
    if let Some(key_spec) = argument.key_spec {
        text.push_str(&format!("@{key_spec}"));
    }
    if argument.optional {
        text.push('?');
    }
    match (argument.multiple_token, argument.multiple) {
        (true, _) => text.push('+'),
        (false, true) => text.push('*'),
        (false, false) => {}
    }
    if !argument.arguments.is_empty() {
        text.push_str(&format!("({})", arguments(argument.arguments)));
    }
    text
}

fn arguments(list: &[Argument]) -> String {
    if list.is_empty() { "-".into() } else { list.iter().map(argument).collect::<Vec<_>>().join(" ") }
}

#[test]
fn every_command_is_documented_as_in_redis() {
    let mut wrong = Vec::new();
    for line in include_str!("arguments.txt").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(" ; ").collect();
        let Some(entry) = table().by_full_name(fields[0].as_bytes()) else { continue };
        if DIFFERENTLY_DOCUMENTED.iter().any(|(name, _)| *name == fields[0]) {
            continue;
        }
        let command = entry.command;
        let mut tips = command.tips.to_vec();
        tips.sort();
        let ours = [
            entry.full_name.clone(),
            command.since.to_string(),
            command.group.to_string(),
            if tips.is_empty() { "-".into() } else { tips.join(",") },
            command.deprecated.map_or("-", |(since, _)| since).to_string(),
            arguments(command.arguments),
        ];
        if ours.iter().zip(&fields).any(|(ours, facts)| ours != facts) {
            wrong.push(format!("facts: {line}\nours:  {}", ours.join(" ; ")));
        }
    }
    assert!(wrong.is_empty(), "{}\n{} differ", wrong.join("\n"), wrong.len());
}

#[test]
fn every_declaration_is_complete() {
    for entry in table().entries() {
        let (name, command) = (&entry.full_name, entry.command);
        assert!(!command.summary.is_empty() && command.summary.ends_with('.'), "{name}: summary");
        assert!(!command.group.is_empty() && !command.complexity.is_empty(), "{name}: group and complexity");
        assert_eq!(command.name, command.name.to_ascii_lowercase(), "{name}");
        let writes = command.flags.contains(Flags::WRITE);
        let reads = command.flags.contains(Flags::READONLY);
        assert!(!(writes && reads), "{name} writes and only reads");
        match command.handler {
            Handler::Read(_) | Handler::EachKey(_) => assert!(reads, "{name} is a reader without its flag"),
            Handler::Write(_) | Handler::Aside(_) => assert!(writes, "{name} is a writer without its flag"),
            Handler::Container => {
                assert!(!command.subcommands.is_empty(), "{name} has neither function nor subcommands")
            }
            Handler::Blocking(_) => {
                assert!(command.flags.contains(Flags::BLOCKING) && (reads || writes), "{name} lacks a flag");
            }
            Handler::Session(_) => {}
        }
    }
}

#[test]
fn names_are_unique_and_found_in_any_case() {
    let mut names = BTreeSet::new();
    for entry in table().entries() {
        assert!(names.insert(&entry.full_name), "{} twice", entry.full_name);
        assert!(std::ptr::eq(table().by_full_name(entry.full_name.as_bytes()).unwrap(), entry));
        let shouted = entry.full_name.to_ascii_uppercase();
        assert!(std::ptr::eq(table().by_full_name(shouted.as_bytes()).unwrap(), entry));
    }
    for unknown in ["", "ge", "gett", "g\u{5}t", "config|", "config|x", &"x".repeat(300)] {
        assert!(table().by_full_name(unknown.as_bytes()).is_none(), "{unknown}");
    }
}
