//! The cashier page: look up or scan, see points and rewards, redeem, undo. Rendered here, plain, works without scripts.
//!
//! A small script of our own only listens for scans and refreshes the top line. A browser gets in once with a code
//! from `counterfoil pair`; its session is an API token in a cookie that no script reads. Nothing is decided here.

mod view;

use std::time::Instant;

use axum::Form;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use counterfoil_protocol::id::{Digest, EventId};
use counterfoil_protocol::record::{Idempotency, Rights, Source};
use counterfoil_protocol::sale::MemberRef;
use counterfoil_till::{Call, MemberView, Redeem, RedeemWhat, Till};
use maud::{Markup, PreEscaped};
use serde::Deserialize;

use crate::api::guard::{self, Caller, session_cookie};
use crate::api::problem::Problem;
use crate::api::{members, redemptions};
use crate::page::view::Card;
use crate::shell::Shell;
use crate::tokens::{self, Scope};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing from elsewhere, nothing inline, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// A till's browser stays in for a year of working days.
const SESSION_SECONDS: u32 = 365 * 24 * 3600;

/// The page's routes.
pub fn router() -> Router<Shell> {
    Router::new()
        .route("/", get(home))
        .route("/page/lookup", post(look_up))
        .route("/page/redeem", post(redeem))
        .route("/page/cancel", post(cancel))
        .route("/page/undo", post(undo))
        .route("/page/reverse", post(reverse))
        .route("/page/strip", get(strip))
        .route("/pair", get(pair_by_link).post(pair_by_form))
        .route("/page.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
        .route("/page.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT) }))
}

/// A whole document with the headers that every page has.
pub fn document(title: &str, body: &Markup) -> Response {
    let mut response = view::document(title, body).into_string().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn home(State(shell): State<Shell>, headers: HeaderMap) -> Response {
    match cashier(&shell, &headers).await {
        Ok(_) => main_page(&shell, PreEscaped(String::new())).await,
        Err(refusal) => refusal,
    }
}

#[derive(Deserialize)]
struct LookUpForm {
    #[serde(default)]
    identifier: String,
    #[serde(default)]
    member_id: String,
}

async fn look_up(State(shell): State<Shell>, headers: HeaderMap, Form(form): Form<LookUpForm>) -> Response {
    let caller = match cashier(&shell, &headers).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let who = if form.member_id.is_empty() {
        MemberRef { identifier: Some(form.identifier), member_id: None }
    } else {
        MemberRef { identifier: None, member_id: Some(form.member_id) }
    };
    let found = match caller.need(Scope::MembersRead) {
        Ok(()) => members::find(&shell, who).await,
        Err(problem) => Err(problem),
    };
    let content = match found {
        Ok(Some(member)) => member_card(&shell, member).await,
        Ok(None) => view::notice(false, "Nobody has this card, phone or e-mail here."),
        Err(problem) => view::notice(false, &problem.detail),
    };
    main_page(&shell, content).await
}

#[derive(Deserialize)]
struct RedeemForm {
    member_id: String,
    reward_id: String,
    /// Made with the button, so that a second click is the same redemption.
    key: String,
}

async fn redeem(State(shell): State<Shell>, headers: HeaderMap, Form(form): Form<RedeemForm>) -> Response {
    let caller = match cashier(&shell, &headers).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let member = MemberRef { identifier: None, member_id: Some(form.member_id.clone()) };
    let outcome = match caller.need(Scope::RedemptionsWrite) {
        Ok(()) => spend(&shell, &form, member.clone()).await,
        Err(problem) => Err(problem),
    };
    after(&shell, &member, outcome).await
}

/// A member as this till knows it now: nobody is asked a second time.
async fn known_card(shell: &Shell, member: &MemberRef) -> Markup {
    let now = shell.clock.now();
    let who = member.clone();
    match shell.engine.call(move |till| till.look_up(&who, now)).await {
        Ok(Ok(Some(member))) => member_card(shell, member).await,
        _ => PreEscaped(String::new()),
    }
}

/// One redemption of one member, named by a button.
#[derive(Deserialize)]
struct RedemptionForm {
    member_id: String,
    redemption_id: EventId,
    /// Made with the button, so that a second click is the same call.
    #[serde(default)]
    key: String,
}

impl RedemptionForm {
    fn member(&self) -> MemberRef {
        MemberRef { identifier: None, member_id: Some(self.member_id.clone()) }
    }

    fn call(&self, what: &str) -> Call {
        let id = self.redemption_id.to_string();
        page_call(&self.key, &[what.as_bytes(), id.as_bytes()])
    }
}

/// A call of the page: the same button is the same call.
fn page_call(key: &str, request: &[&[u8]]) -> Call {
    let request = Digest::of(&[b"page\0", &request.join(&b"\0"[..])]);
    Call { source: Source::Api, idempotency: Some(Idempotency { key: format!("page:{key}"), request }) }
}

/// Lets go what is kept for a basket.
async fn cancel(State(shell): State<Shell>, headers: HeaderMap, Form(form): Form<RedemptionForm>) -> Response {
    let caller = match cashier(&shell, &headers).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let outcome = match caller.need(Scope::RedemptionsWrite) {
        Ok(()) => redemptions::free(&shell, form.redemption_id, form.call("cancel")).await,
        Err(problem) => Err(problem),
    };
    let outcome = outcome.map(|_| "Let go: nothing was used.".to_owned());
    after(&shell, &form.member(), outcome).await
}

/// Asks before the last redemption of a member is undone.
async fn undo(State(shell): State<Shell>, headers: HeaderMap, Form(form): Form<RedemptionForm>) -> Response {
    if let Err(refusal) = cashier(&shell, &headers).await {
        return refusal;
    }
    let now = shell.clock.now();
    let who = form.member();
    let found = shell.engine.call(move |till| till.look_up(&who, now)).await;
    let Ok(Ok(Some(member))) = found else {
        return after(&shell, &form.member(), Err(Problem::not_found("This member is not known here any more."))).await;
    };
    let card = card(&shell, member).await;
    match &card.last {
        Some(last) if last.answer.redemption_id == form.redemption_id && last.can_be_undone() => {
            let question = view::undo_question(&card, last, uuid::Uuid::now_v7().to_string());
            let strip = state_strip(&shell).await;
            document("Counterfoil", &view::main(&shell.facts, &strip, &question, true))
        }
        _ => {
            let other = Problem::not_found("This was undone already, or something else was redeemed since.");
            after(&shell, &form.member(), Err(other)).await
        }
    }
}

/// Gives back what was redeemed.
async fn reverse(State(shell): State<Shell>, headers: HeaderMap, Form(form): Form<RedemptionForm>) -> Response {
    let caller = match cashier(&shell, &headers).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let why = redemptions::Reverse { reason: Some("undone by the cashier".to_owned()), operator: None };
    let outcome = match caller.need(Scope::RedemptionsWrite) {
        Ok(()) => redemptions::give_back(&shell, form.redemption_id, why, form.call("reverse")).await,
        Err(problem) => Err(problem),
    };
    after(&shell, &form.member(), outcome.map(|reply| view::given_back(&reply.answer))).await
}

/// A sentence on what was done or was not, and the member as it is now.
async fn after(shell: &Shell, member: &MemberRef, outcome: Result<String, Problem>) -> Response {
    let notice = match &outcome {
        Ok(words) => view::notice(true, words),
        Err(problem) => view::notice(false, &problem.detail),
    };
    let card = known_card(shell, member).await;
    main_page(shell, maud::html! { (notice) (card) }).await
}

async fn spend(shell: &Shell, form: &RedeemForm, member: MemberRef) -> Result<String, Problem> {
    let call = page_call(&form.key, &[b"redeem", form.member_id.as_bytes(), form.reward_id.as_bytes()]);
    let redemption = Redeem {
        member,
        what: RedeemWhat::Reward(form.reward_id.clone()),
        sale_ref: None,
        operator: None,
        rights: Rights::Held,
        reserve: false,
        cut_off: false,
    };
    let reply = redemptions::spend(shell, redemption, call).await?;
    Ok(view::redeemed(&reply.answer))
}

async fn strip(State(shell): State<Shell>, headers: HeaderMap) -> Response {
    match cashier(&shell, &headers).await {
        Ok(_) => state_strip(&shell).await.into_string().into_response(),
        Err(refusal) => refusal,
    }
}

#[derive(Deserialize)]
struct PairForm {
    code: String,
}

async fn pair_by_link(State(shell): State<Shell>, Query(form): Query<PairForm>) -> Response {
    pair(&shell, &form.code).await
}

async fn pair_by_form(State(shell): State<Shell>, Form(form): Form<PairForm>) -> Response {
    pair(&shell, &form.code).await
}

async fn pair(shell: &Shell, code: &str) -> Response {
    if !shell.pairing.try_code(code, Instant::now()) {
        return pairing_page(shell, Some("This code is not valid (any more): run `counterfoil pair` again."));
    }
    let now = shell.clock.now();
    let name = format!("cashier page {}", uuid::Uuid::now_v7());
    let made = shell.engine.call(move |till: &mut Till| tokens::create(till, &name, &Scope::PAGE, now)).await;
    let secret = match made {
        Ok(Ok(secret)) => secret,
        Ok(Err(error)) => return Problem::from(error).into_response(),
        Err(_) => return Problem::stopping().into_response(),
    };
    let session = session_cookie(&shell.facts.terminal);
    let cookie = format!("{session}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SESSION_SECONDS}");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

/// Who looks at the page; where nobody is logged in, the pairing page.
async fn cashier(shell: &Shell, headers: &HeaderMap) -> Result<Caller, Response> {
    match guard::caller(shell, headers).await {
        Ok(caller) => Ok(caller),
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => Err(pairing_page(shell, None)),
        Err(problem) => Err(problem.into_response()),
    }
}

fn pairing_page(shell: &Shell, notice: Option<&str>) -> Response {
    let mut response = document("Counterfoil", &view::pairing(&shell.facts, notice));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

async fn main_page(shell: &Shell, content: Markup) -> Response {
    let strip = state_strip(shell).await;
    document("Counterfoil", &view::main(&shell.facts, &strip, &content, false))
}

async fn state_strip(shell: &Shell) -> Markup {
    let now = shell.clock.now();
    let known = shell.engine.call(move |till| (till.pending_member(now), till.standing().clone())).await;
    let (pending, standing) = match known {
        Ok((pending, standing)) => (pending, Some(standing)),
        Err(_) => (None, None),
    };
    view::strip(&shell.facts, &shell.link.state(), pending.as_ref(), standing.as_ref())
}

async fn member_card(shell: &Shell, member: MemberView) -> Markup {
    view::member(&shell.facts, &card(shell, member).await, || uuid::Uuid::now_v7().to_string())
}

/// What stands open for a member; where the books cannot say, nothing does.
async fn card(shell: &Shell, member: MemberView) -> Card {
    let id = member.member_id;
    let known = shell.engine.call(move |till| (till.open_reservations(Some(id)), till.last_redemption(id))).await;
    let (open, last) = match known {
        Ok((open, last)) => (open.unwrap_or_default(), last.unwrap_or_default()),
        Err(_) => (Vec::new(), None),
    };
    Card { member, open, last }
}
