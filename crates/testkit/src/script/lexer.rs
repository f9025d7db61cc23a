//! Quoted strings, shared by commands and expected replies.

/// Parses a string in double quotes at the start of `text`, with an optional repeat count (`"ab"*100`).
/// Returns the bytes and the rest.
pub(super) fn quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut bytes = Vec::new();
    let mut rest = text.strip_prefix('"').ok_or("a string must begin with a quote")?;
    loop {
        let mut characters = rest.chars();
        match characters.next() {
            None => return Err(format!("unterminated string: {text}")),
            Some('"') => {
                rest = characters.as_str();
                break;
            }
            Some('\\') => rest = escape(characters.as_str(), &mut bytes)?,
            Some(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = characters.as_str();
            }
        }
    }
    let Some(count) = rest.strip_prefix('*') else { return Ok((bytes, rest)) };
    let digits = count.find(|c: char| !c.is_ascii_digit()).unwrap_or(count.len());
    let times: usize = count[..digits].parse().map_err(|_| format!("repeat count in {text}"))?;
    Ok((bytes.repeat(times), &count[digits..]))
}

/// What follows a backslash.
fn escape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, String> {
    let first = text.chars().next().ok_or("a backslash at the end")?;
    let byte = match first {
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'a' => 7,
        'b' => 8,
        '"' | '\\' => first as u8,
        'x' => {
            let digits = text.get(1..3).ok_or("two digits must follow \\x")?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| format!("not hexadecimal: {digits}"))?);
            return Ok(&text[3..]);
        }
        _ => return Err(format!("unknown escape \\{first}")),
    };
    bytes.push(byte);
    Ok(&text[1..])
}

/// The words of a command line: bare or quoted, separated by blanks.
pub(super) fn words(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let (word, after) = quoted(rest)?;
            if !after.is_empty() && !after.starts_with(' ') {
                return Err(format!("a blank must follow a string: {after}"));
            }
            words.push(word);
            rest = after.trim_start();
        } else {
            let end = rest.find(' ').unwrap_or(rest.len());
            words.push(rest.as_bytes()[..end].to_vec());
            rest = rest[end..].trim_start();
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_strings() {
        let line = r#"SET  key "a b\x00\"" "xy"*2 tail"#;
        let expected: [&[u8]; 5] = [b"SET", b"key", b"a b\0\"", b"xyxy", b"tail"];
        assert_eq!(words(line).unwrap(), expected);
        assert!(words("\"open").is_err());
        assert!(words("\"a\"b").is_err());
    }
}
