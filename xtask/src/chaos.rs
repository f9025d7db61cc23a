//! `cargo xtask chaos`: real nodes in random topologies, with clients of all kinds, while they and their links are damaged. In the
//! end all are equal and nothing is lost (`testkit::chaos`).

use crate::Outcome;
use crate::mesh::unknown_topology;
use crate::process::{build_server, interruption};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testkit::Topology;
use testkit::chaos::{self, Plan, Settings};

const RUNS: u64 = 10;
const SECONDS: u64 = 15;
const KEYS: usize = 200;

const HELP: &str =
    "cargo xtask chaos [OPTION ...]: real nodes, clients and damage; in the end all are equal and nothing is lost

  --runs N             runs, one line each; the seed counts up (10)
  --seed N             seed of the first run (of the clock)
  --seconds N          how long clients write and events happen in each run (15)
  --only FAMILY,...    only some families of commands: FAMILIES
  --keys N             keys of each type (200)
  --nodes N            nodes (drawn: 3 to 5)
  --topology NAME      TOPOLOGIES (drawn)
  --kill yes|no        whether nodes are killed and come back with nothing (drawn)
  --slow-links yes|no  whether links go through proxies that delay, cut and stall (drawn)
  --log-size BYTES     mesh-log-size (drawn: 64 KB, 1 MB, 64 MB)
  --server PATH        a server that is built already
  --release            build it without assertions

What is drawn hangs on the seed. A run that fails names a folder with a report and the logs of all nodes.";

struct Options {
    settings: Settings,
    runs: u64,
    server: Option<PathBuf>,
    release: bool,
}

pub fn run(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|word| word == "--help") {
        let topologies = Topology::ALL.map(Topology::name).join(", ");
        println!("{}", HELP.replace("FAMILIES", &chaos::families().join(", ")).replace("TOPOLOGIES", &topologies));
        return Ok(());
    }
    let mut options = Options::parse(arguments)?;
    let stop = interruption()?;
    options.settings.program = match options.server {
        Some(path) => path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?,
        None => build_server(!options.release)?,
    };
    let mut failed = Vec::new();
    for number in 0..options.runs {
        let seed = options.settings.seed + number;
        let is_good = show(Settings { seed, ..options.settings.clone() }, &stop)?;
        if stop.load(Ordering::Relaxed) {
            return Err("nothing more was run".into());
        }
        if !is_good {
            failed.push(seed.to_string());
        }
    }
    let runs = options.runs;
    match failed.len() {
        0 => Ok(()),
        count => Err(format!("{count} of {runs} runs failed, those of the seeds {}", failed.join(", ")).into()),
    }
}

/// One run, one line. True where nothing is wrong.
fn show(settings: Settings, stop: &AtomicBool) -> Result<bool, io::Error> {
    let plan = Plan::draw(settings);
    // At once, so that whoever waits knows for what.
    print!("{plan}: ");
    io::stdout().flush()?;
    let verdict = chaos::run(plan, stop)?;
    if stop.load(Ordering::Relaxed) {
        println!("interrupted");
        return Ok(true);
    }
    println!("{verdict}");
    Ok(verdict.complaints.is_empty())
}

fn defaults(seed: u64) -> Settings {
    Settings {
        program: PathBuf::new(),
        seed,
        duration: Duration::from_secs(SECONDS),
        nodes: None,
        topology: None,
        kill: None,
        slow_links: None,
        log_size_bytes: None,
        only: Vec::new(),
        keys: KEYS,
    }
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, String> {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut options = Options { settings: defaults(seed), runs: RUNS, server: None, release: false };
        let settings = &mut options.settings;
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} takes a value"));
            match word {
                "--runs" => options.runs = number(word, value()?, 1, u64::MAX)?,
                "--seed" => settings.seed = number(word, value()?, 0, u64::MAX / 2)?,
                "--seconds" => settings.duration = Duration::from_secs(number(word, value()?, 1, 86_400)?),
                "--keys" => settings.keys = number(word, value()?, 1, 100_000)? as usize,
                "--nodes" => settings.nodes = Some(number(word, value()?, 2, 32)? as usize),
                "--log-size" => settings.log_size_bytes = Some(number(word, value()?, 1 << 10, 1 << 40)?),
                "--topology" => {
                    settings.topology = Some(Topology::from_name(value()?).ok_or_else(unknown_topology)?);
                }
                "--kill" => settings.kill = Some(yes_or_no(word, value()?)?),
                "--slow-links" => settings.slow_links = Some(yes_or_no(word, value()?)?),
                "--only" => settings.only = families(value()?)?,
                "--server" => options.server = Some(value()?.into()),
                "--release" => options.release = true,
                _ => return Err(format!("unknown option {word}; --help lists them")),
            }
        }
        Ok(options)
    }
}

fn number(option: &str, value: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{option} takes a number from {least} to {most}"))
}

fn yes_or_no(option: &str, value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("{option} takes yes or no")),
    }
}

fn families(value: &str) -> Result<Vec<String>, String> {
    let known = chaos::families();
    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("no family {unknown}; there are {}", known.join(", "))),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        let options =
            parse("--seed 5 --runs 2 --only hash,key --kill no --log-size 65536 --topology double-ring").unwrap();
        let settings = &options.settings;
        assert_eq!((settings.seed, options.runs, settings.kill, settings.slow_links), (5, 2, Some(false), None));
        assert_eq!((settings.log_size_bytes, settings.topology), (Some(65536), Some(Topology::DoubleRing)));
        assert_eq!(settings.only, ["hash", "key"]);
    }

    #[test]
    fn options_are_checked() {
        for wrong in ["--seed", "--runs 0", "--kill maybe", "--only trees", "--topology tree", "--nodes 1", "--verbose"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
