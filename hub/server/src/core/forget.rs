//! Forgetting: rows that grow with use and that nobody needs any more.
//!
//! A till that asked for a member keeps hearing of it for 60 days after it last asked. Grants stay in the feed: a till
//! that is put back from an older copy begins behind its last cursor.

use super::Hub;
use super::act::{Act, signed};
use super::error::{Doing as _, HubError};

/// How long a till hears of a member it asked for.
const WATCHED_KEPT_MS: i64 = 60 * 86_400_000;

impl Hub {
    /// Forgets at most `rows_max` rows; how many that was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_due(&mut self, now_ms: i64, rows_max: usize) -> Result<usize, HubError> {
        let before_ms = now_ms.saturating_sub(WATCHED_KEPT_MS);
        let is_any = self.read(now_ms, |act| act.is_any_watched_before(before_ms))?;
        if !is_any {
            return Ok(0);
        }
        self.change(now_ms, |act| {
            act.tx
                .prepare_cached(
                    "DELETE FROM watched WHERE (bucket, member, incarnation) IN
                     (SELECT bucket, member, incarnation FROM watched WHERE last_ms < ?1 LIMIT ?2)",
                )
                .and_then(|mut delete| delete.execute((before_ms, signed(rows_max as u64))))
                .doing("forgetting who asked for whom")
        })
    }
}

impl Act<'_> {
    fn is_any_watched_before(&self, before_ms: i64) -> Result<bool, HubError> {
        self.tx
            .prepare_cached("SELECT 1 FROM watched WHERE last_ms < ?1")
            .and_then(|mut query| query.exists([before_ms]))
            .doing("looking who asked long ago")
    }
}
