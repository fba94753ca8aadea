//! The one writer of a spool.
//!
//! Frames are appended in stream order; what cannot be appended (spool full, disk full, I/O error) is dropped
//! and becomes one gap frame as soon as there is room again. The position grows in either case. Not thread
//! safe and may block on the disk: the forwarding path uses a [`super::SpoolFeed`] instead.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::frame::{Content, Decoded, Frame, HEADER_BYTES, PAYLOAD_BYTES_MAX, decode};
use super::segment::{
    PREAMBLE_BYTES, Segment, done_offset, preamble, segment_path, segments, sync_dir, take_lock, total_bytes,
};
use super::{CRASH_JUMP, SpoolError, SpoolLimits};

/// Room beyond the limit for the frames that tell of a gap.
const RESERVE_BYTES: u64 = 512;

/// What became of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Written.
    Stored,
    /// The first bytes of a gap: not written, and why.
    GapBegan(String),
    /// Not written either; the gap goes on.
    Dropped,
    /// Written, after a gap from one offset to another that is now recorded.
    GapEnded {
        /// First offset that was not kept.
        from: u64,
        /// First offset that is kept again.
        to: u64,
    },
}

/// Writes a spool; holds its lock.
#[derive(Debug)]
pub struct SpoolWriter {
    dir: PathBuf,
    limits: SpoolLimits,
    _lock: File,
    segment: Option<Open>,
    position: u64,
    /// Bytes of all segments as last counted, plus what was written since.
    total_bytes: u64,
    gap: Option<Gap>,
    unsynced: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    bytes: u64,
}

#[derive(Debug)]
struct Gap {
    from: u64,
    reason: String,
}

/// Why a frame was not written.
enum Refused {
    Full,
    Disk(SpoolError),
}

impl SpoolWriter {
    /// Opens or makes the spool `dir`. A tail torn by a crash is cut; unless the last writer closed the spool,
    /// offsets jump by [`CRASH_JUMP`] over a recorded gap.
    ///
    /// # Errors
    /// When another tap holds the spool, or the directory cannot be read or made.
    pub fn open(dir: &Path, limits: SpoolLimits, now_ms: i64) -> Result<Self, SpoolError> {
        fs::create_dir_all(dir).map_err(SpoolError::io("make", dir))?;
        let lock = take_lock(dir)?;
        let last = segments(dir)?.pop();
        let done = done_offset(dir).unwrap_or(0);
        let mut writer = Self {
            dir: dir.to_path_buf(),
            limits,
            _lock: lock,
            segment: None,
            position: 0,
            total_bytes: total_bytes(dir)?,
            gap: None,
            unsynced: false,
        };
        let reason = match last {
            Some(segment) => {
                let clean = writer.take_up(&segment)?;
                (!clean).then_some("the tap was killed or the power failed: what was inside it then is lost")
            }
            None => (done > 0).then_some("the spool was emptied"),
        };
        let reason = reason.or((done > writer.position).then_some("the spool is older than what was read from it"));
        if let Some(reason) = reason {
            writer.jump(reason, done);
            writer.record_gap(now_ms, 0);
        }
        Ok(writer)
    }

    /// The stream offset of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of all segment files, as last counted.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Where and why bytes are being dropped now.
    pub fn gap(&self) -> Option<(u64, &str)> {
        self.gap.as_ref().map(|gap| (gap.from, gap.reason.as_str()))
    }

    /// Keeps `bytes`, which passed at `at_ms`; or drops them and remembers the gap.
    pub fn append(&mut self, bytes: &[u8], at_ms: i64) -> Kept {
        let mut kept = Kept::Stored;
        for part in bytes.chunks(PAYLOAD_BYTES_MAX) {
            match self.append_part(part, at_ms) {
                Kept::Stored => {}
                other => kept = other,
            }
        }
        kept
    }

    /// `count` bytes passed that nobody kept.
    pub fn skip(&mut self, count: u64, reason: &str) -> Kept {
        self.drop_bytes(count, reason.to_owned(), 0)
    }

