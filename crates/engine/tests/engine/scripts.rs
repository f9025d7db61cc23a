//! The golden scripts, run against an engine in this process.

use crate::harness::Server;
use testkit::script;

fn run(family: &str) {
    let mut config = engine::Config::default();
    config.enable_debug_command = "yes";
    let mut server = Server::new(config);
    script::run_folder(&script::folder().join(family), &mut server).expect("scripts that parse").assert_passed();
}

#[test]
fn bitmap() {
    run("bitmap");
}

#[test]
fn connection() {
    run("connection");
}

#[test]
fn generic() {
    run("generic");
}

#[test]
fn geo() {
    run("geo");
}

#[test]
fn hash() {
    run("hash");
}

#[test]
fn hyperloglog() {
    run("hyperloglog");
}

#[test]
fn keydb() {
    run("keydb");
}

#[test]
fn pubsub() {
    run("pubsub");
}

#[test]
fn server() {
    run("server");
}

#[test]
fn set() {
    run("set");
}

#[test]
fn sorted_set() {
    run("sorted_set");
}

#[test]
fn stream() {
    run("stream");
}

#[test]
fn string() {
    run("string");
}

#[test]
fn transactions() {
    run("transactions");
}
