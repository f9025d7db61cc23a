//! `fluidB-server [CONFIG|-] [--directive value ...]`

use super::file::words_of;
use stdx::{bytes_of, quote_word};

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

impl CommandLine {
    /// `arguments` without the name of the program, as `stdx::text_of` gives them. A directive takes every argument up to the next one that begins with
    /// two dashes; the first one in any case, but for `--save`, which tools of Redis write without a value.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> CommandLine {
        let mut file = None;
        let mut directives: Vec<Vec<String>> = Vec::new();
        let mut wants_value = false;
        for (index, argument) in arguments.into_iter().enumerate() {
            match (argument.strip_prefix("--"), argument.as_str()) {
                (Some("version"), _) | (_, "-v") if index == 0 => return CommandLine::ShowVersion,
                (Some("help"), _) | (_, "-h") if index == 0 => return CommandLine::ShowHelp,
                (Some(directive), _) if !wants_value => {
                    let words = words_of_argument(directive);
                    wants_value = words.len() == 1 && !words[0].eq_ignore_ascii_case("save");
                    directives.push(words);
                    continue;
                }
                (None, _) if index == 0 => file = Some(argument),
                _ => match directives.last_mut() {
                    Some(words) => words.push(argument),
                    // A directive whose dashes were forgotten.
                    None => directives.push(vec![argument]),
                },
            }
            wants_value = false;
        }
        CommandLine::Run { file, directives }
    }
}

/// A directive may come with its values in one argument (`"--port 7000"`).
fn words_of_argument(directive: &str) -> Vec<String> {
    words_of(&bytes_of(directive)).unwrap_or_else(|_| vec![directive.to_string()])
}

/// How a message shows a directive of the command line.
pub(super) fn show(words: &[String]) -> String {
    let Some((name, values)) = words.split_first() else { return String::new() };
    values.iter().fold(name.clone(), |text, value| text + " " + &quote_word(&bytes_of(value)))
}
