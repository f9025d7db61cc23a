//! CONFIG REWRITE: the text of a configuration file, brought up to date.

use super::directive::{Directive, Kind};
use super::file::words_of;
use super::special::{join_words, quote_if_needed};
use super::{Config, directives, find_directive};
use std::collections::HashSet;

const APPENDED: &str = "# Written by CONFIG REWRITE";

/// `text` with the present values: comments, order and lines that still hold stay as they are; a changed value takes the
/// place of the old one; what differs from the defaults and was not there is appended. Reading the result gives the same
/// configuration.
pub fn rewrite(config: &Config, text: &str) -> String {
    let defaults = Config::default();
    let mut wanted: Vec<Vec<String>> = directives().iter().map(|directive| lines_of(config, directive)).collect();
    let mut written = HashSet::new();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some(index) = directive_of(line) else {
            lines.push(line.to_string());
            continue;
        };
        written.insert(index);
        // The line itself where it is still wanted, or else the first that has no place yet, or none.
        match wanted[index].iter().position(|wanted| same_value(wanted, line)) {
            Some(position) => {
                wanted[index].remove(position);
                lines.push(line.to_string());
            }
            None if wanted[index].is_empty() => {}
            None => lines.push(wanted[index].remove(0)),
        }
    }
    let mut appended = Vec::new();
    for (index, directive) in directives().iter().enumerate() {
        let differs = config.value(index, directive) != defaults.value(index, directive);
        if differs || written.contains(&index) {
            appended.append(&mut wanted[index]);
        }
    }
    if !appended.is_empty() {
        if !lines.iter().any(|line| line == APPENDED) {
            lines.push(APPENDED.to_string());
        }
        lines.append(&mut appended);
    }
    lines.join("\n") + "\n"
}

/// The complete lines that set the value of a directive.
fn lines_of(config: &Config, directive: &Directive) -> Vec<String> {
    let name = directive.name;
    match directive.kind {
        Kind::Special(special) => {
            let lines = (special.lines)(config);
            match lines.concat().concat().is_empty() {
                true => vec![format!("{name} \"\"")],
                false => lines.iter().map(|words| format!("{name} {}", join_words(words))).collect(),
            }
        }
        Kind::Choices { .. } => vec![format!("{name} {}", config.get(name).unwrap_or_default())],
        _ => vec![format!("{name} {}", quote_if_needed(&config.get(name).unwrap_or_default()))],
    }
}

/// Which directive a line sets, if it sets one.
fn directive_of(line: &str) -> Option<usize> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let words = words_of(line.as_bytes()).ok()?;
    find_directive(words.first()?).map(|(index, _)| index)
}

/// Whether two lines set the same value, however they are written.
fn same_value(left: &str, right: &str) -> bool {
    let canonical = |line: &str| {
        let words = words_of(line.as_bytes()).ok()?;
        let (name, values) = words.split_first()?;
        let (index, directive) = find_directive(name)?;
        let mut config = Config::default();
        config.assign(directive, values, true).ok()?;
        Some((index, config.value(index, directive)))
    };
    canonical(left).is_some_and(|left| Some(left) == canonical(right))
}
