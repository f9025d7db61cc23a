//! Runs scripts against a target.

use super::parse::{command, parse};
use super::{Action, Bindings, Case, Step, lexer};
use crate::{Connection, Reply, Target, request};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Resp2,
    Resp3,
}

/// What ran and what differed.
#[derive(Default)]
pub struct Report {
    pub cases: usize,
    pub commands: usize,
    pub failures: Vec<Failure>,
}

pub struct Failure {
    pub file: PathBuf,
    pub line: usize,
    pub protocol: Protocol,
    pub command: String,
    pub expected: String,
    pub got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { file, line, protocol, command, expected, got } = self;
        write!(
            f,
            "{}:{line} ({protocol:?})\n  > {command}\n  expected: {}\n  got:      {got}",
            file.display(),
            expected.trim()
        )
    }
}

impl Report {
    /// Panics with every difference.
    pub fn assert_passed(&self) {
        let shown: Vec<String> = self.failures.iter().map(Failure::to_string).collect();
        assert!(shown.is_empty(), "{}\n{} of {} commands differ", shown.join("\n"), shown.len(), self.commands);
    }
}

/// Runs every script below `folder` (`*.txt`), in order of their paths, in both protocols.
pub fn run_folder(folder: &Path, target: &mut dyn Target) -> io::Result<Report> {
    let mut report = Report::default();
    for file in scripts_below(folder)? {
        run(&file, target, &mut report)?;
    }
    Ok(report)
}

pub(super) fn scripts_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(scripts_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What the scripts below `folder` call: names in lower case, and with their subcommands ("get", "client", "client|id").
pub fn commands_used(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in scripts_below(folder)? {
        for line in fs::read_to_string(file)?.lines() {
            let Some((_, false, words)) = command(line) else { continue };
            let mut words = words.split_whitespace().map(str::to_lowercase);
            let name = words.next().unwrap_or_default();
            names.extend(words.next().map(|second| format!("{name}|{second}")));
            names.insert(name);
        }
    }
    Ok(names)
}

/// Runs one script in both protocols. An error: the script does not parse, or the target is gone.
pub fn run(file: &Path, target: &mut dyn Target, report: &mut Report) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    let script = parse(&text).map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        for case in &script.cases {
            if case.tags.iter().all(|tag| tag.admits(target.product(), protocol)) {
                report.cases += 1;
                Run { file, protocol, report }.case(case, target)?;
            }
        }
    }
    Ok(())
}

struct Run<'a> {
    file: &'a Path,
    protocol: Protocol,
    report: &'a mut Report,
}

