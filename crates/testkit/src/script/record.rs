//! Writing scripts: commands without a reply get the one that a real server gives.

use super::parse::command;
use super::run::{Connections, Control, fill_in, wire_bytes};
use super::{Action, Bindings, Protocol, parse};
use crate::Target;
use std::io;

/// `text` with the missing replies filled in, as a RESP3 connection gets them. What comes out is to be read
/// before it is believed.
pub fn record(text: &str, target: &mut dyn Target) -> io::Result<String> {
    let script = parse(text).map_err(|error| io::Error::other(error.to_string()))?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for case in &script.cases {
        let protocol =
            if case.tags.contains(&super::Tag::Only(Protocol::Resp2)) { Protocol::Resp2 } else { Protocol::Resp3 };
        if !case.tags.iter().all(|tag| tag.admits(target.product(), protocol)) {
            continue;
        }
        let mut control = Control::prepare(case, target)?;
        let mut connections = Connections::new(protocol);
        let mut bindings = Bindings::new();
        for step in &case.steps {
            if !step.tags.iter().all(|tag| tag.admits(target.product(), protocol)) {
                continue;
            }
            match &step.action {
                Action::Wait(duration) => target.wait(*duration),
                Action::Closed(_) => {}
                Action::Command { connection, words, raw, repeat, replies, .. } => {
                    for count in 1..=*repeat {
                        let connection = &mut connections.get(connection, target)?.connection;
                        connection.send(&wire_bytes(&fill_in(words, count, &bindings), *raw)?)?;
                        match replies {
                            None => {
                                let reply = connection.receive()?;
                                if count == *repeat {
                                    lines[step.line - 1].push_str(&format!("\n{reply}"));
                                }
                            }
                            Some(patterns) => {
                                for pattern in patterns {
                                    pattern.matches(&connection.receive()?, protocol, &mut bindings);
                                }
                            }
                        }
                    }
                }
            }
        }
        control.restore()?;
    }
    debug_assert!(lines.iter().any(|line| command(line).is_some()));
    Ok(lines.join("\n") + "\n")
}
