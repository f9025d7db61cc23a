//! The process: its command line, log, signals, files and listeners.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{call, eventually, program, start, text};
use testkit::{Client, signal};

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder of its own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("fluidB-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn version_is_one_line_that_scripts_can_read() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    let line = stdout(&output);
    assert_eq!(line.lines().count(), 1);
    assert!(line.contains(&format!("v={}", env!("CARGO_PKG_VERSION"))) && line.contains("malloc=jemalloc-"), "{line}");
    assert_eq!(stdout(&run(&["-v"])), line);
}

#[test]
fn help_names_the_forms_of_the_command_line() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("fluidB-server"), "{}", stdout(&output));
}

#[test]
fn a_wrong_line_stops_the_start_with_its_place_and_the_nearest_name() {
    let folder = Folder::new("wrong-line");
    let file = folder.file("wrong.conf", "port 0\n\nmaxmemroy 100mb\n");
    let output = run(&[&file]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    for part in ["FATAL CONFIG FILE ERROR", "wrong.conf", "line 3", "maxmemroy 100mb", "maxmemory"] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}

#[test]
fn a_missing_file_stops_the_start() {
    let output = run(&["/nonexistent/fluidB.conf"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(format!("{}{}", stdout(&output), stderr(&output)).contains("/nonexistent/fluidB.conf"));
}

#[test]
fn a_wrong_option_stops_the_start() {
    let output = run(&["--port", "99999"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("FATAL CONFIG"), "{}", stderr(&output));
}

#[test]
fn a_configuration_comes_from_standard_input_too() {
    use std::io::Write;
    use std::process::Stdio;
    let folder = Folder::new("stdin");
    let log = folder.0.join("log");
    let mut child = Command::new(program())
        .args(["-", "--port", "0", "--logfile", log.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"loglevel debug\n# a comment\n").unwrap();
    wait_for(&log, "Ready to accept connections");
    signal(child.id(), "TERM");
    assert!(child.wait().unwrap().success());
}

fn wait_for(log: &Path, text: &str) -> String {
    let read = || fs::read_to_string(log).unwrap_or_default();
    eventually(&format!("{text:?} in the log"), || read().contains(text));
    read()
}

#[test]
fn the_log_says_what_harnesses_wait_for() {
    let mut server = start(&["--server-threads", "2"]);
    eventually("both workers run", || server.log().contains("Thread 1 alive"));
    let log = server.log();
    let position = |needle: &str| log.find(needle).unwrap_or_else(|| panic!("{needle:?} is missing: {log}"));
    let pid = format!(" PID: {}", server.pid());
    assert!(position(&pid) < position("Server initialized"));
    assert!(position("Server initialized") < position("Ready to accept connections"));
    position("Thread 0 alive");
    signal(server.pid(), "HUP");
    assert_eq!(text(&call(&mut server.client().unwrap(), &["PING"])), "PONG");
    signal(server.pid(), "TERM");
    eventually("it ends", || server.has_exited());
    assert!(server.log().contains("ready to exit, bye bye"), "{}", server.log());
}

#[test]
fn every_log_line_has_redis_s_shape() {
    let server = start(&[]);
    let prefix = format!("{}:", server.pid());
    for line in server.log().lines().filter(|line| line.starts_with(&prefix)) {
        let words: Vec<&str> = line.splitn(7, ' ').collect();
        assert_eq!(words.len(), 7, "{line}");
        assert!(words[0].ends_with([':', 'C', 'M', 'S']) && words[4].len() == "00:00:00.000".len(), "{line}");
        assert!([".", "-", "*", "#"].contains(&words[5]), "{line}");
    }
}

#[test]
fn interrupt_ends_it_cleanly_too() {
    let mut server = start(&[]);
    signal(server.pid(), "INT");
    eventually("it ends", || server.has_exited());
    assert!(server.log().contains("Received SIGINT scheduling shutdown"), "{}", server.log());
}

#[test]
fn shutdown_ends_it() {
    let mut server = start(&[]);
    // The connection ends instead of a reply.
    assert!(server.client().unwrap().call(&["SHUTDOWN", "NOSAVE"]).is_err());
    eventually("it ends", || server.has_exited());
    assert!(server.log().contains("bye bye"), "{}", server.log());
}

#[test]
fn a_signal_can_be_called_off_while_nothing_periodic_runs() {
    let server = start(&["--enable-debug-command", "yes"]);
    let mut client = server.client().unwrap();
    call(&mut client, &["DEBUG", "PAUSE-CRON", "1"]);
    signal(server.pid(), "TERM");
    eventually("the signal was seen", || server.log().contains("Received SIGTERM"));
    assert_eq!(text(&call(&mut client, &["SHUTDOWN", "ABORT"])), "OK");
    call(&mut client, &["DEBUG", "PAUSE-CRON", "0"]);
    assert_eq!(text(&call(&mut client, &["PING"])), "PONG");
}

/// `ps` reads the title from where the command line was.
#[cfg(target_os = "linux")]
#[test]
fn the_title_follows_its_template() {
    let server = start(&["--set-proc-title", "yes"]);
    let mut client = server.client().unwrap();
    let title = || fs::read_to_string(format!("/proc/{}/cmdline", server.pid())).unwrap();
    let port = server.address.port();
    assert!(title().trim_end_matches('\0').ends_with(&format!("fluidB-server 127.0.0.1:{port}")), "{}", title());
    let long = "x".repeat(300);
    let template = format!("{long} {{port}} {{config-file}}");
    assert_eq!(text(&call(&mut client, &["CONFIG", "SET", "proc-title-template", &template])), "OK");
    assert_eq!(title().trim_end_matches('\0'), format!("{long} {port} -"));
    let refused = call(&mut client, &["CONFIG", "SET", "proc-title-template", "{host}"]);
    assert!(refused.to_string().contains("template format is invalid"), "{refused}");
}

/// Where Debian's package of Redis is installed, its file starts this server.
#[test]
fn the_file_of_an_installed_redis_starts_it() {
    const FILE: &str = "/etc/redis/redis.conf";
    if !Path::new(FILE).exists() {
        return;
    }
    let server = start(&[FILE, "--daemonize", "no", "--supervised", "no", "--pidfile", "", "--logfile", ""]);
    let mut client = server.client().unwrap();
    assert_eq!(text(&call(&mut client, &["PING"])), "PONG");
    assert!(!server.log().contains("FATAL"), "{}", server.log());
}

#[test]
fn the_allocator_can_be_asked() {
    let server = start(&["--enable-debug-command", "yes"]);
    let mut client = server.client().unwrap();
    assert!(call(&mut client, &["DEBUG", "MALLCTL", "arenas.page"]).integer().is_some_and(|bytes| bytes >= 4096));
    assert_eq!(text(&call(&mut client, &["DEBUG", "MALLCTL-STR", "thread.tcache.flush", "VOID"])), "OK");
    let unknown = call(&mut client, &["DEBUG", "MALLCTL", "no.such"]);
    assert_eq!(unknown.to_string(), "-ERR No such file or directory");
}

/// Linux 6.1 and later put small pages together on request.
#[test]
#[cfg(target_os = "linux")]
fn a_large_heap_moves_to_huge_pages_unless_it_must_not() {
    let kernel = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if !kernel.contains("[madvise]") {
        eprintln!("skipped: huge pages are not what a process asks for here");
        return;
    }
    let server = start(&["--huge-pages", "no"]);
    let mut client = server.client().unwrap();
    let huge_bytes = || {
        let memory = fs::read_to_string(format!("/proc/{}/smaps_rollup", server.pid())).unwrap();
        let line = memory.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    let value = "v".repeat(10_000);
    for key in 0..6_000 {
        assert_eq!(text(&call(&mut client, &["SET", &key.to_string(), &value])), "OK");
    }
    assert_eq!(huge_bytes(), 0);
    assert_eq!(text(&call(&mut client, &["CONFIG", "SET", "huge-pages", "yes"])), "OK");
    eventually("the heap lies in huge pages", || {
        assert_eq!(text(&call(&mut client, &["PING"])), "PONG");
        huge_bytes() >= 32 << 20
    });
    for key in 0..6_000 {
        assert_eq!(text(&call(&mut client, &["GET", &key.to_string()])), value);
    }
}

/// Every directive that CONFIG GET knows can be written into a file and read back.
#[test]
fn a_file_of_all_directives_starts_the_same_server() {
    let folder = Folder::new("rewrite");
    let file = folder.file("server.conf", "# empty\n");
    let settings = |client: &mut Client| call(client, &["CONFIG", "GET", "[^dp]*"]).to_string();
    let server = start(&[&file, "--enable-debug-command", "yes", "--maxmemory", "1gb"]);
    let mut client = server.client().unwrap();
    let before = settings(&mut client);
    assert_eq!(text(&call(&mut client, &["DEBUG", "CONFIG-REWRITE-FORCE-ALL"])), "OK");
    assert!(fs::read_to_string(&file).unwrap().lines().count() > 200);
    drop(server);
    assert_eq!(settings(&mut start(&[&file]).client().unwrap()), before);
}

#[test]
fn a_busy_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["--port", &port, "--bind", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains(&format!("Failed listening on port {port}")), "{}", stdout(&output));
}

#[test]
fn several_addresses_are_bound_and_missing_ones_may_be_optional() {
    let server = start(&["--bind", "127.0.0.1 -192.0.2.1 -::1"]);
    let mut client = server.client().unwrap();
    let bound = call(&mut client, &["CONFIG", "GET", "bind"]);
    assert!(!bound.is_error(), "{bound:?}");
}

#[test]
fn the_port_can_be_changed_while_it_runs() {
    let server = start(&[]);
    let mut client = server.client().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(text(&call(&mut client, &["CONFIG", "SET", "port", &free.port().to_string()])), "OK");
    assert_eq!(text(&call(&mut Client::connect(free).unwrap(), &["PING"])), "PONG");
    assert!(server.client().is_err(), "the old port is closed");
    assert_eq!(text(&call(&mut client, &["PING"])), "PONG");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = call(&mut client, &["CONFIG", "SET", "port", &taken.local_addr().unwrap().port().to_string()]);
    assert!(refused.is_error(), "{refused:?}");
    assert_eq!(text(&call(&mut Client::connect(free).unwrap(), &["PING"])), "PONG");
}

#[test]
fn a_daemon_has_a_log_a_pid_file_and_removes_it() {
    let folder = Folder::new("daemon");
    let (log, pid_file) = (folder.0.join("log"), folder.0.join("pid"));
    let file = folder.file(
        "daemon.conf",
        &format!("port 0\ndaemonize yes\nlogfile {}\npidfile {}\n", log.display(), pid_file.display()),
    );
    assert!(run(&[&file]).status.success());
    wait_for(&log, "Ready to accept connections");
    let pid: u32 = fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    signal(pid, "TERM");
    wait_for(&log, "bye bye");
    eventually("the pid file is gone", || !pid_file.exists());
}

/// In files, on the command line, over the link, and in what CONFIG REWRITE writes.
#[test]
fn passwords_may_be_any_bytes() {
    const PASSWORD: &[u8] = b"p\xe4ss\xff word";
    let folder = Folder::new("bytes");
    let master_file = folder.0.join("master.conf");
    fs::write(&master_file, b"requirepass \"p\xe4ss\\xff word\"\nmulti-master yes\n").unwrap();
    let master = start(&[master_file.to_str().unwrap()]);
    let mut client = master.client().unwrap();
    assert!(client.call(&[&b"AUTH"[..], b"p\xc3\xa4ss\xff word"]).unwrap().is_error());
    assert_eq!(text(&client.call(&[&b"AUTH"[..], PASSWORD]).unwrap()), "OK");
    let replica_file = folder.file("replica.conf", "multi-master yes\n");
    let replica = start(&[&replica_file]);
    let mut other = replica.client().unwrap();
    assert_eq!(text(&other.call(&[&b"CONFIG"[..], b"SET", b"masterauth", PASSWORD]).unwrap()), "OK");
    let port = master.address.port().to_string();
    call(&mut other, &["REPLICAOF", "127.0.0.1", &port]);
    call(&mut client, &["SET", "k", "v"]);
    eventually("the write comes over the link", || text(&call(&mut other, &["GET", "k"])) == "v");
    assert_eq!(text(&call(&mut other, &["CONFIG", "REWRITE"])), "OK");
    assert!(fs::read_to_string(&replica_file).unwrap().contains(r#"masterauth "p\xe4ss\xff word""#));
    let refused = Command::new(program())
        .args(["--port", "x", "--masteruser"])
        .arg(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff"))
        .output();
    assert!(stderr(&refused.unwrap()).contains(">>> 'port \"x\"'"));
}

#[test]
fn what_the_process_cannot_do_is_told_like_a_wrong_line() {
    let folder = Folder::new("refusals");
    for (line, reason) in [
        ("logfile /missing/log", "Can't open the log file"),
        ("dir /missing", "Can't chdir to '/missing'"),
        ("rename-command nosuch x", "No such command in rename-command"),
    ] {
        let output = run(&[&folder.file("a.conf", &format!("port 0\n{line}\n"))]);
        assert!(!output.status.success());
        assert!(stderr(&output).contains(&format!("at line 2\n>>> '{line}'\n{reason}")), "{}", stderr(&output));
    }
}

#[test]
fn the_log_can_be_rotated_away() {
    let folder = Folder::new("rotate");
    let log = folder.0.join("log");
    let mut server = start(&["--logfile", log.to_str().unwrap()]);
    wait_for(&log, "Ready to accept connections");
    fs::rename(&log, folder.0.join("log.1")).unwrap();
    signal(server.pid(), "TERM");
    eventually("it ends", || server.has_exited());
    assert!(fs::read_to_string(&log).unwrap().contains("bye bye"));
}

#[test]
fn loglevel_changes_while_it_runs() {
    let server = start(&["--loglevel", "nothing"]);
    assert_eq!(server.log(), "");
    let mut client = server.client().unwrap();
    assert_eq!(text(&call(&mut client, &["CONFIG", "SET", "loglevel", "warning"])), "OK");
    let mut server = server;
    signal(server.pid(), "TERM");
    eventually("it ends", || server.has_exited());
    assert!(server.log().contains("bye bye"), "{}", server.log());
}
