//! What the till does by the clock: the marker within a second, the day's end, tidying in idle moments.
//!
//! Decides nothing: it asks the engine what is due.

use std::time::Duration;

use counterfoil_till::{Call, CommandError, Till};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::errors::ErrorChain;
use crate::shell::Shell;

const MARKER_EVERY: Duration = Duration::from_millis(500);
const DAY_END_EVERY: Duration = Duration::from_secs(20);
/// Idle for this long, the write-ahead log is moved into the database.
const IDLE: Duration = Duration::from_secs(60);

/// Runs until cancelled.
///
/// # Errors
/// When the engine has stopped, or says that it must be opened anew.
pub async fn run(shell: Shell, cancelled: CancellationToken) -> anyhow::Result<()> {
    let mut marker = tokio::time::interval(MARKER_EVERY);
    let mut day_end = tokio::time::interval(DAY_END_EVERY);
    marker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    day_end.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = shell.engine.progress();
    let mut last_change = Instant::now();
    let mut checkpointed = true;
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return Ok(()),
            _ = marker.tick() => {
                keep(shell.engine.call(store_marker).await?, "the marker beside the books")?;
                let now = shell.engine.progress();
                if now != known {
                    (known, last_change, checkpointed) = (now, Instant::now(), false);
                } else if !checkpointed && last_change.elapsed() > IDLE {
                    keep(shell.engine.call(Till::checkpoint).await?, "tidying the database")?;
                    checkpointed = true;
                }
            }
            _ = day_end.tick() => close_day(&shell).await?,
        }
    }
}

/// Also notices an engine that must be opened anew, whoever brought it there.
fn store_marker(till: &mut Till) -> Result<(), CommandError> {
    till.usable()?;
    if till.marker_due() { till.store_marker() } else { Ok(()) }
}

async fn close_day(shell: &Shell) -> anyhow::Result<()> {
    let now = shell.clock.now();
    let closed =
        shell.engine.call(move |till| till.day_end_due(now).then(|| till.close_day(None, Call::api(), now))).await?;
    match closed {
        None => {}
        Some(Ok(reply)) => {
            tracing::info!(date = %reply.answer.business_date, sales = reply.answer.sales, "the business day is closed: the store's day end has come");
            shell.events.tell("day", &reply.answer);
        }
        Some(Err(error)) => keep(Err(error), "closing the business day")?,
    }
    Ok(())
}

/// A failure that time may cure is logged; one that only a restart cures ends the daemon.
fn keep(result: Result<(), CommandError>, what: &str) -> anyhow::Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error @ CommandError::Poisoned) => Err(error.into()),
        Err(error) => {
            tracing::error!(error = %ErrorChain(&error), what, "failed, trying again by itself");
            Ok(())
        }
    }
}
