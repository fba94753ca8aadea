//! The till's state: for people (`counterfoil status`), programs, probes and Prometheus.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use counterfoil_till::{PendingMember, Till, TillStatus};
use serde_json::{Value, json};

use crate::api::guard::Caller;
use crate::api::problem::Problem;
use crate::clock::rfc3339;
use crate::shell::Shell;
use crate::tokens::Scope;

/// State of journal, line, devices and clock.
#[utoipa::path(get, path = "/v1/status", tag = "state", responses(
    (status = 200, description = "State", body = crate::api::schema::Status),
))]
pub async fn status(State(shell): State<Shell>, Extension(caller): Extension<Caller>) -> Result<Json<Value>, Problem> {
    caller.need(Scope::StatusRead)?;
    Ok(Json(snapshot(&shell).await?))
}

/// The state as `GET /v1/status` answers it.
///
/// # Errors
/// The problem to answer with.
pub async fn snapshot(shell: &Shell) -> Result<Value, Problem> {
    let now = shell.clock.now();
    let (status, pending) =
        shell.engine.call(move |till: &mut Till| (till.status(now), till.pending_member(now))).await?;
    Ok(describe(shell, status?, pending.as_ref()))
}

fn describe(shell: &Shell, status: TillStatus, pending: Option<&PendingMember>) -> Value {
    let link = shell.link.state();
    let now = shell.clock.now();
    json!({
        "terminal": status.terminal,
        "store": status.store,
        "lane": status.lane,
        "version": env!("CARGO_PKG_VERSION"),
        "hub": {
            "url": shell.facts.hub_url,
            "reachable": link.up == Some(true),
            "last_sync_at": link.last_sync_ms.map(rfc3339),
            "why": link.why,
            "refused": link.refused,
        },
        "journal": status.journal,
        "feed": status.feed,
        "program": status.program,
        "day": status.day,
        "sound": status.sound,
        "standing": status.standing,
        "devices": shell.devices.snapshot(),
        "clock": {
            "now": rfc3339(now.wall_ms),
            "suspect": now.suspect,
            "hub_offset_ms": shell.clock.hub_offset_ms(),
        },
        "member": {
            "timeout_s": shell.facts.member_timeout_s,
            "pending": pending.map(|pending| json!({
                "known": pending.member.is_some(),
                "member_id": pending.member,
                "scanned_at": rfc3339(pending.scanned_at_ms),
                "expires_at": rfc3339(pending.expires_at_ms),
            })),
        },
    })
}

/// Alive: the engine answers.
#[utoipa::path(get, path = "/healthz", tag = "state", responses(
    (status = 200, description = "Alive"), (status = 503, description = "The engine has stopped"),
))]
pub async fn healthz(State(shell): State<Shell>) -> Response {
    match shell.engine.call(|till| till.head().position).await {
        Ok(_) => (StatusCode::OK, "ok\n").into_response(),
        Err(_) => Problem::stopping().into_response(),
    }
}

/// For Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "state", responses(
    (status = 200, description = "Prometheus text", content_type = "text/plain"),
))]
pub async fn metrics(State(shell): State<Shell>) -> Result<Response, Problem> {
    let now = shell.clock.now();
    let status = shell.engine.call(move |till| till.status(now)).await??;
    let text = shell.metrics.render(&status, &shell.link.state(), &shell.devices.states());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
