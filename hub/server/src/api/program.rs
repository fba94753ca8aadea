//! The program over HTTP: publish, read, list versions.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use counterfoil_protocol::program::{Problems, Program};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::auth::{Allowed, AnyKey, ProgramWrite};
use super::body::{Params, Place, body_bytes, part};
use super::problem::{Problem, ProblemDocument};
use super::state::AppState;
use crate::clock::now_ms;
use crate::core::{Listing, ProgramView};

/// From when on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PublishQuery {
    /// RFC 3339 with offset; at once where absent.
    effective: Option<String>,
}

/// Checks, signs and publishes a program; all tills hear of it. The body is JSON, or TOML with
/// `Content-Type: application/toml`.
#[utoipa::path(put, path = "/v1/program", tag = "program", security(("api_key" = ["program:write"])),
    params(PublishQuery), request_body(content((Object = "application/json"), (String = "application/toml"))),
    responses((status = 200, body = ProgramView), (status = 422, description = "mistakes, with line and column",
    body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn publish(
    _: Allowed<ProgramWrite>,
    State(state): State<AppState>,
    Params(query): Params<PublishQuery>,
    request: Request,
) -> Result<Json<ProgramView>, Problem> {
    let now = now_ms();
    let effective_ms = match query.effective {
        Some(text) => parse_time(&text).ok_or_else(|| {
            Problem::invalid("effective", format!("{text:?} is not a time such as 2026-12-01T00:00:00+00:00"))
        })?,
        None => now,
    };
    let is_toml = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/toml"));
    let body = body_bytes(request, &state).await?;
    let text = String::from_utf8(body.into()).map_err(|_| Problem::malformed("the program is not UTF-8 text"))?;
    // Compiling conditions takes milliseconds and a thread of its own: not on the async runtime.
    let check = move || if is_toml { Program::from_toml(&text) } else { Program::from_json(&text) };
    let program = tokio::task::spawn_blocking(check).await.map_err(|_| Problem::internal())?.map_err(mistakes)?;
    let json = program.to_json();
    Ok(Json(state.desk.ask(move |hub| hub.publish_program(&json, effective_ms, now)).await??))
}

/// An instant as a person writes it.
pub fn parse_time(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

fn mistakes(problems: Problems) -> Problem {
    let list: Vec<Value> = problems
        .0
        .iter()
        .map(|problem| json!({ "line": problem.line, "column": problem.column, "message": problem.message }))
        .collect();
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-program", problems.to_string()).with("problems", list)
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProgramQuery {
    /// The one in force where absent.
    version: Option<u64>,
}

/// The rules in force, or a version of them.
#[utoipa::path(get, path = "/v1/program", tag = "program", security(("api_key" = [])), params(ProgramQuery),
    responses((status = 200, body = ProgramView), (status = 404, body = ProblemDocument,
    content_type = "application/problem+json")))]
pub async fn read(
    _: Allowed<AnyKey>,
    State(state): State<AppState>,
    Params(query): Params<ProgramQuery>,
) -> Result<Json<ProgramView>, Problem> {
    let found = state.reads.ask(move |hub| match query.version {
        Some(version) => hub.program(version).map(Some),
        None => hub.current_program(now_ms()),
    });
    found.await??.map(Json).ok_or_else(|| Problem::not_found("no program is in force yet: PUT /v1/program"))
}

/// All versions, latest first.
#[utoipa::path(get, path = "/v1/program/versions", tag = "program", security(("api_key" = [])),
    params(Place), responses((status = 200, body = Listing<ProgramView>)))]
pub async fn versions(
    _: Allowed<AnyKey>,
    State(state): State<AppState>,
    Params(place): Params<Place>,
) -> Result<Json<Listing<ProgramView>>, Problem> {
    let items = state.reads.ask(|hub| hub.programs()).await??;
    part(items, &place, |program: &ProgramView| program.version.to_string()).map(Json)
}
