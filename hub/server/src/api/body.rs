//! What comes with a request: JSON with its idempotency key, query parameters, a place in a list.
//!
//! Every refusal is a problem that says where the input is wrong.

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Bytes};
use counterfoil_protocol::id::Digest;
use counterfoil_protocol::record::Idempotency;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::problem::Problem;
use crate::core::{Listing, Reply};

const IDEMPOTENCY_HEADER: &str = "idempotency-key";
const IDEMPOTENCY_CHAR_COUNT_MAX: usize = 255;
/// Items of a list where the caller does not say.
const LIMIT_DEFAULT: u32 = 100;
/// Items of a list at the most.
const LIMIT_MAX: u32 = 1_000;

/// A JSON body and the call's idempotency key.
#[derive(Debug)]
pub struct Posted<T> {
    /// The body.
    pub value: T,
    /// The key, with the digest of what was asked.
    pub idempotency: Option<Idempotency>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Posted<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let key = idempotency_key(&request)?;
        let asked = format!("{}\n{}\n", request.method(), request.uri());
        let body = body_bytes(request, state).await?;
        let value = parse_json(&body)?;
        let idempotency = key.map(|key| Idempotency { key, request: Digest::of(&[asked.as_bytes(), body.as_ref()]) });
        Ok(Self { value, idempotency })
    }
}

/// The body's bytes; too large is said as such.
///
/// # Errors
/// When it cannot be read.
pub async fn body_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|error: BytesRejection| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE),
        _ => Problem::malformed("the body broke off; nothing was changed"),
    })
}

/// Reads JSON.
///
/// # Errors
/// When it is none, or not what is expected; the problem says where.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = Problem::malformed(format!("the body cannot be read: {error}"));
        problem.with("line", error.line()).with("column", error.column())
    })
}

fn idempotency_key(request: &Request) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get(IDEMPOTENCY_HEADER) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= IDEMPOTENCY_CHAR_COUNT_MAX => Ok(Some(key.to_owned())),
        _ => Err(Problem::malformed(format!(
            "an Idempotency-Key has 1 to {IDEMPOTENCY_CHAR_COUNT_MAX} visible ASCII characters"
        ))),
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|error: QueryRejection| Problem::malformed(error.body_text()))
    }
}

/// A place in a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Place {
    /// The `next` of the part before; absent for the first part.
    pub after: Option<String>,
    /// Items at the most, 1 to 1000; 100 where absent.
    pub limit: Option<u32>,
}

impl Place {
    /// How many items.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX) as usize
    }
}

/// The part of a whole list that a caller asked for; `key` names an item. Everything up to 1000 items where the
/// caller names no limit: such lists are short.
///
/// # Errors
/// When `after` names no item.
pub fn part<T>(mut items: Vec<T>, place: &Place, key: impl Fn(&T) -> String) -> Result<Listing<T>, Problem> {
    if let Some(after) = &place.after {
        let at = items.iter().position(|item| key(item) == *after);
        let at = at.ok_or_else(|| Problem::invalid("after", format!("{after:?} is no place in this list")))?;
        items.drain(..=at);
    }
    let limit = place.limit.map_or(LIMIT_MAX as usize, |_| place.limit());
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(key);
    Ok(Listing { items, next })
}

/// 201 with an answer. A repeated call gets the same status and answer, and a header that says so.
pub fn created<T: Serialize>(reply: Reply<T>) -> Response {
    replied(StatusCode::CREATED, reply)
}

/// An answer that may be the first one again.
pub fn replied<T: Serialize>(status: StatusCode, reply: Reply<T>) -> Response {
    let body = Json(reply.answer);
    if reply.fresh {
        (status, body).into_response()
    } else {
        (status, [("idempotency-replayed", "true")], body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_list_are_the_list() {
        let all: Vec<u32> = (0..7).collect();
        let mut place = Place { after: None, limit: Some(3) };
        let mut seen = Vec::new();
        loop {
            let Listing { items, next } = part(all.clone(), &place, u32::to_string).unwrap();
            seen.extend(items);
            match next {
                Some(next) => place.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, all);
        assert!(part(all, &Place { after: Some("x".into()), limit: None }, u32::to_string).is_err());
    }
}
