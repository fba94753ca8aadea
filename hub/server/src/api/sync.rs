//! What tills call: raw CBOR with signed headers in, signed bytes out. The core decides; this carries.
//!
//! A feed question with nothing to tell is held until the database changes or the till's wait is over, and then
//! asked again, so that the signature covers the answer that is sent.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use counterfoil_protocol::limits::LONG_POLL_MS;
use counterfoil_protocol::session::hub::SignedRequest;
use counterfoil_protocol::wire::http::{MEDIA_TYPE, RequestHeaders, SIGNATURE_HEADER, signature_text};
use counterfoil_protocol::wire::v1::grant::{Refusal, RefusalKind};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::body::{Params, body_bytes};
use super::problem::ProblemDocument;
use super::state::AppState;
use crate::clock::now_ms;
use crate::core::SyncAnswer;
use crate::desk::DeskError;

/// Takes a till in.
#[utoipa::path(post, path = "/v1/terminals/enroll", tag = "tills",
    request_body(content_type = "application/cbor", description = "EnrolRequest, see docs/protocol.md"),
    responses((status = 200, content_type = "application/cbor", description = "EnrolAnswer, signed by the root key"),
              (status = "4XX", content_type = "application/cbor", description = "Refusal")))]
pub async fn enrol(State(state): State<AppState>, request: Request) -> Response {
    let (headers, body) = match signed_parts(request, &state).await {
        Ok(parts) => parts,
        Err(response) => return response,
    };
    answered(state.desk.ask(move |hub| hub.enrol(&body, &headers, now_ms())).await)
}

/// Takes a journal segment; acknowledges what is durable.
#[utoipa::path(post, path = "/v1/sync/push", tag = "tills",
    request_body(content_type = "application/cbor", description = "Segment, see docs/protocol.md"),
    responses((status = 200, content_type = "application/cbor", description = "PushAnswer"),
              (status = "4XX", content_type = "application/cbor", description = "Refusal")))]
pub async fn push(State(state): State<AppState>, OriginalUri(uri): OriginalUri, request: Request) -> Response {
    signed(&state, "POST", uri.to_string(), request).await
}

/// Gives spend rights to a target level.
#[utoipa::path(post, path = "/v1/sync/grants", tag = "tills",
    request_body(content_type = "application/cbor", description = "GrantRequest, see docs/protocol.md"),
    responses((status = 200, content_type = "application/cbor", description = "GrantAnswer"),
              (status = "4XX", content_type = "application/cbor", description = "Refusal")))]
pub async fn grants(State(state): State<AppState>, OriginalUri(uri): OriginalUri, request: Request) -> Response {
    signed(&state, "POST", uri.to_string(), request).await
}

/// Ends an incarnation whose disk was put back, and begins the next one.
#[utoipa::path(post, path = "/v1/sync/succeed", tag = "tills",
    request_body(content_type = "application/cbor", description = "SuccessionRequest, see docs/protocol.md"),
    responses((status = 200, content_type = "application/cbor", description = "SuccessionAnswer, signed by the root key"),
              (status = "4XX", content_type = "application/cbor", description = "Refusal")))]
pub async fn succeed(State(state): State<AppState>, OriginalUri(uri): OriginalUri, request: Request) -> Response {
    signed(&state, "POST", uri.to_string(), request).await
}

/// Takes what a till knows that a head office put back from a backup has lost.
#[utoipa::path(post, path = "/v1/sync/report", tag = "tills",
    request_body(content_type = "application/cbor", description = "EpochReport, see docs/protocol.md"),
    responses((status = 200, content_type = "application/cbor", description = "EpochAnswer"),
              (status = "4XX", content_type = "application/cbor", description = "Refusal")))]
pub async fn report(State(state): State<AppState>, OriginalUri(uri): OriginalUri, request: Request) -> Response {
    signed(&state, "POST", uri.to_string(), request).await
}

