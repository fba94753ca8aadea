//! The one row that says what this till is and how far it and the hub know each other.

use counterfoil_protocol::identifier::ProgramKey;
use counterfoil_protocol::wire::sign::PublicKey;
use rusqlite::{Connection, params};

use crate::error::{OpenError, StorageError};
use crate::settings::Enrolment;
use crate::store::{self, values};

/// What the till has learnt from the hub. Position and time may be forgotten by a crash: the hub says them again.
#[derive(Debug, Clone)]
pub(crate) struct HubNotes {
    pub epoch: u64,
    pub cursor: String,
    pub acknowledged: u64,
    pub time_ms: i64,
    pub behind_position: Option<u64>,
    /// Head office has retired this till.
    pub retired_why: Option<String>,
    /// The last epoch that this till has made its report for.
    pub reported_epoch: u64,
    /// `acknowledged` or `time_ms` is ahead of the disk; the next commit takes them along.
    pub unsaved: bool,
}

impl HubNotes {
    pub(crate) fn note_time(&mut self, hub_time_ms: i64) {
        if hub_time_ms > self.time_ms {
            self.time_ms = hub_time_ms;
            self.unsaved = true;
        }
    }
}

pub(crate) fn insert(conn: &Connection, enrolment: &Enrolment) -> Result<(), StorageError> {
    let store = minicbor::to_vec(&enrolment.store).expect("encoding into memory cannot fail");
    store::execute(
        conn,
        "writing the enrolment",
        "INSERT INTO till (one, terminal, lane, store_settings, key_seed, root_key, root_certificate, program_key, \
         hub_url, enrolled_epoch, epoch) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
        params![
            enrolment.terminal,
            enrolment.lane,
            store,
            enrolment.key_seed.as_slice(),
            enrolment.root_key.0.as_slice(),
            enrolment.root_certificate,
            enrolment.program_key.0.as_slice(),
            enrolment.hub_url,
            values::signed(enrolment.epoch),
        ],
    )?;
    Ok(())
}

pub(crate) fn read(conn: &Connection) -> Result<Option<(Enrolment, HubNotes)>, OpenError> {
    let row = store::optional(
        conn,
        "reading the enrolment",
        "SELECT terminal, lane, store_settings, key_seed, root_key, root_certificate, program_key, hub_url, \
         enrolled_epoch, epoch, cursor, acknowledged, hub_time_ms, behind_hub_position, retired_why, \
         coalesce(reported_epoch, enrolled_epoch) FROM till",
        [],
        |row| {
            let store: Vec<u8> = row.get(2)?;
            let enrolment = |store| -> rusqlite::Result<Enrolment> {
                Ok(Enrolment {
                    terminal: row.get(0)?,
                    lane: row.get(1)?,
                    store,
                    key_seed: values::bytes32(row, 3)?,
                    epoch: values::count(row, 8)?,
                    root_key: PublicKey(values::bytes32(row, 4)?),
                    root_certificate: row.get(5)?,
                    program_key: ProgramKey(values::bytes32(row, 6)?),
                    hub_url: row.get(7)?,
                })
            };
            let hub = HubNotes {
                epoch: values::count(row, 9)?,
                cursor: row.get(10)?,
                acknowledged: values::count(row, 11)?,
                time_ms: row.get(12)?,
                behind_position: row
                    .get::<_, Option<i64>>(13)?
                    .map(|position| u64::try_from(position).unwrap_or_default()),
                retired_why: row.get(14)?,
                reported_epoch: values::count(row, 15)?,
                unsaved: false,
            };
            Ok(match minicbor::decode(&store) {
                Ok(store) => Some((enrolment(store)?, hub)),
                Err(_) => None,
            })
        },
    )?;
    match row {
        None => Ok(None),
        Some(Some(found)) => Ok(Some(found)),
        Some(None) => Err(OpenError::Damaged { what: "the store's settings cannot be read".to_owned() }),
    }
}

pub(crate) fn save_notes(conn: &Connection, hub: &HubNotes) -> Result<(), StorageError> {
    store::execute(
        conn,
        "writing what head office said",
        "UPDATE till SET epoch = ?1, cursor = ?2, acknowledged = ?3, hub_time_ms = ?4, behind_hub_position = ?5, \
         reported_epoch = ?6",
        params![
            values::signed(hub.epoch),
            hub.cursor,
            values::signed(hub.acknowledged),
            hub.time_ms,
            hub.behind_position.map(values::signed),
            values::signed(hub.reported_epoch),
        ],
    )?;
    Ok(())
}
