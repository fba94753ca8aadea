//! The marker: a file outside the database that remembers how far the journal came.
//!
//! A till restored from an older image finds its journal behind this file and stops spending. Two slots are
//! written in turn, in place, each with its own checksum, and synced before the answer: a cut destroys at most
//! the slot being written, and the other holds what was stored before. One small sync for each store.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use counterfoil_till::{Marker, Witness, WitnessError};

use crate::files;

/// Bytes of one slot: a multiple of any sector, so that slots never share one.
const SLOT_BYTES: usize = 4096;

/// The marker file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The open marker file.
#[derive(Debug)]
pub struct MarkerFile {
    file: File,
    path: PathBuf,
    next_slot: u64,
}

impl MarkerFile {
    /// Opens the file and reads what it remembers; an absent or unreadable one remembers nothing. It is made
    /// where it is absent.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(path: &Path) -> io::Result<(Self, Option<Marker>)> {
        if !path.exists() {
            files::write_durably(path, 0o600, |file| file.write_all(&[0; 2 * SLOT_BYTES]))?;
        }
        let file = File::options().read(true).write(true).open(path)?;
        let slots = [read_slot(&file, 0), read_slot(&file, 1)];
        let position = |slot: &Option<Marker>| slot.as_ref().map(|marker| marker.head.position);
        let newest = usize::from(position(&slots[1]) > position(&slots[0]));
        let [first, second] = slots;
        let known = if newest == 0 { first } else { second };
        let next_slot = if newest == 0 { 1 } else { 0 };
        Ok((Self { file, path: path.to_path_buf(), next_slot }, known))
    }
}

impl Witness for MarkerFile {
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError> {
        let mut slot = [0; SLOT_BYTES];
        let text = marker.to_text();
        slot[..text.len()].copy_from_slice(text.as_bytes());
        self.file
            .write_all_at(&slot, self.next_slot * SLOT_BYTES as u64)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| WitnessError(Box::new(WriteError { path: self.path.clone(), source })))?;
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }
}

fn read_slot(file: &File, slot: u64) -> Option<Marker> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, slot * SLOT_BYTES as u64).ok()?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Marker::parse(std::str::from_utf8(&bytes[..end]).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use counterfoil_protocol::id::IncarnationId;
    use counterfoil_protocol::record::{Chain, Head};

    use super::*;

    fn marker(position: u64) -> Marker {
        Marker {
            incarnation: IncarnationId([7; 16]),
            head: Head { position, chain: Chain::of(&[&position.to_le_bytes()]) },
        }
    }

    #[test]
    fn the_last_store_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        let (mut file, known) = MarkerFile::open(&path).unwrap();
        assert_eq!(known, None);
        for position in 1..=5 {
            file.store(&marker(position)).unwrap();
            assert_eq!(MarkerFile::open(&path).unwrap().1, Some(marker(position)));
        }
        drop(file);
        // Opened again it goes on with the older slot.
        let (mut file, _) = MarkerFile::open(&path).unwrap();
        file.store(&marker(6)).unwrap();
        assert_eq!(MarkerFile::open(&path).unwrap().1, Some(marker(6)));
    }

    #[test]
    fn a_store_cut_anywhere_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        let (mut file, _) = MarkerFile::open(&path).unwrap();
        file.store(&marker(1)).unwrap();
        let before = std::fs::read(&path).unwrap();
        file.store(&marker(2)).unwrap();
        let after = std::fs::read(&path).unwrap();
        let changed: Vec<usize> = (0..after.len()).filter(|index| before[*index] != after[*index]).collect();
        for cut in &changed {
            let mut torn = before.clone();
            torn[..*cut].copy_from_slice(&after[..*cut]);
            std::fs::write(&path, &torn).unwrap();
            let known = MarkerFile::open(&path).unwrap().1;
            assert_eq!(known, Some(marker(1)), "cut at byte {cut}");
        }
        std::fs::write(&path, [0xff; 2 * SLOT_BYTES]).unwrap();
        assert_eq!(MarkerFile::open(&path).unwrap().1, None, "garbage remembers nothing");
    }
}
