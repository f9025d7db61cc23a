//! CONFIG REWRITE: the text of a configuration file, brought up to date.

use super::directive::{Directive, Kind};
use super::file::words_of;
use super::special::{join_words, quote_if_needed};
use super::{Config, DEFAULTS, directives, find_directive};
use std::collections::{HashMap, VecDeque};
use stdx::{bytes_of, text_of};

const HEADING: &str = "# Written by CONFIG REWRITE";

/// What `rewrite` appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// What differs from the defaults.
    Changes,
    Everything,
}

/// `text` with the present values: comments, order and lines that still hold stay as they are; a changed value takes the
/// place of the old one; what was not there is appended, as far as `appended` says. Reading the result gives the same
/// configuration.
pub fn rewrite(config: &Config, text: &[u8], appended: Appended) -> Vec<u8> {
    let text = text_of(text);
    let mut slots: HashMap<usize, Slot> = HashMap::new();
    for index in text.lines().filter_map(directive_of) {
        let wanted = || lines_of(config, &directives()[index]).into();
        slots.entry(index).or_insert_with(|| Slot { places: 0, wanted: wanted() }).places += 1;
    }
    let mut lines = Vec::new();
    for line in text.lines() {
        match directive_of(line).and_then(|index| slots.get_mut(&index)) {
            Some(slot) => lines.extend(slot.fill(line)),
            None => lines.push(line.to_string()),
        }
    }
    let is_default = |index, directive| config.value(index, directive) == DEFAULTS.value(index, directive);
    let rest = directives().iter().enumerate().flat_map(|(index, directive)| match slots.remove(&index) {
        Some(slot) => slot.wanted.into(),
        None if appended == Appended::Changes && is_default(index, directive) => Vec::new(),
        None => lines_of(config, directive),
    });
    let rest: Vec<String> = rest.collect();
    if !rest.is_empty() && !lines.iter().any(|line| line == HEADING) {
        lines.push(HEADING.to_string());
    }
    lines.extend(rest);
    bytes_of(&(lines.join("\n") + "\n")).into_owned()
}

/// One directive that the file sets.
struct Slot {
    /// Lines of the file that are still to be gone over.
    places: usize,
    /// What has to be written, in this order: that of a list may matter.
    wanted: VecDeque<String>,
}

impl Slot {
    /// What comes in the place of `line`: the line itself where it says what is wanted next.
    fn fill(&mut self, line: &str) -> Option<String> {
        self.places -= 1;
        let next = self.wanted.front()?;
        if same_value(next, line) {
            self.wanted.pop_front();
            return Some(line.to_string());
        }
        // Where there are places enough for the rest, lines that are no longer wanted go.
        if self.places >= self.wanted.len() {
            return None;
        }
        self.wanted.pop_front()
    }
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
    let words = words_of(&bytes_of(line)).ok()?;
    find_directive(words.first()?).map(|(index, _)| index)
}

/// Whether two lines set the same value, however they are written.
fn same_value(left: &str, right: &str) -> bool {
    let (Ok(left), Ok(right)) = (words_of(&bytes_of(left)), words_of(&bytes_of(right))) else { return false };
    if left == right {
        return true;
    }
    let canonical = |words: &[String]| {
        let (name, values) = words.split_first()?;
        let (index, directive) = find_directive(name)?;
        // Of several lines each is about what its first word says.
        let topic = matches!(directive.kind, Kind::Special(_)).then(|| values.first().cloned());
        let mut config = Config::default();
        config.assign(directive, values, true).ok()?;
        Some((index, topic, config.value(index, directive)))
    };
    canonical(&left).is_some_and(|left| Some(left) == canonical(&right))
}
