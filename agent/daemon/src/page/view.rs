//! What the cashier reads. Plain words only: no unit of ours, no state name, no error code.

use counterfoil_protocol::wire::v1::feed::MemberStatus;
use counterfoil_till::{MemberView, PendingMember, RedemptionAnswer, Standing};
use maud::{DOCTYPE, Markup, html};

use crate::hub_link::state::LinkState;
use crate::shell::Facts;

/// The frame around every page.
pub fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/page.css";
            }
            body { (body) }
        }
    }
}

/// The page a paired browser shows.
pub fn main(facts: &Facts, strip: &Markup, content: &Markup) -> Markup {
    html! {
        header {
            h1 { (facts.store_name) ", till " (facts.lane) }
            div #strip aria-live="polite" { (strip) }
        }
        main {
            form #lookup method="post" action="/page/lookup" {
                label for="identifier" { "Card, phone or e-mail" }
                input #identifier name="identifier" autofocus autocomplete="off" spellcheck="false" required;
                button { "Find" }
            }
            form #scanned method="post" action="/page/lookup" hidden {
                input #scanned-member name="member_id" type="hidden";
            }
            (content)
        }
        script type="module" src="/page.js" {}
    }
}

/// The line and the waiting card.
pub fn strip(facts: &Facts, link: &LinkState, pending: Option<&PendingMember>, standing: Option<&Standing>) -> Markup {
    html! {
        @if link.answers() {
            p.good { "Connected to head office" }
        } @else if link.up.is_none() {
            p { "Looking for head office…" }
        } @else {
            p.away { "No connection to head office. Everything is kept here and sent later." }
        }
        @if let Some(standing) = standing.filter(|standing| !standing.is_sound()) {
            p.bad { "Nothing can be redeemed at this till: " (standing) "." }
        }
        @if let Some(pending) = pending {
            p.card {
                @if pending.member.is_some() { "A member's card is waiting for the next sale" }
                @else { "A card that is not known here is waiting for the next sale" }
                " (until " (facts.local_time(pending.expires_at_ms)) ")."
            }
        }
    }
}

/// A sentence after something was done, or was not.
pub fn notice(good: bool, words: &str) -> Markup {
    html! { p.notice.good[good].bad[!good] role="status" { (words) } }
}

/// What a redemption gave, in words.
pub fn redeemed(answer: &RedemptionAnswer) -> String {
    let (Some(name), Some(amount)) = (&answer.purse, answer.amount) else {
        return "Done.".to_owned();
    };
    let left = answer.purses.iter().find(|purse| purse.purse == *name).map(|purse| purse.balance);
    let left = left.map_or_else(String::new, |left| format!(" {left} {name} are left."));
    format!("Done: {amount} {name} were used.{left}")
}

/// A member with points and rewards. `key` makes a fresh key for each button.
pub fn member(member: &MemberView, key: impl Fn() -> String) -> Markup {
    html! {
        section.member {
            h2 {
                (member.display_name.as_deref().unwrap_or("Member"))
                @if let Some(tier) = &member.tier { " " span.tier { (tier) } }
            }
            @match member.status {
                MemberStatus::Active => {},
                MemberStatus::Blocked => p.bad { "This card is blocked: it collects, and nothing can be redeemed." },
                MemberStatus::Closed => p.bad { "This membership is closed." },
            }
            table.purses {
                tbody {
                    @for purse in &member.purses {
                        tr {
                            th scope="row" { (purse.purse) }
                            td.amount { (purse.balance) }
                            td {
                                @if purse.spendable < purse.balance { (purse.spendable) " can be used here now" }
                                @if purse.pending > 0 { " " (purse.pending) " not yet available" }
                                @if purse.debt > 0 { " " (purse.debt) " still owed" }
                                @if let Some(expiring) = &purse.expiring {
                                    " " (expiring.amount) " end on " (expiring.on)
                                }
                            }
                        }
                    }
                    @if member.purses.is_empty() { tr { td { "Nothing collected yet." } } }
                }
            }
            @for reward in &member.rewards {
                form.reward method="post" action="/page/redeem" {
                    input type="hidden" name="member_id" value=(member.member_id);
                    input type="hidden" name="reward_id" value=(reward.reward_id);
                    input type="hidden" name="key" value=(key());
                    button disabled[!redeemable(member, reward.available, reward.cost.amount, &reward.cost.purse)] {
                        "Redeem: " (reward.title)
                    }
                    span {
                        (reward.cost.amount) " " (reward.cost.purse)
                        @if let Some(reason) = &reward.reason { ": " (reason) }
                    }
                }
            }
        }
    }
}

/// A reward that is affordable but not spendable here may still be tried: head office may grant it.
fn redeemable(member: &MemberView, available: bool, cost: i64, purse: &str) -> bool {
    let affordable = member.purses.iter().any(|had| had.purse == purse && had.balance >= cost);
    member.status == MemberStatus::Active && (available || affordable)
}

/// The page of a browser that nobody let in yet.
pub fn pairing(facts: &Facts, notice_words: Option<&str>) -> Markup {
    html! {
        header { h1 { (facts.store_name) ", till " (facts.lane) } }
        main {
            @if let Some(words) = notice_words { (notice(false, words)) }
            form method="post" action="/pair" {
                label for="code" { "Code from " code { "counterfoil pair" } " on this till" }
                input #code name="code" inputmode="numeric" autofocus autocomplete="off" required;
                button { "Open" }
            }
        }
    }
}
