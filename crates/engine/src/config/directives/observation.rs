use crate::config::directive::*;
use crate::config::special;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::integer(
        "slowlog-log-slower-than",
        (-1, i64::MAX),
        "10000",
        |config, us| config.slowlog_log_slower_than = us,
        "Microseconds above which a command is logged, -1 for never.",
    ),
    Directive::integer(
        "slowlog-max-len",
        (0, i64::MAX),
        "128",
        |config, len| config.slowlog_max_len = len as usize,
        "Entries that the slow log keeps.",
    ),
    Directive::integer(
        "latency-monitor-threshold",
        (0, i64::MAX),
        "0",
        |config, ms| config.latency_monitor_threshold = ms as u64,
        "Milliseconds above which an event is recorded, 0 for off.",
    ),
    Directive::bool(
        "latency-tracking",
        true,
        |config, on| config.latency_tracking = on,
        "Show how the durations of commands are distributed.",
    ),
    Directive::other(
        "latency-tracking-info-percentiles",
        Kind::Special(special::LATENCY_PERCENTILES),
        "50 99 99.9",
        "Percentiles that INFO latencystats shows.",
    ),
    Directive::other(
        "notify-keyspace-events",
        Kind::Special(special::NOTIFY_KEYSPACE_EVENTS),
        "",
        "Kinds of events that are published.",
    ),
];
