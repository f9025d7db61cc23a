//! INFO: the state of the node as lines of text, in sections.

use crate::arguments::is;
use crate::clients::ClientKind;
use crate::context::SessionContext;
use crate::engine::{FLUIDB_VERSION, REDIS_VERSION};
use crate::key_sizes::{Counting, KeySizes};
use crate::pubsub::Topic;
use crate::slices;
use crate::stats::CommandTotals;
use crate::table::{Entry, table};
use keyspace::Scope;
use resp::{Args, Out};
use std::fmt::{Display, Write};
use std::sync::atomic::Ordering::Relaxed;

struct Section {
    name: &'static str,
    shown: Shown,
    write: fn(&mut SessionContext<'_>, &mut Lines<'_>),
}

/// When a section is shown that was not asked for by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    /// With all, or everything.
    WithAll,
    Never,
}

const SECTIONS: &[Section] = &[
    Section { name: "Server", shown: Shown::Always, write: server },
    Section { name: "Clients", shown: Shown::Always, write: clients },
    Section { name: "Memory", shown: Shown::Always, write: memory },
    Section { name: "Persistence", shown: Shown::Always, write: persistence },
    Section { name: "Stats", shown: Shown::Always, write: stats },
    Section { name: "Replication", shown: Shown::Always, write: replication },
    Section { name: "CPU", shown: Shown::Always, write: cpu },
    Section { name: "Modules", shown: Shown::Always, write: modules },
    Section { name: "Commandstats", shown: Shown::WithAll, write: command_stats },
    Section { name: "Errorstats", shown: Shown::Always, write: error_stats },
    Section { name: "Latencystats", shown: Shown::WithAll, write: latency_stats },
    Section { name: "Cluster", shown: Shown::Always, write: cluster },
    Section { name: "Keyspace", shown: Shown::Always, write: keyspace },
    Section { name: "Keysizes", shown: Shown::Never, write: key_sizes },
    Section { name: "Debug", shown: Shown::Never, write: debug },
];

/// "name:value" lines.
struct Lines<'a> {
    text: String,
    /// How large values are, by database.
    sizes: &'a [KeySizes],
}

impl Lines<'_> {
    fn add(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    /// The number, and the number as people read it.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.add(name, bytes);
        self.add(&format!("{name}_human"), human_bytes(bytes));
    }

    fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.add(name, 0));
    }
}

/// "1.32M"
fn human_bytes(bytes: u64) -> String {
    let units = ["K", "M", "G", "T", "P"];
    let mut amount = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut unit = "";
    for larger in units {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    format!("{amount:.2}{unit}")
}

/// Replies with the sections that `names` ask for; the default ones where there are no names.
pub(crate) fn reply(context: &mut SessionContext<'_>, names: Args<'_>, out: &mut Out) {
    let sizes_asked = names.iter().any(|name| is(name, "keysizes"));
    if !sizes_asked {
        return out.verbatim(b"txt", render(context, names, &[]).as_bytes());
    }
    if let Some(group) = context.group() {
        let sizes = KeySizes::of_all(group);
        return out.verbatim(b"txt", render(context, names, &sizes).as_bytes());
    }
    let names = names.to_owned();
    let counting = Counting::new(move |context: &mut SessionContext<'_>, sizes: &[KeySizes], out: &mut Out| {
        out.verbatim(b"txt", render(context, names.args(), sizes).as_bytes());
    });
    slices::run(context, counting, out);
}

fn render(context: &mut SessionContext<'_>, names: Args<'_>, sizes: &[KeySizes]) -> String {
    let asked = |word: &str| names.iter().any(|name| is(name, word));
    let all = asked("all") || asked("everything");
    let default = names.iter().next().is_none() || asked("default") || all;
    let mut lines = Lines { text: String::with_capacity(4096), sizes };
    for section in SECTIONS {
        let shown = match section.shown {
            Shown::Always => default,
            Shown::WithAll => all,
            Shown::Never => false,
        };
        if !shown && !asked(section.name) {
            continue;
        }
        let separator = if lines.text.is_empty() { "" } else { "\r\n" };
        let _ = write!(lines.text, "{separator}# {}\r\n", section.name);
        (section.write)(context, &mut lines);
    }
    lines.text
}

