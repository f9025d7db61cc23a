//! CLIENT: the connections, seen from outside.

use super::connection::CONNECTION;
use super::help::help_of;
use super::tracking::{CACHING, GETREDIR, TRACKING, TRACKINGINFO};
use crate::arguments::{Cursor, integer, is};
use crate::clients::{Client, ClientKind, PauseMode, Unblock};
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::{Fault, printable};
use crate::services::Now;
use crate::session::ReplyMode;
use crate::slices::{self, Sliced};
use resp::{Args, Out};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[&Command] = &[&CLIENT];

/// Which connections CLIENT KILL means; all that are given must match.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    kind: Option<ClientKind>,
    user: Option<&'a [u8]>,
    older_than_seconds: Option<u64>,
}

impl<'a> Filter<'a> {
    /// The filter, and whether the caller is spared.
    fn parse_kill(mut words: Cursor<'a>) -> Result<(Filter<'a>, bool), Fault> {
        let (mut filter, mut skip_me) = (Filter::default(), true);
        while let Some(word) = words.next() {
            let value = words.value()?;
            if is(word, "ID") {
                let id = stdx::parse_i64(value).filter(|&id| id > 0);
                filter.id = Some(id.ok_or(Fault::Text("ERR client-id should be greater than 0"))? as u64);
            } else if is(word, "MAXAGE") {
                let age = stdx::parse_i64(value).ok_or(Fault::Text("ERR maxage is not an integer or out of range"))?;
                let age = u64::try_from(age).ok().filter(|&age| age > 0);
                filter.older_than_seconds = Some(age.ok_or(Fault::Text("ERR maxage should be greater than 0"))?);
            } else if is(word, "TYPE") {
                filter.kind = Some(client_kind(value)?);
            } else if is(word, "ADDR") {
                filter.address = Some(value);
            } else if is(word, "LADDR") {
                filter.local_address = Some(value);
            } else if is(word, "USER") {
                if value != b"default" {
                    return Err(Fault::Message(format!("ERR No such user '{}'", printable(value, 128))));
                }
                filter.user = Some(value);
            } else if is(word, "SKIPME") {
                skip_me = match () {
                    () if is(value, "YES") => true,
                    () if is(value, "NO") => false,
                    () => return Err(Fault::Syntax),
                };
            } else {
                return Err(Fault::Syntax);
            }
        }
        Ok((filter, skip_me))
    }

    fn matches(&self, client: &Client, now: Now) -> bool {
        let age_seconds = now.unix_ms().saturating_sub(client.connected_ms) / 1000;
        self.id.is_none_or(|id| id == client.id)
            && self.address.is_none_or(|address| address == client.connection.address.as_bytes())
            && self.local_address.is_none_or(|address| address == client.connection.local_address.as_bytes())
            && self.kind.is_none_or(|kind| kind == client.kind())
            && self.user.is_none_or(|user| user == client.names.lock().user.as_bytes())
            && self.older_than_seconds.is_none_or(|seconds| age_seconds >= seconds)
    }
}

fn client_kind(word: &[u8]) -> Result<ClientKind, Fault> {
    let kinds = [
        ("normal", ClientKind::Normal),
        ("slave", ClientKind::Replica),
        ("replica", ClientKind::Replica),
        ("pubsub", ClientKind::PubSub),
        ("master", ClientKind::Master),
    ];
    let kind = kinds.iter().find(|(name, _)| is(word, name)).map(|(_, kind)| *kind);
    kind.ok_or_else(|| Fault::Message(format!("ERR Unknown client type '{}'", printable(word, 128))))
}

const CLIENT: Command = Command {
    name: "client",
    arity: -2,
    since: "2.4.0",
    complexity: "Depends on the subcommand",
    summary: "Looks at the connections, and manages them.",
    subcommands: &[
        CACHING,
        GETNAME,
        GETREDIR,
        HELP,
        ID,
        INFO,
        KILL,
        LIST,
        NO_EVICT,
        NO_TOUCH,
        PAUSE,
        REPLY,
        SETINFO,
        SETNAME,
        TRACKING,
        TRACKINGINFO,
        UNBLOCK,
        UNPAUSE,
    ],
    group: "connection",
    ..Command::BASE
};

