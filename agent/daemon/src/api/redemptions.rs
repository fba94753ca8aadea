//! Spending: from rights held here, or granted within the cashier's patience; reserving for a basket; undoing.
//!
//! Online is not a second path: head office is asked for rights, and the redemption is then decided here like
//! any other. Only where head office cannot be asked does the engine hear of it, and uses the program's floor.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use counterfoil_protocol::id::EventId;
use counterfoil_protocol::record::Rights;
use counterfoil_protocol::sale::MemberRef;
use counterfoil_till::{Call, CommandError, Redeem, RedeemWhat, RedemptionAnswer, RedemptionState, Reply};
use serde::Deserialize;

use crate::api::answers::{Asked, Nothing, recorded};
use crate::api::guard::Caller;
use crate::api::problem::Problem;
use crate::hub_link::grants;
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

/// How long a cashier waits for units that other tills are giving back.
const RECALL_PATIENCE: Duration = Duration::from_secs(2);
/// How often head office is asked meanwhile.
const RECALL_PACE: Duration = Duration::from_millis(200);

/// Spends, or with `reserve` holds units for a basket; durable before the answer.
#[utoipa::path(post, path = "/v1/redemptions", tag = "redemptions", request_body = crate::api::schema::RedemptionRequest,
    params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Spent or reserved", body = crate::api::schema::RedemptionAnswer),
    (status = 200, description = "It had been: the first answer again", body = crate::api::schema::RedemptionAnswer),
    (status = 409, description = "`/not-spendable`, `/not-in-steps`, `/member-blocked`, `/reservation-conflict`, `/till-behind` or `/till-retired`; `detail` is for the cashier to read out", body = crate::api::schema::NotSpendable),
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

/// Spends or reserves, for the API and the cashier page alike: from what is held here; where that is too little and
/// head office answers, from what it grants; where head office cannot be asked, as far as the program's floor allows.
///
/// # Errors
/// The problem to answer with.
pub async fn spend(shell: &Shell, request: Redeem, call: Call) -> Result<Reply<RedemptionAnswer>, Problem> {
    let first = attempt(shell, request.clone(), call.clone()).await?;
    let outcome = match first {
        Err(refusal) if could_be_granted(&refusal) => match shell.ask_for(&request, &refusal).await {
            grants::Asked::Answered => granted(shell, request, call).await?,
            grants::Asked::Refused => Err(refusal),
            grants::Asked::NotAsked | grants::Asked::Unanswered => {
                attempt(shell, Redeem { cut_off: true, ..request }, call).await?
            }
        },
        other => other,
    };
    match outcome {
        Ok(reply) => {
            if reply.fresh {
                tell_redemption(shell, &reply.answer);
            }
            Ok(reply)
        }
        Err(refusal) => {
            shell.metrics.note_redemption_refused();
            Err(refusal.into())
        }
    }
}

/// With what head office granted. Where the member has enough and it lies at other tills, head office has asked them to
/// give it back by now: a till with a line does so within moments, so the question is put again for a while.
async fn granted(
    shell: &Shell,
    request: Redeem,
    call: Call,
) -> Result<Result<Reply<RedemptionAnswer>, CommandError>, Problem> {
    let request = Redeem { rights: Rights::Granted, ..request };
    let until = tokio::time::Instant::now() + RECALL_PATIENCE;
    loop {
        let refusal = match attempt(shell, request.clone(), call.clone()).await? {
            Err(refusal @ CommandError::NotSpendable(_)) => refusal,
            other => return Ok(other),
        };
        let lies_elsewhere = matches!(&refusal, CommandError::NotSpendable(short) if short.balance >= short.asked);
        if !lies_elsewhere || tokio::time::Instant::now() >= until {
            return Ok(Err(refusal));
        }
        tokio::time::sleep(RECALL_PACE).await;
        match shell.ask_for(&request, &refusal).await {
            grants::Asked::Answered => {}
            grants::Asked::Refused => return Ok(Err(refusal)),
            grants::Asked::NotAsked | grants::Asked::Unanswered => {
                return attempt(shell, Redeem { rights: Rights::Held, cut_off: true, ..request }, call).await;
            }
        }
    }
}

