//! What clients send in a history: every write command of every type, on few keys, so that nodes collide.

use crate::clock::EPOCH_MS;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// Few keys, so that concurrent writes meet. Each type has some of its own; the last ones see all types.
const STRINGS: [&str; 3] = ["string:a", "string:b", "string:c"];
const COUNTERS: [&str; 3] = ["counter:a", "counter:b", "counter:c"];
const HYPERLOGLOGS: [&str; 3] = ["hll:a", "hll:b", "hll:c"];
const SETS: [&str; 3] = ["set:a", "set:b", "set:c"];
const HASHES: [&str; 3] = ["hash:a", "hash:b", "hash:c"];
const LISTS: [&str; 3] = ["list:a", "list:b", "list:c"];
const SORTED_SETS: [&str; 3] = ["zset:a", "zset:b", "zset:c"];
const STREAMS: [&str; 3] = ["stream:a", "stream:b", "stream:c"];
const ANY: [&str; 2] = ["any:a", "any:b"];
/// Families in a history that does not have all.
const FEW: usize = 2;
const MEMBERS: [&str; 5] = ["m1", "m2", "m3", "44", "5"];

fn pick<'a>(rng: &mut SmallRng, from: &[&'a str]) -> &'a str {
    from.choose(rng).expect("not empty")
}

/// Of the family's own keys mostly, of the contested ones sometimes.
fn key<'a>(rng: &mut SmallRng, own: &[&'a str]) -> &'a str {
    if rng.random_ratio(1, 8) { pick(rng, &ANY) } else { pick(rng, own) }
}