    fn append_part(&mut self, bytes: &[u8], at_ms: i64) -> Kept {
        let gap_from = self.gap.as_ref().map(|gap| gap.from);
        let following = (HEADER_BYTES + bytes.len()) as u64 + PREAMBLE_BYTES;
        if gap_from.is_some() && !self.record_gap(at_ms, following.max(self.limits.total_bytes_max / 16)) {
            self.position = self.position.saturating_add(bytes.len() as u64);
            return Kept::Dropped;
        }
        let to = self.position;
        let frame = Frame { offset: self.position, wall_ms: at_ms, content: Content::Bytes(bytes.to_vec()) };
        match self.write(&frame, 0) {
            Ok(()) => {
                self.position = frame.end();
                gap_from.map_or(Kept::Stored, |from| Kept::GapEnded { from, to })
            }
            Err(Refused::Full) => {
                let reason = format!("the spool was full ({} bytes)", self.limits.total_bytes_max);
                self.drop_bytes(bytes.len() as u64, reason, at_ms)
            }
            Err(Refused::Disk(error)) => {
                let reason = format!("the spool could not be written: {}", cause(&error));
                self.drop_bytes(bytes.len() as u64, reason, at_ms)
            }
        }
    }

    fn drop_bytes(&mut self, count: u64, reason: String, at_ms: i64) -> Kept {
        let kept = if self.gap.is_some() {
            Kept::Dropped
        } else {
            // So that a kill before the gap can be recorded is told from a kill with nothing lost.
            let mark = Frame { offset: self.position, wall_ms: at_ms, content: Content::Dropping };
            let _ = self.write(&mark, RESERVE_BYTES / 2);
            self.gap = Some(Gap { from: self.position, reason: reason.clone() });
            Kept::GapBegan(reason)
        };
        self.position = self.position.saturating_add(count);
        kept
    }

    /// Writes the gap that stands open, if there is room for it and for `following` bytes: or there would be one
    /// for every chunk. True when none is open any more.
    fn record_gap(&mut self, at_ms: i64, following: u64) -> bool {
        let Some(gap) = &self.gap else { return true };
        let content = Content::Gap { to: self.position, reason: gap.reason.clone() };
        let frame = Frame { offset: gap.from, wall_ms: at_ms, content };
        let room = frame.encode().len() as u64 + PREAMBLE_BYTES + following;
        if !self.has_room(room, 0) || self.write(&frame, RESERVE_BYTES).is_err() {
            return false;
        }
        self.gap = None;
        true
    }

    /// Makes what was written durable, and notices a consumer that is further than this spool.
    ///
    /// # Errors
    /// When the disk says no. What was written may still be there.
    pub fn tick(&mut self, now_ms: i64) -> Result<(), SpoolError> {
        if done_offset(&self.dir).is_some_and(|done| done > self.position) {
            self.jump("the spool is older than what was read from it", done_offset(&self.dir).unwrap_or(0));
        }
        self.record_gap(now_ms, self.limits.total_bytes_max / 4);
        self.sync()
    }

    fn sync(&mut self) -> Result<(), SpoolError> {
        if let Some(open) = self.segment.as_ref().filter(|_| self.unsynced) {
            open.file.sync_data().map_err(SpoolError::io("sync", &open.path))?;
        }
        self.unsynced = false;
        Ok(())
    }

    /// Ends the spool so that the next writer knows nothing was lost between.
    ///
    /// # Errors
    /// When the disk says no; the next writer then records a gap.
    pub fn close(mut self, now_ms: i64) -> Result<u64, SpoolError> {
        if self.record_gap(now_ms, 0) {
            let end = Frame { offset: self.position, wall_ms: now_ms, content: Content::Closed };
            if let Err(Refused::Disk(error)) = self.write(&end, RESERVE_BYTES) {
                return Err(error);
            }
        }
        self.sync()?;
        Ok(self.position)
    }

