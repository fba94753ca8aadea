//! Members: who they are, what finds them, whether they may spend.

use counterfoil_protocol::id::Digest;
use counterfoil_protocol::id::{IdentifierHash, MemberId};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::limits::MEMBER_BUCKET_COUNT;
use counterfoil_protocol::record::Idempotency;
use counterfoil_protocol::time::Date;
use counterfoil_protocol::wire::v1::feed::MemberStatus;
use rusqlite::OptionalExtension as _;

use super::Hub;
use super::act::Act;
use super::books::EntryFilter;
use super::error::{Doing as _, HubError};
use super::people::status_text;
use super::profile::Profile;
use super::views::{EntryView, ImportOutcome, ImportReject, Listing, MemberView, Reply};

/// Identifiers of one member.
const IDENTIFIER_COUNT_MAX: usize = 32;
/// Characters of a display name.
const NAME_CHAR_COUNT_MAX: usize = 200;

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

/// Identifiers as they were given, with their normal form and hash; no hash twice.
type Named = Vec<(String, Identifier, IdentifierHash)>;

impl Act<'_> {
    fn named(&self, identifiers: &[String]) -> Result<Named, HubError> {
        if identifiers.len() > IDENTIFIER_COUNT_MAX {
            return Err(HubError::invalid("identifiers", format!("a member has at most {IDENTIFIER_COUNT_MAX}")));
        }
        let mut named: Named = Vec::with_capacity(identifiers.len());
        for text in identifiers {
            let identifier =
                Identifier::parse(text).map_err(|error| HubError::invalid("identifiers", error.to_string()))?;
            let hash = identifier.hash(&self.own.program_key);
            if named.iter().all(|(_, _, known)| *known != hash) {
                named.push((text.trim().to_owned(), identifier, hash));
            }
        }
        Ok(named)
    }

    /// The member an identifier finds.
    pub(super) fn member_of(&self, identifier: IdentifierHash) -> Result<Option<MemberId>, HubError> {
        self.tx
            .prepare_cached("SELECT member FROM identifier WHERE bucket = ?1 AND identifier = ?2")
            .and_then(|mut query| {
                query.query_row((identifier_bucket(identifier), identifier.0), |row| row.get(0)).optional()
            })
            .map(|found| found.map(MemberId))
            .doing("looking for an identifier")
    }

    /// From now on an identifier that found nobody finds this member, at every till.
    pub(super) fn put_identifier(&self, identifier: IdentifierHash, member: MemberId) -> Result<(), HubError> {
        self.tx
            .prepare_cached("INSERT INTO identifier (bucket, identifier, member) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute((identifier_bucket(identifier), identifier.0, member.0)))
            .doing("writing an identifier")?;
        self.feed_identity(identifier, member)
    }

    fn add_identifiers(&self, member: MemberId, named: &Named) -> Result<Vec<String>, HubError> {
        let mut added = Vec::new();
        for (text, _, hash) in named {
            match self.member_of(*hash)? {
                Some(other) if other != member => {
                    return Err(HubError::conflict(format!("an identifier finds another member already: {other}")));
                }
                Some(_) => {}
                None => {
                    self.put_identifier(*hash, member)?;
                    added.push(text.clone());
                }
            }
        }
        Ok(added)
    }

    fn create(&self, draft: &MemberDraft, entropy: [u8; 32]) -> Result<MemberId, HubError> {
        let named = self.named(&draft.identifiers)?;
        let Some((_, first, _)) = named.first() else {
            return Err(HubError::invalid(
                "identifiers",
                "a member needs at least one: a card number, phone or e-mail",
            ));
        };
        let since = match draft.since.as_deref() {
            None => self.today(),
            Some(text) => text.parse().map_err(|error| HubError::invalid("since", format!("{error}")))?,
        };
        check_name(draft.display_name.as_deref())?;
        let member = first.member_id(&self.own.program_key);
        for (_, _, hash) in &named {
            if let Some(other) = self.member_of(*hash)? {
                return Err(HubError::conflict(format!("an identifier finds a member already: {other}")));
            }
        }
        // A till may have brought units for this id before anybody said who it is: then the row is here, bare.
        self.make_known(member)?;
        let tags = serde_json::to_string(&draft.tags).expect("a list of words is JSON");
        self.tx
            .prepare_cached("UPDATE member SET since = ?3, tags = ?4 WHERE bucket = ?1 AND member = ?2")
            .and_then(|mut update| update.execute((member.bucket(), member.0, Date::packed(since), tags)))
            .doing("making a member")?;
        self.make_profile_key(member, entropy)?;
        let identifiers = self.add_identifiers(member, &named)?;
        self.write_profile(member, &Profile { display_name: draft.display_name.clone(), identifiers })?;
        Ok(member)
    }

    fn patch(&self, member: MemberId, patch: &MemberPatch) -> Result<(), HubError> {
        check_name(patch.display_name.as_deref())?;
        if self.member_row(member)?.is_none() {
            return Err(HubError::not_found("member", member));
        }
        let added = self.add_identifiers(member, &self.named(&patch.add_identifiers)?)?;
        if patch.display_name.is_some() || !added.is_empty() {
            let mut profile = self.profile(member)?;
            profile.identifiers.extend(added);
            if profile.identifiers.len() > IDENTIFIER_COUNT_MAX {
                return Err(HubError::invalid(
                    "add_identifiers",
                    format!("a member has at most {IDENTIFIER_COUNT_MAX}"),
                ));
            }
            profile.display_name = patch.display_name.clone().or(profile.display_name);
            self.write_profile(member, &profile)?;
        }
        if let Some(status) = patch.status {
            self.tx
                .prepare_cached("UPDATE member SET status = ?3 WHERE bucket = ?1 AND member = ?2")
                .and_then(|mut update| update.execute((member.bucket(), member.0, status_text(status))))
                .doing("changing a member's status")?;
            for identifier in self.identifiers_of(member)? {
                self.feed_identity(identifier, member)?;
            }
        }
        self.feed_state(member)
    }

    fn import_row(&self, row: &ImportRow, entropy: [u8; 32], outcome: &mut ImportOutcome) -> Result<(), HubError> {
        let named = self.named(&row.identifiers)?;
        let mut found = None;
        for (_, _, hash) in &named {
            if let Some(member) = self.member_of(*hash)? {
                if found.is_some_and(|other| other != member) {
                    return Err(HubError::conflict("its identifiers find two different members"));
                }
                found = Some(member);
            }
        }
        if let Some(member) = found {
            let patch = MemberPatch {
                display_name: row.display_name.clone(),
                add_identifiers: row.identifiers.clone(),
                status: None,
            };
            self.patch(member, &patch)?;
            outcome.updated += 1;
        } else {
            let (display_name, identifiers) = (row.display_name.clone(), row.identifiers.clone());
            self.create(&MemberDraft { display_name, identifiers, ..MemberDraft::default() }, entropy)?;
            outcome.created += 1;
        }
        Ok(())
    }

    fn member_or_gone(&self, member: MemberId) -> Result<MemberView, HubError> {
        self.member_view(member)?.ok_or_else(|| HubError::not_found("member", member))
    }
}

