//! Epochs: a head office restored from a backup begins a new one, and is told by its tills what it lost.
//!
//! Taken from a report: incarnations that this head office once took in, programs it published, entries it signed, records
//! of earlier lives that their keys signed. All of it proves itself. A grant whose backing is lost is covered by debt, which
//! is paid as soon as the backing arrives with another till's records; what stays owed is on the exceptions list. Until all
//! live incarnations have reported, or a person accepts what may be missing, nothing is granted.

use std::collections::BTreeSet;

use counterfoil_ledger::{Exception, ExceptionKind, LedgerView as _, Row, Slot};
use counterfoil_protocol::entry::{Account, DebtKind, EntryKind};
use counterfoil_protocol::id::{EntryId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::limits::SHARED_BUCKET;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::session::hub::{IntakeError, intake};
use counterfoil_protocol::wire::v1::enrol::EnrolAnswer;
use counterfoil_protocol::wire::v1::epoch::{EpochAnswer, EpochReport, KnownLife, Life, LifeProof};
use counterfoil_protocol::wire::v1::feed::{HubEntry, PublishedProgram};
use counterfoil_protocol::wire::v1::grant::RefusalKind;
use counterfoil_protocol::wire::v1::segment::Segment;
use rusqlite::OptionalExtension as _;

use super::Hub;
use super::act::{Act, signed, unsigned};
use super::error::{Doing as _, HubError};
use super::fleet::StoreDraft;
use super::incarnations::{Incarnation, Journal};
use super::ledger::{Ledger, RowContext};
use super::sync::{Refused, Served};
use super::views::EpochView;

fn refuse(detail: impl Into<String>) -> Refused {
    Refused::because(RefusalKind::Malformed, detail)
}

impl Hub {
    /// Begins a new epoch: this database was put back from a backup. Tills report what it lost; nothing is granted before
    /// they have. `epoch` must be later than the present one, and than any that a till has seen.
    ///
    /// # Errors
    /// `Invalid` for an epoch that is not later, or without a reason.
    pub fn begin_epoch(&mut self, epoch: u64, reason: &str, now_ms: i64) -> Result<EpochView, HubError> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(HubError::invalid("reason", "say why: which backup was put back, and when"));
        }
        self.change(now_ms, |act| {
            if epoch <= act.own.epoch() {
                return Err(HubError::invalid("epoch", format!("the present epoch is {}", act.own.epoch())));
            }
            act.tx.execute("UPDATE hub SET epoch = ?1", [signed(epoch)]).doing("beginning an epoch")?;
            act.tx
                .execute(
                    "INSERT INTO epoch (epoch, began_ms, reason) VALUES (?1, ?2, ?3)",
                    (signed(epoch), now_ms, reason),
                )
                .doing("beginning an epoch")?;
            act.own.look_at_epoch(act.tx)?;
            act.epoch_view()
        })
    }

    /// A person accepts that what the missing tills would tell stays unknown: grants go on.
    ///
    /// # Errors
    /// `Conflict` where no till is missing, `Invalid` without a name.
    pub fn accept_epoch(&mut self, by: &str, now_ms: i64) -> Result<EpochView, HubError> {
        let by = by.trim();
        if by.is_empty() {
            return Err(HubError::invalid("by", "say who accepts it"));
        }
        self.change(now_ms, |act| {
            if act.missing_reports()?.is_empty() {
                return Err(HubError::conflict("every till has reported: there is nothing to accept"));
            }
            act.tx
                .execute(
                    "UPDATE epoch SET accepted_by = ?2, accepted_ms = ?3 WHERE epoch = ?1",
                    (signed(act.own.epoch()), by, now_ms),
                )
                .doing("accepting an epoch")?;
            act.epoch_view()
        })
    }

    /// The present epoch, and which tills have not reported to it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn epoch_state(&self) -> Result<EpochView, HubError> {
        self.read(0, |act| act.epoch_view())
    }

    /// Something that only grows, for a witness outside the database: records and entries of head office's own.
    ///
    /// # Errors
    /// When the database fails.
    pub fn high_water(&self) -> Result<u64, HubError> {
        self.read(0, |act| {
            let count: i64 = act
                .tx
                .query_row(
                    "SELECT (SELECT coalesce(sum(head_position), 0) FROM incarnation)
                          + (SELECT coalesce(sum(hub_sequence), 0) FROM bucket_head)",
                    [],
                    |row| row.get(0),
                )
                .doing("counting what only grows")?;
            Ok(unsigned(count))
        })
    }

    /// Takes a part of a till's report. Its author is not necessarily known here: the proofs in it say who it is.
    pub(super) fn take_report(
        &mut self,
        request: &counterfoil_protocol::session::hub::SignedRequest<'_>,
        now_ms: i64,
    ) -> Result<Served, Refused> {
        let report: EpochReport =
            minicbor::decode(request.body).map_err(|error| refuse(format!("the report does not decode: {error}")))?;
        if let Some((before, other)) = self.read(now_ms, |act| act.cloned(&report.lives))? {
            self.change(now_ms, |act| act.note_clone(&before, other))?;
            return Err(Refused::because(
                RefusalKind::Quarantined,
                "another disk with this till's key has gone on as its next life: there are two of it. This one needs a new \
                 enrolment code from head office",
            ));
        }
        let till = self.change(now_ms, |act| act.take_lives(request, &report.lives))?;
        let EpochReport { entries, programs, past, last, .. } = report;
        for segment in past {
            self.take_past(&till, segment, now_ms)?;
        }
        self.change(now_ms, |act| {
            programs.iter().try_for_each(|program| act.adopt_program(program))?;
            act.adopt_entries(&till, &entries)
        })?;
        if last {
            for life in self.read(now_ms, |act| act.lives(&till.terminal))? {
                self.post_journal(life.id, now_ms)?;
            }
        }
        let answer = self.change(now_ms, |act| act.answer_report(&till, last))?;
        Ok(Served::of(&answer))
    }

    fn take_past(&mut self, till: &Incarnation, segment: Segment, now_ms: i64) -> Result<(), Refused> {
        let id = segment.incarnation;
        self.change(now_ms, |act| {
            let life = act.incarnation(id)?.filter(|life| life.terminal == till.terminal);
            let Some(life) = life else { return Err(refuse("records of a life that is not this terminal's")) };
            let header = segment.clone();
            let fresh = match intake(segment, &life.key, &Journal { act, incarnation: &life }) {
                Ok(fresh) => fresh,
                Err(IntakeError::Store(error)) => return Err(Refused::Failed(error)),
                // What is here is another branch: nothing of the till's fits on it.
                Err(IntakeError::Segment(error)) => {
                    tracing::warn!(terminal = till.terminal, %error, "records of an earlier life do not fit");
                    return Ok(());
                }
            };
            if !fresh.is_empty() {
                act.append(&life, &fresh)?;
                act.keep_segment(&life, &header)?;
            }
            Ok(())
        })?;
        Ok(self.post_journal(id, now_ms).map(drop)?)
    }
}

