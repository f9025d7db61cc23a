//! Expected replies. Written as RESP3 types them; a RESP2 connection must get the same, flattened as the
//! protocol prescribes (a map as a flat array, a double as a string …).

use super::Protocol;
use super::lexer::quoted;
use crate::{Reply, quote};
use std::collections::BTreeMap;

/// Values that `$name` took from replies, as text.
pub type Bindings = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Exactly(Reply),
    /// Any value.
    Any,
    /// An integer from..=to, as number or as string.
    Range(i64, i64),
    /// A string of any kind that matches.
    Glob(Vec<u8>),
    ErrorGlob(Vec<u8>),
    /// Takes a number or a string; where the name has a value already, it must be that one.
    Binding(String),
    OneOf(Vec<Pattern>),
    Array(Elements),
    Push(Elements),
    /// An array in any order.
    Unordered(Elements),
    Set(Elements),
    Map(Vec<(Pattern, Pattern)>, bool),
}

/// Patterns of elements, and whether more elements may follow (`...`).
#[derive(Clone, Debug, PartialEq)]
pub struct Elements {
    pub patterns: Vec<Pattern>,
    pub more: bool,
}

impl Pattern {
    pub fn matches(&self, reply: &Reply, protocol: Protocol, bindings: &mut Bindings) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Exactly(expected) => *reply == as_sent(expected, protocol),
            Pattern::Range(from, to) => number(reply).is_some_and(|value| (*from..=*to).contains(&value)),
            Pattern::Glob(glob) => reply.bytes().is_some_and(|bytes| glob_matches(glob, bytes)),
            Pattern::ErrorGlob(glob) => matches!(reply, Reply::Error(text) if glob_matches(glob, text)),
            Pattern::Binding(name) => bind(name, reply, bindings),
            Pattern::OneOf(patterns) => patterns.iter().any(|pattern| pattern.matches(reply, protocol, bindings)),
            Pattern::Array(elements) => {
                matches!(reply, Reply::Array(_)) && elements.in_order(reply, protocol, bindings)
            }
            Pattern::Push(elements) => {
                is_aggregate(reply, protocol, |reply| matches!(reply, Reply::Push(_)))
                    && elements.in_order(reply, protocol, bindings)
            }
            Pattern::Unordered(elements) => {
                matches!(reply, Reply::Array(_)) && elements.in_any_order(reply, protocol, bindings)
            }
            Pattern::Set(elements) => {
                is_aggregate(reply, protocol, |reply| matches!(reply, Reply::Set(_)))
                    && elements.in_any_order(reply, protocol, bindings)
            }
            Pattern::Map(pairs, more) => {
                pairs_of(reply, protocol).is_some_and(|replies| map_matches(pairs, *more, replies, protocol, bindings))
            }
        }
    }
}

impl Elements {
    fn in_order(&self, reply: &Reply, protocol: Protocol, bindings: &mut Bindings) -> bool {
        let replies = reply.elements().unwrap_or_default();
        (replies.len() == self.patterns.len() || self.more && replies.len() > self.patterns.len())
            && self.patterns.iter().zip(replies).all(|(pattern, reply)| pattern.matches(reply, protocol, bindings))
    }

    /// Greedy: a pattern takes the first reply that it matches.
    fn in_any_order(&self, reply: &Reply, protocol: Protocol, bindings: &mut Bindings) -> bool {
        let mut left: Vec<&Reply> = reply.elements().unwrap_or_default().iter().collect();
        let all = self.patterns.iter().all(|pattern| {
            let found = left.iter().position(|reply| pattern.matches(reply, protocol, bindings));
            found.map(|index| left.swap_remove(index)).is_some()
        });
        all && (left.is_empty() || self.more)
    }
}

