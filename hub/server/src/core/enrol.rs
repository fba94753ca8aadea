//! Enrolment: one-time codes, and terminals taken in with a key of their own.
//!
//! Only the hash of a code's secret is here. A code works once; the same code with the same key is the same
//! question again (an answer was lost) and gets the same answer, also after its time. With another key it is refused.

use counterfoil_protocol::id::Digest;
use counterfoil_protocol::limits::REQUEST_BYTES_MAX;
use counterfoil_protocol::record::{Head, Idempotency};
use counterfoil_protocol::session::hub::SignedRequest;
use counterfoil_protocol::wire::http::{ENROL_PATH, RequestHeaders};
use counterfoil_protocol::wire::sign::sign;
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest, EnrolmentCode};
use counterfoil_protocol::wire::v1::grant::RefusalKind;
use rusqlite::OptionalExtension as _;

use super::Hub;
use super::act::{Act, signed};
use super::error::{Doing as _, HubError};
use super::fleet::{StoreDraft, check_id};
use super::incarnations::Incarnation;
use super::sync::{Refused, Served, SyncAnswer, answer};
use super::views::Reply;

/// Characters of an agent's version that are kept.
const VERSION_CHAR_COUNT_MAX: usize = 64;

fn secret_hash(secret: &[u8; 10]) -> [u8; 32] {
    Digest::of(&[b"counterfoil invitation v1\0", secret]).0
}

impl Hub {
    /// Invites a till to a lane. `secret` comes from the shell's entropy. With `create_store` a store that does
    /// not exist is made, with the program's time zone and currency.
    ///
    /// # Errors
    /// `NotFound` for a store that does not exist, `Invalid` names, `Conflict` for a secret used before or a
    /// retired lane.
    pub fn invite(
        &mut self,
        store: &str,
        lane: &str,
        secret: [u8; 10],
        now_ms: i64,
        ttl_ms: i64,
        create_store: bool,
    ) -> Result<EnrolmentCode, HubError> {
        self.change(now_ms, |act| act.invite(store, lane, &secret, ttl_ms, create_store))?;
        Ok(EnrolmentCode { secret, root_fingerprint: self.own.root_key.fingerprint() })
    }

    /// [`Hub::invite`] for an idempotency key: answers until when the code can be used. The code itself is not kept,
    /// so the caller draws `secret` from the key, the same again for the same key.
    ///
    /// # Errors
    /// As [`Hub::invite`], and `IdempotencyMismatch`.
    #[expect(clippy::too_many_arguments, reason = "an invitation, the clock and the key")]
    pub fn invite_once(
        &mut self,
        store: &str,
        lane: &str,
        secret: [u8; 10],
        now_ms: i64,
        ttl_ms: i64,
        create_store: bool,
        key: &Idempotency,
    ) -> Result<Reply<i64>, HubError> {
        self.change(now_ms, |act| {
            act.once(Some(key), || {
                act.invite(store, lane, &secret, ttl_ms, create_store)?;
                Ok(now_ms.saturating_add(ttl_ms))
            })
        })
    }

    /// A till's request to be taken in: the code once, the same code and key again and again.
    pub fn enrol(&mut self, body: &[u8], headers: &RequestHeaders, now_ms: i64) -> SyncAnswer {
        let request = SignedRequest {
            method: "POST",
            path: ENROL_PATH,
            body,
            epoch: headers.epoch,
            incarnation: headers.incarnation,
            head: headers.head,
            signature: headers.signature,
        };
        let served = self.take_in(&request, now_ms);
        answer(&self.own, &request.text(), served)
    }

    fn take_in(&mut self, request: &SignedRequest<'_>, now_ms: i64) -> Result<Served, Refused> {
        if request.body.len() > REQUEST_BYTES_MAX {
            return Err(Refused::because(RefusalKind::Malformed, "the request is too large"));
        }
        let ask: EnrolRequest = minicbor::decode(request.body).map_err(|error| {
            Refused::because(RefusalKind::Malformed, format!("the request does not decode: {error}"))
        })?;
        request
            .verify(&ask.public_key)
            .map_err(|error| Refused::because(RefusalKind::NotAuthentic, error.to_string()))?;
        // An earlier life of the lane ends with this: what it spent is to be in the books before it is settled.
        if let Err(error) = self.post_pending(now_ms) {
            tracing::error!(error = &error as &dyn std::error::Error, "records are kept and not posted yet");
        }
        let body = self.change(now_ms, |act| act.enrol(&ask))?;
        Ok(Served { body, feed_empty: false })
    }
}

