//! The whole data set, read through commands.

use crate::differential::sorted;
use crate::{Client, Reply};
use std::collections::BTreeMap;
use std::io;

/// One key: its value with unordered things sorted, and its deadline.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub value: Reply,
    /// Milliseconds since the Unix epoch; -1: none.
    pub deadline_ms: i64,
}

/// Keys and entries by database and name.
pub type Dump = BTreeMap<(usize, Vec<u8>), Entry>;

/// Fewer where the server has fewer.
const DATABASES: usize = 16;

pub fn dump(client: &mut Client) -> io::Result<Dump> {
    let mut dump = Dump::new();
    for db in 0..DATABASES {
        if client.call(&["SELECT", &db.to_string()])?.is_error() {
            break;
        }
        let keys = client.call(&["KEYS", "*"])?;
        for key in keys.elements().unwrap_or_default().iter().filter_map(Reply::bytes) {
            let value = value(client, key)?;
            let deadline_ms = client.call(&[b"PEXPIRETIME", key])?.integer().unwrap_or(-2);
            dump.insert((db, key.to_vec()), Entry { value, deadline_ms });
        }
    }
    client.call(&["SELECT", "0"])?;
    Ok(dump)
}

/// The value of a key, unordered things sorted; `Null` where there is none.
pub fn value(client: &mut Client, key: &[u8]) -> io::Result<Reply> {
    let kind = client.call(&[b"TYPE", key])?;
    Ok(match kind.bytes() {
        Some(b"none") => Reply::Null,
        Some(b"string") => client.call(&[b"GET", key])?,
        Some(b"set") => sorted(&client.call(&[b"SMEMBERS", key])?),
        Some(b"hash") => pairs(client.call(&[b"HGETALL", key])?),
        Some(b"list") => client.call(&[b"LRANGE", key, b"0", b"-1"])?,
        Some(b"zset") => client.call(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"])?,
        Some(b"stream") => Reply::Array(vec![
            client.call(&[b"XRANGE", key, b"-", b"+"])?,
            groups(client.call(&[&b"XINFO"[..], b"GROUPS", key])?),
        ]),
        _ => return Err(io::Error::other(format!("a key of type {kind}"))),
    })
}

/// The first key that differs, in words.
pub fn difference(left: &Dump, right: &Dump, tolerance_ms: u64) -> Option<String> {
    for key in left.keys().chain(right.keys()) {
        let same = match (left.get(key), right.get(key)) {
            (Some(left), Some(right)) => {
                left.value == right.value && left.deadline_ms.abs_diff(right.deadline_ms) <= tolerance_ms
            }
            _ => false,
        };
        if !same {
            let (db, name) = key;
            let show = |dump: &Dump| {
                dump.get(key).map_or("no such key".to_owned(), |e| format!("{} until {}", e.value, e.deadline_ms))
            };
            return Some(format!("key {} of database {db}:\n  {}\n  {}", crate::quote(name), show(left), show(right)));
        }
    }
    None
}

/// Without the numbers of their consumers: since 7.2 one is made even where it gets nothing.
fn groups(reply: Reply) -> Reply {
    match reply {
        Reply::Array(groups) => Reply::Array(groups.into_iter().map(without_consumers).collect()),
        other => other,
    }
}

fn without_consumers(group: Reply) -> Reply {
    match group {
        Reply::Array(fields) => {
            let kept = fields.chunks(2).filter(|field| field[0].bytes() != Some(b"consumers"));
            Reply::Array(kept.flatten().cloned().collect())
        }
        other => other,
    }
}

fn pairs(reply: Reply) -> Reply {
    match reply {
        Reply::Array(flat) => sorted(&Reply::Array(flat.chunks(2).map(|pair| Reply::Array(pair.to_vec())).collect())),
        other => other,
    }
}
