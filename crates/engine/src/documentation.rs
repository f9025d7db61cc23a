//! docs/commands.md, from the table of commands.

use crate::command::Flags;
use crate::commands::help::usage;
use crate::table::{Entry, table};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a command does where there are several masters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Here,
    Reads,
    Merged,
    Result,
    Clear,
    Condition,
    Everywhere,
}

impl Mark {
    const ALL: [Mark; 7] =
        [Mark::Here, Mark::Reads, Mark::Merged, Mark::Result, Mark::Clear, Mark::Condition, Mark::Everywhere];

    /// How the table shows it, and what that means.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Mark::Here => ("here", "concerns this node, or this connection, only"),
            Mark::Reads => ("reads", "reads what has arrived at this node"),
            Mark::Merged => ("merged", "every node merges it by the rule of its type (decisions/0001-convergence.md)"),
            Mark::Result => ("result", "is worked out at this node; the others get the result, whole"),
            Mark::Clear => ("clear", "removes what is older everywhere; what is newer stays"),
            Mark::Condition => {
                ("condition", "looks at this node, and only if that allows it is a write that is merged")
            }
            Mark::Everywhere => ("everywhere", "reaches the subscribers of all nodes"),
        }
    }

    fn of(entry: &Entry) -> Mark {
        let name = entry.command.name;
        let works_out = [
            "bitop",
            "pfmerge",
            "sort",
            "rename",
            "copy",
            "move",
            "swapdb",
            "restore",
            "georadius",
            "georadiusbymember",
        ];
        let clears = ["del", "unlink", "flushdb", "flushall", "expdel"];
        let looks_first = ["setnx", "msetnx", "hsetnx", "renamenx", "lpushx", "rpushx", "spop", "zpopmin", "zpopmax"];
        let is = |list: &[&str]| list.contains(&name);
        match () {
            () if entry.command.group == "pubsub" && entry.has(Flags::MAY_REPLICATE) => Mark::Everywhere,
            () if entry.has(Flags::WRITE) && is(&clears) => Mark::Clear,
            () if entry.has(Flags::WRITE) && (is(&looks_first) || entry.has(Flags::BLOCKING)) => Mark::Condition,
            () if entry.has(Flags::WRITE) && (is(&works_out) || name.ends_with("store")) => Mark::Result,
            () if entry.has(Flags::WRITE) => Mark::Merged,
            () if entry.has(Flags::READONLY) => Mark::Reads,
            () => Mark::Here,
        }
    }
}

/// The whole page.
pub fn page() -> String {
    let mut page = String::from(
        "# Commands\n\nMade from the table of commands by `cargo xtask docs`: do not edit it.\n\n\
         ## With several masters\n\n| mark | a command that has it |\n|---|---|\n",
    );
    for mark in Mark::ALL {
        let (word, meaning) = mark.words();
        let _ = writeln!(page, "| {word} | {meaning} |");
    }
    let mut groups: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in table().entries().iter().filter(|entry| entry.command.subcommands.is_empty()) {
        groups.entry(entry.command.group).or_default().push(entry);
    }
    for (group, entries) in groups {
        let _ = write!(
            page,
            "\n## {group}\n\n| command | since | with several masters | what it does | costs |\n|---|---|---|---|---|\n"
        );
        for entry in entries {
            page.push_str(&row(entry));
        }
    }
    page
}

fn row(entry: &Entry) -> String {
    let command = entry.command;
    let container = entry.full_name.split_once('|').map_or(String::new(), |(name, _)| name.to_ascii_uppercase() + " ");
    let syntax = format!("{container}{}", usage(command)).replace('|', "\\|");
    let replaced = match command.deprecated {
        Some((since, replacement)) => format!(" Out of favour since {since}: {replacement}."),
        None => String::new(),
    };
    let summary = (command.summary.to_string() + &replaced).replace('|', "\\|");
    let mark = Mark::of(entry).words().0;
    format!("| `{syntax}` | {} | {mark} | {summary} | {} |\n", command.since, command.complexity.replace('|', "\\|"))
}
