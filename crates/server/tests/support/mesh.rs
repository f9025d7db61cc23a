//! Nodes with the configuration of the user documentation, and a proxy that damages the links between them.

use super::{PATIENCE, call, eventually, program, signal, text};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};
use testkit::{Client, Reply};

pub const PASSWORD: &str = "mypassword123";

static MESHES: AtomicUsize = AtomicUsize::new(0);

/// Some nodes in a folder of their own.
pub struct Mesh {
    pub nodes: Vec<Node>,
    folder: PathBuf,
}

pub struct Node {
    pub port: u16,
    config: PathBuf,
    process: Option<Child>,
}

impl Mesh {
    /// Starts `count` nodes; `masters` gives those of each, as numbers of nodes.
    pub fn start(count: usize, masters: impl Fn(usize) -> Vec<usize>) -> Mesh {
        Mesh::start_with("", count, masters)
    }

    /// The same with more lines of configuration.
    pub fn start_with(lines: &str, count: usize, masters: impl Fn(usize) -> Vec<usize>) -> Mesh {
        let ports = free_ports(count);
        Mesh::start_at(lines, &ports, |node| masters(node).into_iter().map(|master| ports[master]).collect())
    }

    /// The same where the ports of the nodes and of their masters are given: a master may be behind a proxy.
    pub fn start_at(lines: &str, ports: &[u16], masters: impl Fn(usize) -> Vec<u16>) -> Mesh {
        let number = MESHES.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("fluidB-mesh-test-{}-{number}", std::process::id()));
        let nodes = ports.iter().enumerate().map(|(index, &port)| {
            let directory = folder.join(format!("node-{index}"));
            fs::create_dir_all(&directory).unwrap();
            let mut text = format!(
                "bind 127.0.0.1\nport {port}\ndir {directory}\nlogfile {directory}/log\nrequirepass {PASSWORD}\n\
                 masterauth {PASSWORD}\nmulti-master yes\nactive-replica yes\n{lines}",
                directory = directory.display()
            );
            for master in masters(index) {
                writeln!(text, "replicaof 127.0.0.1 {master}").unwrap();
            }
            let config = directory.join("fluidB.conf");
            fs::write(&config, text).unwrap();
            let mut node = Node { port, config, process: None };
            node.start();
            node
        });
        Mesh { nodes: nodes.collect(), folder: folder.clone() }
    }

    /// Waits until the nodes hold equal data sets, and `holds` of them.
    pub fn converge(&self, holds: impl Fn(&mut Client) -> bool) {
        let mut clients: Vec<Client> = self.nodes.iter().map(Node::client).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let data_sets: Vec<DataSet> = clients.iter_mut().map(data_set).collect();
            if data_sets.iter().all(|data_set| *data_set == data_sets[0]) && clients.iter_mut().all(&holds) {
                return;
            }
            let sizes: Vec<usize> = data_sets.iter().map(BTreeMap::len).collect();
            assert!(Instant::now() < deadline, "not converged, {sizes:?} keys\n{}", self.logs());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn logs(&self) -> String {
        self.nodes.iter().map(|node| format!("--- node on port {}\n{}", node.port, node.log())).collect()
    }

    /// Waits until every node has this many links to masters that are up.
    pub fn wait_for_links(&self, count: usize) {
        for node in &self.nodes {
            let mut client = node.client();
            eventually(&format!("{count} links of {} are up", node.port), || {
                let info = client.info("replication").unwrap();
                let up = |(name, value): &&(String, String)| name.ends_with("_link_status") && value.trim() == "up";
                info.iter().filter(up).filter(|(name, _)| name != "master_global_link_status").count() == count
            });
        }
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Node {
    pub fn start(&mut self) {
        let process = Command::new(program())
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the program runs");
        self.process = Some(process);
        let address = self.address();
        eventually("the node answers", || {
            Client::connect(address).is_ok_and(|mut client| client.call(&["AUTH", PASSWORD]).is_ok())
        });
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// A connection that has said the password.
    pub fn client(&self) -> Client {
        let mut client = Client::connect(self.address()).expect("the node accepts");
        assert_eq!(client.call(&["AUTH", PASSWORD]).unwrap(), Reply::Status(b"OK".to_vec()));
        client
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub fn signal(&self, name: &str) {
        signal(self.process.as_ref().expect("the node runs").id(), name);
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.config.with_file_name("log")).unwrap_or_default()
    }
}

/// Keys with all that clients can see of them.
pub type DataSet = BTreeMap<Reply, Vec<Reply>>;

/// Everything that a node holds in its first database.
pub fn data_set(client: &mut Client) -> DataSet {
    let keys = call(client, &["KEYS", "*"]).elements().expect("KEYS gives an array").to_vec();
    let describe = |key: Reply| {
        let name = text(&key);
        let value = match text(&call(client, &["TYPE", &name])).as_str() {
            "string" => call(client, &["GET", &name]),
            "set" => sorted(call(client, &["SMEMBERS", &name]), 1),
            "hash" => sorted(call(client, &["HGETALL", &name]), 2),
            // Deleted since KEYS.
            _ => Reply::Null,
        };
        (key, vec![value, call(client, &["PEXPIRETIME", &name])])
    };
    keys.into_iter().map(describe).collect()
}

/// An array whose order says nothing, in groups of `group` elements.
fn sorted(reply: Reply, group: usize) -> Reply {
    let mut groups: Vec<&[Reply]> = reply.elements().unwrap_or_default().chunks(group).collect();
    groups.sort();
    Reply::Array(groups.concat())
}

/// Ports that nobody uses now; all are held until all are found, so they differ.
pub fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// What a proxy does with the connections through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    None,
    /// Nothing passes, nothing is closed.
    Stall,
    /// Connections are closed, also new ones.
    Cut,
    /// What goes to the server is ended; the other direction stays open and silent.
    HalfClose,
}

/// Forwards connections to a port.
pub struct Proxy {
    pub port: u16,
    damage: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn to(target: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let damage = Arc::new(AtomicUsize::new(Damage::None as usize));
        let current = damage.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect((Ipv4Addr::LOCALHOST, target))) else {
                    continue;
                };
                forward(client.try_clone().unwrap(), server.try_clone().unwrap(), current.clone(), true);
                forward(server, client, current.clone(), false);
            }
        });
        Proxy { port, damage }
    }

    pub fn set(&self, damage: Damage) {
        self.damage.store(damage as usize, Ordering::Relaxed);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, damage: Arc<AtomicUsize>, to_server: bool) {
    // Short, so that damage is noticed while nothing comes.
    from.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    thread::spawn(move || {
        let is = |what: Damage| damage.load(Ordering::Relaxed) == what as usize;
        let mut buffer = [0; 16 * 1024];
        loop {
            if is(Damage::Cut) {
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                return;
            }
            if is(Damage::HalfClose) && to_server {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            if is(Damage::Stall) || is(Damage::HalfClose) {
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) if to.write_all(&buffer[..count]).is_err() => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(_) => break,
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
