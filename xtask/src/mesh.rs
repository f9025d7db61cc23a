//! `mesh`: several nodes on this machine, linked as masters of each other, and a live view of them.

mod node;
mod view;

use crate::Outcome;
use crate::process::{cargo, root, run as run_command};
use node::Node;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

const PASSWORD: &str = "mypassword123";
const NODES_MAX: usize = 32;
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// How often the loop looks whether it was asked to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

pub fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let program = build(options.debug)?;
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
                    options.topology = words
                        .next()
                        .and_then(Topology::from_name)
                        .ok_or("--topology takes one of mesh, ring, chain, star")?;
                }
                "--release" => options.debug = false,
                "--debug" => options.debug = true,
                _ => return Err(format!("unknown option {word}; there are --nodes, --topology, --release, --debug")),
            }
        }
        Ok(options)
    }
}

/// Which nodes are masters of which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topology {
    /// Everyone of everyone.
    Mesh,
    /// Each of the next one.
    Ring,
    /// Neighbours of each other.
    Chain,
    /// The first one of all others, and they of it.
    Star,
}

impl Topology {
    const ALL: [Topology; 4] = [Topology::Mesh, Topology::Ring, Topology::Chain, Topology::Star];

    fn name(self) -> &'static str {
        match self {
            Topology::Mesh => "mesh",
            Topology::Ring => "ring",
            Topology::Chain => "chain",
            Topology::Star => "star",
        }
    }

    fn from_name(name: &str) -> Option<Topology> {
        Topology::ALL.into_iter().find(|topology| topology.name() == name)
    }

    /// The masters of node `index` of `count`.
    fn masters(self, index: usize, count: usize) -> Vec<usize> {
        (0..count)
            .filter(|&other| other != index)
            .filter(|&other| match self {
                Topology::Mesh => true,
                Topology::Ring => other == (index + count - 1) % count,
                Topology::Chain => other.abs_diff(index) == 1,
                Topology::Star => other == 0 || index == 0,
            })
            .collect()
    }
}

fn build(debug: bool) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let mut command = cargo(&["build", "--package", "server"]);
    if !debug {
        command.arg("--release");
    }
    run_command(&mut command)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join(if debug { "debug" } else { "release" }).join("fluidB-server"))
}

fn start(options: &Options, program: &Path, directory: &Path) -> Result<Vec<Node>, Box<dyn std::error::Error>> {
    let ports = free_ports(options.nodes)?;
    let mut nodes = Vec::new();
    for (index, &port) in ports.iter().enumerate() {
        let masters: Vec<u16> =
            options.topology.masters(index, options.nodes).into_iter().map(|master| ports[master]).collect();
        nodes.push(Node::start(program, &directory.join(format!("node-{}", index + 1)), port, &masters)?);
    }
    Ok(nodes)
}

/// Ports that nobody uses now; all are held until all are found, so they differ.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// The configuration of the user documentation, for one node.
fn config(directory: &Path, port: u16, masters: &[u16]) -> String {
    let mut text = format!(
        "bind 127.0.0.1\nport {port}\ndir {}\nlogfile {}\n\
         requirepass {PASSWORD}\nmasterauth {PASSWORD}\nmulti-master yes\nactive-replica yes\n",
        quoted(directory),
        quoted(&directory.join("log"))
    );
    for master in masters {
        let _ = writeln!(text, "replicaof 127.0.0.1 {master}");
    }
    text
}

/// A path as one word of a configuration line.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
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

    fn masters(topology: Topology, count: usize) -> Vec<Vec<usize>> {
        (0..count).map(|index| topology.masters(index, count)).collect()
    }

    #[test]
    fn topologies_of_four() {
        assert_eq!(masters(Topology::Mesh, 4), [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]);
        assert_eq!(masters(Topology::Ring, 4), [[3], [0], [1], [2]]);
        assert_eq!(masters(Topology::Chain, 4), [vec![1], vec![0, 2], vec![1, 3], vec![2]]);
        assert_eq!(masters(Topology::Star, 4), [vec![1, 2, 3], vec![0], vec![0], vec![0]]);
    }

    #[test]
    fn one_node_has_no_masters() {
        assert!(Topology::ALL.into_iter().all(|topology| topology.masters(0, 1).is_empty()));
    }

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
