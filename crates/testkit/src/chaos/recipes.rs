//! What clients write: weight and command line, by family (`grammar`).

use crate::grammar;

/// Commands about one type, or about something else.
pub(super) struct Family {
    pub name: &'static str,
    pub recipes: &'static [(u32, &'static str)],
}

/// About keys of any type: with some families only, those among them whose keys are of these.
pub(super) const ANY_KEY: &str = "key";

/// Each type has keys of its own, named after the argument: `hash17`. Renames and copies mix them.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "string",
        recipes: &[
            (3000, "SET string value"),
            (1000, "SET string value KEEPTTL"),
            (1000, "SET string value PX milliseconds"),
            (300, "SET string value XX GET"),
            (200, "PSETEX string milliseconds value"),
            (200, "SETEX string lifetime value"),
            (1000, "SETNX string value"),
            (1000, "GETSET string value"),
            (1000, "GETDEL string"),
            (300, "GETEX string (PX milliseconds|PERSIST)"),
            (1000, "MSET string value string value"),
            (300, "MSETNX string value string value"),
        ],
    },
    Family {
        name: "counter",
        recipes: &[
            (2000, "INCR counter"),
            (1000, "DECR counter"),
            (1000, "INCRBY counter delta"),
            (300, "DECRBY counter delta"),
            (1000, "INCRBYFLOAT counter quarter"),
            (1000, "SET counter value"),
            (1000, "DEL counter"),
        ],
    },
    Family {
        name: "bytes",
        recipes: &[
            (1000, "APPEND bytes value"),
            (1000, "SETRANGE bytes offset value"),
            (1000, "SETBIT bytes bit (0|1)"),
            (1000, "BITFIELD bytes INCRBY width offset 7"),
            (1000, "BITOP (AND|OR|XOR) bytes bytes bytes"),
        ],
    },
    Family {
        name: "hyperloglog",
        recipes: &[
            (1000, "PFADD hyperloglog value value"),
            (1000, "PFMERGE hyperloglog hyperloglog"),
            (50, "PFDEBUG TODENSE hyperloglog"),
        ],
    },
    Family {
        name: "hash",
        recipes: &[
            (1000, "HSET hash element value element value"),
            (200, "HMSET hash element value"),
            (1000, "HSETNX hash element value"),
            (1000, "HDEL hash element"),
            (1000, "HINCRBY hash element 3"),
            (1000, "HINCRBYFLOAT hash element 0.5"),
            (1000, "HEXPIRE hash seconds FIELDS 1 element"),
            (1000, "HPEXPIRE hash milliseconds FIELDS 1 element"),
            (200, "HEXPIREAT hash at FIELDS 1 element"),
            (200, "HPEXPIREAT hash at_ms FIELDS 1 element"),
            (1000, "HPERSIST hash FIELDS 1 element"),
            (200, "HSETEX hash (PX milliseconds|KEEPTTL) FIELDS 1 element value"),
            (200, "HGETEX hash PX milliseconds FIELDS 1 element"),
            (200, "HGETDEL hash FIELDS 1 element"),
            (200, "KEYDB.HRENAME hash element element"),
            (50, "KEYDB.NHSET nested value"),
        ],
    },
    Family {
        name: "set",
        recipes: &[
            (1000, "SADD set element value"),
            (1000, "SREM set element"),
            (1000, "SPOP set [small]"),
            (1000, "SMOVE set set element"),
            (1000, "SINTERSTORE set set set"),
            (1000, "SUNIONSTORE set set set"),
            (300, "SDIFFSTORE set set set"),
            (1000, "EXPIREMEMBER set element 1"),
            (200, "EXPIREMEMBERAT set element at"),
            (200, "PEXPIREMEMBERAT set element at_ms"),
            (200, "PERSIST set element"),
        ],
    },
    Family {
        name: "zset",
        recipes: &[
            (1000, "ZADD zset value element"),
            (1000, "ZADD zset (GT|LT|NX) value element"),
            (1000, "ZADD zset INCR value element"),
            (1000, "ZINCRBY zset 3 element"),
            (1000, "ZREM zset element"),
            (1000, "ZPOPMIN zset"),
            (300, "ZPOPMAX zset"),
            (300, "ZMPOP 2 zset zset (MIN|MAX)"),
            (1000, "ZREMRANGEBYRANK zset 0 1"),
            (200, "ZREMRANGEBYSCORE zset 0 offset"),
            (200, "ZREMRANGEBYLEX zset from to"),
            (1000, "ZUNIONSTORE zset 2 zset zset"),
            (300, "(ZINTERSTORE|ZDIFFSTORE) zset 2 zset zset"),
            (1000, "ZRANGESTORE zset zset 0 3"),
            (1000, "GEOADD zset 13.3 38.1 element"),
            (200, "GEOSEARCHSTORE zset zset FROMLONLAT 13 38 BYRADIUS 4000 KM"),
            (100, "GEORADIUS zset 13 38 4000 KM STORE zset"),
            (100, "GEORADIUSBYMEMBER zset element 4000 KM STOREDIST zset"),
        ],
    },
    Family {
        name: "list",
        recipes: &[
            (1000, "RPUSH list value value"),
            (1000, "LPUSH list value"),
            (300, "(LPUSHX|RPUSHX) list value"),
            (1000, "LPOP list"),
            (1000, "RPOP list 2"),
            (1000, "LSET list 0 value"),
            (1000, "LINSERT list (BEFORE|AFTER) value value"),
            (1000, "LREM list 0 value"),
            (1000, "LTRIM list 0 20"),
            (1000, "LMOVE list list (LEFT|RIGHT) (LEFT|RIGHT)"),
            (1000, "RPOPLPUSH list list"),
            (1000, "LMPOP 2 list list (LEFT|RIGHT)"),
            (1000, "SORT list STORE list"),
        ],
    },
    Family {
        name: "stream",
        recipes: &[
            (1000, "XADD stream * F value"),
            (1000, "XADD stream MAXLEN 20 * F value"),
            (1000, "XGROUP CREATE stream element 0 MKSTREAM"),
            (200, "XGROUP SETID stream element ($|0)"),
            (1000, "XGROUP DESTROY stream element"),
            (200, "XGROUP (CREATECONSUMER|DELCONSUMER) stream element element"),
            (1000, "XREADGROUP GROUP element element COUNT 3 STREAMS stream >"),
            (1000, "XAUTOCLAIM stream element element 0 0"),
            (200, "XCLAIM stream element element 0 99999999999999-2 FORCE"),
            (200, "XACK stream element 99999999999999-2 99999999999999-3"),
            (200, "XDEL stream 99999999999999-2 99999999999999-4"),
            (1000, "XTRIM stream MAXLEN 10"),
            (1000, "XSETID stream 99999999999999-1"),
        ],
    },
    Family {
        name: ANY_KEY,
        recipes: &[
            (1000, "EXPIRE key seconds"),
            (1000, "PEXPIRE key milliseconds"),
            (200, "EXPIREAT key at"),
            (200, "PEXPIREAT key at_ms"),
            (1000, "PERSIST key"),
            (1000, "DEL key"),
            (100, "EXPDEL key"),
            (1000, "UNLINK key string"),
            (1000, "RENAME key key"),
            (200, "RENAMENX key key"),
            (1000, "COPY key key REPLACE"),
            (1000, "MOVE key 1"),
        ],
    },
    Family { name: "channel", recipes: &[(1000, "PUBLISH channel value"), (100, "SPUBLISH channel value")] },
    // Some times in a run: what went wrong with a key is gone with it.
    Family { name: "database", recipes: &[(2, "FLUSHDB"), (3, "SWAPDB 0 1")] },
];

/// What one client at each node waits for.
pub(super) const WAITING: &[(u32, &str)] = &[
    (3, "BLPOP list list 0.3"),
    (1, "BRPOP list list 0.3"),
    (3, "BLMOVE list list (LEFT|RIGHT) (LEFT|RIGHT) 0.3"),
    (1, "BRPOPLPUSH list list 0.3"),
    (1, "BLMPOP 0.3 2 list list (LEFT|RIGHT)"),
    (3, "BZPOPMIN zset 0.3"),
    (1, "BZPOPMAX zset 0.3"),
    (1, "BZMPOP 0.3 1 zset (MIN|MAX)"),
    (3, "XREAD BLOCK 300 STREAMS stream $"),
    (1, "XREADGROUP GROUP element element BLOCK 300 STREAMS stream >"),
];

/// The names of all commands that clients send (`grammar::names`).
pub fn commands() -> impl Iterator<Item = String> {
    let lines = FAMILIES.iter().flat_map(|family| family.recipes).chain(WAITING);
    lines.flat_map(|(_, line)| grammar::names(line))
}
