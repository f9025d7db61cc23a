//! `cargo xtask licenses`: what we depend on may be linked into what we ship.
//! cargo-deny checks more (advisories, duplicates) and runs as well where it is installed; this needs nothing but cargo.

use crate::Outcome;
use crate::process::{cargo, root, run as run_program, succeeds};
use std::collections::BTreeSet;

/// Kept equal to deny.toml, which a test checks.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub fn run(_: &[String]) -> Outcome {
    let format = "{p}\t{l}\t{r}";
    let mut tree = cargo(&[
        "tree",
        "--workspace",
        "--locked",
        "--edges",
        "normal,build,dev",
        "--target",
        "all",
        "--prefix",
        "none",
        "--format",
        format,
    ]);
    let output = tree.current_dir(root()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let listing = String::from_utf8(output.stdout)?;
    let packages: BTreeSet<&str> = listing.lines().filter(|line| !line.is_empty() && !line.ends_with("(*)")).collect();
    let refused: Vec<String> = packages.iter().filter_map(|line| refusal(line)).collect();
    if !refused.is_empty() {
        return Err(refused.join("\n").into());
    }
    println!("{} packages, all under allowed licences", packages.len());
    if succeeds(&mut cargo(&["deny", "--version"])) {
        run_program(&mut cargo(&["deny", "--workspace", "check"]))?;
    }
    Ok(())
}

/// Why a line "package\tlicence\trepository" is not acceptable.
fn refusal(line: &str) -> Option<String> {
    let mut columns = line.split('\t');
    let (package, license) = (columns.next()?, columns.next().unwrap_or_default());
    if license.is_empty() {
        return Some(format!("{package}: no licence"));
    }
    (!is_allowed(license)).then(|| format!("{package}: {license}"))
}

/// An SPDX expression of AND, OR and parentheses; "/" is the old spelling of OR.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    any_of(expression.trim())
}

fn any_of(expression: &str) -> bool {
    split_outside(expression, " OR ").iter().any(|part| all_of(part))
}

fn all_of(expression: &str) -> bool {
    split_outside(expression, " AND ").iter().all(|part| {
        let part = part.trim();
        match part.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
            Some(inner) => any_of(inner),
            None => ALLOWED.contains(&part),
        }
    })
}

/// Splits where no parenthesis is open.
fn split_outside<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && index >= start && text[index..].starts_with(separator) => {
                parts.push(&text[start..index]);
                start = index + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for allowed in
            ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "Unlicense OR MIT"]
        {
            assert!(is_allowed(allowed), "{allowed}");
        }
        for refused in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND AGPL-3.0", ""] {
            assert!(!is_allowed(refused), "{refused}");
        }
    }

    #[test]
    fn the_same_list_as_cargo_deny() {
        let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
        let list = deny.split("allow = [").nth(1).unwrap().split(']').next().unwrap();
        let listed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(listed, ALLOWED);
    }
}
