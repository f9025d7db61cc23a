//! Replies read back: for links to other servers, tests and tools.

use std::fmt;

/// One reply of either protocol version.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Status(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Double(f64),
    Boolean(bool),
    BigNumber(Vec<u8>),
    Verbatim {
        format: [u8; 3],
        text: Vec<u8>,
    },
    /// `!`: an error of any bytes.
    BulkError(Vec<u8>),
    /// Attributes, and the reply that they belong to.
    Attribute(Vec<(Value, Value)>, Box<Value>),
}

/// No reply begins or goes on like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    UnknownType(u8),
    BadLength,
    BadNumber,
    BadVerbatim,
    MissingLineEnd,
    TooDeep,
    LineTooLong,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::UnknownType(byte) => write!(formatter, "a reply cannot begin with '{}'", byte.escape_ascii()),
            ReplyError::BadLength => formatter.write_str("invalid length in a reply"),
            ReplyError::BadNumber => formatter.write_str("invalid number in a reply"),
            ReplyError::BadVerbatim => formatter.write_str("a verbatim string without its format"),
            ReplyError::MissingLineEnd => formatter.write_str("a string in a reply is longer than announced"),
            ReplyError::TooDeep => formatter.write_str("a reply is nested too deeply"),
            ReplyError::LineTooLong => formatter.write_str("a line in a reply is too long"),
        }
    }
}

impl std::error::Error for ReplyError {}

const MAX_DEPTH: usize = 64;
const MAX_LINE_LEN: usize = 64 * 1024;
const MAX_BULK_LEN: i64 = 4 << 30;

impl Value {
    /// The first reply in `buffer` and its length in bytes; None if it is not complete.
    pub fn decode(buffer: &[u8]) -> Result<Option<(Value, usize)>, ReplyError> {
        let mut reader = Reader { buffer, at: 0 };
        Ok(reader.value(MAX_DEPTH)?.map(|value| (value, reader.at)))
    }

    /// Appends the reply as a server would write it that speaks the protocol version that has its type.
    pub fn encode(&self, wire: &mut Vec<u8>) {
        let line = |wire: &mut Vec<u8>, kind: u8, text: &[u8]| {
            wire.push(kind);
            wire.extend_from_slice(text);
            wire.extend_from_slice(b"\r\n");
        };
        let header = |wire: &mut Vec<u8>, kind: u8, len: usize| line(wire, kind, len.to_string().as_bytes());
        let bulk = |wire: &mut Vec<u8>, kind: u8, parts: &[&[u8]]| {
            header(wire, kind, parts.iter().map(|part| part.len()).sum());
            parts.iter().for_each(|part| wire.extend_from_slice(part));
            wire.extend_from_slice(b"\r\n");
        };
        let elements = |wire: &mut Vec<u8>, kind: u8, values: &[Value]| {
            header(wire, kind, values.len());
            values.iter().for_each(|value| value.encode(wire));
        };
        let pairs = |wire: &mut Vec<u8>, kind: u8, pairs: &[(Value, Value)]| {
            header(wire, kind, pairs.len());
            pairs.iter().flat_map(|(key, value)| [key, value]).for_each(|value| value.encode(wire));
        };
        match self {
            Value::Status(text) => line(wire, b'+', text),
            Value::Error(text) => line(wire, b'-', text),
            Value::Integer(number) => line(wire, b':', number.to_string().as_bytes()),
            Value::Bulk(bytes) => bulk(wire, b'$', &[bytes]),
            Value::NullBulk => line(wire, b'$', b"-1"),
            Value::NullArray => line(wire, b'*', b"-1"),
            Value::Null => line(wire, b'_', b""),
            Value::Array(values) => elements(wire, b'*', values),
            Value::Map(map) => pairs(wire, b'%', map),
            Value::Set(values) => elements(wire, b'~', values),
            Value::Push(values) => elements(wire, b'>', values),
            Value::Double(number) => line(wire, b',', stdx::FloatBuffer::new().format(*number)),
            Value::Boolean(truth) => line(wire, b'#', if *truth { b"t" } else { b"f" }),
            Value::BigNumber(digits) => line(wire, b'(', digits),
            Value::Verbatim { format, text } => bulk(wire, b'=', &[format, b":", text]),
            Value::BulkError(text) => bulk(wire, b'!', &[text]),
            Value::Attribute(attributes, value) => {
                pairs(wire, b'|', attributes);
                value.encode(wire);
            }
        }
    }
}

struct Reader<'a> {
    buffer: &'a [u8],
    at: usize,
}

/// None: not complete.
type Found<T> = Result<Option<T>, ReplyError>;

