//! What the tests of the real binary share.
#![allow(dead_code)] // Each test file is a program of its own and uses a part of this.

pub mod mesh;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::{Client, Reply, ServerProcess};

/// How long anything may take on a busy machine before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_fluidB-server"))
}

pub fn start(arguments: &[&str]) -> ServerProcess {
    ServerProcess::start(program(), arguments).expect("the server starts")
}

/// A server whose clients are spread over so many workers, whatever they do.
pub fn start_workers(count: usize, arguments: &[&str]) -> ServerProcess {
    let count = count.to_string();
    let server = start(&[&["--server-threads", &count, "--enable-debug-command", "yes"], arguments].concat());
    let fixed = call(&mut server.client().expect("the server accepts"), &["DEBUG", "WORKERS", &count]);
    assert_eq!(text(&fixed), "OK");
    server
}

/// Waits until the condition holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A socket without a protocol.
pub fn raw(server: &ServerProcess) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes, then the end; returns everything that comes back until the server closes.
pub fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut writer = stream.try_clone().unwrap();
    let bytes = bytes.to_vec();
    let writing = std::thread::spawn(move || {
        // The server may hang up on garbage before it has read all of it.
        let _ = writer.write_all(&bytes).and_then(|()| writer.shutdown(Shutdown::Write));
    });
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => {}
    }
    writing.join().unwrap();
    received
}

pub fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 1024]), Ok(0) | Err(_))
}

pub fn call(client: &mut Client, words: &[&str]) -> Reply {
    client.call(words).unwrap_or_else(|error| panic!("{}: {error}", words[0]))
}

pub fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.bytes().unwrap_or_default()).into_owned()
}
