//! Stores and terminals over HTTP.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use counterfoil_protocol::time::rfc3339_utc;
use counterfoil_protocol::wire::v1::enrol::EnrolmentCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Allowed, AnyKey, TerminalsWrite};
use super::body::{Params, Place, Posted, created, part};
use super::problem::{Problem, ProblemDocument};
use super::state::AppState;
use crate::clock::now_ms;
use crate::core::{Hub, HubError, Listing, Reply, StoreDraft, StoreView, TerminalView};
use crate::entropy;

/// How long a code can be used when nobody says.
pub const INVITATION_HOURS_DEFAULT: u32 = 48;
/// How long a code can be used at the most: 30 days.
pub const INVITATION_HOURS_MAX: u32 = 720;

/// Makes or changes a store; its tills hear of it.
#[utoipa::path(put, path = "/v1/stores/{id}", tag = "fleet", security(("api_key" = ["terminals:write"])),
    request_body = StoreDraft, params(("id" = String, Path)),
    responses((status = 200, body = StoreView), (status = 422, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn put_store(
    _: Allowed<TerminalsWrite>,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Posted { value, .. }: Posted<StoreDraft>,
) -> Result<Json<StoreView>, Problem> {
    Ok(Json(state.desk.ask(move |hub| hub.put_store(&id, &value, now_ms())).await??))
}

/// One store.
#[utoipa::path(get, path = "/v1/stores/{id}", tag = "fleet", security(("api_key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = StoreView), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn read_store(
    _: Allowed<AnyKey>,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<StoreView>, Problem> {
    Ok(Json(state.reads.ask(move |hub| hub.store(&id).map(StoreView::from)).await??))
}

/// All stores.
#[utoipa::path(get, path = "/v1/stores", tag = "fleet", security(("api_key" = [])),
    params(Place), responses((status = 200, body = Listing<StoreView>)))]
pub async fn stores(
    _: Allowed<AnyKey>,
    State(state): State<AppState>,
    Params(place): Params<Place>,
) -> Result<Json<Listing<StoreView>>, Problem> {
    let items = state.reads.ask(|hub| hub.stores()).await??;
    part(items, &place, |store: &StoreView| store.store.clone()).map(Json)
}

/// The fleet: last seen, backlog, versions.
#[utoipa::path(get, path = "/v1/terminals", tag = "fleet", security(("api_key" = [])),
    params(Place), responses((status = 200, body = Listing<TerminalView>)))]
pub async fn terminals(
    _: Allowed<AnyKey>,
    State(state): State<AppState>,
    Params(place): Params<Place>,
) -> Result<Json<Listing<TerminalView>>, Problem> {
    let items = state.reads.ask(|hub| hub.terminals()).await??;
    let key = |terminal: &TerminalView| terminal.incarnation.clone().unwrap_or_else(|| terminal.terminal.clone());
    part(items, &place, key).map(Json)
}

/// Whom to invite.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// The store.
    pub store: String,
    /// The lane.
    pub lane: String,
    /// Makes a plain store where there is none.
    #[serde(default)]
    pub create_store: bool,
    /// How long the code can be used; 48 where absent, 720 at the most.
    #[serde(default)]
    pub valid_hours: Option<u32>,
}

/// A one-time enrolment code.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
pub struct Invitation {
    /// To be typed at the till: `counterfoil enroll --code CODE`.
    pub code: String,
    /// Until when.
    pub expires_at: String,
}

/// Invites a till to a lane.
#[utoipa::path(post, path = "/v1/terminals/invite", tag = "fleet", security(("api_key" = ["terminals:write"])),
    request_body = InviteRequest, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Invitation), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn invite(
    _: Allowed<TerminalsWrite>,
    State(state): State<AppState>,
    Posted { value, idempotency }: Posted<InviteRequest>,
) -> Result<Response, Problem> {
    let Some(key) = idempotency else {
        let answer = state.desk.ask(move |hub| invite_now(hub, &value)).await??;
        return Ok(created(Reply { answer, fresh: true }));
    };
    // The code is not kept anywhere: the same key draws the same one.
    let secret = state.session_key.draw(b"invitation", &[key.key.as_bytes(), &key.request.0].concat());
    let job = move |hub: &mut Hub| {
        let InviteRequest { store, lane, create_store, .. } = &value;
        let reply = hub.invite_once(store, lane, secret, now_ms(), value.ttl_ms(), *create_store, &key)?;
        let code = EnrolmentCode { secret, root_fingerprint: hub.root_key().fingerprint() };
        Ok::<_, HubError>(Reply { answer: Invitation::new(&code, reply.answer), fresh: reply.fresh })
    };
    Ok(created(state.desk.ask(job).await??))
}

impl InviteRequest {
    fn ttl_ms(&self) -> i64 {
        let hours = self.valid_hours.unwrap_or(INVITATION_HOURS_DEFAULT).clamp(1, INVITATION_HOURS_MAX);
        i64::from(hours) * 3_600_000
    }
}

impl Invitation {
    fn new(code: &EnrolmentCode, expires_ms: i64) -> Self {
        Self { code: code.to_text(), expires_at: rfc3339_utc(expires_ms) }
    }
}

/// Invites with this machine's clock and entropy: the same for HTTP and the command line.
///
/// # Errors
/// As [`Hub::invite`].
pub fn invite_now(hub: &mut Hub, request: &InviteRequest) -> Result<Invitation, HubError> {
    let now = now_ms();
    let InviteRequest { store, lane, create_store, .. } = request;
    let code = hub.invite(store, lane, entropy::bytes(), now, request.ttl_ms(), *create_store)?;
    Ok(Invitation::new(&code, now + request.ttl_ms()))
}
