//! Reading a spool, from any offset, while it is being written.
//!
//! The reader yields the stream in order: bytes, or a gap where bytes are known to be missing. It never yields
//! an offset twice and never goes back. At the end of the newest segment it waits for the writer; a damaged
//! frame there may be half of one being written, so it becomes a gap only when a newer segment exists or the
//! writer has cut it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::inotify;

use super::SpoolError;
use super::frame::{Content, Decoded, Frame, HEADER_BYTES, PAYLOAD_BYTES_MAX, decode};
use super::segment::{PREAMBLE_BYTES, Segment, done_offset, preamble, segments, store_done_offset};
use crate::port::{Wake, poll_for};

/// A piece of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpoolItem {
    /// Bytes from `offset` on.
    Bytes {
        /// Stream offset of the first byte.
        offset: u64,
        /// Wall time of the tap when they passed, milliseconds since 1970 UTC.
        at_ms: i64,
        /// The bytes, payment card numbers masked.
        bytes: Vec<u8>,
    },
    /// What passed between two offsets is not known.
    Gap {
        /// First offset that is missing.
        from: u64,
        /// First offset that is there again.
        to: u64,
        /// When the gap was recorded; 0 when no record of it is left.
        at_ms: i64,
        /// Why, for a person.
        reason: String,
    },
}

/// Reads one spool.
#[derive(Debug)]
pub struct SpoolReader {
    dir: PathBuf,
    at: u64,
    current: Option<Current>,
    watch: Option<OwnedFd>,
}

#[derive(Debug)]
struct Current {
    file: File,
    start: u64,
    /// File offset of the next frame.
    next: u64,
    /// File offset of the frame that was read last.
    last: u64,
}

enum Step {
    Frame(Frame),
    /// Nothing (whole) there.
    End,
    Damaged,
}

impl SpoolReader {
    /// Reads `dir` from stream offset `at` on. The directory need not be there yet.
    pub fn open(dir: &Path, at: u64) -> Self {
        Self { dir: dir.to_path_buf(), at, current: None, watch: None }
    }

    /// Reads `dir` from where the consumer was done.
    pub fn resume(dir: &Path) -> Self {
        Self::open(dir, done_offset(dir).unwrap_or(0))
    }

