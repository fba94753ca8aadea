//! Small files written so that a power cut leaves the old one or the new one, never half of either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Writes a whole file: beside it first, synced, renamed over it, and the directory synced.
///
/// # Errors
/// When any step fails; the old file is then still there.
pub fn write_durably(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let beside = beside(path);
    // A file left by a cut may have other permissions.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_directory(path)
}

/// Makes the names in a file's directory durable.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Writes a file's own bytes over it and syncs; a file that is not there needs nothing.
///
/// After a sync that failed, Linux shows bytes that are not on the disk and that no later sync brings there. SQLite
/// reads its log as shown and goes on behind it, so a power cut could take what was acknowledged since. This makes what
/// is shown durable, and harms nothing where power fails meanwhile. The caller keeps all others from writing the file.
///
/// # Errors
/// When it cannot be read, written or synced.
pub fn rewrite_in_place(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    file.rewind()?;
    file.write_all(&bytes)?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewritten_file_has_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        rewrite_in_place(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, [7; 10_000]).unwrap();
        rewrite_in_place(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [7; 10_000]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_durably(&path, 0o600, |file| file.write_all(b"old")).unwrap();
        let failed = write_durably(&path, 0o600, |file| {
            file.write_all(b"ne")?;
            Err(io::Error::other("power"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_durably(&path, 0o600, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
