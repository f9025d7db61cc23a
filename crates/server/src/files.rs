//! Configuration files: read with their includes, replaced as a whole.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The path that a text of the configuration names, which may hold bytes that are no UTF-8.
pub fn path_of(text: &str) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&stdx::bytes_of(text)))
}

/// The files that a path or pattern of the configuration names, each with its text; `-` is standard input.
pub fn read_with_includes(path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    if path == "-" {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text).map_err(|error| format!("can't read standard input: {error}"))?;
        return Ok(vec![("-".into(), text)]);
    }
    let read = |path: PathBuf| {
        let text = fs::read(&path).map_err(|error| format!("can't open config file '{}': {error}", path.display()))?;
        Ok((stdx::text_of(path.as_os_str().as_bytes()), text))
    };
    expand(path).into_iter().map(read).collect()
}

/// Replaces a file: after a crash it holds either the old bytes or the new ones. Its permissions stay.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link stays one: what it points to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary = folder.join(format!("{name}-{}.tmp", std::process::id()));
    let written = write_and_sync(&temporary, bytes)
        .and_then(|()| match fs::metadata(&path) {
            Ok(metadata) => fs::set_permissions(&temporary, metadata.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| fs::rename(&temporary, &path));
    match written {
        Ok(()) => File::open(folder)?.sync_all(),
        Err(error) => {
            // The error to report is the first one.
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The files that a pattern of `include` names, in the order of their names: `*`, `?` and `[…]` stand for parts of a
/// path between slashes. A path without them is returned whether it exists or not.
fn expand(pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?', '[']) {
        return vec![path_of(pattern)];
    }
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|folder| matching_entries(folder, part)).collect();
    }
    found.sort();
    found
}

fn matching_entries(folder: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[']) {
        let path = folder.join(path_of(part));
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    let listed = fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let names = listed.into_iter().flatten().flatten().map(|entry| entry.file_name());
    names
        .filter(|name| {
            let name = name.as_encoded_bytes();
            // A leading dot hides a file from patterns that do not begin with one.
            (!name.starts_with(b".") || part.starts_with('.')) && stdx::glob::matches(&stdx::bytes_of(part), name)
        })
        .map(|name| folder.join(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("fluidB-files-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions_and_leaves_no_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("replace");
        let path = folder.0.join("a.conf");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
        assert!(replace(&folder.0.join("missing/a.conf"), b"new").is_err());
    }

    #[test]
    fn patterns_find_files_in_order() {
        let folder = Folder::new("expand");
        for name in ["b/2.conf", "a/1.conf", "a/.hidden.conf", "a/notes", "c/3.conf"] {
            fs::create_dir_all(folder.0.join(name).parent().unwrap()).unwrap();
            fs::write(folder.0.join(name), "").unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let root = folder.0.to_str().unwrap();
            let strip = |path: &PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            expand(&format!("{root}/{pattern}")).iter().map(strip).collect()
        };
        assert_eq!(found("*/*.conf"), ["a/1.conf", "b/2.conf", "c/3.conf"]);
        assert_eq!(found("[ab]/?.conf"), ["a/1.conf", "b/2.conf"]);
        assert_eq!(found("a/*"), ["a/1.conf", "a/notes"]);
        assert_eq!(found("*/none*"), [""; 0]);
        assert_eq!(found("a/missing"), ["a/missing"]);
    }
}
