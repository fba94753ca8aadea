//! The disk's model: files, what of them is durable, and what a power cut does to the rest.
//!
//! Each file has two contents: `live`, what programs see, and `durable`, what survives. Changes since the last
//! sync are `pending`; a sync promotes them. The directory is treated alike, name by name. Not here: anything of
//! SQLite.

use std::collections::BTreeMap;

use super::{Counters, Fault};
use crate::rng::Rng;

/// What a disk writes as one.
const SECTOR_BYTES: usize = 512;

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// An error, or no power.
    #[error("the disk reports an I/O error")]
    Io,
    /// No space.
    #[error("the disk is full")]
    Full,
}

/// Files as they were once.
#[derive(Debug, Clone)]
pub struct Image(BTreeMap<String, Vec<u8>>);

impl Image {
    /// The same with a file as given, or without it.
    #[must_use]
    pub fn with(&self, name: &str, content: Option<Vec<u8>>) -> Self {
        let mut files = self.0.clone();
        set(&mut files, name.to_owned(), content);
        Self(files)
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { bytes: usize },
}

#[derive(Debug, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// Which file a handle means; kept by open files after their name is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

/// An open file: useless once the disk has been stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handle {
    pub(super) file: FileId,
    life: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
    Other,
}

#[derive(Debug)]
pub(super) struct Platter {
    files: BTreeMap<FileId, File>,
    names: BTreeMap<String, FileId>,
    durable_names: BTreeMap<String, FileId>,
    /// Unsynced directory changes: what a name means after each.
    pending_names: Vec<(String, Option<FileId>)>,
    next_file: u64,
    life: u64,
    stopped: bool,
    lying: bool,
    fault: Option<Fault>,
    counters: Counters,
    rng: Rng,
}