fn server(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    let process = context.engine.host.process();
    let uptime_seconds = context.now.monotonic_us.saturating_sub(context.engine.started.monotonic_us) / 1_000_000;
    let config = context.config();
    lines.add("redis_version", REDIS_VERSION);
    lines.add("fluidb_version", FLUIDB_VERSION);
    lines.add("redis_git_sha1", "00000000");
    lines.add("redis_git_dirty", 0);
    lines.add("redis_build_id", 0);
    lines.add("redis_mode", "standalone");
    lines.add("os", &process.operating_system);
    lines.add("arch_bits", usize::BITS);
    lines.add("monotonic_clock", "POSIX clock_gettime");
    lines.add("multiplexing_api", process.multiplexing);
    lines.add("process_id", process.id);
    lines.add("process_supervised", "no");
    lines.add("run_id", &process.run_id);
    lines.add("tcp_port", config.port);
    lines.add("server_time_usec", context.now.unix_us);
    lines.add("uptime_in_seconds", uptime_seconds);
    lines.add("uptime_in_days", uptime_seconds / 86_400);
    lines.add("hz", config.hz);
    lines.add("configured_hz", config.hz);
    lines.add("lru_clock", context.now.unix_seconds() & 0xff_ffff);
    lines.add("executable", &process.executable);
    lines.add("config_file", &process.config_file);
    let active_workers = context.engine.host.active_workers();
    lines.add("io_threads_active", u8::from(active_workers > 1));
    lines.add("server_threads_active", active_workers);
    if let Some(left_ms) = context.engine.host.shutdown_in_ms() {
        lines.add("shutdown_in_milliseconds", left_ms);
    }
    let addresses = config.bind.iter().map(|address| format!(",bind={address}")).collect::<String>();
    let tcp = (config.port > 0).then(|| format!("name=tcp{addresses},port={}", config.port));
    let unix = (!config.unixsocket.is_empty()).then(|| format!("name=unix,bind={}", config.unixsocket));
    for (number, listener) in tcp.into_iter().chain(unix).enumerate() {
        lines.add(&format!("listener{number}"), listener);
    }
}

fn clients(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    let clients = context.engine.clients.all();
    let count = |what: fn(&crate::Client) -> bool| clients.iter().filter(|client| what(client)).count();
    let largest = |what: fn(&crate::Client) -> u64| clients.iter().map(|client| what(client)).max().unwrap_or(0);
    lines.add("connected_clients", count(|client| matches!(client.kind(), ClientKind::Normal | ClientKind::PubSub)));
    lines.add("cluster_connections", 0);
    lines.add("maxclients", context.config().maxclients);
    lines.add("client_recent_max_input_buffer", largest(|client| client.input_capacity.load(Relaxed)));
    lines.add("client_recent_max_output_buffer", largest(|client| client.output_capacity.load(Relaxed)));
    lines.add("blocked_clients", count(|client| client.blocked.load(Relaxed) || client.postponed.load(Relaxed)));
    lines.add("tracking_clients", context.engine.tracking.counts()[0]);
    lines.add("pubsub_clients", count(|client| client.kind() == ClientKind::PubSub));
    lines.add("watching_clients", count(|client| client.watched.load(Relaxed) > 0));
    lines.zeros(&["clients_in_timeout_table"]);
    lines.add("total_watched_keys", clients.iter().map(|client| client.watched.load(Relaxed)).sum::<u64>());
    let (awaited, on_loss) = context.engine.blocked.counts();
    lines.add("total_blocking_keys", awaited);
    lines.add("total_blocking_keys_on_nokey", on_loss);
}