impl Act<'_> {
    /// Whether rights may be given: not while a lost head office may have given them already.
    pub(super) fn may_grant(&self) -> Result<bool, HubError> {
        Ok(self.faults.grant_in_doubt || !self.in_doubt()?)
    }

    fn in_doubt(&self) -> Result<bool, HubError> {
        let waiting = self
            .tx
            .prepare_cached("SELECT 1 FROM epoch WHERE epoch = ?1 AND accepted_ms IS NULL")
            .and_then(|mut query| query.exists([signed(self.own.epoch())]))
            .doing("reading the epoch")?;
        Ok(waiting && !self.missing_reports()?.is_empty())
    }

    /// Live incarnations that have not reported to the present epoch.
    pub(super) fn missing_reports(&self) -> Result<BTreeSet<IncarnationId>, HubError> {
        let ids: Vec<[u8; 16]> = self
            .tx
            .prepare_cached(
                "SELECT i.incarnation FROM incarnation i JOIN terminal t ON t.terminal = i.terminal
                 WHERE coalesce(i.reported_epoch, 0) < ?1 AND t.retired_ms IS NULL AND i.settled_position IS NULL
                   AND i.number = (SELECT max(number) FROM incarnation l WHERE l.terminal = i.terminal)
                   AND EXISTS (SELECT 1 FROM epoch WHERE epoch = ?1)",
            )
            .and_then(|mut query| query.query_map([signed(self.own.epoch())], |row| row.get(0))?.collect())
            .doing("looking who has not reported")?;
        Ok(ids.into_iter().map(IncarnationId).collect())
    }

    fn epoch_view(&self) -> Result<EpochView, HubError> {
        let epoch = self.own.epoch();
        let row: Option<(String, Option<String>)> = self
            .tx
            .query_row("SELECT reason, accepted_by FROM epoch WHERE epoch = ?1", [signed(epoch)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
            .doing("reading the epoch")?;
        let missing = self.missing_reports()?;
        let mut terminals = Vec::new();
        for id in missing {
            terminals.extend(self.incarnation(id)?.map(|life| life.terminal));
        }
        terminals.sort();
        let (reason, accepted_by) = row.unzip();
        Ok(EpochView {
            epoch,
            reason,
            missing: terminals,
            accepted_by: accepted_by.flatten(),
            grants: self.may_grant()?,
        })
    }

    /// Checks who reports, and takes in again the lives that were lost.
    fn take_lives(
        &self,
        request: &counterfoil_protocol::session::hub::SignedRequest<'_>,
        lives: &[Life],
    ) -> Result<Incarnation, Refused> {
        let unknown =
            || Refused::because(RefusalKind::NotAuthentic, "this till is not enrolled here: enrol it with a code");
        let key = match self.incarnation(request.incarnation)? {
            Some(life) => life.key,
            None => lives.last().map(|life| life.public_key).ok_or_else(unknown)?,
        };
        if !self.faults.skip_signature_check {
            request.verify(&key).map_err(|error| Refused::because(RefusalKind::NotAuthentic, error.to_string()))?;
        }
        if request.epoch != self.own.epoch() {
            return Err(Refused::because(
                RefusalKind::Epoch,
                format!("head office is in epoch {}, the till believes in {}", self.own.epoch(), request.epoch),
            ));
        }
        for life in lives {
            self.take_life(life)?;
        }
        let till = self.incarnation(request.incarnation)?.ok_or_else(unknown)?;
        let ours = |life: &Life| {
            self.incarnation(life.proof.incarnation())
                .map(|found| found.is_some_and(|found| found.terminal == till.terminal))
        };
        for life in lives {
            if !ours(life)? {
                return Err(refuse("the lives of this report are not one terminal's"));
            }
        }
        Ok(till)
    }

    /// A life of the report whose predecessor has another one after it here: the old one's disk was there twice.
    fn cloned(&self, lives: &[Life]) -> Result<Option<(Incarnation, IncarnationId)>, HubError> {
        for life in lives {
            let LifeProof::Succession(answer) = &life.proof else { continue };
            let other = self
                .tx
                .prepare_cached("SELECT 1 FROM incarnation WHERE before = ?1 AND incarnation <> ?2")
                .and_then(|mut query| query.exists((answer.before.0, answer.incarnation.0)))
                .doing("looking for the next life")?;
            let is_signed = answer.verify(&self.own.root_key).is_ok();
            if let Some(before) = self.incarnation(answer.before)?.filter(|_| other && is_signed) {
                return Ok(Some((before, answer.incarnation)));
            }
        }
        Ok(None)
    }

    fn take_life(&self, life: &Life) -> Result<(), Refused> {
        let id = life.proof.incarnation();
        let signature = match &life.proof {
            LifeProof::Enrolment(answer) => answer.signature.map(|signature| {
                answer.root_key == self.own.root_key
                    && self.own.root_key.verify(&answer.signed_text(), &signature).is_ok()
            }),
            LifeProof::Succession(answer) => Some(answer.verify(&self.own.root_key).is_ok()),
        };
        if life.public_key.incarnation() != id || signature != Some(true) {
            return Err(Refused::because(RefusalKind::NotAuthentic, "a life of this report is not proved"));
        }
        if self.incarnation(id)?.is_some() {
            return Ok(());
        }
        match &life.proof {
            LifeProof::Enrolment(answer) => self.take_in_again(answer, life.public_key.0)?,
            LifeProof::Succession(answer) => {
                self.take_place_again(&answer.store.store, &answer.lane, &answer.terminal)?;
                let bytes = minicbor::to_vec(&**answer).expect("encoding into memory cannot fail");
                let number = self.lives(&answer.terminal)?.last().map_or(0, |last| last.number) + 1;
                self.write_life(answer, number.max(answer.number), life.public_key.0, "", &bytes)?;
            }
        }
        tracing::warn!(%id, "took a till in again that this head office had lost");
        Ok(())
    }

    fn take_in_again(&self, answer: &EnrolAnswer, public_key: [u8; 32]) -> Result<(), HubError> {
        self.take_place_again(&answer.store.store, &answer.lane, &answer.terminal)?;
        // Numbers of lives that came after it are in their own proofs: the first free one before them.
        self.tx
            .execute(
                "INSERT INTO incarnation (incarnation, terminal, number, public_key, agent_version, started_ms,
                     last_seen_ms, head_chain, reported_epoch)
                 VALUES (?1, ?2, 1 + (SELECT coalesce(max(number), 0) FROM incarnation WHERE terminal = ?2), ?3, '', ?4,
                         ?4, ?5, ?6)",
                (
                    answer.incarnation.0,
                    &answer.terminal,
                    public_key,
                    self.now_ms,
                    Head::start(answer.incarnation).chain.0,
                    signed(answer.epoch),
                ),
            )
            .doing("taking a till in again")?;
        Ok(())
    }

    fn take_place_again(&self, store: &str, lane: &str, terminal: &str) -> Result<(), HubError> {
        if !self.store_exists(store)? {
            self.write_store(store, &StoreDraft::default())?;
        }
        self.tx
            .execute(
                "INSERT OR IGNORE INTO terminal (terminal, store, lane) VALUES (?1, ?2, ?3)",
                (terminal, store, lane),
            )
            .doing("making a terminal again")?;
        Ok(())
    }

    fn adopt_program(&self, program: &PublishedProgram) -> Result<(), Refused> {
        let text = PublishedProgram::signed_text(program.version, program.effective_ms, &program.json);
        self.own
            .root_key
            .verify(&text, &program.signature)
            .map_err(|_| Refused::because(RefusalKind::NotAuthentic, "a program of this report is not signed here"))?;
        let name = counterfoil_protocol::program::Program::from_json(&program.json)
            .map_or_else(|_| String::new(), |read| read.id().to_owned());
        let written = self
            .tx
            .execute(
                "INSERT OR IGNORE INTO program (version, name, effective_ms, published_ms, json, signature)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (signed(program.version), name, program.effective_ms, self.now_ms, &program.json, program.signature.0),
            )
            .doing("adopting a program")?;
        if written > 0 {
            self.own.programs.borrow_mut().remove(&program.version);
            self.feed_program(program.version)?;
        }
        Ok(())
    }

    fn adopt_entries(&self, till: &Incarnation, entries: &[HubEntry]) -> Result<(), Refused> {
        let own: BTreeSet<Holder> = self.lives(&till.terminal)?.iter().map(|life| Holder::Terminal(life.id)).collect();
        let mut members: BTreeSet<MemberId> = BTreeSet::new();
        for given in entries {
            let text = HubEntry::signed_text(given.id, &given.entry);
            self.own.root_key.verify(&text, &given.signature).map_err(|_| {
                Refused::because(RefusalKind::NotAuthentic, "an entry of this report is not signed by head office")
            })?;
            let is_theirs = given.entry.kind == EntryKind::Grant && given.entry.to.is_some_and(|to| own.contains(&to));
            if !is_theirs || given.id.author() != Holder::Hub {
                return Err(refuse(format!("entry {} was not given to this terminal", given.id)));
            }
            if !self.entry_is_here(given.id, given.entry.member)? {
                self.adopt_entry(till, given)?;
                members.insert(given.entry.member);
            }
        }
        for member in members {
            self.make_known(member)?;
            self.feed_state(member)?;
        }
        Ok(())
    }

    /// Posts an entry that head office wrote and lost. What it moved and does not have is owed: the backing may come yet.
    fn adopt_entry(&self, till: &Incarnation, given: &HubEntry) -> Result<(), HubError> {
        let (entry, id) = (&given.entry, given.id);
        let slot = Slot { member: entry.member, purse: entry.purse.clone(), lot: entry.lot, holder: Holder::Hub };
        let covered = Ledger(self.tx).held(&slot)?.clamp(0, entry.units);
        let mut row = Row::of_hub(id, entry.clone()).map_err(HubError::Entry)?;
        let credit = row.credit;
        let context = RowContext { signature: Some(given.signature.0), ..RowContext::default() };
        if covered > 0 {
            row.units = covered;
            self.write_row(&row, &context)?;
        }
        if covered < entry.units {
            let part = u8::from(covered > 0);
            let debit = Account::Debt(DebtKind::Restored);
            let row = Row { id, part, entry: entry.clone(), debit, credit, units: entry.units - covered };
            self.write_row(&row, &context)?;
            self.note_lost_backing(till, given, entry.units - covered)?;
        }
        if let Some(Holder::Terminal(to)) = entry.to {
            self.note_granted(to, entry)?;
            self.feed_grant(id, entry.member, to)?;
        }
        if let EntryId::Hub { bucket, sequence, .. } = id {
            // Ids of this epoch never meet those of an earlier one; the counter goes on beyond both all the same.
            self.tx
                .prepare_cached("UPDATE bucket_head SET hub_sequence = max(hub_sequence, ?2) WHERE bucket = ?1")
                .and_then(|mut update| update.execute((bucket, signed(sequence))))
                .doing("moving a bucket's counter")?;
        }
        Ok(())
    }

    fn note_lost_backing(&self, till: &Incarnation, given: &HubEntry, units: i64) -> Result<(), HubError> {
        let HubEntry { id, entry, .. } = given;
        let reason = format!(
            "head office gave {} {} to terminal {} by {id} before it was put back from a backup, and {units} of them have no \
             cover in what came back; they are owed until the records that earned them arrive",
            entry.units, entry.purse, till.terminal
        );
        let exception = Exception { kind: ExceptionKind::LostBacking, reason };
        let id = format!("lost.{id}");
        self.write_exception(
            entry.member.bucket().min(SHARED_BUCKET),
            &id,
            &exception,
            &till.terminal,
            Some(&till.store),
        )
    }

    fn answer_report(&self, till: &Incarnation, last: bool) -> Result<EpochAnswer, HubError> {
        let lives = self.lives(&till.terminal)?;
        if last {
            for life in lives.iter().filter(|life| life.is_settled && life.posted == life.head.position) {
                self.settle(life)?;
            }
            self.tx
                .prepare_cached("UPDATE incarnation SET reported_epoch = ?2 WHERE incarnation = ?1")
                .and_then(|mut update| update.execute((till.id.0, signed(self.own.epoch()))))
                .doing("noting that a till has reported")?;
        }
        let known = lives.iter().map(|life| KnownLife { incarnation: life.id, head: life.head }).collect();
        Ok(EpochAnswer { epoch: self.own.epoch(), known, complete: last, hub_time_ms: self.now_ms })
    }
}
