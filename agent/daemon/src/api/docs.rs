//! The API's own description: OpenAPI 3.1, generated from the handlers, and a page that lists the calls.

use axum::Json;
use axum::response::Response;
use maud::html;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use crate::page;

#[derive(OpenApi)]
#[openapi(
    info(title = "Counterfoil till API", description = "Loyalty at the till, with or without a line to head office. \
        Loopback only. `Authorization: Bearer` with a token from `api-token` in the data directory or from \
        `counterfoil token create`. Every POST that changes something takes `Idempotency-Key`.",
        license(name = "Apache-2.0 OR MIT")),
    paths(
        super::members::look_up, super::members::sign_up, super::members::edit,
        super::sales::quote, super::sales::record, super::sales::find, super::sales::by_id, super::sales::void,
        super::sales::returns, super::sales::attach_member,
        super::redemptions::redeem, super::redemptions::by_id, super::redemptions::confirm,
        super::redemptions::cancel, super::redemptions::reverse,
        super::day::close, super::status::status, super::status::healthz, super::status::metrics,
        super::events::stream,
    ),
    modifiers(&Bearer),
    security(("bearer" = [])),
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

/// The OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// `GET /openapi.json`.
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

/// `GET /docs`.
pub async fn page() -> Response {
    let document = serde_json::to_value(document()).unwrap_or_default();
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    page::document(
        "Till API",
        &html! {
            h1 { "Counterfoil till API" }
            p { "The full description is " a href="/openapi.json" { "openapi.json" } " (OpenAPI 3.1)." }
            table {
                thead { tr { th { "Call" } th { "Does" } } }
                tbody {
                    @for (path, methods) in &paths {
                        @for (method, operation) in methods.as_object().into_iter().flatten() {
                            tr {
                                td { code { (method.to_uppercase()) " " (path) } }
                                td { (operation["summary"].as_str().unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
        },
    )
}
