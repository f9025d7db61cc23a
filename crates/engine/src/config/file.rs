//! Reading configuration files: redis.conf's syntax, includes, and sentences about what is wrong.

use super::command_line::show;
use super::directive::{DirectiveFlags, Kind};
use super::{Config, find_directive};
use crate::engine::FLUIDB_VERSION;
use std::collections::BTreeMap;
use std::fmt;
use stdx::{split_words, text_of};

const MAX_INCLUDE_DEPTH: usize = 16;
const WRONG_NUMBER: &str = "wrong number of arguments";

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
    /// Where each directive was given last.
    places: BTreeMap<usize, Place>,
}

impl Loaded {
    /// What to say where the process cannot do what the directive `name` asks for.
    pub fn refusal(&self, name: &str, reason: String) -> ConfigError {
        let place = find_directive(name).and_then(|(index, _)| self.places.get(&index)).cloned();
        ConfigError { place: place.unwrap_or_default(), reason }
    }
}

/// Where a directive stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// None: the command line.
    pub(super) file: Option<String>,
    /// Counted from 1; 0 for the file as a whole.
    pub(super) line: usize,
    /// The line, without secrets.
    pub(super) text: String,
}

/// A line that stops the start. Displays as Redis does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub(super) place: Place,
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "*** FATAL CONFIG FILE ERROR (fluidB {FLUIDB_VERSION}) ***")?;
        let Place { file, line, text } = &self.place;
        match (file, line) {
            (Some(file), 0) => writeln!(formatter, "Reading the configuration file {file}")?,
            (Some(file), line) => writeln!(formatter, "Reading the configuration file {file}, at line {line}")?,
            (None, _) => writeln!(formatter, "Reading the command line")?,
        }
        if !text.is_empty() {
            writeln!(formatter, ">>> '{text}'")?;
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
    let mut loader = Loader { config: Config::default(), source, places: BTreeMap::new(), open: Vec::new() };
    if let Some(file) = file {
        let unreadable =
            |reason| ConfigError { place: Place { file: Some(file.to_string()), ..Place::default() }, reason };
        for (path, text) in loader.source.read(file).map_err(unreadable)? {
            loader.read_file(&path, &text)?;
        }
    }
    for words in directives {
        loader.directive(Place { text: hide_secret(show(words)), ..Place::default() }, words)?;
    }
    let mut notices = loader.config.settle();
    let given = loader.places.keys().map(|index| (*index, &super::directives()[*index]));
    notices.extend(given.filter_map(|(index, directive)| loader.config.without_effect(index, directive)));
    Ok(Loaded { config: loader.config, notices, places: loader.places })
}

struct Loader<'a> {
    config: Config,
    source: &'a mut dyn ConfigSource,
    /// Of the directives that were given, by their indices: where last.
    places: BTreeMap<usize, Place>,
    /// The files that are being read, each included by the one before.
    open: Vec<String>,
}

impl Loader<'_> {
    fn read_file(&mut self, path: &str, text: &[u8]) -> Result<(), ConfigError> {
        self.open.push(path.to_string());
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let text = hide_secret(String::from_utf8_lossy(line).into_owned());
            let place = Place { file: Some(path.to_string()), line: index + 1, text };
            match words_of(line) {
                Ok(words) => self.directive(place, &words)?,
                Err(reason) => return Err(ConfigError { place, reason }),
            }
        }
        self.open.pop();
        Ok(())
    }

    fn directive(&mut self, place: Place, words: &[String]) -> Result<(), ConfigError> {
        let Some((name, values)) = words.split_first() else { return Ok(()) };
        if name.eq_ignore_ascii_case("include") {
            return match values {
                [path] => self.include(place, path),
                _ => Err(ConfigError { place, reason: WRONG_NUMBER.into() }),
            };
        }
        let Some((index, directive)) = find_directive(name) else {
            return Err(ConfigError { place, reason: unknown(name) });
        };
        // Nothing at all is how tools of Redis write that there are no save points.
        let no_points = [String::new()];
        let values = if values.is_empty() && directive.name == "save" { &no_points } else { values };
        // What chooses among words has a sentence of its own.
        if values.is_empty() && !matches!(directive.kind, Kind::Choices { .. }) {
            return Err(ConfigError { place, reason: WRONG_NUMBER.into() });
        }
        let first = !self.places.contains_key(&index);
        match self.config.assign(directive, values, first) {
            Ok(()) => {
                self.places.insert(index, place);
                Ok(())
            }
            Err(reason) => Err(ConfigError { place, reason }),
        }
    }

    fn include(&mut self, place: Place, path: &str) -> Result<(), ConfigError> {
        let error = |reason| ConfigError { place: place.clone(), reason };
        if self.open.len() >= MAX_INCLUDE_DEPTH {
            return Err(error("files include each other too deeply".into()));
        }
        for (path, text) in self.source.read(path).map_err(error)? {
            if self.open.contains(&path) {
                return Err(error(format!("{path} includes itself")));
            }
            self.read_file(&path, &text)?;
        }
        Ok(())
    }
}

/// The words of one line, unquoted. What is no UTF-8 in them has stand-ins (`stdx::text_of`), here and in all values.
pub(super) fn words_of(line: &[u8]) -> Result<Vec<String>, String> {
    let mut line = line.to_vec();
    let mut ranges = Vec::new();
    split_words(&mut line, |range| ranges.push(range))
        .map_err(|_| "Unbalanced quotes in configuration line".to_string())?;
    Ok(ranges.into_iter().map(|range| text_of(&line[range])).collect())
}

fn unknown(name: &str) -> String {
    let nearest = match super::directives::nearest(name) {
        Some(nearest) => format!("the nearest name is '{nearest}'"),
        None => "nor any name like it".to_string(),
    };
    format!("Bad directive or wrong number of arguments: there is no '{name}', {nearest}")
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
