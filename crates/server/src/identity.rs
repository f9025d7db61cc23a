//! What the node is called, from one life to the next: a file in `dir`.
//!
//! Who comes back under the name that it had, in a later life, tells all others that the earlier one is over. Under a new name
//! they have to find that out (see `mesh::departures`). A copy of the directory must not be the same node, nor one that was
//! put back from a backup, which does not know of its later lives: the file names host and port, its own inode and the second in
//! which it says that it was written, and is locked while the node lives.

use crate::{log, sys};
use effect::{NodeId, Origin};
use engine::Config;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        match next_life(&path, &sys::host_name(), config.port, new, now_s) {
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

/// `now_s`: since the Unix epoch.
fn next_life(path: &Path, host: &str, port: u16, new: Origin, now_s: u64) -> io::Result<(Origin, File)> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    sys::lock(&file)?;
    let mut text = String::new();
    // What is no text is not ours to go on with.
    let _ = (&file).take(MOST_BYTES).read_to_string(&mut text);
    let metadata = file.metadata()?;
    let is_this_file = |last: &Last<'_>| {
        let modified = metadata.modified().ok();
        last.inode == metadata.ino() && modified == UNIX_EPOCH.checked_add(Duration::from_secs(last.written_s))
    };
    let last = parse(&text).filter(|last| (last.host, last.port) == (host, port) && is_this_file(last));
    let origin = last.and_then(|last| next(last.origin)).unwrap_or(new);
    let Origin { node, incarnation } = origin;
    file.rewind()?;
    file.set_len(0)?;
    let (inode, written_s) = (metadata.ino(), now_s);
    let place = format!("host {host} port {port} inode {inode} written {written_s}");
    file.write_all(format!("node {node} life {incarnation} {place}\n").as_bytes())?;
    // Who writes it again, or copies it, does not think of this.
    file.set_modified(UNIX_EPOCH + Duration::from_secs(written_s))?;
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
    inode: u64,
    written_s: u64,
}

fn parse(text: &str) -> Option<Last<'_>> {
    let line = text.strip_suffix('\n')?;
    let words: Vec<&str> = line.split(' ').collect();
    let ["node", node, "life", life, "host", host, "port", port, "inode", inode, "written", written_s] = words[..]
    else {
        return None;
    };
    let node = NodeId(u64::from_str_radix(node, 16).ok().filter(|node| *node != 0)?);
    let origin = Origin { node, incarnation: life.parse().ok()? };
    let (inode, written_s) = (inode.parse().ok()?, written_s.parse().ok()?);
    Some(Last { origin, host, port: port.parse().ok()?, inode, written_s })
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

    const NOW_S: u64 = 1_700_000_000;

    fn life(path: &Path, host: &str, port: u16) -> io::Result<(u64, u32)> {
        next_life(path, host, port, NEW, NOW_S).map(|(origin, _)| (origin.node.0, origin.incarnation))
    }

    /// Such a text, as if it had been written by a node.
    fn write(path: &Path, text: &str) {
        std::fs::write(path, "").unwrap();
        let inode = std::fs::metadata(path).unwrap().ino().to_string();
        std::fs::write(path, text.replace("INODE", &inode)).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(NOW_S)).unwrap();
    }

    #[test]
    fn each_start_is_another_life_of_the_same_node() {
        let (_folder, path) = folder("lives");
        let lives: Vec<_> = (0..3).map(|_| life(&path, "here", 7001).unwrap()).collect();
        assert_eq!(lives, [(0xabc, 1), (0xabc, 2), (0xabc, 3)]);
    }

    #[test]
    fn elsewhere_it_is_another_node() {
        let (_folder, path) = folder("places");
        for (host, port) in [("here", 7001), ("there", 7001), ("there", 7002)] {
            write(&path, "node 00000000000000ff life 4 host here port 7001 inode INODE written 1700000000\n");
            let expected = if (host, port) == ("here", 7001) { (0xff, 5) } else { (0xabc, 1) };
            assert_eq!(life(&path, host, port).unwrap(), expected);
        }
    }

    #[test]
    fn copies_and_backups_are_other_nodes() {
        let (folder, path) = folder("copies");
        let saved = folder.0.join("saved");
        life(&path, "here", 7001).unwrap();
        assert_eq!(life(&path, "here", 7001).unwrap(), (0xabc, 2));
        std::fs::copy(&path, &saved).unwrap();
        assert_eq!(life(&path, "here", 7001).unwrap(), (0xabc, 3));
        // A copy, even one that is as old as the original.
        let copy = File::options().write(true).open(&saved).unwrap();
        copy.set_modified(UNIX_EPOCH + Duration::from_secs(NOW_S)).unwrap();
        assert_eq!(life(&saved, "here", 7001).unwrap(), (0xabc, 1));
        // A backup, written over the file.
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        assert_eq!(life(&path, "here", 7001).unwrap(), (0xabc, 1));
    }

    #[test]
    fn who_lives_keeps_the_name() {
        let (_folder, path) = folder("lock");
        let (first, file) = next_life(&path, "here", 7001, NEW, NOW_S).unwrap();
        assert_eq!(first, NEW);
        assert!(life(&path, "here", 7001).is_err());
        drop(file);
        assert_eq!(life(&path, "here", 7001).unwrap(), (0xabc, 2));
    }

    #[test]
    fn what_cannot_be_read_is_another_node() {
        let (_folder, path) = folder("garbage");
        let place = "host here port 7001 inode INODE written 1700000000";
        for text in [
            String::new(),
            format!("node 00000000000000ff life 4 {place}"),
            format!("node 0000000000000000 life 4 {place}\n"),
            format!("node 00000000000000ff life 4294967294 {place}\n"),
            format!("node 00000000000000ff life 4294967295 {place}\n"),
            format!("node ff life four {place}\n"),
            "node 00000000000000ff life 4 host here port 7001\n".to_owned(),
        ] {
            write(&path, &text);
            assert_eq!(life(&path, "here", 7001).unwrap(), (0xabc, 1), "{text:?}");
        }
        std::fs::write(&path, b"\xff\xfe\n").unwrap();
        assert_eq!(life(&path, "here", 7001).unwrap(), (0xabc, 1));
    }
}
