//! The console's pages as HTML. No queries, no decisions: what is shown is given.

use counterfoil_protocol::time::rfc3339_utc;
use maud::{DOCTYPE, Markup, html};

use crate::core::{Counts, DayState, DayView, ExceptionView, TerminalView, TrialBalance};

/// What the page shows, from one moment.
#[derive(Debug)]
pub struct Books {
    /// When it was read.
    pub now_ms: i64,
    /// How much there is.
    pub counts: Counts,
    /// The fleet.
    pub terminals: Vec<TerminalView>,
    /// Business days.
    pub days: Vec<DayView>,
    /// The trial balance.
    pub balance: TrialBalance,
    /// What waits for a person.
    pub exceptions: Vec<ExceptionView>,
}

fn page(title: &str, refresh: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if refresh { meta http-equiv="refresh" content="15"; }
                title { (title) }
                link rel="stylesheet" href="/console/style.css";
            }
            body { (body) }
        }
    }
}

/// Asks for a key.
pub fn log_in(why: Option<&str>) -> Markup {
    page(
        "Head office: sign in",
        false,
        &html! {
            h1 { "Head office" }
            @if let Some(why) = why { p.bad role="alert" { (why) } }
            form method="post" action="/console/login" {
                label for="key" { "API key with the scope admin" }
                input #key name="key" type="password" autocomplete="current-password" required autofocus;
                button { "Sign in" }
            }
            p.quiet { "Make one on this machine: " code { "counterfoil-hub api-key create --name console --scope admin" } }
        },
    )
}

/// The page.
pub fn home(books: &Books) -> Markup {
    let counts = &books.counts;
    page(
        "Head office",
        true,
        &html! {
            h1 { "Head office" }
            p {
                (counts.stores) " stores, " (counts.terminals) " terminals, " (counts.members) " members, "
                (counts.sales) " sales. As of " (rfc3339_utc(books.now_ms)) ". "
                a href="/docs" { "API" } " "
                form.inline method="post" action="/console/logout" { button { "Sign out" } }
            }
            (terminals(&books.terminals))
            (days(&books.days))
            (balance(&books.balance))
            (exceptions(&books.exceptions, counts.open_exceptions))
        },
    )
}

fn terminals(terminals: &[TerminalView]) -> Markup {
    html! {
        h2 { "Terminals" }
        @if terminals.is_empty() { p.quiet { "None yet. Invite one: " code { "counterfoil-hub terminal invite" } } }
        @else {
            table {
                thead { tr {
                    th { "store" } th { "lane" } th { "terminal" } th { "state" } th { "last seen" }
                    th.number { "backlog" } th.number { "acknowledged" } th.number { "posted" } th { "version" }
                } }
                tbody { @for terminal in terminals { tr {
                    td { (terminal.store) } td { (terminal.lane) } td { (terminal.terminal) } td { (terminal.state) }
                    td { (terminal.last_seen_at.as_deref().unwrap_or("never")) }
                    td.number.bad[terminal.backlog > 0] { (terminal.backlog) }
                    td.number { (terminal.acknowledged) } td.number { (terminal.posted) }
                    td { (terminal.version.as_deref().unwrap_or("")) }
                } } }
            }
        }
    }
}

fn state_word(state: DayState) -> (&'static str, &'static str) {
    match state {
        DayState::Open => ("open", "quiet"),
        DayState::Waiting => ("waiting for records", "bad"),
        DayState::Complete => ("complete, the POS has not said anything", ""),
        DayState::Balanced => ("balanced", "good"),
        DayState::Mismatched => ("mismatched", "bad"),
        DayState::Accepted => ("accepted by a person", ""),
        DayState::WrittenOff => ("written off by a person", ""),
    }
}

fn days(days: &[DayView]) -> Markup {
    html! {
        h2 { "Business days" }
        @if days.is_empty() { p.quiet { "No till has recorded anything yet." } }
        @else {
            table {
                thead { tr {
                    th { "date" } th { "store" } th { "lane" } th { "state" }
                    th.number { "sales" } th.number { "gross" } th { "what differs" }
                } }
                tbody { @for day in days { tr {
                    @let (word, class) = state_word(day.state);
                    @let close = day.till.as_ref().or(day.hub.as_ref());
                    td { (day.business_date) @if day.sequence > 1 { " (" (day.sequence) ")" } }
                    td { (day.store) } td { (day.lane) } td class=(class) { (word) }
                    td.number { (close.map(|close| close.sales.to_string()).unwrap_or_default()) }
                    td.number { (close.map(|close| minor(close.gross)).unwrap_or_default()) }
                    td {
                        @for range in &day.missing { div { "records " (range.from) " to " (range.to) " are missing" } }
                        @for difference in &day.differences { div { (difference) } }
                    }
                } } }
            }
        }
    }
}

/// Minor units with two places: what most currencies have; the API gives them exactly.
fn minor(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", amount.unsigned_abs() / 100, amount.unsigned_abs() % 100)
}

fn balance(balance: &TrialBalance) -> Markup {
    html! {
        h2 { "Trial balance" }
        @if balance.purses.is_empty() { p.quiet { "Nothing is posted yet." } }
        @for purse in &balance.purses {
            table {
                thead { tr { th { (purse.purse) } th { "holder" } th.number { "units" } } }
                tbody {
                    @for account in &purse.accounts { tr {
                        td { (account.account) } td { (account.holder.as_deref().unwrap_or("")) }
                        td.number { (account.total) }
                    } }
                    tr {
                        th { "sum" } td { @if purse.total == 0 { span.good { "the books balance" } }
                            @else { span.bad { "the books do not balance: run counterfoil-hub ledger verify" } } }
                        th.number { (purse.total) }
                    }
                }
            }
        }
    }
}

fn exceptions(exceptions: &[ExceptionView], open: u64) -> Markup {
    html! {
        h2 { "Exceptions" }
        @if exceptions.is_empty() { p.quiet { "Nothing waits for a person." } }
        @else {
            p { (open) " wait for a person." }
            table {
                thead { tr { th { "found" } th { "store" } th { "kind" } th { "about" } th { "reason" } th { "what to do" } } }
                tbody { @for exception in exceptions { tr {
                    td { (exception.found_at) } td { (exception.store.as_deref().unwrap_or("")) }
                    td { (exception.kind) } td { (exception.subject) } td { (exception.reason) }
                    td { (exception.actions.join(", ")) }
                } } }
            }
        }
    }
}
