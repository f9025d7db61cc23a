//! Channels, shard channels and patterns: messages for whoever subscribes to them.

use super::help::help_of;
use crate::command::{Argument, Command, Flags, Handler, KeySpec, Reply};
use crate::context::SessionContext;
use crate::fault::Fault;
use crate::pubsub::Topic;
use resp::{Args, Out};

pub(super) const COMMANDS: &[&Command] =
    &[&PSUBSCRIBE, &PUBLISH, &PUBSUB, &PUNSUBSCRIBE, &SPUBLISH, &SSUBSCRIBE, &SUBSCRIBE, &SUNSUBSCRIBE, &UNSUBSCRIBE];

/// What the declarations below share.
const BASE: Command = Command {
    group: "pubsub",
    since: "2.0.0",
    flags: Flags::of(&[Flags::PUBSUB, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    ..Command::BASE
};

const PUBLISHES: Flags = Flags::of(&[Flags::PUBSUB, Flags::LOADING, Flags::STALE, Flags::FAST, Flags::MAY_REPLICATE]);

impl Topic {
    fn subscribed(self) -> &'static [u8] {
        match self {
            Topic::Channel => b"subscribe",
            Topic::ShardChannel => b"ssubscribe",
            Topic::Pattern => b"psubscribe",
        }
    }

    fn unsubscribed(self) -> &'static [u8] {
        match self {
            Topic::Channel => b"unsubscribe",
            Topic::ShardChannel => b"sunsubscribe",
            Topic::Pattern => b"punsubscribe",
        }
    }
}

/// Each name is confirmed by itself.
fn begin(context: &mut SessionContext<'_>, topic: Topic, names: Args<'_>, out: &mut Out) -> Reply {
    context.replies_by_push = true;
    for name in names.iter() {
        let session = &mut *context.session;
        context.engine.pubsub.subscribe(&session.client, &mut session.subscriptions, topic, name);
        confirm(context, topic, topic.subscribed(), Some(name), out);
    }
    Ok(())
}

fn end(context: &mut SessionContext<'_>, topic: Topic, names: Args<'_>, out: &mut Out) -> Reply {
    context.replies_by_push = true;
    let all: Vec<_> = context.session.subscriptions.of(topic).iter().cloned().collect();
    let names: Vec<&[u8]> =
        if names.is_empty() { all.iter().map(|name| &name[..]).collect() } else { names.iter().collect() };
    for name in &names {
        let session = &mut *context.session;
        context.engine.pubsub.unsubscribe(&session.client, &mut session.subscriptions, topic, name);
        if !context.in_transaction() {
            // Nothing of a channel comes after the word that it is over.
            context.session.client.mailbox.empty_into(true, out);
        }
        confirm(context, topic, topic.unsubscribed(), Some(name), out);
    }
    if names.is_empty() {
        confirm(context, topic, topic.unsubscribed(), None, out);
    }
    Ok(())
}

fn confirm(context: &SessionContext<'_>, topic: Topic, word: &[u8], name: Option<&[u8]>, out: &mut Out) {
    out.push(3);
    out.bulk(word);
    match name {
        Some(name) => out.bulk(name),
        None => out.null(),
    }
    out.integer(context.session.subscriptions.count(topic) as i64);
}

const SUBSCRIBE: Command = Command {
    name: "subscribe",
    arity: -2,
    complexity: "O(N) where N is the number of channels to subscribe to.",
    summary: "Listens to channels.",
    arguments: &[Argument::string("channel").multiple()],
    handler: Handler::Session(|context, args, out| begin(context, Topic::Channel, args.from(1), out)),
    ..BASE
};

const UNSUBSCRIBE: Command = Command {
    name: "unsubscribe",
    arity: -1,
    complexity: "O(N) where N is the number of channels to unsubscribe.",
    summary: "Listens to these channels no more, or to none.",
    arguments: &[Argument::string("channel").optional().multiple()],
    handler: Handler::Session(|context, args, out| end(context, Topic::Channel, args.from(1), out)),
    ..BASE
};

const PSUBSCRIBE: Command = Command {
    name: "psubscribe",
    arity: -2,
    complexity: "O(N) where N is the number of patterns to subscribe to.",
    summary: "Listens to all channels whose names match.",
    arguments: &[Argument::new("pattern", "pattern").multiple()],
    handler: Handler::Session(|context, args, out| begin(context, Topic::Pattern, args.from(1), out)),
    ..BASE
};

const PUNSUBSCRIBE: Command = Command {
    name: "punsubscribe",
    arity: -1,
    complexity: "O(N) where N is the number of patterns to unsubscribe.",
    summary: "Listens to these patterns no more, or to none.",
    arguments: &[Argument::new("pattern", "pattern").optional().multiple()],
    handler: Handler::Session(|context, args, out| end(context, Topic::Pattern, args.from(1), out)),
    ..BASE
};

const SSUBSCRIBE: Command = Command {
    name: "ssubscribe",
    arity: -2,
    keys: &[KeySpec::from(1, &["not_key"])],
    since: "7.0.0",
    complexity: "O(N) where N is the number of shard channels to subscribe to.",
    summary: "Listens to shard channels.",
    arguments: &[Argument::string("shardchannel").multiple()],
    handler: Handler::Session(ssubscribe),
    ..BASE
};

