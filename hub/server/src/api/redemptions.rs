//! Redemptions over HTTP: how one stands, and having it undone.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use counterfoil_protocol::id::EventId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Allowed, MembersRead, MembersWrite};
use super::body::{Posted, replied};
use super::problem::{Problem, ProblemDocument};
use super::state::AppState;
use crate::clock::now_ms;
use crate::core::{Hub, RedemptionView};

fn redemption_id(text: &str) -> Result<EventId, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("there is no redemption {text:?}")))
}

/// A redemption or reservation that a till forwarded.
#[utoipa::path(get, path = "/v1/redemptions/{id}", tag = "redemptions", security(("api_key" = ["members:read"])),
    params(("id" = String, Path)), responses((status = 200, body = RedemptionView), (status = 404,
    body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn read(
    _: Allowed<MembersRead>,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<RedemptionView>, Problem> {
    let id = redemption_id(&id)?;
    Ok(Json(state.reads.ask(move |hub| hub.redemption(id)).await??))
}

/// Why a redemption is to be undone.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reversal {
    /// In words; its till records it.
    pub reason: String,
}

/// Has a redemption undone: by its till when it next calls (202 until then), or at once where that till has ended.
#[utoipa::path(post, path = "/v1/redemptions/{id}/reverse", tag = "redemptions",
    security(("api_key" = ["members:write"])), request_body = Reversal,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "it is undone", body = RedemptionView),
              (status = 202, description = "its till was told", body = RedemptionView),
              (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
              (status = 409, description = "nothing was spent", body = ProblemDocument,
               content_type = "application/problem+json")))]
pub async fn reverse(
    _: Allowed<MembersWrite>,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Posted { value, idempotency }: Posted<Reversal>,
) -> Result<Response, Problem> {
    let id = redemption_id(&id)?;
    let job = move |hub: &mut Hub| hub.request_reversal(id, &value.reason, idempotency.as_ref(), now_ms());
    let reply = state.desk.ask(job).await??;
    let waits = reply.answer.reversal.is_some();
    Ok(replied(if waits { axum::http::StatusCode::ACCEPTED } else { axum::http::StatusCode::OK }, reply))
}