const GETNAME: Command = Command {
    name: "getname",
    arity: 2,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "2.6.9",
    summary: "The name of this connection.",
    handler: Handler::Session(getname),
    ..CONNECTION
};

fn getname(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let names = context.session.client.names.lock();
    if names.name.is_empty() {
        out.null()
    } else {
        out.bulk(names.name.as_bytes())
    }
    Ok(())
}

const HELP: Command = Command { since: "5.0.0", ..help_of(CONNECTION) };

const ID: Command = Command {
    name: "id",
    arity: 2,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "5.0.0",
    summary: "The number of this connection.",
    handler: Handler::Session(id),
    ..CONNECTION
};

fn id(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.integer(context.session.client.id as i64);
    Ok(())
}

const INFO: Command = Command {
    name: "info",
    arity: 2,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output"],
    since: "6.2.0",
    summary: "Everything about this connection.",
    handler: Handler::Session(info),
    ..CONNECTION
};

fn info(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let line = context.session.client.describe(context.now) + "\n";
    out.verbatim(b"txt", line.as_bytes());
    Ok(())
}

const KILL: Command = Command {
    name: "kill",
    arity: -3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "2.4.0",
    complexity: "O(N), N: connections",
    summary: "Closes connections.",
    arguments: &[Argument::one_of(
        "filter",
        &[
            Argument::string("old-format"),
            Argument::one_of(
                "new-format",
                &[
                    Argument::integer("client-id").token("ID").since("2.8.12").optional(),
                    Argument::one_of(
                        "client-type",
                        &[
                            Argument::word("normal", "normal"),
                            Argument::word("master", "master").since("3.2.0"),
                            Argument::word("primary", "primary").since("8.0.0"),
                            Argument::word("slave", "slave"),
                            Argument::word("replica", "replica").since("5.0.0"),
                            Argument::word("pubsub", "pubsub"),
                        ],
                    )
                    .token("TYPE")
                    .since("2.8.12")
                    .optional(),
                    Argument::string("username").token("USER").optional(),
                    Argument::string("addr").token("ADDR").optional(),
                    Argument::string("laddr").token("LADDR").since("6.2.0").optional(),
                    Argument::one_of("skipme", &[Argument::word("yes", "YES"), Argument::word("no", "NO")])
                        .token("SKIPME")
                        .optional(),
                    Argument::integer("maxage").token("MAXAGE").since("8.0.0").optional(),
                ],
            )
            .multiple(),
        ],
    )],
    handler: Handler::Session(kill),
    ..CONNECTION
};

fn kill(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let old_form = args.len() == 3;
    let (filter, skip_me) = if old_form {
        (Filter { address: Some(args.at(2)), ..Filter::default() }, false)
    } else {
        Filter::parse_kill(Cursor::new(args, 2))?
    };
    let me = context.session.client.id;
    let mut killed = 0;
    for client in context.engine.clients.all() {
        if !filter.matches(&client, context.now) || skip_me && client.id == me {
            continue;
        }
        killed += 1;
        if client.id == me {
            context.close();
        } else {
            context.engine.kill(&client);
        }
    }
    match (old_form, killed) {
        (true, 0) => return Err(Fault::Text("ERR No such client")),
        (true, _) => out.ok(),
        (false, killed) => out.integer(killed),
    }
    Ok(())
}

const LIST: Command = Command {
    name: "list",
    arity: -2,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["nondeterministic_output"],
    since: "2.4.0",
    complexity: "O(N), N: connections",
    summary: "Everything about the connections, one on each line.",
    arguments: &[
        Argument::one_of(
            "client-type",
            &[
                Argument::word("normal", "normal"),
                Argument::word("master", "master"),
                Argument::word("replica", "replica"),
                Argument::word("pubsub", "pubsub"),
            ],
        )
        .token("TYPE")
        .since("5.0.0")
        .optional(),
        Argument::integer("client-id").token("ID").since("6.2.0").optional().multiple(),
    ],
    handler: Handler::Session(list),
    ..CONNECTION
};