fn map_matches(
    pairs: &[(Pattern, Pattern)],
    more: bool,
    mut left: Vec<(&Reply, &Reply)>,
    protocol: Protocol,
    bindings: &mut Bindings,
) -> bool {
    let all = pairs.iter().all(|(key, value)| {
        let found =
            left.iter().position(|(k, v)| key.matches(k, protocol, bindings) && value.matches(v, protocol, bindings));
        found.map(|index| left.swap_remove(index)).is_some()
    });
    all && (left.is_empty() || more)
}

fn is_aggregate(reply: &Reply, protocol: Protocol, typed: impl Fn(&Reply) -> bool) -> bool {
    match protocol {
        Protocol::Resp2 => matches!(reply, Reply::Array(_)),
        Protocol::Resp3 => typed(reply),
    }
}

fn pairs_of(reply: &Reply, protocol: Protocol) -> Option<Vec<(&Reply, &Reply)>> {
    match (protocol, reply) {
        (Protocol::Resp3, Reply::Map(pairs)) => Some(pairs.iter().map(|(key, value)| (key, value)).collect()),
        (Protocol::Resp2, Reply::Array(flat)) if flat.len() % 2 == 0 => {
            Some(flat.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect())
        }
        _ => None,
    }
}

/// A scalar written as RESP3 types it, as this protocol sends it.
fn as_sent(reply: &Reply, protocol: Protocol) -> Reply {
    match (protocol, reply) {
        (Protocol::Resp3, Reply::NullArray) => Reply::Null,
        (Protocol::Resp2, Reply::Double(text) | Reply::BigNumber(text) | Reply::Verbatim(_, text)) => {
            Reply::Bulk(text.clone())
        }
        (Protocol::Resp2, Reply::Boolean(value)) => Reply::Integer(i64::from(*value)),
        _ => reply.clone(),
    }
}

fn number(reply: &Reply) -> Option<i64> {
    match reply {
        Reply::Integer(value) => Some(*value),
        _ => std::str::from_utf8(reply.bytes()?).ok()?.parse().ok(),
    }
}

fn bind(name: &str, reply: &Reply, bindings: &mut Bindings) -> bool {
    let value = match reply {
        Reply::Integer(value) => value.to_string(),
        _ => match reply.bytes() {
            Some(bytes) => quote(bytes),
            None => return false,
        },
    };
    *bindings.entry(name.to_owned()).or_insert_with(|| value.clone()) == value
}

/// `*` any bytes, `?` one byte; nothing else is special.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    match glob.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob_matches(rest, &text[skip..])),
        Some((b'?', rest)) => !text.is_empty() && glob_matches(rest, &text[1..]),
        Some((byte, rest)) => text.first() == Some(byte) && glob_matches(rest, &text[1..]),
    }
}

