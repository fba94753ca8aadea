//! `counterfoil status`.

use std::process::ExitCode;

use clap::Args;
use counterfoil_till::Till;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::status::Books;
use crate::cli::PlaceArgs;
use crate::cli::ask;
use crate::cli::output;
use crate::clock::{Clock, rfc3339};
use crate::places::Places;

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  counterfoil status\n  counterfoil status --json")]
pub struct StatusArgs {
    /// As JSON, as `GET /v1/status` answers it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

/// Runs the command. Exit code 1 when the till may not spend.
///
/// # Errors
/// When the books cannot be asked.
pub fn run(args: StatusArgs) -> anyhow::Result<ExitCode> {
    let status = read(&args.places.places()?)?;
    if args.json {
        output::json(&status);
    } else {
        print(&status);
    }
    Ok(if status["sound"] == json!(false) { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The state, from whoever has the books; `running` says whether that is a daemon.
///
/// # Errors
/// When they cannot be asked.
pub fn read(places: &Places) -> anyhow::Result<Value> {
    match ask::books(places)? {
        ask::Books::Daemon(daemon) => {
            let mut status: Value = daemon.ask(Method::GET, "/control/status", None)?;
            status["running"] = json!(true);
            Ok(status)
        }
        ask::Books::Here(till) => describe(&till),
    }
}

fn describe(till: &Till) -> anyhow::Result<Value> {
    let now = Clock::default().now();
    let mut status = Books::read(till, now)?.describe();
    status["running"] = json!(false);
    status["hub"] = json!({
        "url": till.enrolment().hub_url, "reachable": false, "last_sync_at": null, "why": "no daemon runs",
        "refused": null, "refusals": {}, "made_whole_at": null,
    });
    status["devices"] = json!([]);
    status["clock"] = json!({ "now": rfc3339(now.wall_ms), "suspect": now.suspect, "hub_offset_ms": null });
    Ok(status)
}

fn print(status: &Value) {
    let text = |pointer: &str| match status.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let running = status["running"] == json!(true);
    output::line(format_args!(
        "store {}, lane {} ({}), version {}",
        text("/store"),
        text("/lane"),
        text("/terminal"),
        text("/version")
    ));
    let state = if running { output::coloured(true, "running") } else { output::coloured(false, "not running") };
    output::line(format_args!("daemon    {state}"));
    let sound = status["sound"] == json!(true);
    output::line(format_args!("books     {}", output::coloured(sound, &text("/standing"))));
    if status["life"].as_u64().is_some_and(|life| life > 1) {
        output::line(format_args!("          life {} of this till: it was put back from an older copy", text("/life")));
    }
    output::line(format_args!(
        "journal   {} records, {} at head office, {} waiting",
        text("/journal/position"),
        text("/journal/acknowledged"),
        text("/journal/pending")
    ));
    let reachable = status.pointer("/hub/reachable") == Some(&json!(true));
    let line = if reachable { output::coloured(true, "answers") } else { output::coloured(false, "does not answer") };
    let why = status.pointer("/hub/why").and_then(Value::as_str).map_or_else(String::new, |why| format!(": {why}"));
    output::line(format_args!(
        "hub       {} {line}{why}, last contact {}",
        text("/hub/url"),
        text("/hub/last_sync_at")
    ));
    if let Some(refused) = status.pointer("/hub/refused").and_then(Value::as_str) {
        output::line(format_args!("          {}", output::coloured(false, &format!("head office refuses: {refused}"))));
    }
    print_rights(status);
    output::line(format_args!("program   {} version {}", text("/program/id"), text("/program/version")));
    output::line(format_args!("day       {}", text("/day/business_date")));
    let suspect = status.pointer("/clock/suspect") == Some(&json!(true));
    output::line(format_args!(
        "clock     {}{}",
        text("/clock/now"),
        if suspect { " (suspect: set the machine's clock)" } else { "" }
    ));
    output::line(format_args!(
        "card      waits {} s for its sale; waiting now: {}",
        text("/member/timeout_s"),
        if status.pointer("/member/pending").is_some_and(|pending| !pending.is_null()) { "one" } else { "none" }
    ));
    for device in status["devices"].as_array().into_iter().flatten() {
        let up = device["up"] == json!(true);
        let state = output::coloured(up, if up { "up" } else { "down" });
        let detail = device["detail"].as_str().map_or_else(String::new, |detail| format!(": {detail}"));
        output::line(format_args!("device    {} {state}{detail}", device["name"].as_str().unwrap_or_default()));
    }
}

/// What can be redeemed here with no line to anyone, and what has been given beyond that.
fn print_rights(status: &Value) {
    let list = |name: &str| status[name].as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for held in list("rights") {
        let purse = word(&held["purse"]);
        output::line(format_args!("held      {} {purse} for {} members", held["units"], held["members"]));
    }
    let baskets = &status["reservations_open"];
    if baskets.as_u64().is_some_and(|open| open > 0) {
        output::line(format_args!("baskets   {baskets} hold units"));
    }
    for floor in list("floors") {
        let (used, soft, hard) = (&floor["used_units"], &floor["soft_units"], &floor["hard_units"]);
        let within = used.as_i64() <= soft.as_i64();
        let words = format!("{used} of {hard} {} given without head office", word(&floor["purse"]));
        output::line(format_args!("floor     {}", output::coloured(within, &words)));
    }
}
