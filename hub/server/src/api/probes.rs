//! Liveness, readiness, metrics: for machines that watch, without a key and without anything personal.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::{Problem, ProblemDocument};
use super::state::AppState;
use crate::core::{Counts, HubError, TerminalView};
use crate::metrics::{Gauge, MEDIA_TYPE};

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "probes", responses((status = 200, body = String)))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The hub can answer: its database reads.
#[utoipa::path(get, path = "/readyz", tag = "probes", responses((status = 200, body = String),
    (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn readyz(State(state): State<AppState>) -> Result<&'static str, Problem> {
    if state.stopping.is_cancelled() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the hub is stopping"));
    }
    state.desk.ask(|hub| hub.data_version()).await??;
    Ok("ready\n")
}

/// Prometheus text.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses((status = 200, body = String)))]
pub async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    let (counts, terminals) = state.reads.ask(|hub| Ok::<_, HubError>((hub.counts()?, hub.terminals()?))).await??;
    let text = state.metrics.text(&gauges(&counts, &terminals, state.desk.waiting()));
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

fn gauges(counts: &Counts, terminals: &[TerminalView], waiting: usize) -> Vec<Gauge> {
    let whole =
        |name, help, value: u64| Gauge { name, help, label: None, value: i64::try_from(value).unwrap_or(i64::MAX) };
    let mut gauges = vec![
        whole("counterfoil_hub_stores", "Stores.", counts.stores),
        whole("counterfoil_hub_terminals", "Terminals with a live incarnation.", counts.terminals),
        whole("counterfoil_hub_members", "Members.", counts.members),
        whole("counterfoil_hub_records", "Journal records held.", counts.records),
        whole("counterfoil_hub_records_unposted", "Journal records not yet posted.", counts.unposted),
        whole("counterfoil_hub_sales", "Sales and returns.", counts.sales),
        whole("counterfoil_hub_ledger_entries", "Ledger entries.", counts.entries),
        whole("counterfoil_hub_exceptions_open", "Exceptions that wait for a person.", counts.open_exceptions),
        whole("counterfoil_hub_jobs_waiting", "Requests that wait for the core.", waiting as u64),
    ];
    gauges.extend(terminals.iter().map(|terminal| Gauge {
        name: "counterfoil_hub_terminal_backlog",
        help: "Records a terminal announced that are not here.",
        label: Some(("terminal", terminal.terminal.clone())),
        value: i64::try_from(terminal.backlog).unwrap_or(i64::MAX),
    }));
    gauges
}
