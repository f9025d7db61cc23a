use crate::config::directive::*;
use crate::config::{special, title};
use crate::services::LogLevel;

const SHUTDOWN_WORDS: &[&str] = &["default", "save", "nosave", "now", "force"];
const SCRIPTS_LATER: &str = "scripts come with a later version";

fn check_shutdown(words: &[&'static str]) -> Result<(), &'static str> {
    match words.contains(&"save") && words.contains(&"nosave") {
        true => Err("shutdown options SAVE and NOSAVE can't be used simultaneously"),
        false => Ok(()),
    }
}

const SHUTDOWN: Kind = Kind::Choices { words: SHUTDOWN_WORDS, check: check_shutdown };

fn set_log_level(config: &mut super::super::Config, word: &'static str) {
    config.loglevel = match word {
        "debug" => LogLevel::Debug,
        "verbose" => LogLevel::Verbose,
        "warning" => LogLevel::Warning,
        "nothing" => LogLevel::Nothing,
        _ => LogLevel::Notice,
    };
}

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::bool("daemonize", false, |config, on| config.daemonize = on, "Run in the background.").immutable(),
    Directive::choice(
        "supervised",
        &["upstart", "systemd", "auto", "no"],
        "no",
        |config, by| config.supervised = by,
        "Tell a supervisor when the server is ready.",
    )
    .immutable(),
    Directive::text(
        "pidfile",
        "",
        |config, path| config.pidfile = path.into(),
        "File that holds the process id; with daemonize /var/run/redis.pid where nothing is said.",
    )
    .immutable(),
    Directive::choice(
        "loglevel",
        &["debug", "verbose", "notice", "warning", "nothing"],
        "notice",
        set_log_level,
        "How much is logged.",
    ),
    Directive::text("logfile", "", |config, path| config.logfile = path.into(), "Log file, empty for standard output.")
        .immutable(),
    Directive::bool("syslog-enabled", false, no_bool, "Log to syslog.")
        .immutable()
        .without_effect("log to standard output, which supervisors hand on, or to logfile"),
    Directive::text("syslog-ident", "fluidb", no_text, "Name in syslog.")
        .immutable()
        .without_effect("there is no syslog output"),
    Directive::choice(
        "syslog-facility",
        &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
        "local0",
        no_choice,
        "Facility in syslog.",
    )
    .immutable()
    .without_effect("there is no syslog output"),
    Directive::choice("log-format", &["legacy", "logfmt"], "legacy", no_choice, "Form of log lines in Valkey.")
        .without_effect("log lines have the form of Redis"),
    Directive::choice(
        "log-timestamp-format",
        &["legacy", "iso8601", "milliseconds"],
        "legacy",
        no_choice,
        "Form of times in Valkey's log.",
    )
    .without_effect("log lines have the form of Redis"),
    Directive::bool("hide-user-data-from-log", true, no_bool, "Keep data of users out of the log.")
        .without_effect("no data of users is ever logged"),
    Directive::bool("crash-log-enabled", true, no_bool, "Print a report on a crash.")
        .without_effect("a crash prints what the system and the runtime print"),
    Directive::bool("crash-memcheck-enabled", true, no_bool, "Test memory on a crash.")
        .without_effect("a crash does not touch more memory"),
    Directive::bool("use-exit-on-panic", false, no_bool, "Exit instead of abort.")
        .hidden()
        .without_effect("a broken invariant aborts"),
    Directive::bool("enable-debug-assert", false, no_bool, "Check more invariants at run time.")
        .immutable()
        .hidden()
        .without_effect("such checks are part of debug builds"),
    Directive::text("debug-context", "", no_text, "Text for crash reports.")
        .hidden()
        .without_effect("there are no crash reports"),
    Directive::integer(
        "watchdog-period",
        (0, i32::MAX as i64),
        "0",
        no_number,
        "Milliseconds after which a stuck server reports where it is.",
    )
    .hidden()
    .without_effect("there is no watchdog"),
    Directive::integer(
        "databases",
        (1, i32::MAX as i64),
        "16",
        |config, count| config.databases = count as u32,
        "How many databases there are.",
    )
    .immutable(),
    Directive::text("dir", "./", |config, path| config.dir = path.into(), "Directory for all files that are written.")
        .protected(),
    Directive::bool("always-show-logo", false, no_bool, "Print the logo even where nobody looks.")
        .immutable()
        .without_effect("there is no logo"),
    Directive::bool(
        "set-proc-title",
        true,
        |config, on| config.set_proc_title = on,
        "Show addresses in the process title.",
    )
    .immutable(),
    Directive::other(
        "proc-title-template",
        Kind::Text { check: title::check, set: |config, template| config.proc_title_template = template.into() },
        "{title} {listen-addr} {server-mode}",
        "Form of the process title.",
    ),
    Directive::other("hz", Kind::Special(special::HZ), "10", "How often per second the periodic work runs, 1 to 500."),
    Directive::bool("dynamic-hz", true, no_bool, "Raise hz with the number of clients.")
        .without_effect("periodic work does not grow with the number of clients"),
    Directive::text("ignore-warnings", "", no_text, "Warnings of the start to ignore.")
        .without_effect("no warning stops the start"),
    Directive::text("locale-collate", "", no_text, "Collation of SORT ALPHA.").without_effect("bytes are compared"),
    Directive::integer(
        "shutdown-timeout",
        (0, i32::MAX as i64),
        "10",
        |config, seconds| config.shutdown_timeout = seconds as u64,
        "Seconds to wait for lagging replicas at shutdown.",
    ),
    Directive::other("shutdown-on-sigint", SHUTDOWN, "default", "How SIGINT shuts down.")
        .without_effect("SIGINT shuts down as SHUTDOWN without options does"),
    Directive::other("shutdown-on-sigterm", SHUTDOWN, "default", "How SIGTERM shuts down.")
        .without_effect("SIGTERM shuts down as SHUTDOWN without options does"),
    Directive::choice(
        "oom-score-adj",
        &["no", "yes", "relative", "absolute"],
        "no",
        no_choice,
        "Adjust how readily the kernel kills this process.",
    )
    .without_effect("set it in the service file"),
    Directive::other(
        "oom-score-adj-values",
        Kind::Special(special::OOM_SCORE_ADJ_VALUES),
        "0 200 800",
        "Adjustments of master, replica and background process.",
    )
    .without_effect("set it in the service file"),
    Directive::bool("disable-thp", true, no_bool, "Turn off huge pages for this process.")
        .immutable()
        .without_effect("nothing forks, so huge pages do no harm"),
    Directive::integer(
        "busy-reply-threshold",
        (0, i64::MAX),
        "5000",
        no_number,
        "Milliseconds after which a running script is reported.",
    )
    .alias(&["lua-time-limit"])
    .without_effect(SCRIPTS_LATER),
    Directive::bool("lua-replicate-commands", true, no_bool, "Replicate what scripts do, not their text.")
        .without_effect("only effects are ever replicated"),
    Directive::bool("lua-enable-insecure-api", false, no_bool, "Give scripts functions that are no longer safe.")
        .alias(&["lua-enable-deprecated-api"])
        .without_effect(SCRIPTS_LATER),
    Directive::bool("extended-redis-compatibility", false, no_bool, "Let Valkey call itself Redis.")
        .without_effect("clients always see a Redis-compatible version"),
    Directive::text("version-override", "", no_text, "Version that KeyDB reports.")
        .hidden()
        .without_effect("clients always see a Redis-compatible version"),
    Directive::text("availability-zone", "", no_text, "Where this server stands, for clients.")
        .without_effect("INFO does not report it yet"),
    Directive::bool("enable-motd", true, no_bool, "Fetch KeyDB's message of the day.")
        .without_effect("nothing is fetched from anywhere"),
    Directive::bool("testmode", false, no_bool, "KeyDB's mode for its tests.")
        .hidden()
        .without_effect("there is no such mode"),
    Directive::text("req-res-logfile", "", no_text, "File for Redis's log of requests and replies.")
        .immutable()
        .hidden()
        .without_effect("there is no such log"),
    Directive::bool("soft-shutdown", false, no_bool, "Let clients finish before a shutdown, in KeyDB.")
        .without_effect("a shutdown closes connections once their replies are sent"),
    Directive::integer(
        "max-rand-count",
        (0, i64::MAX),
        "4611686018427387903",
        no_number,
        "Greatest count for random members in KeyDB.",
    )
    .without_effect("the limits of Redis apply"),
];
