//! `cargo xtask test`: everything that must hold before a change goes in.

use crate::process::{self, cargo, find, succeeds};
use crate::{Outcome, client_libraries};
use std::process::Command;

/// Debian packages of the programs that tests compare us with.
const PACKAGES: &[(&str, &str)] = &[("redis-server", "redis-server"), ("redis-cli", "redis-tools")];

pub fn run(_: &[String]) -> Outcome {
    install_packages(PACKAGES, "the tests against a real Redis")?;
    client_libraries::install()?;
    // The server's tests start the server; nothing may be stale.
    process::run(&mut cargo(&["build", "--workspace", "--all-targets", "--locked"]))?;
    if succeeds(&mut cargo(&["nextest", "--version"])) {
        process::run(&mut cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]))?;
        process::run(&mut cargo(&["test", "--workspace", "--locked", "--doc"]))
    } else {
        process::run(&mut cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]))
    }
}

/// Installs what is missing of (program, Debian package) where that can be done without asking anybody. `what`: that is
/// skipped without it.
pub fn install_packages(packages: &[(&str, &'static str)], what: &str) -> Outcome {
    let missing: Vec<&str> =
        packages.iter().filter(|(program, _)| find(program).is_none()).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(mut apt_get) = apt_get() {
        // The list of packages may be old or empty; the install says what is wrong with it.
        let _ = process::run(apt_get.arg("update"));
        let mut install = self::apt_get().expect("found above");
        process::run(install.args(["install", "--yes", "--no-install-recommends"]).args(&missing))?;
        return Ok(());
    }
    let names = missing.join(" ");
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        return Err(format!("CI needs these packages, and apt-get cannot be used here: {names}").into());
    }
    eprintln!("*** SKIPPED: {what}. Install {names} (Debian: apt-get install {names}) to run them. ***");
    Ok(())
}

/// apt-get with the rights to install, where there is one.
fn apt_get() -> Option<Command> {
    let apt_get = find("apt-get")?;
    let mut command = if succeeds(Command::new("sh").args(["-c", "test $(id -u) -eq 0"])) {
        Command::new(apt_get)
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut sudo = Command::new("sudo");
        sudo.arg("-n").arg(apt_get);
        sudo
    } else {
        return None;
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Some(command)
}
