//! Splitting a line into words, with the quotes and escapes that inline requests and configuration files know.

use std::ops::Range;

/// A quote without its partner, or with something else than a space behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// Splits `line` at white space, up to its first zero byte. In double quotes `\n \r \t \b \a \\ \" \xff` are escapes, in
/// single quotes `\'` is. Each word is handed on as a range of `line`, where it stands unescaped: a word never gets
/// longer, so no other memory is needed.
pub fn split_words(line: &mut [u8], mut each: impl FnMut(Range<usize>)) -> Result<(), UnbalancedQuotes> {
    let end = line.iter().position(|byte| *byte == 0).unwrap_or(line.len());
    let line = &mut line[..end];
    let mut at = 0;
    loop {
        while at < end && is_space(line[at]) {
            at += 1;
        }
        if at == end {
            return Ok(());
        }
        let start = at;
        let mut written = at;
        while at < end && !matches!(line[at], b' ' | b'\n' | b'\r' | b'\t') {
            let quote = line[at];
            at += 1;
            match quote {
                b'"' | b'\'' => {
                    (at, written) = unquote(line, quote, at, written)?;
                    // Nothing may follow a closing quote: the word ends here.
                    break;
                }
                byte => {
                    line[written] = byte;
                    written += 1;
                }
            }
        }
        each(start..written);
    }
}

/// Unescapes from `at`, behind an opening quote, into `written`. Returns where it got to in reading, behind the closing
/// quote, and in writing.
fn unquote(line: &mut [u8], quote: u8, mut at: usize, mut written: usize) -> Result<(usize, usize), UnbalancedQuotes> {
    loop {
        let (byte, len) = match line[at..] {
            [] => return Err(UnbalancedQuotes),
            [byte, ref rest @ ..] if byte == quote => {
                return match rest.first() {
                    Some(next) if !is_space(*next) => Err(UnbalancedQuotes),
                    _ => Ok((at + 1, written)),
                };
            }
            [b'\\', b'\'', ..] if quote == b'\'' => (b'\'', 2),
            [b'\\', b'x', high, low, ..] if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(high) << 4 | hex_digit(low), 4)
            }
            [b'\\', escaped, ..] if quote == b'"' => (unescape(escaped), 2),
            [byte, ..] => (byte, 1),
        };
        line[written] = byte;
        written += 1;
        at += len;
    }
}

fn unescape(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_digit(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or(0) as u8
}

/// As C's isspace in the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// `word` in double quotes, so that `split_words` gives it back: printable ASCII as it is, the rest escaped.
pub fn quote_word(word: &[u8]) -> String {
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => quoted.extend(['\\', byte as char]),
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            0x07 => quoted.push_str("\\a"),
            0x08 => quoted.push_str("\\b"),
            b' '..=b'~' => quoted.push(byte as char),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut line = line.to_vec();
        let mut ranges = Vec::new();
        split_words(&mut line, |range| ranges.push(range)).ok()?;
        Some(ranges.into_iter().map(|range| line[range].to_vec()).collect())
    }

    /// Expected values: what Redis 7.0.15 makes of these lines as inline requests.
    #[test]
    fn words_of_a_line() {
        let cases: [(&[u8], &[&[u8]]); 12] = [
            (b"", &[]),
            (b" \t \r", &[]),
            (b"SET  key\tvalue\r", &[b"SET", b"key", b"value"]),
            (b"ECHO \"a\\x41\\n'\" ", &[b"ECHO", b"aA\n'"]),
            (b"ECHO 'a\\x41\\''", &[b"ECHO", b"a\\x41'"]),
            (b"ECHO a\"b c\"", &[b"ECHO", b"ab c"]),
            (b"ECHO \"\"", &[b"ECHO", b""]),
            (b"ECHO \"\\xzz\"", &[b"ECHO", b"xzz"]),
            (b"ECHO a\\x41", &[b"ECHO", b"a\\x41"]),
            (b"ECHO a\x0bb", &[b"ECHO", b"a\x0bb"]),
            (b"ECHO \x0b b", &[b"ECHO", b"b"]),
            (b"ECHO a\0b", &[b"ECHO", b"a"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), words, "{line:?}");
        }
    }

    #[test]
    fn quotes_must_be_closed_and_followed_by_space() {
        for line in ["\"a", "'a", "\"a\"b", "'a'b", "\"\\", "\"a\\\"", "a\"", "'\\'"] {
            assert_eq!(split(line.as_bytes()), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words: Vec<Vec<u8>>) {
            let line = words.iter().map(|word| quote_word(word)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(line.as_bytes()).unwrap(), words);
        }

        #[test]
        fn arbitrary_lines_never_panic(line: Vec<u8>, dense in "[\"'\\\\x4 a]{0,20}") {
            split(&line);
            split(dense.as_bytes());
        }
    }
}
