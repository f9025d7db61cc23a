//! MESH: the other nodes, as the operator sees them, and read-your-writes across nodes.

use super::help::help_of;
use super::replication::timeout;
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::replication::{Field, Fields, Report};
use crate::session::{Parked, Resume};
use keyspace::Scope;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&MESH];

const BASE: Command = Command {
    flags: Flags::of(&[Flags::LOADING, Flags::STALE]),
    group: "server",
    since: "7.2.4",
    categories: &["admin"],
    ..Command::BASE
};

const MESH: Command = Command {
    name: "mesh",
    arity: -2,
    summary: "A container for commands about the other nodes.",
    subcommands: &[CONFLICTS, DIGEST, FORGET, HELP, LAG, LINK, LINKS, NODES, TOKEN, WAIT],
    ..BASE
};

const NODES: Command = Command {
    name: "nodes",
    arity: 2,
    summary: "The nodes heard of: their clocks, and what they have seen.",
    handler: Handler::Session(|context, _, out| reports(context, Report::Nodes, out)),
    ..BASE
};

const LINKS: Command = Command {
    name: "links",
    arity: 2,
    summary: "The links to other nodes: state, lag, traffic.",
    handler: Handler::Session(|context, _, out| reports(context, Report::Links, out)),
    ..BASE
};

const CONFLICTS: Command = Command {
    name: "conflicts",
    arity: 2,
    summary: "Counts what was decided between writes that did not know of each other.",
    handler: Handler::Session(conflicts),
    ..BASE
};

const DIGEST: Command = Command {
    name: "digest",
    arity: 2,
    summary: "A digest of the data set: equal on nodes that have seen the same.",
    complexity: "O(N)",
    handler: Handler::Session(super::debug::digest),
    ..BASE
};

const FORGET: Command = Command {
    name: "forget",
    arity: 3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    summary: "Does not wait any more for a node that will not come back; to be said to each node.",
    arguments: &[Argument::string("node")],
    handler: Handler::Session(forget),
    ..BASE
};

const HELP: Command = help_of(BASE);

const LAG: Command = Command {
    name: "lag",
    arity: 2,
    summary: "How far behind the receiving end of each link is, in milliseconds and bytes.",
    handler: Handler::Session(|context, _, out| reports(context, Report::Lag, out)),
    ..BASE
};

const LINK: Command = Command {
    name: "link",
    arity: 7,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::NO_MULTI]),
    summary: "Turns the connection into a link that sends this node's stream (docs/mesh-protocol.md).",
    arguments: &[
        Argument::integer("version"),
        Argument::string("node"),
        Argument::integer("incarnation"),
        Argument::string("mode"),
        Argument::string("process"),
    ],
    handler: Handler::Session(link),
    ..BASE
};

const TOKEN: Command = Command {
    name: "token",
    arity: 2,
    summary: "A token for MESH WAIT on another node.",
    handler: Handler::Session(token),
    ..BASE
};

const WAIT: Command = Command {
    name: "wait",
    arity: 4,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::BLOCKING]),
    summary: "Waits until this node has what the node had that gave the token. 1 if so, 0 after the timeout.",
    arguments: &[Argument::string("token"), Argument::integer("timeout")],
    handler: Handler::Session(wait),
    ..BASE
};

fn reports(context: &mut SessionContext<'_>, report: Report, out: &mut Out) -> Reply {
    let entries = context.engine.replication.report(report);
    out.array(entries.len());
    entries.iter().for_each(|fields| map(fields, out));
    Ok(())
}

fn map(fields: &Fields, out: &mut Out) {
    out.map(fields.len());
    for (name, field) in fields {
        out.bulk(name.as_bytes());
        match field {
            Field::Text(text) => out.bulk(text.as_bytes()),
            Field::Integer(number) => out.integer(*number),
        }
    }
}

fn conflicts(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let type_clashes = context.with_scope(Scope::All, |txn| txn.type_clashes());
    let mut fields = vec![("type-clashes", Field::Integer(type_clashes as i64))];
    fields.extend(context.engine.replication.report(Report::Conflicts).concat());
    map(&fields, out);
    Ok(())
}

fn forget(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.engine.replication.forget_node(&String::from_utf8_lossy(args.at(2)))?;
    out.ok();
    Ok(())
}

fn link(context: &mut SessionContext<'_>, args: Args<'_>, _: &mut Out) -> Reply {
    context.become_link(args.from(2).iter().map(<[u8]>::to_vec).collect());
    Ok(())
}

fn token(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.bulk(context.engine.replication.token(context.session.last_write).as_bytes());
    Ok(())
}

fn wait(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let deadline_us = timeout(context, args.at(3))?;
    let token = std::str::from_utf8(args.at(2)).unwrap_or_default().to_owned();
    let waiting = Waiting { token };
    let reached = waiting.has_reached(context).ok_or(Fault::Text("ERR invalid token"))?;
    if reached || context.in_transaction() {
        out.integer(i64::from(reached));
    } else {
        context.park(Box::new(waiting), deadline_us);
    }
    Ok(())
}

struct Waiting {
    token: String,
}

impl Waiting {
    /// Asks to be woken first, so that nothing that arrives in between is missed.
    fn has_reached(&self, context: &SessionContext<'_>) -> Option<bool> {
        context.engine.replication.wake_on_progress(&context.session.client);
        context.engine.replication.has_reached(&self.token)
    }
}

impl Parked for Waiting {
    fn resume(&mut self, context: &mut SessionContext<'_>, out: &mut Out, cause: Resume) -> bool {
        let reached = self.has_reached(context) == Some(true);
        if reached || cause == Resume::TimedOut {
            out.integer(i64::from(reached));
        }
        reached || cause == Resume::TimedOut
    }
}
