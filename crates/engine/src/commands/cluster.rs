//! What clients of a Redis Cluster say: here there is none, as in a Redis without cluster mode.

use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] = &[&ASKING, &CLUSTER, &READONLY, &READWRITE];

const GROUP: Command =
    Command { group: "cluster", since: "3.0.0", handler: Handler::Session(disabled), ..Command::BASE };
const OF_CONNECTION: Command = Command { categories: &["connection"], ..GROUP };

const ASKING: Command = Command {
    name: "asking",
    flags: Flags::FAST,
    summary: "Of cluster mode, which there is none of: an error.",
    ..OF_CONNECTION
};

const READONLY: Command = Command {
    name: "readonly",
    flags: Flags::of(&[Flags::FAST, Flags::LOADING, Flags::STALE]),
    summary: "Of cluster mode, which there is none of: an error.",
    ..OF_CONNECTION
};

const READWRITE: Command = Command { name: "readwrite", ..READONLY };

const CLUSTER: Command = Command {
    name: "cluster",
    arity: -2,
    complexity: "Depends on the subcommand",
    summary: "All about clusters: an error, as in every server that is part of none.",
    subcommands: SUBCOMMANDS,
    ..GROUP
};

/// Asks about the cluster.
const LOOK: Command = Command { arity: 2, flags: Flags::of(&[Flags::LOADING, Flags::STALE]), ..GROUP };
/// Changes it.
const CHANGE: Command =
    Command { arity: 2, flags: Flags::of(&[Flags::ADMIN, Flags::NO_ASYNC_LOADING, Flags::STALE]), ..GROUP };

