//! The next life: a till whose database was put back from an older copy goes on under another key.
//!
//! The new key is durable before anybody hears of it, and the same until head office has answered. Head office's answer
//! says how far it has the old journal; everything beyond that is written again, each record naming its origin, in one
//! transaction with the change of key. The marker of the new life is stored before that commits: a crash in between
//! leaves the old life, which stands behind, as it did. Nothing is spent by rights of the old life afterwards.

use counterfoil_protocol::id::{EventId, IncarnationId};
use counterfoil_protocol::record::{Body, Head, RECORD_VERSION, Record, SuccessionRecord};
use counterfoil_protocol::succession::record_again;
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::sign::PublicKey;
use counterfoil_protocol::wire::v1::epoch::LifeProof;
use counterfoil_protocol::wire::v1::succession::{SuccessionAnswer, SuccessionRequest};
use ed25519_dalek::SigningKey;
use rusqlite::params;

use crate::command::Now;
use crate::error::{CommandError, StorageError, SuccessionError};
use crate::journal;
use crate::marker::Marker;
use crate::past::{self, PastLife};
use crate::standing::Standing;
use crate::store::{self, values};
use crate::till::Till;

/// Records of the branch read at a time.
const CHUNK_RECORD_COUNT: usize = 500;

/// What a succession came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuccessionReport {
    /// The life that ended.
    pub before: IncarnationId,
    /// The life that goes on.
    pub incarnation: IncarnationId,
    /// Up to here head office has the old journal as it is on this disk.
    pub kept: u64,
    /// Records written again.
    pub written_again: u64,
}

impl Till {
    /// Whether head office is to be asked for the next life: this database is an older copy.
    pub fn succession_due(&self) -> bool {
        matches!(self.standing, Standing::Behind { .. })
    }

    /// The request for the next life, to be signed as every request by the life that ends. `new_key_seed` is from the
    /// shell's entropy; the first one given is kept and asked with until head office has answered.
    ///
    /// # Errors
    /// When the till is not behind, or the key cannot be made durable.
    pub fn succession_request(
        &mut self,
        new_key_seed: [u8; 32],
        agent_version: &str,
    ) -> Result<SuccessionRequest, CommandError> {
        self.usable()?;
        if !self.succession_due() {
            return Err(CommandError::InvalidRequest("this till does not stand behind: it needs no next life".into()));
        }
        let seed = match self.next_key_seed()? {
            Some(seed) => seed,
            None => self.transact(|till| {
                let sql = "UPDATE till SET next_key_seed = ?1";
                store::execute(&till.value, "keeping the next key", sql, [new_key_seed.as_slice()])?;
                Ok(new_key_seed)
            })?,
        };
        let key = SigningKey::from_bytes(&seed);
        Ok(SuccessionRequest::new(self.incarnation, self.head, &key, agent_version.to_owned()))
    }

    fn next_key_seed(&self) -> Result<Option<[u8; 32]>, StorageError> {
        let sql = "SELECT next_key_seed FROM till WHERE next_key_seed IS NOT NULL";
        store::optional(&self.value, "reading the next key", sql, [], |row| values::bytes32(row, 0))
    }

    /// Goes on as head office answered. The same answer again changes nothing.
    ///
    /// # Errors
    /// When the answer is not head office's or not for this till, or nothing can be written; the old life stands then.
    pub fn succeed(&mut self, answer: &SuccessionAnswer, now: Now) -> Result<SuccessionReport, SuccessionError> {
        self.usable()?;
        answer.verify(&self.enrolment.root_key).map_err(|_| SuccessionError::Signature)?;
        if answer.incarnation == self.incarnation {
            let lives = past::lives(&self.value).map_err(CommandError::from)?;
            let last = lives.iter().rev().find(|life| life.incarnation == answer.before);
            return last.map(|life| self.report(life, 0)).ok_or(SuccessionError::NotForThisTill);
        }
        let seed = self.next_key_seed().map_err(CommandError::from)?.ok_or(SuccessionError::NotForThisTill)?;
        let key = SigningKey::from_bytes(&seed);
        let is_ours = answer.before == self.incarnation
            && answer.incarnation == PublicKey::of(&key).incarnation()
            && answer.terminal == self.enrolment.terminal;
        if !is_ours {
            return Err(SuccessionError::NotForThisTill);
        }
        let before = (self.key.clone(), self.incarnation, self.hub.clone(), self.standing.clone());
        let done = self.transact(|till| {
            let written = till.begin_life(answer, key, now);
            if written.is_err() {
                // What undoes the transaction looks at the life that stands then.
                (till.key, till.incarnation) = (before.0.clone(), before.1);
            }
            written
        });
        if done.is_err() {
            (self.key, self.incarnation, self.hub, self.standing) = before;
        }
        let (life, written_again) = done?;
        self.enrolment.key_seed = seed;
        self.marked = self.head.position;
        self.must_mark = self.head.position;
        Ok(self.report(&life, written_again))
    }

