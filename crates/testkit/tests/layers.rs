//! The crates depend on each other as ARCHITECTURE.md draws it, and in no other way.

use std::fs;
use std::path::Path;

/// A crate and what it may use of the workspace outside its tests.
const LAYERS: &[(&str, &[&str])] = &[
    ("stdx", &[]),
    ("resp", &["stdx"]),
    ("values", &["stdx"]),
    ("effect", &["stdx"]),
    ("keyspace", &["stdx", "values", "effect"]),
    ("engine", &["stdx", "resp", "values", "effect", "keyspace"]),
    ("mesh", &["stdx", "effect"]),
    ("node", &["stdx", "resp", "values", "effect", "keyspace", "engine", "mesh"]),
    ("server", &["stdx", "resp", "effect", "keyspace", "engine", "mesh", "node"]),
    ("sim", &["stdx", "resp", "values", "effect", "keyspace", "engine", "mesh", "node"]),
    ("testkit", &[]),
];

fn workspace_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Names in the section `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let lines = section.lines().skip(1).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn dependencies_point_downwards() {
    let crates: Vec<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in LAYERS {
        let file = workspace_folder().join("crates").join(name).join("Cargo.toml");
        let manifest = fs::read_to_string(file).unwrap();
        for used in dependencies(&manifest).into_iter().filter(|used| crates.contains(used)) {
            assert!(allowed.contains(&used), "{name} must not depend on {used}");
        }
    }
}

#[test]
fn every_crate_has_its_layer() {
    for entry in fs::read_dir(workspace_folder().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(LAYERS.iter().any(|(layer, _)| *layer == name), "{name} is missing in LAYERS");
    }
}

/// Time, sockets and threads are arguments below the server: clippy refuses them there.
#[test]
fn pure_crates_are_guarded() {
    for (name, _) in LAYERS.iter().filter(|(name, _)| !["server", "testkit"].contains(name)) {
        let file = workspace_folder().join("crates").join(name).join("clippy.toml");
        let guard = fs::read_to_string(&file).unwrap_or_default();
        for banned in ["Instant::now", "SystemTime::now", "thread::spawn", "TcpStream", "UdpSocket"] {
            assert!(guard.contains(banned), "{} must refuse {banned}", file.display());
        }
    }
}
