//! The spool on a real file system: crashes at any point, followers, deletion.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_drivers::spool::{
    CRASH_JUMP, Kept, LockState, SpoolItem, SpoolLimits, SpoolReader, SpoolWriter, lock_state,
};
use proptest::prelude::*;
use support::*;

fn small() -> SpoolLimits {
    SpoolLimits { total_bytes_max: 1 << 20, segment_bytes_max: 700 }
}

fn newest_segment(dir: &Path) -> PathBuf {
    let mut all: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    all.sort();
    all.pop().unwrap()
}

fn read_all(dir: &Path, at: u64) -> Vec<SpoolItem> {
    let mut reader = SpoolReader::open(dir, at);
    std::iter::from_fn(|| reader.next_item().unwrap()).collect()
}

/// What is appended, piece by piece.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = (1usize..300).prop_map(every_byte);
    proptest::collection::vec(piece, 1..12)
}

/// Items lie one after the other from `at` on.
fn contiguous(items: &[SpoolItem], at: u64) -> u64 {
    items.iter().fold(at, |at, item| match item {
        SpoolItem::Bytes { offset, bytes, .. } => {
            assert_eq!(*offset, at);
            at + bytes.len() as u64
        }
        SpoolItem::Gap { from, to, .. } => {
            assert_eq!(*from, at);
            assert!(to > from);
            *to
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever a crash leaves of the newest segment, a reader sees a prefix of what was written, then a gap,
    /// then what came after; and no offset is used twice.
    #[test]
    fn any_torn_tail_reads_back_as_a_prefix(
        pieces in pieces(),
        cut in any::<prop::sample::Index>(),
        rubbish in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SpoolWriter::open(dir.path(), small(), 1).unwrap();
        for piece in &pieces {
            prop_assert_eq!(writer.append(piece, 2), Kept::Stored);
        }
        let end = writer.position();
        drop(writer);
        let written = pieces.concat();
        let segment = newest_segment(dir.path());
        let mut bytes = fs::read(&segment).unwrap();
        bytes.truncate(cut.index(bytes.len() + 1));
        bytes.extend(&rubbish);
        fs::write(&segment, bytes).unwrap();

        // A reader that is there before the tap comes back.
        let before = read_all(dir.path(), 0);
        let prefix = bytes_of(&before);
        prop_assert!(written.starts_with(&prefix));
        prop_assert_eq!(gaps_of(&before), []);

        let mut writer = SpoolWriter::open(dir.path(), small(), 3).unwrap();
        prop_assert!(writer.position() > end, "an offset would be used twice");
        writer.append(b"after", 4);
        let items = read_all(dir.path(), 0);
        prop_assert_eq!(contiguous(&items, 0), writer.position());
        prop_assert_eq!(bytes_of(&items), [&prefix[..], b"after"].concat());
        prop_assert_eq!(gaps_of(&items).len(), 1);
    }

    /// Reading from any offset gives what reading from the beginning gives there.
    #[test]
    fn a_reader_may_start_anywhere(
        pieces in pieces(),
        start in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SpoolWriter::open(dir.path(), small(), 1).unwrap();
        for piece in &pieces {
            writer.append(piece, 2);
        }
        let written = pieces.concat();
        let start = start.index(written.len() + 1);
        let items = read_all(dir.path(), start as u64);
        prop_assert_eq!(contiguous(&items, start as u64), written.len() as u64);
        prop_assert_eq!(&bytes_of(&items)[..], &written[start..]);
    }
}

#[test]
fn a_follower_sees_bytes_as_they_come_and_deletes_what_it_is_done_with() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = SpoolWriter::open(dir.path(), small(), 1).unwrap();
    let mut reader = SpoolReader::open(dir.path(), 0);
    let mut seen = Vec::new();
    for round in 0..200u32 {
        let line = format!("line {round}\n");
        writer.append(line.as_bytes(), i64::from(round));
        while let Some(SpoolItem::Bytes { bytes, .. }) = reader.next_item().unwrap() {
            seen.extend(bytes);
        }
        reader.done(reader.position()).unwrap();
    }
    assert_eq!(seen.len() as u64, writer.position());
    let left = fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "seg"));
    assert!(left.count() <= 2);
}

#[test]
fn a_closed_spool_goes_on_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let mut writer = SpoolWriter::open(dir.path(), small(), round).unwrap();
        assert_eq!(writer.position(), u64::try_from(round).unwrap() * 3);
        writer.append(b"abc", round);
        writer.close(round).unwrap();
    }
    assert_eq!(bytes_of(&read_all(dir.path(), 0)), b"abcabcabcabcabc");
    assert_eq!(gaps_of(&read_all(dir.path(), 0)), []);
}

#[test]
fn a_killed_tap_leaves_a_gap_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = SpoolWriter::open(dir.path(), small(), 1).unwrap();
    writer.append(b"abc", 1);
    drop(writer);
    let writer = SpoolWriter::open(dir.path(), small(), 2).unwrap();
    assert_eq!(writer.position(), 3 + CRASH_JUMP);
    let gaps = gaps_of(&read_all(dir.path(), 0));
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].2.contains("killed"), "{gaps:?}");
}

#[test]
fn a_spool_older_than_what_was_read_from_it_jumps_ahead() {
    let dir = tempfile::tempdir().unwrap();
    SpoolReader::open(dir.path(), 0).done(5_000).unwrap();
    let mut writer = SpoolWriter::open(dir.path(), small(), 1).unwrap();
    assert!(writer.position() > 5_000);
    writer.append(b"new", 2);
    let items = read_all(dir.path(), 5_000);
    assert_eq!(bytes_of(&items), b"new");
    assert_eq!(contiguous(&items, 5_000), writer.position());
    // The same while the tap runs.
    let ahead = writer.position() + 1_000;
    SpoolReader::open(dir.path(), 0).done(ahead).unwrap();
    writer.tick(3).unwrap();
    writer.append(b"newer", 4);
    assert_eq!(bytes_of(&read_all(dir.path(), ahead)), b"newer");
}

#[test]
fn a_damaged_old_segment_is_a_gap_and_not_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = SpoolWriter::open(dir.path(), small(), 1).unwrap();
    let oldest = newest_segment_after(&mut writer, dir.path());
    for _ in 0..20 {
        writer.append(&[b'x'; 100], 2);
    }
    let mut bytes = fs::read(&oldest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&oldest, bytes).unwrap();
    let items = read_all(dir.path(), 0);
    assert_eq!(contiguous(&items, 0), writer.position());
    assert_eq!(gaps_of(&items).len(), 1);
}

fn newest_segment_after(writer: &mut SpoolWriter, dir: &Path) -> PathBuf {
    writer.append(&[b'x'; 100], 1);
    newest_segment(dir)
}

#[test]
fn the_lock_says_whose_it_is_and_goes_with_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(lock_state(dir.path()).unwrap(), LockState::Free);
    let writer = SpoolWriter::open(dir.path(), small(), 1).unwrap();
    assert_eq!(lock_state(dir.path()).unwrap(), LockState::Held { pid: Some(std::process::id()) });
    assert!(SpoolWriter::open(dir.path(), small(), 1).is_err());
    drop(writer);
    assert_eq!(lock_state(dir.path()).unwrap(), LockState::Free);
}
