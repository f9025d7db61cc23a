//! A reply as the protocol typed it, and its notation in golden scripts.

use std::fmt::{self, Write};

/// Every reply type of RESP2 and RESP3, as received: nothing is converted, so tests see the types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Status(Vec<u8>),
    /// With its code, without the leading `-`.
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    /// `$-1` in RESP2, `_` in RESP3.
    Null,
    /// `*-1`; RESP2 only.
    NullArray,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    /// The text on the wire: two servers may print one number differently.
    Double(Vec<u8>),
    Boolean(bool),
    BigNumber(Vec<u8>),
    /// Format ("txt", "mkd") and text.
    Verbatim(Vec<u8>, Vec<u8>),
    /// Attributes and the reply that they belong to.
    Attributed(Vec<(Reply, Reply)>, Box<Reply>),
}

impl Reply {
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_))
    }

    /// The bytes of a string of any kind.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Status(bytes) | Reply::Bulk(bytes) | Reply::Verbatim(_, bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn integer(&self) -> Option<i64> {
        match self {
            Reply::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of an array, set or push.
    pub fn elements(&self) -> Option<&[Reply]> {
        match self {
            Reply::Array(elements) | Reply::Set(elements) | Reply::Push(elements) => Some(elements),
            _ => None,
        }
    }
}

impl fmt::Display for Reply {
    /// The notation of golden scripts (tests/scripts/README.md); long aggregates take a line per element.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self, 0))
    }
}

/// Bytes in double quotes, with the escapes of redis-cli.
pub fn quote(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x20..=0x7e => text.push(byte as char),
            _ => write!(text, "\\x{byte:02x}").expect("a String takes everything"),
        }
    }
    text.push('"');
    text
}

const LINE_WIDTH: usize = 100;

fn render(reply: &Reply, depth: usize) -> String {
    let (open, close, parts) = match reply {
        Reply::Status(text) => return status(text),
        Reply::Error(text) if depth == 0 && !text.ends_with(b" ") => {
            return format!("-{}", String::from_utf8_lossy(text));
        }
        Reply::Error(text) => return format!("-{}", quote(text)),
        Reply::Integer(value) => return value.to_string(),
        Reply::Bulk(bytes) => return quote(bytes),
        Reply::Null => return "null".to_owned(),
        Reply::NullArray => return "null-array".to_owned(),
        Reply::Double(text) => return format!("double({})", String::from_utf8_lossy(text)),
        Reply::Boolean(value) => return value.to_string(),
        Reply::BigNumber(text) => return format!("big({})", String::from_utf8_lossy(text)),
        Reply::Verbatim(format, text) => return format!("{}:{}", String::from_utf8_lossy(format), quote(text)),
        Reply::Array(elements) => ("[", "]", render_all(elements, depth)),
        Reply::Set(elements) => ("set[", "]", render_all(elements, depth)),
        Reply::Push(elements) => ("push[", "]", render_all(elements, depth)),
        Reply::Map(pairs) => ("{", "}", render_pairs(pairs, depth)),
        Reply::Attributed(pairs, reply) => {
            let attributes = Reply::Map(pairs.clone());
            return format!("attributed({}, {})", render(&attributes, depth + 1), render(reply, depth + 1));
        }
    };
    let width = parts.iter().map(|part| part.len() + 2).sum::<usize>() + 2 * depth;
    if width <= LINE_WIDTH && !parts.iter().any(|part| part.contains('\n')) {
        return format!("{open}{}{close}", parts.join(", "));
    }
    let margin = "  ".repeat(depth + 1);
    let lines: String = parts.iter().map(|part| format!("{margin}{part},\n")).collect();
    format!("{open}\n{lines}{}{close}", "  ".repeat(depth))
}

fn render_all(elements: &[Reply], depth: usize) -> Vec<String> {
    elements.iter().map(|element| render(element, depth + 1)).collect()
}

fn render_pairs(pairs: &[(Reply, Reply)], depth: usize) -> Vec<String> {
    pairs.iter().map(|(key, value)| format!("{}: {}", render(key, depth + 1), render(value, depth + 1))).collect()
}

/// A status is a bare word, or in single quotes where it is more.
fn status(text: &[u8]) -> String {
    let is_word = !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
    let text = String::from_utf8_lossy(text);
    if is_word && text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        text.into_owned()
    } else {
        format!("'{text}'")
    }
}
