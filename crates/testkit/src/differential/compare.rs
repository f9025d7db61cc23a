//! Whether two replies say the same.

use super::Comparison;
use crate::Reply;

/// Compares the replies of a command; `queued`: how those of a transaction are compared.
pub(super) fn equal(comparison: Comparison, queued: &[Comparison], left: &Reply, right: &Reply) -> bool {
    if left.is_error() || right.is_error() {
        return left == right;
    }
    match comparison {
        Comparison::Unordered => sorted(left) == sorted(right),
        Comparison::Pairs => sorted_pairs(left) == sorted_pairs(right),
        Comparison::Near(tolerance) => near(left, right, tolerance),
        Comparison::Encoding => encoding(left) == encoding(right),
        Comparison::Exec => match (left.elements(), right.elements()) {
            (Some(left), Some(right)) if left.len() == queued.len() => {
                left.len() == right.len()
                    && queued.iter().zip(left.iter().zip(right)).all(|(kind, (a, b))| equal(*kind, &[], a, b))
            }
            _ => left == right,
        },
        _ => left == right,
    }
}

/// The reply with its elements in order, so that two of them can be compared; its type stays.
pub(crate) fn sorted(reply: &Reply) -> Reply {
    let mut reply = reply.clone();
    if let Reply::Array(elements) | Reply::Set(elements) = &mut reply {
        elements.sort();
    }
    reply
}

fn sorted_pairs(reply: &Reply) -> Reply {
    match reply {
        Reply::Map(pairs) => {
            let mut pairs = pairs.clone();
            pairs.sort();
            Reply::Map(pairs)
        }
        Reply::Array(flat) => {
            let mut pairs: Vec<Reply> = flat.chunks(2).map(|pair| Reply::Array(pair.to_vec())).collect();
            pairs.sort();
            Reply::Array(pairs)
        }
        _ => reply.clone(),
    }
}

fn near(left: &Reply, right: &Reply, tolerance: i64) -> bool {
    match (left, right) {
        (Reply::Integer(left), Reply::Integer(right)) if *left > 0 && *right > 0 => {
            left.abs_diff(*right) <= tolerance as u64
        }
        _ => left == right,
    }
}

/// Alike: "listpack" and "hashtable" or "quicklist", where for sets and lists the two versions differ; and "skiplist", as 7.2
/// looks at all members of a ZADD at once. The scripts tell them apart.
fn encoding(reply: &Reply) -> Reply {
    match reply.bytes() {
        Some(b"listpack" | b"quicklist" | b"skiplist") => Reply::Bulk(b"hashtable".to_vec()),
        _ => reply.clone(),
    }
}