async fn signed(state: &AppState, method: &'static str, path: String, request: Request) -> Response {
    let (headers, body) = match signed_parts(request, state).await {
        Ok(parts) => parts,
        Err(response) => return response,
    };
    answered(ask(state, method, &path, &headers, body).await)
}

/// How a till reads the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// The cursor of the last page; empty or absent at the beginning.
    #[serde(default, rename = "after")]
    _after: Option<String>,
    /// How long the hub may hold the question, milliseconds.
    #[serde(default)]
    wait: u64,
}

/// The feed after a cursor; waits for something to tell.
#[utoipa::path(get, path = "/v1/sync/feed", tag = "tills", params(FeedQuery),
    responses((status = 200, content_type = "application/cbor", description = "Page, see docs/protocol.md"),
              (status = "4XX", content_type = "application/cbor", description = "Refusal"),
              (status = 400, content_type = "application/problem+json", body = ProblemDocument)))]
pub async fn feed(
    State(state): State<AppState>,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<FeedQuery>,
    request: Request,
) -> Response {
    let (headers, body) = match signed_parts(request, &state).await {
        Ok(parts) => parts,
        Err(response) => return response,
    };
    let path = uri.to_string();
    let deadline = Instant::now() + Duration::from_millis(query.wait.min(LONG_POLL_MS));
    let mut listener = state.bell.listen();
    loop {
        let answer = ask(&state, "GET", &path, &headers, body.clone()).await;
        let empty = matches!(&answer, Ok(answer) if answer.feed_empty);
        if !empty || Instant::now() >= deadline || state.stopping.is_cancelled() {
            return answered(answer);
        }
        tokio::select! {
            _ = timeout_at(deadline, listener.rung()) => {}
            () = state.stopping.cancelled() => {}
        }
    }
}

async fn ask(
    state: &AppState,
    method: &'static str,
    path: &str,
    headers: &RequestHeaders,
    body: Bytes,
) -> Result<SyncAnswer, DeskError> {
    let (path, headers) = (path.to_owned(), headers.clone());
    let job = move |hub: &mut crate::core::Hub| {
        let RequestHeaders { incarnation, epoch, head, signature } = headers;
        let request = SignedRequest { method, path: &path, body: &body, epoch, incarnation, head, signature };
        hub.sync(&request, now_ms())
    };
    state.desk.ask(job).await
}

async fn signed_parts(request: Request, state: &AppState) -> Result<(RequestHeaders, Bytes), Response> {
    let headers = request_headers(request.headers())
        .map_err(|detail| refused(StatusCode::BAD_REQUEST, RefusalKind::Malformed, detail))?;
    let body = body_bytes(request, state)
        .await
        .map_err(|problem| refused(problem.status, RefusalKind::Malformed, problem.detail))?;
    Ok((headers, body))
}

fn request_headers(headers: &HeaderMap) -> Result<RequestHeaders, String> {
    RequestHeaders::parse(|name| headers.get(name).and_then(|value| value.to_str().ok()))
        .map_err(|error| error.to_string())
}

fn answered(answer: Result<SyncAnswer, DeskError>) -> Response {
    match answer {
        Ok(SyncAnswer { status, body, signature, .. }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
            if let Some(value) = signature.and_then(|signature| signature_text(&signature).parse().ok()) {
                response.headers_mut().insert(SIGNATURE_HEADER, value);
            }
            response
        }
        Err(error) => refused(StatusCode::SERVICE_UNAVAILABLE, RefusalKind::Busy, error.to_string()),
    }
}

/// A refusal that the core did not make: unsigned, so a till takes it for a line that is down and tries again.
fn refused(status: StatusCode, kind: RefusalKind, detail: String) -> Response {
    let refusal = Refusal { kind, detail, known_position: None, epoch: None, signature: None };
    let body = minicbor::to_vec(&refusal).expect("encoding into memory cannot fail");
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}
