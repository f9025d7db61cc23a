//! Masters and replicas: REPLICAOF, ROLE, WAIT, and what replicas say before their stream begins.

use crate::arguments::{integer, is};
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::{Fault, printable};
use crate::replication::{Master, Role};
use crate::session::{Parked, Resume};
use effect::Stamp;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&PSYNC, &REPLCONF, &REPLICAOF, &REPLPING, &ROLE, &SLAVEOF, &SYNC, &WAIT];

const REPLICATION: Command = Command { group: "server", categories: &["admin", "dangerous"], ..Command::BASE };
const ADMIN: Flags = Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::STALE, Flags::NO_ASYNC_LOADING]);

const MASTER_ADDRESS: &[Argument] = &[
    Argument::new("remove", "pure-token").token("REMOVE").optional(),
    Argument::string("host"),
    Argument::integer("port"),
];

const REPLICAOF: Command = Command {
    name: "replicaof",
    arity: -3,
    flags: ADMIN,
    since: "5.0.0",
    summary: "Adds a master, replaces the present one, removes one or all.",
    arguments: MASTER_ADDRESS,
    handler: Handler::Session(replicaof),
    ..REPLICATION
};

const SLAVEOF: Command = Command {
    name: "slaveof",
    arity: -3,
    flags: ADMIN,
    summary: "The old name of REPLICAOF.",
    deprecated: Some(("5.0.0", "`REPLICAOF`")),
    arguments: MASTER_ADDRESS,
    handler: Handler::Session(replicaof),
    ..REPLICATION
};

fn replicaof(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let replication = &context.engine.replication;
    match args.len() {
        3 if is(args.at(1), "no") && is(args.at(2), "one") => replication.remove_masters(),
        3 => {
            let (host, port) = address(args.at(1), args.at(2))?;
            if !replication.add_master(&host, port)? {
                out.status("OK Already connected to specified master");
                return Ok(());
            }
        }
        4 if is(args.at(1), "remove") => {
            let (host, port) = address(args.at(2), args.at(3))?;
            if !replication.remove_master(&host, port) {
                return Err(Fault::Text("ERR Master not found"));
            }
        }
        _ => return Err(Fault::Syntax),
    }
    out.ok();
    Ok(())
}

fn address(host: &[u8], port: &[u8]) -> Result<(String, u16), Fault> {
    let port = integer(port).ok().and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(Fault::Text("ERR Invalid master port"))?;
    let host = std::str::from_utf8(host).map_err(|_| Fault::Text("ERR Invalid master host"))?;
    Ok((host.to_owned(), port))
}

const ROLE: Command = Command {
    name: "role",
    arity: 1,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::FAST]),
    since: "2.8.12",
    summary: "What this node is, and how its links stand.",
    handler: Handler::Session(role),
    ..REPLICATION
};

fn role(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let replication = &context.engine.replication;
    let (role, masters) = (replication.role(), replication.masters());
    match (role, masters.as_slice()) {
        (Role::Master, _) | (_, []) => {
            let replicas = replication.replicas();
            out.array(3);
            out.bulk(b"master");
            out.integer(replication.offset() as i64);
            out.array(replicas.len());
            for replica in replicas {
                out.array(3);
                out.bulk(replica.host.as_bytes());
                out.bulk(replica.port.to_string().as_bytes());
                out.bulk(replica.offset.to_string().as_bytes());
            }
        }
        (role, [master]) => master_role(role, master, out),
        (role, masters) => {
            out.array(masters.len());
            masters.iter().for_each(|master| master_role(role, master, out));
        }
    }
    Ok(())
}

fn master_role(role: Role, master: &Master, out: &mut Out) {
    out.array(5);
    out.bulk(if role == Role::Replica { b"slave" } else { b"active-replica" });
    out.bulk(master.host.as_bytes());
    out.integer(i64::from(master.port));
    out.bulk(master.state.as_bytes());
    out.integer(master.offset);
}

const WAIT: Command = Command {
    name: "wait",
    arity: 3,
    flags: Flags::of(&[Flags::NOSCRIPT, Flags::BLOCKING]),
    categories: &["connection"],
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    group: "generic",
    since: "3.0.0",
    summary: "Waits until that many nodes have the writes of this connection.",
    arguments: &[Argument::integer("numreplicas"), Argument::integer("timeout")],
    handler: Handler::Session(wait),
    ..Command::BASE
};

