//! The control socket: what commands of this machine ask a running daemon, because it alone has the books open.
//!
//! HTTP over a Unix socket in the data directory; who may open the socket may ask (its group can read the first
//! API token anyway). Not the till API: nothing here is for a POS.

use std::path::Path;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use counterfoil_till::{JournalReport, TokenInfo};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_stream::wrappers::ReceiverStream;

use crate::api::problem::Problem;
use crate::api::status;
use crate::journal::{EXPORT_CHUNK, export_line};
use crate::pairing::CODE_LIFETIME;
use crate::shell::Shell;
use crate::tokens::{self, Scope};

/// The routes on the socket.
pub fn router(shell: Shell) -> Router {
    Router::new()
        .route("/control/status", get(state))
        .route("/control/tokens", get(list_tokens).post(create_token).delete(revoke_token))
        .route("/control/pair", post(pair))
        .route("/control/journal/verify", get(verify_journal))
        .route("/control/journal/export", get(export_journal))
        .with_state(shell)
}

/// Opens the socket for the owner and its group. A file left by a daemon that was killed is removed: whoever
/// has the books open is the only daemon.
///
/// # Errors
/// When the file cannot be made.
pub fn listen(path: &Path) -> std::io::Result<tokio::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = tokio::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

async fn state(State(shell): State<Shell>) -> Result<Json<Value>, Problem> {
    Ok(Json(status::snapshot(&shell).await?))
}

/// A token to make.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// What it may do; empty: everything.
    pub scopes: Vec<String>,
}

/// A token as it is shown once.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeToken {
    /// Its name.
    pub name: String,
    /// The secret.
    pub token: String,
}

async fn create_token(State(shell): State<Shell>, Json(new): Json<NewToken>) -> Result<Json<MadeToken>, Problem> {
    let scopes: Vec<Scope> =
        new.scopes.iter().map(|scope| scope.parse()).collect::<Result<_, String>>().map_err(Problem::malformed)?;
    let now = shell.clock.now();
    let name = new.name.clone();
    let token = shell.engine.call(move |till| tokens::create(till, &name, &scopes, now)).await??;
    Ok(Json(MadeToken { name: new.name, token }))
}

async fn list_tokens(State(shell): State<Shell>) -> Result<Json<Vec<TokenInfo>>, Problem> {
    Ok(Json(shell.engine.call(|till| till.list_tokens()).await??))
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn revoke_token(State(shell): State<Shell>, Query(named): Query<Named>) -> Result<Json<Value>, Problem> {
    let name = named.name;
    let wanted = name.clone();
    if shell.engine.call(move |till| till.revoke_token(&wanted)).await?? {
        Ok(Json(json!({ "revoked": name })))
    } else {
        Err(Problem::not_found(format!("there is no token named {name:?}: see `counterfoil token list`")))
    }
}

/// A pairing code.
#[derive(Debug, Serialize, Deserialize)]
pub struct PairingCode {
    /// To be typed into the page.
    pub code: String,
    /// Opens the page with the code, once.
    pub url: String,
    /// How long it can be used.
    pub expires_in_s: u64,
}

async fn pair(State(shell): State<Shell>) -> Json<PairingCode> {
    let code = shell.pairing.open(Instant::now());
    let url = format!("http://{}/pair?code={code}", shell.facts.api_address);
    Json(PairingCode { code, url, expires_in_s: CODE_LIFETIME.as_secs() })
}

async fn verify_journal(State(shell): State<Shell>) -> Result<Json<JournalReport>, Problem> {
    Ok(Json(shell.engine.call(|till| till.verify_journal()).await??))
}

#[derive(Deserialize)]
struct Export {
    #[serde(default)]
    after: u64,
}

/// The journal as lines of JSON, in chunks, so that sales go on in between. The stream ends early when a chunk
/// cannot be read: the reader sees a cut body, never a short journal.
async fn export_journal(State(shell): State<Shell>, Query(export): Query<Export>) -> Response {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    tokio::spawn(async move {
        let mut after = export.after;
        loop {
            let chunk = match shell.engine.call(move |till| till.records_after(after, EXPORT_CHUNK)).await {
                Ok(Ok(chunk)) => chunk,
                Ok(Err(error)) => {
                    let _ = sender.send(Err(std::io::Error::other(error.to_string()))).await;
                    return;
                }
                Err(stopped) => {
                    let _ = sender.send(Err(std::io::Error::other(stopped.to_string()))).await;
                    return;
                }
            };
            let Some((last, _, _)) = chunk.last() else { return };
            after = *last;
            let lines: String =
                chunk.iter().map(|(position, chain, record)| export_line(*position, *chain, record)).collect();
            if sender.send(Ok(lines.into())).await.is_err() {
                return;
            }
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver));
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
