//! Sales: quoting, recording, finding, voiding, taking lines back.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::{Extension, Json};
use counterfoil_protocol::id::EventId;
use counterfoil_protocol::sale::Sale;
use counterfoil_till::{
    CommandError, Now, Quote, RedemptionAnswer, RedemptionState, Reply, ReturnGoods, ReturnLine, SaleAnswer, SaleView,
    Till,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::answers::{Asked, recorded};
use crate::api::guard::Caller;
use crate::api::problem::Problem;
use crate::shell::Shell;
use crate::tokens::Scope;

/// What a sale would accrue and which rewards apply; records nothing.
#[utoipa::path(post, path = "/v1/sales/quote", tag = "sales", request_body = crate::api::schema::Sale, responses(
    (status = 200, description = "What it would accrue", body = crate::api::schema::Quote),
    (status = 422, description = "Not a sale", body = crate::api::schema::ProblemDocument),
))]
pub async fn quote(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    asked: Asked<Sale>,
) -> Result<Json<Quote>, Problem> {
    caller.need(Scope::SalesRead)?;
    let now = shell.clock.now();
    Ok(Json(shell.engine.call(move |till| till.quote(&asked.body, now)).await??))
}

/// Records a sale, durable before the answer.
#[utoipa::path(post, path = "/v1/sales", tag = "sales", request_body = crate::api::schema::Sale,
    params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Recorded", body = crate::api::schema::SaleAnswer),
    (status = 200, description = "It had been recorded: the first answer again", body = crate::api::schema::SaleAnswer),
    (status = 409, description = "Another sale has this receipt number", body = crate::api::schema::ProblemDocument),
    (status = 422, description = "Not a sale, or another body under this Idempotency-Key", body = crate::api::schema::ProblemDocument),
))]
pub async fn record(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    asked: Asked<Sale>,
) -> Result<Response, Problem> {
    caller.need(Scope::SalesWrite)?;
    let now = shell.clock.now();
    let (reply, confirmed) = shell.engine.call(move |till| record_with_basket(till, asked, now)).await??;
    shell.metrics.note_sale(reply.fresh);
    if reply.fresh {
        shell.events.tell("sale", &reply.answer);
    }
    for answer in &confirmed {
        shell.metrics.note_redemption(answer.rights);
        shell.events.tell("confirmation", answer);
    }
    Ok(recorded(reply))
}

/// Records a sale; also says which reservations of its basket that spent.
fn record_with_basket(
    till: &mut Till,
    asked: Asked<Sale>,
    now: Now,
) -> Result<(Reply<SaleAnswer>, Vec<RedemptionAnswer>), CommandError> {
    let reserved = match &asked.body.sale_ref {
        Some(basket) => till.reservations_of_basket(basket)?,
        None => Vec::new(),
    };
    let reply = till.record_sale(asked.body, asked.call, now)?;
    let mut confirmed = Vec::new();
    for before in reserved {
        let after = till.redemption(before.redemption_id)?;
        confirmed.extend(after.filter(|answer| answer.state == RedemptionState::Redeemed));
    }
    Ok((reply, confirmed))
}

/// Finds one sale.
#[utoipa::path(get, path = "/v1/sales/{id}", tag = "sales", params(("id" = String, Path)), responses(
    (status = 200, description = "The sale", body = crate::api::schema::SaleView),
    (status = 404, description = "Not recorded here", body = crate::api::schema::ProblemDocument),
))]
pub async fn by_id(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<SaleView>, Problem> {
    caller.need(Scope::SalesRead)?;
    let id = event_id(&id)?;
    let found = shell.engine.call(move |till| till.sale(id)).await??;
    found.map(Json).ok_or_else(not_here)
}

/// By what a POS asks after a crash.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Find {
    /// As printed.
    receipt_number: Option<String>,
    /// The POS's own reference.
    sale_ref: Option<String>,
}