fn memory(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    let mut memory = context.engine.host.memory();
    // This text is not what somebody wants to know of.
    memory.used = memory.used.saturating_sub(lines.text.capacity() as u64);
    let clients: u64 = context.engine.clients.all().iter().map(|client| client.total_memory()).sum();
    let backlog = context.engine.replication.backlog_bytes();
    let overhead = memory.startup + clients + backlog;
    let dataset = memory.used.saturating_sub(overhead);
    let percent = |part: u64, whole: u64| format!("{:.2}%", ratio(part * 100, whole));
    lines.bytes("used_memory", memory.used);
    lines.bytes("used_memory_rss", memory.resident);
    lines.bytes("used_memory_peak", memory.peak);
    lines.add("used_memory_peak_perc", percent(memory.used, memory.peak));
    lines.add("used_memory_overhead", overhead);
    lines.add("used_memory_startup", memory.startup);
    lines.add("used_memory_dataset", dataset);
    lines.add("used_memory_dataset_perc", percent(dataset, memory.used.saturating_sub(memory.startup)));
    lines.add("allocator_allocated", memory.allocator_allocated);
    lines.add("allocator_active", memory.allocator_active);
    lines.add("allocator_resident", memory.allocator_resident);
    lines.add("allocator_muzzy", 0);
    lines.bytes("total_system_memory", memory.total_system);
    lines.add("used_memory_lua", 0);
    lines.add("used_memory_vm_eval", 0);
    lines.add("used_memory_lua_human", human_bytes(0));
    lines.add("used_memory_scripts_eval", 0);
    lines.zeros(&["number_of_cached_scripts", "number_of_functions", "number_of_libraries"]);
    lines.add("used_memory_vm_functions", 0);
    lines.bytes("used_memory_vm_total", 0);
    lines.add("used_memory_functions", 0);
    lines.bytes("used_memory_scripts", 0);
    lines.bytes("maxmemory", context.config().maxmemory);
    lines.add("maxmemory_policy", context.config().maxmemory_policy);
    lines.add("allocator_frag_ratio", format!("{:.2}", ratio(memory.allocator_active, memory.allocator_allocated)));
    lines.add("allocator_frag_bytes", memory.allocator_active.saturating_sub(memory.allocator_allocated));
    lines.add("allocator_rss_ratio", format!("{:.2}", ratio(memory.allocator_resident, memory.allocator_active)));
    lines.add("allocator_rss_bytes", memory.allocator_resident.saturating_sub(memory.allocator_active));
    lines.add("rss_overhead_ratio", format!("{:.2}", ratio(memory.resident, memory.allocator_resident)));
    lines.add("rss_overhead_bytes", memory.resident as i64 - memory.allocator_resident as i64);
    lines.add("mem_fragmentation_ratio", format!("{:.2}", ratio(memory.resident, memory.used)));
    lines.add("mem_fragmentation_bytes", memory.resident as i64 - memory.used as i64);
    lines.add("mem_not_counted_for_evict", context.engine.bytes_not_counted(context.now));
    lines.add("mem_replication_backlog", backlog);
    lines.add("mem_total_replication_buffers", backlog);
    lines.add("mem_clients_slaves", 0);
    lines.add("mem_clients_normal", clients);
    lines.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    lines.add("mem_allocator", context.engine.host.process().allocator);
    lines.zeros(&["mem_overhead_db_hashtable_rehashing", "active_defrag_running"]);
    let (pending, freed) = stdx::disposed();
    lines.add("lazyfree_pending_objects", pending);
    lines.add("lazyfreed_objects", freed);
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Nothing is saved yet: this says so in the words that monitoring reads.
fn persistence(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    lines.add("loading", u8::from(context.engine.loading.load(Relaxed)));
    lines.zeros(&["async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    lines.add("current_fork_perc", "0.00");
    lines.zeros(&["current_save_keys_processed", "current_save_keys_total"]);
    lines.add("rdb_changes_since_last_save", context.engine.dirty());
    lines.add("rdb_bgsave_in_progress", 0);
    lines.add("rdb_last_save_time", context.engine.started.unix_seconds());
    lines.add("rdb_last_bgsave_status", "ok");
    lines.add("rdb_last_bgsave_time_sec", -1);
    lines.add("rdb_current_bgsave_time_sec", -1);
    lines.zeros(&["rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded"]);
    lines.zeros(&["aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]);
    lines.add("aof_last_rewrite_time_sec", -1);
    lines.add("aof_current_rewrite_time_sec", -1);
    lines.add("aof_last_bgrewrite_status", "ok");
    lines.zeros(&["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    lines.add("aof_last_write_status", "ok");
    lines.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
}

fn stats(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    let totals = context.engine.stats.totals();
    let rates = context.engine.stats.rates();
    let shared = &context.engine.stats.shared;
    let counters = context.with_scope(Scope::All, |txn| txn.statistics());
    lines.add("total_connections_received", shared.connections_received.load(Relaxed));
    lines.add("total_commands_processed", totals.commands_processed);
    lines.add("instantaneous_ops_per_sec", rates.commands_per_second);
    lines.add("total_net_input_bytes", totals.net_input_bytes);
    lines.add("total_net_output_bytes", totals.net_output_bytes);
    lines.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    lines.add("instantaneous_input_kbps", format!("{:.2}", rates.input_bytes_per_second / 1024.0));
    lines.add("instantaneous_output_kbps", format!("{:.2}", rates.output_bytes_per_second / 1024.0));
    lines.add("instantaneous_input_repl_kbps", "0.00");
    lines.add("instantaneous_output_repl_kbps", "0.00");
    lines.add("rejected_connections", shared.rejected_connections.load(Relaxed));
    lines.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    lines.add("expired_subkeys", counters.expired_members);
    lines.add("expired_keys", counters.expired);
    lines.add("expired_stale_perc", "0.00");
    lines.zeros(&["expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"]);
    lines.add("evicted_keys", counters.evicted);
    lines.add("evicted_clients", shared.evicted_clients.load(Relaxed));
    lines.add("evicted_scripts", 0);
    lines.add("total_eviction_exceeded_time", context.engine.evictor.exceeded_total_us(context.now) / 1000);
    lines.add("current_eviction_exceeded_time", context.engine.evictor.exceeded_now_us(context.now) / 1000);
    lines.add("keyspace_hits", counters.hits);
    lines.add("keyspace_misses", counters.misses);
    let topics = |topic| context.engine.pubsub.topic_count(topic);
    lines.add("pubsub_channels", topics(Topic::Channel));
    lines.add("pubsub_patterns", topics(Topic::Pattern));
    lines.add("pubsubshard_channels", topics(Topic::ShardChannel));
    lines.zeros(&["latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys"]);
    lines.zeros(&["active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses"]);
    lines.zeros(&["total_active_defrag_time", "current_active_defrag_time"]);
    let [_, keys, items, prefixes] = context.engine.tracking.counts();
    lines.add("tracking_total_keys", keys);
    lines.add("tracking_total_items", items);
    lines.add("tracking_total_prefixes", prefixes);
    lines.add("unexpected_error_replies", 0);
    lines.add("total_error_replies", shared.error_replies.load(Relaxed));
    lines.add("dump_payload_sanitizations", 0);
    lines.add("total_reads_processed", totals.reads);
    lines.add("total_writes_processed", totals.writes);
    lines.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    lines.add("client_query_buffer_limit_disconnections", shared.query_limit_disconnections.load(Relaxed));
    lines.add("client_output_buffer_limit_disconnections", shared.output_limit_disconnections.load(Relaxed));
    lines.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    lines.add("eventloop_cycles", totals.cycles);
    lines.add("eventloop_duration_sum", totals.cycle_microseconds);
    lines.add("eventloop_duration_cmd_sum", context.engine.stats.command_nanoseconds() / 1000);
    lines.add("instantaneous_eventloop_cycles_per_sec", rates.cycles_per_second);
    lines.add("instantaneous_eventloop_duration_usec", rates.microseconds_per_cycle);
    lines.add("acl_access_denied_auth", shared.auth_failures.load(Relaxed));
    lines.zeros(&["acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel"]);
}

fn replication(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    context.engine.replication.info(context.now, &mut lines.text);
}

fn cpu(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    let time = context.engine.host.cpu_time();
    let seconds = |microseconds: u64| format!("{:.6}", microseconds as f64 / 1e6);
    lines.add("used_cpu_sys", seconds(time.system_us));
    lines.add("used_cpu_user", seconds(time.user_us));
    lines.add("used_cpu_sys_children", seconds(0));
    lines.add("used_cpu_user_children", seconds(0));
    lines.add("used_cpu_sys_main_thread", seconds(time.main_thread_system_us));
    lines.add("used_cpu_user_main_thread", seconds(time.main_thread_user_us));
}

fn modules(_: &mut SessionContext<'_>, _: &mut Lines<'_>) {}

fn for_each_used_command(context: &SessionContext<'_>, mut f: impl FnMut(&Entry, CommandTotals)) {
    for entry in table().entries() {
        let totals = context.engine.stats.command(entry.id);
        if totals.calls + totals.rejected + totals.failed > 0 {
            f(entry, totals);
        }
    }
}

fn command_stats(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    for_each_used_command(context, |entry, totals| {
        let microseconds = totals.nanoseconds / 1000;
        let per_call = if totals.calls == 0 { 0.0 } else { totals.nanoseconds as f64 / 1000.0 / totals.calls as f64 };
        lines.add(
            &format!("cmdstat_{}", entry.full_name),
            format_args!(
                "calls={},usec={microseconds},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                totals.calls, totals.rejected, totals.failed
            ),
        );
    });
}

fn error_stats(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    for (code, count) in context.engine.stats.errors() {
        lines.add(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn latency_stats(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    if !context.config().latency_tracking {
        return;
    }
    let percentiles = context.config().latency_tracking_info_percentiles.clone();
    for_each_used_command(context, |entry, totals| {
        if totals.calls == 0 {
            return;
        }
        let values: Vec<String> = percentiles
            .iter()
            .map(|&percentile| format!("p{percentile}={:.3}", totals.latency.percentile_us(percentile / 100.0)))
            .collect();
        lines.add(&format!("latency_percentiles_usec_{}", entry.full_name), values.join(","));
    });
}

fn cluster(_: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    lines.add("cluster_enabled", 0);
}

fn keyspace(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    let home = context.session.db;
    context.with_scope(Scope::All, |txn| {
        for db in 0..txn.databases() {
            txn.select(db);
            let (keys, expires) = (txn.db_size(), txn.expires_size());
            if keys > 0 {
                lines.add(&format!("db{db}"), format_args!("keys={keys},expires={expires},avg_ttl=0"));
            }
        }
        txn.select(home);
    });
}

/// How large values are. It looks at every key, so it has to be asked for by its name.
fn key_sizes(_: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    for (db, sizes) in lines.sizes.iter().enumerate() {
        for (name, value) in sizes.lines() {
            lines.add(&format!("db{db}_distrib_{name}"), value);
        }
    }
}

/// What helps to understand the server itself.
fn debug(context: &mut SessionContext<'_>, lines: &mut Lines<'_>) {
    let totals = context.engine.stats.totals();
    lines.add("eventloop_duration_aof_sum", 0);
    lines.add("eventloop_duration_cron_sum", totals.cron_microseconds);
    lines.add("eventloop_duration_max", totals.cycle_microseconds_max);
    lines.add("eventloop_cmd_per_cycle_max", totals.cycle_commands_max);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Redis's bytesToHuman prints.
    #[test]
    fn bytes_for_people() {
        assert_eq!(human_bytes(0), "0B");
        assert_eq!(human_bytes(1023), "1023B");
        assert_eq!(human_bytes(1_386_656), "1.32M");
        assert_eq!(human_bytes(25_276_514_304), "23.54G");
    }
}
