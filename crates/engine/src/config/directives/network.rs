use crate::config::directive::*;
use crate::config::special;
use stdx::FloatFormat;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::other(
        "bind",
        Kind::Special(special::BIND),
        "* -::*",
        "Addresses to listen on; one with a leading - may be missing.",
    ),
    Directive::text(
        "bind-source-addr",
        "",
        |config, address| config.bind_source_addr = address.to_string(),
        "Address from which links to other servers are made.",
    ),
    Directive::integer(
        "port",
        (0, 65535),
        "6379",
        |config, port| config.port = port as u16,
        "TCP port to listen on, 0 for none.",
    ),
    Directive::integer(
        "tcp-backlog",
        (0, i32::MAX as i64),
        "511",
        |config, len| config.tcp_backlog = len as u32,
        "How many connections may wait to be accepted.",
    )
    .immutable(),
    Directive::text(
        "unixsocket",
        "",
        |config, path| config.unixsocket = path.into(),
        "Path of a Unix socket to listen on.",
    )
    .immutable(),
    Directive::other(
        "unixsocketperm",
        Kind::Octal { max: 0o777, set: |config, mode| config.unixsocketperm = mode as u32 },
        "0",
        "Permissions of the Unix socket, in octal.",
    )
    .immutable(),
    Directive::text("unixsocketgroup", "", no_text, "Group that owns the Unix socket.")
        .immutable()
        .without_effect("the socket belongs to the group of the process"),
    Directive::integer(
        "timeout",
        (0, i32::MAX as i64),
        "0",
        |config, seconds| config.timeout = seconds as u64,
        "Seconds after which an idle client is disconnected, 0 for never.",
    ),
    Directive::integer(
        "tcp-keepalive",
        (0, i32::MAX as i64),
        "300",
        |config, seconds| config.tcp_keepalive = seconds as u32,
        "Seconds between TCP keep-alive probes, 0 for none.",
    ),
    Directive::bool(
        "protected-mode",
        true,
        |config, on| config.protected_mode = on,
        "Refuse clients from other machines while there is neither a password nor a bind address.",
    ),
    Directive::integer(
        "maxclients",
        (1, u32::MAX as i64),
        "10000",
        |config, count| config.maxclients = count as u64,
        "How many clients may be connected at once.",
    ),
    Directive::integer(
        "maxclients-reserved",
        (0, 100),
        "0",
        no_number,
        "How many of maxclients are kept for local connections.",
    )
    .without_effect("all connections count alike"),
    Directive::integer(
        "socket-mark-id",
        (0, u32::MAX as i64),
        "0",
        no_number,
        "Mark of the listening sockets for the kernel's packet filter.",
    )
    .immutable()
    .without_effect("sockets carry no mark"),
    Directive::integer(
        "max-new-connections-per-cycle",
        (1, 1000),
        "10",
        no_number,
        "How many connections Valkey accepts in one turn.",
    )
    .without_effect("all that wait are accepted"),
    Directive::choice(
        "float-format",
        &["shortest", "17-digits"],
        "shortest",
        |config, format| {
            config.float_format =
                if format == "shortest" { FloatFormat::Shortest } else { FloatFormat::SeventeenDigits };
        },
        "Digits of scores and other doubles: the fewest, as in Redis 7.2, or 17, as in Redis 7.0 and KeyDB.",
    ),
    Directive::integer("client-default-resp", (2, 3), "2", no_number, "Protocol version of a new connection.")
        .immutable()
        .hidden()
        .without_effect("every connection begins with RESP2"),
    Directive::integer("rdma-port", (0, 65535), "0", no_number, "Port of Valkey's RDMA listener.")
        .without_effect("there is no RDMA transport"),
    Directive::text("rdma-bind", "", no_text, "Addresses of Valkey's RDMA listener.")
        .without_effect("there is no RDMA transport"),
];
