//! Errors of the hub's API: RFC 9457 problems with a stable `type`, words for people, members for programs.
//!
//! `type` is `/problems/<kind>`, the same on tills and hub; `GET /docs` lists what each means.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::core::HubError;
use crate::desk::DeskError;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
const RETRY_AFTER_SECONDS: &str = "2";

/// Every kind this hub answers, and what it means.
pub const KINDS: [(&str, &str); 14] = [
    ("unauthorized", "no API key, or one that is not valid: send `Authorization: Bearer <api key>`"),
    ("forbidden", "the API key has not got the scope that this call needs"),
    ("malformed", "the request cannot be read; `detail` says where"),
    ("invalid", "the request is readable and says something that cannot be; `field` names it"),
    ("invalid-program", "the program file has mistakes; `problems` lists them with line and column"),
    ("not-found", "there is no such thing"),
    ("method-not-allowed", "the path exists, this method does not"),
    ("conflict", "it contradicts what is here"),
    ("idempotency-mismatch", "the Idempotency-Key was used before for another request"),
    ("too-large", "the body is larger than any request may be"),
    ("time-out", "the request took too long and was given up; ask again with the same Idempotency-Key"),
    ("not-implemented", "the capability comes with a later version; nothing was changed"),
    ("busy", "too many requests wait, or the database is held: try again after `Retry-After`"),
    ("internal", "the hub failed; its log says why; nothing was half done"),
];

/// One problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Last part of the `type`.
    pub kind: &'static str,
    /// In words.
    pub detail: String,
    /// What a program needs beside that.
    pub members: Map<String, Value>,
}

/// The document, as the API description shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// `/problems/<kind>`, stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short, the same for every problem of this type.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// Members that a program needs.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// A problem without further members.
    pub fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), members: Map::new() }
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// No usable API key.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// The request cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// One input cannot be taken.
    pub fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with("field", field)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// A later version does it.
    pub fn later(capability: &str) -> Self {
        let detail = format!("{capability}: this version of the hub does not do it yet; nothing was changed");
        Self::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", detail).with("capability", capability)
    }

    /// The hub failed; what went wrong is in the log only.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the hub could not do this; nothing was half done, its log says why",
        )
    }

    fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
    }

    /// The problem for a bare status, from layers that know nothing of problems.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found("there is nothing at this path; GET /docs lists what there is"),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(status, "method-not-allowed", "this path does not take this method; see GET /docs")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(status, "too-large", "the body is larger than any request may be")
            }
            StatusCode::REQUEST_TIMEOUT => Self::new(
                status,
                "time-out",
                "the request took too long and was given up; ask again with the same Idempotency-Key",
            ),
            status if status.is_server_error() => Self { status, ..Self::internal() },
            status => Self { status, ..Self::malformed(format!("the request cannot be taken ({status})")) },
        }
    }

    /// The document.
    pub fn document(&self) -> ProblemDocument {
        let words = self.kind.replace('-', " ");
        let (first, rest) = words.split_at(1);
        ProblemDocument {
            kind: format!("/problems/{}", self.kind),
            title: format!("{}{rest}", first.to_uppercase()),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            members: self.members.clone(),
        }
    }
}

impl From<HubError> for Problem {
    fn from(error: HubError) -> Self {
        let said = error.to_string();
        match error {
            HubError::NotFound { .. } => Self::not_found(said),
            HubError::Conflict { .. } => Self::new(StatusCode::CONFLICT, "conflict", said),
            HubError::IdempotencyMismatch { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-mismatch", said)
            }
            HubError::Invalid { field, .. } => Self::invalid(field, said),
            HubError::Busy => Self::busy(said),
            HubError::Database { .. } | HubError::Storage { .. } | HubError::Entry(_) => {
                tracing::error!("a request failed, nothing of it was kept: {:#}", anyhow::Error::new(error));
                Self::internal()
            }
        }
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Busy => Self::busy(error.to_string()),
            DeskError::Broken => Self::internal(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.document()).expect("a problem is plain JSON");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"counterfoil\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_its_own() {
        let json = serde_json::to_value(Problem::invalid("purse", "there is no such purse").document()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "/problems/invalid", "title": "Invalid", "status": 422,
                "detail": "there is no such purse", "field": "purse"
            })
        );
    }

    #[test]
    fn every_kind_is_listed() {
        for status in 400..=599 {
            let problem = Problem::of_status(StatusCode::from_u16(status).unwrap());
            assert!(KINDS.iter().any(|(kind, _)| *kind == problem.kind), "{}", problem.kind);
        }
    }
}
