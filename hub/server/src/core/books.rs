//! What the books say: sales, entries, the trial balance, and the proof that holders' accounts agree with it.

use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::time::Date;

use super::views::{Counts, EntryView, Listing, SaleView, TrialBalance};
use super::{Hub, HubError, unfinished};

/// Which sales.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SaleFilter {
    /// Of this store.
    pub store: Option<String>,
    /// Of this terminal.
    pub terminal: Option<String>,
    /// Of this business date.
    pub business_date: Option<Date>,
    /// For this member.
    pub member: Option<MemberId>,
}

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryFilter {
    /// Of this member.
    pub member: Option<MemberId>,
    /// In this purse.
    pub purse: Option<String>,
    /// That happened in this store.
    pub store: Option<String>,
    /// On this business date or later.
    pub from: Option<Date>,
    /// On this business date or earlier.
    pub to: Option<Date>,
}

impl Hub {
    /// Sales in the order they came. `limit` is cut to 1,000.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub fn sales(&self, filter: &SaleFilter, after: Option<&str>, limit: usize) -> Result<Listing<SaleView>, HubError> {
        let _ = (filter, after, limit);
        unfinished()
    }

    /// Entries, bucket by bucket in posting order; nothing is ever skipped. `limit` is cut to 1,000. A follower
    /// that has read to the end goes on from the last `next` it was given.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub fn ledger_entries(
        &self,
        filter: &EntryFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing<EntryView>, HubError> {
        let _ = (filter, after, limit);
        unfinished()
    }

    /// Account by account, per purse.
    ///
    /// # Errors
    /// When the database fails.
    pub fn trial_balance(&self) -> Result<TrialBalance, HubError> {
        unfinished()
    }

    /// Every holder's sub-account, recomputed from the set of entries and compared with the running totals; every
    /// difference in words. Empty: they agree.
    ///
    /// # Errors
    /// When the database fails.
    pub fn holders_agree(&self) -> Result<Vec<String>, HubError> {
        unfinished()
    }

    /// How much there is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn counts(&self) -> Result<Counts, HubError> {
        unfinished()
    }
}
