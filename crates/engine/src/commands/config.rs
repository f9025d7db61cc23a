//! CONFIG: directives read and changed at run time.

use super::help::help_of;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::config::{Appended, Config, DirectiveFlags, SetError, directive_names, rewrite};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::services::LogLevel;
use keyspace::Scope;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&CONFIG];

const CONFIG: Command = Command {
    name: "config",
    arity: -2,
    since: "2.0.0",
    complexity: "Depends on the subcommand",
    summary: "Reads and changes directives.",
    subcommands: &[GET, HELP, RESETSTAT, REWRITE, SET],
    group: "server",
    ..Command::BASE
};

const SUBCOMMAND: Command = Command {
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "2.0.0",
    group: "server",
    ..Command::BASE
};

const HELP: Command = Command { since: "5.0.0", ..help_of(SUBCOMMAND) };

const GET: Command = Command {
    name: "get",
    arity: -3,
    complexity: "O(N), N: directives",
    summary: "Shows the directives that match one of the patterns.",
    arguments: &[Argument::string("parameter").multiple()],
    handler: Handler::Session(get),
    ..SUBCOMMAND
};

fn get(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let config = context.engine.config.load();
    let mut found: Vec<(String, String)> = Vec::new();
    for pattern in args.from(2).iter() {
        if let Ok(name) = std::str::from_utf8(pattern)
            && !name.contains(['*', '?', '['])
        {
            found.extend(config.get(name).map(|value| (name.to_string(), value)));
            continue;
        }
        found.extend(
            directive_names()
                .filter(|(_, _, directive)| !directive.flags.contains(DirectiveFlags::HIDDEN))
                .filter(|(name, ..)| stdx::glob::matches_ignore_case(pattern, name.as_bytes()))
                .map(|(name, index, directive)| (name.to_string(), config.value(index, directive))),
        );
    }
    found.sort_by_cached_key(|(name, _)| name.to_ascii_lowercase());
    found.dedup_by(|left, right| left.0.eq_ignore_ascii_case(&right.0));
    out.map(found.len());
    for (name, value) in found {
        out.bulk(name.as_bytes());
        out.bulk(&stdx::bytes_of(&value));
    }
    Ok(())
}

const SET: Command = Command {
    name: "set",
    arity: -4,
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    complexity: "O(N), N: directives given",
    summary: "Changes directives, all of them or none.",
    arguments: &[Argument::block("data", &[Argument::string("parameter"), Argument::string("value")]).multiple()],
    handler: Handler::Session(set),
    ..SUBCOMMAND
};

fn set(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if !args.len().is_multiple_of(2) {
        return Err(Fault::Syntax);
    }
    let pairs = pairs(args.from(2));
    let engine = context.engine;
    let held = engine.config_change.lock();
    let before = engine.config.load_full();
    let protected = match before.enable_protected_configs {
        "yes" => true,
        "local" => context.session.client.connection.local,
        _ => false,
    };
    let (after, notices) = before.with(&pairs, protected)?;
    let changes_encodings = after.encoding_limits() != before.encoding_limits();
    engine.host.reconfigure(&before, &after).map_err(|(directive, reason)| refused(directive, &reason))?;
    // REPLICAOF may have changed the masters meanwhile.
    engine.config.replace(|current| {
        let mut after = Config::clone(&after);
        after.replicaof.clone_from(&current.replicaof);
        after
    });
    engine.follow_config();
    notices.iter().for_each(|notice| engine.host.log(LogLevel::Warning, format_args!("{notice}")));
    // A transaction has the shards before it gets here: nobody may wait for them while holding this.
    drop(held);
    if changes_encodings {
        // Whoever comes last sets what is in force.
        context.with_scope(Scope::All, |txn| txn.set_encoding_limits(&engine.config.load().encoding_limits()));
    }
    out.ok();
    Ok(())
}

/// Names and values, alternating.
fn pairs(args: Args<'_>) -> Vec<(String, String)> {
    let words: Vec<&[u8]> = args.iter().collect();
    words.chunks(2).map(|pair| (String::from_utf8_lossy(pair[0]).into_owned(), stdx::text_of(pair[1]))).collect()
}

fn unknown(name: &str) -> Fault {
    Fault::Message(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"))
}

fn refused(name: &str, reason: &str) -> Fault {
    Fault::Message(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
}

impl From<SetError> for Fault {
    fn from(error: SetError) -> Fault {
        match error {
            SetError::Unknown(name) => unknown(&name),
            SetError::Refused { name, reason } => refused(&name, &reason),
        }
    }
}

const RESETSTAT: Command = Command {
    name: "resetstat",
    arity: 2,
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    summary: "Sets the counters of INFO back to zero.",
    handler: Handler::Session(resetstat),
    ..SUBCOMMAND
};

fn resetstat(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    context.engine.stats.reset();
    context.engine.evictor.reset_statistics();
    stdx::reset_disposed();
    context.with_scope(Scope::All, |txn| txn.reset_statistics());
    out.ok();
    Ok(())
}

const REWRITE: Command = Command {
    name: "rewrite",
    arity: 2,
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    since: "2.8.0",
    summary: "Brings the configuration file up to date.",
    handler: Handler::Session(rewrite_changes),
    ..SUBCOMMAND
};

fn rewrite_changes(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    rewrite_file(context, Appended::Changes, out)
}

pub(super) fn rewrite_file(context: &SessionContext<'_>, appended: Appended, out: &mut Out) -> Reply {
    let engine = context.engine;
    let host = &engine.host;
    let path = host.process().config_file.as_str();
    if path.is_empty() {
        return Err(Fault::Text("ERR The server is running without a config file"));
    }
    let _held = engine.config_change.lock();
    let replaced =
        host.read_file(path).and_then(|text| host.replace_file(path, &rewrite(&engine.config.load(), &text, appended)));
    if let Err(error) = replaced {
        host.log(LogLevel::Warning, format_args!("CONFIG REWRITE failed: {error}"));
        return Err(Fault::Message(format!("ERR Rewriting config file: {error}")));
    }
    host.log(LogLevel::Notice, format_args!("CONFIG REWRITE executed with success."));
    out.ok();
    Ok(())
}