/// All values in `text`.
pub(super) fn parse_all(text: &str) -> Result<Vec<Pattern>, String> {
    let mut parser = Parser { rest: text.trim_start() };
    let mut patterns = Vec::new();
    while !parser.rest.is_empty() {
        patterns.push(parser.value(true)?);
    }
    Ok(patterns)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// `top`: an error may stand without quotes, to the end of its line.
    fn value(&mut self, top: bool) -> Result<Pattern, String> {
        type Wrap = fn(Elements) -> Pattern;
        const AGGREGATES: [(&str, Wrap); 4] = [
            ("[", Pattern::Array),
            ("set[", Pattern::Set),
            ("push[", Pattern::Push),
            ("unordered[", Pattern::Unordered),
        ];
        for (open, wrap) in AGGREGATES {
            if self.take(open) {
                let (patterns, more) = self.list("]", |parser| parser.value(false))?;
                return Ok(wrap(Elements { patterns, more }));
            }
        }
        if self.take("{") {
            let (pairs, more) = self.list("}", |parser| {
                let key = parser.value(false)?;
                parser.expect(":")?;
                Ok((key, parser.value(false)?))
            })?;
            return Ok(Pattern::Map(pairs, more));
        }
        if self.take("any(") {
            return Ok(Pattern::OneOf(self.list(")", |parser| parser.value(false))?.0));
        }
        self.scalar(top)
    }

    fn scalar(&mut self, top: bool) -> Result<Pattern, String> {
        if self.take("~\"") {
            return Ok(Pattern::Glob(self.string()?));
        }
        if self.take("-~\"") {
            return Ok(Pattern::ErrorGlob(self.string()?));
        }
        if self.take("-\"") {
            return Ok(Pattern::Exactly(Reply::Error(self.string()?)));
        }
        if self.take("\"") {
            return Ok(Pattern::Exactly(Reply::Bulk(self.string()?)));
        }
        for format in ["txt", "mkd"] {
            if self.take(&format!("{format}:\"")) {
                return Ok(Pattern::Exactly(Reply::Verbatim(format.into(), self.string()?)));
            }
        }
        if self.take("'") {
            let (text, rest) = self.rest.split_once('\'').ok_or("unterminated status")?;
            self.advance_to(rest);
            return Ok(Pattern::Exactly(Reply::Status(text.into())));
        }
        if top && self.rest.starts_with('-') && !self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let line = self.rest.lines().next().unwrap_or_default();
            self.advance_to(&self.rest[line.len()..]);
            return Ok(Pattern::Exactly(Reply::Error(line[1..].trim_end().into())));
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || ",]}):".contains(c)).unwrap_or(self.rest.len());
        let mut word = &self.rest[..end];
        if word.ends_with(')') || self.rest[end..].starts_with(')') && word.contains('(') {
            word = &self.rest[..=end];
        }
        self.advance_to(&self.rest[word.len()..]);
        bare(word)
    }

    /// The rest of a string whose opening quote was taken.
    fn string(&mut self) -> Result<Vec<u8>, String> {
        let text = format!("\"{}", self.rest);
        let (bytes, rest) = quoted(&text)?;
        self.advance_to(&self.rest[self.rest.len() - rest.len()..]);
        Ok(bytes)
    }

    fn list<T>(
        &mut self,
        close: &str,
        mut element: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<(Vec<T>, bool), String> {
        let mut elements = Vec::new();
        let mut more = false;
        while !self.take(close) {
            if self.take("...") {
                more = true;
            } else {
                elements.push(element(self)?);
            }
            if !self.take(",") && !self.rest.starts_with(close) {
                return Err(format!("',' or '{close}' expected at: {}", self.rest));
            }
        }
        Ok((elements, more))
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("'{token}' expected at: {}", self.rest)) }
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            // Blanks count inside strings.
            Some(rest) if token.ends_with('"') || token == "'" => self.rest = rest,
            Some(rest) => self.advance_to(rest),
            None => return false,
        }
        true
    }

    fn advance_to(&mut self, rest: &'a str) {
        self.rest = rest.trim_start();
    }
}

