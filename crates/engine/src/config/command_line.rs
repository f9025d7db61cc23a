//! `fluidB-server [CONFIG|-] [--directive value ...]`

use super::file::words_of;
use super::special::join_words;
use std::fmt;

/// What the arguments of the process ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    ShowVersion,
    ShowHelp,
    Run {
        /// `-`: standard input.
        file: Option<String>,
        /// The words of each directive, its name first, without the dashes.
        directives: Vec<Vec<String>>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLineError {
    /// An argument that is neither the file nor behind a directive.
    Stray(String),
}

impl fmt::Display for CommandLineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandLineError::Stray(argument) => {
                write!(formatter, "'{argument}' is neither a directive (--name value) nor the only configuration file")
            }
        }
    }
}

impl std::error::Error for CommandLineError {}

impl CommandLine {
    /// `arguments` without the name of the program. A directive takes every argument up to the next one that begins with
    /// two dashes.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<CommandLine, CommandLineError> {
        let mut file = None;
        let mut directives: Vec<Vec<String>> = Vec::new();
        for argument in arguments {
            match (argument.strip_prefix("--"), directives.last_mut()) {
                (Some("version"), _) => return Ok(CommandLine::ShowVersion),
                (Some("help"), _) => return Ok(CommandLine::ShowHelp),
                (Some(directive), _) if !directive.is_empty() => directives.push(words_of_argument(directive)),
                (_, Some(words)) => words.push(argument),
                (_, None) => match argument.as_str() {
                    "-v" => return Ok(CommandLine::ShowVersion),
                    "-h" => return Ok(CommandLine::ShowHelp),
                    _ if file.is_none() => file = Some(argument),
                    _ => return Err(CommandLineError::Stray(argument)),
                },
            }
        }
        Ok(CommandLine::Run { file, directives })
    }
}

/// A directive may come with its values in one argument (`"--port 7000"`).
fn words_of_argument(directive: &str) -> Vec<String> {
    words_of(directive.as_bytes()).unwrap_or_else(|_| vec![directive.to_string()])
}

/// How a message shows a directive of the command line.
pub(super) fn show(words: &[String]) -> String {
    format!("--{}", join_words(words))
}
