use crate::config::directive::*;
use crate::config::special;

const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];
/// More keys are not compared, whatever is configured: others wait meanwhile, and the choice does not get better.
const MOST_SAMPLES: usize = 64;
const LAZY: &str = "big values are always freed in the background where that pays";
const NO_DEFRAG: &str = "there is no active defragmentation; MEMORY PURGE returns free pages";

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::other(
        "maxmemory",
        Kind::Memory { min: 0, max: u64::MAX, set: |config, bytes| config.maxmemory = bytes },
        "0",
        "Bytes of memory beyond which keys are evicted or writes refused, 0 for no limit.",
    ),
    Directive::choice(
        "maxmemory-policy",
        POLICIES,
        "noeviction",
        |config, policy| config.maxmemory_policy = policy,
        "What to evict when memory is full.",
    ),
    Directive::integer(
        "maxmemory-samples",
        (1, i32::MAX as i64),
        "5",
        |config, samples| config.maxmemory_samples = (samples as usize).min(MOST_SAMPLES),
        "How many keys to compare before one is evicted.",
    ),
    Directive::integer(
        "maxmemory-eviction-tenacity",
        (0, 100),
        "10",
        |config, tenacity| config.maxmemory_eviction_tenacity = tenacity as u32,
        "How long evicting may take at a time.",
    ),
    Directive::other(
        "maxmemory-clients",
        Kind::MemoryOrPercent { set: |config, share| config.maxmemory_clients = share },
        "0",
        "Memory of all clients together beyond which some are disconnected.",
    ),
    Directive::bool(
        "replica-ignore-maxmemory",
        true,
        |config, on| config.replica_ignore_maxmemory = on,
        "Leave evicting to the master, on a read-only replica.",
    )
    .alias(&["slave-ignore-maxmemory"]),
    Directive::integer("active-expire-effort", (1, 10), "1", no_number, "How eagerly expired keys are looked for.")
        .without_effect("expired keys are found in the order of their deadlines"),
    Directive::integer(
        "lfu-log-factor",
        (0, i32::MAX as i64),
        "10",
        |config, factor| config.lfu_log_factor = factor as u32,
        "How slowly access counters grow.",
    ),
    Directive::integer(
        "lfu-decay-time",
        (0, i32::MAX as i64),
        "1",
        |config, minutes| config.lfu_decay_time = minutes as u32,
        "Minutes after which access counters shrink.",
    ),
    Directive::integer(
        "overload-protect-percent",
        (0, 200),
        "0",
        no_number,
        "CPU load at which KeyDB refuses clients.",
    )
    .without_effect("load is not measured"),
    Directive::integer(
        "force-eviction-percent",
        (0, 100),
        "0",
        no_number,
        "Free memory of the machine below which KeyDB evicts.",
    )
    .without_effect("maxmemory says how much memory there is"),
    Directive::bool("delete-on-evict", false, no_bool, "Delete from KeyDB's storage what is evicted.")
        .without_effect("there is no storage below memory"),
    Directive::other(
        "client-output-buffer-limit",
        Kind::Special(special::CLIENT_OUTPUT_BUFFER_LIMIT),
        "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
        "How many bytes of replies a client may leave unread.",
    ),
    Directive::memory(
        "client-query-buffer-limit",
        1 << 20,
        "1gb",
        |config, bytes| config.client_query_buffer_limit = bytes,
        "How many bytes of requests may wait for one client.",
    ),
    Directive::memory(
        "proto-max-bulk-len",
        1 << 20,
        "512mb",
        |config, bytes| config.proto_max_bulk_len = bytes,
        "Greatest length of one argument.",
    ),
    Directive::bool("lazyfree-lazy-eviction", false, no_bool, "Free evicted values in the background.")
        .without_effect(LAZY),
    Directive::bool("lazyfree-lazy-expire", false, no_bool, "Free expired values in the background.")
        .without_effect(LAZY),
    Directive::bool("lazyfree-lazy-server-del", false, no_bool, "Free overwritten values in the background.")
        .without_effect(LAZY),
    Directive::bool("lazyfree-lazy-user-del", false, no_bool, "Let DEL free in the background.").without_effect(LAZY),
    Directive::bool("lazyfree-lazy-user-flush", false, no_bool, "Let FLUSHALL free in the background.")
        .without_effect(LAZY),
    Directive::bool("activerehashing", true, no_bool, "Spend idle time on rehashing.")
        .without_effect("the table grows piece by piece and never rehashes as a whole"),
    Directive::bool("activedefrag", false, no_bool, "Move values to make memory whole again.").unavailable(NO_DEFRAG),
    Directive::integer("active-defrag-cycle-min", (1, 99), "1", no_number, "Least CPU share of defragmentation.")
        .without_effect(NO_DEFRAG),
    Directive::integer("active-defrag-cycle-max", (1, 99), "25", no_number, "Greatest CPU share of defragmentation.")
        .without_effect(NO_DEFRAG),
    Directive::integer("active-defrag-threshold-lower", (0, 1000), "10", no_number, "Fragmentation at which to begin.")
        .without_effect(NO_DEFRAG),
    Directive::integer(
        "active-defrag-threshold-upper",
        (0, 1000),
        "100",
        no_number,
        "Fragmentation at which to hurry.",
    )
    .without_effect(NO_DEFRAG),
    Directive::memory("active-defrag-ignore-bytes", 1, "100mb", no_memory, "Waste that is not worth the effort.")
        .without_effect(NO_DEFRAG),
    Directive::integer(
        "active-defrag-max-scan-fields",
        (1, i64::MAX),
        "1000",
        no_number,
        "Size above which a value is handled apart.",
    )
    .without_effect(NO_DEFRAG),
    Directive::bool("huge-pages", true, |config, on| config.huge_pages = on, "Put a large heap into huge pages."),
    Directive::bool("jemalloc-bg-thread", true, no_bool, "Let the allocator clean up in a thread of its own.")
        .without_effect("the allocator decides"),
    Directive::integer(
        "tracking-table-max-keys",
        (0, i64::MAX),
        "1000000",
        |config, keys| config.tracking_table_max_keys = keys as usize,
        "How many keys are remembered for client-side caching.",
    ),
];
