//! The client libraries that `crates/server/tests/client_libraries.rs` runs: Python's and Node's, each in a folder of its own
//! below `target`.

use crate::Outcome;
use crate::process::{self, find, root, succeeds};
use crate::test::install_packages;
use std::fs;
use std::path::Path;
use std::process::Command;

const PYTHON: &[&str] = &["redis==8.1.0"];
const NODE: &[&str] = &["ioredis@6.0.0", "redis@6.3.1"];
const SCRIPTS: &[&str] = &["ioredis.mjs", "node_redis.mjs"];

pub fn install() -> Outcome {
    let what = "the tests with client libraries";
    install_packages(&[("python3", "python3"), ("node", "nodejs"), ("npm", "npm")], what)?;
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        install_packages(&[("python3 -m venv", "python3-venv")], what)?;
    }
    let folder = root().join("target/client-libraries");
    if find("python3").is_some() {
        once(&folder.join("python"), PYTHON, |folder| {
            process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            let pip = folder.join("bin/pip");
            process::run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(PYTHON))
        })?;
    }
    if find("npm").is_some() {
        let folder = folder.join("node");
        once(&folder, NODE, |folder| {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--prefix"]);
            process::run(npm.arg(folder).args(NODE))
        })?;
        // A module finds its libraries beside itself.
        for script in SCRIPTS {
            fs::copy(root().join("tests/clients").join(script), folder.join(script))?;
        }
    }
    Ok(())
}

/// Fills `folder` by `install` unless it holds these versions already.
fn once(folder: &Path, versions: &[&str], install: impl FnOnce(&Path) -> Outcome) -> Outcome {
    let (stamp, versions) = (folder.join("installed"), versions.join("\n"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == versions) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    install(folder)?;
    Ok(fs::write(stamp, versions)?)
}
