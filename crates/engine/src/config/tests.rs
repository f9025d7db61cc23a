use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

/// Files by path; a path with `*` names all.
struct Files(HashMap<&'static str, &'static str>);

impl ConfigSource for Files {
    fn read(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| stdx::glob::matches(path.as_bytes(), name.as_bytes()))
            .map(|(name, text)| (name.to_string(), text.as_bytes().to_vec()))
            .collect();
        found.sort();
        match found.is_empty() && !path.contains('*') {
            true => Err(format!("can't open '{path}'")),
            false => Ok(found),
        }
    }
}

fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    load(Some("a.conf"), &[], &mut |_: &str| Ok(vec![("a.conf".to_string(), text.as_bytes().to_vec())]))
}

fn config(text: &str) -> Config {
    load_text(text).unwrap_or_else(|error| panic!("{error}")).config
}

fn rewritten(config: &Config, text: &str, appended: Appended) -> String {
    String::from_utf8(rewrite(config, text.as_bytes(), appended)).unwrap()
}

fn reason(text: &str) -> String {
    load_text(text).unwrap_err().reason
}

fn run(arguments: &[&str]) -> Loaded {
    let CommandLine::Run { file, directives } =
        CommandLine::parse(arguments.iter().map(|argument| argument.to_string()))
    else {
        panic!("not a run")
    };
    load(file.as_deref(), &directives, &mut |_: &str| Err("no files".to_string())).unwrap()
}

fn masters(config: &Config) -> Vec<String> {
    config.replicaof.iter().map(|master| format!("{}:{}", master.host, master.port)).collect()
}

