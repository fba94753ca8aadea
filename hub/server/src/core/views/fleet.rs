//! Stores, terminals, keys and programs as APIs show them.

use counterfoil_protocol::wire::v1::enrol::StoreSettings;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreView {
    /// Its id.
    pub store: String,
    /// Its name.
    pub name: String,
    /// IANA time zone.
    pub time_zone: String,
    /// ISO 4217.
    pub currency: String,
    /// Groups it belongs to.
    pub groups: Vec<String>,
    /// When the business day ends, `HH:MM` local.
    pub day_ends: String,
}

impl From<StoreSettings> for StoreView {
    fn from(settings: StoreSettings) -> Self {
        let StoreSettings { store, name, time_zone, currency, day_ends, groups } = settings;
        Self { store, name, time_zone, currency, groups, day_ends }
    }
}

/// A till and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TerminalView {
    /// Its id.
    pub terminal: String,
    /// Its store.
    pub store: String,
    /// Its lane.
    pub lane: String,
    /// `invited`, `active`, `unreported` (has not told a head office in a new epoch what it knows), `retiring` (asked to give
    /// everything back) or `retired`.
    pub state: String,
    /// This life of it.
    pub incarnation: Option<String>,
    /// When it last asked anything.
    pub last_seen_at: Option<String>,
    /// The head it last announced.
    pub announced: u64,
    /// Durable here.
    pub acknowledged: u64,
    /// In the ledger, or on the exceptions list.
    pub posted: u64,
    /// Announced and not here.
    pub backlog: u64,
    /// The agent's version.
    pub version: Option<String>,
}

/// The present life of head office, and which tills have not told it yet what they know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochView {
    /// Its number.
    pub epoch: u64,
    /// Why it began; absent for the first.
    pub reason: Option<String>,
    /// Terminals that have not reported.
    pub missing: Vec<String>,
    /// Who accepted that they are missing.
    pub accepted_by: Option<String>,
    /// Whether rights are granted.
    pub grants: bool,
}

/// A key for the API, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyView {
    /// Opaque.
    pub id: String,
    /// As its maker called it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was taken back.
    pub revoked_at: Option<String>,
}

/// A published program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgramView {
    /// Consecutive, from 1.
    pub version: u64,
    /// The program's name.
    pub id: String,
    /// From when on tills use it.
    pub effective_at: String,
    /// When it was published.
    pub published_at: String,
    /// The rules.
    #[schema(value_type = Object)]
    pub program: serde_json::Value,
}

/// How much there is, for metrics and the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Stores.
    pub stores: u64,
    /// Terminals with a live incarnation.
    pub terminals: u64,
    /// Members.
    pub members: u64,
    /// Records of all journals.
    pub records: u64,
    /// Records not yet posted.
    pub unposted: u64,
    /// Sales and returns.
    pub sales: u64,
    /// Ledger entries.
    pub entries: u64,
    /// Exceptions that wait for a person.
    pub open_exceptions: u64,
}
