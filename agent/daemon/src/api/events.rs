//! `GET /v1/events`: server-sent events of what happens on this till.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::api::guard::Caller;
use crate::api::problem::Problem;
use crate::events::Event;
use crate::shell::Shell;
use crate::tokens::Scope;

/// Often enough that a client notices a daemon that died.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Beyond this a slow listener misses events, and is told how many.
const FRAMES_WAITING_MAX: usize = 64;

/// Scans, receipts, sales, returns, redemptions and what becomes of them (`reservation`, `confirmation`, `release`,
/// `reversal`), day closes and the state of the line, as they happen. The first event, `hello`, says that the stream is
/// open.
#[utoipa::path(get, path = "/v1/events", tag = "state", responses(
    (status = 200, description = "Server-sent events", content_type = "text/event-stream"),
))]
pub async fn stream(
    State(shell): State<Shell>,
    Extension(caller): Extension<Caller>,
) -> Result<Sse<impl Stream<Item = Result<Frame, Infallible>>>, Problem> {
    caller.need(Scope::StatusRead)?;
    let (sender, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
    let hello = Event { name: "hello", data: json!({ "terminal": shell.facts.terminal }) };
    tokio::spawn(forward(hello, shell.events.subscribe(), sender, shell.stopping.clone()));
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Until the listener goes or the daemon stops: an open stream must not hold up a stop.
async fn forward(
    hello: Event,
    mut events: broadcast::Receiver<Event>,
    listener: mpsc::Sender<Result<Frame, Infallible>>,
    stopping: CancellationToken,
) {
    let mut next = hello;
    while listener.send(Ok(frame(&next))).await.is_ok() {
        next = tokio::select! {
            () = stopping.cancelled() => return,
            () = listener.closed() => return,
            event = events.recv() => match event {
                Ok(event) => event,
                Err(RecvError::Lagged(missed)) => Event { name: "missed", data: json!({ "events": missed }) },
                Err(RecvError::Closed) => return,
            },
        };
    }
}

fn frame(event: &Event) -> Frame {
    Frame::default().event(event.name).data(event.data.to_string())
}
