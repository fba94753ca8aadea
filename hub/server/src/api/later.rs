//! Calls that are named in the interface and come with a later version: they answer 501 and say what they will do.
//!
//! They need a valid key like any other call, and stand in the API description, so that nobody codes against
//! silence.

use axum::Router;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, ResponseBuilder};

use super::auth::{Allowed, AnyKey};
use super::problem::Problem;
use super::state::AppState;

/// One call that comes later.
#[derive(Debug, Clone, Copy)]
pub struct Later {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// The path's template.
    pub path: &'static str,
    /// What it will do.
    pub capability: &'static str,
}

const fn later(method: &'static str, path: &'static str, capability: &'static str) -> Later {
    Later { method, path, capability }
}

/// All of them.
pub const LATER: [Later; 19] = [
    later("DELETE", "/v1/members/{id}", "erasing a member"),
    later("GET", "/v1/members/{id}/document", "member documents"),
    later("POST", "/v1/members/tags", "tags in bulk"),
    later("POST", "/v1/members/{id}/merge", "merging members"),
    later("PUT", "/v1/templates/{name}", "receipt templates kept at head office"),
    later("GET", "/v1/templates/{name}", "receipt templates kept at head office"),
    later("POST", "/v1/sales", "sales from other channels"),
    later("POST", "/v1/sales/{id}/member", "attaching a member to a sale afterwards"),
    later("POST", "/v1/redemptions", "redemptions from other channels"),
    later("POST", "/v1/redemptions/{id}/confirm", "reservations from other channels"),
    later("POST", "/v1/redemptions/{id}/cancel", "reservations from other channels"),
    later("POST", "/v1/webhook-endpoints", "webhooks"),
    later("GET", "/v1/webhook-endpoints", "webhooks"),
    later("GET", "/v1/webhook-endpoints/{id}", "webhooks"),
    later("DELETE", "/v1/webhook-endpoints/{id}", "webhooks"),
    later("GET", "/v1/webhook-endpoints/{id}/deliveries", "webhooks"),
    later("POST", "/v1/webhook-endpoints/{id}/replay", "webhooks"),
    later("GET", "/v1/events", "the event stream"),
    later("GET", "/v1/sync/snapshot", "bootstrapping a till from a snapshot"),
];

/// Their routes.
pub fn router() -> Router<AppState> {
    LATER.iter().fold(Router::new(), |router, Later { method, path, capability }| {
        let filter = Method::from_bytes(method.as_bytes()).ok().and_then(|method| MethodFilter::try_from(method).ok());
        let answer = move |_: Allowed<AnyKey>| async move { Problem::later(capability) };
        router.route(path, on(filter.expect("the table names HTTP's own methods"), answer))
    })
}

/// Adds them to the API description.
pub fn describe(api: &mut OpenApi) {
    for Later { method, path, capability } in LATER {
        let method = match method {
            "GET" => HttpMethod::Get,
            "PUT" => HttpMethod::Put,
            "DELETE" => HttpMethod::Delete,
            _ => HttpMethod::Post,
        };
        let operation = OperationBuilder::new()
            .tag("later")
            .summary(Some(format!("Comes later: {capability}.")))
            .response("501", ResponseBuilder::new().description("not in this version").build())
            .security(SecurityRequirement::new("api_key", Vec::<String>::new()))
            .build();
        let item = PathItem::new(method, operation);
        match api.paths.paths.get_mut(path) {
            Some(known) => known.merge_operations(item),
            None => {
                api.paths.paths.insert(path.to_owned(), item);
            }
        }
    }
}
