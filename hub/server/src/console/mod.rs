//! The console: one plain page for head office, rendered here, without a script.
//!
//! A person opens it with an API key of scope `admin`; the browser then holds a sealed cookie that no other site
//! can send. Not here: anything that changes the books.

mod page;
mod session;

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use counterfoil_protocol::id::Digest;
use serde::Deserialize;

use self::page::Books;
use crate::api::AppState;
use crate::api::auth::{ADMIN, key_hash, permits};
use crate::api::problem::Problem;
use crate::clock::now_ms;
use crate::core::{ExceptionFilter, Hub, HubError};

pub use session::SessionKey;
use session::{COOKIE, SESSION_MS};

/// The style sheet of every page.
const STYLE: &str = include_str!("style.css");
/// What a page may load: our own style, nothing else; forms go to this hub alone.
pub const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Exceptions shown on the page.
const EXCEPTIONS_SHOWN: usize = 50;

/// The console's routes.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(home))
        .route("/console/login", post(log_in))
        .route("/console/logout", post(log_out))
        .route("/console/style.css", get(style))
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")], STYLE)
        .into_response()
}

async fn home(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    let Some(hash) = cookie(&headers).and_then(|value| state.session_key.open(value, now_ms())) else {
        return Ok(Html(page::log_in(None).into_string()).into_response());
    };
    if !is_admin(&state, hash).await? {
        return Ok(
            Html(page::log_in(Some("The key that opened this session was revoked.")).into_string()).into_response()
        );
    }
    let books = state.reads.ask(read_books).await??;
    Ok(Html(page::home(&books).into_string()).into_response())
}

fn read_books(hub: &mut Hub) -> Result<Books, HubError> {
    let open = ExceptionFilter { state: Some("open".into()), ..ExceptionFilter::default() };
    Ok(Books {
        now_ms: now_ms(),
        counts: hub.counts()?,
        terminals: hub.terminals()?,
        days: hub.reconciliation(None, None)?,
        balance: hub.trial_balance()?,
        exceptions: hub.exceptions(&open, None, EXCEPTIONS_SHOWN)?.items,
    })
}

#[derive(Deserialize)]
struct LogIn {
    key: String,
}

async fn log_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    Form(form): Form<LogIn>,
) -> Result<Response, Problem> {
    same_origin(&headers)?;
    let hash = key_hash(form.key.trim());
    if !is_admin(&state, hash).await? {
        let refused = page::log_in(Some("This is not a valid API key with the scope admin."));
        return Ok((StatusCode::FORBIDDEN, Html(refused.into_string())).into_response());
    }
    let value = state.session_key.seal(&hash, now_ms() + SESSION_MS);
    Ok(with_cookie(&state, &value, SESSION_MS / 1_000))
}

async fn log_out(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    same_origin(&headers)?;
    Ok(with_cookie(&state, "", 0))
}

fn with_cookie(state: &AppState, value: &str, max_age_seconds: i64) -> Response {
    let secure = if state.secure_cookies { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_seconds}{secure}");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

async fn is_admin(state: &AppState, hash: Digest) -> Result<bool, Problem> {
    let key = state.reads.ask(move |hub| hub.check_api_key(hash.0)).await??;
    Ok(key.is_some_and(|key| permits(&key, ADMIN)))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// A form of ours, or no browser: any other site's form is refused.
fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site_is_ours = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin_is_ours =
        text("origin").is_none_or(|origin| origin.split_once("://").map(|(_, authority)| authority) == text("host"));
    if site_is_ours && origin_is_ours {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "this form was sent by another site"))
}