fn list(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let clients = match args.len() {
        2 => context.engine.clients.all(),
        4 if is(args.at(2), "TYPE") => {
            let kind = client_kind(args.at(3))?;
            context.engine.clients.all().into_iter().filter(|client| client.kind() == kind).collect()
        }
        4.. if is(args.at(2), "ID") => clients_by_id(context, args.from(3))?,
        _ => return Err(Fault::Syntax),
    };
    let mut listing = Listing { clients: clients.into_iter(), lines: String::new() };
    if context.in_transaction() {
        while !listing.step(context) {}
        listing.reply(context, out);
    } else {
        slices::run(context, listing, out);
    }
    Ok(())
}

/// Clients that are listed, slice by slice, as there may be very many.
struct Listing {
    clients: std::vec::IntoIter<Arc<Client>>,
    lines: String,
}

impl Sliced for Listing {
    fn step(&mut self, context: &mut SessionContext<'_>) -> bool {
        const STEP_CLIENTS: usize = 100;
        for client in self.clients.by_ref().take(STEP_CLIENTS) {
            self.lines.push_str(&client.describe(context.now));
            self.lines.push('\n');
        }
        self.clients.len() == 0
    }

    fn reply(&mut self, _: &mut SessionContext<'_>, out: &mut Out) -> bool {
        out.verbatim(b"txt", self.lines.as_bytes());
        true
    }
}

fn clients_by_id(context: &SessionContext<'_>, ids: Args<'_>) -> Result<Vec<Arc<Client>>, Fault> {
    let mut clients = Vec::new();
    for id in ids.iter() {
        let id = stdx::parse_i64(id).ok_or(Fault::Text("ERR Invalid client ID"))?;
        clients.extend(u64::try_from(id).ok().and_then(|id| context.engine.clients.get(id)));
    }
    Ok(clients)
}

const NO_EVICT: Command = Command {
    name: "no-evict",
    arity: 3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "7.0.0",
    summary: "Protects the connection from being closed for its use of memory.",
    arguments: &[Argument::one_of("enabled", &[Argument::word("on", "ON"), Argument::word("off", "OFF")])],
    handler: Handler::Session(no_evict),
    ..CONNECTION
};

fn no_evict(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.session.client.no_evict.store(on_or_off(args.at(2))?, Relaxed);
    out.ok();
    Ok(())
}

pub(super) fn on_or_off(word: &[u8]) -> Result<bool, Fault> {
    match () {
        () if is(word, "ON") => Ok(true),
        () if is(word, "OFF") => Ok(false),
        () => Err(Fault::Syntax),
    }
}

const NO_TOUCH: Command = Command {
    name: "no-touch",
    arity: 3,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "7.2.0",
    summary: "Commands of this connection do not count as use of their keys.",
    arguments: &[Argument::one_of("enabled", &[Argument::word("on", "ON"), Argument::word("off", "OFF")])],
    handler: Handler::Session(no_touch),
    ..CONNECTION
};

fn no_touch(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.session.client.no_touch.store(on_or_off(args.at(2))?, Relaxed);
    out.ok();
    Ok(())
}

const PAUSE: Command = Command {
    name: "pause",
    arity: -3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "3.0.0",
    summary: "Holds back the commands of all clients for a while.",
    arguments: &[
        Argument::integer("timeout"),
        Argument::one_of("mode", &[Argument::word("write", "WRITE"), Argument::word("all", "ALL")])
            .since("6.2.0")
            .optional(),
    ],
    handler: Handler::Session(pause),
    ..CONNECTION
};

