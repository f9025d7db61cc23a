//! DEBUG: what test suites lean on. Allowed only where `enable-debug-command` says so.

use super::config::rewrite_file;
use super::server::SERVER;
use crate::arguments::{integer, is};
use crate::command::{Argument, Command, Flags, Handler, Reply};
use crate::config::Appended;
use crate::context::SessionContext;
use crate::fault::{Fault, printable};
use crate::services::LogLevel;
use keyspace::{Scope, SetDeadline};
use resp::{Args, Out, Protocol};
use std::fmt::Write;
use std::time::Duration;
use values::Encoding;

pub(super) const COMMANDS: &[&Command] = &[&DEBUG];

const DEBUG: Command = Command {
    name: "debug",
    arity: -2,
    flags: Flags::of(&[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE]),
    complexity: "Depends on the subcommand",
    summary: "For testing the server.",
    arguments: &[Argument::string("subcommand"), Argument::string("argument").optional().multiple()],
    handler: Handler::Session(debug),
    ..SERVER
};

type Run = fn(&mut SessionContext<'_>, Args<'_>, &mut Out) -> Reply;

/// Name, number of arguments after it (from, to), function, what HELP says.
const SUBCOMMANDS: &[(&str, usize, usize, Run, &str)] = &[
    ("assert", 0, 0, crash, "Crash."),
    ("change-repl-id", 0, 0, accept, "Accepted; a node keeps its identity."),
    ("client-worker", 1, 2, client_worker, "<id> [worker]: which worker serves a client; have another one do it."),
    ("config-rewrite-force-all", 0, 0, rewrite_all, "Write every directive into the configuration file."),
    ("dict-resizing", 1, 1, accept, "Accepted; the table never rehashes as a whole."),
    ("digest", 0, 0, digest, "A digest of the data set."),
    ("digest-value", 0, usize::MAX, digest_value, "<key> ...: a digest of each value."),
    ("error", 1, 1, error, "<text>: an error with this text."),
    ("help", 0, 0, help, "This list."),
    ("listpack", 1, 1, listpack, "<key>: whether it is a listpack."),
    ("log", 1, 1, log, "<text>: write a line into the log."),
    ("object", 1, 2, object, "<key>: how a value is held."),
    ("mallctl", 1, 1, mallctl, "<name>: a number of the allocator's."),
    ("mallctl-str", 2, 2, mallctl_str, "<name> VOID: let the allocator do something."),
    ("pause-cron", 1, 1, pause_cron, "0|1: leave out what is done now and then."),
    ("populate", 1, 3, populate, "<count> [prefix] [size]: create strings."),
    ("protocol", 1, 1, protocol, "<type>: a reply of that type."),
    ("quicklist", 1, 2, quicklist, "<key>: whether it is a quicklist."),
    (
        "quicklist-packed-threshold",
        1,
        1,
        quicklist_packed_threshold,
        "<size>: an element of this size is a node by itself, whatever the nodes' size (0: off).",
    ),
    ("replybuffer", 2, 2, accept, "Accepted; reply buffers have no fixed size."),
    ("segfault", 0, 0, crash, "Crash."),
    ("set-active-expire", 1, 1, set_active_expire, "0|1: remove expired keys in the background."),
    ("set-disable-deny-scripts", 1, 1, accept, "Accepted; there are no scripts yet."),
    ("set-skip-checksum-validation", 1, 1, accept, "Accepted; there are no payloads to check yet."),
    ("sleep", 1, 1, sleep, "<seconds>: block the thread."),
    ("stringmatch-len", 2, 2, stringmatch_len, "<length> <pattern>: match a pattern against so many bytes."),
    ("workers", 1, 1, workers, "<count>: so many workers serve clients from now on, whatever they have to do."),
];

fn debug(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let rest = args.from(2);
    let found = SUBCOMMANDS
        .iter()
        .find(|(name, at_least, at_most, ..)| is(args.at(1), name) && (*at_least..=*at_most).contains(&rest.len()));
    match found {
        Some((_, _, _, run, _)) => run(context, rest, out),
        None => Err(Fault::wrong_subcommand("debug", args.at(1))),
    }
}