/// Takes the value out of a `Found`, or returns that there is none.
macro_rules! found {
    ($found:expr) => {
        match $found? {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Found<Value> {
        let depth = depth.checked_sub(1).ok_or(ReplyError::TooDeep)?;
        let Some(&kind) = self.buffer.get(self.at) else { return Ok(None) };
        if !b"+-:$*_%~>,#(=!|".contains(&kind) {
            return Err(ReplyError::UnknownType(kind));
        }
        let line = found!(self.line());
        Ok(Some(match kind {
            b'+' => Value::Status(line.to_vec()),
            b'-' => Value::Error(line.to_vec()),
            b':' => Value::Integer(stdx::parse_i64(line).ok_or(ReplyError::BadNumber)?),
            b'_' => Value::Null,
            b'(' => Value::BigNumber(line.to_vec()),
            b'#' => match line {
                b"t" => Value::Boolean(true),
                b"f" => Value::Boolean(false),
                _ => return Err(ReplyError::BadNumber),
            },
            b',' if line.eq_ignore_ascii_case(b"nan") => Value::Double(f64::NAN),
            b',' => Value::Double(stdx::parse_f64(line).ok_or(ReplyError::BadNumber)?),
            b'$' if line == b"-1" => Value::NullBulk,
            b'$' => Value::Bulk(found!(self.bulk(line)).to_vec()),
            b'!' => Value::BulkError(found!(self.bulk(line)).to_vec()),
            b'=' => match found!(self.bulk(line)) {
                [a, b, c, b':', text @ ..] => Value::Verbatim { format: [*a, *b, *c], text: text.to_vec() },
                _ => return Err(ReplyError::BadVerbatim),
            },
            b'*' if line == b"-1" => Value::NullArray,
            b'*' => Value::Array(found!(self.values(line, depth))),
            b'~' => Value::Set(found!(self.values(line, depth))),
            b'>' => Value::Push(found!(self.values(line, depth))),
            b'%' => Value::Map(found!(self.pairs(line, depth))),
            _ => Value::Attribute(found!(self.pairs(line, depth)), Box::new(found!(self.value(depth)))),
        }))
    }

    /// The line behind the byte of the type.
    fn line(&mut self) -> Found<&'a [u8]> {
        let rest = &self.buffer[self.at + 1..];
        match memchr::memmem::find(rest, b"\r\n") {
            Some(len) => {
                self.at += len + 3;
                Ok(Some(&rest[..len]))
            }
            None if rest.len() > MAX_LINE_LEN => Err(ReplyError::LineTooLong),
            None => Ok(None),
        }
    }

    fn bulk(&mut self, line: &[u8]) -> Found<&'a [u8]> {
        let len = length(line)?;
        let rest = &self.buffer[self.at..];
        if rest.len() < len + 2 {
            return Ok(None);
        }
        if &rest[len..len + 2] != b"\r\n" {
            return Err(ReplyError::MissingLineEnd);
        }
        self.at += len + 2;
        Ok(Some(&rest[..len]))
    }

    /// Grows with what has arrived, not with the length that is announced.
    fn values(&mut self, line: &[u8], depth: usize) -> Found<Vec<Value>> {
        let mut values = Vec::new();
        for _ in 0..length(line)? {
            values.push(found!(self.value(depth)));
        }
        Ok(Some(values))
    }

    fn pairs(&mut self, line: &[u8], depth: usize) -> Found<Vec<(Value, Value)>> {
        let mut pairs = Vec::new();
        for _ in 0..length(line)? {
            pairs.push((found!(self.value(depth)), found!(self.value(depth))));
        }
        Ok(Some(pairs))
    }
}

