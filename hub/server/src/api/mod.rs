//! The HTTP API: routes, what surrounds every request, and the description that is generated from both.
//!
//! Handlers translate and ask the desk; nothing is decided here. Every failure leaves as a problem, whichever
//! layer it came from; a panic costs one request.

pub mod auth;
mod body;
mod books;
mod docs;
pub mod fleet;
pub mod later;
mod lives;
mod members;
mod probes;
pub mod problem;
pub mod program;
mod redemptions;
mod state;
mod sync;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use counterfoil_protocol::limits::REQUEST_BYTES_MAX;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use state::AppState;

use self::problem::Problem;

/// Longer than any long poll, shorter than anybody's patience.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(40);

fn described() -> (Router<AppState>, OpenApi) {
    let (router, mut api) = OpenApiRouter::<AppState>::new()
        .routes(routes!(members::create, members::list))
        .routes(routes!(members::lookup))
        .routes(routes!(members::read, members::change))
        .routes(routes!(members::entries))
        .routes(routes!(members::adjust))
        .routes(routes!(members::write_off))
        .routes(routes!(redemptions::read))
        .routes(routes!(redemptions::reverse))
        .routes(routes!(fleet::stores))
        .routes(routes!(fleet::put_store, fleet::read_store))
        .routes(routes!(fleet::terminals))
        .routes(routes!(fleet::invite))
        .routes(routes!(lives::retire))
        .routes(routes!(lives::epoch))
        .routes(routes!(lives::accept_epoch))
        .routes(routes!(lives::accept_day))
        .routes(routes!(lives::write_off_day))
        .routes(routes!(books::sales))
        .routes(routes!(books::entries))
        .routes(routes!(books::trial_balance))
        .routes(routes!(books::reconciliation))
        .routes(routes!(books::exceptions))
        .routes(routes!(books::resolve))
        .routes(routes!(program::publish, program::read))
        .routes(routes!(program::versions))
        .routes(routes!(sync::enrol))
        .routes(routes!(sync::push))
        .routes(routes!(sync::feed))
        .routes(routes!(sync::grants))
        .routes(routes!(sync::succeed))
        .routes(routes!(sync::report))
        .routes(routes!(probes::healthz))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::metrics))
        .split_for_parts();
    later::describe(&mut api);
    docs::finish(&mut api);
    (router.merge(later::router()), api)
}

/// The API's description.
pub fn description() -> OpenApi {
    described().1
}

/// Everything the hub answers.
pub fn router(state: AppState) -> Router {
    let (router, api) = described();
    let api = Arc::new(serde_json::to_value(api).expect("the description is plain JSON"));
    let page = Arc::clone(&api);
    router
        .route("/openapi.json", get(move || std::future::ready(docs::json(&api))))
        .route("/docs", get(move || std::future::ready(docs::page(&page))))
        .route("/problems/{kind}", get(docs::problem))
        .merge(crate::console::router())
        .fallback(|| std::future::ready(Problem::of_status(StatusCode::NOT_FOUND)))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME_MAX))
        .layer(CatchPanicLayer::custom(|_| Problem::internal().into_response()))
        .layer(from_fn(as_problem))
        .layer(from_fn_with_state(state.clone(), observe))
        .with_state(state)
}

/// Turns the bare errors of layers and routers into problems, and keeps answers out of caches.
async fn as_problem(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    if failed && !response.headers().contains_key(header::CONTENT_TYPE) {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = Problem::of_status(status).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(crate::console::POLICY));
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Counts and logs every request: never its body, never its query.
async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    state.metrics.count(&route, method, status);
    tracing::debug!(method, route, status, ms = started.elapsed().as_millis(), "answered");
    response
}

fn known_method(method: &Method) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|known| method.as_str() == *known)
        .unwrap_or("OTHER")
}
