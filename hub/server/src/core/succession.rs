//! Succession: the next incarnation of a terminal whose disk was put back from an older copy.
//!
//! The first request settles the old incarnation where it is here, and begins the next one. The same new key gets the
//! same answer again. Another new key for the same old one means that there are two disks: both can sign as the old
//! incarnation, so which one is the till is for a person to say, with a new enrolment code.

use counterfoil_ledger::{Exception, ExceptionKind};
use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::session::hub::SignedRequest;
use counterfoil_protocol::wire::sign::sign;
use counterfoil_protocol::wire::v1::grant::RefusalKind;
use counterfoil_protocol::wire::v1::succession::{SuccessionAnswer, SuccessionRequest};
use rusqlite::OptionalExtension as _;

use super::Hub;
use super::act::{Act, signed};
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::settle_incarnation::settled_head;
use super::sync::{Refused, Served};

/// Characters of an agent's version that are kept.
const VERSION_CHAR_COUNT_MAX: usize = 64;

/// What a request for the next life comes to, in its transaction.
enum Outcome {
    Answered(Vec<u8>),
    /// The journal grew while it was being posted: once more.
    NotPosted,
    Clone,
    Ended,
}

impl Hub {
    pub(super) fn next_life(
        &mut self,
        request: &SignedRequest<'_>,
        till: &Incarnation,
        now_ms: i64,
    ) -> Result<Served, Refused> {
        let malformed = |detail: String| Refused::because(RefusalKind::Malformed, detail);
        let ask: SuccessionRequest = minicbor::decode(request.body)
            .map_err(|error| malformed(format!("the request does not decode: {error}")))?;
        if ask.before != till.id || ask.public_key.incarnation() == till.id {
            return Err(malformed("a till asks for its own next life, under another key".to_owned()));
        }
        ask.verify().map_err(|error| Refused::because(RefusalKind::NotAuthentic, error.to_string()))?;
        loop {
            self.posted_to_its_head(till.id, now_ms)?;
            return match self.change(now_ms, |act| act.next_life(&ask))? {
                Outcome::NotPosted => continue,
                Outcome::Answered(body) => Ok(Served { body, feed_empty: false }),
                Outcome::Clone => Err(Refused::because(
                    RefusalKind::Quarantined,
                    "another disk with this till's key has gone on as its next life: there are two of it. This one \
                     needs a new enrolment code from head office",
                )),
                Outcome::Ended => Err(Refused::because(
                    RefusalKind::Retired,
                    "this till was retired or enrolled again: what it recorded is still taken; to go on it needs a new \
                     enrolment code from head office",
                )),
            };
        }
    }
}

impl Act<'_> {
    fn next_life(&self, ask: &SuccessionRequest) -> Result<Outcome, HubError> {
        let before = self.incarnation(ask.before)?.ok_or_else(|| HubError::not_found("incarnation", ask.before))?;
        let next: Option<([u8; 32], Option<Vec<u8>>)> = self
            .tx
            .prepare_cached("SELECT public_key, succession_answer FROM incarnation WHERE before = ?1")
            .and_then(|mut query| query.query_row([ask.before.0], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .doing("looking for the next life")?;
        match next {
            Some((key, Some(answer))) if key == ask.public_key.0 => return Ok(Outcome::Answered(answer)),
            Some(_) => {
                self.note_clone(&before, ask.public_key.incarnation())?;
                return Ok(Outcome::Clone);
            }
            None if before.is_settled || self.incarnation(ask.public_key.incarnation())?.is_some() => {
                return Ok(Outcome::Ended);
            }
            None => {}
        }
        if before.posted < before.head.position {
            return Ok(Outcome::NotPosted);
        }
        self.settle(&before)?;
        let settled = settled_head(self, &before)?;
        let answer = self.begin_next(ask, &before, settled)?;
        if let Some(reason) = self.retire_asked(&before.terminal)? {
            tracing::info!(terminal = before.terminal, reason, "the next life of this till is asked to retire as well");
            self.feed_retire(ask.public_key.incarnation())?;
        }
        Ok(Outcome::Answered(answer))
    }

    fn begin_next(&self, ask: &SuccessionRequest, before: &Incarnation, settled: Head) -> Result<Vec<u8>, HubError> {
        let incarnation = ask.public_key.incarnation();
        let mut answer = SuccessionAnswer {
            terminal: before.terminal.clone(),
            lane: before.lane.clone(),
            store: self.store_settings(&before.store)?,
            before: before.id,
            settled,
            incarnation,
            number: before.number + 1,
            epoch: self.own.epoch(),
            hub_time_ms: self.now_ms,
            signature: None,
        };
        answer.signature = Some(sign(&self.own.root, &answer.signed_text()));
        let bytes = minicbor::to_vec(&answer).expect("encoding into memory cannot fail");
        let version: String = ask.agent_version.chars().take(VERSION_CHAR_COUNT_MAX).collect();
        self.write_life(&answer, answer.number, ask.public_key.0, &version, &bytes)?;
        Ok(bytes)
    }

    /// Writes down a life that follows another one.
    pub(super) fn write_life(
        &self,
        answer: &SuccessionAnswer,
        number: u32,
        public_key: [u8; 32],
        version: &str,
        bytes: &[u8],
    ) -> Result<(), HubError> {
        self.tx
            .execute(
                "INSERT INTO incarnation (incarnation, terminal, number, public_key, agent_version, started_ms, \
                 last_seen_ms, head_chain, before, succession_answer, reported_epoch) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10)",
                rusqlite::params![
                    answer.incarnation.0,
                    answer.terminal,
                    number,
                    public_key,
                    version,
                    self.now_ms,
                    Head::start(answer.incarnation).chain.0,
                    answer.before.0,
                    bytes,
                    signed(answer.epoch),
                ],
            )
            .doing("beginning the next life of a terminal")?;
        Ok(())
    }

    pub(super) fn note_clone(&self, before: &Incarnation, other: IncarnationId) -> Result<(), HubError> {
        let reason = format!(
            "terminal {}: a second disk with the key of {} asks to go on as another life than the one that did: there are \
             two of it; find both machines, and enrol the right one with a new code",
            before.terminal, before.id
        );
        let exception = Exception { kind: ExceptionKind::Clone, reason };
        let id = format!("{}.clone.{other}", before.id);
        self.write_exception(before.bucket(), &id, &exception, &before.terminal, Some(&before.store))
    }
}