fn pause(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let mode = match args.get(3) {
        None => PauseMode::All,
        Some(word) if is(word, "ALL") => PauseMode::All,
        Some(word) if is(word, "WRITE") => PauseMode::Write,
        Some(_) => return Err(Fault::Text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let timeout_ms = stdx::parse_i64(args.at(2)).ok_or(Fault::Text("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| Fault::Text("ERR timeout is negative"))?;
    let until_ms = context.now.unix_ms().saturating_add(timeout_ms);
    context.engine.clients.pause(mode, until_ms, context.now);
    out.ok();
    Ok(())
}

const REPLY: Command = Command {
    name: "reply",
    arity: 3,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "3.2.0",
    summary: "Switches the replies of this connection off and on.",
    arguments: &[Argument::one_of(
        "action",
        &[Argument::word("on", "ON"), Argument::word("off", "OFF"), Argument::word("skip", "SKIP")],
    )],
    handler: Handler::Session(reply),
    ..CONNECTION
};

fn reply(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let mode = &mut context.session.reply;
    if is(args.at(2), "ON") {
        *mode = ReplyMode::On;
        out.ok();
    } else if is(args.at(2), "OFF") {
        *mode = ReplyMode::Off;
    } else if is(args.at(2), "SKIP") {
        if *mode != ReplyMode::Off {
            *mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(Fault::Syntax);
    }
    Ok(())
}

const SETINFO: Command = Command {
    name: "setinfo",
    arity: 4,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    since: "7.2.0",
    summary: "Tells the name or the version of the client library.",
    arguments: &[Argument::one_of(
        "attr",
        &[Argument::string("libname").token("lib-name"), Argument::string("libver").token("lib-ver")],
    )],
    handler: Handler::Session(setinfo),
    ..CONNECTION
};

fn setinfo(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let option = printable(args.at(2), 128);
    let is_name = is(args.at(2), "LIB-NAME");
    if !is_name && !is(args.at(2), "LIB-VER") {
        return Err(Fault::Message(format!("ERR Unrecognized option '{option}'")));
    }
    let value = visible_text(args.at(3)).ok_or_else(|| {
        Fault::Message(format!("ERR {option} cannot contain spaces, newlines or special characters."))
    })?;
    let mut names = context.session.client.names.lock();
    *(if is_name { &mut names.library } else { &mut names.library_version }) = value;
    out.ok();
    Ok(())
}

const SETNAME: Command = Command {
    name: "setname",
    arity: 3,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    since: "2.6.9",
    summary: "Names this connection.",
    arguments: &[Argument::string("connection-name")],
    handler: Handler::Session(setname),
    ..CONNECTION
};

fn setname(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.session.client.names.lock().name = printable_name(args.at(2))?;
    out.ok();
    Ok(())
}

/// A name that does not break the format of CLIENT LIST.
pub(super) fn printable_name(name: &[u8]) -> Result<String, Fault> {
    visible_text(name).ok_or(Fault::Text("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn visible_text(text: &[u8]) -> Option<String> {
    text.iter().all(u8::is_ascii_graphic).then(|| String::from_utf8_lossy(text).into_owned())
}

const UNBLOCK: Command = Command {
    name: "unblock",
    arity: -3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "5.0.0",
    complexity: "O(log N) where N is the number of client connections",
    summary: "Ends the wait of a blocked connection.",
    arguments: &[
        Argument::integer("client-id"),
        Argument::one_of("unblock-type", &[Argument::word("timeout", "TIMEOUT"), Argument::word("error", "ERROR")])
            .optional(),
    ],
    handler: Handler::Session(unblock),
    ..CONNECTION
};

fn unblock(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let how = match args.get(3) {
        None => Unblock::Timeout,
        Some(word) if is(word, "TIMEOUT") => Unblock::Timeout,
        Some(word) if is(word, "ERROR") => Unblock::Error,
        Some(_) => return Err(Fault::Text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = integer(args.at(2))?;
    let target = u64::try_from(id).ok().and_then(|id| context.engine.clients.get(id));
    let blocked = target.filter(|client| client.blocked.load(Relaxed));
    if let Some(client) = &blocked {
        client.ask_unblock(how);
        context.engine.host.wake(client);
    }
    out.integer(i64::from(blocked.is_some()));
    Ok(())
}

const UNPAUSE: Command = Command {
    name: "unpause",
    arity: 2,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    since: "6.2.0",
    complexity: "O(N) Where N is the number of paused clients",
    summary: "Ends CLIENT PAUSE.",
    handler: Handler::Session(unpause),
    ..CONNECTION
};

fn unpause(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    context.engine.unpause();
    out.ok();
    Ok(())
}
