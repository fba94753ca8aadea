//! The API's description: OpenAPI 3.1 generated from the handlers, and a plain page of it without a script.

use axum::Json;
use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, ResponseBuilder};

use super::problem::{KINDS, Problem};

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// Adds what no handler says: title, licence, how to prove who one is.
pub fn finish(api: &mut OpenApi) {
    api.info.title = "Counterfoil hub".into();
    api.info.version = env!("CARGO_PKG_VERSION").into();
    api.info.description = Some(
        "Head office of a Counterfoil fleet. Errors are RFC 9457 problems. Every POST that changes something takes \
         an Idempotency-Key. Lists page by cursor: ?after=…&limit=…"
            .into(),
    );
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key: counterfoil-hub api-key create --name N --scope SCOPE"))
        .build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
    let pages = [
        ("/", "The console: a page for people."),
        ("/openapi.json", "This description as JSON."),
        ("/docs", "This description as a page."),
    ];
    for (path, summary) in pages {
        let answer = ResponseBuilder::new().description("the document").build();
        let operation = OperationBuilder::new().tag("probes").summary(Some(summary)).response("200", answer).build();
        api.paths.paths.insert(path.into(), PathItem::new(HttpMethod::Get, operation));
    }
}

/// The description as JSON.
pub fn json(api: &Value) -> Json<Value> {
    Json(api.clone())
}

/// The description as a page.
pub fn page(api: &Value) -> Response {
    let paths = api["paths"].as_object().into_iter().flatten();
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Counterfoil hub API" } link rel="stylesheet" href="/console/style.css"; }
            body {
                h1 { "Counterfoil hub API " (api["info"]["version"].as_str().unwrap_or_default()) }
                p { (api["info"]["description"].as_str().unwrap_or_default()) }
                p { a href="/openapi.json" { "OpenAPI 3.1 document" } }
                table {
                    thead { tr { th { "call" } th { "does" } th { "scope" } th { "answers" } } }
                    tbody {
                        @for (path, item) in paths {
                            @for method in METHODS {
                                @if let Some(operation) = item.get(method) { (row(method, path, operation)) }
                            }
                        }
                    }
                }
                h2 { "Problems" }
                table {
                    thead { tr { th { "type" } th { "means" } } }
                    tbody { @for (kind, meaning) in KINDS { tr { td { code { "/problems/" (kind) } } td { (meaning) } } } }
                }
            }
        }
    };
    Html(markup.into_string()).into_response()
}

/// What a problem's `type` means, where its address leads.
pub async fn problem(Path(kind): Path<String>) -> Result<Response, Problem> {
    let known = KINDS.iter().find(|(known, _)| *known == kind);
    let (kind, meaning) = known.ok_or_else(|| Problem::not_found(format!("there is no problem {kind:?}")))?;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (kind) } link rel="stylesheet" href="/console/style.css"; }
            body { h1 { (kind) } p { (meaning) } p { a href="/docs" { "API" } } }
        }
    };
    Ok(Html(markup.into_string()).into_response())
}

fn row(method: &str, path: &str, operation: &Value) -> Markup {
    let words = operation["summary"].as_str().or_else(|| operation["description"].as_str()).unwrap_or_default();
    let scopes = operation["security"][0]["api_key"].as_array();
    let statuses: Vec<&str> =
        operation["responses"].as_object().into_iter().flatten().map(|(s, _)| s.as_str()).collect();
    html! {
        tr {
            td { code { (method.to_uppercase()) " " (path) } }
            td { (words) }
            td {
                @match scopes {
                    Some(scopes) if scopes.is_empty() => "any key",
                    Some(scopes) => @for scope in scopes { code { (scope.as_str().unwrap_or_default()) } },
                    None => "",
                }
            }
            td { (statuses.join(", ")) }
        }
    }
}
