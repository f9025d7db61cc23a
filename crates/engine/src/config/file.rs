//! Reading configuration files: redis.conf's syntax, includes, and sentences about what is wrong.

use super::command_line::show;
use super::directive::{DirectiveFlags, Kind};
use super::{Config, DEFAULTS, directives, find_directive};
use crate::engine::FLUIDB_VERSION;
use std::collections::BTreeSet;
use std::fmt;
use stdx::split_words;

const MAX_INCLUDE_DEPTH: usize = 16;

/// Where the texts of configuration files come from.
pub trait ConfigSource {
    /// The files that `path` names, each with its own path, in the order in which they apply. `path` may hold `*`, `?`
    /// and `[]`, and may then name none; `-` is standard input. An error is a sentence.
    fn read(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>, String>;
}

impl<F: FnMut(&str) -> Result<Vec<(String, Vec<u8>)>, String>> ConfigSource for F {
    fn read(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        self(path)
    }
}

/// A configuration, and what its author should know.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// Sentences for the log: what has no effect, what was decided for the user.
    pub notices: Vec<String>,
}

/// A line that stops the start. Displays as Redis does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// None: the command line.
    pub file: Option<String>,
    /// Counted from 1; 0 where the file itself cannot be read.
    pub line: usize,
    pub text: String,
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "*** FATAL CONFIG FILE ERROR (fluidB {FLUIDB_VERSION}) ***")?;
        match (&self.file, self.line) {
            (Some(file), 0) => writeln!(formatter, "Reading the configuration file {file}")?,
            (Some(file), line) => writeln!(formatter, "Reading the configuration file {file}, at line {line}")?,
            (None, _) => writeln!(formatter, "Reading the command line")?,
        }
        if !self.text.is_empty() {
            writeln!(formatter, ">>> '{}'", self.text)?;
        }
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for ConfigError {}

/// Reads `file` with all that it includes, then the `directives` of the command line, over the defaults.
pub fn load(
    file: Option<&str>,
    directives: &[Vec<String>],
    source: &mut dyn ConfigSource,
) -> Result<Loaded, ConfigError> {
    let mut loader = Loader { config: Config::default(), source, given: BTreeSet::new(), open: Vec::new() };
    if let Some(file) = file {
        let unreadable = |reason| ConfigError { file: Some(file.to_string()), line: 0, text: String::new(), reason };
        for (path, text) in loader.source.read(file).map_err(unreadable)? {
            loader.read_file(&path, &text)?;
        }
    }
    for words in directives {
        loader.directive(words).map_err(|stop| match stop {
            Stop::Here(reason) => ConfigError { file: None, line: 0, text: hide_secret(show(words)), reason },
            Stop::Included(error) => error,
        })?;
    }
    let mut notices = loader.config.settle();
    notices.extend(loader.without_effect());
    Ok(Loaded { config: loader.config, notices })
}

struct Loader<'a> {
    config: Config,
    source: &'a mut dyn ConfigSource,
    /// Indices of the directives that were given.
    given: BTreeSet<usize>,
    /// The files that are being read, each included by the one before.
    open: Vec<String>,
}

/// Why a line cannot be taken.
enum Stop {
    Here(String),
    /// Something in a file that it includes.
    Included(ConfigError),
}

impl From<String> for Stop {
    fn from(reason: String) -> Stop {
        Stop::Here(reason)
    }
}

impl Loader<'_> {
    fn read_file(&mut self, path: &str, text: &[u8]) -> Result<(), ConfigError> {
        self.open.push(path.to_string());
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let error =
                |text: String, reason| ConfigError { file: Some(path.to_string()), line: index + 1, text, reason };
            let shown = String::from_utf8_lossy(line).into_owned();
            let words = words_of(line).map_err(|reason| error(hide_secret(shown.clone()), reason))?;
            match self.directive(&words) {
                Ok(()) => {}
                Err(Stop::Here(reason)) => return Err(error(hide_secret(shown), reason)),
                Err(Stop::Included(error)) => return Err(error),
            }
        }
        self.open.pop();
        Ok(())
    }

    fn directive(&mut self, words: &[String]) -> Result<(), Stop> {
        let Some((name, values)) = words.split_first() else { return Ok(()) };
        if name.eq_ignore_ascii_case("include") {
            return match values {
                [path] => self.include(path),
                _ => Err(Stop::Here("wrong number of arguments".into())),
            };
        }
        let Some((index, directive)) = find_directive(name) else { return Err(Stop::Here(unknown(name))) };
        // Nothing at all is how tools of Redis write that there are no save points.
        let no_points = [String::new()];
        let values = if values.is_empty() && directive.name == "save" { &no_points } else { values };
        // What chooses among words has a sentence of its own.
        if values.is_empty() && !matches!(directive.kind, Kind::Choices { .. }) {
            return Err(Stop::Here("wrong number of arguments".into()));
        }
        let first = self.given.insert(index);
        Ok(self.config.assign(directive, values, first)?)
    }

    fn include(&mut self, path: &str) -> Result<(), Stop> {
        if self.open.len() >= MAX_INCLUDE_DEPTH {
            return Err(Stop::Here("files include each other too deeply".into()));
        }
        for (path, text) in self.source.read(path)? {
            if self.open.contains(&path) {
                return Err(Stop::Here(format!("{path} includes itself")));
            }
            self.read_file(&path, &text).map_err(Stop::Included)?;
        }
        Ok(())
    }

    /// A sentence for each directive that asks for something, other than the default, and does not get it.
    fn without_effect(&self) -> Vec<String> {
        let given = self.given.iter().map(|index| (*index, &directives()[*index]));
        given
            .filter(|(index, directive)| {
                let value = self.config.value(*index, directive);
                !value.is_empty() && value != DEFAULTS.value(*index, directive)
            })
            .filter_map(|(_, directive)| {
                directive.without_effect.map(|why| format!("{} has no effect here: {why}", directive.name))
            })
            .collect()
    }
}

/// The words of one line, unquoted.
pub(super) fn words_of(line: &[u8]) -> Result<Vec<String>, String> {
    let mut line = line.to_vec();
    let mut ranges = Vec::new();
    split_words(&mut line, |range| ranges.push(range))
        .map_err(|_| "Unbalanced quotes in configuration line".to_string())?;
    let words = ranges.into_iter().map(|range| String::from_utf8(line[range].to_vec()));
    words.collect::<Result<_, _>>().map_err(|_| "The line is not valid UTF-8".to_string())
}

fn unknown(name: &str) -> String {
    let mut reason = "Bad directive or wrong number of arguments".to_string();
    if let Some(nearest) = super::directives::nearest(name) {
        reason.push_str(&format!(": there is no '{name}', the nearest name is '{nearest}'"));
    }
    reason
}

/// The line, without the value of a password, also where its name or its quotes are wrong.
fn hide_secret(line: String) -> String {
    let name = line.split_ascii_whitespace().next().unwrap_or_default().trim_matches(['"', '\'']);
    let meant = find_directive(name).or_else(|| find_directive(super::directives::nearest(name)?));
    match meant {
        Some((_, directive)) if directive.flags.contains(DirectiveFlags::SENSITIVE) => format!("{name} (hidden)"),
        _ => line,
    }
}
