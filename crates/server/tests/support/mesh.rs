//! Nodes with the configuration of the user documentation.

use super::{PATIENCE, program};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};
use testkit::dump::{Dump, dump};
use testkit::{Client, Node, free_ports};

static MESHES: AtomicUsize = AtomicUsize::new(0);

/// Some nodes in a folder of their own.
pub struct Mesh {
    pub nodes: Vec<Node>,
    folder: PathBuf,
}

impl Mesh {
    /// Starts `count` nodes; `masters` gives those of each, as numbers of nodes.
    pub fn start(count: usize, masters: impl Fn(usize) -> Vec<usize>) -> Mesh {
        Mesh::start_with("", count, masters)
    }

    /// The same with more lines of configuration.
    pub fn start_with(lines: &str, count: usize, masters: impl Fn(usize) -> Vec<usize>) -> Mesh {
        let ports = free_ports(count).unwrap();
        Mesh::start_at(lines, &ports, |node| masters(node).into_iter().map(|master| ports[master]).collect())
    }

    /// The same where the ports of the nodes and of their masters are given: a master may be behind a proxy.
    pub fn start_at(lines: &str, ports: &[u16], masters: impl Fn(usize) -> Vec<u16>) -> Mesh {
        let number = MESHES.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("fluidB-mesh-test-{}-{number}", std::process::id()));
        let nodes = ports.iter().enumerate().map(|(index, &port)| {
            let directory = folder.join(format!("node-{index}"));
            let mut node = Node::new(program(), &directory, port, &masters(index), lines).unwrap();
            node.start().unwrap();
            node
        });
        Mesh { nodes: nodes.collect(), folder: folder.clone() }
    }

    /// Waits until the nodes hold equal data sets, and `holds` of them.
    pub fn converge(&self, holds: impl Fn(&mut Client) -> bool) {
        let mut clients: Vec<Client> = self.nodes.iter().map(|node| node.client().unwrap()).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let data_sets: Vec<Dump> = clients.iter_mut().map(|client| dump(client).unwrap()).collect();
            if data_sets.iter().all(|data_set| *data_set == data_sets[0]) && clients.iter_mut().all(&holds) {
                return;
            }
            let sizes: Vec<usize> = data_sets.iter().map(Dump::len).collect();
            assert!(Instant::now() < deadline, "not converged, {sizes:?} keys\n{}", self.logs());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn logs(&self) -> String {
        self.nodes.iter().map(|node| format!("--- node on port {}\n{}", node.port, node.log())).collect()
    }

    /// Waits until every node has this many links to masters that are up.
    pub fn wait_for_links(&self, count: usize) {
        self.nodes.iter().for_each(|node| node.wait_for_links(count).unwrap());
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
        let _ = fs::remove_dir_all(&self.folder);
    }
}