/// There for their arities and for COMMAND: each is an error, HELP included.
const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "addslots",
        arity: -3,
        complexity: "O(N)",
        arguments: &[Argument::integer("slot").multiple()],
        summary: "Gives slots to this node.",
        ..CHANGE
    },
    Command {
        name: "addslotsrange",
        arity: -4,
        since: "7.0.0",
        complexity: "O(N)",
        arguments: &[
            Argument::block("range", &[Argument::integer("start-slot"), Argument::integer("end-slot")]).multiple()
        ],
        summary: "Gives ranges of slots to this node.",
        ..CHANGE
    },
    Command {
        name: "bumpepoch",
        tips: &["nondeterministic_output"],
        summary: "Raises the configuration epoch.",
        ..CHANGE
    },
    Command {
        name: "count-failure-reports",
        arity: 3,
        flags: Flags::of(&[Flags::ADMIN, Flags::STALE]),
        tips: &["nondeterministic_output"],
        complexity: "O(N)",
        arguments: &[Argument::string("node-id")],
        summary: "How many nodes report that a node fails.",
        ..CHANGE
    },
    Command {
        name: "countkeysinslot",
        arity: 3,
        flags: Flags::STALE,
        arguments: &[Argument::integer("slot")],
        summary: "How many keys a slot has.",
        ..CHANGE
    },
    Command {
        name: "delslots",
        arity: -3,
        complexity: "O(N)",
        arguments: &[Argument::integer("slot").multiple()],
        summary: "Takes slots from this node.",
        ..CHANGE
    },
    Command {
        name: "delslotsrange",
        arity: -4,
        since: "7.0.0",
        complexity: "O(N)",
        arguments: &[
            Argument::block("range", &[Argument::integer("start-slot"), Argument::integer("end-slot")]).multiple()
        ],
        summary: "Takes ranges of slots from this node.",
        ..CHANGE
    },
    Command {
        name: "failover",
        arity: -2,
        arguments: &[Argument::one_of(
            "options",
            &[Argument::word("force", "FORCE"), Argument::word("takeover", "TAKEOVER")],
        )
        .optional()],
        summary: "Makes a replica the master of its shard.",
        ..CHANGE
    },
    Command { name: "flushslots", summary: "Takes all slots from this node.", ..CHANGE },
    Command {
        name: "forget",
        arity: 3,
        arguments: &[Argument::string("node-id")],
        summary: "Removes a node from the list of nodes.",
        ..CHANGE
    },
    Command {
        name: "getkeysinslot",
        arity: 4,
        flags: Flags::STALE,
        tips: &["nondeterministic_output"],
        complexity: "O(N)",
        arguments: &[Argument::integer("slot"), Argument::integer("count")],
        summary: "Keys of a slot.",
        ..CHANGE
    },
    Command { name: "help", since: "5.0.0", summary: "Lists the subcommands.", ..LOOK },
    Command { name: "info", tips: &["nondeterministic_output"], summary: "The state of the cluster.", ..LOOK },
    Command {
        name: "keyslot",
        arity: 3,
        flags: Flags::STALE,
        complexity: "O(N)",
        arguments: &[Argument::string("key")],
        summary: "The slot of a key.",
        ..CHANGE
    },
    Command {
        name: "links",
        flags: Flags::STALE,
        since: "7.0.0",
        tips: &["nondeterministic_output"],
        complexity: "O(N)",
        summary: "The links between nodes.",
        ..CHANGE
    },
    Command {
        name: "meet",
        arity: -4,
        arguments: &[
            Argument::string("ip"),
            Argument::integer("port"),
            Argument::integer("cluster-bus-port").since("4.0.0").optional(),
        ],
        summary: "Joins another node.",
        ..CHANGE
    },
    Command { name: "myid", summary: "The name of this node.", ..LOOK },
    Command {
        name: "myshardid",
        since: "7.2.0",
        tips: &["nondeterministic_output"],
        summary: "The name of the shard of this node.",
        ..LOOK
    },
    Command {
        name: "nodes",
        tips: &["nondeterministic_output"],
        complexity: "O(N)",
        summary: "The nodes, as their configuration file has them.",
        ..LOOK
    },
    Command {
        name: "replicas",
        arity: 3,
        flags: Flags::of(&[Flags::ADMIN, Flags::STALE]),
        since: "5.0.0",
        tips: &["nondeterministic_output"],
        complexity: "O(N)",
        arguments: &[Argument::string("node-id")],
        summary: "The replicas of a node.",
        ..CHANGE
    },
    Command {
        name: "replicate",
        arity: 3,
        arguments: &[Argument::string("node-id")],
        summary: "Makes this node a replica of another.",
        ..CHANGE
    },
    Command {
        name: "reset",
        arity: -2,
        flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::STALE]),
        complexity: "O(N)",
        arguments: &[Argument::one_of("reset-type", &[Argument::word("hard", "HARD"), Argument::word("soft", "SOFT")])
            .optional()],
        summary: "Makes this node forget the cluster.",
        ..CHANGE
    },
    Command { name: "saveconfig", summary: "Writes the configuration of the node to disk.", ..CHANGE },
    Command {
        name: "set-config-epoch",
        arity: 3,
        arguments: &[Argument::integer("config-epoch")],
        summary: "Sets the configuration epoch of a new node.",
        ..CHANGE
    },
    Command {
        name: "setslot",
        arity: -4,
        flags: Flags::of(&[Flags::ADMIN, Flags::NO_ASYNC_LOADING, Flags::STALE, Flags::MAY_REPLICATE]),
        arguments: &[
            Argument::integer("slot"),
            Argument::one_of(
                "subcommand",
                &[
                    Argument::string("importing").token("IMPORTING"),
                    Argument::string("migrating").token("MIGRATING"),
                    Argument::string("node").token("NODE"),
                    Argument::word("stable", "STABLE"),
                ],
            ),
            Argument::integer("timeout").token("TIMEOUT").since("8.0.0").optional(),
        ],
        summary: "Moves a slot to another node.",
        ..CHANGE
    },
    Command {
        name: "shards",
        since: "7.0.0",
        tips: &["nondeterministic_output"],
        complexity: "O(N)",
        summary: "The shards, with their slots and nodes.",
        ..LOOK
    },
    Command {
        name: "slaves",
        arity: 3,
        flags: Flags::of(&[Flags::ADMIN, Flags::STALE]),
        tips: &["nondeterministic_output"],
        deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
        complexity: "O(N)",
        arguments: &[Argument::string("node-id")],
        summary: "The replicas of a node.",
        ..CHANGE
    },
    Command {
        name: "slots",
        tips: &["nondeterministic_output"],
        complexity: "O(N)",
        summary: "Which nodes have which slots.",
        ..LOOK
    },
];

fn disabled(_: &mut SessionContext<'_>, _: Args<'_>, _: &mut Out) -> Reply {
    Err(Fault::Text("ERR This instance has cluster support disabled"))
}
