//! What head office does by itself: planning where rights should lie, ending what has expired, forgetting what nobody
//! needs any more.
//!
//! In slices of a few members through the same desk that serves tills, and only while nobody waits there: a till is
//! delayed by one slice at the most. Woken by changes, and once a minute.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::api::AppState;
use crate::bell::Bell;
use crate::clock::now_ms;
use crate::core::{Hub, HubError};
use crate::desk::{Desk, DeskError};

/// Members in one slice.
const SLICE_MEMBER_COUNT: usize = 4;
/// Rows forgotten in one slice.
const SLICE_ROW_COUNT: usize = 200;
/// How long changes gather before they are looked at.
const GATHER: Duration = Duration::from_millis(200);
/// How long to stand back while tills are served.
const STAND_BACK: Duration = Duration::from_millis(20);
/// How often to look without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Works until the hub stops.
pub async fn run(state: AppState) {
    let AppState { desk, bell, stopping, .. } = state;
    tokio::select! {
        () = stopping.cancelled() => {}
        () = work(&desk, &bell, &stopping) => {}
    }
}

async fn work(desk: &Desk, bell: &Bell, stopping: &CancellationToken) {
    while !stopping.is_cancelled() {
        let mut listener = bell.listen();
        if !slice_was_last(desk).await {
            continue;
        }
        tokio::select! {
            () = listener.rung() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Does a slice; whether nothing more is to be done now.
async fn slice_was_last(desk: &Desk) -> bool {
    if desk.waiting() > 0 {
        tokio::time::sleep(STAND_BACK).await;
        return false;
    }
    match desk.ask(|hub| slice(hub, now_ms())).await {
        Ok(Ok(done)) => done == 0,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "head office's own work waits for a minute");
            true
        }
        // A panic here has been logged by the desk; going on at once would do it again.
        Err(DeskError::Busy | DeskError::Broken) => true,
    }
}

/// A little of everything that is due; how much that was.
///
/// # Errors
/// When the database fails.
pub fn slice(hub: &mut Hub, now_ms: i64) -> Result<usize, HubError> {
    let expired = hub.expire_due(now_ms, SLICE_MEMBER_COUNT)?;
    let planned = hub.plan_due(now_ms, SLICE_MEMBER_COUNT)?;
    Ok(expired + planned + hub.forget_due(now_ms, SLICE_ROW_COUNT)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::MemberDraft;
    use crate::data_dir::DataDir;
    use crate::server::Running;

    #[tokio::test]
    async fn what_is_due_is_done_without_anybody_asking() {
        let dir = tempfile::tempdir().unwrap();
        let place = DataDir::resolve(Some(dir.path().join("hub")), None).unwrap();
        let running = Running::start(&place, false).unwrap();
        let state = running.state.clone();
        let upkeep = tokio::spawn(run(state.clone()));
        let draft = MemberDraft { identifiers: vec!["5".into()], ..MemberDraft::default() };
        let made = state.desk.ask(move |hub| {
            let member = hub.create_member(&draft, None, [1; 32], now_ms())?.answer.member_id;
            let member = member.parse().expect("the hub's own id");
            hub.adjust(member, "points", 5, "welcome", None, now_ms())
        });
        made.await.unwrap().unwrap();
        let count =
            |hub: &mut Hub| hub.connection().query_row("SELECT count(*) FROM plan_due", [], |row| row.get::<_, i64>(0));
        let drained = async {
            let mut listener = state.bell.listen();
            while state.desk.ask(count).await.unwrap().unwrap() != 0 {
                listener.rung().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), drained).await.unwrap();
        state.stopping.cancel();
        upkeep.await.unwrap();
        drop(state);
        running.stop();
    }
}
