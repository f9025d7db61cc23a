//! `cargo xtask docs`: the pages that are made from the code.

use crate::Outcome;
use std::fs;
use std::process::Command;

pub fn run(_: &[String]) -> Outcome {
    let made = Command::new("cargo").args(["run", "--quiet", "-p", "engine", "--example", "commands"]).output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    fs::write("docs/commands.md", made.stdout)?;
    Ok(())
}