#[test]
fn names_are_unique_and_defaults_are_valid() {
    let mut names: Vec<&str> = directives::names().map(|(name, ..)| name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for directive in directives() {
        let mut config = Config::default();
        assert_eq!(config.assign(directive, &split_default(directive), true), Ok(()), "{}", directive.name);
        assert!(directive.summary.ends_with('.'), "{}", directive.name);
        assert_eq!(directive.name, directive.name.to_ascii_lowercase());
    }
}

/// Recorded from CONFIG GET of Redis 7.0.15 without a configuration file.
#[test]
fn defaults_are_those_of_redis() {
    for (name, value) in [
        ("bind", "* -::*"),
        ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
        ("save", "3600 1 300 100 60 10000"),
        ("hash-max-ziplist-entries", "512"),
        ("latency-tracking-info-percentiles", "50 99 99.9"),
        ("maxclients", "10000"),
        ("oom-score-adj-values", "0 200 800"),
        ("proto-max-bulk-len", "536870912"),
        ("repl-backlog-size", "1048576"),
        ("shutdown-on-sigint", "default"),
        ("slave-read-only", "yes"),
        ("timeout", "0"),
        ("unixsocketperm", "0"),
    ] {
        assert_eq!(Config::default().get(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn syntax_of_a_file() {
    let config = config(
        "# a comment\n\n  port 7000 \r\nRequirePass \"a \\x41\\\"b\"\nmasterauth 'it\\'s'\nmaxmemory 1gb\n\tmaxmemory-clients 5%\n",
    );
    assert_eq!(config.port, 7000);
    assert_eq!(config.requirepass, "a A\"b");
    assert_eq!((config.maxmemory, config.get("maxmemory-clients").as_deref()), (1 << 30, Some("5%")));
}

/// Expected values: the errors of Redis 7.0.15.
#[test]
fn wrong_lines_stop_the_start() {
    let error = load_text("# first\nport 7000\nreplicaof 1 x\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "*** FATAL CONFIG FILE ERROR (fluidB {}) ***\nReading the configuration file a.conf, at line 3\n\
             >>> 'replicaof 1 x'\nInvalid master port",
            env!("CARGO_PKG_VERSION")
        )
    );
    assert_eq!(reason("port 7000 3"), "wrong number of arguments");
    assert_eq!(reason("port"), "wrong number of arguments");
    assert_eq!(reason("save 3"), "Invalid save parameters");
    assert_eq!(reason("port \"3"), "Unbalanced quotes in configuration line");
    assert_eq!(reason("hz a"), "argument couldn't be parsed into an integer");
    assert_eq!(reason("port 65536"), "argument must be between 0 and 65535 inclusive");
    assert_eq!(reason("daemonize maybe"), "argument must be 'yes' or 'no'");
    assert_eq!(
        reason("loglevel loud"),
        "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"
    );
}

/// What only the process can find out is told like a wrong line.
#[test]
fn refusals_name_the_line() {
    let loaded = load_text("# first\nlogfile here\nlogfile /missing/log\n").unwrap();
    let error = loaded.refusal("logfile", "Can't open the log file".into()).to_string();
    assert!(error.ends_with("a.conf, at line 3\n>>> 'logfile /missing/log'\nCan't open the log file"), "{error}");
    assert_eq!(reason("rename-command nosuch x"), "No such command in rename-command: 'nosuch'");
    assert_eq!(reason("rename-command get set"), "Target command name already exists: 'set'");
}

#[test]
fn an_unknown_name_gets_the_nearest_one() {
    assert_eq!(
        reason("prot 7000"),
        "Bad directive or wrong number of arguments: there is no 'prot', the nearest name is 'port'"
    );
    assert!(reason("multimaster yes").ends_with("the nearest name is 'multi-master'"));
    assert!(reason("replicaof=127.0.0.1 7000").ends_with("the nearest name is 'replicaof'"));
    assert!(reason("completely-unheard-of yes").ends_with("there is no 'completely-unheard-of', nor any name like it"));
}

#[test]
fn passwords_are_not_shown() {
    for (line, shown) in [
        ("requirepass secret and more", "requirepass (hidden)"),
        ("requirepas secret", "requirepas (hidden)"),
        ("masterauth \"secret", "masterauth (hidden)"),
        ("port one two", "port one two"),
    ] {
        assert_eq!(load_text(line).unwrap_err().place.text, shown);
    }
}

#[test]
fn includes_with_globs() {
    let mut files = Files(HashMap::from([
        ("main", "port 1\ninclude conf/*.conf\ninclude none/*.conf\ntimeout 3"),
        ("conf/1.conf", "port 2\nmaxclients 5"),
        ("conf/2.conf", "port 3"),
    ]));
    let config = load(Some("main"), &[], &mut files).unwrap().config;
    assert_eq!((config.port, config.maxclients, config.timeout), (3, 5, 3));
}

#[test]
fn errors_of_includes_name_their_file() {
    let mut files = Files(HashMap::from([("main", "port 1\ninclude other"), ("other", "\nhz x")]));
    let error = load(Some("main"), &[], &mut files).unwrap_err();
    assert_eq!((error.place.file.as_deref(), error.place.line), (Some("other"), 2));

    let mut files = Files(HashMap::from([("main", "include missing")]));
    let error = load(Some("main"), &[], &mut files).unwrap_err();
    assert_eq!((error.place.line, error.reason.as_str()), (1, "can't open 'missing'"));
}

#[test]
fn include_loops_are_refused() {
    let mut files = Files(HashMap::from([("a", "include b"), ("b", "include a")]));
    let error = load(Some("a"), &[], &mut files).unwrap_err();
    assert_eq!((error.place.file.as_deref(), error.reason.as_str()), (Some("b"), "a includes itself"));

    let mut deeper = 0;
    let error = load(Some("0"), &[], &mut |path: &str| {
        deeper += 1;
        Ok(vec![(path.to_string(), format!("include {deeper}").into_bytes())])
    })
    .unwrap_err();
    assert_eq!(error.reason, "files include each other too deeply");
}

#[test]
fn command_lines_name_masters_in_three_ways() {
    let expected = ["127.0.0.1:7001", "127.0.0.1:7002"];
    for arguments in [
        vec!["--multi-master", "yes", "--replicaof", "127.0.0.1", "7001", "--replicaof", "127.0.0.1", "7002"],
        vec!["--replicaof", "127.0.0.1 7001", "--replicaof", "127.0.0.1 7002", "--multi-master", "yes"],
        vec![
            "--multi-master",
            "yes",
            "--active-replica",
            "yes",
            "--replicaof",
            "127.0.0.1",
            "7001",
            "--replicaof",
            "127.0.0.1",
            "7002",
        ],
    ] {
        let config = run(&arguments).config;
        assert_eq!(masters(&config), expected);
        assert!(config.multi_master && config.active_replica && !config.replica_read_only);
    }
}

#[test]
fn save_points_on_the_command_line() {
    assert_eq!(run(&["--save"]).config.get("save").as_deref(), Some(""));
    assert_eq!(run(&["--save 900 1"]).config.get("save").as_deref(), Some("900 1"));
    assert_eq!(run(&["--save", ""]).config.save, []);
    assert_eq!(run(&["--save", "900", "1", "300", "10"]).config.get("save").as_deref(), Some("900 1 300 10"));
    assert_eq!(run(&["--save", "900 1", "--save", "300 10"]).config.get("save").as_deref(), Some("900 1 300 10"));
}

#[test]
fn command_line_actions_and_errors() {
    let parse = |arguments: &[&str]| CommandLine::parse(arguments.iter().map(|argument| argument.to_string()));
    let run = |file: &str, directives: &[&[&str]]| CommandLine::Run {
        file: (!file.is_empty()).then(|| file.to_string()),
        directives: directives.iter().map(|words| words.iter().map(|word| word.to_string()).collect()).collect(),
    };
    assert_eq!(parse(&["--version"]), CommandLine::ShowVersion);
    assert_eq!(parse(&["-h"]), CommandLine::ShowHelp);
    assert_eq!(parse(&["-", "--bind", "-::1", "::1"]), run("-", &[&["bind", "-::1", "::1"]]));
    // The dashes of the first directive may be missing, and the first value may begin with some.
    assert_eq!(parse(&["a.conf", "port", "7", "--hz", "9"]), run("a.conf", &[&["port", "7"], &["hz", "9"]]));
    assert_eq!(parse(&["--logfile", "--x", "--hz", "9"]), run("", &[&["logfile", "--x"], &["hz", "9"]]));
    assert_eq!(parse(&["--save", "--hz", "9"]), run("", &[&["save"], &["hz", "9"]]));
    let words = [vec!["prot".to_string(), "a b".to_string()]];
    let error = load(None, &words, &mut |_: &str| Err(String::new())).unwrap_err();
    assert!(error.to_string().contains("Reading the command line\n>>> 'prot \"a b\"'\n"), "{error}");
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let lines = ["replicaof 10.0.0.3 6379", "multi-master yes", "active-replica yes", "replicaof 10.0.0.4 6379"];
    for rotation in 0..lines.len() {
        let mut lines = lines;
        lines.rotate_left(rotation);
        let config = config(&lines.join("\n"));
        let mut masters = masters(&config);
        masters.sort();
        assert_eq!(masters, ["10.0.0.3:6379", "10.0.0.4:6379"]);
    }
}

#[test]
fn without_multi_master_the_last_replicaof_counts() {
    let loaded = load_text("replicaof a 1\nslaveof b 2").unwrap();
    assert_eq!(masters(&loaded.config), ["b:2"]);
    assert_eq!(loaded.notices, ["without multi-master there is one master only: the last replicaof counts, b 2"]);
    assert_eq!(masters(&config("replicaof a 1\nreplicaof no one")), Vec::<String>::new());
}

#[test]
fn notices_say_what_is_implied_and_what_has_no_effect() {
    let notices =
        load_text("multi-master yes\nappendonly yes\nsave \"\"\nrdbcompression yes\nport 7000").unwrap().notices;
    assert_eq!(notices.len(), 2);
    assert_eq!(notices[0], "multi-master yes implies active-replica yes: writes are taken here");
    assert!(notices[1].starts_with("appendonly has no effect here: persistence comes"));
}

#[test]
fn setting_says_what_is_implied_and_what_has_no_effect() {
    let pairs = [("multi-master", "yes"), ("rdbcompression", "no"), ("hz", "20")];
    let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect::<Vec<_>>();
    let (_, notices) = Config::default().with(&pairs, false).unwrap();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].starts_with("multi-master yes implies active-replica yes"));
    assert!(notices[1].starts_with("rdbcompression has no effect here: persistence comes"));
    // A promise that would not be kept is refused.
    for (name, reason) in [("appendonly", "persistence comes"), ("tls-replication", "TLS comes")] {
        assert!(refusal(&[(name, "yes")]).1.starts_with(reason));
    }
}

#[test]
fn a_file_may_want_defragmentation_and_a_client_is_told_that_there_is_none() {
    let loaded = load_text("activedefrag yes").unwrap();
    assert!(loaded.notices[0].starts_with("activedefrag has no effect here: there is no"), "{:?}", loaded.notices);
    assert!(matches!(set(&loaded.config, &[("activedefrag", "yes")]), Err(SetError::Refused { .. })));
    assert!(set(&loaded.config, &[("activedefrag", "no")]).is_ok());
}

fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Config, SetError> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    config.with(&pairs, false).map(|(config, _)| config)
}

fn refusal(pairs: &[(&str, &str)]) -> (String, String) {
    match set(&Config::default(), pairs) {
        Err(SetError::Refused { name, reason }) => (name, reason),
        other => panic!("{other:?}"),
    }
}

/// Expected values: the errors of Redis 7.0.15.
#[test]
fn setting_is_checked_as_in_redis() {
    let refused = |pairs, name: &str, reason: &str| assert_eq!(refusal(pairs), (name.to_string(), reason.to_string()));
    refused(&[("daemonize", "yes")], "daemonize", "can't set immutable config");
    refused(&[("dir", "/tmp")], "dir", "can't set protected config");
    refused(&[("maxclients", "100"), ("maxclients", "200")], "maxclients", "duplicate parameter");
    refused(
        &[("timeout", "5"), ("MAXCLIENTS", "0")],
        "maxclients",
        "argument must be between 1 and 4294967295 inclusive",
    );
    refused(&[("maxmemory", "1tb")], "maxmemory", "argument must be a memory value");
    refused(&[("maxmemory", "-1")], "maxmemory", "argument must be a memory value");
    refused(&[("maxmemory-clients", "200%")], "maxmemory-clients", "percentage argument must be less or equal to 100");
    refused(&[("slave-read-only", "nope")], "slave-read-only", "argument must be 'yes' or 'no'");
    refused(
        &[("repl-backlog-size", "0")],
        "repl-backlog-size",
        "argument must be between 1 and 9223372036854775807 inclusive",
    );
    refused(&[("save", "900 1 300")], "save", "Invalid save parameters");
    refused(
        &[("notify-keyspace-events", "Kx!")],
        "notify-keyspace-events",
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    );
    refused(
        &[("client-output-buffer-limit", "normal 1 2")],
        "client-output-buffer-limit",
        "Wrong number of arguments in buffer limit configuration.",
    );
    refused(
        &[("client-output-buffer-limit", "wrong 1 2 3")],
        "client-output-buffer-limit",
        "Invalid client class specified in buffer limit configuration.",
    );
    refused(
        &[("latency-tracking-info-percentiles", "101")],
        "latency-tracking-info-percentiles",
        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
    );
    refused(
        &[("shutdown-on-sigint", "save nosave")],
        "shutdown-on-sigint",
        "shutdown options SAVE and NOSAVE can't be used simultaneously",
    );
    let unknown = SetError::Unknown("nosuch".into());
    assert_eq!(set(&Config::default(), &[("daemonize", "yes"), ("nosuch", "2")]).unwrap_err(), unknown);
}

#[test]
fn set_values_are_read_back_as_redis_prints_them() {
    let get_after = |name: &str, value: &str| set(&Config::default(), &[(name, value)]).unwrap().get(name).unwrap();
    assert_eq!(get_after("maxmemory-clients", "50%"), "50%");
    assert_eq!(get_after("notify-keyspace-events", "KEA"), "AKE");
    assert_eq!(get_after("notify-keyspace-events", "Klg"), "glK");
    assert_eq!(get_after("latency-tracking-info-percentiles", "50 99.9 100"), "50 99.9 100");
    assert_eq!(get_after("shutdown-on-sigint", "now force"), "now force");
    assert_eq!(get_after("hash-max-ziplist-value", "1k"), "1000");
    assert_eq!(get_after("save", ""), "");
    assert_eq!(
        get_after("client-output-buffer-limit", "replica 1mb 2kb 3"),
        "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60"
    );
    assert_eq!(
        set(&Config::default(), &[("hash-max-ziplist-entries", "7")])
            .unwrap()
            .encoding_limits()
            .hash_max_listpack_entries,
        7
    );
}

#[test]
fn rewriting_keeps_comments_and_order() {
    let text = "# my server\nport 7000\n\nmaxmemory 1gb # not a comment in Redis's syntax\n";
    assert!(load_text(text).is_err());
    let text =
        "# my server\nport 7000\n\nslave-read-only yes\nmaxmemory 1gb\n# the end\nsave 900 1\nsave 300 10\ntimeout 9\n";
    let changed = set(
        &config(text),
        &[("maxmemory", "1073741824"), ("timeout", "0"), ("save", "300 10"), ("requirepass", "a b")],
    )
    .unwrap();
    let rewritten = rewritten(&changed, text, Appended::Changes);
    assert_eq!(
        rewritten,
        "# my server\nport 7000\n\nslave-read-only yes\nmaxmemory 1gb\n# the end\nsave 300 10\ntimeout 0\n\
         # Written by CONFIG REWRITE\nrequirepass \"a b\"\n"
    );
    assert_eq!(self::rewritten(&changed, &rewritten, Appended::Changes), rewritten);
}

/// Redis takes any bytes for a password, quoted or as they are.
#[test]
fn values_may_be_any_bytes() {
    let text = b"requirepass p\xe4ss\nmasterauth \"\\xff\\x00 x\"\n";
    let read = |text: &[u8]| load(Some("a"), &[], &mut |_: &str| Ok(vec![("a".to_string(), text.to_vec())])).unwrap();
    let config = read(text).config;
    assert_eq!(&stdx::bytes_of(&config.requirepass)[..], b"p\xe4ss");
    assert_eq!(&stdx::bytes_of(&config.masterauth)[..], b"\xff\0 x");
    assert_eq!(rewrite(&config, text, Appended::Changes), text, "lines that hold stay");
    let other = rewrite(&config, b"# \xff\n", Appended::Changes);
    assert!(other.starts_with(b"# \xff\n"), "comments are no text either");
    let again = read(&other).config;
    assert_eq!((again.requirepass, again.masterauth), (config.requirepass, config.masterauth));
}

#[test]
fn each_class_of_clients_has_its_line_of_limits() {
    let text = "client-output-buffer-limit normal 1mb 512kb 10\nclient-output-buffer-limit pubsub 32mb 8mb 60\n";
    let again = rewritten(&config(text), text, Appended::Changes);
    assert_eq!(again.matches("pubsub").count(), 1, "{again}");
    assert!(again.starts_with("client-output-buffer-limit normal 1mb 512kb 10\n"), "{again}");
}

#[test]
fn rewriting_keeps_the_order_of_lists() {
    let text =
        "replicaof a 1\nreplicaof b 2\nreplicaof a 1\nmulti-master yes\nactive-replica yes\nreplica-read-only no\n";
    let config = config(text);
    assert_eq!(masters(&config), ["b:2", "a:1"]);
    let rewritten = rewritten(&config, text, Appended::Changes);
    assert_eq!(rewritten, "replicaof b 2\nreplicaof a 1\nmulti-master yes\nactive-replica yes\nreplica-read-only no\n");
}

#[test]
fn rewriting_multi_master_round_trips() {
    let text = "replicaof 10.0.0.3 6379\nmulti-master yes\n";
    let rewritten = rewritten(&config(text), text, Appended::Changes);
    let again = config(&rewritten);
    assert_eq!(masters(&again), ["10.0.0.3:6379"]);
    assert!(again.multi_master && again.active_replica);
}

proptest! {
    /// Any sequence of accepted changes survives REWRITE.
    #[test]
    fn rewritten_files_give_the_same_configuration(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[a-z0-9%\"' \\\\é-]{0,8}|yes|no|[0-9]{1,6}"), 0..40),
        text in "(# [a-z]{0,5}\n|port [1-9]\n|save [1-9] [1-9]\n|\n|hash-max-ziplist-value [1-9]kb\n){0,6}",
    ) {
        let mut config = config(&text);
        for (index, value) in changes {
            let directive = &directives()[index.index(directives().len())];
            if let Ok(changed) = set(&config, &[(directive.name, &value)]) {
                config = changed;
            }
        }
        for appended in [Appended::Changes, Appended::Everything] {
            let again = self::config(&rewritten(&config, &text, appended));
            for directive in directives() {
                prop_assert_eq!(again.get(directive.name), config.get(directive.name), "{}", directive.name);
            }
        }
    }

    #[test]
    fn arbitrary_files_never_panic(text: Vec<u8>, dense in "(save|port|bind|include|user|replicaof|hz)[ \"'\\\\0-9a\n]{0,12}") {
        for text in [&text[..], dense.as_bytes()] {
            let _ = load(Some("a"), &[], &mut |path: &str| Ok(vec![(format!("{path}+"), text.to_vec())]));
        }
    }
}