fn ssubscribe(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if context.in_transaction() {
        return Err(Fault::Text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    begin(context, Topic::ShardChannel, args.from(1), out)
}

const SUNSUBSCRIBE: Command = Command {
    name: "sunsubscribe",
    arity: -1,
    keys: &[KeySpec::from(1, &["not_key"])],
    since: "7.0.0",
    complexity: "O(N) where N is the number of shard channels to unsubscribe.",
    summary: "Listens to these shard channels no more, or to none.",
    arguments: &[Argument::string("shardchannel").optional().multiple()],
    handler: Handler::Session(|context, args, out| end(context, Topic::ShardChannel, args.from(1), out)),
    ..BASE
};

const PUBLISH: Command = Command {
    name: "publish",
    arity: 3,
    flags: PUBLISHES,
    complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of \
                 subscribed patterns (by any client).",
    summary: "Sends a message to the subscribers of a channel, at every node.",
    arguments: &[Argument::string("channel"), Argument::string("message")],
    handler: Handler::Session(|context, args, out| publish(context, args, false, out)),
    ..BASE
};

const SPUBLISH: Command = Command {
    name: "spublish",
    arity: 3,
    flags: PUBLISHES,
    keys: &[KeySpec::one(1, &["not_key"])],
    since: "7.0.0",
    complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    summary: "Sends a message to the subscribers of a shard channel, at every node.",
    arguments: &[Argument::string("shardchannel"), Argument::string("message")],
    handler: Handler::Session(|context, args, out| publish(context, args, true, out)),
    ..BASE
};

fn publish(context: &mut SessionContext<'_>, args: Args<'_>, sharded: bool, out: &mut Out) -> Reply {
    out.integer(context.publish(args.at(1), args.at(2), sharded) as i64);
    Ok(())
}

const PUBSUB: Command = Command {
    name: "pubsub",
    arity: -2,
    flags: Flags::empty(),
    since: "2.8.0",
    complexity: "Depends on subcommand.",
    summary: "Who subscribes to what.",
    subcommands: &[CHANNELS, HELP, NUMPAT, NUMSUB, SHARDCHANNELS, SHARDNUMSUB],
    ..BASE
};

const LOOKS: Command = Command { flags: Flags::of(&[Flags::PUBSUB, Flags::LOADING, Flags::STALE]), ..BASE };

const CHANNELS: Command = Command {
    name: "channels",
    arity: -2,
    since: "2.8.0",
    complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively \
                 short channels and patterns)",
    summary: "Channels that somebody subscribes to.",
    arguments: &[Argument::new("pattern", "pattern").optional()],
    handler: Handler::Session(|context, args, out| channels(context, args, false, out)),
    ..LOOKS
};

const SHARDCHANNELS: Command = Command {
    name: "shardchannels",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching \
                 (relatively short shard channels).",
    summary: "Shard channels that somebody subscribes to.",
    arguments: &[Argument::new("pattern", "pattern").optional()],
    handler: Handler::Session(|context, args, out| channels(context, args, true, out)),
    ..LOOKS
};

fn channels(context: &mut SessionContext<'_>, args: Args<'_>, sharded: bool, out: &mut Out) -> Reply {
    if args.len() > 3 {
        return Err(Fault::wrong_subcommand("pubsub", args.at(1)));
    }
    let names = context.engine.pubsub.active_channels(sharded, args.get(2));
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name));
    Ok(())
}

const NUMSUB: Command = Command {
    name: "numsub",
    arity: -2,
    since: "2.8.0",
    complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    summary: "How many subscribe to each of these channels.",
    arguments: &[Argument::string("channel").optional().multiple()],
    handler: Handler::Session(|context, args, out| subscribers(context, args, false, out)),
    ..LOOKS
};

const SHARDNUMSUB: Command = Command {
    name: "shardnumsub",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    summary: "How many subscribe to each of these shard channels.",
    arguments: &[Argument::string("shardchannel").optional().multiple()],
    handler: Handler::Session(|context, args, out| subscribers(context, args, true, out)),
    ..LOOKS
};

fn subscribers(context: &mut SessionContext<'_>, args: Args<'_>, sharded: bool, out: &mut Out) -> Reply {
    let channels = args.from(2);
    out.array(2 * channels.len());
    for channel in channels.iter() {
        out.bulk(channel);
        out.integer(context.engine.pubsub.subscriber_count(sharded, channel) as i64);
    }
    Ok(())
}

const NUMPAT: Command = Command {
    name: "numpat",
    arity: 2,
    since: "2.8.0",
    summary: "How many different patterns somebody subscribes to.",
    handler: Handler::Session(numpat),
    ..LOOKS
};

fn numpat(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.integer(context.engine.pubsub.topic_count(Topic::Pattern) as i64);
    Ok(())
}

const HELP: Command = Command { since: "6.2.0", ..help_of(LOOKS) };
