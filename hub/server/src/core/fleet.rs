//! Stores and terminals.

use std::collections::BTreeSet;

use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::time::{CalendarError, StoreCalendar, rfc3339_utc};
use counterfoil_protocol::wire::v1::enrol::StoreSettings;
use rusqlite::OptionalExtension as _;

use super::Hub;
use super::act::Act;
use super::error::{Doing as _, HubError};
use super::incarnations::Incarnation;
use super::views::{StoreView, TerminalView};

/// What a store has before there is a program to take it from.
const TIME_ZONE_DEFAULT: &str = "UTC";
const CURRENCY_DEFAULT: &str = "EUR";

/// Characters of a store's or lane's id.
const ID_CHAR_COUNT_MAX: usize = 64;

/// A store as a person writes it; what is absent stays, or gets a default when the store is new.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreDraft {
    /// Its name; its id where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// IANA time zone; the program's where absent.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// ISO 4217; the program's where absent.
    #[serde(default)]
    pub currency: Option<String>,
    /// Groups it belongs to.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    /// When the business day ends, `HH:MM` local; `00:00` where absent.
    #[serde(default)]
    pub day_ends: Option<String>,
}

/// A store's calendar.
pub(super) fn calendar(settings: &StoreSettings) -> Result<StoreCalendar, CalendarError> {
    StoreCalendar::new(&settings.time_zone, &settings.day_ends)
}

/// Checks the id of a store or lane.
pub(super) fn check_id(field: &'static str, id: &str) -> Result<(), HubError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > ID_CHAR_COUNT_MAX || !id.chars().all(fits) {
        return Err(HubError::invalid(
            field,
            format!("{id:?} cannot be an id: use 1 to {ID_CHAR_COUNT_MAX} letters, digits, dots, dashes, underscores"),
        ));
    }
    Ok(())
}

impl Act<'_> {
    /// A store's settings; what it does not say itself, the program in force says.
    pub(super) fn store_settings(&self, store: &str) -> Result<StoreSettings, HubError> {
        let found = self
            .tx
            .prepare_cached("SELECT name, time_zone, currency, day_ends, groups FROM store WHERE store = ?1")
            .and_then(|mut query| {
                query
                    .query_row([store], |row| {
                        let zone: Option<String> = row.get(1)?;
                        let currency: Option<String> = row.get(2)?;
                        let groups: String = row.get(4)?;
                        Ok((row.get(0)?, zone, currency, row.get(3)?, groups))
                    })
                    .optional()
            })
            .doing("reading a store")?;
        let (name, zone, currency, day_ends, groups) = found.ok_or_else(|| HubError::not_found("store", store))?;
        let program = if zone.is_none() || currency.is_none() { self.latest_program()? } else { None };
        let of_program = |own: Option<String>, programs: Option<&str>, default: &str| {
            own.unwrap_or_else(|| programs.unwrap_or(default).to_owned())
        };
        Ok(StoreSettings {
            store: store.to_owned(),
            name,
            time_zone: of_program(zone, program.as_ref().map(|program| program.time_zone()), TIME_ZONE_DEFAULT),
            currency: of_program(currency, program.as_ref().map(|program| program.currency()), CURRENCY_DEFAULT),
            day_ends,
            groups: serde_json::from_str(&groups).unwrap_or_default(),
        })
    }

    pub(super) fn store_exists(&self, store: &str) -> Result<bool, HubError> {
        self.tx
            .prepare_cached("SELECT 1 FROM store WHERE store = ?1")
            .and_then(|mut query| query.exists([store]))
            .doing("looking for a store")
    }

    pub(super) fn store_ids(&self) -> Result<Vec<String>, HubError> {
        self.tx
            .prepare_cached("SELECT store FROM store ORDER BY store")
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .doing("listing stores")
    }

    /// Makes or changes a store, if what comes of it can be one.
    pub(super) fn write_store(&self, store: &str, draft: &StoreDraft) -> Result<StoreSettings, HubError> {
        check_id("store", store)?;
        let groups =
            draft.groups.as_ref().map(|groups| serde_json::to_string(groups).expect("a list of words is JSON"));
        self.tx
            .prepare_cached(
                "INSERT INTO store (store, name, time_zone, currency, day_ends, groups)
                 VALUES (?1, coalesce(?2, ?1), ?3, ?4, coalesce(?5, '00:00'), coalesce(?6, '[]'))
                 ON CONFLICT DO UPDATE SET name = coalesce(?2, name), time_zone = coalesce(?3, time_zone),
                     currency = coalesce(?4, currency), day_ends = coalesce(?5, day_ends), groups = coalesce(?6, groups)",
            )
            .and_then(|mut insert| {
                insert.execute((store, &draft.name, &draft.time_zone, &draft.currency, &draft.day_ends, groups))
            })
            .doing("writing a store")?;
        let settings = self.store_settings(store)?;
        calendar(&settings).map_err(|error| match error {
            CalendarError::Zone(_) => HubError::invalid("time_zone", error.to_string()),
            CalendarError::DayEnd(_) => HubError::invalid("day_ends", error.to_string()),
        })?;
        if settings.currency.len() != 3 || !settings.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(HubError::invalid("currency", format!("{:?} is not an ISO 4217 code", settings.currency)));
        }
        self.feed_store(store)?;
        Ok(settings)
    }

    /// Why a terminal was asked to retire; `None`: nobody asked.
    pub(super) fn retire_asked(&self, terminal: &str) -> Result<Option<String>, HubError> {
        self.tx
            .prepare_cached(
                "SELECT coalesce(retire_reason, '') FROM terminal WHERE terminal = ?1 AND retire_asked_ms IS NOT NULL",
            )
            .and_then(|mut query| query.query_row([terminal], |row| row.get(0)).optional())
            .doing("looking whether a terminal was asked to retire")
    }

    fn terminal_views(&self) -> Result<Vec<TerminalView>, HubError> {
        type Raw = (String, String, String, bool, Option<[u8; 16]>, bool);
        let missing = self.missing_reports()?;
        let rows: Vec<Raw> = self
            .tx
            .prepare_cached(
                "SELECT t.terminal, t.store, t.lane, t.retired_ms IS NOT NULL,
                        (SELECT i.incarnation FROM incarnation i WHERE i.terminal = t.terminal ORDER BY number DESC LIMIT 1),
                        t.retire_asked_ms IS NOT NULL
                 FROM terminal t ORDER BY t.store, t.lane",
            )
            .and_then(|mut query| {
                query
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?
                    .collect()
            })
            .doing("listing terminals")?;
        rows.into_iter()
            .map(|(terminal, store, lane, is_retired, incarnation, is_asked)| {
                let incarnation = incarnation.map(IncarnationId);
                let incarnation = incarnation.map(|id| self.incarnation(id)).transpose()?.flatten();
                Ok(terminal_view(terminal, store, lane, (is_retired, is_asked), incarnation, &missing))
            })
            .collect()
    }
}

