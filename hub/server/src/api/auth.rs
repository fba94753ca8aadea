//! Who calls: API keys, their scopes, and an extractor that refuses before anything of the body is read.
//!
//! A key is 256 random bits; only its SHA-256 is kept. `admin` may do everything. Tills do not come this way:
//! they sign their requests.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use counterfoil_protocol::id::Digest;

use super::problem::Problem;
use super::state::AppState;
use crate::core::ApiKeyView;
use crate::entropy;

/// The scope that includes all others.
pub const ADMIN: &str = "admin";
/// Every scope a key can have.
pub const SCOPES: [&str; 8] = [
    "members:read",
    "members:write",
    "ledger:read",
    "program:write",
    "webhooks:write",
    "terminals:write",
    "sales:write",
    ADMIN,
];
const KEY_PREFIX: &str = "cfh_";

/// A new key: its text, shown once, and what is kept of it.
pub fn new_key() -> (String, Digest) {
    let text = format!("{KEY_PREFIX}{}", entropy::secret());
    let hash = key_hash(&text);
    (text, hash)
}

/// What is kept of a key.
pub fn key_hash(text: &str) -> Digest {
    Digest::of(&[b"counterfoil api key v1\0", text.as_bytes()])
}

/// Whether a key may do what needs `scope`.
pub fn permits(key: &ApiKeyView, scope: &str) -> bool {
    key.scopes.iter().any(|has| has == scope || has == ADMIN)
}

/// What a call needs; `None` for any valid key.
pub trait Needs: Send + Sync {
    /// The scope.
    const SCOPE: Option<&'static str>;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident = $scope:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl Needs for $name {
            const SCOPE: Option<&'static str> = $scope;
        }
    )*};
}

needs! {
    /// Any valid key: nothing personal, no value.
    AnyKey = None;
    /// Reads members.
    MembersRead = Some("members:read");
    /// Makes and changes members.
    MembersWrite = Some("members:write");
    /// Reads sales and books.
    LedgerRead = Some("ledger:read");
    /// Publishes programs.
    ProgramWrite = Some("program:write");
    /// Manages webhooks.
    WebhooksWrite = Some("webhooks:write");
    /// Manages stores and terminals.
    TerminalsWrite = Some("terminals:write");
    /// Records sales of other channels.
    SalesWrite = Some("sales:write");
    /// Decides exceptions.
    Admin = Some(ADMIN);
}

/// The caller's key, valid and allowed to do what `N` needs.
#[derive(Debug)]
pub struct Allowed<N: Needs>(pub ApiKeyView, PhantomData<N>);

impl<N: Needs> FromRequestParts<AppState> for Allowed<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let text = bearer(parts).ok_or_else(|| {
            Problem::unauthorized("this call needs an API key: send `Authorization: Bearer <api key>`")
        })?;
        let key = check(state, text).await?;
        match N::SCOPE {
            Some(scope) if !permits(&key, scope) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                format!("the API key {:?} has not got the scope {scope}, which this call needs", key.name),
            )
            .with("scope", scope)),
            _ => Ok(Self(key, PhantomData)),
        }
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, key) = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// The key that this text is.
///
/// # Errors
/// When it is none, or was revoked.
pub async fn check(state: &AppState, text: &str) -> Result<ApiKeyView, Problem> {
    let hash = key_hash(text);
    let found = state.reads.ask(move |hub| hub.check_api_key(hash.0)).await??;
    found.ok_or_else(|| Problem::unauthorized("this API key is not valid: it was revoked, or mistyped"))
}
