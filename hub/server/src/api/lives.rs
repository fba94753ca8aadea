//! Ends and beginnings over HTTP: terminals retired, epochs accepted, days closed by a person.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Admin, Allowed, AnyKey, TerminalsWrite};
use super::body::Posted;
use super::problem::{Problem, ProblemDocument};
use super::state::AppState;
use crate::clock::now_ms;
use crate::core::{DayKey, DayView, EpochView, TerminalView};

/// How to retire a till.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireRequest {
    /// Why.
    pub reason: String,
    /// Does not wait for the till: what it spent without head office knowing is owed then.
    #[serde(default)]
    pub force: bool,
}

/// Retires a till. It is asked first and retires with its last record; by force at once. Asked again it is the same.
#[utoipa::path(post, path = "/v1/terminals/{id}/retire", tag = "fleet", security(("api_key" = ["terminals:write"])),
    request_body = RetireRequest, params(("id" = String, Path)),
    responses((status = 200, body = TerminalView), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn retire(
    _: Allowed<TerminalsWrite>,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Posted { value, .. }: Posted<RetireRequest>,
) -> Result<Json<TerminalView>, Problem> {
    let RetireRequest { reason, force } = value;
    Ok(Json(state.desk.ask(move |hub| hub.retire(&id, force, &reason, now_ms())).await??))
}

/// The present life of head office, and which tills have not told it yet what they know.
#[utoipa::path(get, path = "/v1/epoch", tag = "fleet", security(("api_key" = [])),
    responses((status = 200, body = EpochView)))]
pub async fn epoch(_: Allowed<AnyKey>, State(state): State<AppState>) -> Result<Json<EpochView>, Problem> {
    Ok(Json(state.reads.ask(|hub| hub.epoch_state()).await??))
}

/// Who accepts that tills have not reported.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Name and reason.
    pub by: String,
}

/// Goes on without the tills that have not reported: what they alone know may be given a second time.
#[utoipa::path(post, path = "/v1/epoch/accept", tag = "fleet", security(("api_key" = ["admin"])),
    request_body = Acceptance, responses((status = 200, body = EpochView), (status = 409, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn accept_epoch(
    _: Allowed<Admin>,
    State(state): State<AppState>,
    Posted { value, .. }: Posted<Acceptance>,
) -> Result<Json<EpochView>, Problem> {
    Ok(Json(state.desk.ask(move |hub| hub.accept_epoch(&value.by, now_ms())).await??))
}

/// What a person decides about a day.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DayDecision {
    /// Which day.
    pub day: DayKey,
    /// Why.
    pub reason: String,
}

/// Accepts that a day does not come out. Another difference is another decision.
#[utoipa::path(post, path = "/v1/reconciliation/accept", tag = "books", security(("api_key" = ["admin"])),
    request_body = DayDecision, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = DayView), (status = 409, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn accept_day(
    _: Allowed<Admin>,
    State(state): State<AppState>,
    Posted { value, idempotency }: Posted<DayDecision>,
) -> Result<Json<DayView>, Problem> {
    let DayDecision { day, reason } = value;
    let decided = state.desk.ask(move |hub| hub.accept_day(&day, &reason, idempotency.as_ref(), now_ms())).await??;
    Ok(Json(decided.answer))
}

/// Gives up records that a day waits for: they are known to be lost with a disk.
#[utoipa::path(post, path = "/v1/reconciliation/write-off", tag = "books", security(("api_key" = ["admin"])),
    request_body = DayDecision, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = DayView), (status = 409, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn write_off_day(
    _: Allowed<Admin>,
    State(state): State<AppState>,
    Posted { value, idempotency }: Posted<DayDecision>,
) -> Result<Json<DayView>, Problem> {
    let DayDecision { day, reason } = value;
    let decided = state.desk.ask(move |hub| hub.write_off_day(&day, &reason, idempotency.as_ref(), now_ms())).await??;
    Ok(Json(decided.answer))
}
