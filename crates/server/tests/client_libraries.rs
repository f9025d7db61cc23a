//! The common paths of real client libraries, against the real binary. `cargo xtask test` installs the
//! libraries of other languages; where they could not be installed these tests say so and are skipped.

mod support;

use redis::{Commands, RedisResult};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use testkit::ServerProcess;

const PASSWORD: &str = "mypassword123";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn server() -> ServerProcess {
    support::start(&["--requirepass", PASSWORD])
}

/// Runs a script of `tests/clients` with `interpreter`, which lies in the folder of installed libraries.
fn run(interpreter: Option<PathBuf>, script: &Path) {
    let Some(interpreter) = interpreter else {
        assert!(std::env::var_os("CI").is_none(), "CI has to have the libraries: run cargo xtask test");
        eprintln!("SKIPPED: `cargo xtask test` installs what {} needs", script.display());
        return;
    };
    let server = server();
    let output = Command::new(interpreter)
        .arg(script)
        .args([&server.address.port().to_string(), PASSWORD])
        .output()
        .expect("the interpreter starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}: {}\n{}\n{}\nserver:\n{}",
        script.display(),
        output.status,
        text(&output.stdout),
        text(&output.stderr),
        server.log()
    );
}

fn libraries() -> PathBuf {
    workspace().join("target/client-libraries")
}

fn node_script(name: &str) {
    // A module finds its libraries beside itself.
    let script = libraries().join("node").join(name);
    run(script.is_file().then(|| PathBuf::from("node")), &script);
}

#[test]
fn redis_py() {
    let python = libraries().join("python/bin/python");
    run(python.is_file().then_some(python), &workspace().join("tests/clients/redis_py.py"));
}

#[test]
fn node_redis() {
    node_script("node_redis.mjs");
}

#[test]
fn ioredis() {
    node_script("ioredis.mjs");
}

#[test]
fn redis_rs() -> RedisResult<()> {
    let server = server();
    let port = server.address.port();
    for protocol in ["resp2", "resp3"] {
        let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{port}/?protocol={protocol}"))?;
        let mut connection = client.get_connection()?;
        let _: () = redis::cmd("FLUSHALL").query(&mut connection)?;
        let _: () = connection.set_ex("key", "value", 100)?;
        assert_eq!(connection.get::<_, String>("key")?, "value");
        let (first, second): (i64, i64) = redis::pipe().atomic().incr("n", 2).incr("n", 3).query(&mut connection)?;
        assert_eq!((first, second), (2, 5));
        let changed: RedisResult<i64> = redis::cmd("INCR").arg("key").query(&mut connection);
        assert!(changed.unwrap_err().to_string().contains("not an integer"));
        let _: () = connection.hset_multiple("hash", &[("a", 1), ("b", 2)])?;
        let fields: std::collections::BTreeMap<String, i64> = connection.hgetall("hash")?;
        assert_eq!(fields.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        let _: () = connection.zadd_multiple("zset", &[(2.5, "b"), (1.0, "a")])?;
        let members: Vec<(String, f64)> = connection.zrange_withscores("zset", 0, -1)?;
        assert_eq!(members, [("a".to_owned(), 1.0), ("b".to_owned(), 2.5)]);
        let _: () = connection.rpush("list", &["x", "y"])?;
        let (list, popped): (String, String) = redis::cmd("BLPOP").arg("list").arg(1).query(&mut connection)?;
        assert_eq!((list.as_str(), popped.as_str()), ("list", "x"));
        let mut keys: Vec<String> = connection.scan()?.collect::<RedisResult<_>>()?;
        keys.sort();
        assert_eq!(keys, ["hash", "key", "list", "n", "zset"]);
    }
    let mut subscriber = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{port}/"))?.get_connection()?;
    subscriber.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut channel = subscriber.as_pubsub();
    channel.subscribe("channel")?;
    let mut publisher = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{port}/"))?.get_connection()?;
    let reached: i64 = publisher.publish("channel", "hello")?;
    assert_eq!(reached, 1);
    assert_eq!(channel.get_message()?.get_payload::<String>()?, "hello");
    Ok(())
}