fn terminal_view(
    terminal: String,
    store: String,
    lane: String,
    (is_retired, is_asked): (bool, bool),
    incarnation: Option<Incarnation>,
    missing: &BTreeSet<IncarnationId>,
) -> TerminalView {
    let state = match (is_retired, &incarnation) {
        (true, _) => "retired",
        (false, Some(_)) if is_asked => "retiring",
        (false, Some(life)) if missing.contains(&life.id) => "unreported",
        (false, Some(_)) => "active",
        (false, None) => "invited",
    };
    let position = |read: fn(&Incarnation) -> u64| incarnation.as_ref().map_or(0, read);
    TerminalView {
        terminal,
        store,
        lane,
        state: state.to_owned(),
        last_seen_at: incarnation.as_ref().map(|incarnation| rfc3339_utc(incarnation.last_seen_ms)),
        announced: position(|incarnation| incarnation.announced),
        acknowledged: position(|incarnation| incarnation.head.position),
        posted: position(|incarnation| incarnation.posted),
        backlog: position(|incarnation| incarnation.announced.saturating_sub(incarnation.head.position)),
        version: incarnation.as_ref().map(|incarnation| incarnation.agent_version.clone()),
        incarnation: incarnation.map(|incarnation| incarnation.id.to_string()),
    }
}

impl Hub {
    /// Makes or changes a store; its tills hear of it.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn put_store(&mut self, store: &str, draft: &StoreDraft, now_ms: i64) -> Result<StoreView, HubError> {
        self.change(now_ms, |act| act.write_store(store, draft).map(StoreView::from))
    }

    /// A store's settings.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn store(&self, store: &str) -> Result<StoreSettings, HubError> {
        self.read(0, |act| act.store_settings(store))
    }

    /// All stores, by id.
    ///
    /// # Errors
    /// When the database fails.
    pub fn stores(&self) -> Result<Vec<StoreView>, HubError> {
        self.read(0, |act| {
            act.store_ids()?.iter().map(|store| act.store_settings(store).map(StoreView::from)).collect()
        })
    }

    /// All terminals, by store and lane: invited ones without an incarnation, others with their latest.
    ///
    /// # Errors
    /// When the database fails.
    pub fn terminals(&self) -> Result<Vec<TerminalView>, HubError> {
        self.read(0, |act| act.terminal_views())
    }

    /// Retires a terminal. Asked: it is told to give everything back, and retires with the record by which it did. By
    /// force, or where no till ever came: at once, what it holds comes to head office; what it recorded and still sends is
    /// taken, and what it spent meanwhile is owed.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` without a reason.
    pub fn retire(&mut self, terminal: &str, force: bool, reason: &str, now_ms: i64) -> Result<TerminalView, HubError> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(HubError::invalid("reason", "say why it is retired"));
        }
        for life in self.read(now_ms, |act| act.lives(terminal))? {
            self.post_journal(life.id, now_ms)?;
        }
        self.change(now_ms, |act| {
            let asked = act
                .tx
                .execute(
                    "UPDATE terminal SET retire_asked_ms = coalesce(retire_asked_ms, ?2), retire_reason = ?3
                     WHERE terminal = ?1 AND retired_ms IS NULL",
                    (terminal, now_ms, reason),
                )
                .doing("asking a terminal to retire")?;
            let live = act.lives(terminal)?.into_iter().rev().find(|life| !life.is_settled);
            match live {
                Some(life) if asked > 0 && !force => act.feed_retire(life.id)?,
                _ => act.retire_now(terminal)?,
            }
            act.terminal_views()?
                .into_iter()
                .find(|view| view.terminal == terminal)
                .ok_or_else(|| HubError::not_found("terminal", terminal))
        })
    }
}
