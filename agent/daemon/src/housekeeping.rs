//! What the till does by the clock: the marker within a second, baskets that were given up, units past their date,
//! orders that wait, the day's end, tidying in idle moments.
//!
//! Decides nothing: it asks the engine what is due.

use std::time::Duration;

use counterfoil_till::{Call, CommandError, Now, RedemptionAnswer, RedemptionState, Till};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::errors::ErrorChain;
use crate::orders;
use crate::shell::Shell;

const MARKER_EVERY: Duration = Duration::from_millis(500);
const RIGHTS_EVERY: Duration = Duration::from_secs(2);
const DAY_END_EVERY: Duration = Duration::from_secs(20);
/// Idle for this long, the write-ahead log is moved into the database.
const IDLE: Duration = Duration::from_secs(60);

/// Runs until cancelled.
///
/// # Errors
/// When the engine has stopped, or says that it must be opened anew.
pub async fn run(shell: Shell, cancelled: CancellationToken) -> anyhow::Result<()> {
    let mut marker = tokio::time::interval(MARKER_EVERY);
    let mut rights = tokio::time::interval(RIGHTS_EVERY);
    let mut day_end = tokio::time::interval(DAY_END_EVERY);
    marker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rights.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
            _ = rights.tick() => tend_rights(&shell).await?,
            _ = day_end.tick() => close_day(&shell).await?,
        }
    }
}

/// Also notices an engine that must be opened anew, whoever brought it there.
fn store_marker(till: &mut Till) -> Result<(), CommandError> {
    till.usable()?;
    if till.marker_due() { till.store_marker() } else { Ok(()) }
}

/// Frees baskets that were given up, gives back what is past its date, carries out what head office ordered and what
/// could not be done then.
async fn tend_rights(shell: &Shell) -> anyhow::Result<()> {
    let now = shell.clock.now();
    let (freed, expired) = shell
        .engine
        .call(move |till| {
            orders::carry_out(till, now);
            (free_given_up(till, now), till.return_expired(now))
        })
        .await?;
    match freed {
        Ok(freed) => freed.iter().for_each(|answer| shell.events.tell("release", answer)),
        Err(error) => keep(Err(error), "freeing baskets that were given up")?,
    }
    keep(expired.map(drop), "giving back units past their date")
}

fn free_given_up(till: &mut Till, now: Now) -> Result<Vec<RedemptionAnswer>, CommandError> {
    let open = till.open_reservations(None)?;
    if till.expire_reservations(now)? == 0 {
        return Ok(Vec::new());
    }
    let after = open.iter().filter_map(|before| till.redemption(before.redemption_id).transpose());
    let after: Vec<RedemptionAnswer> = after.collect::<Result<_, _>>()?;
    Ok(after.into_iter().filter(|answer| answer.state == RedemptionState::TimedOut).collect())
}

async fn close_day(shell: &Shell) -> anyhow::Result<()> {
    let now = shell.clock.now();
    let closed = shell
        .engine
        .call(move |till| {
            till.day_end_due(now).then(|| {
                till.return_expired(now)?;
                till.close_day(None, Call::api(), now)
            })
        })
        .await?;
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
