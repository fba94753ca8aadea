//! What the benchmarks share: medians, and a till's engine in a folder with a program in force.
//!
//! Figures of different runs do not compare: what is printed is a ratio of one run, each figure taken in turns with
//! the one it is compared with. Nothing here is asserted.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use counterfoil_protocol::identifier::ProgramKey;
use counterfoil_protocol::program::Program;
use counterfoil_protocol::wire::sign::{PublicKey, sign};
use counterfoil_protocol::wire::v1::enrol::StoreSettings;
use counterfoil_protocol::wire::v1::feed::{Change, Cursor, Page, PublishedProgram};
use counterfoil_till::{Enrolment, Marker, Settings, Till, Witness, WitnessError};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

/// A marker file as the daemon's would be, without a sync: sales do not wait for it.
struct MarkerFile(std::path::PathBuf);

impl Witness for MarkerFile {
    fn store(&mut self, marker: &Marker) -> Result<(), WitnessError> {
        std::fs::write(&self.0, marker.to_text()).map_err(|error| WitnessError(Box::new(error)))
    }
}

/// A till's engine over two databases in `folder`, with the corner shop's program in force.
///
/// # Errors
/// When any of it cannot be made.
pub fn till_in(folder: &Path) -> anyhow::Result<Till> {
    let root = SigningKey::from_bytes(&[1; 32]);
    let store = StoreSettings {
        store: "bench".into(),
        name: "Bench".into(),
        time_zone: "Europe/London".into(),
        currency: "GBP".into(),
        day_ends: "03:00".into(),
        groups: Vec::new(),
    };
    let enrolment = Enrolment {
        terminal: "bench-1".into(),
        lane: "1".into(),
        store,
        key_seed: [2; 32],
        epoch: 1,
        root_key: PublicKey::of(&root),
        root_certificate: String::new(),
        program_key: ProgramKey([3; 32]),
        hub_url: "http://127.0.0.1:1".into(),
    };
    let open = |name: &str| Connection::open(folder.join(name)).with_context(|| format!("{name} cannot be opened"));
    let witness = Box::new(MarkerFile(folder.join("marker")));
    let mut till = Till::create(open("till.db")?, open("directory.db")?, &enrolment, Settings::default(), witness)?;
    let text = include_str!("../../../protocol/examples/corner-shop.toml");
    let json = Program::from_toml(text).map_err(|problems| anyhow::anyhow!("{problems}"))?.to_json();
    let signature = sign(&root, &PublishedProgram::signed_text(1, 0, &json));
    let program = PublishedProgram { version: 1, effective_ms: 0, json, signature };
    till.apply_page(&Page {
        cursor: Cursor::start(1).to_text(),
        epoch: 1,
        includes_position: 0,
        changes: vec![Change::Program(program)],
        more: false,
        hub_time_ms: 0,
    })?;
    Ok(till)
}

/// A database with one table, as durable as a till's: what the disk and SQLite cost without us.
///
/// # Errors
/// When it cannot be made.
pub fn bare_database(path: &Path) -> anyhow::Result<Connection> {
    let database = Connection::open(path)?;
    database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch("CREATE TABLE sale (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")?;
    Ok(database)
}

/// Times one call.
///
/// # Errors
/// What the call fails with.
pub fn timed(samples: &mut Vec<Duration>, call: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let began = Instant::now();
    call()?;
    samples.push(began.elapsed());
    Ok(())
}

/// The middle of what was measured, and the 99th percentile.
pub fn median_and_p99(samples: &[Duration]) -> (Duration, Duration) {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let at = |share: usize| {
        sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    (at(50), at(99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        let samples: Vec<Duration> = (0..=100).rev().map(Duration::from_micros).collect();
        assert_eq!(median_and_p99(&samples), (Duration::from_micros(50), Duration::from_micros(99)));
        assert_eq!(median_and_p99(&[]), (Duration::ZERO, Duration::ZERO));
    }
}
