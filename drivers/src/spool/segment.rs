//! The files of a spool directory: segments by name, the lock, the offset a consumer is done with.
//!
//! A segment's name is the stream offset of its first frame, twenty digits and `.seg`; it begins with a magic
//! and that offset again. Nothing here reads frames.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::SpoolError;

/// Held by the one writer; holds its process id.
pub const LOCK_FILE: &str = "lock";
/// The offset a consumer is done with.
const DONE_FILE: &str = "done";
const MAGIC: &[u8; 8] = b"CFSPOOL1";
/// Length of what stands before a segment's first frame.
pub(super) const PREAMBLE_BYTES: u64 = 16;

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) path: PathBuf,
}

/// The segments of a spool, oldest first.
pub(super) fn segments(dir: &Path) -> Result<Vec<Segment>, SpoolError> {
    let listing = fs::read_dir(dir).map_err(SpoolError::io("list", dir))?;
    let mut found = Vec::new();
    for entry in listing {
        let path = entry.map_err(SpoolError::io("list", dir))?.path();
        let start = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".seg")?.parse().ok());
        if let Some(start) = start {
            found.push(Segment { start, path });
        }
    }
    found.sort_by_key(|segment| segment.start);
    Ok(found)
}

pub(super) fn segment_path(dir: &Path, start: u64) -> PathBuf {
    dir.join(format!("{start:020}.seg"))
}

pub(super) fn preamble(start: u64) -> [u8; PREAMBLE_BYTES as usize] {
    let mut bytes = [0; PREAMBLE_BYTES as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..].copy_from_slice(&start.to_le_bytes());
    bytes
}

/// Bytes of all segments together; a file that vanished meanwhile counts nothing.
pub(super) fn total_bytes(dir: &Path) -> Result<u64, SpoolError> {
    Ok(segments(dir)?.iter().filter_map(|segment| fs::metadata(&segment.path).ok()).map(|meta| meta.len()).sum())
}

/// Takes the writer's lock. It is released with the file, also by a kill.
pub(super) fn take_lock(dir: &Path) -> Result<File, SpoolError> {
    let path = dir.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(SpoolError::io("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(SpoolError::Locked { dir: dir.to_path_buf(), pid: lock_pid(&path) });
        }
        Err(error) => return Err(SpoolError::io("lock", &path)(error.into())),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())
    };
    write(&mut file).map_err(SpoolError::io("write", &path))?;
    Ok(file)
}

/// Whether a spool has a writer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// No tap is running on it.
    Free,
    /// A tap is running.
    Held {
        /// Its process; unknown for the moment between taking the lock and saying so.
        pid: Option<u32>,
    },
}

/// Looks whether a tap runs on the spool `dir`, without disturbing it.
///
/// # Errors
/// When the lock file cannot be looked at.
pub fn lock_state(dir: &Path) -> io::Result<LockState> {
    let path = dir.join(LOCK_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LockState::Free),
        Err(error) => return Err(error),
    };
    // Shared, so that two that look do not see each other; released with the file.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(LockState::Free),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(LockState::Held { pid: lock_pid(&path) }),
        Err(error) => Err(error.into()),
    }
}

fn lock_pid(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The offset a consumer said it is done with.
pub(super) fn done_offset(dir: &Path) -> Option<u64> {
    fs::read_to_string(dir.join(DONE_FILE)).ok()?.trim().parse().ok()
}

/// Stores it. Not synced: an older value only means that old segments are kept a little longer.
pub(super) fn store_done_offset(dir: &Path, offset: u64) -> Result<(), SpoolError> {
    let (path, fresh) = (dir.join(DONE_FILE), dir.join("done.new"));
    fs::write(&fresh, format!("{offset}\n")).map_err(SpoolError::io("write", &fresh))?;
    fs::rename(&fresh, &path).map_err(SpoolError::io("replace", &path))
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
