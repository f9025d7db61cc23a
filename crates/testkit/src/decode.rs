//! Reply bytes to `Reply`.

use crate::Reply;

/// Bytes that no server may send.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

/// The first reply in `bytes` and its length; `None` where it is not complete yet.
pub fn decode(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Malformed> {
    let mut cursor = Cursor { bytes, at: 0 };
    match cursor.reply() {
        Ok(reply) => Ok(Some((reply, cursor.at))),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Malformed(why)) => Err(Malformed(why)),
    }
}

enum Stop {
    Incomplete,
    Malformed(String),
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn reply(&mut self) -> Result<Reply, Stop> {
        let line = self.line()?;
        let (&kind, rest) = line.split_first().ok_or_else(|| Stop::Malformed("an empty line".into()))?;
        Ok(match kind {
            b'+' => Reply::Status(rest.to_vec()),
            b'-' => Reply::Error(rest.to_vec()),
            b':' => Reply::Integer(number(rest)?),
            b'$' => match number(rest)? {
                -1 => Reply::Null,
                len => Reply::Bulk(self.blob(len)?.to_vec()),
            },
            b'*' => match number(rest)? {
                -1 => Reply::NullArray,
                len => Reply::Array(self.elements(len)?),
            },
            b'_' => Reply::Null,
            b'%' => Reply::Map(self.pairs(number(rest)?)?),
            b'~' => Reply::Set(self.elements(number(rest)?)?),
            b'>' => Reply::Push(self.elements(number(rest)?)?),
            b',' => Reply::Double(rest.to_vec()),
            b'#' => Reply::Boolean(boolean(rest)?),
            b'(' => Reply::BigNumber(rest.to_vec()),
            b'=' => self.verbatim(number(rest)?)?,
            b'|' => Reply::Attributed(self.pairs(number(rest)?)?, Box::new(self.reply()?)),
            _ => return Err(Stop::Malformed(format!("unknown type in {:?}", String::from_utf8_lossy(line)))),
        })
    }

    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Stop::Incomplete)?;
        self.at += end + 2;
        Ok(&rest[..end])
    }

    fn blob(&mut self, len: i64) -> Result<&'a [u8], Stop> {
        let len = usize::try_from(len).map_err(|_| Stop::Malformed(format!("length {len}")))?;
        let rest = &self.bytes[self.at..];
        if rest.len() < len + 2 {
            return Err(Stop::Incomplete);
        }
        if &rest[len..len + 2] != b"\r\n" {
            return Err(Stop::Malformed("a string without its line end".into()));
        }
        self.at += len + 2;
        Ok(&rest[..len])
    }

    fn elements(&mut self, len: i64) -> Result<Vec<Reply>, Stop> {
        (0..len).map(|_| self.reply()).collect()
    }

    fn pairs(&mut self, len: i64) -> Result<Vec<(Reply, Reply)>, Stop> {
        (0..len).map(|_| Ok((self.reply()?, self.reply()?))).collect()
    }

    fn verbatim(&mut self, len: i64) -> Result<Reply, Stop> {
        match self.blob(len)? {
            [a, b, c, b':', text @ ..] => Ok(Reply::Verbatim(vec![*a, *b, *c], text.to_vec())),
            _ => Err(Stop::Malformed("a verbatim string without its format".into())),
        }
    }
}

fn number(text: &[u8]) -> Result<i64, Stop> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Stop::Malformed(format!("not a number: {:?}", String::from_utf8_lossy(text))))
}

fn boolean(text: &[u8]) -> Result<bool, Stop> {
    match text {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(Stop::Malformed(format!("not a boolean: {:?}", String::from_utf8_lossy(text)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type() {
        let wire = b"*9\r\n+OK\r\n-ERR no\r\n:-3\r\n$2\r\n\r\n\r\n$-1\r\n%1\r\n+a\r\n,1.5\r\n~1\r\n#t\r\n=6\r\ntxt:ab\r\n(123\r\n";
        let (reply, len) = decode(wire).unwrap().unwrap();
        assert_eq!(len, wire.len());
        assert_eq!(
            reply.to_string(),
            r#"[OK, -"ERR no", -3, "\r\n", null, {a: double(1.5)}, set[true], txt:"ab", big(123)]"#
        );
    }

    #[test]
    fn incomplete_at_every_length() {
        let wire = b"*2\r\n$3\r\nabc\r\n%1\r\n:1\r\n_\r\n";
        for len in 0..wire.len() {
            assert_eq!(decode(&wire[..len]), Ok(None), "{len}");
        }
        assert!(decode(wire).unwrap().is_some());
    }

    #[test]
    fn malformed() {
        assert!(decode(b"?1\r\n").is_err());
        assert!(decode(b"$1\r\nabc").is_err());
        assert!(decode(b":x\r\n").is_err());
    }
}
