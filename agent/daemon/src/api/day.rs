//! Closing the business day on call.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use counterfoil_protocol::day::PosTotals;
use counterfoil_till::Till;
use serde::Deserialize;

use crate::api::answers::{Asked, recorded};
use crate::api::guard::Caller;
use crate::api::problem::Problem;
use crate::shell::Shell;
use crate::tokens::Scope;

/// What may come with the call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    #[serde(default)]
    pos_totals: Option<PosTotals>,
}

/// Closes the business day.
#[utoipa::path(post, path = "/v1/day/close", tag = "day", request_body = crate::api::schema::CloseRequest,
    params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Closed", body = crate::api::schema::DayClose),
    (status = 200, description = "It had been closed by this call: the first answer again", body = crate::api::schema::DayClose),
))]
pub async fn close(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    asked: Asked<Close>,
) -> Result<Response, Problem> {
    caller.need(Scope::DayWrite)?;
    let now = shell.clock.now();
    let close = move |till: &mut Till| {
        till.return_expired(now)?;
        till.close_day(asked.body.pos_totals, asked.call, now)
    };
    let reply = shell.engine.call(close).await??;
    if reply.fresh {
        shell.events.tell("day", &reply.answer);
    }
    Ok(recorded(reply))
}
