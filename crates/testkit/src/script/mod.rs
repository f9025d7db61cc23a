//! Golden scripts: readable transcripts of commands and the replies that Redis gives.
//! The notation is described in tests/scripts/README.md.

mod lexer;
mod parse;
mod pattern;
mod record;
mod run;

pub use parse::{ParseError, parse};
pub use pattern::{Bindings, Pattern};
pub use record::record;
pub use run::{Failure, Protocol, Report, commands_used, run, run_folder};

use crate::Product;
use std::path::Path;
use std::time::Duration;

/// What a server must be started with so that every script can run.
pub const SERVER_ARGUMENTS: &[&str] = &["--enable-debug-command", "yes"];

/// The scripts of the workspace.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scripts"))
}

/// One file.
pub struct Script {
    pub cases: Vec<Case>,
}

/// What runs on an empty data set and fresh connections.
pub struct Case {
    pub title: String,
    pub tags: Vec<Tag>,
    pub steps: Vec<Step>,
}

/// Where something applies; everywhere without tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Redis from this version on, and fluidB.
    Since(u32, u32),
    /// Redis below this version only.
    Before(u32, u32),
    Redis,
    FluidB,
    Only(Protocol),
}

impl Tag {
    fn admits(&self, product: Product, protocol: Protocol) -> bool {
        match (self, product) {
            (Tag::Since(major, minor), Product::Redis(a, b)) => (a, b) >= (*major, *minor),
            (Tag::Before(major, minor), Product::Redis(a, b)) => (a, b) < (*major, *minor),
            (Tag::Since(..), Product::FluidB) | (Tag::FluidB, Product::FluidB) | (Tag::Redis, Product::Redis(..)) => {
                true
            }
            (Tag::Only(only), _) => *only == protocol,
            _ => false,
        }
    }
}

pub struct Step {
    /// In the file, from 1.
    pub line: usize,
    pub tags: Vec<Tag>,
    pub action: Action,
}

pub enum Action {
    Command {
        connection: String,
        /// As written; bindings are filled in when it runs.
        words: String,
        raw: bool,
        /// Counts `{i}` from 1 to here.
        repeat: usize,
        /// None: to be recorded. An empty list: no reply at all.
        replies: Option<Vec<Pattern>>,
        /// The replies as written, for messages.
        expected: String,
    },
    Wait(Duration),
    /// The server must have closed this connection.
    Closed(String),
}
