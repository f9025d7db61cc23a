//! The connection itself: who it is, which protocol it speaks, which database it works on.

use crate::arguments::{Cursor, database_index, is};
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::engine::REDIS_VERSION;
use crate::fault::{Fault, printable};
use crate::replication::Role;
use resp::{Args, Out, Protocol};
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[&Command] = &[&AUTH, &ECHO, &HELLO, &PING, &QUIT, &RESET, &SELECT];

pub(super) const CONNECTION: Command = Command { group: "connection", categories: &["connection"], ..Command::BASE };

const AUTH: Command = Command {
    name: "auth",
    arity: -2,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::NO_AUTH, Flags::ALLOW_BUSY]),
    summary: "Authenticates the connection.",
    arguments: &[Argument::string("username").since("6.0.0").optional(), Argument::string("password")],
    handler: Handler::Session(auth),
    ..CONNECTION
};

fn auth(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    match args.len() {
        2 if context.config().requirepass.is_empty() => {
            return Err(Fault::Text(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => authenticate(context, b"default", args.at(1))?,
        3 => authenticate(context, args.at(1), args.at(2))?,
        _ => return Err(Fault::Syntax),
    }
    out.ok();
    Ok(())
}

/// The only user is "default"; without a password any password will do.
fn authenticate(context: &mut SessionContext<'_>, user: &[u8], password: &[u8]) -> Result<(), Fault> {
    let expected = stdx::bytes_of(&context.config().requirepass);
    if user != b"default" || !(expected.is_empty() || equal_in_constant_time(&expected, password)) {
        context.engine.stats.shared.auth_failures.fetch_add(1, Relaxed);
        return Err(Fault::WrongPassword);
    }
    context.session.authenticated = true;
    Ok(())
}

/// Takes a time that depends on the lengths only.
fn equal_in_constant_time(expected: &[u8], given: &[u8]) -> bool {
    let mut difference = expected.len() ^ given.len();
    for (index, &byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ expected[index % expected.len()]);
    }
    std::hint::black_box(difference) == 0
}

const ECHO: Command = Command {
    name: "echo",
    arity: 2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]),
    summary: "Answers with its argument.",
    arguments: &[Argument::string("message")],
    handler: Handler::Session(echo),
    ..CONNECTION
};

fn echo(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    out.bulk(args.at(1));
    Ok(())
}

const HELLO: Command = Command {
    name: "hello",
    arity: -1,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::NO_AUTH, Flags::ALLOW_BUSY]),
    since: "6.0.0",
    summary: "Chooses the protocol version, and may authenticate and name the connection.",
    arguments: &[Argument::block(
        "arguments",
        &[
            Argument::integer("protover"),
            Argument::block("auth", &[Argument::string("username"), Argument::string("password")])
                .token("AUTH")
                .optional(),
            Argument::string("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()],
    handler: Handler::Session(hello),
    ..CONNECTION
};

fn hello(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let protocol = match args.get(1).map(stdx::parse_i64) {
        None => out.protocol,
        Some(Some(2)) => Protocol::Resp2,
        Some(Some(3)) => Protocol::Resp3,
        Some(Some(_)) => return Err(Fault::Text("NOPROTO unsupported protocol version")),
        Some(None) => return Err(Fault::Text("ERR Protocol version is not an integer or out of range")),
    };
    let (mut credentials, mut name) = (None, None);
    let mut words = Cursor::new(args, 2);
    while let Some(word) = words.next() {
        if is(word, "AUTH") && words.remaining() >= 2 {
            credentials = Some((words.value()?, words.value()?));
        } else if is(word, "SETNAME") && words.remaining() >= 1 {
            name = Some(super::client::printable_name(words.value()?)?);
        } else {
            return Err(Fault::Message(format!("ERR Syntax error in HELLO option '{}'", printable(word, 128))));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(context, user, password)?;
    }
    if !context.session.authenticated && !context.config().requirepass.is_empty() {
        return Err(Fault::Text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        context.session.client.names.lock().name = name;
    }
    out.protocol = protocol;
    context.session.client.resp3.store(protocol == Protocol::Resp3, Relaxed);
    describe_server(context, out);
    Ok(())
}

fn describe_server(context: &SessionContext<'_>, out: &mut Out) {
    out.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        out.bulk(field.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"proto");
    out.integer(if out.protocol == Protocol::Resp3 { 3 } else { 2 });
    out.bulk(b"id");
    out.integer(context.session.client.id as i64);
    let role = if context.engine.replication.role() == Role::Replica { "replica" } else { "master" };
    for (field, value) in [("mode", "standalone"), ("role", role)] {
        out.bulk(field.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"modules");
    out.array(0);
}

const PING: Command = Command {
    name: "ping",
    arity: -1,
    flags: Flags::of(&[Flags::FAST]),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    summary: "Answers, so that the client knows that the server is there.",
    arguments: &[Argument::string("message").optional()],
    handler: Handler::Session(ping),
    ..CONNECTION
};

fn ping(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    match args.len() {
        // Among messages the reply has to look like one.
        1 | 2 if out.protocol == Protocol::Resp2 && !context.session.subscriptions.is_empty() => {
            out.array(2);
            out.bulk(b"pong");
            out.bulk(args.get(1).unwrap_or_default());
        }
        1 => out.status("PONG"),
        2 => out.bulk(args.at(1)),
        _ => return Err(Fault::wrong_arity("ping")),
    }
    Ok(())
}

const QUIT: Command = Command {
    name: "quit",
    arity: -1,
    flags: Flags::of(&[Flags::ALLOW_BUSY, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::NO_AUTH]),
    summary: "Closes the connection.",
    deprecated: Some(("7.2.0", "just closing the connection")),
    handler: Handler::Session(quit),
    ..CONNECTION
};

fn quit(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.ok();
    context.close();
    Ok(())
}

const RESET: Command = Command {
    name: "reset",
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::NO_AUTH, Flags::ALLOW_BUSY]),
    since: "6.2.0",
    summary: "Puts the connection back into its first state.",
    handler: Handler::Session(reset),
    ..CONNECTION
};

fn reset(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    context.session.reset(out);
    out.status("RESET");
    Ok(())
}

const SELECT: Command = Command {
    name: "select",
    arity: 2,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]),
    summary: "Chooses the database that the next commands work on.",
    arguments: &[Argument::integer("index")],
    handler: Handler::Session(select),
    ..CONNECTION
};

fn select(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.session.db = database_index(args.at(1), context.engine.keyspace.databases())?;
    out.ok();
    Ok(())
}
