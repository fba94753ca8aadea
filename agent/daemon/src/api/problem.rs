//! Errors of the till API: RFC 9457 problems with a stable `type`, a `detail` a person can read out, and the
//! members a program needs.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// One problem. `type` is `/problems/<kind>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Last part of the `type`; stable.
    pub kind: &'static str,
    /// In words, for people.
    pub detail: String,
    /// What a program needs beside that.
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

    /// The request cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// There is no such thing here.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// A later version can do it.
    pub fn later(capability: &str) -> Self {
        let detail = format!("{capability}: this version of counterfoil does not do it yet; nothing was recorded");
        Self::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", detail)
    }

    /// The engine is shutting down or gone.
    pub fn stopping() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the till daemon is stopping; nothing was recorded, ask again in a moment",
        )
    }

    fn title(&self) -> String {
        let mut words = self.kind.replace('-', " ");
        if let Some(first) = words.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        words
    }

    /// The document.
    pub fn to_json(&self) -> Value {
        let mut document = Map::new();
        document.insert("type".into(), format!("/problems/{}", self.kind).into());
        document.insert("title".into(), self.title().into());
        document.insert("status".into(), self.status.as_u16().into());
        document.insert("detail".into(), self.detail.clone().into());
        document.extend(self.members.clone());
        document.into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.to_json())).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_its_own() {
        let problem =
            Problem::new(StatusCode::CONFLICT, "not-spendable", "12 points can be used here").with("asked", 50);
        assert_eq!(
            problem.to_json(),
            serde_json::json!({
                "type": "/problems/not-spendable", "title": "Not spendable", "status": 409,
                "detail": "12 points can be used here", "asked": 50
            })
        );
    }
}
