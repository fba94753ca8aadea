//! The till API on loopback: which call goes where, and what every call passes first.
//!
//! Handlers are thin: they read, ask the engine, answer. Order of checks: `Host` and `Origin`, token,
//! size and shape of the body, scope.

pub mod answers;
pub mod day;
pub mod docs;
pub mod events;
pub mod guard;
pub mod members;
pub mod problem;
pub mod redemptions;
pub mod sales;
pub mod schema;
pub mod status;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, patch, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::problem::Problem;
use crate::page;
use crate::shell::Shell;

/// Bytes of a request's body. The largest sale is far below.
pub const BODY_BYTES_MAX: usize = 2 << 20;

/// Everything that the till serves on loopback.
pub fn router(shell: Shell) -> Router {
    let calls = Router::new()
        .route("/v1/members/lookup", post(members::look_up))
        .route("/v1/members", post(members::sign_up))
        .route("/v1/members/{id}", patch(members::edit))
        .route("/v1/sales/quote", post(sales::quote))
        .route("/v1/sales", post(sales::record).get(sales::find))
        .route("/v1/sales/{id}", get(sales::by_id))
        .route("/v1/sales/{id}/void", post(sales::void))
        .route("/v1/sales/{id}/returns", post(sales::returns))
        .route("/v1/sales/{id}/member", post(sales::attach_member))
        .route("/v1/redemptions", post(redemptions::redeem))
        .route("/v1/redemptions/{id}", get(redemptions::by_id))
        .route("/v1/redemptions/{id}/confirm", post(redemptions::confirm))
        .route("/v1/redemptions/{id}/cancel", post(redemptions::cancel))
        .route("/v1/redemptions/{id}/reverse", post(redemptions::reverse))
        .route("/v1/status", get(status::status))
        .route("/v1/events", get(events::stream))
        .route("/v1/day/close", post(day::close))
        .route_layer(middleware::from_fn_with_state(shell.clone(), guard::authenticated));
    Router::new()
        .merge(calls)
        .merge(page::router())
        .route("/healthz", get(status::healthz))
        .route("/metrics", get(status::metrics))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .fallback(|| async { Problem::not_found("the till has no such address: see /docs") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                axum::http::StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "this address takes other methods: see /docs",
            )
        })
        .layer(middleware::from_fn(guard::same_machine))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::new())
        .with_state(shell)
}
