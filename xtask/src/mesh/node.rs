//! One server process.

use super::{PASSWORD, config};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};
use testkit::Client;

/// How long a node may take to start, and to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Node {
    pub port: u16,
    process: Child,
    directory: PathBuf,
    client: Option<Client>,
}

/// What a node said about itself; fields of INFO by name.
pub struct Report {
    pub keys: u64,
    pub info: HashMap<String, String>,
}

impl Node {
    /// Writes the configuration into `directory` and starts the server, in a process group of its own: Ctrl-C is ours to
    /// act on. Returns once it answers.
    pub fn start(program: &Path, directory: &Path, port: u16, masters: &[u16]) -> io::Result<Node> {
        fs::create_dir_all(directory)?;
        let config_file = directory.join("fluidB.conf");
        fs::write(&config_file, config(directory, port, masters))?;
        let output = fs::File::create(directory.join("output"))?;
        let process = Command::new(program)
            .arg(&config_file)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()?;
        let mut node = Node { port, process, directory: directory.to_owned(), client: None };
        node.wait_until_ready()?;
        Ok(node)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.report().is_err() {
            if self.process.try_wait()?.is_some() || Instant::now() > deadline {
                let said = |file| fs::read_to_string(self.directory.join(file)).unwrap_or_default();
                let text = format!("node on port {} did not start:\n{}{}", self.port, said("output"), said("log"));
                return Err(io::Error::other(text));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Asks over a connection that is kept, and made again after an error.
    pub fn report(&mut self) -> io::Result<Report> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => {
                let mut client = Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))?;
                client.call(&["AUTH", PASSWORD])?;
                client
            }
        };
        let info = client.info("everything")?.into_iter().collect();
        let keys = client.call(&["DBSIZE"])?.integer().ok_or_else(|| io::Error::other("DBSIZE gave no number"))?;
        self.client = Some(client);
        Ok(Report { keys: keys as u64, info })
    }

    /// Asks the process to end.
    fn terminate(&self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only where the process is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Stops all nodes cleanly, side by side; kills those that take too long.
pub fn stop(mut nodes: Vec<Node>) {
    nodes.iter().for_each(Node::terminate);
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && nodes.iter_mut().any(|node| matches!(node.process.try_wait(), Ok(None))) {
        thread::sleep(Duration::from_millis(20));
    }
}