impl Platter {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            next_file: 1,
            life: 1,
            stopped: false,
            lying: false,
            fault: None,
            counters: Counters::default(),
            rng: Rng::new(seed),
        }
    }

    pub(super) fn arm(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    pub(super) fn disarm(&mut self) {
        self.fault = None;
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.fault = None;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn is_failing(&self) -> bool {
        self.fault.is_some()
    }

    pub(super) fn set_lying(&mut self, lying: bool) {
        self.lying = lying;
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn resume(&mut self) {
        self.stopped = false;
        self.fault = None;
        self.life += 1;
    }

    pub(super) fn power_on(&mut self) {
        self.counters.cuts += 1;
        self.names = self.surviving_names();
        self.durable_names = self.names.clone();
        self.pending_names.clear();
        for file in self.files.values_mut() {
            settle(file, &mut self.rng);
            file.live = file.durable.clone();
        }
        self.forget_unnamed();
        self.resume();
    }

    pub(super) fn image(&self) -> Image {
        Image(self.names.iter().map(|(name, id)| (name.clone(), self.files[id].live.clone())).collect())
    }

    pub(super) fn restore(&mut self, image: &Image) {
        self.files.clear();
        self.names.clear();
        for (name, content) in &image.0 {
            let id = self.new_file();
            let file = self.files.entry(id).or_default();
            file.live = content.clone();
            file.durable = content.clone();
            self.names.insert(name.clone(), id);
        }
        self.durable_names = self.names.clone();
        self.pending_names.clear();
        self.resume();
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Opens a file, or makes it; without a name one that nobody else can find. The second value says whether
    /// it was made.
    pub(super) fn open(&mut self, name: Option<&str>, create: bool) -> Result<(Handle, bool), DiskError> {
        if self.stopped {
            return Err(DiskError::Io);
        }
        if let Some(file) = name.and_then(|name| self.names.get(name)) {
            return Ok((Handle { file: *file, life: self.life }, false));
        }
        if !create {
            return Err(DiskError::Io);
        }
        self.step(Operation::Other)?;
        let file = self.new_file();
        if let Some(name) = name {
            self.set_name(name, Some(file));
        }
        Ok((Handle { file, life: self.life }, true))
    }

    pub(super) fn remove(&mut self, name: &str, sync_directory: bool) -> Result<(), DiskError> {
        self.step(Operation::Other)?;
        self.set_name(name, None);
        if sync_directory {
            self.sync_directory()?;
        }
        Ok(())
    }

    pub(super) fn len(&self, handle: Handle) -> usize {
        self.files.get(&handle.file).map_or(0, |file| file.live.len())
    }

    /// Fills `buffer`; beyond the end with zeros. Says how many bytes there were.
    pub(super) fn read(&mut self, handle: Handle, offset: usize, buffer: &mut [u8]) -> Result<usize, DiskError> {
        self.alive(handle)?;
        self.step(Operation::Read)?;
        let live = self.files.get(&handle.file).map_or(&[][..], |file| &file.live);
        let there = live.get(offset..).unwrap_or(&[]);
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        buffer[count..].fill(0);
        Ok(count)
    }

    pub(super) fn write(&mut self, handle: Handle, offset: usize, bytes: &[u8]) -> Result<(), DiskError> {
        self.alive(handle)?;
        let result = self.step(Operation::Write);
        // The write at which power fails has been given to the disk: parts of it may survive.
        if result.is_ok() || (self.stopped && result == Err(DiskError::Io)) {
            self.change(handle.file, Change::Write { offset, bytes: bytes.to_vec() });
        }
        result
    }

    pub(super) fn truncate(&mut self, handle: Handle, bytes: usize) -> Result<(), DiskError> {
        self.alive(handle)?;
        self.step(Operation::Other)?;
        self.change(handle.file, Change::Truncate { bytes });
        Ok(())
    }

    pub(super) fn sync(&mut self, handle: Handle) -> Result<(), DiskError> {
        self.alive(handle)?;
        self.counters.syncs += 1;
        let result = self.step(Operation::Other);
        let lying = self.lying;
        let Some(file) = self.files.get_mut(&handle.file) else {
            return result;
        };
        match result {
            Ok(()) if lying => {}
            Ok(()) => file.pending.drain(..).for_each(|change| apply(&mut file.durable, &change)),
            // A failed sync leaves the kernel believing that its pages are clean: what reached the disk did, the
            // rest never will, and programs go on seeing it.
            Err(_) if !self.stopped => settle(file, &mut self.rng),
            Err(_) => {}
        }
        result
    }

    pub(super) fn sync_directory(&mut self) -> Result<(), DiskError> {
        self.counters.directory_syncs += 1;
        self.step(Operation::Other)?;
        if !self.lying {
            for (name, file) in self.pending_names.drain(..) {
                set(&mut self.durable_names, name, file);
            }
            self.forget_unnamed();
        }
        Ok(())
    }

    pub(super) fn read_file(&mut self, name: &str) -> Option<Vec<u8>> {
        let id = self.names.get(name)?;
        Some(self.files[id].live.clone())
    }

    pub(super) fn write_file_unsynced(&mut self, name: &str, content: &[u8]) -> Result<(), DiskError> {
        let (handle, _) = self.open(Some(name), true)?;
        self.truncate(handle, 0)?;
        self.write(handle, 0, content)
    }

    pub(super) fn rewrite_in_place(&mut self, name: &str) -> Result<(), DiskError> {
        let Some(content) = self.read_file(name) else { return Ok(()) };
        let (handle, _) = self.open(Some(name), false)?;
        self.write(handle, 0, &content)?;
        self.sync(handle)
    }

    pub(super) fn replace_file(&mut self, name: &str, content: &[u8]) -> Result<(), DiskError> {
        let next = format!("{name}.next");
        let (handle, _) = self.open(Some(&next), true)?;
        self.truncate(handle, 0)?;
        self.write(handle, 0, content)?;
        self.sync(handle)?;
        self.step(Operation::Other)?;
        self.set_name(name, Some(handle.file));
        self.set_name(&next, None);
        self.sync_directory()
    }

    pub(super) fn remove_file(&mut self, name: &str) {
        self.names.remove(name);
        self.durable_names.remove(name);
        self.pending_names.retain(|(pending, _)| pending != name);
        self.forget_unnamed();
    }

    fn alive(&self, handle: Handle) -> Result<(), DiskError> {
        if self.stopped || handle.life != self.life { Err(DiskError::Io) } else { Ok(()) }
    }

    /// Counts an operation and lets what is armed happen.
    fn step(&mut self, operation: Operation) -> Result<(), DiskError> {
        if self.stopped {
            return Err(DiskError::Io);
        }
        if operation != Operation::Read {
            self.counters.changes += 1;
        }
        match &mut self.fault {
            Some(Fault::Stop { after }) if operation != Operation::Read => {
                *after = after.saturating_sub(1);
                if *after == 0 {
                    self.stop();
                    return Err(DiskError::Io);
                }
            }
            Some(Fault::Errors { after, count }) => return fail(after, count, DiskError::Io),
            Some(Fault::Full { after, count }) if operation == Operation::Write => {
                return fail(after, count, DiskError::Full);
            }
            _ => {}
        }
        Ok(())
    }

    fn new_file(&mut self) -> FileId {
        let id = FileId(self.next_file);
        self.next_file += 1;
        self.files.insert(id, File::default());
        id
    }

    fn change(&mut self, id: FileId, change: Change) {
        if let Some(file) = self.files.get_mut(&id) {
            apply(&mut file.live, &change);
            file.pending.push(change);
        }
    }

    fn set_name(&mut self, name: &str, file: Option<FileId>) {
        set(&mut self.names, name.to_owned(), file);
        self.pending_names.push((name.to_owned(), file));
    }

    /// Per name, some first part of its unsynced changes happened; names do not wait for each other, except
    /// that a rename is one change.
    fn surviving_names(&mut self) -> BTreeMap<String, FileId> {
        let mut by_name: BTreeMap<&str, Vec<Option<FileId>>> = BTreeMap::new();
        for (name, file) in &self.pending_names {
            by_name.entry(name).or_default().push(*file);
        }
        let mut survivors = self.durable_names.clone();
        for (name, changes) in by_name {
            let kept = self.rng.index(changes.len() + 1);
            changes[..kept].iter().for_each(|file| set(&mut survivors, name.to_owned(), *file));
        }
        survivors
    }

    /// Files that no name can ever mean again, and that nothing has open, take no more room. Open ones are found
    /// by their handles until the next stop, so only those of earlier lives go.
    fn forget_unnamed(&mut self) {
        if !self.stopped {
            return;
        }
        let (names, durable) = (&self.names, &self.durable_names);
        let named: std::collections::BTreeSet<FileId> = names.values().chain(durable.values()).copied().collect();
        self.files.retain(|id, _| named.contains(id));
    }
}

fn fail(after: &mut u64, count: &mut u64, error: DiskError) -> Result<(), DiskError> {
    if *after > 1 {
        *after -= 1;
        return Ok(());
    }
    if *count == 0 {
        return Ok(());
    }
    *count -= 1;
    Err(error)
}

fn set<T>(names: &mut BTreeMap<String, T>, name: String, value: Option<T>) {
    match value {
        Some(value) => names.insert(name, value),
        None => names.remove(&name),
    };
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => put(content, *offset, bytes),
        Change::Truncate { bytes } => content.truncate(*bytes),
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// Decides which pending changes reached the disk: every sector of every write on its own, kept, dropped or torn.
/// Some cuts keep nearly everything or nearly nothing, because those are the ones that matter for order.
fn settle(file: &mut File, rng: &mut Rng) {
    let kept_in_thousand = *rng.pick(&[0, 50, 500, 500, 950, 1000]);
    let pending = std::mem::take(&mut file.pending);
    for change in pending {
        match change {
            Change::Truncate { .. } => {
                if rng.chance(kept_in_thousand) {
                    apply(&mut file.durable, &change);
                }
            }
            Change::Write { offset, bytes } => {
                let mut from = 0;
                while from < bytes.len() {
                    let sector_end = (offset + from) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
                    let to = bytes.len().min(sector_end - offset);
                    if rng.chance(kept_in_thousand) {
                        put(&mut file.durable, offset + from, &bytes[from..to]);
                    } else if rng.chance(100) {
                        let torn = from + rng.index(to - from);
                        put(&mut file.durable, offset + from, &bytes[from..torn]);
                    }
                    from = to;
                }
            }
        }
    }
}
