//! Text to `Script`.

use super::{Action, Case, Protocol, Script, Step, Tag, pattern};
use std::fmt;
use std::time::Duration;

#[derive(Debug)]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Parses a script. Commands without a reply are kept for `record`; `run` refuses them.
pub fn parse(text: &str) -> Result<Script, ParseError> {
    let mut parser = Parser { cases: Vec::new(), tags: Vec::new(), repeat: 1 };
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let mut expected = String::new();
        if command(line).is_some() {
            while let Some((_, reply)) = lines.next_if(|(_, line)| is_reply(line)) {
                expected.push_str(reply);
                expected.push('\n');
            }
        }
        parser.line(index + 1, line, expected).map_err(|message| ParseError { line: index + 1, message })?;
    }
    Ok(Script { cases: parser.cases })
}

struct Parser {
    cases: Vec<Case>,
    /// For the next command.
    tags: Vec<Tag>,
    repeat: usize,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str, expected: String) -> Result<(), String> {
        if let Some(title) = line.strip_prefix("## ") {
            let (title, tags) = case_tags(title)?;
            self.cases.push(Case { title, tags, steps: Vec::new() });
        } else if let Some(directive) = line.strip_prefix('@') {
            self.directive(number, directive)?;
        } else if let Some((connection, raw, words)) = command(line) {
            let replies = match expected.trim() {
                "" => None,
                "nothing" => Some(Vec::new()),
                text => Some(pattern::parse_all(text)?),
            };
            let repeat = std::mem::replace(&mut self.repeat, 1);
            let (connection, words) = (connection.to_owned(), words.to_owned());
            self.step(number, Action::Command { connection, words, raw, repeat, replies, expected })?;
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            return Err(format!("a reply without a command: {line}"));
        }
        Ok(())
    }

    fn directive(&mut self, number: usize, directive: &str) -> Result<(), String> {
        let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        let count = || rest.parse().map_err(|_| format!("a number must follow @{name}"));
        match name {
            "wait" => self.step(number, Action::Wait(Duration::from_millis(count()?))),
            "closed" => self.step(number, Action::Closed(rest.to_owned())),
            "repeat" => {
                self.repeat = count()? as usize;
                Ok(())
            }
            _ => {
                self.tags.push(tag(directive)?);
                Ok(())
            }
        }
    }

    fn step(&mut self, line: usize, action: Action) -> Result<(), String> {
        let tags = std::mem::take(&mut self.tags);
        self.cases.last_mut().ok_or("a case (## title) must come first")?.steps.push(Step { line, tags, action });
        Ok(())
    }
}

/// Connection, whether raw, and the words of a command line (`> …`, `name> …`, `name>> "bytes"`).
pub(super) fn command(line: &str) -> Option<(&str, bool, &str)> {
    let (prompt, words) = line.split_once(' ').unwrap_or((line, ""));
    let connection = prompt.strip_suffix('>')?;
    let (connection, raw) = connection.strip_suffix('>').map_or((connection, false), |name| (name, true));
    connection.chars().all(|c| c.is_ascii_alphanumeric()).then_some((connection, raw, words))
}

fn is_reply(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with(['#', '@']) && command(line).is_none()
}

/// `title [since 7.2: why] [resp2]`
fn case_tags(title: &str) -> Result<(String, Vec<Tag>), String> {
    let mut parts = title.split(" [");
    let name = parts.next().unwrap_or_default().to_owned();
    let tags = parts.map(|part| tag(part.strip_suffix(']').ok_or("']' expected")?)).collect::<Result<_, _>>()?;
    Ok((name, tags))
}

/// `since 7.2: why`; what depends on the product needs its reason.
fn tag(text: &str) -> Result<Tag, String> {
    let (what, reason) = text.split_once(':').unwrap_or((text, ""));
    let (name, version) = what.trim().split_once(' ').unwrap_or((what.trim(), ""));
    let version = || {
        let (major, minor) = version.split_once('.').ok_or(format!("a version must follow {name}"))?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("not a version: {text}"));
        Ok::<_, String>((number(major)?, number(minor)?))
    };
    let parsed = match name {
        "since" => version().map(|(major, minor)| Tag::Since(major, minor))?,
        "before" => version().map(|(major, minor)| Tag::Before(major, minor))?,
        "redis" => Tag::Redis,
        "fluidb" => Tag::FluidB,
        "resp2" => Tag::Only(Protocol::Resp2),
        "resp3" => Tag::Only(Protocol::Resp3),
        _ => return Err(format!("unknown directive: {text}")),
    };
    if !matches!(parsed, Tag::Only(_)) && reason.trim().is_empty() {
        return Err(format!("'{what}' needs its reason (… : why)"));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Product;

    #[test]
    fn a_script() {
        let script = parse(concat!(
            "# About strings.\n\n## plain [resp2]\n> SET k \"a b\"\nOK\nother>> \"PING\\r\\n\"\nPONG\n",
            "@since 7.2: new there\n@repeat 3\n> HGETALL h{i}\n[\n  1,\n]\n@wait 20\n@closed other\n> GET k\n"
        ))
        .map_err(|error| error.to_string())
        .unwrap();
        let case = &script.cases[0];
        assert_eq!((case.title.as_str(), &case.tags[..]), ("plain", &[Tag::Only(Protocol::Resp2)][..]));
        assert_eq!(case.steps.len(), 6);
        assert!(
            matches!(&case.steps[1].action, Action::Command { connection, raw: true, .. } if connection == "other")
        );
        assert!(matches!(&case.steps[2].action, Action::Command { repeat: 3, replies: Some(r), .. } if r.len() == 1));
        assert_eq!(case.steps[2].tags, [Tag::Since(7, 2)]);
        assert!(!case.steps[2].tags[0].admits(Product::Redis(7, 0), Protocol::Resp3));
        assert!(matches!(&case.steps[5].action, Action::Command { replies: None, .. }));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line) in [("> PING\nPONG", 1), ("## a\nOK", 2), ("## a\n\n@since 7.2", 3), ("## a\n> GET\n[1", 2)] {
            assert_eq!(parse(text).err().map(|error| error.line), Some(line), "{text}");
        }
    }
}