fn identifier_bucket(identifier: IdentifierHash) -> u8 {
    identifier.0[0] % MEMBER_BUCKET_COUNT
}

fn check_name(name: Option<&str>) -> Result<(), HubError> {
    match name {
        Some(name) if name.chars().count() > NAME_CHAR_COUNT_MAX || name.chars().any(char::is_control) => {
            Err(HubError::invalid(
                "display_name",
                format!("a name has at most {NAME_CHAR_COUNT_MAX} characters and no control characters"),
            ))
        }
        _ => Ok(()),
    }
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
        self.change(now_ms, |act| act.once(key, || act.member_or_gone(act.create(draft, entropy)?)))
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
        self.change(now_ms, |act| {
            act.once(key, || {
                act.patch(member, patch)?;
                act.member_or_gone(member)
            })
        })
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
        self.change(now_ms, |act| {
            let mut outcome = ImportOutcome::default();
            for (row_index, row) in rows.iter().enumerate() {
                let own = Digest::of(&[b"counterfoil import v1\0", &entropy, &(row_index as u64).to_be_bytes()]).0;
                act.tx.execute_batch("SAVEPOINT row").doing("beginning a row of an import")?;
                let taken = act.import_row(row, own, &mut outcome);
                let reason = match taken {
                    Ok(()) => None,
                    Err(HubError::Invalid { field, detail }) => Some(format!("{field}: {detail}")),
                    Err(HubError::Conflict { detail }) => Some(detail),
                    Err(error) => return Err(error),
                };
                if let Some(reason) = reason {
                    act.tx.execute_batch("ROLLBACK TO row").doing("taking a row of an import back")?;
                    outcome.rejects.push(ImportReject { row: row_index, reason });
                }
                act.tx.execute_batch("RELEASE row").doing("ending a row of an import")?;
            }
            Ok(outcome)
        })
    }

    /// A member; `None` where there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn member(&self, member: MemberId, now_ms: i64) -> Result<Option<MemberView>, HubError> {
        self.read(now_ms, |act| act.member_view(member))
    }

    /// The member that an identifier, as typed or scanned, finds.
    ///
    /// # Errors
    /// `Invalid` for text that cannot be one.
    pub fn find_member(&self, identifier: &str, now_ms: i64) -> Result<Option<MemberView>, HubError> {
        let identifier =
            Identifier::parse(identifier).map_err(|error| HubError::invalid("identifier", error.to_string()))?;
        let hash = identifier.hash(&self.own.program_key);
        self.read(now_ms, |act| match act.member_of(hash)? {
            Some(member) => act.member_view(member),
            None => Ok(None),
        })
    }

    /// Members, by id. `limit` is cut to 1,000.
    ///
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub fn members(&self, after: Option<&str>, limit: usize, now_ms: i64) -> Result<Listing<MemberView>, HubError> {
        let after = match after.filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                HubError::invalid("after", "this is not a cursor of this list: take `next` of an earlier answer")
            })?),
        };
        self.read(now_ms, |act| act.member_views(after, limit))
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
        if self.read(0, |act| act.member_row(member))?.is_none() {
            return Err(HubError::not_found("member", member));
        }
        self.ledger_entries(&EntryFilter { member: Some(member), ..EntryFilter::default() }, after, limit)
    }
}
