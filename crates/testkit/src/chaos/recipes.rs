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
            (300, "SET string value"),
            (100, "SET string value KEEPTTL"),
            (100, "SET string value PX milliseconds"),
            (30, "SET string value XX GET"),
            (20, "PSETEX string milliseconds value"),
            (20, "SETEX string lifetime value"),
            (100, "SETNX string value"),
            (100, "GETSET string value"),
            (100, "GETDEL string"),
            (30, "GETEX string (PX milliseconds|PERSIST)"),
            (100, "MSET string value string value"),
            (30, "MSETNX string value string value"),
        ],
    },
    Family {
        name: "counter",
        recipes: &[
            (200, "INCR counter"),
            (100, "DECR counter"),
            (100, "INCRBY counter delta"),
            (30, "DECRBY counter delta"),
            (100, "INCRBYFLOAT counter quarter"),
            (100, "SET counter value"),
            (100, "DEL counter"),
        ],
    },
    Family {
        name: "bytes",
        recipes: &[
            (100, "APPEND bytes value"),
            (100, "SETRANGE bytes offset value"),
            (100, "SETBIT bytes bit (0|1)"),
            (100, "BITFIELD bytes INCRBY width offset 7"),
            (100, "BITOP (AND|OR|XOR) bytes bytes bytes"),
        ],
    },
    Family {
        name: "hyperloglog",
        recipes: &[
            (100, "PFADD hyperloglog value value"),
            (100, "PFMERGE hyperloglog hyperloglog"),
            (5, "PFDEBUG TODENSE hyperloglog"),
        ],
    },
    Family {
        name: "hash",
        recipes: &[
            (100, "HSET hash element value element value"),
            (20, "HMSET hash element value"),
            (100, "HSETNX hash element value"),
            (100, "HDEL hash element"),
            (100, "HINCRBY hash element 3"),
            (100, "HINCRBYFLOAT hash element 0.5"),
            (100, "HEXPIRE hash seconds FIELDS 1 element"),
            (100, "HPEXPIRE hash milliseconds FIELDS 1 element"),
            (20, "HEXPIREAT hash at FIELDS 1 element"),
            (20, "HPEXPIREAT hash at_ms FIELDS 1 element"),
            (100, "HPERSIST hash FIELDS 1 element"),
            (20, "HSETEX hash (PX milliseconds|KEEPTTL) FIELDS 1 element value"),
            (20, "HGETEX hash PX milliseconds FIELDS 1 element"),
            (20, "HGETDEL hash FIELDS 1 element"),
            (20, "KEYDB.HRENAME hash element element"),
            (5, "KEYDB.NHSET nested value"),
        ],
    },
    Family {
        name: "set",
        recipes: &[
            (100, "SADD set element value"),
            (100, "SREM set element"),
            (100, "SPOP set [small]"),
            (100, "SMOVE set set element"),
            (100, "SINTERSTORE set set set"),
            (100, "SUNIONSTORE set set set"),
            (30, "SDIFFSTORE set set set"),
            (100, "EXPIREMEMBER set element 1"),
            (20, "EXPIREMEMBERAT set element at"),
            (20, "PEXPIREMEMBERAT set element at_ms"),
            (20, "PERSIST set element"),
        ],
    },
    Family {
        name: "zset",
        recipes: &[
            (100, "ZADD zset value element"),
            (100, "ZADD zset (GT|LT|NX) value element"),
            (100, "ZADD zset INCR value element"),
            (100, "ZINCRBY zset 3 element"),
            (100, "ZREM zset element"),
            (100, "ZPOPMIN zset"),
            (30, "ZPOPMAX zset"),
            (30, "ZMPOP 2 zset zset (MIN|MAX)"),
            (100, "ZREMRANGEBYRANK zset 0 1"),
            (20, "ZREMRANGEBYSCORE zset 0 offset"),
            (20, "ZREMRANGEBYLEX zset from to"),
            (100, "ZUNIONSTORE zset 2 zset zset"),
            (30, "(ZINTERSTORE|ZDIFFSTORE) zset 2 zset zset"),
            (100, "ZRANGESTORE zset zset 0 3"),
            (100, "GEOADD zset 13.3 38.1 element"),
            (20, "GEOSEARCHSTORE zset zset FROMLONLAT 13 38 BYRADIUS 4000 KM"),
            (10, "GEORADIUS zset 13 38 4000 KM STORE zset"),
            (10, "GEORADIUSBYMEMBER zset element 4000 KM STOREDIST zset"),
        ],
    },
    Family {
        name: "list",
        recipes: &[
            (100, "RPUSH list value value"),
            (100, "LPUSH list value"),
            (30, "(LPUSHX|RPUSHX) list value"),
            (100, "LPOP list"),
            (100, "RPOP list 2"),
            (100, "LSET list 0 value"),
            (100, "LINSERT list (BEFORE|AFTER) value value"),
            (100, "LREM list 0 value"),
            (100, "LTRIM list 0 20"),
            (100, "LMOVE list list (LEFT|RIGHT) (LEFT|RIGHT)"),
            (100, "RPOPLPUSH list list"),
            (100, "LMPOP 2 list list (LEFT|RIGHT)"),
            (100, "SORT list STORE list"),
        ],
    },
    Family {
        name: "stream",
        recipes: &[
            (100, "XADD stream * F value"),
            (100, "XADD stream MAXLEN 20 * F value"),
            (100, "XGROUP CREATE stream element 0 MKSTREAM"),
            (20, "XGROUP SETID stream element ($|0)"),
            (100, "XGROUP DESTROY stream element"),
            (20, "XGROUP (CREATECONSUMER|DELCONSUMER) stream element element"),
            (100, "XREADGROUP GROUP element element COUNT 3 STREAMS stream >"),
            (100, "XAUTOCLAIM stream element element 0 0"),
            (20, "XCLAIM stream element element 0 99999999999999-2 FORCE"),
            (20, "XACK stream element 99999999999999-2 99999999999999-3"),
            (20, "XDEL stream 99999999999999-2 99999999999999-4"),
            (100, "XTRIM stream MAXLEN 10"),
            (100, "XSETID stream 99999999999999-1"),
        ],
    },
    Family {
        name: ANY_KEY,
        recipes: &[
            (100, "EXPIRE key seconds"),
            (100, "PEXPIRE key milliseconds"),
            (20, "EXPIREAT key at"),
            (20, "PEXPIREAT key at_ms"),
            (100, "PERSIST key"),
            (100, "DEL key"),
            (10, "EXPDEL key"),
            (100, "UNLINK key string"),
            (100, "RENAME key key"),
            (20, "RENAMENX key key"),
            (100, "COPY key key REPLACE"),
            (100, "MOVE key 1"),
        ],
    },
    Family { name: "channel", recipes: &[(100, "PUBLISH channel value"), (10, "SPUBLISH channel value")] },
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