/// A word without quotes: a number, a range, a constant, a status.
fn bare(word: &str) -> Result<Pattern, String> {
    if let Some((from, to)) = word.split_once("..") {
        let bound = |text: &str| text.parse().map_err(|_| format!("not a range: {word}"));
        return Ok(Pattern::Range(bound(from)?, bound(to)?));
    }
    if let Some(name) = word.strip_prefix('$') {
        return Ok(Pattern::Binding(name.to_owned()));
    }
    let inside =
        |name: &str| word.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')').map(|text| text.as_bytes().to_vec());
    Ok(Pattern::Exactly(match word {
        "*" => return Ok(Pattern::Any),
        "null" => Reply::Null,
        "null-array" => Reply::NullArray,
        "true" => Reply::Boolean(true),
        "false" => Reply::Boolean(false),
        "" => return Err("a value expected".to_owned()),
        _ => match (word.parse(), inside("double"), inside("big")) {
            (Ok(number), _, _) => Reply::Integer(number),
            (_, Some(text), _) => Reply::Double(text),
            (_, _, Some(text)) => Reply::BigNumber(text),
            _ if word.starts_with(|c: char| c.is_ascii_alphabetic()) => Reply::Status(word.into()),
            _ => return Err(format!("not a value: {word}")),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, reply: &Reply, protocol: Protocol) -> bool {
        let patterns = parse_all(pattern).unwrap();
        assert_eq!(patterns.len(), 1, "{pattern}");
        patterns[0].matches(reply, protocol, &mut Bindings::new())
    }

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.into())
    }

    #[test]
    fn what_is_rendered_matches_itself() {
        let replies = [
            Reply::Status(b"OK".into()),
            Reply::Status(b"Background saving started".into()),
            Reply::Error(b"ERR value is not an integer, or out of range".into()),
            Reply::Integer(-7),
            bulk("a \"b\"\r\n\0"),
            Reply::Null,
            Reply::Array(vec![]),
            Reply::Array((0..50).map(Reply::Integer).collect()),
            Reply::Set(vec![bulk("a"), Reply::Error(b"ERR x".into())]),
            Reply::Push(vec![bulk("invalidate"), Reply::Array(vec![bulk("k")])]),
            Reply::Map(vec![(bulk("a b"), Reply::Double(b"1.5".into())), (bulk("c"), Reply::Boolean(true))]),
            Reply::BigNumber(b"1234567999999999999999999999999999999".into()),
            Reply::Verbatim(b"txt".into(), b"Some string".into()),
        ];
        for reply in replies {
            assert!(check(&reply.to_string(), &reply, Protocol::Resp3), "{reply}");
        }
    }

    #[test]
    fn resp2_is_flattened() {
        let flat = Reply::Array(vec![bulk("a"), bulk("1"), bulk("b"), bulk("2")]);
        assert!(check(r#"{"b": "2", "a": "1"}"#, &flat, Protocol::Resp2));
        assert!(!check(r#"{"b": "2", "a": "1"}"#, &flat, Protocol::Resp3));
        assert!(check(r#"set["b", "1", "a", "2"]"#, &flat, Protocol::Resp2));
        assert!(check("null-array", &Reply::NullArray, Protocol::Resp2));
        assert!(check("null-array", &Reply::Null, Protocol::Resp3));
        assert!(!check("null", &Reply::NullArray, Protocol::Resp2));
        assert!(check("double(1.5)", &bulk("1.5"), Protocol::Resp2));
        assert!(check("true", &Reply::Integer(1), Protocol::Resp2));
    }

    #[test]
    fn placeholders() {
        let reply = Reply::Array(vec![Reply::Integer(95), bulk("b"), bulk("a")]);
        assert!(check(r#"[90..100, any("a", "b"), ~"?"]"#, &reply, Protocol::Resp2));
        assert!(check("[95, ...]", &reply, Protocol::Resp2));
        assert!(check(r#"unordered["a", "b", 95]"#, &reply, Protocol::Resp2));
        assert!(!check(r#"unordered["a", "b"]"#, &reply, Protocol::Resp2));
        assert!(!check("[96, ...]", &reply, Protocol::Resp2));
        assert!(check(
            r#"{"a": *, ...}"#,
            &Reply::Array(vec![bulk("a"), bulk("x"), bulk("b"), bulk("y")]),
            Protocol::Resp2
        ));
        assert!(check("-~\"ERR *\"", &Reply::Error(b"ERR what".into()), Protocol::Resp2));
    }

    #[test]
    fn a_binding_must_stay_the_same() {
        let mut bindings = Bindings::new();
        let pattern = &parse_all("$id").unwrap()[0];
        assert!(pattern.matches(&Reply::Integer(7), Protocol::Resp2, &mut bindings));
        assert!(pattern.matches(&Reply::Integer(7), Protocol::Resp2, &mut bindings));
        assert!(!pattern.matches(&Reply::Integer(8), Protocol::Resp2, &mut bindings));
    }
}
