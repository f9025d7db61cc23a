use crate::config::directive::*;

const CPU_LISTS: &str = "place the process with taskset or in the service file";
const BALANCING: &str = "as many workers take part as the load has use for";
const ALWAYS: &str = "requests of a pipeline are always executed in batches, with their keys fetched ahead";

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::integer(
        "server-threads",
        (1, 128),
        "1",
        |config, count| config.server_threads = count as u32,
        "How many workers execute commands at most.",
    )
    .alias(&["io-threads"])
    .immutable(),
    Directive::bool("io-threads-do-reads", false, no_bool, "Let the other threads of Redis read requests.")
        .immutable()
        .without_effect("every worker reads, executes and writes"),
    Directive::bool("server-thread-affinity", false, no_bool, "Bind each worker to a core.")
        .immutable()
        .without_effect(CPU_LISTS),
    Directive::integer(
        "min-clients-per-thread",
        (0, 400),
        "20",
        no_number,
        "Clients for which KeyDB does not use another thread.",
    )
    .without_effect(BALANCING),
    Directive::bool("active-client-balancing", true, no_bool, "Move clients between KeyDB's threads.")
        .without_effect(BALANCING),
    Directive::integer(
        "replica-weighting-factor",
        (1, i32::MAX as i64),
        "2",
        no_number,
        "How many clients a replica counts for in KeyDB.",
    )
    .without_effect(BALANCING),
    Directive::bool("time-thread-priority", false, no_bool, "Priority of KeyDB's clock thread.")
        .immutable()
        .without_effect("there is no such thread"),
    Directive::bool("enable-async-commands", false, no_bool, "Execute reads of KeyDB on snapshots.")
        .without_effect("reads run on every worker"),
    Directive::bool("enable-async-rehash", true, no_bool, "Rehash in KeyDB's background.")
        .without_effect("the table never rehashes as a whole"),
    Directive::bool("prefetch-enabled", true, no_bool, "Fetch keys ahead in KeyDB.").without_effect(ALWAYS),
    Directive::integer("prefetch-batch-max-size", (0, 128), "16", no_number, "How many keys Valkey fetches ahead.")
        .without_effect(ALWAYS),
    Directive::integer(
        "events-per-io-thread",
        (0, i32::MAX as i64),
        "2",
        no_number,
        "Events for which Valkey wakes another thread.",
    )
    .hidden()
    .without_effect("every worker is its own event loop"),
    Directive::text("server-cpulist", "", no_text, "Cores of the main thread.")
        .alias(&["server_cpulist"])
        .immutable()
        .without_effect(CPU_LISTS),
    Directive::text("bio-cpulist", "", no_text, "Cores of background threads.")
        .alias(&["bio_cpulist"])
        .immutable()
        .without_effect(CPU_LISTS),
    Directive::text("aof-rewrite-cpulist", "", no_text, "Cores of the log's rewriting.")
        .alias(&["aof_rewrite_cpulist"])
        .immutable()
        .without_effect(CPU_LISTS),
    Directive::text("bgsave-cpulist", "", no_text, "Cores of snapshots.")
        .alias(&["bgsave_cpulist"])
        .immutable()
        .without_effect(CPU_LISTS),
];