    /// Finds the end of the newest segment, cuts what is torn, and goes on in it. Says whether the last writer
    /// closed it.
    fn take_up(&mut self, last: &Segment) -> Result<bool, SpoolError> {
        let bytes = read_segment(&last.path, self.limits).map_err(SpoolError::io("read", &last.path))?;
        self.position = last.start;
        if !bytes.starts_with(&preamble(last.start)) {
            // Power failed before its first bytes were on the disk. A new segment follows.
            return Ok(false);
        }
        let mut good = PREAMBLE_BYTES as usize;
        let mut clean = false;
        while let Decoded::Frame(frame, length) = decode(&bytes[good..]) {
            good += length;
            self.position = self.position.max(frame.end());
            clean = frame.content == Content::Closed;
        }
        let torn = good < bytes.len();
        let file = OpenOptions::new().append(true).open(&last.path).map_err(SpoolError::io("open", &last.path))?;
        if torn {
            file.set_len(good as u64).map_err(SpoolError::io("cut the torn tail of", &last.path))?;
            self.total_bytes = self.total_bytes.saturating_sub((bytes.len() - good) as u64);
        }
        self.segment = Some(Open { file, path: last.path.clone(), bytes: good as u64 });
        Ok(clean && !torn)
    }

    fn jump(&mut self, reason: &str, at_least: u64) {
        if self.gap.is_none() {
            self.gap = Some(Gap { from: self.position, reason: reason.to_owned() });
        }
        self.position = self.position.max(at_least).saturating_add(CRASH_JUMP);
    }

    fn has_room(&mut self, needed: u64, reserve: u64) -> bool {
        let limit = self.limits.total_bytes_max.saturating_add(reserve);
        if self.total_bytes.saturating_add(needed) > limit {
            // The consumer deletes segments without telling.
            self.total_bytes = total_bytes(&self.dir).unwrap_or(u64::MAX);
        }
        self.total_bytes.saturating_add(needed) <= limit
    }

    fn write(&mut self, frame: &Frame, reserve: u64) -> Result<(), Refused> {
        let bytes = frame.encode();
        if self.segment.as_ref().is_some_and(|open| open.bytes >= self.limits.segment_bytes_max) {
            self.sync().map_err(Refused::Disk)?;
            self.segment = None;
        }
        let opening = if self.segment.is_some() { 0 } else { PREAMBLE_BYTES };
        if !self.has_room(bytes.len() as u64 + opening, reserve) {
            return Err(Refused::Full);
        }
        if self.segment.is_none() {
            self.segment = Some(begin_segment(&self.dir, frame.offset).map_err(Refused::Disk)?);
            self.total_bytes = self.total_bytes.saturating_add(PREAMBLE_BYTES);
        }
        let open = self.segment.as_mut().expect("a segment was opened above");
        match open.file.write_all(&bytes) {
            Ok(()) => {
                open.bytes += bytes.len() as u64;
                self.total_bytes = self.total_bytes.saturating_add(bytes.len() as u64);
                self.unsynced = true;
                Ok(())
            }
            Err(error) => {
                // Part of the frame may be there: cut it, or leave the file as it is and begin another.
                let error = SpoolError::io("write", &open.path)(error);
                if open.file.set_len(open.bytes).is_err() {
                    self.segment = None;
                }
                Err(Refused::Disk(error))
            }
        }
    }
}

/// A whole segment, but no more than a segment of ours can have.
fn read_segment(path: &Path, limits: SpoolLimits) -> io::Result<Vec<u8>> {
    let longest = limits.segment_bytes_max.max(limits.total_bytes_max) + 2 * PAYLOAD_BYTES_MAX as u64;
    let mut bytes = Vec::new();
    File::open(path)?.take(longest).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn begin_segment(dir: &Path, start: u64) -> Result<Open, SpoolError> {
    let path = segment_path(dir, start);
    let begin = || -> io::Result<File> {
        // A file of this name holds no frame: it would have moved the position on.
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(0)?;
        file.write_all(&preamble(start))?;
        // A name that is lost with the power is a lost tail like any other.
        let _ = sync_dir(dir);
        Ok(file)
    };
    let file = begin().map_err(SpoolError::io("begin", &path))?;
    Ok(Open { file, path, bytes: PREAMBLE_BYTES })
}

fn cause(error: &SpoolError) -> String {
    match error {
        SpoolError::Io { source, .. } => source.to_string(),
        SpoolError::Locked { .. } => error.to_string(),
    }
}
