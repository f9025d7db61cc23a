//! `mesh`: several nodes on this machine, linked as masters of each other, and a live view of them.

mod node;
mod view;

use crate::Outcome;
use crate::process::{build_server, interruption};
use node::Node;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{fs, io, thread};
use testkit::{PASSWORD, Topology};

const NODES_MAX: usize = 32;
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// How often the loop looks whether it was asked to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

pub fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let stop = interruption()?;
    let program = build_server(options.debug)?;
    let directory = Directory::create()?;
    // Dropped in reverse order: the nodes stop before their folder goes.
    let mut nodes = start(&options, &program, &directory.path)?;
    println!("{} nodes, {}, in {}\n", nodes.len(), options.topology.name(), directory.path.display());
    for node in &nodes {
        println!("  redis-cli -p {} -a {PASSWORD} --no-auth-warning", node.port);
    }
    println!("\nCtrl-C stops them.\n");
    let mut view = view::View::new();
    let mut next_refresh = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next_refresh {
            next_refresh = Instant::now() + REFRESH_INTERVAL;
            view.refresh(&mut nodes)?;
        }
        thread::sleep(POLL_INTERVAL);
    }
    println!("\nstopping");
    node::stop(nodes);
    Ok(())
}

struct Options {
    nodes: usize,
    topology: Topology,
    debug: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options { nodes: 3, topology: Topology::Mesh, debug: false };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--nodes" => {
                    let count = words.next().and_then(|count| count.parse().ok());
                    options.nodes = count
                        .filter(|count| (1..=NODES_MAX).contains(count))
                        .ok_or_else(|| format!("--nodes takes a number from 1 to {NODES_MAX}"))?;
                }
                "--topology" => {
                    options.topology = words.next().and_then(Topology::from_name).ok_or_else(unknown_topology)?;
                }
                "--release" => options.debug = false,
                "--debug" => options.debug = true,
                _ => return Err(format!("unknown option {word}; there are --nodes, --topology, --release, --debug")),
            }
        }
        Ok(options)
    }
}

/// What the topologies are called.
pub fn unknown_topology() -> String {
    format!("--topology takes one of {}", Topology::ALL.map(Topology::name).join(", "))
}

fn start(options: &Options, program: &Path, directory: &Path) -> Result<Vec<Node>, Box<dyn std::error::Error>> {
    let ports = testkit::free_ports(options.nodes)?;
    let mut nodes = Vec::new();
    for (index, &port) in ports.iter().enumerate() {
        let masters: Vec<u16> =
            options.topology.masters(index, options.nodes).into_iter().map(|master| ports[master]).collect();
        nodes.push(Node::start(program, &directory.join(format!("node-{}", index + 1)), port, &masters)?);
    }
    Ok(nodes)
}

/// A temporary folder, removed when dropped.
struct Directory {
    path: PathBuf,
}

impl Directory {
    fn create() -> io::Result<Directory> {
        let path = std::env::temp_dir().join(format!("fluidB-mesh-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Directory { path })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let parse = |line: &str| Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let options = parse("--nodes 5 --topology ring").unwrap();
        assert_eq!((options.nodes, options.topology, options.debug), (5, Topology::Ring, false));
        for wrong in ["--nodes", "--nodes 0", "--nodes x", "--topology", "--topology tree", "--verbose"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