impl Act<'_> {
    fn invite(
        &self,
        store: &str,
        lane: &str,
        secret: &[u8; 10],
        ttl_ms: i64,
        create_store: bool,
    ) -> Result<(), HubError> {
        check_id("lane", lane)?;
        if !self.store_exists(store)? {
            if !create_store {
                return Err(HubError::not_found("store", store));
            }
            self.write_store(store, &StoreDraft::default())?;
        }
        let terminal = self.terminal_at(store, lane)?;
        let written = self
            .tx
            .execute(
                "INSERT OR IGNORE INTO invitation (secret_hash, terminal, invited_ms, expires_ms) VALUES (?1, ?2, ?3, ?4)",
                (secret_hash(secret), terminal, self.now_ms, self.now_ms.saturating_add(ttl_ms)),
            )
            .doing("writing an invitation")?;
        if written == 0 {
            return Err(HubError::conflict("this secret was used for an invitation before: draw another"));
        }
        Ok(())
    }

    /// The terminal of a lane; made where there is none.
    fn terminal_at(&self, store: &str, lane: &str) -> Result<String, HubError> {
        let terminal = format!("{store}-{lane}");
        let here: Option<(String, String, bool)> = self
            .tx
            .query_row(
                "SELECT store, lane, retired_ms IS NOT NULL FROM terminal WHERE terminal = ?1",
                [&terminal],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .doing("looking for a terminal")?;
        match here {
            None => {
                self.tx
                    .execute(
                        "INSERT INTO terminal (terminal, store, lane) VALUES (?1, ?2, ?3)",
                        (&terminal, store, lane),
                    )
                    .doing("making a terminal")?;
                Ok(terminal)
            }
            Some((_, _, true)) => Err(HubError::conflict(format!("terminal {terminal} is retired: use another lane"))),
            Some((own_store, own_lane, false)) if own_store == store && own_lane == lane => Ok(terminal),
            Some((own_store, own_lane, false)) => Err(HubError::conflict(format!(
                "store {own_store}, lane {own_lane} has the id {terminal} already: use another lane"
            ))),
        }
    }

    fn enrol(&self, ask: &EnrolRequest) -> Result<Vec<u8>, Refused> {
        let hash = secret_hash(&ask.secret);
        type Invitation = (String, i64, Option<[u8; 32]>, Option<Vec<u8>>);
        let invitation: Option<Invitation> = self
            .tx
            .query_row(
                "SELECT terminal, expires_ms, public_key, answer FROM invitation WHERE secret_hash = ?1",
                [hash],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .optional()
            .doing("looking for an invitation")?;
        let refuse = |detail: &str| Err(Refused::because(RefusalKind::NotAuthentic, detail));
        match invitation {
            None => refuse("this code is not known here: ask head office for a new one"),
            Some((_, _, Some(key), Some(answer))) if key == ask.public_key.0 => Ok(answer),
            Some((_, _, Some(_), _)) => {
                refuse("this code has been used by another till: ask head office for a new one")
            }
            Some((_, expires_ms, ..)) if expires_ms < self.now_ms => {
                refuse("this code is too old: ask head office for a new one")
            }
            Some((terminal, ..)) if self.is_retired(&terminal)? => {
                refuse("this lane was retired after the code was made: ask head office for a code for another lane")
            }
            Some((terminal, ..)) => {
                let answer = self.begin_incarnation(&terminal, ask)?;
                self.tx
                    .execute(
                        "UPDATE invitation SET public_key = ?2, answer = ?3 WHERE secret_hash = ?1",
                        (hash, ask.public_key.0, &answer),
                    )
                    .doing("noting who used an invitation")?;
                Ok(answer)
            }
        }
    }

    fn is_retired(&self, terminal: &str) -> Result<bool, HubError> {
        self.tx
            .prepare_cached("SELECT 1 FROM terminal WHERE terminal = ?1 AND retired_ms IS NOT NULL")
            .and_then(|mut query| query.exists([terminal]))
            .doing("looking for a terminal")
    }

    fn begin_incarnation(&self, terminal: &str, ask: &EnrolRequest) -> Result<Vec<u8>, Refused> {
        let incarnation = ask.public_key.incarnation();
        if self.incarnation(incarnation)?.is_some() {
            return Err(Refused::because(RefusalKind::NotAuthentic, "this key was enrolled before: make a new one"));
        }
        let version: String = ask.agent_version.chars().take(VERSION_CHAR_COUNT_MAX).collect();
        self.tx
            .execute(
                "INSERT INTO incarnation (incarnation, terminal, number, public_key, agent_version, started_ms, last_seen_ms, head_chain, reported_epoch)
                 VALUES (?1, ?2, 1 + (SELECT coalesce(max(number), 0) FROM incarnation WHERE terminal = ?2), ?3, ?4, ?5, ?5, ?6, ?7)",
                (
                    incarnation.0,
                    terminal,
                    ask.public_key.0,
                    version,
                    self.now_ms,
                    Head::start(incarnation).chain.0,
                    signed(self.own.epoch()),
                ),
            )
            .doing("beginning an incarnation")?;
        // One that is not posted to its end is settled with the last of its records.
        let ended = |life: &&Incarnation| life.id != incarnation && life.posted == life.head.position;
        for life in self.lives(terminal)?.iter().filter(ended) {
            self.settle(life)?;
        }
        let own = self.incarnation(incarnation)?.ok_or_else(|| HubError::not_found("incarnation", incarnation))?;
        let mut answer = EnrolAnswer {
            terminal: own.terminal,
            lane: own.lane,
            store: self.store_settings(&own.store)?,
            incarnation,
            epoch: self.own.epoch(),
            root_key: self.own.root_key,
            root_certificate: self.own.root_certificate.clone(),
            program_key: self.own.program_key,
            signature: None,
        };
        answer.signature = Some(sign(&self.own.root, &answer.signed_text()));
        Ok(minicbor::to_vec(&answer).expect("encoding into memory cannot fail"))
    }
}
