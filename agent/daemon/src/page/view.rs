//! What the cashier reads. Plain words only: no unit of ours, no state name, no error code.

use counterfoil_protocol::record::Rights;
use counterfoil_protocol::wire::v1::feed::MemberStatus;
use counterfoil_till::{
    LastRedemption, MemberView, PendingMember, PurseView, RedemptionAnswer, RedemptionState, Standing,
};
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

/// The page a paired browser shows. A question has the focus; otherwise the field a scanner types into has it.
pub fn main(facts: &Facts, strip: &Markup, content: &Markup, is_question: bool) -> Markup {
    html! {
        header {
            h1 { (facts.store_name) ", till " (facts.lane) }
            div #strip aria-live="polite" { (strip) }
        }
        main {
            form #lookup method="post" action="/page/lookup" {
                label for="identifier" { "Card, phone or e-mail" }
                input #identifier name="identifier" autofocus[!is_question] autocomplete="off" spellcheck="false" required;
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
        @match standing {
            None | Some(Standing::Sound) => {
                @if let Some(at) = link.made_whole_ms {
                    p { "This till was put back from an older copy. At " (facts.local_time(at))
                        " head office brought it up to date; everything works as before." }
                }
            },
            Some(Standing::Behind { .. }) => p.bad {
                "Nothing can be redeemed at this till now: it was put back from an older copy. \
                 Sales are recorded as usual. It puts itself right as soon as head office answers."
            },
            Some(Standing::Retired { .. }) => p.bad {
                "Nothing can be redeemed at this till: head office has taken it out of service. \
                 Sales are recorded as usual; please call head office."
            },
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
    let floor = match answer.rights {
        Some(Rights::Floor) => {
            " It was given without asking head office, which does not answer now; it is told as soon as it does."
        }
        _ => "",
    };
    format!("Done: {amount} {name} were used.{left}{floor}")
}

/// What came of giving back, or of asking for it.
pub fn given_back(answer: &RedemptionAnswer) -> String {
    match (answer.state, &answer.purse, answer.amount) {
        (RedemptionState::ReverseRequested, ..) => {
            "Head office is asked to give this back; the till where it was redeemed does it.".to_owned()
        }
        (_, Some(purse), Some(amount)) => format!("Undone: {amount} {purse} are given back."),
        _ => "Undone.".to_owned(),
    }
}

/// What a cashier sees of a member.
pub struct Card {
    /// The member.
    pub member: MemberView,
    /// What is kept for baskets that are open.
    pub open: Vec<RedemptionAnswer>,
    /// What was redeemed here last.
    pub last: Option<LastRedemption>,
}

impl Card {
    /// What a redemption was for, as the program calls it.
    fn title(&self, answer: &RedemptionAnswer) -> String {
        let (purse, amount) = (answer.purse.as_deref().unwrap_or_default(), answer.amount.unwrap_or_default());
        let reward = self.member.rewards.iter().find(|reward| Some(&reward.reward_id) == answer.reward_id.as_ref());
        match reward {
            Some(reward) => format!("{} ({amount} {purse})", reward.title),
            None => format!("{amount} {purse}"),
        }
    }
}

/// A member with points and rewards. `key` makes a fresh key for each button.
pub fn member(facts: &Facts, card: &Card, key: impl Fn() -> String) -> Markup {
    let member = &card.member;
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
                            td { (purse_words(purse)) }
                        }
                    }
                    @if member.purses.is_empty() { tr { td { "Nothing collected yet." } } }
                }
            }
            @for open in &card.open { (reserved(facts, card, open, key())) }
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
            @if let Some(last) = &card.last { (last_redemption(facts, card, last)) }
        }
    }
}

/// What there is to say of a purse besides its balance.
fn purse_words(purse: &PurseView) -> Markup {
    html! {
        @if purse.spendable < purse.balance { p { (purse.spendable) " can be used here now" } }
        @if purse.pending > 0 { p { (purse.pending) " cannot be used yet" } }
        @if let Some(expiring) = &purse.expiring { p { (expiring.amount) " can be used until " (expiring.on) } }
        @if purse.debt > 0 { p { (purse.debt) " are owed: what is collected next pays that first" } }
    }
}

/// Units kept for a basket, with a way to let them go.
fn reserved(facts: &Facts, card: &Card, open: &RedemptionAnswer, key: String) -> Markup {
    let until = open.expires_at.as_ref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    html! {
        form.kept method="post" action="/page/cancel" {
            input type="hidden" name="member_id" value=(card.member.member_id);
            input type="hidden" name="redemption_id" value=(open.redemption_id);
            input type="hidden" name="key" value=(key);
            span {
                "Kept for the basket being rung up: " (card.title(open))
                @if let Some(until) = until { ", until " (facts.local_time(until.as_millisecond())) }
            }
            " " button { "Let go" }
        }
    }
}

/// What was redeemed last, with a way to undo it: one key, and Enter on the next page.
fn last_redemption(facts: &Facts, card: &Card, last: &LastRedemption) -> Markup {
    html! {
        @if last.can_be_undone() {
            form.last method="post" action="/page/undo" {
                input type="hidden" name="member_id" value=(card.member.member_id);
                input type="hidden" name="redemption_id" value=(last.answer.redemption_id);
                span { "Redeemed last here, " (facts.local_moment(last.recorded_at_ms)) ": " (card.title(&last.answer)) }
                " " button accesskey="u" { "Undo…" }
            }
        }
    }
}

/// Asks before something is undone; Enter says yes.
pub fn undo_question(card: &Card, last: &LastRedemption, key: String) -> Markup {
    let name = card.member.display_name.as_deref().unwrap_or("the member");
    html! {
        section.question {
            p { "Give back what " (name) " redeemed: " (card.title(&last.answer)) "?" }
            form method="post" action="/page/reverse" {
                input type="hidden" name="member_id" value=(card.member.member_id);
                input type="hidden" name="redemption_id" value=(last.answer.redemption_id);
                input type="hidden" name="key" value=(key);
                button #yes autofocus { "Yes, give it back" }
            }
            form method="post" action="/page/lookup" {
                input type="hidden" name="member_id" value=(card.member.member_id);
                button { "No" }
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
