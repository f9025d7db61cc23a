//! What the node is called, from one life to the next: a file in `dir`.
//!
//! Who comes back under the name that it had, in a later life, tells all others that the earlier one is over. Under a new name
//! they have to find that out (see `mesh::departures`). A copy of the directory must not be the same node: the file names
//! host and port, and is locked while the node lives.

use crate::{log, sys};
use effect::{NodeId, Origin};
use engine::Config;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// More than a file of this kind ever has, in bytes.
const MOST_BYTES: u64 = 1024;

/// The name of a node in this life. It is nobody else's as long as this lives.
pub struct Identity {
    pub origin: Origin,
    _file: Option<File>,
}

impl Identity {
    /// The next life of the node that lived in this directory, at this port of this host; another node where there was none.
    /// `random`: of that one. Only who has peers needs to be known again.
    pub fn take(config: &Config, random: u64) -> Identity {
        let new = Origin { node: NodeId(random.max(1)), incarnation: 1 };
        if config.port == 0 || !(config.multi_master || config.active_replica) {
            return Identity { origin: new, _file: None };
        }
        let path = PathBuf::from(format!("fluidB-{}.node", config.port));
        match next_life(&path, &sys::host_name(), config.port, new) {
            Ok((origin, file)) => Identity { origin, _file: Some(file) },
            Err(error) => {
                log::warning!(
                    "Cannot keep the name of this node in {}, so it has another one in each life: {error}",
                    path.display()
                );
                Identity { origin: new, _file: None }
            }
        }
    }
}

fn next_life(path: &Path, host: &str, port: u16, new: Origin) -> io::Result<(Origin, File)> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    sys::lock(&file)?;
    let mut text = String::new();
    // What is no text is not ours to go on with.
    let _ = (&file).take(MOST_BYTES).read_to_string(&mut text);
    let last = parse(&text).filter(|last| (last.host, last.port) == (host, port));
    let origin = last.and_then(|last| next(last.origin)).unwrap_or(new);
    let Origin { node, incarnation } = origin;
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(format!("node {node} life {incarnation} host {host} port {port}\n").as_bytes())?;
    file.sync_all()?;
    Ok((origin, file))
}

/// The last number stands for something else.
fn next(origin: Origin) -> Option<Origin> {
    let next = Origin { incarnation: origin.incarnation.checked_add(1)?, ..origin };
    (!next.is_departure()).then_some(next)
}

struct Last<'t> {
    origin: Origin,
    host: &'t str,
    port: u16,
}

fn parse(text: &str) -> Option<Last<'_>> {
    let line = text.strip_suffix('\n')?;
    let words: Vec<&str> = line.split(' ').collect();
    let ["node", node, "life", incarnation, "host", host, "port", port] = words[..] else { return None };
    let node = NodeId(u64::from_str_radix(node, 16).ok().filter(|node| *node != 0)?);
    Some(Last { origin: Origin { node, incarnation: incarnation.parse().ok()? }, host, port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Origin = Origin { node: NodeId(0xabc), incarnation: 1 };

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> (Folder, PathBuf) {
        let folder = std::env::temp_dir().join(format!("fluidb-identity-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("node");
        (Folder(folder), path)
    }

    fn life(path: &Path, host: &str, port: u16) -> io::Result<(u64, u32)> {
        next_life(path, host, port, NEW).map(|(origin, _)| (origin.node.0, origin.incarnation))
    }

    #[test]
    fn each_start_is_another_life_of_the_same_node() {
        let (_folder, path) = folder("lives");
        let lives: Vec<_> = (0..3).map(|_| life(&path, "here", 7001).unwrap()).collect();
        assert_eq!(lives, [(0xabc, 1), (0xabc, 2), (0xabc, 3)]);
    }

    #[test]
    fn a_copy_elsewhere_is_another_node() {
        let (_folder, path) = folder("copies");
        for (host, port) in [("here", 7001), ("there", 7001), ("there", 7002)] {
            std::fs::write(&path, "node 00000000000000ff life 4 host here port 7001\n").unwrap();
            let expected = if (host, port) == ("here", 7001) { (0xff, 5) } else { (0xabc, 1) };
            assert_eq!(life(&path, host, port).unwrap(), expected);
        }
    }

    #[test]
    fn who_lives_keeps_the_name() {
        let (_folder, path) = folder("lock");
        let (first, file) = next_life(&path, "here", 7001, NEW).unwrap();
        assert_eq!(first, NEW);
        assert!(life(&path, "here", 7001).is_err());
        drop(file);
        assert_eq!(life(&path, "here", 7001).unwrap(), (0xabc, 2));
    }

    #[test]
    fn what_cannot_be_read_is_another_node() {
        let (_folder, path) = folder("garbage");
        for text in [
            &b""[..],
            b"node 00000000000000ff life 4 host here port 7001",
            b"node 0000000000000000 life 4 host here port 7001\n",
            b"node 00000000000000ff life 4294967294 host here port 7001\n",
            b"node 00000000000000ff life 4294967295 host here port 7001\n",
            b"node ff life four host here port 7001\n",
            b"\xff\xfe\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(life(&path, "here", 7001).unwrap(), (0xabc, 1), "{text:?}");
        }
    }
}
