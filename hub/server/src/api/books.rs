//! Sales, ledger, reconciliation and exceptions over HTTP.

use axum::Json;
use axum::extract::{Path, State};
use counterfoil_protocol::id::MemberId;
use counterfoil_protocol::time::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Admin, Allowed, LedgerRead};
use super::body::{Params, Place, Posted, part};
use super::problem::{Problem, ProblemDocument};
use super::state::AppState;
use crate::clock::now_ms;
use crate::core::{
    DayView, EntryFilter, EntryView, ExceptionFilter, ExceptionView, Listing, SaleFilter, SaleView, TrialBalance,
};

fn place(after: Option<String>, limit: Option<u32>) -> Place {
    Place { after, limit }
}

/// Which sales.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SalesQuery {
    /// Of this store.
    store: Option<String>,
    /// Of this terminal.
    terminal: Option<String>,
    /// Of this business date.
    #[param(value_type = Option<String>)]
    business_date: Option<Date>,
    /// For this member.
    #[param(value_type = Option<String>)]
    member_id: Option<MemberId>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Items at the most.
    limit: Option<u32>,
}

/// What the tills forwarded.
#[utoipa::path(get, path = "/v1/sales", tag = "books", security(("api_key" = ["ledger:read"])), params(SalesQuery),
    responses((status = 200, body = Listing<SaleView>)))]
pub async fn sales(
    _: Allowed<LedgerRead>,
    State(state): State<AppState>,
    Params(query): Params<SalesQuery>,
) -> Result<Json<Listing<SaleView>>, Problem> {
    let SalesQuery { store, terminal, business_date, member_id, after, limit } = query;
    let (filter, place) = (SaleFilter { store, terminal, business_date, member: member_id }, place(after, limit));
    Ok(Json(state.reads.ask(move |hub| hub.sales(&filter, place.after.as_deref(), place.limit())).await??))
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntriesQuery {
    /// Of this member.
    #[param(value_type = Option<String>)]
    member_id: Option<MemberId>,
    /// In this purse.
    purse: Option<String>,
    /// That happened in this store.
    store: Option<String>,
    /// On this business date or later.
    #[param(value_type = Option<String>)]
    from: Option<Date>,
    /// On this business date or earlier.
    #[param(value_type = Option<String>)]
    to: Option<Date>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Items at the most.
    limit: Option<u32>,
}

/// Every movement of value, resumable.
#[utoipa::path(get, path = "/v1/ledger/entries", tag = "books", security(("api_key" = ["ledger:read"])),
    params(EntriesQuery), responses((status = 200, body = Listing<EntryView>)))]
pub async fn entries(
    _: Allowed<LedgerRead>,
    State(state): State<AppState>,
    Params(query): Params<EntriesQuery>,
) -> Result<Json<Listing<EntryView>>, Problem> {
    let EntriesQuery { member_id, purse, store, from, to, after, limit } = query;
    let (filter, place) = (EntryFilter { member: member_id, purse, store, from, to }, place(after, limit));
    Ok(Json(state.reads.ask(move |hub| hub.ledger_entries(&filter, place.after.as_deref(), place.limit())).await??))
}

/// The trial balance: zero per purse, or the books are wrong.
#[utoipa::path(get, path = "/v1/ledger/trial-balance", tag = "books", security(("api_key" = ["ledger:read"])),
    responses((status = 200, body = BalanceProof)))]
pub async fn trial_balance(
    _: Allowed<LedgerRead>,
    State(state): State<AppState>,
) -> Result<Json<BalanceProof>, Problem> {
    let proof = state.reads.ask(|hub| {
        Ok::<_, crate::core::HubError>(BalanceProof {
            balance: hub.trial_balance()?,
            holders_agree: hub.holders_agree()?.is_empty(),
        })
    });
    Ok(Json(proof.await??))
}

/// The trial balance, and whether each holder's sub-account equals what its entries come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct BalanceProof {
    #[serde(flatten)]
    balance: TrialBalance,
    /// Recomputed from all entries.
    holders_agree: bool,
}

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DaysQuery {
    /// This business date; the last 31 dates where absent.
    #[param(value_type = Option<String>)]
    business_date: Option<Date>,
    /// Of this store.
    store: Option<String>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Items at the most.
    limit: Option<u32>,
}

/// Each till's business day against head office and the POS.
#[utoipa::path(get, path = "/v1/reconciliation", tag = "books", security(("api_key" = ["ledger:read"])),
    params(DaysQuery), responses((status = 200, body = Listing<DayView>)))]
pub async fn reconciliation(
    _: Allowed<LedgerRead>,
    State(state): State<AppState>,
    Params(query): Params<DaysQuery>,
) -> Result<Json<Listing<DayView>>, Problem> {
    let DaysQuery { business_date, store, after, limit } = query;
    let items = state.reads.ask(move |hub| hub.reconciliation(business_date, store.as_deref())).await??;
    let key = |day: &DayView| format!("{}.{}.{}.{}", day.business_date, day.terminal, day.sequence, day.incarnation);
    part(items, &place(after, limit), key).map(Json)
}

/// Which exceptions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExceptionsQuery {
    /// `open` or `resolved`; both where absent.
    state: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// Of this store.
    store: Option<String>,
    /// The `next` of the part before.
    after: Option<String>,
    /// Items at the most.
    limit: Option<u32>,
}

/// What could not be posted as it stood, or needs a person.
#[utoipa::path(get, path = "/v1/exceptions", tag = "books", security(("api_key" = ["ledger:read"])),
    params(ExceptionsQuery), responses((status = 200, body = Listing<ExceptionView>)))]
pub async fn exceptions(
    _: Allowed<LedgerRead>,
    State(app): State<AppState>,
    Params(query): Params<ExceptionsQuery>,
) -> Result<Json<Listing<ExceptionView>>, Problem> {
    let ExceptionsQuery { state, kind, store, after, limit } = query;
    let (filter, place) = (ExceptionFilter { state, kind, store }, place(after, limit));
    Ok(Json(app.reads.ask(move |hub| hub.exceptions(&filter, place.after.as_deref(), place.limit())).await??))
}

/// What a person did about an exception.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// In words; it stays beside the exception.
    pub resolution: String,
}

/// Closes an exception. Saying the same again is the same.
#[utoipa::path(post, path = "/v1/exceptions/{id}/resolve", tag = "books", security(("api_key" = ["admin"])),
    request_body = Resolution, params(("id" = String, Path)),
    responses((status = 200, body = ExceptionView), (status = 409, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn resolve(
    _: Allowed<Admin>,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Posted { value, .. }: Posted<Resolution>,
) -> Result<Json<ExceptionView>, Problem> {
    Ok(Json(state.desk.ask(move |hub| hub.resolve_exception(&id, &value.resolution, now_ms())).await??))
}
