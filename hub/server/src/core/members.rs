//! Members: who they are, what finds them, whether they may spend.

use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::record::Idempotency;
use counterfoil_protocol::wire::v1::feed::MemberStatus;

use super::books::EntryFilter;
use super::views::{EntryView, ImportOutcome, Listing, MemberView, Reply};
use super::{Hub, HubError, unfinished};

/// A new member.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberDraft {
    /// For screens.
    #[serde(default)]
    pub display_name: Option<String>,
    /// What finds it: card number, phone, e-mail; at least one. The first makes the member's id.
    pub identifiers: Vec<String>,
    /// Since when, `YYYY-MM-DD`; today where absent.
    #[serde(default)]
    pub since: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A change to a member; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// For screens.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Identifiers that find it from now on, beside those it has.
    #[serde(default)]
    pub add_identifiers: Vec<String>,
    /// Whether it may spend.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub status: Option<MemberStatus>,
}

/// A row of an import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportRow {
    /// For screens.
    pub display_name: Option<String>,
    /// What finds it.
    pub identifiers: Vec<String>,
}

impl Hub {
    /// Makes a member. `entropy` becomes the key that its personal data rests under.
    ///
    /// # Errors
    /// `Invalid` identifiers, `Conflict` where one finds somebody already, `IdempotencyMismatch`.
    pub fn create_member(
        &mut self,
        draft: &MemberDraft,
        key: Option<&Idempotency>,
        entropy: [u8; 32],
        now_ms: i64,
    ) -> Result<Reply<MemberView>, HubError> {
        let _ = (draft, key, entropy, now_ms);
        unfinished()
    }

    /// Changes a member; tills hear of it.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Conflict` where an identifier finds somebody else.
    pub fn update_member(
        &mut self,
        member: MemberId,
        patch: &MemberPatch,
        key: Option<&Idempotency>,
        now_ms: i64,
    ) -> Result<Reply<MemberView>, HubError> {
        let _ = (member, patch, key, now_ms);
        unfinished()
    }

    /// Takes a batch of rows in one transaction; rows that cannot be taken are named. A row whose identifiers
    /// find a member adds what is new to it, so that an import may be repeated.
    ///
    /// # Errors
    /// When the database fails; then nothing of the batch is here.
    pub fn import_members(
        &mut self,
        rows: &[ImportRow],
        entropy: [u8; 32],
        now_ms: i64,
    ) -> Result<ImportOutcome, HubError> {
        let _ = (rows, entropy, now_ms);
        unfinished()
    }

    /// A member; `None` where there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn member(&self, member: MemberId, now_ms: i64) -> Result<Option<MemberView>, HubError> {
        let _ = (member, now_ms);
        unfinished()
    }

    /// The member that an identifier, as typed or scanned, finds.
    ///
    /// # Errors
    /// `Invalid` for text that cannot be one.
    pub fn find_member(&self, identifier: &str, now_ms: i64) -> Result<Option<MemberView>, HubError> {
        let _ = (identifier, now_ms);
        unfinished()
    }

    /// Members, by id. `limit` is cut to 1,000.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub fn members(&self, after: Option<&str>, limit: usize, now_ms: i64) -> Result<Listing<MemberView>, HubError> {
        let _ = (after, limit, now_ms);
        unfinished()
    }

    /// A member's entries, in posting order.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` cursor.
    pub fn member_entries(
        &self,
        member: MemberId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing<EntryView>, HubError> {
        self.ledger_entries(&EntryFilter { member: Some(member), ..EntryFilter::default() }, after, limit)
    }
}