    fn report(&self, life: &PastLife, written_again: u64) -> SuccessionReport {
        SuccessionReport { before: life.incarnation, incarnation: self.incarnation, kept: life.kept, written_again }
    }

    /// Up to where head office certainly has this journal as it is here: what it acknowledged, or all it has where that
    /// is on this very chain.
    fn kept(&self, settled: &Head) -> Result<u64, StorageError> {
        let on_chain = settled.position <= self.head.position
            && journal::chain_at(&self.value, self.incarnation, settled.position)? == Some(settled.chain);
        let acknowledged = self.hub.acknowledged.min(self.head.position);
        Ok(if on_chain { acknowledged.max(settled.position) } else { acknowledged })
    }

    fn begin_life(
        &mut self,
        answer: &SuccessionAnswer,
        key: SigningKey,
        now: Now,
    ) -> Result<(PastLife, u64), CommandError> {
        let number = self.life_number()?;
        let life =
            PastLife { number, incarnation: self.incarnation, branch: self.head, kept: self.kept(&answer.settled)? };
        let day = self.day_of_next_life(&life, now)?;
        self.move_journal(&life)?;
        past::end_life(&self.value, &self.value, &life)?;
        self.key = key;
        self.incarnation = answer.incarnation;
        self.head = Head::start(answer.incarnation);
        self.hub.acknowledged = 0;
        self.hub.behind_position = None;
        self.hub.unsaved = true;
        self.hub.note_time(answer.hub_time_ms);
        self.standing = Standing::Sound;
        let proof = minicbor::to_vec(LifeProof::Succession(Box::new(answer.clone())))
            .expect("encoding into memory cannot fail");
        store::execute(
            &self.value,
            "beginning the next life",
            "UPDATE till SET key_seed = next_key_seed, next_key_seed = NULL, life = life + 1, life_proof = ?1",
            params![proof],
        )?;
        let begins = SuccessionRecord { before: life.incarnation, branch: life.branch, settled: answer.settled };
        self.write_record(
            Record {
                version: RECORD_VERSION,
                recorded_at_ms: now.wall_ms,
                clock_suspect: self.clock_suspect(now),
                business_date: day.0,
                day_sequence: day.1,
                program_version: None,
                idempotency: None,
                body: Body::Succession(begins),
                entries: Vec::new(),
                answer: None,
                origin: None,
                marks: Vec::new(),
            },
            |_| Ok(None),
        )?;
        let written = self.write_branch(&life)?;
        let marker = Marker { incarnation: self.incarnation, head: self.head };
        self.witness.store(&marker).map_err(CommandError::Marker)?;
        Ok((life, written))
    }

    pub(crate) fn life_number(&self) -> Result<u64, CommandError> {
        let number = store::optional(&self.value, "reading which life this is", "SELECT life FROM till", [], |row| {
            values::count(row, 0)
        })?;
        number.ok_or_else(|| CommandError::damaged("the row that says what this till is is missing"))
    }

    /// The day that the first record of the next life belongs to: the one of the first record to be written again, else
    /// the one that is open.
    fn day_of_next_life(&self, life: &PastLife, now: Now) -> Result<(Date, u32), CommandError> {
        if let Some(record) = self.record_at(life.kept + 1)? {
            return Ok((record.business_date, record.day_sequence));
        }
        let day = self.day_for_record(now)?;
        Ok((day.business_date, day.sequence))
    }

    fn move_journal(&mut self, life: &PastLife) -> Result<(), CommandError> {
        let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
            store::execute(&self.value, "keeping the journal of an earlier life", sql, params)
        };
        let base = values::signed(crate::place::in_life(life.number, 0));
        run("INSERT INTO past_journal SELECT ?1 + position, record, chain FROM journal", &[&base])?;
        run("DELETE FROM journal", &[])?;
        Ok(past::write_life(&self.value, life)?)
    }

    /// Writes again what head office may not have.
    fn write_branch(&mut self, life: &PastLife) -> Result<u64, CommandError> {
        let (mut after, mut count) = (life.kept, 0);
        loop {
            let rows = past::rows_after(&self.value, life.number, after, CHUNK_RECORD_COUNT)?;
            let Some(last) = rows.last() else {
                return Ok(count);
            };
            after = last.position;
            for row in rows {
                let record = journal::decode(row.position, &row.bytes)?;
                let from = EventId { incarnation: life.incarnation, position: row.position };
                let mut again = record_again(record, from, row.chain);
                if let Body::DayClose(close) = &again.body {
                    again.body = Body::DayClose(self.close_again(close)?);
                }
                let answer = again.answer.take();
                self.write_record(again, |_| Ok(answer))?;
                count += 1;
            }
        }
    }
}
