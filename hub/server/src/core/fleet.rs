//! Stores and terminals.

use counterfoil_protocol::wire::v1::enrol::StoreSettings;

use super::views::{StoreView, TerminalView};
use super::{Hub, HubError, unfinished};

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

impl Hub {
    /// Makes or changes a store; its tills hear of it.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn put_store(&mut self, store: &str, draft: &StoreDraft, now_ms: i64) -> Result<StoreView, HubError> {
        let _ = (store, draft, now_ms);
        unfinished()
    }

    /// A store's settings.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn store(&self, store: &str) -> Result<StoreSettings, HubError> {
        let _ = store;
        unfinished()
    }

    /// All stores, by id.
    ///
    /// # Errors
    /// When the database fails.
    pub fn stores(&self) -> Result<Vec<StoreView>, HubError> {
        unfinished()
    }

    /// All terminals, by store and lane: invited ones without an incarnation, others with their latest.
    ///
    /// # Errors
    /// When the database fails.
    pub fn terminals(&self) -> Result<Vec<TerminalView>, HubError> {
        unfinished()
    }

    /// Retires a terminal: it gets no feed and no grants any more. What it has recorded and still sends is taken.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn retire(&mut self, terminal: &str, now_ms: i64) -> Result<TerminalView, HubError> {
        let _ = (terminal, now_ms);
        unfinished()
    }
}
