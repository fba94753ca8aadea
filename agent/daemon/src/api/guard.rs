//! Who may call: checks `Host`, `Origin` and the token before anything else looks at a request.
//!
//! A web page that a browser on this till shows must never reach the API: `Host` must name this machine's
//! loopback (so a foreign name resolved to 127.0.0.1 fails), and where a browser says which page asks, it must be
//! our own. Then a token, in `Authorization` or in the session cookie of the cashier page.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::problem::Problem;
use crate::shell::Shell;
use crate::tokens::Scope;

/// The cookie of the cashier page's session. Browsers keep cookies by host, without the port: tills that share a
/// machine need names of their own.
pub fn session_cookie(terminal: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    format!("counterfoil-session-{}", terminal.chars().map(plain).collect::<String>())
}

/// What the caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name.
    pub name: String,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Who may do everything: a test with tokens off.
    pub fn anybody() -> Self {
        Self { name: "anybody".to_owned(), scopes: Scope::ALL.to_vec() }
    }

    /// A token's owner.
    pub fn new(name: String, scopes: Vec<Scope>) -> Self {
        Self { name, scopes }
    }

    /// Checks one scope.
    ///
    /// # Errors
    /// The problem to answer with.
    pub fn need(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let detail =
            format!("the token {:?} has no scope {scope}: create one with `counterfoil token create`", self.name);
        Err(Problem::new(StatusCode::FORBIDDEN, "scope", detail).with("scope", scope.to_string()))
    }
}

/// Refuses what does not come to and from this machine's loopback. For every request.
pub async fn same_machine(request: Request, next: Next) -> Response {
    match check_origin(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Refuses callers without a valid token, and puts the [`Caller`] into the request.
pub async fn authenticated(State(shell): State<Shell>, mut request: Request, next: Next) -> Response {
    match caller(&shell, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Whose token the request carries.
///
/// # Errors
/// The problem to answer with where it carries none that is valid.
pub async fn caller(shell: &Shell, headers: &HeaderMap) -> Result<Caller, Problem> {
    if !shell.facts.token_needed {
        return Ok(Caller::anybody());
    }
    let secret = bearer(headers).or_else(|| session(headers, &session_cookie(&shell.facts.terminal))).ok_or_else(|| {
        unauthorized(
            "send `Authorization: Bearer` with a token: the first one is in the file api-token in the data directory",
        )
    })?;
    let found = crate::tokens::check(&shell.engine, secret.to_owned()).await?;
    found.ok_or_else(|| unauthorized("this token is unknown or revoked: see `counterfoil token list`"))
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

fn session<'a>(headers: &'a HeaderMap, cookie: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == cookie).then_some(value)
        })
}

fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or("unreadable"));
    let forbidden = |detail: String| Err(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail));
    let host = text(header::HOST).unwrap_or_default();
    if !is_loopback_host(host) {
        return forbidden(format!("the till API answers only to 127.0.0.1 and localhost, the request names {host:?}"));
    }
    if let Some(origin) = text(header::ORIGIN)
        && origin.strip_prefix("http://") != Some(host)
    {
        return forbidden(format!("a page of {origin:?} asks; only the till's own page may"));
    }
    // A browser that sends no Origin (a navigation, an image) still says where it comes from.
    if let Some(site) = headers.get("sec-fetch-site")
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return forbidden("a page of another site asks; only the till's own page may".to_owned());
    }
    Ok(())
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_this_machine_asks_this_machine() {
        for good in [
            &[("host", "127.0.0.1:7410")][..],
            &[("host", "localhost")],
            &[("host", "[::1]:80")],
            &[("host", "127.0.0.1:7410"), ("origin", "http://127.0.0.1:7410"), ("sec-fetch-site", "same-origin")],
            &[("host", "localhost:7410"), ("sec-fetch-site", "none")],
        ] {
            assert_eq!(check_origin(&headers(good)), Ok(()), "{good:?}");
        }
        for bad in [
            &[][..],
            &[("host", "till.example:7410")],
            &[("host", "127.0.0.1.evil.example")],
            &[("host", "[::1")],
            &[("host", "127.0.0.1:7410"), ("origin", "http://evil.example")],
            &[("host", "127.0.0.1:7410"), ("origin", "http://localhost:7410")],
            &[("host", "127.0.0.1:7410"), ("origin", "null")],
            &[("host", "127.0.0.1:7410"), ("sec-fetch-site", "cross-site")],
            &[("host", "127.0.0.1:7410"), ("sec-fetch-site", "same-site")],
        ] {
            assert!(check_origin(&headers(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_is_found_in_its_two_places() {
        assert_eq!(bearer(&headers(&[("authorization", "bearer abc ")])), Some("abc"));
        assert_eq!(bearer(&headers(&[("authorization", "Basic abc")])), None);
        assert_eq!(session(&headers(&[("cookie", "a=b; session-s1-1=xyz; c=d")]), "session-s1-1"), Some("xyz"));
        assert_eq!(session(&headers(&[("cookie", "session-s1-11=xyz")]), "session-s1-1"), None);
    }
}
