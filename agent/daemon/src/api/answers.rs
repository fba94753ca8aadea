//! From the engine's words to HTTP: answers, and errors as problems.
//!
//! Every error of the engine has one problem here; what a cashier reads is the engine's own sentence.

use axum::Json;
use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use counterfoil_protocol::id::Digest;
use counterfoil_protocol::record::{Idempotency, Source};
use counterfoil_till::{Call, CommandError, FloorRefusal, NotSpendable, Reply};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::problem::Problem;
use crate::engine::Stopped;
use crate::errors::ErrorChain;

/// Header: the same again is the same call.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
const IDEMPOTENCY_KEY_CHAR_COUNT_MAX: usize = 255;

/// A call as it came: its body, read, and what makes it repeatable.
pub struct Asked<T> {
    /// The body; an empty one counts as `{}`.
    pub body: T,
    /// Where it comes from and its idempotency.
    pub call: Call,
}

/// The body of a call that takes none.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Problem> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let key = idempotency_key(request.headers())?;
        let bytes = Bytes::from_request(request, state).await.map_err(|error| unreadable(&error))?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let body = serde_json::from_slice(text).map_err(|error| Problem::malformed(format!("the body: {error}")))?;
        let idempotency = key.map(|key| Idempotency { key, request: Digest::of(&[what.as_bytes(), b"\n", &bytes]) });
        Ok(Self { body, call: Call { source: Source::Api, idempotency } })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_HEADER) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.chars().count() <= IDEMPOTENCY_KEY_CHAR_COUNT_MAX => Ok(Some(key.to_owned())),
        _ => Err(Problem::malformed("Idempotency-Key: 1 to 255 visible ASCII characters")),
    }
}

fn unreadable(error: &BytesRejection) -> Problem {
    let status = error.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(status, "too-large", "the body is larger than this till takes");
    }
    Problem::malformed(error.to_string())
}

/// The engine's answer to a call that records: 201 when it was recorded now, 200 when it had been before.
pub fn recorded<T: Serialize>(reply: Reply<T>) -> Response {
    let status = if reply.fresh { StatusCode::CREATED } else { StatusCode::OK };
    (status, Json(reply.answer)).into_response()
}

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        Self::stopping()
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let status = match &error {
            CommandError::ReceiptConflict { .. }
            | CommandError::NotSpendable(_)
            | CommandError::NotInSteps { .. }
            | CommandError::ReservationConflict { .. }
            | CommandError::WrongState { .. }
            | CommandError::MemberBlocked { .. }
            | CommandError::NoProgram
            | CommandError::Behind(_) => StatusCode::CONFLICT,
            CommandError::UnknownMember
            | CommandError::UnknownReward(_)
            | CommandError::UnknownPurse(_)
            | CommandError::UnknownSale(_)
            | CommandError::UnknownRedemption(_) => StatusCode::NOT_FOUND,
            CommandError::IdempotencyMismatch { .. }
            | CommandError::InvalidSale(_)
            | CommandError::InvalidRequest(_) => StatusCode::UNPROCESSABLE_ENTITY,
            CommandError::Later { .. } => StatusCode::NOT_IMPLEMENTED,
            CommandError::DiskFull(_) => StatusCode::INSUFFICIENT_STORAGE,
            CommandError::Storage(_)
            | CommandError::Poisoned
            | CommandError::Marker(_)
            | CommandError::Damaged { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            tracing::error!(error = %ErrorChain(&error), "a call could not be carried out");
        }
        let problem = Self::new(status, error.kind(), error.to_string());
        match &error {
            CommandError::NotSpendable(refusal) => not_spendable(problem, refusal),
            CommandError::NotInSteps { step, min, asked, .. } => {
                problem.with("step", *step).with("min", *min).with("asked", *asked)
            }
            CommandError::ReservationConflict { sale_ref, first } => {
                problem.with("sale_ref", sale_ref.clone()).with("redemption_id", first.to_string())
            }
            CommandError::WrongState { id, state, .. } => problem
                .with("redemption_id", id.to_string())
                .with("state", serde_json::to_value(state).unwrap_or_default()),
            CommandError::ReceiptConflict { receipt_number, first, difference } => problem
                .with("receipt_number", receipt_number.clone())
                .with("sale_id", first.to_string())
                .with("difference", *difference),
            CommandError::MemberBlocked { status } => {
                problem.with("member_status", serde_json::to_value(status).unwrap_or_default())
            }
            _ => problem,
        }
    }
}

fn not_spendable(problem: Problem, refusal: &NotSpendable) -> Problem {
    let floor = refusal.floor.map_or(Value::Null, |limit| {
        let (limit, left) = match limit {
            FloorRefusal::Redemption { left } => ("redemption", left),
            FloorRefusal::Member { left } => ("member", left),
            FloorRefusal::Till { left } => ("till", left),
        };
        json!({ "limit": limit, "left": left })
    });
    problem
        .with("purse", refusal.purse.clone())
        .with("balance", refusal.balance)
        .with("spendable", refusal.spendable)
        .with("asked", refusal.asked)
        .with("reserved", refusal.reserved)
        .with("pending", refusal.pending)
        .with("online", refusal.online)
        .with("floor", floor)
}