    /// The offset of what comes next.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The next piece, or `None` while the writer has written no more.
    ///
    /// # Errors
    /// When the disk cannot be read. Trying again is safe.
    pub fn next_item(&mut self) -> Result<Option<SpoolItem>, SpoolError> {
        loop {
            if self.current.is_none() && !self.enter()? {
                return Ok(None);
            }
            match self.step()? {
                Step::Frame(frame) => {
                    if let Some(item) = self.take(frame) {
                        return Ok(Some(item));
                    }
                }
                Step::End | Step::Damaged => {
                    // What is missing here is told by the offset of the next frame.
                    if !self.leave()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Everything before `offset` will not be asked for again: whole segments before it are deleted.
    ///
    /// # Errors
    /// When a file cannot be written or deleted.
    pub fn done(&mut self, offset: u64) -> Result<(), SpoolError> {
        if !self.dir.exists() {
            fs::create_dir_all(&self.dir).map_err(SpoolError::io("make", &self.dir))?;
        }
        store_done_offset(&self.dir, offset)?;
        let all = segments(&self.dir)?;
        // The newest may be written to, whatever its end.
        for pair in all.windows(2).filter(|pair| pair[1].start <= offset) {
            match fs::remove_file(&pair[0].path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(SpoolError::io("delete", &pair[0].path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until something changed in the spool, `wake` was woken, or `timeout` passed.
    pub fn wait(&mut self, wake: &Wake, timeout: Duration) {
        if self.watch.is_none() {
            self.watch = watch(&self.dir);
            if self.watch.is_some() {
                // What changed before it was watched is looked at first.
                return;
            }
        }
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        if let Some(watch) = &self.watch {
            fds.push(PollFd::new(watch, PollFlags::IN));
        }
        // Without a watch, the timeout is the interval of looking.
        let _ = poll_for(&mut fds, Some(timeout));
        if let Some(watch) = &self.watch {
            let mut events = [0u8; 4_096];
            let _ = rustix::io::read(watch, &mut events);
        }
        wake.clear();
    }

    /// The segment that holds `at`, or the first one after it.
    fn enter(&mut self) -> Result<bool, SpoolError> {
        let all = segments(&self.dir).or_else(|error| if self.dir.exists() { Err(error) } else { Ok(Vec::new()) })?;
        let index = all.iter().rposition(|segment| segment.start <= self.at).unwrap_or(0);
        all.get(index).map_or(Ok(false), |segment| self.enter_segment(segment))
    }

    fn enter_segment(&mut self, segment: &Segment) -> Result<bool, SpoolError> {
        match File::open(&segment.path) {
            Ok(file) => {
                self.current = Some(Current { file, start: segment.start, next: 0, last: 0 });
                Ok(true)
            }
            // Deleted since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(SpoolError::io("open", &segment.path)(error)),
        }
    }

    /// Goes on to the segment after the current one. False when there is none yet.
    fn leave(&mut self) -> Result<bool, SpoolError> {
        let start = self.current.as_ref().map_or(0, |current| current.start);
        let next = segments(&self.dir)?.into_iter().find(|segment| segment.start > start);
        let Some(next) = next else { return Ok(false) };
        // The writer finishes a segment before it begins the next: what is at the end now is all there will be.
        if let Step::Frame(_) = self.step()? {
            self.rewind();
            return Ok(true);
        }
        self.enter_segment(&next)
    }

    fn rewind(&mut self) {
        if let Some(current) = &mut self.current {
            current.next = current.last;
        }
    }

    fn step(&mut self) -> Result<Step, SpoolError> {
        let dir = self.dir.clone();
        let Some(current) = &mut self.current else { return Ok(Step::End) };
        let io = |error| SpoolError::io("read", &dir)(error);
        if current.next == 0 {
            let found = read_at(&mut current.file, 0, PREAMBLE_BYTES as usize).map_err(io)?;
            if found.len() < PREAMBLE_BYTES as usize {
                return Ok(Step::End);
            }
            if found != preamble(current.start) {
                return Ok(Step::Damaged);
            }
            current.next = PREAMBLE_BYTES;
        }
        let head = read_at(&mut current.file, current.next, HEADER_BYTES).map_err(io)?;
        let Some(length) = head.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize) else {
            return Ok(Step::End);
        };
        let whole =
            read_at(&mut current.file, current.next, HEADER_BYTES + length.min(PAYLOAD_BYTES_MAX)).map_err(io)?;
        Ok(match decode(&whole) {
            Decoded::Frame(frame, length) => {
                current.last = current.next;
                current.next += length as u64;
                Step::Frame(frame)
            }
            Decoded::Incomplete => Step::End,
            Decoded::Damaged => Step::Damaged,
        })
    }

    /// What a frame adds to what was already read.
    fn take(&mut self, frame: Frame) -> Option<SpoolItem> {
        let end = frame.end();
        if frame.offset > self.at {
            // Frames are missing before this one. It is read again for itself.
            let item = SpoolItem::Gap {
                from: self.at,
                to: frame.offset,
                at_ms: frame.wall_ms,
                reason: "a part of the spool is missing or damaged".to_owned(),
            };
            self.at = frame.offset;
            self.rewind();
            return Some(item);
        }
        if end <= self.at {
            return None;
        }
        let (from, at_ms) = (std::mem::replace(&mut self.at, end), frame.wall_ms);
        match frame.content {
            Content::Bytes(mut bytes) => {
                bytes.drain(..usize::try_from(from - frame.offset).expect("less than a frame's length"));
                Some(SpoolItem::Bytes { offset: from, at_ms, bytes })
            }
            Content::Gap { to, reason } => Some(SpoolItem::Gap { from, to, at_ms, reason }),
            Content::Dropping | Content::Closed => None,
        }
    }
}

fn read_at(file: &mut File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn watch(dir: &Path) -> Option<OwnedFd> {
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
    let events = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&fd, dir, events).ok()?;
    Some(fd)
}