impl Run<'_> {
    fn case(&mut self, case: &Case, target: &mut dyn Target) -> io::Result<()> {
        let mut control = Control::prepare(case, target)?;
        let mut connections = Connections::new(self.protocol);
        let mut bindings = Bindings::new();
        for step in &case.steps {
            if !step.tags.iter().all(|tag| tag.admits(target.product(), self.protocol)) {
                continue;
            }
            if let Err(error) = self.step(step, target, &mut connections, &mut bindings) {
                self.fail(step, "", "a reply", &error.to_string());
                break;
            }
        }
        control.restore()
    }

    fn step(
        &mut self,
        step: &Step,
        target: &mut dyn Target,
        connections: &mut Connections,
        bindings: &mut Bindings,
    ) -> io::Result<()> {
        match &step.action {
            Action::Wait(duration) => target.wait(*duration),
            Action::Closed(name) => {
                if !connections.get(name, target)?.connection.is_closed() {
                    self.fail(step, "", "closed by the server", "still open");
                }
            }
            Action::Command { connection, words, raw, repeat, replies, expected } => {
                let Some(patterns) = replies else {
                    return Err(io::Error::other("this command has no reply: record the script first"));
                };
                for count in 1..=*repeat {
                    let words = fill_in(words, count, bindings);
                    let open = connections.get(connection, target)?;
                    open.connection.send(&wire_bytes(&words, *raw)?)?;
                    self.report.commands += 1;
                    for pattern in patterns {
                        let reply = open.connection.receive()?;
                        open.follow(&words, &reply);
                        if !pattern.matches(&reply, open.protocol, bindings) {
                            self.fail(step, &words, expected, &reply.to_string());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn fail(&mut self, step: &Step, command: &str, expected: &str, got: &str) {
        self.report.failures.push(Failure {
            file: self.file.to_owned(),
            line: step.line,
            protocol: self.protocol,
            command: command.to_owned(),
            expected: expected.to_owned(),
            got: got.to_owned(),
        });
    }
}

/// `{i}` and the values of `$names`.
pub(super) fn fill_in(words: &str, count: usize, bindings: &Bindings) -> String {
    let filled = words.replace("{i}", &count.to_string());
    bindings.iter().fold(filled, |words, (name, value)| words.replace(&format!("{{{name}}}"), value))
}

pub(super) fn wire_bytes(words: &str, raw: bool) -> io::Result<Vec<u8>> {
    let words = lexer::words(words).map_err(io::Error::other)?;
    Ok(if raw { words.concat() } else { request(&words) })
}

/// The named connections of a case, opened at first use.
pub(super) struct Connections {
    open: BTreeMap<String, Open>,
    protocol: Protocol,
}

pub(super) struct Open {
    pub connection: Box<dyn Connection>,
    /// What it speaks now.
    pub protocol: Protocol,
}

impl Connections {
    /// All of them begin with this protocol.
    pub fn new(protocol: Protocol) -> Connections {
        Connections { open: BTreeMap::new(), protocol }
    }

    pub fn get(&mut self, name: &str, target: &mut dyn Target) -> io::Result<&mut Open> {
        if !self.open.contains_key(name) {
            let mut connection = target.connect()?;
            if self.protocol == Protocol::Resp3 {
                call(&mut *connection, &["HELLO", "3"])?;
            }
            self.open.insert(name.to_owned(), Open { connection, protocol: self.protocol });
        }
        Ok(self.open.get_mut(name).expect("inserted above"))
    }
}

impl Open {
    /// HELLO and RESET change the protocol, of their own reply already.
    fn follow(&mut self, words: &str, reply: &Reply) {
        let mut words = words.split(' ');
        match (words.next(), words.next()) {
            _ if reply.is_error() => {}
            (Some("HELLO"), Some("3")) => self.protocol = Protocol::Resp3,
            (Some("HELLO"), Some("2")) | (Some("RESET"), _) => self.protocol = Protocol::Resp2,
            _ => {}
        }
    }
}

/// Gives a case an empty data set, and the configuration that was there before it back afterwards.
pub(super) struct Control {
    connection: Box<dyn Connection>,
    before: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Control {
    pub fn prepare(case: &Case, target: &mut dyn Target) -> io::Result<Control> {
        let mut connection = target.connect()?;
        call(&mut *connection, &["FLUSHALL"])?;
        let mut before = Vec::new();
        for name in configured(case) {
            if let Reply::Array(pair) = call(&mut *connection, &["CONFIG", "GET", &name])?
                && let [name, value] = &pair[..]
                && let (Some(name), Some(value)) = (name.bytes(), value.bytes())
            {
                before.push((name.to_vec(), value.to_vec()));
            }
        }
        Ok(Control { connection, before })
    }

    pub fn restore(&mut self) -> io::Result<()> {
        for (name, value) in std::mem::take(&mut self.before) {
            call(&mut *self.connection, &[b"CONFIG".as_slice(), b"SET", &name, &value])?;
        }
        Ok(())
    }
}

/// Names of the directives that the case sets.
fn configured(case: &Case) -> Vec<String> {
    let mut names = Vec::new();
    for step in &case.steps {
        let Action::Command { words, .. } = &step.action else { continue };
        let mut words = words.split(' ');
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("CONFIG"))
            && words.next().is_some_and(|word| word.eq_ignore_ascii_case("SET"))
        {
            names.extend(words.step_by(2).map(str::to_lowercase).filter(|name| !name.is_empty()));
        }
    }
    names
}

fn call<A: AsRef<[u8]>>(connection: &mut dyn Connection, arguments: &[A]) -> io::Result<Reply> {
    connection.send(&request(arguments))?;
    connection.receive()
}