/// Finds a sale by receipt number or by the POS's reference: did it go in?
#[utoipa::path(get, path = "/v1/sales", tag = "sales", params(Find), responses(
    (status = 200, description = "The sale", body = crate::api::schema::SaleView),
    (status = 404, description = "It did not go in", body = crate::api::schema::ProblemDocument),
))]
pub async fn find(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    Query(find): Query<Find>,
) -> Result<Json<SaleView>, Problem> {
    caller.need(Scope::SalesRead)?;
    let found = match (find.receipt_number, find.sale_ref) {
        (Some(number), None) => shell.engine.call(move |till| till.sale_by_receipt(&number)).await??,
        (None, Some(reference)) => shell.engine.call(move |till| till.sale_by_ref(&reference)).await??,
        _ => return Err(Problem::malformed("ask by either receipt_number or sale_ref")),
    };
    found.map(Json).ok_or_else(not_here)
}

/// Undoes a whole sale of this till.
#[utoipa::path(post, path = "/v1/sales/{id}/void", tag = "sales", params(("id" = String, Path),
    ("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Undone", body = crate::api::schema::VoidAnswer),
    (status = 200, description = "It had been undone: the first answer again", body = crate::api::schema::VoidAnswer),
    (status = 404, description = "Not recorded here", body = crate::api::schema::ProblemDocument),
))]
pub async fn void(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    asked: Asked<serde_json::Value>,
) -> Result<Response, Problem> {
    caller.need(Scope::SalesWrite)?;
    let id = event_id(&id)?;
    let now = shell.clock.now();
    let reply = shell.engine.call(move |till| till.void(id, asked.call, now)).await??;
    if reply.fresh {
        shell.events.tell("void", &reply.answer);
    }
    Ok(recorded(reply))
}

/// Which lines come back, and how much of each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Returns {
    lines: Vec<ReturnedLine>,
    receipt_number: Option<String>,
    occurred_at: Option<String>,
    operator: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReturnedLine {
    id: String,
    quantity: Option<String>,
}

impl Returns {
    fn into_goods(self) -> ReturnGoods {
        let lines = self.lines.into_iter().map(|line| ReturnLine { id: line.id, quantity: line.quantity }).collect();
        ReturnGoods {
            lines,
            receipt_number: self.receipt_number,
            occurred_at: self.occurred_at,
            operator: self.operator,
        }
    }
}

/// Takes back lines of a sale of this till, whole or in part, and in proportion what the sale accrued. A sale of another
/// till comes back as a sale of kind `return` with `original`.
#[utoipa::path(post, path = "/v1/sales/{id}/returns", tag = "sales", request_body = crate::api::schema::ReturnRequest,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Recorded", body = crate::api::schema::SaleAnswer),
    (status = 200, description = "It had been recorded: the first answer again", body = crate::api::schema::SaleAnswer),
    (status = 404, description = "Not recorded here", body = crate::api::schema::ProblemDocument),
    (status = 422, description = "More than was sold, or a line the sale has not", body = crate::api::schema::ProblemDocument),
))]
pub async fn returns(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    asked: Asked<Returns>,
) -> Result<Response, Problem> {
    caller.need(Scope::SalesWrite)?;
    let id = event_id(&id)?;
    let now = shell.clock.now();
    let reply =
        shell.engine.call(move |till| till.return_goods(id, asked.body.into_goods(), asked.call, now)).await??;
    if reply.fresh {
        shell.events.tell("return", &reply.answer);
    }
    Ok(recorded(reply))
}

/// Attaching a member afterwards comes with a later version.
#[utoipa::path(post, path = "/v1/sales/{id}/member", tag = "sales", params(("id" = String, Path)), responses(
    (status = 501, description = "A later version can", body = crate::api::schema::ProblemDocument),
))]
pub async fn attach_member(Extension(caller): Extension<Caller>) -> Result<(), Problem> {
    caller.need(Scope::SalesWrite)?;
    Err(Problem::later("giving a recorded sale to a member"))
}

fn event_id(text: &str) -> Result<EventId, Problem> {
    text.parse().map_err(|_| not_here())
}

fn not_here() -> Problem {
    Problem::not_found("no such sale was recorded on this till")
}
