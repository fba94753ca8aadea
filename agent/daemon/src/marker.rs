//! The marker: a file outside the database that remembers how far the journal came.
//!
//! A till restored from an older image finds its journal behind this file and stops spending. Two slots are
//! written in turn, in place, each with its own checksum, and synced before the answer: a cut destroys at most
//! the slot being written, and the other holds what was stored before. One small sync for each store. Stores are
//! numbered, because positions begin anew with every life of the till.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use counterfoil_protocol::id::Digest;
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
    next_number: u64,
}

/// What a slot holds: a marker, and which store it was. Slots without a number are older than all that have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    number: u64,
    marker: Marker,
}

impl Slot {
    /// The marker's text, a NUL, the number, and a checksum over both.
    fn to_bytes(self) -> [u8; SLOT_BYTES] {
        let text = self.marker.to_text();
        let tail = [&[0], &self.number.to_le_bytes()[..], &Self::checksum(&text, self.number)].concat();
        let mut bytes = [0; SLOT_BYTES];
        for (place, byte) in bytes.iter_mut().zip(text.bytes().chain(tail)) {
            *place = byte;
        }
        bytes
    }

    fn parse(bytes: &[u8; SLOT_BYTES]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let text = std::str::from_utf8(&bytes[..end]).ok()?;
        let marker = Marker::parse(text).ok()?;
        let (number, checksum) = bytes.get(end + 1..end + 17)?.split_at(8);
        if number == [0; 8] && checksum == [0; 8] {
            return Some(Self { number: 0, marker });
        }
        let number = u64::from_le_bytes(number.try_into().ok()?);
        (checksum == Self::checksum(text, number)).then_some(Self { number, marker })
    }

    fn checksum(text: &str, number: u64) -> [u8; 8] {
        let digest = Digest::of(&[b"counterfoil marker slot\0", text.as_bytes(), &number.to_le_bytes()]);
        let mut first = [0; 8];
        first.copy_from_slice(&digest.0[..8]);
        first
    }
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
        let age = |slot: &Option<Slot>| slot.map(|slot| (slot.number, slot.marker.head.position));
        let newest = usize::from(age(&slots[1]) > age(&slots[0]));
        let known = slots[newest];
        let next_slot = if newest == 0 { 1 } else { 0 };
        let next_number = known.map_or(1, |slot| slot.number + 1);
        let this = Self { file, path: path.to_path_buf(), next_slot, next_number };
        Ok((this, known.map(|slot| slot.marker)))
    }
}

impl Witness for MarkerFile {
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError> {
        let slot = Slot { number: self.next_number, marker: *marker };
        self.file
            .write_all_at(&slot.to_bytes(), self.next_slot * SLOT_BYTES as u64)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| WitnessError(Box::new(WriteError { path: self.path.clone(), source })))?;
        self.next_slot = 1 - self.next_slot;
        self.next_number += 1;
        Ok(())
    }
}

fn read_slot(file: &File, slot: u64) -> Option<Slot> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, slot * SLOT_BYTES as u64).ok()?;
    Slot::parse(&bytes)
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

    /// Positions begin anew: a shorter journal must not lose against the one that ended.
    #[test]
    fn the_marker_of_the_next_life_is_newer_than_a_longer_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        let (mut file, _) = MarkerFile::open(&path).unwrap();
        file.store(&marker(40)).unwrap();
        file.store(&marker(41)).unwrap();
        let next = Marker { incarnation: IncarnationId([8; 16]), ..marker(1) };
        file.store(&next).unwrap();
        assert_eq!(MarkerFile::open(&path).unwrap().1, Some(next));
    }

    /// Files that an earlier version wrote: slots of text alone, ordered by position.
    #[test]
    fn slots_without_a_number_are_read_and_are_the_oldest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marker");
        let mut old = vec![0; 2 * SLOT_BYTES];
        for (slot, position) in [(0, 7), (1, 6)] {
            let text = marker(position).to_text();
            old[slot * SLOT_BYTES..][..text.len()].copy_from_slice(text.as_bytes());
        }
        std::fs::write(&path, old).unwrap();
        let (mut file, known) = MarkerFile::open(&path).unwrap();
        assert_eq!(known, Some(marker(7)));
        let next = Marker { incarnation: IncarnationId([8; 16]), ..marker(1) };
        file.store(&next).unwrap();
        assert_eq!(MarkerFile::open(&path).unwrap().1, Some(next));
    }
}
