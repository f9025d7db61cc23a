//! One server process.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{io, thread};
use testkit::Client;

/// How long nodes may take to stop before they are killed.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Node {
    pub port: u16,
    server: testkit::Node,
    client: Option<Client>,
}

/// What a node said about itself; fields of INFO by name.
pub struct Report {
    pub keys: u64,
    pub info: HashMap<String, String>,
}

impl Node {
    /// Starts the server in a process group of its own: Ctrl-C is ours to act on. Returns once it answers.
    pub fn start(program: &Path, directory: &Path, port: u16, masters: &[u16]) -> io::Result<Node> {
        let mut server = testkit::Node::new(program, directory, port, masters, "")?;
        server.command.process_group(0);
        server.start()?;
        Ok(Node { port, server, client: None })
    }

    /// Asks over a connection that is kept, and made again after an error.
    pub fn report(&mut self) -> io::Result<Report> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => self.server.client()?,
        };
        let info = client.info("everything")?.into_iter().collect();
        let keys = client.call(&["DBSIZE"])?.integer().ok_or_else(|| io::Error::other("DBSIZE gave no number"))?;
        self.client = Some(client);
        Ok(Report { keys: keys as u64, info })
    }
}

/// Stops all nodes cleanly, side by side; kills those that take too long.
pub fn stop(mut nodes: Vec<Node>) {
    nodes.iter().for_each(|node| node.server.signal("TERM"));
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && nodes.iter_mut().any(|node| node.server.exit_status().is_none()) {
        thread::sleep(Duration::from_millis(20));
    }
}