fn tell_redemption(shell: &Shell, answer: &RedemptionAnswer) {
    if answer.state == RedemptionState::Reserved {
        shell.events.tell("reservation", answer);
    } else {
        shell.metrics.note_redemption(answer.rights);
        shell.events.tell("redemption", answer);
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

/// A till that is behind or retired asks in vain; a member who is unknown here may have been made a moment ago.
fn could_be_granted(refusal: &CommandError) -> bool {
    matches!(refusal, CommandError::NotSpendable(_) | CommandError::UnknownMember)
}

/// The present state of one redemption: `reserved`, `redeemed`, `cancelled`, `timed-out`, `reversed` or
/// `reverse-requested`.
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
    let id = event_id(&id)?;
    let found = shell.engine.call(move |till| till.redemption(id)).await??;
    found.map(Json).ok_or_else(not_here)
}

/// Turns a reservation into a redemption; recording the sale of its basket does the same. Also after its time is
/// over: the discount has been given.
#[utoipa::path(post, path = "/v1/redemptions/{id}/confirm", tag = "redemptions", params(("id" = String, Path),
    ("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Spent", body = crate::api::schema::RedemptionAnswer),
    (status = 200, description = "It had been confirmed: the first answer again", body = crate::api::schema::RedemptionAnswer),
    (status = 404, description = "Not recorded here", body = crate::api::schema::ProblemDocument),
    (status = 409, description = "`/redemption-state`: it was reversed", body = crate::api::schema::WrongState),
))]
pub async fn confirm(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    asked: Asked<Nothing>,
) -> Result<Response, Problem> {
    caller.need(Scope::RedemptionsWrite)?;
    let id = event_id(&id)?;
    let now = shell.clock.now();
    let reply = shell.engine.call(move |till| till.confirm_redemption(id, asked.call, now)).await??;
    if reply.fresh {
        shell.metrics.note_redemption(reply.answer.rights);
        shell.events.tell("confirmation", &reply.answer);
    }
    Ok(recorded(reply))
}

/// Frees a reservation: nothing is spent.
#[utoipa::path(post, path = "/v1/redemptions/{id}/cancel", tag = "redemptions", params(("id" = String, Path),
    ("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Freed", body = crate::api::schema::RedemptionAnswer),
    (status = 200, description = "It had been freed: the first answer again", body = crate::api::schema::RedemptionAnswer),
    (status = 404, description = "Not recorded here", body = crate::api::schema::ProblemDocument),
    (status = 409, description = "`/redemption-state`: it is spent", body = crate::api::schema::WrongState),
))]
pub async fn cancel(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    asked: Asked<Nothing>,
) -> Result<Response, Problem> {
    caller.need(Scope::RedemptionsWrite)?;
    Ok(recorded(free(&shell, event_id(&id)?, asked.call).await?))
}

/// Frees a reservation, for the API and the cashier page alike.
///
/// # Errors
/// The problem to answer with.
pub async fn free(shell: &Shell, id: EventId, call: Call) -> Result<Reply<RedemptionAnswer>, Problem> {
    let now = shell.clock.now();
    let reply = shell.engine.call(move |till| till.cancel_redemption(id, call, now)).await??;
    if reply.fresh {
        shell.events.tell("release", &reply.answer);
    }
    Ok(reply)
}

/// Why, and who.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reverse {
    /// In words; head office reads it.
    pub reason: Option<String>,
    /// Who sits at the till.
    pub operator: Option<String>,
}

/// Gives redeemed units back. A redemption of another till is not undone here: it is asked for, and the answer's
/// state is `reverse-requested`.
#[utoipa::path(post, path = "/v1/redemptions/{id}/reverse", tag = "redemptions", request_body = crate::api::schema::ReverseRequest,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, description = "Given back, or asked for", body = crate::api::schema::RedemptionAnswer),
    (status = 200, description = "It had been: the first answer again", body = crate::api::schema::RedemptionAnswer),
    (status = 404, description = "Not recorded here", body = crate::api::schema::ProblemDocument),
    (status = 409, description = "`/redemption-state`: nothing was spent", body = crate::api::schema::WrongState),
))]
pub async fn reverse(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    asked: Asked<Reverse>,
) -> Result<Response, Problem> {
    caller.need(Scope::RedemptionsWrite)?;
    Ok(recorded(give_back(&shell, event_id(&id)?, asked.body, asked.call).await?))
}

/// Gives redeemed units back, for the API and the cashier page alike.
///
/// # Errors
/// The problem to answer with.
pub async fn give_back(
    shell: &Shell,
    id: EventId,
    why: Reverse,
    call: Call,
) -> Result<Reply<RedemptionAnswer>, Problem> {
    let now = shell.clock.now();
    let reply =
        shell.engine.call(move |till| till.reverse_redemption(id, why.reason, why.operator, call, now)).await??;
    if reply.fresh {
        shell.metrics.note_reversal();
        shell.events.tell("reversal", &reply.answer);
    }
    Ok(reply)
}

fn event_id(text: &str) -> Result<EventId, Problem> {
    text.parse().map_err(|_| not_here())
}

fn not_here() -> Problem {
    Problem::not_found("no such redemption was recorded on this till")
}
