//! Spending: from rights held here, or granted within the cashier's patience.
//!
//! Online is not a second path: head office is asked for rights, and the redemption is then decided here like
//! any other. Reserving and undoing come with a later version.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use counterfoil_protocol::record::Rights;
use counterfoil_protocol::sale::MemberRef;
use counterfoil_till::{Call, CommandError, Redeem, RedeemWhat, RedemptionAnswer, Reply};
use serde::Deserialize;

use crate::api::answers::{Asked, recorded};
use crate::api::guard::Caller;
use crate::api::problem::Problem;
use crate::shell::Shell;
use crate::tokens::Scope;

/// What to spend: a reward, or units of a purse.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedemptionRequest {
    member: MemberRef,
    reward_id: Option<String>,
    purse: Option<String>,
    amount: Option<i64>,
    sale_ref: Option<String>,
    operator: Option<String>,
    #[serde(default)]
    reserve: bool,
}

impl RedemptionRequest {
    fn into_redeem(self) -> Result<Redeem, Problem> {
        let what = match (self.reward_id, self.purse, self.amount) {
            (Some(reward), None, None) => RedeemWhat::Reward(reward),
            (None, Some(purse), Some(amount)) => RedeemWhat::Units { purse, amount },
            _ => return Err(Problem::malformed("name either reward_id, or purse and amount")),
        };
        Ok(Redeem {
            member: self.member,
            what,
            sale_ref: self.sale_ref,
            operator: self.operator,
            rights: Rights::Held,
            reserve: self.reserve,
            cut_off: false,
        })
    }
}

/// Spends, durable before the answer.
#[utoipa::path(post, path = "/v1/redemptions", tag = "redemptions", request_body = crate::api::schema::RedemptionRequest,
    params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Spent", body = crate::api::schema::RedemptionAnswer),
    (status = 200, description = "It had been spent: the first answer again", body = crate::api::schema::RedemptionAnswer),
    (status = 409, description = "`/not-spendable` or `/member-blocked`; `detail` is for the cashier to read out", body = crate::api::schema::NotSpendable),
))]
pub async fn redeem(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    asked: Asked<RedemptionRequest>,
) -> Result<Response, Problem> {
    caller.need(Scope::RedemptionsWrite)?;
    let request = asked.body.into_redeem()?;
    Ok(recorded(spend(&shell, request, asked.call).await?))
}

/// Spends, for the API and the cashier page alike: from what is held here; where that is too little and head
/// office answers, from what it grants.
///
/// # Errors
/// The problem to answer with.
pub async fn spend(shell: &Shell, request: Redeem, call: Call) -> Result<Reply<RedemptionAnswer>, Problem> {
    let first = attempt(shell, request.clone(), call.clone()).await?;
    let outcome = match first {
        Err(refusal) if could_be_granted(&refusal) && shell.ask_for(&request, &refusal).await => {
            attempt(shell, Redeem { rights: Rights::Granted, ..request }, call).await?
        }
        other => other,
    };
    match outcome {
        Ok(reply) => {
            shell.metrics.note_redemption(true);
            if reply.fresh {
                shell.events.tell("redemption", &reply.answer);
            }
            Ok(reply)
        }
        Err(refusal) => {
            shell.metrics.note_redemption(false);
            Err(refusal.into())
        }
    }
}

async fn attempt(
    shell: &Shell,
    request: Redeem,
    call: Call,
) -> Result<Result<Reply<RedemptionAnswer>, CommandError>, Problem> {
    let now = shell.clock.now();
    Ok(shell.engine.call(move |till| till.redeem(request, call, now)).await?)
}

fn could_be_granted(refusal: &CommandError) -> bool {
    matches!(refusal, CommandError::NotSpendable(_) | CommandError::UnknownMember)
}

/// The state of one redemption.
#[utoipa::path(get, path = "/v1/redemptions/{id}", tag = "redemptions", params(("id" = String, Path)), responses(
    (status = 200, description = "The redemption", body = crate::api::schema::RedemptionAnswer),
    (status = 404, description = "Not recorded here", body = crate::api::schema::ProblemDocument),
))]
pub async fn by_id(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<RedemptionAnswer>, Problem> {
    caller.need(Scope::SalesRead)?;
    let not_here = || Problem::not_found("no such redemption was recorded on this till");
    let id = id.parse().map_err(|_| not_here())?;
    let found = shell.engine.call(move |till| till.redemption(id)).await??;
    found.map(Json).ok_or_else(not_here)
}

/// Confirming comes with a later version.
#[utoipa::path(post, path = "/v1/redemptions/{id}/confirm", tag = "redemptions", params(("id" = String, Path)), responses(
    (status = 501, description = "A later version can", body = crate::api::schema::ProblemDocument),
))]
pub async fn confirm(Extension(caller): Extension<Caller>) -> Result<(), Problem> {
    caller.need(Scope::RedemptionsWrite)?;
    Err(Problem::later("confirming a reservation"))
}

/// Cancelling comes with a later version.
#[utoipa::path(post, path = "/v1/redemptions/{id}/cancel", tag = "redemptions", params(("id" = String, Path)), responses(
    (status = 501, description = "A later version can", body = crate::api::schema::ProblemDocument),
))]
pub async fn cancel(Extension(caller): Extension<Caller>) -> Result<(), Problem> {
    caller.need(Scope::RedemptionsWrite)?;
    Err(Problem::later("cancelling a reservation"))
}

/// Reversing comes with a later version.
#[utoipa::path(post, path = "/v1/redemptions/{id}/reverse", tag = "redemptions", params(("id" = String, Path)), responses(
    (status = 501, description = "A later version can", body = crate::api::schema::ProblemDocument),
))]
pub async fn reverse(Extension(caller): Extension<Caller>) -> Result<(), Problem> {
    caller.need(Scope::RedemptionsWrite)?;
    Err(Problem::later("reversing a redemption"))
}