fn length(line: &[u8]) -> Result<usize, ReplyError> {
    let length = stdx::parse_i64(line).filter(|length| (0..=MAX_BULK_LEN).contains(length));
    length.map(|length| length as usize).ok_or(ReplyError::BadLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(wire: &str) -> Result<Option<(Value, usize)>, ReplyError> {
        Value::decode(wire.as_bytes())
    }

    fn complete(wire: &str) -> Value {
        let (value, len) = decode(wire).unwrap().unwrap();
        assert_eq!(len, wire.len());
        value
    }

    /// Examples of the RESP3 specification.
    #[test]
    fn replies_of_every_type() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        assert_eq!(complete("+OK\r\n"), Value::Status(b"OK".to_vec()));
        assert_eq!(complete("-ERR no\r\n"), Value::Error(b"ERR no".to_vec()));
        assert_eq!(complete(":-1000\r\n"), Value::Integer(-1000));
        assert_eq!(complete("$5\r\nhello\r\n"), bulk("hello"));
        assert_eq!(complete("$-1\r\n"), Value::NullBulk);
        assert_eq!(complete("*-1\r\n"), Value::NullArray);
        assert_eq!(complete("_\r\n"), Value::Null);
        assert_eq!(
            complete("*2\r\n:1\r\n*1\r\n+a\r\n"),
            Value::Array(vec![Value::Integer(1), Value::Array(vec![Value::Status(b"a".to_vec())])])
        );
        assert_eq!(complete("%1\r\n+a\r\n:1\r\n"), Value::Map(vec![(Value::Status(b"a".to_vec()), Value::Integer(1))]));
        assert_eq!(complete("~1\r\n:1\r\n"), Value::Set(vec![Value::Integer(1)]));
        assert_eq!(complete(">1\r\n:1\r\n"), Value::Push(vec![Value::Integer(1)]));
        assert_eq!(complete(",1.23\r\n"), Value::Double(1.23));
        assert_eq!(complete(",inf\r\n"), Value::Double(f64::INFINITY));
        assert_eq!(complete("#t\r\n"), Value::Boolean(true));
        assert_eq!(
            complete("(3492890328409238509324850943850943825024385\r\n"),
            Value::BigNumber(b"3492890328409238509324850943850943825024385".to_vec())
        );
        assert_eq!(
            complete("=15\r\ntxt:Some string\r\n"),
            Value::Verbatim { format: *b"txt", text: b"Some string".to_vec() }
        );
        assert_eq!(complete("!21\r\nSYNTAX invalid syntax\r\n"), Value::BulkError(b"SYNTAX invalid syntax".to_vec()));
        assert_eq!(
            complete("|1\r\n+a\r\n:1\r\n:2\r\n"),
            Value::Attribute(vec![(Value::Status(b"a".to_vec()), Value::Integer(1))], Box::new(Value::Integer(2)))
        );
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        assert_eq!(decode("hello\r\n"), Err(ReplyError::UnknownType(b'h')));
        assert_eq!(decode("$-2\r\n"), Err(ReplyError::BadLength));
        assert_eq!(decode(":1x\r\n"), Err(ReplyError::BadNumber));
        assert_eq!(decode("$1\r\nabc\r\n"), Err(ReplyError::MissingLineEnd));
        assert_eq!(decode("=2\r\nab\r\n"), Err(ReplyError::BadVerbatim));
        assert_eq!(decode(&"*1\r\n".repeat(100)), Err(ReplyError::TooDeep));
        assert_eq!(decode(&"+".repeat(70_000)), Err(ReplyError::LineTooLong));
        assert_eq!(decode("*1000000000\r\n:1\r\n"), Ok(None));
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = "[ -~]{0,8}".prop_map(String::into_bytes);
        let leaf = prop_oneof![
            text.clone().prop_map(Value::Status),
            text.prop_map(Value::Error),
            any::<i64>().prop_map(Value::Integer),
            any::<Vec<u8>>().prop_map(Value::Bulk),
            any::<Vec<u8>>().prop_map(Value::BulkError),
            any::<f64>().prop_filter("comparable", |number| !number.is_nan()).prop_map(Value::Double),
            any::<bool>().prop_map(Value::Boolean),
            (any::<[u8; 3]>(), any::<Vec<u8>>()).prop_map(|(format, text)| Value::Verbatim { format, text }),
            "[1-9][0-9]{0,40}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
            prop::sample::select(vec![Value::Null, Value::NullArray, Value::NullBulk]),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..4);
            let elements = prop::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                elements.clone().prop_map(Value::Array),
                elements.clone().prop_map(Value::Set),
                elements.prop_map(Value::Push),
                pairs.clone().prop_map(Value::Map),
                (pairs, inner).prop_map(|(pairs, value)| Value::Attribute(pairs, Box::new(value))),
            ]
        })
    }

    proptest! {
        #[test]
        fn encoded_replies_come_back(value in values(), junk: Vec<u8>) {
            let mut wire = Vec::new();
            value.encode(&mut wire);
            let len = wire.len();
            for cut in 0..len {
                prop_assert_eq!(Value::decode(&wire[..cut]), Ok(None));
            }
            wire.extend(junk);
            prop_assert_eq!(Value::decode(&wire), Ok(Some((value, len))));
        }

        #[test]
        fn arbitrary_bytes_never_panic(wire: Vec<u8>, dense in "[*$%~>|=!,:#_(0-9\r\n-]{0,60}") {
            let _ = Value::decode(&wire);
            let _ = Value::decode(dense.as_bytes());
        }
    }
}
