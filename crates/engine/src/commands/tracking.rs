//! The subcommands of CLIENT that are about client side caching.

use super::client::on_or_off;
use super::connection::CONNECTION;
use crate::arguments::{Cursor, integer, is};
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::context::SessionContext;
use crate::fault::{Fault, printable};
use crate::tracking::{Options, OwnTracking};
use resp::{Args, Out};
use std::sync::atomic::Ordering::Relaxed;

/// What the declarations below share.
const BASE: Command =
    Command { flags: Flags::of(&[Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]), since: "6.0.0", ..CONNECTION };

pub(super) const CACHING: Command = Command {
    name: "caching",
    arity: 3,
    summary: "Steers the tracking of the keys of the next command.",
    arguments: &[Argument::one_of("mode", &[Argument::word("yes", "YES"), Argument::word("no", "NO")])],
    handler: Handler::Session(caching),
    ..BASE
};

fn caching(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let Some(tracking) = &mut context.session.tracking else {
        return Err(Fault::Text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let (needed, refusal) = match args.at(2) {
        word if is(word, "YES") => {
            (Options::OPTIN, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
        }
        word if is(word, "NO") => {
            (Options::OPTOUT, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
        }
        _ => return Err(Fault::Syntax),
    };
    if !tracking.options.contains(needed) {
        return Err(Fault::Text(refusal));
    }
    tracking.caching = true;
    out.ok();
    Ok(())
}

pub(super) const GETREDIR: Command = Command {
    name: "getredir",
    arity: 2,
    summary: "The client that gets the invalidation messages of this one.",
    handler: Handler::Session(getredir),
    ..BASE
};

fn getredir(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.integer(context.session.client.redirect.load(Relaxed));
    Ok(())
}

pub(super) const TRACKING: Command = Command {
    name: "tracking",
    arity: -3,
    complexity: "O(1). Some options may introduce additional complexity",
    summary: "Switches client side caching on or off.",
    arguments: &[
        Argument::one_of("status", &[Argument::word("on", "ON"), Argument::word("off", "OFF")]),
        Argument::integer("client-id").token("REDIRECT").optional(),
        Argument::string("prefix").token("PREFIX").optional().multiple_token(),
        Argument::word("BCAST", "BCAST").optional(),
        Argument::word("OPTIN", "OPTIN").optional(),
        Argument::word("OPTOUT", "OPTOUT").optional(),
        Argument::word("NOLOOP", "NOLOOP").optional(),
    ],
    handler: Handler::Session(tracking),
    ..BASE
};

/// What CLIENT TRACKING asks for.
#[derive(Default)]
struct Wish<'a> {
    options: Options,
    redirect: u64,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Wish<'a> {
    fn parse(context: &SessionContext<'_>, mut words: Cursor<'a>) -> Result<Wish<'a>, Fault> {
        let mut wish = Wish::default();
        while let Some(word) = words.next() {
            if is(word, "REDIRECT") && words.remaining() > 0 {
                if wish.redirect != 0 {
                    return Err(Fault::Text("ERR A client can only redirect to a single other client"));
                }
                let id = u64::try_from(integer(words.value()?)?).ok();
                let target = id.and_then(|id| context.engine.clients.get(id));
                wish.redirect = target.ok_or(Fault::Text("ERR The client ID you want redirect to does not exist"))?.id;
            } else if is(word, "PREFIX") && words.remaining() > 0 {
                wish.prefixes.push(words.value()?);
            } else {
                let options = [
                    ("BCAST", Options::BCAST),
                    ("OPTIN", Options::OPTIN),
                    ("OPTOUT", Options::OPTOUT),
                    ("NOLOOP", Options::NOLOOP),
                ];
                let option = options.iter().find(|(name, _)| is(word, name)).map(|(_, option)| *option);
                wish.options |= option.ok_or(Fault::Syntax)?;
            }
        }
        Ok(wish)
    }

    /// Do the options fit each other, and what is in force?
    fn check(&self, before: Option<&OwnTracking>) -> Result<(), Fault> {
        const BOTH: Options = Options::OPTIN.union(Options::OPTOUT);
        let is_broadcast = self.options.contains(Options::BCAST);
        let old = before.map_or(Options::empty(), |before| before.options);
        if !is_broadcast && !self.prefixes.is_empty() {
            return Err(Fault::Text("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if before.is_some() && old.contains(Options::BCAST) != is_broadcast {
            return Err(Fault::Text(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if is_broadcast && self.options.intersects(BOTH) {
            return Err(Fault::Text("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.options.contains(BOTH) {
            return Err(Fault::Text("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if (self.options | old).contains(BOTH) {
            return Err(Fault::Text(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        self.check_prefixes(before)
    }

    /// No key may have two of a client's prefixes.
    fn check_prefixes(&self, before: Option<&OwnTracking>) -> Result<(), Fault> {
        let overlap = |prefix: &[u8], other: &[u8]| prefix.starts_with(other) || other.starts_with(prefix);
        let refusal = |prefix: &[u8], which: &str, other: &[u8]| {
            Fault::Message(format!(
                "ERR Prefix '{}' overlaps with {which} '{}'. Prefixes for a single client must not overlap.",
                printable(prefix, usize::MAX),
                printable(other, usize::MAX)
            ))
        };
        for (index, prefix) in self.prefixes.iter().enumerate() {
            let mut existing = before.into_iter().flat_map(|before| &before.prefixes);
            if let Some(other) = existing.find(|other| overlap(prefix, other)) {
                return Err(refusal(prefix, "an existing prefix", other));
            }
            if let Some(other) = self.prefixes[index + 1..].iter().find(|other| overlap(prefix, other)) {
                return Err(refusal(prefix, "another provided prefix", other));
            }
        }
        Ok(())
    }
}

fn tracking(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let wish = Wish::parse(context, Cursor::new(args, 3))?;
    if !on_or_off(args.at(2))? {
        context.session.stop_tracking();
        out.ok();
        return Ok(());
    }
    let session = &mut *context.session;
    wish.check(session.tracking.as_deref())?;
    let own = session.tracking.get_or_insert_default();
    own.options = wish.options;
    own.redirect = wish.redirect;
    own.prefixes.extend(wish.prefixes.iter().map(|prefix| Box::from(*prefix)));
    if own.options.contains(Options::BCAST) && wish.prefixes.is_empty() {
        own.prefixes.insert(Box::default());
    }
    context.engine.tracking.start(context.engine, &session.client, own);
    out.ok();
    Ok(())
}

pub(super) const TRACKINGINFO: Command = Command {
    name: "trackinginfo",
    arity: 2,
    since: "6.2.0",
    summary: "The state of client side caching of this connection.",
    handler: Handler::Session(trackinginfo),
    ..BASE
};

fn trackinginfo(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let Some(own) = &context.session.tracking else {
        write_info(&["off"], -1, &[], out);
        return Ok(());
    };
    let broken = context.session.client.redirection_broken.load(Relaxed);
    let has = |option| own.options.contains(option);
    let flags = [
        ("on", true),
        ("bcast", has(Options::BCAST)),
        ("optin", has(Options::OPTIN)),
        ("caching-yes", has(Options::OPTIN) && own.caching),
        ("optout", has(Options::OPTOUT)),
        ("caching-no", has(Options::OPTOUT) && own.caching),
        ("noloop", has(Options::NOLOOP)),
        ("broken_redirect", broken),
    ];
    let flags: Vec<&str> = flags.iter().filter(|(_, set)| *set).map(|(flag, _)| *flag).collect();
    let prefixes: Vec<&[u8]> = own.prefixes.iter().map(|prefix| &prefix[..]).collect();
    write_info(&flags, own.redirect as i64, &prefixes, out);
    Ok(())
}

fn write_info(flags: &[&str], redirect: i64, prefixes: &[&[u8]], out: &mut Out) {
    out.map(3);
    out.bulk(b"flags");
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"redirect");
    out.integer(redirect);
    out.bulk(b"prefixes");
    out.array(prefixes.len());
    prefixes.iter().for_each(|prefix| out.bulk(prefix));
}
