//! The till's state: for people (`counterfoil status`), programs, probes and Prometheus.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use counterfoil_till::{CommandError, HeldHere, Now, PendingMember, Till, TillStatus};
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
    let books = shell.engine.call(move |till| Books::read(till, now)).await??;
    Ok(describe(shell, &books))
}

/// What the books say.
pub struct Books {
    /// The engine's own state.
    pub status: TillStatus,
    /// Which life of this till it is, from 1.
    pub life: u32,
    /// What is held here.
    pub held: Vec<HeldHere>,
    /// Baskets that hold units.
    pub reservations_open: usize,
    /// The card that waits.
    pub pending: Option<PendingMember>,
}

impl Books {
    /// Reads all of it at one moment.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn read(till: &Till, now: Now) -> Result<Self, CommandError> {
        Ok(Self {
            status: till.status(now)?,
            life: u32::try_from(till.past_lives()?.len()).unwrap_or(u32::MAX).saturating_add(1),
            held: till.held_here()?,
            reservations_open: till.open_reservations(None)?.len(),
            pending: till.pending_member(now),
        })
    }

    /// What a running daemon and a command on resting books say alike.
    pub fn describe(&self) -> Value {
        let status = &self.status;
        json!({
            "terminal": status.terminal,
            "store": status.store,
            "lane": status.lane,
            "version": env!("CARGO_PKG_VERSION"),
            "life": self.life,
            "journal": status.journal,
            "feed": status.feed,
            "program": status.program,
            "day": status.day,
            "rights": self.held,
            "reservations_open": self.reservations_open,
            "floors": status.floors,
            "sound": status.sound,
            "standing": status.standing,
        })
    }
}

fn describe(shell: &Shell, books: &Books) -> Value {
    let link = shell.link.state();
    let now = shell.clock.now();
    let mut status = books.describe();
    status["hub"] = json!({
        "url": shell.facts.hub_url,
        "reachable": link.up == Some(true),
        "last_sync_at": link.last_sync_ms.map(rfc3339),
        "why": link.why,
        "refused": link.refused(),
        "refusals": link.refusals,
        "made_whole_at": link.made_whole_ms.map(rfc3339),
    });
    status["devices"] = json!(shell.devices.snapshot());
    status["clock"] = json!({
        "now": rfc3339(now.wall_ms),
        "suspect": now.suspect,
        "hub_offset_ms": shell.clock.hub_offset_ms(),
    });
    status["member"] = json!({
        "timeout_s": shell.facts.member_timeout_s,
        "pending": books.pending.as_ref().map(|pending| json!({
            "known": pending.member.is_some(),
            "member_id": pending.member,
            "scanned_at": rfc3339(pending.scanned_at_ms),
            "expires_at": rfc3339(pending.expires_at_ms),
        })),
    });
    status
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
    let books = shell.engine.call(move |till| Books::read(till, now)).await??;
    let text = shell.metrics.render(&books, &shell.link.state(), &shell.devices.states());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