fn accept(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.ok();
    Ok(())
}

fn error(_: &mut SessionContext<'_>, args: Args<'_>, _: &mut Out) -> Reply {
    // A character per byte, as `Fault::render` wants it.
    Err(Fault::Message(args.at(0).iter().map(|&byte| char::from(byte)).collect()))
}

/// Bytes beyond which Redis has no packed elements.
const MAX_PACKED: u64 = (1 << 32) - (1 << 20);

fn quicklist_packed_threshold(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let bytes = stdx::parse_memory_size(args.at(0)).filter(|bytes| *bytes <= MAX_PACKED);
    let bytes = bytes.ok_or(Fault::Text("ERR argument must be a memory value bigger than 1 and smaller than 4gb"))?;
    context.with_scope(Scope::All, |txn| txn.set_list_packed_threshold(bytes as usize));
    out.ok();
    Ok(())
}

fn listpack(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let encoding = context.with_key(args.at(0), |txn| txn.encoding(args.at(0))).ok_or(Fault::NoSuchKey)?;
    if encoding != Encoding::Listpack {
        return Err(Fault::Text("ERR Not a listpack encoded object."));
    }
    out.status("Listpack structure printed on stdout");
    Ok(())
}

fn quicklist(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let encoding = context.with_key(args.at(0), |txn| txn.encoding(args.at(0))).ok_or(Fault::NoSuchKey)?;
    if encoding != Encoding::Quicklist {
        return Err(Fault::Text("ERR Not a quicklist encoded object."));
    }
    out.status("Quicklist structure printed on stdout");
    Ok(())
}

fn rewrite_all(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    rewrite_file(context, Appended::Everything, out)
}

fn client_worker(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let id = integer(args.at(0))?;
    let client = context.engine.clients.get(id as u64).ok_or(Fault::Text("ERR No such client ID"))?;
    if args.len() == 1 {
        out.integer(client.worker() as i64);
        return Ok(());
    }
    context.engine.host.move_client(&client, worker_number(context, args.at(1), 0)?);
    out.ok();
    Ok(())
}

fn workers(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.engine.host.fix_workers(worker_number(context, args.at(0), 1)?);
    out.ok();
    Ok(())
}

/// A number of the workers that there are, counted from `first`.
fn worker_number(context: &SessionContext<'_>, argument: &[u8], first: i64) -> Result<usize, Fault> {
    let last = first + i64::from(context.config().server_threads) - 1;
    let number = integer(argument)?;
    if (first..=last).contains(&number) { Ok(number as usize) } else { Err(Fault::Text("ERR there is no such worker")) }
}

fn pause_cron(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.engine.set_cron_paused(args.at(0) != b"0");
    out.ok();
    Ok(())
}

fn mallctl(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let number = context.engine.host.allocator_number(&String::from_utf8_lossy(args.at(0)));
    out.integer(number.map_err(|reason| Fault::Message(format!("ERR {reason}")))?);
    Ok(())
}

fn mallctl_str(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    if args.at(1) != b"VOID" {
        return Err(Fault::Text("ERR Operation not permitted"));
    }
    let done = context.engine.host.run_allocator(&String::from_utf8_lossy(args.at(0)));
    done.map_err(|reason| Fault::Message(format!("ERR {reason}")))?;
    out.ok();
    Ok(())
}

/// Whoever enabled DEBUG asked for it.
fn crash(_: &mut SessionContext<'_>, _: Args<'_>, _: &mut Out) -> Reply {
    panic!("crash requested by DEBUG")
}

fn help(_: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    out.array(1 + SUBCOMMANDS.len());
    out.status("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (name, _, _, _, text) in SUBCOMMANDS {
        out.status(&format!("{} {text}", name.to_ascii_uppercase()));
    }
    Ok(())
}

/// Of all databases; MESH DIGEST is the same.
pub(super) fn digest(context: &mut SessionContext<'_>, _: Args<'_>, out: &mut Out) -> Reply {
    let digest = context.with_scope(Scope::All, |txn| txn.debug_digest());
    out.status(&hexadecimal(&digest));
    Ok(())
}

