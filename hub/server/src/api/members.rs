//! Members over HTTP: make, read, find, change, adjust.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use counterfoil_protocol::id::MemberId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Allowed, MembersRead, MembersWrite};
use super::body::{Params, Place, Posted, created, replied};
use super::problem::{Problem, ProblemDocument};
use super::state::AppState;
use crate::clock::now_ms;
use crate::core::{AdjustmentView, EntryView, Listing, MemberDraft, MemberPatch, MemberView, WriteOffView};
use crate::entropy;

fn member_id(text: &str) -> Result<MemberId, Problem> {
    text.parse().map_err(|_| no_member(text))
}

fn no_member(id: &str) -> Problem {
    Problem::not_found(format!("there is no member {id:?}"))
}

/// Makes a member.
#[utoipa::path(post, path = "/v1/members", tag = "members", security(("api_key" = ["members:write"])),
    request_body = MemberDraft, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = MemberView),
              (status = 409, description = "an identifier finds somebody already", body = ProblemDocument,
               content_type = "application/problem+json")))]
pub async fn create(
    _: Allowed<MembersWrite>,
    State(state): State<AppState>,
    Posted { value, idempotency }: Posted<MemberDraft>,
) -> Result<Response, Problem> {
    let secret = entropy::bytes();
    let reply = state.desk.ask(move |hub| hub.create_member(&value, idempotency.as_ref(), secret, now_ms())).await??;
    Ok(created(reply))
}

/// Members, by id.
#[utoipa::path(get, path = "/v1/members", tag = "members", security(("api_key" = ["members:read"])),
    params(Place), responses((status = 200, body = Listing<MemberView>)))]
pub async fn list(
    _: Allowed<MembersRead>,
    State(state): State<AppState>,
    Params(place): Params<Place>,
) -> Result<Json<Listing<MemberView>>, Problem> {
    Ok(Json(state.reads.ask(move |hub| hub.members(place.after.as_deref(), place.limit(), now_ms())).await??))
}

/// One member.
#[utoipa::path(get, path = "/v1/members/{id}", tag = "members", security(("api_key" = ["members:read"])),
    params(("id" = String, Path)), responses((status = 200, body = MemberView), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn read(
    _: Allowed<MembersRead>,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<MemberView>, Problem> {
    let member = member_id(&id)?;
    let found = state.reads.ask(move |hub| hub.member(member, now_ms())).await??;
    found.map(Json).ok_or_else(|| no_member(&id))
}

/// Changes a member; what is absent stays.
#[utoipa::path(patch, path = "/v1/members/{id}", tag = "members", security(("api_key" = ["members:write"])),
    request_body = MemberPatch, params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = MemberView), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn change(
    _: Allowed<MembersWrite>,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Posted { value, idempotency }: Posted<MemberPatch>,
) -> Result<Response, Problem> {
    let member = member_id(&id)?;
    let job = move |hub: &mut crate::core::Hub| hub.update_member(member, &value, idempotency.as_ref(), now_ms());
    Ok(replied(axum::http::StatusCode::OK, state.desk.ask(job).await??))
}

/// What finds a member.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// A card number, phone or e-mail, as typed or scanned.
    pub identifier: String,
}

/// The member that an identifier finds.
#[utoipa::path(post, path = "/v1/members/lookup", tag = "members", security(("api_key" = ["members:read"])),
    request_body = Lookup, responses((status = 200, body = MemberView), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn lookup(
    _: Allowed<MembersRead>,
    State(state): State<AppState>,
    Posted { value, .. }: Posted<Lookup>,
) -> Result<Json<MemberView>, Problem> {
    let found = state.reads.ask(move |hub| hub.find_member(&value.identifier, now_ms())).await??;
    found.map(Json).ok_or_else(|| Problem::not_found("nobody has this identifier"))
}

/// A member's ledger entries, in posting order.
#[utoipa::path(get, path = "/v1/members/{id}/entries", tag = "members", security(("api_key" = ["members:read"])),
    params(("id" = String, Path), Place), responses((status = 200, body = Listing<EntryView>)))]
pub async fn entries(
    _: Allowed<MembersRead>,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Params(place): Params<Place>,
) -> Result<Json<Listing<EntryView>>, Problem> {
    let member = member_id(&id)?;
    Ok(Json(state.reads.ask(move |hub| hub.member_entries(member, place.after.as_deref(), place.limit())).await??))
}

/// Units given or taken by a person.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// Which purse.
    pub purse: String,
    /// Given, or taken where negative.
    pub amount: i64,
    /// Why; it stands in the books.
    pub reason: String,
}

/// Gives or takes units. What is not there to take is owed.
#[utoipa::path(post, path = "/v1/members/{id}/adjustments", tag = "members",
    security(("api_key" = ["members:write"])), request_body = Adjustment,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = AdjustmentView), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn adjust(
    _: Allowed<MembersWrite>,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Posted { value, idempotency }: Posted<Adjustment>,
) -> Result<Response, Problem> {
    let member = member_id(&id)?;
    let job = move |hub: &mut crate::core::Hub| {
        let Adjustment { purse, amount, reason } = value;
        hub.adjust(member, &purse, amount, &reason, idempotency.as_ref(), now_ms())
    };
    Ok(created(state.desk.ask(job).await??))
}

/// Debt to be forgiven.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteOff {
    /// In which purse.
    pub purse: String,
    /// Why; it stands in the books.
    pub reason: String,
}

/// Forgives everything that a member owes in a purse.
#[utoipa::path(post, path = "/v1/members/{id}/write-offs", tag = "members",
    security(("api_key" = ["members:write"])), request_body = WriteOff,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = WriteOffView), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json"), (status = 409, description = "nothing is owed", body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn write_off(
    _: Allowed<MembersWrite>,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Posted { value, idempotency }: Posted<WriteOff>,
) -> Result<Response, Problem> {
    let member = member_id(&id)?;
    let job = move |hub: &mut crate::core::Hub| {
        hub.write_off(member, &value.purse, &value.reason, idempotency.as_ref(), now_ms())
    };
    Ok(created(state.desk.ask(job).await??))
}