fn wait(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let wanted = integer(args.at(1))?;
    let deadline_us = timeout(context, args.at(2))?;
    if context.engine.replication.role() == Role::Replica {
        return Err(Fault::Text(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        ));
    }
    let waiting = Waiting { wanted, stamp: context.session.last_write };
    if context.in_transaction() || waiting.is_over(context) {
        out.integer(waiting.acknowledged(context));
    } else {
        context.park(Box::new(waiting), deadline_us);
    }
    Ok(())
}

/// When a wait of so many milliseconds ends; 0 is never.
pub(super) fn timeout(context: &SessionContext<'_>, argument: &[u8]) -> Result<Option<u64>, Fault> {
    let timeout_ms = stdx::parse_i64(argument).ok_or(Fault::Text("ERR timeout is not an integer or out of range"))?;
    match u64::try_from(timeout_ms) {
        Err(_) => Err(Fault::Text("ERR timeout is negative")),
        Ok(0) => Ok(None),
        Ok(timeout_ms) => Ok(Some(context.now.monotonic_us.saturating_add(timeout_ms.saturating_mul(1000)))),
    }
}

struct Waiting {
    wanted: i64,
    stamp: Stamp,
}

impl Waiting {
    fn acknowledged(&self, context: &SessionContext<'_>) -> i64 {
        context.engine.replication.acknowledged(self.stamp) as i64
    }

    /// Asks to be woken first, so that no acknowledgement is missed in between.
    fn is_over(&self, context: &SessionContext<'_>) -> bool {
        context.engine.replication.wake_on_progress(&context.session.client);
        self.acknowledged(context) >= self.wanted
    }
}

impl Parked for Waiting {
    fn resume(&mut self, context: &mut SessionContext<'_>, out: &mut Out, cause: Resume) -> bool {
        let over = cause == Resume::TimedOut || self.is_over(context);
        if over {
            out.integer(self.acknowledged(context));
        }
        over
    }
}

const REPLPING: Command = Command {
    name: "replping",
    arity: -1,
    flags: Flags::of(&[Flags::LOADING, Flags::STALE, Flags::FAST]),
    summary: "How a KeyDB replica says PING.",
    handler: Handler::Session(replping),
    ..REPLICATION
};

fn replping(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.status("PONG");
    Ok(())
}

const REPLCONF: Command = Command {
    name: "replconf",
    arity: -1,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE, Flags::ALLOW_BUSY]),
    since: "3.0.0",
    summary: "What a replica says about itself before its stream begins.",
    handler: Handler::Session(replconf),
    ..REPLICATION
};

fn replconf(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if args.len().is_multiple_of(2) {
        return Err(Fault::Syntax);
    }
    let mut uuid = false;
    for index in (1..args.len()).step_by(2) {
        let (option, value) = (args.at(index), args.at(index + 1));
        if is(option, "listening-port") {
            let port = integer(value)?;
            context.session.announced_port = u16::try_from(port).map_err(|_| Fault::NotInteger)?;
        } else if is(option, "uuid") {
            uuid = true;
        } else if is(option, "ack") || is(option, "getack") {
            // Acknowledgements are not answered.
            return Ok(());
        } else if !["ip-address", "capa", "rdb-only", "rdb-filter-only"].iter().any(|known| is(option, known)) {
            return Err(Fault::Message(format!("ERR Unrecognized REPLCONF option: {}", printable(option, 128))));
        }
    }
    match context.engine.replication.role() {
        Role::ActiveReplica if uuid => out.status("OK active-replica"),
        _ => out.ok(),
    }
    if uuid {
        out.status(&context.engine.replication.uuid());
    }
    Ok(())
}

const PSYNC: Command = Command {
    name: "psync",
    arity: -3,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::NO_ASYNC_LOADING, Flags::NO_MULTI]),
    since: "2.8.0",
    summary: "Asks for the stream as Redis's replicas know it.",
    arguments: &[Argument::string("replicationid"), Argument::integer("offset")],
    handler: Handler::Session(psync),
    ..REPLICATION
};

const SYNC: Command = Command {
    name: "sync",
    arity: 1,
    since: "1.0.0",
    summary: "Asks for the stream as Redis's oldest replicas know it.",
    arguments: &[],
    ..PSYNC
};

fn psync(_: &mut SessionContext<'_>, _: Args<'_>, _: &mut Out) -> Reply {
    Err(Fault::Text("ERR replicas that speak PSYNC are not served yet: only other fluidB servers (MESH LINK)"))
}
