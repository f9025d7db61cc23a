use crate::config::directive::*;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::integer(
        "hash-max-listpack-entries",
        (0, i64::MAX),
        "512",
        |config, count| config.hash_max_listpack_entries = count as usize,
        "Fields up to which a hash is compact.",
    )
    .alias(&["hash-max-ziplist-entries"]),
    Directive::memory(
        "hash-max-listpack-value",
        0,
        "64",
        |config, bytes| config.hash_max_listpack_value = bytes as usize,
        "Bytes of a field or value up to which a hash is compact.",
    )
    .alias(&["hash-max-ziplist-value"]),
    Directive::integer(
        "set-max-intset-entries",
        (0, i64::MAX),
        "512",
        |config, count| config.set_max_intset_entries = count as usize,
        "Members up to which a set of integers is compact.",
    ),
    Directive::integer(
        "set-max-listpack-entries",
        (0, i64::MAX),
        "128",
        |config, count| config.set_max_listpack_entries = count as usize,
        "Members up to which a set is compact.",
    ),
    Directive::memory(
        "set-max-listpack-value",
        0,
        "64",
        |config, bytes| config.set_max_listpack_value = bytes as usize,
        "Bytes of a member up to which a set is compact.",
    ),
    Directive::integer(
        "zset-max-listpack-entries",
        (0, i64::MAX),
        "128",
        |config, count| config.zset_max_listpack_entries = count as usize,
        "Members up to which a sorted set is compact.",
    )
    .alias(&["zset-max-ziplist-entries"]),
    Directive::memory(
        "zset-max-listpack-value",
        0,
        "64",
        |config, bytes| config.zset_max_listpack_value = bytes as usize,
        "Bytes of a member up to which a sorted set is compact.",
    )
    .alias(&["zset-max-ziplist-value"]),
    Directive::integer(
        "list-max-listpack-size",
        (i32::MIN as i64, i32::MAX as i64),
        "-2",
        |config, size| config.list_max_listpack_size = size as i32,
        "Elements (negative: a class of bytes) in one node of a list.",
    )
    .alias(&["list-max-ziplist-size"]),
    Directive::integer(
        "list-compress-depth",
        (0, i32::MAX as i64),
        "0",
        no_number,
        "Nodes at either end of a list that stay uncompressed.",
    )
    .without_effect("lists are not compressed"),
    Directive::memory(
        "stream-node-max-bytes",
        0,
        "4096",
        |config, bytes| config.stream_node_max_bytes = bytes as usize,
        "Bytes in one node of a stream.",
    ),
    Directive::integer(
        "stream-node-max-entries",
        (0, i64::MAX),
        "100",
        |config, count| config.stream_node_max_entries = count as usize,
        "Entries in one node of a stream.",
    ),
    Directive::memory(
        "hll-sparse-max-bytes",
        0,
        "3000",
        |config, bytes| config.hll_sparse_max_bytes = bytes as usize,
        "Bytes up to which a HyperLogLog is sparse.",
    ),
];
