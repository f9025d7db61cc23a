//! `cargo xtask falsify [RULE ...]`: breaks the conflict rules one by one, on purpose, and asks whether the tests notice.
//!
//! Each file of `crates/sim/broken/` breaks one rule: a title, perhaps a line `histories: TEST` that says which test of the
//! simulator is to notice, and a patch. It is applied to a copy of the last commit, in which then the convergence test of
//! the keyspace and the simulator run. docs/broken-rules.md keeps what came out.
//!
//! `cargo xtask falsify check` only asks whether each of them still compiles, and so does `cargo xtask soak` before all else:
//! the everyday tests only know that the patches apply.

use crate::Outcome;
use crate::process::{self, cargo, root};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HISTORIES: u64 = 400;
/// Of each of the two tests of the keyspace.
const CASES: u64 = 20_000;

/// A rule, broken.
struct Rule {
    name: String,
    title: String,
    histories: String,
    patch: PathBuf,
}

impl Rule {
    fn read(patch: PathBuf) -> Result<Rule, Box<dyn Error>> {
        let text = fs::read_to_string(&patch)?;
        let title = text.lines().next().unwrap_or_default().to_owned();
        let histories = text.lines().find_map(|line| line.strip_prefix("histories: "));
        let histories = histories.unwrap_or("partitions_delays_and_jumping_clocks").to_owned();
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Rule { name, title, histories, patch })
    }

    fn all() -> Result<Vec<Rule>, Box<dyn Error>> {
        let folder = fs::read_dir(root().join("crates/sim/broken"))?;
        let mut paths = folder.map(|file| Ok(file?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
        paths.sort();
        paths.into_iter().map(Rule::read).collect()
    }
}

pub fn run(wanted: &[String]) -> Outcome {
    if wanted == ["check"] {
        return check();
    }
    let rules = Rule::all()?;
    if let Some(unknown) = wanted.iter().find(|name| rules.iter().all(|rule| rule.name != **name)) {
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        return Err(format!("no rule {unknown}; there are {}", names.join(", ")).into());
    }
    let copy = Copy::new();
    println!("| broken rule | effects alone | with imports | histories of {HISTORIES} that diverge |");
    println!("|---|---|---|---|");
    for rule in rules.iter().filter(|rule| wanted.is_empty() || wanted.contains(&rule.name)) {
        copy.break_rule(rule)?;
        let alone = copy.successes("all_nodes_end_where_the_contract_says")?;
        let with_imports = copy.successes("whole_data_sets_may_be_merged_at_any_moment")?;
        let diverged = copy.divergences(&rule.histories)?;
        println!("| {} | {alone} | {with_imports} | {diverged} |", rule.title);
    }
    Ok(())
}

/// Does what is broken by each patch still compile, with the tests that are to notice?
pub fn check() -> Outcome {
    let copy = Copy::new();
    let mut stale = Vec::new();
    for rule in Rule::all()? {
        copy.break_rule(&rule)?;
        let command = &mut copy.cargo(&["check", "--quiet", "--tests", "--package", "keyspace", "--package", "sim"]);
        let output = command.output()?;
        if !output.status.success() {
            eprintln!("{}: {}", rule.name, String::from_utf8_lossy(&output.stderr));
            stale.push(rule.name);
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(format!("to be made anew: {}", stale.join(", ")).into()) }
}

/// A copy of the last commit.
struct Copy {
    folder: PathBuf,
}

impl Copy {
    fn new() -> Copy {
        Copy { folder: root().join("target/falsify") }
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// The copy is as the last commit, but for this rule.
    fn break_rule(&self, rule: &Rule) -> Outcome {
        let tree = self.tree();
        if !tree.exists() {
            process::run(Command::new("git").args(["worktree", "add", "--force", "--detach"]).arg(&tree))?;
        }
        let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root()).output()?.stdout;
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        process::run(git_in(&tree).args(["reset", "--quiet", "--hard", &head]))?;
        process::run(git_in(&tree).arg("apply").arg(&rule.patch))
    }

    /// How many good histories the keyspace's test has shown before a bad one.
    fn successes(&self, test: &str) -> Result<String, Box<dyn Error>> {
        let said = self.test("keyspace", "convergence", test)?;
        Ok(said.map_or_else(not_caught, |said| {
            let number = said.split("successes: ").nth(1).unwrap_or_default();
            number.chars().take_while(char::is_ascii_digit).collect()
        }))
    }

    fn divergences(&self, test: &str) -> Result<String, Box<dyn Error>> {
        let said = self.test("sim", "histories", test)?;
        Ok(said.map_or_else(not_caught, |said| {
            let before = said.split(&format!(" of {HISTORIES} histories diverge")).next().unwrap_or_default();
            before.split('\n').next_back().unwrap_or_default().to_owned()
        }))
    }

    /// Cargo in the copy.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(arguments);
        command.current_dir(self.tree()).stdin(Stdio::null());
        command.env("CARGO_TARGET_DIR", self.folder.join("build")).env("RUSTFLAGS", "-Awarnings");
        command
    }

    /// What a test says that fails; `None` where it passes.
    fn test(&self, package: &str, target: &str, test: &str) -> Result<Option<String>, Box<dyn Error>> {
        let mut command = self.cargo(&["test", "--quiet", "--package", package, "--test", target, "--", test]);
        command.env("PROPTEST_CASES", CASES.to_string()).env("PROPTEST_MAX_SHRINK_ITERS", "0");
        command.env("FLUIDB_SIM_HISTORIES", HISTORIES.to_string());
        let output = command.output()?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        if !said.contains("test result: ") {
            return Err(said.into());
        }
        Ok((!output.status.success()).then_some(said))
    }
}

fn not_caught() -> String {
    "not caught".to_owned()
}

fn git_in(tree: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree);
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_can_still_be_broken() {
        let rules = Rule::all().unwrap();
        assert!(rules.len() > 50);
        for Rule { name, title, patch, .. } in rules {
            assert!(!title.is_empty(), "{name} has no title");
            let applies = git_in(root()).args(["apply", "--check"]).arg(&patch).output().unwrap();
            let said = String::from_utf8_lossy(&applies.stderr);
            assert!(applies.status.success(), "{name} has to be made anew, as the code has changed: {said}");
        }
    }
}
