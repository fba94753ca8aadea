//! The mark: a small file beside the database that remembers which epoch it was in and how far it had come.
//!
//! A database put back from a backup is older than its mark. Then a hub that starts begins a new epoch by itself, before
//! it answers anybody: otherwise it would give ids, and units, a second time. The mark is written at intervals, so it is
//! never ahead of a database that lost nothing. It proves nothing where both were put back together: then somebody runs
//! `epoch begin`, or a till's records that go on beyond what is here say so on the exceptions list.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use counterfoil_protocol::id::Digest;

use crate::core::Hub;
use crate::data_dir::DataDir;

const LABEL: &str = "counterfoil hub mark v1";

/// How far a head office had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its epoch.
    pub epoch: u64,
    /// [`Hub::high_water`].
    pub high_water: u64,
}

impl Mark {
    fn of(hub: &Hub) -> anyhow::Result<Self> {
        Ok(Self { epoch: hub.epoch_state()?.epoch, high_water: hub.high_water()? })
    }

    fn to_text(self) -> String {
        let body = format!("{LABEL}\n{}\n{}\n", self.epoch, self.high_water);
        let checksum = Digest::of(&[body.as_bytes()]);
        format!("{body}{checksum}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [LABEL, epoch, high_water, _, ""] = lines[..] else { return None };
        let mark = Self { epoch: epoch.parse().ok()?, high_water: high_water.parse().ok()? };
        (mark.to_text() == text).then_some(mark)
    }

    /// Whether a head office that stands at `other` is older than this.
    fn is_beyond(self, other: Self) -> bool {
        self.epoch > other.epoch || self.high_water > other.high_water
    }
}

fn path(place: &DataDir) -> PathBuf {
    let mut path = place.database().as_os_str().to_owned();
    path.push(".mark");
    path.into()
}

fn read(path: &Path) -> anyhow::Result<Option<Mark>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        Ok(text) => Ok(Mark::parse(&text)),
    }
}

fn write(path: &Path, mark: Mark) -> anyhow::Result<()> {
    let fresh = path.with_extension("mark.new");
    let written = || {
        let mut file = File::create(&fresh)?;
        file.write_all(mark.to_text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

/// Keeps the mark up with the database. Gives what it last wrote, to be given again.
///
/// # Errors
/// When the database cannot be read or the file not be written.
pub fn keep(place: &DataDir, hub: &Hub, last: Option<Mark>) -> anyhow::Result<Mark> {
    let mark = Mark::of(hub)?;
    if last != Some(mark) {
        write(&path(place), mark)?;
    }
    Ok(mark)
}

/// An epoch that no till has seen, however often this database is put back: seconds go on even where a backup does not.
pub fn next_epoch(place: &DataDir, hub: &Hub, now_ms: i64) -> anyhow::Result<u64> {
    let known = Mark::of(hub)?.epoch.max(read(&path(place))?.map_or(0, |mark| mark.epoch));
    Ok(u64::try_from(now_ms / 1_000).unwrap_or(0).max(known + 1))
}

/// Compares the database with its mark before anybody is answered, and begins a new epoch where it is older.
///
/// # Errors
/// When the database fails or the file cannot be read or written.
pub fn look(place: &DataDir, hub: &mut Hub, now_ms: i64) -> anyhow::Result<()> {
    let here = Mark::of(hub)?;
    if let Some(mark) = read(&path(place))?.filter(|mark| mark.is_beyond(here)) {
        let epoch = next_epoch(place, hub, now_ms)?;
        let reason = format!(
            "the database is older than the mark beside it: it is at {} of epoch {}, the mark at {} of epoch {}",
            here.high_water, here.epoch, mark.high_water, mark.epoch
        );
        let state = hub.begin_epoch(epoch, &reason, now_ms)?;
        tracing::error!(
            epoch,
            waiting_for = state.missing.join(", "),
            "{reason}. It was put back from a backup: a new epoch begins. Tills send again what is missing here; nothing is \
             granted until all of them have reported, or until somebody runs `counterfoil-hub epoch accept`"
        );
    }
    keep(place, hub, None).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_and_damage_is_no_mark() {
        let mark = Mark { epoch: 3, high_water: 12_345 };
        assert_eq!(Mark::parse(&mark.to_text()), Some(mark));
        for index in 0..mark.to_text().len() {
            let mut damaged = mark.to_text().into_bytes();
            damaged[index] ^= 1;
            assert_eq!(Mark::parse(&String::from_utf8_lossy(&damaged)), None, "byte {index}");
        }
    }

    #[test]
    fn an_older_database_begins_a_new_epoch_and_a_newer_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let place = DataDir::resolve(Some(dir.path().join("data")), None).unwrap();
        let mut hub = place.open_or_create().unwrap();
        look(&place, &mut hub, 1_000_000).unwrap();
        let backup = dir.path().join("backup.db");
        hub.connection().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
        let program = r#"{ "program": "club", "currency": "GBP", "time_zone": "Europe/London",
            "purse": { "points": { "kind": "points" } },
            "earn": [ { "id": "base", "purse": "points", "award": { "every": 100, "give": 1 } } ] }"#;
        hub.publish_program(program, 0, 0).unwrap();
        let draft = crate::core::MemberDraft { identifiers: vec!["9826000000017".into()], ..Default::default() };
        let member = hub.create_member(&draft, None, [1; 32], 0).unwrap().answer.member_id.parse().unwrap();
        hub.adjust(member, "points", 10, "welcome", None, 0).unwrap();
        let mark = keep(&place, &hub, None).unwrap();
        assert!(mark.high_water > 0);
        look(&place, &mut hub, 1_000_000).unwrap();
        assert_eq!(hub.epoch_state().unwrap().epoch, 1, "nothing was lost");
        drop(hub);
        for left in ["-wal", "-shm"] {
            let mut path = place.database().as_os_str().to_owned();
            path.push(left);
            let _ = std::fs::remove_file(path);
        }
        std::fs::copy(&backup, place.database()).unwrap();
        let mut hub = place.open().unwrap();
        look(&place, &mut hub, 5_000_000).unwrap();
        let state = hub.epoch_state().unwrap();
        assert_eq!(state.epoch, 5_000);
        assert!(state.reason.unwrap().contains("older than the mark"));
        assert_eq!(next_epoch(&place, &hub, 5_000_000).unwrap(), 5_001);
        look(&place, &mut hub, 6_000_000).unwrap();
        assert_eq!(hub.epoch_state().unwrap().epoch, 5_000, "once");
    }
}
