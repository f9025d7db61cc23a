//! A server process of our own, on a free port of the loopback, killed with its owner.

use crate::{Client, Product, Remote};
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Another process may take the port between our look and the server's bind.
const START_ATTEMPTS: usize = 5;

pub struct ServerProcess {
    child: Child,
    pub address: SocketAddr,
    directory: PathBuf,
}

impl ServerProcess {
    /// Starts `program` with `arguments` after the ones that every server here needs, and waits until it answers.
    pub fn start(program: &Path, arguments: &[&str]) -> io::Result<ServerProcess> {
        let mut command = Command::new(program);
        command.args(arguments);
        ServerProcess::start_command(command)
    }

    /// The same for a command line of one's own, to which the port and the directory are appended.
    pub fn start_command(command: Command) -> io::Result<ServerProcess> {
        let mut last = io::Error::other("no attempt");
        for _ in 0..START_ATTEMPTS {
            match ServerProcess::attempt(&command) {
                Ok(process) => return Ok(process),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn attempt(template: &Command) -> io::Result<ServerProcess> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_ports(1)?[0]));
        let directory = std::env::temp_dir().join(format!("testkit-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&directory)?;
        let log = fs::File::create(directory.join("log"))?;
        let child = Command::new(template.get_program())
            .args(template.get_args())
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args([OsStr::new("--dir"), directory.as_os_str()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut process = ServerProcess { child, address, directory };
        process.wait_until_ready()?;
        Ok(process)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if let Ok(mut client) = Client::connect(self.address)
                && client.call(&["PING"]).is_ok()
            {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other(format!("the server did not start:\n{}", self.log())))
    }

    /// What the server printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn client(&self) -> io::Result<Client> {
        Client::connect(self.address)
    }

    /// The server as a target, with the product that it says it is.
    pub fn target(&self) -> io::Result<Remote> {
        let info = self.client()?.info("server")?;
        let field = |name: &str| info.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
        let product = if field("executable").is_some_and(|path| path.ends_with("redis-server")) {
            let mut numbers = field("redis_version").unwrap_or_default().split('.').map(|n| n.parse().unwrap_or(0));
            Product::Redis(numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
        } else {
            Product::FluidB
        };
        Ok(Remote { address: self.address, product })
    }

    pub fn has_exited(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Nothing to do about a failure here: the process is gone already, or the directory is.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The installed redis-server. `None`, said aloud, where there is none; with CI=true that is a failure.
pub fn redis_server() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "CI needs redis-server installed");
        eprintln!("SKIPPED: redis-server is not installed, nothing was compared with it");
    }
    found
}

/// Ports that nobody uses now; all are held until all are found, so they differ.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = (0..count).map(bind).collect::<io::Result<Vec<_>>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// Sends a signal by its name without SIG.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {pid}");
}