/// A key of any family.
pub fn any_key<'a>(rng: &mut SmallRng) -> &'a str {
    let family: [&[&'a str]; 9] =
        [&STRINGS, &COUNTERS, &HYPERLOGLOGS, &SETS, &HASHES, &LISTS, &SORTED_SETS, &STREAMS, &ANY];
    let family = family[rng.random_range(0..family.len())];
    pick(rng, family)
}

fn number(rng: &mut SmallRng) -> String {
    rng.random_range(-20..100).to_string()
}

/// Where messages go, each unlike any other.
pub const CHANNEL: &str = "news";
pub const SHARD_CHANNEL: &str = "shard-news";

/// A Unix time near the beginning of the history, of which some moments are past when the command comes.
fn moment_ms(rng: &mut SmallRng) -> u64 {
    EPOCH_MS + rng.random_range(0..8000)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Commands of one kind. `tag` makes the values that they write unlike any others.
type Family = fn(rng: &mut SmallRng, tag: u64) -> Vec<String>;

/// All of them, and how often each comes.
const FAMILIES: [(Family, u32); 12] = [
    (string, 20),
    (hyperloglog, 5),
    (counter, 20),
    (set, 18),
    (hash, 18),
    (list, 18),
    (sorted_set, 18),
    (geo, 3),
    (stream, 18),
    (expiry, 10),
    (keys, 12),
    (publish, 6),
];

/// What the clients of one history do.
pub struct Workload {
    families: Vec<(Family, u32)>,
}

impl Workload {
    /// Everything.
    pub fn whole() -> Workload {
        Workload { families: FAMILIES.to_vec() }
    }

    /// Everything, or a few families only, so that more of it meets.
    pub fn random(rng: &mut SmallRng) -> Workload {
        if rng.random() {
            return Workload::whole();
        }
        let families = FAMILIES.choose_multiple(rng, FEW).copied().chain([(expiry as Family, 3), (keys, 3)]);
        Workload { families: families.collect() }
    }

    /// What a client does in one go: a command, or several between MULTI and EXEC.
    pub fn next(&self, rng: &mut SmallRng, tag: u64) -> Vec<Vec<String>> {
        if rng.random_ratio(1, 15) {
            let mut group = vec![words("MULTI")];
            for index in 0..rng.random_range(1..5) {
                group.push(self.command(rng, tag * 8 + index));
            }
            group.push(words("EXEC"));
            return group;
        }
        vec![self.command(rng, tag * 8)]
    }

    fn command(&self, rng: &mut SmallRng, tag: u64) -> Vec<String> {
        let (family, _) = self.families.choose_weighted(rng, |(_, weight)| *weight).expect("there are some");
        family(rng, tag)
    }
}

fn publish(rng: &mut SmallRng, tag: u64) -> Vec<String> {
    words(&match rng.random_range(0..3) {
        0 => format!("SPUBLISH {SHARD_CHANNEL} {tag}"),
        _ => format!("PUBLISH {CHANNEL} {tag}"),
    })
}

fn string(rng: &mut SmallRng, tag: u64) -> Vec<String> {
    let key = key(rng, &STRINGS);
    words(&match rng.random_range(0..20) {
        16 => format!("SETEX {key} 900 v{tag}"),
        17 => format!("PSETEX {key} {} v{tag}", rng.random_range(50..2000)),
        18 => format!("MSETNX {key} m{tag} {} m{tag}", pick(rng, &STRINGS)),
        19 => format!("SET {key} v{tag} XX GET PXAT {}", moment_ms(rng)),
        0..4 | 15 => format!("SET {key} v{tag}"),
        4 => format!("SET {key} v{tag} KEEPTTL"),
        5 => format!("SET {key} v{tag} PX {}", rng.random_range(50..20_000)),
        6 => format!("APPEND {key} +{tag}"),
        7 => format!("SETRANGE {key} {} <{tag}>", rng.random_range(0..12)),
        8 => format!("SETBIT {key} {} {}", rng.random_range(0..40), rng.random_range(0..2)),
        9 => format!("MSET {key} m{tag} {} {tag}", pick(rng, &COUNTERS)),
        10 => format!("GETDEL {key}"),
        11 => {
            let (first, second) = (rng.random_range(0..60), rng.random_range(0..60));
            format!("BITFIELD {key} SET u5 {first} {} OVERFLOW SAT INCRBY i11 {second} {}", tag % 32, number(rng))
        }
        12 if rng.random() => format!("BITOP LSHIFT {key} {} 3", pick(rng, &STRINGS)),
        12 => {
            let operation = pick(rng, &["AND", "OR", "XOR"]);
            format!("BITOP {operation} {key} {} {}", pick(rng, &STRINGS), pick(rng, &STRINGS))
        }
        _ => format!("SETNX {key} nx{tag}"),
    })
}

fn hyperloglog(rng: &mut SmallRng, _: u64) -> Vec<String> {
    let key = key(rng, &HYPERLOGLOGS);
    words(&match rng.random_range(0..12) {
        0..7 => format!("PFADD {key} e{} e{}", rng.random_range(0..40), rng.random_range(0..40)),
        7 => format!("PFADD {key}"),
        8 | 9 => format!("PFMERGE {key} {} {}", pick(rng, &HYPERLOGLOGS), pick(rng, &HYPERLOGLOGS)),
        10 => format!("PFDEBUG TODENSE {key}"),
        // What is no HyperLogLog afterwards takes no more elements.
        _ => format!("APPEND {key} x"),
    })
}

fn counter(rng: &mut SmallRng, _: u64) -> Vec<String> {
    let key = key(rng, &COUNTERS);
    words(&match rng.random_range(0..12) {
        0..7 => format!("INCRBY {key} {}", number(rng)),
        7 => format!("INCRBYFLOAT {key} {}.5", number(rng)),
        8 => format!("SET {key} {}", number(rng)),
        9 => format!("DEL {key}"),
        10 => format!("{} {key}", pick(rng, &["INCR", "DECR"])),
        _ if rng.random() => format!("DECRBY {key} {}", number(rng)),
        _ => format!("GETSET {key} {}", number(rng)),
    })
}

fn set(rng: &mut SmallRng, _: u64) -> Vec<String> {
    let key = key(rng, &SETS);
    let member = pick(rng, &MEMBERS);
    words(&match rng.random_range(0..16) {
        14 => format!("SINTERSTORE {key} {} {}", pick(rng, &SETS), pick(rng, &SETS)),
        15 => format!("SDIFFSTORE {key} {} {}", pick(rng, &SETS), pick(rng, &SETS)),
        10..12 => format!("EXPIREMEMBER {key} {member} {} ms", rng.random_range(20..3000)),
        12 if rng.random() => format!("PEXPIREMEMBERAT {key} {member} {}", moment_ms(rng)),
        12 => format!("PERSIST {key} {member}"),
        13 if rng.random() => format!("EXPIREMEMBERAT {key} {member} {}", moment_ms(rng) / 1000),
        13 => format!("EXPIREMEMBER {key} {member} 1000"),
        0..5 => format!("SADD {key} {member} {}", pick(rng, &MEMBERS)),
        5..7 => format!("SREM {key} {member}"),
        7 => format!("SPOP {key} {}", rng.random_range(1..3)),
        8 => format!("SMOVE {key} {} {member}", pick(rng, &SETS)),
        _ => format!("SUNIONSTORE {key} {} {}", pick(rng, &SETS), pick(rng, &SETS)),
    })
}

fn hash(rng: &mut SmallRng, tag: u64) -> Vec<String> {
    let key = key(rng, &HASHES);
    let field = pick(rng, &MEMBERS);
    words(&match rng.random_range(0..24) {
        16 => format!("HGETDEL {key} FIELDS 2 {field} {}", pick(rng, &MEMBERS)),
        17 => format!("HSETNX {key} {field} n{tag}"),
        18 => format!("HMSET {key} {field} a{tag} {} b{tag}", pick(rng, &MEMBERS)),
        19 => format!("KEYDB.HRENAME {key} {field} {}", pick(rng, &MEMBERS)),
        20 => {
            let path = pick(rng, &["m1", "m1.deep", "m1.deep.er", "m2"]);
            format!("KEYDB.NHSET {key}.{path} {tag}{}", if rng.random() { " second" } else { "" })
        }
        21 => format!("HEXPIRE {key} 2 GT FIELDS 1 {field}"),
        22 => format!("HPEXPIREAT {key} {} FIELDS 1 {field}", moment_ms(rng)),
        23 => format!("HEXPIREAT {key} {} NX FIELDS 1 {field}", moment_ms(rng) / 1000),
        10..12 => format!("HPEXPIRE {key} {} FIELDS 2 {field} {}", rng.random_range(20..3000), pick(rng, &MEMBERS)),
        12 => format!("HPERSIST {key} FIELDS 1 {field}"),
        13 => format!("HSETEX {key} PX {} FIELDS 1 {field} e{tag}", rng.random_range(20..3000)),
        14 => format!("HSETEX {key} KEEPTTL FIELDS 1 {field} k{tag}"),
        15 => format!("HGETEX {key} EX 1000 FIELDS 1 {field}"),
        0..3 => format!("HSET {key} {field} {}", number(rng)),
        3 => format!("HSET {key} {field} h{tag} {} x{tag}", pick(rng, &MEMBERS)),
        4..7 => format!("HINCRBY {key} {field} {}", number(rng)),
        7 => format!("HINCRBYFLOAT {key} {field} {}.25", number(rng)),
        _ => format!("HDEL {key} {field}"),
    })
}

fn list(rng: &mut SmallRng, tag: u64) -> Vec<String> {
    let key = key(rng, &LISTS);
    // Values that are often the same: an element is not its value.
    let (value, other) = (pick(rng, &MEMBERS), pick(rng, &MEMBERS));
    words(&match rng.random_range(0..22) {
        20 => format!("RPUSHX {key} y{tag} {value}"),
        21 => format!("RPOPLPUSH {key} {}", pick(rng, &LISTS)),
        0..4 => format!("RPUSH {key} {value} r{tag}"),
        4..7 => format!("LPUSH {key} {value} l{tag} {other}"),
        7 => format!("LPUSHX {key} x{tag}"),
        8 => format!("RPOP {key}"),
        9 => format!("LPOP {key} {}", rng.random_range(1..4)),
        10 | 11 => format!("LINSERT {key} BEFORE {value} b{tag}"),
        12 | 13 => format!("LINSERT {key} AFTER {value} {other}"),
        14 => format!("LREM {key} {} {value}", rng.random_range(-2..3)),
        15 => format!("LTRIM {key} {} {}", rng.random_range(-9..3), rng.random_range(-2..9)),
        16 => format!("LSET {key} {} s{tag}", rng.random_range(-3..3)),
        17 | 18 => {
            let (from, to) = (pick(rng, &["LEFT", "RIGHT"]), pick(rng, &["LEFT", "RIGHT"]));
            format!("LMOVE {key} {} {from} {to}", pick(rng, &LISTS))
        }
        _ => format!("LMPOP 2 {key} {} RIGHT COUNT 2", pick(rng, &LISTS)),
    })
}

fn sorted_set(rng: &mut SmallRng, _: u64) -> Vec<String> {
    let key = key(rng, &SORTED_SETS);
    let member = pick(rng, &MEMBERS);
    words(&match rng.random_range(0..25) {
        16 => format!("ZADD {key} LT {} {member}", number(rng)),
        17 => format!("ZADD {key} NX CH {} {member} {} {}", number(rng), number(rng), pick(rng, &MEMBERS)),
        18 => format!("ZADD {key} GT INCR {} {member}", number(rng)),
        19 => format!("ZPOPMAX {key} 2"),
        20 => format!("ZMPOP 2 {key} {} MAX COUNT 2", pick(rng, &SORTED_SETS)),
        21 => format!("ZREMRANGEBYRANK {key} {} 0", rng.random_range(-2..1)),
        22 => format!("ZREMRANGEBYLEX {key} [4 (m2"),
        23 => {
            let command = pick(rng, &["ZINTERSTORE", "ZDIFFSTORE"]);
            format!("{command} {key} 2 {} {}", pick(rng, &SORTED_SETS), pick(rng, &SORTED_SETS))
        }
        24 => format!("ZRANGESTORE {key} {} 0 2", pick(rng, &SORTED_SETS)),
        0..4 => format!("ZADD {key} {} {member} {} {}", number(rng), number(rng), pick(rng, &MEMBERS)),
        4 => format!("ZADD {key} GT {}.5 {member}", number(rng)),
        5..9 => format!("ZINCRBY {key} {}.1 {member}", number(rng)),
        9 => format!("ZADD {key} XX INCR {} {member}", number(rng)),
        10 => format!("ZINCRBY {key} {}inf {member}", if rng.random() { "-" } else { "" }),
        11..13 => format!("ZREM {key} {member}"),
        13 => format!("ZPOPMIN {key}"),
        14 => format!("ZREMRANGEBYSCORE {key} 0 {}", number(rng)),
        _ => format!("ZUNIONSTORE {key} 2 {} {}", pick(rng, &SORTED_SETS), pick(rng, &SETS)),
    })
}

fn geo(rng: &mut SmallRng, _: u64) -> Vec<String> {
    let (key, source) = (key(rng, &SORTED_SETS), pick(rng, &SORTED_SETS));
    let member = pick(rng, &MEMBERS);
    words(&match rng.random_range(0..7) {
        0..3 => {
            let place = (rng.random_range(-50..50), rng.random_range(-50..50));
            format!("GEOADD {key} CH {} {} {member}", place.0, place.1)
        }
        3 => format!("GEOSEARCHSTORE {key} {source} FROMLONLAT 0 0 BYRADIUS 4000 km"),
        4 => format!("GEORADIUS {source} 0 0 6000 km STORE {key}"),
        _ => format!("GEORADIUSBYMEMBER {source} {member} 6000 km STOREDIST {key}"),
    })
}

/// A command that waits, for a second at most.
pub fn blocking(rng: &mut SmallRng) -> Vec<String> {
    let (list, scores) = (pick(rng, &LISTS), pick(rng, &SORTED_SETS));
    words(&match rng.random_range(0..10) {
        0 => format!("BLPOP {list} {} 1", pick(rng, &ANY)),
        1 => format!("BRPOP {} {list} 1", pick(rng, &LISTS)),
        2 => format!("BLMOVE {list} {} LEFT RIGHT 1", pick(rng, &LISTS)),
        3 => format!("BRPOPLPUSH {list} {} 1", pick(rng, &LISTS)),
        4 => format!("BLMPOP 1 2 {list} {} LEFT COUNT 2", pick(rng, &LISTS)),
        5 => format!("BZPOPMIN {scores} 1"),
        6 => format!("BZPOPMAX {scores} {} 1", pick(rng, &ANY)),
        7 => format!("BZMPOP 1 1 {scores} MIN COUNT 2"),
        _ => format!("XREADGROUP GROUP g c COUNT 2 BLOCK 1000 STREAMS {} >", pick(rng, &STREAMS)),
    })
}

fn stream(rng: &mut SmallRng, tag: u64) -> Vec<String> {
    let key = key(rng, &STREAMS);
    let (group, consumer) = (pick(rng, &["g", "h"]), pick(rng, &["c", "d"]));
    // Few of them, and before all that are automatic.
    let id = format!("5-{}", rng.random_range(1..6));
    words(&match rng.random_range(0..28) {
        26 => format!("XADD {key} NOMKSTREAM {}-* f {tag}", moment_ms(rng)),
        27 => format!("XADD {key} MINID ~ {id} 5-* f {tag}"),
        0..6 => format!("XADD {key} * f {tag}"),
        6 => format!("XADD {key} {id} f {tag}"),
        7 => format!("XADD {key} MAXLEN {} * f {tag}", rng.random_range(0..6)),
        8 => format!("XDEL {key} {id}"),
        9 => format!("XTRIM {key} MAXLEN {}", rng.random_range(0..5)),
        10 => format!("XTRIM {key} MINID {id}"),
        11 if rng.random() => {
            format!("XSETID {key} {}-1 ENTRIESADDED {}", moment_ms(rng) + 9_000, rng.random_range(10..90))
        }
        11 => format!("XSETID {key} {}-1 ENTRIESADDED 50 MAXDELETEDID {id}", moment_ms(rng) + 9_000),
        12..14 => format!("XGROUP CREATE {key} {group} {} MKSTREAM", pick(rng, &["0", "$", "5-2"])),
        14 => format!("XGROUP SETID {key} {group} {} ENTRIESREAD 3", pick(rng, &["0", "$", "5-3"])),
        15 => format!("XGROUP DESTROY {key} {group}"),
        16 => format!("XGROUP CREATECONSUMER {key} {group} {consumer}"),
        17 => format!("XGROUP DELCONSUMER {key} {group} {consumer}"),
        18..21 => format!("XREADGROUP GROUP {group} {consumer} COUNT 3 STREAMS {key} >"),
        21 => format!("XREADGROUP GROUP {group} {consumer} STREAMS {key} 0"),
        22 => format!("XACK {key} {group} {id} 5-1"),
        23 => format!("XCLAIM {key} {group} {consumer} 0 {id} FORCE"),
        24 => {
            format!("XCLAIM {key} {group} {consumer} 0 {id} TIME 1 RETRYCOUNT {} LASTID {id}", rng.random_range(0..9))
        }
        _ => format!("XAUTOCLAIM {key} {group} {consumer} 0 - COUNT 2"),
    })
}

fn expiry(rng: &mut SmallRng, _: u64) -> Vec<String> {
    let key = any_key(rng);
    words(&match rng.random_range(0..10) {
        8 => format!("PEXPIREAT {key} {}", moment_ms(rng)),
        9 => format!("EXPIREAT {key} {} NX", moment_ms(rng) / 1000),
        6 => format!("EXPIREMEMBER {key} {} {} ms", pick(rng, &MEMBERS), rng.random_range(20..3000)),
        7 => format!("PERSIST {key} {}", pick(rng, &MEMBERS)),
        0..3 => format!("PEXPIRE {key} {}", rng.random_range(20..3000)),
        3 => format!("EXPIRE {key} 1000"),
        _ => format!("PERSIST {key}"),
    })
}

fn keys(rng: &mut SmallRng, _: u64) -> Vec<String> {
    let key = any_key(rng);
    words(&match rng.random_range(0..50) {
        42 => format!("RENAMENX {key} {}", any_key(rng)),
        43 => format!("EXPDEL {key}"),
        44 => format!("COPY {key} {key} DB {} REPLACE", rng.random_range(0..2)),
        45..50 => format!("SELECT {}", u8::from(rng.random_ratio(1, 3))),
        40 | 41 => format!("SORT {key} ALPHA STORE {}", pick(rng, &LISTS)),
        0..14 => format!("DEL {key}"),
        14..20 => format!("RENAME {key} {}", any_key(rng)),
        20..26 => format!("COPY {key} {} REPLACE", any_key(rng)),
        26..30 => format!("MOVE {key} 1"),
        30..33 => format!("UNLINK {key} {}", any_key(rng)),
        33 => "FLUSHALL".to_owned(),
        34 => "FLUSHDB".to_owned(),
        35 => "SWAPDB 0 1".to_owned(),
        _ => format!("GETEX {key} PERSIST"),
    })
}
