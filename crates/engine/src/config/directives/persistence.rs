use crate::config::directive::*;
use crate::config::special;

const LATER: &str = "persistence comes with a later version; the data set lives in memory and on the other masters";
const NO_FORK: &str = "nothing is written by a forked process";

fn file_name(empty: &'static str, path: &'static str, name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err(empty),
        _ if name.contains('/') => Err(path),
        _ => Ok(()),
    }
}

const DBFILENAME: Kind = Kind::Text {
    check: |name| file_name("dbfilename can't be empty", "dbfilename can't be a path, just a filename", name),
    set: no_text,
};
const APPENDFILENAME: Kind = Kind::Text {
    check: |name| file_name("appendfilename can't be empty", "appendfilename can't be a path, just a filename", name),
    set: no_text,
};
const APPENDDIRNAME: Kind = Kind::Text {
    check: |name| file_name("appenddirname can't be empty", "appenddirname can't be a path, just a dirname", name),
    set: no_text,
};

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::other(
        "save",
        Kind::Special(special::SAVE),
        "3600 1 300 100 60 10000",
        "Save after so many seconds with so many changes.",
    )
    .without_effect(LATER),
    Directive::other("dbfilename", DBFILENAME, "dump.rdb", "Name of the snapshot file.")
        .protected()
        .without_effect(LATER),
    Directive::bool("rdbcompression", true, no_bool, "Compress strings in snapshots.").without_effect(LATER),
    Directive::bool("rdbchecksum", true, no_bool, "Put a checksum under snapshots.").immutable().without_effect(LATER),
    Directive::bool("rdb-del-sync-files", false, no_bool, "Delete snapshot files that only served replication.")
        .without_effect(LATER),
    Directive::bool("rdb-save-incremental-fsync", true, no_bool, "Flush snapshots to disk bit by bit.")
        .without_effect(LATER),
    Directive::integer(
        "rdb-key-save-delay",
        (i32::MIN as i64, i32::MAX as i64),
        "0",
        no_number,
        "Microseconds to wait after each saved key, for tests.",
    )
    .hidden()
    .without_effect(LATER),
    Directive::integer(
        "key-load-delay",
        (i32::MIN as i64, i32::MAX as i64),
        "0",
        no_number,
        "Microseconds to wait after each loaded key, for tests.",
    )
    .hidden()
    .without_effect(LATER),
    Directive::bool("stop-writes-on-bgsave-error", true, no_bool, "Refuse writes while snapshots fail.")
        .without_effect(LATER),
    Directive::choice(
        "sanitize-dump-payload",
        &["no", "yes", "clients"],
        "no",
        no_choice,
        "How closely loaded values are checked.",
    )
    .without_effect("values from outside are always checked"),
    Directive::bool("appendonly", false, no_bool, "Log every write to a file.").unavailable(LATER),
    Directive::other("appendfilename", APPENDFILENAME, "appendonly.aof", "Name of the log of writes.")
        .immutable()
        .without_effect(LATER),
    Directive::other("appenddirname", APPENDDIRNAME, "appendonlydir", "Directory of the log of writes.")
        .immutable()
        .without_effect(LATER),
    Directive::choice(
        "appendfsync",
        &["everysec", "always", "no"],
        "everysec",
        no_choice,
        "When the log of writes is flushed to disk.",
    )
    .without_effect(LATER),
    Directive::bool("no-appendfsync-on-rewrite", false, no_bool, "Do not flush while the log is rewritten.")
        .without_effect(LATER),
    Directive::integer(
        "auto-aof-rewrite-percentage",
        (0, i32::MAX as i64),
        "100",
        no_number,
        "Growth of the log at which it is rewritten.",
    )
    .without_effect(LATER),
    Directive::memory(
        "auto-aof-rewrite-min-size",
        0,
        "64mb",
        no_memory,
        "Size below which the log is never rewritten.",
    )
    .without_effect(LATER),
    Directive::bool("aof-load-truncated", true, no_bool, "Start from a log whose end is missing.")
        .without_effect(LATER),
    Directive::bool("aof-use-rdb-preamble", true, no_bool, "Begin a rewritten log with a snapshot.")
        .without_effect(LATER),
    Directive::bool("aof-timestamp-enabled", false, no_bool, "Note times in the log.").without_effect(LATER),
    Directive::bool("aof-rewrite-incremental-fsync", true, no_bool, "Flush a rewritten log bit by bit.")
        .without_effect(LATER),
    Directive::bool("aof-disable-auto-gc", false, no_bool, "Keep old log files.").hidden().without_effect(LATER),
    Directive::memory(
        "loading-process-events-interval-bytes",
        1024,
        "2mb",
        no_memory,
        "How much is loaded between looks at the network.",
    )
    .hidden()
    .without_effect(LATER),
    Directive::integer(
        "loading-process-events-interval-keys",
        (0, i64::MAX),
        "8192",
        no_number,
        "How many keys KeyDB loads between looks at the network.",
    )
    .hidden()
    .without_effect(LATER),
    Directive::bool("allow-write-during-load", false, no_bool, "Take writes while KeyDB loads.").without_effect(LATER),
    Directive::bool("multithread-load-enabled", false, no_bool, "Load with several threads in KeyDB.")
        .without_effect(LATER),
    Directive::bool("use-fork", false, no_bool, "Let KeyDB fork for snapshots.").immutable().without_effect(NO_FORK),
    Directive::integer(
        "max-snapshot-slip",
        (0, i64::MAX),
        "400",
        no_number,
        "How long KeyDB keeps a snapshot for reuse.",
    )
    .without_effect(NO_FORK),
    Directive::text("db-s3-object", "", no_text, "Object in S3 that KeyDB saves to.")
        .immutable()
        .without_effect("files are written to dir only"),
    Directive::text("scratch-file-path", "", no_text, "Directory for KeyDB's memory-mapped files.")
        .immutable()
        .without_effect("data lives in memory"),
    Directive::text("storage-provider", "", no_text, "KeyDB's storage below memory.")
        .immutable()
        .without_effect("data lives in memory"),
    Directive::text("storage-provider-options", "", no_text, "Options of KeyDB's storage.")
        .immutable()
        .without_effect("data lives in memory"),
    Directive::memory("storage-memory-limit", 0, "0", no_memory, "Memory that KeyDB's storage may use.")
        .without_effect("data lives in memory"),
    Directive::text("semi-ordered-set-bucket-size", "20", no_text, "Size of buckets in KeyDB's tables.")
        .without_effect("tables have a form of their own"),
];