fn digest_value(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    out.array(args.len());
    for key in args.iter() {
        let digest = context.with_key(key, |txn| txn.debug_digest_value(key));
        out.status(&hexadecimal(&digest));
    }
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn log(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.engine.host.log(LogLevel::Warning, format_args!("DEBUG LOG: {}", printable(args.at(0), 1024)));
    out.ok();
    Ok(())
}

fn object(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let key = args.at(0);
    let now_seconds = context.now.unix_seconds();
    let node_limit = context.config().list_max_listpack_size;
    // What was asked for: nothing is compressed.
    let compressed = u8::from(context.config().get("list-compress-depth").is_some_and(|depth| depth != "0"));
    let line = context.with_key(key, |txn| {
        let encoding = txn.encoding(key)?.name();
        let idle = txn.idle_seconds(key).unwrap_or(0);
        let bytes = txn.heap_size(key).unwrap_or(0);
        let mut line = format!(
            "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:{} lru_seconds_idle:{idle}",
            now_seconds.saturating_sub(idle) & 0xff_ffff
        );
        if let Ok(Some(list)) = txn.list(key)
            && let Some(nodes) = list.nodes()
        {
            let average = list.len() as f64 / nodes as f64;
            let _ = write!(
                line,
                " ql_nodes:{nodes} ql_avg_node:{average:.2} ql_listpack_max:{node_limit} ql_compressed:{compressed} \
                 ql_uncompressed_size:{bytes}"
            );
        }
        Some(line)
    });
    out.status(&line.ok_or(Fault::NoSuchKey)?);
    Ok(())
}

/// Keys that exist are left alone.
fn populate(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let positive = |argument: &[u8]| {
        usize::try_from(integer(argument)?).map_err(|_| Fault::Text("ERR value is out of range, must be positive"))
    };
    let count = integer(args.at(0))
        .ok()
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(Fault::Text("ERR value is out of range, must be positive"))?;
    let prefix = args.get(1).unwrap_or(b"key");
    let size = args.get(2).map(positive).transpose()?.unwrap_or(0);
    for index in 0..count {
        let key = [prefix, b":", itoa::Buffer::new().format(index).as_bytes()].concat();
        let mut value = format!("value:{index}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        context.with_key(&key, |txn| {
            if !txn.exists(&key) {
                txn.string_set(&key, &value, SetDeadline::Clear);
            }
        });
    }
    out.ok();
    Ok(())
}

fn protocol(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    match args.at(0).to_ascii_lowercase().as_slice() {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.integer(12345),
        // Redis sends 3.141, not pi.
        b"double" => out.double(3141.0 / 1000.0),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|number| out.integer(number));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|number| out.integer(number));
        }
        b"map" => {
            out.map(3);
            for number in 0..3 {
                out.integer(number);
                out.boolean(number == 1);
            }
        }
        b"attrib" => {
            if out.attribute(1) {
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.integer(90);
            }
            out.bulk(b"Some real reply following the attribute");
        }
        b"push" if out.protocol == Protocol::Resp2 => {
            return Err(Fault::Text("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.integer(42);
            out.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => out.verbatim(b"txt", b"This is a verbatim\nstring"),
        b"true" => out.boolean(true),
        b"false" => out.boolean(false),
        b"bignum" => out.big_number(b"1234567999999999999999999999999999999"),
        _ => {
            return Err(Fault::Text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn set_active_expire(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    context.engine.set_active_expire(args.at(0) != b"0");
    out.ok();
    Ok(())
}

fn sleep(context: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    let seconds = stdx::parse_f64(args.at(0)).unwrap_or(0.0).clamp(0.0, 3600.0);
    context.engine.host.sleep(Duration::from_secs_f64(seconds));
    context.now = context.engine.host.now();
    out.ok();
    Ok(())
}

fn stringmatch_len(_: &mut SessionContext<'_>, args: Args<'_>, out: &mut Out) -> Reply {
    const LONGEST: i64 = 1 << 20;
    let length = integer(args.at(0))?;
    if !(0..=LONGEST).contains(&length) {
        return Err(Fault::OutOfRange);
    }
    let text = vec![b'a'; length as usize];
    out.integer(i64::from(stdx::glob::matches(args.at(1), &text)));
    Ok(())
}
