//! Reporting to a head office in a new epoch: what it signed and may have lost, and which lives this terminal had.
//!
//! In parts, each of which may come twice. The report goes on from where head office says it is; a till that is opened
//! anew begins it again. Records of the present life are not part of it: what head office knows of them is noted, and
//! they are pushed from there. Rights held here stay as they are.

use counterfoil_protocol::limits::{SEGMENT_BYTES_MAX, SEGMENT_RECORD_COUNT_MAX};
use counterfoil_protocol::record::Head;
use counterfoil_protocol::wire::sign::PublicKey;
use counterfoil_protocol::wire::v1::enrol::EnrolAnswer;
use counterfoil_protocol::wire::v1::epoch::{EpochAnswer, EpochReport, KnownLife, Life, LifeProof};
use counterfoil_protocol::wire::v1::feed::{HubEntry, PublishedProgram};
use counterfoil_protocol::wire::v1::segment::{Committed, Segment};
use ed25519_dalek::SigningKey;
use minicbor::Decode;
use rusqlite::params;

use crate::error::{CommandError, FeedError};
use crate::journal;
use crate::past::{self, PastLife};
use crate::store::{self, values};
use crate::till::Till;

/// Entries in one part of a report.
const ENTRY_COUNT_MAX: usize = 1_000;
/// Bytes of programs after which a part ends.
const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// How far a report has come; forgotten when the engine is opened anew.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reporting {
    entries_after: String,
    programs_after: u64,
    /// What head office has of each life, once it has said so.
    known: Option<Vec<KnownLife>>,
    /// Earlier lives of which head office has what it can have.
    past_done: usize,
}

fn decoded<T: for<'b> Decode<'b, ()>>(bytes: &[u8], what: &str) -> Result<T, CommandError> {
    minicbor::decode(bytes).map_err(|error| CommandError::damaged(format!("{what} cannot be read ({error})")))
}

impl Till {
    /// Keeps what head office answered when it took this till in: it proves to a head office that lost it who this is.
    ///
    /// # Errors
    /// When the answer is not for this till, or nothing can be written.
    pub fn keep_proof(&mut self, answer: &EnrolAnswer) -> Result<(), CommandError> {
        if answer.incarnation != self.incarnation {
            return Err(CommandError::InvalidRequest("this answer took another till in".to_owned()));
        }
        let proof = LifeProof::Enrolment(Box::new(answer.clone()));
        let bytes = minicbor::to_vec(&proof).expect("encoding into memory cannot fail");
        self.transact(|till| {
            let sql = "UPDATE till SET life_proof = ?1";
            store::execute(&till.value, "keeping head office's answer", sql, [bytes])?;
            Ok(())
        })
    }

    /// Whether head office is in an epoch that this till has not reported to.
    pub fn report_due(&self) -> bool {
        self.hub.reported_epoch != self.hub.epoch
    }

