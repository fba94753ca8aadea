//! Members at the till: finding one.

use axum::extract::State;
use axum::{Extension, Json};
use counterfoil_protocol::sale::MemberRef;
use counterfoil_till::MemberView;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::answers::Asked;
use crate::api::guard::Caller;
use crate::api::problem::Problem;
use crate::shell::Shell;
use crate::tokens::Scope;

/// Whom to find: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookUp {
    /// Card number, phone or e-mail, as scanned or typed.
    pub identifier: Option<String>,
    /// The member's id.
    pub member_id: Option<String>,
}

/// Finds a member: what head office can say within a quarter of a second, else what this till knows.
#[utoipa::path(post, path = "/v1/members/lookup", tag = "members", request_body = LookUp, responses(
    (status = 200, description = "The member", body = crate::api::schema::Member),
    (status = 404, description = "No such member", body = crate::api::schema::ProblemDocument),
))]
pub async fn look_up(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
    asked: Asked<LookUp>,
) -> Result<Json<MemberView>, Problem> {
    caller.need(Scope::MembersRead)?;
    let who = MemberRef { identifier: asked.body.identifier, member_id: asked.body.member_id };
    find(&shell, who).await?.map(Json).ok_or_else(|| {
        Problem::not_found("nobody has this card, phone or e-mail here; if it was made today, head office may not have told this till yet")
    })
}

/// Finds a member, for the API and the cashier page alike.
///
/// # Errors
/// The problem to answer with.
pub async fn find(shell: &Shell, who: MemberRef) -> Result<Option<MemberView>, Problem> {
    if who.identifier.is_none() == who.member_id.is_none() {
        return Err(Problem::malformed("name the member by either identifier or member_id"));
    }
    let online = shell.ask_about(&who).await;
    let now = shell.clock.now();
    let found = shell.engine.call(move |till| till.look_up(&who, now)).await??;
    Ok(found.map(|view| MemberView { online, ..view }))
}

/// Signing up comes with a later version.
#[utoipa::path(post, path = "/v1/members", tag = "members", responses(
    (status = 501, description = "A later version can", body = crate::api::schema::ProblemDocument),
))]
pub async fn sign_up(Extension(caller): Extension<Caller>) -> Result<(), Problem> {
    caller.need(Scope::MembersWrite)?;
    Err(Problem::later("signing up members at the till"))
}

/// Editing comes with a later version.
#[utoipa::path(patch, path = "/v1/members/{id}", tag = "members", params(("id" = String, Path)), responses(
    (status = 501, description = "A later version can", body = crate::api::schema::ProblemDocument),
))]
pub async fn edit(Extension(caller): Extension<Caller>) -> Result<(), Problem> {
    caller.need(Scope::MembersWrite)?;
    Err(Problem::later("editing members at the till"))
}
