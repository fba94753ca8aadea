//! The engine's face before its bodies: signatures only, replaced file by file.
#![allow(unused_variables, clippy::missing_errors_doc)]

use counterfoil_protocol::day::{DayClose, PosTotals};
use counterfoil_protocol::id::{Digest, EventId, IncarnationId};
use counterfoil_protocol::identifier::Identifier;
use counterfoil_protocol::record::{Chain, Head, Record};
use counterfoil_protocol::sale::{MemberRef, Sale};
use counterfoil_protocol::wire::http::RequestHeaders;
use counterfoil_protocol::wire::sign::{BadSignature, Sig};
use counterfoil_protocol::wire::v1::feed::Page;
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, Subject, Want};
use counterfoil_protocol::wire::v1::segment::Segment;
use rusqlite::Connection;

use crate::*;

const LATER: CommandError = CommandError::Later { capability: "this part of the engine" };

/// A till's engine.
pub struct Till {
    enrolment: Enrolment,
    incarnation: IncarnationId,
    head: Head,
    standing: Standing,
}

impl Till {
    /// A brand-new till: empty databases, its first marker stored.
    pub fn create(
        value: Connection,
        directory: Connection,
        enrolment: &Enrolment,
        settings: Settings,
        witness: Box<dyn Witness + Send>,
    ) -> Result<Self, OpenError> {
        Err(OpenError::NotEnrolled)
    }
    /// Opens what `create` made. `marker`: as the witness has it; missing or ahead means standing `Behind`.
    pub fn open(
        value: Connection,
        directory: Connection,
        settings: Settings,
        witness: Box<dyn Witness + Send>,
        marker: Option<Marker>,
    ) -> Result<Self, OpenError> {
        Err(OpenError::NotEnrolled)
    }
    pub fn enrolment(&self) -> &Enrolment {
        &self.enrolment
    }
    pub fn incarnation(&self) -> IncarnationId {
        self.incarnation
    }
    pub fn head(&self) -> Head {
        self.head
    }
    pub fn acknowledged(&self) -> u64 {
        0
    }
    pub fn standing(&self) -> &Standing {
        &self.standing
    }
    pub fn epoch(&self) -> u64 {
        0
    }
    pub fn look_up(&self, who: &MemberRef, now: Now) -> Result<Option<MemberView>, CommandError> {
        Err(LATER)
    }
    /// Whom a reference names, for a grant request: the member where known, else the identifier's hash.
    pub fn subject(&self, who: &MemberRef) -> Result<Subject, CommandError> {
        Err(LATER)
    }
    pub fn quote(&self, sale: &Sale, now: Now) -> Result<Quote, CommandError> {
        Err(LATER)
    }
    pub fn sale(&self, id: EventId) -> Result<Option<SaleView>, CommandError> {
        Err(LATER)
    }
    pub fn sale_by_receipt(&self, receipt_number: &str) -> Result<Option<SaleView>, CommandError> {
        Err(LATER)
    }
    pub fn sale_by_ref(&self, sale_ref: &str) -> Result<Option<SaleView>, CommandError> {
        Err(LATER)
    }
    pub fn redemption(&self, id: EventId) -> Result<Option<RedemptionAnswer>, CommandError> {
        Err(LATER)
    }
    pub fn record_sale(&mut self, sale: Sale, call: Call, now: Now) -> Result<Reply<SaleAnswer>, CommandError> {
        Err(LATER)
    }
    pub fn void(&mut self, sale: EventId, call: Call, now: Now) -> Result<Reply<VoidAnswer>, CommandError> {
        Err(LATER)
    }
    pub fn redeem(
        &mut self,
        redemption: Redeem,
        call: Call,
        now: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        Err(LATER)
    }
    pub fn close_day(
        &mut self,
        pos_totals: Option<PosTotals>,
        call: Call,
        now: Now,
    ) -> Result<Reply<DayClose>, CommandError> {
        Err(LATER)
    }
    pub fn day_end_due(&self, now: Now) -> bool {
        false
    }
    pub fn scan_member(&mut self, identifier: &Identifier, now: Now) -> Result<ScanOutcome, CommandError> {
        Err(LATER)
    }
    pub fn pending_member(&self, now: Now) -> Option<PendingMember> {
        None
    }
    pub fn clear_pending_member(&mut self) -> Result<(), CommandError> {
        Err(LATER)
    }
    pub fn capture(&mut self, device: &str, captured: Captured, now: Now) -> Result<CaptureOutcome, CommandError> {
        Err(LATER)
    }
    pub fn capture_offset(&self, device: &str) -> Result<u64, CommandError> {
        Err(LATER)
    }
    pub fn cursor(&self) -> String {
        String::new()
    }
    pub fn segment_after(&self, after: u64) -> Result<Option<Segment>, CommandError> {
        Err(LATER)
    }
    pub fn acknowledge(&mut self, position: u64, hub_time_ms: i64) -> Result<(), CommandError> {
        Err(LATER)
    }
    pub fn apply_page(&mut self, page: &Page) -> Result<FeedReport, FeedError> {
        Err(FeedError::Cursor)
    }
    pub fn grant_request(&self, request_id: &str, subject: Subject, want: Want) -> Result<GrantRequest, CommandError> {
        Err(LATER)
    }
    pub fn apply_grants(&mut self, answer: &GrantAnswer) -> Result<FeedReport, FeedError> {
        Err(FeedError::Cursor)
    }
    pub fn note_hub_head(&mut self, known_position: u64) -> Result<(), CommandError> {
        Err(LATER)
    }
    pub fn note_epoch(&mut self, epoch: u64) -> Result<(), CommandError> {
        Err(LATER)
    }
    pub fn sign_request(&self, method: &str, path: &str, body: &[u8]) -> RequestHeaders {
        RequestHeaders { incarnation: self.incarnation, epoch: 0, head: self.head, signature: Sig([0; 64]) }
    }
    /// What a request signed by [`Self::sign_request`] says; an answer's signature refers to it.
    pub fn request_text(&self, method: &str, path: &str, body: &[u8], headers: &RequestHeaders) -> Vec<u8> {
        Vec::new()
    }
    pub fn verify_answer(&self, request_text: &[u8], status: u16, body: &[u8], sig: &Sig) -> Result<(), BadSignature> {
        Err(BadSignature)
    }
    /// Whether the journal has gone on since the last marker: the shell calls [`Self::store_marker`] within a second.
    pub fn marker_due(&self) -> bool {
        false
    }
    pub fn store_marker(&mut self) -> Result<(), CommandError> {
        Err(LATER)
    }
    /// Moves the write-ahead log into the database; for an idle moment.
    pub fn checkpoint(&mut self) -> Result<(), CommandError> {
        Err(LATER)
    }
    pub fn verify_journal(&self) -> Result<JournalReport, CommandError> {
        Err(LATER)
    }
    pub fn records_after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Chain, Record)>, CommandError> {
        Err(LATER)
    }
    pub fn status(&self, now: Now) -> Result<TillStatus, CommandError> {
        Err(LATER)
    }
    /// `secret_hash`: SHA-256 of the token.
    pub fn add_token(
        &mut self,
        name: &str,
        scopes: &[String],
        secret_hash: Digest,
        now: Now,
    ) -> Result<(), CommandError> {
        Err(LATER)
    }
    /// `false`: there was none of that name.
    pub fn revoke_token(&mut self, name: &str) -> Result<bool, CommandError> {
        Err(LATER)
    }
    pub fn list_tokens(&self) -> Result<Vec<TokenInfo>, CommandError> {
        Err(LATER)
    }
    pub fn check_token(&self, secret_hash: Digest) -> Result<Option<TokenInfo>, CommandError> {
        Err(LATER)
    }
}