    /// The next part of the report.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn epoch_report(&self) -> Result<EpochReport, CommandError> {
        self.usable()?;
        self.next_part().map(|(report, _)| report)
    }

    /// Takes head office's answer to the last part: how far it knows this journal, from where it is pushed again, and
    /// whether the report is complete. Gives `true` when it is.
    ///
    /// # Errors
    /// When it is an answer of another epoch, or nothing can be written.
    pub fn apply_epoch_answer(&mut self, answer: &EpochAnswer) -> Result<bool, FeedError> {
        self.usable()?;
        if answer.epoch != self.hub.epoch {
            return Err(FeedError::Epoch { got: answer.epoch, known: self.hub.epoch });
        }
        let known = answer.known.iter().find(|life| life.incarnation == self.incarnation).map(|life| life.head);
        if let Some(known) = known {
            self.compare_journals(&known)?;
        }
        let (_, mut reporting) = self.next_part()?;
        if let Some(before) = &self.reporting.known {
            // A life that does not get on has nothing more to tell.
            let position = |known: &[KnownLife], id| {
                known.iter().find(|life| life.incarnation == id).map_or(0, |life| life.head.position)
            };
            let lives = past::lives(&self.value)?;
            if let Some(life) = lives.get(reporting.past_done)
                && position(before, life.incarnation) == position(&answer.known, life.incarnation)
            {
                reporting.past_done += 1;
            }
        }
        reporting.known = Some(answer.known.clone());
        self.reporting = reporting;
        let before = self.hub.clone();
        // A later epoch is a head office that somebody has just set up again: its clock counts, not what the last one's
        // clock may have said.
        self.hub.time_ms = answer.hub_time_ms;
        if let Some(known) = known.filter(|known| known.position < self.hub.acknowledged) {
            self.hub.acknowledged = known.position;
        }
        if answer.complete {
            self.hub.reported_epoch = answer.epoch;
        }
        self.hub.unsaved = true;
        self.transact(|_| Ok(())).inspect_err(|_| self.hub = before)?;
        Ok(answer.complete)
    }

    /// Head office names a place of this journal: one that is not on it is a witness against this database.
    fn compare_journals(&mut self, known: &Head) -> Result<(), CommandError> {
        let here = if known.position <= self.head.position {
            journal::chain_at(&self.value, self.incarnation, known.position)?
        } else {
            None
        };
        if here == Some(known.chain) || !self.standing.is_sound() {
            return Ok(());
        }
        self.note_hub_head(known.position)
    }

    fn next_part(&self) -> Result<(EpochReport, Reporting), CommandError> {
        let mut next = self.reporting.clone();
        let mut report = EpochReport {
            lives: self.lives_proved()?,
            entries: Vec::new(),
            programs: Vec::new(),
            past: Vec::new(),
            last: false,
        };
        report.entries = self.entries_after(&mut next)?;
        if report.entries.len() >= ENTRY_COUNT_MAX {
            return Ok((report, next));
        }
        let (programs, is_all) = self.programs_after(&mut next)?;
        report.programs = programs;
        if !is_all {
            return Ok((report, next));
        }
        let lives = past::lives(&self.value)?;
        let Some(known) = &next.known else {
            report.last = lives.is_empty();
            return Ok((report, next));
        };
        while let Some(life) = lives.get(next.past_done) {
            let there = known.iter().find(|known| known.incarnation == life.incarnation).map(|known| known.head);
            if let Some(segment) = there.map(|there| self.past_segment(life, &there)).transpose()?.flatten() {
                report.past.push(segment);
                return Ok((report, next));
            }
            next.past_done += 1;
        }
        report.last = true;
        Ok((report, next))
    }

    fn entries_after(&self, next: &mut Reporting) -> Result<Vec<HubEntry>, CommandError> {
        let rows = store::all(
            &self.value,
            "reading what head office gave",
            "SELECT id, bytes FROM hub_entry WHERE id > ?1 ORDER BY id LIMIT ?2",
            params![next.entries_after, values::signed(ENTRY_COUNT_MAX as u64)],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        if let Some((id, _)) = rows.last() {
            next.entries_after.clone_from(id);
        }
        rows.into_iter().map(|(_, bytes)| decoded(&bytes, "a grant")).collect()
    }

    fn programs_after(&self, next: &mut Reporting) -> Result<(Vec<PublishedProgram>, bool), CommandError> {
        let mut programs = Vec::new();
        let mut size_bytes = 0;
        loop {
            let row = store::optional(
                &self.value,
                "reading the programs",
                "SELECT version, bytes FROM program WHERE version > ?1 ORDER BY version LIMIT 1",
                [values::signed(next.programs_after)],
                |row| Ok((values::count(row, 0)?, row.get::<_, Vec<u8>>(1)?)),
            )?;
            let Some((version, bytes)) = row else {
                return Ok((programs, true));
            };
            size_bytes += bytes.len();
            if size_bytes > PROGRAM_BYTES_MAX && !programs.is_empty() {
                return Ok((programs, false));
            }
            programs.push(decoded(&bytes, "a program")?);
            next.programs_after = version;
        }
    }

    /// What proves this terminal's lives, oldest first; lives without a proof are known to head office, or lost.
    fn lives_proved(&self) -> Result<Vec<Life>, CommandError> {
        let rows = store::all(
            &self.value,
            "reading the lives of this terminal",
            "SELECT number, key_seed, proof FROM past_life UNION ALL SELECT life, key_seed, life_proof FROM till \
             ORDER BY 1",
            [],
            |row| Ok((values::bytes32(row, 1)?, row.get::<_, Option<Vec<u8>>>(2)?)),
        )?;
        let life = |(seed, proof): ([u8; 32], Option<Vec<u8>>)| {
            let public_key = PublicKey::of(&SigningKey::from_bytes(&seed));
            proof.map(|bytes| Ok(Life { public_key, proof: decoded(&bytes, "the proof of a life")? }))
        };
        rows.into_iter().filter_map(life).collect()
    }

    /// The records of an earlier life that head office lacks, as far as no later life writes them again.
    fn past_segment(&self, life: &PastLife, there: &Head) -> Result<Option<Segment>, CommandError> {
        if there.position >= life.kept || past::chain_at(&self.value, life, there.position)? != Some(there.chain) {
            return Ok(None);
        }
        let seed = store::optional(
            &self.value,
            "reading the key of an earlier life",
            "SELECT key_seed FROM past_life WHERE number = ?1",
            [values::signed(life.number)],
            |row| values::bytes32(row, 0),
        )?;
        let seed = seed.ok_or_else(|| CommandError::damaged("the key of an earlier life is missing"))?;
        let (mut records, mut size_bytes) = (Vec::new(), 0);
        for row in past::rows_after(&self.value, life.number, there.position, SEGMENT_RECORD_COUNT_MAX)? {
            size_bytes += row.bytes.len();
            if row.position > life.kept || size_bytes > SEGMENT_BYTES_MAX && !records.is_empty() {
                break;
            }
            records.push(Committed::read_back(row.position, row.bytes, row.chain));
        }
        Ok(Segment::build(&SigningKey::from_bytes(&seed), *there, records))
    }
}
