//! What cannot be posted as it stands, or needs a person's eye: kept with a reason and an action, never dropped.

use counterfoil_ledger::{Exception, ExceptionKind};
use counterfoil_protocol::limits::SHARED_BUCKET;
use counterfoil_protocol::time::rfc3339_utc;
use rusqlite::{OptionalExtension as _, Row};

use super::act::{Act, signed};
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::views::{ExceptionView, Listing};
use super::{Hub, LIST_LENGTH_MAX};

/// Which exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExceptionFilter {
    /// `open` or `resolved`; both where absent.
    pub state: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this store.
    pub store: Option<String>,
}

const COLUMNS: &str = "id, kind, reason, actions, subject, store, found_ms, resolution FROM exception";

impl Act<'_> {
    /// Writes what was found about a record. The same finding again is the same row.
    pub(super) fn write_exceptions(
        &self,
        incarnation: &Incarnation,
        position: u64,
        exceptions: &[Exception],
    ) -> Result<(), HubError> {
        for (index, exception) in exceptions.iter().enumerate() {
            let subject = format!("{}-{position}", incarnation.id);
            let id = match exception.kind {
                // Once a day is enough: its reason names the date.
                ExceptionKind::ClockSuspect => format!("{}.clock.{}", incarnation.id, day_of(&exception.reason)),
                _ => format!("{subject}.{index}"),
            };
            self.write_exception(incarnation.bucket(), &id, exception, &subject, Some(&incarnation.store))?;
        }
        Ok(())
    }

    /// A till stands behind what is here: somebody restored its disk, or copied it.
    pub(super) fn note_behind(&self, till: &Incarnation, announced: u64, known: u64) -> Result<(), HubError> {
        let reason = format!(
            "terminal {} stands at record {announced}, head office has its records up to {known}: its disk was restored \
             from an older copy, or there are two of it",
            till.terminal
        );
        let exception = Exception { kind: ExceptionKind::TillBehind, reason };
        // Once for what is known here: every sale of such a till announces another record.
        let id = format!("{}.behind.{known}", till.id);
        self.write_exception(till.bucket(), &id, &exception, &till.terminal, Some(&till.store))
    }

    pub(super) fn write_exception(
        &self,
        bucket: u8,
        id: &str,
        exception: &Exception,
        subject: &str,
        store: Option<&str>,
    ) -> Result<(), HubError> {
        debug_assert!(bucket <= SHARED_BUCKET);
        let actions = serde_json::to_string(exception.kind.actions()).expect("a list of words is JSON");
        self.tx
            .prepare_cached(
                "INSERT OR IGNORE INTO exception (bucket, id, kind, reason, actions, subject, store, found_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .and_then(|mut insert| {
                let kind = exception.kind.as_str();
                insert.execute((bucket, id, kind, &exception.reason, actions, subject, store, self.now_ms))
            })
            .doing("writing an exception")?;
        Ok(())
    }
}

fn day_of(reason: &str) -> &str {
    reason.rsplit(' ').next().unwrap_or(reason)
}

fn view(row: &Row<'_>) -> rusqlite::Result<(i64, ExceptionView)> {
    let actions: String = row.get(3)?;
    let resolution: Option<String> = row.get(7)?;
    let found_ms: i64 = row.get(6)?;
    let view = ExceptionView {
        id: row.get(0)?,
        kind: row.get(1)?,
        reason: row.get(2)?,
        actions: serde_json::from_str(&actions).unwrap_or_default(),
        subject: row.get(4)?,
        store: row.get(5)?,
        state: if resolution.is_some() { "resolved" } else { "open" }.to_owned(),
        resolution,
        found_at: rfc3339_utc(found_ms),
    };
    Ok((found_ms, view))
}

impl Hub {
    /// Exceptions in the order they were found. `limit` is cut to 1,000.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub fn exceptions(
        &self,
        filter: &ExceptionFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing<ExceptionView>, HubError> {
        let limit = limit.clamp(1, LIST_LENGTH_MAX);
        let bad = || HubError::invalid("after", "this is not a cursor of this list: take `next` of an earlier answer");
        let (after_ms, after_id) = match after.filter(|text| !text.is_empty()) {
            None => (i64::MIN, ""),
            Some(text) => {
                let (ms, id) = text.split_once('~').ok_or_else(bad)?;
                (ms.parse().map_err(|_| bad())?, id)
            }
        };
        let is_resolved = match filter.state.as_deref() {
            None => None,
            Some("open") => Some(false),
            Some("resolved") => Some(true),
            Some(other) => return Err(HubError::invalid("state", format!("{other:?} is neither open nor resolved"))),
        };
        let mut rows: Vec<(i64, ExceptionView)> = self
            .conn
            .prepare_cached(&format!(
                "SELECT {COLUMNS} WHERE (found_ms, id) > (?1, ?2) AND (?3 IS NULL OR (resolution IS NOT NULL) = ?3)
                 AND (?4 IS NULL OR kind = ?4) AND (?5 IS NULL OR store = ?5) ORDER BY found_ms, id LIMIT ?6"
            ))
            .and_then(|mut query| {
                let key = (after_ms, after_id, is_resolved, &filter.kind, &filter.store, signed(limit as u64 + 1));
                query.query_map(key, view)?.collect()
            })
            .doing("listing exceptions")?;
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| is_more).map(|(ms, view)| format!("{ms}~{}", view.id));
        Ok(Listing { items: rows.into_iter().map(|(_, view)| view).collect(), next })
    }

    /// A person has dealt with it; `resolution` says how.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where it is resolved otherwise already, `Invalid` without a word.
    pub fn resolve_exception(&mut self, id: &str, resolution: &str, now_ms: i64) -> Result<ExceptionView, HubError> {
        let resolution = resolution.trim();
        if resolution.is_empty() || resolution.chars().count() > 1_000 {
            return Err(HubError::invalid("resolution", "say in 1 to 1,000 characters what was done"));
        }
        self.change(now_ms, |act| {
            let find = || {
                act.tx
                    .prepare_cached(&format!("SELECT {COLUMNS} WHERE id = ?1"))
                    .and_then(|mut query| query.query_row([id], view).optional())
                    .doing("reading an exception")
            };
            let (_, found) = find()?.ok_or_else(|| HubError::not_found("exception", id))?;
            match &found.resolution {
                Some(done) if done == resolution => return Ok(found),
                Some(done) => return Err(HubError::conflict(format!("it was resolved already: {done}"))),
                None => {}
            }
            act.tx
                .prepare_cached("UPDATE exception SET resolution = ?2, resolved_ms = ?3 WHERE id = ?1")
                .and_then(|mut update| update.execute((id, resolution, now_ms)))
                .doing("resolving an exception")?;
            Ok(find()?.map_or(found, |(_, view)| view))
        })
    }
}
