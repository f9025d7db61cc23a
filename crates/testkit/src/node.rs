//! A node of a mesh: a server process with the configuration of the user documentation.

use crate::process::signal;
use crate::{Client, Reply};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// What nodes and clients ask of each other.
pub const PASSWORD: &str = "mypassword123";

/// How long a start, or a link, may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Killed with its owner.
pub struct Node {
    pub port: u16,
    /// How it is started, each time.
    pub command: Command,
    /// Where it is at work.
    pub directory: PathBuf,
    process: Option<Child>,
}

impl Node {
    /// Writes the configuration into `directory`: the ports of its masters, and what `lines` add. It is not started yet.
    pub fn new(program: &Path, directory: &Path, port: u16, masters: &[u16], lines: &str) -> io::Result<Node> {
        fs::create_dir_all(directory)?;
        let config = directory.join("fluidB.conf");
        fs::write(&config, configuration(directory, port, masters) + lines)?;
        let output = fs::File::options().create(true).append(true).open(directory.join("output"))?;
        let mut command = Command::new(program);
        command.arg(config).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Ok(Node { port, command, directory: directory.to_owned(), process: None })
    }

    /// Returns once it answers.
    pub fn start(&mut self) -> io::Result<()> {
        self.process = Some(self.command.spawn()?);
        let deadline = Instant::now() + PATIENCE;
        while self.client().is_err() {
            if self.exit_status().is_some() || Instant::now() > deadline {
                let text = format!("the node on port {} did not start:\n{}", self.port, self.log());
                return Err(io::Error::other(text));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// A connection that has said the password.
    pub fn client(&self) -> io::Result<Client> {
        connect(self.port)
    }

    /// Waits until it has so many links to masters that are up, and has joined them.
    pub fn wait_for_links(&self, count: usize) -> io::Result<()> {
        self.wait(&format!("{count} links"), |client| {
            let joined = client.info("replication")?.contains(&("mesh_joined".to_owned(), "1".to_owned()));
            Ok(joined && masters_up(client)? == count)
        })
    }

    /// Waits until it has heard of so many nodes, itself included.
    pub fn wait_for_nodes(&self, count: usize) -> io::Result<()> {
        self.wait(&format!("{count} nodes"), |client| {
            Ok(client.call(&["MESH", "NODES"])?.elements().is_some_and(|nodes| nodes.len() == count))
        })
    }

    fn wait(&self, what: &str, holds: impl Fn(&mut Client) -> io::Result<bool>) -> io::Result<()> {
        let mut client = self.client()?;
        let deadline = Instant::now() + PATIENCE;
        while !holds(&mut client)? {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!(
                    "the node on port {} waits for {what}:\n{}",
                    self.port,
                    self.log()
                )));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Sends a signal by its name without SIG. To a node that does not run it says nothing.
    pub fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            signal(process.id(), name);
        }
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only where the process is gone already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// How it ended by itself, if it did.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.try_wait().ok().flatten())
    }

    /// What all its lives have said: in the log, and to the terminal.
    pub fn log(&self) -> String {
        let read =
            |name| String::from_utf8_lossy(&fs::read(self.directory.join(name)).unwrap_or_default()).into_owned();
        read("log") + &read("output")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection to the node on a port, which has said the password.
pub fn connect(port: u16) -> io::Result<Client> {
    let mut client = Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    match client.call(&["AUTH", PASSWORD])? {
        Reply::Status(_) => Ok(client),
        reply => Err(io::Error::other(reply.to_string())),
    }
}

/// How many masters a node has whose links are up.
pub fn masters_up(client: &mut Client) -> io::Result<usize> {
    let info = client.info("replication")?;
    let is_up = |(name, status): &&(String, String)| {
        name.ends_with("_link_status") && name != "master_global_link_status" && status == "up"
    };
    Ok(info.iter().filter(is_up).count())
}

/// The configuration of the user documentation, for one node.
fn configuration(directory: &Path, port: u16, masters: &[u16]) -> String {
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
